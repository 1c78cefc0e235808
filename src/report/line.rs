//! Plain lines: one for each record, for pipes, CI logs and terminals without a cockpit.
//!
//! ```text
//! 02:41:10Z  code      code.unit FAILED after 48 s: exit code 1
//!     | last 2 of 812 lines of code.unit.1
//!     |   47.9 s  expected 3, got 4
//! ```
//!
//! Whatever a child or a tool wrote stands behind the gutter `    | `, and nothing of ours ever
//! does: a log line cannot pass for a status, a card or a command (T2).

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use unicode_width::UnicodeWidthChar;

use super::commands::commands;
use super::ends::{End, is_over};
use super::place::{place, place_width};
use super::summary::{stages, write_lines};
use super::words::{
    Point, count, duration, findings_points, headline, layer_points, next, plural, sentence,
    slower, step_left_ms, took_ms, undo, utc,
};
use crate::engine::handle::{Handle, Link, LogPage, Snapshot, Stream, Tape};
use crate::release::{
    Card, Clean, EffectKey, Event, Record, Release, ReleaseId, Seq, Serving, Step, StepResult,
    StepStatus, Verdict,
};

/// How talkative the lines are.
#[derive(Clone, Debug)]
pub struct LineSettings {
    /// How many lines of a failed step's log are shown.
    pub log_lines: usize,
    /// A sign of life at most this often while something runs, in seconds.
    pub heartbeat_s: u64,
    /// The same while the release waits for people, in seconds.
    pub reminder_s: u64,
    /// Whether to leave when an operator is needed, because nobody stands by.
    pub stop_when_held: bool,
    /// The width of the terminal that shows the lines, so that foreign text cannot reach its left
    /// edge by wrapping (T2); none for a pipe or a file.
    pub columns: Option<u16>,
    /// Each record's line begins with its number and has no columns, for ears instead of eyes;
    /// what only says that a step starts is left out.
    pub numbered: bool,
    /// The exit code that the last line names.
    pub exit_code: fn(&Release, &Link) -> u8,
}

impl LineSettings {
    pub fn new(exit_code: fn(&Release, &Link) -> u8) -> Self {
        Self {
            log_lines: 20,
            heartbeat_s: 30,
            reminder_s: 600,
            stop_when_held: false,
            columns: None,
            numbered: false,
            exit_code,
        }
    }
}

/// Writes a release as lines until it is over: its result is set and nothing is owed, or the link
/// to its engine closed. Fails when `out` cannot be written.
pub async fn follow(
    handle: Handle,
    out: &mut dyn io::Write,
    settings: LineSettings,
) -> io::Result<End> {
    let stop_when_held = settings.stop_when_held;
    let clock = handle.clock().clone();
    let mut follower = handle.follow();
    let columns = settings.columns;
    let mut lines = Lines::new(handle.release().clone(), settings);
    let log = |key: &EffectKey, count: usize| handle.log_tail(key, count);
    let mut spoke_ms = clock.now().boot_ms;
    loop {
        let mut said = Vec::new();
        for record in follower.catch_up() {
            said.extend(lines.record(&record, &log));
        }
        let snapshot = follower.snapshot();
        said.extend(lines.guide(snapshot));
        if said.is_empty() && clock.now().boot_ms >= spoke_ms.saturating_add(lines.patience_ms()) {
            said.extend(lines.heartbeat(snapshot));
            spoke_ms = clock.now().boot_ms;
        }
        if !said.is_empty() {
            write_lines(out, &fold(&said, columns))?;
            spoke_ms = clock.now().boot_ms;
        }
        if is_over(snapshot, stop_when_held) {
            write_lines(out, &fold(&lines.ending(snapshot), columns))?;
            return Ok(End::of(snapshot));
        }
        let due_ms = spoke_ms.saturating_add(lines.patience_ms());
        let left = Duration::from_millis(due_ms.saturating_sub(clock.now().boot_ms));
        // Whether something came or the time is up, the loop looks at both.
        let _ = clock.within(left, follower.changed()).await;
    }
}

