//! What scanners and tests report, in one model.

pub mod limits;
pub mod triage;
pub mod waiver;
pub mod weigh;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Clean, Digest, Finite};

/// How bad a finding is, worst first, after each tool's own words were normalised.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
    /// The tool gave no severity, or one that is not understood.
    #[default]
    Unknown,
}

impl Severity {
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Unknown];

    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Unknown => "unknown",
        }
    }
}

/// What sort of thing was found, whichever tool found it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A package with a known weakness.
    Vulnerability,
    /// Infrastructure, image or cluster settings.
    Misconfiguration,
    Secret,
    Licence,
    /// A weakness or fault in source code.
    Code,
    /// A test that failed.
    Test,
    /// Something that will be changed, a Terraform resource for one.
    Change,
    /// A measure beyond its limit: a k6 threshold, a condition of a quality gate.
    Limit,
    /// What a running application answered to an attack.
    Dynamic,
    #[default]
    Other,
}

/// The package that a finding is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    pub name: Clean,
    /// Its package URL, where the tool gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<Clean>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Clean>,
    /// The version, or the versions, in which the finding is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Clean>,
}

/// One thing a tool found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub tool: Clean,
    pub rule: Clean,
    /// Other numbers of the same flaw, where the tool tells them: a CVE's GHSA.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Clean>,
    pub severity: Severity,
    /// The severity in the tool's own word, where it had one.
    pub original: Option<Clean>,
    pub title: Clean,
    /// `src/pay.rs:88`, or a resource's or test's name.
    pub location: Clean,
    /// Stays the same over moved lines, new image tags and new builds. Findings that only their
    /// lines tell apart share one: count them, do not only look for it.
    pub fingerprint: Digest,
    #[serde(default, skip_serializing_if = "is_other")]
    pub kind: FindingKind,
    /// What is configured, tested or changed: `Deployment/api`, `azurerm_storage_account.logs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Clean>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// What to do about it, where the tool says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Clean>,
    /// What the tool quotes, secrets masked; the path of a screenshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Clean>,
    /// Which secret it is, as a hash with this installation's key: equal for the same secret
    /// wherever and by whatever tool it is found, and of no use to whoever lacks the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Digest>,
}

impl Finding {
    /// All the names of its flaw: its rule, then the others.
    pub fn ids(&self) -> impl Iterator<Item = &Clean> {
        std::iter::once(&self.rule).chain(&self.aliases)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_other(kind: &FindingKind) -> bool {
    *kind == FindingKind::Other
}

impl Default for Finding {
    fn default() -> Self {
        Self {
            tool: Clean::default(),
            rule: Clean::default(),
            aliases: Vec::new(),
            severity: Severity::default(),
            original: None,
            title: Clean::default(),
            location: Clean::default(),
            fingerprint: Digest::zero(),
            kind: FindingKind::default(),
            resource: None,
            package: None,
            fix: None,
            evidence: None,
            secret: None,
        }
    }
}

/// The four states of a report. Only the first two say anything about what was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReportState {
    /// Something was looked at and nothing was found.
    Clean,
    Findings,
    /// Nothing was looked at: no data is never healthy.
    NotScanned {
        reason: Clean,
    },
    /// The tool or its report broke.
    Crashed {
        reason: Clean,
    },
}

/// Counts of tests in a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestCounts {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

/// A number that a report gives besides its findings, for a gate to hold against a limit.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The lowest score of what was rated (Kubesec).
    Score,
    /// Covered lines among all, in percent.
    LineCoveragePct,
    /// Covered branches among all, in percent.
    BranchCoveragePct,
    /// Terraform resources that a plan creates, changes in place, destroys, replaces.
    Created,
    Changed,
    Destroyed,
    Replaced,
    /// Resources that hold data, destroyed or replaced.
    StatefulLost,
    /// Migrations that have not been applied.
    Pending,
    /// Migrations that were applied.
    Applied,
    /// 95th percentile of response times, in milliseconds.
    P95Ms,
    /// Failed requests among all: 0.01 is one in a hundred.
    ErrorRatio,
    /// Requests a second.
    ThroughputPerS,
    /// Components of a bill of materials.
    Components,
    /// Signatures that were verified.
    Signatures,
}

impl Measure {
    pub const ALL: [Self; 15] = [
        Self::Score,
        Self::LineCoveragePct,
        Self::BranchCoveragePct,
        Self::Created,
        Self::Changed,
        Self::Destroyed,
        Self::Replaced,
        Self::StatefulLost,
        Self::Pending,
        Self::Applied,
        Self::P95Ms,
        Self::ErrorRatio,
        Self::ThroughputPerS,
        Self::Components,
        Self::Signatures,
    ];

    /// Its name in policies and reports.
    pub fn key(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::LineCoveragePct => "line_coverage_pct",
            Self::BranchCoveragePct => "branch_coverage_pct",
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Destroyed => "destroyed",
            Self::Replaced => "replaced",
            Self::StatefulLost => "stateful_lost",
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::P95Ms => "p95_ms",
            Self::ErrorRatio => "error_ratio",
            Self::ThroughputPerS => "throughput_per_s",
            Self::Components => "components",
            Self::Signatures => "signatures",
        }
    }

    /// What it is, for people, before its number.
    pub fn words(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::LineCoveragePct => "covered lines in %",
            Self::BranchCoveragePct => "covered branches in %",
            Self::Created => "resources created",
            Self::Changed => "resources changed",
            Self::Destroyed => "resources DESTROYED",
            Self::Replaced => "resources replaced",
            Self::StatefulLost => "resources that hold data DESTROYED or replaced",
            Self::Pending => "pending migrations",
            Self::Applied => "applied migrations",
            Self::P95Ms => "p95 in ms",
            Self::ErrorRatio => "share of failed requests",
            Self::ThroughputPerS => "requests a second",
            Self::Components => "components",
            Self::Signatures => "signatures",
        }
    }
}

/// What the journal keeps of a report: its digest, what was looked at, how much was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSummary {
    pub tool: Clean,
    pub state: ReportState,
    /// What was looked at: `41 files, 3 commits`.
    pub coverage: Clean,
    /// How many things were looked at; 0 means not scanned.
    pub covered: u64,
    pub tests: Option<TestCounts>,
    /// How many findings of each severity.
    pub counts: BTreeMap<Severity, u32>,
    /// The worst findings, a few, so that a reason can name rule and place.
    pub worst: Vec<Finding>,
    /// Of the stored, masked report.
    pub digest: Digest,
    /// Numbers besides the findings: a score, a coverage, a percentile.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<Measure, Finite>,
}

impl ReportSummary {
    pub fn count(&self, severity: Severity) -> u32 {
        self.counts.get(&severity).copied().unwrap_or(0)
    }

    /// A number besides the findings, in the measure's own unit.
    pub fn measure(&self, measure: Measure) -> Option<f64> {
        self.measures.get(&measure).map(|number| number.get())
    }
}
