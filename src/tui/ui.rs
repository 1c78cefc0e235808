//! What belongs to one screen and is forgotten with it: where the cursor is, what is open, whether
//! the session is armed. Never journaled, never shared.

use std::collections::VecDeque;
use std::sync::Arc;

use super::action::{Action, refused};
use super::keys::{Chord, Keymap, Mode};
use super::layout;
use super::log_view::LogView;
use super::pods::Pods;
use super::popup::{self, Popup};
use super::replay::Bar;
use super::screen::findings::Findings;
use super::screen::own_log::{self, OwnLog};
use super::screen::releases::Releases;
use super::screen::{self, Screen};
use super::theme::Role;
use super::timeline::Timeline;
use crate::engine::handle::{Link, Snapshot};
use crate::release::{
    Clean, Hold, Person, Release, Seq, Slot, SlotSample, StageId, StepId, StepStatus, permit,
};

/// How long an armed session stays armed, in milliseconds.
pub(super) const ARMED_MS: u64 = 10 * 60 * 1000;
/// Keys that were on their way when a popup opened were not meant for it (F60), in milliseconds.
pub(super) const UNMEANT_MS: u64 = 300;
/// An unfinished sequence is helped on after this long, in milliseconds.
pub(super) const WHICH_KEY_MS: u64 = 300;
/// Good news stands in the footer for so long, in milliseconds.
const GOOD_NEWS_MS: u64 = 6000;
/// Samples that a slot's history keeps.
const HISTORY: usize = 240;

/// The state of one cockpit's screen.
#[derive(Clone, Debug)]
pub struct Ui {
    /// The operator's own clock, in milliseconds; never scaled.
    pub(super) now_ms: u64,
    pub(super) size: (u16, u16),
    pub(super) keymap: Arc<Keymap>,
    pub(super) who: Who,
    pub(super) screen: Screen,
    pub(super) focus: Pane,
    pub(super) zoom: bool,
    /// The first row shown of a screen that is longer than its place.
    pub(super) top: usize,
    /// The chosen row of the stages; none follows what happens.
    pub(super) cursor: Option<Row>,
    pub(super) log: LogView,
    pub(super) timeline: Timeline,
    pub(super) findings: Findings,
    pub(super) releases: Releases,
    pub(super) own_log: OwnLog,
    pub(super) history: History,
    pub(super) pods: Pods,
    pub(super) popup: Option<Popup>,
    /// When the popup was first on the screen; none until then.
    pub(super) popup_since_ms: Option<u64>,
    /// Keys of a sequence that has not come to its end, and since when.
    pub(super) pressed: Vec<Chord>,
    pub(super) pressed_since_ms: u64,
    /// The last click, and where.
    pub(super) clicked: Option<(u64, (u16, u16))>,
    /// Whether clicks and the wheel come here; otherwise the terminal selects text.
    pub(super) mouse: bool,
    pub(super) armed_until_ms: Option<u64>,
    /// What the last key came to, until the next one.
    pub(super) status: Option<(Role, Clean)>,
    status_since_ms: u64,
    /// Ctrl-C was pressed, and a second one detaches.
    pub(super) leaving_since_ms: Option<u64>,
    /// What was asked and has not been answered.
    pub(super) asking: Option<&'static str>,
    /// Where a replay is; none where an engine is.
    pub(super) replay: Option<Bar>,
}

/// Who sits before the screen, and what they may.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) person: Option<Person>,
    pub(super) can_arm: bool,
    /// The database's name, which is typed before a restore.
    pub(super) database: String,
}

/// The panes that can have the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pane {
    Stages,
    #[default]
    Log,
    Pods,
    Levels,
    Watch,
}

impl Pane {
    pub(super) const ALL: [Self; 5] =
        [Self::Stages, Self::Log, Self::Pods, Self::Levels, Self::Watch];
}

/// A row of the stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Stage(StageId),
    Step(StepId),
}

/// The last samples of both slots, for the small curves.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: VecDeque<SlotSample>,
    newest_ms: Option<i64>,
}

