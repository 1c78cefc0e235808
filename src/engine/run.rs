//! The loop. Everything that happens to a release passes through here, one batch after the other.
//!
//! The release in memory runs ahead of the disk by the batch in hand; nothing is started and
//! nothing is published before that batch is on disk. The one exception is the way back: a
//! rollback goes on when nothing can be recorded any more (DESIGN section 6).
//!
//! On a full disk nothing is begun: what would begin something is dropped and chosen again when
//! there is room, while outcomes, votes and the way back go on into the journal's reserve (F5, F6).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::feed::{Feed, Link, Live, Vitals};
use super::flight::{Flights, LiveNews};
use super::handle::{Envelope, Handle};
use crate::journal::shelf::Weight;
use crate::journal::{AppendError, Journal, Repair};
use crate::release::{
    Ask, Clean, Command, Doubt, Effect, Event, Input, Opened, Principal, Record, Refusal, Release,
    Timer, Timestamp, Way, broken, decide, due, owed,
};
use crate::world::World;

/// How many inputs may wait; a sender of more waits itself.
const INPUTS: usize = 1024;
/// How long after a full disk the next try comes, unasked.
const RETRY: Duration = Duration::from_secs(5);
/// An append that took longer than this is shown as slow (fault F13), in milliseconds.
const SLOW_MS: u64 = 1000;

/// What an engine starts from.
pub struct Launch {
    pub world: Arc<World>,
    pub journal: Journal,
    /// The records that the journal held when it was opened.
    pub past: Vec<Record>,
    pub repair: Repair,
    pub opened: Opened,
    /// The folder of the steps' logs.
    pub steps: PathBuf,
    /// Who guards the release, for the undo line.
    pub guard: Clean,
}

/// Why an engine could not go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Somebody else wrote the journal; this engine's picture is not the release any more.
    #[error("another engine drives this release now: {0}")]
    Overtaken(String),
    /// The journal took not even the first record.
    #[error("failed to record the start of the session: {0}")]
    Unrecorded(String),
}

/// One release and everything it is driven with.
pub struct Engine {
    world: Arc<World>,
    journal: Journal,
    release: Release,
    feed: Arc<Feed>,
    live: Live,
    flights: Flights,
    opened: Option<Opened>,
    asks: mpsc::Receiver<Envelope>,
    answers: mpsc::Receiver<Input>,
    news: mpsc::Receiver<LiveNews>,
    /// Chosen and applied, but not on disk yet.
    unrecorded: Vec<(Principal, Event)>,
    recording: Recording,
    /// The invariant that was about to be broken, as the operator reads it (I30).
    stopped: Option<Clean>,
}

/// Whether the journal takes records.
#[derive(Clone)]
enum Recording {
    Works,
    /// The disk is full: tried again.
    Full(Clean),
    /// The journal failed for good: never tried again (fault F4).
    Dead(Clean),
}

/// Builds an engine and the handle to it. The handle works as soon as [`Engine::run`] runs.
pub fn launch(launch: Launch) -> (Handle, Engine) {
    let Launch { world, journal, past, repair, opened, steps, guard } = launch;
    let (asks_in, asks) = mpsc::channel(INPUTS);
    let (answers_in, answers) = mpsc::channel(INPUTS);
    let (news_in, news) = mpsc::channel(INPUTS);
    let feed = Feed::new();
    let mut release = Release::new(journal.release().clone());
    for record in &past {
        release.apply(record);
    }
    release.epoch = release.epoch.max(journal.epoch());
    feed.publish(past.into_iter().map(Arc::new));
    let vitals = Vitals { guard, notes: repair.notes(), ..Vitals::default() };
    let id = release.id.clone();
    let handle = Handle::new(id, asks_in, Arc::clone(&feed), world.clock.clone(), steps);
    let engine = Engine {
        flights: Flights::new(Arc::clone(&world), answers_in, news_in),
        world,
        journal,
        release,
        feed,
        live: Live { vitals, ..Live::default() },
        opened: Some(opened),
        asks,
        answers,
        news,
        unrecorded: Vec::new(),
        recording: Recording::Works,
        stopped: None,
    };
    (handle, engine)
}

