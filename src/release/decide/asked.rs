//! What follows from what people ask.

use jiff::tz::TimeZone;

use super::{Future, permit};
use crate::release::finding::waiver::Waiver;
use crate::release::policy::PolicyChange;
use crate::release::{Ask, Clean, Command, Event, Person, Principal, Refusal, Seq, StepId, Vote};

pub(super) fn asked(future: &mut Future, command: Command) -> Result<(), Refusal> {
    let Command { by, seen, ask } = command;
    permit(&future.release, &ask)?;
    match ask {
        Ask::Approve { comment } => {
            fresh(future, seen)?;
            may_this_person_vote(future, &by.person, Vote::Approve)?;
            vote(future, &by, Vote::Approve, comment);
        }
        Ask::Reject { comment } => {
            may_this_person_vote(future, &by.person, Vote::Reject)?;
            vote(future, &by, Vote::Reject, comment);
        }
        Ask::Defer { comment } => {
            may_this_person_vote(future, &by.person, Vote::Defer)?;
            vote(future, &by, Vote::Defer, comment);
        }
        Ask::Retry => {
            let steps = steps_to_retry(future);
            future.push_by(&by, Event::RetryOrdered { steps });
        }
        Ask::Override { comment } => future.push_by(&by, Event::HoldOverridden { comment }),
        Ask::Abort { comment } => future.push_by(&by, Event::AbortOrdered { comment }),
        Ask::Switch { to } => {
            let changed = future.release.rollout.changed;
            not_stale(seen, changed)?;
            let from = future.release.rollout.from;
            future.push_by(&by, Event::SwitchOrdered { from, to });
        }
        Ask::RollBack { comment } => {
            // Never stale, never armed: the way back is one key (DESIGN section 6).
            if let Some(to) = future.release.rollout.from {
                let reason = if comment.as_str().is_empty() {
                    Clean::new(&format!("by hand, {}", by.person))
                } else {
                    comment
                };
                future.push_by(&by, Event::RollbackOrdered { to, reason });
            }
        }
        Ask::Waive { waiver } => {
            may_this_person_waive(future, &by.person, &waiver)?;
            future.push_by(&by, Event::FindingWaived { waiver });
        }
        Ask::ChangePolicy { policy, from, comment } => {
            may_this_person_change_policy(future, &by.person, &comment)?;
            let Some(own) = future.release.policy() else { return Err(Refusal::NotStarted) };
            let change = PolicyChange::of(own, &policy, from, comment);
            let change = Box::new(change.map_err(|why| Refusal::not_now(&why))?);
            future.push_by(&by, Event::PolicyChanged { change });
        }
        Ask::Restore { backup } => {
            future.push_by(&by, Event::RestoreOrdered { backup, undo: false });
        }
        Ask::UndoRestore => {
            if let Some(backup) = future.release.restore.as_ref().map(|r| r.backup.clone()) {
                future.push_by(&by, Event::RestoreOrdered { backup, undo: true });
            }
        }
    }
    Ok(())
}

/// A decision made on an older picture is not taken (stale eyes).
fn fresh(future: &Future, seen: Option<Seq>) -> Result<(), Refusal> {
    match &future.release.gate {
        Some(gate) => not_stale(seen, gate.changed),
        None => Ok(()),
    }
}

fn not_stale(seen: Option<Seq>, changed: Seq) -> Result<(), Refusal> {
    match seen {
        Some(seen) if seen < changed => Err(Refusal::Stale { seen, changed }),
        Some(_) | None => Ok(()),
    }
}

fn may_this_person_vote(future: &Future, person: &Person, vote: Vote) -> Result<(), Refusal> {
    let no = |why: &str| Err(Refusal::MayNotVote { who: person.clone(), why: why.into() });
    let Some(policy) = future.release.policy() else { return Ok(()) };
    let approvers = &policy.approval.approvers;
    if !approvers.is_empty() && !approvers.contains(person) {
        return no("the policy does not name them as an approver");
    }
    let requester = future.release.started_by.as_ref() == Some(person);
    if vote == Vote::Approve && requester && !policy.approval.requester_may_approve {
        return no("they started this release, and the policy wants somebody else");
    }
    let voted = future.release.gate.as_ref().is_some_and(|gate| {
        gate.votes.iter().any(|entry| &entry.by == person && entry.vote == vote)
    });
    if voted {
        return no("they have voted so already");
    }
    Ok(())
}

/// To waive is to decide, so that it takes who may approve.
fn may_this_person_waive(future: &Future, person: &Person, waiver: &Waiver) -> Result<(), Refusal> {
    let no = |why: &str| Err(Refusal::MayNotWaive { who: person.clone(), why: why.into() });
    if waiver.is_expired(future.at.wall.to_zoned(TimeZone::UTC).date()) {
        return no(&format!("{} is past, and a waiver holds until a day", waiver.until));
    }
    may_decide(future, person).map_or(Ok(()), no)
}

/// To change what the findings are judged by is to decide, too.
fn may_this_person_change_policy(
    future: &Future,
    person: &Person,
    comment: &Clean,
) -> Result<(), Refusal> {
    let why = match may_decide(future, person) {
        None if comment.as_str().trim().is_empty() => "they do not say why; it is recorded",
        None => return Ok(()),
        Some(why) => why,
    };
    Err(Refusal::MayNotChangePolicy { who: person.clone(), why: why.into() })
}

/// Why a person may not decide what counts in this release; none where they may.
fn may_decide(future: &Future, person: &Person) -> Option<&'static str> {
    let approval = &future.release.policy()?.approval;
    let requester = future.release.started_by.as_ref() == Some(person);
    if !approval.approvers.is_empty() && !approval.approvers.contains(person) {
        return Some("the policy does not name them as an approver");
    }
    (requester && !approval.requester_may_approve)
        .then_some("they started this release, and the policy wants somebody else")
}

fn vote(future: &mut Future, by: &Principal, vote: Vote, comment: Clean) {
    let Some(gate) = &future.release.gate else { return };
    let (stage, card) = (gate.stage.clone(), gate.digest.clone());
    // What the votes come to is a rule's business: a break may come between the two.
    future.push_by(by, Event::VoteCast { stage, card, vote, comment });
}

/// The steps that have failed for good, so that a retry tries all of them again.
fn steps_to_retry(future: &Future) -> Vec<StepId> {
    let Some(plan) = future.release.plan() else { return Vec::new() };
    if future.release.result.is_some() {
        // After the end only a restore can be tried again; no step runs any more.
        return Vec::new();
    }
    let failed = |step: &&crate::release::Step| future.release.failed_for_good(step);
    let mut steps: Vec<StepId> = plan.steps().filter(failed).map(|s| s.id.clone()).collect();
    // A gate that said no-go over reports is retried by running its stage's reports again.
    for (stage, state) in plan.stages.iter().zip(&future.release.stages) {
        let no_go = state
            .judgement
            .as_ref()
            .is_some_and(|judgement| judgement.verdict != crate::release::GateVerdict::Go);
        if no_go && stage.steps.iter().all(|step| !steps.contains(&step.id)) {
            let reporting = stage.steps.iter().filter(|step| step.report.is_some());
            steps.extend(reporting.map(|step| step.id.clone()));
        }
    }
    steps
}
