//! The journal itself: opened, repaired where that is safe, appended to.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::Disk;
use super::driver::{Driver, read_note, take, write_note};
use super::error::{AppendError, Newer, Observing, OpenError};
use super::line::{Chain, Damage, Foreign, Head, Line, encode};
use super::reader::{End, Tail, TailError, Walk, after, link_all, walk};
use super::shelf::{Batch, FileShelf, Shelf, Shelved, Weight};
use crate::release::{
    Clean, Epoch, Event, FORMAT, Principal, Record, ReleaseId, Seq, SessionId, Timestamp,
};

/// What a journal is opened for.
#[derive(Clone, Debug)]
pub enum Mode {
    /// To append: one at a time may.
    Drive(Driver),
    /// To read only; any number may.
    Watch,
}

/// What most lines are shorter than, in bytes: room that is made once.
const LINE_BYTES: usize = 1024;

/// What was found and done when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    pub torn: Option<Torn>,
    /// Lines that this build cannot read; only a watcher gets to see them.
    pub foreign: Vec<Foreign>,
    /// Where the verified records end, for a watcher of a damaged journal.
    pub damage: Option<Damage>,
    /// Whether somebody else drives, as far as a watcher can see.
    pub driven: Option<Observing>,
}

/// A last line that never became whole, and so was never acknowledged (fault F2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub seq: Seq,
    pub bytes: u64,
    /// Where it was set aside; none while watching, which changes nothing.
    pub kept: Option<PathBuf>,
}

impl Repair {
    /// A sentence for each thing that an operator should know.
    pub fn notes(&self) -> Vec<Clean> {
        let mut notes = Vec::new();
        if let Some(torn) = &self.torn {
            let Torn { seq, bytes, kept } = torn;
            notes.push(match kept {
                Some(kept) => format!(
                    "JOURNAL REPAIRED: {bytes} bytes of record {seq}, never acknowledged, were \
                     set aside in {}",
                    kept.display()
                ),
                None => format!("the journal ends in {bytes} bytes of a torn record {seq}"),
            });
        }
        if let Some(foreign) = self.foreign.first() {
            notes.push(format!(
                "JOURNAL IS NEWER than this gonogo: {} records, the first at {} of kind {}",
                self.foreign.len(),
                foreign.seq,
                foreign.kind
            ));
        }
        notes.extend(self.damage.as_ref().map(ToString::to_string));
        notes.extend(self.driven.as_ref().map(ToString::to_string));
        notes.iter().map(|note| Clean::new(note)).collect()
    }
}

/// One release's records, open.
pub struct Journal {
    release: ReleaseId,
    chain: Chain,
    epoch: Epoch,
    /// None for a watcher.
    writer: Option<Writer>,
    /// How many records this session has tried to append.
    tried: u64,
    tail: Option<Tail>,
    dead: Option<Clean>,
    sync: Duration,
}

/// What a driver writes through.
struct Writer {
    session: SessionId,
    through: Box<dyn Shelf>,
}

impl Journal {
    /// Makes the journal of a new release in its folder, which may exist if it is empty.
    pub fn create(folder: &Path, id: ReleaseId, driver: Driver) -> Result<Self, OpenError> {
        Self::create_on(&Disk::real(), folder, id, driver)
    }

