//! Reading a journal: every line's sum and the chain through all of them are verified, on all
//! cores, with no more than a few blocks in memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use memchr::{memchr, memchr_iter, memmem, memrchr};

use super::disk::Disk;
use super::line::{self, Chain, Damage, DigestText, Foreign, Head, LINE_BYTES_MAX, Line, Why};
use super::shelf::place;
use crate::release::{Digest, Epoch, Record, ReleaseId, Seq};

/// Lines are verified in blocks of about this size.
const BLOCK_BYTES: usize = 1 << 20;
/// More threads than these wait for the one that reads and links.
const THREADS_MAX: usize = 16;
/// Blocks on their way for each thread: so many are in memory.
const BLOCKS_A_THREAD: usize = 3;
/// The disk writes sectors whole, or not at all.
const SECTOR_BYTES: u64 = 512;

/// What a walk through a journal file came to.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) chain: Chain,
    /// Where the verified lines end.
    pub(super) bytes: u64,
    pub(super) end: End,
}

/// How the file ends behind its verified lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Clean,
    /// A last line that never became whole.
    Torn {
        bytes: u64,
    },
    Damaged(Damage),
}

/// Walks through a journal file from its start and hands on each line once it is verified.
///
/// Blocks are examined on all cores while this thread reads the next ones and links what comes
/// back, in order.
pub(super) fn walk(disk: &Disk, file: &File, mut each: impl FnMut(Line)) -> io::Result<Walk> {
    let mut blocks = Blocks { disk, file, rest: Vec::new(), ended: false, long: false };
    disk.seek(file, 0)?;
    let mut walk = Walk { chain: Chain::start(), bytes: 0, end: End::Clean };
    let first = blocks.next(Vec::new())?;
    let second = if first.is_some() { blocks.next(Vec::new())? } else { None };
    let linked = match (first, second) {
        (None, _) => Ok(()),
        // Threads are not worth it.
        (Some(block), None) => take(examine(&block), &mut walk, &mut each),
        (Some(first), Some(second)) => thread::scope(|scope| {
            let crew = Crew::of(thread_count(), scope);
            let link = |examined| take(examined, &mut walk, &mut each);
            link_blocks(&mut blocks, [first, second], &crew, link)
        })?,
    };
    if let Err(why) = linked {
        let damage = Damage { seq: walk.chain.next, offset: walk.bytes, why };
        walk.end = end_of(disk, file, &walk, damage)?;
    } else if blocks.long {
        let (seq, offset) = (walk.chain.next, walk.bytes);
        walk.end = End::Damaged(Damage { seq, offset, why: Why::TooLong });
    } else if !blocks.rest.is_empty() {
        walk.end = unfinished(&walk, &blocks.rest);
    }
    Ok(walk)
}

/// Reads blocks, has the crew examine them and links them in order, up to the first that does not
/// fit.
fn link_blocks(
    blocks: &mut Blocks<'_>,
    first: [Vec<u8>; 2],
    crew: &Crew,
    mut link: impl FnMut(Vec<Examined>) -> Result<(), Why>,
) -> io::Result<Result<(), Why>> {
    let mut under_way = VecDeque::from(first.map(|block| crew.examine(block)));
    let mut spare = Vec::new();
    loop {
        while under_way.len() < crew.size * BLOCKS_A_THREAD
            && let Some(block) = blocks.next(spare.pop().unwrap_or_default())?
        {
            under_way.push_back(crew.examine(block));
        }
        let Some(next) = under_way.pop_front() else { return Ok(Ok(())) };
        // A crew that is gone has panicked, and the scope says so.
        let Ok((block, examined)) = next.recv() else { return Ok(Ok(())) };
        if let Err(why) = link(examined) {
            return Ok(Err(why));
        }
        spare.push(block);
    }
}

/// A block that was examined.
type Done = (Vec<u8>, Vec<Examined>);

/// Threads that examine blocks.
struct Crew {
    size: usize,
    jobs: mpsc::Sender<(Vec<u8>, mpsc::SyncSender<Done>)>,
}

