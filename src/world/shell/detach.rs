//! Starts gonogo again as an engine that outlives the terminal, the ssh line and tmux.
//!
//! ```text
//! cockpit ─▶ gonogo step-shim exec …          setsid, everything but the three streams closed
//!            ├─▶ systemd-run --user --scope …  where a user's systemd answers: a unit of its own
//!            └─▶ gonogo engine …               the same process all along, so its pid is known
//! ```
//!
//! A scope rather than a service: it keeps the environment (kubeconfig, PATH, ssh agent), which
//! would otherwise have to stand in argv and in the unit's properties for everybody to read.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::shim::EXEC;
use super::{procfs, program};
use crate::release::{BootId, Clean};
use crate::world::Clock;

/// A user's systemd that does not answer within this time is not waited for.
const TRIAL: Duration = Duration::from_secs(2);
/// A program that has not taken over from the shim after this time has failed.
const TAKE_OVER: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);
/// How much of the end of its log is quoted when it ends at once, in bytes.
const SAID_BYTES_MAX: u64 = 2000;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Detach {
    /// This program, as what stands before the other and leads it away from the terminal.
    pub shim: PathBuf,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Its standard output and error are appended here; made with mode 0600.
    pub log: PathBuf,
    pub cwd: PathBuf,
    /// Names the systemd unit: letters, digits, `-`, `_`, `.`, for example the release's id.
    pub name: String,
    /// The tool that asks the user's systemd; none leaves it out.
    pub systemd_run: Option<String>,
}

impl Detach {
    /// This program again, as usual: in `/`, under the user's systemd where it answers.
    pub fn new(program: PathBuf, args: Vec<OsString>, log: PathBuf, name: &str) -> Self {
        Self {
            shim: program.clone(),
            program,
            args,
            log,
            cwd: PathBuf::from("/"),
            name: name.to_owned(),
            systemd_run: Some("systemd-run".to_owned()),
        }
    }
}

/// What keeps the engine alive, for the undo line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Guard {
    /// A transient unit of the user's systemd; a logout ends it unless the user lingers.
    Unit { unit: String },
    /// Nothing but a session of its own; why no systemd guards it.
    Session { why: Clean },
}

/// A process that cannot be taken for a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// When it started, in the kernel's clock ticks since boot.
    pub start_ticks: u64,
    pub boot: BootId,
}

impl Process {
    /// This process; none where procfs cannot be read.
    pub fn this() -> Option<Self> {
        Self::of(procfs::own_pid())
    }

    fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start_ticks: procfs::start_ticks(pid)?, boot: procfs::boot_id()? })
    }

    /// Whether this very process is still there. One that ended and was not collected is not.
    pub fn is_alive(&self) -> bool {
        procfs::is_process(self.pid, self.start_ticks, &self.boot)
    }
}

/// A process that was started and has a session of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    pub process: Process,
    pub guard: Guard,
    log: PathBuf,
    log_start: u64,
}

impl Detached {
    /// The last lines that it wrote to its log: why it ended, when it did.
    pub fn said(&self) -> Clean {
        tail(&self.log, self.log_start)
    }
}

/// Why there is no detached process.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    #[error("open the log {}: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("start the engine: {reason}")]
    NotStarted { reason: Clean },
    #[error("start the engine: it ended at once ({how}): {said}")]
    Ended { how: String, said: Clean },
    #[error("start the engine: it has not come up within {limit_s} s; it was ended")]
    Stuck { limit_s: u64 },
}

/// Starts a process that outlives this one and its terminal. When this returns it runs in a
/// session of its own, without a terminal and with nothing of ours open but its log.
///
/// `clock` must be the machine's own: other processes do not follow a rehearsal's time.
pub async fn detach(what: &Detach, clock: &Clock) -> Result<Detached, DetachError> {
    let (log, log_start) = open_log(&what.log)?;
    let (under, guard) = match systemd(what, clock).await {
        Ok((argv, unit)) => (argv, Guard::Unit { unit }),
        Err(why) => (Vec::new(), Guard::Session { why }),
    };
    let failed = |source| DetachError::Log { path: what.log.clone(), source };
    let stderr = log.try_clone().map_err(failed)?;
    let mut command = shim(&what.shim, &under);
    command.arg(&what.program).args(&what.args).current_dir(&what.cwd);
    command.stdin(Stdio::null()).stdout(log).stderr(stderr);
    let mut child = command.spawn().map_err(|error| DetachError::NotStarted {
        reason: Clean::new(&program::refusal(&what.shim, &error)),
    })?;
    match clock.within(TAKE_OVER, came_up(&mut child, what, clock)).await {
        Some(Ok(process)) => Ok(Detached { process, guard, log: what.log.clone(), log_start }),
        Some(Err(how)) => Err(DetachError::Ended { how, said: tail(&what.log, log_start) }),
        None => {
            // It must not come up later, when nobody counts on it any more.
            let _ = child.kill().await;
            Err(DetachError::Stuck { limit_s: TAKE_OVER.as_secs() })
        }
    }
}