impl History {
    /// Takes in the newest sample, once.
    pub fn learn(&mut self, snapshot: &Snapshot) {
        let telemetry = &snapshot.live.telemetry;
        if telemetry.samples_at_ms.is_none() || telemetry.samples_at_ms == self.newest_ms {
            return;
        }
        self.newest_ms = telemetry.samples_at_ms;
        self.samples.extend(telemetry.samples.iter().copied());
        let over = self.samples.len().saturating_sub(HISTORY);
        self.samples.drain(..over);
    }

    /// The newest `count` samples of a slot, oldest first.
    pub(super) fn of(&self, slot: Slot, count: usize) -> Vec<SlotSample> {
        let own = self.samples.iter().rev().filter(|sample| sample.slot == slot);
        let mut own: Vec<SlotSample> = own.take(count).copied().collect();
        own.reverse();
        own
    }
}

impl Ui {
    /// A fresh screen of `size` columns and rows.
    pub(super) fn new(who: Who, keymap: Arc<Keymap>, size: (u16, u16)) -> Self {
        Self {
            now_ms: 0,
            size,
            keymap,
            who,
            screen: Screen::default(),
            focus: Pane::default(),
            zoom: false,
            top: 0,
            cursor: None,
            log: LogView::default(),
            timeline: Timeline::default(),
            findings: Findings::default(),
            releases: Releases::default(),
            own_log: OwnLog::default(),
            history: History::default(),
            pods: Pods::default(),
            popup: None,
            popup_since_ms: None,
            pressed: Vec::new(),
            pressed_since_ms: 0,
            clicked: None,
            mouse: true,
            armed_until_ms: None,
            status: None,
            status_since_ms: 0,
            leaving_since_ms: None,
            asking: None,
            replay: None,
        }
    }

    /// A screen for somebody who may arm, for tests and pictures.
    pub fn preview(size: (u16, u16)) -> Self {
        let who = Who { person: None, can_arm: true, database: "shop".to_owned() };
        Self::new(who, Arc::new(Keymap::shipped()), size)
    }

