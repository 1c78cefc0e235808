//! The words about a release: every event has a sentence, a short release reads well from start
//! to end, and the machine form says the same as the journal.

mod audit;
mod drive;
mod history;
mod words;

use std::cell::RefCell;

use gonogo::engine::handle::{Feed, Handle, Link, LogLine, LogPage, Stream};
use gonogo::release::{Clean, EffectKey, Outcome, Reading, Record, Severity, StepResult, Vote};
use gonogo::report::control::control;
use gonogo::report::line::{self, LineSettings, Lines};
use gonogo::report::{json, summary};

use drive::Drive;

/// Lines as one text.
fn text(lines: &[Clean]) -> String {
    let mut out = Vec::new();
    summary::write_lines(&mut out, lines).expect("memory takes it");
    String::from_utf8(out).expect("UTF-8")
}

#[expect(clippy::unnecessary_wraps, reason = "it stands for a log that may fail to be read")]
fn log(key: &EffectKey, count: usize) -> Result<LogPage, Clean> {
    let lines: Vec<LogLine> = [
        (47_900, Stream::Stdout, "expected 3, got 4"),
        (48_000, Stream::Stderr, "02:41:00Z  gate      ada says GO\u{1b}[2J"),
    ]
    .into_iter()
    .map(|(at_ms, stream, text)| LogLine { at_ms, stream, open: false, text: Clean::new(text) })
    .collect();
    assert!(key.to_string().starts_with("code.unit.") && count == 20, "{key} {count}");
    Ok(LogPage { first: 810, total: 812, lines })
}

/// The lines of a driven release, as a follower of it writes them.
struct Written {
    lines: RefCell<Lines>,
    text: RefCell<String>,
}

impl Written {
    fn new(drive: &Drive) -> Self {
        let lines = Lines::new(drive.release.id.clone(), LineSettings::new(|_, _| 4));
        Self { lines: RefCell::new(lines), text: RefCell::default() }
    }

    fn catch_up(&self, drive: &Drive, seen: &mut usize) {
        let mut lines = self.lines.borrow_mut();
        let mut said = Vec::new();
        for record in &drive.records[*seen..] {
            said.extend(lines.record(record, &log));
        }
        *seen = drive.records.len();
        said.extend(lines.guide(&drive.snapshot()));
        self.text.borrow_mut().push_str(&text(&said));
    }
}

/// A release in which a step fails once, people vote, and the watch rolls the traffic back.
fn rolled_back(mut look: impl FnMut(&Drive)) -> Drive {
    let mut drive = Drive::new();
    drive.open();
    look(&drive);
    drive.wait(12);
    drive.pass("code.lint");
    drive.wait(36);
    drive.end("code.unit", StepResult::Failed { reason: Clean::new("exit code 1") });
    look(&drive);
    drive.wait(48);
    drive.pass_tests("code.unit");
    drive.wait(1);
    drive.judge();
    drive.draw_card();
    look(&drive);
    drive.wait(90);
    drive.vote("ada", Vote::Defer, "wait for the batch job");
    drive.vote("ada", Vote::Approve, "42 tests, no finding");
    drive.wait(20);
    drive.deploy("production.deploy");
    look(&drive);
    drive.wait(5);
    drive.switch("ada");
    drive.wait(2);
    drive.answer_traffic();
    look(&drive);
    drive.wait(30);
    drive.window(0.001, Reading::known(drive::finite(120.0)));
    drive.wait(30);
    drive.window(0.041, Reading::unknown("no sample for 40 s"));
    look(&drive);
    drive.wait(2);
    drive.answer_traffic();
    drive.tell_all();
    look(&drive);
    drive
}

const GOLDEN: &str = include_str!("report/rolled-back.txt");

#[test]
fn a_rolled_back_release_reads_like_this() {
    let mut seen = 0;
    let written = Written::new(&Drive::new());
    let drive = rolled_back(|drive| written.catch_up(drive, &mut seen));
    let mut now = written.text.take();
    now.push_str(&text(&written.lines.borrow().ending(&drive.snapshot())));
    assert_eq!(now, GOLDEN, "the lines changed; they are now:\n{now}");
}

#[test]
fn t2_nothing_from_outside_stands_at_the_left_edge() {
    let ours = GOLDEN.lines().filter(|line| line.contains("ada says GO\\x1b[2J"));
    let ours: Vec<&str> = ours.collect();
    assert_eq!(ours.len(), 1);
    assert!(ours[0].starts_with("    | "), "{}", ours[0]);
}

#[test]
fn json_lines_parse_back_to_the_same_records() {
    let drive = rolled_back(|_| {});
    let mut out = Vec::new();
    for record in &drive.records {
        json::write_record(&mut out, record).expect("memory takes it");
    }
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    assert_eq!(text.lines().count(), drive.records.len());
    for (line, record) in text.lines().zip(&drive.records) {
        let read: Record = serde_json::from_str(line).expect("a record");
        assert_eq!(read, **record);
    }
}

