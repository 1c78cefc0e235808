//! `gonogo findings`: reads reports outside of any release.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Report, WrapErr as _};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::records;
use crate::config;
use crate::error::{Exit, Failure};
use crate::journal::Library;
use crate::release::finding::FindingKind;
use crate::release::finding::waiver::Waiver;
use crate::release::triage::{Settlement, Statement, Statements, Status, diff_keys};
use crate::release::{Clean, Finding, ReportFormat, ReportState, Severity};
use crate::report::findings::{
    Against, Aside, Form, Review, Reviewed, json, markdown, openvex, sarif, table,
};
use crate::report::summary::write_lines;
use crate::world::tools::{FINDINGS_MAX, Held, Key, Origin, Summary, read_file, read_vex};
use crate::world::{Clock, disk};

/// A policy file is never larger than this.
const POLICY_BYTES_MAX: u64 = 1024 * 1024;

/// What to read, how to print it, and what is too bad.
#[derive(Default)]
pub struct Ask {
    pub files: Vec<PathBuf>,
    /// The format as a plan names it, where the beginnings do not tell.
    pub read_as: Option<String>,
    /// Releases or report files that are the baseline.
    pub against: Vec<String>,
    /// Documents that say what does not matter.
    pub vex: Vec<PathBuf>,
    /// What people said may stay for a while.
    pub waivers: Vec<Waiver>,
    pub fail_on: Option<Severity>,
    /// Existing findings count as new ones do.
    pub all: bool,
    pub form: Form,
    /// Where releases lie.
    pub library: Option<Library>,
    /// Where the installation's key lies.
    pub secrets: Option<PathBuf>,
}

/// A report, and which findings are its own.
struct One {
    file: Clean,
    read: Result<Summary, Clean>,
    own: Range<usize>,
}

impl One {
    /// Whether it proves anything about what it does not name.
    fn looked(&self) -> bool {
        let state = self.read.as_ref().map(|summary| &summary.state);
        matches!(state, Ok(ReportState::Clean | ReportState::Findings))
    }
}

/// Reads all reports and prints them. Fails when the format or the baseline is none, or `out`
/// cannot be written.
pub fn findings(ask: &Ask, out: &mut dyn Write) -> Result<Exit, Report> {
    let format = ask.read_as.as_deref().map(named).transpose()?;
    let key = ask.secrets.as_deref().and_then(Key::existing);
    let mut held = Held::default();
    let mut baseline = Vec::new();
    for name in &ask.against {
        baseline.extend(of_baseline(ask, name, format, key.as_ref(), &mut held)?);
    }
    let mut all = Vec::new();
    for path in &ask.files {
        // A release stands for the reports that it has kept.
        if let (false, Some(library)) = (path.exists(), &ask.library)
            && let Ok(id) = library.find(&path.to_string_lossy())
        {
            all.extend(of_release(library, id.as_str(), key.as_ref(), &mut held)?);
            continue;
        }
        let tool = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let origin = Origin { tool: &tool, key: key.as_ref(), ..Origin::default() };
        all.push(read(path, format, &origin, &mut held));
    }
    let mut statements = Vec::new();
    for path in &ask.vex {
        statements.extend(read_vex(path).map_err(|error| usage(&format!("failed to {error}")))?);
    }
    let today = Clock::live().now().wall.to_zoned(TimeZone::UTC).date();
    let mut notes = Vec::new();
    let asides = Asides::new(statements, &ask.waivers, today, &mut notes);
    let mut review = compare(&all, &baseline, &asides, &held);
    review.notes.extend(notes);
    review.limit = ask.fail_on;
    review.all = ask.all;
    if let Some(against) = &mut review.against {
        against.name = Clean::new(&ask.against.join(", "));
    }
    if key.is_none() && secrets(&held) {
        review.notes.push(Clean::new(
            "secrets are told apart by rule and place only: this installation has no key yet, a \
             release makes one",
        ));
    }
    print(&review, ask.form, out)?;
    let unreadable = all.iter().any(|one| one.read.is_err());
    Ok(match (unreadable, review.fails()) {
        (true, _) => Exit::Unreachable,
        (false, true) => Exit::NoGo,
        (false, false) => Exit::Released,
    })
}

