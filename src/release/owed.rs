//! What the world owes a release right now. Computed from the state, never from memory: the
//! engine starts the difference to what is in flight, and ends what is no longer owed.

use std::collections::BTreeMap;

use super::state::{Doubt, StepStatus};
use super::{
    AfterRollback, Attempt, BuiltIn, BuiltInJob, Cause, Effect, EffectKey, FindingsPolicy, Release,
    StageState, Start, Step, Way, card,
};

/// Every effect that should be under way.
pub fn owed(release: &Release) -> BTreeMap<EffectKey, Effect> {
    let mut owed = BTreeMap::new();
    let Some(start) = release.start.as_deref() else { return owed };
    if release.result.is_none() {
        owe_steps(release, start, &mut owed);
        owe_judgements(release, start, &mut owed);
        owe_card(release, start, &mut owed);
        owe_window(release, start, &mut owed);
        owe_tidying(release, start, &mut owed);
    }
    // The way back and a restore stay open after the release has ended.
    owe_look(release, &mut owed);
    owe_switch(release, start, &mut owed);
    owe_restore(release, &mut owed);
    for (seq, (title, body)) in &release.untold {
        let effect = Effect::Notify { title: title.clone(), body: body.clone() };
        owed.insert(EffectKey::rule(*seq), effect);
    }
    owed.retain(|key, _| release.doubts.get(key) != Some(&Doubt::Hold));
    owed
}

fn owe_steps(release: &Release, start: &Start, owed: &mut BTreeMap<EffectKey, Effect>) {
    for step in start.plan.steps() {
        let Some(state) = release.steps.get(&step.id) else { continue };
        if state.status != StepStatus::Running {
            continue;
        }
        let effect = match step.uses {
            None => Effect::RunCommand { step: Box::new(step.clone()) },
            // Moved by asks and by windows, not by an effect of their own.
            Some(BuiltIn::Switch | BuiltIn::Monitor) => continue,
            Some(what) => {
                let job = job(release, start, step);
                Effect::BuiltIn { step: step.id.clone(), what, job }
            }
        };
        owed.insert(EffectKey::step(&step.id, state.attempt), effect);
    }
}

fn job(release: &Release, start: &Start, step: &Step) -> BuiltInJob {
    BuiltInJob {
        timeout_s: step.timeout_s,
        slot: match step.uses {
            Some(BuiltIn::Health | BuiltIn::CleanCluster) => release.serving(),
            _ => release.rollout.to, // tidy: every other job looks at the new slot
        },
        way_back: release.rollout.from,
        backup_max_age_s: start.policy.database.backup_max_age_s,
        retention_days: start.policy.database.retention_days,
        ready_min: start.policy.rollout.ready_min,
        evidence: if step.uses == Some(BuiltIn::Report) {
            card::evidence(release)
        } else {
            Vec::new()
        },
    }
}

fn owe_judgements(release: &Release, start: &Start, owed: &mut BTreeMap<EffectKey, Effect>) {
    for ((stage, state), number) in start.plan.stages.iter().zip(&release.stages).zip(1_u32..) {
        let open = state.planned && state.judgement.is_none();
        let met = stage
            .steps
            .iter()
            .all(|step| release.steps.get(&step.id).is_some_and(super::StepState::is_met));
        if open && met && release.stage_is_approved(stage) && walls_are_go(release, stage) {
            let effect = Effect::JudgeGate {
                stage: stage.id.clone(),
                inputs: card::gate_inputs(release, &stage.id),
                policy: FindingsPolicy {
                    waivers: release.all_waivers(),
                    ..start.policy.findings.clone()
                },
                baseline: start.baseline.clone(),
            };
            // One record may have several stages judged again: the stage's number is the attempt.
            let cause = Cause::Rule(state.changed);
            owed.insert(EffectKey { cause, attempt: Attempt(number) }, effect);
        }
    }
}

