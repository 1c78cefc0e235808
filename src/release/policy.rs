//! The policy: what decides over the plan. It comes from a pinned place outside the revision
//! under release, which may only tighten it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Finite, Person, Severity, StepId};

/// Who must say go, what limits hold, and what happens when something is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub approval: ApprovalPolicy,
    pub findings: FindingsPolicy,
    pub rollout: RolloutPolicy,
    pub monitor: MonitorPolicy,
    pub database: DatabasePolicy,
    /// Seconds a failed release that a person started waits for a retry before it ends.
    pub retry_window_s: u64,
}

/// The human gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalPolicy {
    /// How many different persons must say go.
    pub required: u32,
    /// Whether the person who started the release counts as one of them.
    pub requester_may_approve: bool,
    /// Who may vote; empty means everybody who may drive this release.
    pub approvers: Vec<Person>,
    /// Seconds until an unanswered gate expires.
    pub expires_s: u64,
}

/// What a scan may find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingsPolicy {
    /// The most findings of a severity that a step may report; what is not named is unlimited.
    pub limits: BTreeMap<Severity, u32>,
    /// Other limits for single steps; a severity not named there falls back to `limits`.
    pub steps: BTreeMap<StepId, BTreeMap<Severity, u32>>,
}

/// Deploying and switching.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutPolicy {
    /// Never switch to a slot with fewer ready endpoints per Service.
    pub ready_min: u32,
    /// Whether the switch happens without a person pressing it, once the gate said go.
    pub promote_unattended: bool,
    /// What becomes of the slot that failed.
    pub after_rollback: AfterRollback,
    /// Rolls back by itself when monitoring fails.
    pub automatic_rollback: bool,
}

/// What becomes of the failed slot after a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterRollback {
    /// It stays as it is, for whoever looks for the cause.
    Keep,
    /// It is scaled to no pods.
    ScaleDown,
}

/// The watch after a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MonitorPolicy {
    /// How long it lasts, in seconds.
    pub duration_s: u64,
    /// The length of one judged window, in seconds.
    pub window_s: u64,
    /// Failed requests among all, at most: 0.01 is one in a hundred.
    pub error_ratio_max: Finite,
    /// Average response time, at most, in milliseconds.
    pub mean_ms_max: Finite,
    /// Container exits after Ready that fail the watch at once.
    pub exits_max: u32,
    /// Fewer requests than this in a window prove nothing.
    pub requests_min: u64,
    /// A rule fails when `fail_windows` of the last `of_windows` fail.
    pub fail_windows: u32,
    pub of_windows: u32,
    /// This many unknown windows in a row hold the release.
    pub unknown_windows: u32,
    pub on_unknown: OnUnknown,
}

/// What happens when nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Hold, and tell people.
    Hold,
    /// Roll back.
    RollBack,
}

/// Backups and restores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabasePolicy {
    /// Production is migrated only with a verified backup no older than this, in seconds.
    pub backup_max_age_s: u64,
    /// Backups are kept this long, in days.
    pub retention_days: u32,
}

impl FindingsPolicy {
    /// The most findings of `severity` that `step` may report.
    pub fn limit(&self, step: &StepId, severity: Severity) -> Option<u32> {
        let own = self.steps.get(step).and_then(|limits| limits.get(&severity));
        own.or_else(|| self.limits.get(&severity)).copied()
    }
}
