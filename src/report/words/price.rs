//! The price of the way back: how, how long, and what it loses. On screen all the time after the
//! switch.

use jiff::Timestamp as Wall;

use super::span::{age, duration, plural};
use crate::engine::handle::{Link, Snapshot};
use crate::release::{Backup, BuiltIn, Clean, Release, RestorePhase, Slot, StepStatus, Way};

/// Telemetry older than this says nothing about the old slot, in milliseconds.
const PODS_STALE_MS: i64 = 30_000;

/// The way back and its price: `ROLLBACK NOW: BLUE warm, ~2 s, no data loss | DB restore: ~40 s,
/// loses 41 s of writes | guard: host7, pid 4711`. From the first order to move traffic on it is
/// never absent; before that there is nothing to come back from.
pub fn undo(snapshot: &Snapshot) -> Option<Clean> {
    let release = &snapshot.release;
    let rollout = &release.rollout;
    let moved = rollout.switched_ms.is_some()
        || rollout.rolled_back_ms.is_some()
        || rollout.order.is_some();
    if !moved {
        return None;
    }
    let parts = [traffic(snapshot), database(snapshot), guard(snapshot)];
    Some(Clean::new(&parts.join(" | ")))
}

fn traffic(snapshot: &Snapshot) -> String {
    let rollout = &snapshot.release.rollout;
    if let Some(order) = rollout.order.as_ref().filter(|order| order.way == Way::Back) {
        return format!("ROLLING BACK to {}", order.to);
    }
    if rollout.rolled_back_ms.is_some() {
        let took =
            rollout.rollback_took_ms.map_or(String::new(), |ms| format!(" in {}", duration(ms)));
        let slot = rollout.from.map_or("the old slot".to_owned(), |slot| slot.to_string());
        return format!("ROLLED BACK{took}: {slot} serves");
    }
    let Some(back) = rollout.from else {
        return "no way back for the traffic: this is the first release".to_owned();
    };
    // Both ways patch the same Services, so the switch's own time is the best measure there is.
    let took = rollout.switch_took_ms.map_or("time not measured".to_owned(), |ms| {
        format!("~{}", duration(ms.div_ceil(1000).max(1).saturating_mul(1000)))
    });
    format!("ROLLBACK NOW: {back} {}, {took}, no data loss", warmth(snapshot, back))
}

/// Whether the old slot could take the traffic at once. No data is never "warm".
fn warmth(snapshot: &Snapshot, slot: Slot) -> String {
    let telemetry = &snapshot.live.telemetry;
    let Some(seen_ms) = telemetry.pods_at_ms else {
        return "NOT SEEN yet".to_owned();
    };
    let old_ms = snapshot.now.wall_ms().saturating_sub(seen_ms);
    if old_ms > PODS_STALE_MS {
        return format!("NOT SEEN for {}", age(u64::try_from(old_ms).unwrap_or(0)));
    }
    let apps: Vec<&Clean> = telemetry.pods.iter().map(|pod| &pod.app).collect();
    let pods = telemetry.pods.iter().filter(|pod| pod.slot == Some(slot));
    let (ready, all) = pods
        .clone()
        .fold((0_u64, 0_u64), |(ready, all), pod| (ready + u64::from(pod.ready), all + 1));
    let without = apps.iter().find(|app| {
        !pods.clone().any(|pod| &&pod.app == *app && pod.ready)
            && telemetry.pods.iter().any(|pod| &&pod.app == *app && pod.slot == Some(slot.other()))
    });
    match (ready, without) {
        (0, _) => format!("COLD, none of {} ready", plural(all, "pod")),
        (_, Some(app)) => format!("NOT READY, no {app} pod is"),
        (ready, None) if ready < all => format!("warm, {ready} of {all} pods ready"),
        (_, None) => "warm".to_owned(),
    }
}

fn database(snapshot: &Snapshot) -> String {
    let release = &snapshot.release;
    if let Some(restore) = &release.restore {
        if restore.is_done() && !restore.undo {
            return format!("DB restored from {}, can be undone", restore.backup);
        }
        if restore.failed.is_none() && !restore.is_done() {
            return format!("DB RESTORE under way from {}", restore.backup);
        }
    }
    let newest = release.backups.iter().filter(|backup| backup.verified).max_by_key(|b| b.taken_at);
    let Some(backup) = newest else {
        let unverified =
            if release.backups.is_empty() { "no backup" } else { "no verified backup" };
        return format!("DB restore: NOT POSSIBLE, {unverified} in this release");
    };
    let took = restore_took(release);
    format!("DB restore: {took}, loses {} of writes", loses(backup, snapshot.now.wall))
}

fn loses(backup: &Backup, now: Wall) -> String {
    let past_ms = now.as_millisecond().saturating_sub(backup.taken_at.as_millisecond());
    duration(u64::try_from(past_ms).unwrap_or(0) / 1000 * 1000)
}

/// Measured by this release's restore or drill; else what the plan expects of the drill.
pub(super) fn restore_took(release: &Release) -> String {
    let restored = release.restore.as_ref().filter(|restore| restore.is_done() && !restore.undo);
    if let Some(restore) = restored {
        let phases = restore.done.iter().filter(|report| report.phase != RestorePhase::SwapBack);
        return format!("~{}", duration(phases.map(|report| report.took_ms).sum()));
    }
    let Some(drill) = release.plan().and_then(|plan| plan.built_in(BuiltIn::Drill)) else {
        return "time not measured".to_owned();
    };
    let state = release.steps.get(&drill.id).filter(|state| state.status == StepStatus::Passed);
    match state.and_then(|state| state.end.as_ref()) {
        Some(end) => format!("~{}", duration(end.took_ms)),
        None => format!("about {} by plan", duration(drill.expected_s.saturating_mul(1000))),
    }
}

fn guard(snapshot: &Snapshot) -> String {
    if let Link::Lost { since_ms, .. } = &snapshot.link {
        let past_ms = snapshot.now.wall_ms().saturating_sub(*since_ms);
        return format!("guard: NOT SEEN for {}", age(u64::try_from(past_ms).unwrap_or(0)));
    }
    if snapshot.link == Link::Closed {
        return "guard: NONE, the engine has ended".to_owned();
    }
    let guard = &snapshot.live.vitals.guard;
    if !guard.as_str().is_empty() {
        return format!("guard: {guard}");
    }
    match &snapshot.release.session {
        Some(session) => format!("guard: {}, pid {}", session.host, session.pid),
        None => "guard: NONE".to_owned(),
    }
}