fn secrets(held: &Held) -> bool {
    (0..held.len()).any(|at| held.kind(at) == FindingKind::Secret)
}

fn print(review: &Review, form: Form, out: &mut dyn Write) -> Result<(), Report> {
    match form {
        Form::Table => write_lines(out, &table(review))?,
        Form::Markdown => write_lines(out, &markdown(review))?,
        Form::Json => writeln!(out, "{:#}", json(review))?,
        Form::Sarif => writeln!(out, "{:#}", sarif(review))?,
        Form::Openvex => {
            let now = Clock::live().now().wall.to_string();
            writeln!(out, "{:#}", openvex(&review.aside, &now))?;
        }
    }
    Ok(())
}

fn read(path: &Path, format: Option<ReportFormat>, origin: &Origin<'_>, held: &mut Held) -> One {
    let before = held.len();
    let read = read_file(path, format, origin, held);
    let read = read.map_err(|error| Clean::new(&format!("failed to {error}")));
    One { file: Clean::new(&path.display().to_string()), read, own: before..held.len() }
}

/// The reports of a baseline: a file, or every report that a release has kept.
fn of_baseline(
    ask: &Ask,
    name: &str,
    format: Option<ReportFormat>,
    key: Option<&Key>,
    held: &mut Held,
) -> Result<Vec<One>, Report> {
    let path = Path::new(name);
    if let (false, Some(library)) = (path.exists(), &ask.library) {
        return of_release(library, name, key, held);
    }
    let tool = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let one = read(path, format, &Origin { tool: &tool, key, ..Origin::default() }, held);
    match &one.read {
        Ok(_) => Ok(vec![one]),
        Err(reason) => Err(Failure::new(Exit::Unreachable, reason.to_string())
            .with_hint("without its baseline nothing can be called new")
            .into()),
    }
}

fn of_release(
    library: &Library,
    name: &str,
    key: Option<&Key>,
    held: &mut Held,
) -> Result<Vec<One>, Report> {
    let no_file = || format!("failed to compare with {name}: it is neither a file nor a release");
    let id = records::name(library, Some(name)).wrap_err_with(no_file)?;
    let found = records::read(library, Some(id.as_str()))?;
    let folder = library.folder(&id);
    let root = folder.join("workspace").to_string_lossy().into_owned();
    let mut all = Vec::new();
    for step in found.release.plan().iter().flat_map(|plan| plan.steps()) {
        let (Some(report), Some(state)) = (&step.report, found.release.steps.get(&step.id)) else {
            continue;
        };
        let path = folder.join("steps").join(format!("{}.{}", step.id, state.attempt));
        let kept = path.join("report");
        if !kept.exists() {
            continue;
        }
        let tool = step.run.first().map_or("", String::as_str);
        let origin = Origin { tool, root: &root, key, ..Origin::default() };
        all.push(read(&kept, Some(report.format), &origin, held));
    }
    if all.is_empty() {
        let what = format!("failed to compare with {id}: it has kept no report");
        return Err(Failure::new(Exit::Unreachable, what)
            .with_hint("`gonogo show` says how far it came; a report file will do as well")
            .into());
    }
    Ok(all)
}

/// What sets findings aside today: statements, then waivers.
struct Asides<'a> {
    statements: Statements,
    waivers: Vec<&'a Waiver>,
}

impl<'a> Asides<'a> {
    /// Leaves off what is past its last day, and says so.
    fn new(
        mut statements: Vec<Statement>,
        waivers: &'a [Waiver],
        today: Date,
        notes: &mut Vec<Clean>,
    ) -> Self {
        for statement in &mut statements {
            if let Some(until) = statement.until.filter(|until| *until < today) {
                statement.settles = None;
                let ids: Vec<&str> = statement.ids.iter().map(Clean::as_str).collect();
                let what = format!("waiver EXPIRED: {} (until {until})", ids.join(", "));
                notes.push(Clean::from(what));
            }
        }
        let (old, waivers): (Vec<_>, Vec<_>) =
            waivers.iter().partition(|waiver| waiver.is_expired(today));
        notes.extend(old.iter().map(|waiver| Clean::from(format!("waiver EXPIRED: {waiver}"))));
        Self { statements: Statements::new(statements), waivers }
    }

