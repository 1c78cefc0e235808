//! How a release went, measured: from the fault over its detection and the decision to the traffic
//! back, beside the targets; of a calm one how long people and machine took. A function of the
//! journal, and of the faults that a rehearsal admits.

use std::borrow::Borrow;

use jiff::Timestamp as Wall;

use super::matrix::Trouble;
use super::sentence::sentence;
use super::span::{duration, plural, utc};
use super::time_left::{expected_ms, took_ms};
use crate::release::{
    BuiltIn, Clean, Event, Fault, GateResult, Person, Record, Release, RestorePhase, Rule, Seq,
    Slot, StepResult, Verdict, Via, Vote, Way,
};

/// A moment of a release, and the record that vouches for it; a fault has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub seq: Option<Seq>,
    pub at: Wall,
    /// Milliseconds since the release started.
    pub ms: u64,
    pub what: Clean,
}

/// The moments that count, in the order in which they have to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debrief {
    pub gate_opened: Option<Moment>,
    pub gate_closed: Option<Moment>,
    pub switch_ready: Option<Moment>,
    pub switch_ordered: Option<Moment>,
    pub switched: Option<Moment>,
    /// What the rehearsal broke; never known of a real release.
    pub fault: Option<Moment>,
    /// The first record that shows it.
    pub detected: Option<Moment>,
    /// The verdict by which the traffic went back, or the order of a person.
    pub decided: Option<Moment>,
    /// The order is on disk.
    pub committed: Option<Moment>,
    pub back: Option<Moment>,
    /// Who ordered the way back; none when a rule did.
    pub by: Option<Person>,
    pub restore_ordered: Option<Moment>,
    pub restored: Option<Moment>,
    pub ended: Option<Moment>,
    pub trouble: Option<Trouble>,
}

impl Debrief {
    /// Reads a release's records.
    pub fn of<R: Borrow<Record>>(records: &[R], faults: &[Fault]) -> Self {
        let mut debrief = Self::default();
        let Some(first) = records.first() else { return debrief };
        let mut release = Release::new(first.borrow().release.clone());
        let mut suspected = None;
        for record in records {
            let record = record.borrow();
            release.apply(record);
            let moment = Moment {
                seq: Some(record.seq),
                at: record.at_wall,
                ms: release.elapsed_ms(record.at()),
                what: sentence(record, &release),
            };
            if let Some(trouble) = bad(record, &release) {
                suspected = Some((moment.clone(), trouble));
                debrief.detected.get_or_insert_with(|| moment.clone());
                if debrief.back.is_none() {
                    debrief.trouble.get_or_insert(trouble);
                }
            }
            debrief.take(record, &release, moment, suspected.as_ref());
        }
        debrief.fault = fault(records, faults, debrief.detected.as_ref());
        debrief
    }

    fn take(
        &mut self,
        record: &Record,
        release: &Release,
        moment: Moment,
        suspected: Option<&(Moment, Trouble)>,
    ) {
        match &record.event {
            Event::GateOpened { .. } => self.gate_opened = Some(moment),
            Event::GateClosed { .. } => self.gate_closed = Some(moment),
            Event::StepStarted { step } => {
                let switch = release.plan().and_then(|plan| plan.built_in(BuiltIn::Switch));
                if switch.is_some_and(|switch| &switch.id == step) {
                    self.switch_ready = Some(moment);
                }
            }
            Event::SwitchOrdered { .. } => self.switch_ordered = Some(moment),
            Event::TrafficSwitched { way: Way::Forward, .. } => {
                // What went wrong before was seen to before.
                (self.detected, self.trouble) = (None, None);
                self.switched = Some(moment);
            }
            Event::RollbackOrdered { .. } => {
                let by_rule = record.by.via == Via::Engine;
                self.by = (!by_rule).then(|| record.by.person.clone());
                let verdict = suspected.filter(|_| by_rule).map(|(moment, _)| moment.clone());
                self.decided = Some(verdict.unwrap_or_else(|| moment.clone()));
                self.committed = Some(moment);
            }
            Event::TrafficSwitched { way: Way::Back, .. } => self.back = Some(moment),
            Event::RestoreOrdered { undo: false, .. } => self.restore_ordered = Some(moment),
            Event::RestoreAdvanced { report }
                if report.phase == RestorePhase::Reopen
                    && release.restore.as_ref().is_some_and(|restore| !restore.undo) =>
            {
                self.restored = Some(moment);
            }
            Event::ReleaseEnded { .. } => self.ended = Some(moment),
            _ => {} // tidy: no other record is a moment of its own
        }
    }
}

