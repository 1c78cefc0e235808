//! Help, generated from the keymap: it cannot be stale.

use ratatui::layout::Rect;

use super::centred;
use crate::tui::action::{Group, blocked};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::keys::Binding;
use crate::tui::mark::Mark;
use crate::tui::pen::{Strip, raised, row, rows};
use crate::tui::theme::Role;

pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>, top: usize) {
    let mut lines = vec![Strip::of(
        Role::Dim,
        " lower case looks, UPPER case changes the world and always asks first",
    )];
    let modes = view.ui.modes();
    for group in Group::ALL {
        let here = |b: &&Binding| modes.contains(&b.mode) && b.action.group() == group;
        let bindings: Vec<&Binding> = view.ui.keymap.bindings().iter().filter(here).collect();
        if !bindings.is_empty() {
            lines.push(Strip::of(Role::Title, format!(" {}", group.words())));
        }
        for binding in bindings {
            let why = blocked(binding.action, view.ui, view.snapshot);
            let role = if why.is_some() { Role::Dim } else { Role::Text };
            let strip = Strip::of(Role::Key, format!(" {:<14}", binding.keys()))
                .put(role, format!("{:<24} ", binding.desc));
            lines.push(match why {
                Some(why) => strip.put(Role::Faint, why.as_str()),
                None => strip,
            });
        }
    }
    lines.push(Strip::of(Role::Key, format!(" {:<14}", "ctrl-c twice")).put(Role::Text, "detach"));
    let copy = format!(" {:<14}", crate::tui::popup::COPY_KEY);
    lines.push(Strip::of(Role::Key, copy).put(Role::Text, "copy the call of an open question"));
    lines.push(Strip::new());
    let marks = [
        Mark::Done,
        Mark::Running,
        Mark::Warn,
        Mark::Failed,
        Mark::Gate,
        Mark::Waiting,
        Mark::Skipped,
    ];
    lines.push(marks.iter().fold(Strip::of(Role::Text, " "), |strip, mark| {
        strip.put(mark.role(), mark.glyph()).put(Role::Dim, format!(" {}  ", mark.word()))
    }));
    let title = Strip::of(Role::Focus, " Keys ").right(Role::Dim, " j k scroll, esc closes ");
    let inner = raised(drawing, view.theme, centred(area, 108, lines.len() + 2), &title);
    let room = usize::from(inner.height);
    let last = lines.len().saturating_sub(room);
    let top = top.min(last);
    rows(drawing, view.theme, inner, &lines[top..]);
    if top < last {
        let line = row(inner, room.saturating_sub(1));
        Strip::new()
            .right(Role::Dim, format!(" {} more … ", last - top))
            .draw(drawing, view.theme, line);
    }
}
