//! The palette: every command by name, also the ones that are not possible now, with the reason.

use ratatui::layout::Rect;

use super::centred;
use crate::tui::action::{Action, blocked};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::keys::{Binding, Keymap};
use crate::tui::pen::{Strip, raised, row};
use crate::tui::theme::Role;

/// Commands that hold the letters of `input` in their order, best first.
pub(super) fn found<'a>(keymap: &'a Keymap, input: &str) -> Vec<&'a Binding> {
    let mut seen: Vec<Action> = Vec::new();
    let mut commands: Vec<(i32, &Binding)> = Vec::new();
    for binding in keymap.bindings() {
        let action = binding.action;
        if action.only_moves() || action == Action::Palette || seen.contains(&action) {
            continue;
        }
        let name = score(action.name(), input).map(|score| score + 1);
        if let Some(best) = name.max(score(&binding.desc, input)) {
            seen.push(action);
            commands.push((best, binding));
        }
    }
    // Stable: what is equally good keeps the keymap's order, acts first.
    commands.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    commands.into_iter().map(|(_, binding)| binding).collect()
}

/// How well the letters fit, in their order: starts of words and runs count, gaps cost. None when
/// they are not all there.
fn score(name: &str, input: &str) -> Option<i32> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let input: Vec<char> = input.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    // Every place where the first letter stands may begin the best fit.
    let Some(first) = input.first() else { return Some(0) };
    let starts = (0..name.len()).filter(|at| name[*at] == *first);
    starts.filter_map(|at| fit(&name, &input, at)).max()
}

fn fit(name: &[char], input: &[char], from: usize) -> Option<i32> {
    let (mut at, mut score, mut last) = (from, 0, None);
    for letter in input {
        let found = at + name.get(at..)?.iter().position(|c| c == letter)?;
        let begins = found == 0 || !name[found - 1].is_alphanumeric();
        let runs = last.is_some_and(|last: usize| last + 1 == found);
        let gap = i32::try_from(found - at).unwrap_or(i32::MAX).min(8);
        score += if begins { 8 } else { 0 } + if runs { 5 } else { 0 } - gap;
        last = Some(found);
        at = found + 1;
    }
    let whole = from == 0 && at == name.len();
    Some(score + if whole { 10 } else { 0 } - i32::try_from(from).unwrap_or(0).min(8))
}

pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>, input: &str, at: usize) {
    let found = found(&view.ui.keymap, input);
    let title = Strip::of(Role::Focus, " Commands ").right(Role::Dim, " enter runs, esc closes ");
    let inner = raised(drawing, view.theme, centred(area, 90, found.len().max(1) + 3), &title);
    Strip::of(Role::Key, " : ").put(Role::Input, format!("{input}_")).draw(
        drawing,
        view.theme,
        row(inner, 0),
    );
    let room = usize::from(inner.height).saturating_sub(1);
    let at = at.min(found.len().saturating_sub(1));
    let top = (at + 1).saturating_sub(room);
    for (line, (index, binding)) in found.iter().enumerate().skip(top).take(room).enumerate() {
        let line = row(inner, line + 1);
        if index == at {
            drawing.wash(line, view.theme.style(Role::Selected));
        }
        let why = blocked(binding.action, view.ui, view.snapshot);
        let role = if why.is_some() { Role::Faint } else { Role::Text };
        let strip = Strip::of(Role::Key, format!(" {:<7}", binding.key()))
            .put(role, format!("{:<23} ", binding.desc));
        let strip = match why {
            Some(why) => strip.put(Role::Dim, why.as_str()),
            None => strip,
        };
        strip.draw(drawing, view.theme, line);
    }
    if found.is_empty() {
        Strip::of(Role::Dim, " no command has these letters").draw(
            drawing,
            view.theme,
            row(inner, 1),
        );
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
        assert_eq!(first("rb"), Some(Action::RollBack));
        assert_eq!(first("sw"), Some(Action::Switch));
        assert_eq!(first("restore"), Some(Action::Restore));
        assert_eq!(first("undo"), Some(Action::UndoRestore));
        assert_eq!(first("find"), Some(Action::Find));
        assert_eq!(first("zzz"), None);
        assert!(found(&map, "").len() > 15);
    }
}
