//! The post-mortem of a release, as far as the journal can write it: a function of the records and
//! of nothing else. What people have to find out is left open for them.

use std::borrow::Borrow;

use super::document::Document;
use super::summary::timeline_of;
use super::table::{Side, Table};
use super::words::{Debrief, Moment, Trouble, duration, plural, sentence, state, took_ms, utc};
use crate::release::{
    Event, Evidence, Record, Release, ReportState, Start, StepStatus, Verdict, Via, report_words,
};

/// Writes the post-mortem of a release's records.
pub fn postmortem<R: Borrow<Record>>(records: &[R]) -> Document {
    let mut document = Document::default();
    let Some(first) = records.first() else {
        document.heading(1, "Post-mortem");
        document.text("The journal holds no record.");
        return document;
    };
    let mut release = Release::new(first.borrow().release.clone());
    for record in records {
        release.apply(record.borrow());
    }
    let story = Debrief::of(records, &[]);
    document.heading(1, &format!("Post-mortem: release {}, {}", release.id, state(&release)));
    summary(&mut document, &release);
    impact(&mut document, &release, &story, records);
    way_back(&mut document, &story);
    document.heading(2, "Who decided");
    document.rows(decisions(records));
    document.heading(2, "Timeline");
    let shown = records.iter().filter(|record| counts((*record).borrow())).count();
    document.text(&format!(
        "{shown} of {}: what only started, passed or was told is left out; gonogo timeline {} has \
         every one. Times are UTC.",
        plural(records.len() as u64, "record"),
        release.id
    ));
    document.rows(timeline_of(records, counts));
    findings(&mut document, &release);
    follow_ups(&mut document, &release, &story);
    document
}

fn summary(document: &mut Document, release: &Release) {
    document.heading(2, "Summary");
    let Some(start) = release.start.as_deref() else {
        return document.text("It never started: the journal holds no start.");
    };
    if let Some(rehearsal) = &start.rehearsal {
        let (scenario, seed) = (&rehearsal.scenario, rehearsal.seed);
        document.text(&format!("REHEARSAL {scenario}, seed {seed}: nothing real was touched."));
    }
    let mut items = vec![format!(
        "What: {} to {}, revision {} on {}",
        start.plan.name, start.environment, start.revision, start.branch
    )];
    if let (Some(by), Some(at)) = (&release.started_by, release.started_at) {
        let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
        items.push(format!("When: started {at} by {by}, {} to its last record", took(release)));
    }
    items.push(match &release.result {
        Some(result) => format!("How it ended: {}", result.sentence()),
        None => "How it ended: it has not ended".to_owned(),
    });
    if let Some(held) = &release.hold {
        items.push(format!("Held: {}", held.hold.sentence()));
    }
    let serves = release.serving().map_or("not known".to_owned(), |slot| slot.to_string());
    items.push(format!("What serves now, as far as this release knows: {serves}"));
    document.items(&items);
}

fn took(release: &Release) -> String {
    duration(took_ms(release) / 1000 * 1000)
}

