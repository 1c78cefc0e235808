//! Single sentences.

use std::collections::{BTreeMap, BTreeSet};

use gonogo::engine::handle::Link;
use gonogo::release::{
    Ask, Backup, BackupId, Clean, Digest, EffectKey, Epoch, Event, FORMAT, GateResult, GateVerdict,
    Hold, Judgement, Latch, LatchedBy, Loss, PodRow, PodRows, Principal, Reading, Record, Release,
    ReleaseId, ReleaseResult, RestorePhase, RestoreReport, Revision, Rule, RuleVerdict, Seen, Seq,
    ServiceSlot, SessionId, Slot, StepEnd, StepResult, Verdict, Vote, Way,
};
use gonogo::report::words::{
    Trouble, calls as exact_calls, eta, headline, moment, next, ours, price, restore_calls,
    sentence, slower, switch_calls, undo, wrong,
};

use super::drive::{Drive, card, evidence, finite, key, person, proof, stage_id, start, step_id};

/// One of each kind, and more where a kind has several faces.
fn one_of_each() -> Vec<Event> {
    [of_steps(), of_gates(), of_traffic(), of_the_database(), of_operators(), of_ends()].concat()
}

fn why() -> Clean {
    Clean::new("why")
}

fn of_steps() -> Vec<Event> {
    let unit = || step_id("code.unit");
    let ended =
        |result| Event::StepEnded { step: unit(), end: Box::new(StepEnd::new(result, 48_000)) };
    let observed = |seen| Event::EffectObserved { key: key("code.unit", 1), seen };
    vec![
        Event::ReleaseStarted { start: Box::new(start()) },
        Event::SessionOpened {
            session: SessionId::new("s-1").expect("a name"),
            host: Clean::new("host7"),
            pid: 4711,
            boot: "boot-1".to_owned(),
            build: Clean::new("0.1.0"),
        },
        Event::TailRepaired { bytes: 1_204 },
        Event::StepStarted { step: unit() },
        ended(StepResult::Passed),
        ended(StepResult::Failed { reason: why() }),
        ended(StepResult::TimedOut { after_s: 600 }),
        ended(StepResult::Cancelled { reason: why() }),
        Event::StepSkipped { step: unit(), reason: why() },
        observed(Seen::NotDone),
        observed(Seen::Partial { reason: why() }),
        observed(Seen::StillGoing),
        observed(Seen::Unknown { reason: why() }),
    ]
}

fn of_gates() -> Vec<Event> {
    let stage = || stage_id("code");
    let judged = |verdict| Event::StageJudged {
        stage: stage(),
        judgement: Judgement {
            verdict,
            reasons: vec![why(), why()],
            reports: 2,
            findings: 1,
            weighed: Vec::new(),
        },
    };
    let digest = || Digest::of(b"card");
    let comment = Clean::default();
    vec![
        judged(GateVerdict::Go),
        judged(GateVerdict::NoGo),
        judged(GateVerdict::Hold),
        Event::GateOpened { stage: stage(), card: Box::new(card()), digest: digest() },
        Event::VoteCast { stage: stage(), card: digest(), vote: Vote::Reject, comment },
        Event::GateClosed { stage: stage(), result: GateResult::Expired },
    ]
}

fn of_traffic() -> Vec<Event> {
    let failed = |to, way| Event::SwitchFailed { to, way, reason: why() };
    let unknown = Verdict::unknown("no sample for 40 s");
    vec![
        Event::SwitchOrdered { from: None, to: Slot::Blue },
        Event::TrafficSwitched {
            to: Slot::Green,
            way: Way::Forward,
            proof: proof(Slot::Green),
            took_ms: 1900,
        },
        failed(Slot::Green, Way::Forward),
        failed(Slot::Blue, Way::Back),
        Event::WindowJudged {
            evidence: evidence(0.0, Reading::unknown("no sample for 40 s")),
            verdicts: vec![RuleVerdict { rule: Rule::MeanLatency, verdict: unknown }],
        },
        Event::RollbackOrdered { to: Slot::Blue, reason: why() },
        Event::VersionLatched { latch: latch() },
        Event::SlotTidied { slot: Slot::Green, what: why() },
    ]
}

