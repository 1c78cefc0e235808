//! How quick gonogo is. Every figure stands beside a peer or a floor that was measured in the
//! same run, in turns with it: machines and loads differ, ratios hold.
//!
//! `cargo run --release -p gonogo-bench [-- NAME…]`

mod journal;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

type Outcome<T> = Result<T, Box<dyn Error>>;

type Bench = fn() -> Outcome<Vec<Row>>;

/// Every bench by its name. A new one is a file and a line here.
const BENCHES: [(&str, Bench); 1] = [("journal", journal::run)];

/// One line of the table. Both figures have the same unit and less is better.
struct Row {
    name: &'static str,
    ours: f64,
    floor: f64,
    unit: &'static str,
    /// What the floor is.
    beside: &'static str,
    /// The most that ours may be, as a multiple of the floor.
    goal: f64,
}

impl Row {
    fn is_ok(&self) -> bool {
        self.ours <= self.goal * self.floor
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { name, ours, floor, unit, beside, goal } = self;
        let (ratio, ok) = (ours / floor, if self.is_ok() { "ok" } else { "MISSED" });
        let floor = format!("{floor:.3} {unit} ({beside})");
        let ours = format!("{ours:.3} {unit}");
        writeln!(out, "{name:38} {ours:>12} {floor:>40} {ratio:>8.3} {goal:>8.3}  {ok}")
    }
}

fn main() -> Outcome<ExitCode> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let kept = run(&names, &mut io::stdout().lock())?;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the benches of these names, or all; answers whether every goal was kept.
fn run(names: &[String], out: &mut impl Write) -> Outcome<bool> {
    let known = |name: &String| BENCHES.iter().any(|(known, _)| known == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        return Err(format!("there is no bench {name}").into());
    }
    writeln!(out, "{:38} {:>12} {:>40} {:>8} {:>8}", "name", "ours", "floor", "ratio", "goal")?;
    let mut kept = true;
    for (name, bench) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            for row in bench()? {
                row.write(out)?;
                kept &= row.is_ok();
            }
        }
    }
    Ok(kept)
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

fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(Duration, T)> {
    #[expect(clippy::disallowed_methods, reason = "a stopwatch")]
    let begun = Instant::now();
    let done = work()?;
    Ok((begun.elapsed(), done))
}
