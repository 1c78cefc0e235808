//! What a step costs beyond the command itself: `true` under the shim beside `true` alone, with a
//! small and with a large process as the one that starts it.
//!
//! `cargo bench --bench shell`

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;

use gonogo::world::Clock;
use gonogo::world::shell::{Shell, StepSpec};

const ROUNDS: usize = 50;
const LARGE_BYTES: usize = 1024 * 1024 * 1024;

#[tokio::main]
async fn main() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let shell = Shell::new(PathBuf::from(env!("CARGO_BIN_EXE_gonogo")), Clock::live());
    let mut out = io::stdout().lock();
    let mut ballast = Vec::new();
    for size in ["small", "1 GiB"] {
        if size != "small" {
            ballast.resize(LARGE_BYTES, 1_u8);
        }
        let (mut bare, mut step) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let begun = now();
            #[expect(clippy::disallowed_methods, reason = "the peer is a process")]
            let mut command = Command::new("/bin/true");
            assert!(command.status()?.success());
            bare.push(now() - begun);
            let spec = StepSpec::new(
                dir.path().join(format!("{size}-{round}")),
                dir.path(),
                vec!["/bin/true".into()],
            );
            let begun = now();
            let mut running = shell.start(spec).await.map_err(io::Error::other)?;
            assert!(running.wait().await.map_err(io::Error::other)?.is_zero());
            step.push(now() - begun);
        }
        let (bare, step) = (median(bare), median(step));
        writeln!(out, "{size:6} process: bare {bare:.2} ms, step {step:.2} ms")?;
    }
    std::hint::black_box(&ballast);
    Ok(())
}

fn now() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanos = i32::try_from(time.tv_nsec).unwrap_or(0);
    let seconds = i32::try_from(time.tv_sec).unwrap_or(0);
    f64::from(seconds) * 1e3 + f64::from(nanos) / 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
