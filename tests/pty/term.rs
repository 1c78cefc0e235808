//! The program on a real terminal: a pseudo terminal, and the screen that its bytes make. Shared
//! with the tool that takes the pictures.

use std::fmt;
use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portable_pty::{
    Child, CommandBuilder, ExitStatus, MasterPty, PtySize, SlavePty, native_pty_system,
};
use vt100::{Parser, Screen};

/// What is run, with nothing in its environment but this.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) bin: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) folder: PathBuf,
}

/// What was waited for did not come; with the screen as it was then.
#[derive(Debug)]
pub(crate) struct Timeout(pub(crate) String);

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Timeout {}

/// What the reading thread knows.
struct Seen {
    parser: Parser,
    /// Everything that was written, for what a screen does not keep.
    bytes: Vec<u8>,
    ended: bool,
    /// The reading thread lets go of the terminal as soon as it wakes.
    stop: bool,
}

/// A program on its terminal.
pub(crate) struct Term {
    master: Box<dyn MasterPty + Send>,
    /// Kept open, so that the terminal's settings outlive the program.
    _slave: Box<dyn SlavePty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    reader: Option<std::thread::JoinHandle<()>>,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn pty_size((columns, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cells((columns, rows): (u16, u16)) -> (NonZeroU16, NonZeroU16) {
    let at_least_one = |n: u16| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
    (at_least_one(rows), at_least_one(columns))
}

impl Term {
    /// Starts a program on a terminal of `size` columns and rows.
    pub(crate) fn spawn(program: &Program, size: (u16, u16)) -> Result<Self, Failed> {
        let pair = native_pty_system().openpty(pty_size(size))?;
        let mut command = CommandBuilder::new(&program.bin);
        command.args(&program.args);
        command.env_clear();
        for (name, value) in &program.env {
            command.env(name, value);
        }
        command.cwd(&program.folder);
        let child = pair.slave.spawn_command(command)?;
        let mut source = pair.master.try_clone_reader()?;
        let writer = pair.master.take_writer()?;
        let (rows, columns) = cells(size);
        let parser = Parser::new(rows, columns, 0);
        let seen = Seen { parser, bytes: Vec::new(), ended: false, stop: false };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let shared = Arc::clone(&seen);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            loop {
                let read = source.read(&mut chunk).unwrap_or(0);
                let mut seen = lock(&shared.0);
                seen.ended = read == 0;
                seen.bytes.extend(&chunk[..read]);
                seen.parser.process(&chunk[..read]);
                shared.1.notify_all();
                if read == 0 || seen.stop {
                    return;
                }
            }
        });
        let (master, slave) = (pair.master, pair.slave);
        Ok(Self { master, _slave: slave, writer, child, seen, reader: Some(reader) })
    }

    /// Types, as a terminal sends it.
    pub(crate) fn send(&mut self, keys: &str) -> Result<(), Failed> {
        self.writer.write_all(keys.as_bytes())?;
        self.writer.flush()?;
        Ok(())
    }

    /// Looks at the screen. It is locked meanwhile, so `look` must not call back.
    pub(crate) fn screen<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        look(lock(&self.seen.0).parser.screen())
    }

    /// The screen as text.
    pub(crate) fn text(&self) -> String {
        self.screen(Screen::contents)
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn wait(
        &self,
        what: &str,
        within: Duration,
        ready: impl Fn(&Screen) -> bool,
    ) -> Result<(), Timeout> {
        let seen = lock(&self.seen.0);
        let not_yet = |seen: &mut Seen| !seen.ended && !ready(seen.parser.screen());
        let waited = self.seen.1.wait_timeout_while(seen, within, not_yet);
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let screen = seen.parser.screen();
        if ready(screen) {
            return Ok(());
        }
        let (bytes, text) = (seen.bytes.len(), screen.contents());
        let text = format!("{what} did not come; {bytes} bytes were written; the screen:\n{text}");
        Err(Timeout(text))
    }

    /// Waits until words are on the screen.
    pub(crate) fn wait_text(&self, words: &str, within: Duration) -> Result<(), Timeout> {
        self.wait(&format!("{words:?}"), within, |screen| screen.contents().contains(words))
    }

    /// All that the program wrote to the terminal.
    pub(crate) fn sent(&self) -> String {
        String::from_utf8_lossy(&lock(&self.seen.0).bytes).into_owned()
    }

    /// Waits until `words` were written to the terminal, be they seen or not.
    pub(crate) fn wait_sent(&self, words: &str, within: Duration) -> Result<(), Timeout> {
        let seen = lock(&self.seen.0);
        let words = words.as_bytes();
        let among = |bytes: &[u8]| bytes.windows(words.len()).any(|part| part == words);
        let not_yet = |seen: &mut Seen| !seen.ended && !among(&seen.bytes);
        let waited = self.seen.1.wait_timeout_while(seen, within, not_yet);
        let (seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if among(&seen.bytes) {
            return Ok(());
        }
        let text = seen.parser.screen().contents();
        let words = String::from_utf8_lossy(words);
        Err(Timeout(format!("{words:?} was not written; the screen:\n{text}")))
    }

    /// Waits until the screen has not changed for `idle`. That it is drawn again as it was, with
    /// the cursor hidden once more, is no change.
    pub(crate) fn wait_quiet(&self, idle: Duration) {
        let mut seen = lock(&self.seen.0);
        loop {
            let before = seen.parser.screen().contents_formatted();
            let same = |seen: &mut Seen| {
                !seen.ended && seen.parser.screen().contents_formatted() == before
            };
            let waited = self.seen.1.wait_timeout_while(seen, idle, same);
            let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() || now.ended {
                return;
            }
            seen = now;
        }
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, size: (u16, u16)) -> Result<(), Failed> {
        let (rows, columns) = cells(size);
        lock(&self.seen.0).parser.screen_mut().set_size(rows, columns);
        self.master.resize(pty_size(size))?;
        Ok(())
    }

    /// The number of the program's process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// The terminal's own settings, as the system prints them.
    pub(crate) fn settings(&self) -> String {
        self.master.get_termios().map_or(String::new(), |termios| format!("{termios:?}"))
    }

    /// Waits for the program's end.
    pub(crate) fn finish(&mut self) -> Result<ExitStatus, Failed> {
        Ok(self.child.wait()?)
    }

    /// Takes the terminal away from the program, as a lost line does, and waits for its end.
    pub(crate) fn hang_up(self) -> Result<ExitStatus, Failed> {
        let Self { master, _slave: slave, writer, mut child, seen, mut reader } = self;
        lock(&seen.0).stop = true;
        // A reader that sleeps holds the terminal open: another size makes the program write.
        master.resize(pty_size((79, 23)))?;
        if let Some(reader) = reader.take() {
            let _ = reader.join();
        }
        drop((master, slave, writer));
        Ok(child.wait()?)
    }
}
