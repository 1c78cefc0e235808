//! The findings: what is new in this release, why it matters, and what was not looked at.

mod facets;
mod sift;

use ratatui::layout::Rect;

pub(in crate::tui) use self::facets::{Facet, Facets, toggled};
pub(in crate::tui) use self::sift::{Findings, Sight, Wanted};
use self::sift::{GroupBy, Row, SortBy};
use super::{Rows, split, within};
use crate::engine::handle::Snapshot;
use crate::release::finding::waiver::Waiver;
use crate::release::{Clean, Finding, Release, Severity, StepId};
use crate::report::words;
use crate::tui::action::Action;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::on_key::Did;
use crate::tui::pen::{Strip, pane, row, rows, wrap};
use crate::tui::popup::WaiveForm;
use crate::tui::theme::Role;
use crate::tui::ui::{Ui, page_rows};

/// Columns from which on the detail stands beside the list.
const WIDE: u16 = 110;
/// Rows that say what was not looked at, at the most.
const MISSING: usize = 4;

impl Findings {
    pub(in crate::tui) fn list_rows(&self, body: Rect) -> Rows {
        let inner = within(split(body, WIDE, self.detail).0);
        let head = u16::try_from(self.head().len()).unwrap_or(0).min(inner.height);
        let place = Rect { y: inner.y + head, height: inner.height - head, ..inner };
        let count = self.rows.len();
        Rows { place, top: self.list.top(count, usize::from(place.height)), count }
    }

    /// The rows over the list: how many of each, since when, what was not looked at.
    fn head(&self) -> Vec<Strip> {
        let place = self.sight as usize;
        let mut counts = Strip::of(Role::Text, " ");
        for severity in Severity::ALL {
            let count = self.counts.get(&severity).map_or(0, |counts| counts[place]);
            let role = if count == 0 { Role::Faint } else { role(severity) };
            counts = counts.put(role, format!("{count} {}  ", severity.word()));
        }
        let total = self.total(Sight::All as usize);
        let more = u64::from(total).saturating_sub(self.named as u64);
        if more > 0 {
            counts = counts.put(Role::Dim, format!("{} only in the reports", words::count(more)));
        }
        let mut views = Strip::of(Role::Text, " ");
        for (sight, word) in SIGHTS {
            let role = if sight == self.sight { Role::Focus } else { Role::Dim };
            let count = words::count(u64::from(self.total(sight as usize)));
            views = views.put(role, format!("{word} {count}")).put(Role::Dim, "  ");
        }
        let mut head = vec![counts, views.put(Role::Dim, self.since.as_str())];
        for (role, what) in self.missing.iter().take(MISSING) {
            let glyph = if *role == Role::Dim { "○" } else { "▲" };
            head.push(Strip::of(*role, format!(" {glyph} {what}")));
        }
        if self.missing.len() > MISSING {
            let more = self.missing.len() - MISSING;
            head.push(Strip::of(Role::Warn, format!(" ▲ and {more} more of that kind")));
        }
        head
    }
}

const SIGHTS: [(Sight, &str); 4] =
    [(Sight::New, "new"), (Sight::All, "all"), (Sight::Waived, "waived"), (Sight::Fixed, "fixed")];

fn role(severity: Severity) -> Role {
    match severity {
        Severity::Critical | Severity::High => Role::Failed,
        // What is not known is not harmless.
        Severity::Medium | Severity::Unknown => Role::Warn,
        Severity::Low => Role::Text,
    }
}