impl Crew {
    fn of<'scope>(size: usize, scope: &'scope thread::Scope<'scope, '_>) -> Self {
        let (jobs, queue) = mpsc::channel::<(Vec<u8>, mpsc::SyncSender<Done>)>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..size {
            let queue = Arc::clone(&queue);
            scope.spawn(move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((block, done)) = job else { return };
                    let examined = examine(&block);
                    // Nobody waits for it any more behind damage.
                    let _ = done.send((block, examined));
                }
            });
        }
        Self { size, jobs }
    }

    /// Hands a block to the crew; what it came to can be received.
    fn examine(&self, block: Vec<u8>) -> mpsc::Receiver<Done> {
        let (done, receiver) = mpsc::sync_channel(1);
        // Without a crew there is nothing to receive, which says the same.
        let _ = self.jobs.send((block, done));
        receiver
    }
}

/// Whole lines of the file, a block at a time.
struct Blocks<'a> {
    disk: &'a Disk,
    file: &'a File,
    /// Read, and not yet a whole line.
    rest: Vec<u8>,
    ended: bool,
    long: bool,
}

impl Blocks<'_> {
    /// The next block, of whole lines, in a buffer that may have held another; none at the end of
    /// the file.
    fn next(&mut self, mut block: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        block.clear();
        block.append(&mut self.rest);
        while !self.ended {
            let filled = block.len();
            if filled > LINE_BYTES_MAX {
                (self.ended, self.long) = (true, true);
                break;
            }
            self.ended = self.disk.read(self.file, &mut block, BLOCK_BYTES)? == 0;
            if let Some(newline) = memrchr(b'\n', &block[filled..]) {
                self.rest.extend_from_slice(&block[filled + newline + 1..]);
                block.truncate(filled + newline + 1);
                return Ok(Some(block));
            }
        }
        self.rest = block;
        Ok(None)
    }
}

/// Hands on every record whose line holds `needle` and is whole by itself, wherever the file is
/// damaged besides.
pub(super) fn search(
    disk: &Disk,
    file: &File,
    needle: &[u8],
    mut each: impl FnMut(Record),
) -> io::Result<()> {
    let mut blocks = Blocks { disk, file, rest: Vec::new(), ended: false, long: false };
    disk.seek(file, 0)?;
    let mut spare = Vec::new();
    while let Some(block) = blocks.next(std::mem::take(&mut spare))? {
        for at in memmem::find_iter(&block, needle) {
            let bytes = line_around(&block, at);
            if line::is_whole(bytes)
                && let Some(Line::Known(record)) = line::parse(bytes)
            {
                each(record);
            }
        }
        spare = block;
    }
    Ok(())
}

/// The line of a block that holds the byte at `at`.
fn line_around(block: &[u8], at: usize) -> &[u8] {
    let start = memrchr(b'\n', &block[..at]).map_or(0, |newline| newline + 1);
    let end = memchr(b'\n', &block[at..]).map_or(block.len(), |newline| at + newline);
    &block[start..end]
}

fn thread_count() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get).min(THREADS_MAX)
}

/// One line, examined by itself.
struct Examined {
    bytes: u64,
    line: Result<(Line, DigestText), Why>,
}

/// Examines the lines of a block up to the first that is not whole.
fn examine(block: &[u8]) -> Vec<Examined> {
    let mut lines = Vec::with_capacity(block.len() / 400);
    let mut start = 0;
    for newline in memchr_iter(b'\n', block) {
        let bytes = &block[start..newline];
        start = newline + 1;
        let line = match line::check(bytes) {
            None => Err(Why::Altered),
            Some(digest) => match line::parse(bytes) {
                None => Err(Why::NotARecord),
                Some(line) => Ok((line, digest)),
            },
        };
        let stop = line.is_err();
        lines.push(Examined { bytes: bytes.len() as u64 + 1, line });
        if stop {
            break;
        }
    }
    lines
}

fn take(block: Vec<Examined>, walk: &mut Walk, each: &mut impl FnMut(Line)) -> Result<(), Why> {
    for Examined { bytes, line } in block {
        let (line, digest) = line?;
        walk.chain.link(&line, digest)?;
        walk.bytes += bytes;
        each(line);
    }
    Ok(())
}

