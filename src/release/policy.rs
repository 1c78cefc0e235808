//! The policy: what decides over the plan. It comes from a pinned place outside the revision
//! under release, which may only tighten it.

mod change;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FindingsPolicy, Finite, Person};

pub use change::PolicyChange;

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

/// Something in a policy that contradicts itself, and at which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// `findings.waivers[2].reason`.
    pub path: String,
    pub message: String,
}

impl Policy {
    /// Whether what it says can be meant.
    ///
    /// # Errors
    /// The first contradiction, and where it stands.
    pub fn check(&self) -> Result<(), PolicyError> {
        for (at, waiver) in self.findings.waivers.iter().enumerate() {
            if let Err((field, message)) = waiver.check() {
                let dot = if field.is_empty() { "" } else { "." };
                let path = format!("findings.waivers[{at}]{dot}{field}");
                return Err(PolicyError { path, message: message.to_owned() });
            }
        }
        Ok(())
    }

    /// This policy, tightened by what the revision under release asks of itself. Where that asks
    /// for less, this policy stands, and the list says where: `approval.required: 1 is looser than
    /// 2`. What has no order of strictness (`monitor.window_s`, `after_rollback`, `on_unknown`,
    /// `retry_window_s`) stays.
    pub fn tightened_by(&self, own: &Self) -> (Self, Vec<String>) {
        let mut loose = Tighter::default();
        let tightened = Self {
            approval: self.approval.tightened_by(&own.approval, &mut loose),
            findings: self.findings.tightened_by(&own.findings, &mut loose),
            rollout: self.rollout.tightened_by(&own.rollout, &mut loose),
            monitor: self.monitor.tightened_by(&own.monitor, &mut loose),
            database: self.database.tightened_by(&own.database, &mut loose),
            retry_window_s: self.retry_window_s,
        };
        (tightened, loose.into_found())
    }
}

/// Takes the stricter of two values, and remembers where the second was the looser one.
#[derive(Default)]
pub(super) struct Tighter {
    found: Vec<String>,
}

impl Tighter {
    pub(super) fn say(&mut self, what: String) {
        self.found.push(what);
    }

    pub(super) fn into_found(self) -> Vec<String> {
        self.found
    }

    pub(super) fn least<T: PartialOrd + Copy + fmt::Display>(
        &mut self,
        key: &str,
        pinned: T,
        own: T,
    ) -> T {
        if own > pinned {
            self.found.push(format!("{key}: {own} is looser than {pinned}"));
        }
        if own < pinned { own } else { pinned }
    }

    pub(super) fn most<T: PartialOrd + Copy + fmt::Display>(
        &mut self,
        key: &str,
        pinned: T,
        own: T,
    ) -> T {
        if own < pinned {
            self.found.push(format!("{key}: {own} is looser than {pinned}"));
        }
        if own > pinned { own } else { pinned }
    }
}

impl ApprovalPolicy {
    fn tightened_by(&self, own: &Self, loose: &mut Tighter) -> Self {
        let approvers = if self.approvers.is_empty() {
            own.approvers.clone()
        } else if own.approvers.is_empty() {
            self.approvers.clone()
        } else {
            let (both, more): (Vec<Person>, Vec<Person>) =
                own.approvers.iter().cloned().partition(|person| self.approvers.contains(person));
            for person in more {
                loose.found.push(format!("approval.approvers: {person} is no approver"));
            }
            both
        };
        Self {
            required: loose.most("approval.required", self.required, own.required),
            requester_may_approve: loose.least(
                "approval.requester_may_approve",
                self.requester_may_approve,
                own.requester_may_approve,
            ),
            approvers,
            expires_s: loose.least("approval.expires_s", self.expires_s, own.expires_s),
        }
    }
}

impl RolloutPolicy {
    fn tightened_by(&self, own: &Self, loose: &mut Tighter) -> Self {
        Self {
            ready_min: loose.most("rollout.ready_min", self.ready_min, own.ready_min),
            promote_unattended: loose.least(
                "rollout.promote_unattended",
                self.promote_unattended,
                own.promote_unattended,
            ),
            after_rollback: self.after_rollback,
            automatic_rollback: loose.most(
                "rollout.automatic_rollback",
                self.automatic_rollback,
                own.automatic_rollback,
            ),
        }
    }
}

impl DatabasePolicy {
    fn tightened_by(&self, own: &Self, loose: &mut Tighter) -> Self {
        Self {
            backup_max_age_s: loose.least(
                "database.backup_max_age_s",
                self.backup_max_age_s,
                own.backup_max_age_s,
            ),
            retention_days: loose.most(
                "database.retention_days",
                self.retention_days,
                own.retention_days,
            ),
        }
    }
}

