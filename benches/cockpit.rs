//! The cockpit on a real terminal of 200 by 50, attached over a socket to an engine in another
//! process: 10,000 pods, and while it is loaded a new picture of them 30 times a second, 100,000
//! log lines a second and 100,000 findings that were read. Two ratatui programs stand beside it,
//! under the same load and in turns with it:
//!
//! - the *bare* one has one line on an empty screen. It is what a key costs when there is nothing
//!   to show: the way through the terminal, and ratatui's look at ten thousand empty cells.
//! - the *full* one fills the same screen with text that lies ready, by ratatui's quickest call,
//!   and its line over that. It is the floor of the job that the cockpit has, which shows a full
//!   screen too: nothing is computed, nothing formatted, and both change the same single cell for
//!   a key. So this is the one that the cockpit can be held to; how far it is from the bare one,
//!   which has no job, is the older and harder goal, and is judged beside it.
//!
//! This program is all of them: the one that measures, and by a word of its own the engine, the
//! cockpit, the bare program and the full one.

mod cluster;
mod far;
pub(crate) mod k9s;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitCode, Stdio};
use std::time::Duration;

use ratatui::style::Style;
use ratatui::widgets::Paragraph;

#[path = "../tests/pty/term.rs"]
#[expect(dead_code, reason = "the tests and the tool for the pictures use the rest of it")]
mod term;

use super::{Goal, Outcome, Row, median, now, on_path, pause, peer, skipped};
use term::{Program, Term};

use far::FINDINGS;
pub(crate) use far::{COCKPIT, ENGINE, cockpit, engine};

/// The word that makes this program the bare one.
pub(crate) const HELLO: &str = "hello-keys";
/// The word that makes this program the full one.
pub(crate) const FULL: &str = "hello-screen";
const SIZE: (u16, u16) = (200, 50);
const KEYS: usize = 300;
const EVENTS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(10);
/// The two keys that mean nothing and are told apart in what is said of them.
const PRESSED: [char; 2] = ['Z', 'V'];

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let home = tempfile::tempdir()?;
    let mut engine = Engine::start(home.path(), None)?;
    let socket = engine.socket.display().to_string();
    let mut cockpit = Seat::take(&[COCKPIT, &socket], home.path(), "5000/5000")?;
    let mut bare = Seat::take(&[HELLO], home.path(), "nothing")?;
    let mut full = Seat::take(&[FULL], home.path(), "nothing")?;

    let seen = events(&mut engine, &mut cockpit)?;
    let idle_pct = idle_pct(&[cockpit.pid()?])?;
    let quiet = in_turns([&mut cockpit, &mut bare, &mut full])?;
    engine.say("load")?;
    let rss = {
        in_turns([&mut cockpit, &mut bare, &mut full])?;
        rss_mib(&[cockpit.pid()?])?
    };
    // Those of a report of 84 MB stay in memory once they were looked at.
    cockpit.term.send("gf")?;
    cockpit.term.wait_text(&format!("1 of {FINDINGS}"), PATIENCE)?;
    let of_findings = in_turns([&mut cockpit, &mut bare, &mut full])?;
    cockpit.term.send("gr")?;
    cockpit.term.wait_text("5000/5000", PATIENCE)?;
    let loaded = in_turns([&mut cockpit, &mut bare, &mut full])?;
    let rss_of_all = rss_mib(&[cockpit.pid()?])?;
    engine.say("quiet")?;

    let row = |name, ours, floor, beside, goal| Row { name, ours, floor, unit: "ms", beside, goal };
    let (empty, screen) = ("a bare ratatui program", "ratatui, a full screen of ready text");
    let itself = |name, ours, floor, unit| Row {
        name,
        ours,
        floor,
        unit,
        beside: "the goal itself",
        goal: Goal::AtMost(1.0),
    };
    let [(p50, p99), (bare_p50, bare_p99), (full_p50, _)] = loaded.map(percentiles);
    let [(quiet_p50, _), (bare_quiet_p50, _), (full_quiet_p50, _)] = quiet.map(percentiles);
    let [(list_p50, list_p99), (_, bare_list_p99), (full_list_p50, _)] =
        of_findings.map(percentiles);
    Ok(vec![
        row("key to frame: quiet, p50", quiet_p50, bare_quiet_p50, empty, Goal::None),
        row("key to frame: quiet, p50", quiet_p50, full_quiet_p50, screen, Goal::AtMost(1.3)),
        row("key to frame: loaded, p50", p50, bare_p50, empty, Goal::AtMost(1.3)),
        row("key to frame: loaded, p50", p50, full_p50, screen, Goal::AtMost(1.3)),
        row("key to frame: loaded, p99", p99, bare_p99, empty, Goal::AtMost(1.5)),
        row(
            "key in 100,000 findings: loaded, p50",
            list_p50,
            full_list_p50,
            screen,
            Goal::AtMost(1.3),
        ),
        row(
            "key in 100,000 findings: loaded, p99",
            list_p99,
            bare_list_p99,
            empty,
            Goal::AtMost(1.5),
        ),
        itself("pod event to painted, p50", median(seen), 35.0, "ms"),
        itself("attached, 10,000 pods, loaded: RSS", rss, 50.0, "MiB"),
        Row {
            goal: Goal::None,
            ..itself("the same and 100,000 findings: RSS", rss_of_all, 50.0, "MiB")
        },
        itself("attached, 10,000 pods, idle: CPU", idle_pct, 1.0, "%"),
    ])
}