    /// [`Journal::create`] on a given file system.
    pub fn create_on(
        disk: &Disk,
        folder: &Path,
        id: ReleaseId,
        driver: Driver,
    ) -> Result<Self, OpenError> {
        match disk.make_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make", folder, error));
            }
            _ => {}
        }
        let path = folder.join("journal.jsonl");
        let file = match disk.create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(OpenError::Exists { path });
            }
            other => other.map_err(|error| failed("make", &path, error))?,
        };
        if !take(disk, &path, &file).map_err(|error| failed("lock", &path, error))? {
            return Err(driven(disk, folder, &file, &driver));
        }
        let shelf = FileShelf::new(disk, folder, file, 0)
            .map_err(|error| failed("prepare", &path, error))?;
        let epoch = Epoch(1);
        note(disk, folder, &driver, epoch, &id);
        // Both names must be durable before the first record is acknowledged (fault F9).
        disk.sync_dir(folder).map_err(|error| failed("sync", folder, error))?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent).map_err(|error| failed("sync", parent, error))?;
        }
        let writer = Writer { session: driver.session, through: Box::new(shelf) };
        Ok(Self::new(id, Chain::start(), epoch, Some(writer)))
    }

    /// Opens a release's journal and reads it. To drive, a torn last line is set aside first;
    /// damage, lines of a newer gonogo and another driver refuse. To watch, none of them does.
    ///
    /// Blocks for as long as reading takes.
    pub fn open(folder: &Path, mode: Mode) -> Result<(Self, Vec<Record>, Repair), OpenError> {
        Self::open_on(&Disk::real(), folder, mode)
    }

    /// [`Journal::open`] on a given file system.
    pub fn open_on(
        disk: &Disk,
        folder: &Path,
        mode: Mode,
    ) -> Result<(Self, Vec<Record>, Repair), OpenError> {
        match mode {
            Mode::Drive(driver) => drive(disk, folder, driver),
            Mode::Watch => watch(disk, folder),
        }
    }

    /// A journal on any shelf, behind the records that it holds already.
    ///
    /// Fails when the records do not follow each other.
    pub fn on_shelf(
        id: ReleaseId,
        driver: Driver,
        shelf: Box<dyn Shelf>,
        lines: &[Vec<u8>],
    ) -> Result<(Self, Vec<Record>), OpenError> {
        let mut chain = Chain::start();
        let followed = link_all(&mut chain, lines).map_err(|why| {
            OpenError::Damaged(Box::new(Damage { seq: chain.next, offset: 0, why }))
        })?;
        if let Some(foreign) = followed.foreign.first() {
            return Err(refuse(foreign));
        }
        let epoch = chain.epoch.next();
        let writer = Writer { session: driver.session, through: shelf };
        Ok((Self::new(id, chain, epoch, Some(writer)), followed.records))
    }

    fn new(release: ReleaseId, chain: Chain, epoch: Epoch, writer: Option<Writer>) -> Self {
        let (tried, tail, dead, sync) = (0, None, None, Duration::ZERO);
        Self { release, chain, epoch, writer, tried, tail, dead, sync }
    }

    pub fn release(&self) -> &ReleaseId {
        &self.release
    }

    /// The epoch of this session's records; a watcher's is that of the newest record.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest record.
    pub fn head(&self) -> Option<Head> {
        self.tail.as_ref().map_or_else(|| self.chain.head(), Tail::head)
    }

    /// How long the last append waited for the disk; see [`slow_line`](super::shelf::slow_line).
    pub fn last_sync(&self) -> Duration {
        self.sync
    }

    /// For a watcher: what was appended since the last look.
    pub fn look(&mut self) -> Result<Vec<Record>, TailError> {
        match &mut self.tail {
            Some(tail) => Ok(tail.look()?.records),
            None => Ok(Vec::new()),
        }
    }

    /// Makes events durable, all with one write and one sync, and answers their records.
    ///
    /// After `Full` and `Conflict` nothing was kept and the journal goes on; after `InDoubt` and
    /// `Dead` it takes nothing any more, and only opening it anew can tell what it holds. Run it
    /// to its end: an append given up half-way leaves the journal dead.
    pub async fn append(
        &mut self,
        events: Vec<(Principal, Event)>,
        at: Timestamp,
    ) -> Result<Vec<Record>, AppendError> {
        if let Some(reason) = &self.dead {
            return Err(AppendError::Dead(reason.clone()));
        }
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let Some(writer) = &mut self.writer else {
            return Err(AppendError::Dead(Clean::new("this session only watches")));
        };
        let ids = (&writer.session, self.tried);
        let (records, batch, chain) =
            write_down(&self.release, &self.chain, self.epoch, ids, events, at)
                .map_err(|reason| AppendError::Dead(Clean::new(&reason)))?;
        self.tried += records.len() as u64;
        // Stands until the shelf has answered.
        self.dead = Some(Clean::new("an earlier append was abandoned half-way"));
        match writer.through.append(batch).await {
            Shelved::Kept { sync } => {
                self.dead = None;
                self.sync = sync;
                self.chain = chain;
                Ok(records)
            }
            Shelved::Full { reason } => {
                self.dead = None;
                Err(AppendError::Full(reason))
            }
            Shelved::Conflict { newer } => Err(self.meets(&newer)),
            Shelved::InDoubt { reason } => {
                self.dead = Some(reason.clone());
                Err(AppendError::InDoubt(reason))
            }
            Shelved::Dead { reason } => {
                self.dead = Some(reason.clone());
                Err(AppendError::Dead(reason))
            }
        }
    }

    /// Takes others' records in front of ours, if they follow and are not a newer driver's.
    fn meets(&mut self, newer: &[Vec<u8>]) -> AppendError {
        let followed = match link_all(&mut self.chain, newer) {
            Ok(followed) => followed,
            Err(why) => {
                let damage = Damage { seq: self.chain.next, offset: 0, why };
                return self.dies(&damage.to_string());
            }
        };
        if let Some(foreign) = followed.foreign.first() {
            return self.dies(&refuse(foreign).to_string());
        }
        let epoch = self.chain.epoch;
        self.dead = (epoch > self.epoch)
            .then(|| Clean::new(&format!("another driver took over in epoch {epoch}")));
        AppendError::Conflict(Newer { records: followed.records, head: self.chain.head(), epoch })
    }

    fn dies(&mut self, reason: &str) -> AppendError {
        let reason = Clean::new(reason);
        self.dead = Some(reason.clone());
        AppendError::Dead(reason)
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { release, epoch, dead, .. } = self;
        write!(f, "Journal({release}, epoch {epoch}, head {:?}, dead {dead:?})", self.head())
    }
}

