//! The mouse: a click gives the keys to a pane and chooses a row, the wheel scrolls, a double
//! click opens. Nothing that changes the world hears it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::action::Action;
use super::layout;
use super::on_key::Did;
use super::popup;
use super::screen::{self, Screen};
use super::ui::Ui;
use crate::engine::handle::Snapshot;

/// Two clicks on one cell within this time are one that opens, in milliseconds.
const TWICE_MS: u64 = 400;
/// Rows that one notch of the wheel scrolls.
const NOTCH: usize = 3;

/// Takes what the mouse did.
pub fn on_mouse(ui: &mut Ui, snapshot: &Snapshot, event: MouseEvent) -> Did {
    let at = (event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => wheel(ui, snapshot, at, Action::Up),
        MouseEventKind::ScrollDown => wheel(ui, snapshot, at, Action::Down),
        MouseEventKind::Down(MouseButton::Left) if ui.popup.is_none() => click(ui, snapshot, at),
        _ => Did::Nothing,
    }
}

fn wheel(ui: &mut Ui, snapshot: &Snapshot, at: (u16, u16), action: Action) -> Did {
    if ui.popup.is_some() {
        popup::wheel(ui, action == Action::Down);
        return Did::Nothing;
    }
    // What is under the pointer scrolls, and gets the keys.
    if ui.screen == Screen::Release
        && let Some(body) = body(ui, snapshot)
    {
        screen::release::point(ui, snapshot, body, at);
    }
    for _ in 0..NOTCH {
        screen::act(ui, snapshot, action);
    }
    Did::Nothing
}

fn click(ui: &mut Ui, snapshot: &Snapshot, at: (u16, u16)) -> Did {
    let last = ui.clicked.replace((ui.now_ms, at));
    let twice =
        last.is_some_and(|(ms, place)| place == at && ui.now_ms <= ms.saturating_add(TWICE_MS));
    let Some(body) = body(ui, snapshot) else { return Did::Nothing };
    ui.status = None;
    if ui.screen == Screen::Release {
        screen::release::click(ui, snapshot, body, at);
    } else {
        let rows = screen::rows(ui, body);
        let inside = at.0 >= rows.place.x
            && at.0 < rows.place.right()
            && at.1 >= rows.place.y
            && at.1 < rows.place.bottom();
        let index = rows.top + usize::from(at.1.saturating_sub(rows.place.y));
        if !inside || index >= rows.count {
            return Did::Nothing;
        }
        if let Some(list) = screen::list(ui) {
            list.cursor = Some(index);
        }
    }
    if twice {
        ui.clicked = None;
        return screen::act(ui, snapshot, Action::Open);
    }
    Did::Nothing
}

/// The place of the screen's own part; none where there are only lines.
fn body(ui: &Ui, snapshot: &Snapshot) -> Option<Rect> {
    let frame = Rect::new(0, 0, ui.size.0, ui.size.1);
    (!layout::is_tiny(frame)).then(|| layout::body(frame, snapshot, ui))
}
