//! Looking before repeating: what became of an effect whose session broke off. Read-only.

use std::time::Duration;

use super::command;
use super::database::database;
use super::traffic::{AGAIN_AFTER, plan, prove};
use crate::release::{
    BackupId, BuiltIn, Clean, Effect, EffectKey, MigrationClass, Outcome, RestorePhase,
    RestoreReport, Seen, Slot, StepEnd, StepResult, Survey,
};
use crate::world::kubernetes::{ClusterError, Switch, SwitchSeen};
use crate::world::shell::StepSeen;
use crate::world::{Site, World};

/// How long a cluster that cannot be reached is asked who serves.
const ASKED_FOR: Duration = Duration::from_secs(60);

/// Looks at the world for traces of an effect. Exhaustive: an effect that cannot be observed does
/// not compile.
pub async fn observe(world: &World, key: &EffectKey, effect: &Effect) -> Seen {
    match effect {
        Effect::RunCommand { step } => {
            let dir = world.steps.join(key.to_string());
            match world.shell.observe(&dir) {
                StepSeen::NotStarted => Seen::NotDone,
                StepSeen::Running(_) => Seen::StillGoing,
                StepSeen::Exited(exit) => {
                    let end = command::judge(world, &dir, step, &exit);
                    Seen::Done { outcome: Box::new(Outcome::StepEnded(end)) }
                }
                StepSeen::Unknown(reason) => Seen::Unknown { reason },
                StepSeen::Gone(_) if effect.may_repeat_blindly() => Seen::NotDone,
                StepSeen::Gone(_) => Seen::Unknown {
                    reason: Clean::new(&format!(
                        "{} was started and is gone without a trace of its end",
                        step.id
                    )),
                },
            }
        }
        Effect::SwitchTraffic { .. } => observe_switch(world, effect).await,
        Effect::TidySlot { slot } => observe_tidy(world, *slot).await,
        Effect::BuiltIn { what: BuiltIn::Migrate, .. } => observe_migration(world).await,
        Effect::Restore { backup, phase } => observe_restore(world, backup, *phase).await,
        // These change nothing, or can be repeated: see `Effect::after_crash`.
        Effect::BuiltIn { .. }
        | Effect::JudgeGate { .. }
        | Effect::DrawUpCard { .. }
        | Effect::MeasureWindow { .. }
        | Effect::FindRollback { .. }
        | Effect::Notify { .. } => Seen::NotDone,
    }
}

fn unknown(reason: impl std::fmt::Display) -> Seen {
    Seen::Unknown { reason: Clean::new(&reason.to_string()) }
}

async fn observe_switch(world: &World, effect: &Effect) -> Seen {
    let site = match super::site(world) {
        Ok(site) => site,
        Err(reason) => return unknown(reason),
    };
    let Some(mut switch) = plan(world, site, effect) else {
        return unknown("the effect is not a switch");
    };
    // The session before ours had the epoch before ours; anything up to ours is our release's.
    let survey = match surveyed(world, site, &switch).await {
        Ok(survey) => survey,
        Err(error) => return unknown(error),
    };
    let newest = survey.services.iter().filter_map(|service| service.epoch).max();
    if let Some(newest) = newest.filter(|newest| *newest < switch.epoch) {
        switch.epoch = newest;
    }
    match site.cluster.observe_switch(&switch).await {
        SwitchSeen::NotDone => Seen::NotDone,
        SwitchSeen::Partial { services } => {
            let there = services.iter().filter(|s| s.slot == Some(switch.to)).count();
            let reason = format!("{there} of {} Services have moved", services.len());
            Seen::Partial { reason: Clean::new(&reason) }
        }
        SwitchSeen::Unknown { reason } => Seen::Unknown { reason },
        SwitchSeen::Done => match prove(site, &switch).await {
            Ok(proof) => Seen::Done { outcome: Box::new(Outcome::Switched { proof, took_ms: 0 }) },
            Err(reason) => Seen::Unknown { reason },
        },
    }
}

/// Who serves. A cluster that cannot be reached is asked again for a while: a release is not held
/// for a line that is gone for a moment (fault F37).
async fn surveyed(world: &World, site: &Site, switch: &Switch) -> Result<Survey, ClusterError> {
    let limit = u64::try_from(ASKED_FOR.as_millis()).unwrap_or(u64::MAX);
    let until = world.clock.now().boot_ms.saturating_add(limit);
    loop {
        match site.cluster.survey(&switch.namespace, &switch.services).await {
            Err(error) if error.may_have_landed() && world.clock.now().boot_ms < until => {
                world.clock.sleep(AGAIN_AFTER).await;
            }
            other => return other,
        }
    }
}

async fn observe_tidy(world: &World, slot: Slot) -> Seen {
    let site = match super::site(world) {
        Ok(site) => site,
        Err(reason) => return unknown(reason),
    };
    match site.cluster.slot_state(&site.production, &site.services, slot).await {
        Ok(state) if state.deployments.iter().all(|d| d.desired == 0) => {
            let what = Clean::new(&format!("{slot} is scaled to no pods"));
            Seen::Done { outcome: Box::new(Outcome::Tidied { what }) }
        }
        // Scaling to none can be repeated.
        Ok(_) => Seen::NotDone,
        Err(error) => unknown(error),
    }
}

/// A migration is one transaction and knows what has run, so what is pending is to be done.
async fn observe_migration(world: &World) -> Seen {
    let pending = async {
        let pending = database(world)?.pending_migrations().await;
        pending.map_err(super::because)
    };
    match pending.await {
        Ok(pending) if pending.iter().all(|m| m.class == MigrationClass::Contract) => {
            let end = StepEnd::new(StepResult::Passed, 0);
            Seen::Done { outcome: Box::new(Outcome::StepEnded(end)) }
        }
        Ok(_) => Seen::NotDone,
        Err(reason) => Seen::Unknown { reason },
    }
}

async fn observe_restore(world: &World, backup: &BackupId, phase: RestorePhase) -> Seen {
    let state = async {
        let state = database(world)?.state().await;
        state.map_err(super::because)
    };
    let state = match state.await {
        Ok(state) => state,
        Err(reason) => return Seen::Unknown { reason },
    };
    let done = match phase {
        RestorePhase::Aside => state.aside.as_ref() == Some(backup),
        RestorePhase::Fence => state.writers_fenced,
        RestorePhase::MeasureLoss => false,
        RestorePhase::Swap => state.live_from.as_ref() == Some(backup),
        RestorePhase::SwapBack => state.live_from.is_none(),
        RestorePhase::Reopen => state.connections_allowed && !state.writers_fenced,
    };
    if !done {
        return Seen::NotDone;
    }
    let detail = Clean::new("found done after a break");
    let report = RestoreReport { phase, took_ms: 0, detail, loss: None };
    Seen::Done { outcome: Box::new(Outcome::Restored { report: Box::new(report) }) }
}
