//! Hands: keys, palette, mouse, clipboard, bell; and the screens that are lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Parser as _;
use crossterm::event::{MouseButton, MouseEventKind};
use gonogo::cli::asked;
use gonogo::config::args::{Args, Sub};
use gonogo::engine::handle::Handle;
use gonogo::release::finding::waiver::Waiver;
use gonogo::release::{Ask, BackupId, Clean, Person, Policy, Release, ReleaseId, Severity, Slot};
use gonogo::tui::{Action, Cockpit, Keymap, Library, Opening, PolicyReading, Row, Shelf, Standing};
use gonogo::world::Clock;

use super::{fly, fly_with};

fn waiver() -> Waiver {
    let owner = Person::new("mira").expect("a name");
    let until = "2026-12-31".parse().expect("a day");
    Waiver { rule: Some("CVE-2023-*".into()), ..Waiver::new("why".into(), owner, until) }
}

/// The shipped policy with a stricter gate.
fn changed() -> Policy {
    let layers = gonogo::config::policy().expect("shipped");
    let mut policy = gonogo::config::read_policy(&layers).expect("a policy");
    policy.findings.limits.all.insert(Severity::Medium, 1);
    policy
}

/// One of each; a new one does not compile until it stands here.
fn every_ask() -> Vec<Ask> {
    let comment = Clean::new("why");
    let why = comment.clone();
    let backup = BackupId::new("backup_20261123_022600.dump").expect("an id");
    let all = vec![
        Ask::Approve { comment: comment.clone() },
        Ask::Reject { comment: comment.clone() },
        Ask::Defer { comment: comment.clone() },
        Ask::Retry,
        Ask::Override { comment: comment.clone() },
        Ask::Abort { comment: comment.clone() },
        Ask::Switch { to: Slot::Green },
        Ask::RollBack { comment },
        Ask::Restore { backup },
        Ask::UndoRestore,
        Ask::Waive { waiver: Box::new(waiver()) },
        Ask::ChangePolicy { policy: Box::new(changed()), from: Clean::new("a file"), comment: why },
    ];
    let number = |ask: &Ask| match ask {
        Ask::Approve { .. } => 0,
        Ask::Reject { .. } => 1,
        Ask::Defer { .. } => 2,
        Ask::Retry => 3,
        Ask::Override { .. } => 4,
        Ask::Abort { .. } => 5,
        Ask::Switch { .. } => 6,
        Ask::RollBack { .. } => 7,
        Ask::Restore { .. } => 8,
        Ask::UndoRestore => 9,
        Ask::Waive { .. } => 10,
        Ask::ChangePolicy { .. } => 11,
    };
    let numbers: BTreeSet<usize> = all.iter().map(number).collect();
    assert_eq!(numbers.len(), 12, "each stands here once");
    all
}

/// How it is asked from a shell.
fn command_line(ask: &Ask) -> Vec<String> {
    let words: Vec<String> = match ask {
        Ask::UndoRestore => vec!["restore".into(), "--undo".into()],
        Ask::Restore { backup } => vec!["restore".into(), backup.to_string()],
        Ask::Switch { to } => vec!["switch".into(), to.label().into()],
        Ask::Retry => vec!["retry".into()],
        Ask::Waive { .. } => {
            ["waive", "--rule", "CVE-2023-*", "--reason", "why", "--owner", "mira"]
                .into_iter()
                .chain(["--until", "2026-12-31"])
                .map(str::to_owned)
                .collect()
        }
        other => vec![other.word().into(), "--comment".into(), "why".into()],
    };
    std::iter::once("gonogo".to_owned()).chain(words).collect()
}

#[test]
fn every_ask_has_a_key_and_a_subcommand_that_asks_just_this() {
    let keymap = Keymap::shipped();
    for ask in every_ask() {
        let action = Action::of_ask(ask.word()).unwrap_or_else(|| panic!("no key for {ask:?}"));
        assert!(!keymap.key_of(action).is_empty(), "{ask:?}");
        let args = Args::try_parse_from(command_line(&ask)).expect("a subcommand");
        let command = args.command.expect("a subcommand");
        if let Ask::ChangePolicy { .. } = ask {
            // What it asks stands in this machine's files; `run::` asks it of a real release.
            assert!(matches!(command, Sub::Policy(args) if args.comment == "why"));
            continue;
        }
        let (_, from_shell) = asked(command).expect("it asks");
        assert_eq!(from_shell, ask);
    }
}

fn open_palette(cockpit: &mut Cockpit, words: &str) {
    cockpit.press(":").press("ctrl-u").type_text(words);
}

