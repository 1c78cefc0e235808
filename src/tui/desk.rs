//! One operator's desk: the follower, the screen's state and what has been asked. The terminal
//! and the scripted cockpit drive the same one.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::Frame;
use tokio::task::JoinSet;

use super::draw::paint;
use super::drawing::Drawing;
use super::keys::{Chord, Keymap};
use super::library::{Library, Shelf};
use super::mouse::on_mouse;
use super::notice;
use super::on_key::{Did, on_key, on_paste, on_tick};
use super::popup::{PolicyForm, Popup};
use super::replay::{Played, Player};
use super::screen::Screen;
use super::screen::findings::Wanted;
use super::theme::{Role, Theme};
use super::ui::{History, Ui, WHICH_KEY_MS, Who, is_cut_off};
use crate::engine::handle::{Clock, Follower, Handle, Link, Raw, Snapshot, Tape, Triaged};
use crate::release::{
    Ask, Clean, Command, Finding, Policy, Principal, Refusal, Release, ReleaseId, Seq, StepId,
    StepStatus,
};

/// The list of releases is read again after this long while it is looked at, in milliseconds.
const LIST_AGAIN_MS: u64 = 5000;

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
    /// Whether the mouse is taken at first; `m` changes it.
    pub mouse: bool,
    /// Whether it rings when somebody must look up.
    pub bell: bool,
    /// The other releases; none where there is no way to them.
    pub library: Option<Arc<dyn Library>>,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Nothing,
    Leave,
    Suspend,
    Repaint,
    Copy { what: &'static str, text: String },
    Mouse(bool),
}

/// What was done beside the keys.
enum Done {
    Asked(&'static str, Result<(), Refusal>),
    Listed(Result<Shelf, Clean>),
    Opened(Result<Handle, Clean>),
    Read(Box<Result<(Release, Release), Clean>>),
    Triaged(Wanted, Box<Result<Triaged, Clean>>),
    Raw(Clean, Result<Raw, Clean>),
    Policy(Box<Result<(Policy, Clean), Clean>>),
}

pub(super) struct Desk {
    handle: Handle,
    /// The release that the cockpit was opened for, and the name of its database.
    home: (Handle, String),
    follower: Follower,
    pub(super) ui: Ui,
    theme: Theme,
    principal: Principal,
    library: Option<Arc<dyn Library>>,
    work: JoinSet<Done>,
    asking: usize,
    /// Why it has to ring; none with the bell off.
    rings: Option<Vec<Clean>>,
    was_cut_off: bool,
    /// What plays, where no engine does.
    player: Option<Player>,
    /// Whether the debrief has opened by itself.
    debriefed: bool,
}

impl Desk {
    pub(super) fn new(handle: Handle, settings: Settings, size: (u16, u16)) -> Self {
        let Settings {
            theme,
            keymap,
            principal,
            can_arm,
            database,
            history,
            mouse,
            bell,
            library,
            clock: _,
        } = settings;
        let home = (handle.clone(), database.clone());
        let who = Who { person: Some(principal.person.clone()), can_arm, database };
        let mut ui = Ui::new(who, Arc::new(keymap), size);
        ui.history = history;
        ui.mouse = mouse;
        let follower = handle.follow();
        let mut desk = Self {
            handle,
            home,
            follower,
            ui,
            theme,
            principal,
            library,
            work: JoinSet::new(),
            asking: 0,
            rings: bell.then(Vec::new),
            was_cut_off: false,
            player: None,
            debriefed: false,
        };
        desk.arrive();
        if desk.snapshot().records.is_empty() && desk.snapshot().link == Link::Closed {
            // There is no release behind this cockpit: it begins with the choice of one.
            desk.ui.screen = Screen::Releases;
            desk.list();
        }
        desk
    }

    /// A desk before a tape.
    pub(super) fn playing(tape: Tape, speed: f64, settings: Settings, size: (u16, u16)) -> Self {
        let mut desk = Self::new(tape.handle().clone(), settings, size);
        desk.player = Some(Player::new(tape, speed));
        desk.follow_tape();
        desk
    }

    /// Takes the tape's handle, which is a new one after it went back, and says where it is.
    fn follow_tape(&mut self) {
        let Some(player) = &self.player else { return };
        self.ui.replay = Some(player.bar());
        // What was measured later must not be seen earlier.
        self.ui.history = History::default();
        self.handle = player.handle().clone();
        self.follower = self.handle.follow();
        self.catch_up();
    }

