//! The release: stages, log, pods, levels, watch.

use ratatui::layout::Rect;

use crate::engine::handle::{Direction, Snapshot};
use crate::release::Clean;
use crate::tui::action::Action;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::layout;
use crate::tui::on_key::Did;
use crate::tui::pane;
use crate::tui::screen::Screen;
use crate::tui::ui::{Pane, Row, Ui, open_stage, stage_rows, stage_window};

pub(in crate::tui) fn act(ui: &mut Ui, snapshot: &Snapshot, action: Action) -> Did {
    match action {
        Action::Up => scroll(ui, snapshot, -1),
        Action::Down => scroll(ui, snapshot, 1),
        Action::PageUp => scroll(ui, snapshot, -ui.log.page_rows()),
        Action::PageDown => scroll(ui, snapshot, ui.log.page_rows()),
        Action::Top => edge(ui, snapshot, false),
        Action::Bottom => edge(ui, snapshot, true),
        Action::Left => ui.log.sideways(false),
        Action::Right => ui.log.sideways(true),
        Action::NextPane => turn(ui, 1),
        Action::PreviousPane => turn(ui, Pane::ALL.len() - 1),
        Action::Zoom => ui.zoom = !ui.zoom,
        Action::Open => open(ui, snapshot),
        Action::Back => back(ui),
        Action::FindNext => return Did::Search(Direction::Forward),
        Action::FindPrevious => return Did::Search(Direction::Backward),
        Action::NextError => return Did::SearchError(Direction::Forward),
        Action::PreviousError => return Did::SearchError(Direction::Backward),
        Action::Follow => follow(ui),
        Action::Wrap => ui.log.wrap = !ui.log.wrap,
        Action::Copy => return copy(ui),
        _ => ui.not_here(action),
    }
    Did::Nothing
}

pub(in crate::tui) fn find(ui: &mut Ui, text: &str) -> Did {
    ui.log.found = None;
    ui.log.needle = (!text.is_empty()).then(|| text.to_owned());
    let way = if ui.log.follow { Direction::Backward } else { Direction::Forward };
    if ui.log.needle.is_some() { Did::Search(way) } else { Did::Nothing }
}

fn scroll(ui: &mut Ui, snapshot: &Snapshot, by: isize) {
    match ui.focus {
        Pane::Stages => move_cursor(ui, snapshot, by),
        Pane::Log => ui.log.scroll(by),
        Pane::Pods | Pane::Levels | Pane::Watch => {}
    }
}

fn edge(ui: &mut Ui, snapshot: &Snapshot, bottom: bool) {
    match ui.focus {
        Pane::Stages => move_cursor(ui, snapshot, if bottom { isize::MAX } else { isize::MIN }),
        _ if bottom => ui.log.show_newest(),
        _ => ui.log.show_first(),
    }
}

fn move_cursor(ui: &mut Ui, snapshot: &Snapshot, by: isize) {
    let rows = stage_rows(ui, &snapshot.release);
    let last = rows.len().saturating_sub(1);
    let to = stage_at(ui, snapshot, &rows).saturating_add_signed(by).min(last);
    ui.cursor = rows.get(to).cloned();
}

/// The row of the stages that the keys are at.
fn stage_at(ui: &Ui, snapshot: &Snapshot, rows: &[Row]) -> usize {
    let release = &snapshot.release;
    let open = open_stage(ui, release);
    let at = rows.iter().position(|row| match (&ui.cursor, row) {
        (Some(cursor), row) => cursor == row,
        (None, Row::Stage(id)) => release.plan().and_then(|plan| plan.stage_index(id)) == open,
        (None, Row::Step(_)) => false,
    });
    at.unwrap_or(0)
}

fn turn(ui: &mut Ui, by: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == ui.focus).unwrap_or(0);
    ui.focus = Pane::ALL[(at + by) % Pane::ALL.len()];
}

fn follow(ui: &mut Ui) {
    ui.log.follow = !ui.log.follow;
    if ui.log.follow {
        ui.cursor = None;
        ui.log.found = None;
    }
}

