//! History: one release in full, its timeline, and the table of all of them.

use std::borrow::Borrow;
use std::io;

use super::place::place;
use super::table::{Side, Table};
use super::words::{bytes, duration, plural, sentence, state, took_ms, utc};
use crate::release::{
    Clean, Digest, GateResult, GateVerdict, GivenPolicy, Record, Release, ReleaseId, Rule, Stage,
    StageState, Start, StepResult, StepState, StepStatus, Verdict, Vote,
};

/// Writes lines of clean text.
pub fn write_lines(out: &mut dyn io::Write, lines: &[Clean]) -> io::Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// A release in full: what it was, each stage and step, changes of its policy, votes, traffic,
/// database, how it ended.
pub fn show<R: Borrow<Record>>(release: &Release, records: &[R]) -> Vec<Clean> {
    let mut lines = vec![Clean::new(&format!("release {}: {}", release.id, state(release)))];
    let Some(start) = release.start.as_deref() else {
        lines.push(Clean::new("  it has not started: the journal holds no start"));
        return lines;
    };
    lines.extend(facts(release, start, records.len()));
    section(&mut lines, "stages", stages(release, start).lines("  "));
    section(&mut lines, "steps", steps(release, start).lines("  "));
    section(&mut lines, "policy changes", policy_changes(release));
    section(&mut lines, "gate", gate(release));
    section(&mut lines, "traffic", traffic(release));
    section(&mut lines, "watch", watch(release));
    section(&mut lines, "database", database(release));
    lines
}

fn section(lines: &mut Vec<Clean>, title: &str, body: Vec<Clean>) {
    if body.is_empty() {
        return;
    }
    lines.push(Clean::default());
    lines.push(Clean::new(title));
    lines.extend(body);
}

fn facts(release: &Release, start: &Start, records: usize) -> Vec<Clean> {
    let mut lines = Vec::new();
    let mut fact = |what: &str, value: String| {
        lines.push(Clean::new(&format!("  {what:<10} {value}")));
    };
    if let Some(rehearsal) = &start.rehearsal {
        fact("REHEARSAL", format!("scenario {}, seed {}", rehearsal.scenario, rehearsal.seed));
    }
    fact("of", format!("{} to {}", start.plan.name, start.environment));
    fact("revision", format!("{} on {}", start.revision, start.branch));
    if let (Some(by), Some(at)) = (&release.started_by, release.started_at) {
        let date = at.strftime("%Y-%m-%d");
        fact("started", format!("{date} {} by {by}", utc(at)));
    }
    fact(
        "plan",
        format!("{}, policy {}", start.plan_digest.short(), policy(release, start, false)),
    );
    if !start.policy_from.is_empty() {
        fact("policy", format!("from {}", start.policy_from));
    }
    if let Some(session) = &release.session {
        let (host, pid, epoch) = (&session.host, session.pid, release.epoch);
        fact("driven", format!("from {host}, pid {pid}, epoch {epoch}"));
    }
    fact("journal", plural(records as u64, "record"));
    let took = duration(took_ms(release));
    match &release.result {
        Some(result) => fact("result", format!("{}, after {took}", result.sentence())),
        None => fact("result", format!("not ended, {took} up to its last record")),
    }
    if let Some(held) = &release.hold {
        fact("HELD", held.hold.sentence());
    }
    lines
}

/// The stages: verdict, time from first start to last end, steps that passed, findings, why.
pub(super) fn stages(release: &Release, start: &Start) -> Table {
    let mut table = Table::new(&[
        ("stage", Side::Left),
        ("verdict", Side::Left),
        ("took", Side::Right),
        ("steps", Side::Right),
        ("findings", Side::Right),
        ("why", Side::Left),
    ]);
    for (stage, state) in start.plan.stages.iter().zip(&release.stages) {
        let judgement = state.judgement.as_ref();
        let met = |step: &&crate::release::Step| {
            release.steps.get(&step.id).is_some_and(StepState::is_met)
        };
        let steps = format!("{}/{}", stage.steps.iter().filter(met).count(), stage.steps.len());
        table.row([
            stage.id.to_string(),
            verdict(release, stage, state).to_owned(),
            stage_took_ms(release, stage).map_or("-".to_owned(), duration),
            steps,
            judgement.map_or("-".to_owned(), |j| j.findings.to_string()),
            why(release, stage, state),
        ]);
    }
    table
}