    /// What sets a finding aside, and its place among all of them.
    fn of(&self, finding: Finding) -> Option<(usize, Aside)> {
        let statements = self.statements.all();
        if let Some(at) = self.statements.of(&finding) {
            let Statement { settles, reason, why, by, until, .. } = statements[at].clone();
            let settlement = settles?;
            return Some((at, Aside { finding, settlement, reason, why, by, until }));
        }
        let at = self.waivers.iter().position(|waiver| waiver.covers(&finding))?;
        let Waiver { reason, justification, owner, until, .. } = self.waivers[at].clone();
        let settlement = match justification {
            Some(_) => Settlement::NotAffected { justification },
            None => Settlement::Accepted,
        };
        let why = Clean::new(&format!("waived until {until}: {reason}"));
        let (by, until) = (Clean::new(owner.as_str()), Some(until));
        let aside = Aside { finding, settlement, reason, why, by, until };
        Some((statements.len() + at, aside))
    }

    /// Those that could set something aside.
    fn valid(&self) -> impl Iterator<Item = usize> {
        let statements = self.statements.all();
        let valid = (0..statements.len()).filter(|at| statements[*at].settles.is_some());
        valid.chain(statements.len()..statements.len() + self.waivers.len())
    }

    /// What is told of one that set nothing aside.
    fn unused(&self, used: &[bool], notes: &mut Vec<Clean>) {
        let (vex, waivers): (Vec<usize>, Vec<usize>) =
            self.valid().filter(|at| !used[*at]).partition(|at| *at < self.statements.all().len());
        match vex.len() {
            0 => {}
            1 => notes.push(Clean::new("1 VEX statement fits no finding")),
            n => notes.push(Clean::from(format!("{n} VEX statements fit no finding"))),
        }
        match waivers.len() {
            0 => {}
            1 => notes.push(Clean::new("1 waiver covers no finding")),
            n => notes.push(Clean::from(format!("{n} waivers cover no finding"))),
        }
    }
}

/// Sets aside what statements and waivers settle, and tells new from existing.
fn compare(all: &[One], baseline: &[One], asides: &Asides<'_>, held: &Held) -> Review {
    let mut review = Review::default();
    let now = all.first().map_or(held.len(), |one| one.own.start);
    let mut used = vec![false; asides.statements.all().len() + asides.waivers.len()];
    let mut settled = vec![false; held.len() - now];
    if !used.is_empty() {
        for at in now..held.len() {
            let Some((by, aside)) = asides.of(held.finding(at)) else { continue };
            (used[by], settled[at - now]) = (true, true);
            review.aside.push(aside);
        }
    }
    asides.unused(&used, &mut review.notes);
    let mut status = Vec::new();
    if !baseline.is_empty() {
        let found = diff_keys(&held.keys(now..held.len()), &held.keys(0..now));
        review.against = Some(gone(all, &found.fixed, held, &mut review.notes));
        status = found.now;
        for one in baseline.iter().filter(|one| !one.looked()) {
            let what = format!("{} in the baseline has looked at nothing, or broke", one.file);
            review.notes.push(Clean::from(what));
        }
    }
    let status_of = |at: usize| status.get(at - now).copied();
    for one in all {
        let left = one.own.clone().filter(|at| !settled[at - now]);
        review.reports.push(reviewed(one, left, status_of, held));
    }
    if let Some(against) = &mut review.against {
        let existing = (now..held.len()).filter(|at| !settled[at - now]);
        let existing = existing.filter(|at| status_of(*at) == Some(Status::Existing));
        against.existing = existing.count() as u64;
    }
    review
}