/// Enter: the decision card where the gate is, else the log of the row.
fn open(ui: &mut Ui, snapshot: &Snapshot) {
    if ui.focus != Pane::Stages {
        return;
    }
    let gate = snapshot.release.gate.as_ref().map(|gate| &gate.stage);
    match &ui.cursor {
        Some(Row::Stage(id)) if Some(id) == gate => ui.go(Screen::Gate),
        _ => ui.focus = Pane::Log,
    }
}

/// Esc: one step back towards the plain view of what happens now.
fn back(ui: &mut Ui) {
    if ui.zoom {
        ui.zoom = false;
    } else {
        ui.cursor = None;
        ui.log.follow = true;
        ui.log.found = None;
    }
}

/// The line that was found or clicked; without one, the lines in sight.
fn copy(ui: &mut Ui) -> Did {
    let page = &ui.log.page;
    let chosen = ui.log.found.and_then(|at| page.lines.get(at.checked_sub(page.first)?));
    let text = if let Some(line) = chosen {
        line.text.as_str().to_owned()
    } else {
        let lines: Vec<&str> = page.lines.iter().map(|line| line.text.as_str()).collect();
        lines.join("\n")
    };
    if text.is_empty() {
        ui.refuse(&Clean::new("there is no line to copy"));
        return Did::Nothing;
    }
    let what = if chosen.is_some() { "the line" } else { "the lines in sight" };
    Did::Copy { what, text }
}

/// Gives the keys to the pane at a place, and says where that is.
pub(in crate::tui) fn point(
    ui: &mut Ui,
    snapshot: &Snapshot,
    body: Rect,
    at: (u16, u16),
) -> Option<(Pane, Rect)> {
    let panes = layout::panes(body, snapshot, ui);
    let holds = |area: Rect| {
        area.width > 0
            && (area.x..area.right()).contains(&at.0)
            && (area.y..area.bottom()).contains(&at.1)
    };
    let all = [
        (Pane::Log, panes.log),
        (Pane::Stages, panes.stages),
        (Pane::Pods, panes.pods),
        (Pane::Levels, panes.levels),
        (Pane::Watch, panes.watch),
    ];
    let (pane, area) = all.into_iter().find(|(_, area)| holds(*area))?;
    ui.focus = pane;
    Some((pane, area))
}

/// A click: the pane gets the keys, a row or a line is chosen.
pub(in crate::tui) fn click(ui: &mut Ui, snapshot: &Snapshot, body: Rect, at: (u16, u16)) {
    let Some((pane, area)) = point(ui, snapshot, body, at) else { return };
    let inner = super::within(area);
    let Some(row) = at.1.checked_sub(inner.y).filter(|row| *row < inner.height) else { return };
    match pane {
        Pane::Stages => {
            let rows = stage_rows(ui, &snapshot.release);
            let top = stage_window(ui, &snapshot.release, &rows, usize::from(inner.height)).1;
            if let Some(row) = rows.get(top + usize::from(row)) {
                ui.cursor = Some(row.clone());
            }
        }
        // Wrapped lines take rows as they need; only whole rows can be told apart.
        Pane::Log if !ui.log.wrap => {
            let line = ui.log.page.first + usize::from(row);
            if line < ui.log.page.first + ui.log.page.lines.len() {
                ui.log.found = Some(line);
                ui.log.stay();
            }
        }
        Pane::Log | Pane::Pods | Pane::Levels | Pane::Watch => {}
    }
}

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let panes = layout::panes(area, view.snapshot, view.ui);
    pane::stages::draw(drawing, panes.stages, view);
    pane::details::draw(drawing, panes.details, view);
    pane::pods::draw(drawing, panes.pods, view);
    pane::levels::draw(drawing, panes.levels, view);
    pane::watch::draw(drawing, panes.watch, view);
    // After its sideways neighbours, so that their edges are there to join.
    pane::log::draw(drawing, panes.log, view);
    // Its title lies on the lower edge of those above it.
    pane::live::draw(drawing, panes.live, view);
}