/// A program on its terminal, and where it shows which key it took.
struct Seat {
    term: Term,
    at: (u16, u16),
}

impl Seat {
    fn take(args: &[&str], home: &Path, ready: &str) -> Outcome<Self> {
        let env = [
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("HOME", home.display().to_string()),
        ];
        let program = Program {
            bin: std::env::current_exe()?,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            folder: home.to_owned(),
        };
        let mut term = Term::spawn(&program, SIZE)?;
        term.wait_text(ready, PATIENCE)?;
        let [first, other] = PRESSED;
        let said = format!("{first} does nothing");
        term.send(&first.to_string())?;
        term.wait_text(&said, PATIENCE)?;
        let at = term.screen(|screen| find(screen, &said)).ok_or("the key is nowhere")?;
        term.send(&other.to_string())?;
        let shown = |screen: &vt100::Screen| shows(screen, at, other);
        term.wait("the other key", PATIENCE, shown)?;
        Ok(Self { term, at })
    }

    /// Milliseconds from a key to the frame that shows it.
    fn key(&mut self, key: char) -> Outcome<f64> {
        let at = self.at;
        let begun = now();
        self.term.send(&key.to_string())?;
        self.term.wait("the key", PATIENCE, |screen| shows(screen, at, key))?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }

    fn pid(&self) -> Outcome<u32> {
        Ok(self.term.pid().ok_or("it has ended")?)
    }
}

fn proc(pid: u32, name: &str) -> Outcome<String> {
    Ok(std::fs::read_to_string(format!("/proc/{pid}/{name}"))?)
}

/// What these processes hold of the memory, together.
fn rss_mib(pids: &[u32]) -> Outcome<f64> {
    let mut kib = 0.0;
    for pid in pids {
        let status = proc(*pid, "status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let own = line.and_then(|line| line.split_whitespace().next());
        kib += own.ok_or("no VmRSS")?.parse::<f64>()?;
    }
    Ok(kib / 1024.0)
}

/// Per cent of one processor that these processes take while nothing happens.
fn idle_pct(pids: &[u32]) -> Outcome<f64> {
    let ticks = || -> Outcome<f64> {
        let mut ticks = 0.0;
        for pid in pids {
            let stat = proc(*pid, "stat")?;
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split(' ').collect();
            // utime and stime, the 14th and 15th field, behind the name.
            for field in [12, 13] {
                ticks += fields.get(field).ok_or("stat")?.parse::<f64>()?;
            }
        }
        Ok(ticks)
    };
    let before = ticks()?;
    pause(IDLE);
    // A tick is a hundredth of a second.
    Ok((ticks()? - before) / IDLE.as_secs_f64())
}

fn find(screen: &vt100::Screen, words: &str) -> Option<(u16, u16)> {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).enumerate().find_map(|(row, text)| {
        let before = text.find(words)?;
        let column = text[..before].chars().count();
        Some((u16::try_from(row).ok()?, u16::try_from(column).ok()?))
    })
}

