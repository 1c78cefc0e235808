//! The report of a release for those who audit it: each control, what it came to, and the records
//! that prove it. A function of the journal alone (I29), so that anybody can make it again.

use super::audit::audit;
use super::document::Document;
use super::summary::policy;
use super::table::{Side, Table};
use super::words::{duration, plural, state, took_ms, utc};
use crate::release::{
    Digest, Event, GateResult, GateVerdict, INVARIANTS, Record, Release, Seq, StageId, StepStatus,
    Verdict, Vote, Way, report_words,
};

/// Writes the report of a release's records.
pub fn control(records: &[Record]) -> Document {
    let mut document = Document::default();
    let Some(first) = records.first() else {
        document.heading(1, "Release report");
        document.text("The journal holds no record.");
        return document;
    };
    let mut release = Release::new(first.release.clone());
    for record in records {
        release.apply(record);
    }
    document.heading(1, &format!("Release report: {}, {}", release.id, state(&release)));
    facts(&mut document, &release, records);
    document.heading(2, "Controls");
    document
        .text("Each row stands on the records that it names; gonogo verify checks their chain.");
    let mut table = Table::new(&[
        ("control", Side::Left),
        ("came to", Side::Left),
        ("evidence", Side::Left),
        ("records", Side::Left),
    ]);
    stages(&mut table, &release, records);
    policy_changes(&mut table, records);
    approval(&mut table, &release, records);
    traffic(&mut table, records);
    database(&mut table, &release, records);
    document.rows(table);
    tests_and_scans(&mut document, &release, records);
    document.heading(2, "Invariants");
    let breaches = audit(records);
    let mut table =
        Table::new(&[("invariant", Side::Left), ("holds", Side::Left), ("records", Side::Left)]);
    for (invariant, says) in INVARIANTS {
        let broken: Vec<u64> =
            breaches.iter().filter(|b| b.invariant == invariant).map(|b| b.seq).collect();
        let holds = if broken.is_empty() { "holds" } else { "BROKEN" };
        let of = format!("0 to {}", records.len().saturating_sub(1));
        let at: Vec<String> = broken.iter().map(u64::to_string).collect();
        let at = if at.is_empty() { of } else { at.join(", ") };
        table.row([format!("{invariant}: {says}"), holds.to_owned(), at]);
    }
    document.rows(table);
    document
}

fn facts(document: &mut Document, release: &Release, records: &[Record]) {
    let Some(start) = release.start.as_deref() else {
        return document.text("It never started: the journal holds no start.");
    };
    let mut items = Vec::new();
    if let Some(rehearsal) = &start.rehearsal {
        let (scenario, seed) = (&rehearsal.scenario, rehearsal.seed);
        items.push(format!("REHEARSAL {scenario}, seed {seed}: nothing real was touched"));
    }
    items.push(format!("of {} to {}", start.plan.name, start.environment));
    items.push(format!("revision {} on {}", start.revision, start.branch));
    if let (Some(by), Some(at)) = (&release.started_by, release.started_at) {
        items.push(format!("started {} by {by}", at.strftime("%Y-%m-%d %H:%M:%SZ")));
    }
    items.push(match &release.result {
        Some(result) => format!("result: {}", result.sentence()),
        None => "result: it has not ended".to_owned(),
    });
    items.push(format!(
        "took {}, {}, plan {}, policy {}",
        duration(took_ms(release) / 1000 * 1000),
        plural(records.len() as u64, "record"),
        start.plan_digest,
        policy(release, start, true)
    ));
    document.items(&items);
}

/// Record numbers as they are cited: `12, 14 to 17`.
fn cited(seqs: impl IntoIterator<Item = Seq>) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for Seq(seq) in seqs {
        match parts.last_mut() {
            Some((_, last)) if seq == last.saturating_add(1) => *last = seq,
            _ => parts.push((seq, seq)),
        }
    }
    let parts = parts.into_iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    });
    let cited: Vec<String> = parts.collect();
    if cited.is_empty() { "none".to_owned() } else { cited.join(", ") }
}

fn seqs(records: &[Record], wanted: impl Fn(&Event) -> bool) -> Vec<Seq> {
    records.iter().filter(|record| wanted(&record.event)).map(|record| record.seq).collect()
}

/// The newest record that judges a stage.
fn judged(records: &[Record], stage: &StageId) -> Option<Seq> {
    let is = |event: &Event| matches!(event, Event::StageJudged { stage: of, .. } if of == stage);
    seqs(records, is).last().copied()
}

