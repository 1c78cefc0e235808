//! The engine's side: starts steps, waits for them, takes up those of an earlier engine.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::act::{Acted, Actor, Playing};
use super::observe::{StepSeen, observe};
use super::shim::{GO, READY};
use super::spec::{Exit, PidFile, StepSpec, send};
use super::{disk, procfs};
use crate::release::Clean;
use crate::world::Clock;

/// What the shim needs beyond the grace to bring a killed step to its end.
const SHIM_GRACE: Duration = Duration::from_secs(15);
/// How often a process is looked at where the system cannot tell of its end.
const LOOK: Duration = Duration::from_millis(20);
/// How often leftovers are killed again before they are given up.
const KILLS: usize = 100;

/// Why a step could not be started, waited for or ended.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("use the step's directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("start {} for a step: {source}", exe.display())]
    Spawn { exe: PathBuf, source: io::Error },
    #[error("prepare the step: {said}")]
    Shim { said: Clean },
    #[error("start the step again: it still runs as process {pid}")]
    StillRunning { pid: i32 },
    #[error("take up the step in {}: it was never started", dir.display())]
    NotStarted { dir: PathBuf },
    #[error(
        "learn how the step in {} ended: its shim was killed; look at what it was to change",
        dir.display()
    )]
    Lost { dir: PathBuf },
    #[error("read what the step left behind: {reason}")]
    Unreadable { reason: Clean },
    #[error("end the step: {left} of its processes do not go, even when killed")]
    Survivors { left: usize },
}

/// Runs steps: as processes, or by an [`Actor`] in a rehearsal. Cheap to clone.
#[derive(Clone)]
pub struct Shell {
    how: How,
    clock: Clock,
}

#[derive(Clone)]
enum How {
    Live { exe: PathBuf },
    Acted(Arc<Acted>),
}

impl Shell {
    /// A shell that runs steps under `exe step-shim`, `exe` being this program.
    pub fn new(exe: PathBuf, clock: Clock) -> Self {
        Self { how: How::Live { exe }, clock }
    }

    /// A shell whose steps are played by `actor`.
    pub fn acted(actor: Arc<dyn Actor>, clock: Clock) -> Self {
        Self { how: How::Acted(Arc::new(Acted::new(actor))), clock }
    }

    /// Starts a step. When this returns, `pid.json` is on disk.
    ///
    /// What an earlier run left in the directory is taken away; its log stays as `log.before`.
    /// A step that still runs is an error.
    pub async fn start(&self, spec: StepSpec) -> Result<Running, ShellError> {
        if let StepSeen::Running(pid) = self.observe(&spec.dir) {
            return Err(ShellError::StillRunning { pid: pid.pid });
        }
        let dir = spec.dir.clone();
        let clock = self.clock.clone();
        let watch = match &self.how {
            How::Acted(acted) => Watched::Playing(acted.start(spec, clock.clone())?),
            How::Live { exe } => {
                let exe = exe.clone();
                let (child, pidfd) = blocking(move || launch(&exe, &spec)).await?;
                Watched::Process { pidfd: watchable(pidfd), child: Some(child) }
            }
        };
        Ok(Running { dir, clock, watch })
    }