fn verdict(release: &Release, stage: &Stage, known: &StageState) -> &'static str {
    if known.passed_before {
        return "go before";
    }
    if !known.planned {
        return "not planned";
    }
    if let Some(judgement) = &known.judgement {
        return match judgement.verdict {
            GateVerdict::Go => "go",
            GateVerdict::NoGo => "NO-GO",
            GateVerdict::Hold => "HOLD",
        };
    }
    if let Some(step) = stage.steps.iter().find(|step| release.failed_for_good(step)) {
        return if taken_back(release, step).is_some() { "ROLLED BACK" } else { "FAILED" };
    }
    let tried = |step: &crate::release::Step| {
        release.steps.get(&step.id).is_some_and(|tried| tried.attempt.0 > 0)
    };
    if stage.steps.iter().any(tried) { "not finished" } else { "not reached" }
}

/// Why a rollback cancelled a step, if one did.
fn taken_back<'a>(release: &'a Release, step: &crate::release::Step) -> Option<&'a Clean> {
    let end = release.steps.get(&step.id)?.end.as_ref()?;
    let cancelled = matches!(end.result, StepResult::Cancelled { .. });
    release.rollout.rollback_reason.as_ref().filter(|_| cancelled)
}

/// The first reason of the judgement, or the first step that failed for good.
fn why(release: &Release, stage: &Stage, known: &StageState) -> String {
    if let Some(judgement) = &known.judgement {
        return judgement.reasons.first().map_or(String::new(), Clean::to_string);
    }
    let failed = stage.steps.iter().find(|step| release.failed_for_good(step));
    failed.map_or(String::new(), |step| {
        if let Some(why) = taken_back(release, step) {
            return why.to_string();
        }
        let why = release.steps.get(&step.id).map(reason).unwrap_or_default();
        format!("{}: {why}", step.id)
    })
}

fn stage_took_ms(release: &Release, stage: &Stage) -> Option<u64> {
    let states = || stage.steps.iter().filter_map(|step| release.steps.get(&step.id));
    let first = states().filter_map(|state| state.started_ms).min()?;
    let last = states().filter_map(|state| state.ended_ms).max()?;
    Some(last.saturating_sub(first))
}

fn steps(release: &Release, start: &Start) -> Table {
    let mut table = Table::new(&[
        ("step", Side::Left),
        ("result", Side::Left),
        ("try", Side::Right),
        ("took", Side::Right),
        ("usual", Side::Right),
        ("why", Side::Left),
    ]);
    for step in start.plan.steps() {
        let Some(state) = release.steps.get(&step.id) else { continue };
        let end = state.end.as_deref();
        let (word, why) = match &state.status {
            StepStatus::Waiting => ("-", String::new()),
            StepStatus::Running => ("running", String::new()),
            StepStatus::Passed => ("passed", String::new()),
            StepStatus::Failed => ("FAILED", reason(state)),
            StepStatus::Skipped(reason) => ("skipped", reason.to_string()),
            StepStatus::Overridden => ("overridden", reason(state)),
        };
        table.row([
            step.id.to_string(),
            word.to_owned(),
            state.attempt.to_string(),
            end.map_or("-".to_owned(), |end| duration(end.took_ms)),
            duration(step.expected_s.saturating_mul(1000)),
            why,
        ]);
    }
    table
}

fn reason(state: &StepState) -> String {
    state.end.as_ref().map_or(String::new(), |end| end.result.reason().to_string())
}

/// The policy's digest; where it was changed while the release ran, also the one of the start.
pub(super) fn policy(release: &Release, start: &Start, full: bool) -> String {
    let of = |digest: &Digest| if full { digest.to_string() } else { digest.short().to_owned() };
    let now = of(&start.policy_digest);
    let Some(first) = release.policy_changes.first() else { return now };
    let times = plural(release.policy_changes.len() as u64, "change");
    format!("{} at the start, {now} after {times}", of(&first.change.before))
}