/// From when to when customers could have felt it, and how bad it was at its worst.
fn impact<R: Borrow<Record>>(
    document: &mut Document,
    release: &Release,
    story: &Debrief,
    records: &[R],
) {
    document.heading(2, "Impact window");
    let Some(switched) = &story.switched else {
        document.text("None by the release: the traffic was never moved.");
        return;
    };
    let slot = release.rollout.to.map_or("the new slot".to_owned(), |slot| slot.to_string());
    let from = format!("{} (record {})", utc(switched.at), number(switched));
    let mut items = Vec::new();
    match &story.back {
        Some(back) => {
            let length = duration(back.ms.saturating_sub(switched.ms));
            let to = format!("{} (record {})", utc(back.at), number(back));
            items.push(format!("{slot} served from {from} to {to}: {length} at most"));
        }
        None => items.push(format!("{slot} has served since {from}")),
    }
    if let (Some(seen), Some(back)) = (&story.detected, &story.back) {
        let length = duration(back.ms.saturating_sub(seen.ms));
        items.push(format!("known to be bad from {} on: {length}", utc(seen.at)));
    }
    let windows = records.iter().filter_map(|record| match &record.borrow().event {
        Event::WindowJudged { evidence, verdicts } => {
            let bad = verdicts.iter().any(|v| matches!(v.verdict, Verdict::Fail { .. }));
            Some((record.borrow(), evidence, bad))
        }
        _ => None, // tidy: only windows measure
    });
    let windows: Vec<_> = windows.collect();
    let bad: Vec<_> = windows.iter().filter(|(.., bad)| *bad).collect();
    items.push(format!("{} of {} failed", bad.len(), plural(windows.len() as u64, "window")));
    let ratio = |evidence: &Evidence| evidence.error_ratio.value().map(|value| value.get());
    let worst = windows.iter().filter_map(|(record, evidence, _)| {
        Some((ratio(evidence)?, record.seq, evidence.requests.value()?.get()))
    });
    if let Some((ratio, seq, requests)) = worst.max_by(|a, b| a.0.total_cmp(&b.0)) {
        let failed = (ratio * requests).round();
        items.push(format!(
            "worst window: errors {:.2} %, about {failed:.0} failed requests (record {seq})",
            ratio * 100.0
        ));
    }
    items.push(match &release.restore {
        Some(restore) => {
            let measured = restore.done.iter().rev().find_map(|report| report.loss.as_ref());
            let lost = measured.map_or("not measured".to_owned(), |loss| {
                format!("{} of writes", duration(loss.seconds.saturating_mul(1000)))
            });
            format!("data: restored from {}, lost: {lost}", restore.backup)
        }
        None => "data: nothing was restored, no data lost by going back".to_owned(),
    });
    document.items(&items);
}

fn number(moment: &Moment) -> String {
    moment.seq.map_or("-".to_owned(), |seq| seq.to_string())
}

fn way_back(document: &mut Document, story: &Debrief) {
    document.heading(2, "Detection and way back");
    let mut table = Table::new(&[
        ("moment", Side::Left),
        ("time", Side::Left),
        ("after the one before", Side::Right),
        ("record", Side::Right),
        ("what", Side::Left),
    ]);
    let moments = [
        ("traffic moved", &story.switched),
        ("detected", &story.detected),
        ("decided", &story.decided),
        ("rollback committed", &story.committed),
        ("traffic back", &story.back),
        ("restore ordered", &story.restore_ordered),
        ("restored", &story.restored),
    ];
    let mut before: Option<u64> = None;
    let mut any = false;
    for (name, moment) in moments {
        let Some(moment) = moment else { continue };
        any = true;
        let after = before.map_or("-".to_owned(), |ms| duration(moment.ms.saturating_sub(ms)));
        before = Some(moment.ms);
        let (at, what) = (utc(moment.at), moment.what.to_string());
        table.row([name.to_owned(), at, after, number(moment), what]);
    }
    if !any {
        document.text("Nothing was switched, and nothing had to go back.");
        return;
    }
    document.rows(table);
    let trouble = story.trouble.unwrap_or(Trouble::Application);
    let compare = |from: &Option<Moment>, to: &Option<Moment>, trouble: Trouble| {
        let ms = to.as_ref()?.ms.saturating_sub(from.as_ref()?.ms);
        let target_ms = trouble.target_s().saturating_mul(1000);
        let met = if ms <= target_ms { "met" } else { "MISSED" };
        let (took, target) = (duration(ms), duration(target_ms));
        let (what, way) = (trouble.words(), trouble.way());
        Some(format!("{what}, {way}: {took} from the decision, target {target}, {met}"))
    };
    let rollback = compare(&story.decided, &story.back, trouble);
    let restore = compare(&story.restore_ordered, &story.restored, Trouble::Schema);
    document.items(&rollback.into_iter().chain(restore).collect::<Vec<_>>());
}

