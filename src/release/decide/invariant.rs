//! The invariants: what must be true of a record, whatever came before it. Each check judges one
//! record by the release as it was just before. The engine looks before it records, and stops at
//! a breach (I30); the audit of a finished journal looks again.

use crate::release::finding::waiver::Waiver;
use crate::release::policy::PolicyChange;
use crate::release::{
    BuiltIn, Card, Clean, Digest, EffectKey, Epoch, Event, GateInput, GateResult, GateVerdict,
    Judgement, Person, Policy, Record, Release, Restore, RestorePhase, Slot, StageId, StepEnd,
    StepId, StepResult, StepState, StepStatus, Verdict, Via, Vote, Way, card_verdict, judge,
    judge_window,
};

/// The invariants that [`broken`] looks at, and what each says.
pub const INVARIANTS: [(&str, &str); 12] = [
    ("I2", "records follow each other without a gap"),
    ("I3", "every change has one intent before it and one outcome after it"),
    ("I4", "what was in doubt is looked at before it counts"),
    ("I5", "epochs never fall"),
    ("I8", "traffic goes back only to where it came from"),
    ("I9", "the way back keeps its pods"),
    ("I10", "nothing is promoted that is not known to be good"),
    ("I12", "nothing irreversible without a person who asked for it"),
    ("I13", "a vote counts for the card it was given on"),
    ("I14", "enough different persons said go"),
    ("I16", "nothing is promoted or approved unattended"),
    ("I18", "no restore without a verified backup and its loss on record"),
];

