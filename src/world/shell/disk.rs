//! Small files that are either whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Room taken in advance for a file that must be written even when the disk is full by then.
const RESERVE_BYTES: u64 = 4096;
/// How often a step's directory is asked for, ten milliseconds apart.
const LOCK_TRIES: usize = 200;

/// Makes `dir` and what leads to it, for its owner only (threat T17).
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A file that appears under its name at once and whole.
pub(super) struct Atomic {
    file: File,
    temporary: PathBuf,
    name: PathBuf,
}

impl Atomic {
    /// Takes room for `dir/name`, so that a disk that fills up does not matter later.
    pub(super) fn reserve(dir: &Path, name: &str) -> io::Result<Self> {
        let temporary = dir.join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        // Not every file system can; then it is as good as without.
        let _ = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES);
        Ok(Self { file, temporary, name: dir.join(name) })
    }

    /// Writes, makes durable, and puts in its place.
    pub(super) fn write(mut self, value: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(value)?;
        bytes.push(b'\n');
        self.file.rewind()?;
        self.file.write_all(&bytes)?;
        self.file.set_len(bytes.len() as u64)?;
        self.file.sync_all()?;
        std::fs::rename(&self.temporary, &self.name)?;
        sync_dir(self.name.parent().unwrap_or(Path::new("/")))
    }
}

pub(super) fn write(dir: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    Atomic::reserve(dir, name)?.write(value)
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The value in `dir/name`; none when there is no such file.
pub(super) fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> io::Result<Option<T>> {
    match std::fs::read(dir.join(name)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes `dir/name` away; whether it was there.
pub(super) fn remove(dir: &Path, name: &str) -> io::Result<bool> {
    was_there(std::fs::remove_file(dir.join(name)))
}

fn was_there(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the step's directory for this process alone, for as long as the file is open: the shim
/// of an engine that died a moment ago may still be about to leave word in it.
pub(super) fn lock(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create(true).truncate(false).mode(0o600).open(dir.join("lock"))?;
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            // A shim that has left its word is gone in a moment.
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
                let _ = rustix::event::poll(&mut [], Some(&moment));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other(format!("another run still holds {}; wait for it", dir.display())))
}

/// Takes away what an earlier run left in a step's directory, so that nothing old can be taken for
/// new.
pub(super) fn tidy(dir: &Path) -> io::Result<()> {
    let mut changed = remove(dir, "exit.json")? | remove(dir, "pid.json")?;
    // An old report must not pass for a new one (threat T12).
    changed |= remove(dir, crate::world::logpipe::STDOUT)?;
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("log~")) {
            std::fs::remove_file(dir.join(name))?;
            changed = true;
        }
    }
    changed |= was_there(std::fs::rename(dir.join("log"), dir.join("log.before")))?;
    // A folder that was as good as new needs no wait for the disk.
    if changed { sync_dir(dir) } else { Ok(()) }
}
