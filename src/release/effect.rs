//! What the world owes the release, and what it answered.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Attempt, Backup, BackupId, BuiltIn, Card, CardLine, Clean, Epoch, Evidence, FindingsPolicy,
    GateInput, Judgement, Latch, Person, ReleaseId, ReportFormat, ReportSummary, RestorePhase,
    RestoreReport, Seq, Slot, StageId, Step, StepId, Survey, Touches, TrafficProof,
};

/// Names one effect for ever: what caused it and the how-manieth try it is. A late answer from an
/// older try cannot be taken for the new one's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectKey {
    pub cause: Cause,
    pub attempt: Attempt,
}

/// What an effect is owed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Cause {
    /// A step of the plan.
    Step(StepId),
    /// The record of what a person asked.
    Ask(Seq),
    /// The record that a rule of plan or policy followed from.
    Rule(Seq),
}

impl EffectKey {
    pub fn step(id: &StepId, attempt: Attempt) -> Self {
        Self { cause: Cause::Step(id.clone()), attempt }
    }

    pub fn ask(seq: Seq) -> Self {
        Self { cause: Cause::Ask(seq), attempt: Attempt(1) }
    }

    pub fn rule(seq: Seq) -> Self {
        Self { cause: Cause::Rule(seq), attempt: Attempt(1) }
    }
}

impl fmt::Display for EffectKey {
    /// Also the name of the effect's folder under `steps/`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Step(id) => write!(f, "{id}.{}", self.attempt),
            Cause::Ask(seq) => write!(f, "ask-{seq}.{}", self.attempt),
            Cause::Rule(seq) => write!(f, "rule-{seq}.{}", self.attempt),
        }
    }
}

/// Something to be done in the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// Run a step's command in the workspace.
    RunCommand { step: Box<Step> },
    /// Do what a step `uses`.
    BuiltIn { step: StepId, what: BuiltIn, job: BuiltInJob },
    /// Judge a finished stage by the policy.
    JudgeGate {
        stage: StageId,
        inputs: Vec<GateInput>,
        /// With the waivers that people gave this release.
        policy: FindingsPolicy,
        /// The release that serves now.
        baseline: Option<ReleaseId>,
    },
    /// Survey what serves and draw up the decision card.
    /// `card` is all of it but who serves, as the records give it so far.
    DrawUpCard { stage: StageId, card: Box<Card>, switches: bool },
    /// Move every Service to a slot.
    SwitchTraffic {
        from: Option<Slot>,
        to: Slot,
        epoch: Epoch,
        ready_min: u32,
        way: Way,
        by: Person,
        reason: Clean,
    },
    /// Measure one window of the slot that serves.
    MeasureWindow { slot: Slot, window_s: u64 },
    /// Look whether an earlier session moved traffic back to a slot and could not record it.
    FindRollback { to: Slot },
    /// Do with the failed slot what the policy says.
    TidySlot { slot: Slot },
    /// One phase of a database restore.
    Restore { backup: BackupId, phase: RestorePhase },
    /// Tell people.
    Notify { title: Clean, body: Clean },
}

/// A report that a step left: where it lies, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Names its folder.
    pub key: EffectKey,
    pub format: ReportFormat,
    /// The program that the step ran.
    pub tool: Clean,
}

/// What the built-in steps need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltInJob {
    pub timeout_s: u64,
    /// The slot it is about, where it is about one.
    pub slot: Option<Slot>,
    /// The slot that must stay ready as the way back.
    pub way_back: Option<Slot>,
    pub backup_max_age_s: u64,
    pub retention_days: u32,
    pub ready_min: u32,
    /// What the consolidated report says.
    pub evidence: Vec<CardLine>,
}

/// Which way a switch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    Forward,
    Back,
}

/// What may be done with an effect that was owed when its session broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCrash {
    /// It changes nothing, or can be repeated: do it again.
    Rerun,
    /// Look at the world first; repeat it only when it is known not to have happened.
    Observe,
    /// Wait for a person.
    Hold,
}

