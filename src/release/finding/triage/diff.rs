//! What is new since a baseline.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::release::{Digest, Finding};

/// How a finding stands to a baseline.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    New,
    Existing,
    /// It stands in the baseline only.
    Fixed,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Existing => "existing",
            Self::Fixed => "fixed",
        }
    }
}

/// The findings of now beside those of a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// New or existing, for each finding of now, in their order.
    pub now: Vec<Status>,
    /// The places in the baseline of what is gone since.
    pub fixed: Vec<usize>,
}

impl Diff {
    /// How many findings are so: of now, or of the baseline where they are fixed.
    pub fn count(&self, status: Status) -> usize {
        match status {
            Status::Fixed => self.fixed.len(),
            Status::New | Status::Existing => self.now.iter().filter(|own| **own == status).count(),
        }
    }
}

/// Compares findings with those of a baseline, by fingerprint.
///
/// Findings that share a fingerprint are counted: three where there were two are two existing and
/// one new. Which one is new is told by the place where it can be, else it is the last.
pub fn diff(now: &[Finding], baseline: &[Finding]) -> Diff {
    let mut before: HashMap<&Digest, Vec<usize>> = HashMap::with_capacity(baseline.len());
    for (at, finding) in baseline.iter().enumerate() {
        before.entry(&finding.fingerprint).or_default().push(at);
    }
    let mut status = vec![Status::New; now.len()];
    // First those that have not even moved, so that the one at a new place is the new one.
    for still in [true, false] {
        for (at, finding) in now.iter().enumerate() {
            if status[at] == Status::Existing {
                continue;
            }
            let Some(left) = before.get_mut(&finding.fingerprint) else { continue };
            let same = |old: &usize| !still || baseline[*old].location == finding.location;
            if let Some(found) = left.iter().position(same) {
                left.remove(found);
                status[at] = Status::Existing;
            }
        }
    }
    let mut fixed: Vec<usize> = before.into_values().flatten().collect();
    fixed.sort_unstable();
    Diff { now: status, fixed }
}