/// Whether a broken line is the torn end of the file or damage: it is torn only when it is the
/// last thing there and a sector of it was never written. A whole-looking last line with other
/// bytes than its sum says was written, perhaps acknowledged, and altered since.
fn end_of(disk: &Disk, file: &File, walk: &Walk, damage: Damage) -> io::Result<End> {
    let end = disk.stat_file(file)?.len();
    let left = usize::try_from(end.saturating_sub(walk.bytes)).unwrap_or(usize::MAX);
    if left > LINE_BYTES_MAX || damage.why != Why::Altered {
        return Ok(End::Damaged(damage));
    }
    let mut rest = vec![0; left];
    disk.read_at(file, &mut rest, walk.bytes)?;
    let later = rest.split(|byte| *byte == b'\n').any(line::is_whole);
    if !later && has_hole(&rest, walk.bytes) {
        return Ok(End::Torn { bytes: left as u64 });
    }
    Ok(End::Damaged(damage))
}

/// Whether a sector, or the part of one that these bytes have, holds nothing but zeros.
fn has_hole(bytes: &[u8], offset: u64) -> bool {
    let mut start = 0;
    while let Some(at) = memchr(0, &bytes[start..]) {
        let first = start + at;
        let run = bytes[first..].iter().take_while(|byte| **byte == 0).count();
        let last = first + run;
        let whole = |at: usize| (offset + at as u64).is_multiple_of(SECTOR_BYTES);
        if (first == 0 || whole(first)) && (last == bytes.len() || whole(last)) {
            return true;
        }
        start = last;
    }
    false
}

/// The end of a file without a newline: a torn line, or a whole one whose newline was altered.
fn unfinished(walk: &Walk, rest: &[u8]) -> End {
    let altered = rest.split_last().is_some_and(|(_, line)| line::is_whole(line));
    if altered {
        let (seq, offset) = (walk.chain.next, walk.bytes);
        return End::Damaged(Damage { seq, offset, why: Why::Altered });
    }
    End::Torn { bytes: rest.len() as u64 }
}

/// What a journal's verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    pub release: Option<ReleaseId>,
    /// Verified lines, foreign ones included.
    pub records: u64,
    /// Verified lines that this build cannot read.
    pub foreign: u64,
    pub head: Option<Head>,
    pub epoch: Epoch,
    /// Bytes of verified lines.
    pub bytes: u64,
    /// Bytes of a last line that never became whole.
    pub torn: Option<u64>,
    pub damage: Option<Damage>,
    /// Those of the asked anchors that do not stand in the chain: the tail was cut off, or the
    /// chain was written anew (fault F11).
    pub missing: Vec<Head>,
}

impl Verification {
    /// Whether everything that was ever acknowledged is there, as far as can be known.
    pub fn holds(&self) -> bool {
        self.damage.is_none() && self.missing.is_empty()
    }
}

/// Verifies a release's journal from its first byte to its last. `anchors` are records that
/// somebody else vouches for. Memory does not grow with the journal.
pub fn verify(disk: &Disk, folder: &Path, anchors: &[Head]) -> io::Result<Verification> {
    let file = disk.open_read(&folder.join("journal.jsonl"))?;
    let (mut records, mut foreign) = (0, 0);
    let mut missing = anchors.to_vec();
    let walk = walk(disk, &file, |line| {
        records += 1;
        // A record vouches for the one before it.
        let prev = match &line {
            Line::Known(record) => Some((record.seq, record.prev.clone())),
            Line::Foreign(other) => {
                foreign += 1;
                line::prev_of(other).map(|prev| (other.seq, prev))
            }
        };
        if let Some((seq, digest)) = prev {
            missing.retain(|anchor| anchor.seq.next() != seq || anchor.digest != digest);
        }
    })?;
    let head = walk.chain.head();
    missing.retain(|anchor| Some(anchor) != head.as_ref());
    Ok(Verification {
        release: walk.chain.release.clone(),
        records,
        foreign,
        head,
        epoch: walk.chain.epoch,
        bytes: walk.bytes,
        torn: match walk.end {
            End::Torn { bytes } => Some(bytes),
            _ => None,
        },
        damage: match walk.end {
            End::Damaged(damage) => Some(damage),
            _ => None,
        },
        missing,
    })
}