    /// How it went is said once, when a rehearsal is over and nothing else is open.
    fn debrief(&mut self) {
        let release = &self.follower.snapshot().release;
        let rehearsal = release.start.as_deref().is_some_and(|start| start.rehearsal.is_some());
        let over = rehearsal && release.result.is_some() && release.rollout.order.is_none();
        if over && !self.debriefed && self.player.is_none() && self.ui.popup.is_none() {
            self.debriefed = true;
            self.ui.open(Popup::Debrief { top: 0 });
        }
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        self.follower.snapshot()
    }

    /// Takes in the past, for which nothing rings.
    fn arrive(&mut self) {
        self.follower.catch_up();
        self.look();
    }

    /// Takes in what is new, and reads the lines of the log that are in sight.
    pub(super) fn catch_up(&mut self) {
        let new = self.follower.catch_up();
        if let Some(rings) = &mut self.rings {
            rings.extend(new.iter().filter_map(|record| notice::of(record)));
        }
        let cut_off = matches!(self.snapshot().link, Link::Lost { .. });
        if cut_off != self.was_cut_off {
            self.was_cut_off = cut_off;
            match &self.snapshot().link {
                Link::Lost { why, .. } => tracing::warn!(%why, "the link to the engine is lost"),
                Link::Live => tracing::info!("the engine is back"),
                Link::Closed => tracing::info!("the engine has ended"),
            }
        }
        self.ui.log.may_have_grown();
        self.look();
    }

    /// Why it has to ring now. Several reasons ring once, with the newest.
    pub(super) fn ring(&mut self) -> Option<Clean> {
        let rings = self.rings.as_mut()?;
        let newest = rings.pop();
        rings.clear();
        newest
    }

    fn look(&mut self) {
        self.debrief();
        self.ui.observe(self.follower.snapshot());
        self.triage();
        self.ui.log.fetch(&self.handle);
    }

    /// The last frame is on the screen.
    pub(super) fn painted(&mut self) {
        self.ui.painted();
    }

    /// The terminal took no frame for a while: nobody could have cancelled what counts down.
    pub(super) fn lose_sight(&mut self) {
        if matches!(self.ui.popup, Some(Popup::CountDown { .. })) {
            self.ui.close();
            let why = "cancelled: the terminal did not show the count-down; nothing was switched";
            self.ui.say(Role::Warn, why);
        }
    }

    pub(super) fn key(&mut self, key: KeyEvent, now_ms: u64) -> Todo {
        self.ui.now_ms = now_ms;
        let chord = Chord::of(key);
        let typed = self.player.as_mut().map_or(Played::NotMine, |player| player.typed(chord));
        if typed != Played::NotMine {
            self.ui.status = None;
            self.played(&typed);
            return Todo::Nothing;
        }
        let did = on_key(&mut self.ui, self.follower.snapshot(), key);
        let todo = self.follow_up(did);
        self.look();
        todo
    }

    /// Shows what the tape came to.
    fn played(&mut self, played: &Played) {
        if let Played::Refused(why) = played {
            self.ui.refuse(&Clean::new(why));
        }
        self.follow_tape();
    }

    pub(super) fn mouse(&mut self, event: MouseEvent, now_ms: u64) -> Todo {
        self.ui.now_ms = now_ms;
        let did = on_mouse(&mut self.ui, self.follower.snapshot(), event);
        let todo = self.follow_up(did);
        self.look();
        todo
    }

    pub(super) fn paste(&mut self, text: &str, now_ms: u64) {
        self.ui.now_ms = now_ms;
        on_paste(&mut self.ui, text);
        self.look();
    }

    pub(super) fn size(&self) -> (u16, u16) {
        self.ui.size
    }

    pub(super) fn resize(&mut self, size: (u16, u16)) {
        self.ui.size = size;
        self.look();
    }

    /// What time alone brings.
    pub(super) fn tick(&mut self, now_ms: u64) {
        self.ui.now_ms = now_ms;
        if let Some(player) = &mut self.player {
            player.tick(now_ms);
            self.ui.replay = Some(player.bar());
        }
        let did = on_tick(&mut self.ui);
        self.follow_up(did);
        let read_ms = self.ui.releases.read_ms;
        let old = read_ms.is_some_and(|at| now_ms >= at.saturating_add(LIST_AGAIN_MS));
        if self.ui.screen == Screen::Releases && old {
            self.list();
        }
    }