fn shows(screen: &vt100::Screen, (row, column): (u16, u16), key: char) -> bool {
    screen.cell(row, column).is_some_and(|cell| cell.contents() == key.to_string())
}

/// Keys on all, in turns and at odd moments; milliseconds of each.
fn in_turns(mut seats: [&mut Seat; 3]) -> Outcome<[Vec<f64>; 3]> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut taken: [Vec<f64>; 3] = Default::default();
    for press in 0..KEYS {
        let key = PRESSED[press % 2];
        for (seat, taken) in seats.iter_mut().zip(&mut taken) {
            pause(Duration::from_millis(random.u64(10..40)));
            taken.push(seat.key(key)?);
        }
    }
    Ok(taken)
}

fn percentiles(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[all.len() * 99 / 100])
}

/// Milliseconds from a change of one pod, said to the engine, to the frame that shows it.
fn events(engine: &mut Engine, cockpit: &mut Seat) -> Outcome<Vec<f64>> {
    let mut random = fastrand::Rng::with_seed(12);
    let mut taken = Vec::new();
    for event in 0..EVENTS {
        pause(Duration::from_millis(random.u64(100..200)));
        let name = format!("seen{event:03}");
        let begun = now();
        engine.say(&format!("pod {name}"))?;
        cockpit.term.wait_text(&name, PATIENCE)?;
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(taken)
}

/// The engine in its process.
struct Engine {
    child: Child,
    words: ChildStdin,
    socket: PathBuf,
}

impl Engine {
    /// With pods of its own, or with those of the cluster of a kubeconfig.
    fn start(home: &Path, kubeconfig: Option<&Path>) -> Outcome<Self> {
        let socket = home.join("run/engine.sock");
        let mut command = peer(std::env::current_exe()?);
        command.arg(ENGINE).arg(&socket).arg(home.join("steps")).args(kubeconfig);
        command.stdin(Stdio::piped());
        let mut child = command.spawn()?;
        let words = child.stdin.take().ok_or("no pipe")?;
        let begun = now();
        while !socket.exists() {
            if begun.elapsed() > PATIENCE {
                return Err("the engine does not listen".into());
            }
            pause(Duration::from_millis(5));
        }
        Ok(Self { child, words, socket })
    }

    fn say(&mut self, word: &str) -> Outcome<()> {
        writeln!(self.words, "{word}")?;
        Ok(self.words.flush()?)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line that says which key was pressed last: what any ratatui program has to do for a key. Over
/// a screen of ready text, or over nothing.
pub(crate) fn hello(full: bool) -> ExitCode {
    let drawn = || -> Outcome<()> {
        let mut terminal = super::start::bare_terminal()?;
        let mut said = "press a key, nothing else happens".to_owned();
        let text: Vec<String> = (1..SIZE.1)
            .map(|row| format!("{row:>3} {}", "the quick brown fox jumps over it ".repeat(6)))
            .filter(|_| full)
            .collect();
        loop {
            terminal.draw(|frame| {
                if full {
                    let buf = frame.buffer_mut();
                    for (row, line) in (1..).zip(&text) {
                        buf.set_stringn(0, row, line, usize::from(SIZE.0), Style::new());
                    }
                    buf.set_stringn(0, 0, &said, usize::from(SIZE.0), Style::new());
                } else {
                    frame.render_widget(Paragraph::new(&*said), frame.area());
                }
            })?;
            if let crossterm::event::Event::Key(key) = crossterm::event::read()? {
                said = format!("{} does nothing here", key.code);
            }
        }
    };
    if drawn().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