impl MonitorPolicy {
    fn tightened_by(&self, own: &Self, loose: &mut Tighter) -> Self {
        Self {
            duration_s: loose.most("monitor.duration_s", self.duration_s, own.duration_s),
            window_s: self.window_s,
            error_ratio_max: loose.least(
                "monitor.error_ratio_max",
                self.error_ratio_max,
                own.error_ratio_max,
            ),
            mean_ms_max: loose.least("monitor.mean_ms_max", self.mean_ms_max, own.mean_ms_max),
            exits_max: loose.least("monitor.exits_max", self.exits_max, own.exits_max),
            requests_min: loose.most("monitor.requests_min", self.requests_min, own.requests_min),
            fail_windows: loose.least("monitor.fail_windows", self.fail_windows, own.fail_windows),
            of_windows: loose.most("monitor.of_windows", self.of_windows, own.of_windows),
            unknown_windows: loose.least(
                "monitor.unknown_windows",
                self.unknown_windows,
                own.unknown_windows,
            ),
            on_unknown: self.on_unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::finding::limits::{Limits, Which};
    use crate::release::{Severity, StepId};

    fn pinned() -> Policy {
        let finite = |number| Finite::new(number).expect("finite");
        Policy {
            approval: ApprovalPolicy {
                required: 2,
                requester_may_approve: false,
                approvers: Vec::new(),
                expires_s: 3600,
            },
            findings: FindingsPolicy {
                limits: most(&[(Severity::Critical, 0), (Severity::High, 3)]),
                steps: [(step("build.trivy"), most(&[(Severity::High, 9)]))].into(),
                ..FindingsPolicy::default()
            },
            rollout: RolloutPolicy {
                ready_min: 2,
                promote_unattended: false,
                after_rollback: AfterRollback::Keep,
                automatic_rollback: true,
            },
            monitor: MonitorPolicy {
                duration_s: 300,
                window_s: 15,
                error_ratio_max: finite(0.01),
                mean_ms_max: finite(2000.0),
                exits_max: 0,
                requests_min: 20,
                fail_windows: 2,
                of_windows: 3,
                unknown_windows: 3,
                on_unknown: OnUnknown::Hold,
            },
            database: DatabasePolicy { backup_max_age_s: 900, retention_days: 30 },
            retry_window_s: 900,
        }
    }

    fn step(id: &str) -> StepId {
        StepId::new(id).expect("an id")
    }

    fn most(all: &[(Severity, u32)]) -> Limits {
        Limits { all: all.iter().copied().collect(), ..Limits::default() }
    }

    fn limit(policy: &Policy, id: &str, severity: Severity) -> Option<u32> {
        policy.findings.limit(Which::All, &step(id), "Tool", severity)
    }

    #[test]
    fn a_stricter_revision_is_heard() {
        let mut own = pinned();
        own.approval.required = 3;
        own.findings.limits.all.insert(Severity::Medium, 5);
        own.findings.steps.insert(step("code.snyk"), most(&[(Severity::High, 0)]));
        own.monitor.error_ratio_max = Finite::new(0.001).expect("finite");
        let (policy, loose) = pinned().tightened_by(&own);
        assert!(loose.is_empty(), "{loose:?}");
        assert_eq!(policy.approval.required, 3);
        assert_eq!(limit(&policy, "any", Severity::Medium), Some(5));
        assert_eq!(limit(&policy, "code.snyk", Severity::High), Some(0));
        assert_eq!(limit(&policy, "build.trivy", Severity::High), Some(9));
        assert!(policy.monitor.error_ratio_max.get() < 0.01);
    }

    #[test]
    fn a_looser_revision_is_told_and_not_heard() {
        let mut own = pinned();
        own.approval.required = 1;
        own.approval.requester_may_approve = true;
        own.findings.limits.all.insert(Severity::Critical, 7);
        own.findings.steps.insert(step("code.snyk"), most(&[(Severity::Critical, 50)]));
        own.rollout.promote_unattended = true;
        own.rollout.automatic_rollback = false;
        own.monitor.duration_s = 10;
        own.database.backup_max_age_s = 90_000;
        let (policy, loose) = pinned().tightened_by(&own);
        let mut as_pinned = policy.clone();
        // The same limits, said once more for the step that was named.
        as_pinned.findings = pinned().findings;
        assert_eq!(as_pinned, pinned());
        assert_eq!(limit(&policy, "code.snyk", Severity::Critical), Some(0));
        assert_eq!(loose.len(), 8, "{loose:#?}");
        assert!(loose.contains(&"approval.required: 1 is looser than 2".to_owned()));
    }

    #[test]
    fn only_pinned_people_may_be_named() {
        let person = |name: &str| Person::new(name).expect("a name");
        let (mut pinned, mut own) = (pinned(), pinned());
        own.approval.approvers = vec![person("mira")];
        assert_eq!(pinned.tightened_by(&own).0.approval.approvers, [person("mira")]);
        pinned.approval.approvers = vec![person("sam"), person("mira")];
        assert_eq!(pinned.tightened_by(&own).0.approval.approvers, [person("mira")]);
        own.approval.approvers = vec![person("mallory")];
        let (policy, loose) = pinned.tightened_by(&own);
        assert!(policy.approval.approvers.is_empty());
        assert_eq!(loose, ["approval.approvers: mallory is no approver"]);
    }
}
