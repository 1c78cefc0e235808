//! A real release on a real terminal whose engine is lost: the cockpit stays, says so, and comes
//! back by itself (F55). What it hands to the terminal besides the screen is looked at too.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bench::Bench;
use crate::pty::term::{Program, Term, Timeout};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn must(seen: Result<(), Timeout>) {
    seen.unwrap_or_else(|error| panic!("{error}"));
}

/// The cockpit of `arguments` on a terminal.
pub(super) fn cockpit(bench: &Bench, arguments: &[&str], size: (u16, u16)) -> Term {
    let at = |name: &str| bench.path(name).display().to_string();
    let env = [
        ("TERM", "xterm-256color".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HOME", at("home")),
        ("GONOGO_STATE_DIR", at("state")),
        ("GONOGO_CONFIG_DIR", at("config")),
    ];
    let program = Program {
        bin: Path::new(env!("CARGO_BIN_EXE_gonogo")).to_owned(),
        args: arguments.iter().map(|word| (*word).to_owned()).collect(),
        env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        folder: bench.repository(),
    };
    Term::spawn(&program, size).expect("a terminal")
}

#[tokio::test]
async fn f55_a_cockpit_outlives_its_engine_and_goes_on_with_the_next() {
    let bench = Bench::new().await;
    let mut term = cockpit(&bench, &["run"], (120, 36));
    let id = bench.release().await;
    must(term.wait_text("GO OR NO-GO?", PATIENCE));
    // Who looks elsewhere is called: a bell, and why.
    must(term.wait_sent("\x07\x1b]9;", PATIENCE));

    bench.kill(bench.an_engine(&id).await).await;
    must(term.wait_text("LINK LOST", PATIENCE));
    let back = bench.start(&["attach", "--plain", &id]);
    back.prints("epoch 2").await;
    let live = |screen: &vt100::Screen| !screen.contents().contains("LINK LOST");
    must(term.wait("the link", PATIENCE, live));

    // The exact words of the vote go to the terminal's clipboard.
    term.send("!").expect("typed");
    must(term.wait_text("ARMED", PATIENCE));
    term.send("a").expect("typed");
    must(term.wait_text("g GO", PATIENCE));
    // A form is deaf for a moment after it opened.
    for (key, then) in [("g", "gonogo approve"), ("\x19", "\x1b]52;c;")] {
        for _ in 0..600 {
            term.send(key).expect("typed");
            if term.wait_sent(then, Duration::from_millis(100)).is_ok() {
                break;
            }
        }
    }
    let sent = term.sent();
    let copied = sent.split("\x1b]52;c;").nth(1).and_then(|rest| rest.split('\x07').next());
    let copied = STANDARD.decode(copied.expect("something was copied")).expect("base64");
    let copied = String::from_utf8(copied).expect("text");
    assert!(copied.starts_with(&format!("gonogo approve {id}")), "{copied}");
    term.send("\x1b").expect("typed");

    bench.gonogo(&["approve", &id]).await.must(0, &["says GO"]);
    must(term.wait_text("RELEASED", PATIENCE));
    back.ends().await.must(0, &["RELEASED"]);
    term.send("q").expect("typed");
    term.finish().expect("an end");
    bench.gonogo(&["verify", &id]).await.must(0, &["epoch 2"]);
    bench.nobody_is_left().await;
}
