//! What opens over the panes: questions, forms, the decision card, the palette, help.
//!
//! Nothing here can be answered by a key that was on its way before it opened, and nothing that
//! changes the world is answered by a paste.

mod debrief;
mod filter;
mod form;
mod help;
mod palette;
mod policy;
mod question;
mod raw;
mod waive;
mod which;
mod wizard;

pub(super) use filter::FilterForm;
pub(super) use form::{form, stands_on};
pub(super) use policy::PolicyForm;
pub(super) use waive::WaiveForm;
pub(super) use wizard::{Step, Wizard};

use std::sync::Arc;

use crossterm::event::KeyCode;
use ratatui::layout::Rect;

use super::action::{Action, ask_of, not_armed};
use super::draw::View;
use super::drawing::Drawing;
use super::keys::Chord;
use super::on_key::{Did, act, arm};
use super::screen::{self, Screen};
use super::theme::Role;
use super::ui::{Ui, seen};
use crate::engine::handle::Snapshot;
use crate::release::{Ask, Clean, Seq, Vote};
use crate::report::words;

/// Seconds that a confirmed switch can still be cancelled.
pub(super) const COUNT_DOWN_MS: u64 = 3000;
/// Copies the exact call of an open question; letters are for its answer.
pub(super) const COPY_KEY: &str = "ctrl-y";
/// Characters that a form's line takes.
const INPUT_MAX: usize = 300;

/// An open popup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Popup {
    Help {
        top: usize,
    },
    Palette {
        input: String,
        at: usize,
    },
    /// How a rehearsal went.
    Debrief {
        top: usize,
    },
    /// The vote, under the decision card.
    Vote {
        choice: Option<Vote>,
        input: String,
        seen: Option<Seq>,
    },
    /// `y` asks at once; a switch first counts down.
    Confirm {
        ask: Ask,
        seen: Option<Seq>,
    },
    CountDown {
        ask: Ask,
        seen: Option<Seq>,
        ends_ms: u64,
    },
    /// A restore that is being prepared.
    Restore(Wizard),
    /// A report as its tool wrote it, masked.
    Raw {
        title: Clean,
        lines: Arc<Vec<Clean>>,
        at: usize,
        top: usize,
    },
    /// A waiver that is being written.
    Waive(Box<WaiveForm>),
    /// A changed policy that is to be judged by.
    Policy(Box<PolicyForm>),
    /// A reason must be given.
    Reason {
        action: Action,
        input: String,
    },
    /// What findings are shown; it takes effect while it is open.
    Filter(Box<FilterForm>),
    /// A line of words in the footer.
    Line {
        word: Word,
        input: String,
    },
}

/// What a line of words is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Find,
    /// It takes effect while it is typed.
    Filter,
}

impl Popup {
    /// Whether its answer can change the world, so that a key on its way must not be one.
    pub(super) fn is_a_question(&self) -> bool {
        match self {
            Self::Help { .. }
            | Self::Debrief { .. }
            | Self::Palette { .. }
            | Self::Raw { .. }
            | Self::Filter(_)
            | Self::Line { .. } => false,
            Self::Vote { .. }
            | Self::Confirm { .. }
            | Self::CountDown { .. }
            | Self::Restore(_)
            | Self::Waive(_)
            | Self::Policy(_)
            | Self::Reason { .. } => true,
        }
    }

    /// What it is about to ask, as far as that is known.
    fn ask(&self, snapshot: &Snapshot) -> Option<Ask> {
        match self {
            Self::Confirm { ask, .. } | Self::CountDown { ask, .. } => Some(ask.clone()),
            Self::Restore(wizard) => wizard.meant(snapshot),
            Self::Waive(form) => form.ask(),
            Self::Policy(form) => Some(form.ask()),
            Self::Reason { action, .. } => ask_of(*action, snapshot).and_then(Result::ok),
            Self::Vote { choice: Some(vote), input, .. } => Some(vote_ask(*vote, input)),
            Self::Help { .. }
            | Self::Debrief { .. }
            | Self::Palette { .. }
            | Self::Vote { choice: None, .. }
            | Self::Raw { .. }
            | Self::Filter(_)
            | Self::Line { .. } => None,
        }
    }

