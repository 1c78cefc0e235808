//! The plain mode against rehearsals: the cockpit's own stories, flown by typed lines.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gonogo::engine::handle::{Clock, Follower};
use gonogo::error::Exit;
use gonogo::release::{Event, Way};
use gonogo::report::line::LineSettings;
use gonogo::report::plain::{PlainSettings, Typed, converse};
use gonogo::sim::Theatre;
use tokio::sync::{Notify, mpsc};

use crate::rehearsal::{Staged, principal, stage};

/// A person takes this long from what they hear to the line they type.
const LISTENS: Duration = Duration::from_millis(400);
const PATIENCE_MS: u64 = 2 * 60 * 60 * 1000;

/// What was written, shared with the one who reads it.
#[derive(Clone, Default)]
struct Paper {
    bytes: Arc<Mutex<Vec<u8>>>,
    written: Arc<Notify>,
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.written.notify_one();
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A rehearsal with somebody who types.
struct Talk {
    typed: Option<mpsc::Sender<Typed>>,
    paper: Paper,
    /// How much of it has been read.
    read: usize,
    /// Lines that were typed.
    lines: usize,
    clock: Clock,
    seen: Follower,
    talking: tokio::task::JoinHandle<std::io::Result<gonogo::report::End>>,
    _theatre: Theatre,
    _home: tempfile::TempDir,
}

fn fly(scenario: &str) -> Talk {
    let by = principal("mira");
    let Staged { flight, home } = stage(&by, &[scenario, "--plain"]);
    let clock = flight.handle.clock().clone();
    let settings = PlainSettings {
        principal: by,
        can_arm: true,
        database: "shop".to_owned(),
        clock: clock.clone(),
        ascii: false,
        lines: LineSettings::new(|release, _| Exit::of_result(release).code()),
    };
    let (typed, lines) = mpsc::channel(64);
    let paper = Paper::default();
    let (mut out, seen) = (paper.clone(), flight.handle.follow());
    let talking =
        tokio::spawn(async move { converse(flight.handle, lines, &mut out, settings).await });
    tokio::spawn(flight.engine.run());
    Talk {
        typed: Some(typed),
        paper,
        read: 0,
        lines: 0,
        clock,
        seen,
        talking,
        _theatre: flight.theatre,
        _home: home,
    }
}

impl Talk {
    async fn send(&self, typed: Typed) {
        self.typed.as_ref().expect("still there").send(typed).await.expect("it listens");
    }

    /// Listens, then types a line.
    async fn say(&mut self, line: &str) -> &mut Self {
        self.clock.sleep(LISTENS).await;
        self.at_once(line).await
    }

    /// Types a line without having listened, as a paste does.
    async fn at_once(&mut self, line: &str) -> &mut Self {
        self.lines += 1;
        self.send(Typed::Line(line.to_owned())).await;
        self
    }

    /// Waits for words that were not read before; fails after hours of the release's time.
    async fn until(&mut self, words: &str) -> &mut Self {
        let begun_ms = self.clock.now().boot_ms;
        loop {
            let text = self.paper.text();
            let new = &text[self.read..];
            if let Some(at) = new.to_lowercase().find(&words.to_lowercase()) {
                self.read += at + words.len();
                return self;
            }
            let past_ms = self.clock.now().boot_ms - begun_ms;
            assert!(past_ms < PATIENCE_MS, "{words:?} was never said; the last was:\n{new}");
            // What is written wakes the one who waits; time alone, only to lose patience.
            let written = self.paper.written.clone();
            self.clock.within(Duration::from_secs(600), written.notified()).await;
        }
    }

