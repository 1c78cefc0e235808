//! A cockpit without a terminal: a script presses keys and reads words. It runs the same keys,
//! frames and asks as the real one, so that a test reads like a runbook.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::desk::{Desk, Settings, Todo};
use super::keys::{Chord, sequence};
use crate::engine::handle::Snapshot;
use crate::release::Clean;

/// A person takes this long from what they see to the key they press.
const LOOKS_MS: u64 = 400;
/// How often the screen is looked at while nothing happens, on the engine's clock.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked at while no record comes, in milliseconds.
const RARELY_MS: u64 = 10_000;
/// Waiting for words ends after this long on the engine's clock.
const PATIENCE_MS: u64 = 60 * 60 * 1000;

/// A scripted operator before a screen of memory.
pub struct Cockpit {
    desk: Desk,
    terminal: Terminal<TestBackend>,
    hand_ms: u64,
    left: bool,
    copied: Option<String>,
    rung: Vec<Clean>,
}

impl Cockpit {
    /// Attaches to an engine; `size` is columns and rows.
    pub fn new(
        handle: crate::engine::handle::Handle,
        settings: Settings,
        size: (u16, u16),
    ) -> Self {
        let terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("memory is writable");
        let desk = Desk::new(handle, settings, size);
        let mut cockpit =
            Self { desk, terminal, hand_ms: 0, left: false, copied: None, rung: Vec::new() };
        cockpit.look();
        cockpit
    }

    /// Sits down before a tape that plays so many times as fast as it was.
    pub fn replaying(
        tape: crate::engine::handle::Tape,
        speed: f64,
        settings: Settings,
        size: (u16, u16),
    ) -> Self {
        let terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("memory is writable");
        let desk = Desk::playing(tape, speed, settings, size);
        let mut cockpit =
            Self { desk, terminal, hand_ms: 0, left: false, copied: None, rung: Vec::new() };
        cockpit.look();
        cockpit
    }

    /// Presses a key, or keys one after the other: `B`, `gt`, `enter`, `ctrl-c`.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        let keys = sequence(keys).unwrap_or_else(|| panic!("{keys:?} is no key"));
        // Somebody looks before pressing; the keys of a sequence come in one go.
        self.hand_ms += LOOKS_MS;
        for chord in keys {
            self.key(chord);
        }
        self
    }

    /// Types text, letter by letter.
    pub fn type_text(&mut self, text: &str) -> &mut Self {
        self.hand_ms += LOOKS_MS;
        for c in text.chars() {
            self.key(Chord::of(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self
    }

    /// Presses a key in the same moment as the one before, as a key that was on its way (F60).
    pub fn press_at_once(&mut self, key: &str) -> &mut Self {
        let keys = sequence(key).unwrap_or_else(|| panic!("{key:?} is no key"));
        for chord in keys {
            self.key(chord);
        }
        self
    }

    pub fn paste(&mut self, text: &str) -> &mut Self {
        self.hand_ms += LOOKS_MS;
        self.desk.paste(text, self.hand_ms);
        self.look();
        self
    }

    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        self.terminal.backend_mut().resize(columns, rows);
        self.desk.resize((columns, rows));
        self.look();
        self
    }

    fn key(&mut self, chord: Chord) {
        self.desk.catch_up();
        let todo = self.desk.key(chord.event(), self.hand_ms);
        self.take(todo);
        self.look();
    }

    fn take(&mut self, todo: Todo) {
        match todo {
            Todo::Leave => self.left = true,
            Todo::Copy { what, text } => {
                self.desk.copied(what, text.len(), text.len());
                self.copied = Some(text);
            }
            Todo::Nothing | Todo::Suspend | Todo::Repaint | Todo::Mouse(_) => {}
        }
    }

    /// Does something with the mouse at a column and a row.
    pub fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) -> &mut Self {
        self.hand_ms += LOOKS_MS / 2;
        self.desk.catch_up();
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let todo = self.desk.mouse(event, self.hand_ms);
        self.take(todo);
        self.look();
        self
    }

    /// What went to the clipboard last.
    pub fn copied(&self) -> Option<&str> {
        self.copied.as_deref()
    }

    /// Why it rang, so far.
    pub fn rung(&self) -> &[Clean] {
        &self.rung
    }

    /// Lets a person's time pass, without anything else happening.
    pub fn linger(&mut self, time: Duration) -> &mut Self {
        self.hand_ms += u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.look();
        self
    }

    fn look(&mut self) {
        self.desk.tick(self.hand_ms);
        self.desk.catch_up();
        let desk = &self.desk;
        self.terminal.draw(|frame| desk.draw(frame)).expect("memory is writable");
        self.desk.painted();
        self.rung.extend(self.desk.ring());
    }

    /// Whether the operator has detached.
    pub fn has_left(&self) -> bool {
        self.left
    }

    pub fn snapshot(&self) -> &Snapshot {
        self.desk.snapshot()
    }

    /// The cells of the last frame.
    pub fn buffer(&self) -> &Buffer {
        self.terminal.backend().buffer()
    }

    /// The last frame as text, a line a row.
    pub fn text(&self) -> String {
        let buffer = self.buffer();
        let area = buffer.area;
        let mut text = String::new();
        for y in area.top()..area.bottom() {
            let row: String =
                (area.left()..area.right()).map(|x| buffer[(x, y)].symbol()).collect();
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }

    fn shows(&self, words: &str) -> bool {
        let plain = |text: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").to_lowercase()
        };
        let (text, words) = (self.text(), plain(words));
        text.lines().any(|line| plain(line).contains(&words)) || plain(&text).contains(&words)
    }

    /// Fails unless the words are on the screen, in any case of letters.
    #[track_caller]
    pub fn expect(&mut self, words: &str) -> &mut Self {
        self.look();
        assert!(self.shows(words), "{words:?} is not on the screen:\n{}", self.text());
        self
    }

    /// Fails when the words are on the screen.
    #[track_caller]
    pub fn expect_no(&mut self, words: &str) -> &mut Self {
        self.look();
        assert!(!self.shows(words), "{words:?} is on the screen:\n{}", self.text());
        self
    }

    /// Waits until the words are on the screen; fails after an hour of the engine's time.
    pub async fn until(&mut self, words: &str) -> &mut Self {
        let clock = self.desk.handle().clock().clone();
        let begun = clock.now().boot_ms;
        let (mut looked_ms, mut looked_at) = (0, None);
        loop {
            // Most of what is said comes with a record or an answer; what only ages is looked at
            // now and then.
            let before_ms = clock.now().boot_ms;
            self.desk.tick(self.hand_ms);
            self.desk.catch_up();
            let head = Some((self.snapshot().records.len(), self.desk.awaited()));
            if looked_at != head || before_ms >= looked_ms + RARELY_MS {
                (looked_ms, looked_at) = (before_ms, head);
                self.look();
                if self.shows(words) {
                    return self;
                }
            }
            let patience = before_ms.saturating_sub(begun) < PATIENCE_MS;
            assert!(patience, "{words:?} never came:\n{}", self.text());
            tokio::select! {
                () = self.desk.changed() => {}
                () = clock.sleep(LOOK_AGAIN) => {}
            }
            self.hand_ms += clock.now().boot_ms.saturating_sub(before_ms);
        }
    }

    /// Waits until everything that was asked has been answered.
    pub async fn answered(&mut self) -> &mut Self {
        while self.desk.is_asking() {
            self.desk.changed().await;
        }
        self.look();
        self
    }
}
