//! The door: the step shim first, because it must stay small; then arguments, a command, an exit.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use gonogo::cli;
use gonogo::config::args::Args;
use gonogo::error::{Exit, Failure};

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "step-shim") {
        return gonogo::world::shell::shim_main();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nothing better can be done where even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Released }.into();
        }
    };
    match cli::dispatch(args) {
        Ok(exit) => exit.into(),
        Err(report) => {
            let exit = Exit::of_error(&report);
            let failure = report.downcast_ref::<Failure>();
            let hint = failure.map_or_else(|| exit.hint(), Failure::advice);
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "error: {report:#}");
            if let Some(hint) = hint {
                let _ = writeln!(stderr, "help: {hint}");
            }
            exit.into()
        }
    }
}
