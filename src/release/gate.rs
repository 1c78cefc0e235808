//! Gates: where a stage ends, or a person decides. The logic that says go lives here and nowhere
//! else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::card::{CardLayer, Counted};
use super::finding::limits::{FindingsPolicy, Which};
use super::finding::weigh::Weighed;
use super::{
    Clean, LatchedBy, ReportState, ReportSummary, Revision, Serving, Severity, Slot, StepId,
    Stored, Survey,
};

/// What a measurement or a report says about a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Fail {
        reason: Clean,
    },
    /// Nothing is known, which is never a pass (I10).
    Unknown {
        reason: Clean,
    },
}

impl Verdict {
    pub fn fail(reason: &str) -> Self {
        Self::Fail { reason: Clean::new(reason) }
    }

    pub fn unknown(reason: &str) -> Self {
        Self::Unknown { reason: Clean::new(reason) }
    }

    pub fn is_pass(&self) -> bool {
        matches!(self, Self::Pass)
    }
}

/// The verdict of a stage's gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GateVerdict {
    Go,
    NoGo,
    /// Somebody must look: something is not known.
    Hold,
}

/// What a gate was judged on and what came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    pub verdict: GateVerdict,
    /// Why it is not a go, worst first; each names the step and what to do about it.
    pub reasons: Vec<Clean>,
    pub reports: u32,
    pub findings: u32,
    /// What of each report counted: what is new, what is waived. A report that is not here was
    /// taken whole, and as new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weighed: Vec<Weighed>,
}

/// One step's part in the judgement of its stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateInput {
    pub step: StepId,
    pub report: Option<ReportSummary>,
    /// Where the report itself lies.
    pub stored: Option<Stored>,
    /// What of the report counts; none where nobody has looked into it, and then all of it does.
    pub weighed: Option<Weighed>,
}

/// Judges a stage whose steps have all ended well: do their reports keep the policy's limits?
///
/// Reports that looked at nothing or broke never pass, and no waiver helps them. Nor does a number
/// that was wanted and is not there.
pub fn judge(inputs: &[GateInput], policy: &FindingsPolicy) -> Judgement {
    let mut reasons = Vec::new();
    let (mut reports, mut findings) = (0, 0_u32);
    for input in inputs {
        let Some(report) = &input.report else { continue };
        reports += 1;
        findings = report.counts.values().fold(findings, |sum, count| sum.saturating_add(*count));
        match &report.state {
            ReportState::NotScanned { reason } | ReportState::Crashed { reason } => {
                reasons.push(Clean::new(&format!("{}: {reason}", input.step)));
            }
            ReportState::Clean | ReportState::Findings => {
                reasons.extend(over_limits(input, report, policy));
            }
        }
    }
    let verdict = if reasons.is_empty() { GateVerdict::Go } else { GateVerdict::NoGo };
    let weighed = inputs.iter().filter_map(|input| input.weighed.clone()).collect();
    Judgement { verdict, reasons, reports, findings, weighed }
}

fn over_limits(input: &GateInput, report: &ReportSummary, policy: &FindingsPolicy) -> Vec<Clean> {
    let step = &input.step;
    let whole = || Weighed::of_summary(step, report);
    let weighed = input.weighed.clone().unwrap_or_else(whole);
    let mut reasons = Vec::new();
    if let Some(tests) = report.tests {
        let failed = tests.failed.saturating_sub(weighed.tests_waived);
        if failed > 0 {
            let first = weighed.first.values().next();
            let first = first.map_or(String::new(), |f| format!(", first {}", f.words()));
            reasons.push(format!("{step}: {failed} tests failed{first}"));
        }
    } else {
        reasons.extend(too_many(step, report.tool.as_str(), &weighed, policy));
    }
    for held in policy.bounds(step, report.tool.as_str()) {
        let (what, wanted) = (held.measure.words(), held.bound.words());
        let first = weighed.first.values().next();
        let first = first.map_or(String::new(), |first| format!("; first {}", first.words()));
        match report.measures.get(&held.measure) {
            Some(number) if !held.bound.holds(number.get()) => {
                reasons.push(format!("{step}: {what} {number}, wanted {wanted}{first}"));
            }
            None if held.required => reasons.push(format!(
                "{step}: the report of {} does not say {what}, wanted {wanted}",
                report.tool
            )),
            Some(_) | None => {}
        }
    }
    reasons.iter().map(|reason| Clean::new(reason)).collect()
}

/// Where a report holds more of a severity than it may; what is new is named only where all of it
/// together would still pass.
fn too_many(step: &StepId, tool: &str, weighed: &Weighed, policy: &FindingsPolicy) -> Vec<String> {
    let mut reasons = Vec::new();
    for severity in Severity::ALL {
        let (all, new) = weighed.count(severity);
        let kinds =
            [(Which::All, all, "", &weighed.first), (Which::New, new, "NEW ", &weighed.first_new)];
        let over = kinds.into_iter().find_map(|(which, count, word, first)| {
            let limit = policy.limit(which, step, tool, severity)?;
            (count > limit).then_some((count, limit, word, first))
        });
        let Some((count, limit, word, first)) = over else { continue };
        let first =
            first.get(&severity).map_or(String::new(), |f| format!(", first {}", f.words()));
        let severity = severity.word();
        reasons.push(format!("{step}: {count} {word}{severity} findings, limit {limit}{first}"));
    }
    reasons
}

