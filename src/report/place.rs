//! Where in a release a record belongs: the short word before its sentence.

use crate::release::{Cause, Event, Release, StepId};

/// The stage's id, or `release`, `gate`, `traffic`, `watch`, `database`, `people`.
pub(super) fn place(event: &Event, release: &Release) -> String {
    match event {
        Event::StepStarted { step }
        | Event::StepEnded { step, .. }
        | Event::StepSkipped { step, .. } => of_step(step, release),
        Event::EffectObserved { key, .. } => match &key.cause {
            Cause::Step(step) => of_step(step, release),
            Cause::Ask(_) | Cause::Rule(_) => "release".to_owned(),
        },
        Event::StageJudged { stage, .. } => stage.to_string(),
        Event::GateOpened { .. } | Event::VoteCast { .. } | Event::GateClosed { .. } => {
            "gate".to_owned()
        }
        Event::SwitchOrdered { .. }
        | Event::TrafficSwitched { .. }
        | Event::SwitchFailed { .. }
        | Event::RollbackOrdered { .. }
        | Event::VersionLatched { .. }
        | Event::SlotTidied { .. } => "traffic".to_owned(),
        Event::WindowJudged { .. } => "watch".to_owned(),
        Event::RestoreOrdered { .. }
        | Event::RestoreAdvanced { .. }
        | Event::RestoreFailed { .. } => "database".to_owned(),
        Event::Notified { .. } => "people".to_owned(),
        Event::ReleaseStarted { .. }
        | Event::SessionOpened { .. }
        | Event::TailRepaired { .. }
        | Event::Held { .. }
        | Event::RetryOrdered { .. }
        | Event::FindingWaived { .. }
        | Event::PolicyChanged { .. }
        | Event::HoldOverridden { .. }
        | Event::AbortOrdered { .. }
        | Event::ReleaseEnded { .. } => "release".to_owned(),
    }
}

fn of_step(step: &StepId, release: &Release) -> String {
    let plan = release.plan();
    let index = plan.and_then(|plan| plan.stage_of(step));
    let stage = plan.zip(index).and_then(|(plan, index)| plan.stages.get(index));
    // A step of no known plan still names its stage before the dot.
    let before_dot = step.as_str().split('.').next().unwrap_or_default();
    stage.map_or_else(|| before_dot.to_owned(), |stage| stage.id.to_string())
}

/// How wide that word gets in this release, in columns.
pub(super) fn place_width(release: &Release) -> usize {
    let stages = release.plan().map_or(&[][..], |plan| &plan.stages);
    stages.iter().map(|stage| stage.id.as_str().len()).max().unwrap_or(0).max("database".len())
}
