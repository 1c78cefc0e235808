//! Whole screens: how the panes come together.

pub(super) mod gate;
pub(super) mod monitor;
pub(super) mod release;
pub(super) mod restore;
pub(super) mod timeline;
pub(super) mod tiny;
pub(super) mod way_back;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw::View;
use super::layout;
use super::pen::{Strip, pane, row, rows, wrap};
use super::popup;
use super::theme::{Role, Theme};
use super::ui::{Screen, Ui};
use crate::engine::handle::Snapshot;
use crate::report::words;

/// From so many columns on, a screen has its parts side by side.
const WIDE: u16 = 110;
/// Columns of the word before a told row.
const HEAD: usize = 12;

/// The last row that can stand at the top of the screen that is shown.
pub(super) fn last_top(ui: &Ui, snapshot: &Snapshot) -> usize {
    let frame = Rect::new(0, 0, ui.size.0, ui.size.1);
    if layout::is_tiny(frame) {
        return 0;
    }
    // Rows are counted, not drawn: a theme without styles will do.
    let theme = Theme::default();
    let view = View { snapshot, ui, theme: &theme, next: words::Next::default() };
    let body = layout::areas(frame, snapshot).body;
    let form = popup::form(&view).map_or(0, |form| form.rows(body.width));
    let (area, _) = layout::with_form(body, form);
    match popup::stands_on(ui).unwrap_or(ui.screen) {
        Screen::Release | Screen::Timeline => 0,
        Screen::Gate => gate::overflow(&view, area),
        Screen::Monitor => monitor::overflow(&view, area),
        Screen::WayBack => way_back::overflow(&view, area),
        Screen::Restore => restore::overflow(&view, area),
    }
}

/// How many of so many rows do not fit into a frame.
fn beyond(rows: usize, area: Rect) -> usize {
    rows.saturating_sub(usize::from(area.height.saturating_sub(2)))
}

/// A frame with rows that can be scrolled, and how many are below.
fn sheet(buf: &mut Buffer, area: Rect, view: &View<'_>, title: &Strip, lines: &[Strip]) {
    if area.height < 2 {
        return;
    }
    let inner = pane(buf, view.theme, area, title, true);
    let last = beyond(lines.len(), area);
    let top = view.ui.top.min(last);
    rows(buf, view.theme, inner, lines.get(top..).unwrap_or(&[]));
    if top < last {
        let below = format!(" {} more: j ", last - top);
        let edge = row(area, usize::from(area.height) - 1);
        let edge = Rect { width: edge.width.saturating_sub(2), ..edge };
        Strip::new().right(Role::Key, below).draw(buf, view.theme, edge);
    }
}

/// A word and what it tells, in as many rows as that takes.
fn told(head: &str, role: Role, text: &str, columns: usize) -> Vec<Strip> {
    let text = wrap(text, columns.saturating_sub(HEAD + 2));
    let head = |at: usize| if at == 0 { format!(" {head:<HEAD$}") } else { " ".repeat(HEAD + 1) };
    let strip = |(at, line): (usize, &String)| Strip::of(Role::Dim, head(at)).put(role, line);
    text.iter().enumerate().map(strip).collect()
}

/// A heading between rows.
fn heading(text: &str) -> Strip {
    Strip::of(Role::Title, format!(" {text}"))
}
