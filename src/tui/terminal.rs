//! The terminal itself: taken over once, given back whatever happens (fault F52).

use std::io::{self, Write as _, stdout};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    self, DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
    Event,
};
use crossterm::execute;
use crossterm::queue;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::mpsc;

use super::canvas::Canvas;
use super::drawing::Drawing;
use super::outlet::{Outlet, Progress};
use crate::release::Clean;

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The way to the terminal while it is ours, for whoever has to close it in a hurry.
static WAY: Mutex<Option<Progress>> = Mutex::new(None);

/// What a signal brings is there within this time, whichever thread the signal came to.
const SIGNALLED: Duration = Duration::from_millis(20);
/// How long a terminal may take for its last frame before it is left as it is.
const LAST_FRAME: Duration = Duration::from_millis(500);
/// Text that is handed to the clipboard, in bytes: terminals take no more.
const CLIP_BYTES_MAX: usize = 64 * 1024;
/// Keys that may wait for the cockpit; a paste storm waits in the terminal.
const EVENTS: usize = 256;

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Screen {
    backend: CrosstermBackend<Outlet>,
    canvas: Canvas,
    pub(super) progress: Progress,
    mouse: bool,
}

impl Screen {
    /// `at_once` is the same terminal, opened so that it refuses what it cannot take now.
    pub(super) fn take(at_once: Option<OwnedFd>) -> io::Result<Self> {
        restore_on_panic();
        enter(false)?;
        let open = || {
            let outlet = Outlet::to(stdout(), at_once)?;
            let progress = outlet.progress();
            *WAY.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
            let backend = CrosstermBackend::new(outlet);
            let mut screen = Self { backend, canvas: Canvas::default(), progress, mouse: false };
            screen.measure()?;
            Ok(screen)
        };
        open().inspect_err(|_| give_back())
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        let area = self.canvas.area();
        (area.width, area.height)
    }

    /// Asks the terminal for its size.
    pub(super) fn measure(&mut self) -> io::Result<()> {
        self.canvas.measure(&mut self.backend)
    }

    pub(super) fn draw(&mut self, paint: impl FnOnce(&mut Drawing)) -> io::Result<()> {
        self.canvas.draw(&mut self.backend, paint)
    }

    /// Paints everything anew with the next frame.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.measure()?;
        self.canvas.clear(&mut self.backend)
    }

    /// Whether it is still ours: a panic somewhere has given it back.
    pub(super) fn is_ours() -> bool {
        TAKEN.load(Ordering::SeqCst)
    }

    /// Gives the terminal to the shell until this process is told to go on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        self.progress.wait(LAST_FRAME);
        give_back();
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::TSTP)?;
        enter(self.mouse)?;
        self.clear()
    }

    /// Takes the mouse, or leaves it to the terminal's own selection.
    pub(super) fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        let out = &mut self.backend;
        if on { queue!(out, EnableMouseCapture) } else { queue!(out, DisableMouseCapture) }?;
        out.flush()
    }

    /// Hands text to the terminal's clipboard (OSC 52); it works over ssh too. Answers how many
    /// bytes went, at the most what terminals take.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<usize> {
        let lines: Vec<String> = text.lines().map(|line| Clean::new(line).into()).collect();
        let mut text = lines.join("\n");
        let fits = (0..=CLIP_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(fits.unwrap_or(0));
        let out = &mut self.backend;
        write!(out, "\x1b]52;c;{}\x07", STANDARD.encode(&text))?;
        out.flush()?;
        Ok(text.len())
    }

    /// Rings, and tells the terminal why (OSC 9), so that who is elsewhere looks up.
    pub(super) fn ring(&mut self, why: &Clean) -> io::Result<()> {
        // Nothing in a clean text ends the sequence; a semicolon would begin another field.
        let why = why.as_str().replace(';', ",");
        let out = &mut self.backend;
        write!(out, "\x07\x1b]9;{why}\x07")?;
        out.flush()
    }
}

impl Screen {
    /// Gives the terminal back; whether it took that. One that takes nothing any more would hold
    /// up whoever writes to it.
    pub(super) fn give_back(&mut self) -> bool {
        let takes = self.progress.wait(LAST_FRAME);
        if takes {
            give_back();
        } else if TAKEN.swap(false, Ordering::SeqCst) {
            let _ = disable_raw_mode();
        }
        takes
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = stdout();
    // The cursor goes before the first frame comes, which may take more than one write.
    let entered = execute!(out, EnterAlternateScreen, Hide, EnableBracketedPaste);
    let entered =
        entered.and_then(|()| if mouse { execute!(out, EnableMouseCapture) } else { Ok(()) });
    entered.inspect_err(|_| give_back())
}

/// Gives the terminal back, once. What cannot be written any more is not needed any more.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = write_reset();
    }
}

fn write_reset() -> io::Result<()> {
    let raw = disable_raw_mode();
    execute!(stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show)?;
    raw
}

/// Repairs a terminal that some program left behind: raw mode, alternate screen, cursor, paste,
/// mouse.
pub fn reset() -> io::Result<()> {
    write_reset()?;
    cook()
}

