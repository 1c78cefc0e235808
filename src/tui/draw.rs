//! One frame, from a snapshot and the screen's own state. Nothing here waits, reads or changes
//! anything, so every frame can be made again from the same two.

use std::borrow::Cow;

use ratatui::Frame;

use super::drawing::Drawing;
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
    let mut drawing = Drawing::new(frame.area());
    paint(&mut drawing, snapshot, ui, theme);
    drawing.render(frame.buffer_mut());
}

/// Paints the whole screen, whatever stood in its cells.
pub(super) fn paint(drawing: &mut Drawing, snapshot: &Snapshot, ui: &Ui, theme: &Theme) {
    let area = drawing.area;
    if area.is_empty() {
        return;
    }
    drawing.begin(theme.ground());
    let (next, pods) = (words::next(snapshot), ui.pods.of(&snapshot.live, ui.size.1));
    let view = View { snapshot, ui, theme, next, pods };
    if layout::is_tiny(area) {
        return screen::tiny::draw(drawing, area, &view);
    }
    let areas = layout::areas(area, snapshot, ui, &view.next);
    if layout::is_alone(snapshot, ui) {
        screen::releases::bar(drawing, areas.top, &view);
    } else {
        pane::top::draw(drawing, areas.top, &view);
    }
    pane::rail::draw(drawing, areas.rail, &view);
    pane::next::draw(drawing, areas.next, &view);
    body(drawing, &areas, &view);
    pane::undo::draw(drawing, areas.undo, &view);
    pane::hints::draw(drawing, areas.hints, &view);
    popup::draw(drawing, areas.body, &view);
}

fn body(drawing: &mut Drawing, areas: &Areas, view: &View<'_>) {
    // A question stands under the screen that it is decided on, never over it.
    let form = popup::form(view);
    let rows = form.as_ref().map_or(0, |form| form.rows(areas.body.width));
    let (area, below) = layout::with_form(areas.body, rows);
    let screen = popup::stands_on(view.ui).unwrap_or(view.ui.screen);
    screen::draw(drawing, area, view, screen);
    if is_cut_off(view.snapshot) && screen.is_of_the_engine() {
        // An old picture must not look like a live one.
        drawing.wash(area, view.theme.style(Role::Stale));
    }
    if let Some(form) = form {
        form.draw(drawing, below, view);
    }
}
