//! Golden journals: files that an earlier gonogo wrote. Every later one reads them, byte for byte
//! the same records, folded to the same release (fault F10).
//!
//! They are never written anew once a version that wrote them is in use. A new kind of event
//! gets a new file: add its story, then run
//! `cargo test --test all -- --ignored write_the_golden_journal`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gonogo::journal::shelf::MemoryShelf;
use gonogo::journal::{Disk, Journal, Mode, reader};
use gonogo::release::{Event, Principal, Record, Release, ReleaseResult};

use super::kit::{at, driver, id, run};
use super::story;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals").join(name)
}

/// The lines that this gonogo writes for a story, a record a second.
pub(super) fn write(events: Vec<(Principal, Event)>) -> Vec<u8> {
    let shelf = MemoryShelf::new();
    let made = Journal::on_shelf(id(), driver("s-4f2a"), Box::new(shelf.clone()), &[]);
    let mut journal = made.expect("a journal").0;
    for (second, event) in events.into_iter().enumerate() {
        let at = at(i64::try_from(second).expect("a small number"));
        run(journal.append(vec![event], at)).expect("kept");
    }
    let mut bytes = shelf.lines().join(&b'\n');
    bytes.push(b'\n');
    bytes
}

/// What a release came to, in words that do not depend on how it is held in memory.
fn summary(records: &[Record]) -> String {
    let mut release = Release::new(id());
    for record in records {
        release.apply(record);
    }
    let mut out = String::new();
    let mut line = |what: &str, value: String| {
        let _ = writeln!(out, "{what}: {value}");
    };
    line("records", records.len().to_string());
    line("head", format!("{:?}", release.head.map(|seq| seq.0)));
    line("epoch", release.epoch.to_string());
    line("started by", format!("{:?}", release.started_by));
    line("elapsed ms", release.elapsed_ms(at(100)).to_string());
    for (id, step) in &release.steps {
        line(id.as_str(), format!("{:?}, attempt {}", step.status, step.attempt));
    }
    for (at, stage) in release.stages.iter().enumerate() {
        let verdict = stage.judgement.as_ref().map(|judgement| &judgement.verdict);
        line(&format!("stage {at}"), format!("{verdict:?}"));
    }
    if let Some(gate) = &release.gate {
        let votes: Vec<_> = gate.votes.iter().map(|v| (v.by.as_str(), v.vote, v.signed)).collect();
        line("gate", format!("{:?} {votes:?}", gate.closed));
    }
    line("slots", format!("{:?} to {:?}", release.rollout.from, release.rollout.to));
    line("serving", format!("{:?}", release.serving()));
    let took = (release.rollout.switch_took_ms, release.rollout.rollback_took_ms);
    line("switch and rollback took ms", format!("{took:?}"));
    line("latch", format!("{:?}", release.rollout.latch.as_ref().map(|l| &l.revision)));
    line("windows", format!("{:?}", release.monitor.as_ref().map(|m| m.windows.len())));
    line("restore", format!("{:?}", release.restore.as_ref().map(|r| (r.done.len(), &r.failed))));
    line("backups", release.backups.len().to_string());
    line("hold", format!("{:?}", release.hold.as_ref().map(|held| held.hold.sentence())));
    line("result", format!("{:?}", release.result.as_ref().map(ReleaseResult::sentence)));
    out
}

fn read(name: &str) -> Vec<Record> {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("r-1123.1");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(golden(name), folder.join("journal.jsonl")).expect("a golden journal");
    let found = reader::verify(&Disk::real(), &folder, &[]).expect("read");
    assert!(found.holds() && found.foreign == 0 && found.torn.is_none(), "{name}: {found:?}");
    let (_, records, repair) =
        Journal::open(&folder, Mode::Drive(driver("s-new"))).expect("drivable");
    assert_eq!(repair.notes(), [], "{name}");
    records
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(golden(""))
        .expect("golden journals")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "jsonl"))
        .collect();
    names.sort();
    names
}

#[test]
fn f10_golden_journals_fold_to_the_same_release_for_ever() {
    for name in names() {
        let expected = fs::read_to_string(golden(&name.replace(".jsonl", ".txt")));
        assert_eq!(summary(&read(&name)), expected.expect("a summary"), "{name}");
    }
}

#[test]
fn f10_golden_journals_have_every_kind_of_event() {
    let mut seen = [false; story::KINDS];
    for name in names() {
        for record in read(&name) {
            seen[story::kind(&record.event)] = true;
        }
    }
    let missing: Vec<usize> = (0..story::KINDS).filter(|kind| !seen[*kind]).collect();
    assert_eq!(missing, [0; 0], "kinds without a golden line; see the head of this file");
}

#[test]
#[ignore = "writes a golden journal: cargo test -- --ignored write_the_golden_journal"]
fn write_the_golden_journal() {
    let name = "v1-every-event.jsonl";
    assert!(!golden(name).exists(), "{name} is there: a golden journal is never written anew");
    fs::create_dir_all(golden("")).expect("a folder");
    fs::write(golden(name), write(story::story())).expect("written");
    let text = summary(&read(name));
    fs::write(golden(&name.replace(".jsonl", ".txt")), text).expect("written");
}
