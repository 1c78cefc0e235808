//! Hands: keys, palette, mouse, clipboard, bell; and the screens that are lists.

use std::collections::BTreeSet;

use clap::Parser as _;
use crossterm::event::{MouseButton, MouseEventKind};
use gonogo::cli::asked;
use gonogo::config::args::Args;
use gonogo::release::{Ask, BackupId, Clean, Slot};
use gonogo::tui::{Action, Cockpit, Keymap};

use super::fly;

/// One of each; a new one does not compile until it stands here.
fn every_ask() -> Vec<Ask> {
    let comment = Clean::new("why");
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
    };
    let numbers: BTreeSet<usize> = all.iter().map(number).collect();
    assert_eq!(numbers.len(), 10, "each stands here once");
    all
}

/// How it is asked from a shell.
fn command_line(ask: &Ask) -> Vec<String> {
    let words: Vec<String> = match ask {
        Ask::UndoRestore => vec!["restore".into(), "--undo".into()],
        Ask::Restore { backup } => vec!["restore".into(), backup.to_string()],
        Ask::Switch { to } => vec!["switch".into(), to.label().into()],
        Ask::Retry => vec!["retry".into()],
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
        let (_, from_shell) = asked(args.command.expect("a subcommand")).expect("it asks");
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
    cockpit.until("GO OR NO-GO? production").await.expect("reports").expect("critical");
    let text = cockpit.text();
    assert!(!text.contains("no report has been read"), "{text}");
    cockpit.press("/").type_text("severity:nonesuch").press("enter").expect("none matches");
    cockpit.press("esc").expect_no("none matches").press("gt");
    cockpit.press("F").type_text("kind:gate_opened").press("enter").expect("only kind:gate_opened");
    cockpit.expect("✔ chain of").expect_no("REHEARSAL happy (seed 1): release");
    cockpit.press("esc").press("/").type_text("go or no-go").press("enter").press("t");
    cockpit.expect("ago").press("y").expect("clipboard");
    assert!(cockpit.copied().is_some_and(|text| text.contains("go or no-go?")));
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
