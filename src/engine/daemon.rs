//! The engine of a real release: a process of its own, in a session of its own, that serves
//! cockpits over a socket and needs none of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::handle::socket::{Pace, Serving, SocketError, deserted, serve};
use super::job::{Job, JobError};
use super::run::{EngineError, Launch, launch};
use crate::journal::{
    Driver, EnvironmentLock, Journal, Library, LockError, Mode, Observing, OpenError,
};
use crate::release::{BadName, Clean, Opened, Principal, Release, SessionId, Via};
use crate::world::shell::Shell;
use crate::world::workspace::{GitError, Workspace};
use crate::world::{Clock, LiveError, LiveSettings, live, machine};

/// How long a finished engine waits for somebody to look.
const LINGER: Duration = Duration::from_secs(5);
/// How often, and after what pause, a held environment is looked at again.
const NOTE_LOOKS: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why an engine did not drive its release to the end.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("failed to {0}")]
    Job(#[from] JobError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// Another engine drives this very release already (fault F8).
    #[error("{0}")]
    Observing(Observing),
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

impl DaemonError {
    /// Whether the release is in good hands without this engine.
    pub fn is_driven_already(&self) -> bool {
        matches!(self, Self::Observing(_) | Self::Journal(OpenError::Driven(_)))
    }
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
    let _environment = hold_environment(&library, &job, &driver, &clock).await?;
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
        repaired: repair.torn.as_ref().map(|torn| torn.bytes),
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

/// Takes the environment for the release, or says who has it.
///
/// A holder leaves its note just after it took the lock, so a stranger's note is looked at again
/// for a moment: it may become that of this release's own engine.
async fn hold_environment(
    library: &Library,
    job: &Job,
    driver: &Driver,
    clock: &Clock,
) -> Result<EnvironmentLock, DaemonError> {
    let environment = job.start.environment.clone();
    let mut looks = NOTE_LOOKS;
    loop {
        let holder = match library.lock_environment(&environment, &job.release, driver) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held { holder, .. }) => holder.map(|holder| *holder),
            Err(error) => return Err(error.into()),
        };
        if holder.as_ref().is_some_and(|holder| holder.release.as_ref() == Some(&job.release)) {
            return Err(DaemonError::Observing(Observing { holder, ago_s: None }));
        }
        if looks == 0 {
            let holder = holder.map(Box::new);
            return Err(LockError::Held { environment, holder }.into());
        }
        looks -= 1;
        clock.sleep(LOOK_EVERY).await;
    }
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
