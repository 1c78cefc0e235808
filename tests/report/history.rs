//! `releases`, `show`, `timeline` and `verify` over journals on disk.

use std::path::Path;

use gonogo::cli::{self, Form};
use gonogo::error::{Exit, Failure};
use gonogo::journal::{Driver, Journal, Library};
use gonogo::release::{Clean, Event, Person, Record, SessionId};

use super::rolled_back;

/// A state directory with one release in it, forged where the test wants it.
fn state(forge: impl Fn(&mut Event)) -> (tempfile::TempDir, Library) {
    let folder = tempfile::tempdir().expect("a folder");
    let library = Library::new(folder.path());
    let drive = rolled_back(|_| {});
    std::fs::create_dir_all(folder.path().join("releases")).expect("a folder");
    let driver = Driver {
        session: SessionId::new("s-1").expect("a name"),
        person: Person::new("ben").expect("a name"),
        host: Clean::new("host7"),
        pid: 4711,
        boot: "boot-1".to_owned(),
        since: drive.records[0].at_wall,
    };
    let id = drive.release.id.clone();
    let mut journal = Journal::create(&library.folder(&id), id, driver).expect("a journal");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for record in &drive.records {
        let mut event = record.event.clone();
        forge(&mut event);
        let events = vec![(record.by.clone(), event)];
        runtime.block_on(journal.append(events, record.at())).expect("appended");
    }
    (folder, library)
}

type Ran = (String, Result<Exit, color_eyre::Report>);

fn run(command: impl FnOnce(&mut Vec<u8>) -> Result<Exit, color_eyre::Report>) -> Ran {
    let mut out = Vec::new();
    let exit = command(&mut out);
    (String::from_utf8(out).expect("UTF-8"), exit)
}

fn done((out, exit): Ran, expected: Exit) -> String {
    assert_eq!(exit.expect("it ran"), expected, "{out}");
    out
}

#[test]
fn a_release_is_found_by_the_start_of_its_id_or_as_the_newest() {
    let (_folder, library) = state(|_| {});
    let list = done(run(|out| cli::releases(&library, out)), Exit::Released);
    let row = list.lines().nth(1).expect("a row");
    assert!(row.starts_with("r-1      2026-11-23 02:41Z  ben  1a2b3c4   main"), "{list}");
    assert!(row.ends_with("4 min 36 s  ROLLED BACK"), "{list}");
    for which in [None, Some("r-1"), Some("r")] {
        let shown = done(run(|out| cli::show(&library, which, out)), Exit::Released);
        assert!(shown.starts_with("release r-1: ROLLED BACK"), "{shown}");
    }
    let (_, exit) = run(|out| cli::show(&library, Some("r-9"), out));
    let error = exit.expect_err("there is none");
    assert_eq!(Exit::of_error(&error), Exit::Usage);
    let failure = error.downcast_ref::<Failure>().expect("a failure");
    assert_eq!(failure.what, "there is no release r-9");
    assert!(failure.advice().is_some_and(|advice| advice.contains("gonogo releases")));
    let empty = Library::new(Path::new("no-such-folder"));
    assert_eq!(run(|out| cli::releases(&empty, out)).0, "no releases yet\n");
}

#[test]
fn a_timeline_has_three_forms_with_a_line_for_each_record() {
    let (_folder, library) = state(|_| {});
    let tell = |form| {
        let mut notes = Vec::new();
        let ran = run(|out| cli::timeline(&library, None, form, out, &mut notes));
        assert!(notes.is_empty() || form != Form::Json);
        done(ran, Exit::Released)
    };
    let count = rolled_back(|_| {}).records.len();
    assert_eq!(tell(Form::Text).lines().count(), count + 1);
    assert!(tell(Form::Markdown).starts_with("# Post-mortem: release r-1, ROLLED BACK"));
    let json = tell(Form::Json);
    let read = json.lines().map(|line| serde_json::from_str::<Record>(line).expect("a record"));
    assert_eq!(read.count(), count);
}

#[test]
fn f3_verify_names_the_record_where_bytes_were_changed() {
    let (folder, library) = state(|_| {});
    let verified = done(run(|out| cli::verify(&library, None, out)), Exit::Released);
    assert!(verified.ends_with("verified\n") && !verified.contains("BROKEN"), "{verified}");
    let path = folder.path().join("releases/r-1/journal.jsonl");
    let text = std::fs::read_to_string(&path).expect("a journal");
    std::fs::write(&path, text.replace("wait for the batch job", "wait for the batch jab"))
        .expect("written");
    let broken = done(run(|out| cli::verify(&library, None, out)), Exit::NoGo);
    assert!(broken.contains("JOURNAL DAMAGED at 10; 0..9 verified"), "{broken}");
    assert!(broken.contains("NOT VERIFIED"), "{broken}");
    let shown = done(run(|out| cli::show(&library, None, out)), Exit::Unreachable);
    assert!(shown.contains("JOURNAL DAMAGED at 10"), "{shown}");
}

#[test]
fn i3_verify_names_a_broken_invariant_although_the_chain_holds() {
    let (_folder, library) = state(|event| {
        if let Event::TrafficSwitched { to, .. } = event {
            *to = to.other();
        }
    });
    let broken = done(run(|out| cli::verify(&library, None, out)), Exit::NoGo);
    assert!(broken.contains("  chain  holds: 29 records"), "{broken}");
    assert!(broken.contains("  I3     BROKEN at record 17: the traffic moved to BLUE"), "{broken}");
}
