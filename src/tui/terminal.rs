//! The terminal itself: taken over once, given back whatever happens (fault F52).

use std::io::{self, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::cursor::Show;
use crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Set when the terminal has to be left by whoever reads it.
static STOP: AtomicBool = AtomicBool::new(false);

/// How long the reading thread waits before it looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_millis(100);
/// Keys that may wait for the cockpit; a paste storm waits in the terminal.
const EVENTS: usize = 256;

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Screen {
    pub(super) terminal: ratatui::Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic();
        enter()?;
        let terminal = ratatui::Terminal::new(CrosstermBackend::new(stdout()));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Whether it is still ours: a panic somewhere has given it back.
    pub(super) fn is_ours() -> bool {
        TAKEN.load(Ordering::SeqCst)
    }

    /// Gives the terminal to the shell until this process is told to go on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::TSTP)?;
        enter()?;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste).inspect_err(|_| give_back())
}

/// Gives the terminal back, once. What cannot be written any more is not needed any more.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = write_reset();
    }
}

fn write_reset() -> io::Result<()> {
    let raw = disable_raw_mode();
    execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show)?;
    raw
}

/// Repairs a terminal that some program left behind: raw mode, alternate screen, cursor, paste.
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

/// A panic's message belongs on the ordinary screen.
fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}

/// Waits a moment for input, and says whether the terminal is still there. A terminal that hung up
/// is readable for ever and never says anything, so reading on would never end (fault F54).
fn is_there() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut files = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec::try_from(LOOK_UP).ok();
    match poll(&mut files, limit.as_ref()) {
        Ok(_) => !files[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(error) => error == rustix::io::Errno::INTR,
    }
}

/// The thread that reads the terminal, so that no key waits for a frame and no frame for a key.
pub(super) struct Keyboard {
    events: mpsc::Receiver<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Keyboard {
    pub(super) fn open() -> io::Result<Self> {
        STOP.store(false, Ordering::SeqCst);
        let (sender, events) = mpsc::channel(EVENTS);
        let read = move || {
            while !STOP.load(Ordering::SeqCst) && is_there() {
                let ready = event::poll(Duration::ZERO);
                let event = match ready {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                let Ok(event) = event else { return };
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("keys".to_owned()).spawn(read)?;
        Ok(Self { events, thread: Some(thread) })
    }

    /// The next event; none when the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// An event that is there already.
    pub(super) fn waiting(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // What is typed from now on is for whoever has the terminal next.
        STOP.store(true, Ordering::SeqCst);
        self.events.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
