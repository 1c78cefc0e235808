//! The shelf that is a file: `journal.jsonl` in the release's folder, with a reserve beside it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, block_in_place, spawn_blocking};

use super::{Batch, Shelf, Shelved, Weight};
use crate::journal::disk::{Disk, is_full};
use crate::journal::line::LINE_BYTES_MAX;
use crate::release::Clean;

/// Space set aside for outcomes and the way back when the disk is full (fault F5), in bytes.
const RESERVE_BYTES: u64 = 1 << 20;
/// The part of it that only the way back may use.
const WAY_BACK_BYTES: u64 = 256 << 10;
/// Space that is claimed behind the file's end at a time, in bytes: a sync that has to find room
/// for what was appended takes longer by a twentieth.
const AHEAD_BYTES: u64 = 32 << 10;
/// The last line's end, sum included, that is looked at before each append.
const TAIL_BYTES: usize = 64;

/// One open journal file. It holds the file's lock for as long as it lives.
#[derive(Debug)]
pub struct FileShelf {
    /// Away while a batch is being written on another thread; gone when that thread was lost.
    open: Option<Box<OpenFile>>,
}

#[derive(Debug)]
struct OpenFile {
    disk: Disk,
    path: PathBuf,
    reserve: PathBuf,
    file: File,
    /// Device and inode of the file that was opened.
    place: (u64, u64),
    bytes: u64,
    /// Up to where space was claimed, if the file system does that.
    claimed: u64,
    tail: Vec<u8>,
    room: Room,
    dead: Option<Clean>,
}

/// The reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// It stands beside the journal, untouched.
    Held,
    /// It was given up for the journal, which has used all but this many bytes of it.
    Given { left: u64 },
}

impl FileShelf {
    /// Takes over an open and locked journal file whose records end at `bytes`.
    pub(in crate::journal) fn new(
        disk: &Disk,
        folder: &Path,
        file: File,
        bytes: u64,
    ) -> io::Result<Self> {
        let place = place(&disk.stat_file(&file)?);
        let mut open = OpenFile {
            disk: disk.clone(),
            path: folder.join("journal.jsonl"),
            reserve: folder.join("reserve"),
            file,
            place,
            bytes,
            claimed: bytes,
            tail: Vec::new(),
            room: Room::Held,
            dead: None,
        };
        let mut tail = vec![0; usize::try_from(bytes).unwrap_or(TAIL_BYTES).min(TAIL_BYTES)];
        open.read_tail(&mut tail)?;
        open.tail = tail;
        if !open.make_reserve() {
            open.room = Room::Given { left: 0 };
        }
        Ok(Self { open: Some(Box::new(open)) })
    }
}

impl Shelf for FileShelf {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Shelved> {
        Box::pin(async move {
            let Some(mut open) = self.open.take() else {
                let reason = Clean::new("an earlier write was abandoned half-way");
                return Shelved::Dead { reason };
            };
            let written = beside_the_loop(move || {
                let shelved = open.append(batch);
                (open, shelved)
            });
            match written.await {
                Ok((open, shelved)) => {
                    self.open = Some(open);
                    shelved
                }
                Err(error) => {
                    Shelved::InDoubt { reason: Clean::new(&format!("the writer died: {error}")) }
                }
            }
        })
    }
}

/// Runs what waits for the disk, while all other tasks go on (fault F13).
///
/// Where other threads carry these, this one may wait itself, for a hand-over to a thread and back
/// takes a good part of the time that a sync does. Where there is none it must not wait; there,
/// too, paused time does not run on meanwhile.
async fn beside_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        return Ok(block_in_place(work));
    }
    spawn_blocking(work).await
}

/// Why a write is not there.
enum NotWritten {
    /// There is no room; the file is as it was.
    Full(io::Error),
    /// It failed; the file is as it was.
    Failed(io::Error),
    /// It failed, and what it left behind could not be taken away.
    Dirty(io::Error),
}

impl OpenFile {
    fn append(&mut self, batch: Batch) -> Shelved {
        if let Some(reason) = &self.dead {
            return Shelved::Dead { reason: reason.clone() };
        }
        match self.unchanged() {
            Ok(None) => {}
            Ok(Some(newer)) => return Shelved::Conflict { newer },
            Err(reason) => return self.dies(&reason),
        }
        let weight = batch.weight;
        let mut bytes = batch.into_bytes();
        match self.write(&bytes, weight) {
            Ok(()) => {}
            Err(NotWritten::Full(error)) => {
                return Shelved::Full { reason: Clean::new(&error.to_string()) };
            }
            Err(NotWritten::Failed(error)) => return self.dies(&format!("write: {error}")),
            Err(NotWritten::Dirty(error)) => return self.in_doubt(&format!("write: {error}")),
        }
        match self.disk.sync(&self.file) {
            Ok(sync) => {
                self.bytes += bytes.len() as u64;
                let keep = bytes.len().saturating_sub(TAIL_BYTES);
                self.tail = bytes.split_off(keep);
                Shelved::Kept { sync }
            }
            // After a failed sync the pages may be clean and gone: it is never tried again (F4),
            // and the next reader must read the disk itself.
            Err(error) => self.in_doubt(&format!("fdatasync: {error}")),
        }
    }

    fn dies(&mut self, reason: &str) -> Shelved {
        let reason = Clean::new(reason);
        self.dead = Some(reason.clone());
        Shelved::Dead { reason }
    }

    fn in_doubt(&mut self, reason: &str) -> Shelved {
        Disk::forget(&self.file);
        let reason = Clean::new(reason);
        self.dead = Some(reason.clone());
        Shelved::InDoubt { reason }
    }

