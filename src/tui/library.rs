//! Other releases, as they are told to a cockpit: it reads no files itself.

use std::fmt;
use std::pin::Pin;

use jiff::Timestamp as Wall;

use crate::engine::handle::Handle;
use crate::release::{Clean, Policy, Release, ReleaseId};

/// Where a release stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An engine drives it now.
    Driven,
    /// It has not ended, and nobody drives it.
    Orphan,
    Released,
    /// It ended, but not by being released.
    Ended,
    /// Its journal cannot be read.
    Unreadable,
}

/// One release in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: ReleaseId,
    pub standing: Standing,
    pub revision: Clean,
    pub branch: Clean,
    pub environment: Clean,
    /// Who started it.
    pub by: Clean,
    /// Who drives it, as `host, pid`; empty when nobody does.
    pub driver: Clean,
    pub started: Option<Wall>,
    pub took_ms: Option<u64>,
    /// How it ended, or what happened last, in words.
    pub result: Clean,
    pub rehearsal: bool,
}

/// The list, newest first, and who holds which environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    pub rows: Vec<Row>,
    /// `production is held by mira`, a sentence each; nothing where all are free.
    pub locks: Vec<Clean>,
}

/// A handle on its way, or the sentence why there is none.
pub type Opening = Pin<Box<dyn Future<Output = Result<Handle, Clean>> + Send>>;

/// A policy on its way and where it comes from, or the sentence why there is none.
pub type PolicyReading = Pin<Box<dyn Future<Output = Result<(Policy, Clean), Clean>> + Send>>;

/// The releases of this machine. What fails says why in one sentence.
pub trait Library: Send + Sync + fmt::Debug {
    /// Reads the list; it may take as long as the disk does.
    fn list(&self) -> Result<Shelf, Clean>;

    /// Reads and folds one release; it may take as long as the disk does.
    fn read(&self, id: &ReleaseId) -> Result<Release, Clean>;

    /// Attaches to a release that has not ended, or opens the journal of one that has.
    fn open(&self, id: ReleaseId) -> Opening;

    /// Reads the policy by which a running release would be judged if it started now.
    fn policy(&self, release: Release) -> PolicyReading;
}
