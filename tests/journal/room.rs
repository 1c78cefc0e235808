//! A full disk: nothing new is begun, what happened is remembered, the way back stays open.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use gonogo::journal::shelf::Weight;
use gonogo::journal::{AppendError, Call, Disk, Fault, Journal};
use gonogo::release::{Clean, Event, Principal, Slot};

use super::kit::{append, create, driver, folder, id, intent, outcome, quick_dir, watch};

const ENOSPC: i32 = 28;

fn rollback() -> (Principal, Event) {
    let reason = Clean::new("error rate 4.10 %");
    (Principal::engine(), Event::RollbackOrdered { to: Slot::Blue, reason })
}

fn is_full(result: Result<Vec<gonogo::release::Record>, AppendError>) -> bool {
    match result {
        Err(error @ AppendError::Full(_)) => {
            assert!(error.to_string().starts_with("DISK FULL: nothing was changed"));
            true
        }
        Err(other) => panic!("{other}"),
        Ok(_) => false,
    }
}

#[test]
fn the_heaviest_event_of_a_batch_decides() {
    let weight = |events: &[(Principal, Event)]| events.iter().map(|e| Weight::of(&e.1)).max();
    assert_eq!(weight(&[outcome(1), intent(1)]), Some(Weight::Intent));
    assert_eq!(weight(&[outcome(1), intent(1), rollback()]), Some(Weight::WayBack));
    assert_eq!(weight(&[outcome(1)]), Some(Weight::Outcome));
}

#[test]
fn f5_f6_an_intent_waits_for_room_and_an_outcome_takes_the_reserve() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let disk = Disk::faulty(Fault::default());
    let mut journal = Journal::create_on(&disk, &folder, id(), driver("s-1")).expect("created");
    append(&mut journal, vec![intent(0)]).expect("kept");
    let reserve = || folder.join("reserve").exists();
    // The disk is full for one write: what was refused left no trace.
    let once = Fault { nth: 1, only: Some(Call::Write), errno: ENOSPC, ..Fault::default() };
    disk.set_fault(once.clone());
    assert!(is_full(append(&mut journal, vec![intent(1)])));
    assert!(reserve(), "an intent does not touch the reserve");
    append(&mut journal, vec![intent(1)]).expect("kept once there is room");
    disk.set_fault(once);
    append(&mut journal, vec![outcome(100)]).expect("kept in the reserve");
    assert!(!reserve());
    // While no new reserve can be made, intents wait; outcomes and the way back do not.
    let full =
        Fault { nth: 1, lasts: true, only: Some(Call::Reserve), errno: ENOSPC, ..Fault::default() };
    disk.set_fault(full);
    assert!(is_full(append(&mut journal, vec![intent(2)])));
    append(&mut journal, vec![outcome(100)]).expect("kept in the reserve");
    // The last quarter is for the way back.
    let mut outcomes = 0;
    while !is_full(append(&mut journal, vec![outcome(100_000)])) {
        outcomes += 1;
        assert!(outcomes < 11, "outcomes used up all of the reserve");
    }
    append(&mut journal, vec![intent(3), rollback()]).expect("the way back is always open");
    disk.set_fault(Fault::default());
    append(&mut journal, vec![intent(4)]).expect("kept, with room again");
    assert!(reserve(), "the reserve is made anew");
    assert_eq!(watch(&folder).1.len(), 7 + outcomes);
}

#[test]
fn f5_a_journal_without_room_for_a_reserve_begins_nothing() {
    let dir = quick_dir();
    let disk = Disk::faulty(Fault {
        nth: 1,
        lasts: true,
        only: Some(Call::Reserve),
        errno: ENOSPC,
        ..Fault::default()
    });
    let mut journal =
        Journal::create_on(&disk, &folder(&dir), id(), driver("s-1")).expect("created");
    assert!(is_full(append(&mut journal, vec![intent(0)])));
    append(&mut journal, vec![rollback()]).expect("the way back is always open");
}

#[test]
fn room_is_claimed_ahead_of_the_records_and_a_write_without_it_finds_its_own() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = quick_dir();
    let disk = Disk::faulty(Fault::default());
    let folder = folder(&dir);
    let mut journal = Journal::create_on(&disk, &folder, id(), driver("s-1")).expect("created");
    let none =
        Fault { nth: 1, lasts: true, only: Some(Call::Reserve), errno: ENOSPC, ..Fault::default() };
    disk.set_fault(none);
    append(&mut journal, vec![intent(0)]).expect("kept");
    assert_eq!(disk.failed(), 1, "it was tried");
    append(&mut journal, vec![intent(1)]).expect("kept");
    assert_eq!(disk.failed(), 1, "and is not for every record");
    disk.set_fault(Fault::default());
    append(&mut journal, vec![outcome(100_000)]).expect("kept");
    let found = fs::metadata(folder.join("journal.jsonl")).expect("it");
    // Blocks are counted in 512 bytes, whatever the file system's own are.
    let (taken, ahead) = (found.blocks() * 512, 16 << 10);
    assert!(taken > found.len() + ahead, "{taken} bytes are taken for {}", found.len());
    assert_eq!(watch(&folder).1.len(), 3);
}

/// A file system of 4 MiB of its own, gone when dropped.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        #[expect(clippy::disallowed_methods, reason = "a test mounts a file system")]
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "gonogo-test"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(dir))
    }

    /// Fills what is left, to the last page.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.path().join("filler")).expect("made");
        while file.write_all(&[7; 4096]).is_ok() {}
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "a test mounts a file system")]
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn f5_f6_a_real_full_file_system() {
    let Some(tiny) = Tiny::mount() else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED f5_f6_a_real_full_file_system: no tmpfs can be mounted; run as root"
        );
        return;
    };
    let folder = tiny.0.path().join("r-1123.1");
    let mut journal = create(&folder);
    append(&mut journal, vec![intent(0)]).expect("kept");
    tiny.fill();
    // Some records still fit into the journal's last page.
    let mut kept = 1;
    while !is_full(append(&mut journal, vec![intent(1)])) {
        kept += 1;
    }
    let bytes = |folder: &Path| fs::metadata(folder.join("journal.jsonl")).expect("it").len();
    let before = bytes(&folder);
    assert!(is_full(append(&mut journal, vec![intent(2)])));
    assert_eq!(bytes(&folder), before, "what was refused left no trace");

    append(&mut journal, vec![outcome(1000)]).expect("kept in the reserve");
    // Whoever fills the disk does not get what the reserve gave up.
    tiny.fill();
    for _ in 0..5 {
        append(&mut journal, vec![outcome(100_000)]).expect("kept in the reserve");
    }
    append(&mut journal, vec![rollback()]).expect("the way back is always open");
    assert!(is_full(append(&mut journal, vec![intent(3)])));
    drop(journal);
    assert_eq!(watch(&folder).1.len(), kept + 7);
    // A new session opens on the full disk too.
    let (mut journal, ..) = super::kit::drive(&folder).expect("drivable");
    assert!(is_full(append(&mut journal, vec![intent(4)])));
    fs::remove_file(tiny.0.path().join("filler")).expect("removed");
    append(&mut journal, vec![intent(4)]).expect("kept, with room again");
}
