//! What the release needs from a human now, or why it is waiting and until when.

use super::span::{duration, plural, utc};
use super::time_left::{eta, moment, step_left_ms};
use crate::engine::handle::{Link, Snapshot};
use crate::release::{
    BuiltIn, Clean, Doubt, Effect, EffectKey, Gate, Held, Hold, Release, ReleaseResult, Restore,
    RestorePhase, StepStatus, SwitchOrder, Verdict, Vote, Way, due, owed,
};

/// The one thing to know now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    pub text: Clean,
    /// The ask that a person would answer with, by its word ([`crate::release::Ask::word`]);
    /// none when nothing is needed.
    pub action: Option<&'static str>,
    /// When that moment is over or comes, in milliseconds since the release started.
    pub until_ms: Option<u64>,
}

impl Next {
    fn new(text: &str) -> Self {
        Self { text: Clean::new(text), action: None, until_ms: None }
    }

    fn ask(text: &str, action: &'static str) -> Self {
        Self { action: Some(action), ..Self::new(text) }
    }

    fn until(self, until_ms: Option<u64>) -> Self {
        Self { until_ms, ..self }
    }
}

/// In one sentence what the release needs, or what it is waiting for.
pub fn next(snapshot: &Snapshot) -> Next {
    let release = &snapshot.release;
    blind(snapshot)
        .or_else(|| in_doubt(snapshot))
        .or_else(|| release.rollout.order.as_ref().map(|order| moving(snapshot, order)))
        .or_else(|| release.restore.as_ref().and_then(restoring))
        .or_else(|| release.result.as_ref().map(|result| ended(release, result)))
        .or_else(|| release.hold.as_ref().map(|held| is_held(snapshot, held)))
        .or_else(|| release.open_gate().map(|gate| gate_open(snapshot, gate)))
        .or_else(|| release.rollout.rolled_back_ms.map(|_| tidying(release)))
        .or_else(|| awaits_switch(snapshot))
        .or_else(|| doubts(release))
        .or_else(|| watching(snapshot))
        .or_else(|| running(snapshot))
        .unwrap_or_else(|| between(release))
}

/// Nothing else counts while the engine cannot be reached or cannot record.
fn blind(snapshot: &Snapshot) -> Option<Next> {
    let release = &snapshot.release;
    let id = &release.id;
    match &snapshot.link {
        Link::Lost { why, since_ms } => {
            let since = jiff::Timestamp::from_millisecond(*since_ms)
                .map_or_else(|_| String::new(), |at| format!(" since {}", utc(at)));
            return Some(Next::new(&format!(
                "the engine cannot be reached{since} ({why}); it may go on unseen, \
                 and this picture is old: gonogo attach {id}"
            )));
        }
        Link::Closed if release.result.is_none() => {
            return Some(Next::new(&format!(
                "the engine has ended and NOBODY drives this release: gonogo attach {id}"
            )));
        }
        Link::Closed | Link::Live => {}
    }
    if let Some(error) = &snapshot.live.vitals.journal_error {
        return Some(Next::new(&format!(
            "nothing can be recorded, so nothing new starts, only the rollback works: {error}"
        )));
    }
    let unstarted = release.start.is_none();
    unstarted.then(|| Next::new("waiting for the engine to open the release"))
}

/// Traffic or a restore that nobody knows the state of: it is not "under way", whatever was last
/// recorded of it.
fn in_doubt(snapshot: &Snapshot) -> Option<Next> {
    let release = &snapshot.release;
    let held = release.hold.as_ref()?;
    let Hold::InDoubt { key, .. } = &held.hold else { return None };
    let stuck = release.doubts.get(key) == Some(&Doubt::Hold);
    let order = release.rollout.order.as_ref().is_some_and(|order| &order.key == key);
    let restore = release
        .restore
        .as_ref()
        .is_some_and(|restore| !restore.is_done() && &EffectKey::ask(restore.cause) == key);
    (stuck && (order || restore)).then(|| is_held(snapshot, held))
}

