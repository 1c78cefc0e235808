//! The audit passes what the core decided, and finds what was forged.

use gonogo::release::{
    Ask, Backup, BackupId, Card, Clean, Digest, Epoch, Event, GateVerdict, INVARIANTS, Judgement,
    Loss, Outcome, Principal, Reading, Record, ReportState, Restore, RestorePhase, RestoreReport,
    Seq, StepEnd, StepResult, Verdict, Via, Vote,
};
use gonogo::report::audit::{Breach, audit, verdicts};

use super::drive::{Drive, finite, report, stage_id, step_id};
use super::rolled_back;

fn records(drive: &Drive) -> Vec<Record> {
    drive.records.iter().map(|record| Record::clone(record)).collect()
}

/// The breaches after `forge` changed the record of that kind.
fn forged(kind: &str, forge: impl Fn(&mut Record)) -> Vec<Breach> {
    let mut records = records(&rolled_back(|_| {}));
    let record = records.iter_mut().find(|record| record.event.kind() == kind);
    forge(record.expect("one of the kind"));
    audit(&records)
}

fn ids(breaches: &[Breach]) -> Vec<&'static str> {
    let mut ids: Vec<&str> = breaches.iter().map(|breach| breach.invariant).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn what_the_core_decided_keeps_every_invariant() {
    assert_eq!(audit(&records(&rolled_back(|_| {}))), []);
    assert_eq!(audit(&records(&restored())), []);
    assert_eq!(audit(&[]), []);
    assert_eq!(verdicts(&[]).len(), INVARIANTS.len());
    assert!(INVARIANTS.iter().all(|(_, says)| !says.is_empty()));
}

/// A release that is switched and then restores its database.
fn restored() -> Drive {
    let mut drive = Drive::new();
    drive.open();
    drive.pass("code.lint");
    let id = BackupId::new("backup_1.dump").expect("a name");
    let mut end = StepEnd::new(StepResult::Passed, 0);
    end.backup = Some(Backup {
        id: id.clone(),
        taken_at: drive.now().wall,
        bytes: 1,
        sha256: Digest::zero(),
        rows: std::collections::BTreeMap::new(),
        schema_version: Clean::new("1.2"),
        verified: true,
    });
    let key = drive.release.step_key(&step_id("code.unit")).expect("a step");
    drive.answer(&key, Outcome::StepEnded(end));
    drive.judge();
    drive.draw_card();
    drive.vote("ada", Vote::Approve, "go");
    drive.deploy("production.deploy");
    drive.switch("ada");
    drive.answer_traffic();
    for _ in 0..10 {
        drive.wait(30);
        drive.window(0.0, Reading::known(finite(100.0)));
    }
    drive.judge();
    drive.ask("ada", Ask::Restore { backup: id });
    while let Some(phase) = drive.release.restore.as_ref().and_then(Restore::next) {
        let loss = (phase == RestorePhase::MeasureLoss).then_some(Loss { seconds: 9, rows: None });
        let detail = Clean::new("done");
        let report = Box::new(RestoreReport { phase, took_ms: 5, detail, loss });
        drive.answer_restore(Outcome::Restored { report });
    }
    drive
}

#[test]
fn i2_i5_a_gap_and_a_fallen_epoch_are_found() {
    assert_eq!(ids(&forged("vote_cast", |record| record.seq = Seq(99))), ["I2"]);
    let lines = verdicts(&forged("vote_cast", |record| record.seq = Seq(99)));
    assert!(lines[0].as_str().starts_with("  I2     BROKEN at record 99: record 99 stands where"));
    assert_eq!(ids(&forged("gate_closed", |record| record.epoch = Epoch(0))), ["I5"]);
}

#[test]
fn i3_an_outcome_without_an_intent_is_found() {
    let mut all = records(&rolled_back(|_| {}));
    let at = all.iter().position(|record| record.event.kind() == "switch_ordered");
    all.remove(at.expect("ordered"));
    for (seq, record) in all.iter_mut().enumerate() {
        record.seq = Seq(seq as u64);
    }
    let breaches = audit(&all);
    assert!(ids(&breaches).contains(&"I3"), "{breaches:?}");
    assert!(breaches[0].what.as_str().contains("nobody had ordered it"), "{breaches:?}");
}

