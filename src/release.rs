//! The core: what a release is and what may happen next. Pure: no async, clock, I/O, randomness,
//! terminal or cluster types.

mod id;
mod rollout;
mod telemetry;
mod text;
mod time;

pub use id::{
    Attempt, BackupId, BadDigest, BadName, Digest, Epoch, Person, ReleaseId, Revision, SecretName,
    Seq, SessionId, StageId, StepId,
};
pub use rollout::{
    DeploymentState, EndpointCount, Latch, NotASlot, ServiceSlot, Serving, Slot, SlotState, Survey,
    TrafficProof,
};
pub use telemetry::{PodRow, SlotSample, Telemetry};
pub use text::{Clean, Finite, NotFinite, SECRET_BYTES_MIN, Secret, ShortSecret, hidden};
pub use time::{BootId, Timestamp};
