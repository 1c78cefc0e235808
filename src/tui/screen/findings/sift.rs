//! Which findings there are, how each stands, and which of them are shown in what order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::engine::handle::{Snapshot, Triaged};
use crate::release::finding::waiver::Waiver;
use crate::release::triage::{FAMILIES, Status, by_fix, fold};
use crate::release::{
    Clean, EffectKey, Finding, Release, ReleaseId, ReportState, ReportSummary, Seq, Severity,
    StepId, StepStatus,
};
use crate::report::words;
use crate::tui::list::{Filter, List};
use crate::tui::theme::Role;

/// Which findings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tui) enum Sight {
    /// What what serves now does not have, and no waiver covers.
    #[default]
    New,
    All,
    Waived,
    Fixed,
}

/// What is shown together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GroupBy {
    #[default]
    Nothing,
    Severity,
    Tool,
    Fix,
    /// One thing that several tools tell.
    Same,
}

/// By what rows are sorted, within their group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SortBy {
    #[default]
    Severity,
    Place,
    Rule,
}

/// A report whose findings are wanted whole: its try, and how many waivers there are.
pub(in crate::tui) type Wanted = (StepId, EffectKey, usize);

/// A report that was seen: its try, and whether it has been read whole.
type Known = (StepId, EffectKey, bool);

/// One finding: where it is kept, and how it stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    source: usize,
    at: usize,
    /// The place of its tool's name.
    tool: usize,
    status: Status,
    waived: Option<usize>,
}

#[derive(Clone, Debug)]
struct Source {
    step: StepId,
    found: Arc<Vec<Finding>>,
}

/// A row of the list.
#[derive(Clone, Debug)]
pub(super) enum Row {
    Head(String, usize),
    One(usize),
}

/// What the reports of the release say, put together when one came.
#[derive(Clone, Debug, Default)]
pub(in crate::tui) struct Findings {
    /// The record, the reports and the day that the rest was put together from.
    seen: Option<(ReleaseId, Option<Seq>, usize, Date)>,
    of: Option<(ReleaseId, Vec<Known>, usize)>,
    read: BTreeMap<Wanted, Arc<Triaged>>,
    pub(super) unread: BTreeMap<Wanted, Clean>,
    asked: BTreeSet<Wanted>,
    sources: Vec<Source>,
    entries: Vec<Entry>,
    /// Findings of now that are known one by one.
    pub(super) named: usize,
    /// What a filter looks at, in lower case, for each entry.
    texts: Vec<[String; 3]>,
    /// The tools' names in lower case; many findings have the same.
    tools: Vec<String>,
    /// The entries in each order, once it was asked for: a key that filters must not sort anew.
    orders: [Option<Vec<usize>>; 3],
    pub(super) rows: Vec<Row>,
    pub(super) sight: Sight,
    pub(super) group: GroupBy,
    pub(super) sort: SortBy,
    /// Of each severity: new, all, waived, fixed.
    pub(super) counts: BTreeMap<Severity, [u32; 4]>,
    pub(super) missing: Vec<(Role, String)>,
    pub(super) covered: Vec<String>,
    pub(super) since: String,
    pub(in crate::tui) list: List,
    pub(super) detail: bool,
}

impl Findings {
    /// Takes in what is new, and says which reports should be read whole.
    pub(in crate::tui) fn learn(&mut self, snapshot: &Snapshot) {
        let release = &snapshot.release;
        let today = snapshot.now.wall.to_zoned(TimeZone::UTC).date();
        let seen = Some((release.id.clone(), release.head, self.read.len(), today));
        if self.seen == seen && release.head.is_some() {
            return;
        }
        self.learn_anew(snapshot);
        self.seen = seen;
    }

    fn learn_anew(&mut self, snapshot: &Snapshot) {
        let release = &snapshot.release;
        let waivers = release.all_waivers();
        let mut signature = Vec::new();
        for step in release.plan().iter().flat_map(|plan| plan.steps()) {
            if let Some(stored) = release.stored(step) {
                let key = (step.id.clone(), stored.key.clone(), waivers.len());
                signature.push((step.id.clone(), stored.key, self.read.contains_key(&key)));
            }
        }
        let now = Some((release.id.clone(), signature, waivers.len()));
        if self.of == now && release.head.is_some() {
            return self.look_around(release, &waivers, snapshot);
        }
        if self.of.as_ref().is_some_and(|(id, ..)| *id != release.id) {
            *self = Self::default();
        }
        self.of = now;
        self.gather(release, waivers.len());
        self.look_around(release, &waivers, snapshot);
        self.sift();
    }

