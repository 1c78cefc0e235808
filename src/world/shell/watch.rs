//! The shim's loop: reads what the command writes, and sees that it ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::procfs;
use super::spec::{Cause, Exit, StepSpec, millis};
use crate::release::{Clean, Timestamp};
use crate::world::Clock;
use crate::world::logpipe::{CHUNK_BYTES, LogSink, PIPE_BYTES, Stream};

/// How long the pipes are read on after the command has ended: a grandchild may hold them open
/// for good (fault F56).
const DRAIN_MS: u64 = 2000;
/// How long leftovers get between being told to end and being killed.
const LEFTOVER_MS: u64 = 1000;
/// How long a killed command may take to vanish: one that waits for a dead disk never does.
const KILLED_MS: u64 = 5000;
/// Memory is looked at soon and then ever more seldom.
const SAMPLE_MS: std::ops::RangeInclusive<u64> = 25..=2000;

/// The signals that ask the shim to end its command, as something that can be polled.
pub(super) struct Signals {
    cancel: io::PipeReader,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        let (cancel, sender) = io::pipe()?;
        rustix::io::ioctl_fionbio(&cancel, true)?;
        for signal in [SIGTERM, SIGINT, SIGQUIT] {
            signal_hook::low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        // A terminal that hangs up is none of the shim's business: nobody reads this pipe.
        let (_, ignored) = io::pipe()?;
        signal_hook::low_level::pipe::register(SIGHUP, ignored)?;
        Ok(Self { cancel })
    }

    fn came(&self) -> bool {
        let mut bytes = [0; 16];
        matches!(rustix::io::read(&self.cancel, &mut bytes), Ok(read) if read > 0)
    }
}

pub(super) struct Watch {
    clock: Clock,
    started: Timestamp,
    sink: LogSink,
    signals: Signals,
    buffer: Vec<u8>,
    pipes: [Option<OwnedFd>; 2],
    pid: Pid,
    pidfd: Option<OwnedFd>,
    deadline: u64,
    grace_ms: u64,
    /// Why it is being ended, and when it is killed if it has not ended by then.
    ending: Option<(Cause, u64)>,
    killed_at: Option<u64>,
    status: Option<WaitStatus>,
    /// Whether there is nobody left: orphans become ours, so without children there are none.
    alone: bool,
    drain_until: Option<u64>,
    sample_at: u64,
    sample_every: u64,
    peak_rss_bytes: Option<u64>,
    leftovers: u32,
}

