//! How quick gonogo is. Every figure stands beside a peer or a floor that was measured in the
//! same run, in turns with it: machines and loads differ, ratios hold.
//!
//! `cargo bench [-- NAME…]`, where a name is one of: logpipe, journal, dag, step, start,
//! cockpit, k9s, findings.

mod cockpit;
mod dag;
mod findings;
mod journal;
mod logpipe;
mod start;
mod step;

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

const ROUNDS: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

type Bench = fn() -> Outcome<Vec<Row>>;

/// Every bench by its name. A new one is a file and a line here.
const BENCHES: [(&str, Bench); 8] = [
    ("start", start::run),
    ("logpipe", logpipe::run),
    ("journal", journal::run),
    ("dag", dag::run),
    ("step", step::run),
    ("cockpit", cockpit::run),
    ("k9s", cockpit::k9s::run),
    ("findings", findings::run),
];

/// One line of the table.
struct Row {
    name: &'static str,
    ours: f64,
    floor: f64,
    unit: &'static str,
    /// What the floor is.
    beside: &'static str,
    /// What `ours / floor` has to be.
    goal: Goal,
}

#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// For comparison only.
    None,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.floor
    }

    fn is_kept(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.ratio() <= most,
            Goal::AtLeast(least) => self.ratio() >= least,
            Goal::None => true,
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { name, ours, floor, unit, beside, goal } = self;
        let (goal, ok) = match goal {
            Goal::AtMost(most) => (format!("<= {most}"), self.is_kept()),
            Goal::AtLeast(least) => (format!(">= {least}"), self.is_kept()),
            Goal::None => (String::new(), true),
        };
        let ok = match (ok, goal.is_empty()) {
            (_, true) => "",
            (true, _) => "ok",
            (false, _) => "MISSED",
        };
        let ours = format!("{ours:.2} {unit}");
        let beside = format!("{floor:.2} {unit}: {beside}");
        let ratio = self.ratio();
        write_line(out, name, &ours, &beside, &format!("{ratio:.3}"), &goal, ok)
    }
}

fn write_line(
    out: &mut impl Write,
    name: &str,
    ours: &str,
    beside: &str,
    ratio: &str,
    goal: &str,
    ok: &str,
) -> io::Result<()> {
    writeln!(out, "| {name:36} | {ours:>19} | {beside:52} | {ratio:>7} | {goal:9} | {ok:6} |")
}

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    // It is also the peers and the far ends of what it measures.
    match asked.first().map(String::as_str) {
        Some(start::HELLO) => return start::hello(),
        Some(cockpit::HELLO) => return cockpit::hello(false),
        Some(cockpit::FULL) => return cockpit::hello(true),
        Some(cockpit::ENGINE) => return cockpit::engine(&asked[1..]),
        Some(cockpit::COCKPIT) => return cockpit::cockpit(&asked[1..]),
        _ => {}
    }
    if let [word, path] = asked.as_slice()
        && word == findings::PEAK
    {
        return match findings::peak(path) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "failed to read {path}: {error}");
                ExitCode::from(2)
            }
        };
    }
    // cargo says `--bench` of its own.
    let names: Vec<String> = asked.into_iter().filter(|word| !word.starts_with('-')).collect();
    match run(&names, &mut io::stdout().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is gone too.
            let _ = writeln!(io::stderr(), "failed to measure: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the benches of these names, or all; answers how many goals were missed.
fn run(names: &[String], out: &mut impl Write) -> Outcome<usize> {
    let known = |name: &String| BENCHES.iter().any(|(known, _)| known == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        return Err(format!("there is no bench {name}").into());
    }
    write_line(out, "what", "gonogo", "peer or floor, in the same run", "ratio", "goal", "")?;
    let rule = "---";
    writeln!(out, "|{rule}|{rule}:|{rule}|{rule}:|{rule}|{rule}|")?;
    let (mut kept, mut missed) = (0, 0);
    for (name, bench) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            for row in bench().map_err(|error| format!("{name}: {error}"))? {
                row.write(out)?;
                match (row.goal, row.is_kept()) {
                    (Goal::None, _) => {}
                    (_, true) => kept += 1,
                    (_, false) => missed += 1,
                }
            }
        }
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    writeln!(out, "\n{kept} goals kept, {missed} MISSED; load average {}", load.join(" "))?;
    Ok(missed)
}

/// The medians of ours and of the floor over the rounds, measured in turns.
fn in_turns(
    mut ours: impl FnMut() -> Outcome<Duration>,
    mut floor: impl FnMut() -> Outcome<Duration>,
) -> Outcome<(f64, f64)> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        a.push(ours()?.as_secs_f64());
        b.push(floor()?.as_secs_f64());
    }
    Ok((median(a), median(b)))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn mean(all: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let count = all.len() as f64;
    all.iter().sum::<f64>() / count
}

/// Another program, which is measured or which helps with it.
#[expect(clippy::disallowed_methods, reason = "peers are processes")]
fn peer(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Where a program is that is called by its name alone.
#[expect(clippy::disallowed_methods, reason = "peers are looked for as a shell does")]
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Says that a peer is missing, and how to bring it.
fn skipped(bench: &str, what: &str, how: &str) {
    let _ = writeln!(io::stderr(), "{bench}: not measured beside {what}, which is missing: {how}");
}

/// Seconds of processor time of `who`.
fn spent_s(who: UsageWho) -> io::Result<f64> {
    let usage = getrusage(who)?;
    let time = usage.user_time() + usage.system_time();
    let micros = u32::try_from(time.tv_usec()).unwrap_or(0);
    let seconds = u32::try_from(time.tv_sec()).unwrap_or(0);
    Ok(f64::from(seconds) + f64::from(micros) / 1e6)
}

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    let begun = now();
    let done = work()?;
    Ok((begun.elapsed(), done))
}

#[expect(clippy::disallowed_methods, reason = "keys come at odd moments, as from a hand")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn now() -> Instant {
    Instant::now()
}
