//! What can fail, in the words that an operator reads.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::driver::Holder;
use super::line::{Damage, Head};
use crate::release::{Clean, Epoch, Record, Seq};

/// Why a journal cannot be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// There is a journal already.
    #[error("failed to make {}: there is a journal already", path.display())]
    Exists { path: PathBuf },
    /// Somebody else drives: watch (fault F8).
    #[error("{0}")]
    Driven(Box<Observing>),
    /// The records do not verify: watch, and repair from elsewhere (fault F3).
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// A newer gonogo wrote it: watch, and drive with that one (fault F10).
    #[error(
        "JOURNAL IS NEWER than this gonogo: record {seq} is a {kind:?} of format {format}; \
         watching only"
    )]
    Foreign { seq: Seq, kind: Clean, format: u32 },
    /// The folder's name is not a release's.
    #[error("failed to open {}: {why}", path.display())]
    NotARelease { path: PathBuf, why: Clean },
}

/// Who drives, for somebody who wanted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observing {
    /// None when the note beside the lock cannot be read.
    pub holder: Option<Holder>,
    /// Seconds since the driver's newest record; none for a watcher, who has no clock.
    pub ago_s: Option<u64>,
}

impl fmt::Display for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some(Holder { pid, person, .. }) => {
                write!(f, "OBSERVING: driver is pid {pid} ({person})")?;
            }
            None => f.write_str("OBSERVING: driver is not known")?,
        }
        match self.ago_s {
            Some(ago_s) => write!(f, ", {ago_s} s ago"),
            None => Ok(()),
        }
    }
}

/// Why records were not, or may not have been, recorded.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Others wrote first; nothing of ours was kept. Fold theirs and decide again (fault F15).
    #[error("{0}")]
    Conflict(Newer),
    /// There is no room; nothing was kept and the same may be tried again (fault F5).
    #[error("DISK FULL: nothing was changed ({0})")]
    Full(Clean),
    /// Whether it was kept is not known; the journal takes nothing any more (fault F4).
    #[error("CANNOT RECORD: driving stopped, the last records may be lost ({0})")]
    InDoubt(Clean),
    /// Nothing was kept; the journal takes nothing any more (faults F4 and F7).
    #[error("CANNOT RECORD: driving stopped, traffic unchanged ({0})")]
    Dead(Clean),
}

/// What others recorded meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newer {
    pub records: Vec<Record>,
    pub head: Option<Head>,
    /// The newest epoch; above our own it means that another driver took over (I5).
    pub epoch: Epoch,
}

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} newer records stand in the journal", self.records.len())?;
        match self.records.last() {
            Some(last) => write!(f, ", the last by {} in epoch {}", last.by.person, last.epoch),
            None => Ok(()),
        }
    }
}