/// What of the baseline is gone: of tools that have looked again.
fn gone(all: &[One], fixed: &[usize], held: &Held, notes: &mut Vec<Clean>) -> Against {
    let looked = all.iter().filter(|one| one.looked());
    let tools: Vec<&str> =
        looked.filter_map(|one| Some(one.read.as_ref().ok()?.tool.as_str())).collect();
    let mut against = Against::default();
    let mut apart: BTreeMap<&str, u64> = BTreeMap::new();
    let mut worst: Vec<usize> = Vec::new();
    for at in fixed {
        let tool = held.tool(*at);
        if tools.contains(&tool) {
            worst.push(*at);
        } else {
            *apart.entry(tool).or_insert(0) += 1;
        }
    }
    against.fixed_count = worst.len() as u64;
    worst.sort_by_key(|at| held.severity(*at));
    against.fixed = worst.iter().take(FINDINGS_MAX).map(|at| held.finding(*at)).collect();
    for (tool, count) in apart {
        let what = format!(
            "{count} of {tool} in the baseline are not called fixed: no report of it has looked"
        );
        notes.push(Clean::from(what));
    }
    against
}

fn reviewed(
    one: &One,
    left: impl Iterator<Item = usize>,
    status_of: impl Fn(usize) -> Option<Status>,
    held: &Held,
) -> Reviewed {
    let (mut counts, mut new) = (BTreeMap::new(), BTreeMap::new());
    let mut kept: Vec<usize> = left.collect();
    let aside = one.own.len().saturating_sub(kept.len()) as u64;
    for at in &kept {
        *counts.entry(held.severity(*at)).or_insert(0) += 1;
        if status_of(*at) == Some(Status::New) {
            *new.entry(held.severity(*at)).or_insert(0) += 1;
        }
    }
    // The order of the report stays within a severity.
    kept.sort_by_key(|at| (status_of(*at), held.severity(*at)));
    kept.truncate(FINDINGS_MAX);
    let findings: Vec<Finding> = kept.iter().map(|at| held.finding(*at)).collect();
    let status = kept.iter().filter_map(|at| status_of(*at)).collect();
    let (file, empty) = (one.file.clone(), Clean::default());
    let (tool, state, coverage, covered, tests, measures) = match &one.read {
        Ok(summary) => {
            let Summary { tool, state, coverage, covered, tests, measures, .. } = summary.clone();
            (tool, state, coverage, covered, tests, measures)
        }
        Err(reason) => {
            let state = ReportState::Crashed { reason: reason.clone() };
            (empty.clone(), state, empty, 0, None, BTreeMap::new())
        }
    };
    Reviewed {
        file,
        tool,
        state,
        coverage,
        covered,
        tests,
        counts,
        aside,
        new,
        measures,
        findings,
        status,
    }
}

/// The waivers of a policy file, or those that hold in a release: its policy's and people's.
///
/// # Errors
/// When the file is no policy, or `name` is neither a file nor a release.
pub fn waivers_of(library: &Library, name: &str) -> Result<Vec<Waiver>, Report> {
    let path = Path::new(name);
    let bytes = disk::read(path, POLICY_BYTES_MAX)?;
    let Some(bytes) = bytes else {
        let no_file = || format!("failed to read waivers: {name} is neither a file nor a release");
        let found = records::read(library, Some(name)).wrap_err_with(no_file)?;
        return Ok(found.release.all_waivers());
    };
    let mut layers = config::policy()?;
    let read = layers.add(name, &bytes).and_then(|()| config::read_policy(&layers));
    Ok(read.map_err(|error| usage(&error.to_string()))?.findings.waivers)
}

fn usage(what: &str) -> Failure {
    Failure::new(Exit::Usage, what.to_owned())
}

fn named(name: &str) -> Result<ReportFormat, Failure> {
    serde_json::from_value(serde_json::Value::from(name)).map_err(|_| {
        let what = format!("failed to read reports as {name:?}: there is no such format");
        Failure::new(Exit::Usage, what).with_hint("`gonogo schema pipeline` lists the formats")
    })
}
