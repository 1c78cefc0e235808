//! The keys that go on from the ones pressed, for who stopped to think.

use ratatui::layout::Rect;

use crate::tui::action::blocked;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::keys::printed;
use crate::tui::pen::{Strip, raised, rows};
use crate::tui::theme::Role;

const COLUMNS: u16 = 34;

pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let ui = view.ui;
    let mut strips = Vec::new();
    for (rest, binding) in ui.keymap.goes_on(&ui.modes(), &ui.pressed) {
        let open = blocked(binding.action, ui, view.snapshot).is_none();
        let role = if open { Role::Text } else { Role::Faint };
        strips.push(Strip::of(Role::Key, format!(" {rest:<4}")).put(role, &binding.desc));
    }
    let height = u16::try_from(strips.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let width = COLUMNS.min(area.width);
    // Over the footer, at the right, where it covers least.
    let place = Rect { x: area.right() - width, y: area.bottom() - height, width, height };
    let title = Strip::of(Role::Focus, format!(" {}… ", printed(&ui.pressed)));
    let inner = raised(drawing, view.theme, place, &title.right(Role::Dim, " esc "));
    rows(drawing, view.theme, inner, &strips);
}
