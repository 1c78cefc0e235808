//! What must be true of every event and every state, whatever happened before.

use gonogo::release::finding::waiver::Waiver;
use gonogo::release::{
    Ask, BuiltIn, EffectKey, Event, GateResult, GateVerdict, OnUnknown, Principal, Release,
    ReleaseResult, ReportState, Serving, StepResult, StepStatus, Verdict, Via, Vote, due, owed,
    permit,
};

/// Checks an event against the state it is about to change.
pub(crate) fn check(before: &Release, event: &Event, by: &Principal) {
    if before.result.is_some() {
        after_the_end(event);
    }
    match event {
        Event::StepStarted { step } => step_starts(before, step),
        Event::StepEnded { step, end } => {
            assert_eq!(before.steps[step].status, StepStatus::Running, "{step} ends once");
            let what = before.plan().and_then(|plan| plan.step(step)).and_then(|s| s.uses);
            if what == Some(BuiltIn::Monitor) && end.result == StepResult::Passed {
                let monitor = before.monitor.as_ref().expect("a watch");
                let needed = before.policy().expect("a policy").monitor.duration_s;
                assert!(monitor.good_s() >= needed, "I10: only good windows pass the watch");
            }
        }
        Event::StageJudged { stage, judgement } if judgement.verdict == GateVerdict::Go => {
            go_is_earned(before, stage);
        }
        Event::GateOpened { card, .. } => {
            let bad = card.evidence.iter().find(|line| line.verdict != Verdict::Pass);
            assert_eq!(bad, None, "I10: a gate opens on good evidence only");
            let serving = card.rollout.as_ref().map(|rollout| &rollout.survey.serving);
            assert!(!matches!(serving, Some(Serving::Split { .. })));
        }
        Event::VoteCast { .. } => assert_ne!(by.via, Via::Engine, "I16: gonogo never votes"),
        Event::GateClosed { result, .. } => gate_closes(before, *result),
        Event::SwitchOrdered { to, .. } => {
            let go = before.gate.as_ref().and_then(|gate| gate.closed) == Some(GateResult::Go);
            assert!(go, "I10: no switch before people said go");
            let unattended = before.policy().expect("a policy").rollout.promote_unattended;
            assert!(by.via != Via::Engine || unattended, "I16: nothing promotes unattended");
            assert_eq!(before.rollout.to, Some(*to));
            assert!(before.hold.is_none() && before.rollout.order.is_none());
        }
        Event::TrafficSwitched { .. } => assert!(before.rollout.order.is_some(), "I3: ordered"),
        Event::RollbackOrdered { to, .. } => rolls_back(before, *to, by),
        Event::RestoreOrdered { backup, undo: false } => {
            let verified = before.backups.iter().any(|b| &b.id == backup && b.verified);
            assert!(verified, "I18: no restore without a verified backup");
            assert_ne!(by.via, Via::Engine, "a restore is a person's decision");
        }
        Event::ReleaseEnded { result } => ends(before, result),
        _ => {}
    }
}

/// The way back and the database stay open; nothing else happens any more.
fn after_the_end(event: &Event) {
    let late = matches!(
        event,
        Event::RollbackOrdered { .. }
            | Event::TrafficSwitched { .. }
            | Event::SwitchFailed { .. }
            | Event::VersionLatched { .. }
            | Event::Held { .. }
            | Event::RestoreOrdered { .. }
            | Event::RestoreAdvanced { .. }
            | Event::RestoreFailed { .. }
            | Event::RetryOrdered { .. }
            | Event::HoldOverridden { .. }
            | Event::Notified { .. }
            | Event::SessionOpened { .. }
            | Event::TailRepaired { .. }
            | Event::EffectObserved { .. }
            | Event::ReleaseEnded { result: ReleaseResult::RolledBack { .. } }
    );
    assert!(late, "{} after the end", event.kind());
}

fn step_starts(before: &Release, id: &gonogo::release::StepId) {
    let plan = before.plan().expect("a plan");
    let step = plan.step(id).expect("a step of the plan");
    let index = plan.stage_of(id).expect("a stage");
    assert_ne!(before.steps[id].status, StepStatus::Running, "{id} starts once");
    assert!(before.stages[index].planned, "{id} is planned");
    assert!(before.hold.is_none() && before.rollout.order.is_none(), "{id} starts while held");
    for need in &step.needs {
        assert!(before.steps[need].is_met(), "{id} needs {need}");
    }
    for (i, stage) in plan.stages.iter().enumerate().take(index + 1) {
        assert!(before.stage_is_approved(stage), "{id} before the approval of {}", stage.id);
        if i < index && !step.may_run_ahead() {
            assert!(before.stage_is_go(i), "{id} before the gate of {} is go", stage.id);
        }
    }
    let commands = plan.steps().filter(|s| s.uses.is_none());
    let running = commands.filter(|s| before.steps[&s.id].status == StepStatus::Running).count();
    assert!(step.uses.is_some() || running < plan.jobs as usize, "{id} finds no free job");
}

/// A stage goes when each of its steps has passed, was skipped, or was waived by a person, and no
/// report of it is empty or broken.
fn go_is_earned(before: &Release, stage: &gonogo::release::StageId) {
    let plan = before.plan().expect("a plan");
    for step in &plan.stage(stage).expect("of the plan").steps {
        let now = &before.steps[&step.id];
        assert!(now.is_met(), "{stage} goes without {}", step.id);
        let passed = now.status == StepStatus::Passed;
        let report = now.end.as_ref().and_then(|end| end.report.as_ref());
        if passed && step.report.is_some() {
            let found = report.map(|report| &report.state);
            let looked = matches!(found, Some(ReportState::Clean | ReportState::Findings));
            assert!(looked, "I10: {} passed without a report: {found:?}", step.id);
        }
    }
}

