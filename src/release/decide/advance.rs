//! What plan and policy make of a release by themselves: rules, applied until none applies.

use super::Future;
use crate::release::state::{Monitor, StepState, StepStatus};
use crate::release::{
    BuiltIn, Clean, Event, GateResult, GateVerdict, Hold, Latch, OnUnknown, Plan, Release,
    ReleaseResult, Rule, Stage, Start, Step, StepEnd, StepId, StepResult, Touches, Verdict, Vote,
};

/// More rounds than any plan needs; a rule that never rests must not hang the engine.
const ROUNDS_MAX: usize = 10_000;

pub(super) fn advance(future: &mut Future) {
    for _ in 0..ROUNDS_MAX {
        let Some(event) = next(&future.release) else { return };
        future.push(event);
    }
}

/// The next event that follows from the rules, if any. The order of the rules is their priority.
fn next(release: &Release) -> Option<Event> {
    let start = release.start.as_deref()?;
    if release.result.is_some() {
        return after_the_end(release, start);
    }
    if release.rollout.rolled_back_ms.is_some() {
        // Nothing starts any more, even while the failed slot is still being tidied.
        return finish_rollback(release, start);
    }
    finish_abort(release)
        .or_else(|| count_votes(release, start))
        .or_else(|| judge_monitor(release, start))
        .or_else(|| finish_switch_step(release, start))
        .or_else(|| {
            // While an operator is needed, or traffic moves, nothing new starts.
            if release.hold.is_some() || release.rollout.order.is_some() {
                return None;
            }
            close_gate(release)
                .or_else(|| missing_evidence(release, start))
                .or_else(|| skip(release, start))
                .or_else(|| fail(release, start))
                .or_else(|| start_step(release, start))
                .or_else(|| promote(release, start))
                .or_else(|| finish(release, start))
        })
}

/// A rollback by hand after the end changes the result, and latches what was rolled back.
fn after_the_end(release: &Release, start: &Start) -> Option<Event> {
    release.rollout.rolled_back_ms?;
    let result = || (!release.is_rolled_back()).then(|| rolled_back_result(release));
    latch_version(release, start).or_else(result)
}

/// A version that was rolled back must not come again unnoticed.
fn latch_version(release: &Release, start: &Start) -> Option<Event> {
    if release.rollout.latch.is_some() {
        return None;
    }
    let images = release.rollout.deployed.as_ref().map(|d| d.images.clone());
    let latch = Latch {
        revision: start.revision.clone(),
        images: images.unwrap_or_default(),
        reason: release.rollout.rollback_reason.clone().unwrap_or_default(),
    };
    Some(Event::VersionLatched { latch })
}

fn rolled_back_result(release: &Release) -> Event {
    let reason = release.rollout.rollback_reason.clone().unwrap_or_default();
    Event::ReleaseEnded { result: ReleaseResult::RolledBack { reason } }
}

fn finish_abort(release: &Release) -> Option<Event> {
    let reason = release.aborted.clone()?;
    Some(Event::ReleaseEnded { result: ReleaseResult::Aborted { reason } })
}

fn finish_rollback(release: &Release, start: &Start) -> Option<Event> {
    if let Some(event) = latch_version(release, start) {
        return Some(event);
    }
    let keep = crate::release::AfterRollback::Keep;
    let tidy = start.policy.rollout.after_rollback != keep && !release.rollout.tidied;
    (!tidy).then(|| rolled_back_result(release))
}

fn running(release: &Release, step: &Step) -> bool {
    release.steps.get(&step.id).is_some_and(|s| s.status == StepStatus::Running)
}

fn ended(step: &Step, result: StepResult, took_ms: u64) -> Event {
    let end = Box::new(StepEnd::new(result, took_ms));
    Event::StepEnded { step: step.id.clone(), end }
}