/// Who changed the policy while the release ran, when, and what passes since then that did not
/// before, and what no longer passes.
fn policy_changes(release: &Release) -> Vec<Clean> {
    let mut lines = Vec::new();
    for GivenPolicy { change, by, at } in &release.policy_changes {
        let (at, before, after) = (utc(*at), change.before.short(), change.after.short());
        let (from, why) = (&change.from, &change.comment);
        lines.push(format!("  {at}  {by}: policy {before} → {after} from {from}; why: {why}"));
        for (word, rules) in [("LOOSER", &change.loosened), ("stricter", &change.tightened)] {
            lines.extend(rules.iter().map(|rule| format!("    {word:<8} {rule}")));
        }
    }
    lines.iter().map(|line| Clean::new(line)).collect()
}

fn gate(release: &Release) -> Vec<Clean> {
    let Some(gate) = &release.gate else { return Vec::new() };
    let result = match gate.closed {
        Some(GateResult::Go) => "GO",
        Some(GateResult::NoGo) => "NO-GO",
        Some(GateResult::Expired) => "EXPIRED",
        None => "open",
    };
    let mut lines = vec![Clean::new(&format!("  stage {}: {result}", gate.stage))];
    lines.push(Clean::new(&format!("  card {}", gate.digest)));
    for entry in &gate.votes {
        let word = match entry.vote {
            Vote::Approve => "go",
            Vote::Reject => "NO-GO",
            Vote::Defer => "not now",
        };
        let sign = if entry.signed { "signed" } else { "unsigned, same account" };
        let (by, at, comment) = (&entry.by, utc(entry.at), &entry.comment);
        lines.push(Clean::new(&format!("  {at}  {by} says {word} ({sign}): {comment}")));
    }
    lines
}

fn traffic(release: &Release) -> Vec<Clean> {
    let rollout = &release.rollout;
    let mut lines = Vec::new();
    let mut say = |line: String| lines.push(Clean::new(&format!("  {line}")));
    if let Some(to) = rollout.to {
        let from = rollout.from.map_or("nothing (first release)".to_owned(), |s| s.to_string());
        say(format!("{from} → {to}"));
    }
    let moved = [
        ("switched", rollout.switched_ms, rollout.switch_took_ms),
        ("rolled back", rollout.rolled_back_ms, rollout.rollback_took_ms),
    ];
    for (what, at_ms, took_ms) in moved {
        if let (Some(at_ms), Some(took_ms)) = (at_ms, took_ms) {
            say(format!("{what} {} after the start, took {}", duration(at_ms), duration(took_ms)));
        }
    }
    if let Some(reason) = &rollout.rollback_reason {
        say(format!("why back: {reason}"));
    }
    if let Some(latch) = &rollout.latch {
        say(format!("revision {} is latched: {}", latch.revision.short(), latch.reason));
    }
    lines
}

fn watch(release: &Release) -> Vec<Clean> {
    let Some(monitor) = &release.monitor else { return Vec::new() };
    let mut table = Table::new(&[
        ("rule", Side::Left),
        ("pass", Side::Right),
        ("fail", Side::Right),
        ("unknown", Side::Right),
    ]);
    for rule in Rule::ALL {
        let verdicts = || {
            let all = monitor.windows.iter().flat_map(|window| &window.verdicts);
            all.filter(move |verdict| verdict.rule == rule).map(|verdict| &verdict.verdict)
        };
        let pass = verdicts().filter(|v| v.is_pass()).count();
        let fail = verdicts().filter(|v| matches!(v, Verdict::Fail { .. })).count();
        let unknown = verdicts().count() - pass - fail;
        let counts = [pass, fail, unknown].map(|n| n.to_string());
        table.row(std::iter::once(rule.words().to_owned()).chain(counts));
    }
    table.lines("  ")
}