/// What is wrong with one record: the invariant's id and a sentence.
pub type Wrong = (&'static str, String);

fn wrong(invariant: &'static str, holds: bool, what: impl Into<String>) -> Option<Wrong> {
    (!holds).then(|| (invariant, what.into()))
}

/// What a record breaks; `before` is the release without it.
pub fn broken(before: &Release, record: &Record) -> Vec<Wrong> {
    let mut all = order_of(before, record);
    all.extend(unlooked(before, &record.event));
    all.extend(match &record.event {
        Event::StepStarted { step } => step_started(before, step),
        Event::StepEnded { step, end } => step_ended(before, step, end),
        Event::StageJudged { stage, judgement } => stage_judged(before, stage, judgement),
        Event::GateOpened { card, digest, .. } => gate_opened(before, card, digest),
        Event::VoteCast { card, vote, .. } => vote_cast(before, record, card, *vote),
        Event::GateClosed { result, .. } => gate_closed(before, *result),
        Event::SwitchOrdered { .. } => switch_ordered(before, record),
        Event::RollbackOrdered { to, .. } => rollback_ordered(before, *to),
        Event::TrafficSwitched { to, way, .. } | Event::SwitchFailed { to, way, .. } => {
            traffic_answered(before, *to, *way)
        }
        Event::WindowJudged { evidence, verdicts } => {
            let again = before.policy().map(|policy| judge_window(evidence, &policy.monitor));
            let same = again.is_some_and(|again| &again == verdicts);
            wrong("I10", same, "the window's evidence does not give these verdicts")
                .into_iter()
                .collect()
        }
        Event::FindingWaived { waiver } => {
            let person = is_a_person(before, record.by.via);
            let whole = waiver.check().is_ok();
            [
                wrong("I16", person, "a finding waived that no person waived"),
                wrong("I10", whole, "a waiver that names nothing, or gives no reason"),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        Event::PolicyChanged { change } => policy_changed(before, record, change),
        Event::RestoreOrdered { backup, undo } => {
            let known = before.backups.iter().find(|known| &known.id == backup);
            let verified = *undo || known.is_some_and(|known| known.verified);
            let what = format!("a restore of {backup}, which no verified backup stands for");
            let person = is_a_person(before, record.by.via);
            [wrong("I12", person, "a restore that no person ordered"), wrong("I18", verified, what)]
                .into_iter()
                .flatten()
                .collect()
        }
        Event::RestoreAdvanced { report } => restore_advanced(before, report.phase),
        Event::RestoreFailed { phase, .. } => restore_answered(before, *phase),
        Event::SlotTidied { slot, .. } => slot_tidied(before, *slot),
        Event::ReleaseEnded { .. } => release_ended(before),
        Event::ReleaseStarted { .. }
        | Event::SessionOpened { .. }
        | Event::TailRepaired { .. }
        | Event::StepSkipped { .. }
        | Event::EffectObserved { .. }
        | Event::VersionLatched { .. }
        | Event::Held { .. }
        | Event::RetryOrdered { .. }
        | Event::HoldOverridden { .. }
        | Event::AbortOrdered { .. }
        | Event::Notified { .. } => Vec::new(),
    });
    all
}

fn order_of(before: &Release, record: &Record) -> Vec<Wrong> {
    let next = before.next_seq();
    let Epoch(epoch) = before.epoch;
    let seq = format!("record {} stands where {next} should", record.seq);
    let lower = format!("its epoch {} is below {epoch}", record.epoch);
    let stranger = format!("it belongs to {}", record.release);
    let started = matches!(record.event, Event::ReleaseStarted { .. });
    [
        wrong("I2", record.seq == next, seq),
        wrong("I2", record.release == before.id, stranger),
        wrong("I2", started == before.start.is_none(), "a release has one start, its first record"),
        wrong("I5", record.epoch >= before.epoch, lower),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An effect that a broken-off session left is looked at before anything is made of it.
fn unlooked(before: &Release, event: &Event) -> Option<Wrong> {
    let key = match event {
        Event::StepEnded { step, end } if !matches!(end.result, StepResult::Cancelled { .. }) => {
            before.step_key(step)
        }
        Event::TrafficSwitched { .. } | Event::SwitchFailed { .. } => {
            before.rollout.order.as_ref().map(|order| order.key.clone())
        }
        Event::RestoreAdvanced { .. } | Event::RestoreFailed { .. } => {
            before.restore.as_ref().map(|restore| EffectKey::ask(restore.cause))
        }
        _ => None, // tidy: nothing else is the outcome of an effect that must be looked at
    }?;
    let looked = !before.doubts.contains_key(&key);
    wrong("I4", looked, format!("{key} was in doubt and nobody had looked"))
}

/// The slot that traffic can go back to keeps its pods.
fn slot_tidied(before: &Release, slot: Slot) -> Vec<Wrong> {
    let own = before.rollout.to == Some(slot) && before.rollout.from != Some(slot);
    let back = before.rollout.rolled_back_ms.is_some();
    let what = format!("slot {slot} was scaled down, which serves or is the way back");
    wrong("I9", own && back, what).into_iter().collect()
}

fn is_running(release: &Release, step: &StepId) -> bool {
    release.steps.get(step).is_some_and(|state| state.status == StepStatus::Running)
}

fn step_started(before: &Release, step: &StepId) -> Vec<Wrong> {
    let known = before.steps.contains_key(step);
    let twice = format!("{step} started while it ran");
    [
        wrong("I3", known, format!("{step} is not in the plan")),
        wrong("I3", !is_running(before, step), twice),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn step_ended(before: &Release, step: &StepId, end: &StepEnd) -> Vec<Wrong> {
    let mut all: Vec<Wrong> =
        wrong("I3", is_running(before, step), format!("{step} ended, but it had not started"))
            .into_iter()
            .collect();
    let what = before.plan().and_then(|plan| plan.step(step)).and_then(|step| step.uses);
    if what == Some(BuiltIn::Monitor) && end.result == StepResult::Passed {
        let (good_s, calm) = before.monitor.as_ref().map_or((0, false), |monitor| {
            let last = monitor.counted().last();
            let calm = last.is_some_and(|w| w.verdicts.iter().all(|v| v.verdict.is_pass()));
            (monitor.good_s(), calm)
        });
        let wanted_s = before.policy().map_or(u64::MAX, |policy| policy.monitor.duration_s);
        let what = format!("the watch passed after {good_s} of {wanted_s} s good");
        all.extend(wrong("I10", calm && good_s >= wanted_s, what));
    }
    all
}

/// The recorded verdict is judged again, from the reports on record and the policy.
fn stage_judged(before: &Release, stage: &StageId, judgement: &Judgement) -> Vec<Wrong> {
    if judgement.verdict != GateVerdict::Go {
        return Vec::new();
    }
    let (Some(plan), Some(policy)) = (before.plan(), before.policy()) else { return Vec::new() };
    let steps = plan.stage(stage).map_or(&[][..], |stage| &stage.steps);
    let mut inputs = Vec::new();
    let mut all = Vec::new();
    for step in steps {
        let known = before.steps.get(&step.id);
        let met = known.is_some_and(StepState::is_met);
        all.extend(wrong("I10", met, format!("stage {stage} is go, but {} is not", step.id)));
        let end = known.and_then(|known| known.end.as_ref());
        let report = end.and_then(|end| end.report.clone());
        let weighed = judgement.weighed.iter().find(|weighed| weighed.step == step.id);
        if let (Some(report), Some(weighed)) = (&report, weighed) {
            let what = format!("what counted of {} is not what was found there", step.id);
            all.extend(wrong("I10", weighed.adds_up(report), what));
        }
        let (step, weighed) = (step.id.clone(), weighed.cloned());
        inputs.push(GateInput { step, report, stored: None, weighed });
    }
    let given = before.waivers.iter().map(|given| &given.waiver);
    let known: Vec<&Waiver> = policy.findings.waivers.iter().chain(given).collect();
    for by in judgement.weighed.iter().flat_map(|weighed| &weighed.by) {
        let same = |waiver: &&&Waiver| waiver.what() == by.what && waiver.until == by.until;
        let what = format!("{} was waived, which nobody did", by.what);
        all.extend(wrong("I10", known.iter().any(|waiver| same(&waiver)), what));
    }
    let again = judge(&inputs, &policy.findings);
    let why = again.reasons.first().map(Clean::to_string).unwrap_or_default();
    let what = format!("stage {stage} is go, but its reports are not: {why}");
    all.extend(wrong("I10", again.verdict == GateVerdict::Go, what));
    all
}

/// What a changed policy counts for follows from the two policies, and from nothing else.
fn policy_changed(before: &Release, record: &Record, change: &PolicyChange) -> Vec<Wrong> {
    let Some(policy) = before.policy() else { return Vec::new() };
    let changed = Policy { findings: change.findings.clone(), ..policy.clone() };
    let (from, comment) = (change.from.clone(), change.comment.clone());
    let again = PolicyChange::of(policy, &changed, from, comment);
    let person = is_a_person(before, record.by.via);
    [
        wrong("I16", person, "a policy changed that no person changed"),
        wrong("I10", again.as_ref() == Ok(change), "the policy's change is not what it says"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn gate_opened(before: &Release, card: &Card, digest: &Digest) -> Vec<Wrong> {
    let Some(start) = before.start.as_deref() else { return Vec::new() };
    let verdict = card_verdict(card, &start.latches, &start.revision);
    let why = match &verdict {
        Verdict::Pass => String::new(),
        Verdict::Fail { reason } | Verdict::Unknown { reason } => reason.to_string(),
    };
    let bytes = serde_json::to_vec(card).unwrap_or_default();
    let records = Card { rollout: card.rollout.clone(), ..before.card_so_far() };
    [
        wrong("I13", *card == records, "the card does not say what the records say"),
        wrong("I10", verdict.is_pass(), format!("the gate opened over a bad card: {why}")),
        wrong("I13", Digest::of(&bytes) == *digest, "the card is not the one its digest names"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn vote_cast(before: &Release, record: &Record, card: &Digest, vote: Vote) -> Vec<Wrong> {
    let open = before.open_gate().is_some_and(|gate| &gate.digest == card);
    let person = is_a_person(before, record.by.via) || vote != Vote::Approve;
    [
        wrong("I13", open, "a vote on a card that was not open"),
        wrong("I16", person, "an approval that no person gave"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A script stands for a person in a rehearsal only.
fn is_a_person(before: &Release, via: Via) -> bool {
    match via {
        Via::Cockpit | Via::Shell => true,
        Via::Script => before.start.as_ref().is_some_and(|start| start.rehearsal.is_some()),
        Via::Engine => false,
    }
}

fn gate_closed(before: &Release, result: GateResult) -> Vec<Wrong> {
    let (Some(gate), Some(policy)) = (&before.gate, before.policy()) else {
        return vec![("I3", "a gate closed that had not opened".to_owned())];
    };
    if result != GateResult::Go {
        return Vec::new();
    }
    let approval = &policy.approval;
    let counts = |person: &Person| {
        let named = approval.approvers.is_empty() || approval.approvers.contains(person);
        let requester = before.started_by.as_ref() == Some(person);
        named && (!requester || approval.requester_may_approve)
    };
    let votes = gate.votes.iter().filter(|entry| entry.vote == Vote::Approve);
    let valid = votes.filter(|entry| counts(&entry.by)).count();
    let required = usize::try_from(approval.required).unwrap_or(usize::MAX);
    let what = format!("the gate said go by {valid} valid approvals, {required} are required");
    wrong("I14", valid >= required, what).into_iter().collect()
}

fn switch_ordered(before: &Release, record: &Record) -> Vec<Wrong> {
    let Some(start) = before.start.as_deref() else { return Vec::new() };
    let unattended = start.policy.rollout.promote_unattended;
    let person = is_a_person(before, record.by.via) || unattended;
    let index = start.plan.built_in(BuiltIn::Switch).and_then(|s| start.plan.stage_of(&s.id));
    let mut all: Vec<Wrong> = [
        wrong("I3", before.rollout.order.is_none(), "the traffic was being moved already"),
        wrong("I10", before.awaits_switch(), "the release was not ready to be switched"),
        wrong("I16", person, "a switch that no person ordered"),
    ]
    .into_iter()
    .flatten()
    .collect();
    for (at, stage) in start.plan.stages.iter().enumerate().take(index.map_or(0, |i| i + 1)) {
        let go = before.stage_is_go(at) || Some(at) == index;
        all.extend(wrong("I10", go, format!("stage {} was not go", stage.id)));
        let approved = before.stage_is_approved(stage);
        all.extend(wrong("I10", approved, format!("stage {} was not approved", stage.id)));
    }
    all
}

fn rollback_ordered(before: &Release, to: Slot) -> Vec<Wrong> {
    let back = before.rollout.order.as_ref().is_some_and(|order| order.way == Way::Back);
    let known = before.rollout.from == Some(to);
    let what = format!("a rollback to {to}, where the traffic did not come from");
    [wrong("I3", !back, "a rollback was under way already"), wrong("I8", known, what)]
        .into_iter()
        .flatten()
        .collect()
}

fn traffic_answered(before: &Release, to: Slot, way: Way) -> Vec<Wrong> {
    let ordered =
        before.rollout.order.as_ref().is_some_and(|order| order.to == to && order.way == way);
    let what = format!("the traffic moved to {to}, but nobody had ordered it");
    wrong("I3", ordered, what).into_iter().collect()
}

fn restore_answered(before: &Release, phase: RestorePhase) -> Vec<Wrong> {
    let due = before.restore.as_ref().and_then(Restore::next) == Some(phase);
    let what = format!("the restore's phase \"{}\" ended, but it was not due", phase.words());
    wrong("I3", due, what).into_iter().collect()
}

fn restore_advanced(before: &Release, phase: RestorePhase) -> Vec<Wrong> {
    let mut all = restore_answered(before, phase);
    if phase == RestorePhase::Swap {
        let done = before.restore.as_ref().map_or(&[][..], |restore| &restore.done);
        let measured = done.iter().any(|report| report.loss.is_some());
        all.extend(wrong("I18", measured, "swapped before its loss was measured"));
    }
    all
}

fn release_ended(before: &Release) -> Vec<Wrong> {
    let running = before.steps.iter().find(|(_, state)| state.status == StepStatus::Running);
    let mut all: Vec<Wrong> = running
        .map(|(id, _)| ("I3", format!("the release ended while {id} ran")))
        .into_iter()
        .collect();
    all.extend(wrong("I3", before.rollout.order.is_none(), "it ended while the traffic moved"));
    all
}