/// Follows a journal that another process writes, without touching it.
#[derive(Debug)]
pub struct Tail {
    disk: Disk,
    path: PathBuf,
    file: File,
    chain: Chain,
    bytes: u64,
}

/// Why a journal cannot be followed any further.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    #[error("failed to read the journal: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// Another file stands under its name, or it is shorter than it was (fault F7).
    #[error("the journal was deleted, replaced or cut while it was being watched")]
    Replaced,
}

/// What a follower read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    pub records: Vec<Record>,
    pub foreign: Vec<Foreign>,
}

/// The most that one look reads, in bytes.
const LOOK_BYTES: usize = LINE_BYTES_MAX + 1;

impl Tail {
    /// Follows from a journal's start: the first look reads all of it.
    pub fn open(disk: &Disk, folder: &Path) -> io::Result<Self> {
        let path = folder.join("journal.jsonl");
        let file = disk.open_read(&path)?;
        Ok(Self { disk: disk.clone(), path, file, chain: Chain::start(), bytes: 0 })
    }

    /// Goes on where a walk ended.
    pub(super) fn after(disk: &Disk, path: PathBuf, file: File, walk: &Walk) -> Self {
        Self { disk: disk.clone(), path, file, chain: walk.chain.clone(), bytes: walk.bytes }
    }

    /// The newest line read.
    pub fn head(&self) -> Option<Head> {
        self.chain.head()
    }

    /// Reads what was appended since the last look, whole lines only, at most about 16 MiB.
    /// Cheap when there is nothing.
    pub fn look(&mut self) -> Result<Followed, TailError> {
        let found = match self.disk.stat(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(TailError::Replaced);
            }
            other => other?,
        };
        if place(&found) != place(&self.disk.stat_file(&self.file)?) || found.len() < self.bytes {
            return Err(TailError::Replaced);
        }
        let more = usize::try_from(found.len() - self.bytes).unwrap_or(usize::MAX);
        let mut bytes = vec![0; more.min(LOOK_BYTES)];
        if !bytes.is_empty() {
            self.disk.read_at(&self.file, &mut bytes, self.bytes)?;
        }
        let mut followed = Followed::default();
        let Some(newline) = memrchr(b'\n', &bytes) else {
            return if bytes.len() < LOOK_BYTES {
                Ok(followed)
            } else {
                Err(self.damaged(Why::TooLong))
            };
        };
        for examined in examine(&bytes[..=newline]) {
            let (line, digest) = examined.line.map_err(|why| self.damaged(why))?;
            self.chain.link(&line, digest).map_err(|why| self.damaged(why))?;
            self.bytes += examined.bytes;
            match line {
                Line::Known(record) => followed.records.push(record),
                Line::Foreign(other) => followed.foreign.push(*other),
            }
        }
        Ok(followed)
    }

    fn damaged(&self, why: Why) -> TailError {
        let (seq, offset) = (self.chain.next, self.bytes);
        TailError::Damaged(Box::new(Damage { seq, offset, why }))
    }
}

/// Verifies lines that came another way, as the next ones of a chain.
pub(super) fn link_all(chain: &mut Chain, lines: &[Vec<u8>]) -> Result<Followed, Why> {
    let mut followed = Followed::default();
    for bytes in lines {
        let digest = line::check(bytes).ok_or(Why::Altered)?;
        let line = line::parse(bytes).ok_or(Why::NotARecord)?;
        chain.link(&line, digest)?;
        match line {
            Line::Known(record) => followed.records.push(record),
            Line::Foreign(other) => followed.foreign.push(*other),
        }
    }
    Ok(followed)
}

/// The seq of the record after a head, and the digest it must name.
pub(super) fn after(head: Option<&Head>) -> (Seq, Digest) {
    head.map_or_else(|| (Seq(0), Digest::zero()), |head| (head.seq.next(), head.digest.clone()))
}