    /// Takes in what is new in the snapshot: the timeline's sentences, the curves' samples, which
    /// log is shown.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        self.timeline.learn(&snapshot.release.id, &snapshot.records);
        self.history.learn(snapshot);
        self.findings.learn(snapshot);
        match self.screen {
            // It costs as much as reading the journal, so it is done for who looks at it.
            Screen::Timeline => self.timeline.chain.check(&snapshot.records),
            Screen::OwnLog => own_log::learn(),
            Screen::Release
            | Screen::Gate
            | Screen::Monitor
            | Screen::WayBack
            | Screen::Restore
            | Screen::Findings
            | Screen::Releases => {}
        }
        self.pods.learn(&snapshot.live, usize::from(self.size.1));
        let (rows, columns) = layout::log_size(snapshot, self);
        let chosen = chosen_step(self, &snapshot.release);
        self.log.choose(chosen.as_ref().and_then(|id| snapshot.release.step_key(id)));
        let replayed = chosen.filter(|_| self.replay.is_some());
        self.log.until_ms = replayed.and_then(|id| {
            let step = snapshot.release.steps.get(&id).filter(|step| step.end.is_none())?;
            Some(snapshot.release.elapsed_ms(snapshot.now).saturating_sub(step.started_ms?))
        });
        self.log.resize(rows, columns);
        self.drop_outdated(snapshot);
        if self.top > 0 {
            self.top = self.top.min(screen::last_top(self, snapshot));
        }
    }

    /// Closes a question that the release has answered in the meantime.
    fn drop_outdated(&mut self, snapshot: &Snapshot) {
        let Some(Popup::Confirm { ask, .. } | Popup::CountDown { ask, .. }) = &self.popup else {
            return;
        };
        if let Err(why) = permit(&snapshot.release, ask) {
            let text = format!("the question is over, nothing was asked: {why}");
            self.close();
            self.say(Role::Warn, &text);
        }
    }

    /// Shows a whole screen, from its top.
    pub(super) fn go(&mut self, screen: Screen) {
        self.screen = screen;
        self.zoom = false;
        self.top = 0;
    }

    /// Where the keys that are pressed now count, the nearest first.
    pub(super) fn modes(&self) -> Vec<Mode> {
        let replay = self.replay.is_some().then_some(Mode::Replay);
        replay.into_iter().chain([self.screen.mode(), Mode::Everywhere]).collect()
    }

    pub(super) fn can_arm(&self) -> bool {
        self.who.can_arm
    }

    pub(super) fn is_armed(&self) -> bool {
        self.armed_until_ms.is_some_and(|until| until > self.now_ms)
    }

    /// Opens a popup. Keys already on their way are not for it.
    pub(super) fn open(&mut self, popup: Popup) {
        let before = popup::stands_on(self);
        self.popup = Some(popup);
        let now = popup::stands_on(self);
        if now.is_some_and(|screen| before.unwrap_or(self.screen) != screen) {
            // A screen that was not shown before is read from its top.
            self.top = 0;
        }
        self.popup_since_ms = None;
        self.pressed.clear();
    }

    /// The last frame is on the screen: who sees a popup can mean it.
    pub(super) fn painted(&mut self) {
        if self.popup.is_some() && self.popup_since_ms.is_none() {
            self.popup_since_ms = Some(self.now_ms);
        }
    }

    pub(super) fn close(&mut self) {
        self.popup = None;
    }

    /// Whether an open popup does not take keys yet. What only looks, or only takes words, takes
    /// them at once.
    pub(super) fn is_deaf(&self) -> bool {
        let meant = |since: u64| self.now_ms >= since.saturating_add(UNMEANT_MS);
        self.popup.as_ref().is_some_and(Popup::is_a_question)
            && !self.popup_since_ms.is_some_and(meant)
    }

    /// Whether the keys that could go on are shown by now.
    pub(super) fn shows_sequence(&self) -> bool {
        !self.pressed.is_empty()
            && self.popup.is_none()
            && self.now_ms >= self.pressed_since_ms.saturating_add(WHICH_KEY_MS)
    }

    /// Says that the shown screen does not know an action.
    pub(super) fn not_here(&mut self, action: Action) {
        self.say(Role::Dim, &format!("{} means nothing on this screen", action.name()));
    }

    /// Forgets what belonged to the release that was shown, for another one.
    pub(super) fn leave_release(&mut self) {
        (self.screen, self.focus, self.zoom, self.top) = <_>::default();
        (self.cursor, self.popup, self.armed_until_ms, self.status) = <_>::default();
        (self.log, self.timeline, self.findings, self.history) = <_>::default();
    }

    /// Goes to the log of a step.
    pub(super) fn show_log_of(&mut self, step: StepId) {
        self.screen = Screen::Release;
        self.focus = Pane::Log;
        self.cursor = Some(Row::Step(step));
    }

    pub(super) fn say(&mut self, role: Role, text: &str) {
        self.status = Some((role, Clean::new(text)));
        self.status_since_ms = self.now_ms;
    }

    pub(super) fn refuse(&mut self, why: &Clean) {
        self.say(Role::Warn, why.as_str());
    }

    /// What the last key came to, while it is worth the place of the keys: a refusal stays until
    /// the next key, good news does not.
    pub(super) fn status(&self) -> Option<&(Role, Clean)> {
        let old = self.now_ms >= self.status_since_ms.saturating_add(GOOD_NEWS_MS);
        self.status.as_ref().filter(|(role, _)| !old || !matches!(role, Role::Done | Role::Dim))
    }

    /// Opens a popup for an action unless the release does not permit it now.
    pub(super) fn open_for(&mut self, action: Action, snapshot: &Snapshot, popup: Popup) {
        match refused(action, snapshot) {
            Some(why) => self.refuse(&why),
            None => self.open(popup),
        }
    }
}

/// What is on the screen, and thus what a decision is made on.
pub(super) fn seen(snapshot: &Snapshot) -> Option<Seq> {
    snapshot.release.head
}

/// Whether the picture may be old as a whole.
pub(super) fn is_cut_off(snapshot: &Snapshot) -> bool {
    match snapshot.link {
        Link::Live => false,
        Link::Closed => snapshot.release.result.is_none(),
        Link::Lost { .. } => true,
    }
}