fn of_the_database() -> Vec<Event> {
    let backup = || BackupId::new("backup_20261123_024110.dump").expect("a name");
    let rows = BTreeMap::from([("orders".to_owned(), 12_i64)]);
    let report = RestoreReport {
        phase: RestorePhase::MeasureLoss,
        took_ms: 800,
        detail: why(),
        loss: Some(Loss { seconds: 41, rows: Some(rows) }),
    };
    vec![
        Event::RestoreOrdered { backup: backup(), undo: false },
        Event::RestoreOrdered { backup: backup(), undo: true },
        Event::RestoreAdvanced { report: Box::new(report) },
        Event::RestoreFailed { phase: RestorePhase::Swap, reason: why() },
    ]
}

fn of_operators() -> Vec<Event> {
    let held = |hold| Event::Held { hold };
    let unit = || step_id("code.unit");
    vec![
        held(Hold::Failed { stage: stage_id("code"), reason: why() }),
        held(Hold::StepFailed { step: unit(), reason: why() }),
        held(Hold::GateBlocked { stage: stage_id("code"), reason: why() }),
        held(Hold::Unknown { reason: why() }),
        held(Hold::BothBad { reason: why() }),
        held(Hold::SwitchFailed { reason: why() }),
        held(Hold::InDoubt { key: key("code.unit", 1), what: why() }),
        held(Hold::RestoreFailed { phase: RestorePhase::Swap, reason: why() }),
        Event::RetryOrdered { steps: vec![unit()] },
        Event::FindingWaived {
            waiver: Box::new(gonogo::release::finding::waiver::Waiver {
                rule: Some(why()),
                ..gonogo::release::finding::waiver::Waiver::new(
                    why(),
                    gonogo::release::Person::new("mira").expect("a name"),
                    "2026-12-31".parse().expect("a day"),
                )
            }),
        },
        Event::PolicyChanged { change: Box::new(policy_change()) },
        Event::HoldOverridden { comment: why() },
        Event::AbortOrdered { comment: Clean::default() },
    ]
}

fn policy_change() -> gonogo::release::policy::PolicyChange {
    let own = super::drive::policy();
    let mut changed = own.clone();
    changed.findings.limits.all.insert(gonogo::release::Severity::Low, 9);
    let change =
        gonogo::release::policy::PolicyChange::of(&own, &changed, Clean::new("a file"), why());
    change.expect("a change")
}

fn of_ends() -> Vec<Event> {
    let result = |result| Event::ReleaseEnded { result };
    vec![
        result(ReleaseResult::Released),
        result(ReleaseResult::Failed { reason: why() }),
        result(ReleaseResult::Rejected { reason: why() }),
        result(ReleaseResult::Expired),
        result(ReleaseResult::Aborted { reason: why() }),
        result(ReleaseResult::RolledBack { reason: why() }),
        Event::Notified { about: Seq(4), channels: 1, failed: Vec::new() },
        Event::Notified { about: Seq(4), channels: 0, failed: vec![why()] },
    ]
}

fn latch() -> Latch {
    let revision = Revision::new("1a2b3c4d5e6f").expect("a name");
    Latch { revision, images: Vec::new(), reason: Clean::new("why") }
}

fn record(seq: u64, by: Principal, event: Event) -> Record {
    let at = Drive::new().now();
    Record {
        format: FORMAT,
        release: ReleaseId::new("r-1").expect("a name"),
        seq: Seq(seq),
        epoch: Epoch(1),
        prev: Digest::zero(),
        attempt_id: String::new(),
        at_wall: at.wall,
        at_boot: at.boot_ms,
        by,
        event,
    }
}

fn is_a_sentence(text: &Clean, of: &str) {
    let text = text.as_str();
    assert!(text.len() > 3, "{of}: {text:?} says nothing");
    assert!(!text.ends_with('.') && !text.contains("  "), "{of}: {text:?} is not in form");
    assert!(!text.contains("Some(") && !text.contains("\\x0a"), "{of}: {text:?} is for machines");
}

