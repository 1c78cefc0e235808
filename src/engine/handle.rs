//! All that a cockpit, a headless client or a script sees of an engine: ask in, picture out.

mod picture;
pub mod socket;
mod tape;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot};

use super::feed::Watch;
pub use super::feed::{Feed, Link, Live, Progress, Vitals};
use crate::journal::encode;
use crate::release::{
    Clean, Command, Digest, EffectKey, Finding, Input, Record, Refusal, Release, ReleaseId, StepId,
    Stored, Timestamp,
};
pub use crate::world::Clock;
use crate::world::logpipe::LogFile;
pub use crate::world::logpipe::{Direction, LogLine, Stream};
use crate::world::stored::{self, Reading};
pub use crate::world::stored::{Raw, Triaged};
pub use tape::Tape;

/// An input on its way to the engine, and where its answer goes.
#[derive(Debug)]
pub struct Envelope {
    pub input: Input,
    pub reply: Option<oneshot::Sender<Result<(), Refusal>>>,
}

/// A cockpit's end of an engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    release: ReleaseId,
    inputs: mpsc::Sender<Envelope>,
    feed: Arc<Feed>,
    clock: Clock,
    logs: Arc<Logs>,
}

/// The logs of the release's steps; each is indexed once and then only its growth.
struct Logs {
    steps: PathBuf,
    open: Mutex<BTreeMap<String, LogFile>>,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// Some lines of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The place of the first line, counted from 0.
    pub first: usize,
    pub lines: Vec<LogLine>,
    /// How many lines the log has.
    pub total: usize,
}

/// What a cockpit draws: the release as folded here, and the newest live picture.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub release: Release,
    /// Every record, oldest first: the timeline.
    pub records: Vec<Arc<Record>>,
    pub live: Arc<Live>,
    pub link: Link,
    /// When the picture was taken, for ages and ETA.
    pub now: Timestamp,
}

impl Handle {
    /// `steps` is the folder that holds the steps' logs.
    pub fn new(
        release: ReleaseId,
        inputs: mpsc::Sender<Envelope>,
        feed: Arc<Feed>,
        clock: Clock,
        steps: PathBuf,
    ) -> Self {
        let logs = Arc::new(Logs { steps, open: Mutex::default() });
        Self { release, inputs, feed, clock, logs }
    }

    /// A release of the past: its records stand still, and whatever is asked is refused.
    pub fn past(
        release: ReleaseId,
        records: impl IntoIterator<Item = Arc<Record>>,
        clock: Clock,
        steps: PathBuf,
    ) -> Self {
        let (inputs, _) = mpsc::channel(1);
        let feed = Feed::new();
        feed.publish(records);
        feed.link(Link::Closed);
        Self::new(release, inputs, feed, clock, steps)
    }

