//! One operator's desk: the follower, the screen's state and what has been asked. The terminal
//! and the scripted cockpit drive the same one.

use std::sync::Arc;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use tokio::task::JoinSet;

use super::draw::draw;
use super::keys::Keymap;
use super::on_key::{Did, on_key, on_paste, on_tick};
use super::popup::Popup;
use super::theme::{Role, Theme};
use super::ui::{History, Ui, Who, is_cut_off};
use crate::engine::handle::{Clock, Direction, Follower, Handle, Snapshot};
use crate::release::{Ask, Command, Principal, Refusal, Seq};

/// What a cockpit is given.
#[derive(Clone, Debug)]
pub struct Settings {
    pub theme: Theme,
    pub keymap: Keymap,
    /// In whose name it asks.
    pub principal: Principal,
    /// Whether the session may be armed; one that may not still rolls back.
    pub can_arm: bool,
    /// The database's name: what is typed before a restore. Empty where it is not known; then it
    /// is the release's id.
    pub database: String,
    /// What was seen of the service levels before the cockpit opened.
    pub history: History,
    /// The operator's own time: never scaled, also in a rehearsal.
    pub clock: Clock,
}

/// What the caller has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Nothing,
    Leave,
    Suspend,
    Repaint,
}

type Answer = (&'static str, Result<(), Refusal>);

pub(super) struct Desk {
    handle: Handle,
    follower: Follower,
    pub(super) ui: Ui,
    theme: Theme,
    principal: Principal,
    asks: JoinSet<Answer>,
}

impl Desk {
    pub(super) fn new(handle: Handle, settings: Settings, size: (u16, u16)) -> Self {
        let Settings { theme, keymap, principal, can_arm, database, history, clock: _ } = settings;
        let who = Who { person: Some(principal.person.clone()), can_arm, database };
        let mut ui = Ui::new(who, Arc::new(keymap), size);
        ui.history = history;
        let follower = handle.follow();
        let mut desk = Self { handle, follower, ui, theme, principal, asks: JoinSet::new() };
        desk.catch_up();
        desk
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        self.follower.snapshot()
    }

    /// Takes in what is new, and reads the lines of the log that are in sight.
    pub(super) fn catch_up(&mut self) {
        self.follower.catch_up();
        self.look();
    }

    fn look(&mut self) {
        self.ui.observe(self.follower.snapshot());
        self.ui.log.fetch(&self.handle);
    }

    pub(super) fn key(&mut self, key: KeyEvent, now_ms: u64) -> Todo {
        self.ui.now_ms = now_ms;
        let did = on_key(&mut self.ui, self.follower.snapshot(), key);
        let todo = self.follow_up(did);
        self.look();
        todo
    }

    pub(super) fn paste(&mut self, text: &str, now_ms: u64) {
        self.ui.now_ms = now_ms;
        on_paste(&mut self.ui, text);
    }

    pub(super) fn resize(&mut self, size: (u16, u16)) {
        self.ui.size = size;
        self.look();
    }

    /// What time alone brings.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.ui.now_ms = now_ms;
        let did = on_tick(&mut self.ui);
        self.follow_up(did);
    }

    fn follow_up(&mut self, did: Did) -> Todo {
        match did {
            Did::Nothing => return Todo::Nothing,
            Did::Leave => return Todo::Leave,
            Did::Suspend => return Todo::Suspend,
            Did::Repaint => return Todo::Repaint,
            Did::Search(way) => self.search(way),
            Did::Ask { ask, seen } => self.ask(ask, seen),
        }
        Todo::Nothing
    }

    fn search(&mut self, way: Direction) {
        if let Err(why) = self.ui.log.search(&self.handle, way) {
            self.ui.refuse(&why);
        }
    }

    /// Asks on a task of its own: keys go on while the engine records.
    fn ask(&mut self, ask: Ask, seen: Option<Seq>) {
        let word = ask.word();
        let command = Command { by: self.principal.clone(), seen, ask };
        let handle = self.handle.clone();
        self.ui.asking = Some(word);
        self.asks.spawn(async move { (word, handle.ask(command).await) });
    }

    /// Whether something was asked and not answered.
    pub(super) fn is_asking(&self) -> bool {
        !self.asks.is_empty()
    }

    /// Waits for the engine: news, or an answer. Never ends where neither can come.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            () = self.follower.changed() => {}
            Some(answer) = self.asks.join_next() => answered(&mut self.ui, answer),
        }
    }

    /// In how many milliseconds the screen looks different although nothing happened.
    pub(super) fn ages_in_ms(&self) -> Option<u64> {
        let snapshot = self.snapshot();
        let running = self.ui.log.key.as_ref().and_then(|key| {
            let step = match &key.cause {
                crate::release::Cause::Step(id) => snapshot.release.steps.get(id)?,
                _ => return None,
            };
            Some(step.status == crate::release::StepStatus::Running)
        });
        if matches!(self.ui.popup, Some(Popup::CountDown { .. })) {
            return Some(100);
        }
        if self.ui.log.follow && running == Some(true) {
            return Some(250);
        }
        let telemetry = &snapshot.live.telemetry;
        let ages = snapshot.release.result.is_none()
            || is_cut_off(snapshot)
            || self.ui.is_armed()
            || telemetry.pods_at_ms.is_some()
            || telemetry.samples_at_ms.is_some();
        ages.then_some(1000)
    }

    pub(super) fn draw(&self, frame: &mut Frame) {
        draw(frame, self.snapshot(), &self.ui, &self.theme);
    }
}

fn answered(ui: &mut Ui, answer: Result<Answer, tokio::task::JoinError>) {
    ui.asking = None;
    match answer {
        Ok((word, Ok(()))) => ui.say(Role::Done, &format!("✔ {word}: recorded")),
        Ok((word, Err(why))) => ui.say(Role::Failed, &format!("✖ {word} refused: {why}")),
        Err(error) => ui.say(Role::Failed, &format!("✖ the answer was lost: {error}")),
    }
}
