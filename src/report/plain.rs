//! The plain mode: the same release in numbered lines, for ears, bad lines and simple terminals.
//! Nothing is painted over: what happens is said as it happens, then what is needed, then the
//! choices. It asks by the same rules as the cockpit: arming, confirmations, count-down.
//!
//! ```text
//! 88. 02:42:37Z gate: go or no-go? gate of stage production open, BLUE → GREEN, …
//! NEXT: Go or no-go: stage production, BLUE → GREEN, 0 of 1 approval, until 03:42:37Z
//! CHOOSE: 1 approve (arm first), 2 reject, 3 defer, 4 abort; card, arm, status; ? help
//! ```

mod desk;
mod look;
mod typed;

use std::io;

use tokio::sync::mpsc;

use super::ends::End;
use super::line::{LineSettings, fold};
use super::summary::write_lines;
use crate::engine::handle::{Clock, Handle};
use crate::release::{Clean, Principal};
use desk::Desk;

/// How a plain conversation is held.
#[derive(Clone, Debug)]
pub struct PlainSettings {
    /// In whose name it asks.
    pub principal: Principal,
    /// Whether the session may be armed; one that may not still rolls back.
    pub can_arm: bool,
    /// The database's name: what is typed before a restore; empty is the release's id.
    pub database: String,
    /// The operator's own time: never scaled, also in a rehearsal.
    pub clock: Clock,
    /// Whether only ASCII may be written.
    pub ascii: bool,
    pub lines: LineSettings,
}

/// What comes from the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C.
    Interrupt,
}

/// Holds the conversation until the person leaves, their input ends, or the engine does. Leaving
/// changes nothing. Fails when `out` cannot be written.
pub async fn converse<W: io::Write>(
    handle: Handle,
    mut typed: mpsc::Receiver<Typed>,
    out: &mut W,
    settings: PlainSettings,
) -> io::Result<End> {
    let (clock, ascii, columns) = (settings.clock.clone(), settings.ascii, settings.lines.columns);
    let mut desk = Desk::new(handle, settings);
    loop {
        desk.catch_up(clock.now().boot_ms);
        let said = desk.take_said();
        if !said.is_empty() {
            let said: Vec<Clean> = if ascii { said.iter().map(in_ascii).collect() } else { said };
            write_lines(out, &fold(&said, columns))?;
        }
        if desk.has_left() {
            return Ok(End::of(desk.snapshot()));
        }
        let due_ms = desk.due_ms();
        tokio::select! {
            biased;
            line = typed.recv() => match line {
                Some(Typed::Line(text)) => desk.line(&text, clock.now().boot_ms),
                Some(Typed::Interrupt) => desk.interrupt(),
                None => desk.leave(),
            },
            () = desk.changed() => {}
            () = clock.sleep_until(due_ms) => {}
        }
    }
}

/// What gonogo itself draws, in letters that every terminal has.
fn in_ascii(line: &Clean) -> Clean {
    let mut text = String::with_capacity(line.as_str().len());
    for c in line.as_str().chars() {
        match c {
            '→' => text.push_str("->"),
            '·' => text.push(','),
            '…' => text.push_str("..."),
            c if c.is_ascii() => text.push(c),
            _ => text.push('?'), // tidy: text of others, whatever it holds
        }
    }
    Clean::from(text)
}
