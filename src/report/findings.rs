//! What reports of scanners and tests say: as a table, Markdown, JSON and SARIF.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::table::{Side, Table};
use super::words::plural;
use crate::release::finding::Measure;
use crate::release::triage::{
    Cause, FAMILIES, Group, Remedy, Settlement, Status, by_fix, fold, smallest,
};
use crate::release::{Clean, Finding, Finite, ReportState, Severity, TestCounts};

pub use super::sarif::sarif;
pub use super::vex::openvex;

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Table,
    Json,
    Sarif,
    Markdown,
    /// What was set aside, as a VEX document.
    Openvex,
}

/// How many causes a table names.
const CAUSES_LISTED: usize = 12;

/// One report, as it was read; one that could not be read has crashed.
#[derive(Clone, Debug)]
pub struct Reviewed {
    pub file: Clean,
    pub tool: Clean,
    pub state: ReportState,
    pub coverage: Clean,
    pub covered: u64,
    pub tests: Option<TestCounts>,
    /// Of all its findings but those that were set aside.
    pub counts: BTreeMap<Severity, u32>,
    /// How many of its findings were set aside.
    pub aside: u64,
    /// Of those that are new, where there is a baseline.
    pub new: BTreeMap<Severity, u32>,
    pub measures: BTreeMap<Measure, Finite>,
    /// New ones first, the worst first; all are counted.
    pub findings: Vec<Finding>,
    /// For each of them, where there is a baseline.
    pub status: Vec<Status>,
}

/// The findings of a baseline that are gone, and what it was.
#[derive(Clone, Debug, Default)]
pub struct Against {
    pub name: Clean,
    pub existing: u64,
    /// The worst of them; all are counted.
    pub fixed: Vec<Finding>,
    pub fixed_count: u64,
}

/// A finding that a statement or a waiver sets aside.
#[derive(Clone, Debug)]
pub struct Aside {
    pub finding: Finding,
    pub settlement: Settlement,
    /// The reason alone, and with all that is stated.
    pub reason: Clean,
    pub why: Clean,
    pub by: Clean,
    /// The last day on which it holds, of a waiver.
    pub until: Option<Date>,
}

/// All reports, beside a baseline where there is one.
#[derive(Clone, Debug, Default)]
pub struct Review {
    pub reports: Vec<Reviewed>,
    pub against: Option<Against>,
    pub aside: Vec<Aside>,
    /// The severity that is too bad.
    pub limit: Option<Severity>,
    /// Whether existing findings count, and are listed, as new ones do.
    pub all: bool,
    /// What else has to be known.
    pub notes: Vec<Clean>,
}

impl Reviewed {
    fn found(&self) -> u64 {
        sum(&self.counts)
    }

    /// What was found, in words: how much of it is open, where some was set aside.
    fn found_words(&self) -> String {
        match (counted(&self.counts), self.aside) {
            (open, 0) => open,
            (open, aside) if open.is_empty() => format!("0 open, {aside} set aside"),
            (open, aside) => format!("{open} open, {aside} set aside"),
        }
    }

    /// How many findings were counted and not kept.
    fn left_off(&self) -> u64 {
        self.found().saturating_sub(self.findings.len() as u64)
    }
}

fn sum(counts: &BTreeMap<Severity, u32>) -> u64 {
    counts.values().map(|count| u64::from(*count)).sum()
}

fn counted(counts: &BTreeMap<Severity, u32>) -> String {
    let some = Severity::ALL.into_iter().filter_map(|severity| {
        let count = counts.get(&severity).copied().filter(|count| *count > 0)?;
        Some(format!("{count} {}", severity.word()))
    });
    some.collect::<Vec<_>>().join(", ")
}

impl Review {
    /// Whether only new findings are judged and listed.
    fn new_only(&self) -> bool {
        self.against.is_some() && !self.all
    }

    /// Whether a report holds a finding as bad as the limit, or does not prove that it holds none.
    /// With a baseline only new findings count, unless all are asked for.
    pub fn fails(&self) -> bool {
        let Some(limit) = self.limit else { return false };
        self.reports.iter().any(|one| match one.state {
            ReportState::NotScanned { .. } | ReportState::Crashed { .. } => true,
            ReportState::Clean | ReportState::Findings => {
                let counts = if self.new_only() { &one.new } else { &one.counts };
                counts.iter().any(|(severity, count)| *severity <= limit && *count > 0)
            }
        })
    }

