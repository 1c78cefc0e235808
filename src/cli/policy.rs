//! `gonogo policy`: brings this machine's changed policy into a release that runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Report, WrapErr as _};

use super::reach::Local;
use super::{ask, records};
use crate::config::{self, Running};
use crate::engine::Job;
use crate::error::{Exit, Failure};
use crate::release::{Ask, Clean, Policy, Release, ReleaseId};
use crate::world::shell::{Shell, clean_env};
use crate::world::workspace::Workspace;

/// What was asked of which release.
pub(super) struct Wanted {
    pub(super) release: Option<ReleaseId>,
    /// The file that stands in for this machine's own.
    pub(super) file: Option<PathBuf>,
    pub(super) comment: Clean,
}

/// Reads the policy as it is now, and asks the engine to judge by it.
pub(super) async fn change(
    local: &Local,
    wanted: Wanted,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    let Wanted { release, file, comment } = wanted;
    let make = async |snapshot: &crate::engine::handle::Snapshot| {
        let (policy, from) = read(local, &snapshot.release, file.as_deref()).await?;
        Ok(Ask::ChangePolicy { policy: Box::new(policy), from, comment })
    };
    ask::ask(local, release, make, out).await
}

/// The policy by which a running release would be judged if it started now, and where that came
/// from.
pub(super) async fn read(
    local: &Local,
    release: &Release,
    file: Option<&Path>,
) -> Result<(Policy, Clean), Report> {
    let nothing = || Failure::new(Exit::Refused, "the release has not started yet");
    let start = release.start.as_deref().ok_or_else(nothing)?;
    let library = local.library();
    let (job, serving) = if start.rehearsal.is_some() {
        (None, None)
    } else {
        let job = Job::read(&library.folder(&release.id)).wrap_err("failed to find its policy")?;
        let before = start.baseline.as_ref().map(|id| records::read(&library, Some(id.as_str())));
        let before = before.transpose()?.and_then(|found| found.release.start);
        (Some(job), before.map(|start| start.revision.clone()))
    };
    let shell = Shell::new(local.exe.clone(), local.clock.clone());
    let git = Workspace::new(shell, clean_env(config::environment(), []));
    let running = Running {
        start,
        repository: job.as_ref().map(|job| job.repository.as_path()),
        serving: serving.as_ref(),
        file,
        paths: &local.paths,
        git: &git,
    };
    let read = config::policy_now(&running).await;
    Ok(read.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?)
}