    /// This program, to be started as a shim; none in a rehearsal, which starts nothing.
    pub(super) fn exe(&self) -> Option<&Path> {
        match &self.how {
            How::Live { exe } => Some(exe),
            How::Acted(_) => None,
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What has become of the step in `dir`; blocks for a few small reads.
    pub fn observe(&self, dir: &Path) -> StepSeen {
        match (observe(dir), &self.how) {
            // A played step lives in this process and nowhere else.
            (StepSeen::Running(pid), How::Acted(acted)) if acted.playing(dir).is_none() => {
                StepSeen::Gone(pid)
            }
            (seen, _) => seen,
        }
    }

    /// Takes up a step that an earlier engine started: running, or ended since. To be called
    /// within the runtime that will wait for it.
    pub fn adopt(&self, dir: &Path) -> Result<Running, ShellError> {
        let dir = dir.to_owned();
        let watch = match self.observe(&dir) {
            StepSeen::Exited(_) => Watched::Over,
            StepSeen::Running(pid) => match &self.how {
                How::Acted(acted) => acted.playing(&dir).map_or(Watched::Over, Watched::Playing),
                How::Live { .. } => {
                    let pidfd = open_pidfd(&pid);
                    Watched::Process { pidfd: watchable(pidfd), child: None }
                }
            },
            StepSeen::NotStarted => return Err(ShellError::NotStarted { dir }),
            StepSeen::Gone(_) => return Err(ShellError::Lost { dir }),
            StepSeen::Unknown(reason) => return Err(ShellError::Unreadable { reason }),
        };
        Ok(Running { dir, clock: self.clock.clone(), watch })
    }

    /// Ends the step in `dir` and every process of it, wherever they went: told first, killed
    /// after the step's grace. A step that is over is left alone.
    pub async fn end(&self, dir: &Path) -> Result<(), ShellError> {
        let pid = match self.observe(dir) {
            StepSeen::NotStarted | StepSeen::Exited(_) => return Ok(()),
            StepSeen::Unknown(reason) => return Err(ShellError::Unreadable { reason }),
            StepSeen::Gone(pid) => pid,
            StepSeen::Running(pid) => {
                let mut running = self.adopt(dir)?;
                running.cancel();
                let limit = Duration::from_millis(pid.grace_ms).saturating_add(SHIM_GRACE);
                if let Some(Ok(_)) = self.clock.within(limit, running.wait()).await {
                    return Ok(());
                }
                pid
            }
        };
        if pid.acted {
            return Ok(());
        }
        for _ in 0..KILLS {
            let token = pid.token.clone();
            if blocking(move || Ok(kill_all(&token))).await? == 0 {
                return Ok(());
            }
            self.clock.sleep(LOOK).await;
        }
        let token = pid.token;
        let left = blocking(move || Ok(procfs::bearing(&token).len())).await?;
        if left == 0 { Ok(()) } else { Err(ShellError::Survivors { left }) }
    }
}

/// A step that was started or taken up. Dropping it leaves the step alone.
pub struct Running {
    dir: PathBuf,
    clock: Clock,
    watch: Watched,
}

enum Watched {
    Process {
        /// None where the system has no pidfd: then the process is looked at from time to time.
        pidfd: Option<AsyncFd<OwnedFd>>,
        /// The shim, when it is our child and has to be collected.
        child: Option<Child>,
    },
    Playing(Playing),
    Over,
}

impl Running {
    /// The step's directory: `log`, `pid.json`, `exit.json`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits for the end. May be dropped and called again.
    pub async fn wait(&mut self) -> Result<Exit, ShellError> {
        match &mut self.watch {
            Watched::Over => {}
            Watched::Playing(playing) => playing.over().await,
            Watched::Process { pidfd: Some(pidfd), .. } => {
                pidfd.readable().await.map_err(|error| unreadable(&error))?.retain_ready();
            }
            Watched::Process { pidfd: None, .. } => {
                while matches!(observe(&self.dir), StepSeen::Running(_)) {
                    self.clock.sleep(LOOK).await;
                }
            }
        }
        if let Watched::Process { child: Some(child), .. } = &mut self.watch {
            // It is over: this only collects it.
            let _ = child.try_wait();
        }
        let dir = self.dir.clone();
        // A played step is read at once, so that a rehearsal repeats: threads end in any order.
        let seen = match self.watch {
            Watched::Playing(_) => observe(&dir),
            Watched::Process { .. } | Watched::Over => blocking(move || Ok(observe(&dir))).await?,
        };
        match seen {
            StepSeen::Exited(exit) => Ok(exit),
            StepSeen::Unknown(reason) => Err(ShellError::Unreadable { reason }),
            _ => Err(ShellError::Lost { dir: self.dir.clone() }),
        }
    }

    /// Asks the step to end; [`Self::wait`] then tells how it did. A step that is over, or was
    /// asked before, does not mind.
    pub fn cancel(&self) {
        match &self.watch {
            Watched::Over => {}
            Watched::Playing(playing) => playing.cancel(),
            Watched::Process { pidfd, .. } => {
                let pidfd = pidfd.as_ref().map(AsyncFd::get_ref);
                // Gone in this moment is what was wanted.
                let _ = match (pidfd, observe(&self.dir)) {
                    (Some(pidfd), _) => rustix::process::pidfd_send_signal(pidfd, Signal::TERM),
                    (None, StepSeen::Running(pid)) => Pid::from_raw(pid.pid)
                        .map_or(Ok(()), |pid| rustix::process::kill_process(pid, Signal::TERM)),
                    (None, _) => Ok(()),
                };
            }
        }
    }
}

/// Starts the shim and goes through the handshake of the room's doc.
fn launch(exe: &Path, spec: &StepSpec) -> Result<(Child, Option<OwnedFd>), ShellError> {
    let directory = |source| ShellError::Directory { path: spec.dir.clone(), source };
    disk::make_dir(&spec.dir).map_err(directory)?;
    #[expect(clippy::disallowed_methods, reason = "this is world::shell")]
    let mut command = Command::new(exe);
    command.arg("step-shim").env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let spawned = command.spawn();
    let mut child = spawned.map_err(|source| ShellError::Spawn { exe: exe.to_owned(), source })?;
    match handshake(&mut child, spec) {
        Ok(()) => {}
        Err(said) => {
            // Without "go" it ends by itself; it must not stay a zombie.
            let _ = child.wait();
            return Err(ShellError::Shim { said });
        }
    }
    // It is our child and not collected, so its number cannot have gone to another.
    let pidfd = rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).ok();
    Ok((child, pidfd))
}

fn handshake(child: &mut Child, spec: &StepSpec) -> Result<(), Clean> {
    let (Some(mut to), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("its pipes are missing".into());
    };
    let sent = send(spec, &mut to);
    let mut said = Vec::with_capacity(READY.len());
    let mut byte = [0];
    while said != READY && said.len() < 4096 && matches!(from.read(&mut byte), Ok(1)) {
        said.push(byte[0]);
    }
    if said == READY {
        return to.write_all(&[GO]).map_err(|error| Clean::from(error.to_string()));
    }
    Err(match sent {
        Err(error) if said.is_empty() => Clean::from(error.to_string()),
        _ if said.is_empty() => "its shim ended without a word; is the program whole?".into(),
        _ => Clean::from_bytes(&said),
    })
}

/// A handle on the process in `pid`, unless that has ended.
fn open_pidfd(pid: &PidFile) -> Option<OwnedFd> {
    let pidfd = rustix::process::pidfd_open(Pid::from_raw(pid.pid)?, PidfdFlags::empty()).ok()?;
    // Looked at again with the handle in hand: the number cannot change its owner any more.
    procfs::is_alive(pid).then_some(pidfd)
}

fn watchable(pidfd: Option<OwnedFd>) -> Option<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "sound for an OwnedFd, which keeps what the replacement has its caller promise"
    )]
    AsyncFd::with_interest(pidfd?, Interest::READABLE).ok()
}

/// Kills the living processes of a step; how many there were.
fn kill_all(token: &str) -> usize {
    let bearers = procfs::bearing(token);
    procfs::signal_all(&bearers, Signal::KILL);
    bearers.len()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShellError> + Send + 'static,
) -> Result<T, ShellError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ShellError::Unreadable { reason: Clean::from(error.to_string()) }),
    }
}

fn unreadable(error: &io::Error) -> ShellError {
    ShellError::Unreadable { reason: Clean::from(error.to_string()) }
}
