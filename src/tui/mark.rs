//! The state of stages and steps as a glyph, a colour and a word: never one of them alone.

use super::theme::Role;
use crate::release::{
    BuiltIn, GateVerdict, Release, ReportState, Slot, StageState, Step, StepEnd, StepResult,
    StepState, StepStatus,
};

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Done,
    Running,
    Warn,
    Failed,
    /// It waits for a person.
    Gate,
    Waiting,
    Skipped,
}

impl Mark {
    pub(super) fn glyph(self) -> &'static str {
        match self {
            Self::Done => "✔",
            Self::Running => "◐",
            Self::Warn => "▲",
            Self::Failed => "✖",
            Self::Gate => "◆",
            Self::Waiting => "○",
            Self::Skipped => "↷",
        }
    }

    pub(super) fn role(self) -> Role {
        match self {
            Self::Done => Role::Done,
            Self::Running => Role::Running,
            Self::Warn => Role::Warn,
            Self::Failed => Role::Failed,
            Self::Gate => Role::Gate,
            Self::Waiting => Role::Waiting,
            Self::Skipped => Role::Skipped,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Done => "passed",
            Self::Running => "running",
            Self::Warn => "passed, look at it",
            Self::Failed => "failed",
            Self::Gate => "waits for a person",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped or stopped",
        }
    }
}

/// How a step stands.
pub(super) fn step(release: &Release, step: &Step, state: &StepState) -> Mark {
    match &state.status {
        StepStatus::Waiting => Mark::Waiting,
        StepStatus::Running if step.uses == Some(BuiltIn::Switch) && release.awaits_switch() => {
            Mark::Gate
        }
        // Red is for the cause: what was stopped because of it did not fail.
        StepStatus::Failed if is_withdrawn(release, state) => Mark::Skipped,
        StepStatus::Failed if release.failed_for_good(step) => Mark::Failed,
        // A step that failed and has tries left is as good as running.
        StepStatus::Running | StepStatus::Failed => Mark::Running,
        StepStatus::Passed => passed(state),
        StepStatus::Skipped(_) => Mark::Skipped,
        StepStatus::Overridden => Mark::Warn,
    }
}

/// Whether it was stopped for something elsewhere; a watch that a rollback ended is its cause.
fn is_withdrawn(release: &Release, state: &StepState) -> bool {
    let cancelled = |end: &StepEnd| matches!(end.result, StepResult::Cancelled { .. });
    state.status == StepStatus::Failed
        && release.rollout.rolled_back_ms.is_none()
        && state.end.as_deref().is_some_and(cancelled)
}

/// A step that passed but found something is worth a look.
fn passed(state: &StepState) -> Mark {
    let Some(end) = &state.end else { return Mark::Done };
    let found = end.report.as_ref().is_some_and(|report| report.state == ReportState::Findings);
    let doubtful = end.facts.iter().any(|line| !line.verdict.is_pass());
    if found || doubtful { Mark::Warn } else { Mark::Done }
}

/// How the stage at `index` stands.
pub(super) fn stage(release: &Release, index: usize) -> Mark {
    let Some(planned) = release.plan().and_then(|plan| plan.stages.get(index)) else {
        return Mark::Waiting;
    };
    let Some(state) = release.stages.get(index) else { return Mark::Waiting };
    if !state.planned && !state.passed_before {
        return Mark::Skipped;
    }
    if release.open_gate().is_some_and(|gate| gate.stage == planned.id) {
        return Mark::Gate;
    }
    let marks: Vec<Mark> = (planned.steps.iter())
        .filter_map(|s| Some(step(release, s, release.steps.get(&s.id)?)))
        .collect();
    let any = |mark: Mark| marks.contains(&mark);
    match verdict(state) {
        Some(GateVerdict::NoGo) => return Mark::Failed,
        Some(GateVerdict::Hold) => return Mark::Gate,
        Some(GateVerdict::Go) if any(Mark::Warn) => return Mark::Warn,
        Some(GateVerdict::Go) => return Mark::Done,
        None if state.passed_before => return Mark::Done,
        None => {}
    }
    let mut states = planned.steps.iter().filter_map(|s| release.steps.get(&s.id));
    let withdrawn = states.any(|state| is_withdrawn(release, state));
    let begun = marks.iter().any(|mark| !matches!(mark, Mark::Waiting | Mark::Skipped));
    if any(Mark::Failed) {
        Mark::Failed
    } else if any(Mark::Gate) {
        Mark::Gate
    } else if withdrawn {
        Mark::Skipped
    } else if begun && release.result.is_none() {
        Mark::Running
    } else {
        Mark::Waiting
    }
}

fn verdict(state: &StageState) -> Option<&GateVerdict> {
    state.judgement.as_ref().map(|judgement| &judgement.verdict)
}

/// A slot's glyph and colour.
pub(super) fn slot(slot: Slot) -> (&'static str, Role) {
    match slot {
        Slot::Blue => ("■", Role::Blue),
        Slot::Green => ("●", Role::Green),
    }
}

/// A length of time as a clock shows it: `0:41`, `12:04`, `1:02:03`.
pub(super) fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Eight heights for the values from `low` to `high`.
pub(super) fn bars(values: &[Option<f64>], low: f64, high: f64) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let span = if high > low { high - low } else { 1.0 };
    let height = |value: f64| {
        let part = ((value - low) / span * 7.0).round().clamp(0.0, 7.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0 to 7"
        )]
        let at = part as usize;
        HEIGHTS[at]
    };
    values.iter().map(|value| value.map_or(' ', height)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_bars() {
        assert_eq!([clock(41_900), clock(724_000), clock(3_723_000)], ["0:41", "12:04", "1:02:03"]);
        assert_eq!(bars(&[Some(0.0), None, Some(0.5), Some(9.0)], 0.0, 1.0), "▁ ▅█");
        assert_eq!(bars(&[Some(3.0)], 3.0, 3.0), "▁");
    }
}
