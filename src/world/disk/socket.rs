//! The file of a socket: where it may lie, how it gets there, and that only its own is removed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{DiskError, private_folder};

/// The longest path that the kernel takes for a socket, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Makes the folder of `path` where it is missing and refuses it unless it is ours and closed to
/// everybody else, even for looking (threat T20).
pub fn secret_folder_of(path: &Path) -> Result<(), DiskError> {
    let folder = folder_of(path);
    private_folder(folder)?;
    let read = std::fs::metadata(folder);
    let meta = read.map_err(|source| DiskError::Io { path: folder.to_owned(), source })?;
    let mode = meta.mode() & 0o7777;
    let others = mode & 0o077;
    if others == 0 { Ok(()) } else { Err(DiskError::Open { path: folder.to_owned(), mode }) }
}

/// A name for the socket at `path` that is short enough for the kernel. It holds for as long as
/// the value lives.
#[derive(Debug)]
pub struct ShortWay {
    way: PathBuf,
    /// The folder, kept open because `way` leads through it.
    _folder: Option<File>,
}

impl ShortWay {
    pub fn to(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(Self { way: path.to_owned(), _folder: None });
        }
        let flags = (rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY).bits();
        let mut options = OpenOptions::new();
        let folder = options.read(true).custom_flags(flags.cast_signed()).open(folder_of(path))?;
        let name = path.file_name().unwrap_or_default();
        let way = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self { way, _folder: Some(folder) })
    }

    pub fn as_path(&self) -> &Path {
        &self.way
    }
}

/// The file of a socket that listens. Dropping it takes the file away, unless a successor has
/// already put its own in that place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    /// Closes the socket at `temporary` to everybody else (mode 0600) and puts it at `path`, in
    /// the place of whatever lay there.
    pub fn place(temporary: &Path, path: &Path) -> Result<Self, DiskError> {
        let place = || {
            std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(0o600))?;
            let id = id(temporary)?;
            std::fs::rename(temporary, path)?;
            Ok(Self { path: path.to_owned(), id })
        };
        place().map_err(|source| DiskError::Io { path: path.to_owned(), source })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|found| found == self.id) {
            // What stays behind answers nobody and is replaced by the next engine.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t20_a_folder_that_others_may_look_into_is_refused() {
        let top = tempfile::tempdir().expect("a folder");
        let folder = top.path().join("run");
        secret_folder_of(&folder.join("r-1.sock")).expect("made");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&folder, open).expect("chmod");
        let refused = secret_folder_of(&folder.join("r-1.sock"));
        assert!(matches!(refused, Err(DiskError::Open { mode: 0o755, .. })), "{refused:?}");
    }

    #[test]
    fn a_file_that_a_successor_put_there_stays() {
        let top = tempfile::tempdir().expect("a folder");
        let at = |name: &str| top.path().join(name);
        let place = |name: &str| {
            std::fs::write(at("new"), name).expect("a file");
            SocketFile::place(&at("new"), &at("socket")).expect("placed")
        };
        let (first, second) = (place("first"), place("second"));
        drop(first);
        assert_eq!(std::fs::read_to_string(at("socket")).expect("there"), "second");
        drop(second);
        assert!(!at("socket").exists());
    }

    #[test]
    fn a_long_path_has_a_short_way() {
        let top = tempfile::tempdir().expect("a folder");
        let folder = top.path().join("x".repeat(120));
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("file"), "found").expect("a file");
        let way = ShortWay::to(&folder.join("file")).expect("a way");
        assert!(way.as_path().as_os_str().len() < SOCKET_PATH_BYTES_MAX);
        assert_eq!(std::fs::read_to_string(way.as_path()).expect("read"), "found");
    }
}
