//! The stages in their order, and the steps of the one that is open.

use ratatui::layout::Rect;

use super::title;
use crate::release::{Release, Stage, StageId, Step, StepId, StepState, StepStatus};
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark::{self, Mark, clock};
use crate::tui::pen::{Strip, pane, row};
use crate::tui::theme::Role;
use crate::tui::ui::{Pane, Row, open_stage, stage_rows, stage_window};

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let inner = pane(drawing, view.theme, area, &title(view, Pane::Stages, "Stages"), true);
    let (ui, release) = (view.ui, &view.snapshot.release);
    let rows = stage_rows(ui, release);
    let height = usize::from(inner.height);
    let (at_cursor, top) = stage_window(ui, release, &rows, height);
    for (at, (index, item)) in rows.iter().enumerate().skip(top).take(height).enumerate() {
        let line = row(inner, at);
        let chosen = index == at_cursor && (ui.cursor.is_some() || matches!(item, Row::Step(_)));
        if chosen {
            drawing.wash(line, view.theme.style(Role::Selected));
        }
        let last = !matches!(rows.get(index + 1), Some(Row::Step(_)));
        let strip = match item {
            Row::Stage(id) => stage_strip(view, id),
            Row::Step(id) => step_strip(view, id, last),
        };
        strip.draw(drawing, view.theme, line);
    }
}

fn stage_strip(view: &View<'_>, id: &StageId) -> Strip {
    let release = &view.snapshot.release;
    let Some((index, stage)) =
        release.plan().and_then(|plan| Some((plan.stage_index(id)?, plan.stage(id)?)))
    else {
        return Strip::new();
    };
    let mark = mark::stage(release, index);
    let open = open_stage(view.ui, release) == Some(index);
    let role = match mark {
        Mark::Waiting | Mark::Skipped => Role::Dim,
        Mark::Failed => Role::Failed,
        _ if open => Role::Strong,
        _ => Role::Text,
    };
    let strip = Strip::of(mark.role(), format!(" {} ", mark.glyph()))
        .put(role, format!("{:>2} {}", index + 1, stage.title));
    let (role, took) = stage_time(view, index, stage, mark);
    strip.right(role, format!("{took} "))
}

fn stage_time(view: &View<'_>, index: usize, stage: &Stage, mark: Mark) -> (Role, String) {
    let release = &view.snapshot.release;
    if !release.stages.get(index).is_some_and(|state| state.planned) {
        let before = release.stages.get(index).is_some_and(|state| state.passed_before);
        return (Role::Faint, if before { "before".into() } else { "not planned".into() });
    }
    if mark == Mark::Gate && release.open_gate().is_some() {
        return (Role::Gate, votes(release));
    }
    let states = || stage.steps.iter().filter_map(|step| release.steps.get(&step.id));
    let from = states().filter_map(|state| state.started_ms).min();
    let Some(from) = from else {
        let ms = expected_ms(stage);
        return (Role::Faint, if ms == 0 { String::new() } else { format!("~{}", clock(ms)) });
    };
    let open = states().any(|state| state.status == StepStatus::Running);
    let now_ms = release.elapsed_ms(view.snapshot.now);
    let to = if open {
        now_ms
    } else {
        states().filter_map(|state| state.ended_ms).max().unwrap_or(from)
    };
    let took = clock(to.saturating_sub(from));
    match mark {
        Mark::Running => (Role::Running, took),
        Mark::Failed => (Role::Failed, took),
        Mark::Warn => (Role::Warn, took),
        _ => (Role::Dim, took),
    }
}

fn votes(release: &Release) -> String {
    let required = release.policy().map_or(1, |policy| policy.approval.required);
    let go = release.gate.as_ref().map_or(0, |gate| {
        gate.votes.iter().filter(|entry| entry.vote == crate::release::Vote::Approve).count()
    });
    format!("{go}/{required} go")
}

/// The longest chain of the stage's steps by their expected times.
fn expected_ms(stage: &Stage) -> u64 {
    let mut ends: Vec<(&StepId, u64)> = Vec::new();
    for step in &stage.steps {
        let begins = ends.iter().filter(|(id, _)| step.needs.contains(id)).map(|(_, end)| *end);
        let end = begins.max().unwrap_or(0).saturating_add(step.expected_s.saturating_mul(1000));
        ends.push((&step.id, end));
    }
    ends.into_iter().map(|(_, end)| end).max().unwrap_or(0)
}

fn step_strip(view: &View<'_>, id: &StepId, last: bool) -> Strip {
    let release = &view.snapshot.release;
    let Some((step, state)) =
        release.plan().and_then(|plan| Some((plan.step(id)?, release.steps.get(id)?)))
    else {
        return Strip::new();
    };
    let mark = mark::step(release, step, state);
    let role = match mark {
        Mark::Waiting | Mark::Skipped => Role::Dim,
        Mark::Failed => Role::Failed,
        Mark::Running | Mark::Gate => Role::Strong,
        Mark::Done | Mark::Warn => Role::Text,
    };
    let again = if state.attempt.0 > 1 { format!(" ×{}", state.attempt) } else { String::new() };
    let (time_role, time) = step_time(view, step, state);
    Strip::of(Role::Faint, if last { "    └ " } else { "    ├ " })
        .put(mark.role(), format!("{} ", mark.glyph()))
        .put(role, format!("{}{again}", step.title))
        .right(time_role, format!("{time} "))
}

fn step_time(view: &View<'_>, step: &Step, state: &StepState) -> (Role, String) {
    let now_ms = view.snapshot.release.elapsed_ms(view.snapshot.now);
    let expected = clock(step.expected_s.saturating_mul(1000));
    match (&state.status, state.started_ms, &state.end) {
        (StepStatus::Running, Some(from), _) => {
            let took = clock(now_ms.saturating_sub(from));
            if words::slower(state, step, now_ms).is_some() {
                (Role::Warn, format!("slow {took}/{expected}"))
            } else {
                (Role::Running, format!("{took}/{expected}"))
            }
        }
        (StepStatus::Skipped(_), ..) => (Role::Faint, "skipped".to_owned()),
        (StepStatus::Waiting, ..) => (Role::Faint, format!("~{expected}")),
        (StepStatus::Failed, _, Some(end)) => (Role::Failed, clock(end.took_ms)),
        (_, _, Some(end)) => (Role::Dim, clock(end.took_ms)),
        _ => (Role::Dim, String::new()),
    }
}