    fn input(&mut self) -> Option<&mut String> {
        match self {
            Self::Palette { input, .. }
            | Self::Vote { choice: Some(_), input, .. }
            | Self::Restore(Wizard { step: Step::Word, input, .. })
            | Self::Reason { input, .. }
            | Self::Line { input, .. } => Some(input),
            Self::Waive(form) => form.input(),
            Self::Policy(form) => Some(&mut form.input),
            _ => None,
        }
    }
}

/// A key for the open popup.
pub(super) fn on_key(ui: &mut Ui, snapshot: &Snapshot, chord: Chord) -> Did {
    let Some(mut popup) = ui.popup.take() else { return Did::Nothing };
    let key = chord.event();
    if let Popup::CountDown { .. } = popup {
        if key.code == KeyCode::Char('y') {
            // The same key, held a little long, is no change of mind.
            ui.popup = Some(popup);
            return Did::Nothing;
        }
        ui.say(Role::Warn, "cancelled: nothing was switched");
        return Did::Nothing;
    }
    if key.code == KeyCode::Esc {
        left(ui, &popup);
        return Did::Nothing;
    }
    // With nothing typed, backspace leads back.
    let leads_back = matches!(&popup, Popup::Restore(_)) && key.code == KeyCode::Backspace;
    if Some(chord) == Chord::read(COPY_KEY)
        && let Some(copy) = copied(ui, snapshot, &popup)
    {
        ui.popup = Some(popup);
        return copy;
    }
    if let Some(input) = popup.input()
        && !(leads_back && input.is_empty())
        && edited(input, chord)
    {
        match &mut popup {
            Popup::Palette { at, .. } => *at = 0,
            Popup::Line { word: Word::Filter, input } => screen::filter(ui, input),
            _ => {}
        }
        ui.popup = Some(popup);
        return Did::Nothing;
    }
    let code = key.code;
    if form::under(&popup).is_some()
        && let Some(by) = scrolls(code, &popup)
    {
        // The card can be read to its end while its question is open.
        ui.popup = Some(popup);
        screen::scroll(ui, snapshot, by);
        return Did::Nothing;
    }
    match popup {
        Popup::Debrief { top } if code == KeyCode::Char('j') || code == KeyCode::Char('k') => {
            scrolled(ui, code, top, |top| Popup::Debrief { top });
        }
        Popup::Debrief { .. } if code == KeyCode::Char('q') => {}
        // It opened by itself: the key was meant for what is under it.
        Popup::Debrief { .. } => return super::on_key::on_key(ui, snapshot, key),
        Popup::Raw { title, lines, at, top } => raw_key(ui, code, title, lines, (at, top)),
        Popup::Filter(form) => filter_key(ui, code, form),
        Popup::Help { top } => scrolled(ui, code, top, |top| Popup::Help { top }),
        Popup::Palette { input, at } => return palette_key(ui, snapshot, code, input, at),
        Popup::Vote { choice, input, seen } => return vote_key(ui, code, choice, input, seen),
        Popup::Confirm { ask, seen } => return confirm_key(ui, code, ask, seen),
        Popup::Restore(wizard) => return wizard_key(ui, snapshot, code, wizard),
        Popup::Waive(form) => return waive_key(ui, snapshot, code, form),
        Popup::Policy(form) => return policy_key(ui, snapshot, code, form),
        Popup::Reason { action, input } => return reason_key(ui, snapshot, code, action, input),
        Popup::Line { word, input } if code == KeyCode::Enter => {
            if word == Word::Find {
                return screen::find(ui, &input);
            }
        }
        other @ (Popup::Line { .. } | Popup::CountDown { .. }) => ui.popup = Some(other),
    }
    Did::Nothing
}

