//! Writes records: the first and the last megabytes of a log, in constant memory.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cut::{Counts, LogPipe, Stream, prefix, size};
use super::mask::Masks;
use crate::release::Clean;

/// How much of a log is kept, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// The beginning.
    pub head_bytes: u64,
    /// The end; up to a quarter more stays on disk.
    pub tail_bytes: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { head_bytes: 16 * 1024 * 1024, tail_bytes: 64 * 1024 * 1024 }
    }
}

/// A step's log while it is written.
pub struct LogSink {
    pipe: LogPipe,
    writer: Writer,
    trouble: Option<String>,
    /// Where standard output is kept whole, and how many bytes of it still are.
    stdout: Option<(File, usize)>,
}

/// The file beside the log that holds standard output as it came, where a report is read from it.
pub const STDOUT: &str = "stdout";
/// A byte more than the largest report.
const STDOUT_BYTES_MAX: usize = 256 * 1024 * 1024 + 1;

impl LogSink {
    /// Opens `dir/log`, which must not hold another step's log.
    pub fn create(dir: &Path, masks: Masks, limits: LogLimits) -> io::Result<Self> {
        let writer = Writer::create(dir, limits)?;
        Ok(Self { pipe: LogPipe::new(masks), writer, trouble: None, stdout: None })
    }

    /// Also keeps standard output whole, in `dir/stdout`: a report on it may have lines longer
    /// than a log's. Whoever reads it deletes it, for nothing in it is masked. Of a flood it keeps
    /// one byte more than a report may have, so that the report is refused (fault F57).
    pub fn keep_stdout(&mut self, dir: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        self.stdout = Some((options.open(dir.join(STDOUT))?, STDOUT_BYTES_MAX));
        Ok(())
    }

    /// Takes bytes that were read `at_ms` after the step's start. Never fails: what cannot be
    /// written is counted, because a child must not stall on our disk.
    pub fn feed(&mut self, stream: Stream, at_ms: u64, bytes: &[u8]) {
        if let Some((file, room)) = self.stdout.as_mut().filter(|_| stream == Stream::Stdout) {
            let kept = bytes.len().min(*room);
            *room -= kept;
            if let Err(error) = file.write_all(&bytes[..kept]) {
                self.trouble.get_or_insert_with(|| error.to_string());
            }
        }
        self.pipe.feed(stream, at_ms, bytes);
        self.write();
    }

    /// When [`Self::tick`] is wanted: milliseconds since the step's start.
    pub fn due_ms(&self) -> Option<u64> {
        self.pipe.due_ms()
    }

    /// Shows prompts: lines that have had no end for 50 ms.
    pub fn tick(&mut self, at_ms: u64) {
        self.pipe.tick(at_ms);
        self.write();
    }

    /// Adds a remark of gonogo's own.
    pub fn note(&mut self, at_ms: u64, text: &Clean) {
        self.pipe.note(at_ms, text);
        self.write();
    }

    /// Ends the log; what went through it, and the first error of writing it.
    pub fn finish(mut self, at_ms: u64) -> (Counts, Option<String>) {
        self.pipe.finish(at_ms);
        self.write();
        let joined = self.writer.join(at_ms);
        let trouble = self.trouble.or(joined.err().map(|error| error.to_string()));
        let mut counts = self.pipe.counts;
        counts.left_out_bytes += self.writer.left_out_bytes();
        (counts, trouble)
    }

    fn write(&mut self) {
        let records = self.pipe.records();
        if records.is_empty() {
            return;
        }
        let left = records.len() as u64;
        if let Err(error) = self.writer.write(records, self.pipe.ready()) {
            self.trouble.get_or_insert_with(|| error.to_string());
            self.pipe.counts.left_out_bytes += left;
        }
        self.pipe.clear();
    }
}

/// The head file and, once that is full, the segments behind it.
struct Writer {
    dir: PathBuf,
    limits: LogLimits,
    file: File,
    /// Bytes in `file`.
    filled: u64,
    /// Bytes and lines written in all.
    bytes: u64,
    lines: u64,
    head: Option<u64>,
    segments: VecDeque<Segment>,
    next: u64,
}

/// A part of the end of a log. Its name carries all of this, so that a reader needs no other file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Lines and bytes of the whole log before it.
    pub(super) line: u64,
    pub(super) byte: u64,
    /// Bytes in the head file: when that has another size, the log has been joined already.
    pub(super) head_bytes: u64,
}

impl Segment {
    pub(super) fn name(&self) -> String {
        let Self { number, line, byte, head_bytes } = self;
        format!("log~{number}~{line}~{byte}~{head_bytes}")
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("log~")?.split('~').map(str::parse::<u64>);
        let mut part = || parts.next()?.ok();
        Some(Self { number: part()?, line: part()?, byte: part()?, head_bytes: part()? })
    }
}

impl Writer {
    fn create(dir: &Path, limits: LogLimits) -> io::Result<Self> {
        let file = open(&dir.join("log"))?;
        let filled = file.metadata()?.len();
        let (dir, segments) = (dir.to_owned(), VecDeque::new());
        Ok(Self {
            dir,
            limits,
            file,
            filled,
            bytes: filled,
            lines: 0,
            head: None,
            segments,
            next: 0,
        })
    }

