//! What the screens tell of the pods: counted once for every change of them, because ten thousand
//! are too many to be counted for every key.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use crate::engine::handle::Live;
use crate::release::{PodRow, PodRows, Slot};

/// Dots that a slot's row shows at most.
pub(super) const DOTS: usize = 12;

/// Pods, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Pods {
    /// Those that were counted.
    of: Option<PodRows>,
    /// How many of the worst are known.
    rows: usize,
    blue: SlotPods,
    green: SlotPods,
    /// The places of the pods to be looked at first.
    worst: Vec<usize>,
}

/// The pods of one slot.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotPods {
    pub(super) ready: usize,
    pub(super) all: usize,
    pub(super) restarts: u64,
    /// Whether each of the first [`DOTS`] is ready.
    pub(super) first: Vec<bool>,
}

impl Pods {
    /// Takes in a picture, unless it is the one that was counted last.
    pub(super) fn learn(&mut self, live: &Arc<Live>, rows: usize) {
        if !self.knows(live, rows) {
            *self = Self::count(live, rows);
        }
    }

    /// The pods of a picture; what was learnt of it, as a rule.
    pub(super) fn of(&self, live: &Arc<Live>, rows: u16) -> Cow<'_, Self> {
        let rows = usize::from(rows);
        if self.knows(live, rows) {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(Self::count(live, rows))
        }
    }

    fn knows(&self, live: &Arc<Live>, rows: usize) -> bool {
        self.rows >= rows && self.of.as_ref().is_some_and(|of| of.is(&live.telemetry.pods))
    }

    fn count(live: &Arc<Live>, rows: usize) -> Self {
        let pods = &live.telemetry.pods;
        let mut counted = Self { of: Some(pods.clone()), rows, ..Self::default() };
        for pod in pods.iter() {
            let own = match pod.slot {
                Some(Slot::Blue) => &mut counted.blue,
                Some(Slot::Green) => &mut counted.green,
                None => continue,
            };
            own.ready += usize::from(pod.ready);
            own.all += 1;
            own.restarts += u64::from(pod.restarts);
            if own.first.len() < DOTS {
                own.first.push(pod.ready);
            }
        }
        counted.worst = worst_first(pods, rows);
        counted
    }

    pub(super) fn slot(&self, slot: Slot) -> &SlotPods {
        match slot {
            Slot::Blue => &self.blue,
            Slot::Green => &self.green,
        }
    }

    /// The pods to be looked at first: not ready, often restarted, young.
    pub(super) fn worst(&self) -> impl Iterator<Item = &PodRow> {
        let pods = self.of.as_deref().unwrap_or_default();
        self.worst.iter().filter_map(|at| pods.get(*at)).map(|pod| &**pod)
    }
}

fn worst_first(pods: &[Arc<PodRow>], room: usize) -> Vec<usize> {
    let key = |at: &usize| {
        let pod = &pods[*at];
        (pod.ready, Reverse((pod.restarts, pod.created_ms)), *at)
    };
    let mut places: Vec<usize> = (0..pods.len()).collect();
    // Of ten thousand a few are seen: only those are put in order.
    if places.len() > room {
        if room > 0 {
            places.select_nth_unstable_by_key(room, key);
        }
        places.truncate(room);
    }
    places.sort_unstable_by_key(key);
    places
}