/// Esc: what took effect while it was open is as it was before.
fn left(ui: &mut Ui, popup: &Popup) {
    match popup {
        Popup::Line { word: Word::Filter, .. } => screen::filter(ui, ""),
        Popup::Filter(form) => form.leave(&mut ui.findings),
        _ => {}
    }
}

fn filter_key(ui: &mut Ui, code: KeyCode, mut form: Box<FilterForm>) {
    if code != KeyCode::Enter {
        form.on_key(code, &mut ui.findings);
        ui.popup = Some(Popup::Filter(form));
    }
}

/// What the copying key takes of an open question.
fn copied(ui: &Ui, snapshot: &Snapshot, popup: &Popup) -> Option<Did> {
    if let Popup::Waive(form) = popup {
        return Some(Did::Copy { what: "the waiver", text: form.yaml() });
    }
    let text = calls(ui, snapshot, &popup.ask(snapshot)?);
    Some(Did::Copy { what: "the call", text })
}

/// The exact calls of an ask, a line each.
pub(super) fn calls(ui: &Ui, snapshot: &Snapshot, ask: &Ask) -> String {
    let calls = words::calls(&snapshot.release, &ui.who.database, ask);
    let lines: Vec<&str> = calls.iter().map(Clean::as_str).collect();
    lines.join("\n")
}

/// Keys that scroll the screen above a form; the restore has its own.
fn scrolls(code: KeyCode, popup: &Popup) -> Option<isize> {
    match code {
        _ if matches!(popup, Popup::Restore(_)) => None,
        KeyCode::Down => Some(1),
        KeyCode::Up => Some(-1),
        KeyCode::PageDown => Some(8),
        KeyCode::PageUp => Some(-8),
        _ => None,
    }
}

/// What was pasted, for the form that is open.
pub(super) fn on_paste(ui: &mut Ui, text: &str) {
    if matches!(ui.popup, Some(Popup::Restore(_))) {
        return ui.say(Role::Warn, "pasting is refused here: type the word");
    }
    let Some(popup) = &mut ui.popup else { return };
    let Some(input) = popup.input() else { return };
    for c in Clean::new(text.trim()).as_str().chars() {
        push(input, c);
    }
    if let Some(Popup::Line { word: Word::Filter, input }) = ui.popup.clone() {
        screen::filter(ui, &input);
    }
}

/// The wheel over an open popup: what can be scrolled is, and nothing else happens.
pub(super) fn wheel(ui: &mut Ui, snapshot: &Snapshot, down: bool) {
    if let Some(Popup::Help { top } | Popup::Debrief { top }) = &mut ui.popup {
        *top = if down { *top + 3 } else { top.saturating_sub(3) };
    } else if stands_on(ui).is_some() {
        let by = if down { 3 } else { -3 };
        screen::scroll(ui, snapshot, by);
    }
}

fn push(input: &mut String, c: char) {
    if input.chars().count() < INPUT_MAX {
        input.push(c);
    }
}

/// Keys that edit a line.
fn edited(input: &mut String, chord: Chord) -> bool {
    if Some(chord) == Chord::read("ctrl-u") {
        input.clear();
        return true;
    }
    if Some(chord) == Chord::read("ctrl-w") {
        let kept = input.trim_end().rfind(' ').map_or(0, |at| at + 1);
        input.truncate(kept);
        return true;
    }
    let key = chord.event();
    match key.code {
        KeyCode::Char(c) if key.modifiers.is_empty() => push(input, c),
        KeyCode::Backspace => drop(input.pop()),
        _ => return false,
    }
    true
}

fn raw_key(
    ui: &mut Ui,
    code: KeyCode,
    title: Clean,
    lines: Arc<Vec<Clean>>,
    (at, top): (usize, usize),
) {
    let last = lines.len().saturating_sub(1);
    scrolled(ui, code, top, |top| Popup::Raw { title, lines, at, top: top.min(last) });
}

