//! What follows from answers, observations, timers and opened journals.

use super::{Future, Opened, Timer};
use crate::release::{
    Cause, Clean, Digest, Effect, EffectKey, Event, Evidence, Hold, Outcome, Release, Seen,
    StepEnd, StepResult, Verdict, Way, card_verdict, judge_window, owed,
};

/// An answer counts only for the effect that is owed under its key: a late answer of an older try
/// finds nothing and changes nothing.
pub(super) fn answered(future: &mut Future, key: &EffectKey, outcome: Outcome) {
    let Some(effect) = owed(&future.release).remove(key) else { return };
    if let Outcome::InDoubt { reason } = outcome {
        let what = reason.clone();
        future.push(Event::EffectObserved { key: key.clone(), seen: Seen::Unknown { reason } });
        future.push(Event::Held { hold: Hold::InDoubt { key: key.clone(), what } });
        return;
    }
    match (effect, outcome) {
        (
            effect @ (Effect::RunCommand { .. } | Effect::BuiltIn { .. }),
            Outcome::StepEnded(end),
        ) => {
            let end = proven(&effect, end);
            if let Cause::Step(step) = &key.cause {
                future.push(Event::StepEnded { step: step.clone(), end: Box::new(end) });
            }
        }
        (Effect::RunCommand { .. } | Effect::BuiltIn { .. }, Outcome::Failed { reason }) => {
            step_failed(future, key, reason);
        }
        (Effect::JudgeGate { stage, .. }, Outcome::Judged(judgement)) => {
            future.push(Event::StageJudged { stage, judgement });
        }
        (Effect::DrawUpCard { stage, .. }, Outcome::CardDrawn(card)) => {
            open_gate(future, &stage, card);
        }
        (Effect::DrawUpCard { stage, .. }, Outcome::Failed { reason }) => {
            future.push(Event::Held { hold: Hold::GateBlocked { stage, reason } });
        }
        (Effect::SwitchTraffic { to, way, .. }, Outcome::Switched { proof, took_ms }) => {
            future.push(Event::TrafficSwitched { to, way, proof, took_ms });
        }
        (Effect::SwitchTraffic { to, way, .. }, Outcome::Failed { reason }) => {
            switch_failed(future, to, way, reason);
        }
        (Effect::MeasureWindow { .. }, Outcome::Measured { evidence }) => {
            window(future, evidence);
        }
        (Effect::FindRollback { to }, Outcome::RollbackFound { trace: Some(reason) }) => {
            future.push(Event::RollbackOrdered { to, reason });
        }
        (Effect::FindRollback { .. }, Outcome::RollbackFound { trace: None }) => {
            future.push(Event::EffectObserved { key: key.clone(), seen: Seen::NotDone });
        }
        (Effect::FindRollback { .. }, Outcome::Failed { reason }) => {
            future.push(Event::EffectObserved { key: key.clone(), seen: Seen::Unknown { reason } });
        }
        (
            Effect::TidySlot { slot },
            Outcome::Tidied { what } | Outcome::Failed { reason: what },
        ) => {
            future.push(Event::SlotTidied { slot, what });
        }
        (Effect::Restore { .. }, Outcome::Restored { report }) => {
            future.push(Event::RestoreAdvanced { report });
        }
        (Effect::Restore { phase, .. }, Outcome::Failed { reason }) => {
            future.push(Event::RestoreFailed { phase, reason: reason.clone() });
            if future.release.result.is_none() {
                future.push(Event::Held { hold: Hold::RestoreFailed { phase, reason } });
            }
        }
        (Effect::Notify { .. }, Outcome::Notified { channels, failed }) => {
            notified(future, key, channels, failed);
        }
        (Effect::Notify { .. }, Outcome::Failed { reason }) => {
            notified(future, key, 0, vec![reason]);
        }
        (effect, outcome) => mismatch(future, key, &effect, &outcome),
    }
}

/// A command that promises a report and leaves none has not passed, whatever its exit code (I10).
fn proven(effect: &Effect, mut end: StepEnd) -> StepEnd {
    if let Effect::RunCommand { step } = effect
        && let Some(file) = &step.report
        && end.report.is_none()
        && end.result.passed()
    {
        let reason = Clean::new(&format!("it ended well and left no report {}", file.path));
        end.result = StepResult::Failed { reason };
    }
    end
}

fn step_failed(future: &mut Future, key: &EffectKey, reason: Clean) {
    let Cause::Step(step) = &key.cause else { return };
    let started = future.release.steps.get(step).and_then(|s| s.started_ms).unwrap_or(0);
    let took_ms = future.release.elapsed_ms(future.at).saturating_sub(started);
    let result = StepResult::Failed { reason };
    let end = Box::new(StepEnd::new(result, took_ms));
    future.push(Event::StepEnded { step: step.clone(), end });
}

fn notified(future: &mut Future, key: &EffectKey, channels: u32, failed: Vec<Clean>) {
    if let Cause::Rule(about) = key.cause {
        future.push(Event::Notified { about, channels, failed });
    }
}