/// Stages are judged in their order.
fn walls_are_go(release: &Release, stage: &super::Stage) -> bool {
    let index = release.plan().and_then(|plan| plan.stage_index(&stage.id)).unwrap_or(0);
    (0..index).all(|i| release.stage_is_go(i))
}

fn owe_card(release: &Release, start: &Start, owed: &mut BTreeMap<EffectKey, Effect>) {
    if release.gate.is_some() || release.hold.is_some() {
        return;
    }
    let waiting = start.plan.stages.iter().zip(&release.stages).position(|(stage, state)| {
        state.planned && stage.approval && !release.stage_is_approved(stage)
    });
    let Some(index) = waiting else { return };
    let stage = &start.plan.stages[index];
    if walls_are_go(release, stage) {
        let cause = index.checked_sub(1).and_then(|i| release.stages.get(i));
        let cause: &StageState = cause.unwrap_or(&release.stages[index]);
        let effect = Effect::DrawUpCard {
            stage: stage.id.clone(),
            card: Box::new(release.card_so_far()),
            switches: start.plan.built_in(BuiltIn::Switch).is_some(),
        };
        owed.insert(EffectKey::rule(cause.changed), effect);
    }
}

fn owe_look(release: &Release, owed: &mut BTreeMap<EffectKey, Effect>) {
    if let (Some(seq), Some(to)) = (release.rollout.unlooked, release.rollout.from) {
        owed.insert(EffectKey::rule(seq), Effect::FindRollback { to });
    }
}

fn owe_switch(release: &Release, start: &Start, owed: &mut BTreeMap<EffectKey, Effect>) {
    let Some(order) = &release.rollout.order else { return };
    if order.way == Way::Forward && release.rollout.unlooked.is_some() {
        // What was rolled back unrecorded must not be switched to again.
        return;
    }
    owed.insert(
        order.key.clone(),
        Effect::SwitchTraffic {
            from: order.from,
            to: order.to,
            epoch: release.epoch,
            ready_min: start.policy.rollout.ready_min,
            way: order.way,
            by: order.by.clone(),
            reason: release.rollout.rollback_reason.clone().unwrap_or_default(),
        },
    );
}

fn owe_window(release: &Release, start: &Start, owed: &mut BTreeMap<EffectKey, Effect>) {
    let Some(step) = start.plan.built_in(BuiltIn::Monitor) else { return };
    let running = release.steps.get(&step.id).is_some_and(|s| s.status == StepStatus::Running);
    let (Some(monitor), Some(slot)) = (&release.monitor, release.rollout.to) else { return };
    if running && release.rollout.order.is_none() {
        let window_s = start.policy.monitor.window_s;
        // The window's number is its attempt: the cause alone is the step or the last window.
        let attempt = u32::try_from(monitor.windows.len()).unwrap_or(u32::MAX);
        let key = EffectKey {
            cause: Cause::Rule(monitor.cause),
            attempt: Attempt(attempt.saturating_add(1)),
        };
        owed.insert(key, Effect::MeasureWindow { slot, window_s });
    }
}

fn owe_tidying(release: &Release, start: &Start, owed: &mut BTreeMap<EffectKey, Effect>) {
    let rolled_back = release.rollout.rolled_back_ms.is_some();
    let wanted = start.policy.rollout.after_rollback != AfterRollback::Keep;
    if let Some(slot) = release.rollout.to
        && rolled_back
        && wanted
        && !release.rollout.tidied
        && release.rollout.order.is_none()
    {
        let key = EffectKey::rule(release.rollout.changed);
        owed.insert(key, Effect::TidySlot { slot });
    }
}

fn owe_restore(release: &Release, owed: &mut BTreeMap<EffectKey, Effect>) {
    let Some(restore) = &release.restore else { return };
    if restore.failed.is_some() {
        return;
    }
    if let Some(phase) = restore.next() {
        let backup = restore.backup.clone();
        owed.insert(EffectKey::ask(restore.cause), Effect::Restore { backup, phase });
    }
}
