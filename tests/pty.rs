//! The cockpit on a real pseudo terminal: what it takes over it gives back, whatever happens to it
//! (F52, F54, F59). Nothing sleeps: every step waits for something to be so.

#[expect(dead_code, reason = "the tool for the pictures uses the rest of it")]
pub(crate) mod term;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gonogo::tui::{Depth, FirstFrame, Theme};
use rustix::process::{Pid, Signal, kill_process};
use term::{Program, Term};

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a home of its own.
struct Desk {
    home: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a directory") }
    }

    fn program(&self, bin: &Path, args: &[&str]) -> Program {
        let home = self.home.path().display();
        let env = [
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("HOME", home.to_string()),
            ("GONOGO_STATE_DIR", format!("{home}/state")),
            ("GONOGO_CONFIG_DIR", format!("{home}/config")),
        ];
        Program {
            bin: bin.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            folder: self.home.path().to_owned(),
        }
    }

    /// A rehearsal at its beginning, which stands still.
    fn rehearse(&self, size: (u16, u16)) -> (Term, String) {
        let gonogo = Path::new(env!("CARGO_BIN_EXE_gonogo"));
        let args = ["rehearse", "happy", "--speed", "0", "--as", "mira"];
        let term = Term::spawn(&self.program(gonogo, &args), size).expect("a terminal");
        // A terminal starts as every terminal does; what the program makes of it comes later.
        let before = settings_of_a_new_terminal(self);
        term.wait_text("REHEARSAL happy", PATIENCE).expect("a first frame");
        (term, before)
    }
}

/// What a terminal that nothing has touched is set to.
fn settings_of_a_new_terminal(desk: &Desk) -> String {
    let program = desk.program(Path::new("/bin/true"), &[]);
    let mut term = Term::spawn(&program, (80, 24)).expect("a terminal");
    term.finish().expect("an end");
    term.settings()
}

#[track_caller]
fn is_given_back(term: &Term, before: &str) {
    term.wait("the ordinary screen", PATIENCE, |screen| !screen.alternate_screen())
        .unwrap_or_else(|error| panic!("{error}"));
    term.screen(|screen| {
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "paste is still bracketed");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    });
    assert_eq!(term.settings(), before, "the terminal's settings");
}

fn send(term: &Term, signal: Signal) {
    let number = term.pid().and_then(|pid| i32::try_from(pid).ok());
    let pid = number.and_then(Pid::from_raw).expect("a process");
    kill_process(pid, signal).expect("sent");
}

