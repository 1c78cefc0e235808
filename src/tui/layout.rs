//! Where everything is.
//!
//! ```text
//! 60 to 109 columns                          110 and more
//! ┌ top ─────────────────────────────────┐   ┌ top ──────────────────────────────────────────┐
//! │ rail                                 │   │ rail                                          │
//! │ NEXT                                 │   │ NEXT                                          │
//! ├ 1 stages ──┬ 2 log ──────────────────┤   ├ 1 stages ──┬ 2 log ────────────┬ 3 pods ──────┤
//! │            │                         │   │            │                   ├ 4 levels ────┤
//! ├ live ──────┴─────────────────────────┤   │            │                   ├ 5 watch ─────┤
//! │ the price of the way back            │   │ the price of the way back                     │
//! └ keys ────────────────────────────────┘   └ keys ─────────────────────────────────────────┘
//! ```
//!
//! From 180 columns on, what is known about the chosen step stands under the stages. Under 60
//! columns or 16 rows there are only lines: what runs, what is needed, the way back.

use ratatui::layout::Rect;

use super::pen::wrap;
use super::ui::{Pane, Ui};
use crate::engine::handle::Snapshot;
use crate::report::words;

pub(super) const COLUMNS_MIN: u16 = 60;
pub(super) const ROWS_MIN: u16 = 16;
const THREE_COLUMNS: u16 = 110;
const INSPECTOR: u16 = 180;
/// Columns of the chip before a line, and of the space after it.
const CHIP: u16 = 7;

/// The rows of the whole screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Areas {
    pub(super) top: Rect,
    pub(super) rail: Rect,
    pub(super) next: Rect,
    pub(super) body: Rect,
    pub(super) undo: Rect,
    pub(super) hints: Rect,
}

/// The panes; one that is not there is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Panes {
    pub(super) stages: Rect,
    pub(super) details: Rect,
    pub(super) log: Rect,
    pub(super) pods: Rect,
    pub(super) levels: Rect,
    pub(super) watch: Rect,
    pub(super) live: Rect,
}

/// Columns of a line between its chip and its key.
pub(super) fn line_columns(width: u16) -> usize {
    usize::from(width.saturating_sub(CHIP + 4))
}

pub(super) fn is_tiny(frame: Rect) -> bool {
    frame.width < COLUMNS_MIN || frame.height < ROWS_MIN
}

/// Whether there is no release behind the screen: then nothing speaks of one.
pub(super) fn is_alone(snapshot: &Snapshot, ui: &Ui) -> bool {
    snapshot.records.is_empty() && !ui.screen.is_of_the_engine()
}

/// The place of the screen's own part.
pub(super) fn body(frame: Rect, snapshot: &Snapshot, ui: &Ui) -> Rect {
    areas(frame, snapshot, ui, &words::next(snapshot)).body
}

pub(super) fn areas(frame: Rect, snapshot: &Snapshot, ui: &Ui, next: &words::Next) -> Areas {
    let alone = is_alone(snapshot, ui);
    let fitting =
        |text: &str, most: usize| wrap(text, line_columns(frame.width)).len().clamp(1, most);
    // What a person must do is read whole, wherever there are rows for it.
    let most = if frame.height >= 20 { 3 } else { 2 };
    let next = fitting(next.text.as_str(), most);
    // The price of the way back is never cut short: a narrow screen gives it another row.
    let most = if frame.width < 80 { 3 } else { 2 };
    let undo = words::undo(snapshot).map_or(0, |text| fitting(text.as_str(), most));
    let mut y = frame.y;
    let mut take = |rows: usize| {
        let rows = u16::try_from(rows).unwrap_or(0).min(frame.bottom().saturating_sub(y));
        let area = Rect { y, height: rows, ..frame };
        y += rows;
        area
    };
    let (rail, next) = if alone { (0, 0) } else { (1, next) };
    let (top, rail, next) = (take(1), take(rail), take(next));
    let used = usize::from(top.height + rail.height + next.height);
    let body = take(usize::from(frame.height).saturating_sub(used + undo + 1));
    Areas { top, rail, next, body, undo: take(undo), hints: take(1) }
}

