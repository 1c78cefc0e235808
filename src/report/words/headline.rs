//! One line that says which release this is and how it stands.

use super::span::duration;
use crate::engine::handle::Snapshot;
use crate::release::{Clean, Hold, Release, ReleaseResult, StepStatus, Way};

/// Which release, how it stands, since when: `r-1123.1 shop 1a2b3c4 (main) · stage 3/11 build · 12
/// min 4 s`. A rehearsal says so first.
pub fn headline(snapshot: &Snapshot) -> Clean {
    let release = &snapshot.release;
    let Some(start) = release.start.as_deref() else {
        return Clean::new(&format!("{} · not started", release.id));
    };
    let rehearsal = if start.rehearsal.is_some() { "REHEARSAL · " } else { "" };
    let revision = start.revision.short();
    let elapsed = duration(release.elapsed_ms(snapshot.now) / 1000 * 1000);
    let elapsed = if release.result.is_some() { String::new() } else { format!(" · {elapsed}") };
    Clean::new(&format!(
        "{rehearsal}{} {} {revision} ({}) · {}{elapsed}",
        release.id,
        start.plan.name,
        start.branch,
        state(release),
    ))
}

/// How a release stands, in two or three words.
pub fn state(release: &Release) -> String {
    if let Some(order) = &release.rollout.order {
        return match order.way {
            Way::Forward => format!("SWITCHING to {}", order.to),
            Way::Back => format!("ROLLING BACK to {}", order.to),
        };
    }
    if let Some(result) = &release.result {
        return result_word(result).to_owned();
    }
    if let Some(held) = &release.hold {
        return held_word(&held.hold).to_owned();
    }
    if let Some(gate) = release.open_gate() {
        return format!("GO OR NO-GO? {}", gate.stage);
    }
    if release.awaits_switch() {
        return "READY TO SWITCH".to_owned();
    }
    let Some(plan) = release.plan() else { return "not started".to_owned() };
    let total = plan.stages.len();
    let open = |index: &usize| {
        let planned = release.stages.get(*index).is_some_and(|stage| stage.planned);
        planned && !release.stage_is_go(*index)
    };
    match (0..total).find(open) {
        Some(index) => {
            let idle = !release.steps.values().any(|step| step.status == StepStatus::Running);
            let idle = if idle { ", idle" } else { "" };
            format!("stage {}/{total} {}{idle}", index + 1, plan.stages[index].id)
        }
        None => "all stages go".to_owned(),
    }
}

/// How a release ended, in one or two words.
pub fn result_word(result: &ReleaseResult) -> &'static str {
    match result {
        ReleaseResult::Released => "RELEASED",
        ReleaseResult::Failed { .. } => "FAILED",
        ReleaseResult::Rejected { .. } => "NO-GO",
        ReleaseResult::Expired => "EXPIRED",
        ReleaseResult::Aborted { .. } => "ABORTED",
        ReleaseResult::RolledBack { .. } => "ROLLED BACK",
    }
}

fn held_word(hold: &Hold) -> &'static str {
    match hold {
        Hold::BothBad { .. } => "HELD, BOTH BAD",
        Hold::InDoubt { .. } => "HELD, IN DOUBT",
        Hold::Unknown { .. } => "HELD, UNKNOWN",
        Hold::Failed { .. }
        | Hold::StepFailed { .. }
        | Hold::GateBlocked { .. }
        | Hold::SwitchFailed { .. }
        | Hold::RestoreFailed { .. } => "HELD",
    }
}