/// Makes this process the leader of a session without a terminal, unless it is one already: what
/// an engine that was started by other means calls first.
pub fn become_session_leader() -> io::Result<()> {
    match rustix::process::setsid() {
        Ok(_) => Ok(()),
        // Refused to the leader of a process group: fine for one that leads a session. Asked of
        // procfs, since a leader in another PID namespace has the number 0.
        Err(_) if procfs::leads_a_session(procfs::own_pid()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn shim(program: &Path, under: &[OsString]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is world::shell")]
    let mut command = Command::new(program);
    command.args(["step-shim", EXEC]).args(under);
    command
}

/// The command that starts another as a unit of the user's systemd, and the unit's name; or why
/// there is none.
async fn systemd(what: &Detach, clock: &Clock) -> Result<(Vec<OsString>, String), Clean> {
    let Some(tool) = &what.systemd_run else { return Err("systemd was not asked".into()) };
    let tool = program::find(tool, Path::new("/"), None)
        .map_err(|_| Clean::from("systemd-run is not installed"))?;
    let unit = format!("gonogo-{}-{}.scope", what.name, procfs::own_pid());
    let mut argv: Vec<OsString> = vec![tool.into()];
    argv.extend(["--user", "--scope", "--quiet", "--collect"].map(OsString::from));
    // Tried on a command that does nothing: whatever is missing shows here, and not later.
    let mut trial = shim(&what.shim, &argv);
    trial.args(["--", "true"]).current_dir("/").kill_on_drop(true);
    trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match clock.within(TRIAL, trial.status()).await {
        Some(Ok(status)) if status.success() => {}
        Some(_) => return Err("no user's systemd answers".into()),
        None => return Err("the user's systemd does not answer in time".into()),
    }
    argv.push(format!("--unit={unit}").into());
    argv.push("--".into());
    Ok((argv, unit))
}

fn open_log(path: &Path) -> Result<(File, u64), DetachError> {
    let open = || {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(path)?;
        let end = file.seek(io::SeekFrom::End(0))?;
        Ok((file, end))
    };
    open().map_err(|source| DetachError::Log { path: path.to_owned(), source })
}

/// Waits until the child is the program itself, in its own session; or tells how it ended.
async fn came_up(child: &mut Child, what: &Detach, clock: &Clock) -> Result<Process, String> {
    let args: Vec<&[u8]> = what.args.iter().map(|arg| arg.as_bytes()).collect();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Err(status.to_string()),
            Err(error) => return Err(error.to_string()),
            Ok(None) => {}
        }
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let up = pid.filter(|pid| procfs::leads_with(*pid, &args)).and_then(Process::of);
        if let Some(process) = up {
            return Ok(process);
        }
        clock.sleep(LOOK).await;
    }
}

/// The last lines of what the child wrote, as one.
fn tail(path: &Path, from: u64) -> Clean {
    let read = || {
        let mut file = File::open(path)?;
        let end = file.seek(io::SeekFrom::End(0))?;
        file.seek(io::SeekFrom::Start(from.max(end.saturating_sub(SAID_BYTES_MAX))))?;
        let mut bytes = Vec::new();
        file.take(SAID_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    let said = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join("; ");
    if last.is_empty() { "it said nothing".into() } else { Clean::new(&last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_no_other_with_its_number() {
        let this = Process::this().expect("procfs");
        assert!(this.is_alive());
        assert!(!Process { start_ticks: this.start_ticks + 1, ..this.clone() }.is_alive());
        assert!(!Process { boot: "another boot".to_owned(), ..this }.is_alive());
    }
}