    /// Writes `count` records.
    fn write(&mut self, mut records: &[u8], count: u64) -> io::Result<()> {
        let lines_then = self.lines + count;
        while !records.is_empty() {
            let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
            let fits = if records.len() <= room {
                records.len()
            } else {
                let last = memchr::memrchr(b'\n', &records[..room]).map_or(0, |at| at + 1);
                // A record longer than a whole file still has to go somewhere.
                let first = || memchr::memchr(b'\n', records).map_or(records.len(), |at| at + 1);
                if last == 0 && self.filled == 0 { first() } else { last }
            };
            let (now, later) = records.split_at(fits);
            self.file.write_all(now)?;
            self.filled += fits as u64;
            self.bytes += fits as u64;
            records = later;
            if records.is_empty() {
                self.lines = lines_then;
            } else {
                self.lines += memchr::memchr_iter(b'\n', now).count() as u64;
                self.roll()?;
            }
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        let limit = if self.head.is_none() {
            self.limits.head_bytes
        } else {
            (self.limits.tail_bytes / 8).max(1)
        };
        limit.saturating_sub(self.filled)
    }

    /// Begins the next segment, and lets go of those that are no longer the end.
    fn roll(&mut self) -> io::Result<()> {
        let head_bytes = *self.head.get_or_insert(self.filled);
        let (number, line, byte) = (self.next, self.lines, self.bytes);
        let segment = Segment { number, line, byte, head_bytes };
        self.file = open(&self.dir.join(segment.name()))?;
        self.next += 1;
        self.filled = 0;
        self.segments.push_back(segment);
        while let Some(second) = self.segments.get(1)
            && self.bytes - second.byte >= self.limits.tail_bytes
        {
            std::fs::remove_file(self.dir.join(self.segments[0].name()))?;
            self.segments.pop_front();
        }
        Ok(())
    }

    fn left_out_bytes(&self) -> u64 {
        let kept_from = self.segments.front().map_or(0, |segment| segment.byte);
        kept_from.saturating_sub(self.head.unwrap_or(kept_from))
    }

    /// Puts head, remark and segments into one file.
    fn join(&mut self, at_ms: u64) -> io::Result<()> {
        if self.segments.is_empty() {
            return Ok(());
        }
        let (whole, joined) = (self.dir.join("log"), self.dir.join("log.joined"));
        let head = File::open(&whole)?;
        let head_lines = newlines(&head)?;
        let mut out = open(&joined)?;
        out.set_len(0)?;
        io::copy(&mut File::open(&whole)?, &mut out)?;
        if self.left_out_bytes() > 0 {
            let lines = self.segments.front().map_or(0, |segment| segment.line) - head_lines;
            out.write_all(&prefix(at_ms, Stream::Note, true))?;
            writeln!(out, "{}", left_out(self.left_out_bytes(), lines))?;
        }
        for segment in &self.segments {
            io::copy(&mut File::open(self.dir.join(segment.name()))?, &mut out)?;
        }
        std::fs::rename(&joined, &whole)?;
        for segment in &self.segments {
            std::fs::remove_file(self.dir.join(segment.name()))?;
        }
        Ok(())
    }
}

/// The line that stands where a part of the log is missing.
pub(super) fn left_out(bytes: u64, lines: u64) -> String {
    format!("[… {} in {lines} lines left out …]", size(bytes))
}

fn newlines(mut file: &File) -> io::Result<u64> {
    use std::io::Read as _;
    let (mut buffer, mut lines) = (vec![0; 64 * 1024], 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(dir: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(dir.join("log")).expect("a log");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn f57_head_and_tail_are_kept_and_the_middle_is_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let limits = LogLimits { head_bytes: 2000, tail_bytes: 4000 };
        let mut sink = LogSink::create(dir.path(), Masks::new([]), limits).expect("a sink");
        for number in 0..10_000 {
            sink.feed(Stream::Stdout, number, format!("line {number}\n").as_bytes());
            if number % 100 == 0 {
                let size = |entry: io::Result<std::fs::DirEntry>| {
                    entry.and_then(|entry| entry.metadata()).expect("a file").len()
                };
                let used: u64 = std::fs::read_dir(dir.path()).expect("listed").map(size).sum();
                assert!(used <= 2000 + 4000 + 1000, "{used}");
            }
        }
        let (counts, trouble) = sink.finish(10_000);
        assert_eq!(trouble, None);
        let lines = log(dir.path());
        assert_eq!(lines[0], "0000000000o line 0");
        assert_eq!(lines.last().map(String::as_str), Some("0000009999o line 9999"));
        let note = lines.iter().position(|line| line.contains("left out")).expect("a note");
        let left_out = 10_000 - (lines.len() - 1);
        assert!(lines[note].contains(&format!("in {left_out} lines")), "{}", lines[note]);
        assert!(counts.left_out_bytes > 100_000);
        assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn f57_a_log_within_its_limits_is_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let limits = LogLimits { head_bytes: 1000, tail_bytes: 100_000 };
        let mut sink = LogSink::create(dir.path(), Masks::new([]), limits).expect("a sink");
        for number in 0..1000 {
            sink.feed(Stream::Stderr, 0, format!("{number}\n").as_bytes());
        }
        assert_eq!(sink.finish(0).0.left_out_bytes, 0);
        let numbers: Vec<_> = log(dir.path()).iter().map(|line| line[12..].to_owned()).collect();
        assert_eq!(numbers, (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_disk_that_refuses_is_reported_and_does_not_stop_the_child() {
        let dir = tempfile::tempdir().expect("a directory");
        let limits = LogLimits { head_bytes: 100, tail_bytes: 1000 };
        let mut sink = LogSink::create(dir.path(), Masks::new([]), limits).expect("a sink");
        let gone = dir.path().to_owned();
        dir.close().expect("removed");
        for _ in 0..100 {
            sink.feed(Stream::Stdout, 0, b"some text that goes nowhere\n");
        }
        let (counts, trouble) = sink.finish(0);
        assert!(trouble.is_some_and(|text| text.contains("No such file")), "{}", gone.display());
        assert!(counts.left_out_bytes > 0);
        assert_eq!(counts.lines, 100);
    }
}