    /// Reports that were not asked for yet.
    pub(in crate::tui) fn wants(&mut self) -> Vec<Wanted> {
        let Some((_, signature, waivers)) = &self.of else { return Vec::new() };
        let all = signature.iter().filter(|(.., read)| !read);
        let mut new: Vec<Wanted> =
            all.map(|(step, key, _)| (step.clone(), key.clone(), *waivers)).collect();
        new.retain(|wanted| self.asked.insert(wanted.clone()));
        new
    }

    /// A report was read.
    pub(in crate::tui) fn take_in(&mut self, of: Wanted, read: Result<Triaged, Clean>) {
        match read {
            Ok(triaged) => drop(self.read.insert(of, Arc::new(triaged))),
            Err(why) => drop(self.unread.insert(of, why)),
        }
        self.seen = None;
    }

    fn gather(&mut self, release: &Release, waivers: usize) {
        (self.sources, self.entries, self.texts, self.counts) = <_>::default();
        (self.tools, self.orders) = <_>::default();
        self.named = 0;
        for step in release.plan().iter().flat_map(|plan| plan.steps()) {
            let end = release.steps.get(&step.id).and_then(|state| state.end.as_ref());
            let Some(report) = end.and_then(|end| end.report.as_ref()) else { continue };
            let key = release.stored(step).map(|stored| (step.id.clone(), stored.key, waivers));
            let read = key.and_then(|key| self.read.get(&key).cloned());
            if let Some(read) = read {
                let stands = |at: usize| (read.status[at], read.waived[at]);
                self.add(&step.id, Arc::clone(&read.findings), stands);
                self.add(&step.id, Arc::clone(&read.fixed), |_| (Status::Fixed, None));
            } else {
                self.add(&step.id, Arc::new(report.worst.clone()), |_| (Status::New, None));
                self.count_rest(report);
            }
        }
    }

    fn add(
        &mut self,
        step: &StepId,
        found: Arc<Vec<Finding>>,
        stands: impl Fn(usize) -> (Status, Option<usize>),
    ) {
        let source = self.sources.len();
        for (at, finding) in found.iter().enumerate() {
            let (status, waived) = stands(at);
            self.named += usize::from(status != Status::Fixed);
            let counts = self.counts.entry(finding.severity).or_default();
            let seen = |sight| usize::from(!shows(sight, status, waived.is_some())) ^ 1;
            for (sight, place) in
                [(Sight::New, 0), (Sight::All, 1), (Sight::Waived, 2), (Sight::Fixed, 3)]
            {
                counts[place] =
                    counts[place].saturating_add(u32::try_from(seen(sight)).unwrap_or(0));
            }
            let tool = self.tool(finding);
            self.entries.push(Entry { source, at, tool, status, waived });
            let Finding { title, location, .. } = finding;
            let lower = |text: &Clean| text.as_str().to_lowercase();
            let ids: Vec<String> = finding.ids().map(lower).collect();
            self.texts.push([ids.join(" "), lower(title), lower(location)]);
        }
        self.sources.push(Source { step: step.clone(), found });
    }

    /// The place of a finding's tool among the names.
    fn tool(&mut self, finding: &Finding) -> usize {
        let name = finding.tool.as_str().to_lowercase();
        self.tools.iter().position(|tool| *tool == name).unwrap_or_else(|| {
            self.tools.push(name);
            self.tools.len() - 1
        })
    }

    /// What the journal only counts, of a report that has not been read whole.
    fn count_rest(&mut self, report: &ReportSummary) {
        for (severity, count) in &report.counts {
            let named = report.worst.iter().filter(|one| one.severity == *severity).count();
            let rest = count.saturating_sub(u32::try_from(named).unwrap_or(u32::MAX));
            let counts = self.counts.entry(*severity).or_default();
            counts[0] = counts[0].saturating_add(rest);
            counts[1] = counts[1].saturating_add(rest);
        }
    }