#[test]
fn every_event_has_a_sentence_in_every_order_of_things() {
    let events = one_of_each();
    let kinds: BTreeSet<&str> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds.len(), 29, "one of each kind: {kinds:?}");
    // Each on a release of which nothing is known, by gonogo; then all in a row, by a person.
    let mut whole = Release::new(ReleaseId::new("r-1").expect("a name"));
    let mut drive = Drive::new();
    for (seq, event) in events.into_iter().enumerate() {
        let kind = event.kind();
        let alone = record(0, Principal::engine(), event.clone());
        let mut release = Release::new(alone.release.clone());
        release.apply(&alone);
        is_a_sentence(&sentence(&alone, &release), kind);
        let by = record(seq as u64, person("ada"), event);
        whole.apply(&by);
        is_a_sentence(&sentence(&by, &whole), kind);
        drive.release = whole.clone();
        let snapshot = drive.snapshot();
        is_a_sentence(&next(&snapshot).text, kind);
        is_a_sentence(&headline(&snapshot), kind);
        if let Some(undo) = undo(&snapshot) {
            is_a_sentence(&undo, kind);
        }
    }
}

#[test]
fn whoever_acted_is_named_and_a_rule_is_not_a_person() {
    let mut release = Release::new(ReleaseId::new("r-1").expect("a name"));
    let event = Event::RollbackOrdered { to: Slot::Blue, reason: Clean::new("error rate") };
    let by_rule = record(0, Principal::engine(), event.clone());
    release.apply(&by_rule);
    assert_eq!(sentence(&by_rule, &release).as_str(), "ROLLBACK to BLUE, by rule: error rate");
    let by_ada = record(1, person("ada"), event);
    release.apply(&by_ada);
    assert_eq!(sentence(&by_ada, &release).as_str(), "ROLLBACK to BLUE by ada: error rate");
}

fn switched() -> Drive {
    let mut drive = Drive::new();
    drive.open();
    drive.pass("code.lint");
    drive.pass_tests("code.unit");
    drive.judge();
    drive.draw_card();
    drive.vote("ada", Vote::Approve, "go");
    drive.deploy("production.deploy");
    assert_eq!(undo(&drive.snapshot()), None);
    drive.switch("ada");
    drive.answer_traffic();
    drive
}

fn pod(app: &str, slot: Slot, ready: bool) -> PodRow {
    PodRow {
        name: Clean::new(&format!("{app}-{slot}")),
        app: Clean::new(app),
        slot: Some(slot),
        phase: Clean::new("Running"),
        ready,
        restarts: 0,
        created_ms: 0,
    }
}

#[test]
fn the_way_back_is_priced_and_never_called_warm_unseen() {
    let mut drive = switched();
    let price = |drive: &Drive| undo(&drive.snapshot()).expect("a way back").to_string();
    assert_eq!(
        price(&drive),
        "ROLLBACK NOW: BLUE NOT SEEN yet, ~2 s, no data loss | \
         DB restore: NOT POSSIBLE, no backup in this release | guard: host7, pid 4711"
    );
    let telemetry = &mut drive.live.telemetry;
    let green = [pod("backend", Slot::Green, true), pod("frontend", Slot::Green, true)];
    let beside = |blue: &[PodRow]| blue.iter().chain(&green).cloned().collect::<PodRows>();
    telemetry.pods = beside(&[pod("backend", Slot::Blue, true), pod("frontend", Slot::Blue, true)]);
    telemetry.pods_at_ms = Some(Drive::new().now().wall_ms());
    drive.release.backups.push(Backup {
        id: BackupId::new("backup_1.dump").expect("a name"),
        taken_at: Drive::new().now().wall,
        bytes: 1,
        sha256: Digest::zero(),
        rows: BTreeMap::new(),
        schema_version: Clean::new("1.2"),
        verified: true,
    });
    drive.wait(10);
    assert_eq!(
        price(&drive),
        "ROLLBACK NOW: BLUE warm, ~2 s, no data loss | \
         DB restore: time not measured, loses 10 s of writes | guard: host7, pid 4711"
    );
    let half = [pod("backend", Slot::Blue, true), pod("frontend", Slot::Blue, false)];
    drive.live.telemetry.pods = beside(&half);
    assert!(price(&drive).contains("BLUE NOT READY, no frontend pod is"), "{}", price(&drive));
    drive.live.telemetry.pods = beside(&[]);
    assert!(price(&drive).contains("BLUE COLD, none of 0 pods ready"), "{}", price(&drive));
    drive.wait(60);
    assert!(price(&drive).contains("BLUE NOT SEEN for 1 min"), "{}", price(&drive));
    drive.link = Link::Lost { why: Clean::new("gone"), since_ms: Drive::new().now().wall_ms() };
    assert!(price(&drive).contains("guard: NOT SEEN for 1 min"), "{}", price(&drive));
    drive.release.rollout.from = None;
    assert!(price(&drive).starts_with("no way back for the traffic"), "{}", price(&drive));
}