/// Writes a recorded release as lines, at once; what people had to do is told where they had to.
pub fn replay(tape: &mut Tape, out: &mut dyn io::Write, settings: LineSettings) -> io::Result<End> {
    let handle = tape.handle().clone();
    let mut follower = handle.follow();
    let columns = settings.columns;
    let mut lines = Lines::new(handle.release().clone(), settings);
    let log = |key: &EffectKey, count: usize| handle.log_tail(key, count);
    loop {
        let mut said = Vec::new();
        for record in follower.catch_up() {
            said.extend(lines.record(&record, &log));
        }
        write_lines(out, &fold(&said, columns))?;
        if !tape.step() {
            write_lines(out, &fold(&lines.ending(follower.snapshot()), columns))?;
            return Ok(End::of(follower.snapshot()));
        }
    }
}

/// The lines of one release, without the waiting: records and pictures in, lines out.
#[derive(Debug)]
pub struct Lines {
    settings: LineSettings,
    /// Folded record by record, because a sentence is about the release as of its record.
    release: Release,
    /// What people have been told to do already.
    guided: BTreeSet<Seq>,
}

impl Lines {
    pub fn new(release: ReleaseId, settings: LineSettings) -> Self {
        Self { settings, release: Release::new(release), guided: BTreeSet::new() }
    }

    /// The line of one record; of a failed step also the end of its log, which `log` reads.
    pub fn record(
        &mut self,
        record: &Record,
        log: &dyn Fn(&EffectKey, usize) -> Result<LogPage, Clean>,
    ) -> Vec<Clean> {
        self.release.apply(record);
        let text = sentence(record, &self.release);
        let place = place(&record.event, &self.release);
        let mut lines = vec![match self.settings.numbered {
            true if self.is_noise(record) => return Vec::new(),
            true => Clean::new(&format!("{}. {} {place}: {text}", record.seq, utc(record.at_wall))),
            false => self.line(record.at_wall, &place, &text),
        }];
        if let Event::StepEnded { step, end } = &record.event
            && matches!(end.result, StepResult::Failed { .. } | StepResult::TimedOut { .. })
            && let Some(key) = self.release.step_key(step)
        {
            lines.extend(tail(&key, &log(&key, self.settings.log_lines)));
        }
        lines
    }

    /// A step's first start says nothing that its end does not say again.
    fn is_noise(&self, record: &Record) -> bool {
        let Event::StepStarted { step } = &record.event else { return false };
        self.release.steps.get(step).is_some_and(|state| state.attempt.0 == 1)
    }

    fn line(&self, at: jiff::Timestamp, place: &str, text: &Clean) -> Clean {
        let width = place_width(&self.release);
        Clean::new(&format!("{}  {place:<width$}  {text}", utc(at)))
    }

    /// What people can do now, told once for each gate, switch and hold.
    pub fn guide(&mut self, snapshot: &Snapshot) -> Vec<Clean> {
        let release = &snapshot.release;
        let mut lines = Vec::new();
        if let Some(gate) = release.open_gate()
            && self.guided.insert(gate.changed)
        {
            lines.extend(card(&gate.card));
            lines.push(Clean::new(&format!("  {}", next(snapshot).text)));
            lines.extend(shell(release));
        }
        if let Some(held) = &release.hold
            && self.guided.insert(held.seq)
        {
            lines.push(Clean::new(&format!("  {}", next(snapshot).text)));
            lines.extend(shell(release));
        } else if release.awaits_switch() && self.guided.insert(release.rollout.changed) {
            lines.push(Clean::new(&format!("  {}", next(snapshot).text)));
            lines.extend(shell(release));
        }
        if release.is_switched()
            && release.rollout.order.is_none()
            && self.guided.insert(release.rollout.changed)
        {
            lines.extend(undo(snapshot).map(|undo| Clean::new(&format!("  {undo}"))));
        }
        lines
    }

