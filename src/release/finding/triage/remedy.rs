//! The fewest fixes that keep the limits.

use std::collections::BTreeMap;

use super::cause::Cause;
use crate::release::{Finding, Severity};

/// How many sets of fixes are tried before the search settles for what it has: some milliseconds.
const TRIES_MAX: u32 = 100_000;

/// Fixes that keep the limits, or come as near as known fixes can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    /// The places of their causes.
    pub fixes: Vec<usize>,
    /// Whether fewer are known not to do. Otherwise there were too many ways to try them all.
    pub fewest: bool,
    /// How many findings remain of each severity that stays above its limit all the same.
    pub over: BTreeMap<Severity, u32>,
}

impl Remedy {
    /// What it is worth, in a sentence that says no more than is known.
    pub fn words(&self) -> String {
        let fixes = match self.fixes.len() {
            1 => "1 fix".to_owned(),
            n => format!("{n} fixes"),
        };
        let does = if self.fixes.len() == 1 { "keeps" } else { "keep" };
        let few = match (self.fixes.len(), self.fewest) {
            (0 | 1, _) => "",
            (_, true) => ", and fewer do not",
            (_, false) => "; fewer may do, not every way was tried",
        };
        if self.over.is_empty() {
            return match self.fixes.len() {
                0 => "the limits are kept without a fix".to_owned(),
                _ => format!("{fixes} {does} the limits{few}"),
            };
        }
        let left = self.over.iter().map(|(severity, count)| format!("{count} {}", severity.word()));
        let left = left.collect::<Vec<_>>().join(", ");
        match self.fixes.len() {
            0 => format!("no known fix keeps the limits: {left} remain"),
            _ => format!("no known fixes keep the limits: {left} remain after {fixes}{few}"),
        }
    }
}

/// How many findings of each severity are too many, or go with a fix.
type Counts = [u32; Severity::ALL.len()];

/// Finds the smallest set of fixes that brings the findings of each severity down to its limit; a
/// severity without one is not limited.
///
/// The set is the smallest for sure as long as that can be told in `TRIES_MAX` tries, which is
/// always so where one severity is too many; beyond, it is what taking the most useful fix again
/// and again gives.
pub fn smallest(
    findings: &[Finding],
    causes: &[Cause],
    limits: &BTreeMap<Severity, u32>,
) -> Remedy {
    let mut need = Counts::default();
    for finding in findings {
        need[index(finding.severity)] += 1;
    }
    for severity in Severity::ALL {
        let limit = limits.get(&severity).copied().unwrap_or(u32::MAX);
        need[index(severity)] = need[index(severity)].saturating_sub(limit);
    }
    let mut fixes: Vec<(usize, Counts)> = Vec::new();
    let mut sum = Counts::default();
    for (at, cause) in causes.iter().enumerate().filter(|(_, cause)| cause.fix.is_some()) {
        let mut helps = Counts::default();
        for (severity, count) in cause.counts(findings) {
            let of = index(severity);
            helps[of] = count.min(need[of]);
            sum[of] = sum[of].saturating_add(helps[of]);
        }
        if helps.iter().any(|count| *count > 0) {
            fixes.push((at, helps));
        }
    }
    let mut over = BTreeMap::new();
    for severity in Severity::ALL {
        let of = index(severity);
        if sum[of] < need[of] {
            let limit = limits.get(&severity).copied().unwrap_or(0);
            over.insert(severity, need[of] - sum[of] + limit);
            need[of] = sum[of];
        }
    }
    fixes.sort_by_key(|(_, helps)| std::cmp::Reverse(helps.iter().sum::<u32>()));
    let taken = greedy(&fixes, need);
    let mut search = Search { fixes: &fixes, most: most(&fixes), tries: 0, taken: Vec::new() };
    let mut remedy = Remedy { fixes: Vec::new(), fewest: true, over };
    let mut best = taken;
    for size in search.least(0, need)..best.len() {
        match search.within(0, size, need) {
            Some(true) => {
                best.clone_from(&search.taken);
                break;
            }
            Some(false) => {}
            None => {
                remedy.fewest = false;
                break;
            }
        }
    }
    remedy.fixes = best.into_iter().map(|at| fixes[at].0).collect();
    remedy.fixes.sort_unstable();
    remedy
}

fn index(severity: Severity) -> usize {
    severity as usize
}

fn after(need: Counts, helps: &Counts) -> Counts {
    let mut left = need;
    left.iter_mut().zip(helps).for_each(|(left, helps)| *left = left.saturating_sub(*helps));
    left
}

/// Takes the fix that helps most until nothing is too many.
fn greedy(fixes: &[(usize, Counts)], need: Counts) -> Vec<usize> {
    let (mut need, mut taken) = (need, Vec::new());
    let mut left: Vec<usize> = (0..fixes.len()).collect();
    while need.iter().any(|count| *count > 0) {
        let use_of = |at: &usize| -> u32 {
            need.iter().zip(&fixes[*at].1).map(|(need, helps)| need.min(helps)).sum()
        };
        let Some(best) =
            left.iter().max_by_key(|at| (use_of(at), std::cmp::Reverse(**at))).copied()
        else {
            break;
        };
        left.retain(|at| *at != best);
        need = after(need, &fixes[best].1);
        taken.push(best);
    }
    taken
}

/// For every place, how much the fixes from there on can do for each severity, the most helpful
/// first, added up: `most[at][severity][n]` is the most that `n` of them can.
fn most(fixes: &[(usize, Counts)]) -> [Vec<u32>; Severity::ALL.len()] {
    std::array::from_fn(|of| {
        let mut helps: Vec<u32> = fixes.iter().map(|(_, helps)| helps[of]).collect();
        helps.sort_unstable_by(|a, b| b.cmp(a));
        let mut sum = 0_u32;
        std::iter::once(0)
            .chain(helps.into_iter().map(|help| {
                sum = sum.saturating_add(help);
                sum
            }))
            .collect()
    })
}

struct Search<'f> {
    fixes: &'f [(usize, Counts)],
    /// The most that so many fixes can do for a severity, whichever they are.
    most: [Vec<u32>; Severity::ALL.len()],
    tries: u32,
    taken: Vec<usize>,
}

impl Search<'_> {
    /// No fewer fixes can do what is needed.
    fn least(&self, from: usize, need: Counts) -> usize {
        let of = |severity: usize| {
            let enough = self.most[severity].partition_point(|sum| *sum < need[severity]);
            enough.min(self.fixes.len() - from + 1)
        };
        (0..need.len()).map(of).max().unwrap_or(0)
    }

    /// Whether `size` of the fixes from a place on are enough; none where that took too long.
    fn within(&mut self, from: usize, size: usize, need: Counts) -> Option<bool> {
        if need.iter().all(|count| *count == 0) {
            return Some(true);
        }
        self.tries += 1;
        if self.tries > TRIES_MAX {
            return None;
        }
        if size == 0 || from == self.fixes.len() || self.least(from, need) > size {
            return Some(false);
        }
        for at in from..self.fixes.len() {
            if at > from && self.fixes[at].1 == self.fixes[at - 1].1 {
                // Its twin has not helped.
                continue;
            }
            self.taken.push(at);
            let left = after(need, &self.fixes[at].1);
            if self.within(at + 1, size - 1, left)? {
                return Some(true);
            }
            self.taken.pop();
        }
        Some(false)
    }
}
