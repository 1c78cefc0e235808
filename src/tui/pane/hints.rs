//! The footer: what the last key came to, else the keys that are right for this moment.

use ratatui::layout::Rect;

use crate::tui::action::{Action, refused, waits_for_arming};
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::keys::{Binding, Mode, When};
use crate::tui::pen::{Strip, width};
use crate::tui::popup::{Popup, Word};
use crate::tui::screen::Screen;
use crate::tui::theme::Role;
use crate::tui::ui::{Pane, goes_on};

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let ui = view.ui;
    let trouble = trouble(view);
    let columns = usize::from(area.width).saturating_sub(trouble.width());
    let strip = if let Some(Popup::Line { word, input }) = &ui.popup {
        typed(*word, input)
    } else if let Some((role, text)) = ui.status() {
        Strip::of(*role, format!(" {text}"))
    } else if let Some(input) = ui.replay.as_ref().and_then(|bar| bar.typing.as_ref()) {
        time(input)
    } else if let Some(what) = ui.asking {
        Strip::of(Role::Running, format!(" asking: {what} …"))
    } else if let Some(Popup::Debrief { .. }) = &ui.popup {
        Strip::of(Role::Dim, " any key goes on from here")
    } else if ui.popup.is_some() {
        // The keys of the screen are not heard now.
        Strip::of(Role::Dim, " only the keys above count; ")
            .put(Role::Key, "esc")
            .put(Role::Dim, " leaves")
    } else if ui.pressed.is_empty() {
        offered(view, columns)
    } else {
        going_on(view, columns)
    };
    strip.join(&trouble).draw(drawing, view.theme, area);
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
fn going_on(view: &View<'_>, columns: usize) -> Strip {
    let pressed = &view.ui.pressed;
    let so_far = crate::tui::keys::printed(pressed);
    let modes = view.ui.modes();
    let goes_on = view.ui.keymap.goes_on(&modes, pressed);
    let hints = goes_on.map(|(rest, binding)| (rest, binding.desc.clone()));
    whole(Strip::of(Role::Strong, format!(" {so_far}…  ")), hints, columns)
}

/// How to find all the others is never pushed off the edge.
const WAYS_IN: [Action; 3] = [Action::Help, Action::Palette, Action::Leave];

fn offered(view: &View<'_>, columns: usize) -> Strip {
    // Of a replay nothing can be asked: its own keys are all that counts.
    let replay = view.ui.replay.is_some();
    let mode = if replay { Mode::Replay } else { view.ui.screen.mode() };
    let bindings = view.ui.keymap.bindings();
    // What belongs to the screen comes first: it is what the hands are at.
    let own = bindings.iter().filter(|binding| binding.mode == mode);
    let everywhere = |mode: Mode| mode == Mode::Everywhere;
    let way_in = |binding: &&Binding| WAYS_IN.contains(&binding.action);
    let rest = bindings.iter().filter(|b| everywhere(b.mode) && !everywhere(mode));
    let rest = rest.filter(|binding| !replay || way_in(binding));
    let offered: Vec<&Binding> = own.chain(rest).filter(|b| is_offered(b, view)).collect();
    let strip = offered.iter().filter(|b| way_in(b)).fold(Strip::of(Role::Dim, " "), |strip, b| {
        strip.right(Role::Key, b.key()).right(Role::Dim, format!(" {} ", described(b, view)))
    });
    let others = offered.iter().filter(|b| !way_in(b));
    whole(strip, others.map(|b| (b.key(), described(b, view))), columns)
}

/// The hints that there is room for, each of them whole: half a word tells nobody what a key does.
fn whole(mut strip: Strip, hints: impl Iterator<Item = (String, String)>, columns: usize) -> Strip {
    const MORE: &str = "…";
    let mut room = columns.saturating_sub(strip.width() + 1);
    let mut hints = hints.peekable();
    let mut between = "";
    while let Some((key, text)) = hints.next() {
        let need = width(between) + width(&key) + 1 + width(&text);
        let mark = if hints.peek().is_some() { 2 + width(MORE) } else { 0 };
        if need + mark > room {
            return strip.put(Role::Dim, format!("{between}{MORE}"));
        }
        strip =
            strip.put(Role::Dim, between).put(Role::Key, key).put(Role::Dim, format!(" {text}"));
        room -= need;
        between = "  ";
    }
    strip
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
        (Action::Leave, ..) if !goes_on(view.snapshot) => "leave".to_owned(),
        (Action::Switch, Some(to), _) => format!("switch to {to}"),
        (Action::RollBack, _, Some(from)) => format!("roll back to {from}"),
        (Action::Arm, ..) => "arm".to_owned(),
        _ => binding.desc.clone(),
    }
}

/// What is wrong with the engine itself.
fn trouble(view: &View<'_>) -> Strip {
    let vitals = &view.snapshot.live.vitals;
    if vitals.journal_error.is_some() {
        return Strip::new().right(Role::Failed, " ✖ journal ");
    }
    match vitals.journal_slow_ms {
        Some(ms) => Strip::new().right(Role::Warn, format!(" ▲ journal slow, {ms} ms ")),
        None => Strip::new(),
    }
}
