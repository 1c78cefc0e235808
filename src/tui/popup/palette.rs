//! The palette: every command by name, also the ones that are not possible now, with the reason.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::centred;
use crate::tui::action::{Action, blocked};
use crate::tui::draw::View;
use crate::tui::keys::{Binding, Keymap};
use crate::tui::pen::{Strip, raised, row};
use crate::tui::theme::Role;

/// Commands that hold the letters of `input` in their order, best first.
pub(super) fn found<'a>(keymap: &'a Keymap, input: &str) -> Vec<&'a Binding> {
    let mut seen: Vec<Action> = Vec::new();
    let mut commands: Vec<(usize, &Binding)> = Vec::new();
    for binding in keymap.bindings() {
        let action = binding.action;
        if action.only_moves() || action == Action::Palette || seen.contains(&action) {
            continue;
        }
        seen.push(action);
        let name = format!("{} {}", action.name(), binding.desc);
        if let Some(spread) = spread(&name, input) {
            commands.push((spread, binding));
        }
    }
    commands.sort_by_key(|(spread, _)| *spread);
    commands.into_iter().map(|(_, binding)| binding).collect()
}

/// How far apart the letters stand in the name; none when they are not all there.
fn spread(name: &str, input: &str) -> Option<usize> {
    let name = name.to_lowercase();
    let mut at = 0;
    let mut first = None;
    for c in input.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let found = at + name.get(at..)?.find(c)?;
        first.get_or_insert(found);
        at = found + c.len_utf8();
    }
    Some(at - first.unwrap_or(0) + first.unwrap_or(0))
}

pub(super) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>, input: &str, at: usize) {
    let found = found(&view.ui.keymap, input);
    let title = Strip::of(Role::Focus, " Commands ").right(Role::Dim, " enter runs, esc closes ");
    let inner = raised(buf, view.theme, centred(area, 90, found.len().max(1) + 3), &title);
    Strip::of(Role::Key, " : ").put(Role::Input, format!("{input}_")).draw(
        buf,
        view.theme,
        row(inner, 0),
    );
    let room = usize::from(inner.height).saturating_sub(1);
    let at = at.min(found.len().saturating_sub(1));
    let top = (at + 1).saturating_sub(room);
    for (line, (index, binding)) in found.iter().enumerate().skip(top).take(room).enumerate() {
        let line = row(inner, line + 1);
        if index == at {
            buf.set_style(line.intersection(buf.area), view.theme.style(Role::Selected));
        }
        let why = blocked(binding.action, view.ui, view.snapshot);
        let role = if why.is_some() { Role::Faint } else { Role::Text };
        let strip = Strip::of(Role::Key, format!(" {:<7}", binding.key()))
            .put(role, format!("{:<23} ", binding.desc));
        let strip = match why {
            Some(why) => strip.put(Role::Dim, why.as_str()),
            None => strip,
        };
        strip.draw(buf, view.theme, line);
    }
    if found.is_empty() {
        Strip::of(Role::Dim, " no command has these letters").draw(buf, view.theme, row(inner, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_their_order_find_a_command() {
        let map = Keymap::shipped();
        let first = |input: &str| found(&map, input).first().map(|binding| binding.action);
        assert_eq!(first("rollb"), Some(Action::RollBack));
        assert_eq!(first("timel"), Some(Action::GoTimeline));
        assert_eq!(first("abort"), Some(Action::Abort));
        assert_eq!(first("zzz"), None);
        assert!(found(&map, "").len() > 15);
    }
}
