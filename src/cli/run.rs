//! `gonogo run`, `gonogo attach`: a release of a repository, followed from a terminal or a pipe.

use std::io::Write;
use std::path::Path;

use color_eyre::eyre::{Report, WrapErr as _};

use super::reach::Local;
use crate::config::args::Run;
use crate::config::{self, Ready};
use crate::engine::handle::Handle;
use crate::engine::handle::socket::Wants;
use crate::engine::{Job, forget_last_words};
use crate::error::{Exit, Failure};
use crate::journal::Wanted;
use crate::release::ReleaseId;
use crate::report::line::LineSettings;
use crate::report::{json, line};
use crate::world::disk;
use crate::world::shell::Shell;
use crate::world::shell::clean_env;
use crate::world::workspace::Workspace;

/// How a release is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    Lines,
    Json,
    /// Not at all: it goes on by itself.
    Detached,
}

/// Starts a release of the repository at `repository`; the caller follows it.
pub(super) async fn start(
    local: &Local,
    args: &Run,
    repository: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    attended: bool,
) -> Result<ReleaseId, Report> {
    let env = clean_env(env, []);
    let shell = Shell::new(local.exe.clone(), local.clock.clone());
    let git = Workspace::new(shell, env.clone());
    let ready = config::run(args, repository, &local.paths, &git, attended).await;
    let Ready { repository, mut start, machine } =
        ready.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let library = local.library();
    library
        .environment_is_free(&start.environment)
        .map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
    start.latches = library.latches(&start.environment, false)?;
    start.passed_before = library.passed_gates(&Wanted {
        revision: start.revision.clone(),
        plan_digest: start.plan_digest.clone(),
        policy_digest: start.policy_digest.clone(),
        environment: start.environment.clone(),
        external: start.external,
        rehearsal: false,
    })?;
    let day = local.clock.now().wall.strftime("%m%d").to_string();
    let name = disk::claim(&local.paths.releases(), |count| format!("r-{day}.{count}"))?;
    let id = ReleaseId::new(name).wrap_err("failed to name the release")?;
    let job = Job {
        release: id.clone(),
        repository,
        start: Box::new(start),
        by: local.person.clone(),
        env,
        state: local.paths.state.clone(),
        secrets: local.paths.config.join("secrets"),
        socket: local.socket(&id),
        notify: machine.notify,
    };
    let folder = library.folder(&id);
    job.write(&folder)?;
    forget_last_words(&folder)?;
    local.start_engine(&id).await?;
    Ok(id)
}

/// Follows a release without a cockpit until it ends; an interrupt detaches.
pub(super) async fn follow(
    local: &Local,
    id: &ReleaseId,
    how: Follow,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    if how == Follow::Detached {
        writeln!(out, "{id} goes on by itself; gonogo attach {id} shows it")?;
        return Ok(Exit::Released);
    }
    let handle: Handle = local.wait_for(id, Wants::Drive).await?;
    let following = async {
        match how {
            Follow::Json => json::follow(handle, out, false).await,
            Follow::Lines | Follow::Detached => {
                let settings = LineSettings::new(|release| Exit::of_result(release).code());
                line::follow(handle, out, settings).await
            }
        }
    };
    tokio::select! {
        end = following => {
            let end = end.wrap_err("failed to print")?;
            Ok(Exit::of_result(&end.release))
        }
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.wrap_err("failed to listen for an interrupt")?;
            Ok(Exit::Interrupted)
        }
    }
}
