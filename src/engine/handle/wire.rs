//! What goes over the socket: one JSON document a line, in both directions, none longer than its
//! limit. The client speaks first.
//!
//! ```text
//! client ─ hello ─▶ server        server ─ hello | refused ─▶ client
//! client ─ ask ───▶ server        server ─ record, live, answer, beat, closed ─▶ client
//! ```

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::picture::Picture;
use crate::release::{Clean, Command, Person, Record, Refusal, ReleaseId, Timestamp};

/// The version of what stands in this file. Hello and refusal stay readable for ever.
pub const PROTOCOL: u32 = 2;
/// The longest line that a client may send: an ask is small.
pub(super) const ASK_BYTES_MAX: usize = 64 * 1024;
/// The longest line that a server may send: a picture of 10,000 pods has 2 MiB.
pub(super) const NEWS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A buffer that held something large is given back to this size.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// What a client is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// To look, and to ask.
    Drive,
    /// To look only; the way back is open all the same.
    Watch,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromClient {
    Hello(ClientHello),
    Ask { id: u64, command: Box<Command> },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ClientHello {
    pub(super) protocol: u32,
    pub(super) build: Clean,
    /// The release it means; none takes what is there.
    pub(super) release: Option<ReleaseId>,
    pub(super) person: Person,
    pub(super) wants: Wants,
    /// How many records it has already.
    pub(super) from: u64,
}

/// The part of a hello that every version has.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnyHello {
    Hello { protocol: u32 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromServer {
    Hello(Box<ServerHello>),
    Refused(Refused),
    Record(Arc<Record>),
    Live(Box<Picture>),
    Answer {
        id: u64,
        refusal: Option<Refusal>,
    },
    /// Nothing is new, and the engine is there.
    Beat,
    /// The engine came to its end, orderly.
    Closed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ServerHello {
    pub(super) protocol: u32,
    pub(super) build: Clean,
    pub(super) release: ReleaseId,
    /// The folder of the steps' logs.
    pub(super) steps: PathBuf,
    pub(super) pid: u32,
    pub(super) host: Clean,
    /// The engine's clocks as it wrote this.
    pub(super) now: Timestamp,
    /// How many records the engine has published.
    pub(super) records: u64,
}

/// Why a client is sent away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refused {
    /// Whether the two speak different versions.
    pub(super) version: bool,
    pub(super) why: Clean,
}

/// Why no further frame can be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a line of more than {max} bytes")]
    TooLong { max: usize },
    #[error("the line broke off")]
    Cut,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Cuts a stream into lines. Never holds more than the longest one allowed.
pub(super) struct Frames<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    whole: bool,
    max: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(super) fn new(from: R, max: usize) -> Self {
        let from = BufReader::with_capacity(BUFFER_BYTES, from);
        Self { from, line: Vec::new(), whole: false, max }
    }

    /// The next line without its end; none at the end of the stream. May be dropped while it
    /// waits and called again.
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if std::mem::take(&mut self.whole) {
            self.line.clear();
            self.line.shrink_to(BUFFER_BYTES);
        }
        loop {
            let bytes = self.from.fill_buf().await?;
            if bytes.is_empty() {
                return if self.line.is_empty() { Ok(None) } else { Err(FrameError::Cut) };
            }
            let end = memchr::memchr(b'\n', bytes);
            let part = end.unwrap_or(bytes.len());
            if self.line.len() + part > self.max {
                return Err(FrameError::TooLong { max: self.max });
            }
            self.line.extend_from_slice(&bytes[..part]);
            self.from.consume(part + usize::from(end.is_some()));
            if end.is_some() {
                self.whole = true;
                return Ok(Some(&self.line));
            }
        }
    }
}

/// Appends a frame as one line.
pub(super) fn push(out: &mut Vec<u8>, frame: &impl Serialize) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, frame).is_err() {
        // Frames hold no maps with keys that JSON cannot spell; half a frame must never leave.
        out.truncate(start);
        return;
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t19_lines_are_cut_and_a_long_one_is_refused_without_being_held() {
        let text = b"one\n\ntwo\n0123456789\nx".as_slice();
        let mut frames = Frames::new(text, 9);
        for expected in [b"one".as_slice(), b"", b"two"] {
            assert_eq!(frames.next().await.expect("a line"), Some(expected));
        }
        assert!(matches!(frames.next().await, Err(FrameError::TooLong { max: 9 })));
        let mut cut = Frames::new(b"half".as_slice(), 9);
        assert!(matches!(cut.next().await, Err(FrameError::Cut)));
        let mut empty = Frames::new(b"".as_slice(), 9);
        assert!(matches!(empty.next().await, Ok(None)));
    }

    #[test]
    fn a_hello_of_any_version_tells_its_version() {
        let text = r#"{"hello":{"protocol":7,"speaks":"something else"}}"#;
        let AnyHello::Hello { protocol } = serde_json::from_str(text).expect("readable");
        assert_eq!(protocol, 7);
    }
}