/// The records of a batch, the batch itself, and the chain behind it.
fn write_down(
    release: &ReleaseId,
    chain: &Chain,
    epoch: Epoch,
    (session, tried): (&SessionId, u64),
    events: Vec<(Principal, Event)>,
    at: Timestamp,
) -> Result<(Vec<Record>, Batch, Chain), String> {
    let weight = events.iter().map(|(_, event)| Weight::of(event)).max();
    let mut batch = Batch {
        first: chain.next,
        lines: Vec::with_capacity(events.len()),
        weight: weight.unwrap_or(Weight::Outcome),
    };
    let mut chain = chain.clone();
    let (_, mut prev) = after(chain.head().as_ref());
    let mut records = Vec::with_capacity(events.len());
    for (by, event) in events {
        let number = tried + records.len() as u64 + 1;
        let record = Record {
            format: FORMAT,
            release: release.clone(),
            seq: chain.next,
            epoch,
            prev,
            attempt_id: format!("{session}.{epoch}.{number}"),
            at_wall: at.wall,
            at_boot: at.boot_ms,
            by,
            event,
        };
        let mut line = Vec::with_capacity(LINE_BYTES);
        prev = encode(&record, &mut line).map_err(|error| error.to_string())?;
        line.pop();
        chain.follow(&record, &prev);
        batch.lines.push(line);
        records.push(record);
    }
    Ok((records, batch, chain))
}

fn watch(disk: &Disk, folder: &Path) -> Result<(Journal, Vec<Record>, Repair), OpenError> {
    let path = folder.join("journal.jsonl");
    let file = disk.open_read(&path).map_err(|error| failed("open", &path, error))?;
    let (walk, records, foreign) =
        read(disk, &file).map_err(|error| failed("read", &path, error))?;
    let mut repair = Repair { foreign, ..Repair::default() };
    match &walk.end {
        End::Clean => {}
        End::Torn { bytes } => {
            repair.torn = Some(Torn { seq: walk.chain.next, bytes: *bytes, kept: None });
        }
        End::Damaged(damage) => repair.damage = Some(damage.clone()),
    }
    if disk.is_locked(&file).map_err(|error| failed("look at the lock of", &path, error))? {
        let holder = read_note(disk, &folder.join("driver.json"));
        repair.driven = Some(Observing { holder, ago_s: None });
        // The torn end is a line that is being written.
        repair.torn = None;
    }
    let id = name(folder, &walk)?;
    let mut journal = Journal::new(id, walk.chain.clone(), walk.chain.epoch, None);
    journal.tail = Some(Tail::after(disk, path, file, &walk));
    Ok((journal, records, repair))
}