    fn heard(&self, words: &str) -> bool {
        self.paper.text().to_lowercase().contains(&words.to_lowercase())
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_approved_switched_watched_and_released() {
    let mut talk = fly("happy");
    talk.until("REHEARSAL happy (seed 1)").await;
    talk.until("NEXT: Go or no-go: stage production").await;
    talk.until("1 approve (arm first), 2 reject, 3 defer").await;
    talk.say("card").await.until("restore drill").await.until("finding 1. new: ").await;
    // The same points as on the screen, numbered for ears.
    talk.until("layer 1. code: proven by code.gitleaks/gitleaks").await;
    talk.until("layer 8. data: not looked at").await.until("way back:").await;
    talk.say("policy too strict").await.until("gonogo policy r-").await;
    talk.say("approve looks good").await.until("type arm first").await;
    talk.say("arm").await.until("ARMED").await.until("1 approve, 2 reject").await;
    talk.say("1").await.until("GO: type a comment").await;
    talk.say("looks good").await.until("mira says GO").await.until("looks good").await;

    // The switch: it counts down, and any line stops it.
    talk.until("NEXT: GREEN is ready").await.until("1 switch").await;
    talk.say("switch")
        .await
        .until("Switch the traffic to GREEN?")
        .await
        .until("version=green")
        .await;
    talk.say("y").await.until("switching to GREEN in 3 s").await;
    talk.say("").await.until("cancelled: nothing was switched").await;
    talk.say("switch blue").await.until("BLUE serves already").await;
    talk.say("1").await.until("version=green").await.say("y").await;
    talk.until("2 s\n")
        .await
        .until("1 s\n")
        .await
        .until("switch BLUE → GREEN ordered by mira")
        .await;

    // The way back is priced all the time.
    talk.until("WAY BACK: ROLLBACK NOW: BLUE warm").await.until("DB restore").await;
    talk.say("rollback").await.until("Roll back to BLUE?").await.until("target 2 min").await;
    talk.say("no").await.until("left: nothing was asked").await;
    talk.say("pods").await.until("GREEN serves:").await.until("pods ready, seen").await;
    talk.say("levels").await.until("limits: errors 1.00 %").await;
    talk.until("of 300 s good").await.until("GREEN serves: released").await;
    talk.until("DEBRIEF of rehearsal happy").await.until("gate waited").await;
    talk.until("NEXT: released, GREEN serves").await;
    talk.say("timeline 3").await.until("the last 3 of").await;
    talk.say("quit").await;
    let end = talk.talking.await.expect("no panic").expect("written");
    assert_eq!(Exit::of_result(&end.release), Exit::Released);
}

#[tokio::test(start_paused = true)]
async fn rollback_and_y_roll_back_unarmed_and_lines_on_their_way_are_not_meant_f60() {
    let mut talk = fly("happy");
    talk.until("NEXT: Go or no-go").await;
    talk.say("rollback").await.until("nothing was switched").await;
    talk.say("arm").await.say("approve fine").await.until("NEXT: GREEN is ready").await;
    talk.say("switch").await.until("any other line leaves").await.say("y").await;
    talk.until("traffic is on GREEN").await.until("ROLLBACK NOW").await;

    // Disarmed again: the way back needs no arming. A line that came too early is not an answer.
    talk.say("disarm").await.until("disarmed").await;
    let before = talk.lines;
    let call = "sends: kubectl -n production patch service backend";
    talk.say("rollback").await.until(call).await.until("y rolls back at once").await;
    talk.say("y").await.until("ROLLBACK to BLUE by mira").await;
    assert_eq!(talk.lines - before, 2);
    talk.until("traffic is BACK on BLUE").await.until("proven").await.until("ROLLED BACK").await;
    talk.until("the traffic is back on BLUE, by mira, before any rule had seen it").await;
    talk.say("switch").await.until("switch is not possible").await;
}

#[tokio::test(start_paused = true)]
async fn f60_a_pasted_block_answers_no_question() {
    let mut talk = fly("happy");
    talk.until("NEXT: Go or no-go").await.say("arm").await.until("1 approve").await;
    talk.say("restore").await.at_once("1").await.at_once("shop").await;
    talk.until("answer it again").await.until("answer it again").await;
    talk.clock.sleep(LISTENS).await;
    assert!(!talk.heard("type shop to go on"));
    talk.say("1").await.until("type shop to go on").await;
    talk.say("sho").await.until("that is not the word").await;
    talk.say("cancel").await.until("left: nothing was asked").await;
    talk.clock.sleep(LISTENS).await;
    talk.seen.catch_up();
    assert!(talk.seen.snapshot().release.restore.is_none(), "{}", talk.paper.text());
}

#[tokio::test(start_paused = true)]
async fn a_restore_wants_its_word_typed() {
    let mut talk = fly("happy");
    talk.until("NEXT: Go or no-go").await;
    talk.say("restore").await.until("type arm first").await;
    talk.say("arm").await.until("ARMED").await.say("approve ok").await.until("1 switch").await;
    talk.say("switch").await.until("any other line leaves").await.say("y").await;
    talk.until("traffic is on GREEN").await.until("2 restore").await;
    talk.say("2").await.until("1 backup_").await.until("type its number").await;
    talk.say("1").await.until("restore aside and compare →").await.until("type shop").await;
    talk.say("shop").await.until("restore: recorded").await.until("phase 5 of 5 done").await;
    talk.until("undo restore").await;
    talk.say("reject").await.until("reject is not possible: mira chose approve").await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_build_is_held_with_its_reason_and_refusals_say_why() {
    let mut talk = fly("broken-build");
    talk.until("code.mocha-backend FAILED").await.until("    | ").await;
    talk.until("NEXT: HELD").await.until("1 retry").await;
    talk.say("override because").await.until("cannot be overridden").await;
    talk.say("approve").await.until("no gate is open").await;
    talk.say("log mocha").await.until("AssertionError: expected 201").await;
    talk.say("retry").await.until("any other line leaves").await;
    talk.say("y").await.until("retry: recorded").await;
    talk.say("abort").await.until("type the reason").await;
    talk.say("").await.until("a reason is needed").await;
    talk.say("not today").await.until("ABORTED").await;
    talk.until("found").await.until("before anything was switched").await;
    talk.say("nonsense").await.until("there is no word \"nonsense\"").await;
    talk.say("9").await.until("there is no choice 9").await;
    talk.say("?").await.until("approve COMMENT: vote go").await;
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_cancels_a_count_down_and_then_leaves_and_so_does_the_end_of_input_f54() {
    let mut talk = fly("happy");
    talk.until("NEXT: Go or no-go").await;
    talk.say("arm").await.say("approve ok").await.until("1 switch").await;
    talk.say("switch").await.until("any other line leaves").await.say("y").await;
    talk.until("switching to GREEN in 3 s").await;
    talk.send(Typed::Interrupt).await;
    talk.until("cancelled: nothing was switched").await;
    talk.seen.catch_up();
    let moved = |record: &gonogo::release::Record| {
        matches!(record.event, Event::TrafficSwitched { way: Way::Forward, .. })
    };
    assert!(!talk.seen.snapshot().records.iter().any(|record| moved(record)));
    talk.typed = None;
    let end = talk.talking.await.expect("no panic").expect("written");
    assert!(end.release.result.is_none());
}