    /// The findings that are judged and listed, with what each is.
    fn listed(&self) -> Vec<(&Finding, Option<Status>)> {
        let of_report = |one: &'_ Reviewed| {
            let status = one.status.clone();
            move |(at, finding)| (finding, status.get(at).copied())
        };
        let all = self.reports.iter().flat_map(|one| {
            one.findings.iter().enumerate().map(of_report(one)).collect::<Vec<_>>()
        });
        all.filter(|(_, status)| !self.new_only() || *status == Some(Status::New)).collect()
    }

    /// The listed findings, folded, by cause, and the fewest fixes that keep the limit.
    fn triage(&self) -> Triage {
        let findings: Vec<Finding> =
            self.listed().into_iter().map(|(finding, _)| finding.clone()).collect();
        let groups = fold(&findings, &FAMILIES);
        let causes = by_fix(&findings, &FAMILIES);
        let remedy = self.limit.map(|limit| {
            let none = Severity::ALL.into_iter().filter(|severity| *severity <= limit);
            smallest(&findings, &causes, &none.map(|severity| (severity, 0)).collect())
        });
        Triage { findings, groups, causes, remedy }
    }
}

struct Triage {
    findings: Vec<Finding>,
    groups: Vec<Group>,
    causes: Vec<Cause>,
    remedy: Option<Remedy>,
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

fn overview(review: &Review) -> Table {
    let mut heads = vec!["report", "tool", "state", "found", "looked at"];
    let against = review.against.is_some();
    if against {
        heads.insert(3, "new");
    }
    let heads: Vec<_> = heads.into_iter().map(|head| (head, Side::Left)).collect();
    let mut table = Table::new(&heads);
    for one in &review.reports {
        let (word, reason) = state(&one.state);
        let looked = reason.map_or(one.coverage.as_str(), Clean::as_str);
        let mut cells = vec![one.file.to_string(), one.tool.to_string(), word.to_owned()];
        if against {
            cells.push(counted(&one.new));
        }
        cells.extend([one.found_words(), looked.to_owned()]);
        table.row(cells);
    }
    table
}

/// One row for each thing that was found, whoever told it.
fn listed(triage: &Triage) -> Table {
    let left = ["severity", "tool", "rule", "place", "what"].map(|head| (head, Side::Left));
    let mut table = Table::new(&left);
    for group in &triage.groups {
        let first = &triage.findings[group.first()];
        let mut tools = Vec::new();
        for at in &group.members {
            let tool = triage.findings[*at].tool.as_str();
            if !tools.contains(&tool) {
                tools.push(tool);
            }
        }
        let place = match group.members.len() {
            1 => first.location.to_string(),
            n => format!("{} (+{})", first.location, n - 1),
        };
        let Finding { rule, severity, title, .. } = first;
        let cells = [severity.word().to_owned(), tools.join(", "), rule.to_string(), place];
        table.row(cells.into_iter().chain([title.to_string()]));
    }
    table
}

/// What would make the findings go away, the most useful first, and which of it has to be done.
fn fixes(triage: &Triage) -> Table {
    let mut heads =
        vec![("findings", Side::Right), ("cause", Side::Left), ("what removes them", Side::Left)];
    let needed = triage.remedy.as_ref().map(|remedy| &remedy.fixes);
    if needed.is_some() {
        heads.insert(1, ("needed", Side::Left));
    }
    let mut table = Table::new(&heads);
    for (at, cause) in triage.causes.iter().enumerate().take(CAUSES_LISTED) {
        let fix = cause.fix.as_ref().map_or("nothing that is known", Clean::as_str);
        let mut cells = vec![cause.findings.len().to_string()];
        cells.extend(needed.map(|fixes| if fixes.contains(&at) { "yes" } else { "" }.to_owned()));
        cells.extend([cause.name.to_string(), fix.to_owned()]);
        table.row(cells);
    }
    table
}

fn asides(review: &Review) -> Table {
    let left = ["set aside", "place", "why", "by"].map(|head| (head, Side::Left));
    let mut table = Table::new(&left);
    for Aside { finding, why, by, .. } in &review.aside {
        let what = format!("{} {}", finding.severity.word(), finding.rule);
        table.row([what, finding.location.to_string(), why.to_string(), by.to_string()]);
    }
    table
}

/// What lists leave off, in a sentence.
pub(super) fn left_off(all: &[Reviewed]) -> Option<String> {
    let left_off: u64 = all.iter().map(Reviewed::left_off).sum();
    (left_off > 0).then(|| format!("{left_off} more are counted, and not listed"))
}

/// `2 findings are 1 thing`, the new and the fixed, the fixes, what is left to know.
fn sentences(review: &Review, triage: &Triage) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(against) = &review.against {
        let new: u64 = review.reports.iter().map(|one| sum(&one.new)).sum();
        let Against { name, existing, fixed_count, .. } = against;
        lines.push(format!("since {name}: {new} new, {existing} existing, {fixed_count} fixed"));
    }
    let (found, things, causes) = (triage.findings.len(), triage.groups.len(), triage.causes.len());
    if found > 1 {
        let found = plural(found as u64, "finding");
        let (things, causes) = (plural(things as u64, "thing"), plural(causes as u64, "cause"));
        lines.push(format!("{found} listed: {things}, {causes}"));
    }
    if causes > CAUSES_LISTED {
        let more = causes - CAUSES_LISTED;
        lines.push(format!("{} not listed", plural(more as u64, "smaller cause")));
    }
    if let Some(remedy) = &triage.remedy {
        lines.push(remedy.words());
    }
    if !review.aside.is_empty() {
        lines.push(format!("{} set aside", plural(review.aside.len() as u64, "finding")));
    }
    lines.extend(left_off(&review.reports));
    lines.extend(review.notes.iter().map(Clean::to_string));
    lines
}

