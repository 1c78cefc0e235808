//! A key press: what it does to the screen, or asks of the engine.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};

use super::action::{Action, ask_of, blocked};
use super::keys::{Chord, Found, printed};
use super::popup::{self, FilterForm, Popup, Wizard, Word};
use super::screen::{self, Screen};
use super::theme::Role;
use super::ui::{ARMED_MS, Pane, Ui, goes_on, seen};
use crate::engine::handle::{Direction, Snapshot};
use crate::release::{Ask, Clean, Finding, ReleaseId, Seq, StepId};

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
    /// Search the log for the next error.
    SearchError(Direction),
    /// Hand text to the terminal's clipboard; `what` says what it is.
    Copy {
        what: &'static str,
        text: String,
    },
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Read the list of releases.
    ListReleases,
    /// Read the report that a finding stands in, to be shown there.
    Raw {
        step: StepId,
        finding: Box<Finding>,
    },
    /// Read the policy as it is now, to be asked whether to judge by it.
    ReadPolicy,
    /// Play on in another way.
    Replay(Action),
    /// Show another release.
    Open(ReleaseId),
    /// Read two releases, to show them side by side.
    Compare(ReleaseId, ReleaseId),
    /// Detach: the release goes on without this screen.
    Leave,
    Suspend,
    Repaint,
}

/// Takes one key.
pub fn on_key(ui: &mut Ui, snapshot: &Snapshot, key: KeyEvent) -> Did {
    let chord = Chord::of(key);
    if Some(chord) == Chord::read("ctrl-c") {
        return interrupt(ui, snapshot);
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
    if ui.pressed.is_empty() {
        ui.pressed_since_ms = ui.now_ms;
    }
    ui.pressed.push(chord);
    let keymap = Arc::clone(&ui.keymap);
    match keymap.find(&ui.modes(), &ui.pressed) {
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

fn interrupt(ui: &mut Ui, snapshot: &Snapshot) -> Did {
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
    let then = if goes_on(snapshot) { "detach; the release goes on" } else { "leave" };
    ui.say(Role::Warn, &format!("press ctrl-c again to {then}"));
    Did::Nothing
}

/// Carries an action out, or opens the form that asks for what is missing.
pub(super) fn act(ui: &mut Ui, snapshot: &Snapshot, action: Action) -> Did {
    match action {
        Action::Back => return back(ui, snapshot),
        Action::PaneStages => focus(ui, Pane::Stages),
        Action::PaneLog => focus(ui, Pane::Log),
        Action::PanePods => focus(ui, Pane::Pods),
        Action::PaneLevels => focus(ui, Pane::Levels),
        Action::PaneWatch => focus(ui, Pane::Watch),
        Action::ReplayPause
        | Action::ReplayNext
        | Action::ReplayPrevious
        | Action::ReplayRecord
        | Action::ReplayFaster
        | Action::ReplaySlower
        | Action::ReplayGoTo => return Did::Replay(action),
        Action::Find => find(ui),
        Action::Filter => filter(ui),
        Action::FilterForm => filter_form(ui),
        Action::GoRelease
        | Action::GoFindings
        | Action::GoTimeline
        | Action::GoGate
        | Action::GoMonitor
        | Action::GoWayBack
        | Action::GoRestore
        | Action::GoReleases
        | Action::GoLog => return go(ui, action),
        Action::GoDebrief => ui.open(Popup::Debrief { top: 0 }),
        Action::Arm => arm(ui),
        Action::Palette => ui.open(Popup::Palette { input: String::new(), at: 0 }),
        Action::Help => ui.open(Popup::Help { top: 0 }),
        Action::Mouse => return Did::Mouse(!ui.mouse),
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
        | Action::Waive
        | Action::Retry
        | Action::Override
        | Action::Abort => change(ui, snapshot, action),
        Action::Policy => return read_policy(ui, snapshot),
        // Whatever moves, looks or opens is the shown screen's own, and it says what it has not.
        _ => return screen::act(ui, snapshot, action),
    }
    Did::Nothing
}

/// The policy is read beside the keys; then its question opens.
fn read_policy(ui: &mut Ui, snapshot: &Snapshot) -> Did {
    let Some(why) = blocked(Action::Policy, ui, snapshot) else { return Did::ReadPolicy };
    ui.refuse(&why);
    Did::Nothing
}

/// Goes to the screen that an action leads to.
fn go(ui: &mut Ui, action: Action) -> Did {
    if let Some(screen) = Screen::ALL.into_iter().find(|screen| screen.way() == action) {
        ui.go(screen);
    }
    if action == Action::GoReleases { Did::ListReleases } else { Did::Nothing }
}

fn find(ui: &mut Ui) {
    match ui.screen {
        Screen::Release | Screen::Timeline => {
            ui.open(Popup::Line { word: Word::Find, input: String::new() });
        }
        Screen::Findings | Screen::Releases => filter(ui),
        Screen::Gate | Screen::Monitor | Screen::WayBack | Screen::Restore | Screen::OwnLog => {
            ui.not_here(Action::Find);
        }
    }
}

fn filter(ui: &mut Ui) {
    match screen::list(ui) {
        Some(list) => {
            let input = list.filter.text().to_owned();
            ui.open(Popup::Line { word: Word::Filter, input });
        }
        None => ui.not_here(Action::Filter),
    }
}

fn filter_form(ui: &mut Ui) {
    if ui.screen != Screen::Findings {
        return filter(ui);
    }
    let form = FilterForm::new(&ui.findings);
    ui.open(Popup::Filter(Box::new(form)));
}

/// Esc: one step back: out of a detail, a filter, a screen.
fn back(ui: &mut Ui, snapshot: &Snapshot) -> Did {
    let closed = match ui.screen {
        Screen::Release => return screen::act(ui, snapshot, Action::Back),
        Screen::Findings => screen::findings::back(ui),
        Screen::Releases => screen::releases::back(ui),
        Screen::OwnLog => screen::own_log::back(ui),
        Screen::Timeline | Screen::Gate | Screen::Monitor | Screen::WayBack | Screen::Restore => {
            false
        }
    };
    if closed {
        return Did::Nothing;
    }
    if screen::list(ui).is_some_and(|list| !list.filter.is_empty()) {
        screen::filter(ui, "");
    } else {
        ui.go(Screen::Release);
    }
    Did::Nothing
}

fn focus(ui: &mut Ui, pane: Pane) {
    ui.focus = pane;
    ui.screen = Screen::Release;
}

/// Opens the question of an action that changes the world.
fn change(ui: &mut Ui, snapshot: &Snapshot, action: Action) {
    if action == Action::Waive && ui.screen != Screen::Findings {
        ui.go(Screen::Findings);
        return ui.say(Role::Text, "choose the finding, then waive it");
    }
    if let Some(why) = blocked(action, ui, snapshot) {
        return ui.refuse(&why);
    }
    let seen = seen(snapshot);
    let popup = match (action, ask_of(action, snapshot)) {
        (Action::Restore, _) => Popup::Restore(Wizard::restore(word(ui, snapshot))),
        (Action::UndoRestore, _) => Popup::Restore(Wizard::undo(word(ui, snapshot))),
        (Action::Override | Action::Abort, _) => Popup::Reason { action, input: String::new() },
        (Action::Waive, _) => match screen::findings::waive(ui, snapshot) {
            Some(form) => Popup::Waive(Box::new(form)),
            None => return ui.say(Role::Dim, "no finding is chosen"),
        },
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
