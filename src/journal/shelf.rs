//! What records are written through: a file here, a blob store in `world`, memory in tests.

mod file;
mod memory;

use std::time::Duration;

use futures::future::BoxFuture;

use crate::release::{Clean, Event, Seq, Way};

pub(super) use file::place;
pub use file::{FileShelf, slow_line};
pub use memory::{MemoryShelf, Trouble};

/// Takes lines and keeps them.
///
/// A shelf never takes part of a batch knowingly: it answers [`Shelved::Kept`] when every line is
/// durable, and undoes what it can when one is not.
pub trait Shelf: Send {
    /// Makes the batch durable behind everything that was kept before. Run it to its end: a
    /// caller that gives up half-way does not know what was kept.
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Shelved>;
}

/// Lines to be kept together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first line's record.
    pub first: Seq,
    /// The lines, each without its newline.
    pub lines: Vec<Vec<u8>>,
    pub weight: Weight,
}

impl Batch {
    /// The lines as they are to stand in a file. A single one, as most batches are, is not copied.
    fn into_bytes(self) -> Vec<u8> {
        let more: usize = self.lines.iter().skip(1).map(|line| line.len() + 1).sum();
        let mut lines = self.lines.into_iter();
        let Some(mut bytes) = lines.next() else { return Vec::new() };
        bytes.reserve(more + 1);
        bytes.push(b'\n');
        for line in lines {
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
        }
        bytes
    }
}

/// How much a batch matters when there is hardly any room left, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something has happened that should be remembered: it may use the reserve.
    Outcome,
    /// Something is about to be done, and can wait for room (fault F5).
    Intent,
    /// The way back, and how it ended: it may use the reserve to its last byte.
    WayBack,
}

impl Weight {
    /// The weight of one event.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::RollbackOrdered { .. }
            | Event::TrafficSwitched { .. }
            | Event::SwitchFailed { way: Way::Back, .. }
            | Event::AbortOrdered { .. }
            | Event::ReleaseEnded { .. }
            | Event::VersionLatched { .. } => Self::WayBack,
            Event::ReleaseStarted { .. }
            | Event::StepStarted { .. }
            | Event::GateOpened { .. }
            | Event::SwitchOrdered { .. }
            | Event::RestoreOrdered { undo: false, .. }
            | Event::RetryOrdered { .. }
            | Event::FindingWaived { .. }
            | Event::PolicyChanged { .. }
            | Event::HoldOverridden { .. } => Self::Intent,
            Event::SessionOpened { .. }
            | Event::TailRepaired { .. }
            | Event::StepEnded { .. }
            | Event::StepSkipped { .. }
            | Event::EffectObserved { .. }
            | Event::StageJudged { .. }
            | Event::VoteCast { .. }
            | Event::GateClosed { .. }
            | Event::SwitchFailed { way: Way::Forward, .. }
            | Event::WindowJudged { .. }
            | Event::SlotTidied { .. }
            | Event::RestoreOrdered { undo: true, .. }
            | Event::RestoreAdvanced { .. }
            | Event::RestoreFailed { .. }
            | Event::Held { .. }
            | Event::Notified { .. } => Self::Outcome,
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shelved {
    /// Every line is durable; the waiting for that took so long.
    Kept { sync: Duration },
    /// Somebody else was quicker: these lines, without newlines, stand there now. Nothing of the
    /// batch was kept.
    Conflict { newer: Vec<Vec<u8>> },
    /// There is no room; nothing of the batch was kept, and a later try may succeed.
    Full { reason: Clean },
    /// It is not known whether the batch was kept. The shelf takes nothing any more (fault F4).
    InDoubt { reason: Clean },
    /// Nothing of the batch was kept. The shelf takes nothing any more.
    Dead { reason: Clean },
}