/// The body's upper part for a screen and its lower one for a form of so many rows and a frame.
/// The form wins: what is about to be done is read before anything else.
pub(super) fn with_form(body: Rect, rows: usize) -> (Rect, Rect) {
    if rows == 0 {
        return (body, Rect { height: 0, ..body });
    }
    let rows = u16::try_from(rows.saturating_add(2)).unwrap_or(u16::MAX).min(body.height);
    let upper = Rect { height: body.height - rows, ..body };
    (upper, Rect { y: upper.bottom(), height: rows, ..body })
}

/// The panes of the release's screen within `body`.
pub(super) fn panes(body: Rect, snapshot: &Snapshot, ui: &Ui) -> Panes {
    if ui.zoom {
        return zoomed(body, ui.focus);
    }
    if body.width < THREE_COLUMNS {
        return two_columns(body);
    }
    let wide = body.width >= INSPECTOR;
    let (left_width, right_width) = if wide {
        ((body.width / 5).clamp(48, 64), (body.width * 28 / 100).clamp(56, 90))
    } else {
        (39, 39)
    };
    let left = Rect { width: left_width, ..body };
    let right = Rect { x: body.right() - right_width, width: right_width, ..body };
    // Neighbours share their edge.
    let log = Rect { x: left.right() - 1, width: right.x - left.right() + 2, ..body };
    let watched = snapshot.release.monitor.is_some();
    let watch_rows = if watched { 8.min(body.height / 3) } else { 0 };
    let shared = body.height - watch_rows;
    // Pods beyond the first few are counted; curves need height to be read.
    let levels_rows = (shared * 3 / 5).clamp(11.min(shared / 2), 30);
    let watch = Rect { y: body.bottom() - watch_rows, height: watch_rows, ..right };
    let lower = if watched { watch.y + 1 } else { body.bottom() };
    let levels = Rect { y: lower.saturating_sub(levels_rows), height: levels_rows, ..right };
    let pods = Rect { height: levels.y + 1 - body.y, ..right };
    let details_rows = if wide { body.height * 2 / 5 } else { 0 };
    let details = Rect { y: left.bottom() - details_rows, height: details_rows, ..left };
    let stages_rows = if wide { details.y + 1 - left.y } else { left.height };
    let stages = Rect { height: stages_rows, ..left };
    Panes { stages, details, log, pods, levels, watch, live: Rect::default() }
}

fn two_columns(body: Rect) -> Panes {
    let live_rows = if body.height >= 14 { 6 } else { 4 };
    let live = Rect { y: body.bottom() - live_rows, height: live_rows, ..body };
    let upper = Rect { height: live.y + 1 - body.y, ..body };
    let stages = Rect { width: (body.width * 2 / 5).min(34), ..upper };
    let log = Rect { x: stages.right() - 1, width: body.width - stages.width + 1, ..upper };
    Panes { stages, log, live, ..Panes::default() }
}

fn zoomed(body: Rect, focus: Pane) -> Panes {
    let none = Panes::default();
    match focus {
        Pane::Stages => Panes { stages: body, ..none },
        Pane::Log => Panes { log: body, ..none },
        Pane::Pods => Panes { pods: body, ..none },
        Pane::Levels => Panes { levels: body, ..none },
        Pane::Watch => Panes { watch: body, ..none },
    }
}

/// Rows and columns of the log's window.
pub(super) fn log_size(snapshot: &Snapshot, ui: &Ui) -> (usize, usize) {
    let frame = Rect::new(0, 0, ui.size.0, ui.size.1);
    if is_tiny(frame) {
        return (0, 0);
    }
    let log = panes(body(frame, snapshot, ui), snapshot, ui).log;
    (usize::from(log.height.saturating_sub(2)), usize::from(log.width.saturating_sub(2)))
}