#[tokio::test(start_paused = true)]
async fn every_ask_is_found_in_the_palette_with_why_not_now() {
    let mut flight = fly("happy", (120, 36));
    let cockpit = &mut flight.cockpit;
    cockpit.until("REHEARSAL happy").await;
    let keymap = Keymap::shipped();
    for ask in every_ask() {
        let action = Action::of_ask(ask.word()).expect("a key");
        let line = keymap.bindings().iter().find(|binding| binding.action == action);
        open_palette(cockpit, action.name());
        cockpit.expect(&line.expect("bound").desc).press("esc");
    }
    open_palette(cockpit, "rb");
    cockpit.expect("roll back").expect("nothing was switched").press("esc");
    // From the palette the same question opens as from the key.
    open_palette(cockpit, "abort");
    cockpit.press("enter").expect("Abort r-").press("esc");
}

#[tokio::test(start_paused = true)]
async fn a_sequence_that_stops_is_helped_on() {
    let mut flight = fly("happy", (80, 24));
    let cockpit = &mut flight.cockpit;
    cockpit.until("REHEARSAL happy").await.press("g").expect_no("own log");
    cockpit.linger(std::time::Duration::from_millis(400)).expect("own log").expect("timeline");
    cockpit.press("t").expect("Timeline").expect_no("own log").press("?").expect("go to");
    cockpit.press("esc").press("gl").expect("no way to the other releases").press("gr");
}

#[tokio::test(start_paused = true)]
async fn findings_are_filtered_opened_and_lead_to_the_log_of_their_step() {
    let mut flight = fly("happy", (80, 24));
    let cockpit = &mut flight.cockpit;
    cockpit.until("REHEARSAL happy").await.press("gf").expect("no report has been read yet");
    cockpit.until("looked at").await.expect("0 critical").expect("reports of later steps");
    cockpit.expect_no("no report has been read");
    cockpit.press("/").type_text("severity:nonesuch").press("enter").expect("none matches");
    cockpit.press("esc").expect_no("none matches").press("gt");
    cockpit.press("F").type_text("kind:step_ended").press("enter").expect("only kind:step_ended");
    cockpit.expect("✔ chain of").expect_no("REHEARSAL happy (seed 1): release");
    cockpit.press("esc").press("F").type_text("by:mira !kind:step").press("enter");
    cockpit.expect("only by:mira").expect("(seed 1): release r-1123.1").expect_no(": clean,");
    cockpit.press("esc").press("/").type_text("started by mira").press("enter").press("t");
    cockpit.expect("ago").press("y").expect("clipboard");
    assert!(cockpit.copied().is_some_and(|text| text.contains("started by mira")));
}

#[tokio::test(start_paused = true)]
async fn the_mouse_looks_and_scrolls_and_never_changes_the_world() {
    let mut flight = fly("happy", (120, 36));
    let cockpit = &mut flight.cockpit;
    cockpit.until("GO OR NO-GO? production").await.press("a").press("!").press("g");
    cockpit.press("enter").until("READY TO SWITCH").await;
    let before = cockpit.snapshot().records.len();
    cockpit.press("S").expect("Switch the traffic");
    let click = MouseEventKind::Down(MouseButton::Left);
    for row in 0..36 {
        for column in (0..120).step_by(7) {
            cockpit.mouse(click, column, row).mouse(click, column, row);
        }
    }
    cockpit.expect("Switch the traffic").press("ctrl-y").expect("clipboard");
    let call = cockpit.copied().expect("copied").to_owned();
    assert!(call.contains("kubectl -n production patch service"), "{call}");
    assert!(call.contains("\"version\":\"green\""), "{call}");
    cockpit.press("esc");
    for row in 0..36 {
        cockpit.mouse(click, 60, row).mouse(MouseEventKind::ScrollUp, 60, row);
    }
    assert_eq!(cockpit.snapshot().records.len(), before, "nothing was asked");
    // A click gives the keys to the pane under it, a double click opens.
    cockpit.press("esc").press("esc").mouse(click, 5, 6).mouse(click, 5, 6).press("m");
    cockpit.expect("select text");
}

#[tokio::test(start_paused = true)]
async fn it_rings_once_for_what_needs_somebody_and_not_for_the_past() {
    let mut flight = fly("broken-build", (80, 24));
    let cockpit = &mut flight.cockpit;
    cockpit.until("HELD").await;
    let rung =
        |cockpit: &Cockpit| cockpit.rung().iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = rung(cockpit);
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(first[0].contains("HELD"), "{first:?}");
    cockpit.press("gt").press("gr").press("ctrl-l");
    assert_eq!(rung(cockpit), first);
}

/// Two releases of the past, the older of which cannot be opened.
#[derive(Debug)]
struct Past;

