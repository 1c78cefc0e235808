//! `--plain`: a release in lines, with somebody who types.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Stdin};

use color_eyre::eyre::{Report, WrapErr as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine::handle::Handle;
use crate::report::End;
use crate::report::plain::{PlainSettings, Typed, converse};

/// Lines that may wait to be read.
const LINES: usize = 16;
/// The longest line that is taken; the rest of a longer one is dropped.
const LINE_BYTES_MAX: u64 = 4096;

/// Whether somebody can answer: otherwise lines are printed and nothing is asked.
pub(super) fn can_be_asked() -> bool {
    std::io::stdin().is_terminal()
}

/// Holds the conversation on standard input and output until the person leaves.
pub(super) async fn talk(handle: Handle, settings: PlainSettings) -> Result<End, Report> {
    let typed = keyboard().wrap_err("failed to read the terminal")?;
    let mut out = std::io::stdout();
    converse(handle, typed, &mut out, settings).await.wrap_err("failed to print")
}

/// Lines of standard input, read on a thread of their own, and Ctrl-C.
fn keyboard() -> std::io::Result<mpsc::Receiver<Typed>> {
    let (sender, typed) = mpsc::channel(LINES);
    let interrupts = sender.downgrade();
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        while interrupted.recv().await.is_some() {
            let Some(sender) = interrupts.upgrade() else { return };
            if sender.send(Typed::Interrupt).await.is_err() {
                return;
            }
        }
    });
    let read = move || {
        let stdin = std::io::stdin();
        while let Some(line) = line(&stdin) {
            if sender.blocking_send(Typed::Line(line)).is_err() {
                return;
            }
        }
    };
    // It ends with the input or with the process: a terminal that is read cannot be waited for.
    std::thread::Builder::new().name("lines".to_owned()).spawn(read)?;
    Ok(typed)
}

/// The next line without its end; none when the input has ended.
fn line(stdin: &Stdin) -> Option<String> {
    let mut input = stdin.lock();
    let mut bytes = Vec::new();
    let count = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes).ok()?;
    if count == 0 {
        return None;
    }
    if bytes.last() != Some(&b'\n') {
        input.skip_until(b'\n').ok()?;
    }
    Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())
}
