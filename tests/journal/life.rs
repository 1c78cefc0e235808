//! A journal's ordinary life: made, written, opened again, watched.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gonogo::journal::shelf::{MemoryShelf, Trouble, slow_line};
use gonogo::journal::{AppendError, Disk, Fault, Journal, OpenError, reader};
use gonogo::release::{Digest, Epoch, Seq};
use tempfile::tempdir;

use super::kit::{append, at, create, drive, driver, folder, id, intent, outcome, run, watch};

#[test]
fn i2_what_was_appended_is_read_again_in_order_and_chained() {
    let dir = tempdir().expect("a folder");
    let folder = folder(&dir);
    let mut journal = create(&folder);
    let mut written = append(&mut journal, vec![intent(0), outcome(9)]).expect("kept");
    written.extend(append(&mut journal, vec![intent(1)]).expect("kept"));
    assert_eq!(written.iter().map(|r| r.seq.0).collect::<Vec<_>>(), [0, 1, 2]);
    drop(journal);

    let text = fs::read(folder.join("journal.jsonl")).expect("the file");
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    assert_eq!(written[0].prev, Digest::zero());
    assert_eq!(written[1].prev, Digest::of(lines[0]));
    assert_eq!(written[2].prev, Digest::of(lines[1]));

    let (journal, read, repair) = drive(&folder).expect("opened");
    assert_eq!(read, written);
    assert_eq!(repair.notes(), []);
    assert_eq!(journal.head().expect("a head").digest, Digest::of(lines[2]));
    assert_eq!(journal.release(), &id());
}

#[test]
fn i5_each_driver_has_a_higher_epoch_even_if_it_recorded_nothing() {
    let dir = tempdir().expect("a folder");
    let folder = folder(&dir);
    let mut journal = create(&folder);
    assert_eq!(journal.epoch(), Epoch(1));
    append(&mut journal, vec![intent(0)]).expect("kept");
    drop(journal);
    assert_eq!(drive(&folder).expect("opened").0.epoch(), Epoch(2));
    let (mut journal, ..) = drive(&folder).expect("opened");
    assert_eq!(journal.epoch(), Epoch(3));
    let records = append(&mut journal, vec![intent(1)]).expect("kept");
    assert_eq!((records[0].epoch, records[0].seq), (Epoch(3), Seq(1)));
    assert_eq!(records[0].attempt_id, "s-2.3.1");
}

#[test]
fn a_journal_is_for_its_owner_alone_and_made_once() {
    let dir = tempdir().expect("a folder");
    let folder = folder(&dir);
    drop(create(&folder));
    let mode = |path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    for file in ["journal.jsonl", "reserve", "driver.json"] {
        assert_eq!(mode(folder.join(file)), 0o600, "{file}");
    }
    let again = Journal::create(&folder, id(), driver("s-9"));
    assert!(matches!(again, Err(OpenError::Exists { .. })), "{again:?}");
}

#[test]
fn one_batch_is_one_write_and_one_sync() {
    let dir = tempdir().expect("a folder");
    let disk = Disk::faulty(Fault::default());
    let mut journal =
        Journal::create_on(&disk, &folder(&dir), id(), driver("s-1")).expect("created");
    append(&mut journal, (0..1000).map(intent).collect()).expect("kept");
    assert_eq!(disk.syncs(), 1);
}

#[test]
fn f13_a_slow_sync_is_measured_and_named() {
    let dir = tempdir().expect("a folder");
    let slow = std::time::Duration::from_millis(5100);
    let disk = Disk::faulty(Fault { slow, ..Fault::default() });
    let mut journal =
        Journal::create_on(&disk, &folder(&dir), id(), driver("s-1")).expect("created");
    append(&mut journal, vec![intent(0)]).expect("kept");
    let line = slow_line(journal.last_sync()).expect("slow");
    assert!(line.starts_with("JOURNAL SLOW 5."), "{line}");
    assert_eq!(slow_line(std::time::Duration::from_millis(20)), None);
}