/// Whether a record shows that something is wrong, and what kind of trouble it looks like.
fn bad(record: &Record, release: &Release) -> Option<Trouble> {
    let moved = release.rollout.switched_ms.is_some();
    match &record.event {
        Event::WindowJudged { verdicts, .. } => {
            let failed = verdicts.iter().find(|v| matches!(v.verdict, Verdict::Fail { .. }))?;
            Some(match failed.rule {
                Rule::MeanLatency => Trouble::Performance,
                Rule::ErrorRatio | Rule::Exits | Rule::Ready => Trouble::Application,
            })
        }
        Event::StepEnded { end, .. } => match &end.result {
            StepResult::Failed { .. } | StepResult::TimedOut { .. } => Some(Trouble::Application),
            StepResult::Passed | StepResult::Cancelled { .. } => None,
        },
        Event::Held { .. } | Event::SwitchFailed { .. } => moved.then_some(Trouble::Application),
        _ => None, // tidy: what else goes wrong shows in one of these
    }
}

/// The last fault that had come when it was detected; otherwise the first.
fn fault<R: Borrow<Record>>(
    records: &[R],
    faults: &[Fault],
    detected: Option<&Moment>,
) -> Option<Moment> {
    let id = records.first()?.borrow().release.clone();
    let mut release = Release::new(id);
    let mut moments: Vec<Moment> = Vec::new();
    let mut rest = faults.iter().peekable();
    let place = |release: &Release, fault: &Fault| Moment {
        seq: None,
        at: fault.at.wall,
        ms: release.elapsed_ms(fault.at),
        what: fault.what.clone(),
    };
    for record in records {
        let record = record.borrow();
        // A rehearsal has one boot, so both times are of one clock.
        while let Some(fault) = rest.next_if(|fault| fault.at.boot_ms < record.at_boot) {
            moments.push(place(&release, fault));
        }
        release.apply(record);
    }
    moments.extend(rest.map(|fault| place(&release, fault)));
    let seen_ms = detected.map_or(u64::MAX, |moment| moment.ms);
    let before = moments.iter().rev().find(|moment| moment.ms <= seen_ms).cloned();
    before.or_else(|| moments.into_iter().next())
}

/// The debrief in lines: what happened when, then how it compares.
pub fn debrief<R: Borrow<Record>>(records: &[R], faults: &[Fault]) -> Vec<Clean> {
    let Some(first) = records.first() else { return Vec::new() };
    let mut release = Release::new(first.borrow().release.clone());
    for record in records {
        release.apply(record.borrow());
    }
    let story = Debrief::of(records, faults);
    let rehearsal = release.start.as_deref().and_then(|start| start.rehearsal.as_ref());
    let head = match rehearsal {
        Some(r) => format!("DEBRIEF of rehearsal {}, seed {}", r.scenario, r.seed),
        None => format!("DEBRIEF of release {}", release.id),
    };
    let mut lines = vec![head];
    lines.extend(what_happened(&story, rehearsal.is_some()));
    lines.extend(how_you_did(&release, &story));
    lines.iter().map(|line| Clean::new(line)).collect()
}

/// The moments, each with how long after the one before it came.
fn what_happened(story: &Debrief, rehearsal: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let trouble = story.fault.is_some() || story.detected.is_some() || story.back.is_some();
    if !trouble {
        return lines;
    }
    if story.fault.is_none() && rehearsal && story.back.is_some() {
        lines.push("  fault         not on record: the journal cannot know what was broken".into());
    }
    let moments = [
        ("fault", &story.fault),
        ("detected", &story.detected),
        ("decided", &story.decided),
        ("committed", &story.committed),
        ("traffic back", &story.back),
        ("restore", &story.restore_ordered),
        ("restored", &story.restored),
    ];
    let mut before: Option<u64> = None;
    for (name, moment) in moments {
        let Some(moment) = moment else { continue };
        let after = before.map_or(String::new(), |ms| {
            let sign = if moment.ms < ms { "-" } else { "+" };
            format!("{sign}{}", duration(moment.ms.abs_diff(ms)))
        });
        before = Some(moment.ms);
        let record = moment.seq.map_or(String::new(), |seq| format!(" (record {seq})"));
        let (at, what) = (utc(moment.at), &moment.what);
        lines.push(format!("  {name:<13} {at} {after:>12}  {what}{record}"));
    }
    lines
}

fn between(from: Option<&Moment>, to: Option<&Moment>) -> Option<u64> {
    Some(to?.ms.saturating_sub(from?.ms))
}

/// A row of the comparison: what, how long, against what, how that compares.
fn row(what: &str, took_ms: u64, target: Option<(u64, &str)>) -> String {
    let took = duration(took_ms);
    match target {
        None => format!("  {what:<28} {took:>12}"),
        Some((target_s, why)) => {
            let met = if took_ms <= target_s.saturating_mul(1000) { "MET" } else { "MISSED" };
            let target = duration(target_s.saturating_mul(1000));
            format!("  {what:<28} {took:>12}  target {target}: {met} ({why})")
        }
    }
}