fn gate_closes(before: &Release, result: GateResult) {
    let gate = before.open_gate().expect("an open gate");
    if result == GateResult::Go {
        let policy = &before.policy().expect("a policy").approval;
        let mut yes: Vec<_> = gate.votes.iter().filter(|v| v.vote == Vote::Approve).collect();
        yes.sort_by(|a, b| a.by.cmp(&b.by));
        yes.dedup_by(|a, b| a.by == b.by);
        if !policy.requester_may_approve {
            yes.retain(|vote| Some(&vote.by) != before.started_by.as_ref());
        }
        assert!(yes.len() >= policy.required as usize, "I16: go needs {} people", policy.required);
    }
}

fn rolls_back(before: &Release, to: gonogo::release::Slot, by: &Principal) {
    assert_eq!(before.rollout.from, Some(to), "back is where the traffic was");
    if by.via != Via::Engine {
        return;
    }
    let policy = before.policy().expect("a policy");
    let found = before.rollout.unlooked.is_some();
    assert!(found || policy.rollout.automatic_rollback && before.is_switched());
    let bad = |verdict: &Verdict| match verdict {
        Verdict::Pass => false,
        Verdict::Fail { .. } => true,
        Verdict::Unknown { .. } => policy.monitor.on_unknown == OnUnknown::RollBack,
    };
    let window = before.monitor.as_ref().is_some_and(|monitor| {
        let newest = monitor.windows.iter().rev().take(3);
        newest.flat_map(|window| &window.verdicts).any(|rule| bad(&rule.verdict))
    });
    let plan = before.plan().expect("a plan");
    let health = plan.built_in(BuiltIn::Health).is_some_and(|s| before.failed_for_good(s));
    assert!(window || health || found, "an automatic rollback has a reason");
}

fn ends(before: &Release, result: &ReleaseResult) {
    let plan = before.plan().expect("a plan");
    match result {
        ReleaseResult::Released => {
            for (stage, state) in plan.stages.iter().zip(&before.stages).filter(|(_, s)| s.planned)
            {
                assert!(stage.steps.iter().all(|step| before.steps[&step.id].is_met()));
                assert_eq!(state.judgement.as_ref().map(|j| &j.verdict), Some(&GateVerdict::Go));
            }
        }
        ReleaseResult::RolledBack { .. } => {
            assert!(before.rollout.rolled_back_ms.is_some());
            assert!(before.rollout.latch.is_some(), "what was rolled back is latched");
        }
        ReleaseResult::Failed { .. }
        | ReleaseResult::Rejected { .. }
        | ReleaseResult::Expired
        | ReleaseResult::Aborted { .. } => {
            assert!(!before.is_switched(), "{result:?} with the new version serving");
        }
    }
}

/// Checks a state between two inputs: it is never silently stuck, and nothing runs after the end.
pub(crate) fn check_state(release: &Release) {
    let owed = owed(release);
    let _ = due(release);
    for ask in all_asks(release) {
        let _ = permit(release, &ask);
    }
    if release.start.is_none() {
        return;
    }
    if release.result.is_some() {
        let running = release.steps.iter().find(|(_, s)| s.status == StepStatus::Running);
        assert_eq!(running, None, "nothing runs after the end");
        // What was begun late, or had begun before the end, always has a way on.
        let retry = permit(release, &Ask::Retry).is_ok();
        let order = release.rollout.order.as_ref().map(|order| order.key.clone());
        let restore = release.restore.as_ref().filter(|restore| !restore.is_done());
        for key in order.into_iter().chain(restore.map(|r| EffectKey::ask(r.cause))) {
            assert!(owed.contains_key(&key) || retry, "{key} is stuck after the end");
        }
        return;
    }
    let waits = release.hold.is_some() || release.open_gate().is_some() || release.awaits_switch();
    let doubts = !release.doubts.is_empty();
    assert!(waits || doubts || !owed.is_empty(), "stuck: {release:#?}");
}

fn waiver() -> Waiver {
    let owner = gonogo::release::Person::new("mira").expect("a name");
    let until = "2099-12-31".parse().expect("a day");
    Waiver { rule: Some("CVE-*".into()), ..Waiver::new("because".into(), owner, until) }
}

/// Every ask there is.
pub(crate) fn all_asks(release: &Release) -> Vec<Ask> {
    let comment = gonogo::release::Clean::new("because");
    let mut asks = vec![
        Ask::Approve { comment: comment.clone() },
        Ask::Reject { comment: comment.clone() },
        Ask::Defer { comment: comment.clone() },
        Ask::Retry,
        Ask::Override { comment: comment.clone() },
        Ask::Abort { comment: comment.clone() },
        Ask::Switch { to: gonogo::release::Slot::Blue },
        Ask::Switch { to: gonogo::release::Slot::Green },
        Ask::RollBack { comment },
        Ask::UndoRestore,
        Ask::Waive { waiver: Box::new(waiver()) },
    ];
    for most in [0, 1, 9] {
        let Some(policy) = release.policy() else { break };
        let mut changed = policy.clone();
        changed.findings.limits.all.insert(gonogo::release::Severity::Critical, most);
        let (policy, from, comment) = (Box::new(changed), "a file".into(), "because".into());
        asks.push(Ask::ChangePolicy { policy, from, comment });
    }
    let known = release.backups.iter().map(|backup| backup.id.clone());
    let other = gonogo::release::BackupId::new("backup_0.dump").expect("an id");
    asks.extend(known.chain([other]).map(|backup| Ask::Restore { backup }));
    asks
}