fn scrolled(ui: &mut Ui, code: KeyCode, top: usize, popup: impl FnOnce(usize) -> Popup) {
    let top = match code {
        KeyCode::Char('j') | KeyCode::Down => top + 1,
        KeyCode::Char('k') | KeyCode::Up => top.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => top + 10,
        KeyCode::PageUp => top.saturating_sub(10),
        KeyCode::Home => 0,
        KeyCode::Enter | KeyCode::Char('q' | '?') => return,
        _ => top,
    };
    ui.popup = Some(popup(top));
}

fn palette_key(ui: &mut Ui, snapshot: &Snapshot, code: KeyCode, input: String, at: usize) -> Did {
    let keymap = Arc::clone(&ui.keymap);
    let found = palette::found(&keymap, &input);
    let last = found.len().saturating_sub(1);
    match code {
        KeyCode::Enter => match found.get(at.min(last)) {
            Some(binding) => return act(ui, snapshot, binding.action),
            None => ui.popup = Some(Popup::Palette { input, at }),
        },
        KeyCode::Down => ui.popup = Some(Popup::Palette { input, at: (at + 1).min(last) }),
        KeyCode::Up => ui.popup = Some(Popup::Palette { input, at: at.saturating_sub(1) }),
        _ => ui.popup = Some(Popup::Palette { input, at }),
    }
    Did::Nothing
}

fn vote_key(
    ui: &mut Ui,
    code: KeyCode,
    choice: Option<Vote>,
    input: String,
    seen: Option<Seq>,
) -> Did {
    let comment = Clean::new(input.trim());
    let empty = comment.as_str().is_empty();
    let mut next = choice;
    match (choice, code) {
        (None, KeyCode::Char('g')) if ui.is_armed() => next = Some(Vote::Approve),
        (None, KeyCode::Char('g')) => ui.refuse(&not_armed("approve")),
        (None, KeyCode::Char('n')) => next = Some(Vote::Reject),
        (None, KeyCode::Char('d')) => next = Some(Vote::Defer),
        (None, KeyCode::Char('!')) => arm(ui),
        (None, KeyCode::Char('q')) => return Did::Nothing,
        (Some(Vote::Reject), KeyCode::Enter) if empty => {
            ui.say(Role::Warn, "a no-go ends the release: say why");
        }
        (Some(Vote::Approve), KeyCode::Enter) if !ui.is_armed() => {
            ui.refuse(&not_armed("approve"));
        }
        (Some(vote), KeyCode::Enter) => {
            return Did::Ask { ask: vote_ask(vote, &input), seen };
        }
        _ => {}
    }
    ui.popup = Some(Popup::Vote { choice: next, input, seen });
    Did::Nothing
}

/// The ask of a vote with the comment that is in the form.
fn vote_ask(vote: Vote, input: &str) -> Ask {
    let comment = Clean::new(input.trim());
    match vote {
        Vote::Approve => Ask::Approve { comment },
        Vote::Reject => Ask::Reject { comment },
        Vote::Defer => Ask::Defer { comment },
    }
}

fn confirm_key(ui: &mut Ui, code: KeyCode, ask: Ask, seen: Option<Seq>) -> Did {
    match (code, &ask) {
        (KeyCode::Char('y'), Ask::Switch { .. }) => {
            let ends_ms = ui.now_ms.saturating_add(COUNT_DOWN_MS);
            ui.popup = Some(Popup::CountDown { ask, seen, ends_ms });
        }
        (KeyCode::Char('y'), _) => {
            if matches!(ask, Ask::RollBack { .. }) {
                // Whoever moved traffic wants to see where it goes.
                ui.go(Screen::Monitor);
            }
            return Did::Ask { ask, seen };
        }
        (KeyCode::Char('n' | 'q'), _) => {}
        _ => ui.popup = Some(Popup::Confirm { ask, seen }),
    }
    Did::Nothing
}