/// An answer of the wrong kind is a fault of ours, and a fault of ours holds the release (I30).
fn mismatch(future: &mut Future, key: &EffectKey, effect: &Effect, outcome: &Outcome) {
    let what = format!("the answer {outcome:?} does not fit the effect {effect:?}");
    let reason = Clean::new(&what).cut(400);
    let seen = Seen::Unknown { reason: reason.clone() };
    future.push(Event::EffectObserved { key: key.clone(), seen });
    future.push(Event::Held { hold: Hold::InDoubt { key: key.clone(), what: reason } });
}

fn open_gate(
    future: &mut Future,
    stage: &crate::release::StageId,
    card: Box<crate::release::Card>,
) {
    let Some(start) = future.release.start.clone() else { return };
    // Somebody looked who serves; all else is what the records say as the card is frozen.
    let card =
        Box::new(crate::release::Card { rollout: card.rollout, ..future.release.card_so_far() });
    match card_verdict(&card, &start.latches, &start.revision) {
        Verdict::Pass => {
            let bytes = serde_json::to_vec(&card).unwrap_or_default();
            let digest = Digest::of(&bytes);
            future.push(Event::GateOpened { stage: stage.clone(), card, digest });
        }
        Verdict::Fail { reason } | Verdict::Unknown { reason } => {
            future.push(Event::Held { hold: Hold::GateBlocked { stage: stage.clone(), reason } });
        }
    }
}

fn switch_failed(future: &mut Future, to: crate::release::Slot, way: Way, reason: Clean) {
    future.push(Event::SwitchFailed { to, way, reason: reason.clone() });
    let hold = match way {
        Way::Forward => Hold::SwitchFailed { reason },
        Way::Back => Hold::BothBad { reason },
    };
    future.push(Event::Held { hold });
}

fn window(future: &mut Future, evidence: Evidence) {
    let Some(policy) = future.release.policy() else { return };
    let verdicts = judge_window(&evidence, &policy.monitor);
    future.push(Event::WindowJudged { evidence, verdicts });
}

pub(super) fn observed(future: &mut Future, key: &EffectKey, seen: Seen) {
    if !future.release.doubts.contains_key(key) {
        return;
    }
    match &seen {
        Seen::Done { outcome } => {
            let outcome = (**outcome).clone();
            future.push(Event::EffectObserved { key: key.clone(), seen });
            answered(future, key, outcome);
        }
        Seen::Unknown { reason } => {
            let what = reason.clone();
            future.push(Event::EffectObserved { key: key.clone(), seen });
            future.push(Event::Held { hold: Hold::InDoubt { key: key.clone(), what } });
        }
        Seen::NotDone | Seen::Partial { .. } | Seen::StillGoing => {
            future.push(Event::EffectObserved { key: key.clone(), seen });
        }
    }
}

pub(super) fn due(future: &mut Future, timer: &Timer) {
    if !timer.is_due(&future.release, future.at) {
        return;
    }
    match (timer, timer.gate_result()) {
        (Timer::GateExpires { stage }, Some(result)) => {
            future.push(Event::GateClosed { stage: stage.clone(), result });
        }
        (Timer::GateExpires { .. }, None) | (Timer::RetryWindowEnds, _) => {
            let reason = match future.release.hold.as_ref().map(|held| &held.hold) {
                Some(Hold::Failed { reason, .. }) => reason.clone(),
                _ => Clean::default(), // tidy: no other hold has a reason of its own
            };
            let result = crate::release::ReleaseResult::Failed { reason };
            future.push(Event::ReleaseEnded { result });
        }
    }
}

pub(super) fn opened(future: &mut Future, opened: Opened) {
    let Opened { session, host, pid, boot, build, repaired, by, start } = opened;
    if future.release.start.is_none()
        && let Some(start) = start
    {
        future.push_by(&by, Event::ReleaseStarted { start });
    }
    if future.release.start.is_some() {
        future.push(Event::SessionOpened { session, host, pid, boot, build });
        if let Some(bytes) = repaired {
            future.push(Event::TailRepaired { bytes });
        }
        hold_what_must_not_repeat(future);
    }
}

fn hold_what_must_not_repeat(future: &mut Future) {
    let held = |(key, doubt): (&EffectKey, &crate::release::Doubt)| {
        (*doubt == crate::release::Doubt::Hold).then(|| key.clone())
    };
    let keys: Vec<EffectKey> = future.release.doubts.iter().filter_map(held).collect();
    for key in keys {
        let what = Clean::new(what_was_interrupted(&future.release));
        future.push(Event::Held { hold: Hold::InDoubt { key, what } });
    }
}

fn what_was_interrupted(release: &Release) -> &'static str {
    match release.restore.as_ref().and_then(crate::release::Restore::next) {
        Some(phase) => phase.words(),
        None => "an effect that must not be repeated blindly",
    }
}
