//! The log pipeline: bytes of a child in, masked and harmless lines out, read back by windows.
//!
//! ```text
//! chunk ─▶ lines, cut at 64 KiB ─▶ sequences stripped ─▶ secrets masked ─▶ the rest made visible
//! ```
//!
//! # The file
//!
//! `log` is text, one record a line, made so that `less`, `grep` and `tail -f` are of use:
//!
//! ```text
//! 0000001234o 12 tests passed
//! ```
//!
//! Ten digits are milliseconds since the step started; the letter is the stream: `o` and `e` for
//! a line of stdout and stderr, `O` and `E` for text whose line end had not come yet (a prompt: the
//! next record of that stream goes on where it stopped), `g` for a note of gonogo's own. Then one
//! space and the text, which is clean in the sense of [`crate::release::Clean`].
//!
//! At most the first 16 MiB and the last 64 MiB are kept (fault F57). While the step runs the end
//! stands in segments beside the file; when it has ended they are joined behind a note that says
//! how much was left out.

mod cut;
mod mask;
mod read;
mod strip;
mod variant;
mod write;

pub use cut::{CHUNK_BYTES, Counts, LINE_BYTES_MAX, LogPipe, PARTIAL_MS, PIPE_BYTES, Stream};
pub use mask::{MASK, Masks};
pub use read::{Direction, LogFile, LogLine};
pub use write::{LogLimits, LogSink, STDOUT};