/// Every act of a person, and every one that a rule took for them.
fn decisions<R: Borrow<Record>>(records: &[R]) -> Table {
    let mut table = Table::new(&[
        ("#", Side::Right),
        ("time", Side::Left),
        ("who", Side::Left),
        ("by way of", Side::Left),
        ("what", Side::Left),
    ]);
    let Some(first) = records.first() else { return table };
    let mut release = Release::new(first.borrow().release.clone());
    for record in records {
        let record = record.borrow();
        release.apply(record);
        let by_rule = matches!(record.event, Event::RollbackOrdered { .. } | Event::Held { .. });
        let via = match record.by.via {
            Via::Engine if by_rule => "a rule of the policy",
            Via::Engine => continue,
            Via::Cockpit => "the cockpit",
            Via::Shell => "the shell",
            Via::Script => "a script, in a rehearsal",
        };
        table.row([
            record.seq.to_string(),
            utc(record.at_wall),
            record.by.person.to_string(),
            via.to_owned(),
            sentence(record, &release).to_string(),
        ]);
    }
    table
}

/// Whether a record belongs into the story as it is told afterwards.
fn counts(record: &Record) -> bool {
    match &record.event {
        Event::StepStarted { .. } | Event::StepSkipped { .. } | Event::Notified { .. } => false,
        Event::StepEnded { end, .. } => !end.result.passed(),
        Event::WindowJudged { verdicts, .. } => verdicts.iter().any(|v| !v.verdict.is_pass()),
        _ => true, // tidy: everything else is part of the story
    }
}

/// What the tools and the gates said.
fn findings(document: &mut Document, release: &Release) {
    document.heading(2, "Findings");
    let Some(start) = release.start.as_deref() else {
        return document.text("There are none: it never started.");
    };
    let mut items = gates(release, start);
    if let Some(latch) = &release.rollout.latch {
        items.push(format!("revision {} is latched: {}", latch.revision, latch.reason));
    }
    document.items(&items);
    let mut table = Table::new(&[
        ("step", Side::Left),
        ("tool", Side::Left),
        ("came to", Side::Left),
        ("worst", Side::Left),
    ]);
    let mut any = false;
    for step in start.plan.steps() {
        let Some(state) = release.steps.get(&step.id) else { continue };
        let Some(report) = state.end.as_ref().and_then(|end| end.report.as_ref()) else { continue };
        let fine = report.state == ReportState::Clean && state.status == StepStatus::Passed;
        if fine {
            continue;
        }
        any = true;
        let worst = report.worst.first().map_or(String::new(), |finding| finding.title.to_string());
        table.row([step.id.to_string(), report.tool.to_string(), report_words(report), worst]);
    }
    if any {
        document.rows(table);
    } else {
        document.text("Every report that was made is clean.");
    }
}

fn gates(release: &Release, start: &Start) -> Vec<String> {
    let stages = start.plan.stages.iter().zip(&release.stages);
    let judged = stages.filter_map(|(stage, state)| {
        let judgement = state.judgement.as_ref()?;
        let reason = judgement.reasons.first()?;
        Some(format!("stage {}: {reason}", stage.id))
    });
    judged.collect()
}

fn follow_ups(document: &mut Document, release: &Release, story: &Debrief) {
    document.heading(2, "Follow-ups");
    let open = "(owner: , due: )";
    let mut items = Vec::new();
    let why = release.result.as_ref().map(crate::release::ReleaseResult::sentence);
    if story.detected.is_some() || story.back.is_some() {
        items.push(format!("root cause of: {} {open}", why.unwrap_or_default()));
        items.push(format!("what would have shown it before the switch? {open}"));
        items.push(format!("what made detection or the way back slower than it had to be? {open}"));
    }
    if let Some(latch) = &release.rollout.latch {
        let revision = latch.revision.short();
        items.push(format!("a fix for revision {revision}, which stays latched until then {open}"));
    }
    if let Some(restore) = release.restore.as_ref().filter(|restore| !restore.undo) {
        let backup = &restore.backup;
        items.push(format!("the writes lost by the restore of {backup} {open}"));
    }
    items.push(format!("anything else? {open}"));
    document.open_items(&items);
}
