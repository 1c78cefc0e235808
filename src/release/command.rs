//! What people may ask, and why not.

use jiff::Timestamp as Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::waiver::Waiver;
use super::{BackupId, Clean, Person, Policy, Seq, Slot};

/// Who did something, and by which way they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Principal {
    pub person: Person,
    pub via: Via,
    /// The key whose signature proves the person; none means *unsigned, same account*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Clean>,
}

/// The way a command came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A key in the cockpit.
    Cockpit,
    /// A subcommand in a shell.
    Shell,
    /// A rehearsal's scripted operator.
    Script,
    /// gonogo itself, by a rule of the policy.
    Engine,
}

impl Principal {
    /// gonogo itself: who appears where no person acted.
    pub fn engine() -> Self {
        let person = Person::new("gonogo").expect("a name in its grammar");
        Self { person, via: Via::Engine, key: None }
    }
}

/// Something a person asked, and what they saw when they asked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub by: Principal,
    /// The last record on the asker's screen; a vote on an older picture of its gate is refused.
    pub seen: Option<Seq>,
    pub ask: Ask,
}

/// What can be asked. Key, palette, command line and socket all end here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Ask {
    /// Vote go at the open gate.
    Approve { comment: Clean },
    /// Vote no-go at the open gate; it ends the release.
    Reject { comment: Clean },
    /// Tell the others "not now" at the open gate; it stays open.
    Defer { comment: Clean },
    /// Try again what failed or is in doubt.
    Retry,
    /// Go on although something failed or is unknown, with a reason.
    Override { comment: Clean },
    /// End the release before any switch.
    Abort { comment: Clean },
    /// Move the traffic to a slot.
    Switch { to: Slot },
    /// Move the traffic back to the slot that served before.
    RollBack { comment: Clean },
    /// Let findings not count until a day, with a reason.
    Waive { waiver: Box<Waiver> },
    /// Judge by the findings gates of a policy that changed since the release started.
    ChangePolicy { policy: Box<Policy>, from: Clean, comment: Clean },
    /// Replace the database by a backup, aside first.
    Restore { backup: BackupId },
    /// Swap the database back to what it was before the restore.
    UndoRestore,
}

impl Ask {
    /// The word for it on keys, in refusals and on the command line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Defer { .. } => "defer",
            Self::Retry => "retry",
            Self::Override { .. } => "override",
            Self::Abort { .. } => "abort",
            Self::Switch { .. } => "switch",
            Self::RollBack { .. } => "rollback",
            Self::Waive { .. } => "waive",
            Self::ChangePolicy { .. } => "policy",
            Self::Restore { .. } => "restore",
            Self::UndoRestore => "undo restore",
        }
    }
}

/// Why something may not be asked now. Nothing is recorded; the asker reads the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Refusal {
    #[error("the release has ended: {result}")]
    Ended { result: Clean },
    #[error("the release has not started yet")]
    NotStarted,
    #[error("no gate is open")]
    NoGate,
    #[error("{who} chose {what} at {at:.0}, before you; your {yours} was not applied")]
    Overtaken { who: Person, what: Clean, at: Wall, yours: Clean },
    #[error(
        "the gate moved since you looked (you saw record {seen}, it changed at {changed}); \
         look again"
    )]
    Stale { seen: Seq, changed: Seq },
    #[error("{who} may not vote here: {why}")]
    MayNotVote { who: Person, why: Clean },
    #[error("{who} may not waive findings: {why}")]
    MayNotWaive { who: Person, why: Clean },
    #[error("{who} may not change the policy: {why}")]
    MayNotChangePolicy { who: Person, why: Clean },
    #[error("{why}")]
    NotNow { why: Clean },
    #[error("the journal cannot be written, so nothing was started: {why}")]
    CannotRecord { why: Clean },
    #[error("this session may only watch: {why}")]
    Observing { why: Clean },
}

impl Refusal {
    pub fn not_now(why: &str) -> Self {
        Self::NotNow { why: Clean::new(why) }
    }
}
