//! Reading foreign files and keeping folders of our own, without trusting what lies there.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

mod socket;

pub use socket::{ShortWay, SocketFile, secret_folder_of};

/// Why a file was not read, or a folder not used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    #[error("{} is larger than {limit_bytes} bytes", path.display())]
    TooLarge { path: PathBuf, limit_bytes: u64 },
    #[error("{} belongs to user {owner}, not to user {user}", path.display())]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error("others may write to {} (mode {mode:03o}): chmod go-w it", path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error("others may look into {} (mode {mode:03o}): chmod go-rwx it", path.display())]
    Open { path: PathBuf, mode: u32 },
}

/// The bytes of a regular file of at most `limit_bytes`; none where there is no such file.
///
/// Pipes, devices and sockets are refused without waiting for them.
pub fn read(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, DiskError> {
    match open(path)? {
        Some((file, _)) => read_open(path, file, limit_bytes).map(Some),
        None => Ok(None),
    }
}

/// Writes `name` into `dir`, which is made where it is missing: to a temporary name, synced, then
/// renamed, and the folder synced. A reader sees the old file or the new one, never half (F71).
pub fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let path = dir.join(name);
    let write = || {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let temporary = dir.join(format!(".{name}.new"));
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| DiskError::Io { path: path.clone(), source })
}

/// Fills `into` with bytes that nobody can guess, from the operating system.
pub fn random(into: &mut [u8]) -> Result<(), DiskError> {
    let path = Path::new("/dev/urandom");
    let read = File::open(path).and_then(|mut file| file.read_exact(into));
    read.map_err(|source| DiskError::Io { path: path.to_owned(), source })
}

/// Makes a file with these bytes that only this user may read; false where there is one already.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<bool, DiskError> {
    let failed = |source| DiskError::Io { path: path.to_owned(), source };
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(true)
}

/// The files in `folder` whose names end in `.end`, in the order of their names; none where there
/// is no such folder.
pub fn list(folder: &Path, end: &str) -> Result<Vec<PathBuf>, DiskError> {
    let failed = |source| DiskError::Io { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|own| own == end) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Makes the first folder `name(1)`, `name(2)`, … in `parent` that does not exist yet, and answers
/// its name. Two callers never get the same.
pub fn claim(parent: &Path, name: impl Fn(u32) -> String) -> Result<String, DiskError> {
    private_folder(parent)?;
    for count in 1..=u32::MAX {
        let (name, failed) = (name(count), |path, source| DiskError::Io { path, source });
        let path = parent.join(&name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(failed(path, source)),
        }
    }
    Err(DiskError::NotAFolder(parent.to_owned()))
}

/// Removes a file; one that is not there is removed.
pub fn remove(path: &Path) -> Result<(), DiskError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Like [`read`], for files that decide over something: they must belong to this user or to root,
/// and not everybody may write to them (threat T17).
pub fn read_trusted(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let Some((file, meta)) = open(path)? else { return Ok(None) };
    if meta.uid() != 0 {
        belongs(path, &meta)?;
    }
    closed(path, &meta, 0o002)?;
    read_open(path, file, limit_bytes).map(Some)
}

/// Makes `path` and the folders above it where they are missing, with mode 0700, and refuses one
/// that belongs to somebody else or that others may write to (threat T17).
pub fn private_folder(path: &Path) -> Result<(), DiskError> {
    let failed = |source| DiskError::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| {
        match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                DiskError::NotAFolder(path.to_owned())
            }
            _ => failed(source),
        }
    })?;
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_dir() {
        return Err(DiskError::NotAFolder(path.to_owned()));
    }
    belongs(path, &meta)?;
    closed(path, &meta, 0o022)
}

fn open(path: &Path) -> Result<Option<(File, Metadata)>, DiskError> {
    let failed = |source| DiskError::Io { path: path.to_owned(), source };
    // Opening a pipe without this flag would wait for its other end.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(DiskError::NotAFile(path.to_owned()));
    }
    Ok(Some((file, meta)))
}

fn read_open(path: &Path, file: File, limit_bytes: u64) -> Result<Vec<u8>, DiskError> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too large.
    file.take(limit_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| DiskError::Io { path: path.to_owned(), source })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit_bytes {
        return Err(DiskError::TooLarge { path: path.to_owned(), limit_bytes });
    }
    Ok(bytes)
}

fn belongs(path: &Path, meta: &Metadata) -> Result<(), DiskError> {
    let user = rustix::process::geteuid().as_raw();
    if meta.uid() == user {
        return Ok(());
    }
    Err(DiskError::Foreign { path: path.to_owned(), owner: meta.uid(), user })
}

fn closed(path: &Path, meta: &Metadata, forbidden: u32) -> Result<(), DiskError> {
    let mode = meta.mode() & 0o7777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(DiskError::Writable { path: path.to_owned(), mode })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn t17_a_folder_of_our_own_is_made_private_and_a_writable_one_refused() {
        let top = tempfile::tempdir().expect("a folder");
        let own = top.path().join("state/gonogo");
        private_folder(&own).expect("made");
        for made in [own.as_path(), own.parent().expect("a parent")] {
            assert_eq!(fs::metadata(made).expect("there").mode() & 0o777, 0o700);
        }
        private_folder(&own).expect("there already");
        mode(&own, 0o777);
        assert!(matches!(private_folder(&own), Err(DiskError::Writable { mode: 0o777, .. })));
        mode(&own, 0o770);
        assert!(matches!(private_folder(&own), Err(DiskError::Writable { .. })));
        let file = top.path().join("file");
        fs::write(&file, "").expect("a file");
        assert!(matches!(private_folder(&file), Err(DiskError::NotAFolder(_))));
        assert!(matches!(private_folder(&file.join("below")), Err(DiskError::NotAFolder(_))));
    }

    #[test]
    fn t17_a_file_that_decides_is_not_read_when_everybody_may_write_to_it() {
        let top = tempfile::tempdir().expect("a folder");
        let file = top.path().join("policy.yaml");
        assert_eq!(read_trusted(&file, 10).expect("nothing is fine"), None);
        fs::write(&file, "a: 1").expect("a file");
        assert_eq!(read_trusted(&file, 4).expect("read").as_deref(), Some(&b"a: 1"[..]));
        assert!(matches!(read(&file, 3), Err(DiskError::TooLarge { .. })));
        mode(&file, 0o666);
        assert!(matches!(read_trusted(&file, 10), Err(DiskError::Writable { .. })));
        assert!(read(&file, 10).is_ok());
    }

    #[test]
    fn a_pipe_and_a_folder_are_refused_without_waiting() {
        let top = tempfile::tempdir().expect("a folder");
        assert!(matches!(read(top.path(), 10), Err(DiskError::NotAFile(_))));
        let pipe = top.path().join("pipe");
        let name = rustix::fs::CWD;
        let made = rustix::fs::mknodat(
            name,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        );
        made.expect("a pipe");
        assert!(matches!(read(&pipe, 10), Err(DiskError::NotAFile(_))));
    }
}