#[test]
fn i10_a_go_that_the_reports_do_not_give_is_found() {
    let mut all = records(&rolled_back(|_| {}));
    for record in &mut all {
        if let Event::StepEnded { end, .. } = &mut record.event
            && let Some(of) = &mut end.report
        {
            *of = report(ReportState::NotScanned { reason: Clean::new("no files") });
        }
    }
    // The card still says what was there before, too.
    assert_eq!(ids(&audit(&all)), ["I10", "I13"]);
    let breaches = forged("window_judged", |record| {
        if let Event::WindowJudged { verdicts, .. } = &mut record.event {
            verdicts[0].verdict = Verdict::unknown("?");
        }
    });
    assert_eq!(ids(&breaches), ["I10"]);
    let breaches = forged("stage_judged", |record| {
        let verdict = GateVerdict::NoGo;
        let judgement =
            Judgement { verdict, reasons: Vec::new(), reports: 0, findings: 0, weighed: vec![] };
        record.event = Event::StageJudged { stage: stage_id("code"), judgement };
    });
    assert!(breaches.iter().any(|b| b.what.as_str().starts_with("stage code was not go")));
}

#[test]
fn i13_i14_i16_only_enough_persons_approve_the_card_that_was_shown() {
    let other = |record: &mut Record| {
        if let Event::VoteCast { card, .. } = &mut record.event {
            *card = Digest::of(b"another card");
        }
    };
    assert_eq!(ids(&forged("vote_cast", other)), ["I13"]);
    let by = |via: Via, name: &str| {
        let mut all = records(&rolled_back(|_| {}));
        for record in &mut all {
            if let Event::VoteCast { .. } = record.event {
                record.by = Principal { via, ..super::drive::person(name) };
            }
        }
        ids(&audit(&all))
    };
    assert_eq!(by(Via::Shell, "ben"), ["I14"], "who started it does not count");
    assert_eq!(by(Via::Script, "ada"), ["I16"], "a script is nobody outside of a rehearsal");
    let engine = |record: &mut Record| record.by = Principal::engine();
    assert_eq!(ids(&forged("switch_ordered", engine)), ["I16"]);
}

#[test]
fn i13_a_card_that_says_other_findings_or_layers_than_the_records_is_found() {
    let doctored = |change: &dyn Fn(&mut Card)| {
        forged("gate_opened", |record| {
            if let Event::GateOpened { card, digest, .. } = &mut record.event {
                change(card);
                *digest = Digest::of(&serde_json::to_vec(card).expect("json"));
            }
        })
        .into_iter()
        .any(|breach| breach.what.as_str().contains("the card does not say what"))
    };
    assert!(!doctored(&|_| {}));
    assert!(doctored(&|card| card.findings.fixed += 1));
    assert!(doctored(&|card| card.layers.truncate(1)));
    assert!(doctored(&|card| card.policy.push("nobody changed it".into())));
}

#[test]
fn i18_a_restore_without_its_loss_or_a_verified_backup_is_found() {
    let mut all = records(&restored());
    for record in &mut all {
        match &mut record.event {
            Event::StepEnded { end, .. } => {
                if let Some(backup) = &mut end.backup {
                    backup.verified = false;
                }
            }
            Event::RestoreAdvanced { report } => report.loss = None,
            _ => {}
        }
    }
    let breaches = audit(&all);
    // The card says besides that the backup is verified.
    assert_eq!(ids(&breaches), ["I13", "I18"]);
    assert_eq!(breaches.len(), 3);
}

#[test]
fn a_forged_end_while_something_runs_is_found() {
    let mut drive = Drive::new();
    drive.open();
    let mut all = records(&drive);
    let mut last = all.last().expect("records").clone();
    last.seq = last.seq.next();
    last.event = Event::ReleaseEnded { result: gonogo::release::ReleaseResult::Released };
    all.push(last);
    let breaches = audit(&all);
    assert_eq!(ids(&breaches), ["I3"]);
    assert_eq!(breaches[0].seq, 4);
}
