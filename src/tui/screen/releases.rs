//! The releases of this machine: the running one, the past ones, two of them side by side.

use ratatui::layout::Rect;

use super::{Rows, within};
use crate::release::{Clean, Release, ReleaseId, Severity};
use crate::report::words;
use crate::tui::action::Action;
use crate::tui::draw::View;
use crate::tui::drawing::Drawing;
use crate::tui::library::{Row, Shelf, Standing};
use crate::tui::list::{Filter, List};
use crate::tui::mark::clock;
use crate::tui::on_key::Did;
use crate::tui::pen::{Strip, pane, row};
use crate::tui::theme::Role;
use crate::tui::ui::{Ui, page_rows};

/// The list as it was read last.
#[derive(Clone, Debug, Default)]
pub(in crate::tui) struct Releases {
    shelf: Shelf,
    shown: Vec<usize>,
    /// When it was read, on the operator's own clock.
    pub(in crate::tui) read_ms: Option<u64>,
    pub(in crate::tui) reading: bool,
    error: Option<Clean>,
    pub(in crate::tui) list: List,
    marked: Vec<ReleaseId>,
    /// The two that are compared.
    pair: Option<Box<(Release, Release)>>,
}

impl Releases {
    pub(in crate::tui) fn learn(&mut self, answer: Result<Shelf, Clean>, now_ms: u64) {
        (self.reading, self.read_ms) = (false, Some(now_ms));
        match answer {
            Ok(read) => {
                let chosen = self.chosen().map(|row| row.id.clone());
                (self.shelf, self.error) = (read, None);
                self.sift();
                // The cursor stays on its release, wherever that stands now.
                if let (Some(_), Some(id)) = (self.list.cursor, chosen) {
                    let at = |at: &usize| self.shelf.rows.get(*at).is_some_and(|r| r.id == id);
                    self.list.cursor = self.shown.iter().position(at).or(self.list.cursor);
                }
            }
            Err(why) => self.error = Some(why),
        }
    }

    pub(in crate::tui) fn compare(&mut self, pair: (Release, Release)) {
        self.pair = Some(Box::new(pair));
    }

    pub(in crate::tui) fn filter(&mut self, text: &str) {
        self.list.filter = Filter::new(text);
        self.list.cursor = None;
        self.sift();
    }

    fn sift(&mut self) {
        let lets = |(at, row): (usize, &Row)| {
            let rehearsal = if row.rehearsal { "rehearsal" } else { "" };
            let fields = [
                ("id", row.id.as_str()),
                ("state", state(row).2),
                ("env", row.environment.as_str()),
                ("by", row.by.as_str()),
                ("revision", row.revision.as_str()),
                ("branch", row.branch.as_str()),
                ("result", row.result.as_str()),
                ("kind", rehearsal),
            ];
            self.list.filter.lets(&fields).then_some(at)
        };
        self.shown = self.shelf.rows.iter().enumerate().filter_map(lets).collect();
    }

    fn chosen(&self) -> Option<&Row> {
        self.shelf.rows.get(*self.shown.get(self.list.at(self.shown.len()))?)
    }

    pub(in crate::tui) fn rows(&self, body: Rect) -> Rows {
        let inner = within(body);
        let head = u16::try_from(self.shelf.locks.len() + 1).unwrap_or(1).min(inner.height);
        let place = Rect { y: inner.y + head, height: inner.height - head, ..inner };
        let count = self.shown.len();
        if self.pair.is_some() {
            return Rows::default();
        }
        Rows { place, top: self.list.top(count, usize::from(place.height)), count }
    }
}

pub(in crate::tui) fn act(ui: &mut Ui, action: Action) -> Did {
    let (count, page) = (ui.releases.shown.len(), page_rows(ui));
    if ui.releases.pair.is_none() && ui.releases.list.moved(action, count, page) {
        return Did::Nothing;
    }
    let chosen = ui.releases.chosen().map(|row| row.id.clone());
    match (action, chosen) {
        (Action::Open, Some(id)) => {
            if ui.releases.chosen().is_some_and(|row| row.standing == Standing::Unreadable) {
                ui.refuse(&Clean::new(&format!(
                    "{id} cannot be read; gonogo verify {id} says why"
                )));
                return Did::Nothing;
            }
            return Did::Open(id);
        }
        (Action::Mark, Some(id)) => {
            let marked = &mut ui.releases.marked;
            if let Some(at) = marked.iter().position(|other| *other == id) {
                marked.remove(at);
            } else {
                marked.push(id);
                // The third takes the place of the first.
                let over = marked.len().saturating_sub(2);
                marked.drain(..over);
            }
        }
        (Action::Diff, _) => match ui.releases.marked.as_slice() {
            [a, b] => return Did::Compare(a.clone(), b.clone()),
            _ => ui.refuse(&Clean::new("mark two releases with space, then compare them")),
        },
        (Action::Refresh, _) => return Did::ListReleases,
        (Action::Copy, Some(id)) => {
            return Did::Copy { what: "the release's id", text: id.to_string() };
        }
        (Action::Open | Action::Mark | Action::Copy, None) => {}
        _ => ui.not_here(action),
    }
    Did::Nothing
}

