//! Both slots in one row each, where there is no room for panes of their own.

use ratatui::layout::Rect;

use super::{aged, levels, pods, watch};
use crate::release::Slot;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::pen::{Strip, pane, rows};
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    if area.is_empty() {
        return;
    }
    let telemetry = &view.snapshot.live.telemetry;
    let title = aged(Strip::of(Role::Title, " Live "), view, telemetry.pods_at_ms);
    let inner = pane(drawing, view.theme, area, &title, true);
    let mut strips = Vec::new();
    for slot in [Slot::Blue, Slot::Green] {
        let (role, text) = levels::short(view, slot);
        strips.push(pods::slot_strip(view, slot).put(role, format!("  {text}")));
    }
    strips.push(levels::short_limits(view));
    strips.extend(watch::short(view));
    let pods = telemetry.pods_error.as_ref().map(|error| (Role::Failed, error));
    strips.extend(pods.into_iter().chain(levels::missing(view)).map(|(role, error)| {
        let glyph = if role == Role::Failed { "✖" } else { " " };
        Strip::of(role, format!(" {glyph} {error}"))
    }));
    // Trouble is read first where there is not room for all.
    if strips.len() > usize::from(inner.height) {
        let over = strips.len() - usize::from(inner.height);
        let at = usize::from(strips.len() > 2) * 2;
        strips.drain(at..(at + over).min(strips.len()));
    }
    rows(drawing, view.theme, inner, &strips);
}
