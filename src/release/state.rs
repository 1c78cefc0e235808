//! The release: the fold of its records. Everything here is derived from events and from nothing
//! else; `apply.rs` is the only writer.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp as Wall;

use super::finding::waiver::Waiver;
use super::policy::PolicyChange;
use super::{
    Attempt, Backup, BackupId, BootId, Card, Clean, Deployed, Digest, EffectKey, Epoch, Evidence,
    GateResult, Hold, Judgement, Latch, Person, Plan, Policy, ReleaseId, ReleaseResult,
    RestorePhase, RestoreReport, RuleVerdict, Seq, SessionId, Slot, StageId, Start, Step, StepEnd,
    StepId, Survey, Timestamp, TrafficProof, Vote, Way,
};

/// One release, as far as its journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub id: ReleaseId,
    /// The newest record that was applied.
    pub head: Option<Seq>,
    pub epoch: Epoch,
    /// What it started with; of the policy, the findings gates as they are now.
    pub start: Option<Arc<Start>>,
    pub started_by: Option<Person>,
    pub started_at: Option<Wall>,
    pub session: Option<Session>,
    pub clock: ReleaseClock,
    pub steps: BTreeMap<StepId, StepState>,
    /// One for each stage of the plan, in its order.
    pub stages: Vec<StageState>,
    pub gate: Option<Gate>,
    pub rollout: Rollout,
    pub monitor: Option<Monitor>,
    pub restore: Option<Restore>,
    pub backups: Vec<Backup>,
    /// What people gave this release besides the waivers of its policy.
    pub waivers: Vec<GivenWaiver>,
    /// How people changed the policy's findings gates since the release started.
    pub policy_changes: Vec<GivenPolicy>,
    pub hold: Option<Held>,
    /// Effects that were owed when a session broke off, and what becomes of them.
    pub doubts: BTreeMap<EffectKey, Doubt>,
    /// Records that people have not been told about yet: title and body.
    pub untold: BTreeMap<Seq, (Clean, Clean)>,
    pub aborted: Option<Clean>,
    pub result: Option<ReleaseResult>,
}

/// Time since the release started, across sessions, boots and wall-clock jumps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseClock {
    /// At the newest record, in milliseconds since the first.
    pub(super) elapsed_ms: u64,
    pub(super) at: Option<Timestamp>,
    pub(super) boot: Option<BootId>,
}

/// The engine that drives, or drove last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub host: Clean,
    pub pid: u32,
}

/// One step of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepState {
    pub status: StepStatus,
    /// The newest try; 0 before the first.
    pub attempt: Attempt,
    /// Milliseconds since the release started.
    pub started_ms: Option<u64>,
    pub ended_ms: Option<u64>,
    pub end: Option<Box<StepEnd>>,
    /// How many retries operators have ordered.
    pub ordered: u32,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepStatus {
    Waiting,
    Running,
    Passed,
    Failed,
    /// It did not run, and says why.
    Skipped(Clean),
    /// It failed and an operator went on.
    Overridden,
}

/// One stage of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageState {
    pub judgement: Option<Judgement>,
    /// The newest record that concerns the stage's steps.
    pub changed: Seq,
    /// Whether this release runs it.
    pub planned: bool,
    /// Whether it passes by the evidence of an earlier release.
    pub passed_before: bool,
}

/// The human gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub stage: StageId,
    pub card: Box<Card>,
    pub digest: Digest,
    pub opened_ms: u64,
    pub expires_ms: u64,
    /// The newest record that changed the card.
    pub changed: Seq,
    pub votes: Vec<VoteEntry>,
    pub closed: Option<GateResult>,
}

/// One vote. A person's later vote replaces the earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteEntry {
    pub by: Person,
    pub signed: bool,
    pub vote: Vote,
    pub comment: Clean,
    pub at: Wall,
}