    /// Whether the file is still the one that was opened, and ends where it was left (fault F7);
    /// the lines that somebody else appended, if somebody did.
    fn unchanged(&mut self) -> Result<Option<Vec<Vec<u8>>>, String> {
        let found = match self.disk.stat(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err("journal.jsonl was deleted or renamed".to_owned());
            }
            Err(error) => return Err(format!("stat: {error}")),
        };
        if place(&found) != self.place {
            return Err("journal.jsonl was replaced by another file".to_owned());
        }
        if found.len() < self.bytes {
            return Err(format!("journal.jsonl was cut to {} bytes", found.len()));
        }
        let mut tail = [0; TAIL_BYTES];
        match self.read_tail(tail.get_mut(..self.tail.len()).unwrap_or_default()) {
            Ok(tail) if tail == self.tail => {}
            Ok(_) => return Err("the last record was altered".to_owned()),
            Err(error) => return Err(format!("read: {error}")),
        }
        if found.len() == self.bytes {
            return Ok(None);
        }
        self.newer(found.len()).map(Some)
    }

    /// The whole lines behind our own, which are then ours too.
    fn newer(&mut self, end: u64) -> Result<Vec<Vec<u8>>, String> {
        let more = end - self.bytes;
        let more = usize::try_from(more).ok().filter(|more| *more <= LINE_BYTES_MAX);
        let Some(more) = more else {
            return Err(format!("somebody else appended {} bytes", end - self.bytes));
        };
        let mut bytes = vec![0; more];
        if let Err(error) = self.disk.read_at(&self.file, &mut bytes, self.bytes) {
            return Err(format!("read: {error}"));
        }
        let mut lines: Vec<Vec<u8>> =
            bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.pop().is_none_or(|rest| !rest.is_empty()) {
            return Err("somebody else is writing to journal.jsonl".to_owned());
        }
        self.bytes = end;
        self.tail = bytes.split_off(bytes.len().saturating_sub(TAIL_BYTES));
        Ok(lines)
    }

    /// The end of what is kept, as much as fits into `end`.
    fn read_tail<'b>(&self, end: &'b mut [u8]) -> io::Result<&'b [u8]> {
        if !end.is_empty() {
            self.disk.read_at(&self.file, end, self.bytes.saturating_sub(end.len() as u64))?;
        }
        Ok(end)
    }

    /// Writes all of `bytes`, or leaves the file as it was. On a full disk what matters more than
    /// an intent is written into the reserve.
    fn write(&mut self, bytes: &[u8], weight: Weight) -> Result<(), NotWritten> {
        if self.room != Room::Held && self.make_reserve() {
            self.room = Room::Held;
        }
        let full = match self.room {
            Room::Held => match self.claim_and_write(bytes) {
                Err(NotWritten::Full(error)) => error,
                other => return other,
            },
            Room::Given { .. } => io::Error::from(io::ErrorKind::StorageFull),
        };
        if weight == Weight::Intent {
            return Err(NotWritten::Full(full));
        }
        if self.room == Room::Held {
            if self.disk.remove(&self.reserve).is_err() {
                return Err(NotWritten::Full(full));
            }
            self.room = Room::Given { left: RESERVE_BYTES };
            // Claimed for the journal at once, before somebody else fills it. Where that fails
            // the room is there for whoever is first, and we are.
            let _ = self.disk.claim(&self.file, self.bytes, RESERVE_BYTES);
        }
        let Room::Given { left } = self.room else { return Err(NotWritten::Full(full)) };
        let keep = if weight == Weight::WayBack { 0 } else { WAY_BACK_BYTES };
        let need = bytes.len() as u64;
        if weight == Weight::Outcome && need + keep > left {
            return Err(NotWritten::Full(full));
        }
        self.write_or_undo(bytes)?;
        self.room = Room::Given { left: left.saturating_sub(need) };
        Ok(())
    }

    fn claim_and_write(&mut self, bytes: &[u8]) -> Result<(), NotWritten> {
        let end = self.bytes + bytes.len() as u64;
        if end > self.claimed {
            self.claimed = end + AHEAD_BYTES;
            // Where there is no such room, or no such call, the write finds its own.
            let _ = self.disk.claim(&self.file, self.bytes, self.claimed - self.bytes);
        }
        self.write_or_undo(bytes)
    }

    fn write_or_undo(&self, bytes: &[u8]) -> Result<(), NotWritten> {
        let Err(error) = self.disk.write(&self.file, bytes) else { return Ok(()) };
        if self.disk.cut(&self.file, self.bytes).is_err() {
            return Err(NotWritten::Dirty(error));
        }
        Err(if is_full(&error) { NotWritten::Full(error) } else { NotWritten::Failed(error) })
    }

    /// Whether the reserve stands there, made now if it was not.
    fn make_reserve(&self) -> bool {
        match self.disk.stat(&self.reserve) {
            Ok(found) if found.len() >= RESERVE_BYTES => true,
            Ok(_) => {
                self.disk.remove(&self.reserve).is_ok()
                    && self.disk.reserve(&self.reserve, RESERVE_BYTES).is_ok()
            }
            Err(_) => self.disk.reserve(&self.reserve, RESERVE_BYTES).is_ok(),
        }
    }
}

pub(in crate::journal) fn place(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// How long a sync may take before people are told, in the line they read (fault F13).
pub fn slow_line(sync: Duration) -> Option<String> {
    (sync >= Duration::from_secs(1)).then(|| format!("JOURNAL SLOW {:.1} s", sync.as_secs_f64()))
}
