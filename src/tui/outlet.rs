//! The way to the terminal: whole frames. What the terminal takes at once is written where the
//! frame was made; only what it does not take goes to a thread, because handing over costs more
//! than a frame does. A terminal that is stopped, or slow, holds up that thread and nothing else;
//! no frame is drawn meanwhile, so that the next one shows what is true then (F54).

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What the writing thread and the cockpit share.
#[derive(Debug, Default)]
struct State {
    /// Bytes that were handed over and are not written yet.
    pending: usize,
    failed: Option<io::ErrorKind>,
    /// Nothing is taken any more.
    closed: bool,
}

/// Takes bytes like a terminal would, and hands them over when flushed.
#[derive(Debug)]
pub(super) struct Outlet {
    frame: Vec<u8>,
    at_once: Option<OwnedFd>,
    thread: Sender<Vec<u8>>,
    progress: Progress,
}

/// How far the writing has come. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    state: Arc<Mutex<State>>,
    written: Arc<Notify>,
    done: Arc<Condvar>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something that was handed over is not on the terminal yet.
    pub(super) fn is_busy(&self) -> bool {
        self.lock().pending > 0
    }

    /// Blocks until everything is written, at most for `limit`; whether it is.
    pub(super) fn wait(&self, limit: std::time::Duration) -> bool {
        let state = self.lock();
        let busy = |state: &mut State| state.pending > 0;
        let waited = self.done.wait_timeout_while(state, limit, busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending == 0
    }

    /// Takes no frame any more, and waits until those on their way are written, at most for
    /// `limit`; whether they are.
    pub(super) fn close(&self, limit: std::time::Duration) -> bool {
        self.lock().closed = true;
        self.wait(limit)
    }

    /// Waits until everything is written.
    pub(super) async fn idle(&self) {
        loop {
            let written = self.written.notified();
            if !self.is_busy() {
                return;
            }
            written.await;
        }
    }
}

impl Outlet {
    /// Writes to `terminal` on a thread of its own, which ends with the outlet. `at_once` is the
    /// same terminal, opened so that it refuses what it cannot take now: without it the thread
    /// writes everything.
    pub(super) fn to(
        terminal: impl Write + Send + 'static,
        at_once: Option<OwnedFd>,
    ) -> io::Result<Self> {
        let progress = Progress::default();
        let (thread, frames) = channel();
        let mine = progress.clone();
        std::thread::Builder::new()
            .name("frames".to_owned())
            .spawn(move || carry(terminal, &frames, &mine))?;
        Ok(Self { frame: Vec::new(), at_once, thread, progress })
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

fn carry(mut terminal: impl Write, frames: &Receiver<Vec<u8>>, progress: &Progress) {
    while let Ok(frame) = frames.recv() {
        let written = terminal.write_all(&frame).and_then(|()| terminal.flush());
        let mut state = progress.lock();
        state.pending = state.pending.saturating_sub(frame.len());
        if let Err(error) = written {
            state.failed = Some(error.kind());
        }
        drop(state);
        progress.written.notify_waiters();
        progress.done.notify_all();
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut frame = std::mem::take(&mut self.frame);
        // Held while writing at once: who closes the way, after a panic, waits for the whole frame.
        let mut state = self.progress.lock();
        if let Some(kind) = state.failed {
            return Err(kind.into());
        }
        if state.closed {
            return Ok(());
        }
        if let Some(terminal) = self.at_once.as_ref().filter(|_| state.pending == 0) {
            let taken = take_at_once(terminal, &frame);
            if taken == frame.len() {
                frame.clear();
                self.frame = frame;
                return Ok(());
            }
            frame.drain(..taken);
        }
        state.pending += frame.len();
        drop(state);
        if !frame.is_empty() && self.thread.send(frame).is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

/// How many bytes of the frame the terminal took now. Whatever keeps it from taking more, the
/// thread meets it again, and says so.
fn take_at_once(terminal: &OwnedFd, frame: &[u8]) -> usize {
    let mut taken = 0;
    while let Some(rest) = frame.get(taken..).filter(|rest| !rest.is_empty()) {
        match rustix::io::write(terminal, rest) {
            Ok(0) => break,
            Ok(bytes) => taken += bytes,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that takes nothing until it is told to.
    struct Stopped {
        go: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn f54_a_stopped_terminal_holds_up_nobody_and_one_that_goes_on_is_heard_of() {
        let ((go, gate), (taken, frames)) = (channel(), channel());
        let mut outlet = Outlet::to(Stopped { go: gate, taken }, None).expect("a thread");
        let progress = outlet.progress();
        assert!(!progress.is_busy());
        outlet.write_all(b"a frame").expect("taken");
        outlet.flush().expect("handed over");
        assert!(progress.is_busy());
        go.send(()).expect("the thread waits");
        progress.idle().await;
        assert_eq!(frames.recv().expect("written"), b"a frame");
        drop(go);
        outlet.write_all(b"another").expect("taken");
        outlet.flush().expect("handed over");
        progress.idle().await;
        assert!(outlet.flush().is_err(), "a terminal that is gone is an error");
    }

    #[tokio::test]
    async fn what_the_terminal_takes_at_once_waits_for_no_thread_and_the_rest_follows_in_order() {
        use rustix::pipe::{PipeFlags, fcntl_getpipe_size, pipe_with};
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).expect("a pipe");
        let room = fcntl_getpipe_size(&writer).expect("its size");
        let ((go, gate), (taken, frames)) = (channel(), channel());
        let mut outlet = Outlet::to(Stopped { go: gate, taken }, Some(writer)).expect("a thread");
        let progress = outlet.progress();
        outlet.write_all(b"small").expect("taken");
        outlet.flush().expect("written");
        assert!(!progress.is_busy(), "it is written already");
        outlet.write_all(&vec![b'x'; room]).expect("taken");
        outlet.flush().expect("written, and handed over");
        assert!(progress.is_busy(), "the pipe is full");
        outlet.write_all(b"after it").expect("taken");
        outlet.flush().expect("handed over");
        let mut all = Vec::new();
        let mut piece = vec![0; room];
        while let Ok(bytes @ 1..) = rustix::io::read(&reader, &mut piece[..]) {
            all.extend_from_slice(&piece[..bytes]);
        }
        // There is room again, but what waits for the thread comes first.
        outlet.write_all(b", then this").expect("taken");
        outlet.flush().expect("handed over");
        (0..3).for_each(|_| go.send(()).expect("the thread waits"));
        progress.idle().await;
        all.extend(frames.try_iter().flatten());
        let expected = ["small", &"x".repeat(room), "after it", ", then this"].concat();
        assert_eq!(String::from_utf8(all).expect("text"), expected);
    }
}