#[test]
fn f52_it_takes_the_terminal_and_gives_it_back() {
    let desk = Desk::new();
    let (mut term, before) = desk.rehearse((100, 30));
    term.screen(|screen| {
        assert!(screen.alternate_screen() && screen.hide_cursor() && screen.bracketed_paste());
    });
    assert_ne!(term.settings(), before, "raw mode");
    term.send("?").expect("typed");
    term.wait_text("esc closes", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    term.send("\x1b").expect("typed");
    let closed = |screen: &vt100::Screen| !screen.contents().contains("esc closes");
    term.wait("the screen below", PATIENCE, closed).unwrap_or_else(|error| panic!("{error}"));
    term.send("\x03\x03").expect("typed");
    term.finish().expect("an end");
    is_given_back(&term, &before);
    term.wait_text("left before its end", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn f52_every_signal_to_end_gives_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let desk = Desk::new();
        let (mut term, before) = desk.rehearse((80, 24));
        send(&term, signal);
        term.finish().expect("an end");
        is_given_back(&term, &before);
    }
}

#[test]
fn f54_a_terminal_that_hangs_up_ends_the_cockpit() {
    // Again and again, because it depends on which thread hears of it first.
    for _ in 0..10 {
        let desk = Desk::new();
        let (term, _) = desk.rehearse((80, 24));
        // The wait for its end is the test: a program that reads a dead terminal never ends.
        term.hang_up().expect("an end");
    }
}

#[test]
fn f59_the_first_key_after_another_size_is_not_lost() {
    let desk = Desk::new();
    let (mut term, before) = desk.rehearse((120, 36));
    for (size, key) in [((90, 24), 'Z'), ((150, 40), 'V'), ((70, 20), 'Z'), ((200, 50), 'V')] {
        term.resize(size).expect("another size");
        let last = usize::from(size.0) - 1;
        let edge = |screen: &vt100::Screen| {
            screen.rows(0, size.0).any(|row| row.chars().nth(last).is_some_and(|c| c == '┐'))
        };
        term.wait("a frame of that size", PATIENCE, edge).unwrap_or_else(|why| panic!("{why}"));
        term.send(&key.to_string()).expect("typed");
        let says = format!("{key} does nothing");
        term.wait_text(&says, PATIENCE).unwrap_or_else(|why| panic!("{why}"));
    }
    send(&term, Signal::TERM);
    term.finish().expect("an end");
    is_given_back(&term, &before);
}

#[test]
fn f59_it_follows_every_size_also_the_smallest() {
    let desk = Desk::new();
    let (mut term, before) = desk.rehearse((120, 36));
    let storm = (1..=40_u16).map(|n| (n * 37 % 190 + 1, n * 17 % 60 + 1));
    for size in storm.chain([(1, 1)]) {
        term.resize(size).expect("another size");
    }
    term.resize((200, 50)).expect("another size");
    term.wait("a frame of 200 columns", PATIENCE, |screen| {
        let contents = screen.contents();
        contents.contains("REHEARSAL happy") && contents.contains("usually")
    })
    .unwrap_or_else(|error| panic!("{error}"));
    send(&term, Signal::TERM);
    term.finish().expect("an end");
    is_given_back(&term, &before);
}

#[test]
fn f60_a_paste_reaches_forms_as_text_and_keys_as_nothing() {
    let desk = Desk::new();
    let (mut term, _) = desk.rehearse((100, 30));
    term.send("\x1b[200~q\x1b[201~").expect("pasted");
    term.send("/").expect("typed");
    // Typed again until the form listens: it is deaf for a moment after it opened.
    term.wait_text("enter finds", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    let mut seen = false;
    for _ in 0..200 {
        term.send("\x1b[200~needle\x1b[201~").expect("pasted");
        let soon = Duration::from_millis(50);
        if term.wait_text("needle", soon).is_ok() {
            seen = true;
            break;
        }
    }
    assert!(seen, "what was pasted is not in the form:\n{}", term.text());
    send(&term, Signal::TERM);
    term.finish().expect("an end");
}

#[test]
fn keys_that_come_in_one_go_wait_for_nothing_between_them() {
    // As many as come over a slow line at once. Each of them waiting for the thread that reads to
    // look up would take them beyond all patience.
    const KEYS: usize = 900;
    let desk = Desk::new();
    let (mut term, _) = desk.rehearse((100, 30));
    term.send(&format!("{}V", "Z".repeat(KEYS))).expect("typed");
    term.wait_text("V does nothing", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    term.send("\x03\x03").expect("typed");
    term.finish().expect("an end");
}

#[test]
fn f52_reset_repairs_a_terminal_whose_cockpit_was_killed() {
    let desk = Desk::new();
    let gonogo = PathBuf::from(env!("CARGO_BIN_EXE_gonogo"));
    // One shell on one terminal: a cockpit that is killed, then the repair.
    let script = format!(
        "'{0}' rehearse happy --speed 0; echo KILLED; read line; '{0}' reset; echo REPAIRED",
        gonogo.display()
    );
    let program = desk.program(Path::new("/bin/sh"), &["-c", &script]);
    let before = settings_of_a_new_terminal(&desk);
    let mut term = Term::spawn(&program, (80, 24)).expect("a terminal");
    term.wait_text("REHEARSAL happy", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    let shell = term.pid().expect("a process");
    let cockpit = child_of(shell).expect("the cockpit");
    kill_process(cockpit, Signal::KILL).expect("sent");
    term.wait_text("KILLED", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    assert!(term.screen(vt100::Screen::alternate_screen), "nobody repaired it yet");
    // Raw mode is still on, so the line ends as the key sends it; both are sent.
    term.send("\r\n").expect("typed");
    term.finish().expect("an end");
    is_given_back(&term, &before);
}

/// What the next test runs on a terminal: a cockpit that has just opened, and a fault of ours.
#[test]
#[ignore = "a part of another test, which starts it on a terminal: cargo test f52_a_panic"]
fn panic_on_a_terminal() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _within = runtime.enter();
    let theme = Theme::shipped("dark", Depth::True, false).expect("shipped");
    let first = FirstFrame { rehearsal: None, what: "opening".to_owned() };
    let _opened = gonogo::tui::open(&theme, &first, None).expect("a terminal");
    panic!("a fault of ours");
}

#[test]
fn f52_a_panic_gives_the_terminal_back_and_is_read_on_the_ordinary_screen() {
    let desk = Desk::new();
    let this = std::env::current_exe().expect("a path");
    let test = ["--ignored", "--exact", "pty::panic_on_a_terminal", "--nocapture"];
    let before = settings_of_a_new_terminal(&desk);
    let mut term = Term::spawn(&desk.program(&this, &test), (100, 30)).expect("a terminal");
    term.finish().expect("an end");
    term.wait_text("a fault of ours", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    is_given_back(&term, &before);
    term.wait_text("test result: FAILED", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    assert!(!term.text().contains("opening"), "what was drawn is not left behind");
}

#[test]
fn the_mouse_chooses_a_row_and_can_be_given_to_the_terminal() {
    let desk = Desk::new();
    let (mut term, before) = desk.rehearse((120, 36));
    let taken = |on: bool| {
        move |screen: &vt100::Screen| {
            (screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None) == on
        }
    };
    term.wait("the mouse", PATIENCE, taken(true)).unwrap_or_else(|error| panic!("{error}"));
    term.wait_text("11 Cleanup", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    let row = |screen: &vt100::Screen| {
        screen.rows(0, 60).position(|row| row.contains("11 Cleanup")).expect("the last stage")
    };
    // Places are counted from 1 on the wire.
    let row = term.screen(row) + 1;
    term.send(&format!("\x1b[<0;12;{row}M\x1b[<0;12;{row}m")).expect("clicked");
    term.wait_text("Old ReplicaSets", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    term.send("m").expect("typed");
    term.wait("no mouse", PATIENCE, taken(false)).unwrap_or_else(|error| panic!("{error}"));
    send(&term, Signal::TERM);
    term.finish().expect("an end");
    is_given_back(&term, &before);
}

/// The first child of a process.
fn child_of(parent: u32) -> Option<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let first = children.ok()?.split_whitespace().next()?.parse().ok()?;
    Pid::from_raw(first)
}
