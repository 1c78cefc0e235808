//! The footer: what the last key came to, else the keys that are right for this moment.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::{Action, refused, waits_for_arming};
use crate::tui::draw::View;
use crate::tui::keys::{Binding, Mode, When};
use crate::tui::pen::Strip;
use crate::tui::popup::{Popup, Word};
use crate::tui::screen::Screen;
use crate::tui::theme::Role;
use crate::tui::ui::Pane;

pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    let ui = view.ui;
    let strip = if let Some(Popup::Line { word, input }) = &ui.popup {
        typed(*word, input)
    } else if let Some((role, text)) = ui.status() {
        Strip::of(*role, format!(" {text}"))
    } else if let Some(input) = ui.replay.as_ref().and_then(|bar| bar.typing.as_ref()) {
        time(input)
    } else if let Some(what) = ui.asking {
        Strip::of(Role::Running, format!(" asking: {what} …"))
    } else if ui.popup.is_some() {
        // The keys of the screen are not heard now.
        Strip::of(Role::Dim, " only the keys above count; ")
            .put(Role::Key, "esc")
            .put(Role::Dim, " leaves")
    } else if ui.pressed.is_empty() {
        offered(view)
    } else {
        going_on(view)
    };
    trouble(strip, view).draw(buf, view.theme, area);
}

/// The time that is being typed.
fn time(input: &str) -> Strip {
    Strip::of(Role::Strong, " go to ")
        .put(Role::Input, format!("{input}_"))
        .put(Role::Dim, "  12:04 after the start, 02:41:10Z, #88; enter goes, esc leaves")
}

/// A line of words while it is typed.
fn typed(word: Word, input: &str) -> Strip {
    let (name, enter) = match word {
        Word::Find => ("find", "finds, then n N"),
        Word::Filter => ("filter", "keeps it"),
    };
    Strip::of(Role::Key, format!(" {name} "))
        .put(Role::Input, format!("{input}_"))
        .right(Role::Key, "enter")
        .right(Role::Dim, format!(" {enter}  "))
        .right(Role::Key, "esc")
        .right(Role::Dim, " leaves ")
}

/// The keys that go on from the ones pressed.
fn going_on(view: &View<'_>) -> Strip {
    let pressed = &view.ui.pressed;
    let so_far = crate::tui::keys::printed(pressed);
    let strip = Strip::of(Role::Strong, format!(" {so_far}… "));
    view.ui.keymap.goes_on(&view.ui.modes(), pressed).fold(strip, |strip, (rest, binding)| {
        strip.put(Role::Key, format!(" {rest}")).put(Role::Dim, format!(" {} ", binding.desc))
    })
}

/// How to find all the others is never pushed off the edge.
const WAYS_IN: [Action; 3] = [Action::Help, Action::Palette, Action::Leave];

fn offered(view: &View<'_>) -> Strip {
    // Of a replay nothing can be asked: its own keys are all that counts.
    let replay = view.ui.replay.is_some();
    let mode = if replay { Mode::Replay } else { view.ui.screen.mode() };
    let bindings = view.ui.keymap.bindings();
    // What belongs to the screen comes first: it is what the hands are at.
    let own = bindings.iter().filter(|binding| binding.mode == mode);
    let everywhere = |mode: Mode| mode == Mode::Everywhere;
    let way_in = |binding: &Binding| WAYS_IN.contains(&binding.action);
    let rest = bindings.iter().filter(|b| everywhere(b.mode) && !everywhere(mode));
    let rest = rest.filter(|binding| !replay || way_in(binding));
    let offered = own.chain(rest).filter(|binding| is_offered(binding, view));
    offered.fold(Strip::of(Role::Dim, " "), |strip, binding| {
        let (key, text) = (binding.key(), format!(" {}  ", described(binding, view)));
        if way_in(binding) {
            strip.right(Role::Key, key).right(Role::Dim, text.trim_end().to_owned() + " ")
        } else {
            strip.put(Role::Key, key).put(Role::Dim, text)
        }
    })
}

fn is_offered(binding: &Binding, view: &View<'_>) -> bool {
    let (ui, release) = (view.ui, &view.snapshot.release);
    match binding.when {
        _ if binding.action == ui.screen.way() => false,
        When::Never => false,
        When::Always => true,
        When::Log => ui.screen == Screen::Release && ui.focus == Pane::Log,
        When::Possible if binding.action == Action::Arm => {
            // Only where something that is possible now waits for it.
            let waits = |action: &Action| {
                matches!(action, Action::Vote | Action::Switch | Action::Override)
                    && waits_for_arming(*action, view.snapshot)
            };
            ui.can_arm() && !ui.is_armed() && Action::ALL.iter().any(waits)
        }
        // Where the release is, so that the footer stays short.
        When::Possible if binding.action == Action::GoGate => release.open_gate().is_some(),
        When::Possible if binding.action == Action::GoMonitor => {
            release.awaits_switch() || release.is_switched()
        }
        When::Possible => refused(binding.action, view.snapshot).is_none(),
    }
}

fn described(binding: &Binding, view: &View<'_>) -> String {
    let rollout = &view.snapshot.release.rollout;
    match (binding.action, rollout.to, rollout.from) {
        (Action::Switch, Some(to), _) => format!("switch to {to}"),
        (Action::RollBack, _, Some(from)) => format!("roll back to {from}"),
        (Action::Arm, ..) => "arm".to_owned(),
        _ => binding.desc.clone(),
    }
}

/// What is wrong with the engine itself.
fn trouble(strip: Strip, view: &View<'_>) -> Strip {
    let vitals = &view.snapshot.live.vitals;
    if vitals.journal_error.is_some() {
        return strip.right(Role::Failed, " ✖ journal ");
    }
    match vitals.journal_slow_ms {
        Some(ms) => strip.right(Role::Warn, format!(" ▲ journal slow, {ms} ms ")),
        None => strip,
    }
}
