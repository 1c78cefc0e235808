//! Metrics, probes, the simulated shop and database, and notices, through the same seams as live.

mod database;
mod notify;
mod replies;
mod shop;

use std::sync::{Arc, Mutex};

use gonogo::release::Slot;
use gonogo::sim::shop::Traffic;
use gonogo::world::Clock;

/// When every test here begins: 1,795,401,660 s after the epoch.
const START: &str = "2026-11-23T02:41:00Z";

fn clock() -> Clock {
    Clock::simulated(START.parse().expect("a time"), 1.0)
}

/// A cluster with three pods a slot, whose Services select what a test says.
struct Ground {
    serving: Mutex<Option<Slot>>,
    standing: Mutex<Vec<(Slot, u32)>>,
}

impl Ground {
    fn new(serving: Option<Slot>) -> Arc<Self> {
        let standing = vec![(Slot::Blue, 3), (Slot::Green, 3)];
        Arc::new(Self { serving: Mutex::new(serving), standing: Mutex::new(standing) })
    }

    fn serve(&self, slot: Slot) {
        *self.serving.lock().expect("not poisoned") = Some(slot);
    }

    fn stand(&self, standing: &[(Slot, u32)]) {
        *self.standing.lock().expect("not poisoned") = standing.to_vec();
    }
}

impl Traffic for Ground {
    fn traffic(&self) -> Vec<(Slot, u32)> {
        let serving = *self.serving.lock().expect("not poisoned");
        self.standing().into_iter().filter(|(slot, _)| Some(*slot) == serving).collect()
    }

    fn standing(&self) -> Vec<(Slot, u32)> {
        self.standing.lock().expect("not poisoned").clone()
    }

    fn version(&self, slot: Slot) -> Option<String> {
        Some(format!("1.0.0-{}", slot.label()))
    }
}