fn database(release: &Release) -> Vec<Clean> {
    let mut lines = Vec::new();
    for backup in &release.backups {
        let verified = if backup.verified { "verified" } else { "NOT VERIFIED" };
        let (id, size, taken) = (&backup.id, bytes(backup.bytes), utc(backup.taken_at));
        lines.push(Clean::new(&format!("  {id}  {size}, taken {taken}, {verified}")));
    }
    if let Some(restore) = &release.restore {
        let what = if restore.undo { "undo of the restore of" } else { "restore of" };
        lines.push(Clean::new(&format!("  {what} {}, by {}", restore.backup, restore.by)));
        for report in &restore.done {
            let (phase, took) = (report.phase.words(), duration(report.took_ms));
            lines.push(Clean::new(&format!("    {phase}, {took}: {}", report.detail)));
        }
        if let Some((phase, reason)) = &restore.failed {
            lines.push(Clean::new(&format!("    STOPPED at {}: {reason}", phase.words())));
        }
    }
    lines
}

/// Every record: when, how long after the start, where, who by, what.
pub fn timeline<R: Borrow<Record>>(records: &[R]) -> Vec<Clean> {
    timeline_table(records).lines("")
}

fn timeline_table<R: Borrow<Record>>(records: &[R]) -> Table {
    timeline_of(records, |_| true)
}

/// The records that `wanted` picks, told as of their moment.
pub(super) fn timeline_of<R: Borrow<Record>>(
    records: &[R],
    wanted: impl Fn(&Record) -> bool,
) -> Table {
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("time", Side::Left),
        ("after", Side::Right),
        ("where", Side::Left),
        ("by", Side::Left),
        ("what", Side::Left),
    ]);
    let id = records.first().map(|first| first.borrow().release.clone());
    let Some(mut release) = id.map(Release::new) else { return table };
    for record in records {
        let record: &Record = record.borrow();
        release.apply(record);
        if !wanted(record) {
            continue;
        }
        table.row([
            record.seq.to_string(),
            utc(record.at_wall),
            duration(release.elapsed_ms(record.at()) / 1000 * 1000),
            place(&record.event, &release),
            record.by.person.to_string(),
            sentence(record, &release).to_string(),
        ]);
    }
    table
}

/// One line of the table of releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    pub id: ReleaseId,
    pub started: Clean,
    pub by: Clean,
    pub revision: Clean,
    pub branch: Clean,
    pub state: Clean,
    pub took_ms: Option<u64>,
}

impl ReleaseRow {
    pub fn of(release: &Release) -> Self {
        let start = release.start.as_deref();
        let started = release.started_at.map(|at| at.strftime("%Y-%m-%d %H:%MZ").to_string());
        let rehearsal = start.is_some_and(|start| start.rehearsal.is_some());
        let rehearsal = if rehearsal { "REHEARSAL, " } else { "" };
        Self {
            id: release.id.clone(),
            started: Clean::from(started.unwrap_or_default()),
            by: Clean::new(release.started_by.as_ref().map_or("", |by| by.as_str())),
            revision: Clean::new(start.map_or("", |start| start.revision.short())),
            branch: start.map(|start| start.branch.clone()).unwrap_or_default(),
            state: Clean::new(&format!("{rehearsal}{}", state(release))),
            took_ms: release.start.as_ref().map(|_| took_ms(release)),
        }
    }

    /// A release whose journal could not be read still has its line, and says why.
    pub fn unreadable(id: ReleaseId, why: &Clean) -> Self {
        Self {
            id,
            started: Clean::default(),
            by: Clean::default(),
            revision: Clean::default(),
            branch: Clean::default(),
            state: Clean::new(&format!("CANNOT BE READ: {why}")),
            took_ms: None,
        }
    }
}

/// The table of releases, in the order given.
pub fn releases(rows: &[ReleaseRow]) -> Vec<Clean> {
    if rows.is_empty() {
        return vec![Clean::new("no releases yet")];
    }
    let mut table = Table::new(&[
        ("release", Side::Left),
        ("started", Side::Left),
        ("by", Side::Left),
        ("revision", Side::Left),
        ("branch", Side::Left),
        ("took", Side::Right),
        ("state", Side::Left),
    ]);
    for row in rows {
        table.row([
            row.id.to_string(),
            row.started.to_string(),
            row.by.to_string(),
            row.revision.to_string(),
            row.branch.to_string(),
            row.took_ms.map_or("-".to_owned(), |ms| duration(ms / 1000 * 1000)),
            row.state.to_string(),
        ]);
    }
    table.lines("")
}
