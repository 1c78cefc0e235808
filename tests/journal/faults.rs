//! Any call may fail: each in its turn, once and from then on (anchor A6, goal G3).

use std::fs;
use std::path::Path;

use gonogo::journal::{AppendError, Call, Disk, Fault, Journal};
use gonogo::release::Record;

use super::kit::{
    append, create, drive, drive_on, driver, folder, id, intent, outcome, quick_dir, watch,
};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What a driver was told: the records that were acknowledged, and the lines it showed.
#[derive(Default)]
struct Told {
    acknowledged: Vec<Record>,
    doubtful: usize,
    lines: Vec<String>,
}

impl Told {
    fn append(&mut self, journal: &mut Journal, count: usize) {
        match append(journal, (0..count).map(outcome).collect()) {
            Ok(records) => self.acknowledged.extend(records),
            Err(error) => {
                if matches!(error, AppendError::InDoubt(_)) {
                    self.doubtful += count;
                }
                self.lines.push(error.to_string());
            }
        }
    }
}

/// A short life: made, written twice, torn, opened again, written once more.
fn life(disk: &Disk, folder: &Path) -> Told {
    let mut told = Told::default();
    match Journal::create_on(disk, folder, id(), driver("s-1")) {
        Ok(mut journal) => {
            told.append(&mut journal, 2);
            told.append(&mut journal, 1);
        }
        Err(error) => {
            told.lines.push(error.to_string());
            return told;
        }
    }
    // Power fails in the middle of another write.
    let torn = fs::OpenOptions::new().append(true).open(folder.join("journal.jsonl"));
    std::io::Write::write_all(&mut torn.expect("the file"), b"{\"format\":1,\"rel").expect("torn");
    match drive_on(disk, folder) {
        Ok((mut journal, read, _)) => {
            assert!(read.len() >= told.acknowledged.len());
            told.append(&mut journal, 1);
        }
        Err(error) => told.lines.push(error.to_string()),
    }
    told
}

/// Runs the short life with each call failing in turn, until none fails any more.
fn every_call(errno: i32, lasts: bool) -> u64 {
    for nth in 1..1000 {
        let dir = quick_dir();
        let folder = folder(&dir);
        let disk = Disk::faulty(Fault { nth, errno, lasts, ..Fault::default() });
        let told = life(&disk, &folder);
        if disk.failed() == 0 {
            assert_eq!(told.lines, [""; 0]);
            assert_eq!(told.acknowledged.len(), 4);
            return nth;
        }
        for line in &told.lines {
            let known = ["CANNOT RECORD: ", "DISK FULL: nothing was changed", "failed to "];
            assert!(known.iter().any(|start| line.starts_with(start)), "call {nth}: {line}");
        }
        if !folder.join("journal.jsonl").exists() {
            assert!(told.acknowledged.is_empty(), "call {nth}");
            continue;
        }
        // The disk is well again: everything acknowledged is there, in order, and what is there
        // besides was in doubt.
        let (mut journal, read, _) = drive(&folder).unwrap_or_else(|e| panic!("call {nth}: {e}"));
        let mut rest = read.iter();
        for record in &told.acknowledged {
            assert!(rest.any(|other| other == record), "call {nth}: {:?} is lost", record.seq);
        }
        assert!(read.len() <= told.acknowledged.len() + told.doubtful, "call {nth}: {read:?}");
        append(&mut journal, vec![intent(7)]).expect("kept");
    }
    panic!("the life has too many calls");
}

#[test]
fn f4_f6_any_call_may_fail_once() {
    for errno in [EIO, ENOSPC] {
        let calls = every_call(errno, false);
        assert!(calls > 40, "only {calls} calls go through the seam");
    }
}

#[test]
fn f4_f6_any_call_may_fail_from_then_on() {
    for errno in [EIO, ENOSPC] {
        every_call(errno, true);
    }
}

#[test]
fn f4_a_failed_sync_is_never_tried_again() {
    let dir = quick_dir();
    let disk = Disk::faulty(Fault::default());
    let mut journal =
        Journal::create_on(&disk, &folder(&dir), id(), driver("s-1")).expect("created");
    append(&mut journal, vec![intent(0)]).expect("kept");
    disk.set_fault(Fault { nth: 1, only: Some(Call::Sync), errno: EIO, ..Fault::default() });
    let doubt = append(&mut journal, vec![intent(1)]).expect_err("in doubt");
    assert!(matches!(doubt, AppendError::InDoubt(_)));
    let line = doubt.to_string();
    assert!(line.starts_with("CANNOT RECORD: driving stopped"), "{line}");
    let syncs = disk.syncs();
    let dead = append(&mut journal, vec![intent(1)]).expect_err("dead").to_string();
    assert!(dead.starts_with("CANNOT RECORD: driving stopped, traffic unchanged"), "{dead}");
    assert_eq!(disk.syncs(), syncs, "tried again");
    // The lock goes with the journal; a new session reads what the disk really has.
    drop(journal);
    let (_, read, _) = drive(&folder(&dir)).expect("drivable");
    assert!((1..=2).contains(&read.len()));
}

#[test]
fn f7_a_journal_that_is_deleted_renamed_replaced_cut_or_altered_stops_its_driver() {
    type Tamper = (&'static str, fn(&Path));
    let tampers: [Tamper; 5] = [
        ("deleted or renamed", |file| fs::remove_file(file).expect("removed")),
        ("deleted or renamed", |file| fs::rename(file, file.with_extension("x")).expect("moved")),
        ("replaced", |file| {
            let copy = file.with_extension("copy");
            fs::copy(file, &copy).expect("copied");
            fs::rename(copy, file).expect("moved");
        }),
        ("was cut", |file| {
            let file = fs::OpenOptions::new().write(true).open(file).expect("opened");
            file.set_len(100).expect("cut");
        }),
        ("altered", |file| {
            let mut bytes = fs::read(file).expect("read");
            let at = bytes.len() - 9;
            bytes[at] ^= 1;
            fs::write(file, bytes).expect("written");
        }),
    ];
    for (what, tamper) in tampers {
        let dir = quick_dir();
        let folder = folder(&dir);
        let mut journal = create(&folder);
        append(&mut journal, vec![intent(0)]).expect("kept");
        tamper(&folder.join("journal.jsonl"));
        let dead = append(&mut journal, vec![intent(1)]).expect_err("stopped");
        assert!(matches!(dead, AppendError::Dead(_)), "{what}: {dead}");
        assert!(dead.to_string().contains(what), "{what}: {dead}");
        assert!(append(&mut journal, vec![intent(1)]).is_err(), "{what}: it stays dead");
    }
}

#[test]
fn f15_another_writer_s_records_are_a_conflict_and_nothing_is_written() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let mut journal = create(&folder);
    let mine = append(&mut journal, vec![intent(0)]).expect("kept");
    // Somebody appends past the lock: the same chain, written elsewhere.
    let lines = super::kit::lines(vec![intent(0), intent(1)]);
    let mut bytes = lines[1].clone();
    bytes.push(b'\n');
    let file = fs::OpenOptions::new().append(true).open(folder.join("journal.jsonl"));
    std::io::Write::write_all(&mut file.expect("the file"), &bytes).expect("written");
    let AppendError::Conflict(newer) = append(&mut journal, vec![intent(2)]).expect_err("newer")
    else {
        panic!("expected a conflict");
    };
    assert_eq!(newer.records.len(), 1);
    let next = append(&mut journal, vec![intent(2)]).expect("kept behind it");
    assert_eq!(next[0].seq.0, 2);
    assert_eq!(watch(&folder).1.len(), mine.len() + 2);
}