fn how_you_did(release: &Release, story: &Debrief) -> Vec<String> {
    let mut lines = vec!["how you did".to_owned()];
    let gate = between(story.gate_opened.as_ref(), story.gate_closed.as_ref());
    lines.extend(gate.map(|ms| row("gate waited", ms, None) + &votes(release)));
    let ready = between(story.switch_ready.as_ref(), story.switch_ordered.as_ref());
    lines.extend(ready.map(|ms| row("ready, until ordered", ms, None)));
    let rollout = &release.rollout;
    lines.extend(rollout.switch_took_ms.map(|ms| row("switch, proven", ms, None)));
    let trouble = story.trouble.unwrap_or(Trouble::Application);
    let why = format!("{}, {}: {}", trouble.words(), trouble.severity(), trouble.way());
    let target = Some((trouble.target_s(), why.as_str()));
    if story.back.is_some() {
        let back = story.back.as_ref();
        let seen = between(story.fault.as_ref(), story.detected.as_ref());
        lines.extend(seen.map(|ms| row("fault, until detected", ms, None)));
        let decided = between(story.detected.as_ref(), story.decided.as_ref());
        lines.extend(decided.map(|ms| row("detected, until decided", ms, None)));
        let went = between(story.decided.as_ref(), back);
        lines.extend(went.map(|ms| row("decided, until traffic back", ms, target)));
        let all = between(story.fault.as_ref().or(story.detected.as_ref()), back);
        let what = if story.fault.is_some() { "fault" } else { "detected" };
        let what = format!("{what}, until traffic back");
        lines.extend(all.map(|ms| row(&what, ms, target)));
    }
    if let Some(ms) = between(story.restore_ordered.as_ref(), story.restored.as_ref()) {
        let schema = Trouble::Schema;
        let why = format!("{}, {}: {}", schema.words(), schema.severity(), schema.way());
        lines.push(row("database restore", ms, Some((schema.target_s(), &why))));
    }
    lines.extend(total(release, story, gate.unwrap_or(0).saturating_add(ready.unwrap_or(0))));
    lines.extend(verdict(release, story).map(|text| format!("  {text}")));
    lines
}

fn votes(release: &Release) -> String {
    let Some(gate) = &release.gate else { return String::new() };
    let go = gate.votes.iter().filter(|entry| entry.vote == Vote::Approve);
    let names: Vec<&str> = go.map(|entry| entry.by.as_str()).collect();
    match (gate.closed, names.is_empty()) {
        (Some(GateResult::Go), false) => format!("  for the go of {}", names.join(", ")),
        (Some(GateResult::NoGo), _) => "  for a no-go".to_owned(),
        (Some(GateResult::Expired), _) => "  and expired".to_owned(),
        (Some(GateResult::Go) | None, _) => String::new(),
    }
}

/// The whole, beside what the plan expected of the machine; people's time is told apart.
fn total(release: &Release, story: &Debrief, people_ms: u64) -> Option<String> {
    story.ended.as_ref()?;
    let took = took_ms(release);
    let machine = took.saturating_sub(people_ms);
    let people = duration(people_ms);
    let row = row("total", took, None);
    let released = matches!(release.result, Some(crate::release::ReleaseResult::Released));
    let expected = expected_ms(release).filter(|ms| released && *ms > 0);
    Some(match expected {
        None => format!("{row}  of it people {people}"),
        Some(expected) => {
            let (machine, wanted) = (duration(machine), duration(expected));
            format!("{row}  people {people}, machine {machine}, expected {wanted}")
        }
    })
}

/// What there is to learn from it, in a sentence.
fn verdict(release: &Release, story: &Debrief) -> Option<String> {
    let serves = release.serving().map(|slot: Slot| slot.to_string());
    let serves = serves.unwrap_or_else(|| "nobody".to_owned());
    if story.back.is_some() {
        let who = story.by.as_ref().map_or("a rule".to_owned(), ToString::to_string);
        let first = match (&story.by, &story.detected, &story.committed) {
            (Some(_), None, _) => "before any rule had seen it",
            (Some(_), Some(seen), Some(order)) if order.ms < seen.ms => "before any rule did",
            (Some(_), ..) => "after the watch had shown it",
            (None, ..) => "without anybody pressing a key",
        };
        return Some(format!("the traffic is back on {serves}, by {who}, {first}"));
    }
    if let (None, Some(detected)) = (&story.switched, &story.detected) {
        let at = duration(detected.ms / 1000 * 1000);
        return Some(format!("found {at} after the start, before anything was switched"));
    }
    if let (Some(_), Some(held)) = (&story.switched, &release.hold) {
        return Some(format!("it is held with {serves} serving: {}", held.hold.sentence()));
    }
    let windows = release.monitor.as_ref().map_or(0, |monitor| monitor.windows.len()) as u64;
    let watched = plural(windows, "window");
    story.switched.as_ref().map(|_| format!("{serves} serves; {watched} watched after the switch"))
}
