//! What may be asked now. The same rule refuses a command and greys its key, so the screen cannot
//! promise what the engine refuses.

use crate::release::finding::waiver::Waiver;
use crate::release::policy::PolicyChange;
use crate::release::state::{Doubt, StepStatus};
use crate::release::{
    Ask, BackupId, Clean, EffectKey, GateResult, Hold, Policy, Refusal, Release, ReleaseResult,
    Slot, Vote, Way,
};

/// Whether `ask` makes sense for the release as it stands. Who asks is looked at later.
pub fn permit(release: &Release, ask: &Ask) -> Result<(), Refusal> {
    if release.start.is_none() {
        return Err(Refusal::NotStarted);
    }
    match ask {
        Ask::Approve { .. } | Ask::Reject { .. } | Ask::Defer { .. } => may_vote(release, ask),
        Ask::Retry => may_retry(release),
        Ask::Override { .. } => may_override(release),
        Ask::Abort { .. } => may_abort(release),
        Ask::Switch { to } => may_switch(release, *to),
        Ask::RollBack { .. } => may_roll_back(release),
        Ask::Waive { waiver } => may_waive(release, waiver),
        Ask::ChangePolicy { policy, .. } => may_change_policy(release, policy),
        Ask::Restore { backup } => may_restore(release, backup),
        Ask::UndoRestore => may_undo_restore(release),
    }
}

fn not_ended(release: &Release) -> Result<(), Refusal> {
    match &release.result {
        Some(result) => Err(Refusal::Ended { result: Clean::new(&result.sentence()) }),
        None => Ok(()),
    }
}

fn may_vote(release: &Release, ask: &Ask) -> Result<(), Refusal> {
    let Some(gate) = &release.gate else {
        not_ended(release)?;
        return Err(Refusal::NoGate);
    };
    if gate.closed.is_none() {
        return not_ended(release);
    }
    // Two people pressed opposite keys: the second one reads who was first (fault F21).
    let first = gate.votes.iter().rev().find(|vote| match gate.closed {
        Some(GateResult::Go) => vote.vote == Vote::Approve,
        Some(GateResult::NoGo | GateResult::Expired) | None => vote.vote == Vote::Reject,
    });
    match first {
        Some(vote) => Err(Refusal::Overtaken {
            who: vote.by.clone(),
            what: Clean::new(if vote.vote == Vote::Approve { "approve" } else { "reject" }),
            at: vote.at,
            yours: Clean::new(ask.word()),
        }),
        None => Err(Refusal::not_now("the gate expired before anybody decided")),
    }
}

fn may_retry(release: &Release) -> Result<(), Refusal> {
    if release.hold.is_some() || stopped_half_way(release) {
        return Ok(());
    }
    not_ended(release)?;
    Err(Refusal::not_now("nothing failed or is in doubt, so there is nothing to retry"))
}

/// A switch, a rollback or a restore that failed or is in doubt, whatever became of the release:
/// the traffic may be in between, the writers fenced.
fn stopped_half_way(release: &Release) -> bool {
    let restore = release.restore.as_ref().filter(|restore| !restore.is_done());
    let order = release.rollout.order.as_ref().map(|order| order.key.clone());
    let mut open = order.into_iter().chain(restore.map(|restore| EffectKey::ask(restore.cause)));
    restore.is_some_and(|restore| restore.failed.is_some())
        || open.any(|key| release.doubts.get(&key) == Some(&Doubt::Hold))
}

fn may_override(release: &Release) -> Result<(), Refusal> {
    match release.hold.as_ref().map(|held| &held.hold) {
        Some(Hold::StepFailed { .. } | Hold::Unknown { .. } | Hold::InDoubt { .. }) => Ok(()),
        Some(_) => Err(Refusal::not_now("what holds the release cannot be overridden")),
        None => {
            not_ended(release)?;
            Err(Refusal::not_now("nothing holds the release"))
        }
    }
}

fn may_abort(release: &Release) -> Result<(), Refusal> {
    not_ended(release)?;
    if release.is_switched() || release.rollout.order.is_some() {
        return Err(Refusal::not_now("the traffic has moved: roll back instead of aborting"));
    }
    if release.rollout.rolled_back_ms.is_some() {
        return Err(Refusal::not_now("the release is rolled back already"));
    }
    Ok(())
}

