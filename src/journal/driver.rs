//! Who drives: the lock that the kernel frees when its holder dies, and a note of who that is.

use std::fs::File;
use std::io;
use std::path::Path;

use jiff::Timestamp as Wall;
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::shelf::place;
use crate::release::{BootId, Clean, Epoch, Person, ReleaseId, SessionId};

/// One running gonogo that wants to drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Unique to this run of the program; the ids of its records are made from it.
    pub session: SessionId,
    pub person: Person,
    pub host: Clean,
    pub pid: u32,
    pub boot: BootId,
    /// Now.
    pub since: Wall,
}

/// Who holds a lock, as the note beside it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub person: Person,
    pub host: Clean,
    pub pid: u32,
    pub boot: BootId,
    pub since: Wall,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
}

impl Driver {
    pub(super) fn holder(&self) -> Holder {
        Holder {
            person: self.person.clone(),
            host: self.host.clone(),
            pid: self.pid,
            boot: self.boot.clone(),
            since: self.since,
            epoch: None,
            release: None,
        }
    }
}

/// The longest note that is read.
const NOTE_BYTES_MAX: u64 = 64 << 10;

/// Reads a note; none when there is none that can be read.
pub(super) fn read_note(disk: &Disk, path: &Path) -> Option<Holder> {
    serde_json::from_slice(&disk.read_small(path, NOTE_BYTES_MAX).ok()?).ok()
}

pub(super) fn write_note(disk: &Disk, path: &Path, holder: &Holder) -> io::Result<()> {
    disk.replace(path, &serde_json::to_vec(holder).map_err(io::Error::other)?)
}

/// Takes the lock of a file that was opened by name; false when another holds it, or when the
/// name meanwhile stands for another file.
pub(super) fn take(disk: &Disk, path: &Path, file: &File) -> io::Result<bool> {
    if !disk.lock(file)? {
        return Ok(false);
    }
    Ok(place(&disk.stat(path)?) == place(&disk.stat_file(file)?))
}
