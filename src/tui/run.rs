//! The cockpit on a real terminal: keys first, data at most every 33 ms, and nothing at all while
//! nothing changes.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crossterm::event::{Event, KeyEventKind};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::desk::{Desk, Settings, Todo};
use super::drawing::Drawing;
use super::screen::first_frame::FirstFrame;
use super::terminal::{Keyboard, Screen};
use super::theme::Theme;
use crate::engine::handle::{Clock, Handle, Tape};
use crate::release::Release;

/// Data is drawn at most this often.
const FRAME: Duration = Duration::from_millis(33);

/// Whoever types all the time still sees what happens, so often at least.
const STARVED_MS: u64 = 250;

/// A log that is followed is looked at so often; only what has come there makes a frame.
const LOG_MS: u64 = 250;

/// A frame that took longer to be written met a terminal that is stopped or slow.
const STUCK_MS: u64 = 100;

/// Who has seen nothing for so long must not have a count-down end unseen.
const BLIND_MS: u64 = 1000;

/// How the operator left. The release goes on in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// By a key.
    Detached,
    /// The process was told to end, or the line broke.
    HungUp,
}

/// Failed to show the cockpit.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("use the terminal: {0}")]
    Terminal(#[from] io::Error),
    #[error("go on after an internal error; its message stands above")]
    Broken,
}

/// The terminal, taken over, with a first frame on it.
pub struct Opened {
    signals: Signals,
    // In this order: the thread lets go of the terminal before the terminal is given back.
    keyboard: Keyboard,
    screen: Screen,
}

/// Takes the terminal over and shows at once what is being opened, because opening it takes its
/// time. Keys wait until the cockpit runs. To be called within the runtime that will run it;
/// dropping what it gives back gives the terminal back.
///
/// `at_once`, if it can be had, is the terminal opened so that it refuses what it cannot take now.
pub fn open(
    theme: &Theme,
    first: &FirstFrame,
    at_once: Option<OwnedFd>,
) -> Result<Opened, TuiError> {
    Ok(take_over(at_once, |drawing| first.draw(drawing, theme))?)
}

/// Runs a cockpit for which nothing has to be opened; `at_once` is as for [`open`].
pub async fn run(
    handle: Handle,
    settings: Settings,
    at_once: Option<OwnedFd>,
) -> Result<(Leave, Release), TuiError> {
    take_over(at_once, |_| {})?.run(handle, settings).await
}

/// Plays a recorded release, so many times as fast as it was, until the operator leaves;
/// `at_once` is as for [`open`].
pub async fn replay(
    tape: Tape,
    settings: Settings,
    speed: f64,
    at_once: Option<OwnedFd>,
) -> Result<Leave, TuiError> {
    let (clock, mouse) = (settings.clock.clone(), settings.mouse);
    let opened = take_over(at_once, |_| {})?;
    Ok(opened.sit(clock, mouse, |size| Desk::playing(tape, speed, settings, size)).await?.0)
}

fn take_over(at_once: Option<OwnedFd>, first: impl FnOnce(&mut Drawing)) -> io::Result<Opened> {
    let signals = Signals::listen()?;
    let mut screen = Screen::take(at_once)?;
    screen.draw(first)?;
    let keyboard = Keyboard::open()?;
    Ok(Opened { signals, keyboard, screen })
}

impl Opened {
    /// Runs the cockpit until its operator leaves; answers how, and the release shown last.
    pub async fn run(
        self,
        handle: Handle,
        settings: Settings,
    ) -> Result<(Leave, Release), TuiError> {
        let (clock, mouse) = (settings.clock.clone(), settings.mouse);
        self.sit(clock, mouse, |size| Desk::new(handle, settings, size)).await
    }

    async fn sit(
        self,
        clock: Clock,
        mouse: bool,
        desk: impl FnOnce((u16, u16)) -> Desk,
    ) -> Result<(Leave, Release), TuiError> {
        let Self { mut signals, mut keyboard, mut screen } = self;
        if mouse {
            screen.mouse(true)?;
        }
        let mut desk = desk(screen.size());
        let left = turn(&mut desk, &clock, &mut screen, &mut keyboard, &mut signals).await;
        // The thread lets go of the terminal before the terminal is given back.
        drop(keyboard);
        let takes_words = screen.give_back();
        desk.catch_up();
        // To a terminal that takes nothing any more nobody can say a last word.
        let left = if takes_words { left? } else { Leave::HungUp };
        Ok((left, desk.snapshot().release.clone()))
    }
}

