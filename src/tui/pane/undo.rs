//! The price of the way back: on screen from the first order to move traffic on.

use ratatui::layout::Rect;

use crate::report::words;
use crate::tui::action::{Action, refused};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::layout::line_columns;
use crate::tui::pen::{Strip, row, wrap};
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let Some(text) = words::undo(view.snapshot) else { return };
    drawing.wash(area, view.theme.style(Role::Undo));
    let key = view.ui.keymap.key_of(Action::RollBack);
    let open = refused(Action::RollBack, view.snapshot).is_none();
    let columns = line_columns(area.width);
    for (at, line) in wrap(text.as_str(), columns).iter().take(usize::from(area.height)).enumerate()
    {
        let chip = match (at, open) {
            (0, true) => Strip::of(Role::Key, format!(" {key:<5} ")),
            _ => Strip::of(Role::Undo, "       "),
        };
        chip.put(Role::Undo, line).draw(drawing, view.theme, row(area, at));
    }
}
