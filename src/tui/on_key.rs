//! A key press: what it does to the screen, or asks of the engine.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};

use super::action::{Action, ask_of, blocked};
use super::keys::{Chord, Found, Mode, printed};
use super::popup::{self, Popup, Wizard};
use super::screen;
use super::theme::Role;
use super::ui::{ARMED_MS, Pane, Row, Screen, Ui, open_stage, seen, stage_rows};
use crate::engine::handle::{Direction, Snapshot};
use crate::release::{Ask, Clean, Seq};

/// Two presses of Ctrl-C within this time detach, in milliseconds.
const TWICE_MS: u64 = 3000;

/// What is left to do after a key, outside the screen's own state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    Nothing,
    /// Ask the engine; `seen` is what the decision was made on.
    Ask {
        ask: Ask,
        seen: Option<Seq>,
    },
    /// Search the log for the needle of its view.
    Search(Direction),
    /// Detach: the release goes on without this screen.
    Leave,
    Suspend,
    Repaint,
}

/// Takes one key.
pub fn on_key(ui: &mut Ui, snapshot: &Snapshot, key: KeyEvent) -> Did {
    let chord = Chord::of(key);
    if Some(chord) == Chord::read("ctrl-c") {
        return interrupt(ui);
    }
    ui.leaving_since_ms = None;
    if ui.popup.is_some() {
        if ui.is_deaf() && key.code != KeyCode::Esc {
            return Did::Nothing;
        }
        ui.status = None;
        return popup::on_key(ui, snapshot, chord);
    }
    ui.status = None;
    if key.code == KeyCode::Esc && !ui.pressed.is_empty() {
        ui.pressed.clear();
        return Did::Nothing;
    }
    ui.pressed.push(chord);
    let keymap = Arc::clone(&ui.keymap);
    match keymap.find(mode(ui), &ui.pressed) {
        Found::Action(action) => {
            ui.pressed.clear();
            act(ui, snapshot, action)
        }
        Found::More => Did::Nothing,
        Found::Nothing => {
            let help = keymap.key_of(Action::Help);
            let text = format!("{} does nothing here; {help} shows the keys", printed(&ui.pressed));
            ui.pressed.clear();
            ui.say(Role::Dim, &text);
            Did::Nothing
        }
    }
}

/// Takes what was pasted: text for a form, never a confirmation (F60).
pub fn on_paste(ui: &mut Ui, text: &str) {
    if !ui.is_deaf() {
        popup::on_paste(ui, text);
    }
}

/// What time alone brings: a count-down that comes to its end.
pub fn on_tick(ui: &mut Ui) -> Did {
    match &ui.popup {
        Some(Popup::CountDown { ask, seen, ends_ms }) if *ends_ms <= ui.now_ms => {
            let did = Did::Ask { ask: ask.clone(), seen: *seen };
            ui.close();
            // Whoever moved traffic wants to see where it goes.
            ui.go(Screen::Monitor);
            did
        }
        _ => Did::Nothing,
    }
}

pub(super) fn mode(ui: &Ui) -> Mode {
    match ui.screen {
        Screen::Release => Mode::Release,
        Screen::Timeline => Mode::Timeline,
        // These have no keys of their own: what is pressed there is pressed anywhere.
        Screen::Gate | Screen::Monitor | Screen::WayBack | Screen::Restore => Mode::Everywhere,
    }
}

fn interrupt(ui: &mut Ui) -> Did {
    if matches!(ui.popup, Some(Popup::CountDown { .. })) {
        ui.close();
        ui.say(Role::Warn, "cancelled: nothing was switched");
        return Did::Nothing;
    }
    let twice = ui.leaving_since_ms.is_some_and(|at| ui.now_ms < at.saturating_add(TWICE_MS));
    if twice {
        return Did::Leave;
    }
    ui.leaving_since_ms = Some(ui.now_ms);
    ui.say(Role::Warn, "press ctrl-c again to detach; the release goes on");
    Did::Nothing
}