#[test]
fn what_is_needed_names_its_ask_and_its_end() {
    let mut drive = Drive::new();
    drive.open();
    let asked = |drive: &Drive| {
        let next = next(&drive.snapshot());
        (next.text.to_string(), next.action, next.until_ms)
    };
    drive.wait(20);
    let (text, action, until_ms) = asked(&drive);
    assert_eq!(
        text,
        "running code.unit and 1 more, 40 s left; ~6 min 10 s of machine time to the end"
            .replace(", 40 s", ", ~40 s")
    );
    // What is left of it stands in the sentence, before what is left of all.
    assert_eq!((action, until_ms), (None, None));
    drive.pass("code.lint");
    for _ in 0..2 {
        drive.end("code.unit", StepResult::Failed { reason: Clean::new("exit code 1") });
    }
    let (text, action, until_ms) = asked(&drive);
    assert!(text.starts_with("HELD: stage code failed: code.unit: exit code 1; fix it"), "{text}");
    assert!(text.ends_with("before 02:56:20Z, or the release ends"), "{text}");
    assert_eq!((action, until_ms), (Some("retry"), Some(920_000)));
    drive.ask("ada", Ask::Retry);
    drive.pass_tests("code.unit");
    assert_eq!(asked(&drive).0, "judging stage code");
    drive.judge();
    drive.draw_card();
    let (text, action, until_ms) = asked(&drive);
    assert_eq!(
        text,
        "Go or no-go: stage production, BLUE → GREEN, 0 of 1 approval, until 03:41:20Z, \
         then it expires"
    );
    assert_eq!((action, until_ms), (Some("approve"), Some(3_620_000)));
    drive.vote("ada", Vote::Approve, "go");
    drive.deploy("production.deploy");
    assert_eq!(asked(&drive).1, Some("switch"));
    drive.switch("ada");
    assert_eq!(asked(&drive).0, "moving the traffic BLUE → GREEN since 0 s, ordered by ada");
    drive.answer_traffic();
    drive.wait(30);
    drive.window(0.0, Reading::known(finite(100.0)));
    let text = "watching GREEN: 30 of 300 s good, until 02:46:20Z at the earliest";
    assert_eq!(asked(&drive), (text.to_owned(), None, Some(320_000)));
}

#[test]
fn slow_steps_and_the_time_left_are_told_while_something_runs() {
    let mut drive = Drive::new();
    assert_eq!(eta(&drive.snapshot()), None);
    drive.open();
    let all_ms = (60 + 20 + 10 + 300) * 1000;
    assert_eq!(eta(&drive.snapshot()), Some(all_ms));
    drive.wait(45);
    assert_eq!(eta(&drive.snapshot()), Some(all_ms - 45_000));
    drive.wait(56);
    let (state, plan) = (&drive.release.steps[&step_id("code.unit")], super::drive::plan());
    let step = plan.step(&step_id("code.unit")).expect("a step");
    let slow = slower(state, step, 101_000).expect("slow");
    assert_eq!(slow.as_str(), "slower than usual: 1 min 41 s, usually 1 min");
    assert_eq!(slower(state, step, 89_000), None);
    // What is over its time adds nothing; what comes behind it still does.
    assert_eq!(eta(&drive.snapshot()), Some(330_000));
}

#[test]
fn a_latched_revision_and_a_broken_session_are_said() {
    let mut drive = Drive::new();
    let mut latched = start();
    latched.latches.push(LatchedBy {
        latch: Latch { revision: latched.revision.clone(), ..latch() },
        release: ReleaseId::new("r-0").expect("a name"),
    });
    drive.open();
    drive.release.start = Some(std::sync::Arc::new(latched));
    drive.pass("code.lint");
    drive.pass_tests("code.unit");
    drive.judge();
    drive.draw_card();
    let text = next(&drive.snapshot()).text.to_string();
    assert!(text.contains("this revision is latched by r-0: why"), "{text}");
    let mut drive = switched();
    drive.open();
    let last = drive.records.last().expect("records");
    assert!(sentence(last, &drive.release).as_str().starts_with("driven from host7, pid 4711"));
    drive.live.vitals.journal_error = Some(Clean::new("no space left on the device"));
    let text = next(&drive.snapshot()).text.to_string();
    assert!(text.contains("only the rollback works: no space left"), "{text}");
    drive.answer(
        &EffectKey::rule(Seq(9_999)),
        gonogo::release::Outcome::Failed { reason: Clean::new("late") },
    );
}

