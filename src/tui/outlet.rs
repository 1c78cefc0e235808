//! The way to the terminal: whole frames, written by a thread of their own. A terminal that is
//! stopped, or slow, holds up that thread and nothing else; no frame is drawn meanwhile, so that
//! the next one shows what is true then (F54).

use std::io::{self, Write};
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
    /// Writes to `terminal` on a thread of its own, which ends with the outlet.
    pub(super) fn to(terminal: impl Write + Send + 'static) -> io::Result<Self> {
        let progress = Progress::default();
        let (thread, frames) = channel();
        let mine = progress.clone();
        std::thread::Builder::new()
            .name("frames".to_owned())
            .spawn(move || carry(terminal, &frames, &mine))?;
        Ok(Self { frame: Vec::new(), thread, progress })
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
        let frame = std::mem::take(&mut self.frame);
        let mut state = self.progress.lock();
        if let Some(kind) = state.failed {
            return Err(kind.into());
        }
        if state.closed {
            return Ok(());
        }
        state.pending += frame.len();
        drop(state);
        if !frame.is_empty() && self.thread.send(frame).is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
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
        let mut outlet = Outlet::to(Stopped { go: gate, taken }).expect("a thread");
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
}
