//! One record as one line of JSON.
//!
//! `{"format":1, …, "event":{…},"sum":"0123456789abcdef"}` and a newline. `prev` is the SHA-256 of
//! the line before as it stands on disk, so nothing depends on writing a record twice the same
//! way. The chain covers every line but the last; `sum`, the first 64 bits of the SHA-256 of all
//! that stands before it in its own line, covers each line by itself and so tells a torn or
//! altered last line from a whole one. The two hashes share their work.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::record;
use crate::release::{Clean, Digest, Epoch, FORMAT, Record, ReleaseId, Seq};

/// The longest line that is read or written, newline included, in bytes (fault F12).
pub const LINE_BYTES_MAX: usize = 16 << 20;

const SUM_HEAD: &[u8] = b",\"sum\":\"";
/// Sixteen hex digits.
const SUM_HEX: usize = 16;
/// `,"sum":"…"}`
const SUM_BYTES: usize = SUM_HEAD.len() + SUM_HEX + 2;

/// A digest as text: `sha256:` and 64 hex digits.
pub(super) type DigestText = [u8; 71];

pub(super) const NO_LINE: DigestText =
    *b"sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The newest line of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub seq: Seq,
    /// Of the line as it stands on disk, without its newline.
    pub digest: Digest,
}

/// A line that is whole but that this build cannot read: it is watched, never driven (F10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub format: u32,
    pub seq: Seq,
    pub epoch: Epoch,
    pub kind: Clean,
    /// The line as it stands on disk, without its newline.
    pub bytes: Vec<u8>,
}

/// A whole line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "almost every line is known, and none is kept")]
pub enum Line {
    Known(Record),
    Foreign(Box<Foreign>),
}

/// Where a journal stops being what was written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The record that should stand there; every earlier one is verified.
    pub seq: Seq,
    /// Its place in the file, in bytes from the start.
    pub offset: u64,
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its bytes are not those that were written.
    Altered,
    /// It is whole but not a record.
    NotARecord,
    /// It does not follow the line before it.
    Unchained,
    /// Another record than the next one stands there.
    OutOfOrder { found: Seq },
    /// It was written under an older epoch than the line before it (I5).
    OldEpoch { found: Epoch },
    /// It belongs to another release.
    Stranger { found: ReleaseId },
    /// It has no end within [`LINE_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered => f.write_str("its bytes are not those that were written"),
            Self::NotARecord => f.write_str("it is not a record"),
            Self::Unchained => f.write_str("it does not follow the record before it"),
            Self::OutOfOrder { found } => write!(f, "record {found} stands there"),
            Self::OldEpoch { found } => write!(f, "its epoch {found} is older than its place"),
            Self::Stranger { found } => write!(f, "it belongs to {found}"),
            Self::TooLong => write!(f, "it has no end within {LINE_BYTES_MAX} bytes"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JOURNAL DAMAGED at {}; ", self.seq)?;
        match self.seq.0.checked_sub(1) {
            Some(last) => write!(f, "0..{last} verified; ")?,
            None => f.write_str("nothing verified; ")?,
        }
        write!(f, "no action will be taken ({})", self.why)
    }
}

/// Writes a record and its newline to the end of `out`; answers the line's digest.
///
/// Fails when the record cannot be written as JSON or would be too long to be read again; `out`
/// is then as it was.
pub fn encode(record: &Record, out: &mut Vec<u8>) -> Result<Digest, BadRecord> {
    let start = out.len();
    let written = serde_json::to_writer(&mut *out, record);
    if let Err(error) = written {
        out.truncate(start);
        return Err(BadRecord::Json(error));
    }
    // The closing brace makes room for the sum.
    out.pop();
    let mut hasher = Sha256::new_with_prefix(&out[start..]);
    let body = out.len();
    out.extend_from_slice(SUM_HEAD);
    out.extend_from_slice(&hex::<SUM_HEX>(&hasher.clone().finalize()));
    out.extend_from_slice(b"\"}");
    hasher.update(&out[body..]);
    out.push(b'\n');
    let bytes = out.len() - start;
    if bytes > LINE_BYTES_MAX {
        out.truncate(start);
        return Err(BadRecord::TooLong { bytes });
    }
    Ok(Digest::from_sha256(&hasher.finalize()))
}

/// A record that cannot become a line.
#[derive(Debug, thiserror::Error)]
pub enum BadRecord {
    #[error("a record cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    #[error("a record of {bytes} bytes is longer than {LINE_BYTES_MAX}")]
    TooLong { bytes: usize },
}