async fn turn(
    desk: &mut Desk,
    clock: &Clock,
    screen: &mut Screen,
    keyboard: &mut Keyboard,
    signals: &mut Signals,
) -> Result<Leave, TuiError> {
    let mut last = Last { drawn_ms: clock.now().boot_ms, taken_ms: 0, blocked: false };
    let mut by_hand = false;
    loop {
        let now_ms = clock.now().boot_ms;
        let blocked = screen.progress.is_busy();
        if blocked && now_ms > last.drawn_ms.saturating_add(BLIND_MS) {
            desk.lose_sight();
        }
        desk.tick(now_ms);
        // A key is shown at once, on the picture that it was meant for; what is new comes in the
        // next frame.
        if !by_hand || now_ms >= last.taken_ms.saturating_add(STARVED_MS) {
            desk.catch_up();
            last.taken_ms = now_ms;
        }
        if !Screen::is_ours() {
            return Err(TuiError::Broken);
        }
        // While the terminal takes nothing, nothing is drawn: the next frame shows what is then.
        if !blocked {
            if let Some(why) = desk.ring() {
                screen.ring(&why)?;
            }
            screen.draw(|drawing| desk.paint(drawing))?;
            last.drawn_ms = clock.now().boot_ms;
        }
        last.blocked = blocked;
        let woken = wait(desk, clock, screen, keyboard, signals, last).await;
        by_hand = matches!(woken, Woken::Event(_));
        match woken {
            Woken::Time => {}
            Woken::Signal | Woken::Event(None) => return Ok(Leave::HungUp),
            Woken::Event(Some(event)) => {
                let mut next = Some(event);
                while let Some(event) = next {
                    if let Event::Resize(..) = event {
                        measure(desk, screen)?;
                    }
                    match take(desk, clock, event) {
                        Todo::Leave => return Ok(Leave::Detached),
                        Todo::Suspend => screen.suspend()?,
                        Todo::Repaint => screen.clear()?,
                        Todo::Copy { what, text } => {
                            let bytes = screen.copy(&text)?;
                            desk.copied(what, bytes, text.len());
                        }
                        Todo::Mouse(on) => screen.mouse(on)?,
                        Todo::Nothing => {}
                    }
                    next = keyboard.waiting();
                }
            }
        }
    }
}

/// The frame that is on its way to the screen.
#[derive(Clone, Copy)]
struct Last {
    drawn_ms: u64,
    /// When what was new was taken in.
    taken_ms: u64,
    /// Whether nothing was drawn because the terminal took nothing.
    blocked: bool,
}

/// Why the next frame is drawn.
enum Woken {
    Time,
    /// One after which the cockpit ends.
    Signal,
    Event(Option<Event>),
}

async fn wait(
    desk: &mut Desk,
    clock: &Clock,
    screen: &Screen,
    keyboard: &mut Keyboard,
    signals: &mut Signals,
    Last { drawn_ms, taken_ms, blocked }: Last,
) -> Woken {
    let mut due_ms = desk.ages_in_ms().map(|ms| taken_ms.saturating_add(ms));
    let mut look_ms = taken_ms.saturating_add(LOG_MS);
    let (mut news, mut writing) = (false, true);
    loop {
        let at_ms = due_ms.unwrap_or(u64::MAX);
        tokio::select! {
            biased;
            event = keyboard.next() => return Woken::Event(event),
            ended = signals.next() => {
                if ended {
                    return Woken::Signal;
                }
                keyboard.resized();
            }
            () = screen.progress.idle(), if writing => {
                writing = false;
                let took_ms = clock.now().boot_ms.saturating_sub(drawn_ms);
                if took_ms > BLIND_MS {
                    desk.lose_sight();
                }
                if blocked || took_ms > STUCK_MS {
                    // It was stopped, or is slow: what is there now is old.
                    return Woken::Time;
                }
                desk.painted();
            }
            () = clock.sleep_until(at_ms), if due_ms.is_some() && !writing => return Woken::Time,
            () = clock.sleep_until(look_ms), if !writing && desk.follows_a_log() => {
                if desk.log_has_grown() {
                    return Woken::Time;
                }
                look_ms = clock.now().boot_ms.saturating_add(LOG_MS);
            }
            () = desk.changed(), if !news => {
                news = true;
                let frame_ms = u64::try_from(FRAME.as_millis()).unwrap_or(33);
                let soon_ms = taken_ms.saturating_add(frame_ms);
                due_ms = Some(due_ms.map_or(soon_ms, |due_ms| due_ms.min(soon_ms)));
            }
        }
    }
}

fn take(desk: &mut Desk, clock: &Clock, event: Event) -> Todo {
    let now_ms = clock.now().boot_ms;
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => return desk.key(key, now_ms),
        Event::Mouse(mouse) => return desk.mouse(mouse, now_ms),
        Event::Paste(text) => desk.paste(&text, now_ms),
        _ => {}
    }
    Todo::Nothing
}

/// Takes the terminal's size, which may have become another one.
fn measure(desk: &mut Desk, screen: &mut Screen) -> io::Result<()> {
    screen.measure()?;
    if desk.size() != screen.size() {
        desk.resize(screen.size());
    }
    Ok(())
}

struct Signals {
    /// Those after which the terminal must be as it was.
    all: [Signal; 4],
    /// The terminal has another size.
    resized: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let on = |kind: SignalKind| signal(kind);
        let all = [
            on(SignalKind::terminate())?,
            on(SignalKind::hangup())?,
            on(SignalKind::interrupt())?,
            on(SignalKind::quit())?,
        ];
        Ok(Self { all, resized: on(SignalKind::window_change())? })
    }

    /// Waits for one; answers whether it is one to end.
    async fn next(&mut self) -> bool {
        let [terminate, hang_up, interrupt, quit] = &mut self.all;
        tokio::select! {
            _ = terminate.recv() => true,
            _ = hang_up.recv() => true,
            _ = interrupt.recv() => true,
            _ = quit.recv() => true,
            _ = self.resized.recv() => false,
        }
    }
}
