//! A journal on the real screens: the tape plays, waits and jumps; nothing can be asked of it; and
//! what is written about it afterwards is a function of its records.

use std::sync::Arc;
use std::time::Duration;

use gonogo::engine::handle::{Clock, Tape};
use gonogo::release::{Ask, Clean, Command, Fault, Record, ReleaseId};
use gonogo::report::control::control;
use gonogo::report::line::{self, LineSettings};
use gonogo::report::postmortem::postmortem;
use gonogo::report::{script, words};
use gonogo::tui::Cockpit;

use crate::rehearsal::{Staged, principal, settings, stage};

/// A rehearsal as its scripted operator flew it: its records, its faults, its folder.
struct Flown {
    id: ReleaseId,
    records: Vec<Arc<Record>>,
    faults: Vec<Fault>,
    home: tempfile::TempDir,
}

async fn flown(scenario: &str) -> Flown {
    let Staged { flight, home } = stage(&principal("mira"), &[scenario, "--auto"]);
    let mut seen = flight.handle.follow();
    let id = flight.handle.release().clone();
    let driving = tokio::spawn(flight.engine.run());
    script::play(&flight.handle, &flight.acts).await;
    seen.catch_up();
    driving.abort();
    let snapshot = seen.snapshot();
    let (records, faults) = (snapshot.records.clone(), snapshot.live.telemetry.faults.clone());
    Flown { id, records, faults, home }
}

impl Flown {
    fn tape(&self) -> Tape {
        let steps = self.home.path().join("state/releases").join(self.id.as_str()).join("steps");
        Tape::new(self.id.clone(), self.records.clone(), steps)
    }

    fn cockpit(&self, size: (u16, u16)) -> Cockpit {
        let settings = settings(principal("mira"), Clock::live());
        Cockpit::replaying(self.tape(), 10.0, settings, size)
    }
}

fn text(lines: &[Clean]) -> String {
    lines.iter().fold(String::new(), |text, line| text + line.as_str() + "\n")
}

#[tokio::test(start_paused = true)]
async fn a_replay_plays_waits_jumps_between_decisions_and_says_so_all_the_time() {
    let flown = flown("bad-release").await;
    let mut cockpit = flown.cockpit((120, 36));
    let cockpit = &mut cockpit;
    cockpit.expect("REPLAY").expect("10x 0:00/").expect("PRODUCTION");
    cockpit.linger(Duration::from_secs(30)).expect("10x 5:00/").press("space").expect("paused");
    cockpit.linger(Duration::from_secs(60)).expect("paused 5:00/");
    cockpit.press("+").press("space").expect("30x").press("-").press("space").expect("paused");

    // From decision to decision, and back again.
    cockpit.press("n").expect("GO OR NO-GO? production").expect("Go or no-go: stage production");
    cockpit.press("n").press("n").expect("READY TO SWITCH").press("n").expect("SWITCHING to GREEN");
    cockpit.press("n").expect("ROLLING BACK to BLUE").expect("REPLAY");
    cockpit.press("n").expect("ROLLED BACK").press("n").expect("nothing more comes");
    cockpit.press("N").expect("ROLLING BACK").press("N").press("N").expect("READY TO SWITCH");

    // To a time, to a record; nonsense says what can be typed.
    cockpit.press("@").expect("go to").type_text("#0").press("enter").expect("0:00/");
    cockpit.press("N").expect("no decision before this");
    cockpit.press("@").type_text("10:00").press("enter").expect("paused 10:00/");
    cockpit.press("@").type_text("02:46:00Z").press("enter").expect("paused 20:00/");
    cockpit.press("@").type_text("soon").press("enter").expect("type 12:04 after the start");
    cockpit.press(".").expect_no("20:00/").press("gt").expect("Timeline").press("q");
    assert!(cockpit.has_left());
}

