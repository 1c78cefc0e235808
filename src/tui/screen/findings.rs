//! The findings: the worst of every report of this release, and what was not looked at.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Rows, split, within};
use crate::engine::handle::Snapshot;
use crate::release::finding::waiver::Waiver;
use crate::release::{
    Finding, Release, ReportState, ReportSummary, Seq, Severity, StepId, StepStatus,
};
use crate::report::words;
use crate::tui::action::Action;
use crate::tui::draw::View;
use crate::tui::list::{Filter, List};
use crate::tui::on_key::Did;
use crate::tui::pen::{Strip, pane, row, rows, wrap};
use crate::tui::popup::WaiveForm;
use crate::tui::theme::Role;
use crate::tui::ui::{Ui, page_rows};

/// What the reports of the release say, put together when a record came.
#[derive(Clone, Debug, Default)]
pub(in crate::tui) struct Findings {
    of: Option<(crate::release::ReleaseId, Option<Seq>)>,
    all: Vec<(StepId, Finding)>,
    shown: Vec<usize>,
    /// How many there are of each severity, also those that the journal does not name.
    counts: BTreeMap<Severity, u32>,
    /// What was not looked at, and why.
    missing: Vec<(Role, String)>,
    /// What was looked at, a line a report.
    covered: Vec<String>,
    pub(in crate::tui) list: List,
    detail: bool,
}

/// Columns from which on the detail stands beside the list.
const WIDE: u16 = 110;
/// Rows that say what was not looked at, at the most.
const MISSING: usize = 4;

impl Findings {
    pub(in crate::tui) fn learn(&mut self, snapshot: &Snapshot) {
        let release = &snapshot.release;
        let now = Some((release.id.clone(), release.head));
        if self.of == now {
            return;
        }
        self.of = now;
        (self.all, self.missing, self.counts, self.covered) = <_>::default();
        let mut without = 0;
        for step in release.plan().iter().flat_map(|plan| plan.steps()) {
            let Some(state) = release.steps.get(&step.id) else { continue };
            let report = state.end.as_ref().and_then(|end| end.report.as_ref());
            if let Some(report) = report {
                self.take(&step.id, report);
            } else if let (StepStatus::Skipped(why), Some(_)) = (&state.status, &step.report) {
                self.missing.push((Role::Warn, format!("{} was skipped: {why}", step.id)));
            } else if step.report.is_some() {
                without += 1;
            }
        }
        if without > 0 {
            let reports = words::plural(without, "report");
            self.missing.push((Role::Dim, format!("{reports} of later steps not there yet")));
        }
        self.all.sort_by(|(_, a), (_, b)| {
            (a.severity, &a.tool, &a.rule).cmp(&(b.severity, &b.tool, &b.rule))
        });
        self.sift();
    }

    fn take(&mut self, step: &StepId, report: &ReportSummary) {
        match &report.state {
            ReportState::NotScanned { reason } => {
                let what = format!("{step}: {} scanned NOTHING: {reason}", report.tool);
                self.missing.push((Role::Failed, what));
            }
            ReportState::Crashed { reason } => {
                let what = format!("{step}: {} CRASHED: {reason}", report.tool);
                self.missing.push((Role::Failed, what));
            }
            ReportState::Clean | ReportState::Findings => {
                self.covered.push(format!("{step}: {} looked at {}", report.tool, report.coverage));
            }
        }
        for (severity, count) in &report.counts {
            *self.counts.entry(*severity).or_default() += count;
        }
        self.all.extend(report.worst.iter().map(|finding| (step.clone(), finding.clone())));
    }

    pub(in crate::tui) fn filter(&mut self, text: &str) {
        self.list.filter = Filter::new(text);
        self.list.cursor = None;
        self.sift();
    }

    fn sift(&mut self) {
        let lets = |(at, (step, finding)): (usize, &(StepId, Finding))| {
            let fields = [
                ("severity", finding.severity.word()),
                ("tool", finding.tool.as_str()),
                ("rule", finding.rule.as_str()),
                ("where", finding.location.as_str()),
                ("title", finding.title.as_str()),
                ("step", step.as_str()),
            ];
            self.list.filter.lets(&fields).then_some(at)
        };
        self.shown = self.all.iter().enumerate().filter_map(lets).collect();
    }