    /// What was not looked at, which waivers are of no use, since when something is new.
    fn look_around(&mut self, release: &Release, waivers: &[Waiver], snapshot: &Snapshot) {
        (self.missing, self.covered) = <_>::default();
        let mut without = 0;
        for step in release.plan().iter().flat_map(|plan| plan.steps()) {
            let Some(state) = release.steps.get(&step.id) else { continue };
            let report = state.end.as_ref().and_then(|end| end.report.as_ref());
            if let Some(report) = report {
                self.looked(&step.id, report);
            } else if let (StepStatus::Skipped(why), Some(_)) = (&state.status, &step.report) {
                self.missing.push((Role::Warn, format!("{} was skipped: {why}", step.id)));
            } else if step.report.is_some() {
                without += 1;
            }
        }
        for ((step, ..), why) in &self.unread {
            self.missing.push((Role::Failed, format!("{step}: {why}")));
        }
        let today = snapshot.now.wall.to_zoned(TimeZone::UTC).date();
        let used: BTreeSet<usize> = self.entries.iter().filter_map(|entry| entry.waived).collect();
        for (at, waiver) in waivers.iter().enumerate() {
            if waiver.is_expired(today) {
                self.missing.push((Role::Warn, format!("waiver EXPIRED: {waiver}")));
            } else if !used.contains(&at) {
                self.missing.push((Role::Dim, format!("waiver of nothing found so far: {waiver}")));
            }
        }
        if without > 0 {
            let reports = words::plural(without, "report");
            self.missing.push((Role::Dim, format!("{reports} of later steps not there yet")));
        }
        let baseline = release.start.as_deref().and_then(|start| start.baseline.as_ref());
        self.since = match baseline {
            Some(release) => format!("since {release}, which serves now"),
            None => "no baseline: everything is new".to_owned(),
        };
    }

    fn looked(&mut self, step: &StepId, report: &ReportSummary) {
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
    }

    /// Puts back what was in sight, and the filter's words.
    pub(in crate::tui) fn put_back(&mut self, sight: Sight, text: &str) {
        self.sight = sight;
        self.filter(text);
    }

    pub(in crate::tui) fn filter(&mut self, text: &str) {
        self.list.filter = Filter::new(text);
        self.list.cursor = None;
        self.sift();
    }

    fn finding(&self, entry: &Entry) -> &Finding {
        &self.sources[entry.source].found[entry.at]
    }

    fn lets(&self, at: usize) -> bool {
        self.is_in_sight(at) && (self.list.filter.is_empty() || self.passes(at, &self.list.filter))
    }

    fn is_in_sight(&self, at: usize) -> bool {
        let entry = &self.entries[at];
        shows(self.sight, entry.status, entry.waived.is_some())
    }

    /// The findings in sight, whatever the filter says.
    pub(super) fn in_sight(&self) -> impl Iterator<Item = usize> {
        (0..self.entries.len()).filter(|at| self.is_in_sight(*at))
    }

    /// A finding's severity, the first word of its tool, and its stage: a filter's words hold no
    /// blanks.
    pub(super) fn words(&self, at: usize) -> [&str; 3] {
        let entry = &self.entries[at];
        let tool = self.tools[entry.tool].split_whitespace().next().unwrap_or("unknown");
        [self.finding(entry).severity.word(), tool, stage(&self.sources[entry.source].step)]
    }

    /// Whether a filter lets a finding through.
    pub(super) fn passes(&self, at: usize, filter: &Filter) -> bool {
        let entry = &self.entries[at];
        let finding = self.finding(entry);
        let step = &self.sources[entry.source].step;
        let [rule, title, place] = &self.texts[at];
        filter.lets_lower(&[
            ("severity", finding.severity.word()),
            ("tool", &self.tools[entry.tool]),
            ("rule", rule),
            ("where", place),
            ("title", title),
            ("stage", stage(step)),
            ("step", step.as_str()),
            ("is", entry.status.word()),
        ])
    }

    /// Which rows are shown, in which order.
    pub(super) fn sift(&mut self) {
        let place = self.sort as usize;
        let order = self.orders[place].take().unwrap_or_else(|| self.sorted());
        let shown: Vec<usize> = order.iter().copied().filter(|at| self.lets(*at)).collect();
        self.orders[place] = Some(order);
        let groups: Vec<(String, Vec<usize>)> = match self.group {
            GroupBy::Nothing => {
                self.rows = shown.into_iter().map(Row::One).collect();
                return;
            }
            GroupBy::Severity => self.grouped(&shown, |one| one.severity.word().to_owned()),
            GroupBy::Tool => self.grouped(&shown, |one| one.tool.to_string()),
            GroupBy::Fix | GroupBy::Same => self.triaged(&shown),
        };
        self.rows.clear();
        for (name, members) in groups {
            self.rows.push(Row::Head(name, members.len()));
            self.rows.extend(members.into_iter().map(Row::One));
        }
    }