    fn follow_up(&mut self, did: Did) -> Todo {
        match did {
            Did::Nothing => {}
            Did::Leave => return Todo::Leave,
            Did::Suspend => return Todo::Suspend,
            Did::Repaint => return Todo::Repaint,
            Did::Copy { what, text } => return Todo::Copy { what, text },
            Did::Mouse(on) => {
                self.ui.mouse = on;
                let says = if on {
                    "the mouse is the cockpit's; m leaves it to the terminal, to select text"
                } else {
                    "the mouse is the terminal's: select text as usual; m takes it back"
                };
                self.ui.say(Role::Dim, says);
                return Todo::Mouse(on);
            }
            Did::Search(way) => self.search(|log, handle| log.search(handle, way)),
            Did::SearchError(way) => self.search(|log, handle| log.search_error(handle, way)),
            Did::Ask { ask, seen } => self.ask(ask, seen),
            Did::Raw { step, finding } => self.raw(step, *finding),
            Did::Replay(action) => match self.player.as_mut().map(|player| player.act(action)) {
                Some(played) => self.played(&played),
                None => self.ui.not_here(action),
            },
            Did::ListReleases => self.list(),
            Did::ReadPolicy => self.read_policy(),
            Did::Open(id) => self.open(id),
            Did::Compare(a, b) => self.compare(a, b),
        }
        Todo::Nothing
    }

    fn search(
        &mut self,
        find: impl FnOnce(&mut super::log_view::LogView, &Handle) -> Result<(), Clean>,
    ) {
        if let Err(why) = find(&mut self.ui.log, &self.handle) {
            self.ui.refuse(&why);
        }
    }

    /// Says what went to the clipboard.
    pub(super) fn copied(&mut self, what: &str, bytes: usize, of: usize) {
        let cut = if bytes < of { ", cut to what terminals take" } else { "" };
        self.ui.say(Role::Done, &format!("✔ {what} went to the terminal's clipboard{cut}"));
    }

    /// Asks on a task of its own: keys go on while the engine records.
    fn ask(&mut self, ask: Ask, seen: Option<Seq>) {
        let word = ask.word();
        tracing::info!(ask = word, "asked");
        let command = Command { by: self.principal.clone(), seen, ask };
        let handle = self.handle.clone();
        self.ui.asking = Some(word);
        self.asking += 1;
        self.work.spawn(async move { Done::Asked(word, handle.ask(command).await) });
    }

    /// Reads the list of releases, beside the keys.
    fn list(&mut self) {
        let Some(library) = self.library.clone() else {
            let why = Clean::new("this cockpit was given no way to the other releases");
            return self.ui.releases.learn(Err(why), self.ui.now_ms);
        };
        if !self.ui.releases.reading {
            self.ui.releases.reading = true;
            self.work.spawn_blocking(move || Done::Listed(library.list()));
        }
    }

    /// Reads the reports of the findings screen whole, beside the keys.
    fn triage(&mut self) {
        if self.ui.screen != Screen::Findings {
            return;
        }
        for wanted in self.ui.findings.wants() {
            let (handle, release) = (self.handle.clone(), self.snapshot().release.clone());
            self.work.spawn_blocking(move || {
                let read = handle.triage(&release, &wanted.0);
                Done::Triaged(wanted, Box::new(read))
            });
        }
    }

    fn raw(&mut self, step: StepId, finding: Finding) {
        let (handle, release) = (self.handle.clone(), self.snapshot().release.clone());
        let title = Clean::new(&format!("{} report of {step}, secrets masked", finding.tool));
        self.work.spawn_blocking(move || Done::Raw(title, handle.raw(&release, &step, &finding)));
    }

    fn read_policy(&mut self) {
        let Some(library) = self.library.clone() else {
            let why = "this cockpit was given no way to the policy; gonogo policy, in a shell, has";
            return self.ui.refuse(&Clean::new(why));
        };
        let reading = library.policy(self.snapshot().release.clone());
        self.ui.say(Role::Running, "reading the policy …");
        self.work.spawn(async move { Done::Policy(Box::new(reading.await)) });
    }

    /// Asks whether to judge by a policy that was read; or says why that cannot be.
    fn ask_about(&mut self, read: Result<(Policy, Clean), Clean>) {
        let own = self.follower.snapshot().release.policy();
        let form = read.and_then(|(changed, from)| {
            let own = own.ok_or_else(|| Clean::new("the release has not started yet"))?;
            PolicyForm::new(own, changed, from).map_err(|why| Clean::new(&why))
        });
        match form {
            Ok(form) => {
                self.ui.status = None;
                self.ui.open(Popup::Policy(Box::new(form)));
            }
            Err(why) => self.ui.refuse(&why),
        }
    }

    fn compare(&mut self, a: ReleaseId, b: ReleaseId) {
        let Some(library) = self.library.clone() else { return };
        self.work.spawn_blocking(move || {
            let both = library.read(&a).and_then(|a| Ok((a, library.read(&b)?)));
            Done::Read(Box::new(both))
        });
    }