#[test]
fn the_matrix_has_the_documents_targets_and_says_which_row_it_is() {
    let targets: Vec<u64> = Trouble::ALL.iter().map(|trouble| trouble.target_s() / 60).collect();
    assert_eq!(targets, [2, 2, 15, 5, 30]);
    let mut drive = switched();
    assert_eq!(wrong(&drive.release), None);
    assert_eq!(ours(&drive.release, Trouble::Configuration), "not measured");
    let priced = price(&drive.snapshot(), Trouble::Application);
    assert!(priced.starts_with("no data loss; BLUE is"), "{priced}");
    assert!(price(&drive.snapshot(), Trouble::Schema).contains("NOT POSSIBLE"));
    drive.wait(30);
    drive.window(0.0, Reading::known(finite(9_000.0)));
    let slow = wrong(&drive.release).expect("something is wrong");
    assert_eq!((slow.trouble, slow.why.as_str().contains("limit")), (Trouble::Performance, true));
    // The clock runs from when it was first seen.
    drive.wait(40);
    assert_eq!(wrong(&drive.release), Some(slow));

    let mut drive = switched();
    drive.wait(30);
    drive.window(0.5, Reading::known(finite(40.0)));
    let errors = wrong(&drive.release).expect("something is wrong");
    assert_eq!(errors.trouble, Trouble::Application);
}

#[test]
fn calls_are_shown_as_they_are_sent_i8() {
    let mut drive = switched();
    let survey = drive.release.rollout.survey.as_mut().expect("a survey");
    let service = |name| ServiceSlot { service: Clean::new(name), slot: None, epoch: None };
    survey.services = vec![service("backend"), service("frontend")];
    let calls = switch_calls(&drive.release, Slot::Blue);
    assert_eq!(calls.len(), 2);
    for (call, name) in calls.iter().zip(["backend", "frontend"]) {
        let command = format!("patch service {name} --type json -p '");
        let (before, patch) = call.as_str().split_once(&command).expect("a patch");
        assert!(before.starts_with("kubectl -n "), "{call}");
        let patch = patch.strip_suffix('\'').expect("a quoted patch");
        let patch: serde_json::Value = serde_json::from_str(patch).expect("JSON");
        let step = |op: &str, slot: &str| {
            let value = serde_json::json!({ "app": name, "version": slot });
            serde_json::json!({ "op": op, "path": "/spec/selector", "value": value })
        };
        // The whole selector, and only while it is still what was read.
        assert_eq!(patch, serde_json::json!([step("test", "green"), step("add", "blue")]));
    }
    let way_back = Ask::RollBack { comment: Clean::default() };
    assert_eq!(exact_calls(&drive.release, "shop", &way_back), calls);
    let backup = BackupId::new("backup_20261123_022600.dump").expect("a name");
    let sent = |phase| restore_calls(&drive.release, "shop", &backup, phase);
    let swap: Vec<String> = sent(RestorePhase::Swap).iter().map(ToString::to_string).collect();
    let begin = swap.iter().position(|call| call == "BEGIN").expect("one transaction");
    assert_eq!(swap.last().map(String::as_str), Some("COMMIT"));
    assert!(swap[begin + 1].starts_with("ALTER DATABASE shop RENAME TO shop_before_"), "{swap:?}");
    assert_eq!(swap[begin + 2], "ALTER DATABASE shop_20261123_022600 RENAME TO shop");
    assert!(swap[0].ends_with("ALLOW_CONNECTIONS false"), "{swap:?}");
}

#[test]
fn a_moment_of_another_day_has_its_date() {
    let drive = switched();
    let now_ms = drive.release.elapsed_ms(drive.now());
    assert!(moment(&drive.snapshot(), now_ms).ends_with('Z'));
    assert!(!moment(&drive.snapshot(), now_ms).contains('-'));
    assert!(moment(&drive.snapshot(), now_ms + 86_400_000).starts_with("2026-11-24 "));
}