fn tidying(release: &Release) -> Next {
    let serves = release.serving().map_or(String::new(), |slot| format!("{slot} serves, "));
    let tidied = release.rollout.to.map_or("what failed".to_owned(), |slot| slot.to_string());
    Next::new(&format!("rolled back: {serves}{tidied} is being tidied, nothing is needed"))
}

fn moving(snapshot: &Snapshot, order: &SwitchOrder) -> Next {
    let past_ms = snapshot.now.wall_ms().saturating_sub(order.at.as_millisecond());
    let past = duration(u64::try_from(past_ms).unwrap_or(0));
    let SwitchOrder { by, to, from, way, .. } = order;
    let from = from.map_or(String::new(), |slot| format!("{slot} → "));
    match way {
        Way::Forward => {
            let text = format!("moving the traffic {from}{to} since {past}, ordered by {by}");
            Next::ask(&text, "rollback")
        }
        Way::Back => Next::new(&format!("ROLLING BACK {from}{to} since {past}, ordered by {by}")),
    }
}

fn restoring(restore: &Restore) -> Option<Next> {
    let phase = restore.next()?;
    let what = if restore.undo { "undoing the restore of" } else { "restoring the database from" };
    let (number, of) = (restore.done.len() + 1, restore.phases().len());
    let fenced = fenced(restore);
    if let Some((_, reason)) = &restore.failed {
        let text = format!(
            "the restore stopped at \"{}\": {reason}; {fenced}retry goes on at that phase",
            phase.words()
        );
        return Some(Next::ask(&text, "retry"));
    }
    let (backup, phase) = (&restore.backup, phase.words());
    let text =
        format!("{what} {backup}, phase {number} of {of}: {phase}; {fenced}wait for its end");
    Some(Next::new(&text))
}

/// Nobody may be left to find out by themselves that the shop cannot write.
fn fenced(restore: &Restore) -> &'static str {
    let did = |phase| restore.done.iter().any(|report| report.phase == phase);
    if did(RestorePhase::Fence) && !did(RestorePhase::Reopen) {
        "the writers are FENCED; "
    } else {
        ""
    }
}

fn ended(release: &Release, result: &ReleaseResult) -> Next {
    let serves =
        release.serving().map_or(String::new(), |slot| format!("{slot} serves, as before; "));
    match result {
        ReleaseResult::Released => {
            let to = release.rollout.to.filter(|_| release.is_switched());
            match (to, release.rollout.from) {
                (Some(to), Some(from)) => {
                    Next::new(&format!("released, {to} serves; {from} is kept as the way back"))
                }
                (Some(to), None) => Next::new(&format!("released, {to} serves")),
                (None, _) => Next::new("done, every planned stage is go; no traffic was moved"),
            }
        }
        ReleaseResult::Failed { reason } => Next::new(&format!(
            "failed: {reason}; {serves}production was not switched; fix it and start a new release"
        )),
        ReleaseResult::Rejected { reason } => {
            Next::new(&format!("no-go ({reason}); {serves}nothing more to do here"))
        }
        ReleaseResult::Expired => Next::new(&format!(
            "nobody decided in time; {serves}start a new release when approvers are there"
        )),
        ReleaseResult::Aborted { reason } => {
            Next::new(&format!("aborted ({reason}); {serves}nothing more to do here"))
        }
        ReleaseResult::RolledBack { reason } => {
            let latch = release.rollout.latch.as_ref().map_or(String::new(), |latch| {
                format!("; revision {} is latched", latch.revision.short())
            });
            let serves = release.serving().map_or(String::new(), |slot| format!(", {slot} serves"));
            Next::new(&format!(
                "rolled back{serves}{latch}; find the cause ({reason}), then release a fix"
            ))
        }
    }
}

