//! Reads text from a stream, line by line.

use std::io::{BufRead, Read as _};

use serde::de::DeserializeOwned;

use super::report::{ReadError, damaged_at};
use crate::release::Clean;

/// The longest line, in bytes: cargo writes one message a line, with all its spans.
const LINE_BYTES_MAX: u64 = 32 << 20;

pub(super) struct Lines<'r> {
    tool: Clean,
    from: &'r mut dyn BufRead,
    line: Vec<u8>,
    /// Where in the stream the line begins, and which it is.
    start: u64,
    number: u64,
}

impl<'r> Lines<'r> {
    pub(super) fn new(tool: Clean, from: &'r mut dyn BufRead) -> Self {
        Self { tool, from, line: Vec::new(), start: 0, number: 0 }
    }

    /// The next line that is not blank; its ends trimmed.
    pub(super) fn next(&mut self) -> Result<Option<&str>, ReadError> {
        loop {
            self.start += self.line.len() as u64;
            self.line.clear();
            self.number += 1;
            let read = (&mut *self.from).take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
            let read = read.map_err(|source| ReadError::Io { tool: self.tool.clone(), source })?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LINE_BYTES_MAX {
                return Err(self.damaged(0, "a line is too long"));
            }
            let marked = self.start == 0 && self.line.starts_with(b"\xef\xbb\xbf");
            let skip = if marked { 3 } else { 0 };
            let blank = self.line[skip..].trim_ascii().is_empty();
            if !blank {
                if let Err(error) = std::str::from_utf8(&self.line[skip..]) {
                    return Err(self.damaged(skip + error.valid_up_to(), "it is not UTF-8"));
                }
                // Validated just above; there is no way to keep the proof beside the buffer.
                let text = std::str::from_utf8(&self.line[skip..]).unwrap_or_default();
                return Ok(Some(text.trim()));
            }
        }
    }

    /// The next line that is not blank, as JSON.
    pub(super) fn json<T: DeserializeOwned>(&mut self, of: &str) -> Result<Option<T>, ReadError> {
        let Some(line) = self.next()? else { return Ok(None) };
        match serde_json::from_str(line) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let at = error.column().saturating_sub(1);
                Err(self.damaged(at, &format!("it is not {of}: {error}")))
            }
        }
    }

    /// Something is wrong at a byte of the current line.
    pub(super) fn damaged(&self, at: usize, what: &str) -> ReadError {
        let at = at as u64;
        damaged_at(&self.tool, self.start + at, self.number, at + 1, what)
    }
}