/// Blue/green of this release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    pub survey: Option<Survey>,
    /// The slot that served when the release was approved: the way back.
    pub from: Option<Slot>,
    /// The slot that the release goes to.
    pub to: Option<Slot>,
    pub deployed: Option<Deployed>,
    /// A switch that was ordered and has not been answered.
    pub order: Option<SwitchOrder>,
    pub switched_ms: Option<u64>,
    pub rolled_back_ms: Option<u64>,
    /// How long moving the Services took, forward and back, in milliseconds.
    pub switch_took_ms: Option<u64>,
    pub rollback_took_ms: Option<u64>,
    pub rollback_reason: Option<Clean>,
    pub proof: Option<TrafficProof>,
    pub latch: Option<Latch>,
    pub tidied: bool,
    /// The session that has still to look whether one before it rolled back unrecorded.
    pub unlooked: Option<Seq>,
    /// The newest record that concerns the traffic.
    pub changed: Seq,
}

/// An ordered switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchOrder {
    pub key: EffectKey,
    pub from: Option<Slot>,
    pub to: Slot,
    pub way: Way,
    pub by: Person,
    pub at: Wall,
}

/// The watch after a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    pub started_ms: u64,
    /// The record that the window under measurement follows from.
    pub cause: Seq,
    /// Every judged window, oldest first.
    pub windows: Vec<Window>,
    /// The first window that counts: a retry starts the count anew.
    pub counted_from: usize,
}

/// One judged window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub evidence: Evidence,
    pub verdicts: Vec<RuleVerdict>,
    pub at_ms: u64,
}

/// A database restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    pub backup: BackupId,
    pub undo: bool,
    pub by: Person,
    /// The record that the next phase follows from.
    pub cause: Seq,
    pub done: Vec<RestoreReport>,
    pub failed: Option<(RestorePhase, Clean)>,
}

/// A waiver that a person gave a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenWaiver {
    pub waiver: Waiver,
    pub by: Person,
    pub at: Wall,
}

/// A change of the policy, by whom and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenPolicy {
    pub change: PolicyChange,
    pub by: Person,
    pub at: Wall,
}

impl GivenPolicy {
    /// `mira changed the findings gates: LOOSER: …`, as a card says it.
    pub fn sentence(&self) -> Clean {
        let Self { change, by, at } = self;
        let (words, after, why) = (change.words(), change.after.short(), &change.comment);
        Clean::new(&format!(
            "{by} changed the findings gates at {at:.0}, policy {after} now: {words} ({why})"
        ))
    }
}

/// The release waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub hold: Hold,
    pub since_ms: u64,
    pub seq: Seq,
}

/// What becomes of an effect in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    Observe,
    Hold,
}

impl Release {
    /// A release of which nothing is known yet.
    pub fn new(id: ReleaseId) -> Self {
        Self {
            id,
            head: None,
            epoch: Epoch(0),
            start: None,
            started_by: None,
            started_at: None,
            session: None,
            clock: ReleaseClock::default(),
            steps: BTreeMap::new(),
            stages: Vec::new(),
            gate: None,
            rollout: Rollout::default(),
            monitor: None,
            restore: None,
            backups: Vec::new(),
            waivers: Vec::new(),
            policy_changes: Vec::new(),
            hold: None,
            doubts: BTreeMap::new(),
            untold: BTreeMap::new(),
            aborted: None,
            result: None,
        }
    }

    pub fn plan(&self) -> Option<&Plan> {
        self.start.as_deref().map(|start| &start.plan)
    }

    pub fn policy(&self) -> Option<&Policy> {
        self.start.as_deref().map(|start| &start.policy)
    }

    /// The sequence number of the next record.
    pub fn next_seq(&self) -> Seq {
        self.head.map_or(Seq(0), Seq::next)
    }

    /// Milliseconds since the release started.
    pub fn elapsed_ms(&self, now: Timestamp) -> u64 {
        let Some(at) = self.clock.at else { return 0 };
        self.clock.elapsed_ms.saturating_add(now.boot_ms.saturating_sub(at.boot_ms))
    }

