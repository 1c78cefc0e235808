//! A recorded release, played into a feed by hand: the same handle that an engine gives, without
//! an engine behind it. Nothing can be asked, and time is wherever the tape is.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Envelope, Feed, Handle, Live};
use crate::release::{
    BuiltIn, Event, Finite, Record, Refusal, Release, ReleaseId, SlotSample, Telemetry, Timestamp,
};
use crate::world::{Clock, Hands};

/// What whoever asks reads.
const REFUSAL: &str = "this is a replay: it shows what happened, and changes nothing";

/// A release that is played. It must be used inside a runtime.
#[derive(Debug)]
pub struct Tape {
    id: ReleaseId,
    steps: PathBuf,
    records: Vec<Arc<Record>>,
    /// For each record: milliseconds since the first.
    at_ms: Vec<u64>,
    /// The places where people decided, or had to.
    decisions: Vec<usize>,
    feed: Arc<Feed>,
    hands: Hands,
    handle: Handle,
    shown: usize,
    now_ms: u64,
}

impl Tape {
    /// Puts records in, at their beginning. `steps` is the folder of the steps' logs.
    pub fn new(id: ReleaseId, records: Vec<Arc<Record>>, steps: PathBuf) -> Self {
        let mut release = Release::new(id.clone());
        let (mut at_ms, mut decisions) = (Vec::with_capacity(records.len()), Vec::new());
        for (at, record) in records.iter().enumerate() {
            release.apply(record);
            at_ms.push(release.elapsed_ms(record.at()));
            if is_decision(record, &release) {
                decisions.push(at);
            }
        }
        let begins = records.first().map_or_else(Timestamp::epoch, |first| first.at());
        let (feed, hands, handle) = rig(&id, begins, steps.clone());
        let mut tape =
            Self { id, steps, records, at_ms, decisions, feed, hands, handle, shown: 0, now_ms: 0 };
        tape.show_up_to(1);
        tape
    }

    /// The handle to what has been played so far. Going back makes a new one.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How many records have been played, and of how many.
    pub fn place(&self) -> (usize, usize) {
        (self.shown, self.records.len())
    }

    /// Milliseconds since the release started, now and at the last record.
    pub fn time(&self) -> (u64, u64) {
        (self.now_ms, self.at_ms.last().copied().unwrap_or(0))
    }

    pub fn is_at_end(&self) -> bool {
        self.shown == self.records.len()
    }

    /// Plays on to the next record at once; false at the end.
    pub fn step(&mut self) -> bool {
        let Some(at_ms) = self.at_ms.get(self.shown).copied() else { return false };
        self.now_ms = self.now_ms.max(at_ms);
        self.show_up_to(self.shown + 1);
        true
    }

    /// Plays on, or goes back, to a time in milliseconds since the release started. True when
    /// the handle is a new one, because the tape went back.
    pub fn go_to(&mut self, ms: u64) -> bool {
        let ms = ms.min(self.time().1);
        let count = self.at_ms.partition_point(|at_ms| *at_ms <= ms).max(1);
        self.now_ms = ms;
        self.go(count)
    }

    /// Goes to the record of that number; see [`Tape::go_to`].
    pub fn go_to_record(&mut self, at: usize) -> bool {
        let at = at.min(self.records.len().saturating_sub(1));
        self.now_ms = self.at_ms.get(at).copied().unwrap_or(0);
        self.go(at + 1)
    }

    /// The time of a moment on the wall clock, in milliseconds since the release started.
    pub fn ms_of_wall(&self, wall: jiff::Timestamp) -> u64 {
        let at = self.records.partition_point(|record| record.at_wall <= wall).saturating_sub(1);
        let (Some(record), Some(ms)) = (self.records.get(at), self.at_ms.get(at)) else { return 0 };
        let past = wall.as_millisecond().saturating_sub(record.at_wall.as_millisecond());
        ms.saturating_add(u64::try_from(past).unwrap_or(0))
    }

    /// When the first record was made, on the wall clock.
    pub fn begins(&self) -> Option<jiff::Timestamp> {
        self.records.first().map(|first| first.at_wall)
    }