    pub fn release(&self) -> &ReleaseId {
        &self.release
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Asks, and waits for the answer: recorded, or refused and why.
    pub async fn ask(&self, command: Command) -> Result<(), Refusal> {
        let gone = || Refusal::not_now("the engine of this release has ended");
        let (reply, answer) = oneshot::channel();
        let envelope = Envelope { input: Input::Asked(command), reply: Some(reply) };
        self.inputs.send(envelope).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// A follower that has seen nothing yet.
    pub fn follow(&self) -> Follower {
        Follower {
            watch: self.feed.watch(),
            clock: self.clock.clone(),
            snapshot: Snapshot {
                release: Release::new(self.release.clone()),
                records: Vec::new(),
                live: Arc::default(),
                link: Link::Live,
                now: self.clock.now(),
            },
        }
    }

    /// Lines of an effect's log, from line `first`. A log that does not exist yet is empty.
    pub fn log(&self, key: &EffectKey, first: usize, count: usize) -> Result<LogPage, Clean> {
        self.with_log(key, |log| {
            let lines = log.window(first, count)?;
            Ok(LogPage { first, lines, total: log.lines() })
        })
    }

    /// How many lines an effect's log has by now.
    pub fn log_lines(&self, key: &EffectKey) -> Result<usize, Clean> {
        self.with_log(key, |log| Ok(log.lines()))
    }

    /// The last `count` lines of an effect's log.
    pub fn log_tail(&self, key: &EffectKey, count: usize) -> Result<LogPage, Clean> {
        self.with_log(key, |log| {
            let first = log.lines().saturating_sub(count);
            Ok(LogPage { first, lines: log.window(first, count)?, total: log.lines() })
        })
    }

    /// How many lines of an effect's log had come so many milliseconds after its start.
    pub fn log_until(&self, key: &EffectKey, at_ms: u64) -> Result<usize, Clean> {
        self.with_log(key, |log| log.lines_until(at_ms))
    }

    /// Reads the report of a step whole, compares it with what serves now, and weighs it. It takes
    /// as long as the report is large.
    pub fn triage(&self, release: &Release, step: &StepId) -> Result<Triaged, Clean> {
        stored::triage(&Reading {
            steps: &self.logs.steps,
            step,
            stored: &stored_of(release, step)?,
            baseline: release.start.as_deref().and_then(|start| start.baseline.as_ref()),
            waivers: &release.all_waivers(),
            today: self.clock.now().wall.to_zoned(TimeZone::UTC).date(),
        })
    }

    /// The report of a step as its tool wrote it, masked, and the line that a finding stands at.
    pub fn raw(&self, release: &Release, step: &StepId, finding: &Finding) -> Result<Raw, Clean> {
        stored::raw(&self.logs.steps, &stored_of(release, step)?, finding)
    }

    /// The place of the next line that holds `needle`.
    pub fn log_find(
        &self,
        key: &EffectKey,
        needle: &str,
        from: usize,
        direction: Direction,
    ) -> Result<Option<usize>, Clean> {
        self.with_log(key, |log| log.find(needle, from, direction))
    }

    /// The place of the next line that speaks of an error.
    pub fn log_next_error(
        &self,
        key: &EffectKey,
        from: usize,
        direction: Direction,
    ) -> Result<Option<usize>, Clean> {
        self.with_log(key, |log| log.next_error(from, direction))
    }

    fn with_log<T: Default>(
        &self,
        key: &EffectKey,
        read: impl FnOnce(&mut LogFile) -> std::io::Result<T>,
    ) -> Result<T, Clean> {
        let name = key.to_string();
        let mut open = self.logs.open.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = (|| {
            if !open.contains_key(&name) {
                open.insert(name.clone(), LogFile::open(&self.logs.steps.join(&name))?);
            }
            let Some(log) = open.get_mut(&name) else { return Ok(T::default()) };
            log.refresh()?;
            read(log)
        })();
        match answer {
            Ok(value) => Ok(value),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
            Err(error) => Err(Clean::new(&format!("failed to read the log of {name}: {error}"))),
        }
    }
}

fn stored_of(release: &Release, step: &StepId) -> Result<Stored, Clean> {
    let step = release.plan().and_then(|plan| plan.step(step));
    let stored = step.and_then(|step| release.stored(step));
    stored.ok_or_else(|| Clean::new("the step has left no report"))
}

/// The digest that the record after this one must carry as its `prev`; none for a record that
/// this build cannot write.
pub fn chain_digest(record: &Record) -> Option<Digest> {
    encode(record, &mut Vec::new()).ok()
}

/// Folds a feed into a snapshot, for one screen or one stream of lines.
#[derive(Debug)]
pub struct Follower {
    watch: Watch,
    clock: Clock,
    snapshot: Snapshot,
}

impl Follower {
    /// Folds in what came since the last call and gives the new records. Never waits.
    pub fn catch_up(&mut self) -> Vec<Arc<Record>> {
        let news = self.watch.take();
        for record in &news.records {
            self.snapshot.release.apply(record);
        }
        self.snapshot.records.extend(news.records.iter().cloned());
        self.snapshot.live = news.live;
        self.snapshot.link = news.link;
        self.snapshot.now = self.clock.now();
        news.records
    }

    /// The picture as of the last [`Follower::catch_up`].
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Waits until there is something to catch up with.
    pub async fn changed(&mut self) {
        self.watch.changed().await;
    }

    /// Catches up until `ready` holds; none when the engine's link closes before.
    pub async fn until(&mut self, ready: impl Fn(&Snapshot) -> bool) -> Option<&Snapshot> {
        loop {
            self.catch_up();
            if ready(&self.snapshot) {
                return Some(&self.snapshot);
            }
            if self.snapshot.link != Link::Live {
                return None;
            }
            self.changed().await;
        }
    }
}
