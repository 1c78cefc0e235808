//! The core: what a release is and what may happen next. Pure: no async, clock, I/O, randomness,
//! terminal or cluster types.

mod apply;
mod card;
mod command;
mod decide;
mod due;
mod effect;
mod event;
mod evidence;
pub mod finding;
mod gate;
mod id;
mod owed;
mod plan;
pub mod policy;
mod restore;
mod rollout;
mod state;
mod telemetry;
mod text;
mod time;

pub use card::{CardLayer, Counted, LAYERS, Layer, report_words};
pub use command::{Ask, Command, Principal, Refusal, Via};
pub use decide::{INVARIANTS, Input, Opened, Timer, Wrong, broken, decide, permit};
pub use due::{Due, due};
pub use effect::{
    AfterCrash, BuiltInJob, Cause, Deployed, Effect, EffectKey, LatchedBy, Outcome, Seen, StepEnd,
    StepResult, Stored, Way,
};
pub use event::{Event, FORMAT, GateResult, Hold, Record, Rehearsal, ReleaseResult, Start, Vote};
pub use evidence::{Evidence, Reading, Rule, RuleVerdict, judge_window};
pub use finding::limits::FindingsPolicy;
pub use finding::{Finding, ReportState, ReportSummary, Severity, TestCounts, triage};
pub use gate::{
    Card, CardLine, CardRollout, GateInput, GateVerdict, Judgement, Verdict, card_verdict, judge,
};
pub use id::{
    Attempt, BackupId, BadDigest, BadName, Digest, Epoch, Person, ReleaseId, Revision, SecretName,
    Seq, SessionId, StageId, StepId,
};
pub use owed::owed;
pub use plan::{
    BranchRule, BuiltIn, Plan, PlanError, ReportFile, ReportFormat, Stage, Step, Touches,
};
pub use policy::{
    AfterRollback, ApprovalPolicy, DatabasePolicy, MonitorPolicy, OnUnknown, Policy, RolloutPolicy,
};
pub use restore::{
    Backup, DatabaseState, Drill, Loss, Migration, MigrationClass, RestorePhase, RestoreReport,
};
pub use rollout::{
    DeploymentState, EndpointCount, Latch, NotASlot, ServiceSlot, Serving, Slot, SlotState, Survey,
    TrafficProof,
};
pub use state::{
    Doubt, Gate, GivenPolicy, GivenWaiver, Held, Monitor, Release, ReleaseClock, Restore, Rollout,
    Session, StageState, StepState, StepStatus, SwitchOrder, VoteEntry, Window,
};
pub use telemetry::{Fault, PodRow, PodRows, SlotSample, Telemetry};
pub use text::{Clean, Finite, NotFinite, SECRET_BYTES_MIN, Secret, ShortSecret, hidden};
pub use time::{BootId, Timestamp};