impl Effect {
    /// Exhaustive on purpose: a new effect does not compile until somebody has decided this.
    pub fn after_crash(&self) -> AfterCrash {
        match self {
            Self::JudgeGate { .. }
            | Self::DrawUpCard { .. }
            | Self::MeasureWindow { .. }
            | Self::FindRollback { .. }
            // A message twice is better than a message never.
            | Self::Notify { .. } => AfterCrash::Rerun,
            Self::RunCommand { .. } | Self::SwitchTraffic { .. } | Self::TidySlot { .. } => {
                AfterCrash::Observe
            }
            Self::BuiltIn { what, .. } => what.after_crash(),
            Self::Restore { phase, .. } => phase.after_crash(),
        }
    }

    /// Whether a try that broke off without a trace of its end may be repeated unasked.
    pub fn may_repeat_blindly(&self) -> bool {
        match self {
            Self::RunCommand { step } => step.touches == Touches::Workspace,
            other => other.after_crash() == AfterCrash::Rerun,
        }
    }
}

impl BuiltIn {
    fn after_crash(self) -> AfterCrash {
        match self {
            Self::Migrations
            | Self::SmokeStaging
            | Self::ValidateSchema
            | Self::Smoke
            | Self::WayBack
            | Self::Health
            // Server-side apply and deletion by name are idempotent.
            | Self::DeployStaging
            | Self::DeployPreview
            | Self::CleanCluster
            | Self::CleanBackups
            // A second backup or drill costs time only.
            | Self::Backup
            | Self::Drill
            | Self::Report
            // These two are moved by asks and windows, not by an effect of their own.
            | Self::Switch
            | Self::Monitor => AfterCrash::Rerun,
            Self::Migrate => AfterCrash::Observe,
        }
    }
}

/// What the world answered. Failing is an outcome, not an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a few outcomes exist at a time; boxes would only make them harder to match"
)]
pub enum Outcome {
    StepEnded(StepEnd),
    Judged(Judgement),
    CardDrawn(Box<Card>),
    Switched {
        proof: TrafficProof,
        took_ms: u64,
    },
    Measured {
        evidence: Evidence,
    },
    /// The rollback of which only the Services know: who, when and why; none when there is none.
    RollbackFound {
        trace: Option<Clean>,
    },
    Tidied {
        what: Clean,
    },
    Restored {
        report: Box<RestoreReport>,
    },
    Notified {
        channels: u32,
        failed: Vec<Clean>,
    },
    /// It did not happen, and the world is as it was.
    Failed {
        reason: Clean,
    },
    /// It is not known whether it happened, or it happened in part.
    InDoubt {
        reason: Clean,
    },
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEnd {
    pub result: StepResult,
    pub took_ms: u64,
    pub report: Option<ReportSummary>,
    /// What an approver should read about it: `backup 1.2 MB, verified`.
    pub facts: Vec<CardLine>,
    /// What the step learnt about who serves, for those that look.
    pub survey: Option<Survey>,
    /// The versions the step put into a slot.
    pub deployed: Option<Deployed>,
    /// The backup the step took.
    pub backup: Option<Backup>,
    /// Secrets masked in the step's log.
    pub masked: u64,
}

/// Images that were put into a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    pub slot: Slot,
    pub images: Vec<Clean>,
}

impl StepEnd {
    pub fn new(result: StepResult, took_ms: u64) -> Self {
        Self {
            result,
            took_ms,
            report: None,
            facts: Vec::new(),
            survey: None,
            deployed: None,
            backup: None,
            masked: 0,
        }
    }
}

/// The result of one try of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepResult {
    Passed,
    Failed { reason: Clean },
    TimedOut { after_s: u64 },
    Cancelled { reason: Clean },
}

impl StepResult {
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// Why it did not pass; empty when it did.
    pub fn reason(&self) -> Clean {
        match self {
            Self::Passed => Clean::default(),
            Self::Failed { reason } | Self::Cancelled { reason } => reason.clone(),
            Self::TimedOut { after_s } => Clean::new(&format!("timed out after {after_s} s")),
        }
    }
}

/// What an observation of an effect in doubt found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Seen {
    /// It happened; this is its outcome.
    Done { outcome: Box<Outcome> },
    /// It did not happen.
    NotDone,
    /// It happened in part, and may be repeated to completion.
    Partial { reason: Clean },
    /// It is still under way and has been taken over.
    StillGoing,
    /// It cannot be known from here.
    Unknown { reason: Clean },
}

/// A latch that a rollback left, and the release it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchedBy {
    pub latch: Latch,
    pub release: ReleaseId,
}
