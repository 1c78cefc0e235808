//! Gates: where a stage ends, or a person decides. The logic that says go lives here and nowhere
//! else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Clean, FindingsPolicy, LatchedBy, ReportState, ReportSummary, Revision, Serving, Severity,
    Slot, StepId, Survey,
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
}

/// One step's part in the judgement of its stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateInput {
    pub step: StepId,
    pub report: Option<ReportSummary>,
}

/// Judges a stage whose steps have all ended well: do their reports keep the policy's limits?
///
/// Reports that looked at nothing or broke never pass.
pub fn judge(inputs: &[GateInput], policy: &FindingsPolicy) -> Judgement {
    let mut reasons = Vec::new();
    let mut verdict = GateVerdict::Go;
    let (mut reports, mut findings) = (0, 0);
    for input in inputs {
        let Some(report) = &input.report else { continue };
        reports += 1;
        findings += report.counts.values().sum::<u32>();
        match &report.state {
            ReportState::NotScanned { reason } | ReportState::Crashed { reason } => {
                reasons.push(Clean::new(&format!("{}: {reason}", input.step)));
                verdict = GateVerdict::NoGo;
            }
            ReportState::Clean | ReportState::Findings => {
                let over = over_limits(&input.step, report, policy);
                if !over.is_empty() {
                    verdict = GateVerdict::NoGo;
                    reasons.extend(over);
                }
            }
        }
    }
    Judgement { verdict, reasons, reports, findings }
}

fn over_limits(step: &StepId, report: &ReportSummary, policy: &FindingsPolicy) -> Vec<Clean> {
    let mut reasons = Vec::new();
    if let Some(tests) = report.tests.filter(|tests| tests.failed > 0) {
        let first = report.worst.first().map_or(String::new(), |f| format!(", first {}", f.title));
        reasons.push(Clean::new(&format!("{step}: {} tests failed{first}", tests.failed)));
    }
    for severity in Severity::ALL {
        let Some(limit) = policy.limit(step, severity) else { continue };
        let count = report.count(severity);
        if count <= limit || report.tests.is_some() {
            continue;
        }
        let example = report.worst.iter().find(|f| f.severity == severity);
        let example =
            example.map_or(String::new(), |f| format!(", first {} at {}", f.rule, f.location));
        reasons.push(Clean::new(&format!(
            "{step}: {count} {} findings, limit {limit}{example}",
            severity.word()
        )));
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
