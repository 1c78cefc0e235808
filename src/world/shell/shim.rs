//! The shim's life: take the spec, say who one is, wait for "go", run the command, leave word.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};

use nix::fcntl::{FcntlArg, FdFlag};
use rustix::fs::MemfdFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit};

use super::disk::Atomic;
use super::spec::{Cause, Exit, PidFile, SecretBy, StepSpec, TOKEN, digest, millis, receive};
use super::watch::{Signals, Watch};
use super::{disk, procfs, program};
use crate::release::{Clean, Timestamp};
use crate::world::Clock;
use crate::world::logpipe::{Counts, LogSink, Masks};

/// What the shim answers when everything is ready; then it waits for [`GO`].
pub(super) const READY: &[u8] = b"ready";
/// What the engine says to start the command.
pub(super) const GO: u8 = b'g';

/// The word after which `gonogo step-shim` becomes another command instead of watching one.
pub(super) const EXEC: &str = "exec";

/// The whole of `gonogo step-shim`: reads a spec from stdin, runs it, leaves `exit.json`.
///
/// Nobody reads its exit code but the engine that started it, and that one reads `exit.json`.
pub fn shim_main() -> ExitCode {
    if std::env::args_os().nth(2).is_some_and(|argument| argument == EXEC) {
        return become_command();
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // While the engine still listens it hears why; afterwards there is nobody.
            let _ = io::stdout().write_all(error.to_string().as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// `gonogo step-shim exec PROGRAM ARGUMENT…`: becomes that program, in a session of its own and
/// with nothing open but the three standard streams (threat T4).
fn become_command() -> ExitCode {
    let mut argv = std::env::args_os().skip(3);
    let away = rustix::process::setsid().map_err(io::Error::from).and_then(|_| close_to_children());
    if let (Ok(()), Some(program)) = (away, argv.next()) {
        #[expect(clippy::disallowed_methods, reason = "this is world::shell")]
        let error = Command::new(program).args(argv).exec();
        // Its caller reads what it says as the command's own words.
        let _ = write!(io::stderr(), "{error}");
    }
    ExitCode::from(127)
}

fn run() -> io::Result<()> {
    harden()?;
    // From here on a request to end is noticed, not obeyed on the spot.
    let signals = Signals::catch()?;
    let mut stdin = io::stdin().lock();
    let spec = receive(&mut stdin)?;
    let clock = Clock::live();
    let started = clock.now();
    // Held until this process ends.
    let _lock = disk::lock(&spec.dir)?;
    disk::tidy(&spec.dir)?;
    let exit = Atomic::reserve(&spec.dir, "exit.json")?;
    let pid = pid_file(&spec, started)?;
    disk::write(&spec.dir, "pid.json", &pid)?;
    if !may_go(&mut stdin) {
        // The engine died in this moment and nothing began: whoever looks next must see that, and
        // neither a step that failed nor one that is gone without a trace.
        return disk::remove(&spec.dir, "pid.json").map(drop);
    }
    match begin(&spec, &pid.token) {
        Ok((child, sink)) => {
            let mut watch = Watch::new(&spec, clock, started, child, sink, signals)?;
            let cause = watch.run();
            exit.write(&watch.finish(cause))
        }
        Err(error) => exit.write(&not_started(started, clock.now(), &error)),
    }
}

/// Says that all is ready, and waits for the word to go; false when nobody is left to give it.
fn may_go(stdin: &mut impl io::Read) -> bool {
    let mut stdout = io::stdout();
    let mut go = [0];
    let heard = stdout.write_all(READY).and_then(|()| stdout.flush());
    heard.and_then(|()| stdin.read_exact(&mut go)).is_ok() && go[0] == GO
}

/// Away from the terminal, parent of all that the command leaves behind, closed to debuggers and
/// core dumps: this process holds secrets (threats T4 and T5).
fn harden() -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none)?;
    close_to_children()
}

/// Keeps from the command what gonogo itself was started with, for example a terminal: whatever
/// is open besides the three standard streams is marked to be closed.
fn close_to_children() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if let Some(number) = number.filter(|number| *number > 2) {
            // One that was closed in the meantime is no danger.
            let _ = nix::fcntl::fcntl(number, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
    Ok(())
}

fn pid_file(spec: &StepSpec, at: Timestamp) -> io::Result<PidFile> {
    let pid = procfs::own_pid();
    let no_procfs = || io::Error::other("/proc is not readable; steps cannot be told apart");
    let start_ticks = procfs::start_ticks(pid).ok_or_else(no_procfs)?;
    let spec_digest = digest(spec)?;
    Ok(PidFile {
        pid,
        start_ticks,
        boot: procfs::boot_id().ok_or_else(no_procfs)?,
        at,
        token: format!("{}-{pid}-{start_ticks}", spec_digest.short()),
        spec: spec_digest,
        grace_ms: millis(spec.grace),
        acted: false,
    })
}

fn not_started(started: Timestamp, ended: Timestamp, error: &str) -> Exit {
    Exit {
        cause: Cause::NotStarted { error: Clean::new(error) },
        started,
        ended,
        log: Counts::default(),
        log_error: None,
        cpu_ms: None,
        peak_rss_bytes: None,
        leftovers: 0,
    }
}

/// Opens the log and starts the command.
fn begin(spec: &StepSpec, token: &str) -> Result<(Child, LogSink), String> {
    let name = spec.argv.first().map_or("", String::as_str);
    let program = program::find(name, &spec.cwd, spec.env.get("PATH").map(String::as_str))?;
    if !spec.cwd.is_dir() {
        return Err(format!("the directory {} is missing; check it out", spec.cwd.display()));
    }
    let masks = Masks::new(spec.secrets.iter().map(|secret| &secret.value));
    let sink = LogSink::create(&spec.dir, masks, spec.log).and_then(|mut sink| {
        if spec.keep_stdout {
            sink.keep_stdout(&spec.dir)?;
        }
        Ok(sink)
    });
    let sink = sink
        .map_err(|error| format!("the log in {} cannot be opened: {error}", spec.dir.display()))?;
    #[expect(clippy::disallowed_methods, reason = "this is world::shell")]
    let mut command = Command::new(&program);
    command
        .arg0(&spec.argv[0])
        .args(&spec.argv[1..])
        .env_clear()
        .envs(&spec.env)
        .env(TOKEN, token)
        .current_dir(&spec.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    // The files must stay open until the command has inherited them.
    let mut files = Vec::new();
    for secret in &spec.secrets {
        match secret.by {
            SecretBy::Mask => {}
            SecretBy::Env => {
                command.env(&secret.name, os(secret.value.reveal()));
            }
            SecretBy::File => {
                let file = secret_file(secret.value.reveal()).map_err(|error| {
                    format!("the secret {} cannot be handed over: {error}", secret.name)
                })?;
                command.env(&secret.name, format!("/dev/fd/{}", file.as_raw_fd()));
                files.push(file);
            }
        }
    }
    let child = command.spawn().map_err(|error| program::refusal(&program, &error))?;
    Ok((child, sink))
}

fn os(bytes: &[u8]) -> &OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(bytes)
}

/// A file in memory that only the command and its children inherit; it never touches a disk and
/// is gone with the last of them, however they end.
fn secret_file(value: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("secret", MemfdFlags::empty())?);
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(value)?;
    Ok(file)
}
