//! What is watched: plain rows, live and lossy. Telemetry never decides anything and is never
//! recorded; what is judged is evidence and stands in the journal.

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
    pub pods: Vec<PodRow>,
    pub pods_at_ms: Option<i64>,
    pub pods_error: Option<Clean>,
    pub samples: Vec<SlotSample>,
    pub samples_at_ms: Option<i64>,
    pub samples_error: Option<Clean>,
    /// Oldest first; always empty outside rehearsals.
    #[serde(default)]
    pub faults: Vec<Fault>,
}