impl Watch {
    pub(super) fn new(
        spec: &StepSpec,
        clock: Clock,
        started: Timestamp,
        mut child: Child,
        sink: LogSink,
        signals: Signals,
    ) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        let pipes =
            [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)];
        for pipe in pipes.iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)?;
            // A larger pipe means fewer, larger reads; the system may refuse.
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
        }
        Ok(Self {
            deadline: clock.now().boot_ms.saturating_add(millis(spec.timeout)),
            sample_at: clock.now().boot_ms + SAMPLE_MS.start(),
            clock,
            started,
            sink,
            signals,
            buffer: vec![0; CHUNK_BYTES],
            pipes,
            pid,
            // Without it the loop notices the end a little later.
            pidfd: rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok(),
            grace_ms: millis(spec.grace),
            ending: None,
            killed_at: None,
            status: None,
            alone: false,
            drain_until: None,
            sample_every: *SAMPLE_MS.start(),
            peak_rss_bytes: None,
            leftovers: 0,
        })
    }

    /// Runs until the command and all it started are gone, or will not go; why it ended.
    pub(super) fn run(&mut self) -> Cause {
        loop {
            let now = self.now();
            self.collect(now);
            if self.signals.came() {
                self.end(Cause::Cancelled, now);
            }
            if now >= self.deadline {
                self.end(Cause::TimedOut, now);
            }
            self.press(now);
            if self.status.is_some() && self.pipes.iter().all(Option::is_none)
                || self.drain_until.is_some_and(|until| now >= until)
                || self.killed_at.is_some_and(|at| now >= at + KILLED_MS)
            {
                break;
            }
            self.sink.tick(self.at(now));
            self.sample(now);
            self.pause(self.next().saturating_sub(now).max(1));
            self.read();
        }
        self.sweep();
        self.read();
        self.cause()
    }

    pub(super) fn finish(self, cause: Cause) -> Exit {
        let ended = self.clock.now();
        let (log, log_error) = self.sink.finish(ended.boot_ms.saturating_sub(self.started.boot_ms));
        Exit {
            cause,
            started: self.started,
            ended,
            log,
            log_error: log_error.map(Clean::from),
            cpu_ms: procfs::children_cpu_ms(),
            peak_rss_bytes: self.peak_rss_bytes,
            leftovers: self.leftovers,
        }
    }

    fn now(&self) -> u64 {
        self.clock.now().boot_ms
    }

    fn at(&self, now: u64) -> u64 {
        now.saturating_sub(self.started.boot_ms)
    }

    /// Collects the command, if it has ended, and orphans that have become ours.
    fn collect(&mut self, now: u64) {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => {
                    self.status = Some(status);
                    self.drain_until = Some(now + DRAIN_MS);
                    self.pidfd = None;
                }
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => {
                    self.alone = error == Errno::CHILD;
                    return;
                }
            }
        }
    }

    /// Tells the command to end, unless it has been told already or is over.
    fn end(&mut self, cause: Cause, now: u64) {
        if self.ending.is_none() && self.status.is_none() {
            let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
            self.ending = Some((cause, now.saturating_add(self.grace_ms)));
        }
    }

    /// Kills what did not end in its time.
    fn press(&mut self, now: u64) {
        let late = self.ending.as_ref().is_some_and(|(_, kill_at)| now >= *kill_at);
        if late && self.status.is_none() && self.killed_at.is_none() {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
            procfs::signal_all(&procfs::mine(), Signal::KILL);
            self.killed_at = Some(now);
        }
    }

    fn sample(&mut self, now: u64) {
        if now >= self.sample_at && self.status.is_none() {
            self.peak_rss_bytes = self.peak_rss_bytes.max(procfs::memory());
            self.sample_every = (self.sample_every * 2).min(*SAMPLE_MS.end());
            self.sample_at = now + self.sample_every;
        }
    }

    /// When something is to be done though nothing happens.
    fn next(&self) -> u64 {
        let started = self.started.boot_ms;
        let running = self.status.is_none();
        let sample = running.then_some(self.sample_at);
        let deadline = (running && self.ending.is_none()).then_some(self.deadline);
        let kill_at = self.ending.as_ref().map(|(_, kill_at)| *kill_at);
        let kill_at = kill_at.filter(|_| self.killed_at.is_none());
        let prompt = self.sink.due_ms().map(|due| started.saturating_add(due));
        let given_up = self.killed_at.map(|at| at + KILLED_MS);
        let all = [sample, deadline, kill_at, prompt, self.drain_until, given_up];
        all.into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// Waits until there is something to read or to know, at most `ms`.
    fn pause(&self, ms: u64) {
        // Suspend stops the kernel's count, not the boot clock: look at least every two seconds.
        let mut ms = ms.min(*SAMPLE_MS.end());
        if self.pidfd.is_none() && self.status.is_none() {
            ms = ms.min(20);
        }
        let mut fds = vec![PollFd::new(&self.signals.cancel, PollFlags::IN)];
        fds.extend(self.pipes.iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        fds.extend(self.pidfd.iter().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        // An interrupted wait is as good as one that ended.
        let _ = poll(&mut fds, Some(&timespec(ms)));
    }

    /// Reads each pipe once.
    fn read(&mut self) {
        let at = self.at(self.now());
        for (slot, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let Some(pipe) = &self.pipes[slot] else { continue };
            match rustix::io::read(pipe.as_fd(), &mut self.buffer[..]) {
                Ok(0) => self.pipes[slot] = None,
                Ok(read) => self.sink.feed(stream, at, &self.buffer[..read]),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => self.pipes[slot] = None,
            }
        }
    }

    /// Ends what the command left behind, wherever it went (fault F56).
    fn sweep(&mut self) {
        if self.alone {
            return;
        }
        let mut left = procfs::mine();
        if self.status.is_none() {
            left.remove(&self.pid.as_raw_nonzero().get());
        }
        self.leftovers = u32::try_from(left.len()).unwrap_or(u32::MAX);
        let begun = self.now();
        let mut signal = Signal::TERM;
        while !left.is_empty() {
            let passed = self.now().saturating_sub(begun);
            if passed > LEFTOVER_MS {
                signal = Signal::KILL;
            }
            if passed > LEFTOVER_MS + KILLED_MS {
                return;
            }
            procfs::signal_all(&left, signal);
            let _ = poll(&mut [], Some(&timespec(10)));
            self.collect(begun);
            self.read();
            left = procfs::mine();
        }
    }

    fn cause(&mut self) -> Cause {
        if let Some((cause, _)) = self.ending.take() {
            return cause;
        }
        let status = self.status;
        if let Some(code) = status.and_then(WaitStatus::exit_status) {
            return Cause::Exited { code };
        }
        let signal = status.and_then(WaitStatus::terminating_signal);
        Cause::Signalled { signal: signal.unwrap_or(0) }
    }
}

fn timespec(ms: u64) -> Timespec {
    // Both are in range: callers wait for seconds at most.
    Timespec::try_from(Duration::from_millis(ms)).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
}
