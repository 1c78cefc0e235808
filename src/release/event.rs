//! What happened: the only thing that is recorded, and the only thing that changes a release.

use jiff::Timestamp as Wall;
use serde::{Deserialize, Serialize};

use super::finding::waiver::Waiver;
use super::policy::PolicyChange;
use super::{
    Backup, BackupId, BootId, Card, Clean, Digest, EffectKey, Epoch, Evidence, Judgement, Latch,
    LatchedBy, Plan, Policy, Principal, ReleaseId, RestorePhase, RestoreReport, Revision,
    RuleVerdict, Seen, Seq, SessionId, Slot, StageId, StepEnd, StepId, Timestamp, TrafficProof,
    Way,
};

/// The version of the record's form. A newer one than this is watched, never driven.
pub const FORMAT: u32 = 1;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub release: ReleaseId,
    pub seq: Seq,
    pub epoch: Epoch,
    /// Of the line before, as it stands on disk; zeros before the first.
    pub prev: Digest,
    /// Unique to one attempt to append, so that a reply that was lost can be told from a rival's.
    pub attempt_id: String,
    pub at_wall: Wall,
    /// Milliseconds on the boot clock of the machine that recorded it.
    pub at_boot: u64,
    pub by: Principal,
    pub event: Event,
}

impl Record {
    pub fn at(&self) -> Timestamp {
        Timestamp { wall: self.at_wall, boot_ms: self.at_boot }
    }
}

/// Everything that can happen to a release, in the past tense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    ReleaseStarted {
        start: Box<Start>,
    },
    /// An engine opened the journal to drive.
    SessionOpened {
        session: SessionId,
        host: Clean,
        pid: u32,
        boot: BootId,
        build: Clean,
    },
    /// The journal ended in a line that never became whole; it was set aside (fault F2).
    TailRepaired {
        bytes: u64,
    },
    /// The intent to run a step; on disk before the step starts.
    StepStarted {
        step: StepId,
    },
    StepEnded {
        step: StepId,
        end: Box<StepEnd>,
    },
    StepSkipped {
        step: StepId,
        reason: Clean,
    },
    /// An effect in doubt was looked at.
    EffectObserved {
        key: EffectKey,
        seen: Seen,
    },
    StageJudged {
        stage: StageId,
        judgement: Judgement,
    },
    /// The decision card is drawn up and frozen; people may vote.
    GateOpened {
        stage: StageId,
        card: Box<Card>,
        digest: Digest,
    },
    VoteCast {
        stage: StageId,
        card: Digest,
        vote: Vote,
        comment: Clean,
    },
    GateClosed {
        stage: StageId,
        result: GateResult,
    },
    /// The intent to move traffic; on disk before a Service is touched.
    SwitchOrdered {
        from: Option<Slot>,
        to: Slot,
    },
    TrafficSwitched {
        to: Slot,
        way: Way,
        proof: TrafficProof,
        took_ms: u64,
    },
    /// The Services are as they were.
    SwitchFailed {
        to: Slot,
        way: Way,
        reason: Clean,
    },
    WindowJudged {
        evidence: Evidence,
        verdicts: Vec<RuleVerdict>,
    },
    /// The intent to move traffic back.
    RollbackOrdered {
        to: Slot,
        reason: Clean,
    },
    VersionLatched {
        latch: Latch,
    },
    /// The failed slot was treated as the policy says.
    SlotTidied {
        slot: Slot,
        what: Clean,
    },
    RestoreOrdered {
        backup: BackupId,
        undo: bool,
    },
    RestoreAdvanced {
        report: Box<RestoreReport>,
    },
    RestoreFailed {
        phase: RestorePhase,
        reason: Clean,
    },
    /// The release needs an operator; it says why.
    Held {
        hold: Hold,
    },
    /// An operator asked to try again what the hold named.
    RetryOrdered {
        steps: Vec<StepId>,
    },
    /// An operator went on although something failed or is unknown.
    HoldOverridden {
        comment: Clean,
    },
    AbortOrdered {
        comment: Clean,
    },
    ReleaseEnded {
        result: ReleaseResult,
    },
    /// A person said why findings do not count for a while; what they stopped is judged again.
    FindingWaived {
        waiver: Box<Waiver>,
    },
    /// A person brought changed findings gates into the release; what may still be judged is
    /// judged by them again.
    PolicyChanged {
        change: Box<PolicyChange>,
    },
    /// People were told about a record, or could not be.
    Notified {
        about: Seq,
        channels: u32,
        failed: Vec<Clean>,
    },
}

