//! Effect → outcome: one exhaustive match, each arm one call into a file of this room. Failing is
//! an outcome, never an error.

mod command;
mod database;
mod deploy;
mod gate;
mod judge;
mod observe;
mod tell;
mod traffic;
mod watching;
mod window;

pub use observe::observe;
pub use watching::watch;

use crate::release::{
    BuiltIn, BuiltInJob, CardLine, Clean, Effect, EffectKey, Outcome, StepEnd, StepResult, Verdict,
};
use crate::world::{Reporter, World};

/// Does what is owed. `key` names the folder of whatever it leaves.
pub async fn perform(
    world: &World,
    key: &EffectKey,
    effect: Effect,
    reporter: &Reporter,
) -> Outcome {
    match effect {
        Effect::RunCommand { step } => command::run(world, key, &step, reporter).await,
        Effect::BuiltIn { what, job, .. } => built_in(world, key, what, &job, reporter).await,
        Effect::JudgeGate { inputs, policy, baseline, .. } => {
            judge::stage(world, inputs, &policy, baseline.as_ref())
        }
        Effect::DrawUpCard { card, switches, .. } => gate::draw_up(world, card, switches).await,
        Effect::SwitchTraffic { .. } => traffic::switch(world, &effect, reporter).await,
        Effect::MeasureWindow { slot, window_s } => {
            window::measure(world, slot, window_s, reporter).await
        }
        Effect::FindRollback { to } => traffic::find_rollback(world, to, reporter).await,
        Effect::TidySlot { slot } => traffic::tidy(world, slot).await,
        Effect::Restore { backup, phase } => {
            database::restore(world, &backup, phase, reporter).await
        }
        Effect::Notify { title, body } => tell::notify(world, title, body).await,
    }
}

/// Ends what an effect that is no longer owed has started.
pub async fn end(world: &World, key: &EffectKey, effect: &Effect) {
    if let Effect::RunCommand { .. } = effect
        && let Err(error) = world.shell.end(&world.steps.join(key.to_string())).await
    {
        tracing::warn!(%key, %error, "failed to end a step that is not wanted any more");
    }
}

async fn built_in(
    world: &World,
    key: &EffectKey,
    what: BuiltIn,
    job: &BuiltInJob,
    reporter: &Reporter,
) -> Outcome {
    let began = world.clock.now().boot_ms;
    let done = match what {
        BuiltIn::Backup => database::backup(world, reporter).await,
        BuiltIn::Drill => database::drill(world, reporter).await,
        BuiltIn::Migrations => database::migrations(world).await,
        BuiltIn::Migrate => database::migrate(world, job, reporter).await,
        BuiltIn::ValidateSchema => database::validate(world).await,
        BuiltIn::CleanBackups => database::clean(world, job).await,
        BuiltIn::DeployStaging => deploy::staging(world, job, reporter).await,
        BuiltIn::SmokeStaging => deploy::probe(world, deploy::Target::Staging).await,
        BuiltIn::DeployPreview => deploy::preview(world, job, reporter).await,
        BuiltIn::Smoke => deploy::probe(world, deploy::Target::Preview).await,
        BuiltIn::Health => deploy::probe(world, deploy::Target::Serving).await,
        BuiltIn::WayBack => traffic::way_back(world, job).await,
        BuiltIn::CleanCluster => deploy::clean(world).await,
        BuiltIn::Report => gate::report(world, key, job),
        BuiltIn::Switch | BuiltIn::Monitor => {
            Err(Clean::new("it is moved by asks and windows and has no effect of its own"))
        }
    };
    let took_ms = world.clock.now().boot_ms.saturating_sub(began);
    Outcome::StepEnded(match done {
        Ok(mut end) => {
            end.took_ms = took_ms;
            end
        }
        Err(reason) => StepEnd::new(StepResult::Failed { reason }, took_ms),
    })
}

/// How a built-in step ends: with facts, or with why it failed.
type Done = Result<StepEnd, Clean>;

fn passed(facts: Vec<CardLine>) -> StepEnd {
    let mut end = StepEnd::new(StepResult::Passed, 0);
    end.facts = facts;
    end
}

fn fact(what: &str, value: &str) -> CardLine {
    CardLine { what: Clean::new(what), value: Clean::new(value), verdict: Verdict::Pass }
}

/// An error of another room, as a reason.
fn because(error: impl std::fmt::Display) -> Clean {
    Clean::new(&error.to_string())
}

fn site(world: &World) -> Result<&super::Site, Clean> {
    world.site.as_ref().ok_or_else(|| {
        Clean::new("this release has no cluster: name one in gonogo.yaml under `environments`")
    })
}