fn stages(table: &mut Table, release: &Release, records: &[Record]) {
    let Some(start) = release.start.as_deref() else { return };
    for (stage, known) in start.plan.stages.iter().zip(&release.stages) {
        let (came_to, evidence) = match &known.judgement {
            Some(judgement) => {
                let word = match judgement.verdict {
                    GateVerdict::Go => "go",
                    GateVerdict::NoGo => "NO-GO",
                    GateVerdict::Hold => "HOLD",
                };
                let reports = plural(u64::from(judgement.reports), "report");
                let findings = plural(u64::from(judgement.findings), "finding");
                let why = judgement.reasons.first();
                let why = why.map_or(String::new(), |why| format!("; {why}"));
                (word, format!("{reports}, {findings}{why}"))
            }
            None if known.passed_before => ("go before", "an earlier release".to_owned()),
            None if known.planned => ("NOT JUDGED", "the release ended before".to_owned()),
            None => ("not planned", "the branch does not run it".to_owned()),
        };
        let title = format!("gate of stage {}: {}", stage.id, stage.title);
        let cited =
            cited(judged(records, &stage.id).or(Some(Seq(0)).filter(|_| known.passed_before)));
        table.row([title, came_to.to_owned(), evidence, cited]);
    }
}

/// Each change of the policy while the release ran: who made it, when, and what it let pass.
fn policy_changes(table: &mut Table, records: &[Record]) {
    for record in records {
        let Event::PolicyChanged { change } = &record.event else { continue };
        let came_to = match (change.loosened.is_empty(), change.tightened.is_empty()) {
            (false, _) => "LOOSER",
            (true, false) => "stricter",
            (true, true) => "as strict",
        };
        let (by, at) = (&record.by.person, utc(record.at_wall));
        let (from, words, why) = (&change.from, change.words(), &change.comment);
        let (before, after) = (change.before.short(), change.after.short());
        let evidence =
            format!("by {by} at {at}, {before} → {after} from {from}: {words}; why: {why}");
        let control = "policy changed while it ran".to_owned();
        table.row([control, came_to.to_owned(), evidence, cited([record.seq])]);
    }
}

fn approval(table: &mut Table, release: &Release, records: &[Record]) {
    let Some(gate) = &release.gate else {
        let none = "nobody was asked".to_owned();
        return table.row(["approval".to_owned(), "NONE".to_owned(), none, "none".to_owned()]);
    };
    let came_to = match gate.closed {
        Some(GateResult::Go) => "go",
        Some(GateResult::NoGo) => "NO-GO",
        Some(GateResult::Expired) => "EXPIRED",
        None => "OPEN",
    };
    let votes = gate.votes.iter().map(|entry| {
        let word = match entry.vote {
            Vote::Approve => "go",
            Vote::Reject => "no-go",
            Vote::Defer => "not now",
        };
        let signed = if entry.signed { "signed" } else { "unsigned, same account" };
        format!("{} {word} at {} ({signed})", entry.by, utc(entry.at))
    });
    let votes: Vec<String> = votes.collect();
    let required = release.policy().map_or(1, |policy| policy.approval.required);
    let (card, votes): (&Digest, String) = (&gate.digest, votes.join("; "));
    let evidence = format!("{required} required, card {}; {votes}", card.short());
    let about = seqs(records, |event| {
        matches!(
            event,
            Event::GateOpened { .. } | Event::VoteCast { .. } | Event::GateClosed { .. }
        )
    });
    table.row(["approval by people".to_owned(), came_to.to_owned(), evidence, cited(about)]);
}