/// What a release starts with. Plan and policy are recorded whole: the journal explains itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub plan: Plan,
    pub plan_digest: Digest,
    pub policy: Policy,
    pub policy_digest: Digest,
    /// Where the policy came from, and what of the revision's own did not count.
    #[serde(default, skip_serializing_if = "Clean::is_empty")]
    pub policy_from: Clean,
    pub revision: Revision,
    pub branch: Clean,
    pub environment: Clean,
    /// The first stage that runs; earlier gates pass only by evidence of the same revision.
    pub from: Option<StageId>,
    /// The last stage that runs, inclusive.
    pub until: StageId,
    /// Whether steps that touch anything outside the workspace run.
    pub external: bool,
    /// Whether a person started it at a terminal; then a failure waits for a retry.
    pub attended: bool,
    /// Whether there is a way to tell people who are not looking.
    pub tells: bool,
    pub rehearsal: Option<Rehearsal>,
    pub latches: Vec<LatchedBy>,
    /// The release that serves the environment now, as far as this machine has released it: what
    /// is new is told against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<ReleaseId>,
    /// Gates that pass by the evidence of an earlier release of the same revision.
    pub passed_before: Vec<StageId>,
}

/// What makes a rehearsal repeatable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    pub scenario: Clean,
    pub seed: u64,
}

/// A named person's say at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    Approve,
    Reject,
    Defer,
}

/// How the human gate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateResult {
    Go,
    NoGo,
    Expired,
}

/// Why the release waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// Something failed before the switch; a retry is possible for a while.
    Failed { stage: StageId, reason: Clean },
    /// A step failed while the new version serves.
    StepFailed { step: StepId, reason: Clean },
    /// The gate cannot open: what serves is not known, or this revision is latched.
    GateBlocked { stage: StageId, reason: Clean },
    /// Nothing is known about the slot that serves.
    Unknown { reason: Clean },
    /// The slot that serves fails and the way back is not good either.
    BothBad { reason: Clean },
    /// The traffic could not be moved; it is as it was.
    SwitchFailed { reason: Clean },
    /// A session broke off in the middle of something that must not be repeated blindly.
    InDoubt { key: EffectKey, what: Clean },
    /// A restore stopped in one of its phases.
    RestoreFailed { phase: RestorePhase, reason: Clean },
}

/// How a release ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReleaseResult {
    Released,
    /// Nothing was switched.
    Failed {
        reason: Clean,
    },
    Rejected {
        reason: Clean,
    },
    Expired,
    Aborted {
        reason: Clean,
    },
    RolledBack {
        reason: Clean,
    },
}

impl Event {
    /// The event's kind as the journal spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ReleaseStarted { .. } => "release_started",
            Self::SessionOpened { .. } => "session_opened",
            Self::TailRepaired { .. } => "tail_repaired",
            Self::StepStarted { .. } => "step_started",
            Self::StepEnded { .. } => "step_ended",
            Self::StepSkipped { .. } => "step_skipped",
            Self::EffectObserved { .. } => "effect_observed",
            Self::StageJudged { .. } => "stage_judged",
            Self::GateOpened { .. } => "gate_opened",
            Self::VoteCast { .. } => "vote_cast",
            Self::GateClosed { .. } => "gate_closed",
            Self::SwitchOrdered { .. } => "switch_ordered",
            Self::TrafficSwitched { .. } => "traffic_switched",
            Self::SwitchFailed { .. } => "switch_failed",
            Self::WindowJudged { .. } => "window_judged",
            Self::RollbackOrdered { .. } => "rollback_ordered",
            Self::VersionLatched { .. } => "version_latched",
            Self::SlotTidied { .. } => "slot_tidied",
            Self::RestoreOrdered { .. } => "restore_ordered",
            Self::RestoreAdvanced { .. } => "restore_advanced",
            Self::RestoreFailed { .. } => "restore_failed",
            Self::Held { .. } => "held",
            Self::RetryOrdered { .. } => "retry_ordered",
            Self::HoldOverridden { .. } => "hold_overridden",
            Self::AbortOrdered { .. } => "abort_ordered",
            Self::ReleaseEnded { .. } => "release_ended",
            Self::FindingWaived { .. } => "finding_waived",
            Self::PolicyChanged { .. } => "policy_changed",
            Self::Notified { .. } => "notified",
        }
    }

    /// Whether people are told about it when they are not looking.
    pub fn tells_people(&self) -> bool {
        matches!(self, Self::GateOpened { .. } | Self::Held { .. } | Self::ReleaseEnded { .. })
            || matches!(self, Self::TrafficSwitched { way: Way::Back, .. })
    }

    /// The backup that the event brought, if it brought one.
    pub fn backup(&self) -> Option<&Backup> {
        match self {
            Self::StepEnded { end, .. } => end.backup.as_ref(),
            _ => None,
        }
    }
}
