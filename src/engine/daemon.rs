//! The engine of a real release: a process of its own, in a session of its own, that serves
//! cockpits over a socket and needs none of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::handle::socket::{Pace, Serving, SocketError, deserted, serve};
use super::job::{Job, JobError};
use super::run::{EngineError, Launch, launch};
use crate::journal::{Driver, Journal, Library, LockError, Mode, OpenError};
use crate::release::{BadName, Clean, Opened, Principal, Release, SessionId, Via};
use crate::world::shell::Shell;
use crate::world::workspace::{GitError, Workspace};
use crate::world::{Clock, LiveError, LiveSettings, live, machine};

/// How long a finished engine waits for somebody to look.
const LINGER: Duration = Duration::from_secs(5);

/// Why an engine did not drive its release to the end.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("failed to {0}")]
    Job(#[from] JobError),
    #[error("{0}")]
    Lock(#[from] LockError),
    #[error("{0}")]
    Journal(#[from] OpenError),
    #[error("failed to {0}")]
    Git(#[from] GitError),
    #[error("failed to {0}")]
    World(#[from] LiveError),
    #[error("failed to {0}")]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("failed to name the session: {0}")]
    Session(#[from] BadName),
}

/// Drives the release in `folder` until it has ended and nobody looks on any more. Starting and
/// resuming are the same: the journal says how far it is.
pub async fn drive(folder: &Path, exe: PathBuf, build: Clean) -> Result<Release, DaemonError> {
    let job = Job::read(folder)?;
    let clock = Clock::live();
    let session = SessionId::new(format!("s-{}-{}", clock.now().wall_ms(), machine::own_pid()))?;
    let driver = Driver {
        session: session.clone(),
        person: job.by.clone(),
        host: machine::host(),
        pid: machine::own_pid(),
        boot: machine::boot_id(),
        since: clock.now().wall,
    };
    let guard = Clean::new(&format!("{}, pid {}", driver.host, driver.pid));
    let library = Library::new(&job.state);
    // Held until this process ends, however it ends.
    let environment = job.start.environment.clone();
    let _environment = library.lock_environment(&environment, &job.release, &driver)?;
    let (journal, past, repair) = open(folder, &job, driver.clone())?;

    let workspace = folder.join("workspace");
    let git = Workspace::new(Shell::new(exe.clone(), clock.clone()), job.env.clone());
    git.check_out(&job.repository, &job.start.revision, &workspace).await?;
    let settings = LiveSettings {
        release: job.release.clone(),
        exe,
        steps: folder.join("steps"),
        workspace: workspace.clone(),
        env: job.env.clone(),
        secrets: job.secrets.clone(),
        notify: job.notify.clone(),
    };
    let world = Arc::new(live(settings, &job.start.plan, clock.clone())?);
    let opened = Opened {
        session,
        host: driver.host,
        pid: driver.pid,
        boot: driver.boot,
        build: build.clone(),
        by: Principal { person: job.by.clone(), via: Via::Shell, key: None },
        start: Some(job.start.clone()),
    };
    let steps = folder.join("steps");
    let (handle, engine) = launch(Launch { world, journal, past, repair, opened, steps, guard });

    let (clients, connected) = watch::channel(0);
    let serving = Serving { clock: clock.clone(), build, clients, pace: Pace::default() };
    let left = deserted(&handle, connected, clock, LINGER);
    let server = tokio::spawn(serve(handle, job.socket.clone(), serving));
    let release = {
        let driving = engine.run();
        tokio::pin!(driving, left);
        tokio::select! {
            ended = &mut driving => ended?,
            () = &mut left => {
                // Without the server nobody holds a handle, and the engine comes to its end.
                server.abort();
                driving.await?
            }
        }
    };
    server.abort();
    if release.result.is_some() {
        git.remove(&job.repository, &workspace).await?;
    }
    Ok(release)
}

/// Opens the journal to drive, or makes it: a release's folder exists before its first record.
fn open(
    folder: &Path,
    job: &Job,
    driver: Driver,
) -> Result<(Journal, Vec<crate::release::Record>, crate::journal::Repair), OpenError> {
    match Journal::create(folder, job.release.clone(), driver.clone()) {
        Ok(journal) => Ok((journal, Vec::new(), <_>::default())),
        Err(OpenError::Exists { .. }) => Journal::open(folder, Mode::Drive(driver)),
        Err(error) => Err(error),
    }
}
