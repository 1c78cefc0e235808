//! Steps that are played instead of run: the seam of the rehearsal.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};

use super::spawn::ShellError;
use super::spec::{Cause, Exit, PidFile, StepSpec, digest, millis};
use super::{disk, procfs};
use crate::release::{Clean, Timestamp};
use crate::world::Clock;
use crate::world::logpipe::{LogSink, Masks, PARTIAL_MS, Stream};

/// Plays steps. What it writes goes through the same pipeline, and what it leaves behind looks
/// the same, as if a process had done it.
pub trait Actor: Send + Sync + 'static {
    /// Plays one step to its end. It is dropped when the step is cancelled or takes too long.
    fn act(&self, spec: &StepSpec, stage: Stage) -> BoxFuture<'static, Cause>;
}

/// What an actor has in hand.
#[derive(Clone)]
pub struct Stage {
    clock: Clock,
    started: Timestamp,
    cwd: PathBuf,
    log: Arc<Mutex<Option<LogSink>>>,
}

impl Stage {
    /// The clock of the rehearsal: an actor waits on nothing else.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Writes to the step's log. Text without a line end is shown as a prompt.
    pub fn print(&self, stream: Stream, bytes: impl AsRef<[u8]>) {
        let at = self.clock.now().boot_ms.saturating_sub(self.started.boot_ms);
        if let Some(log) = self.log().as_mut() {
            log.feed(stream, at, bytes.as_ref());
            log.tick(at.saturating_add(PARTIAL_MS));
        }
    }

    /// Writes a file in the workspace, for example a report. Its time is the rehearsal's, so that
    /// it is as fresh as it seems.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.components().all(plain) {
            return Err(super::spec::bad("an actor writes in the workspace only"));
        }
        let path = self.cwd.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(&self.cwd))?;
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        let since_epoch = Duration::from_millis(self.clock.now().wall_ms().unsigned_abs());
        file.set_modified(SystemTime::UNIX_EPOCH + since_epoch)
    }

    fn log(&self) -> MutexGuard<'_, Option<LogSink>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The steps being played.
pub(super) struct Acted {
    actor: Arc<dyn Actor>,
    playing: Arc<Mutex<HashMap<PathBuf, Playing>>>,
}

/// One step being played.
#[derive(Clone)]
pub(super) struct Playing {
    cancel: Arc<Notify>,
    over: watch::Receiver<bool>,
}

impl Playing {
    pub(super) fn cancel(&self) {
        self.cancel.notify_one();
    }

    pub(super) async fn over(&mut self) {
        // A sender that is gone is as good as the end.
        let _ = self.over.wait_for(|over| *over).await;
    }
}

impl Acted {
    pub(super) fn new(actor: Arc<dyn Actor>) -> Self {
        Self { actor, playing: Arc::default() }
    }

    pub(super) fn playing(&self, dir: &Path) -> Option<Playing> {
        self.list().get(dir).cloned()
    }

    fn list(&self) -> MutexGuard<'_, HashMap<PathBuf, Playing>> {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `pid.json` and begins to play.
    pub(super) fn start(&self, spec: StepSpec, clock: Clock) -> Result<Playing, ShellError> {
        let started = clock.now();
        // Not on another thread: steps that begin or end in one moment would do so in any order,
        // and a rehearsal repeats to the letter.
        let sink = prepare(&spec, started)
            .map_err(|source| ShellError::Directory { path: spec.dir.clone(), source })?;
        let log = Arc::new(Mutex::new(Some(sink)));
        let stage = Stage { clock: clock.clone(), started, cwd: spec.cwd.clone(), log };
        let (over_sender, over) = watch::channel(false);
        let playing = Playing { cancel: Arc::default(), over };
        self.list().insert(spec.dir.clone(), playing.clone());
        let act = self.actor.act(&spec, stage.clone());
        let (cancel, list) = (Arc::clone(&playing.cancel), Arc::clone(&self.playing));
        tokio::spawn(async move {
            let cause = tokio::select! {
                biased;
                () = cancel.notified() => Cause::Cancelled,
                cause = act => cause,
                () = clock.sleep(spec.timeout) => Cause::TimedOut,
            };
            let dir = spec.dir.clone();
            // There is nobody to tell of a failure: without the file the step counts as gone.
            let _ = leave(&spec.dir, &stage, cause);
            list.lock().unwrap_or_else(PoisonError::into_inner).remove(&dir);
            over_sender.send_replace(true);
        });
        Ok(playing)
    }
}

