//! What a step costs beyond the command itself: `true` under the shim beside `true` in a session
//! of its own, with a small and with a large process as the one that starts it.

use std::path::{Path, PathBuf};

use gonogo::world::Clock;
use gonogo::world::shell::{Shell, StepSpec};
use nix::sys::resource::UsageWho;
use tokio::runtime::Runtime;

use super::{Goal, Outcome, ROUNDS, Row, mean, median, peer, spent_s, timed};

const STEPS: usize = 30;
const LARGE_BYTES: usize = 1024 * 1024 * 1024;

/// Milliseconds, a figure a step.
#[derive(Default)]
struct Costs {
    start: Vec<f64>,
    whole: Vec<f64>,
    cpu: Vec<f64>,
    bare: Vec<f64>,
    bare_cpu: Vec<f64>,
}

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut small, mut large) = (Costs::default(), Costs::default());
    for round in 0..ROUNDS {
        let dir = dir.path().join(round.to_string());
        small.measure(&dir.join("small"), &runtime)?;
        let ballast = vec![1_u8; LARGE_BYTES];
        large.measure(&dir.join("large"), &runtime)?;
        std::hint::black_box(&ballast);
    }
    let row = |name, ours, floor, beside, goal| Row { name, ours, floor, unit: "ms", beside, goal };
    let flat = Goal::AtMost(1.3);
    let setsid = "`setsid --wait true`";
    let (cpu, bare_cpu) = (mean(&small.cpu), mean(&small.bare_cpu));
    let [start, whole, bare] = small.medians();
    let [start_large, whole_large, bare_large] = large.medians();
    Ok(vec![
        row("step: start to end, small process", whole, bare, setsid, Goal::None),
        row("step: start to end, 1 GiB process", whole_large, bare_large, setsid, Goal::None),
        row("step: start, 1 GiB process", start_large, start, "small process", flat),
        row("step: CPU over `setsid`", cpu - bare_cpu, 0.2, "the goal itself", Goal::AtMost(1.0)),
    ])
}

impl Costs {
    fn medians(self) -> [f64; 3] {
        [self.start, self.whole, self.bare].map(median)
    }

    fn measure(&mut self, dir: &Path, runtime: &Runtime) -> Outcome<()> {
        let shell = Shell::new(PathBuf::from(env!("CARGO_BIN_EXE_gonogo")), Clock::live());
        for step in 0..STEPS {
            let before = spent_ms()?;
            self.bare.push(bare()?);
            let between = spent_ms()?;
            let at = dir.join(step.to_string());
            std::fs::create_dir_all(&at)?;
            let spec = StepSpec::new(at.join("step"), at, vec!["/bin/true".into()]);
            let (took, started) = timed(|| runtime.block_on(step_through(&shell, spec)))?;
            self.whole.push(took.as_secs_f64() * 1e3);
            self.start.push(started);
            self.bare_cpu.push(between - before);
            self.cpu.push(spent_ms()? - between);
        }
        Ok(())
    }
}

/// Milliseconds of a command in a session of its own, without us.
fn bare() -> Outcome<f64> {
    let (took, ()) = timed(|| {
        let status = peer("setsid").args(["--wait", "/bin/true"]).status()?;
        if status.success() { Ok(()) } else { Err("setsid failed".into()) }
    })?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Runs a step to its end; milliseconds until it had started.
async fn step_through(shell: &Shell, spec: StepSpec) -> Outcome<f64> {
    let begun = super::now();
    let mut running = shell.start(spec).await?;
    let started = begun.elapsed();
    if !running.wait().await?.is_zero() {
        return Err("true failed".into());
    }
    Ok(started.as_secs_f64() * 1e3)
}

/// Milliseconds of processor time of this process, and of its children that have been waited for.
fn spent_ms() -> Outcome<f64> {
    let (own, children) = (UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN);
    Ok((spent_s(own)? + spent_s(children)?) * 1e3)
}
