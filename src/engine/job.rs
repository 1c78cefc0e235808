//! What an engine needs to know to begin or to go on, in a file beside the journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::release::{Clean, Person, ReleaseId, Start};
use crate::world::NotifyChannel;
use crate::world::disk::{self, DiskError};

/// The file in the release's folder.
const FILE: &str = "job.json";
/// A plan and a policy fit into this many times over.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One release to be driven on this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub release: ReleaseId,
    /// The repository that the revision is checked out of.
    pub repository: PathBuf,
    /// What the release starts with; counts only while the journal is empty.
    pub start: Box<Start>,
    pub by: Person,
    /// The allowed part of the environment in which the release was started.
    pub env: BTreeMap<String, String>,
    /// The state directory, and the folder of secrets.
    pub state: PathBuf,
    pub secrets: PathBuf,
    pub socket: PathBuf,
    pub notify: Vec<NotifyChannel>,
}

/// Why there is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("read the job: {0}")]
    Disk(#[from] DiskError),
    #[error("read the job: {} is missing; `gonogo run` did not start this release", .0.display())]
    Missing(PathBuf),
    #[error("read the job {}: {source}", path.display())]
    Broken { path: PathBuf, source: serde_json::Error },
}

impl Job {
    pub fn read(folder: &Path) -> Result<Self, JobError> {
        let path = folder.join(FILE);
        let bytes = disk::read_trusted(&path, BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| JobError::Missing(path.clone()))?;
        serde_json::from_slice(&bytes).map_err(|source| JobError::Broken { path, source })
    }

    pub fn write(&self, folder: &Path) -> Result<(), JobError> {
        let path = folder.join(FILE);
        let bytes =
            serde_json::to_vec_pretty(self).map_err(|source| JobError::Broken { path, source })?;
        Ok(disk::write_whole(folder, FILE, &bytes)?)
    }
}

/// Why an engine is gone, in the release's folder.
const LAST_WORDS: &str = "engine.error";

/// Leaves the reason for ending early, for whoever waits for the engine.
pub fn leave_last_words(folder: &Path, words: &Clean) -> Result<(), DiskError> {
    disk::write_whole(folder, LAST_WORDS, words.as_str().as_bytes())
}

/// The reason that an engine left, if one did.
pub fn last_words(folder: &Path) -> Option<Clean> {
    let bytes = disk::read(&folder.join(LAST_WORDS), 64 * 1024).ok().flatten()?;
    Some(Clean::from_bytes(&bytes))
}

/// Makes room for the next engine's reason.
pub fn forget_last_words(folder: &Path) -> Result<(), DiskError> {
    disk::remove(&folder.join(LAST_WORDS))
}
