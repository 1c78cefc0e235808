//! What can be looked at, in lines that read well aloud.

use super::super::line;
use super::super::summary::stages;
use super::super::words::{
    age, count, debrief, duration, eta, headline, plural, sentence, state, undo, utc,
};
use super::typed::WORDS;
use crate::engine::handle::{Handle, Snapshot};
use crate::release::{Clean, EffectKey, Finite, Release, Slot, StepId, Vote};

/// Records that `timeline` tells, and lines that `log` shows, unless told otherwise.
const RECORDS: usize = 15;
const LOG_LINES: usize = 20;
/// Pods that are not well, at most so many.
const PODS: usize = 20;

fn lines(texts: impl IntoIterator<Item = String>) -> Vec<Clean> {
    texts.into_iter().map(|text| Clean::new(&text)).collect()
}

pub(super) fn help() -> Vec<Clean> {
    lines(WORDS.iter().map(|(_, usage, what)| format!("{usage}: {what}")))
}

pub(super) fn status(snapshot: &Snapshot) -> Vec<Clean> {
    let mut all = vec![headline(snapshot)];
    let ms = eta(snapshot).filter(|ms| *ms > 0);
    all.extend(ms.map(|ms| {
        Clean::new(&format!("about {} of machine time to the end", duration(ms / 1000 * 1000)))
    }));
    all
}

pub(super) fn debriefed(snapshot: &Snapshot) -> Vec<Clean> {
    debrief(&snapshot.records, &snapshot.live.telemetry.faults)
}

pub(super) fn stages_in_words(snapshot: &Snapshot) -> Vec<Clean> {
    let release = &snapshot.release;
    match release.start.as_deref() {
        Some(start) => stages(release, start).lines(""),
        None => vec![Clean::new(&state(release))],
    }
}

pub(super) fn price(snapshot: &Snapshot) -> Vec<Clean> {
    let mut all = match undo(snapshot) {
        Some(price) => vec![price],
        None => vec![Clean::new("nothing was switched, so nothing has to be undone")],
    };
    let restore = snapshot.release.restore.as_ref();
    if restore.is_some_and(|restore| restore.is_done() && !restore.undo) {
        all.push(Clean::new("type undo restore to swap back to the database of before"));
    }
    all
}

/// How old a reading is, or that there is none.
fn seen(snapshot: &Snapshot, at_ms: Option<i64>) -> String {
    at_ms.map_or("not seen yet".to_owned(), |at_ms| {
        let past = snapshot.now.wall_ms().saturating_sub(at_ms);
        format!("seen {} ago", age(u64::try_from(past).unwrap_or(0)))
    })
}

pub(super) fn pods(snapshot: &Snapshot) -> Vec<Clean> {
    let telemetry = &snapshot.live.telemetry;
    let mut all = Vec::new();
    all.extend(telemetry.pods_error.as_ref().map(|why| format!("the pods cannot be seen: {why}")));
    let seen = seen(snapshot, telemetry.pods_at_ms);
    if telemetry.pods_at_ms.is_none() {
        all.push(format!("pods: {seen}"));
        return lines(all);
    }
    for slot in [Slot::Blue, Slot::Green] {
        let own = || telemetry.pods.iter().filter(move |pod| pod.slot == Some(slot));
        let (ready, total) = (own().filter(|pod| pod.ready).count(), own().count());
        let serves = if snapshot.release.serving() == Some(slot) { " serves" } else { "" };
        all.push(format!("{slot}{serves}: {ready} of {total} pods ready, {seen}"));
    }
    let unwell = telemetry.pods.iter().filter(|pod| !pod.ready || pod.restarts > 0);
    all.extend(unwell.take(PODS).map(|pod| {
        let slot = pod.slot.map_or("no slot".to_owned(), |slot| slot.to_string());
        let ready = if pod.ready { "ready" } else { "NOT READY" };
        let (name, app, phase) = (&pod.name, &pod.app, &pod.phase);
        let restarts = plural(u64::from(pod.restarts), "restart");
        format!("{app} {slot}: {name} {phase}, {ready}, {restarts}")
    }));
    lines(all)
}