/// The watch: a failure rolls back, even while the release is held; enough good time passes it.
fn judge_monitor(release: &Release, start: &Start) -> Option<Event> {
    let step = start.plan.built_in(BuiltIn::Monitor)?;
    let monitor = release.monitor.as_ref()?;
    if !running(release, step) || release.rollout.order.is_some() {
        return None;
    }
    let policy = &start.policy.monitor;
    if let Some(reason) = failing_rule(monitor, start) {
        return bad_version(release, start, reason);
    }
    if release.hold.is_some() {
        return None;
    }
    if let Some(reason) = unknown_for_long(monitor, start) {
        return match policy.on_unknown {
            OnUnknown::Hold => Some(Event::Held { hold: Hold::Unknown { reason } }),
            OnUnknown::RollBack => bad_version(release, start, reason),
        };
    }
    let took_ms = release.clock.elapsed_ms.saturating_sub(monitor.started_ms);
    let calm =
        monitor.counted().last().is_some_and(|w| w.verdicts.iter().all(|v| v.verdict.is_pass()));
    (calm && monitor.good_s() >= policy.duration_s)
        .then(|| ended(step, StepResult::Passed, took_ms))
}

/// The new version is bad: back, if the policy lets gonogo do it and there is a way.
fn bad_version(release: &Release, start: &Start, reason: Clean) -> Option<Event> {
    // One rollback that could not be made is not ordered again by rule: the operator decides.
    if release.hold.as_ref().is_some_and(|held| matches!(held.hold, Hold::BothBad { .. })) {
        return None;
    }
    match release.rollout.from {
        Some(to) if start.policy.rollout.automatic_rollback => {
            Some(Event::RollbackOrdered { to, reason })
        }
        Some(_) | None => Some(Event::Held { hold: Hold::BothBad { reason } }),
    }
}

/// A rule that fails in enough of the newest windows. Exits and readiness are facts, not
/// statistics: one window is enough for them.
fn failing_rule(monitor: &Monitor, start: &Start) -> Option<Clean> {
    let policy = &start.policy.monitor;
    for rule in Rule::ALL {
        let (needed, of) = match rule {
            Rule::Exits | Rule::Ready => (1, 1),
            Rule::ErrorRatio | Rule::MeanLatency => (policy.fail_windows, policy.of_windows),
        };
        let newest = monitor.windows.iter().rev().take(usize::try_from(of).unwrap_or(1));
        let failed: Vec<&Clean> = newest
            .flat_map(|window| &window.verdicts)
            .filter(|verdict| verdict.rule == rule)
            .filter_map(|verdict| match &verdict.verdict {
                Verdict::Fail { reason } => Some(reason),
                Verdict::Pass | Verdict::Unknown { .. } => None,
            })
            .collect();
        if failed.len() >= usize::try_from(needed.max(1)).unwrap_or(1) {
            let reason = failed.first().map_or("", |reason| reason.as_str());
            return Some(Clean::new(&format!("{}: {reason}", rule.words())));
        }
    }
    None
}

fn unknown_for_long(monitor: &Monitor, start: &Start) -> Option<Clean> {
    let unknown = |window: &&crate::release::Window| {
        window.verdicts.iter().find_map(|verdict| match &verdict.verdict {
            Verdict::Unknown { reason } => Some((verdict.rule, reason.clone())),
            Verdict::Pass | Verdict::Fail { .. } => None,
        })
    };
    let limit = usize::try_from(start.policy.monitor.unknown_windows.max(1)).unwrap_or(1);
    let newest = monitor.counted().iter().rev();
    let run: Vec<_> = newest.map_while(|window| unknown(&window)).take(limit).collect();
    let (rule, reason) = run.first().filter(|_| run.len() >= limit)?;
    Some(Clean::new(&format!("{}: {reason}", rule.words())))
}

/// The switch step ends when the Services have moved.
fn finish_switch_step(release: &Release, start: &Start) -> Option<Event> {
    let step = start.plan.built_in(BuiltIn::Switch)?;
    let done = release.is_switched() && running(release, step);
    done.then(|| ended(step, StepResult::Passed, release.rollout.switch_took_ms.unwrap_or(0)))
}

/// What the votes come to. Derived from them, so that a break between a vote and the closing of
/// the gate cannot leave one that nobody may vote at any more.
fn count_votes(release: &Release, start: &Start) -> Option<Event> {
    let gate = release.open_gate()?;
    let count = |vote| gate.votes.iter().filter(|entry| entry.vote == vote).count();
    let approvals = u32::try_from(count(Vote::Approve)).unwrap_or(u32::MAX);
    let result = if count(Vote::Reject) > 0 {
        GateResult::NoGo
    } else if approvals >= start.policy.approval.required.max(1) {
        GateResult::Go
    } else {
        return None;
    };
    Some(Event::GateClosed { stage: gate.stage.clone(), result })
}

