//! What an engine publishes: every record, without loss, and the newest live picture, latest wins.
//!
//! A socket's far side fills a feed of its own, so that a follower cannot tell the difference.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::release::{Clean, Record, Telemetry};

/// Everything live and lossy: telemetry, progress, and how the engine itself is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub telemetry: Telemetry,
    /// What is under way, by the name of its effect.
    pub progress: BTreeMap<String, Progress>,
    pub vitals: Vitals,
}

/// How far an effect has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What it does right now, for people.
    pub text: Clean,
    /// Done and total in the effect's own unit, where it knows.
    pub done: Option<u64>,
    pub total: Option<u64>,
}

/// How the engine is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vitals {
    /// Why nothing can be recorded, as the operator reads it.
    pub journal_error: Option<Clean>,
    /// The last append took this long, when that is slow, in milliseconds.
    pub journal_slow_ms: Option<u64>,
    /// Who guards the release: `host7, pid 4711`.
    pub guard: Clean,
    /// What the engine had to repair or observe when it opened.
    pub notes: Vec<Clean>,
}

/// The link to the engine, as a follower sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    #[default]
    Live,
    /// The engine came to its end, orderly.
    Closed,
    /// The engine cannot be reached.
    Lost { why: Clean, since_ms: i64 },
}

/// The newest head and picture: what a follower waits on.
#[derive(Clone, Debug, Default)]
struct Beat {
    records: usize,
    live: Arc<Live>,
    link: Link,
}

/// One engine's publications.
#[derive(Debug)]
pub struct Feed {
    records: Mutex<Vec<Arc<Record>>>,
    beat: watch::Sender<Beat>,
}

impl Feed {
    pub fn new() -> Arc<Self> {
        let (beat, _) = watch::channel(Beat::default());
        Arc::new(Self { records: Mutex::default(), beat })
    }

    /// Adds records at the end. For whoever drives: the engine, or a socket's far side.
    pub fn publish(&self, new: impl IntoIterator<Item = Arc<Record>>) {
        let mut records = self.lock();
        records.extend(new);
        let count = records.len();
        drop(records);
        self.beat.send_modify(|beat| beat.records = count);
    }

    /// Replaces the live picture; followers that were slow never see the one before.
    pub fn show(&self, live: Live) {
        self.beat.send_if_modified(|beat| {
            let new = *beat.live != live;
            if new {
                beat.live = Arc::new(live);
            }
            new
        });
    }

    /// Says how it stands with the engine behind this feed.
    pub fn link(&self, link: Link) {
        self.beat.send_modify(|beat| beat.link = link);
    }

    /// How many records there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        Watch { beat: self.beat.subscribe(), feed: Arc::clone(self), taken: 0 }
    }

    /// Waits until there are `count` records.
    pub(super) async fn reaches(&self, count: usize) {
        // The sender is this feed's own, so it lives as long as the wait.
        let _ = self.beat.subscribe().wait_for(|beat| beat.records >= count).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Record>>> {
        // A poisoned lock still holds whole records: they are pushed one by one.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader's place in a feed.
#[derive(Debug)]
pub(super) struct Watch {
    feed: Arc<Feed>,
    beat: watch::Receiver<Beat>,
    taken: usize,
}

/// What is new in a feed.
pub(super) struct News {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) live: Arc<Live>,
    pub(super) link: Link,
}

impl Watch {
    /// Skips the first `count` records: a far side that has them already.
    pub(super) fn skip(&mut self, count: usize) {
        self.taken = count;
    }

    /// What came since the last call; never waits.
    pub(super) fn take(&mut self) -> News {
        let beat = self.beat.borrow_and_update().clone();
        let records = self.feed.lock().get(self.taken..beat.records).unwrap_or(&[]).to_vec();
        self.taken += records.len();
        News { records, live: beat.live, link: beat.link }
    }

    /// Waits until something is new.
    pub(super) async fn changed(&mut self) {
        if self.beat.changed().await.is_err() {
            // The feed is held by `self`, so its sender lives; nothing new can ever come.
            std::future::pending::<()>().await;
        }
    }
}
