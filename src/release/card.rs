//! What a decision card says of a release so far. Pure: the card is drawn from records only.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::waiver::Waiver;
use super::finding::weigh::{WaivedBy, Weighed};
use super::state::StepStatus;
use super::{
    Card, CardLine, Clean, GateInput, Plan, Release, ReportState, ReportSummary, Severity, StageId,
    Step, StepId, Stored, Verdict,
};

/// The reports of a stage, for its gate.
pub(super) fn gate_inputs(release: &Release, stage: &StageId) -> Vec<GateInput> {
    let steps = release.plan().and_then(|plan| plan.stage(stage)).map_or(&[][..], |s| &s.steps);
    steps
        .iter()
        .map(|step| {
            let end = release.steps.get(&step.id).and_then(|state| state.end.as_ref());
            let report = end.and_then(|end| end.report.clone());
            GateInput { step: step.id.clone(), report, stored: release.stored(step), weighed: None }
        })
        .collect()
}

/// One line for every report and every fact that the steps brought, in the plan's order, and one
/// for every step that did not run.
pub(super) fn evidence(release: &Release) -> Vec<CardLine> {
    let Some(plan) = release.plan() else { return Vec::new() };
    let mut lines = Vec::new();
    for step in plan.steps() {
        let Some(state) = release.steps.get(&step.id) else { continue };
        if let StepStatus::Skipped(reason) = &state.status {
            let value = Clean::new(&format!("skipped: {reason}"));
            lines.push(CardLine { what: what(step), value, verdict: Verdict::Pass });
        }
        if state.status == StepStatus::Overridden {
            let value = Clean::new("failed, and an operator went on");
            lines.push(CardLine { what: what(step), value, verdict: Verdict::Pass });
        }
        let Some(end) = &state.end else { continue };
        if let Some(report) = &end.report {
            lines.push(CardLine {
                what: what(step),
                value: Clean::new(&report_words(report)),
                verdict: report_verdict(report),
            });
        }
        lines.extend(end.facts.iter().cloned());
    }
    lines
}

fn what(step: &Step) -> Clean {
    Clean::new(&step.title)
}

impl Release {
    /// Where the report of a step's newest try lies, once it has been read.
    pub fn stored(&self, step: &Step) -> Option<Stored> {
        let end = self.steps.get(&step.id)?.end.as_ref()?;
        end.report.as_ref()?;
        Some(Stored {
            key: self.step_key(&step.id)?,
            format: step.report.as_ref()?.format,
            tool: Clean::new(step.run.first().map_or("", String::as_str)),
        })
    }

    /// The waivers of the policy and those that people gave this release, in this order.
    pub fn all_waivers(&self) -> Vec<Waiver> {
        let policy = self.policy().map_or(&[][..], |policy| &policy.findings.waivers);
        policy.iter().chain(self.waivers.iter().map(|given| &given.waiver)).cloned().collect()
    }

    /// The decision card as the records so far give it. Who serves is looked up when it is frozen.
    pub fn card_so_far(&self) -> Card {
        Card {
            rollout: None,
            evidence: evidence(self),
            findings: counted(self),
            layers: LAYERS.iter().map(|layer| layer.looked_at(self)).collect(),
            policy: self.policy_changes.iter().map(super::state::GivenPolicy::sentence).collect(),
            undo: undo(self),
        }
    }

    /// The card that people decide on: the frozen one, or what there is of it so far.
    pub fn card(&self) -> Cow<'_, Card> {
        let frozen = self.gate.as_ref().map(|gate| Cow::Borrowed(&*gate.card));
        frozen.unwrap_or_else(|| Cow::Owned(self.card_so_far()))
    }
}

/// What a report came to: `214 passed, 1 skipped`, or `2 high, 5 medium in 41 files`.
pub fn report_words(report: &ReportSummary) -> String {
    if let Some(tests) = report.tests {
        let mut words = format!("{} passed", tests.passed);
        if tests.failed > 0 {
            words = format!("{} FAILED, {words}", tests.failed);
        }
        if tests.skipped > 0 {
            words = format!("{words}, {} skipped", tests.skipped);
        }
        return words;
    }
    match &report.state {
        ReportState::NotScanned { reason } => format!("not scanned: {reason}"),
        ReportState::Crashed { reason } => format!("crashed: {reason}"),
        ReportState::Clean => format!("clean, {}", report.coverage),
        ReportState::Findings => {
            let count = |severity: &Severity| {
                let count = report.count(*severity);
                (count > 0).then(|| format!("{count} {}", severity.word()))
            };
            let counts: Vec<String> = Severity::ALL.iter().filter_map(count).collect();
            format!("{} in {}", counts.join(", "), report.coverage)
        }
    }
}

/// A stage that ran into its limits never reaches a card, so only what says nothing counts here.
fn report_verdict(report: &ReportSummary) -> Verdict {
    match &report.state {
        ReportState::Clean | ReportState::Findings => Verdict::Pass,
        ReportState::NotScanned { reason } | ReportState::Crashed { reason } => {
            Verdict::Unknown { reason: reason.clone() }
        }
    }
}

/// What going back would take and lose, as the card says it before anything is switched.
fn undo(release: &Release) -> Clean {
    let switches =
        release.plan().is_some_and(|plan| plan.built_in(super::BuiltIn::Switch).is_some());
    if !switches {
        return Clean::new("nothing is switched, so nothing has to be undone");
    }
    let database = match release.backups.last() {
        Some(backup) if backup.verified => {
            format!("database: restore {}, verified (target 15 min)", backup.id)
        }
        Some(backup) => format!("database: {} is NOT verified", backup.id),
        None => "database: a fresh backup is taken before anything is changed".to_owned(),
    };
    Clean::new(&format!("traffic: switch back, no data loss (target 2 min) | {database}"))
}