pub(in crate::tui) fn act(ui: &mut Ui, action: Action) -> Did {
    let (count, page) = (ui.findings.rows.len(), page_rows(ui));
    if ui.findings.list.moved(action, count, page) {
        return Did::Nothing;
    }
    let findings = &mut ui.findings;
    match action {
        Action::Open => open(ui),
        Action::Sight => {
            let at = SIGHTS.iter().position(|(sight, _)| *sight == findings.sight).unwrap_or(0);
            findings.sight = SIGHTS[(at + 1) % SIGHTS.len()].0;
            again(findings);
        }
        Action::Group => {
            findings.group = match findings.group {
                GroupBy::Nothing => GroupBy::Severity,
                GroupBy::Severity => GroupBy::Tool,
                GroupBy::Tool => GroupBy::Fix,
                GroupBy::Fix => GroupBy::Same,
                GroupBy::Same => GroupBy::Nothing,
            };
            again(findings);
        }
        Action::Sort => {
            findings.sort = match findings.sort {
                SortBy::Severity => SortBy::Place,
                SortBy::Place => SortBy::Rule,
                SortBy::Rule => SortBy::Severity,
            };
            again(findings);
        }
        Action::Raw => {
            if let Some((step, finding, ..)) = findings.chosen() {
                return Did::Raw { step: step.clone(), finding: Box::new(finding.clone()) };
            }
        }
        Action::CopyFix => return copy_fix(ui),
        Action::Copy => {
            if let Some((step, finding, ..)) = findings.chosen() {
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

fn again(findings: &mut Findings) {
    findings.list.cursor = None;
    findings.sift();
}

fn copy_fix(ui: &mut Ui) -> Did {
    let fix = ui.findings.chosen().and_then(|(_, finding, ..)| fix_of(finding));
    if let Some(text) = fix {
        return Did::Copy { what: "the fix", text };
    }
    ui.say(Role::Dim, "no fix is known for it");
    Did::Nothing
}

/// What its tool says to do about it.
fn fix_of(finding: &Finding) -> Option<String> {
    let fixed = finding.package.as_ref().and_then(|package| {
        let fixed = package.fixed.as_ref()?;
        Some(format!("{} {fixed}", package.name))
    });
    fixed.or_else(|| finding.fix.as_ref().map(Clean::to_string))
}

/// Enter: what is known of it, then the log of its step.
fn open(ui: &mut Ui) {
    let Some((step, ..)) = ui.findings.chosen() else { return };
    let step = step.clone();
    if ui.findings.detail || ui.size.0 >= WIDE {
        ui.show_log_of(step);
    } else {
        ui.findings.detail = true;
    }
}

/// The form that waives the chosen finding, for a month unless told.
pub(in crate::tui) fn waive(ui: &Ui, snapshot: &Snapshot) -> Option<WaiveForm> {
    let (_, finding, ..) = ui.findings.chosen()?;
    let owner = ui.who.person.as_ref().map_or(String::new(), ToString::to_string);
    let today = snapshot.now.wall.to_zoned(jiff::tz::TimeZone::UTC).date();
    let until = today.saturating_add(jiff::Span::new().days(30));
    Some(WaiveForm::new(finding.clone(), owner, until.to_string()))
}

/// How many findings of this release a waiver covers.
pub(in crate::tui) fn covered(ui: &Ui, waiver: &Waiver) -> usize {
    ui.findings.covered_by(waiver)
}

/// Esc: closes the detail, then the filter; whether there was one.
pub(in crate::tui) fn back(ui: &mut Ui) -> bool {
    if ui.findings.detail {
        ui.findings.detail = false;
        return true;
    }
    false
}

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let findings = &view.ui.findings;
    let (left, right) = split(area, WIDE, findings.detail);
    let count = findings.rows.len();
    let group = match findings.group {
        GroupBy::Nothing => "",
        GroupBy::Severity => " by severity ",
        GroupBy::Tool => " by tool ",
        GroupBy::Fix => " by fix ",
        GroupBy::Same => " one thing told twice ",
    };
    let sort = match findings.sort {
        SortBy::Severity => "",
        SortBy::Place => " sorted by place ",
        SortBy::Rule => " sorted by rule ",
    };
    let mut title = Strip::of(Role::Focus, " Findings ")
        .put(Role::Dim, format!(" {} ", words::plural(findings.covered.len() as u64, "report")))
        .put(Role::Strong, group)
        .put(Role::Dim, sort);
    if !findings.list.filter.is_empty() {
        title = title.put(Role::Warn, format!(" only {} ", findings.list.filter.text()));
    }
    let place = if count == 0 { 0 } else { findings.list.at(count) + 1 };
    let title = title.right(Role::Dim, format!(" {place} of {count} "));
    let inner = pane(drawing, view.theme, left, &title, true);
    rows(drawing, view.theme, inner, &findings.head());
    let shown = findings.list_rows(area);
    for at in 0..usize::from(shown.place.height) {
        let index = shown.top + at;
        let Some(this) = findings.rows.get(index) else { break };
        let line = row(shown.place, at);
        if index == findings.list.at(count) {
            drawing.wash(line, view.theme.style(Role::Selected));
        }
        match (this, findings.one(index)) {
            (Row::Head(name, members), _) => Strip::of(Role::Title, format!(" {name} "))
                .right(Role::Dim, format!("{members} "))
                .draw(drawing, view.theme, line),
            (Row::One(_), Some((step, finding, ..))) => {
                strip(finding, step, inner.width).draw(drawing, view.theme, line);
            }
            (Row::One(_), None) => {}
        }
    }
    if count == 0 {
        let what = nothing(&view.snapshot.release, findings);
        Strip::of(Role::Dim, what).draw(drawing, view.theme, row(shown.place, 0));
        // No finding is only worth as much as what was looked at.
        let below = Rect { y: shown.place.y + 1, ..shown.place }.intersection(shown.place);
        let looked: Vec<Strip> = findings
            .covered
            .iter()
            .map(|what| Strip::of(Role::Done, " ✔ ").put(Role::Text, what))
            .collect();
        rows(drawing, view.theme, below, &looked);
    }
    if !right.is_empty() {
        detail(drawing, right, view);
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
    } else if findings.total(Sight::All as usize) > 0 {
        " none of these; v shows the others"
    } else {
        " the reports that were read name no finding"
    }
}

/// Columns from which on there is room for the step too; where it is decides before who found it.
const STEP_FROM: u16 = 110;

fn strip(finding: &Finding, step: &StepId, columns: u16) -> Strip {
    let severity = finding.severity;
    let strip = Strip::of(role(severity), format!(" {:<8} ", severity.word()))
        .put(Role::Dim, format!("{:<10} ", finding.tool.cut(10)));
    let place = finding.location.as_str();
    if columns < 70 {
        return strip.put(Role::Text, format!("{} ", finding.rule)).put(Role::Dim, place);
    }
    let strip =
        strip.put(Role::Text, format!("{:<22} ", finding.rule.cut(22))).put(Role::Dim, place);
    if columns < STEP_FROM { strip } else { strip.right(Role::Faint, format!("{step} ")) }
}

fn detail(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let title = Strip::of(Role::Title, " Detail ");
    let Some((step, finding, status, waived)) = view.ui.findings.chosen() else {
        pane(drawing, view.theme, area, &title, true);
        return;
    };
    let title = title.right(Role::Dim, " enter: the log of its step ");
    let inner = pane(drawing, view.theme, area, &title, true);
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
    if !finding.aliases.is_empty() {
        let others: Vec<&str> = finding.aliases.iter().map(Clean::as_str).collect();
        say(Role::Dim, &format!("also known as {}", others.join(", ")));
    }
    say(Role::Text, finding.location.as_str());
    if let Some(fix) = fix_of(finding) {
        say(Role::Done, &format!("fix: {fix}"));
    }
    if let Some(evidence) = &finding.evidence {
        say(Role::Dim, evidence.as_str());
    }
    if let Some(waiver) = waived.and_then(|at| view.snapshot.release.all_waivers().get(at).cloned())
    {
        say(Role::Warn, &format!("waived: {waiver}: {}", waiver.reason));
    }
    say(Role::Dim, &format!("{}, found by {} in {step}", status.word(), finding.tool));
    say(Role::Faint, finding.fingerprint.as_str());
    let end = view.snapshot.release.steps.get(step).and_then(|state| state.end.as_ref());
    if let Some(report) = end.and_then(|end| end.report.as_ref()) {
        say(Role::Dim, &format!("{} looked at {}", report.tool, report.coverage));
        say(Role::Faint, &format!("report {}", report.digest.as_str()));
    }
    rows(drawing, view.theme, inner, &strips);
}
