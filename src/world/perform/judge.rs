//! Weighs the reports of a stage and judges it.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::release::{
    Clean, FindingsPolicy, GateInput, GateVerdict, Outcome, ReleaseId, ReportState, judge,
};
use crate::world::World;
use crate::world::stored::{Reading, triage};

/// Looks into every report that a waiver, or what serves now, could make count for less.
pub(super) fn stage(
    world: &World,
    mut inputs: Vec<GateInput>,
    policy: &FindingsPolicy,
    baseline: Option<&ReleaseId>,
) -> Outcome {
    let today: Date = world.clock.now().wall.to_zoned(TimeZone::UTC).date();
    let mut unread = Vec::new();
    for input in &mut inputs {
        let (Some(report), Some(stored)) = (&input.report, &input.stored) else { continue };
        let looked = matches!(report.state, ReportState::Clean | ReportState::Findings);
        let found = report.counts.values().any(|count| *count > 0);
        let matters = baseline.is_some() || (found && !policy.waivers.is_empty());
        if !looked || !matters {
            continue;
        }
        let reading = Reading {
            steps: &world.steps,
            step: &input.step,
            stored,
            baseline,
            waivers: &policy.waivers,
            today,
        };
        match triage(&reading) {
            Ok(triaged) if triaged.weighed.adds_up(report) => input.weighed = Some(triaged.weighed),
            Ok(_) => unread.push(Clean::new(&format!(
                "{}: the stored report is not the one that was read when the step ended",
                input.step
            ))),
            Err(why) => unread.push(Clean::new(&format!("{}: {why}", input.step))),
        }
    }
    let mut judgement = judge(&inputs, policy);
    if !unread.is_empty() {
        judgement.verdict = GateVerdict::NoGo;
        judgement.reasons.extend(unread);
    }
    Outcome::Judged(judgement)
}
