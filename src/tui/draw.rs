//! One frame, from a snapshot and the screen's own state. Nothing here waits, reads or changes
//! anything, so every frame can be made again from the same two.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::buffer::{Buffer, Cell};

use super::layout::{self, Areas};
use super::pane;
use super::pods::Pods;
use super::popup;
use super::screen;
use super::theme::{Role, Theme};
use super::ui::{Ui, is_cut_off};
use crate::engine::handle::Snapshot;
use crate::report::words;

/// What every pane looks at.
pub(super) struct View<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) ui: &'a Ui,
    pub(super) theme: &'a Theme,
    pub(super) next: words::Next,
    pub(super) pods: Cow<'a, Pods>,
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, snapshot: &Snapshot, ui: &Ui, theme: &Theme) {
    paint(frame.buffer_mut(), snapshot, ui, theme);
}

/// Paints the whole screen, whatever stood in its cells.
pub(super) fn paint(buf: &mut Buffer, snapshot: &Snapshot, ui: &Ui, theme: &Theme) {
    let area = buf.area;
    if area.is_empty() {
        return;
    }
    let mut blank = Cell::EMPTY;
    blank.set_style(theme.ground());
    buf.content.fill(blank);
    let (next, pods) = (words::next(snapshot), ui.pods.of(&snapshot.live, ui.size.1));
    let view = View { snapshot, ui, theme, next, pods };
    if layout::is_tiny(area) {
        return screen::tiny::draw(buf, area, &view);
    }
    let areas = layout::areas(area, snapshot, ui, &view.next);
    if layout::is_alone(snapshot, ui) {
        screen::releases::bar(buf, areas.top, &view);
    } else {
        pane::top::draw(buf, areas.top, &view);
    }
    pane::rail::draw(buf, areas.rail, &view);
    pane::next::draw(buf, areas.next, &view);
    body(buf, &areas, &view);
    pane::undo::draw(buf, areas.undo, &view);
    pane::hints::draw(buf, areas.hints, &view);
    popup::draw(buf, areas.body, &view);
}

fn body(buf: &mut Buffer, areas: &Areas, view: &View<'_>) {
    // A question stands under the screen that it is decided on, never over it.
    let form = popup::form(view);
    let rows = form.as_ref().map_or(0, |form| form.rows(areas.body.width));
    let (area, below) = layout::with_form(areas.body, rows);
    let screen = popup::stands_on(view.ui).unwrap_or(view.ui.screen);
    screen::draw(buf, area, view, screen);
    if is_cut_off(view.snapshot) && screen.is_of_the_engine() {
        // An old picture must not look like a live one.
        buf.set_style(area.intersection(buf.area), view.theme.style(Role::Stale));
    }
    if let Some(form) = form {
        form.draw(buf, below, view);
    }
}