/// Carries an action out, or opens the form that asks for what is missing.
pub(super) fn act(ui: &mut Ui, snapshot: &Snapshot, action: Action) -> Did {
    match action {
        Action::Up => scroll(ui, snapshot, -1),
        Action::Down => scroll(ui, snapshot, 1),
        Action::PageUp => scroll(ui, snapshot, -ui.log.page_rows()),
        Action::PageDown => scroll(ui, snapshot, ui.log.page_rows()),
        Action::Top => edge(ui, snapshot, false),
        Action::Bottom => edge(ui, snapshot, true),
        Action::Left => ui.log.sideways(false),
        Action::Right => ui.log.sideways(true),
        Action::NextPane => turn(ui, 1),
        Action::PreviousPane => turn(ui, Pane::ALL.len() - 1),
        Action::PaneStages => focus(ui, Pane::Stages),
        Action::PaneLog => focus(ui, Pane::Log),
        Action::PanePods => focus(ui, Pane::Pods),
        Action::PaneLevels => focus(ui, Pane::Levels),
        Action::PaneWatch => focus(ui, Pane::Watch),
        Action::Zoom => ui.zoom = !ui.zoom,
        Action::Open => open(ui, snapshot),
        Action::Back => back(ui),
        Action::Find => ui.open(Popup::Find { input: String::new() }),
        Action::FindNext => return Did::Search(Direction::Forward),
        Action::FindPrevious => return Did::Search(Direction::Backward),
        Action::Follow => follow(ui),
        Action::Wrap => ui.log.wrap = !ui.log.wrap,
        Action::GoRelease => ui.go(Screen::Release),
        Action::GoTimeline => ui.go(Screen::Timeline),
        Action::GoGate => ui.go(Screen::Gate),
        Action::GoMonitor => ui.go(Screen::Monitor),
        Action::GoWayBack => ui.go(Screen::WayBack),
        Action::GoRestore => ui.go(Screen::Restore),
        Action::GoDebrief => ui.open(Popup::Debrief { top: 0 }),
        Action::Arm => arm(ui),
        Action::Palette => ui.open(Popup::Palette { input: String::new(), at: 0 }),
        Action::Help => ui.open(Popup::Help { top: 0 }),
        Action::Leave => return Did::Leave,
        Action::Suspend => return Did::Suspend,
        Action::Repaint => return Did::Repaint,
        Action::Vote => {
            let popup = Popup::Vote { choice: None, input: String::new(), seen: seen(snapshot) };
            ui.open_for(action, snapshot, popup);
        }
        Action::Switch
        | Action::RollBack
        | Action::Restore
        | Action::UndoRestore
        | Action::Retry
        | Action::Override
        | Action::Abort => change(ui, snapshot, action),
    }
    Did::Nothing
}

/// Opens the question of an action that changes the world.
fn change(ui: &mut Ui, snapshot: &Snapshot, action: Action) {
    if let Some(why) = blocked(action, ui, snapshot) {
        return ui.refuse(&why);
    }
    let seen = seen(snapshot);
    let popup = match (action, ask_of(action, snapshot)) {
        (Action::Restore, _) => Popup::Restore(Wizard::restore(word(ui, snapshot))),
        (Action::UndoRestore, _) => Popup::Restore(Wizard::undo(word(ui, snapshot))),
        (Action::Override | Action::Abort, _) => Popup::Reason { action, input: String::new() },
        (_, Some(Ok(ask))) => Popup::Confirm { ask, seen },
        (_, Some(Err(why))) => return ui.refuse(&why),
        (_, None) => return,
    };
    ui.open(popup);
}

/// The word that is typed before a restore: the database's name, or else the release's id.
pub(super) fn word(ui: &Ui, snapshot: &Snapshot) -> String {
    let id = snapshot.release.id.to_string();
    if ui.who.database.is_empty() { id } else { ui.who.database.clone() }
}