/// What woke the loop.
enum Wake {
    Ask(Envelope),
    Answer(Input),
    News(LiveNews),
    Timer,
    /// Nobody can ask any more: every handle is gone.
    Alone,
}

impl Engine {
    /// Drives the release until it has ended, nothing is owed any more and nobody looks on.
    pub async fn run(mut self) -> Result<Release, EngineError> {
        if let Some(opened) = self.opened.take() {
            self.take(vec![Envelope { input: Input::Opened(opened), reply: None }]).await?;
            // With a full disk the reserve takes the session of a release that has begun, so that
            // its way back stays open.
            let begun = self.release.start.is_some() && self.unrecorded.is_empty();
            match &self.recording {
                Recording::Full(why) if !begun => {
                    return Err(EngineError::Unrecorded(why.to_string()));
                }
                Recording::Dead(why) => return Err(EngineError::Unrecorded(why.to_string())),
                Recording::Works | Recording::Full(_) => {}
            }
        }
        self.flights.watch();
        let mut alone = false;
        loop {
            self.start_what_is_owed();
            if alone && self.is_over() {
                break;
            }
            match self.wait(alone).await {
                Wake::Alone => alone = true,
                Wake::Ask(first) => {
                    let batch = self.drain(first);
                    self.take(batch).await?;
                }
                Wake::Answer(input) => {
                    let batch = self.drain(Envelope { input, reply: None });
                    self.take(batch).await?;
                }
                Wake::News(news) => self.show(news),
                Wake::Timer => {
                    // A timer that is not due changes nothing by itself; what the rules wanted
                    // and the full disk could not take is chosen again.
                    let timer = due(&self.release).map_or(Timer::RetryWindowEnds, |due| due.timer);
                    self.take(vec![Envelope { input: Input::Due(timer), reply: None }]).await?;
                }
            }
        }
        self.flights.settle().await;
        self.feed.link(Link::Closed);
        Ok(self.release)
    }

    fn is_over(&self) -> bool {
        self.release.result.is_some() && self.flights.is_empty() && owed(&self.release).is_empty()
    }