fn is_held(snapshot: &Snapshot, held: &Held) -> Next {
    let release = &snapshot.release;
    let why = held.hold.sentence();
    let since = moment(snapshot, held.since_ms);
    let back = back_to(release);
    let (what, action) = match &held.hold {
        Hold::Failed { .. } => {
            let until_ms = due(release).map(|due| due.at_ms);
            let until = until_ms.map_or(String::new(), |at_ms| {
                format!(" before {}, or the release ends", moment(snapshot, at_ms))
            });
            let text = format!("HELD: {why}; fix it and retry{until}");
            return Next::ask(&text, "retry").until(until_ms);
        }
        Hold::StepFailed { .. } => (format!("retry, {back}or override with a reason"), "retry"),
        Hold::GateBlocked { .. } => ("clear the cause and retry, or abort".to_owned(), "retry"),
        Hold::Unknown { .. } => {
            (format!("look for yourself, then {back}retry, or override"), first_of(&back))
        }
        Hold::BothBad { .. } => (
            format!("choose the lesser evil by hand: {back}or repair what serves"),
            first_of(&back),
        ),
        Hold::SwitchFailed { .. } => ("retry to switch again, or abort".to_owned(), "retry"),
        Hold::InDoubt { .. } => {
            ("look at the world, then retry to look again, or override".to_owned(), "retry")
        }
        Hold::RestoreFailed { .. } => {
            let fenced = release.restore.as_ref().map_or("", fenced);
            (format!("{fenced}retry goes on at that phase"), "retry")
        }
    };
    // It waits for as long as nobody comes: since when is what there is to say.
    Next::ask(&format!("HELD: {why}; {what}; waiting since {since}"), action)
}

fn first_of(back: &str) -> &'static str {
    if back.is_empty() { "retry" } else { "rollback" }
}

/// `roll back to BLUE, `, where that is possible.
fn back_to(release: &Release) -> String {
    match release.rollout.from {
        Some(slot) if release.is_switched() => format!("roll back to {slot}, "),
        Some(_) | None => String::new(),
    }
}

fn gate_open(snapshot: &Snapshot, gate: &Gate) -> Next {
    let required = snapshot.release.policy().map_or(1, |policy| policy.approval.required);
    let approvals = gate.votes.iter().filter(|entry| entry.vote == Vote::Approve).count();
    let says: Vec<String> = gate
        .votes
        .iter()
        .filter(|entry| entry.vote == Vote::Defer)
        .map(|entry| format!(", {} says not now: {}", entry.by, entry.comment))
        .collect();
    let slots = gate.card.rollout.as_ref().map_or(String::new(), |rollout| {
        match rollout.survey.serving.slot() {
            Some(from) => format!(", {from} → {}", rollout.preview),
            None => format!(", first release, to {}, with NO WAY BACK", rollout.preview),
        }
    });
    let until = moment(snapshot, gate.expires_ms);
    let text = format!(
        "Go or no-go: stage {}{slots}, {approvals} of {}{}, until {until}, then it expires{}",
        gate.stage,
        plural(u64::from(required), "approval"),
        missing(snapshot, gate),
        says.concat(),
    );
    Next::ask(&text, "approve").until(Some(gate.expires_ms))
}

/// Whose yes could still come, where the policy names people.
fn missing(snapshot: &Snapshot, gate: &Gate) -> String {
    let release = &snapshot.release;
    let Some(policy) = release.policy().map(|policy| &policy.approval) else {
        return String::new();
    };
    let open = policy.approvers.iter().filter(|person| {
        let voted = gate.votes.iter().any(|v| &v.by == *person && v.vote == Vote::Approve);
        let barred = !policy.requester_may_approve && release.started_by.as_ref() == Some(*person);
        !voted && !barred
    });
    let open: Vec<&str> = open.map(crate::release::Person::as_str).collect();
    if open.is_empty() { String::new() } else { format!(", still from {}", open.join(" or ")) }
}

fn awaits_switch(snapshot: &Snapshot) -> Option<Next> {
    let release = &snapshot.release;
    let to = release.rollout.to.filter(|_| release.awaits_switch())?;
    let way = release.rollout.from.map_or(format!("to {to}"), |from| format!("{from} → {to}"));
    let step = release.plan()?.built_in(BuiltIn::Switch)?;
    let since_ms = release.steps.get(&step.id)?.started_ms;
    let since =
        since_ms.map_or(String::new(), |ms| format!("; waiting since {}", moment(snapshot, ms)));
    Some(Next::ask(&format!("{to} is ready: switch the traffic {way}{since}"), "switch"))
}

