//! From the start of the program to its first output, and to its first frame, on a terminal of
//! 120 by 36; beside a bare ratatui program, which is this one started with a word of its own.
//!
//! Both are measured as an installation leaves them, copied: what the linker wrote piece by piece
//! lies in as small pieces in the page cache, and a start then measures the faults of the build.

use std::io::{Read as _, Stdout, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::backend::CrosstermBackend;
use ratatui::widgets::Paragraph;

use super::{Goal, Outcome, Row, median};

/// The word that makes this program the bare one.
pub(crate) const HELLO: &str = "hello-ratatui";
const STARTS: usize = 15;
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let home = tempfile::tempdir()?;
    let installed = |program: &Path, name: &str| -> Outcome<PathBuf> {
        let copy = home.path().join(name);
        std::fs::copy(program, &copy)?;
        Ok(copy)
    };
    let this = installed(&std::env::current_exe()?, "bare")?;
    let gonogo = installed(Path::new(env!("CARGO_BIN_EXE_gonogo")), "gonogo")?;
    let mut taken: [Vec<f64>; 5] = Default::default();
    for _ in 0..STARTS {
        let hello = until(&this, &[HELLO], home.path(), "hello")?;
        let rehearse = until(&gonogo, &["rehearse", "happy"], home.path(), "REHEARSAL")?;
        let version = until(&gonogo, &["--version"], home.path(), "gonogo")?;
        taken[0].push(hello.0);
        taken[1].push(hello.1);
        taken[2].push(rehearse.0);
        taken[3].push(rehearse.1);
        taken[4].push(version.0);
    }
    let [hello, hello_frame, rehearse, frame, version] = taken.map(median);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let size = std::fs::metadata(&gonogo)?.len() as f64 / MIB;
    let row = |name, ours, floor, beside, goal| Row { name, ours, floor, unit: "ms", beside, goal };
    let bare = "a bare ratatui program";
    let twice = Goal::AtMost(2.0);
    Ok(vec![
        row("start: `gonogo --version`", version, hello, bare, twice),
        row("start: `rehearse` to first output", rehearse, hello, bare, twice),
        row("start: `rehearse` to first frame", frame, hello_frame, bare, twice),
        Row {
            name: "size: release binary, stripped",
            ours: size,
            floor: 25.0,
            unit: "MiB",
            beside: "the goal itself",
            goal: Goal::AtMost(1.0),
        },
    ])
}

/// A terminal as any ratatui program takes it.
pub(crate) fn bare_terminal() -> Outcome<ratatui::Terminal<CrosstermBackend<Stdout>>> {
    crossterm::terminal::enable_raw_mode()?;
    let mut out = std::io::stdout();
    crossterm::execute!(out, crossterm::terminal::EnterAlternateScreen)?;
    Ok(ratatui::Terminal::new(CrosstermBackend::new(out))?)
}

/// One frame and a key: what any ratatui program has to do.
pub(crate) fn hello() -> ExitCode {
    let drawn = || -> Outcome<()> {
        let mut terminal = bare_terminal()?;
        terminal.draw(|frame| frame.render_widget(Paragraph::new("hello"), frame.area()))?;
        crossterm::event::read()?;
        Ok(())
    };
    if drawn().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Milliseconds from the start to the first byte, and to a word of the first frame.
fn until(program: &Path, args: &[&str], home: &Path, word: &str) -> Outcome<(f64, f64)> {
    let size = PtySize { rows: 36, cols: 120, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).map_err(|error| error.to_string())?;
    let mut command = CommandBuilder::new(program);
    command.args(args);
    command.env("HOME", home);
    command.env("TERM", "xterm-256color");
    for name in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "NO_COLOR"] {
        command.env_remove(name);
    }
    let mut reader = pair.master.try_clone_reader().map_err(|error| error.to_string())?;
    let mut keys = pair.master.take_writer().map_err(|error| error.to_string())?;
    let begun = super::now();
    let spawned = pair.slave.spawn_command(command);
    let mut child = spawned.map_err(|error| error.to_string())?;
    drop(pair.slave);
    let (mut first, mut found) = (None, Duration::ZERO);
    let (mut seen, mut buffer) = (Vec::new(), vec![0; 65536]);
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        found = begun.elapsed();
        first.get_or_insert(found);
        seen.extend_from_slice(&buffer[..read]);
        if memchr::memmem::find(&seen, word.as_bytes()).is_some() {
            break;
        }
    }
    let _ = keys.write_all(b"q").and_then(|()| keys.flush());
    child.kill()?;
    child.wait()?;
    if memchr::memmem::find(&seen, word.as_bytes()).is_none() {
        return Err(format!("{} never showed {word}", program.display()).into());
    }
    Ok((first.unwrap_or_default().as_secs_f64() * 1e3, found.as_secs_f64() * 1e3))
}
