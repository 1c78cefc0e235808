//! A recorded release on the real screens: the tape, how fast it plays, and the few actions of its
//! own. Everything else is the cockpit as ever; what is asked is refused by the tape.

use std::fmt::Write as _;

use crossterm::event::KeyCode;

use super::action::Action;
use super::keys::Chord;
use super::mark::clock;
use crate::engine::handle::{Handle, Tape};

/// How many times as fast it may play.
const SPEEDS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Characters of a time that is typed.
const INPUT_MAX: usize = 12;

/// What the screen says about a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bar {
    /// `▶ 10x 12:04/58:20 #88/154`.
    pub(super) place: String,
    /// A time that is being typed.
    pub(super) typing: Option<String>,
}

/// A tape that plays.
#[derive(Debug)]
pub(super) struct Player {
    tape: Tape,
    speed: f64,
    paused: bool,
    typing: Option<String>,
    /// When it was looked at last, on the operator's clock.
    seen_ms: Option<u64>,
}

/// What a key or an action came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// It is nothing of the replay's.
    NotMine,
    Done,
    /// It cannot be done; why.
    Refused(String),
}

impl Player {
    pub(super) fn new(tape: Tape, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        Self { tape, speed, paused: false, typing: None, seen_ms: None }
    }

    pub(super) fn handle(&self) -> &Handle {
        self.tape.handle()
    }

    pub(super) fn is_playing(&self) -> bool {
        !self.paused && !self.tape.is_at_end()
    }

    /// Plays on for the time that has passed.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "milliseconds between two frames"
    )]
    pub(super) fn tick(&mut self, now_ms: u64) {
        let past_ms = now_ms.saturating_sub(self.seen_ms.unwrap_or(now_ms));
        self.seen_ms = Some(now_ms);
        if self.is_playing() && past_ms > 0 {
            let on_ms = (past_ms as f64 * self.speed) as u64;
            let (at_ms, _) = self.tape.time();
            self.tape.go_to(at_ms.saturating_add(on_ms));
        }
    }

    /// A key for the time that is being typed; one for nobody where none is.
    pub(super) fn typed(&mut self, chord: Chord) -> Played {
        match self.typing.take() {
            Some(input) => self.type_on(chord.event().code, input),
            None => Played::NotMine,
        }
    }

    /// Plays on in the way of an action of the replay's.
    pub(super) fn act(&mut self, action: Action) -> Played {
        let to = match action {
            Action::ReplayPause => {
                self.paused = !self.paused;
                return Played::Done;
            }
            Action::ReplayFaster => return self.faster(true),
            Action::ReplaySlower => return self.faster(false),
            Action::ReplayGoTo => {
                self.typing = Some(String::new());
                return Played::Done;
            }
            Action::ReplayRecord => {
                self.paused = true;
                let (shown, all) = self.tape.place();
                (shown < all).then_some(shown)
            }
            Action::ReplayNext => self.tape.next_decision(),
            Action::ReplayPrevious => self.tape.previous_decision(),
            _ => return Played::NotMine,
        };
        match to {
            Some(at) => {
                // Whoever jumps wants to look.
                self.paused = true;
                self.tape.go_to_record(at);
                Played::Done
            }
            None if action == Action::ReplayPrevious => {
                Played::Refused("no decision before this".into())
            }
            None => Played::Refused("nothing more comes after this".into()),
        }
    }

    fn faster(&mut self, up: bool) -> Played {
        let faster = SPEEDS.into_iter().find(|speed| *speed > self.speed);
        let slower = SPEEDS.into_iter().rev().find(|speed| *speed < self.speed);
        match if up { faster } else { slower } {
            Some(speed) => self.speed = speed,
            None => return Played::Refused(format!("{}x is the limit", self.speed)),
        }
        Played::Done
    }

    fn type_on(&mut self, code: KeyCode, mut input: String) -> Played {
        match code {
            KeyCode::Esc => return Played::Done,
            KeyCode::Enter => return self.go_to(input.trim()),
            KeyCode::Backspace => drop(input.pop()),
            KeyCode::Char(c) if input.chars().count() < INPUT_MAX => input.push(c),
            _ => {}
        }
        self.typing = Some(input);
        Played::Done
    }

    /// `12:04` or `1:02:03` after the start, `02:41:10Z` on the wall clock, `#88` by record.
    fn go_to(&mut self, text: &str) -> Played {
        let known = if let Some(record) = text.strip_prefix('#') {
            record.parse().ok().map(|at| self.tape.go_to_record(at))
        } else if let Some(wall) = text.strip_suffix(['z', 'Z']) {
            self.wall_ms(wall).map(|ms| self.tape.go_to(ms))
        } else {
            seconds(text).map(|seconds| self.tape.go_to(seconds.saturating_mul(1000)))
        };
        self.paused = true;
        match known {
            Some(_) => Played::Done,
            None => Played::Refused("type 12:04 after the start, 02:41:10Z, or #88".into()),
        }
    }

    /// The first time of day like that after the release began.
    fn wall_ms(&self, text: &str) -> Option<u64> {
        let wanted = i64::try_from(seconds(text).filter(|s| *s < 86_400)?).ok()?;
        let begins = self.tape.begins()?;
        let of_day = begins.as_second().rem_euclid(86_400);
        let later = (wanted - of_day).rem_euclid(86_400);
        let wall = begins.checked_add(jiff::SignedDuration::from_secs(later)).ok()?;
        Some(self.tape.ms_of_wall(wall))
    }

    /// Where it is, for the top bar.
    pub(super) fn bar(&self) -> Bar {
        let ((shown, all), (at_ms, end_ms)) = (self.tape.place(), self.tape.time());
        let mark = match (self.tape.is_at_end(), self.paused) {
            (true, _) => "end".to_owned(),
            (false, true) => "paused".to_owned(),
            (false, false) => format!("{}x", self.speed),
        };
        let mut place = format!("{mark} {}/{}", clock(at_ms), clock(end_ms));
        // A string takes everything.
        let _ = write!(place, " #{}/{}", shown.saturating_sub(1), all.saturating_sub(1));
        Bar { place, typing: self.typing.clone() }
    }
}

/// `SS`, `MM:SS` or `H:MM:SS` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let parts: Vec<u64> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    if parts.len() > 3 || parts.iter().skip(1).any(|part| *part > 59) {
        return None;
    }
    Some(parts.iter().fold(0, |sum: u64, part| sum.saturating_mul(60).saturating_add(*part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_clocks_show_them() {
        assert_eq!(seconds("12:04"), Some(724));
        assert_eq!(seconds("1:02:03"), Some(3723));
        assert_eq!(seconds("41"), Some(41));
        assert_eq!(["", "1:60", "a", "1:2:3:4", "-1"].map(seconds), [None; 5]);
    }
}