/// A session broke off; what it left is looked at before anything is repeated.
fn doubts(release: &Release) -> Option<Next> {
    let (key, _) = release.doubts.first_key_value()?;
    let more = match release.doubts.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    Some(Next::new(&format!("after a break, looking whether it happened: {key}{more}")))
}

fn watching(snapshot: &Snapshot) -> Option<Next> {
    let release = &snapshot.release;
    let step = release.plan()?.built_in(BuiltIn::Monitor)?;
    let left_ms = step_left_ms(snapshot, step)?;
    let monitor = release.monitor.as_ref()?;
    let (slot, of) = (release.rollout.to?, release.policy()?.monitor.duration_s);
    let good = monitor.good_s();
    let until_ms = release.elapsed_ms(snapshot.now).saturating_add(left_ms);
    let until = moment(snapshot, until_ms);
    let bad = monitor.counted().last().and_then(|window| {
        window.verdicts.iter().find_map(|verdict| match &verdict.verdict {
            Verdict::Pass => None,
            Verdict::Fail { reason } | Verdict::Unknown { reason } => {
                Some(format!(", NOT GOOD now: {} {reason}", verdict.rule.words()))
            }
        })
    });
    let bad = bad.unwrap_or_default();
    let text =
        format!("watching {slot}: {good} of {of} s good{bad}, until {until} at the earliest");
    // A watch that turns bad is answered with the way back, before any rule does it.
    let next = if bad.is_empty() { Next::new(&text) } else { Next::ask(&text, "rollback") };
    Some(next.until(Some(until_ms)))
}

fn running(snapshot: &Snapshot) -> Option<Next> {
    let release = &snapshot.release;
    let steps = release.plan()?.steps().filter(|step| {
        release.steps.get(&step.id).is_some_and(|state| state.status == StepStatus::Running)
    });
    let mut running: Vec<_> =
        steps.map(|step| (step_left_ms(snapshot, step).unwrap_or(0), step)).collect();
    running.sort_by_key(|(left_ms, _)| std::cmp::Reverse(*left_ms));
    let (left_ms, first) = running.first()?;
    let more = match running.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let left = match left_ms {
        0 => "over its usual time".to_owned(),
        ms => format!("~{} left", duration(*ms)),
    };
    let all_ms = eta(snapshot);
    let all = all_ms
        .filter(|ms| *ms > 0)
        .map_or(String::new(), |ms| format!("; ~{} of machine time to the end", duration(ms)));
    let attempt = release.steps.get(&first.id).map_or(1, |state| state.attempt.0);
    let tries = first.retries.saturating_add(1);
    let again = if attempt > 1 {
        format!(" again, try {attempt} of {}", tries.max(attempt))
    } else {
        String::new()
    };
    // How long it is stands in the sentence: a count-down behind it would read as the end's.
    Some(Next::new(&format!("running {}{again}{more}, {left}{all}", first.id)))
}

/// The short moments between steps.
fn between(release: &Release) -> Next {
    let judging = owed(release).into_values().find_map(|effect| match effect {
        Effect::JudgeGate { stage, .. } => Some(format!("judging stage {stage}")),
        Effect::DrawUpCard { stage, .. } => {
            Some(format!("drawing up the decision card of stage {stage}"))
        }
        Effect::FindRollback { .. } => {
            Some("looking who serves: a rollback may not have been recorded".to_owned())
        }
        Effect::RunCommand { .. }
        | Effect::BuiltIn { .. }
        | Effect::SwitchTraffic { .. }
        | Effect::MeasureWindow { .. }
        | Effect::TidySlot { .. }
        | Effect::Restore { .. }
        | Effect::Notify { .. } => None,
    });
    Next::new(&judging.unwrap_or_else(|| "waiting for the engine's next step".to_owned()))
}
