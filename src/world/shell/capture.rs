//! Short commands whose output is wanted whole: git, a probe, a notification. They die with us.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::program;
use super::shim::EXEC;
use super::spawn::Shell;
use crate::release::Clean;

/// A short command.
#[derive(Clone, Debug)]
pub struct Capture {
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    /// The whole environment; see [`super::clean_env`].
    pub env: BTreeMap<String, String>,
    /// What it reads from its standard input.
    pub stdin: Vec<u8>,
    /// After this long it is killed, with all of its session.
    pub timeout: Duration,
    /// More output than this of either stream is an error.
    pub bytes_max: u64,
}

impl Capture {
    /// A command with the usual limits: 30 seconds and 64 MiB.
    pub fn new(cwd: impl Into<PathBuf>, argv: Vec<String>) -> Self {
        Self {
            argv,
            cwd: cwd.into(),
            env: BTreeMap::new(),
            stdin: Vec::new(),
            timeout: Duration::from_secs(30),
            bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Why there is nothing to be had of a command.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("start {tool}: {reason}")]
    NotStarted { tool: Clean, reason: Clean },
    #[error("wait for {tool}: it took longer than {limit_s} s")]
    TimedOut { tool: Clean, limit_s: u64 },
    #[error("read what {tool} says: more than {bytes_max} bytes")]
    TooMuch { tool: Clean, bytes_max: u64 },
    #[error("talk to {tool}: {source}")]
    Pipe { tool: Clean, source: io::Error },
}

impl Shell {
    /// Runs a short command to its end; in a session of its own, without a terminal.
    ///
    /// A rehearsal starts nothing and says so.
    pub async fn capture(&self, ask: Capture) -> Result<Captured, CaptureError> {
        let tool = Clean::new(ask.argv.first().map_or("", String::as_str));
        let not_started =
            |reason: &str| CaptureError::NotStarted { tool: tool.clone(), reason: reason.into() };
        let Some(exe) = self.exe() else {
            return Err(not_started("a rehearsal starts no programs"));
        };
        let path = ask.env.get("PATH").map(String::as_str);
        let file = program::find(tool.as_str(), &ask.cwd, path).map_err(|e| not_started(&e))?;
        #[expect(clippy::disallowed_methods, reason = "this is world::shell")]
        let mut command = Command::new(exe);
        command.args(["step-shim", EXEC]).arg(&file).args(ask.argv.iter().skip(1));
        command.env_clear().envs(&ask.env).current_dir(&ask.cwd).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let spawned = command.spawn();
        let mut child = spawned.map_err(|e| not_started(&program::refusal(exe, &e)))?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let talk = talk(&mut child, ask.stdin, ask.bytes_max);
        let talked = self.clock().within(ask.timeout, talk).await;
        if !matches!(talked, Some(Ok(Some(_)))) {
            // It leads its session and is not collected yet, so this can hit nobody else.
            let _ = group.map(|group| rustix::process::kill_process_group(group, Signal::KILL));
        }
        match talked {
            None => Err(CaptureError::TimedOut { tool, limit_s: ask.timeout.as_secs() }),
            Some(Ok(None)) => Err(CaptureError::TooMuch { tool, bytes_max: ask.bytes_max }),
            Some(Err(source)) => Err(CaptureError::Pipe { tool, source }),
            Some(Ok(Some(captured))) => Ok(captured),
        }
    }
}

/// Hands over the input and takes the output; none when that is more than `max` bytes.
async fn talk(child: &mut Child, input: Vec<u8>, max: u64) -> io::Result<Option<Captured>> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async move {
        if let Some(mut stdin) = stdin {
            match stdin.write_all(&input).await {
                // A command need not read all, or anything.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        Ok(())
    };
    let ((), stdout, stderr) = tokio::try_join!(write, all(stdout, max), all(stderr, max))?;
    let (Some(stdout), Some(stderr)) = (stdout, stderr) else { return Ok(None) };
    let code = child.wait().await?.code();
    Ok(Some(Captured { code, stdout, stderr }))
}

async fn all(from: Option<impl AsyncRead + Unpin>, max: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(from) = from else { return Ok(Some(Vec::new())) };
    let mut bytes = Vec::new();
    from.take(max.saturating_add(1)).read_to_end(&mut bytes).await?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= max))
}
