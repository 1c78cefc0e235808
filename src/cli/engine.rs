//! `gonogo engine`: the process that drives one release.

use std::path::{Path, PathBuf};

use color_eyre::eyre::{Report, WrapErr as _};

use crate::engine::{drive, forget_last_words, leave_last_words};
use crate::error::{Exit, Failure};
use crate::release::Clean;
use crate::world::shell::become_session_leader;

/// Drives the release in `folder` to its end.
pub(super) fn engine(folder: &Path, exe: PathBuf, build: Clean) -> Result<Exit, Report> {
    become_session_leader().wrap_err("failed to get a session of its own")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .wrap_err("failed to start the runtime")?;
    forget_last_words(folder)?;
    match runtime.block_on(drive(folder, exe, build)) {
        Ok(release) => Ok(Exit::of_result(&release)),
        // Whoever started this one too finds the other: there is nothing to tell them.
        Err(error) if error.is_driven_already() => {
            Err(Failure::new(Exit::Refused, error.to_string()).into())
        }
        Err(error) => {
            // Whoever started it reads why it is gone.
            leave_last_words(folder, &Clean::new(&error.to_string()))?;
            Err(error.into())
        }
    }
}
