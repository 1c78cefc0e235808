//! The seam between the journal and the file system: every call that can fail goes through here,
//! so that a test can make any of them fail (anchor A6).

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};
use rustix::time::{ClockId, clock_gettime};

/// The file system: the real one, or the real one with faults in front of it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    faults: Option<Arc<Faults>>,
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    MakeDir,
    List,
    Create,
    Open,
    Stat,
    Lock,
    Read,
    Write,
    Sync,
    SyncDir,
    Cut,
    Reserve,
    Remove,
    Rename,
}

/// What goes wrong, and when.
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// The how-manieth call fails, counted from 1; 0 means none does.
    pub nth: u64,
    /// Counts, and fails, only calls of this kind.
    pub only: Option<Call>,
    /// The error number it fails with: 5 is EIO, 28 is ENOSPC.
    pub errno: i32,
    /// Whether every later call that counts fails as well.
    pub lasts: bool,
    /// Every sync takes this much longer, on paper.
    pub slow: Duration,
}

#[derive(Debug, Default)]
struct Faults {
    fault: Mutex<Fault>,
    counted: AtomicU64,
    failed: AtomicU64,
    syncs: AtomicU64,
}

impl Disk {
    /// The real file system.
    pub fn real() -> Self {
        Self::default()
    }

    /// The real file system, whose calls are counted and fail as `fault` says.
    pub fn faulty(fault: Fault) -> Self {
        Self { faults: Some(Arc::new(Faults { fault: Mutex::new(fault), ..Faults::default() })) }
    }

    /// Replaces the fault and starts to count anew. A real disk stays real.
    pub fn set_fault(&self, fault: Fault) {
        if let Some(faults) = &self.faults {
            *faults.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
            faults.counted.store(0, Ordering::SeqCst);
            faults.failed.store(0, Ordering::SeqCst);
        }
    }

    /// How many calls have failed by a fault.
    pub fn failed(&self) -> u64 {
        self.faults.as_ref().map_or(0, |faults| faults.failed.load(Ordering::SeqCst))
    }

    /// How many times a file was synced, where it is counted.
    pub fn syncs(&self) -> u64 {
        self.faults.as_ref().map_or(0, |faults| faults.syncs.load(Ordering::SeqCst))
    }

    fn pass(&self, call: Call) -> io::Result<()> {
        let Some(faults) = &self.faults else { return Ok(()) };
        let fault = faults.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.only.is_some_and(|only| only != call) {
            return Ok(());
        }
        let at = faults.counted.fetch_add(1, Ordering::SeqCst) + 1;
        if fault.nth != 0 && (at == fault.nth || (fault.lasts && at > fault.nth)) {
            faults.failed.fetch_add(1, Ordering::SeqCst);
            return Err(io::Error::from_raw_os_error(fault.errno));
        }
        Ok(())
    }

    fn slow(&self) -> Duration {
        let Some(faults) = &self.faults else { return Duration::ZERO };
        faults.syncs.fetch_add(1, Ordering::SeqCst);
        faults.fault.lock().unwrap_or_else(PoisonError::into_inner).slow
    }