/// The digest of a line without its newline, if the line is whole.
pub(super) fn check(line: &[u8]) -> Option<DigestText> {
    let (body, suffix) = line.split_at_checked(line.len().checked_sub(SUM_BYTES)?)?;
    let sum = suffix.strip_prefix(SUM_HEAD)?.strip_suffix(b"\"}")?;
    let mut hasher = Sha256::new_with_prefix(body);
    if hex::<SUM_HEX>(&hasher.clone().finalize()) != sum {
        return None;
    }
    hasher.update(suffix);
    Some(text(&hasher.finalize()))
}

/// Whether a line, given without its newline, is whole: its own sum fits.
pub fn is_whole(line: &[u8]) -> bool {
    check(line).is_some()
}

/// Reads a whole line, given without its newline; none when it is no record of any format.
pub fn parse(line: &[u8]) -> Option<Line> {
    // Checked once as text: the reader of bytes checks each string by itself, which costs more.
    let text = std::str::from_utf8(line).ok()?;
    let read = record::read(text).or_else(|_| serde_json::from_str::<Record>(text));
    if let Ok(record) = read
        && record.format <= FORMAT
    {
        return Some(Line::Known(record));
    }
    let envelope: Envelope = serde_json::from_str(text).ok()?;
    Some(Line::Foreign(Box::new(Foreign {
        format: envelope.format,
        seq: envelope.seq,
        epoch: envelope.epoch,
        kind: envelope.event.kind,
        bytes: line.to_vec(),
    })))
}

/// What every format has in common.
#[derive(Deserialize)]
struct Envelope {
    format: u32,
    seq: Seq,
    epoch: Epoch,
    event: Kind,
}

#[derive(Deserialize)]
struct Kind {
    kind: Clean,
}

/// What a foreign line says of its place.
#[derive(Deserialize)]
struct Place {
    release: ReleaseId,
    prev: Digest,
}

/// What the next line must say to be the next line.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) release: Option<ReleaseId>,
    pub(super) next: Seq,
    pub(super) prev: DigestText,
    pub(super) epoch: Epoch,
}

impl Chain {
    pub(super) fn start() -> Self {
        Self { release: None, next: Seq(0), prev: NO_LINE, epoch: Epoch(0) }
    }

    /// The newest line; none before the first.
    pub(super) fn head(&self) -> Option<Head> {
        let seq = Seq(self.next.0.checked_sub(1)?);
        Some(Head { seq, digest: digest(&self.prev) })
    }

    /// Takes the next line, if it is the next line (invariant I2).
    pub(super) fn link(&mut self, line: &Line, text: DigestText) -> Result<(), Why> {
        match line {
            Line::Known(record) => {
                self.fits(&record.release, record.seq, record.epoch, &record.prev)?;
                if self.release.is_none() {
                    self.release = Some(record.release.clone());
                }
                self.epoch = record.epoch;
            }
            Line::Foreign(foreign) => {
                let place: Place =
                    serde_json::from_slice(&foreign.bytes).map_err(|_| Why::NotARecord)?;
                self.fits(&place.release, foreign.seq, foreign.epoch, &place.prev)?;
                self.release.get_or_insert(place.release);
                self.epoch = foreign.epoch;
            }
        }
        self.prev = text;
        self.next = self.next.next();
        Ok(())
    }

    /// Takes a record that was just written as the next line.
    pub(super) fn follow(&mut self, record: &Record, digest: &Digest) {
        self.release.get_or_insert_with(|| record.release.clone());
        self.epoch = record.epoch;
        self.next = record.seq.next();
        self.prev.copy_from_slice(digest.as_str().as_bytes());
    }

    fn fits(&self, release: &ReleaseId, seq: Seq, epoch: Epoch, prev: &Digest) -> Result<(), Why> {
        if self.release.as_ref().is_some_and(|own| own != release) {
            return Err(Why::Stranger { found: release.clone() });
        }
        if seq != self.next {
            return Err(Why::OutOfOrder { found: seq });
        }
        if prev.as_str().as_bytes() != self.prev {
            return Err(Why::Unchained);
        }
        if epoch < self.epoch {
            return Err(Why::OldEpoch { found: epoch });
        }
        Ok(())
    }
}

/// What a foreign line says of the line before it.
pub(super) fn prev_of(foreign: &Foreign) -> Option<Digest> {
    serde_json::from_slice::<Place>(&foreign.bytes).ok().map(|place| place.prev)
}

fn digest(text: &DigestText) -> Digest {
    let text = String::from_utf8_lossy(text).into_owned();
    Digest::try_from(text).expect("written by `text` in the digest's grammar")
}

fn text(hash: &[u8]) -> DigestText {
    let mut out = NO_LINE;
    out[7..].copy_from_slice(&hex::<64>(hash));
    out
}

fn hex<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [b'0'; N];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}