    async fn wait(&mut self, alone: bool) -> Wake {
        let now = self.world.clock.now();
        let due = due(&self.release).map(|due| due.boot_ms(&self.release, now));
        let retry = matches!(self.recording, Recording::Full(_))
            .then(|| now.boot_ms.saturating_add(u64::try_from(RETRY.as_millis()).unwrap_or(0)));
        let timer = [due, retry].into_iter().flatten().min();
        let clock = self.world.clock.clone();
        let timer = async move {
            match timer {
                Some(boot_ms) => clock.sleep_until(boot_ms).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ask = self.asks.recv(), if !alone => ask.map_or(Wake::Alone, Wake::Ask),
            Some(input) = self.answers.recv() => Wake::Answer(input),
            Some(news) = self.news.recv() => Wake::News(news),
            () = timer => Wake::Timer,
        }
    }

    /// Everything that waits joins one batch, so that it costs one fsync.
    fn drain(&mut self, first: Envelope) -> Vec<Envelope> {
        let mut batch = vec![first];
        while let Ok(envelope) = self.asks.try_recv() {
            batch.push(envelope);
        }
        while let Ok(input) = self.answers.try_recv() {
            batch.push(Envelope { input, reply: None });
        }
        batch
    }

    /// Decides a batch, records it, publishes it, and answers those who asked.
    async fn take(&mut self, batch: Vec<Envelope>) -> Result<(), EngineError> {
        let at = self.world.clock.now();
        for Envelope { input, .. } in &batch {
            if let Input::Answered(key, _) | Input::Observed(key, _) = input {
                self.flights.landed(key);
                self.live.progress.remove(&key.to_string());
            }
        }
        let before = self.mark();
        let mut answers: Vec<_> =
            batch.iter().map(|envelope| self.choose(envelope.input.clone(), at)).collect();
        self.record(at).await?;
        if let Recording::Full(why) = self.recording.clone() {
            // Together there was no room. One by one, all finds room that begins nothing.
            self.back_to(before);
            answers.clear();
            let mut wanting = false;
            for envelope in &batch {
                let answer = self.choose_frugally(&envelope.input, at, &why, &mut wanting);
                answers.push(answer.await?);
            }
            if wanting && matches!(self.recording, Recording::Works) {
                self.recording = Recording::Full(why);
            }
        }
        self.show_recording();
        for (Envelope { input, reply }, answer) in batch.into_iter().zip(answers) {
            let answer = answer.and_then(|()| self.was_recorded(&input));
            // Whoever asked may have left; what was recorded stands.
            let _ = reply.map(|reply| reply.send(answer));
        }
        Ok(())
    }

    /// Whether an ask that was not refused stands on disk, or is the one that need not.
    fn was_recorded(&self, input: &Input) -> Result<(), Refusal> {
        match (&self.recording, input) {
            (Recording::Dead(why), Input::Asked(Command { ask, .. })) if !is_way_back(ask) => {
                Err(Refusal::CannotRecord { why: why.clone() })
            }
            _ => Ok(()),
        }
    }

    fn choose(&mut self, input: Input, at: Timestamp) -> Result<(), Refusal> {
        let by = match &input {
            Input::Asked(command) => {
                self.may_be_recorded(&command.ask)?;
                command.by.clone()
            }
            Input::Opened(opened) => opened.by.clone(),
            _ => Principal::engine(),
        };
        let events = decide(&self.release, input, at)?;
        for (index, event) in events.into_iter().enumerate() {
            // The first event is the asker's, or the starter's; what follows is gonogo's own.
            let by = if index == 0 { by.clone() } else { Principal::engine() };
            let record = self.release.foreseen(&by, event, at);
            if let Some((invariant, what)) = broken(&self.release, &record).into_iter().next() {
                self.stop(invariant, &what, &record);
                // The way back is never barred.
                if Weight::of(&record.event) != Weight::WayBack {
                    return self.stopped.clone().map_or(Ok(()), |why| Err(Refusal::NotNow { why }));
                }
            }
            self.release.apply(&record);
            self.unrecorded.push((by, record.event));
        }
        Ok(())
    }

    /// A fault of ours: from here on nothing is begun, and the watch and the way back go on (I30).
    fn stop(&mut self, invariant: &str, what: &str, record: &Record) {
        let (seq, kind) = (record.seq, record.event.kind());
        let why = format!(
            "INVARIANT {invariant} would break at record {seq} ({kind}): {what}; driving stopped, \
             watching and rolling back go on"
        );
        tracing::error!("{why}");
        self.stopped.get_or_insert(Clean::new(&why));
    }

    /// Chooses with hardly any room: records what begins nothing, and drops the rest, which is
    /// `wanting` then. An ask of which nothing can be recorded is refused; a rollback never is.
    async fn choose_frugally(
        &mut self,
        input: &Input,
        at: Timestamp,
        why: &Clean,
        wanting: &mut bool,
    ) -> Result<Result<(), Refusal>, EngineError> {
        let before = self.mark();
        if let Err(refusal) = self.choose(input.clone(), at) {
            return Ok(Err(refusal));
        }
        let mut chosen = self.unrecorded.split_off(before.1);
        let is_intent = |(_, event): &(_, Event)| Weight::of(event) == Weight::Intent;
        let asked = matches!(input, Input::Asked(Command { ask, .. }) if !is_way_back(ask));
        let refusal = Err(Refusal::CannotRecord { why: why.clone() });
        if let Some(cut) = chosen.iter().position(is_intent) {
            self.release = before.0.clone();
            if asked && cut == 0 {
                return Ok(refusal);
            }
            *wanting = true;
            chosen.truncate(cut);
            for (by, event) in &chosen {
                self.release.foresee(by, event.clone(), at);
            }
        }
        self.unrecorded.extend(chosen);
        self.record(at).await?;
        if asked && matches!(self.recording, Recording::Full(_)) {
            self.back_to(before);
            return Ok(refusal);
        }
        Ok(Ok(()))
    }

    /// The release and how much of it is not on disk, to come back to.
    fn mark(&self) -> (Release, usize) {
        (self.release.clone(), self.unrecorded.len())
    }

    fn back_to(&mut self, (release, unrecorded): (Release, usize)) {
        self.release = release;
        self.unrecorded.truncate(unrecorded);
    }

    /// With a journal that takes nothing ever again, only the way back stays open.
    fn may_be_recorded(&self, ask: &Ask) -> Result<(), Refusal> {
        if is_way_back(ask) {
            return Ok(());
        }
        if let Some(why) = self.stopped.clone() {
            return Err(Refusal::NotNow { why });
        }
        match &self.recording {
            Recording::Works | Recording::Full(_) => Ok(()),
            Recording::Dead(why) => Err(Refusal::CannotRecord { why: why.clone() }),
        }
    }

    async fn record(&mut self, at: Timestamp) -> Result<(), EngineError> {
        if self.unrecorded.is_empty() {
            // Nothing waits for room any more.
            if matches!(self.recording, Recording::Full(_)) {
                self.recording = Recording::Works;
            }
            return Ok(());
        }
        if matches!(self.recording, Recording::Dead(_)) {
            return Ok(());
        }
        match self.journal.append(self.unrecorded.clone(), at).await {
            Ok(records) => {
                self.unrecorded.clear();
                self.recording = Recording::Works;
                self.feed.publish(records.into_iter().map(Arc::new));
            }
            Err(AppendError::Conflict(why)) => {
                self.feed.link(Link::Closed);
                return Err(EngineError::Overtaken(why.to_string()));
            }
            Err(error @ AppendError::Full(_)) => {
                tracing::error!(%error, "the journal takes nothing now");
                self.recording = Recording::Full(Clean::new(&error.to_string()));
            }
            Err(error) => {
                tracing::error!(%error, "the journal takes nothing any more");
                self.recording = Recording::Dead(Clean::new(&error.to_string()));
            }
        }
        Ok(())
    }

    /// Says how it stands with the journal, where people look.
    fn show_recording(&mut self) {
        // The disk's own time: a rehearsal's clock runs faster than any disk.
        let took_ms = u64::try_from(self.journal.last_sync().as_millis()).unwrap_or(u64::MAX);
        self.live.vitals.journal_slow_ms = (took_ms >= SLOW_MS).then_some(took_ms);
        self.live.vitals.journal_error = match &self.recording {
            Recording::Works => self.stopped.clone(),
            Recording::Full(why) | Recording::Dead(why) => Some(why.clone()),
        };
        self.feed.show(self.live.clone());
    }

    fn show(&mut self, news: LiveNews) {
        self.note(news);
        while let Ok(more) = self.news.try_recv() {
            self.note(more);
        }
        self.feed.show(self.live.clone());
    }

    fn note(&mut self, news: LiveNews) {
        match news {
            LiveNews::Telemetry(telemetry) => self.live.telemetry = telemetry,
            LiveNews::Progress(key, progress) => {
                // Progress of an effect that has landed meanwhile is of no interest.
                if self.flights.is_flying(&key) {
                    self.live.progress.insert(key.to_string(), progress);
                }
            }
        }
    }

    /// Level-triggered: starts what is owed and does not fly, ends what flies and is not owed.
    fn start_what_is_owed(&mut self) {
        let mut owed: BTreeMap<_, Effect> = owed(&self.release);
        if !matches!(self.recording, Recording::Works) || self.stopped.is_some() {
            owed.retain(|key, effect| self.flights.is_flying(key) || goes_on_unrecorded(effect));
        }
        self.flights.keep_only(&owed);
        for (key, effect) in owed {
            if !self.flights.is_flying(&key) {
                let observe = self.release.doubts.get(&key) == Some(&Doubt::Observe);
                self.flights.start(key, effect, observe);
            }
        }
    }
}

fn is_way_back(ask: &Ask) -> bool {
    matches!(ask, Ask::RollBack { .. })
}

/// What may start although it cannot be recorded: the way back, and what watches over it.
fn goes_on_unrecorded(effect: &Effect) -> bool {
    match effect {
        Effect::SwitchTraffic { way, .. } => *way == Way::Back,
        Effect::MeasureWindow { .. } | Effect::Notify { .. } => true,
        _ => false,
    }
}
