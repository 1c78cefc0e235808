//! Reads a report that lies in a file, and tells by its beginning which tool wrote it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::guess::{GUESS_BYTES, guess, utf8};
use super::held::Held;
use super::report::{Origin, ReadError, Summary, hold};
use crate::release::ReportFormat;

/// How much is read at a time, in bytes.
const BUFFER_BYTES: usize = 256 << 10;
/// The largest report in another encoding, in bytes: it is held whole.
const WIDE_BYTES_MAX: u64 = 256 << 20;

/// A file that holds no report that can be read. It completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "tell which tool wrote {}: an empty report says nothing, and this beginning is of no tool \
         that gonogo reads; name the format with --as", path.display()
    )]
    Unknown { path: PathBuf },
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Reads the report in a file as a stream, as the given format or the one that its beginning
/// tells, into a store that holds all its findings.
///
/// # Errors
/// When the file cannot be opened, its format not be told, or the report not be read.
pub fn read_file(
    path: &Path,
    format: Option<ReportFormat>,
    origin: &Origin<'_>,
    held: &mut Held,
) -> Result<Summary, FileError> {
    let open = |source| FileError::Open { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(open)?;
    let mut begun = Vec::new();
    file.by_ref().take(GUESS_BYTES as u64).read_to_end(&mut begun).map_err(open)?;
    if let Cow::Owned(_) = utf8(&begun) {
        file.by_ref().take(WIDE_BYTES_MAX).read_to_end(&mut begun).map_err(open)?;
        begun = utf8(&begun).into_owned();
    }
    let Some(format) = format.or_else(|| guess(&begun)) else {
        return Err(FileError::Unknown { path: path.to_owned() });
    };
    let mut from = BufReader::with_capacity(BUFFER_BYTES, io::Cursor::new(begun).chain(file));
    Ok(hold(format, origin, &mut from, held)?)
}
