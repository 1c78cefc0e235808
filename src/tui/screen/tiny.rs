//! A terminal too small for panes: which environment, what is needed, the way back. Keys work.

use ratatui::layout::Rect;

use crate::report::words;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::layout::{COLUMNS_MIN, ROWS_MIN};
use crate::tui::pane;
use crate::tui::pen::{Strip, rows, wrap};
use crate::tui::popup;
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    pane::top::draw(drawing, area, view);
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if below.is_empty() {
        return;
    }
    let columns = usize::from(below.width);
    let lines = |role: Role, text: &str| -> Vec<Strip> {
        wrap(text, columns).iter().map(|line| Strip::of(role, line)).collect()
    };
    let mut strips = Vec::new();
    if view.ui.is_armed() {
        strips.push(Strip::of(Role::Armed, " ARMED "));
    }
    // The way back stands first: nothing else may push it off so few rows.
    if let Some(undo) = words::undo(view.snapshot) {
        let most = if below.height < 12 { 2 } else { usize::MAX };
        strips.extend(lines(Role::Undo, undo.as_str()).into_iter().take(most));
    }
    let kept = strips.len();
    if let Some((role, status)) = view.ui.status() {
        strips.extend(lines(*role, status.as_str()));
    }
    strips.extend(lines(Role::Strong, &pane::next::with_key(view)));
    strips.extend(lines(Role::Text, &words::state(&view.snapshot.release)));
    strips.extend(lines(Role::Dim, &format!("the panes need {COLUMNS_MIN} x {ROWS_MIN}")));
    rows(drawing, view.theme, below, &strips);
    let kept = u16::try_from(kept).unwrap_or(u16::MAX).min(below.height);
    let rest = Rect { y: below.y + kept, height: below.height - kept, ..below };
    match popup::form(view) {
        Some(form) => form.draw(drawing, rest, view),
        None => popup::draw(drawing, rest, view),
    }
}
