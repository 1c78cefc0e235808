//! The door: the step shim first, because it must stay small; then arguments, a command, an exit.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use color_eyre::eyre::Report;
use gonogo::cli;
use gonogo::config::args::{Args, Sub};
use gonogo::config::{self, Paths};
use gonogo::error::Exit;
use gonogo::release::Via;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "step-shim") {
        return gonogo::world::shell::shim_main();
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let usage = error.use_stderr();
            // Nothing better can be done where even this cannot be printed.
            let _ = error.print();
            return if usage { Exit::Usage.into() } else { Exit::Released.into() };
        }
    };
    match run(args) {
        Ok(exit) => exit.into(),
        Err(report) => {
            let exit = Exit::of_error(&report);
            let _ = writeln!(std::io::stderr(), "error: {report:#}");
            if let Some(hint) = exit.hint() {
                let _ = writeln!(std::io::stderr(), "help: {hint}");
            }
            exit.into()
        }
    }
}

fn run(args: Args) -> Result<Exit, Report> {
    let mut out = std::io::stdout().lock();
    match args.command {
        Some(Sub::Rehearse(rehearse)) => {
            let paths = Paths::of_user()?;
            if rehearse.list {
                let all = config::scenarios(rehearse.scenarios.as_deref())?;
                return cli::list(&mut out, &all);
            }
            paths.prepare()?;
            let by = config::principal(Via::Cockpit)?;
            let rehearsal = config::rehearsal(&rehearse, &paths)?;
            let output = if rehearse.json { cli::Output::Json } else { cli::Output::Lines };
            let _ = std::io::stdout().is_terminal();
            cli::rehearse(rehearsal, &paths, &by, output, &mut out)
        }
        _ => Ok(Exit::Usage),
    }
}
