//! The environment lock: one release at a time. The kernel frees it when its holder dies.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::driver::{Driver, Holder, read_note, take, write_note};
use crate::release::{Clean, ReleaseId};

/// An environment held for a release. Dropping it lets the next one in.
#[derive(Debug)]
pub struct EnvironmentLock {
    environment: Clean,
    /// The lock lives as long as this open file does.
    _file: File,
}

impl EnvironmentLock {
    pub fn environment(&self) -> &Clean {
        &self.environment
    }
}

/// Why an environment is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("environment {environment} is held by {}", words(holder.as_deref()))]
    Held { environment: Clean, holder: Option<Box<Holder>> },
    #[error("failed to lock environment {environment}: {source}")]
    Io { environment: Clean, source: io::Error },
}

/// Who holds an environment, or waits for it, for people.
pub(super) fn words(holder: Option<&Holder>) -> String {
    let Some(Holder { person, host, pid, since, release, .. }) = holder else {
        return "somebody who left no note".to_owned();
    };
    let release = release.as_ref().map_or_else(|| "a release".to_owned(), ToString::to_string);
    format!("{release} ({person} on {host}, pid {pid}, since {since:.0})")
}

/// Takes an environment for a release.
pub(super) fn acquire(
    disk: &Disk,
    folder: &Path,
    environment: &Clean,
    release: &ReleaseId,
    driver: &Driver,
) -> Result<EnvironmentLock, LockError> {
    let fail = |source| LockError::Io { environment: environment.clone(), source };
    disk.make_dirs(folder).map_err(fail)?;
    let path = lock_path(folder, environment);
    let file = disk.open_or_create(&path).map_err(fail)?;
    if !take(disk, &path, &file).map_err(fail)? {
        let holder = read_note(disk, &path.with_extension("json")).map(Box::new);
        return Err(LockError::Held { environment: environment.clone(), holder });
    }
    let mut holder = driver.holder();
    holder.release = Some(release.clone());
    // The lock counts, not the note: a full disk must not keep a release from ending.
    let _ = write_note(disk, &path.with_extension("json"), &holder);
    Ok(EnvironmentLock { environment: environment.clone(), _file: file })
}

/// Whether an environment is free.
pub(super) fn is_free(disk: &Disk, folder: &Path, environment: &Clean) -> Result<(), LockError> {
    let fail = |source| LockError::Io { environment: environment.clone(), source };
    let path = lock_path(folder, environment);
    let file = match disk.open_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(fail)?,
    };
    if !disk.is_locked(&file).map_err(fail)? {
        return Ok(());
    }
    let holder = read_note(disk, &path.with_extension("json")).map(Box::new);
    Err(LockError::Held { environment: environment.clone(), holder })
}

fn lock_path(folder: &Path, environment: &Clean) -> PathBuf {
    folder.join(format!("{}.lock", file_name(environment)))
}

/// Where the line before an environment stands.
pub(super) fn queue_path(folder: &Path, environment: &Clean) -> PathBuf {
    folder.join(format!("{}.queue", file_name(environment)))
}

/// Environments have names for people; files have names that lead nowhere else.
fn file_name(environment: &Clean) -> String {
    use std::fmt::Write as _;
    let mut name = String::new();
    for byte in environment.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(name, "%{byte:02x}");
        }
    }
    name
}