    /// How long the lines may be silent, in milliseconds.
    fn patience_ms(&self) -> u64 {
        let runs = self.release.steps.values().any(|step| step.status == StepStatus::Running);
        let waits = self.release.awaits_switch() || self.release.hold.is_some();
        let Self { settings: LineSettings { heartbeat_s, reminder_s, .. }, .. } = self;
        let patience_s = if runs && !waits { *heartbeat_s } else { *reminder_s };
        patience_s.max(1).saturating_mul(1000)
    }

    /// A sign of life: what is needed or under way, and each running step with its progress.
    pub fn heartbeat(&self, snapshot: &Snapshot) -> Vec<Clean> {
        let at = snapshot.now.wall;
        let mut lines = vec![self.line(at, "...", &next(snapshot).text)];
        let release = &snapshot.release;
        let Some(plan) = release.plan() else { return lines };
        for step in plan.steps() {
            lines.extend(progress(snapshot, step));
        }
        lines
    }

    /// The last lines: the stages in a table, what it came to, the way back, the exit code.
    pub fn ending(&self, snapshot: &Snapshot) -> Vec<Clean> {
        let release = &snapshot.release;
        let mut lines = vec![Clean::default(), headline(snapshot)];
        if let Some(start) = release.start.as_deref() {
            lines.extend(stages(release, start).lines("  "));
        }
        let steps = release.steps.values();
        let retried = steps.clone().filter(|step| step.attempt.0 > 1).count() as u64;
        let ran = steps.filter(|step| step.attempt.0 > 0).count() as u64;
        lines.push(Clean::new(&format!(
            "  {} ran, {retried} more than once; {} in {}",
            plural(ran, "step"),
            plural(snapshot.records.len() as u64, "record"),
            duration(took_ms(release)),
        )));
        lines.extend(undo(snapshot).map(|undo| Clean::new(&format!("  {undo}"))));
        let code = (self.settings.exit_code)(release, &snapshot.link);
        lines.push(Clean::new(&format!("{} (exit code {code})", next(snapshot).text)));
        if snapshot.link != Link::Live && release.result.is_none() {
            let id = &release.id;
            lines.push(Clean::new(&format!("the link has ended: gonogo attach {id}")));
        }
        lines
    }
}

fn shell(release: &Release) -> Vec<Clean> {
    let commands = commands(release);
    commands.into_iter().map(|command| Clean::new(&format!("  $ {command}"))).collect()
}

/// Breaks lines that are wider than the terminal; what goes on is indented, and stays behind the
/// gutter where it came from there.
pub(super) fn fold(lines: &[Clean], columns: Option<u16>) -> Vec<Clean> {
    let Some(columns) = columns.map(|columns| usize::from(columns.max(20))) else {
        return lines.to_vec();
    };
    let mut folded = Vec::new();
    for line in lines {
        let margin = if line.as_str().starts_with(GUTTER) { GUTTER } else { "      " };
        let (mut part, mut width) = (String::new(), 0);
        for c in line.as_str().chars() {
            let own = c.width().unwrap_or(0);
            if width + own > columns {
                folded.push(Clean::from(std::mem::replace(&mut part, margin.to_owned())));
                width = margin.len();
            }
            part.push(c);
            width += own;
        }
        folded.push(Clean::from(part));
    }
    folded
}

/// What stands before foreign text, and before nothing else.
const GUTTER: &str = "    | ";

/// Foreign text behind the gutter, one line, not endless.
pub(super) fn guttered(text: &str) -> Clean {
    Clean::new(&format!("{GUTTER}{text}")).cut(200)
}