fn may_switch(release: &Release, to: Slot) -> Result<(), Refusal> {
    not_ended(release)?;
    overtaken(release, "switch")?;
    if let Some(held) = &release.hold {
        return Err(Refusal::not_now(&format!("the release is held: {}", held.hold.sentence())));
    }
    if release.is_switched() {
        return Err(Refusal::not_now("the traffic is on the new version already"));
    }
    if release.rollout.rolled_back_ms.is_some() {
        return Err(Refusal::not_now("the release is rolled back; a new one starts anew"));
    }
    if !release.awaits_switch() {
        let gate = release.gate.as_ref().and_then(|gate| gate.closed);
        let why = match gate {
            Some(GateResult::Go) => "the preview slot is not ready and proven yet",
            Some(GateResult::NoGo | GateResult::Expired) | None => "the gate has not said go",
        };
        return Err(Refusal::not_now(why));
    }
    match release.rollout.to {
        Some(preview) if preview == to => Ok(()),
        Some(preview) => Err(Refusal::not_now(&format!(
            "{to} serves already; this release was deployed to {preview}"
        ))),
        None => Err(Refusal::not_now("no slot has been chosen for this release")),
    }
}

/// A switch in progress belongs to whoever ordered it.
fn overtaken(release: &Release, yours: &str) -> Result<(), Refusal> {
    let Some(order) = &release.rollout.order else { return Ok(()) };
    let what = match order.way {
        Way::Forward => "switch",
        Way::Back => "rollback",
    };
    Err(Refusal::Overtaken {
        who: order.by.clone(),
        what: Clean::new(what),
        at: order.at,
        yours: Clean::new(yours),
    })
}

fn may_roll_back(release: &Release) -> Result<(), Refusal> {
    let rollout = &release.rollout;
    if rollout.order.as_ref().is_some_and(|order| order.way == Way::Back) {
        return overtaken(release, "rollback");
    }
    if rollout.rolled_back_ms.is_some() {
        return Err(Refusal::not_now("the release is rolled back already"));
    }
    if rollout.switched_ms.is_none() && rollout.order.is_none() {
        let serving =
            rollout.from.map_or(String::new(), |slot| format!(" {slot} serves, as before"));
        return Err(Refusal::not_now(&format!("nothing was switched.{serving}")));
    }
    match rollout.from {
        Some(_) => Ok(()),
        None => Err(Refusal::not_now("this was the first release: no slot served before it")),
    }
}

fn may_waive(release: &Release, waiver: &Waiver) -> Result<(), Refusal> {
    not_ended(release)?;
    waiver.check().map_err(|(_, why)| Refusal::not_now(why))?;
    if release.all_waivers().contains(waiver) {
        return Err(Refusal::not_now("this waiver has been given already"));
    }
    if release.rollout.rolled_back_ms.is_some() {
        return Err(Refusal::not_now("the release is rolled back: nothing is judged any more"));
    }
    Ok(())
}

fn may_change_policy(release: &Release, changed: &Policy) -> Result<(), Refusal> {
    not_ended(release)?;
    if release.rollout.rolled_back_ms.is_some() {
        return Err(Refusal::not_now("the release is rolled back: nothing is judged any more"));
    }
    let Some(policy) = release.policy() else { return Err(Refusal::NotStarted) };
    let change = PolicyChange::of(policy, changed, Clean::default(), Clean::default());
    change.map(drop).map_err(|why| Refusal::not_now(&why))
}

fn may_restore(release: &Release, backup: &BackupId) -> Result<(), Refusal> {
    if let Some(restore) = &release.restore
        && !restore.is_done()
        && restore.failed.is_none()
    {
        return Err(Refusal::not_now(&format!("{} restores the database already", restore.by)));
    }
    if release.rollout.order.is_some() {
        return Err(Refusal::not_now("the traffic is being moved; restore after that"));
    }
    match release.backups.iter().find(|known| &known.id == backup) {
        Some(known) if known.verified => {}
        Some(_) => {
            return Err(Refusal::not_now("that backup is not verified, so it may not be restored"));
        }
        None => {
            return Err(Refusal::not_now(&format!("no backup {backup} belongs to this release")));
        }
    }
    let busy = release.steps.values().any(|step| step.status == StepStatus::Running);
    let settled = release.hold.is_some() || release.is_switched() || release.result.is_some();
    if busy && !settled {
        return Err(Refusal::not_now("the release is still on its way; abort it first"));
    }
    Ok(())
}

fn may_undo_restore(release: &Release) -> Result<(), Refusal> {
    match &release.restore {
        Some(restore) if restore.undo && restore.is_done() => {
            Err(Refusal::not_now("the restore has been undone already"))
        }
        Some(restore) if restore.undo && restore.failed.is_some() => {
            Err(Refusal::not_now("undoing the restore stopped half-way: retry it"))
        }
        Some(restore) if restore.undo => {
            Err(Refusal::not_now("the restore is being undone already"))
        }
        Some(restore) if restore.is_done() => Ok(()),
        Some(_) => Err(Refusal::not_now("the restore has not finished")),
        None => Err(Refusal::not_now("no restore was made")),
    }
}

impl Release {
    /// Whether the release came to a good or at least an orderly end.
    pub fn is_rolled_back(&self) -> bool {
        matches!(self.result, Some(ReleaseResult::RolledBack { .. }))
    }
}