#[test]
fn a_watcher_follows_and_cannot_write() {
    let dir = tempdir().expect("a folder");
    let folder = folder(&dir);
    let mut journal = create(&folder);
    append(&mut journal, vec![intent(0)]).expect("kept");
    let (mut watcher, past, repair) = watch(&folder);
    assert_eq!(past.len(), 1);
    assert_eq!(
        repair.notes()[0].as_str(),
        "OBSERVING: driver is pid 4711 (alice)",
        "a watcher knows who drives"
    );
    assert_eq!(watcher.look().expect("read"), []);
    let more = append(&mut journal, vec![intent(1), intent(2)]).expect("kept");
    assert_eq!(watcher.look().expect("read"), more);
    assert_eq!(watcher.head(), journal.head());
    let refused = append(&mut watcher, vec![intent(3)]).expect_err("watching");
    assert!(matches!(refused, AppendError::Dead(_)));
    let found = reader::verify(&Disk::real(), &folder, &[]).expect("read");
    assert!(found.holds() && found.records == 3 && found.head == journal.head());
}

#[test]
fn f14_to_f16_a_shelf_s_answers_reach_the_caller() {
    let shelf = MemoryShelf::new();
    let made =
        Journal::on_shelf(id(), driver("s-1"), Box::new(shelf.clone()), &[]).expect("a journal");
    let mut journal = made.0;
    append(&mut journal, vec![intent(0)]).expect("kept");

    shelf.trouble(1, Trouble::Full);
    let full = append(&mut journal, vec![intent(1)]).expect_err("full");
    assert!(full.to_string().starts_with("DISK FULL: nothing was changed"), "{full}");
    append(&mut journal, vec![intent(1)]).expect("kept after there was room again");

    // A rival driver appends first: its record is folded in, and its epoch ends our driving.
    let lines = shelf.lines();
    let rival = MemoryShelf::new();
    let mut other =
        Journal::on_shelf(id(), driver("s-2"), Box::new(rival.clone()), &lines).expect("two").0;
    append(&mut other, vec![intent(2)]).expect("kept");
    shelf.trouble(1, Trouble::Rival { lines: rival.lines() });
    match append(&mut journal, vec![intent(9)]).expect_err("overtaken") {
        AppendError::Conflict(newer) => {
            assert_eq!((newer.records.len(), newer.epoch), (1, Epoch(2)));
        }
        other => panic!("expected a conflict, got {other}"),
    }
    let dead = append(&mut journal, vec![intent(9)]).expect_err("fenced");
    assert!(dead.to_string().contains("another driver took over in epoch 2"), "{dead}");
}

#[test]
fn f4_after_doubt_nothing_is_taken() {
    let shelf = MemoryShelf::new();
    let made = Journal::on_shelf(id(), driver("s-1"), Box::new(shelf.clone()), &[]);
    let mut journal = made.expect("a journal").0;
    shelf.trouble(1, Trouble::InDoubt { kept: true });
    let doubt = append(&mut journal, vec![intent(0)]).expect_err("in doubt");
    assert!(matches!(doubt, AppendError::InDoubt(_)));
    assert!(matches!(append(&mut journal, vec![intent(0)]), Err(AppendError::Dead(_))));
    assert_eq!(shelf.appends(), 1, "nothing was tried again");
}

#[test]
fn an_append_given_up_half_way_leaves_the_journal_dead() {
    let dir = tempdir().expect("a folder");
    let mut journal = create(&folder(&dir));
    run(async {
        let append = journal.append(vec![intent(0)], at(1));
        let mut append = std::pin::pin!(append);
        // Polled once, then dropped.
        std::future::poll_fn(|cx| {
            let _ = append.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
    });
    let dead = append(&mut journal, vec![intent(1)]).expect_err("dead");
    assert!(dead.to_string().contains("abandoned half-way"), "{dead}");
}
