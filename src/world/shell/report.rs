//! Reports that tools leave: only a fresh one counts (threats T12 and T17).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::release::Timestamp;

/// The largest report that is read (fault F72).
pub const REPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// File systems keep times in steps of up to two seconds.
const STEP_MS: i64 = 2000;

/// Why a tool's report does not count.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("find a fresh {}: the tool wrote none", path.display())]
    Missing { path: PathBuf },
    #[error("find a fresh {}: this one was written before the step began", path.display())]
    Stale { path: PathBuf },
    #[error("read {}: it is empty", path.display())]
    Empty { path: PathBuf },
    #[error("read {}: {bytes} bytes are more than {REPORT_BYTES_MAX}", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("read {}: it leads out of the workspace, or is not a plain file", path.display())]
    Outside { path: PathBuf },
    #[error("read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// The bytes of the report at `path` in `workspace`, written since `started`.
///
/// Call [`clear_reports`] before the step: what was there before cannot then be taken for new,
/// whatever its time says.
pub fn fresh_report(
    workspace: &Path,
    path: &Path,
    started: Timestamp,
) -> Result<Vec<u8>, ReportError> {
    let named = || path.to_owned();
    let file = open_beneath(workspace, path)?;
    let read = |source| ReportError::Read { path: named(), source };
    let metadata = file.metadata().map_err(read)?;
    if !metadata.is_file() {
        return Err(ReportError::Outside { path: named() });
    }
    let written_ms = metadata.mtime().saturating_mul(1000) + metadata.mtime_nsec() / 1_000_000;
    if written_ms < started.wall_ms() - STEP_MS {
        return Err(ReportError::Stale { path: named() });
    }
    let too_large = |bytes| ReportError::TooLarge { path: named(), bytes };
    match metadata.len() {
        0 => return Err(ReportError::Empty { path: named() }),
        bytes if bytes > REPORT_BYTES_MAX => return Err(too_large(bytes)),
        _ => {}
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // It may still grow while it is read.
    file.take(REPORT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > REPORT_BYTES_MAX {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Opens `path` without ever leaving `workspace`: not by `..`, not by a symbolic link.
fn open_beneath(workspace: &Path, path: &Path) -> Result<File, ReportError> {
    let outside = || ReportError::Outside { path: path.to_owned() };
    let read = |source| ReportError::Read { path: path.to_owned(), source };
    if !is_inner(path) {
        return Err(outside());
    }
    let root = File::open(workspace).map_err(read)?;
    // Not blocking: a named pipe must not make us wait for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve) {
        Ok(file) => Ok(file.into()),
        Err(Errno::NOENT | Errno::NOTDIR) => Err(ReportError::Missing { path: path.to_owned() }),
        Err(Errno::XDEV | Errno::LOOP | Errno::NXIO) => Err(outside()),
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => open_without(workspace, path, flags),
        Err(error) => Err(read(error.into())),
    }
}

/// The same on a kernel without `openat2`: no part of the path may be a link.
fn open_without(workspace: &Path, path: &Path, flags: OFlags) -> Result<File, ReportError> {
    let read = |source: io::Error| ReportError::Read { path: path.to_owned(), source };
    let mut at = File::open(workspace).map_err(read)?;
    let parts: Vec<_> = path.components().filter(|c| matches!(c, Component::Normal(_))).collect();
    for (number, part) in parts.iter().enumerate() {
        let last = number + 1 == parts.len();
        let kind = if last { flags } else { OFlags::DIRECTORY | OFlags::CLOEXEC };
        let opened =
            rustix::fs::openat(&at, part.as_os_str(), kind | OFlags::NOFOLLOW, Mode::empty());
        at = match opened {
            Ok(file) => file.into(),
            Err(Errno::NOENT) => return Err(ReportError::Missing { path: path.to_owned() }),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(ReportError::Outside { path: path.to_owned() });
            }
            Err(error) => return Err(read(error.into())),
        };
    }
    Ok(at)
}

fn is_inner(path: &Path) -> bool {
    let mut parts = path.components().peekable();
    parts.peek().is_some() && parts.all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// Takes away what matches `patterns` in `workspace`, so that only what the step writes can be
/// read afterwards; how many files went. The folders they name are made where they are missing:
/// few tools make them, and a container's would be root's.
///
/// In a pattern each part of a path may hold `*`, which stands for any characters of that part.
/// Links are taken away themselves and never followed.
pub fn clear_reports(workspace: &Path, patterns: &[String]) -> io::Result<usize> {
    let mut removed = 0;
    for pattern in patterns {
        if !is_inner(Path::new(pattern)) {
            let what = format!("the report {pattern} is not within the workspace");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let parts: Vec<&str> =
            pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        removed += clear(&File::open(workspace)?, &parts)?;
    }
    Ok(removed)
}

fn clear(dir: &File, parts: &[&str]) -> io::Result<usize> {
    let Some((part, rest)) = parts.split_first() else { return Ok(0) };
    let mut removed = 0;
    if !rest.is_empty() && !part.contains('*') {
        match rustix::fs::mkdirat(dir, *part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." || !fits(part.as_bytes(), name) {
            continue;
        }
        let stat = rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if rest.is_empty() && !is_dir {
            rustix::fs::unlinkat(dir, entry.file_name(), AtFlags::empty())?;
            removed += 1;
        } else if !rest.is_empty() && is_dir {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = rustix::fs::openat(dir, entry.file_name(), flags, Mode::empty())?;
            removed += clear(&inner.into(), rest)?;
        }
    }
    Ok(removed)
}

/// Whether `name` fits `pattern`, in which `*` stands for any bytes.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut retry) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((star, from)) = retry {
            (p, n) = (star + 1, from + 1);
            retry = Some((star, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn now() -> Timestamp {
        crate::world::Clock::live().now()
    }

    fn set_time(path: &Path, ms_before: i64) {
        let past = std::time::Duration::from_millis(ms_before.unsigned_abs());
        let file = File::options().write(true).open(path).expect("a file");
        let now = SystemTime::UNIX_EPOCH
            + std::time::Duration::from_millis(now().wall_ms().unsigned_abs());
        file.set_modified(now - past).expect("set");
    }

    #[test]
    fn t12_only_a_fresh_report_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| fresh_report(dir.path(), Path::new(name), now());
        assert!(matches!(at("r.json"), Err(ReportError::Missing { .. })));
        assert!(matches!(at("no/r.json"), Err(ReportError::Missing { .. })));
        let path = dir.path().join("r.json");
        std::fs::write(&path, "").expect("written");
        assert!(matches!(at("r.json"), Err(ReportError::Empty { .. })));
        std::fs::write(&path, "{}").expect("written");
        assert_eq!(at("r.json").expect("fresh"), b"{}");
        set_time(&path, 60_000);
        assert!(matches!(at("r.json"), Err(ReportError::Stale { .. })));
        let huge = File::create(&path).expect("made");
        huge.set_len(REPORT_BYTES_MAX + 1).expect("sparse");
        assert!(matches!(at("r.json"), Err(ReportError::TooLarge { .. })));
    }

    #[test]
    fn t17_a_report_cannot_lead_out_of_the_workspace() {
        let outer = tempfile::tempdir().expect("a directory");
        let workspace = outer.path().join("w");
        std::fs::create_dir_all(workspace.join("sub")).expect("made");
        std::fs::write(outer.path().join("secret"), "s").expect("written");
        std::os::unix::fs::symlink("../secret", workspace.join("link")).expect("linked");
        std::os::unix::fs::symlink("..", workspace.join("up")).expect("linked");
        std::os::unix::fs::symlink("/etc/passwd", workspace.join("abs")).expect("linked");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        for name in ["link", "up/secret", "abs", "../secret", "/etc/passwd", "sub", "."] {
            let seen = fresh_report(&workspace, Path::new(name), now());
            assert!(matches!(seen, Err(ReportError::Outside { .. })), "{name}: {seen:?}");
        }
        for name in ["link", "up/secret", "abs"] {
            let seen = open_without(&workspace, Path::new(name), flags);
            assert!(matches!(seen, Err(ReportError::Outside { .. })), "{name}: {seen:?}");
        }
        std::fs::write(workspace.join("sub/r"), "r").expect("written");
        assert!(open_without(&workspace, Path::new("sub/r"), flags).is_ok());
        std::os::unix::fs::symlink("r", workspace.join("sub/inner")).expect("linked");
        assert!(fresh_report(&workspace, Path::new("sub/inner"), now()).is_ok());
    }

    #[test]
    fn t12_old_reports_go_before_the_step_and_links_are_not_followed() {
        let outer = tempfile::tempdir().expect("a directory");
        let workspace = outer.path().join("w");
        std::fs::create_dir_all(workspace.join("a/junit")).expect("made");
        std::fs::create_dir_all(outer.path().join("o/junit")).expect("made");
        for name in ["w/a/junit/one.xml", "w/a/junit/keep.txt", "w/r.json", "o/junit/far.xml"] {
            std::fs::write(outer.path().join(name), "x").expect("written");
        }
        std::os::unix::fs::symlink("../o", workspace.join("b")).expect("linked");
        let patterns = ["*/junit/*.xml".to_owned(), "r.json".to_owned()];
        assert_eq!(clear_reports(&workspace, &patterns).expect("cleared"), 2);
        assert!(outer.path().join("o/junit/far.xml").exists());
        assert!(workspace.join("a/junit/keep.txt").exists());
        assert!(!workspace.join("new").exists());
        assert_eq!(clear_reports(&workspace, &["new/deep/r.xml".to_owned()]).expect("made"), 0);
        assert!(workspace.join("new/deep").is_dir() && !workspace.join("new/deep/r.xml").exists());
        assert!(clear_reports(&workspace, &["../o/*".to_owned()]).is_err());
        assert!(fits(b"a*c*", b"abcbcd") && !fits(b"a*c", b"abcb") && fits(b"*", b""));
    }
}