#[tokio::test(start_paused = true)]
async fn a_replay_shows_of_a_running_step_s_log_what_had_come_by_then() {
    let flown = flown("bad-release").await;
    let mut cockpit = flown.cockpit((200, 60));
    cockpit.press("space").press("@").type_text("0:18").press("enter").expect("paused 0:18/");
    cockpit.expect("Log code.snyk.1").expect("0:10 │ snyk").expect_no("0:21 │ snyk");
    cockpit.press("@").type_text("0:25").press("enter").expect("0:21 │ snyk");
    cockpit.press("@").type_text("0:18").press("enter").expect_no("0:21 │ snyk");
    // Not following, too.
    cockpit.press("tab").press("gg").expect_no("following");
    cockpit.expect("2 of 2").expect("0:10 │ snyk").expect_no("0:21 │ snyk");
    // Nor is it found.
    cockpit.press("/").type_text("own code").press("enter").expect_no("not found");
    cockpit.press(":").type_text("find-next").press("enter");
    cockpit.expect("\"own code\" is not found further down").expect_no("0:21 │ snyk");
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_asked_of_a_replay() {
    let flown = flown("bad-release").await;
    let mut cockpit = flown.cockpit((120, 36));
    cockpit.press("n").expect("GO OR NO-GO?");
    cockpit.press("a").press("!").press("g").press("enter").answered().await;
    cockpit.expect("approve refused: this is a replay");
    let tape = flown.tape();
    let ask = Ask::Approve { comment: Clean::default() };
    let refused = tape.handle().ask(Command { by: principal("mira"), seen: None, ask }).await;
    assert!(refused.expect_err("a replay").to_string().starts_with("this is a replay"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_in_lines_tells_every_record_in_order_and_ends_like_the_release() {
    let flown = flown("happy").await;
    let mut out = Vec::new();
    let mut tape = flown.tape();
    let end = line::replay(&mut tape, &mut out, LineSettings::new(|_, _| 0)).expect("memory");
    assert_eq!(end.release.head, flown.records.last().map(|record| record.seq));
    let told = String::from_utf8(out).expect("UTF-8");
    let lines = told.lines().filter(|line| line.get(8..9) == Some("Z")).count();
    assert_eq!(lines, flown.records.len(), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_debrief_measures_from_the_fault_that_the_rehearsal_owns_up_to() {
    let flown = flown("bad-release").await;
    let debrief = text(&words::debrief(&flown.records, &flown.faults));
    let at = |words: &str| debrief.find(words).unwrap_or_else(|| panic!("no {words}:\n{debrief}"));
    let order = ["  fault", "  detected", "  decided", "  committed", "  traffic back"].map(at);
    assert!(order.is_sorted(), "{debrief}");
    at("GREEN: errors climb to 6.00 % over 30 s");
    at("MET (application bug, critical: switch back)");
    at("the traffic is back on BLUE, by a rule");
    let story = words::Debrief::of(&flown.records, &flown.faults);
    let switched = story.switched.expect("switched");
    let (fault, seen) = (story.fault.expect("a fault"), story.detected.expect("seen"));
    // The scenario says 20 s after the Services moved, which is just before that was proven.
    let delay_ms = fault.ms.abs_diff(switched.ms);
    assert!((18_000..=20_500).contains(&delay_ms), "{delay_ms}");
    assert!(seen.ms > fault.ms, "{debrief}");
    // The journal alone does not know what was broken, and says so.
    let alone = text(&words::debrief(&flown.records, &[]));
    assert!(alone.contains("fault         not on record"), "{alone}");

    let happy = self::flown("happy").await;
    let calm = text(&words::debrief(&happy.records, &happy.faults));
    for part in ["gate waited", "for the go of script", "ready, until ordered", "switch, proven"] {
        assert!(calm.contains(part), "no {part:?} in:\n{calm}");
    }
    assert!(calm.contains("expected") && !calm.contains("  fault"), "{calm}");
}

#[tokio::test(start_paused = true)]
async fn i29_post_mortem_and_report_are_functions_of_the_journal() {
    let flown = flown("bad-release").await;
    let records: Vec<Record> = flown.records.iter().map(|record| Record::clone(record)).collect();
    let written = text(&postmortem(&records).markdown());
    assert_eq!(written, text(&postmortem(&records).markdown()));
    for heading in [
        "# Post-mortem: release r-1123.1, ROLLED BACK",
        "## Summary",
        "## Impact window",
        "## Detection and way back",
        "## Who decided",
        "## Timeline",
        "## Findings",
        "## Follow-ups",
    ] {
        assert!(written.lines().any(|line| line == heading), "no {heading:?} in:\n{written}");
    }
    assert!(written.contains("GREEN served from") && written.contains("- [ ] root cause of"));
    let document = control(&records);
    let report = text(&document.markdown());
    let rows = report.lines().filter(|line| line.starts_with("| gate of stage "));
    let judged = rows.filter(|row| row.contains("| go |"));
    for row in judged {
        let cited = row.rsplit('|').nth(1).expect("a cell").trim();
        let seq: usize = cited.parse().unwrap_or_else(|_| panic!("{cited:?} is no record"));
        assert_eq!(records[seq].event.kind(), "stage_judged", "{row}");
    }
    assert!(report.contains("traffic taken back, and proven"), "{report}");
    let html = text(&document.html());
    assert!(html.starts_with("<!doctype html>") && !html.contains("http://"), "{html}");
}