fn drive(
    disk: &Disk,
    folder: &Path,
    driver: Driver,
) -> Result<(Journal, Vec<Record>, Repair), OpenError> {
    let path = folder.join("journal.jsonl");
    let file = disk.open_append(&path).map_err(|error| failed("open", &path, error))?;
    if !take(disk, &path, &file).map_err(|error| failed("lock", &path, error))? {
        return Err(driven(disk, folder, &file, &driver));
    }
    let (walk, records, foreign) =
        read(disk, &file).map_err(|error| failed("read", &path, error))?;
    if let Some(foreign) = foreign.first() {
        return Err(refuse(foreign));
    }
    let mut repair = Repair::default();
    match &walk.end {
        End::Clean => {}
        End::Torn { bytes } => repair.torn = Some(set_aside(disk, folder, &file, &walk, *bytes)?),
        End::Damaged(damage) => return Err(OpenError::Damaged(Box::new(damage.clone()))),
    }
    // What was read may never have been synced by whoever wrote it; from here on it is acted on.
    disk.sync(&file).map_err(|error| failed("sync", &path, error))?;
    let id = name(folder, &walk)?;
    // A driver may have died before its first record: its note still knows its epoch.
    let noted = read_note(disk, &folder.join("driver.json")).and_then(|holder| holder.epoch);
    let epoch = walk.chain.epoch.max(noted.unwrap_or_default()).next();
    note(disk, folder, &driver, epoch, &id);
    let shelf = FileShelf::new(disk, folder, file, walk.bytes)
        .map_err(|error| failed("prepare", &path, error))?;
    let writer = Writer { session: driver.session, through: Box::new(shelf) };
    Ok((Journal::new(id, walk.chain, epoch, Some(writer)), records, repair))
}

fn read(disk: &Disk, file: &File) -> io::Result<(Walk, Vec<Record>, Vec<Foreign>)> {
    let (mut records, mut foreign) = (Vec::new(), Vec::new());
    let walk = walk(disk, file, |line| match line {
        Line::Known(record) => records.push(record),
        Line::Foreign(other) => foreign.push(*other),
    })?;
    Ok((walk, records, foreign))
}

/// Copies a torn last line into a file of its own, and cuts it off once the copy is durable.
fn set_aside(
    disk: &Disk,
    folder: &Path,
    file: &File,
    walk: &Walk,
    bytes: u64,
) -> Result<Torn, OpenError> {
    let path = folder.join("journal.jsonl");
    let fail = |error| failed("set aside the torn end of", &path, error);
    let mut torn = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    disk.read_at(file, &mut torn, walk.bytes).map_err(fail)?;
    let seq = walk.chain.next;
    let mut tries = 0_u32;
    let (kept, copy) = loop {
        let kept = folder.join(format!("torn-{seq}.{tries}"));
        match disk.create(&kept) {
            Ok(copy) => break (kept, copy),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => tries += 1,
            Err(error) => return Err(fail(error)),
        }
    };
    disk.write(&copy, &torn).map_err(fail)?;
    disk.sync(&copy).map_err(fail)?;
    disk.sync_dir(folder).map_err(fail)?;
    disk.cut(file, walk.bytes).map_err(fail)?;
    Ok(Torn { seq, bytes, kept: Some(kept) })
}

/// Says who drives. The lock counts, not the note: one that cannot be written stops nobody.
fn note(disk: &Disk, folder: &Path, driver: &Driver, epoch: Epoch, id: &ReleaseId) {
    let mut holder = driver.holder();
    holder.epoch = Some(epoch);
    holder.release = Some(id.clone());
    let _ = write_note(disk, &folder.join("driver.json"), &holder);
}

fn driven(disk: &Disk, folder: &Path, file: &File, driver: &Driver) -> OpenError {
    let holder = read_note(disk, &folder.join("driver.json"));
    let newest = disk.stat_file(file).and_then(|found| found.modified()).ok();
    let newest = newest.and_then(|time| jiff::Timestamp::try_from(time).ok());
    let ago = newest.map(|newest| driver.since.as_second() - newest.as_second());
    let ago_s = ago.map(|ago| u64::try_from(ago).unwrap_or(0));
    OpenError::Driven(Box::new(Observing { holder, ago_s }))
}

fn refuse(foreign: &Foreign) -> OpenError {
    let Foreign { seq, kind, format, .. } = foreign;
    OpenError::Foreign { seq: *seq, kind: kind.clone(), format: *format }
}

/// The release's id: its records say it, or, before the first of them, its folder.
fn name(folder: &Path, walk: &Walk) -> Result<ReleaseId, OpenError> {
    if let Some(id) = &walk.chain.release {
        return Ok(id.clone());
    }
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    ReleaseId::new(name.unwrap_or_default()).map_err(|bad| OpenError::NotARelease {
        path: folder.to_owned(),
        why: Clean::new(&bad.to_string()),
    })
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { doing, path: path.to_owned(), source }
}
