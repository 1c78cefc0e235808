//! One window of the monitor: wait, measure, reduce to one evidence.

use std::time::Duration;

use super::site;
use crate::release::{Clean, Evidence, Outcome, Reading, Slot};
use crate::world::metrics::SlotWindow;
use crate::world::{Reporter, World};

/// Knowledge about pods that is older proves nothing (fault F35), in milliseconds.
const PODS_STALE_MS: i64 = 15_000;

pub(super) async fn measure(
    world: &World,
    slot: Slot,
    window_s: u64,
    reporter: &Reporter,
) -> Outcome {
    let from = world.clock.now();
    reporter.say(&format!("watching {slot} for {window_s} s"));
    let end_ms = from.boot_ms.saturating_add(window_s.saturating_mul(1000));
    // A container that exits ends the window at once: a fact needs no statistics.
    loop {
        let exited = world.board.exited.notified();
        if world.board.exits_since(slot, from.boot_ms) > 0 {
            break;
        }
        tokio::select! {
            biased;
            () = exited => {}
            () = world.clock.sleep_until(end_ms) => break,
        }
    }
    let to = world.clock.now();
    let metrics = match &world.metrics {
        Some(metrics) => metrics.window(slot, from.wall_ms(), to.wall_ms()).await,
        None => SlotWindow::unknown(&Clean::new("no metrics service is configured")),
    };
    let exits = match pods_are_fresh(world, to.wall_ms()) {
        Ok(()) => Reading::known(world.board.exits_since(slot, from.boot_ms)),
        Err(reason) => Reading::Unknown { reason },
    };
    let ready_min = ready_min(world, slot).await;
    let measured_s = to.boot_ms.saturating_sub(from.boot_ms) / 1000;
    let evidence: Evidence = metrics.evidence(slot, measured_s, exits, ready_min);
    Outcome::Measured { evidence }
}

fn pods_are_fresh(world: &World, now_ms: i64) -> Result<(), Clean> {
    match world.board.as_of() {
        (Some(at_ms), _) if now_ms.saturating_sub(at_ms) <= PODS_STALE_MS => Ok(()),
        (_, Some(error)) => Err(error),
        (Some(at_ms), None) => {
            let age_s = now_ms.saturating_sub(at_ms) / 1000;
            Err(Clean::new(&format!("nothing was heard of the pods for {age_s} s")))
        }
        (None, None) => Err(Clean::new("the pods have not been read yet")),
    }
}

async fn ready_min(world: &World, slot: Slot) -> Reading<u32> {
    let state = async {
        let site = site(world)?;
        let state = site.cluster.slot_state(&site.production, &site.services, slot).await;
        state.map_err(super::because)
    };
    match world.clock.within(Duration::from_secs(10), state).await {
        Some(Ok(state)) => Reading::known(state.ready_min()),
        Some(Err(reason)) => Reading::Unknown { reason },
        None => Reading::unknown("the cluster did not answer within 10 s"),
    }
}
