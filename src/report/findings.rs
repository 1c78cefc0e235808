//! What reports of scanners and tests say: as a table, Markdown, JSON and SARIF.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::table::{Side, Table};
use super::words::plural;
use crate::release::finding::Measure;
use crate::release::{Clean, Finding, Finite, ReportState, Severity, TestCounts};

pub use super::sarif::sarif;

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Table,
    Json,
    Sarif,
    Markdown,
}

/// One report, as it was read; one that could not be read has crashed.
#[derive(Clone, Debug)]
pub struct Reviewed {
    pub file: Clean,
    pub tool: Clean,
    pub state: ReportState,
    pub coverage: Clean,
    pub covered: u64,
    pub tests: Option<TestCounts>,
    pub counts: BTreeMap<Severity, u32>,
    pub measures: BTreeMap<Measure, Finite>,
    /// The worst; all are counted.
    pub findings: Vec<Finding>,
}

impl Reviewed {
    fn found(&self) -> u64 {
        self.counts.values().map(|count| u64::from(*count)).sum()
    }

    /// How many findings were counted and not kept.
    fn left_off(&self) -> u64 {
        self.found().saturating_sub(self.findings.len() as u64)
    }

    /// Whether it holds a finding as bad as `limit`, or does not prove that it holds none.
    pub fn fails(&self, limit: Severity) -> bool {
        match self.state {
            ReportState::NotScanned { .. } | ReportState::Crashed { .. } => true,
            ReportState::Clean | ReportState::Findings => {
                self.counts.iter().any(|(severity, count)| *severity <= limit && *count > 0)
            }
        }
    }

    fn counted(&self) -> String {
        let some = Severity::ALL.into_iter().filter_map(|severity| {
            let count = self.counts.get(&severity).copied().filter(|count| *count > 0)?;
            Some(format!("{count} {}", severity.word()))
        });
        some.collect::<Vec<_>>().join(", ")
    }
}

/// The state in a word, and its reason.
pub(super) fn state(state: &ReportState) -> (&'static str, Option<&Clean>) {
    match state {
        ReportState::Clean => ("clean", None),
        ReportState::Findings => ("findings", None),
        ReportState::NotScanned { reason } => ("not scanned", Some(reason)),
        ReportState::Crashed { reason } => ("crashed", Some(reason)),
    }
}

fn overview(all: &[Reviewed]) -> Table {
    let left = ["report", "tool", "state", "found", "looked at"].map(|head| (head, Side::Left));
    let mut table = Table::new(&left);
    for one in all {
        let (word, reason) = state(&one.state);
        let looked = reason.map_or(one.coverage.as_str(), Clean::as_str);
        let cells = [one.file.as_str(), one.tool.as_str(), word, &one.counted(), looked];
        table.row(cells.map(str::to_owned));
    }
    table
}

fn listed(all: &[Reviewed]) -> Table {
    let left = ["severity", "tool", "rule", "place", "what"].map(|head| (head, Side::Left));
    let mut table = Table::new(&left);
    let mut findings: Vec<&Finding> = all.iter().flat_map(|one| &one.findings).collect();
    findings.sort_by_key(|finding| finding.severity);
    for finding in findings {
        let Finding { tool, rule, severity, location, title, .. } = finding;
        let cells = [severity.word(), tool.as_ref(), rule.as_ref(), location.as_ref()];
        table.row(cells.into_iter().chain([title.as_ref()]).map(str::to_owned));
    }
    table
}

/// What lists leave off, in a sentence.
pub(super) fn left_off(all: &[Reviewed]) -> Option<String> {
    let left_off: u64 = all.iter().map(Reviewed::left_off).sum();
    (left_off > 0).then(|| format!("{left_off} more are counted, and not listed"))
}

/// One line for each report, then one for each finding, the worst first.
pub fn table(all: &[Reviewed]) -> Vec<Clean> {
    let mut lines = overview(all).lines("");
    if all.iter().any(|one| !one.findings.is_empty()) {
        lines.push(Clean::default());
        lines.extend(listed(all).lines(""));
    }
    lines.extend(left_off(all).map(|text| Clean::new(&text)));
    lines
}

/// The same as Markdown tables.
pub fn markdown(all: &[Reviewed]) -> Vec<Clean> {
    let found: u64 = all.iter().map(Reviewed::found).sum();
    let title = format!("# {}", plural(found, "finding"));
    let mut lines = vec![Clean::new(&title), Clean::default()];
    lines.extend(overview(all).markdown());
    if all.iter().any(|one| !one.findings.is_empty()) {
        lines.push(Clean::default());
        lines.extend(listed(all).markdown());
    }
    lines.extend(left_off(all).into_iter().flat_map(|text| [Clean::default(), Clean::new(&text)]));
    lines
}

/// `state` of all together, `coverage` of each report, `findings` of all.
pub fn json(all: &[Reviewed]) -> Value {
    let rank = |one: &&Reviewed| match one.state {
        ReportState::Clean => 0,
        ReportState::Findings => 1,
        ReportState::NotScanned { .. } => 2,
        ReportState::Crashed { .. } => 3,
    };
    let worst = all.iter().max_by_key(rank).map_or("not scanned", |one| state(&one.state).0);
    let coverage: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "file": one.file, "tool": one.tool, "state": state(&one.state).0,
                "reason": state(&one.state).1, "looked_at": one.coverage, "covered": one.covered,
                "tests": one.tests, "counts": one.counts, "measures": one.measures,
                "left_off": one.left_off(),
            })
        })
        .collect();
    let findings: Vec<&Finding> = all.iter().flat_map(|one| &one.findings).collect();
    json!({"state": worst, "coverage": coverage, "findings": findings})
}
