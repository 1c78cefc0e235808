//! What of a report weighs at its gate: what is new since what serves, and what no waiver covers.

use std::collections::BTreeMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::triage::{Diff, Status};
use super::waiver::Waiver;
use super::{Finding, FindingKind, ReportSummary, Severity};
use crate::release::{Clean, Person, StepId};

/// The findings of one report, counted for its gate. It is recorded with the judgement, so that
/// the journal alone tells again why a stage was go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Weighed {
    pub step: StepId,
    /// What no waiver covers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub all: BTreeMap<Severity, u32>,
    /// The part of it that what serves now does not have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub new: BTreeMap<Severity, u32>,
    /// What waivers cover.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waived: BTreeMap<Severity, u32>,
    /// Failed tests among it.
    #[serde(default)]
    pub tests_waived: u32,
    /// By which waivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<WaivedBy>,
    /// What serves now has and this report has not.
    #[serde(default)]
    pub fixed: u32,
    /// The first one of each severity, for the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first: BTreeMap<Severity, Named>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_new: BTreeMap<Severity, Named>,
    /// Why everything counts as new; empty where it was compared.
    #[serde(default, skip_serializing_if = "Clean::is_empty")]
    pub not_compared: Clean,
}

/// A waiver that covered something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaivedBy {
    pub what: Clean,
    pub owner: Person,
    #[schemars(with = "String")]
    pub until: Date,
    pub count: u32,
}

/// A finding, as a reason names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Named {
    pub rule: Clean,
    pub title: Clean,
    pub location: Clean,
}

impl Named {
    fn of(finding: &Finding) -> Self {
        let Finding { rule, title, location, .. } = finding;
        Self { rule: rule.clone(), title: title.cut(80), location: location.clone() }
    }

    /// `CVE-2023-45853 (zlib: integer overflow) at package-lock.json`.
    pub fn words(&self) -> String {
        let title = self.title.as_str();
        let title = if title.is_empty() || title == self.rule.as_str() {
            String::new()
        } else {
            format!(" ({title})")
        };
        let place = self.location.as_str();
        let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
        format!("{}{title}{place}", self.rule)
    }
}

/// Counts the findings of one report for its gate, and says for each the place of the waiver that
/// covers it, if one does today. `before` is how they stand to what serves now, or why that is not
/// known: then all of them are new.
pub fn weigh(
    step: &StepId,
    findings: &[Finding],
    before: Result<&Diff, &Clean>,
    waivers: &[Waiver],
    today: Date,
) -> (Weighed, Vec<Option<usize>>) {
    let mut weighed = Weighed::nothing(step.clone());
    match before {
        Ok(diff) => weighed.fixed = u32::try_from(diff.fixed.len()).unwrap_or(u32::MAX),
        Err(why) => weighed.not_compared = why.clone(),
    }
    let valid: Vec<(usize, &Waiver)> =
        waivers.iter().enumerate().filter(|(_, waiver)| !waiver.is_expired(today)).collect();
    let mut used = vec![0_u32; waivers.len()];
    let mut covered = Vec::with_capacity(findings.len());
    for (at, finding) in findings.iter().enumerate() {
        let status = before.ok().and_then(|diff| diff.now.get(at)).copied();
        let by = valid.iter().find(|(_, waiver)| waiver.covers(finding)).map(|(by, _)| *by);
        if let Some(by) = by {
            used[by] = used[by].saturating_add(1);
        }
        weighed.add(finding, status.unwrap_or(Status::New), by.is_some());
        covered.push(by);
    }
    let by = waivers.iter().zip(used).filter(|(_, count)| *count > 0);
    weighed.by = by
        .map(|(waiver, count)| WaivedBy {
            what: waiver.what(),
            owner: waiver.owner.clone(),
            until: waiver.until,
            count,
        })
        .collect();
    (weighed, covered)
}

fn count(counts: &mut BTreeMap<Severity, u32>, severity: Severity) {
    let count = counts.entry(severity).or_default();
    *count = count.saturating_add(1);
}

impl Weighed {
    fn add(&mut self, finding: &Finding, status: Status, waived: bool) {
        let severity = finding.severity;
        if waived {
            count(&mut self.waived, severity);
            self.tests_waived += u32::from(finding.kind == FindingKind::Test);
            return;
        }
        count(&mut self.all, severity);
        self.first.entry(severity).or_insert_with(|| Named::of(finding));
        if status == Status::New {
            count(&mut self.new, severity);
            self.first_new.entry(severity).or_insert_with(|| Named::of(finding));
        }
    }

    fn nothing(step: StepId) -> Self {
        Self {
            step,
            all: BTreeMap::new(),
            new: BTreeMap::new(),
            waived: BTreeMap::new(),
            tests_waived: 0,
            by: Vec::new(),
            fixed: 0,
            first: BTreeMap::new(),
            first_new: BTreeMap::new(),
            not_compared: Clean::default(),
        }
    }

