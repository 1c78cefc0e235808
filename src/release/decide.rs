//! The only chooser. Pure: a release, one input and the time give the events that follow, or the
//! reason why not.

mod advance;
mod answered;
mod asked;
mod invariant;
mod permit;

pub use invariant::{INVARIANTS, Wrong, broken};
pub use permit::permit;

use super::{
    BootId, Clean, Command, EffectKey, Event, FORMAT, Outcome, Principal, Record, Refusal, Release,
    Seen, SessionId, StageId, Start, Timestamp,
};

/// Everything that can reach the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a few inputs exist at a time; boxes would only make them harder to match"
)]
pub enum Input {
    /// A person, or a script for one, asked something.
    Asked(Command),
    /// An effect came to its end.
    Answered(EffectKey, Outcome),
    /// An effect in doubt was looked at.
    Observed(EffectKey, Seen),
    /// Time alone brought something.
    Due(Timer),
    /// An engine opened the journal: start and resume are the same.
    Opened(Opened),
}

/// Which session opened the journal, and with what the release starts if it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub session: SessionId,
    pub host: Clean,
    pub pid: u32,
    pub boot: BootId,
    pub build: Clean,
    /// Bytes of a torn last line that were set aside when the journal was opened (fault F2).
    pub repaired: Option<u64>,
    /// Who started the release, or had it go on.
    pub by: Principal,
    pub start: Option<Box<Start>>,
}

/// What time alone can bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timer {
    /// Nobody decided in time.
    GateExpires { stage: StageId },
    /// Nobody retried what failed.
    RetryWindowEnds,
}

/// Decides what follows from an input: first the events of the input itself, then everything that
/// the plan and the policy make of them. The first event of an ask is the asker's; all others are
/// gonogo's own.
pub fn decide(release: &Release, input: Input, at: Timestamp) -> Result<Vec<Event>, Refusal> {
    let mut future = Future { release: release.clone(), at, events: Vec::new() };
    match input {
        Input::Asked(command) => asked::asked(&mut future, command)?,
        Input::Answered(key, outcome) => answered::answered(&mut future, &key, outcome),
        Input::Observed(key, seen) => answered::observed(&mut future, &key, seen),
        Input::Due(timer) => answered::due(&mut future, &timer),
        Input::Opened(opened) => answered::opened(&mut future, opened),
    }
    advance::advance(&mut future);
    Ok(future.events)
}

/// A release that runs ahead of its journal while events are being chosen. It is thrown away: the
/// real one changes by the records once they are on disk.
struct Future {
    release: Release,
    at: Timestamp,
    events: Vec<Event>,
}

impl Future {
    fn push(&mut self, event: Event) {
        self.push_by(&Principal::engine(), event);
    }

    fn push_by(&mut self, by: &Principal, event: Event) {
        self.release.foresee(by, event.clone(), self.at);
        self.events.push(event);
    }
}

impl Release {
    /// Applies an event that is not on disk yet, as the record it will become.
    pub fn foresee(&mut self, by: &Principal, event: Event, at: Timestamp) {
        let record = self.foreseen(by, event, at);
        self.apply(&record);
    }

    /// The record that an event will become, but for what only the journal knows.
    pub fn foreseen(&self, by: &Principal, event: Event, at: Timestamp) -> Record {
        Record {
            format: FORMAT,
            release: self.id.clone(),
            seq: self.next_seq(),
            epoch: self.epoch,
            prev: super::Digest::zero(),
            attempt_id: String::new(),
            at_wall: at.wall,
            at_boot: at.boot_ms,
            by: by.clone(),
            event,
        }
    }
}
