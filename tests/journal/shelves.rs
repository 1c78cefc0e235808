//! The state directory: listed, searched, asked for latches and evidence.

use std::fs;

use gonogo::journal::{Disk, FindError, Journal, Library, LibraryError, Wanted, reader};
use gonogo::release::{
    Clean, Digest, Event, GateVerdict, Judgement, Latch, Principal, ReleaseId, Start,
};

use super::kit::{append, at, driver, intent, quick_dir};
use super::story;

/// A release with these records, in a library.
fn add(library: &Library, events: Vec<(Principal, Event)>) -> (ReleaseId, Journal) {
    let id = library.next_id(at(0).wall).expect("an id");
    let mut journal =
        Journal::create(&library.folder(&id), id.clone(), driver("s-1")).expect("created");
    append(&mut journal, events).expect("kept");
    (id, journal)
}

fn own(event: Event) -> (Principal, Event) {
    (Principal::engine(), event)
}

fn started(change: impl FnOnce(&mut Start)) -> (Principal, Event) {
    let mut start = Start { rehearsal: None, ..story::start() };
    change(&mut start);
    own(Event::ReleaseStarted { start: Box::new(start) })
}

fn judged(stage: &str, verdict: GateVerdict) -> (Principal, Event) {
    let judgement =
        Judgement { verdict, reasons: vec![], reports: 1, findings: 0, weighed: vec![] };
    own(Event::StageJudged { stage: story::stage(stage), judgement })
}

fn latched() -> (Principal, Event) {
    let latch = Latch {
        revision: story::revision(),
        images: vec![Clean::new("shop/backend@sha256:0123456789abcdef")],
        reason: Clean::new("error rate 4.10 %"),
    };
    own(Event::VersionLatched { latch })
}

#[test]
fn ids_count_up_by_day_and_are_never_given_twice() {
    let dir = quick_dir();
    let library = Library::new(dir.path().join("state"));
    assert_eq!(library.list().expect("no releases yet"), []);
    let day = at(0).wall;
    let ids: Vec<String> = std::thread::scope(|scope| {
        let claim = || (0..10).map(|_| library.next_id(day).expect("an id")).collect::<Vec<_>>();
        let claims: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
        claims.into_iter().flat_map(|c| c.join().expect("claimed")).map(String::from).collect()
    });
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 40);
    assert!(ids.contains(&"r-1123.1".to_owned()) && ids.contains(&"r-1123.40".to_owned()));
    let next = at(86_400).wall;
    assert_eq!(library.next_id(next).expect("an id").as_str(), "r-1124.1");
}

#[test]
fn a_list_reads_only_the_ends_and_says_who_drives() {
    let dir = quick_dir();
    let library = Library::new(dir.path());
    let (first, journal) = add(&library, story::story());
    drop(journal);
    let (second, journal) = add(&library, vec![started(|_| {}), intent(0)]);
    let claimed = library.next_id(at(0).wall).expect("an id");
    let entries = library.list().expect("listed");
    assert_eq!(entries.len(), 3);
    let entry = |id: &ReleaseId| entries.iter().find(|entry| &entry.id == id).expect("listed");

    let done = entry(&first);
    assert!(!done.driven && done.trouble.is_none());
    assert_eq!(done.newest.as_ref().map(|n| n.kind.as_str()), Some("notified"));
    let result = done.result.as_ref().expect("ended").sentence();
    assert!(result.starts_with("rolled back"), "{result}");
    let begun = done.started.as_ref().expect("started");
    assert_eq!((begun.by.as_str(), begun.rehearsal), ("alice", true));

    let running = entry(&second);
    assert!(running.driven && running.result.is_none());
    assert_eq!(running.holder.as_ref().map(|holder| holder.pid), Some(4711));
    assert!(entry(&claimed).trouble.is_some(), "claimed, and nothing recorded");
    drop(journal);
    assert!(!library.entry(&second).driven);
}

#[test]
fn a_list_survives_damage_and_a_long_journal() {
    let dir = quick_dir();
    let library = Library::new(dir.path());
    let mut events = vec![started(|start| start.branch = Clean::new(&"b".repeat(300_000)))];
    events.extend((0..3000).map(intent));
    let (id, journal) = add(&library, events);
    drop(journal);
    let entry = library.entry(&id);
    assert_eq!(entry.trouble, None);
    assert_eq!(entry.started.expect("started").branch.as_str().len(), 300_000);
    assert_eq!(entry.newest.expect("a last one").seq.0, 3000);

    let path = library.folder(&id).join("journal.jsonl");
    fs::write(&path, [0xff; 1000]).expect("written");
    assert!(library.entry(&id).trouble.is_some());
    assert_eq!(library.list().expect("listed").len(), 1);
}