/// The parts of what is printed for people, and whether each is a table.
fn parts(review: &Review, form: fn(&Table) -> Vec<Clean>) -> Vec<Clean> {
    let triage = review.triage();
    let mut lines = form(&overview(review));
    let mut part = |more: Vec<Clean>| {
        if !more.is_empty() {
            lines.push(Clean::default());
            lines.extend(more);
        }
    };
    if !triage.groups.is_empty() {
        part(form(&listed(&triage)));
    }
    if !triage.causes.is_empty() {
        part(form(&fixes(&triage)));
    }
    if !review.aside.is_empty() {
        part(form(&asides(review)));
    }
    part(sentences(review, &triage).into_iter().map(Clean::from).collect());
    lines
}

/// One line for each report, one for each thing found, the worst first, then what removes them.
pub fn table(review: &Review) -> Vec<Clean> {
    parts(review, |table| table.lines(""))
}

/// The same as Markdown tables.
pub fn markdown(review: &Review) -> Vec<Clean> {
    let of = |one: &Reviewed| if review.new_only() { sum(&one.new) } else { one.found() };
    let found: u64 = review.reports.iter().map(of).sum();
    let what = if review.new_only() { "new finding" } else { "finding" };
    let aside = match review.aside.len() {
        0 => String::new(),
        n => format!(" open, {n} set aside"),
    };
    let title = format!("# {}{aside}", plural(found, what));
    let mut lines = vec![Clean::from(title), Clean::default()];
    lines.extend(parts(review, Table::markdown));
    lines
}

/// `state` of all together, `coverage` of each report with how many of its findings are `open` and
/// how many `set_aside`, `findings` of all, each with its `status`
/// where there is a baseline; `groups` and `fixes` name the listed ones by their `index`.
pub fn json(review: &Review) -> Value {
    let all = &review.reports;
    let rank = |one: &&Reviewed| match one.state {
        ReportState::Clean => 0,
        ReportState::Findings => 1,
        ReportState::NotScanned { .. } => 2,
        ReportState::Crashed { .. } => 3,
    };
    let worst = all.iter().max_by_key(rank).map_or("not scanned", |one| state(&one.state).0);
    let against = review.against.as_ref();
    let coverage: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "file": one.file, "tool": one.tool, "state": state(&one.state).0,
                "reason": state(&one.state).1, "looked_at": one.coverage, "covered": one.covered,
                "tests": one.tests, "counts": one.counts, "measures": one.measures,
                "open": one.found(), "set_aside": one.aside,
                "new": against.map(|_| &one.new), "left_off": one.left_off(),
            })
        })
        .collect();
    let everything = Review { all: true, ..review.clone() };
    let findings = everything.listed().into_iter().map(|(finding, status)| {
        let mut value = json!(finding);
        if let Some(status) = status {
            value["status"] = json!(status);
        }
        value
    });
    let findings: Vec<Value> = findings.collect();
    let triage = everything.triage();
    let groups: Vec<&Vec<usize>> =
        triage.groups.iter().map(|group| &group.members).filter(|all| all.len() > 1).collect();
    let fixes = triage.causes.iter().map(|cause| {
        json!({
            "cause": cause.name, "fix": cause.fix, "findings": cause.findings,
            "counts": cause.counts(&triage.findings),
        })
    });
    let aside = review.aside.iter().map(|aside| {
        json!({
            "finding": aside.finding, "why": aside.why, "by": aside.by, "until": aside.until,
        })
    });
    let mut value = json!({
        "state": worst, "coverage": coverage, "findings": findings,
        "groups": groups, "fixes": fixes.collect::<Vec<_>>(),
        "aside": aside.collect::<Vec<_>>(), "notes": review.notes,
    });
    if let Some(against) = against {
        value["against"] = json!({
            "name": against.name, "existing": against.existing, "fixed": against.fixed_count,
        });
        value["fixed"] = json!(against.fixed);
    }
    // Of what is judged, which may be only what is new.
    let judged = review.triage();
    if let Some(remedy) = &judged.remedy {
        let causes = remedy.fixes.iter().filter_map(|at| judged.causes.get(*at));
        let fixes = causes.map(|cause| json!({"cause": cause.name, "fix": cause.fix}));
        value["remedy"] = json!({
            "fixes": fixes.collect::<Vec<_>>(), "fewest": remedy.fewest, "over": remedy.over,
            "words": remedy.words(),
        });
    }
    value
}
