//! What a decision card says of a release so far. Pure: the card is drawn from records only.

use super::finding::waiver::Waiver;
use super::state::StepStatus;
use super::{
    CardLine, Clean, GateInput, Release, ReportState, ReportSummary, Severity, StageId, Step,
    Stored, Verdict,
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

    /// The evidence that a decision card drawn up now would carry.
    pub fn evidence_so_far(&self) -> Vec<CardLine> {
        evidence(self)
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
pub(super) fn undo(release: &Release) -> Clean {
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