#[test]
fn history_tells_the_release_again() {
    let drive = rolled_back(|_| {});
    let show = text(&summary::show(&drive.release, &drive.records));
    for part in [
        "release r-1: ROLLED BACK",
        "rolled back: error rate: 4.10 %, limit 1.00 %",
        "ada says go (unsigned, same account): 42 tests, no finding",
        "BLUE → GREEN",
        "revision 1a2b3c4 is latched",
        "code        go",
    ] {
        assert!(show.contains(part), "no {part:?} in:\n{show}");
    }
    let timeline = text(&summary::timeline(&drive.records));
    assert_eq!(timeline.lines().count(), drive.records.len() + 1);
    let rows = [summary::ReleaseRow::of(&drive.release)];
    let table = text(&summary::releases(&rows));
    assert!(table.lines().nth(1).is_some_and(|row| row.contains("ROLLED BACK")), "{table}");
    assert!(summary::releases(&[])[0].as_str().contains("no releases"));
}

#[test]
fn who_changed_the_policy_while_it_ran_is_told_with_what_it_let_pass() {
    let mut drive = Drive::new();
    drive.open();
    let untouched = text(&summary::show(&drive.release, &drive.records));
    assert!(!untouched.contains("policy changes"), "{untouched}");
    drive.wait(12);
    let mut policy = drive::policy();
    policy.findings.limits.all.insert(Severity::High, 1);
    drive.change_policy("ada", &policy, "a lapse");
    drive.wait(30);
    policy.findings.limits.all.insert(Severity::High, 3);
    drive.change_policy("sam", &policy, "known debt");
    let show = text(&summary::show(&drive.release, &drive.records));
    for part in [
        " after 2 changes",
        "policy changes\n  02:41:12Z  ada: policy ",
        " from a file; why: a lapse\n    stricter findings.limits.all.high: no limit → 1\n",
        "  02:41:42Z  sam: policy ",
        " from a file; why: known debt\n    LOOSER   findings.limits.all.high: 1 → 3\n",
    ] {
        assert!(show.contains(part), "no {part:?} in:\n{show}");
    }
    let records: Vec<Record> = drive.records.iter().map(|record| (**record).clone()).collect();
    let report = text(&control(&records).markdown());
    let rows: Vec<&str> =
        report.lines().filter(|line| line.contains("policy changed while it ran")).collect();
    let [stricter, looser] = rows[..] else { panic!("{report}") };
    assert!(stricter.contains("| stricter ") && stricter.contains("by ada at 02:41:12Z"));
    assert!(looser.contains("| LOOSER ") && looser.contains("by sam at 02:41:42Z"), "{looser}");
    assert!(looser.contains("high: 1 → 3; why: known debt"), "{looser}");
    let cited = looser.rsplit('|').nth(1).expect("a cell").trim();
    let seq: usize = cited.parse().expect("a record");
    assert_eq!(records[seq].event.kind(), "policy_changed");
}

/// The last words of an engine that is gone must not sound like an end.
#[test]
fn f21_a_lost_link_says_how_to_come_back() {
    let mut drive = Drive::new();
    drive.open();
    drive.link = Link::Lost { why: Clean::new("connection reset"), since_ms: 0 };
    let lines = Lines::new(drive.release.id.clone(), LineSettings::new(|_, _| 7));
    let last = lines.ending(&drive.snapshot());
    let last = last.last().expect("lines").as_str();
    assert_eq!(last, "the link has ended: gonogo attach r-1");
}

#[test]
fn a_late_answer_changes_nothing_in_the_words() {
    let mut drive = rolled_back(|_| {});
    let before = drive.records.len();
    let late = Outcome::Failed { reason: Clean::new("too late") };
    drive.answer(&drive::key("code.unit", 1), late);
    assert_eq!(drive.records.len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_a_silent_engine_reminds_now_and_then_and_never_spins() {
    let wall = "2026-11-23T02:41:00Z".parse().expect("a time");
    let clock = gonogo::world::Clock::simulated(wall, 1.0);
    let (inputs, _engine) = tokio::sync::mpsc::channel(1);
    let id = Drive::new().release.id;
    let folder = std::path::PathBuf::from("steps");
    let handle = Handle::new(id, inputs, Feed::new(), clock.clone(), folder);
    let mut out = Vec::new();
    let limit = std::time::Duration::from_secs(3500);
    let settings = LineSettings::new(|_, _| 0);
    assert!(clock.within(limit, line::follow(handle.clone(), &mut out, settings)).await.is_none());
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.starts_with("02:51:00Z  ...       waiting for the engine to open"), "{text}");
    let mut out = Vec::new();
    assert!(clock.within(limit, json::follow(handle, &mut out, false)).await.is_none());
    assert!(out.is_empty());
}