/// What an approver looks at and signs: frozen when the gate opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// What serves and what would; none where the plan switches nothing.
    pub rollout: Option<CardRollout>,
    /// Test, scan and backup results, a line each: what, value, verdict.
    pub evidence: Vec<CardLine>,
    /// What the findings come to: new, waived until when, fixed.
    #[serde(default, skip_serializing_if = "Counted::is_nothing")]
    pub findings: Counted,
    /// Which layers of defence somebody has looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<CardLayer>,
    /// What was changed of the policy since the release started, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<Clean>,
    /// How to get back, how long that takes and what it loses.
    pub undo: Clean,
}

/// The traffic part of a decision card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardRollout {
    pub survey: Survey,
    /// The slot the release will be deployed to.
    pub preview: Slot,
}

/// One line of evidence on a decision card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardLine {
    pub what: Clean,
    pub value: Clean,
    pub verdict: Verdict,
}

/// Whether a card may be approved at all, whatever people say: the Services must agree about who
/// serves, the revision must not be latched, and no evidence may be bad or missing.
pub fn card_verdict(card: &Card, latches: &[LatchedBy], revision: &Revision) -> Verdict {
    if let Some(CardRollout { survey, .. }) = &card.rollout
        && let Serving::Split { detail } = &survey.serving
    {
        return Verdict::fail(&format!("the Services disagree about who serves: {detail}"));
    }
    if let Some(by) = latches.iter().find(|by| &by.latch.revision == revision) {
        let (release, reason) = (&by.release, &by.latch.reason);
        return Verdict::fail(&format!("this revision is latched by {release}: {reason}"));
    }
    match card.evidence.iter().find(|line| !line.verdict.is_pass()) {
        Some(line) => line.verdict.clone(),
        None => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::release::finding::Measure;
    use crate::release::finding::limits::{Bound, Limits};
    use crate::release::{Digest, Finding, Finite, TestCounts};

    fn step() -> StepId {
        StepId::new("code.snyk").expect("an id")
    }

    fn report(state: ReportState, counts: &[(Severity, u32)]) -> ReportSummary {
        let worst = counts.iter().map(|(severity, _)| Finding {
            rule: "javascript/sqli".into(),
            severity: *severity,
            title: "SQL built from a request".into(),
            location: "src/pay.js:88".into(),
            ..Finding::default()
        });
        ReportSummary {
            tool: "Snyk".into(),
            state,
            coverage: "41 files".into(),
            covered: 41,
            tests: None,
            worst: worst.collect(),
            counts: counts.iter().copied().collect(),
            digest: Digest::zero(),
            measures: BTreeMap::new(),
        }
    }

    fn limits(all: &[(Severity, u32)], new: &[(Severity, u32)]) -> Limits {
        let map = |pairs: &[(Severity, u32)]| pairs.iter().copied().collect();
        Limits { all: map(all), new: map(new), measures: BTreeMap::new() }
    }

    fn bound(min: Option<f64>, max: Option<f64>) -> Bound {
        let finite = |number| Finite::new(number).expect("finite");
        Bound { min: min.map(finite), max: max.map(finite) }
    }

    fn reasons(report: ReportSummary, weighed: Option<Weighed>, policy: &FindingsPolicy) -> String {
        let input = GateInput { step: step(), report: Some(report), stored: None, weighed };
        let judgement = judge(&[input], policy);
        assert_eq!(judgement.verdict == GateVerdict::Go, judgement.reasons.is_empty());
        let reasons: Vec<&str> = judgement.reasons.iter().map(Clean::as_str).collect();
        reasons.join(" | ")
    }

    type Pairs = &'static [(Severity, u32)];

    #[test]
    fn limits_on_all_and_on_new_each_name_rule_finding_and_place() {
        use Severity::{Critical, High, Low};
        let first = "first javascript/sqli (SQL built from a request) at src/pay.js:88";
        // Counts of all, counts of new, limits on all, limits on new, the reason.
        let cases: [(Pairs, Pairs, Pairs, Pairs, String); 7] = [
            (&[(High, 2)], &[], &[(High, 2)], &[(High, 0)], String::new()),
            (&[(High, 3)], &[], &[(High, 2)], &[], format!("3 high findings, limit 2, {first}")),
            (
                &[(High, 3)],
                &[(High, 1)],
                &[],
                &[(High, 0)],
                format!("1 NEW high findings, limit 0, {first}"),
            ),
            (
                &[(High, 3)],
                &[(High, 1)],
                &[(High, 0)],
                &[(High, 0)],
                format!("3 high findings, limit 0, {first}"),
            ),
            (&[(Low, 900)], &[(Low, 900)], &[(High, 0)], &[(High, 0)], String::new()),
            (&[(Critical, 1)], &[(Critical, 1)], &[(High, 0)], &[(Critical, 1)], String::new()),
            (&[], &[], &[(High, 0)], &[(High, 0)], String::new()),
        ];
        for (all, new, most, most_new, reason) in cases {
            let policy =
                FindingsPolicy { limits: limits(most, most_new), ..FindingsPolicy::default() };
            let report = report(ReportState::Findings, all);
            let mut weighed = Weighed::of_summary(&step(), &report);
            weighed.new = new.iter().copied().collect();
            let wanted = if reason.is_empty() { reason } else { format!("code.snyk: {reason}") };
            assert_eq!(reasons(report, Some(weighed), &policy), wanted, "{all:?} {new:?}");
        }
    }

    #[test]
    fn i10_what_was_not_weighed_is_all_new() {
        let policy = FindingsPolicy {
            limits: limits(&[], &[(Severity::High, 0)]),
            ..FindingsPolicy::default()
        };
        let report = report(ReportState::Findings, &[(Severity::High, 1)]);
        assert!(
            reasons(report, None, &policy).starts_with("code.snyk: 1 NEW high findings, limit 0")
        );
    }

    #[test]
    fn i10_not_scanned_and_crashed_never_pass_whatever_the_limits() {
        let policy = FindingsPolicy::default();
        let why = || Clean::new("no token");
        let mut weighed = Weighed::of_summary(&step(), &report(ReportState::Clean, &[]));
        weighed.tests_waived = 9;
        for state in
            [ReportState::NotScanned { reason: why() }, ReportState::Crashed { reason: why() }]
        {
            let said = reasons(report(state, &[]), Some(weighed.clone()), &policy);
            assert_eq!(said, "code.snyk: no token");
        }
    }

    #[test]
    fn measures_have_floors_and_ceilings_and_must_be_there_where_they_are_asked_of_a_tool() {
        let (general, of_tool) = (false, true);
        let missing = "does not say";
        let cases = [
            (Measure::Score, bound(Some(0.0), None), general, Some(0.0), ""),
            (
                Measure::Score,
                bound(Some(0.0), None),
                general,
                Some(-7.0),
                "score -7, wanted at least 0",
            ),
            (Measure::Score, bound(Some(0.0), None), general, None, ""),
            (Measure::Score, bound(Some(0.0), None), of_tool, None, missing),
            (Measure::LineCoveragePct, bound(Some(80.0), None), of_tool, Some(80.0), ""),
            (
                Measure::LineCoveragePct,
                bound(Some(80.0), None),
                of_tool,
                Some(79.99),
                "covered lines in % 79.99, wanted at least 80",
            ),
            (
                Measure::Destroyed,
                bound(None, Some(0.0)),
                general,
                Some(1.0),
                "DESTROYED 1, wanted at most 0",
            ),
            (
                Measure::StatefulLost,
                bound(None, Some(0.0)),
                general,
                Some(1.0),
                "hold data DESTROYED or replaced 1",
            ),
            (Measure::StatefulLost, bound(None, Some(0.0)), general, Some(0.0), ""),
            (
                Measure::P95Ms,
                bound(None, Some(500.0)),
                of_tool,
                Some(500.1),
                "p95 in ms 500.1, wanted at most 500",
            ),
            (
                Measure::ErrorRatio,
                bound(None, Some(0.001)),
                of_tool,
                Some(0.002),
                "0.002, wanted at most 0.001",
            ),
            (Measure::Signatures, Bound::default(), of_tool, None, missing),
            (Measure::Signatures, Bound::default(), of_tool, Some(2.0), ""),
        ];
        for (measure, bound, of_tool, number, reason) in cases {
            let mut policy = FindingsPolicy::default();
            let own = Limits { measures: [(measure, bound)].into(), ..Limits::default() };
            if of_tool {
                policy.tools.insert("snyk".to_owned(), own);
            } else {
                policy.limits = own;
            }
            let mut report = report(ReportState::Clean, &[]);
            let number = number.map(|number| Finite::new(number).expect("finite"));
            report.measures.extend(number.map(|number| (measure, number)));
            let said = reasons(report, None, &policy);
            assert!(said.contains(reason) && said.is_empty() == reason.is_empty(), "{said}");
        }
    }

    #[test]
    fn failed_tests_are_always_too_many_unless_a_waiver_covers_them() {
        let policy = FindingsPolicy::default();
        let mut report = report(ReportState::Findings, &[(Severity::High, 2)]);
        report.tests = Some(TestCounts { passed: 5, failed: 2, skipped: 0 });
        let mut weighed = Weighed::of_summary(&step(), &report);
        assert!(
            reasons(report.clone(), None, &policy).contains("2 tests failed, first javascript")
        );
        weighed.tests_waived = 1;
        assert!(reasons(report.clone(), Some(weighed.clone()), &policy).contains("1 tests failed"));
        weighed.tests_waived = 2;
        assert_eq!(reasons(report, Some(weighed), &policy), "");
    }
}