/// Esc: out of the comparison; whether there was one.
pub(in crate::tui) fn back(ui: &mut Ui) -> bool {
    ui.releases.pair.take().is_some()
}

/// The bar over the list where no release is shown.
pub(in crate::tui) fn bar(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    drawing.wash(area, view.theme.style(Role::Elsewhere));
    Strip::of(Role::Elsewhere, " gonogo │ no release is shown")
        .right(Role::Elsewhere, format!(" {} ", words::utc(view.snapshot.now.wall)))
        .draw(drawing, view.theme, area);
}

/// Glyph, role and word of where a release stands.
fn state(row: &Row) -> (&'static str, Role, &'static str) {
    match row.standing {
        Standing::Driven => ("◐", Role::Running, "running"),
        Standing::Orphan => ("▲", Role::Warn, "undriven"),
        Standing::Released => ("✔", Role::Done, "released"),
        Standing::Ended => ("✖", Role::Failed, "ended"),
        Standing::Unreadable => ("▲", Role::Failed, "unreadable"),
    }
}

pub(in crate::tui) fn draw(drawing: &mut Drawing, area: Rect, view: &View<'_>) {
    let releases = &view.ui.releases;
    if let Some(pair) = &releases.pair {
        return compared(drawing, area, view, &pair.0, &pair.1);
    }
    let count = releases.shown.len();
    let mut title = Strip::of(Role::Focus, " Releases ");
    if !releases.list.filter.is_empty() {
        title = title.put(Role::Warn, format!(" only {} ", releases.list.filter.text()));
    }
    let age = match releases.read_ms {
        _ if releases.reading && releases.read_ms.is_none() => " reading … ".to_owned(),
        None => String::new(),
        Some(at) => format!(" read {} ", words::age(view.ui.now_ms.saturating_sub(at))),
    };
    let inner = pane(drawing, view.theme, area, &title.right(Role::Dim, age), true);
    let shown = releases.rows(area);
    for (at, lock) in releases.shelf.locks.iter().enumerate() {
        Strip::of(Role::Warn, format!(" ◆ {lock}")).draw(drawing, view.theme, row(inner, at));
    }
    let head = row(inner, releases.shelf.locks.len());
    columns(inner.width, &Cells::head()).draw(drawing, view.theme, head);
    for at in 0..usize::from(shown.place.height) {
        let index = shown.top + at;
        let Some(known) = releases.shown.get(index).and_then(|at| releases.shelf.rows.get(*at))
        else {
            break;
        };
        let line = row(shown.place, at);
        if index == releases.list.at(count) {
            drawing.wash(line, view.theme.style(Role::Selected));
        }
        let cells = Cells::of(known, releases.marked.contains(&known.id));
        columns(inner.width, &cells).draw(drawing, view.theme, line);
    }
    if count == 0 {
        let (role, what) = match &releases.error {
            Some(why) => (Role::Failed, why.to_string()),
            None if releases.read_ms.is_none() => (Role::Dim, "the list is being read".to_owned()),
            None if releases.shelf.rows.is_empty() => {
                let what = "no releases yet; gonogo run starts one, gonogo rehearse needs nothing";
                (Role::Dim, what.to_owned())
            }
            None => (Role::Dim, "none matches; esc shows all".to_owned()),
        };
        Strip::of(role, format!(" {what}")).draw(drawing, view.theme, row(shown.place, 0));
    }
}

/// One row, cell by cell.
struct Cells {
    state: (Role, String),
    id: String,
    revision: String,
    environment: String,
    by: String,
    driver: String,
    started: String,
    took: String,
    result: String,
    role: Role,
}

impl Cells {
    fn head() -> Self {
        Self {
            state: (Role::Faint, "   state".to_owned()),
            id: "release".to_owned(),
            revision: "revision".to_owned(),
            environment: "to".to_owned(),
            by: "by".to_owned(),
            driver: "driver".to_owned(),
            started: "started".to_owned(),
            took: "took".to_owned(),
            result: "result".to_owned(),
            role: Role::Faint,
        }
    }

    fn of(row: &Row, marked: bool) -> Self {
        let (glyph, role, word) = state(row);
        let environment =
            if row.rehearsal { "rehearsal".to_owned() } else { row.environment.to_string() };
        Self {
            state: (role, format!("{}{glyph} {word}", if marked { "▌" } else { " " })),
            id: row.id.to_string(),
            revision: format!("{} {}", row.revision, row.branch),
            environment,
            by: row.by.to_string(),
            driver: row.driver.to_string(),
            started: row
                .started
                .map_or(String::new(), |at| at.strftime("%m-%d %H:%MZ").to_string()),
            took: row.took_ms.map_or(String::new(), clock),
            result: row.result.to_string(),
            role: Role::Text,
        }
    }
}

