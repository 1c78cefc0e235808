//! What scanners and tests report, in one model.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Clean, Digest};

/// How bad a finding is, worst first, after each tool's own words were normalised.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
    /// The tool gave no severity, or one that is not understood.
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

/// One thing a tool found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub tool: Clean,
    pub rule: Clean,
    pub severity: Severity,
    /// The severity in the tool's own word, where it had one.
    pub original: Option<Clean>,
    pub title: Clean,
    /// `src/pay.rs:88`, or a resource's or test's name.
    pub location: Clean,
    /// Stays the same over moved lines, new image tags and new builds.
    pub fingerprint: Digest,
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
}

impl ReportSummary {
    pub fn count(&self, severity: Severity) -> u32 {
        self.counts.get(&severity).copied().unwrap_or(0)
    }
}