/// A layer of defence, and the programs, tools or steps that look at it, in lower case.
pub struct Layer {
    pub name: &'static str,
    looked_at_by: &'static [&'static str],
}

/// The eight layers of the customer's defence in depth. What is configured but looked at by no
/// tool proves nothing: only what reports on a layer stands here.
pub const LAYERS: [Layer; 8] = [
    layer("code", &["gitleaks", "sonarqube", "sonar-scanner", "snyk", "semgrep", "osv-scanner"]),
    layer("infrastructure", &["checkov", "tfsec"]),
    layer("image", &["trivy", "cosign", "hadolint", "syft", "grype"]),
    layer("cluster configuration", &["kubesec", "conftest", "kube-bench"]),
    layer("runtime", &["zap", "wapiti"]),
    layer("network", &["defender"]),
    layer("access", &["defender", "kube-bench"]),
    layer("data", &["defender"]),
];

/// Who looked at a layer of defence, as a card says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CardLayer {
    pub name: Clean,
    /// The steps whose reports prove it, as `step/tool`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Clean>,
    /// What passed by its exit code alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreported: Vec<Clean>,
}

const fn layer(name: &'static str, looked_at_by: &'static [&'static str]) -> Layer {
    Layer { name, looked_at_by }
}

impl Layer {
    fn looked_at(&self, release: &Release) -> CardLayer {
        CardLayer {
            name: Clean::new(self.name),
            proofs: self.proofs(release),
            unreported: self.unreported(release).into_iter().map(Clean::new).collect(),
        }
    }

    /// The steps of a release whose reports say that they looked at it, and that passed, as
    /// `step/tool`. What was skipped, overridden, not scanned or is not there yet proves nothing.
    pub fn proofs(&self, release: &Release) -> Vec<Clean> {
        let passed = self.passed(release, true);
        passed.iter().map(|(step, by)| Clean::new(&format!("{step}/{by}"))).collect()
    }

    /// What should look at it and passed without a report, each once: an exit code says nothing of
    /// what was looked at.
    pub fn unreported(&self, release: &Release) -> Vec<&'static str> {
        let mut all: Vec<_> = self.passed(release, false).iter().map(|(_, by)| *by).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn passed<'a>(&self, release: &'a Release, reported: bool) -> Vec<(&'a StepId, &'static str)> {
        let steps = release.plan().into_iter().flat_map(Plan::steps);
        let proof = |step: &'a Step| {
            let state = release.steps.get(&step.id)?;
            let report = state.end.as_ref().and_then(|end| end.report.as_ref());
            let unseen = report.is_some_and(|report| !report_verdict(report).is_pass());
            if state.status != StepStatus::Passed || unseen || report.is_some() != reported {
                return None;
            }
            let program = step.run.first().map_or("", String::as_str);
            let program = program.rsplit('/').next().unwrap_or(program).to_lowercase();
            let tool = report.map_or(String::new(), |report| report.tool.as_str().to_lowercase());
            let own = step.id.as_str().rsplit('.').next().unwrap_or("").to_lowercase();
            let looks = |name: &&&str| {
                let named = |text: &str| {
                    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
                    words.any(|word| word == **name) || text == **name
                };
                program == **name
                    || named(&tool)
                    || own.split('-').any(|w| w == **name)
                    || own == **name
            };
            let by = self.looked_at_by.iter().find(looks)?;
            Some((&step.id, *by))
        };
        steps.filter_map(proof).collect()
    }
}

/// What the gates so far have counted: new of each severity, waived by whom until when, fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub new: BTreeMap<Severity, u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub all: BTreeMap<Severity, u32>,
    #[serde(default)]
    pub fixed: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<WaivedBy>,
    /// Why something counts as new that may not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<Clean>,
}

impl Counted {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What the reports so far come to, as their stages were judged; those of stages that were not are
/// taken whole, and as new.
fn counted(release: &Release) -> Counted {
    let mut counted = Counted::default();
    let judged = release.stages.iter().filter_map(|stage| stage.judgement.as_ref());
    let judged: Vec<&Weighed> = judged.flat_map(|judgement| &judgement.weighed).collect();
    for step in release.plan().into_iter().flat_map(Plan::steps) {
        let end = release.steps.get(&step.id).and_then(|state| state.end.as_ref());
        let Some(report) = end.and_then(|end| end.report.as_ref()) else { continue };
        let weighed = judged.iter().find(|weighed| weighed.step == step.id);
        let weighed =
            weighed.map_or_else(|| Weighed::of_summary(&step.id, report), |w| (*w).clone());
        for severity in Severity::ALL {
            let (all, new) = weighed.count(severity);
            for (counts, count) in [(&mut counted.all, all), (&mut counted.new, new)] {
                if count > 0 {
                    let sum = counts.entry(severity).or_default();
                    *sum = sum.saturating_add(count);
                }
            }
        }
        counted.fixed = counted.fixed.saturating_add(weighed.fixed);
        counted.waived.extend(weighed.by);
        if !weighed.not_compared.is_empty() {
            counted.not_compared = Some(weighed.not_compared);
        }
    }
    let baseline = release.start.as_deref().is_some_and(|start| start.baseline.is_some());
    if !baseline {
        counted.not_compared = Some(Clean::new("no baseline: everything is new"));
    }
    counted
}