pub(super) fn tail(key: &EffectKey, page: &Result<LogPage, Clean>) -> Vec<Clean> {
    let page = match page {
        Ok(page) => page,
        Err(why) => return vec![guttered(why.as_str())],
    };
    if page.lines.is_empty() {
        return vec![guttered(&format!("{key} wrote no log"))];
    }
    let (shown, total) = (page.lines.len(), plural(page.total as u64, "line"));
    let mut lines = vec![guttered(&format!("last {shown} of {total} of {key}"))];
    lines.extend(page.lines.iter().map(|line| {
        let from = match line.stream {
            Stream::Stderr => "E",
            Stream::Stdout | Stream::Note => " ",
        };
        let at_ms = line.at_ms;
        guttered(&format!("{:>4}.{} s {from} {}", at_ms / 1000, at_ms % 1000 / 100, line.text))
    }));
    lines
}

/// A running step's progress, and that it is slow.
pub(super) fn progress(snapshot: &Snapshot, step: &Step) -> Option<Clean> {
    let release = &snapshot.release;
    let left_ms = step_left_ms(snapshot, step)?;
    let state = release.steps.get(&step.id)?;
    let now_ms = release.elapsed_ms(snapshot.now);
    let past = duration(now_ms.saturating_sub(state.started_ms.unwrap_or(now_ms)));
    let slow = slower(state, step, now_ms);
    let left = match (&slow, left_ms) {
        (Some(slow), _) => slow.to_string(),
        (None, 0) => "any moment now".to_owned(),
        (None, ms) => format!("~{} left", duration(ms)),
    };
    let key = release.step_key(&step.id)?;
    let live = snapshot.live.progress.get(&key.to_string());
    let live = live.map_or(String::new(), |progress| {
        let counted = match (progress.done, progress.total) {
            (Some(done), Some(total)) => format!(" {}/{}", count(done), count(total)),
            (Some(done), None) => format!(" {}", count(done)),
            (None, _) => String::new(),
        };
        format!(": {}{counted}", progress.text)
    });
    Some(guttered(&format!("{} runs since {past}, {left}{live}", step.id)))
}

/// The decision card: who serves and what would, the evidence, the way back.
pub(super) fn card(card: &Card) -> Vec<Clean> {
    let mut lines = Vec::new();
    if let Some(rollout) = &card.rollout {
        let serving = match &rollout.survey.serving {
            Serving::One { slot } => format!("{slot} serves, the release goes to"),
            Serving::Bootstrap => "nothing serves yet, first release, to".to_owned(),
            Serving::Split { detail } => format!("SPLIT: {detail}; to"),
        };
        lines.push(guttered(&format!("{serving} {}", rollout.preview)));
        for deployment in &rollout.survey.slot(rollout.preview.other()).deployments {
            let (name, image) = (&deployment.name, &deployment.image);
            let ready = format!("{}/{} ready", deployment.ready, deployment.desired);
            lines.push(guttered(&format!("  {name}  {ready}  {image}")));
        }
    }
    let width = card.evidence.iter().map(|line| line.what.as_str().chars().count()).max();
    let width = width.unwrap_or(0).min(40);
    for line in &card.evidence {
        let (mark, why) = match &line.verdict {
            Verdict::Pass => ("pass   ", String::new()),
            Verdict::Fail { reason } => ("FAIL   ", format!("; {reason}")),
            Verdict::Unknown { reason } => ("UNKNOWN", format!("; {reason}")),
        };
        lines.push(guttered(&format!("{mark} {:<width$}  {}{why}", line.what, line.value)));
    }
    for (what, points) in [("finding", findings_points(card)), ("layer", layer_points(card))] {
        lines.extend(points.iter().zip(1..).map(|(Point { about, text, .. }, number)| {
            guttered(&format!("{what} {number}. {about}: {text}"))
        }));
    }
    lines.push(guttered(&format!("way back: {}", card.undo)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t2_a_long_log_line_stays_behind_its_gutter_when_a_terminal_would_wrap_it() {
        let spoof = guttered(&format!("{}02:41:00Z  gate  GO", "x".repeat(30)));
        let lines = fold(&[spoof, Clean::new("short")], Some(36));
        let lines: Vec<&str> = lines.iter().map(Clean::as_str).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[..2].iter().all(|line| line.starts_with(GUTTER)), "{lines:?}");
        assert_eq!(lines[2], "short");
    }
}
