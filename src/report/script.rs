//! The scripted operator of an unattended rehearsal: waits for a moment, looks for a while, asks.

use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;

use crate::engine::handle::{Follower, Handle, Link, Snapshot};
use crate::release::{Ask, Clean, Command, Person, Principal, Refusal, Release, StageId, Via};

/// What the operator waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// The first step of a stage starts.
    Stage(StageId),
    GateOpen,
    AwaitsSwitch,
    Switched,
    Held,
    Ended,
}

/// What the operator asks then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    Approve,
    Reject,
    Switch,
    RollBack,
    Retry,
    Override,
    Restore,
    UndoRestore,
    Abort,
}

/// One line of the script.
#[derive(Clone, Debug)]
pub struct Act {
    pub when: When,
    pub wait: Duration,
    pub press: Press,
    pub comment: Clean,
}

/// A moment of a release, and how long after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub when: When,
    pub later: Duration,
}

/// How the script came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptEnd {
    /// The release ended.
    Ended,
    /// The release is held and the script has nothing more to say.
    Held,
    /// The engine is gone.
    Gone,
    /// The engine refused what the script asked.
    Refused(Refusal),
}

/// Plays the acts in their order until the release has ended, or is held and no act is left.
pub async fn play(handle: &Handle, acts: &[Act]) -> ScriptEnd {
    let mut follower = handle.follow();
    for act in acts {
        let reached = follower
            .until(|snapshot| has_come(snapshot, &act.when) || is_stuck(snapshot, &act.when));
        match reached.await {
            None => return ScriptEnd::Gone,
            Some(snapshot) if !has_come(snapshot, &act.when) => return end_of(snapshot),
            Some(_) => {}
        }
        handle.clock().sleep(act.wait).await;
        follower.catch_up();
        let Some(ask) = ask(&follower, act) else { continue };
        let command = Command { by: operator(), seen: follower.snapshot().release.head, ask };
        if let Err(refusal) = handle.ask(command).await {
            return ScriptEnd::Refused(refusal);
        }
    }
    match follower.until(|snapshot| is_over(snapshot) || snapshot.release.hold.is_some()).await {
        Some(snapshot) => end_of(snapshot),
        None => ScriptEnd::Gone,
    }
}

/// Plays the acts until a moment, and shows every picture on the way to `see`. Fails with how the
/// script ended when the moment cannot come any more.
pub async fn play_to(
    handle: &Handle,
    acts: &[Act],
    moment: &Moment,
    see: impl FnMut(&Snapshot),
) -> Result<(), ScriptEnd> {
    let see = RefCell::new(see);
    let mut follower = handle.follow();
    let has_come = |snapshot: &Snapshot| {
        see.borrow_mut()(snapshot);
        has_come(snapshot, &moment.when)
    };
    let mut script = pin!(play(handle, acts));
    let stopped = tokio::select! {
        biased;
        came = follower.until(&has_come) => came.is_none().then_some(ScriptEnd::Gone),
        end = &mut script => Some(end),
    };
    if let Some(end) = stopped {
        follower.catch_up();
        return if has_come(follower.snapshot()) { Ok(()) } else { Err(end) };
    }
    // Script and pictures may come to their end before the moment does.
    let goes_on = async {
        let watch = follower.until(|snapshot| {
            see.borrow_mut()(snapshot);
            false
        });
        tokio::join!(watch, script);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = handle.clock().sleep(moment.later) => {}
        () = goes_on => {}
    }
    Ok(())
}

fn end_of(snapshot: &Snapshot) -> ScriptEnd {
    if snapshot.release.result.is_some() {
        ScriptEnd::Ended
    } else if snapshot.link == Link::Live {
        ScriptEnd::Held
    } else {
        ScriptEnd::Gone
    }
}

fn has_come(snapshot: &Snapshot, when: &When) -> bool {
    let release = &snapshot.release;
    match when {
        When::Stage(id) => release.plan().and_then(|plan| plan.stage(id)).is_some_and(|stage| {
            let mut steps = stage.steps.iter().filter_map(|step| release.steps.get(&step.id));
            steps.any(|state| state.started_ms.is_some())
        }),
        When::GateOpen => release.open_gate().is_some(),
        When::AwaitsSwitch => release.awaits_switch() && release.hold.is_none(),
        When::Switched => release.is_switched(),
        When::Held => release.hold.is_some(),
        When::Ended => is_over(snapshot),
    }
}

/// The moment cannot come any more, or only with somebody's help.
fn is_stuck(snapshot: &Snapshot, when: &When) -> bool {
    is_over(snapshot) || (snapshot.release.hold.is_some() && *when != When::Held)
}

fn is_over(snapshot: &Snapshot) -> bool {
    let release = &snapshot.release;
    release.result.is_some()
        && release.untold.is_empty()
        && release.rollout.order.is_none()
        && release.restore.as_ref().is_none_or(|r| r.is_done() || r.failed.is_some())
}

fn operator() -> Principal {
    let person = Person::new("script").expect("a name in its grammar");
    Principal { person, via: Via::Script, key: None }
}

fn ask(follower: &Follower, act: &Act) -> Option<Ask> {
    let release: &Release = &follower.snapshot().release;
    let comment = act.comment.clone();
    Some(match act.press {
        Press::Approve => Ask::Approve { comment },
        Press::Reject => Ask::Reject { comment },
        Press::Switch => Ask::Switch { to: release.rollout.to? },
        Press::RollBack => Ask::RollBack { comment },
        Press::Retry => Ask::Retry,
        Press::Override => Ask::Override { comment },
        Press::Restore => {
            let backup = release.backups.iter().rev().find(|backup| backup.verified)?;
            Ask::Restore { backup: backup.id.clone() }
        }
        Press::UndoRestore => Ask::UndoRestore,
        Press::Abort => Ask::Abort { comment },
    })
}
