//! What the journal's tests share: a driver, a time, small events, a runtime.

use std::path::{Path, PathBuf};

use gonogo::journal::shelf::MemoryShelf;
use gonogo::journal::{AppendError, Disk, Driver, Journal, Mode, OpenError, Repair};
use gonogo::release::{
    Clean, Digest, Event, Person, Principal, Record, ReleaseId, SessionId, StepId, Timestamp,
};

pub(super) fn id() -> ReleaseId {
    ReleaseId::new("r-1123.1").expect("an id")
}

pub(super) fn driver(session: &str) -> Driver {
    Driver {
        session: SessionId::new(session).expect("an id"),
        person: Person::new("alice").expect("a name"),
        host: Clean::new("host7"),
        pid: 4711,
        boot: "boot-1".to_owned(),
        since: at(0).wall,
    }
}

/// A moment, `s` seconds after the start of the tests' time.
pub(super) fn at(s: i64) -> Timestamp {
    let start: jiff::Timestamp = "2026-11-23T02:41:00Z".parse().expect("a time");
    let wall = start + jiff::SignedDuration::from_secs(s);
    Timestamp { wall, boot_ms: u64::try_from(s).expect("a late time") * 1000 }
}

pub(super) fn step(name: &str) -> StepId {
    StepId::new(name).expect("a step id")
}

/// An intent.
pub(super) fn intent(n: usize) -> (Principal, Event) {
    (Principal::engine(), Event::StepStarted { step: step(&format!("code.step-{n}")) })
}

/// An outcome, `bytes` long and more.
pub(super) fn outcome(bytes: usize) -> (Principal, Event) {
    let reason = Clean::new(&"x".repeat(bytes));
    (Principal::engine(), Event::StepSkipped { step: step("code.skipped"), reason })
}

/// Runs one future to its end.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

pub(super) fn append(
    journal: &mut Journal,
    events: Vec<(Principal, Event)>,
) -> Result<Vec<Record>, AppendError> {
    run(journal.append(events, at(1)))
}

/// A release's folder that does not exist yet.
pub(super) fn folder(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("r-1123.1")
}

pub(super) fn create(folder: &Path) -> Journal {
    Journal::create(folder, id(), driver("s-1")).expect("a new journal")
}

pub(super) fn drive(folder: &Path) -> Result<(Journal, Vec<Record>, Repair), OpenError> {
    drive_on(&Disk::real(), folder)
}

pub(super) fn drive_on(
    disk: &Disk,
    folder: &Path,
) -> Result<(Journal, Vec<Record>, Repair), OpenError> {
    Journal::open_on(disk, folder, Mode::Drive(driver("s-2")))
}

pub(super) fn watch(folder: &Path) -> (Journal, Vec<Record>, Repair) {
    Journal::open(folder, Mode::Watch).expect("a journal that can be watched")
}

/// A folder in memory where there is one: syncs cost nothing there.
pub(super) fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder for the test")
}

/// The lines of events as the first session, `s-1`, writes them, a batch each.
pub(super) fn lines(events: Vec<(Principal, Event)>) -> Vec<Vec<u8>> {
    let shelf = MemoryShelf::new();
    let made = Journal::on_shelf(id(), driver("s-1"), Box::new(shelf.clone()), &[]);
    let mut journal = made.expect("a journal").0;
    for event in events {
        append(&mut journal, vec![event]).expect("kept");
    }
    shelf.lines()
}

/// A line with `old` replaced by `new`, and a sum that fits.
pub(super) fn resum(line: &[u8], old: &str, new: &str) -> Vec<u8> {
    let text = std::str::from_utf8(line).expect("text");
    assert!(text.contains(old), "{text}");
    let text = text.replacen(old, new, 1);
    let body = &text[..text.rfind(",\"sum\":\"").expect("a sum")];
    let sum = Digest::of(body.as_bytes());
    format!("{body},\"sum\":\"{}\"}}", &sum.as_str()[7..23]).into_bytes()
}

/// A line that follows another than it did.
pub(super) fn rechain(line: &[u8], before: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(line).expect("text");
    let at = text.find("\"prev\":\"").expect("prev") + 8;
    let old = text[at..at + 71].to_owned();
    resum(line, &old, Digest::of(before).as_str())
}
