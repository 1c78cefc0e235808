//! What is known about the chosen step.

use ratatui::layout::Rect;

use crate::release::{Step, StepId, StepState, StepStatus, Verdict};
use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::mark;
use crate::tui::pen::{Strip, pane, rows, wrap};
use crate::tui::theme::Role;
use crate::tui::ui::chosen_step;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let release = &view.snapshot.release;
    let chosen = chosen_step(view.ui, release);
    let known = chosen.as_ref().and_then(|id| {
        let step = release.plan()?.step(id)?;
        Some((step, release.steps.get(id)?))
    });
    let name = chosen.as_ref().map_or("no step yet", |id| id.as_str());
    let title = Strip::of(Role::Title, format!(" {name} "));
    let inner = pane(drawing, view.theme, area, &title, true);
    if let Some((step, state)) = known {
        rows(drawing, view.theme, inner, &lines(view, step, state, usize::from(inner.width)));
    }
}

fn lines(view: &View<'_>, step: &Step, state: &StepState, columns: usize) -> Vec<Strip> {
    let release = &view.snapshot.release;
    let mark = mark::step(release, step, state);
    let expected = words::duration(step.expected_s.saturating_mul(1000));
    let mut lines = vec![
        Strip::of(mark.role(), format!(" {} {}", mark.glyph(), mark.word()))
            .right(Role::Dim, format!("usually {expected} ")),
    ];
    let mut say = |role: Role, text: &str| {
        let text = wrap(text, columns.saturating_sub(3));
        lines.extend(text.iter().map(|line| Strip::of(role, format!("   {line}"))));
    };
    let now_ms = release.elapsed_ms(view.snapshot.now);
    if let Some(slow) = words::slower(state, step, now_ms) {
        say(Role::Warn, slow.as_str());
    }
    if let StepStatus::Skipped(reason) = &state.status {
        say(Role::Dim, reason.as_str());
    }
    match (&step.uses, step.run.is_empty()) {
        (_, false) => say(Role::Dim, &format!("runs {}", step.run.join(" "))),
        (Some(what), true) => say(Role::Dim, &format!("gonogo's own: {what:?}")),
        (None, true) => {}
    }
    if !step.needs.is_empty() {
        let needs: Vec<&str> = step.needs.iter().map(StepId::as_str).collect();
        say(Role::Dim, &format!("after {}", needs.join(", ")));
    }
    let Some(end) = &state.end else { return lines };
    if !end.result.passed() {
        say(Role::Failed, end.result.reason().as_str());
    }
    if let Some(report) = &end.report {
        say(Role::Text, &format!("{} looked at {}", report.tool, report.coverage));
        for (severity, count) in &report.counts {
            say(Role::Warn, &format!("{count} {}", severity.word()));
        }
    }
    for fact in &end.facts {
        let role = if fact.verdict == Verdict::Pass { Role::Text } else { Role::Warn };
        say(role, &format!("{}: {}", fact.what, fact.value));
    }
    lines
}