pub(super) fn arm(ui: &mut Ui) {
    if !ui.can_arm() {
        return ui.refuse(&Clean::new("this session may only watch, and roll back"));
    }
    if ui.is_armed() {
        ui.armed_until_ms = None;
        ui.say(Role::Dim, "disarmed: this session only looks, and rolls back");
    } else {
        ui.armed_until_ms = Some(ui.now_ms.saturating_add(ARMED_MS));
        ui.say(Role::Warn, "ARMED for 10 min: approve, switch, restore and override are live");
    }
}

fn scroll(ui: &mut Ui, snapshot: &Snapshot, by: isize) {
    match (ui.screen, ui.focus) {
        (Screen::Timeline, _) => ui.timeline.scroll(by),
        (Screen::Gate | Screen::Monitor | Screen::WayBack | Screen::Restore, _) => {
            let last = screen::last_top(ui, snapshot);
            ui.top = ui.top.saturating_add_signed(by).min(last);
        }
        (Screen::Release, Pane::Stages) => move_cursor(ui, snapshot, by),
        (Screen::Release, Pane::Log) => ui.log.scroll(by),
        (Screen::Release, Pane::Pods | Pane::Levels | Pane::Watch) => {}
    }
}

fn edge(ui: &mut Ui, snapshot: &Snapshot, bottom: bool) {
    match (ui.screen, ui.focus) {
        (Screen::Timeline, _) => ui.timeline.cursor = if bottom { None } else { Some(0) },
        (Screen::Gate | Screen::Monitor | Screen::WayBack | Screen::Restore, _) => {
            ui.top = if bottom { screen::last_top(ui, snapshot) } else { 0 };
        }
        (Screen::Release, Pane::Stages) => {
            move_cursor(ui, snapshot, if bottom { isize::MAX } else { isize::MIN });
        }
        (Screen::Release, _) if bottom => ui.log.show_newest(),
        (Screen::Release, _) => ui.log.show_first(),
    }
}

fn move_cursor(ui: &mut Ui, snapshot: &Snapshot, by: isize) {
    let release = &snapshot.release;
    let rows = stage_rows(ui, release);
    let open = open_stage(ui, release);
    let at = rows.iter().position(|row| match (&ui.cursor, row) {
        (Some(cursor), row) => cursor == row,
        (None, Row::Stage(id)) => release.plan().and_then(|plan| plan.stage_index(id)) == open,
        (None, Row::Step(_)) => false,
    });
    let last = rows.len().saturating_sub(1);
    let to = at.unwrap_or(0).saturating_add_signed(by).min(last);
    ui.cursor = rows.get(to).cloned();
}

fn turn(ui: &mut Ui, by: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == ui.focus).unwrap_or(0);
    ui.focus = Pane::ALL[(at + by) % Pane::ALL.len()];
}

fn focus(ui: &mut Ui, pane: Pane) {
    ui.focus = pane;
    ui.screen = Screen::Release;
}

fn follow(ui: &mut Ui) {
    ui.log.follow = !ui.log.follow;
    if ui.log.follow {
        ui.cursor = None;
        ui.log.found = None;
    }
}

/// Enter: the decision card where the gate is, else the log of the row.
fn open(ui: &mut Ui, snapshot: &Snapshot) {
    if ui.screen != Screen::Release || ui.focus != Pane::Stages {
        return;
    }
    let gate = snapshot.release.gate.as_ref().map(|gate| &gate.stage);
    match &ui.cursor {
        Some(Row::Stage(id)) if Some(id) == gate => ui.go(Screen::Gate),
        _ => ui.focus = Pane::Log,
    }
}

/// Esc: one step back towards the plain view of what happens now.
fn back(ui: &mut Ui) {
    if ui.zoom {
        ui.zoom = false;
    } else if ui.screen != Screen::Release {
        ui.go(Screen::Release);
    } else {
        ui.cursor = None;
        ui.log.follow = true;
        ui.log.found = None;
    }
}
