//! What is new since a baseline.

use std::collections::HashMap;
use std::hash::Hash;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::release::Finding;

/// Among so many findings of one fingerprint the place is looked for: a report in which all share
/// one is compared all the same, in time that does not grow with its square.
const SAME_MAX: usize = 64;

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
    let key = |finding: &'_ Finding| (finding.fingerprint.clone(), finding.location.clone());
    let keys = |all: &[Finding]| all.iter().map(key).collect::<Vec<_>>();
    diff_keys(&keys(now), &keys(baseline))
}

/// As [`diff`], of findings that are held in another form: each by its fingerprint and its place.
pub fn diff_keys<F: Eq + Hash, P: Eq>(now: &[(F, P)], baseline: &[(F, P)]) -> Diff {
    // The first of each fingerprint in the baseline, and the one after each.
    let mut first: HashMap<&F, usize> = HashMap::with_capacity(baseline.len());
    let mut next: Vec<Option<usize>> = vec![None; baseline.len()];
    for (at, (fingerprint, _)) in baseline.iter().enumerate().rev() {
        next[at] = first.insert(fingerprint, at);
    }
    let mut status = vec![Status::New; now.len()];
    let mut gone = vec![true; baseline.len()];
    // First those that have not even moved, so that the one at a new place is the new one.
    for still in [true, false] {
        for (at, (fingerprint, place)) in now.iter().enumerate() {
            if status[at] == Status::Existing {
                continue;
            }
            let mut old = first.get(fingerprint).copied();
            let mut looked = 0;
            while let Some(one) = old {
                looked += 1;
                if gone[one] && (!still || baseline[one].1 == *place) {
                    gone[one] = false;
                    status[at] = Status::Existing;
                    break;
                }
                old = if looked < SAME_MAX || !still { next[one] } else { None };
            }
            // What is used up is not looked at again.
            if let Some(from) = first.get_mut(fingerprint).filter(|_| !still) {
                while let (false, Some(after)) = (gone[*from], next[*from]) {
                    *from = after;
                }
            }
        }
    }
    let fixed = gone.iter().enumerate().filter(|(_, gone)| **gone).map(|(at, _)| at).collect();
    Diff { now: status, fixed }
}
