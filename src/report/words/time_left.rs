//! How long it will still take, and what takes longer than it should.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp as Wall};

use super::span::{duration, utc};
use crate::engine::handle::Snapshot;
use crate::release::{
    BuiltIn, Clean, Plan, Release, StageState, Step, StepId, StepState, StepStatus, Timestamp,
};

/// A step is slow when it takes half as long again as usual, and at least this much longer.
const SLOWER_BY_MS: u64 = 10_000;

/// Milliseconds until the machine has done the rest of the plan: the critical path over the
/// expected times, less what running steps have used of theirs. The time that people take is not
/// in it. None when nothing runs, because then nothing comes nearer.
pub fn eta(snapshot: &Snapshot) -> Option<u64> {
    let release = &snapshot.release;
    let plan = release.plan()?;
    let running = release.steps.values().any(|step| step.status == StepStatus::Running);
    let waits = release.result.is_some() || release.hold.is_some() || release.awaits_switch();
    if !running || waits {
        return None;
    }
    let now_ms = release.elapsed_ms(snapshot.now);
    Some(plan_ms(release, plan, &|stage, step| left_ms(release, stage, step, now_ms)))
}

/// How long the machine was expected to take for the whole plan, in milliseconds: the critical path
/// over the expected times, without what this release skipped. None before it has started.
pub fn expected_ms(release: &Release) -> Option<u64> {
    let plan = release.plan()?;
    let planned = |stage: &StageState, step: &Step| {
        let skipped = release.steps.get(&step.id).is_none_or(|state| {
            matches!(state.status, StepStatus::Skipped(_)) // tidy: skipped or not
        });
        if stage.planned && !skipped { step.expected_s.saturating_mul(1000) } else { 0 }
    };
    Some(plan_ms(release, plan, &planned))
}

/// Milliseconds that a running step will still take; none when it does not run.
pub fn step_left_ms(snapshot: &Snapshot, step: &Step) -> Option<u64> {
    let release = &snapshot.release;
    let running = release.steps.get(&step.id)?.status == StepStatus::Running;
    let stage = release.stages.get(release.plan()?.stage_of(&step.id)?)?;
    running.then(|| left_ms(release, stage, step, release.elapsed_ms(snapshot.now)))
}

fn left_ms(release: &Release, stage: &StageState, step: &Step, now_ms: u64) -> u64 {
    let Some(own) = release.steps.get(&step.id).filter(|_| stage.planned) else { return 0 };
    let expected_ms = step.expected_s.saturating_mul(1000);
    match &own.status {
        StepStatus::Passed | StepStatus::Skipped(_) | StepStatus::Overridden => 0,
        StepStatus::Failed if release.failed_for_good(step) => 0,
        StepStatus::Running if step.uses == Some(BuiltIn::Monitor) => monitor_left_ms(release),
        StepStatus::Running => expected_ms.saturating_sub(elapsed_ms(own, now_ms)),
        StepStatus::Waiting | StepStatus::Failed => expected_ms,
    }
}

fn monitor_left_ms(release: &Release) -> u64 {
    let good_s = release.monitor.as_ref().map_or(0, crate::release::Monitor::good_s);
    let duration_s = release.policy().map_or(0, |policy| policy.monitor.duration_s);
    duration_s.saturating_sub(good_s).saturating_mul(1000)
}

fn elapsed_ms(state: &StepState, now_ms: u64) -> u64 {
    now_ms.saturating_sub(state.started_ms.unwrap_or(now_ms))
}

/// What a step of a stage still takes, in milliseconds.
type Left<'l> = &'l dyn Fn(&StageState, &Step) -> u64;

/// The critical path, or the work of all commands over the jobs that run at once where that is
/// longer.
fn plan_ms(release: &Release, plan: &Plan, left: Left<'_>) -> u64 {
    let all = plan.stages.iter().zip(&release.stages);
    let all = all.flat_map(|(stage, state)| stage.steps.iter().map(move |step| (state, step)));
    let commands = all.filter(|(_, step)| step.uses.is_none());
    let work = commands.map(|(stage, step)| left(stage, step)).fold(0, u64::saturating_add);
    path_ms(release, plan, left).max(work / u64::from(plan.jobs.max(1)))
}

/// The longest way to the end, from the last stage forwards to the first: what a step waits for
/// is a need, or the gate of an earlier stage.
fn path_ms(release: &Release, plan: &Plan, left: Left<'_>) -> u64 {
    // From the beginning of the longest of the steps that need this one, to the end.
    let mut after: BTreeMap<&StepId, u64> = BTreeMap::new();
    let mut longest = 0;
    let mut behind = 0;
    for (stage, state) in plan.stages.iter().zip(&release.stages).rev() {
        let mut stage_longest = behind;
        for step in stage.steps.iter().rev() {
            let own_ms = left(state, step);
            let after_own = after.get(&step.id).copied().unwrap_or(0).max(behind);
            let own = after_own.saturating_add(own_ms);
            for need in &step.needs {
                let known = after.entry(need).or_insert(0);
                *known = own.max(*known);
            }
            if state.planned && own_ms > 0 {
                longest = longest.max(own);
            }
            if !step.may_run_ahead() {
                stage_longest = stage_longest.max(own);
            }
        }
        behind = stage_longest;
    }
    longest.max(behind)
}

/// That a running step takes longer than it usually does, and how long that is.
/// `now_ms` is [`Release::elapsed_ms`].
pub fn slower(state: &StepState, step: &Step, now_ms: u64) -> Option<Clean> {
    // A switch waits for a person, and people are not slow.
    if state.status != StepStatus::Running || step.uses == Some(BuiltIn::Switch) {
        return None;
    }
    let (elapsed, usual) = (elapsed_ms(state, now_ms), step.expected_s.saturating_mul(1000));
    let limit = (usual.saturating_add(usual / 2)).max(usual.saturating_add(SLOWER_BY_MS));
    let text = || {
        let (elapsed, usual) = (duration(elapsed), duration(usual));
        Clean::new(&format!("slower than usual: {elapsed}, usually {usual}"))
    };
    (elapsed > limit).then(text)
}

/// The wall-clock time of a moment given in milliseconds since the release started.
pub fn wall_of(snapshot: &Snapshot, at_ms: u64) -> Wall {
    let now_ms = snapshot.release.elapsed_ms(snapshot.now);
    let ahead = SignedDuration::from_millis(at_ms.saturating_sub(now_ms).try_into().unwrap_or(0));
    let ago = SignedDuration::from_millis(now_ms.saturating_sub(at_ms).try_into().unwrap_or(0));
    let wall = snapshot.now.wall;
    wall.saturating_add(ahead - ago).unwrap_or(wall)
}

/// The time of day of a moment given in milliseconds since the release started, with its date
/// where that is not today's: `03:32:35Z`, `2026-11-25 03:32Z`.
pub fn moment(snapshot: &Snapshot, at_ms: u64) -> String {
    let (at, now) = (wall_of(snapshot, at_ms), snapshot.now.wall);
    let day = |wall: Wall| wall.strftime("%Y-%m-%d").to_string();
    if day(at) == day(now) { utc(at) } else { at.strftime("%Y-%m-%d %H:%MZ").to_string() }
}

/// Milliseconds from the release's first record to its newest.
pub fn took_ms(release: &Release) -> u64 {
    // The start of the boot clock lies before every record, so nothing is added to the fold's own
    // time, whatever the wall clock says.
    release.elapsed_ms(Timestamp { wall: Wall::UNIX_EPOCH, boot_ms: 0 })
}