fn prepare(spec: &StepSpec, at: Timestamp) -> io::Result<LogSink> {
    disk::make_dir(&spec.dir)?;
    disk::tidy(&spec.dir)?;
    let pid = procfs::own_pid();
    let file = PidFile {
        pid,
        start_ticks: procfs::start_ticks(pid).unwrap_or(0),
        boot: procfs::boot_id().unwrap_or_default(),
        at,
        spec: digest(spec)?,
        token: String::new(),
        grace_ms: millis(spec.grace),
        acted: true,
    };
    disk::write(&spec.dir, "pid.json", &file)?;
    let masks = Masks::new(spec.secrets.iter().map(|secret| &secret.value));
    let mut sink = LogSink::create(&spec.dir, masks, spec.log)?;
    if spec.keep_stdout {
        sink.keep_stdout(&spec.dir)?;
    }
    Ok(sink)
}

fn leave(dir: &Path, stage: &Stage, cause: Cause) -> io::Result<()> {
    let ended = stage.clock.now();
    let at = ended.boot_ms.saturating_sub(stage.started.boot_ms);
    let (log, log_error) = stage.log().take().map(|log| log.finish(at)).unwrap_or_default();
    let exit = Exit {
        cause,
        started: stage.started,
        ended,
        log,
        log_error: log_error.map(Clean::from),
        cpu_ms: None,
        peak_rss_bytes: None,
        leftovers: 0,
    };
    disk::write(dir, "exit.json", &exit)
}

#[cfg(test)]
mod tests {
    use super::super::{Shell, StepSeen, fresh_report};
    use super::*;
    use crate::release::Secret;
    use crate::world::logpipe::LogFile;
    use crate::world::shell::{SecretBy, StepSecret};

    struct Slow;

    impl Actor for Slow {
        fn act(&self, spec: &StepSpec, stage: Stage) -> BoxFuture<'static, Cause> {
            let minutes: u64 = spec.argv[0].parse().expect("minutes");
            Box::pin(async move {
                stage.print(Stream::Stdout, "token hunter2hunter2\n");
                stage.clock().sleep(Duration::from_secs(60 * minutes)).await;
                stage.write_file(Path::new("out/report.json"), b"{}").expect("written");
                Cause::Exited { code: 0 }
            })
        }
    }

    fn shell() -> Shell {
        let wall = "2031-11-23T02:41:00Z".parse().expect("a time");
        Shell::acted(Arc::new(Slow), Clock::simulated(wall, 1.0))
    }

    fn spec(dir: &Path, minutes: &str) -> StepSpec {
        StepSpec::new(dir.join("steps/a"), dir, vec![minutes.into()])
    }

    #[tokio::test(start_paused = true)]
    async fn a_played_step_leaves_what_a_process_leaves() {
        let dir = tempfile::tempdir().expect("a directory");
        let (shell, mut spec) = (shell(), spec(dir.path(), "20"));
        let value = Secret::new(&b"hunter2hunter2"[..]).expect("long");
        spec.secrets.push(StepSecret { name: "T".into(), by: SecretBy::Env, value });
        let mut running = shell.start(spec.clone()).await.expect("started");
        assert!(matches!(shell.observe(&spec.dir), StepSeen::Running(_)));
        let exit = running.wait().await.expect("ended");
        assert!(exit.is_zero());
        assert_eq!(exit.ended.boot_ms - exit.started.boot_ms, 20 * 60_000);
        assert_eq!((exit.log.lines, exit.log.masked), (1, 1));
        let exit_started = exit.started;
        assert_eq!(shell.observe(&spec.dir), StepSeen::Exited(exit));
        let log = LogFile::open(&spec.dir).expect("a log");
        assert_eq!(log.window(0, 9).expect("lines")[0].text.as_str(), "token •••");
        let report = fresh_report(dir.path(), Path::new("out/report.json"), exit_started);
        assert_eq!(report.expect("fresh in the rehearsal's time"), b"{}");
    }

    #[tokio::test(start_paused = true)]
    async fn f55_a_played_step_outlives_its_handle_and_can_be_cancelled_and_timed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (shell, spec) = (shell(), spec(dir.path(), "90"));
        drop(shell.start(spec.clone()).await.expect("started"));
        let mut running = shell.adopt(&spec.dir).expect("taken up");
        running.cancel();
        assert_eq!(running.wait().await.expect("ended").cause, Cause::Cancelled);
        let mut running = shell.start(spec.clone()).await.expect("started");
        assert_eq!(running.wait().await.expect("ended").cause, Cause::TimedOut);
        drop(shell.start(spec.clone()).await.expect("started"));
        shell.end(&spec.dir).await.expect("ended");
        assert!(matches!(shell.observe(&spec.dir), StepSeen::Exited(_)));
    }
}