impl Library for Past {
    fn list(&self) -> Result<Shelf, Clean> {
        let row = |id: &str, standing| Row {
            id: ReleaseId::new(id).expect("an id"),
            standing,
            revision: Clean::new("3f9c2e1"),
            branch: Clean::new("main"),
            environment: Clean::new("production"),
            by: Clean::new("mira"),
            driver: Clean::default(),
            started: None,
            took_ms: Some(61_000),
            result: Clean::new("released"),
            rehearsal: false,
        };
        let rows = vec![row("r-9", Standing::Released), row("r-8", Standing::Ended)];
        Ok(Shelf { rows, locks: vec![Clean::new("production is held by r-10 (sam)")] })
    }

    fn read(&self, id: &ReleaseId) -> Result<Release, Clean> {
        Ok(Release::new(id.clone()))
    }

    fn open(&self, id: ReleaseId) -> Opening {
        Box::pin(async move {
            if id.as_str() == "r-8" {
                return Err(Clean::new("failed to read r-8: it is gone"));
            }
            Ok(Handle::past(id, [], Clock::live(), "nowhere".into()))
        })
    }

    fn policy(&self, release: Release) -> PolicyReading {
        Box::pin(async move {
            let mut policy = release.policy().ok_or_else(|| Clean::new("no start"))?.clone();
            policy.findings = changed().findings;
            Ok((policy, Clean::new("policy.yaml of this test")))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_policy_is_shown_asked_and_asks_everybody_anew() {
    let mut flight = fly_with("happy", (80, 24), Some(Arc::new(Past)));
    let cockpit = &mut flight.cockpit;
    cockpit.until("GO OR NO-GO? production").await;
    let before = cockpit.snapshot().release.gate.clone().expect("a gate");
    cockpit.press("P").expect("needs an armed session").press("!").press("P");
    cockpit.until("Judge by the changed policy").await.expect("from policy.yaml of this test");
    cockpit.expect("stricter findings.limits.all.medium: no limit → 1");
    cockpit.expect("waits for a reason");
    cockpit.press("enter").expect("a reason is needed").type_text("one is enough");
    cockpit.expect("judges by it").press("ctrl-y").expect("clipboard");
    let call = cockpit.copied().expect("copied").to_owned();
    assert!(call.ends_with("--comment 'one is enough'") && call.contains("gonogo policy r-"));
    cockpit.press("enter").until("policy: recorded").await;
    let records = |cockpit: &Cockpit| cockpit.snapshot().records.clone();
    let told = records(cockpit).iter().any(|record| record.event.kind() == "policy_changed");
    assert!(told, "it is on record");
    cockpit.until("GO OR NO-GO? production").await.press("ga").expect("Go or no-go");
    let after = cockpit.snapshot().release.gate.clone().expect("a gate again");
    assert!(after.digest != before.digest && after.changed > before.changed);
    let said = after.card.policy.first().expect("the card says it").to_string();
    assert!(said.contains("changed the findings gates") && said.contains("one is enough"));
}

#[tokio::test(start_paused = true)]
async fn releases_are_listed_compared_and_opened_and_the_way_home_is_there() {
    let mut flight = fly_with("happy", (120, 36), Some(Arc::new(Past)));
    let cockpit = &mut flight.cockpit;
    cockpit.until("REHEARSAL happy").await.press("gl").until("r-9").await;
    cockpit.expect("held by r-10 (sam)").expect("✔ released").expect("1:01").expect("mira");
    cockpit.press("d").expect("mark two releases");
    cockpit.press("space").press("j").press("space").press("d").until("r-9 beside r-8").await;
    cockpit.expect("revision").expect("no report").press("esc").expect_no("beside");
    cockpit.press("enter").until("it is gone").await.expect("Releases");
    cockpit.press("k").press("enter").until("│ r-9").await.expect_no("REHEARSAL");
    // The past takes no orders.
    cockpit.press("X").expect("has not started yet").press("gl").until("r-9").await;
    cockpit.press("/").type_text("state:ended").expect_no("r-9 ").expect("r-8").press("enter");
    cockpit.press("q");
    assert!(cockpit.has_left());
}

#[tokio::test(start_paused = true)]
async fn without_a_release_the_cockpit_begins_with_the_list() {
    let none = ReleaseId::new("none").expect("an id");
    let handle = Handle::past(none, [], Clock::live(), "nowhere".into());
    let mut settings = super::settings(super::principal("mira"), Clock::live());
    settings.library = Some(Arc::new(Past));
    let mut cockpit = Cockpit::new(handle, settings, (80, 24));
    cockpit.until("r-9").await.expect("no release is shown").expect_no("NEXT");
    for (columns, rows) in [(60, 16), (59, 15), (20, 3), (1, 1), (300, 100)] {
        cockpit.resize(columns, rows);
    }
    cockpit.press("enter").until("│ r-9").await;
}
