//! `gonogo run`, `gonogo attach`: a release of a repository, followed from a terminal or a pipe.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use color_eyre::eyre::{Report, WrapErr as _};
use tokio::signal::unix::{SignalKind, signal};

use super::reach::Local;
use super::timeline::Form;
use crate::config::args::Run;
use crate::config::{self, Ready};
use crate::engine::Job;
use crate::engine::handle::{Handle, Link};
use crate::error::{Exit, Failure};
use crate::journal::{Holder, LockError, Place, Wanted};
use crate::release::{Clean, Release, ReleaseId, ReleaseResult};
use crate::report::line::LineSettings;
use crate::report::{json, line};
use crate::world::shell::{Process, Shell, clean_env};
use crate::world::workspace::Workspace;
use crate::world::{disk, machine};

/// How long an engine may keep the environment of a release that has ended, and how often that is
/// looked at.
const LEAVES: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a release is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    Lines,
    Json,
}

/// A release that was started, and the process of its engine; none when that is gone again.
pub(super) struct Started {
    pub(super) id: ReleaseId,
    pub(super) engine: Option<Process>,
}

/// Starts a release of the repository at `repository`; the caller follows it.
pub(super) async fn start(
    local: &Local,
    args: &Run,
    repository: &Path,
    env: impl IntoIterator<Item = (String, String)>,
    attended: bool,
) -> Result<Started, Report> {
    let env = clean_env(env, []);
    let shell = Shell::new(local.exe.clone(), local.clock.clone());
    let git = Workspace::new(shell, env.clone());
    let library = local.library();
    let (baseline, serving) = library.serving(&Clean::new(&args.environment), false)?.unzip();
    let ready = config::run(args, repository, &local.paths, &git, serving.as_ref(), attended).await;
    let Ready { repository, mut start, machine } =
        ready.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let refused = |error: LockError| Failure::new(Exit::Refused, error.to_string());
    // Held until the engine is up: whoever came later stays behind.
    let _place = if args.queue {
        Some(wait_in_line(local, &start.environment).await.map_err(refused)?)
    } else {
        wait_until_free(local, &start.environment).await.map_err(refused)?;
        None
    };
    start.baseline = baseline;
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
    let engine = local.start_engine(&id).await?;
    Ok(Started { id, engine })
}

/// Looks whether the environment is free. A release that has ended keeps it for a moment, for
/// whoever still looks on: that is waited for, so that one release can follow the other.
async fn wait_until_free(local: &Local, environment: &Clean) -> Result<(), LockError> {
    let library = local.library();
    let has_ended = |holder: &Holder| {
        holder.release.as_ref().is_some_and(|id| library.entry(id).result.is_some())
    };
    let free = async {
        loop {
            match library.environment_is_free(environment) {
                Err(LockError::Held { holder: Some(holder), .. }) if has_ended(&holder) => {}
                other => return other,
            }
            local.clock.sleep(LOOK_EVERY).await;
        }
    };
    match local.clock.within(LEAVES, free).await {
        Some(free) => free,
        None => library.environment_is_free(environment),
    }
}

/// Waits in the line before an environment until it is this one's turn, and says behind whom.
async fn wait_in_line(local: &Local, environment: &Clean) -> Result<Place, LockError> {
    let library = local.library();
    let who = Holder {
        person: local.person.clone(),
        host: machine::host(),
        pid: machine::own_pid(),
        boot: machine::boot_id(),
        since: local.clock.now().wall,
        epoch: None,
        release: None,
    };
    let place = library.queue(environment, &who)?;
    let mut said = String::new();
    loop {
        let ahead = place.ahead()?.len();
        let held = match library.environment_is_free(environment) {
            Ok(()) if ahead == 0 => return Ok(place),
            Ok(()) => format!("environment {environment} is free"),
            Err(error @ LockError::Held { .. }) => error.to_string(),
            Err(error) => return Err(error),
        };
        let line = match ahead {
            0 => "next in line".to_owned(),
            n => format!("{n} ahead in line"),
        };
        let now = format!("QUEUED: {held}; {line}; Ctrl-C leaves it");
        if now != said {
            // Whoever does not hear it waits all the same.
            let _ = writeln!(std::io::stderr(), "{now}");
            said = now;
        }
        local.clock.sleep(LOOK_EVERY).await;
    }
}

/// What following came to: the release's own code, unless its engine is gone.
pub(super) fn exit_of(release: &Release, link: &Link) -> Exit {
    match link {
        Link::Lost { .. } if release.result.is_none() => Exit::Unreachable,
        Link::Lost { .. } | Link::Closed | Link::Live => Exit::of_result(release),
    }
}

/// What became of a release that has ended, for whoever comes late.
pub(super) fn late(
    local: &Local,
    id: &ReleaseId,
    result: &ReleaseResult,
    how: Follow,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    if how == Follow::Json {
        super::timeline(
            &local.library(),
            Some(id.as_str()),
            Form::Json,
            out,
            &mut std::io::sink(),
        )?;
    } else {
        writeln!(out, "release {id} has ended: {}; see gonogo show {id}", result.sentence())?;
    }
    Ok(Exit::of_ending(result))
}

/// Follows a release without a cockpit until it ends; an interrupt detaches.
pub(super) async fn follow(
    handle: Handle,
    how: Follow,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    // Listened for before anything is told: who reads may interrupt at once.
    let mut interrupts =
        signal(SignalKind::interrupt()).wrap_err("failed to listen for an interrupt")?;
    let following = async {
        match how {
            Follow::Json => json::follow(handle, out, false).await,
            Follow::Lines => {
                let mut settings = LineSettings::new(|release, link| exit_of(release, link).code());
                settings.columns = machine::terminal_columns();
                line::follow(handle, out, settings).await
            }
        }
    };
    tokio::select! {
        end = following => {
            let end = end.wrap_err("failed to print")?;
            Ok(exit_of(&end.release, &end.link))
        }
        _ = interrupts.recv() => Ok(Exit::Interrupted),
    }
}