    /// The next place where people decided, or had to; none after the last.
    pub fn next_decision(&self) -> Option<usize> {
        self.decisions.iter().copied().find(|at| *at >= self.shown)
    }

    /// The one before; none before the first.
    pub fn previous_decision(&self) -> Option<usize> {
        let now = self.shown.saturating_sub(1);
        self.decisions.iter().rev().copied().find(|at| *at < now)
    }

    fn go(&mut self, count: usize) -> bool {
        let back = count < self.shown;
        if back {
            let begins = self.records.first().map_or_else(Timestamp::epoch, |first| first.at());
            (self.feed, self.hands, self.handle) = rig(&self.id, begins, self.steps.clone());
            self.shown = 0;
        }
        self.show_up_to(count);
        back
    }

    fn show_up_to(&mut self, count: usize) {
        let count = count.min(self.records.len());
        let new = self.records.get(self.shown..count).unwrap_or(&[]).to_vec();
        let sample = new.iter().rev().find_map(|record| measured(record));
        self.feed.publish(new);
        self.shown = count;
        if let Some(telemetry) = sample {
            self.feed.show(Live { telemetry, ..Live::default() });
        }
        let at = count.saturating_sub(1);
        let (Some(record), Some(at_ms)) = (self.records.get(at), self.at_ms.get(at)) else {
            return;
        };
        self.hands.set(later(record.at(), self.now_ms.saturating_sub(*at_ms)));
    }
}

/// A feed at its beginning, and the handle to it.
fn rig(id: &ReleaseId, begins: Timestamp, steps: PathBuf) -> (Arc<Feed>, Hands, Handle) {
    let (clock, hands) = Clock::by_hand(begins);
    let feed = Feed::new();
    let (inputs, mut asks) = mpsc::channel::<Envelope>(16);
    // It ends with the last handle.
    tokio::spawn(async move {
        while let Some(envelope) = asks.recv().await {
            let refused = envelope.reply.map(|reply| reply.send(Err(Refusal::not_now(REFUSAL))));
            // Whoever asked may have left.
            drop(refused);
        }
    });
    let handle = Handle::new(id.clone(), inputs, Arc::clone(&feed), clock, steps);
    (feed, hands, handle)
}

fn later(at: Timestamp, ms: u64) -> Timestamp {
    let past = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    Timestamp {
        wall: at.wall.saturating_add(past).unwrap_or(at.wall),
        boot_ms: at.boot_ms.saturating_add(ms),
    }
}

fn is_decision(record: &Record, release: &Release) -> bool {
    match &record.event {
        Event::GateOpened { .. }
        | Event::VoteCast { .. }
        | Event::SwitchOrdered { .. }
        | Event::RollbackOrdered { .. }
        | Event::RestoreOrdered { .. }
        | Event::Held { .. }
        | Event::RetryOrdered { .. }
        | Event::HoldOverridden { .. }
        | Event::AbortOrdered { .. }
        | Event::ReleaseEnded { .. } => true,
        Event::StepStarted { step } => {
            let switch = release.plan().and_then(|plan| plan.built_in(BuiltIn::Switch));
            switch.is_some_and(|switch| &switch.id == step)
        }
        _ => false,
    }
}

/// The levels of a judged window are the only ones that a journal holds.
#[expect(clippy::cast_precision_loss, reason = "seconds of a window")]
fn measured(record: &Record) -> Option<Telemetry> {
    let Event::WindowJudged { evidence, .. } = &record.event else { return None };
    let requests = evidence.requests.value()?.get();
    let sample = SlotSample {
        slot: evidence.slot,
        requests_per_s: Finite::new(requests / evidence.window_s.max(1) as f64).ok()?,
        error_ratio: evidence.error_ratio.value().copied(),
        mean_ms: evidence.mean_ms.value().copied(),
        p95_ms: evidence.p95_ms.value().copied(),
    };
    Some(Telemetry {
        samples: vec![sample],
        samples_at_ms: Some(record.at().wall_ms()),
        pods_error: Some("pods are not recorded".into()),
        ..Telemetry::default()
    })
}
