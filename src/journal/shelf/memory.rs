//! A shelf in memory, for rehearsals without a disk and for tests that make it fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _, ready};

use super::{Batch, Shelf, Shelved};
use crate::release::Clean;

/// Lines in memory. Clones share them, so a test can hold one and look.
#[derive(Clone, Debug, Default)]
pub struct MemoryShelf {
    shared: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    lines: Vec<Vec<u8>>,
    appends: u64,
    troubles: BTreeMap<u64, Trouble>,
    dead: Option<Clean>,
}

/// What goes wrong with one append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room, this once.
    Full,
    /// Nobody knows whether it was kept; here it was, or was not.
    InDoubt { kept: bool },
    /// The shelf broke before anything was kept.
    Dead,
    /// A rival's lines came first.
    Rival { lines: Vec<Vec<u8>> },
    /// It is kept, and the waiting takes this long on paper.
    Slow { sync: Duration },
}

impl MemoryShelf {
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the `nth` append from now on, counted from 1, meet trouble.
    pub fn trouble(&self, nth: u64, trouble: Trouble) {
        let mut memory = self.memory();
        let at = memory.appends + nth;
        memory.troubles.insert(at, trouble);
    }

    /// The lines kept so far, without their newlines.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.memory().lines.clone()
    }

    /// How many batches were asked to be kept.
    pub fn appends(&self) -> u64 {
        self.memory().appends
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn append(&mut self, batch: Batch) -> Shelved {
        if let Some(reason) = &self.dead {
            return Shelved::Dead { reason: reason.clone() };
        }
        self.appends += 1;
        let reason = |text: &str| Clean::new(text);
        match self.troubles.remove(&self.appends) {
            None => {}
            Some(Trouble::Full) => return Shelved::Full { reason: reason("no space left") },
            Some(Trouble::Dead) => {
                self.dead = Some(reason("the shelf is broken"));
                return Shelved::Dead { reason: reason("the shelf broke") };
            }
            Some(Trouble::InDoubt { kept }) => {
                if kept {
                    self.lines.extend(batch.lines);
                }
                self.dead = Some(reason("the shelf is in doubt"));
                return Shelved::InDoubt { reason: reason("no answer") };
            }
            Some(Trouble::Rival { lines }) => {
                self.lines.extend(lines.iter().cloned());
                return Shelved::Conflict { newer: lines };
            }
            Some(Trouble::Slow { sync }) => {
                self.lines.extend(batch.lines);
                return Shelved::Kept { sync };
            }
        }
        self.lines.extend(batch.lines);
        Shelved::Kept { sync: Duration::ZERO }
    }
}

impl Shelf for MemoryShelf {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Shelved> {
        let shelved = self.memory().append(batch);
        ready(shelved).boxed()
    }
}