    fn chosen(&self) -> Option<&(StepId, Finding)> {
        self.all.get(*self.shown.get(self.list.at(self.shown.len()))?)
    }

    pub(in crate::tui) fn rows(&self, body: Rect) -> Rows {
        let inner = within(split(body, WIDE, self.detail).0);
        let head = u16::try_from(self.head().len()).unwrap_or(0).min(inner.height);
        let place = Rect { y: inner.y + head, height: inner.height - head, ..inner };
        let count = self.shown.len();
        Rows { place, top: self.list.top(count, usize::from(place.height)), count }
    }

    /// The rows over the list: how many of each, what was not looked at.
    fn head(&self) -> Vec<Strip> {
        let mut counts = Strip::of(Role::Text, " ");
        for severity in Severity::ALL {
            let count = self.counts.get(&severity).copied().unwrap_or(0);
            let role = if count == 0 { Role::Faint } else { role(severity) };
            counts = counts.put(role, format!("{count} {}  ", severity.word()));
        }
        let total: u32 = self.counts.values().sum();
        let named = self.all.len();
        if u64::from(total) > named as u64 {
            let more = words::count(u64::from(total) - named as u64);
            counts = counts.put(Role::Dim, format!("{more} only in the reports"));
        }
        let mut head = vec![counts];
        for (role, what) in self.missing.iter().take(MISSING) {
            let glyph = if *role == Role::Dim { "○" } else { "▲" };
            head.push(Strip::of(*role, format!(" {glyph} {what}")));
        }
        if self.missing.len() > MISSING {
            let more = self.missing.len() - MISSING;
            head.push(Strip::of(Role::Warn, format!(" ▲ and {more} more not looked at")));
        }
        head
    }
}

fn role(severity: Severity) -> Role {
    match severity {
        Severity::Critical | Severity::High => Role::Failed,
        // What is not known is not harmless.
        Severity::Medium | Severity::Unknown => Role::Warn,
        Severity::Low => Role::Text,
    }
}

pub(in crate::tui) fn act(ui: &mut Ui, action: Action) -> Did {
    let (count, page) = (ui.findings.shown.len(), page_rows(ui));
    if ui.findings.list.moved(action, count, page) {
        return Did::Nothing;
    }
    match action {
        Action::Open => open(ui),
        Action::Copy => {
            if let Some((step, finding)) = ui.findings.chosen() {
                let Finding { tool, rule, title, location, .. } = finding;
                let severity = finding.severity.word();
                let text = format!("{severity}  {tool}  {rule}  {location}  {title}  ({step})");
                return Did::Copy { what: "the finding", text };
            }
        }
        _ => ui.not_here(action),
    }
    Did::Nothing
}

/// Enter: what is known of it, then the log of its step.
fn open(ui: &mut Ui) {
    let Some((step, _)) = ui.findings.chosen() else { return };
    let step = step.clone();
    if ui.findings.detail || ui.size.0 >= WIDE {
        ui.show_log_of(step);
    } else {
        ui.findings.detail = true;
    }
}

/// The form that waives the chosen finding, for a month unless told.
pub(in crate::tui) fn waive(ui: &Ui, snapshot: &Snapshot) -> Option<WaiveForm> {
    let (_, finding) = ui.findings.chosen()?;
    let owner = ui.who.person.as_ref().map_or(String::new(), ToString::to_string);
    let today = snapshot.now.wall.to_zoned(jiff::tz::TimeZone::UTC).date();
    let until = today.saturating_add(jiff::Span::new().days(30));
    Some(WaiveForm::new(finding.clone(), owner, until.to_string()))
}

/// How many findings of this release a waiver covers.
pub(in crate::tui) fn covered(ui: &Ui, waiver: &Waiver) -> usize {
    ui.findings.all.iter().filter(|(_, finding)| waiver.covers(finding)).count()
}

/// Esc: closes the detail, then the filter; whether there was one.
pub(in crate::tui) fn back(ui: &mut Ui) -> bool {
    if ui.findings.detail {
        ui.findings.detail = false;
        return true;
    }
    false
}

pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    let findings = &view.ui.findings;
    let (left, right) = split(area, WIDE, findings.detail);
    let count = findings.shown.len();
    let mut title = Strip::of(Role::Focus, " Findings ")
        .put(Role::Dim, format!(" {} ", words::plural(findings.covered.len() as u64, "report")));
    if !findings.list.filter.is_empty() {
        title = title.put(Role::Warn, format!(" only {} ", findings.list.filter.text()));
    }
    let place = if count == 0 { 0 } else { findings.list.at(count) + 1 };
    let title = title.right(Role::Dim, format!(" {place} of {count} "));
    let inner = pane(buf, view.theme, left, &title, true);
    rows(buf, view.theme, inner, &findings.head());
    let shown = findings.rows(area);
    for at in 0..usize::from(shown.place.height) {
        let index = shown.top + at;
        let Some((step, finding)) = findings.shown.get(index).and_then(|at| findings.all.get(*at))
        else {
            break;
        };
        let line = row(shown.place, at);
        if index == findings.list.at(count) {
            buf.set_style(line.intersection(buf.area), view.theme.style(Role::Selected));
        }
        strip(finding, step, inner.width).draw(buf, view.theme, line);
    }
    if count == 0 {
        let what = nothing(&view.snapshot.release, findings);
        Strip::of(Role::Dim, what).draw(buf, view.theme, row(shown.place, 0));
    }
    if findings.all.is_empty() {
        // No finding is only worth as much as what was looked at.
        let below = Rect { y: shown.place.y + 1, ..shown.place }.intersection(shown.place);
        let looked: Vec<Strip> = findings
            .covered
            .iter()
            .map(|what| Strip::of(Role::Done, " ✔ ").put(Role::Text, what))
            .collect();
        rows(buf, view.theme, below, &looked);
    }
    if !right.is_empty() {
        detail(buf, right, view);
    }
}

/// Why the list is empty; never that all is well.
fn nothing(release: &Release, findings: &Findings) -> &'static str {
    if !findings.list.filter.is_empty() {
        " none matches; esc shows all"
    } else if findings.covered.is_empty() && release.result.is_none() {
        " no report has been read yet"
    } else if findings.covered.is_empty() {
        " no report was read in this release"
    } else {
        " the reports that were read name no finding"
    }
}

fn strip(finding: &Finding, step: &StepId, columns: u16) -> Strip {
    let severity = finding.severity;
    let strip = Strip::of(role(severity), format!(" {:<8} ", severity.word()))
        .put(Role::Dim, format!("{:<10.10} ", finding.tool));
    let place = finding.location.as_str();
    if columns < 70 {
        return strip.put(Role::Text, format!("{} ", finding.rule)).put(Role::Dim, place);
    }
    strip
        .put(Role::Text, format!("{:<22.22} ", finding.rule))
        .put(Role::Dim, place)
        .right(Role::Faint, format!("{step} "))
}

fn detail(buf: &mut Buffer, area: Rect, view: &View<'_>) {
    let title = Strip::of(Role::Title, " Detail ");
    let Some((step, finding)) = view.ui.findings.chosen() else {
        pane(buf, view.theme, area, &title, true);
        return;
    };
    let title = title.right(Role::Dim, format!(" enter: log of {step} "));
    let inner = pane(buf, view.theme, area, &title, true);
    let columns = usize::from(inner.width).saturating_sub(2);
    let mut strips = Vec::new();
    let mut say = |role: Role, text: &str| {
        let lines = wrap(text, columns);
        strips.extend(lines.iter().map(|line| Strip::of(role, format!(" {line}"))));
    };
    let original = finding
        .original
        .as_ref()
        .map_or(String::new(), |own| format!(", {own} in the words of {}", finding.tool));
    say(role(finding.severity), &format!("{}{original}", finding.severity.word()));
    say(Role::Strong, &format!("{}: {}", finding.rule, finding.title));
    say(Role::Text, finding.location.as_str());
    say(Role::Dim, &format!("found by {} in {step}", finding.tool));
    say(Role::Faint, finding.fingerprint.as_str());
    let end = view.snapshot.release.steps.get(step).and_then(|state| state.end.as_ref());
    if let Some(report) = end.and_then(|end| end.report.as_ref()) {
        say(Role::Dim, &format!("{} looked at {}", report.tool, report.coverage));
        say(Role::Faint, &format!("report {}", report.digest.as_str()));
    }
    rows(buf, view.theme, inner, &strips);
}