#[test]
fn a_release_is_found_by_the_start_of_its_id() {
    let dir = quick_dir();
    let library = Library::new(dir.path());
    for _ in 0..11 {
        library.next_id(at(0).wall).expect("an id");
    }
    let found = |prefix| library.find(prefix).map(String::from);
    assert_eq!(found("r-1123.1").expect("exact"), "r-1123.1");
    assert_eq!(found("r-1123.11").expect("exact"), "r-1123.11");
    assert!(matches!(found("r-1123"), Err(FindError::Many { many, .. }) if many.len() == 11));
    let none = found("r-9").expect_err("none").to_string();
    assert_eq!(none, "there is no release r-9");
}

#[test]
fn a_latch_holds_until_somebody_clears_it_with_a_reason() {
    let dir = quick_dir();
    let library = Library::new(dir.path());
    let production = Clean::new("production");
    let latches = |rehearsal| library.latches(&production, rehearsal).expect("read");
    let (id, journal) = add(&library, vec![started(|_| {}), latched(), intent(0)]);
    drop(journal);
    add(&library, story::story());
    add(&library, vec![started(|start| start.environment = Clean::new("other")), latched()]);
    assert_eq!(latches(false).iter().map(|l| &l.release).collect::<Vec<_>>(), [&id]);
    assert_eq!(latches(true).len(), 1, "a rehearsal's own");

    // Damage elsewhere in the journal does not set it free.
    let path = library.folder(&id).join("journal.jsonl");
    let mut bytes = fs::read(&path).expect("read");
    let last = bytes.len() - 50;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).expect("written");
    assert_eq!(latches(false).len(), 1);

    let (by, reason) = (story::person("bob"), Clean::new("fixed by configuration"));
    let clear = |which: &str| library.clear_latch(which, &by, &reason, at(9).wall);
    for unknown in ["a1b2", "backend:1", "ffffffffff", "", "r-1123"] {
        let refused = clear(unknown).expect_err("names nothing");
        assert!(matches!(refused, LibraryError::NoSuchLatch { .. }), "{unknown}");
    }
    assert_eq!(clear(id.as_str()).expect("cleared").len(), 1);
    assert_eq!((latches(false).len(), latches(true).len()), (0, 1));
    assert_eq!(library.cleared().expect("read")[0].reason, reason);
    assert_eq!(clear("0123456789abcdef").expect("by image").len(), 2);
    assert_eq!(latches(true).len(), 0);
}

#[test]
fn a_gate_passes_by_evidence_of_the_same_revision_plan_and_policy_only() {
    let dir = quick_dir();
    let library = Library::new(dir.path());
    let go = || judged("code", GateVerdict::Go);
    let retried = || {
        let steps = vec![story::plan().stages[0].steps[0].id.clone()];
        own(Event::RetryOrdered { steps })
    };
    let wanted = Wanted {
        revision: story::revision(),
        plan_digest: Digest::of(b"plan"),
        policy_digest: Digest::of(b"policy"),
        environment: Clean::new("production"),
        external: true,
        rehearsal: false,
    };
    let passed = || library.passed_gates(&wanted).expect("read");
    add(&library, vec![started(|s| s.plan_digest = Digest::of(b"other")), go()]);
    add(&library, vec![started(|s| s.policy_digest = Digest::of(b"other")), go()]);
    add(&library, vec![started(|s| s.external = false), go()]);
    add(&library, vec![started(|s| s.environment = Clean::new("other")), go()]);
    add(&library, story::story());
    add(&library, vec![started(|_| {}), go(), retried()]);
    add(&library, vec![started(|_| {}), judged("code", GateVerdict::NoGo)]);
    assert_eq!(passed(), []);
    let (id, journal) = add(&library, vec![started(|_| {})]);
    let mut journal = journal;
    super::kit::run(journal.append(vec![go()], at(60))).expect("kept");
    assert_eq!(passed(), [story::stage("code")], "the newest word holds");
    drop(journal);

    let path = library.folder(&id).join("journal.jsonl");
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).expect("written");
    assert!(!reader::verify(&Disk::real(), &library.folder(&id), &[]).expect("read").holds());
    assert_eq!(passed(), [], "a damaged journal is no evidence");
}