    /// A report that nobody has weighed: no waiver covers anything, and everything is new.
    pub fn of_summary(step: &StepId, report: &ReportSummary) -> Self {
        let counts: BTreeMap<Severity, u32> = (report.counts.iter())
            .filter(|(_, count)| **count > 0)
            .map(|(severity, count)| (*severity, *count))
            .collect();
        let mut first = BTreeMap::new();
        for finding in &report.worst {
            first.entry(finding.severity).or_insert_with(|| Named::of(finding));
        }
        Self {
            all: counts.clone(),
            new: counts,
            first: first.clone(),
            first_new: first,
            ..Self::nothing(step.clone())
        }
    }

    /// Findings of a severity that no waiver covers, and those of them that are new.
    pub fn count(&self, severity: Severity) -> (u32, u32) {
        let of = |counts: &BTreeMap<Severity, u32>| counts.get(&severity).copied().unwrap_or(0);
        (of(&self.all), of(&self.new))
    }

    /// Whether it accounts for every finding of the report that it was made of.
    pub fn adds_up(&self, report: &ReportSummary) -> bool {
        Severity::ALL.into_iter().all(|severity| {
            let (all, new) = self.count(severity);
            let waived = self.waived.get(&severity).copied().unwrap_or(0);
            new <= all && all.saturating_add(waived) == report.count(severity)
        }) && self.by.iter().map(|by| u64::from(by.count)).sum::<u64>() == self.total_waived()
            && u64::from(self.tests_waived) <= self.total_waived()
    }

    fn total_waived(&self) -> u64 {
        self.waived.values().map(|count| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Digest;
    use crate::release::triage::diff;

    fn finding(name: &str, severity: Severity) -> Finding {
        Finding {
            rule: name.into(),
            severity,
            location: "src/a.rs:1".into(),
            fingerprint: Digest::of(name.as_bytes()),
            ..Finding::default()
        }
    }

    fn step() -> StepId {
        StepId::new("code.snyk").expect("an id")
    }

    fn waiver(rule: &str, until: &str) -> Waiver {
        Waiver {
            tool: None,
            rule: Some(rule.into()),
            fingerprint: None,
            location: None,
            package: None,
            reason: "known".into(),
            justification: None,
            owner: Person::new("mira").expect("a name"),
            until: until.parse().expect("a day"),
        }
    }

    #[test]
    fn findings_are_new_existing_fixed_and_waived_and_add_up() {
        use Severity::{High, Low};
        let of = |names: &[(&str, Severity)]| -> Vec<Finding> {
            names.iter().map(|(name, severity)| finding(name, *severity)).collect()
        };
        let before = of(&[("old", High), ("twice", High), ("gone", High), ("waived-old", High)]);
        let now = of(&[
            ("old", High),
            ("twice", High),
            // There was one, now there are two.
            ("twice", High),
            ("waived-old", High),
            ("waived-new", Low),
            // An expired waiver covers nothing.
            ("late", Low),
        ]);
        let waivers = [waiver("late", "2026-11-01"), waiver("waived*", "2026-12-01")];
        let today = "2026-11-24".parse().expect("a day");
        let (weighed, covered) = weigh(&step(), &now, Ok(&diff(&now, &before)), &waivers, today);
        assert_eq!(covered, [None, None, None, Some(1), Some(1), None]);
        assert_eq!((weighed.count(High), weighed.count(Low)), ((3, 1), (1, 1)));
        assert_eq!((weighed.fixed, weighed.by.len(), weighed.by[0].count), (1, 1, 2));
        assert_eq!(weighed.first_new[&High].rule.as_str(), "twice");
        let mut report = ReportSummary {
            tool: "t".into(),
            state: crate::release::ReportState::Findings,
            coverage: "1 file".into(),
            covered: 1,
            tests: None,
            counts: [(High, 4), (Low, 2)].into(),
            worst: Vec::new(),
            digest: Digest::zero(),
            measures: BTreeMap::new(),
        };
        assert!(weighed.adds_up(&report));
        let forged = Weighed { tests_waived: 3, ..weighed.clone() };
        assert!(!forged.adds_up(&report), "more failed tests are waived than waivers cover");
        report.counts.insert(High, 5);
        assert!(!weighed.adds_up(&report), "one is not accounted for");
    }

    #[test]
    fn without_a_baseline_everything_is_new_and_it_is_said() {
        let today = "2026-11-24".parse().expect("a day");
        let why = Clean::new("no release is known to serve");
        let (weighed, _) = weigh(&step(), &[finding("a", Severity::High)], Err(&why), &[], today);
        assert_eq!((weighed.count(Severity::High), weighed.not_compared), ((1, 1), why));
    }
}
