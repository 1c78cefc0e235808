//! What is watched: plain rows, live and lossy. Telemetry never decides anything and is never
//! recorded; what is judged is evidence and stands in the journal.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Clean, Finite, Slot, Timestamp};

/// One pod, reduced to what a row shows (about 150 bytes, never the whole object).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRow {
    pub name: Clean,
    /// The `app` label: `backend`, `frontend`.
    pub app: Clean,
    pub slot: Option<Slot>,
    /// `Running`, `Pending`, `CrashLoopBackOff`, … as `kubectl get pods` would say it.
    pub phase: Clean,
    pub ready: bool,
    pub restarts: u32,
    /// Wall clock, milliseconds since the epoch.
    pub created_ms: i64,
}

/// Pods in the order of their names, each once. A picture is made anew for every change of any of
/// its parts, and there may be ten thousand pods: what has not changed is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<PodRow>>")]
pub struct PodRows(Arc<Vec<Arc<PodRow>>>);

impl PodRows {
    /// Whether these are not only equal but the same: then nothing has to be looked at.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for PodRows {
    type Target = [Arc<PodRow>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<Vec<Arc<PodRow>>> for PodRows {
    fn from(mut rows: Vec<Arc<PodRow>>) -> Self {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows.dedup_by(|a, b| a.name == b.name);
        Self(Arc::new(rows))
    }
}

impl FromIterator<Arc<PodRow>> for PodRows {
    fn from_iter<T: IntoIterator<Item = Arc<PodRow>>>(rows: T) -> Self {
        Vec::from_iter(rows).into()
    }
}

impl FromIterator<PodRow> for PodRows {
    fn from_iter<T: IntoIterator<Item = PodRow>>(rows: T) -> Self {
        rows.into_iter().map(Arc::new).collect()
    }
}

/// One slot's service levels over the last scrape window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotSample {
    pub slot: Slot,
    pub requests_per_s: Finite,
    /// Failed requests among all, 0 to 1; none where nothing was asked.
    pub error_ratio: Option<Finite>,
    pub mean_ms: Option<Finite>,
    pub p95_ms: Option<Finite>,
}

/// What a rehearsal broke, and when: the truth that a debrief measures by. Nobody decides by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub at: Timestamp,
    pub what: Clean,
}

/// The latest picture of everything watched. `*_at_ms` are wall-clock times of the newest reading,
/// so that a screen can show the age and draw stale values as stale (invariant I24).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    pub pods: PodRows,
    pub pods_at_ms: Option<i64>,
    pub pods_error: Option<Clean>,
    pub samples: Vec<SlotSample>,
    pub samples_at_ms: Option<i64>,
    pub samples_error: Option<Clean>,
    /// Oldest first; always empty outside rehearsals.
    #[serde(default)]
    pub faults: Vec<Fault>,
}