fn traffic(table: &mut Table, records: &[Record]) {
    for record in records {
        let Event::TrafficSwitched { to, way, proof, took_ms } = &record.event else { continue };
        let what = match way {
            Way::Forward => "traffic moved, and proven",
            Way::Back => "traffic taken back, and proven",
        };
        let order = records.iter().rev().find(|earlier| {
            earlier.seq < record.seq
                && match (&earlier.event, way) {
                    (Event::SwitchOrdered { .. }, Way::Forward)
                    | (Event::RollbackOrdered { .. }, Way::Back) => true,
                    _ => false, // tidy: only these two order it
                }
        });
        let by = order.map_or("nobody".to_owned(), |order| order.by.person.to_string());
        let ours: u32 = proof.endpoints.iter().map(|e| e.ours).sum();
        let others: u32 = proof.endpoints.iter().map(|e| e.others).sum();
        let came_to = if proof.holds() { "proven" } else { "NOT PROVEN" };
        let evidence = format!(
            "to {to} in {}, ordered by {by}; endpoints: {ours} ours, {others} others",
            duration(*took_ms)
        );
        let about = cited(order.map(|order| order.seq).into_iter().chain([record.seq]));
        table.row([what.to_owned(), came_to.to_owned(), evidence, about]);
    }
    let windows = seqs(records, |event| matches!(event, Event::WindowJudged { .. }));
    let failed = records.iter().filter(|record| match &record.event {
        Event::WindowJudged { verdicts, .. } => {
            verdicts.iter().any(|v| matches!(v.verdict, Verdict::Fail { .. }))
        }
        _ => false, // tidy: only windows are judged
    });
    let failed = failed.count();
    if !windows.is_empty() {
        let came_to = if failed == 0 { "passed" } else { "FAILED" };
        let all = plural(windows.len() as u64, "window");
        let evidence = format!("{failed} of {all} failed");
        table.row(["watch after the switch".into(), came_to.into(), evidence, cited(windows)]);
    }
}

fn database(table: &mut Table, release: &Release, records: &[Record]) {
    for backup in &release.backups {
        let brought = records
            .iter()
            .find(|record| record.event.backup().is_some_and(|brought| brought.id == backup.id));
        let came_to = if backup.verified { "verified" } else { "NOT VERIFIED" };
        let evidence = format!("{}, {}, taken {}", backup.id, backup.sha256, utc(backup.taken_at));
        let about = cited(brought.map(|record| record.seq));
        table.row(["backup".to_owned(), came_to.to_owned(), evidence, about]);
    }
    if let Some(restore) = &release.restore {
        let came_to = match (&restore.failed, restore.is_done()) {
            (Some(_), _) => "STOPPED",
            (None, true) => "done",
            (None, false) => "UNDER WAY",
        };
        let what = if restore.undo { "restore undone" } else { "database restored" };
        let evidence = format!("{}, by {}", restore.backup, restore.by);
        let about = seqs(records, |event| {
            matches!(
                event,
                Event::RestoreOrdered { .. }
                    | Event::RestoreAdvanced { .. }
                    | Event::RestoreFailed { .. }
            )
        });
        table.row([what.to_owned(), came_to.to_owned(), evidence, cited(about)]);
    }
}

fn tests_and_scans(document: &mut Document, release: &Release, records: &[Record]) {
    document.heading(2, "Tests and scans");
    let mut table = Table::new(&[
        ("step", Side::Left),
        ("status", Side::Left),
        ("tool", Side::Left),
        ("came to", Side::Left),
        ("digest", Side::Left),
        ("records", Side::Left),
    ]);
    let Some(plan) = release.plan() else { return };
    for step in plan.steps() {
        let Some(known) = release.steps.get(&step.id) else { continue };
        let report = known.end.as_ref().and_then(|end| end.report.as_ref());
        let status = match &known.status {
            StepStatus::Waiting => "not run".to_owned(),
            StepStatus::Running => "running".to_owned(),
            StepStatus::Passed => "passed".to_owned(),
            StepStatus::Failed => "FAILED".to_owned(),
            StepStatus::Skipped(why) => format!("skipped: {why}"),
            StepStatus::Overridden => "FAILED, overridden".to_owned(),
        };
        if report.is_none() && known.status == StepStatus::Passed {
            // A step that brings no report is no test and no scan.
            continue;
        }
        let about = seqs(records, |event| match event {
            Event::StepEnded { step: of, .. } | Event::StepSkipped { step: of, .. } => {
                of == &step.id
            }
            _ => false, // tidy: nothing else ends a step
        });
        table.row([
            step.id.to_string(),
            status,
            report.map_or(String::new(), |report| report.tool.to_string()),
            report.map_or(String::new(), report_words),
            report.map_or(String::new(), |report| report.digest.short().to_owned()),
            cited(about),
        ]);
    }
    document.rows(table);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cited_in_runs() {
        let seqs = |all: &[u64]| cited(all.iter().map(|seq| Seq(*seq)));
        assert_eq!(seqs(&[]), "none");
        assert_eq!(seqs(&[3]), "3");
        assert_eq!(seqs(&[3, 5, 6, 7, 9]), "3, 5 to 7, 9");
    }
}