    /// Makes a folder for the owner alone; its parents must exist.
    pub(super) fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Call::MakeDir)?;
        DirBuilder::new().mode(0o700).create(path)
    }

    /// Makes a folder and its parents for the owner alone, where they are missing.
    pub(super) fn make_dirs(&self, path: &Path) -> io::Result<()> {
        self.pass(Call::MakeDir)?;
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// The names in a folder, in no order.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.pass(Call::List)?;
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    /// A file to read and append to, made where it is missing.
    pub(super) fn open_or_create(&self, path: &Path) -> io::Result<File> {
        self.pass(Call::Create)?;
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
    }

    /// A new file, read and appended to; fails if there is one.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.pass(Call::Create)?;
        OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)
    }

    /// A file to read and append to.
    pub(super) fn open_append(&self, path: &Path) -> io::Result<File> {
        self.pass(Call::Open)?;
        OpenOptions::new().read(true).append(true).open(path)
    }

    /// A file to read.
    pub(super) fn open_read(&self, path: &Path) -> io::Result<File> {
        self.pass(Call::Open)?;
        File::open(path)
    }

    /// What stands under a name; a link is not followed.
    pub(super) fn stat(&self, path: &Path) -> io::Result<Metadata> {
        self.pass(Call::Stat)?;
        fs::symlink_metadata(path)
    }

    pub(super) fn stat_file(&self, file: &File) -> io::Result<Metadata> {
        self.pass(Call::Stat)?;
        file.metadata()
    }

    /// Takes the file's lock, which the kernel frees when this process ends; false when another
    /// holds it.
    pub(super) fn lock(&self, file: &File) -> io::Result<bool> {
        self.pass(Call::Lock)?;
        // A list that asks whether a lock is held holds it for a moment itself.
        for _ in 0..100 {
            match file.try_lock() {
                Ok(()) => return Ok(true),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        Ok(false)
    }

    /// Whether somebody holds the file's lock.
    pub(super) fn is_locked(&self, file: &File) -> io::Result<bool> {
        self.pass(Call::Lock)?;
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Reads at most `most` bytes to the end of `buffer`; answers how many.
    pub(super) fn read(&self, file: &File, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        self.pass(Call::Read)?;
        buffer.reserve(most);
        file.take(most as u64).read_to_end(buffer)
    }

    pub(super) fn seek(&self, mut file: &File, to: u64) -> io::Result<()> {
        self.pass(Call::Read)?;
        file.seek(SeekFrom::Start(to)).map(drop)
    }

    /// Reads exactly the buffer's length from a place.
    pub(super) fn read_at(&self, file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.pass(Call::Read)?;
        file.read_exact_at(buffer, at)
    }

    /// A small file whole, at most `most` bytes of it.
    pub(super) fn read_small(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let file = self.open_read(path)?;
        self.pass(Call::Read)?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes everything. A failure leaves some of it behind, as a real one may.
    pub(super) fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.pass(Call::Write) {
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        file.write_all(bytes)
    }

    /// Waits until the file's bytes are on the disk; answers how long that took.
    pub(super) fn sync(&self, file: &File) -> io::Result<Duration> {
        self.pass(Call::Sync)?;
        let slow = self.slow();
        let start = monotonic();
        file.sync_data()?;
        Ok(monotonic().saturating_sub(start) + slow)
    }

    /// Waits until the names in a folder are on the disk.
    pub(super) fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Call::SyncDir)?;
        File::open(path)?.sync_all()
    }

    /// Cuts the file to a length.
    pub(super) fn cut(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.pass(Call::Cut)?;
        file.set_len(bytes)
    }

    /// Claims space behind the file's end without moving the end. Best effort: a file system
    /// that cannot do it claims nothing.
    pub(super) fn claim(&self, file: &File, from: u64, bytes: u64) -> io::Result<()> {
        self.pass(Call::Reserve)?;
        match fallocate(file, FallocateFlags::KEEP_SIZE, from, bytes) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        }
    }

    /// A file that takes up `bytes` of space; none is left behind when there is not enough.
    pub(super) fn reserve(&self, path: &Path, bytes: u64) -> io::Result<()> {
        self.pass(Call::Reserve)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let taken = match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                io::copy(&mut io::repeat(0).take(bytes), &mut &file).map(drop)
            }
            other => other.map_err(io::Error::from),
        };
        if taken.is_err() {
            fs::remove_file(path)?;
        }
        taken
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass(Call::Remove)?;
        fs::remove_file(path)
    }

    /// Gives a file a second name, which must be free.
    pub(super) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Call::Rename)?;
        fs::hard_link(from, to)
    }

    /// Replaces a small file as a whole: readers see the old one or the new one.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let aside = path.with_extension("new");
        let made = (|| {
            self.pass(Call::Write)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(bytes)?;
            self.pass(Call::Rename)?;
            fs::rename(&aside, path)
        })();
        if made.is_err() {
            // What is left aside is overwritten by the next one; the first error matters.
            let _ = fs::remove_file(&aside);
        }
        made
    }

    /// Lets the system forget what it holds of the file, so that the next reader reads the disk.
    pub(super) fn forget(file: &File) {
        // Advice: where it is not taken, nothing is lost but the second look.
        let _ = fadvise(file, 0, None, Advice::DontNeed);
    }
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
