//! The line before an environment: whoever came first is let in first.
//!
//! A place is a numbered file that its holder keeps locked. The kernel frees it when the holder
//! dies, so the dead never stand in the way. It is locked before it gets its number: whoever sees
//! a place that is not locked knows that its holder is gone, and clears it away.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::driver::{Holder, read_note, write_note};
use super::environment::LockError;
use crate::release::Clean;

/// A place in the line. Dropping it leaves the line.
#[derive(Debug)]
pub struct Place {
    disk: Disk,
    environment: Clean,
    folder: PathBuf,
    number: u64,
    /// The place is held as long as this file is open and locked.
    _file: File,
}

/// Goes to the end of the line.
pub(super) fn join(
    disk: &Disk,
    folder: PathBuf,
    environment: &Clean,
    holder: &Holder,
) -> Result<Place, LockError> {
    let fail = |source| LockError::Io { environment: environment.clone(), source };
    disk.make_dirs(&folder).map_err(fail)?;
    let own = folder.join(format!("{}.coming", holder.pid));
    // One that died here may have left it, as the second name of a place.
    let _ = disk.remove(&own);
    let file = disk.create(&own).map_err(fail)?;
    if !disk.lock(&file).map_err(fail)? {
        let source = io::Error::other(format!("{} is held by another process", own.display()));
        return Err(fail(source));
    }
    loop {
        let number = numbers(disk, &folder).map_err(fail)?.last().map_or(0, |last| last + 1);
        let path = place_path(&folder, number);
        match disk.link(&own, &path) {
            // Somebody else took that number in this moment.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other.map_err(fail)?,
        }
        disk.remove(&own).map_err(fail)?;
        // Without a note the place still counts; the next in line just cannot say whose it is.
        let _ = write_note(disk, &path.with_extension("json"), holder);
        let environment = environment.clone();
        return Ok(Place { disk: disk.clone(), environment, folder, number, _file: file });
    }
}

/// Who stands in the line, first come first; a place without a note stands as none.
pub(super) fn waiting(disk: &Disk, folder: &Path) -> io::Result<Vec<Option<Holder>>> {
    Ok(before(disk, folder, None)?.into_iter().map(|(_, holder)| holder).collect())
}

/// Who stands in the line, before `own` when that is given. The holder of a place clears the dead
/// before it away: nobody can take their numbers again while a higher one is there.
fn before(disk: &Disk, folder: &Path, own: Option<u64>) -> io::Result<Vec<(u64, Option<Holder>)>> {
    let mut line = Vec::new();
    let ahead = |number: &u64| own.is_none_or(|own| *number < own);
    for number in numbers(disk, folder)?.into_iter().filter(ahead) {
        let path = place_path(folder, number);
        let file = match disk.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if disk.is_locked(&file)? {
            line.push((number, read_note(disk, &path.with_extension("json"))));
        } else if own.is_some() {
            leave(disk, &path);
        }
    }
    Ok(line)
}

/// The numbers of all places, in their order.
fn numbers(disk: &Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let paths = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let number = |path: &PathBuf| {
        let own = path.extension().is_some_and(|extension| extension == "place");
        path.file_stem().filter(|_| own)?.to_str()?.parse().ok()
    };
    let mut numbers: Vec<u64> = paths.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn place_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.place"))
}

impl Place {
    /// Who came before and still waits, first come first.
    pub fn ahead(&self) -> Result<Vec<Option<Holder>>, LockError> {
        let line = before(&self.disk, &self.folder, Some(self.number));
        let line = line.map_err(|source| {
            let environment = self.environment.clone();
            LockError::Io { environment, source }
        })?;
        Ok(line.into_iter().map(|(_, holder)| holder).collect())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        leave(&self.disk, &place_path(&self.folder, self.number));
    }
}

/// Clears a place away. What cannot be removed is not locked, and so stands in nobody's way.
fn leave(disk: &Disk, path: &Path) {
    let _ = disk.remove(&path.with_extension("json"));
    let _ = disk.remove(path);
}