fn close_gate(release: &Release) -> Option<Event> {
    let gate = release.gate.as_ref()?;
    let result = match gate.closed? {
        GateResult::Go => return None,
        GateResult::Expired => ReleaseResult::Expired,
        GateResult::NoGo => {
            let vote = gate.votes.iter().rev().find(|v| v.vote == Vote::Reject);
            let reason = vote.map_or(String::new(), |v| format!("{}: {}", v.by, v.comment));
            ReleaseResult::Rejected { reason: Clean::new(&reason) }
        }
    };
    Some(Event::ReleaseEnded { result })
}

/// With `--from`, an earlier stage counts only by evidence of the same revision.
fn missing_evidence(release: &Release, start: &Start) -> Option<Event> {
    let from = start.from.as_ref().and_then(|id| start.plan.stage_index(id))?;
    let missing = (0..from).find(|i| !release.stage_is_go(*i))?;
    let stage = start.plan.stages[missing].id.clone();
    let reason = Clean::new(
        "it was skipped by --from and no earlier release of this revision, plan and policy \
         passed it",
    );
    Some(Event::Held { hold: Hold::GateBlocked { stage, reason } })
}

fn waiting(release: &Release, step: &Step) -> bool {
    release.steps.get(&step.id).is_some_and(|s| s.status == StepStatus::Waiting)
}

/// On a branch that may not touch anything outside, such steps are skipped and say so; so are the
/// steps that the branch's rule names.
fn skip(release: &Release, start: &Start) -> Option<Event> {
    let rule = start.plan.branch_rule(start.branch.as_str());
    let named = |step: &Step| rule.is_some_and(|rule| rule.skip.contains(&step.id));
    let planned = start.plan.stages.iter().zip(&release.stages).filter(|(_, s)| s.planned);
    let step = planned.flat_map(|(stage, _)| &stage.steps).find(|step| {
        let outside = !start.external && step.touches == Touches::External;
        (outside || named(step)) && waiting(release, step)
    })?;
    let reason = if named(step) {
        format!("the plan leaves it out on branch {}", start.branch)
    } else {
        format!("branch {} touches nothing outside the workspace", start.branch)
    };
    Some(Event::StepSkipped { step: step.id.clone(), reason: Clean::new(&reason) })
}

/// The first stage that cannot go any more, and why.
fn failing_stage<'a>(release: &Release, plan: &'a Plan) -> Option<(usize, &'a Stage, Clean)> {
    plan.stages.iter().enumerate().find_map(|(i, stage)| {
        let failed = stage.steps.iter().find(|step| release.failed_for_good(step));
        if let Some(step) = failed {
            let end = release.steps.get(&step.id).and_then(|s| s.end.as_ref());
            let why = end.map(|end| end.result.reason()).unwrap_or_default();
            return Some((i, stage, Clean::new(&format!("{}: {why}", step.id))));
        }
        let judgement = release.stages.get(i)?.judgement.as_ref()?;
        (judgement.verdict != GateVerdict::Go).then(|| {
            let why = judgement.reasons.first().cloned().unwrap_or_default();
            (i, stage, why)
        })
    })
}

/// What failed withdraws what ran ahead of it; when all is quiet the release ends or is held.
fn fail(release: &Release, start: &Start) -> Option<Event> {
    let plan = &start.plan;
    let (index, stage, reason) = failing_stage(release, plan)?;
    let later = plan.stages.iter().skip(index + 1).flat_map(|stage| &stage.steps);
    if let Some(step) = later.into_iter().find(|step| running(release, step)) {
        let why = format!("withdrawn: stage {} is no-go", stage.id);
        return Some(ended(step, StepResult::Cancelled { reason: Clean::new(&why) }, 0));
    }
    let any_running = plan.steps().any(|step| running(release, step));
    if any_running || start_step(release, start).is_some() {
        return None;
    }
    if release.is_switched() {
        return Some(fail_while_serving(release, start, stage, reason));
    }
    if start.attended && start.policy.retry_window_s > 0 {
        let hold = Hold::Failed { stage: stage.id.clone(), reason };
        return Some(Event::Held { hold });
    }
    Some(Event::ReleaseEnded { result: ReleaseResult::Failed { reason } })
}

