//! NEXT: what the release needs from a person now, with its key.

use ratatui::layout::Rect;

use crate::tui::action::Action;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::layout::line_columns;
use crate::tui::mark::clock;
use crate::tui::pen::{Strip, row, width, wrap};
use crate::tui::theme::Role;

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let columns = line_columns(area.width);
    let text = wrap(view.next.text.as_str(), columns);
    let role = if view.snapshot.release.hold.is_some() { Role::Failed } else { Role::Strong };
    let role = if view.next.action.is_some() { role } else { Role::Text };
    for (at, line) in text.iter().take(usize::from(area.height)).enumerate() {
        let chip =
            if at == 0 { Strip::of(Role::Next, " NEXT ") } else { Strip::of(Role::Text, "      ") };
        // Where not all of it has room, that is said: what was left out may be what to do.
        let cut = at + 1 == usize::from(area.height) && at + 1 < text.len();
        let mut strip = chip.put(role, format!(" {line}{}", if cut { " …" } else { "" }));
        if at == 0
            && let Some(key) = key(view)
        {
            strip = strip.right(Role::Key, format!("{key} "));
        }
        if at + 1 == text.len()
            && let Some(left) = count_down(view)
            && width(line) + width(&left) < columns
        {
            strip = strip.right(Role::Dim, left);
        }
        strip.draw(drawing, view.theme, row(area, at));
    }
}

/// How long it is until the moment that the sentence names.
fn count_down(view: &View<'_>) -> Option<String> {
    let release = &view.snapshot.release;
    let left_ms = view.next.until_ms?.checked_sub(release.elapsed_ms(view.snapshot.now))?;
    Some(format!(" in {} ", clock(left_ms)))
}

/// The key that answers.
fn key(view: &View<'_>) -> Option<String> {
    Some(view.ui.keymap.key_of(Action::of_ask(view.next.action?)?))
}

/// The sentence with its key, where there is only room for lines.
pub(in crate::tui) fn with_key(view: &View<'_>) -> String {
    match key(view) {
        Some(key) => format!("NEXT [{key}] {}", view.next.text),
        None => view.next.text.to_string(),
    }
}