fn wizard_key(ui: &mut Ui, snapshot: &Snapshot, code: KeyCode, mut wizard: Wizard) -> Did {
    if code == KeyCode::Enter
        && let Some(ask) = wizard.ask(snapshot)
    {
        // What was started is watched.
        ui.go(Screen::Restore);
        return Did::Ask { ask, seen: seen(snapshot) };
    }
    let (step, by) = (wizard.step, wizard.on_key(code, snapshot));
    let moved = step != wizard.step;
    if moved {
        // A key held a little long must not run through the steps.
        ui.open(Popup::Restore(wizard));
        ui.top = 0;
    } else {
        ui.popup = Some(Popup::Restore(wizard));
        screen::scroll(ui, snapshot, by);
    }
    Did::Nothing
}

fn waive_key(ui: &mut Ui, snapshot: &Snapshot, code: KeyCode, mut form: Box<WaiveForm>) -> Did {
    if code == KeyCode::Enter {
        match form.waiver() {
            Ok(_) if !ui.is_armed() => ui.refuse(&not_armed("waive")),
            Ok(waiver) => {
                let ask = Ask::Waive { waiver: Box::new(waiver) };
                return Did::Ask { ask, seen: seen(snapshot) };
            }
            Err((field, why)) => {
                form.go_to(field);
                ui.refuse(&why);
            }
        }
    } else if form.on_key(code) {
        form.covers = screen::findings::covered(ui, &form.matcher());
    }
    ui.popup = Some(Popup::Waive(form));
    Did::Nothing
}

fn policy_key(ui: &mut Ui, snapshot: &Snapshot, code: KeyCode, form: Box<PolicyForm>) -> Did {
    if code == KeyCode::Enter && !form.has_reason() {
        ui.say(Role::Warn, "a reason is needed; it is recorded");
    } else if code == KeyCode::Enter && !ui.is_armed() {
        ui.refuse(&not_armed("policy"));
    } else if code == KeyCode::Enter {
        return Did::Ask { ask: form.ask(), seen: seen(snapshot) };
    }
    ui.popup = Some(Popup::Policy(form));
    Did::Nothing
}

fn reason_key(
    ui: &mut Ui,
    snapshot: &Snapshot,
    code: KeyCode,
    action: Action,
    input: String,
) -> Did {
    let comment = Clean::new(input.trim());
    if code == KeyCode::Enter && comment.as_str().is_empty() {
        ui.say(Role::Warn, "a reason is needed; it is recorded");
    } else if code == KeyCode::Enter {
        let ask = match action {
            Action::Abort => Ask::Abort { comment },
            _ => Ask::Override { comment },
        };
        return Did::Ask { ask, seen: seen(snapshot) };
    }
    ui.popup = Some(Popup::Reason { action, input });
    Did::Nothing
}

/// Draws the open popup over the panes.
pub(super) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    match &view.ui.popup {
        None if view.ui.shows_sequence() => which::draw(drawing, area, view),
        // A line of words stands in the footer, so that the list stays in sight.
        None | Some(Popup::Line { .. }) => {}
        Some(Popup::Help { top }) => help::draw(drawing, area, view, *top),
        Some(Popup::Palette { input, at }) => palette::draw(drawing, area, view, input, *at),
        Some(Popup::Debrief { top }) => debrief::draw(drawing, area, view, *top),
        Some(Popup::Raw { title, lines, at, top }) => {
            raw::draw(drawing, area, view, title, lines, *at, *top);
        }
        Some(_) if stands_on(view.ui).is_some() => {}
        Some(popup) => question::draw(drawing, area, view, popup),
    }
}

/// A place in the middle of `area`, at most so large.
fn centred(area: Rect, columns: u16, rows: usize) -> Rect {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    let (width, height) = (columns.min(area.width), rows.min(area.height));
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    Rect { x, y, width, height }
}