fn columns(width: u16, cells: &Cells) -> Strip {
    let Cells { id, revision, environment, by, driver, started, took, result, role, .. } = cells;
    let strip = Strip::of(cells.state.0, format!("{:<12} ", cells.state.1))
        .put(*role, format!("{id:<11} "));
    let strip = if width < 100 { strip } else { strip.put(*role, format!("{revision:<16.16} ")) };
    let strip = strip.put(*role, format!("{environment:<10.10} "));
    let strip = if width < 100 { strip } else { strip.put(*role, format!("{by:<9.9} ")) };
    let strip = if width < 150 { strip } else { strip.put(*role, format!("{driver:<20.20} ")) };
    strip
        .put(Role::Dim, format!("{started:<12} "))
        .put(Role::Dim, format!("{took:>8}  "))
        .put(*role, result)
}

/// Two releases side by side: what is equal is faint.
fn compared(drawing: &mut Drawing, area: Rect, view: &View<'_>, a: &Release, b: &Release) {
    let title =
        Strip::of(Role::Focus, format!(" {} beside {} ", a.id, b.id)).right(Role::Dim, " esc ");
    let inner = pane(drawing, view.theme, area, &title, true);
    let width = usize::from(inner.width.saturating_sub(28) / 2).max(10);
    let mut lines = vec![("release".to_owned(), a.id.to_string(), b.id.to_string())];
    lines.extend(facts(a).into_iter().zip(facts(b)).map(|((name, a), (_, b))| (name, a, b)));
    lines.extend(stages(a, b));
    for severity in Severity::ALL {
        let name = format!("{} findings", severity.word());
        lines.push((name, findings(a, severity), findings(b, severity)));
    }
    for (at, (name, a, b)) in lines.iter().take(usize::from(inner.height)).enumerate() {
        let role = if a == b { Role::Faint } else { Role::Strong };
        let sign = if a == b || at == 0 { " " } else { "≠" };
        let cell = |text: &str| text.chars().take(width - 1).collect::<String>();
        let (a, b) = (cell(a), cell(b));
        Strip::of(Role::Dim, format!(" {name:<22.22} "))
            .put(role, format!("{a:<width$}"))
            .put(Role::Warn, format!("{sign} "))
            .put(role, b)
            .draw(drawing, view.theme, row(inner, at));
    }
}

fn facts(release: &Release) -> Vec<(String, String)> {
    let none = || "unknown".to_owned();
    let start = release.start.as_deref();
    let of = |get: &dyn Fn(&crate::release::Start) -> String| start.map_or_else(none, get);
    let result = match &release.result {
        Some(result) => result.sentence(),
        None => words::state(release),
    };
    vec![
        ("revision".to_owned(), of(&|start| start.revision.short().to_owned())),
        ("branch".to_owned(), of(&|start| start.branch.to_string())),
        ("environment".to_owned(), of(&|start| start.environment.to_string())),
        ("plan".to_owned(), of(&|start| start.plan_digest.short().to_owned())),
        ("policy".to_owned(), of(&|start| start.policy_digest.short().to_owned())),
        ("result".to_owned(), result),
        ("took".to_owned(), words::duration(words::took_ms(release))),
    ]
}

/// The stages of either plan, and how long each took.
fn stages(a: &Release, b: &Release) -> Vec<(String, String, String)> {
    let plans = [a.plan(), b.plan()];
    let mut ids: Vec<crate::release::StageId> = Vec::new();
    for stage in plans.iter().flatten().flat_map(|plan| &plan.stages) {
        if !ids.contains(&stage.id) {
            ids.push(stage.id.clone());
        }
    }
    let took = |release: &Release, id: &crate::release::StageId| {
        let Some(stage) = release.plan().and_then(|plan| plan.stage(id)) else {
            return "not in the plan".to_owned();
        };
        let states = || stage.steps.iter().filter_map(|step| release.steps.get(&step.id));
        let from = states().filter_map(|state| state.started_ms).min();
        let to = states().filter_map(|state| state.ended_ms).max();
        match (from, to) {
            (Some(from), Some(to)) => clock(to.saturating_sub(from)),
            (Some(_), None) => "not ended".to_owned(),
            _ => "did not run".to_owned(),
        }
    };
    ids.iter().map(|id| (format!("stage {id}"), took(a, id), took(b, id))).collect()
}

fn findings(release: &Release, severity: Severity) -> String {
    let ends = release.steps.values().filter_map(|state| state.end.as_ref());
    let mut reports = ends.filter_map(|end| end.report.as_ref()).peekable();
    if reports.peek().is_none() {
        return "no report".to_owned();
    }
    reports.map(|report| u64::from(report.count(severity))).sum::<u64>().to_string()
}