    fn open(&mut self, id: ReleaseId) {
        if id == *self.home.0.release() {
            let (handle, database) = self.home.clone();
            return self.sit_down_at(handle, database);
        }
        let Some(library) = self.library.clone() else { return };
        self.ui.say(Role::Running, &format!("opening {id} …"));
        self.work.spawn(async move { Done::Opened(library.open(id).await) });
    }

    /// Shows another release on this screen. What was armed for the one before is not for this.
    fn sit_down_at(&mut self, handle: Handle, database: String) {
        tracing::info!(release = %handle.release(), "shown");
        self.follower = handle.follow();
        self.handle = handle;
        self.ui.who.database = database;
        self.ui.leave_release();
        self.arrive();
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let ui = &mut self.ui;
        match done {
            Ok(Done::Asked(word, answer)) => {
                self.asking = self.asking.saturating_sub(1);
                ui.asking = None;
                match answer {
                    Ok(()) => ui.say(Role::Done, &format!("✔ {word}: recorded")),
                    Err(why) => {
                        tracing::warn!(ask = word, %why, "refused");
                        ui.say(Role::Failed, &format!("✖ {word} refused: {why}"));
                    }
                }
            }
            Ok(Done::Listed(answer)) => {
                if let Err(why) = &answer {
                    tracing::warn!(%why, "the releases cannot be listed");
                }
                ui.releases.learn(answer, ui.now_ms);
            }
            Ok(Done::Triaged(of, read)) => ui.findings.take_in(of, *read),
            Ok(Done::Raw(title, Ok(Raw { lines, at }))) => {
                let (lines, top) = (Arc::new(lines), at.saturating_sub(3));
                ui.open(Popup::Raw { title, lines, at, top });
            }
            Ok(Done::Raw(_, Err(why))) => ui.refuse(&why),
            Ok(Done::Policy(read)) => self.ask_about(*read),
            Ok(Done::Opened(Ok(handle))) => self.sit_down_at(handle, String::new()),
            Ok(Done::Opened(Err(why))) => {
                tracing::warn!(%why, "a release cannot be opened");
                ui.refuse(&why);
            }
            Ok(Done::Read(pair)) => match *pair {
                Ok(pair) => ui.releases.compare(pair),
                Err(why) => ui.refuse(&why),
            },
            Err(error) => {
                self.asking = 0;
                ui.asking = None;
                ui.releases.reading = false;
                ui.say(Role::Failed, &format!("✖ the answer was lost: {error}"));
            }
        }
    }

    /// Whether something was asked and not answered.
    pub(super) fn is_asking(&self) -> bool {
        self.asking > 0
    }

    /// How many answers are on their way, of the engine and of the folder of releases.
    pub(super) fn awaited(&self) -> usize {
        self.work.len()
    }

    /// Waits for the engine: news, or an answer. Never ends where neither can come.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            () = self.follower.changed() => {}
            Some(done) = self.work.join_next() => self.done(done),
        }
    }

    /// Whether the log that is shown may get more lines, and they are to be seen at once.
    pub(super) fn follows_a_log(&self) -> bool {
        let shown = self.ui.log.step().filter(|_| self.ui.log.follow);
        let step = shown.and_then(|id| self.snapshot().release.steps.get(&id));
        self.ui.screen == Screen::Release
            && step.is_some_and(|step| step.status == StepStatus::Running)
    }

    /// Whether the log that is shown has lines that are not on the screen.
    pub(super) fn log_has_grown(&self) -> bool {
        self.ui.log.has_grown(&self.handle)
    }

    /// In how many milliseconds the screen looks different although nothing happened.
    pub(super) fn ages_in_ms(&self) -> Option<u64> {
        let snapshot = self.snapshot();
        if self.player.as_ref().is_some_and(Player::is_playing) {
            return Some(100);
        }
        if matches!(self.ui.popup, Some(Popup::CountDown { .. })) {
            return Some(100);
        }
        if !self.ui.pressed.is_empty() && !self.ui.shows_sequence() {
            let since = self.ui.now_ms.saturating_sub(self.ui.pressed_since_ms);
            return Some(WHICH_KEY_MS.saturating_sub(since).max(1));
        }
        match self.ui.screen {
            Screen::OwnLog => return Some(500),
            Screen::Releases => return Some(1000),
            Screen::Release
            | Screen::Gate
            | Screen::Monitor
            | Screen::WayBack
            | Screen::Restore
            | Screen::Timeline
            | Screen::Findings => {}
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
        let mut drawing = Drawing::new(frame.area());
        self.paint(&mut drawing);
        drawing.render(frame.buffer_mut());
    }

    pub(super) fn paint(&self, drawing: &mut Drawing) {
        paint(drawing, self.snapshot(), &self.ui, &self.theme);
    }
}