    /// Whether traffic is on the release's own slot.
    pub fn is_switched(&self) -> bool {
        self.rollout.switched_ms.is_some() && self.rollout.rolled_back_ms.is_none()
    }

    /// The slot that serves as far as this release knows.
    pub fn serving(&self) -> Option<Slot> {
        if self.is_switched() { self.rollout.to } else { self.rollout.from }
    }

    /// Whether the switch waits for a person's key.
    pub fn awaits_switch(&self) -> bool {
        let waits = self.plan().and_then(|plan| plan.built_in(super::BuiltIn::Switch));
        waits
            .and_then(|step| self.steps.get(&step.id))
            .is_some_and(|s| s.status == StepStatus::Running)
            && self.rollout.order.is_none()
            && !self.is_switched()
    }

    /// The gate that people may vote at now.
    pub fn open_gate(&self) -> Option<&Gate> {
        self.gate.as_ref().filter(|gate| gate.closed.is_none() && self.result.is_none())
    }

    /// Whether a stage's gate says go.
    pub fn stage_is_go(&self, index: usize) -> bool {
        self.stages.get(index).is_some_and(|stage| {
            stage.passed_before
                || stage.judgement.as_ref().is_some_and(|j| j.verdict == super::GateVerdict::Go)
        })
    }

    /// Whether people have said go for a stage that asks them.
    pub fn stage_is_approved(&self, stage: &super::Stage) -> bool {
        !stage.approval
            || self
                .gate
                .as_ref()
                .is_some_and(|gate| gate.stage == stage.id && gate.closed == Some(GateResult::Go))
    }

    /// Whether a step has used up its tries, or was cancelled.
    pub fn failed_for_good(&self, step: &Step) -> bool {
        self.steps.get(&step.id).is_some_and(|state| {
            let cancelled = state
                .end
                .as_ref()
                .is_some_and(|end| matches!(end.result, super::StepResult::Cancelled { .. }));
            state.status == StepStatus::Failed
                && (cancelled || state.attempt.0 > step.retries.saturating_add(state.ordered))
        })
    }

    /// The key of a step's newest try.
    pub fn step_key(&self, id: &StepId) -> Option<EffectKey> {
        let state = self.steps.get(id)?;
        Some(EffectKey::step(id, state.attempt))
    }
}

impl StepState {
    pub(super) fn new() -> Self {
        Self {
            status: StepStatus::Waiting,
            attempt: Attempt(0),
            started_ms: None,
            ended_ms: None,
            end: None,
            ordered: 0,
        }
    }

    /// Whether steps that need this one may start.
    pub fn is_met(&self) -> bool {
        matches!(self.status, StepStatus::Passed | StepStatus::Skipped(_) | StepStatus::Overridden)
    }
}

impl Restore {
    /// The phases of this restore, in their order.
    pub fn phases(&self) -> &'static [RestorePhase] {
        use RestorePhase::{Aside, Fence, MeasureLoss, Reopen, Swap, SwapBack};
        if self.undo {
            &[Fence, SwapBack, Reopen]
        } else {
            &[Aside, Fence, MeasureLoss, Swap, Reopen]
        }
    }

    /// The phase under way or next; none when all are done.
    pub fn next(&self) -> Option<RestorePhase> {
        self.phases().get(self.done.len()).copied()
    }

    pub fn is_done(&self) -> bool {
        self.next().is_none()
    }
}

impl Monitor {
    /// The windows that count.
    pub fn counted(&self) -> &[Window] {
        self.windows.get(self.counted_from..).unwrap_or(&[])
    }

    /// Seconds of windows in which every rule passed.
    pub fn good_s(&self) -> u64 {
        self.counted()
            .iter()
            .filter(|window| window.verdicts.iter().all(|v| v.verdict.is_pass()))
            .map(|window| window.evidence.window_s)
            .sum()
    }
}