/// A failed health check of what serves rolls back; anything else holds, with the rollback
/// offered.
fn fail_while_serving(release: &Release, start: &Start, stage: &Stage, reason: Clean) -> Event {
    let failed = stage.steps.iter().find(|step| release.failed_for_good(step));
    if let Some(step) = failed
        && step.uses == Some(BuiltIn::Health)
        && let Some(event) = bad_version(release, start, reason.clone())
    {
        return event;
    }
    // A gate that said no-go over a report names the step that brought the report.
    let Some(step) = failed.or_else(|| stage.steps.iter().find(|step| step.report.is_some()))
    else {
        let hold = Hold::Failed { stage: stage.id.clone(), reason };
        return Event::Held { hold };
    };
    let end = release.steps.get(&step.id).and_then(|s| s.end.as_ref());
    let why = end.filter(|end| !end.result.passed()).map(|end| end.result.reason());
    let hold = Hold::StepFailed { step: step.id.clone(), reason: why.unwrap_or(reason) };
    Event::Held { hold }
}

/// The step to start now, the one with the longest way to the end first.
fn start_step(release: &Release, start: &Start) -> Option<Event> {
    let plan = &start.plan;
    let commands = plan.steps().filter(|s| s.uses.is_none() && running(release, s)).count();
    let room = commands < usize::try_from(plan.jobs).unwrap_or(usize::MAX);
    // What has failed already starts nothing but its own stage's remaining checks, so that one
    // run shows all that is to be mended.
    let failing = failing_stage(release, plan).map(|(index, ..)| index);
    let to_end = plan.seconds_to_end();
    let mut best: Option<(u64, &StepId)> = None;
    for (index, stage) in plan.stages.iter().enumerate() {
        let planned = release.stages.get(index).is_some_and(|s| s.planned);
        if !planned || failing.is_some_and(|failing| failing != index) {
            continue;
        }
        for step in &stage.steps {
            let fits = step.uses.is_some() || room;
            let wanted = failing.is_none() || step.may_run_ahead();
            if fits && wanted && may_start(release, index, stage, step) {
                let rank = to_end.get(&step.id).copied().unwrap_or(0);
                if best.is_none_or(|(longest, _)| rank > longest) {
                    best = Some((rank, &step.id));
                }
            }
        }
    }
    best.map(|(_, id)| Event::StepStarted { step: id.clone() })
}

fn may_start(release: &Release, index: usize, stage: &Stage, step: &Step) -> bool {
    let Some(own) = release.steps.get(&step.id) else { return false };
    let again = own.status == StepStatus::Failed && !release.failed_for_good(step);
    if own.status != StepStatus::Waiting && !again {
        return false;
    }
    let met = |need: &StepId| release.steps.get(need).is_some_and(StepState::is_met);
    if !step.needs.iter().all(met) {
        return false;
    }
    let Some(plan) = release.plan() else { return false };
    let approved = plan.stages.iter().take(index).chain([stage]);
    if !approved.into_iter().all(|stage| release.stage_is_approved(stage)) {
        return false;
    }
    step.may_run_ahead() || (0..index).all(|i| release.stage_is_go(i))
}

/// The policy may let the switch happen without a person.
fn promote(release: &Release, start: &Start) -> Option<Event> {
    if !start.policy.rollout.promote_unattended || !release.awaits_switch() {
        return None;
    }
    let to = release.rollout.to?;
    Some(Event::SwitchOrdered { from: release.rollout.from, to })
}

fn finish(release: &Release, start: &Start) -> Option<Event> {
    let planned = |i: &usize| release.stages.get(*i).is_some_and(|stage| stage.planned);
    let all_go = (0..start.plan.stages.len()).filter(planned).all(|i| release.stage_is_go(i));
    let restoring = release.restore.as_ref().is_some_and(|r| !r.is_done() && r.failed.is_none());
    (all_go && !restoring).then_some(Event::ReleaseEnded { result: ReleaseResult::Released })
}
