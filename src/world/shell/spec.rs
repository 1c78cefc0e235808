//! What a step is told, what it leaves behind, and how the first travels to the shim.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::release::{BootId, Clean, Digest, Secret, Timestamp};
use crate::world::logpipe::{Counts, LogLimits};

/// The environment variable by which all processes of a step are known, even after they left its
/// session.
pub(super) const TOKEN: &str = "GONOGO_STEP";
/// A spec larger than this is refused; Linux takes no more for arguments and environment.
const SPEC_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A command to be run as a step.
#[derive(Clone)]
pub struct StepSpec {
    /// `steps/<key>/`: where log, `pid.json` and `exit.json` go. It is made where it is missing.
    pub dir: PathBuf,
    /// The program and its arguments; never a shell line, never a secret.
    pub argv: Vec<String>,
    /// Where the command runs: the release's workspace.
    pub cwd: PathBuf,
    /// The whole environment; see [`clean_env`].
    pub env: BTreeMap<String, String>,
    pub secrets: Vec<StepSecret>,
    /// After this long the command is told to end.
    pub timeout: Duration,
    /// After this much longer it is killed.
    pub grace: Duration,
    pub log: LogLimits,
    /// Whether standard output is also kept as it comes, for a report that is read from it.
    pub keep_stdout: bool,
}

impl StepSpec {
    /// A command with the usual limits: an hour, ten seconds of grace, 16 + 64 MiB of log.
    pub fn new(dir: impl Into<PathBuf>, cwd: impl Into<PathBuf>, argv: Vec<String>) -> Self {
        Self {
            dir: dir.into(),
            argv,
            cwd: cwd.into(),
            env: BTreeMap::new(),
            secrets: Vec::new(),
            timeout: Duration::from_secs(60 * 60),
            grace: Duration::from_secs(10),
            log: LogLimits::default(),
            keep_stdout: false,
        }
    }
}

/// A secret that a step gets, or that must not show in its log.
#[derive(Clone)]
pub struct StepSecret {
    /// The environment variable that holds the value or the path of the file.
    pub name: String,
    pub by: SecretBy,
    pub value: Secret,
}

/// How a secret reaches a command (threat T5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretBy {
    /// As a file in memory, readable by its owner, whose path the variable holds. The better way.
    File,
    /// As the variable itself, for tools that know no other way.
    Env,
    /// Not at all: it is only masked.
    Mask,
}

/// The variables a step may take over from gonogo's own environment.
const ALLOWED: [&str; 20] = [
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBECONFIG",
    "LANG",
    "LOGNAME",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "https_proxy",
];

/// Of the variables in `all` those that a step may see, and `extras` (threat T5).
pub fn clean_env(
    all: impl IntoIterator<Item = (String, String)>,
    extras: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let allowed = |name: &str| ALLOWED.contains(&name) || name.starts_with("LC_");
    let kept = all.into_iter().filter(|(name, _)| allowed(name));
    // No tool is to wait for an answer that nobody can give.
    let quiet = [("CI", "true"), ("GIT_TERMINAL_PROMPT", "0"), ("TERM", "dumb")];
    let quiet = quiet.map(|(name, value)| (name.to_owned(), value.to_owned()));
    kept.chain(quiet).chain(extras).collect()
}

/// How a step ended: `exit.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub cause: Cause,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub log: Counts,
    /// Why the log is not whole, where it is not.
    pub log_error: Option<Clean>,
    /// Processor time of the command and all it started, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// The most memory that all its processes were seen to hold together; sampled, so a short
    /// command has none.
    pub peak_rss_bytes: Option<u64>,
    /// Processes that were still there when the command had ended, and were ended too.
    pub leftovers: u32,
}

impl Exit {
    /// Whether the command ended by itself with code 0. That alone proves nothing: a tool's
    /// report does (design, section 5).
    pub fn is_zero(&self) -> bool {
        self.cause == Cause::Exited { code: 0 }
    }
}

/// Why a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    Exited { code: i32 },
    Signalled { signal: i32 },
    TimedOut,
    Cancelled,
    NotStarted { error: Clean },
}

/// Who runs a step: `pid.json`, on disk before the command starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidFile {
    /// The shim's process, which leads the step's session.
    pub pid: i32,
    /// When that process started, in clock ticks since boot: with the boot it tells the process
    /// from a later one of the same number.
    pub start_ticks: u64,
    pub boot: BootId,
    pub at: Timestamp,
    /// The digest of the spec, without the secrets' values.
    pub spec: Digest,
    /// The value of `GONOGO_STEP` in the environment of all processes of the step.
    pub token: String,
    pub grace_ms: u64,
    /// Whether this is a rehearsal's step, which no process of its own runs.
    pub acted: bool,
}