pub(super) fn levels(snapshot: &Snapshot) -> Vec<Clean> {
    let telemetry = &snapshot.live.telemetry;
    let mut all = Vec::new();
    all.extend(telemetry.samples_error.as_ref().map(|why| format!("some are missing: {why}")));
    let seen = seen(snapshot, telemetry.samples_at_ms);
    if telemetry.samples.is_empty() {
        all.push(format!("service levels: {seen}"));
    }
    let known = |value: Option<Finite>, show: &dyn Fn(f64) -> String| {
        value.map_or("unknown".to_owned(), |value| show(value.get()))
    };
    for sample in &telemetry.samples {
        let errors = known(sample.error_ratio, &|v| format!("{:.2} %", v * 100.0));
        let mean = known(sample.mean_ms, &|v| format!("{v:.0} ms"));
        let p95 = known(sample.p95_ms, &|v| format!("{v:.0} ms"));
        let (slot, requests) = (sample.slot, sample.requests_per_s.get());
        all.push(format!(
            "{slot}: errors {errors}, average {mean}, p95 {p95}, {requests:.0} requests a second, \
             {seen}"
        ));
    }
    all.extend(snapshot.release.policy().map(|policy| {
        let monitor = &policy.monitor;
        format!(
            "limits: errors {:.2} %, average {:.0} ms",
            monitor.error_ratio_max.get() * 100.0,
            monitor.mean_ms_max.get()
        )
    }));
    lines(all)
}

pub(super) fn card(snapshot: &Snapshot) -> Vec<Clean> {
    let release = &snapshot.release;
    let Some(gate) = &release.gate else {
        return vec![Clean::new("no gate has been opened yet, so there is no decision card")];
    };
    let mut all =
        vec![Clean::new(&format!("decision card {} of stage {}", gate.digest.short(), gate.stage))];
    all.extend(line::card(&gate.card));
    if gate.votes.is_empty() {
        all.push(Clean::new("nobody has voted yet"));
    }
    for entry in &gate.votes {
        let word = match entry.vote {
            Vote::Approve => "GO",
            Vote::Reject => "NO-GO",
            Vote::Defer => "not now",
        };
        let signed = if entry.signed { "signed" } else { "unsigned, same account" };
        let (by, at, comment) = (&entry.by, utc(entry.at), &entry.comment);
        all.push(Clean::new(&format!("{at} {by} says {word} ({signed}): {comment}")));
    }
    all
}

pub(super) fn timeline(snapshot: &Snapshot, wanted: &str) -> Vec<Clean> {
    let total = snapshot.records.len();
    let wanted = match (wanted, wanted.parse()) {
        ("", _) => RECORDS,
        (_, Ok(number)) => number,
        (word, Err(_)) if word.eq_ignore_ascii_case("all") => total,
        (word, Err(_)) => {
            let word = Clean::new(word).cut(40);
            let line = format!("{word:?} is no number of records; type timeline 30, or all");
            return vec![Clean::new(&line)];
        }
    };
    let mut release = Release::new(snapshot.release.id.clone());
    let first = total.saturating_sub(wanted);
    let mut all = vec![format!("the last {} of {}", total - first, plural(total as u64, "record"))];
    for (at, record) in snapshot.records.iter().enumerate() {
        release.apply(record);
        if at >= first {
            let (seq, when) = (record.seq, utc(record.at_wall));
            all.push(format!("{seq}. {when} {}", sentence(record, &release)));
        }
    }
    lines(all)
}

/// The end of a step's log, behind the gutter that all foreign text stays behind (T2).
pub(super) fn log(handle: &Handle, snapshot: &Snapshot, wanted: &str) -> Vec<Clean> {
    match step(&snapshot.release, wanted) {
        Ok(Some(key)) => line::tail(&key, &handle.log_tail(&key, LOG_LINES)),
        Ok(None) => vec![Clean::new("no step has started yet")],
        Err(why) => vec![why],
    }
}

/// The step that is named by its id or a part of it; without a name the one that started last.
fn step(release: &Release, wanted: &str) -> Result<Option<EffectKey>, Clean> {
    let started = release.steps.iter().filter(|(_, state)| state.started_ms.is_some());
    if wanted.is_empty() {
        let newest = started.max_by_key(|(_, state)| state.started_ms);
        return Ok(newest.and_then(|(id, _)| release.step_key(id)));
    }
    let alike = || release.steps.keys().filter(|id| id.as_str().contains(wanted));
    let exact = release.steps.keys().find(|id| id.as_str() == wanted);
    let found: Vec<&StepId> = exact.map_or_else(|| alike().collect(), |id| vec![id]);
    match found.as_slice() {
        [id] => Ok(release.step_key(id)),
        [] => {
            let word = Clean::new(wanted).cut(40);
            Err(Clean::new(&format!("there is no step {word:?}; stages lists the stages")))
        }
        many => {
            let names: Vec<&str> = many.iter().take(8).map(|id| id.as_str()).collect();
            let (number, list) = (count(many.len() as u64), names.join(", "));
            Err(Clean::new(&format!("{number} steps have that in their name: {list}")))
        }
    }
}