/// Lets the terminal edit lines, echo and signal again. Whoever made it raw is gone, and with it
/// what it was set to before, so it gets what every terminal starts with.
fn cook() -> io::Result<()> {
    use rustix::termios::{
        InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr,
    };
    let stdin = io::stdin();
    if !io::IsTerminal::is_terminal(&stdin) {
        return Ok(());
    }
    let mut settings = tcgetattr(&stdin)?;
    settings.input_modes |= InputModes::ICRNL | InputModes::IXON;
    settings.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    settings.local_modes |=
        LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
    tcsetattr(&stdin, OptionalActions::Now, &settings)?;
    Ok(())
}

/// A panic's message belongs on the ordinary screen, and no frame on top of it. A terminal that
/// takes nothing any more would hold up whoever writes to it.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let way = WAY.lock().unwrap_or_else(PoisonError::into_inner).take();
            if way.is_none_or(|way| way.close(LAST_FRAME)) {
                give_back();
            } else if TAKEN.swap(false, Ordering::SeqCst) {
                let _ = disable_raw_mode();
            }
            before(info);
        }));
    });
}

/// Why the thread that reads the terminal woke.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stirred {
    /// There may be input.
    Terminal,
    /// It was told to look.
    Poked,
    /// The terminal is gone, or nothing more is wanted of it.
    Over,
}

/// Waits for input, at most for `limit`. A terminal that hung up is readable for ever and never
/// says anything, so reading on would never end (fault F54). It is wanted until the other end of
/// `wanted` is closed.
fn stirred(wanted: &OwnedFd, limit: Option<Duration>) -> Stirred {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut files = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(wanted, PollFlags::IN)];
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let mut found = poll(&mut files, limit.as_ref());
    while found == Err(rustix::io::Errno::INTR) {
        // The signal may be the one of the hang-up itself, so a signal says nothing.
        found = poll(&mut files, Some(&Timespec::default()));
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    if found.is_err() || files.iter().any(|file| file.revents().intersects(gone)) {
        return Stirred::Over;
    }
    if !files[1].revents().contains(PollFlags::IN) {
        return Stirred::Terminal;
    }
    // Whatever could not be read now wakes it again.
    let _ = rustix::io::read(wanted, &mut [0; 16]);
    Stirred::Poked
}

/// The thread that reads the terminal, so that no key waits for a frame and no frame for a key.
pub(super) struct Keyboard {
    events: mpsc::Receiver<Event>,
    thread: Option<JoinHandle<()>>,
    /// Closed when nothing more is to be read, and written to when there is something to be seen
    /// besides input; the thread notices at once.
    wanted: Option<OwnedFd>,
    /// Closed when the thread ends.
    over: std::sync::mpsc::Receiver<()>,
}

impl Keyboard {
    pub(super) fn open() -> io::Result<Self> {
        let (want, wanted) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let (sender, events) = mpsc::channel(EVENTS);
        let (reading, over) = std::sync::mpsc::channel();
        let read = move || {
            let _reading = reading;
            // Keys that came in one go were read in one go: the terminal says nothing of the rest.
            // After that it waits for as long as it takes, so that an idle cockpit costs nothing.
            let mut limit = Some(Duration::ZERO);
            loop {
                let stirred = stirred(&want, limit);
                let patience = match stirred {
                    Stirred::Terminal => Duration::ZERO,
                    Stirred::Poked => SIGNALLED,
                    Stirred::Over => return,
                };
                let ready = event::poll(patience);
                let event = match ready {
                    // Whoever poked waits for the answer, whatever became of the note.
                    Ok(false) if stirred == Stirred::Poked => Ok(Event::Resize(0, 0)),
                    Ok(false) => {
                        limit = None;
                        continue;
                    }
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                let Ok(event) = event else { return };
                if sender.blocking_send(event).is_err() {
                    return;
                }
                limit = Some(Duration::ZERO);
            }
        };
        let thread = std::thread::Builder::new().name("keys".to_owned()).spawn(read)?;
        Ok(Self { events, thread: Some(thread), wanted: Some(wanted), over })
    }

    /// The next event; none when the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The terminal has another size, which a signal told. The library keeps a note of that signal
    /// among the events; one that lies there when a key comes hides the key from it until the next
    /// one comes, so the note is taken away first: the event comes back as any other, and only then
    /// is the size taken and a frame of it drawn.
    pub(super) fn resized(&self) {
        if let Some(wanted) = &self.wanted {
            // A pipe that is full wakes the thread as well.
            let _ = rustix::io::write(wanted, &[0]);
        }
    }

    /// An event that is there already.
    pub(super) fn waiting(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // What is typed from now on is for whoever has the terminal next.
        self.wanted = None;
        self.events.close();
        // A terminal that hung up between two looks is read without an end: it ends with us.
        let ended = self.over.recv_timeout(LAST_FRAME) != Err(RecvTimeoutError::Timeout);
        if let Some(thread) = self.thread.take().filter(|_| ended) {
            let _ = thread.join();
        }
    }
}