/// The spec as it travels; the secrets' bytes follow it.
#[derive(Serialize, Deserialize)]
struct Header {
    dir: PathBuf,
    argv: Vec<String>,
    cwd: PathBuf,
    env: BTreeMap<String, String>,
    secrets: Vec<SecretHeader>,
    timeout_ms: u64,
    grace_ms: u64,
    log: LogLimits,
    keep_stdout: bool,
}

#[derive(Serialize, Deserialize)]
struct SecretHeader {
    name: String,
    by: SecretBy,
    bytes: usize,
}

fn header(spec: &StepSpec) -> io::Result<Vec<u8>> {
    let secret = |secret: &StepSecret| SecretHeader {
        name: secret.name.clone(),
        by: secret.by,
        bytes: secret.value.reveal().len(),
    };
    let header = Header {
        dir: spec.dir.clone(),
        argv: spec.argv.clone(),
        cwd: spec.cwd.clone(),
        env: spec.env.clone(),
        secrets: spec.secrets.iter().map(secret).collect(),
        timeout_ms: millis(spec.timeout),
        grace_ms: millis(spec.grace),
        log: spec.log,
        keep_stdout: spec.keep_stdout,
    };
    Ok(serde_json::to_vec(&header)?)
}

/// The digest of a spec without its secrets' values.
pub(super) fn digest(spec: &StepSpec) -> io::Result<Digest> {
    Ok(Digest::of(&header(spec)?))
}

/// Writes the spec: length, JSON, the secrets one after another.
pub(super) fn send(spec: &StepSpec, mut to: impl Write) -> io::Result<()> {
    let header = header(spec)?;
    let length = u32::try_from(header.len()).ok().filter(|n| *n as usize <= SPEC_BYTES_MAX);
    let length = length.ok_or_else(|| bad("the step's arguments and environment are too large"))?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(&header)?;
    for secret in &spec.secrets {
        to.write_all(secret.value.reveal())?;
    }
    to.flush()
}

/// Reads what [`send`] wrote.
pub(super) fn receive(mut from: impl Read) -> io::Result<StepSpec> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    let mut header =
        vec![0; Some(length).filter(|n| *n <= SPEC_BYTES_MAX).ok_or_else(|| bad("spec"))?];
    from.read_exact(&mut header)?;
    let header: Header = serde_json::from_slice(&header)?;
    let mut secrets = Vec::with_capacity(header.secrets.len());
    for SecretHeader { name, by, bytes } in header.secrets {
        let mut value = vec![0; bytes.min(SPEC_BYTES_MAX)];
        from.read_exact(&mut value)?;
        let value = Secret::new(value).map_err(|error| bad(&error.to_string()))?;
        secrets.push(StepSecret { name, by, value });
    }
    Ok(StepSpec {
        dir: header.dir,
        argv: header.argv,
        cwd: header.cwd,
        env: header.env,
        secrets,
        timeout: Duration::from_millis(header.timeout_ms),
        grace: Duration::from_millis(header.grace_ms),
        log: header.log,
        keep_stdout: header.keep_stdout,
    })
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t5_a_spec_travels_whole_and_its_digest_holds_no_secret() {
        let mut spec = StepSpec::new("/s", "/w", vec!["tool".into(), "--flag".into()]);
        spec.env.insert("PATH".into(), "/usr/bin".into());
        let value = Secret::new(&b"hunter2\0hunter2"[..]).expect("long");
        spec.secrets.push(StepSecret { name: "TOKEN".into(), by: SecretBy::File, value });
        let mut wire = Vec::new();
        send(&spec, &mut wire).expect("sent");
        let read = receive(wire.as_slice()).expect("received");
        assert_eq!(read.argv, spec.argv);
        assert_eq!(read.secrets[0].value.reveal(), b"hunter2\0hunter2");
        assert_eq!(digest(&read).expect("a digest"), digest(&spec).expect("a digest"));
        assert!(!String::from_utf8_lossy(&header(&spec).expect("JSON")).contains("hunter2"));
        assert!(receive(&wire[..wire.len() - 1]).is_err());
    }

    #[test]
    fn t5_the_environment_is_an_allow_list() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let all = [pair("PATH", "/bin"), pair("AWS_SECRET_ACCESS_KEY", "x"), pair("LC_ALL", "C")];
        let env = clean_env(all, [pair("NODE_ENV", "test")]);
        let names: Vec<_> = env.keys().map(String::as_str).collect();
        assert_eq!(names, ["CI", "GIT_TERMINAL_PROMPT", "LC_ALL", "NODE_ENV", "PATH", "TERM"]);
    }
}