    /// All entries in the order that is asked for.
    fn sorted(&self) -> Vec<usize> {
        let key = |at: usize| {
            let finding = self.finding(&self.entries[at]);
            let Finding { severity, rule, location, .. } = finding;
            let (rule, place) = (rule.as_str(), location.as_str());
            match self.sort {
                SortBy::Severity => (*severity, rule, place),
                SortBy::Place => (Severity::Critical, place, rule),
                SortBy::Rule => (Severity::Critical, rule, place),
            }
        };
        // Most are told apart by how they begin, which lies together in memory.
        let mut all: Vec<(Severity, u128, usize)> = (0..self.entries.len())
            .map(|at| {
                let (severity, first, _) = key(at);
                (severity, beginning(first), at)
            })
            .collect();
        all.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| key(a.2).cmp(&key(b.2))));
        all.into_iter().map(|(.., at)| at).collect()
    }

    /// Groups in the order in which the first of each comes.
    fn grouped(
        &self,
        shown: &[usize],
        name: impl Fn(&Finding) -> String,
    ) -> Vec<(String, Vec<usize>)> {
        let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for at in shown {
            let name = name(self.finding(&self.entries[*at]));
            let place = *places.entry(name).or_insert_with_key(|name| {
                groups.push((name.clone(), Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(*at);
        }
        groups
    }

    fn triaged(&self, shown: &[usize]) -> Vec<(String, Vec<usize>)> {
        let findings: Vec<&Finding> =
            shown.iter().map(|at| self.finding(&self.entries[*at])).collect();
        let members = |places: &[usize]| places.iter().map(|place| shown[*place]).collect();
        if self.group == GroupBy::Same {
            let groups = fold(&findings, &FAMILIES);
            return groups
                .iter()
                .map(|group| {
                    let first = findings[group.first()];
                    (format!("{} {}", first.rule, first.title.cut(60)), members(&group.members))
                })
                .collect();
        }
        let causes = by_fix(&findings, &FAMILIES);
        causes
            .iter()
            .map(|cause| {
                let fix = cause.fix.as_ref().map_or("no fix is known", Clean::as_str);
                (format!("{}: {fix}", cause.name), members(&cause.findings))
            })
            .collect()
    }

    /// A shown row's finding, its step, how it stands, the place of its waiver.
    pub(super) fn one(&self, row: usize) -> Option<(&StepId, &Finding, Status, Option<usize>)> {
        let Row::One(at) = self.rows.get(row)? else { return None };
        let entry = self.entries.get(*at)?;
        let step = &self.sources[entry.source].step;
        Some((step, self.finding(entry), entry.status, entry.waived))
    }

    pub(in crate::tui) fn chosen(&self) -> Option<(&StepId, &Finding, Status, Option<usize>)> {
        self.one(self.list.at(self.rows.len()))
    }

    /// How many findings of this release a waiver covers.
    pub(in crate::tui) fn covered_by(&self, waiver: &Waiver) -> usize {
        let now = self.entries.iter().filter(|entry| entry.status != Status::Fixed);
        now.filter(|entry| waiver.covers(self.finding(entry))).count()
    }

    pub(super) fn total(&self, place: usize) -> u32 {
        self.counts.values().map(|counts| counts[place]).fold(0, u32::saturating_add)
    }
}

/// The stage of a step.
fn stage(step: &StepId) -> &str {
    let step = step.as_str();
    step.split('.').next().unwrap_or(step)
}

/// The first bytes of a text, as a number that is in the same order.
fn beginning(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let taken = text.len().min(bytes.len());
    bytes[..taken].copy_from_slice(&text.as_bytes()[..taken]);
    u128::from_be_bytes(bytes)
}

fn shows(sight: Sight, status: Status, waived: bool) -> bool {
    match sight {
        Sight::New => status == Status::New && !waived,
        Sight::All => status != Status::Fixed,
        Sight::Waived => waived,
        Sight::Fixed => status == Status::Fixed,
    }
}