/// Whether the release goes on without this cockpit: a rehearsal ends with the one it was started
/// in, and a replay is over already.
pub(super) fn goes_on(snapshot: &Snapshot) -> bool {
    let start = snapshot.release.start.as_deref();
    start.is_none_or(|start| start.rehearsal.is_none()) && snapshot.release.result.is_none()
}

/// The stage that the release is at: the first planned one that is not go; the last after that.
pub(super) fn current_stage(release: &Release) -> Option<usize> {
    let planned = |index: &usize| release.stages.get(*index).is_some_and(|stage| stage.planned);
    let mut all = 0..release.stages.len();
    all.clone()
        .find(|index| planned(index) && !release.stage_is_go(*index))
        .or_else(|| all.rfind(planned))
}

/// The stage whose steps are shown: of the cursor, else the current one.
pub(super) fn open_stage(ui: &Ui, release: &Release) -> Option<usize> {
    let plan = release.plan()?;
    match &ui.cursor {
        Some(Row::Stage(id)) => plan.stage_index(id),
        Some(Row::Step(id)) => plan.stage_of(id),
        None => current_stage(release),
    }
}

/// The rows of the stages as they are shown: all stages, and the steps of the open one.
pub(super) fn stage_rows(ui: &Ui, release: &Release) -> Vec<Row> {
    let Some(plan) = release.plan() else { return Vec::new() };
    let open = open_stage(ui, release);
    let mut rows = Vec::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        rows.push(Row::Stage(stage.id.clone()));
        if open == Some(index) {
            rows.extend(stage.steps.iter().map(|step| Row::Step(step.id.clone())));
        }
    }
    rows
}

/// Where the cursor stands among the rows of the stages, and the first row of their window.
pub(super) fn stage_window(
    ui: &Ui,
    release: &Release,
    rows: &[Row],
    height: usize,
) -> (usize, usize) {
    let shown = chosen_step(ui, release).map(Row::Step);
    let cursor = ui.cursor.as_ref().or(shown.as_ref());
    let at = rows.iter().position(|row| Some(row) == cursor).unwrap_or(0);
    (at, (at + height / 3 + 1).min(rows.len()).saturating_sub(height))
}

/// Rows that a page of a list has, about.
pub(super) fn page_rows(ui: &Ui) -> usize {
    usize::from(ui.size.1.saturating_sub(10)).max(1)
}

/// The step whose log and details are shown.
pub(super) fn chosen_step(ui: &Ui, release: &Release) -> Option<StepId> {
    match &ui.cursor {
        Some(Row::Step(id)) => Some(id.clone()),
        Some(Row::Stage(id)) => {
            let index = release.plan()?.stage_index(id)?;
            of_interest(release, Some(index))
        }
        None => {
            // Steps that run side by side must not take the pane from each other.
            let shown = ui.log.step().filter(|id| {
                release.steps.get(id).is_some_and(|state| state.status == StepStatus::Running)
            });
            let held = match release.hold.as_ref().map(|held| &held.hold) {
                Some(Hold::StepFailed { step, .. }) => Some(step.clone()),
                Some(Hold::Failed { stage, .. }) => failed_of(release, stage),
                _ => None,
            };
            held.or(shown).or_else(|| of_interest(release, None))
        }
    }
}

/// The first step of a stage that failed: why it is held.
fn failed_of(release: &Release, stage: &StageId) -> Option<StepId> {
    let mut steps = release.plan()?.stage(stage)?.steps.iter().map(|step| &step.id);
    let failed = |id: &&StepId| {
        release.steps.get(*id).is_some_and(|state| state.status == StepStatus::Failed)
    };
    steps.find(failed).cloned()
}

/// What runs, newest first; else what failed or ended last.
fn of_interest(release: &Release, within: Option<usize>) -> Option<StepId> {
    let plan = release.plan()?;
    let steps = plan.steps().filter(|step| match within {
        Some(index) => plan.stage_of(&step.id) == Some(index),
        None => true,
    });
    let rank = |id: &StepId| {
        let state = release.steps.get(id);
        let running = state.is_some_and(|state| state.status == StepStatus::Running);
        let at = state.and_then(|state| if running { state.started_ms } else { state.ended_ms });
        (running, at)
    };
    let best = steps.map(|step| &step.id).max_by_key(|id| rank(id))?;
    Some(best.clone())
}
