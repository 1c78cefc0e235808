//! Reads a log by windows of lines, while it is still written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

use super::cut::{PREFIX_BYTES, Stream};
use super::write::{Segment, left_out};
use crate::release::Clean;

/// The index knows where each so-manieth line begins.
const BLOCK_LINES: usize = 64;
/// Blocks read at once by a search.
const SEARCH_BLOCKS: usize = 16;
const READ_BYTES: usize = 1024 * 1024;

/// What [`LogFile::next_error`] stops at; a match after "0 " or "no " does not count.
const TROUBLE: [&str; 9] =
    ["error", "fatal", "panic", "fail", "exception", "traceback", "denied", "refused", "cannot "];

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Milliseconds since the step's start.
    pub at_ms: u64,
    pub stream: Stream,
    /// Whether its end had not come when it was shown: the stream's next line goes on with it.
    pub open: bool,
    pub text: Clean,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// A step's log as rows that can be paged through. Reading the rows of a screen costs two reads,
/// however long the log is; a log that grew costs the reading of what it grew by.
pub struct LogFile {
    dir: PathBuf,
    parts: Vec<Part>,
    /// The row that says what is missing between the head and the segments.
    gap: Option<(u64, u64)>,
}

/// One file of the log.
struct Part {
    /// None for the head.
    segment: Option<Segment>,
    file: File,
    inode: u64,
    /// Where each [`BLOCK_LINES`]th line begins.
    blocks: Vec<u64>,
    lines: usize,
    /// End of the last complete line.
    bytes: u64,
}

impl LogFile {
    /// Opens the log of the step whose directory is `dir`. A log that does not exist yet has no
    /// lines.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut log = Self { dir: dir.to_owned(), parts: Vec::new(), gap: None };
        log.refresh()?;
        Ok(log)
    }

    /// Takes in what was written since. Cheap when nothing was.
    pub fn refresh(&mut self) -> io::Result<()> {
        let head = match std::fs::metadata(self.dir.join("log")) {
            Ok(head) => head,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (self.parts, self.gap) = (Vec::new(), None);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let known = self.parts.first();
        if known.is_some_and(|part| part.inode != head.ino() || part.bytes > head.len()) {
            self.parts.clear();
        }
        if self.parts.is_empty() {
            self.parts.extend(Part::open(&self.dir, None)?);
        }
        let mut segments = self.segments(head.len())?;
        self.parts.retain(|part| match &part.segment {
            None => true,
            Some(segment) => segments.remove(&segment.number).is_some(),
        });
        for segment in segments.into_values() {
            self.parts.extend(Part::open(&self.dir, Some(segment))?);
        }
        for part in &mut self.parts {
            part.grow()?;
        }
        self.gap = None;
        if let [head, first, ..] = self.parts.as_slice()
            && let Some(segment) = &first.segment
            && segment.byte > head.bytes
        {
            let lines = segment.line.saturating_sub(head.lines as u64);
            self.gap = Some((segment.byte - head.bytes, lines));
        }
        Ok(())
    }

    fn segments(&self, head_bytes: u64) -> io::Result<BTreeMap<u64, Segment>> {
        let mut segments = BTreeMap::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let segment = name.to_str().and_then(Segment::parse);
            // Segments of a log that is joined already are about to vanish.
            if let Some(segment) = segment.filter(|segment| segment.head_bytes == head_bytes) {
                segments.insert(segment.number, segment);
            }
        }
        Ok(segments)
    }

    /// Rows to page through.
    pub fn lines(&self) -> usize {
        self.parts.iter().map(|part| part.lines).sum::<usize>() + usize::from(self.gap.is_some())
    }

    /// How many rows had come so many milliseconds after the step's start.
    pub fn lines_until(&self, at_ms: u64) -> io::Result<usize> {
        let (mut low, mut high) = (0, self.lines());
        while low < high {
            let middle = low + (high - low) / 2;
            let line = self.window(middle, 1)?;
            if line.first().is_some_and(|line| line.at_ms > at_ms) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// At most `count` rows from row `from` on, the first being 0.
    pub fn window(&self, from: usize, count: usize) -> io::Result<Vec<LogLine>> {
        let mut window = Vec::with_capacity(count.min(1024));
        let (mut row, end) = (0, from.saturating_add(count));
        for (number, part) in self.parts.iter().enumerate() {
            if number == 1
                && let Some((bytes, lines)) = self.gap
            {
                if (from..end).contains(&row) {
                    window.push(gap_line(bytes, lines, window.last()));
                }
                row += 1;
            }
            let first = from.saturating_sub(row).min(part.lines);
            let last = end.saturating_sub(row).min(part.lines);
            if first < last {
                part.read(first, last, |_, record| window.push(parse(record)))?;
            }
            row += part.lines;
        }
        Ok(window)
    }

    /// The next row at or after (before) row `from` whose text contains `needle`. Case counts when
    /// the needle has a capital letter.
    pub fn find(
        &self,
        needle: &str,
        from: usize,
        direction: Direction,
    ) -> io::Result<Option<usize>> {
        if needle.is_empty() {
            return Ok(None);
        }
        let any_case = !needle.chars().any(char::is_uppercase);
        let Ok(search) = AhoCorasick::builder().ascii_case_insensitive(any_case).build([needle])
        else {
            return Ok(None);
        };
        self.search(&search, |text| search.is_match(text), from, direction)
    }

    /// The next row at or after (before) row `from` that speaks of an error.
    pub fn next_error(&self, from: usize, direction: Direction) -> io::Result<Option<usize>> {
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(TROUBLE)
            .expect("nine short words make an automaton");
        let counts = |text: &[u8]| {
            search.find_iter(text).any(|hit| {
                let before = &text[..hit.start()];
                let after = &text[hit.end()..];
                let none = before.ends_with(b"0 ")
                    && !before.ends_with(b"00 ")
                    && !before.iter().rev().nth(2).is_some_and(u8::is_ascii_digit);
                let no =
                    before.len() >= 3 && before[before.len() - 3..].eq_ignore_ascii_case(b"no ");
                let zero = [&b": 0"[..], b"s: 0", b"ed: 0", b"=0", b"s=0"]
                    .iter()
                    .any(|zero| after.starts_with(zero));
                !none && !no && !zero
            })
        };
        self.search(&search, counts, from, direction)
    }

    fn search(
        &self,
        quick: &AhoCorasick,
        hit: impl Fn(&[u8]) -> bool,
        from: usize,
        direction: Direction,
    ) -> io::Result<Option<usize>> {
        let gap = usize::from(self.gap.is_some());
        let mut starts = Vec::with_capacity(self.parts.len());
        let mut row = 0;
        for (number, part) in self.parts.iter().enumerate() {
            row += if number == 1 { gap } else { 0 };
            starts.push(row);
            row += part.lines;
        }
        let forward = direction == Direction::Forward;
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        if !forward {
            order.reverse();
        }
        for number in order {
            let (part, start) = (&self.parts[number], starts[number]);
            let found = if forward {
                part.search(from.saturating_sub(start), part.lines, true, quick, &hit)?
            } else if from < start {
                None
            } else {
                part.search(0, (from - start + 1).min(part.lines), false, quick, &hit)?
            };
            if let Some(line) = found {
                return Ok(Some(start + line));
            }
        }
        Ok(None)
    }
}

impl Part {
    /// None when the segment was let go of in the meantime.
    fn open(dir: &Path, segment: Option<Segment>) -> io::Result<Option<Self>> {
        let name = segment.as_ref().map_or_else(|| "log".to_owned(), Segment::name);
        let file = match File::open(dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let inode = file.metadata()?.ino();
        Ok(Some(Self { segment, file, inode, blocks: vec![0], lines: 0, bytes: 0 }))
    }

    /// Indexes the complete lines that were added.
    fn grow(&mut self) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        if size <= self.bytes {
            return Ok(());
        }
        let length = usize::try_from(size - self.bytes).unwrap_or(READ_BYTES).min(READ_BYTES);
        let (mut buffer, mut at) = (vec![0; length], self.bytes);
        loop {
            let read = self.file.read_at(&mut buffer, at)?;
            if read == 0 {
                return Ok(());
            }
            for end in memchr::memchr_iter(b'\n', &buffer[..read]) {
                self.lines += 1;
                self.bytes = at + end as u64 + 1;
                if self.lines.is_multiple_of(BLOCK_LINES) {
                    self.blocks.push(self.bytes);
                }
            }
            at += read as u64;
        }
    }

    /// The bytes of the blocks that hold the lines from `first` up to `last`, and the number of
    /// the first line in them.
    fn blocks(&self, first: usize, last: usize) -> io::Result<(usize, Vec<u8>)> {
        let block = first / BLOCK_LINES;
        let start = self.blocks.get(block).copied().unwrap_or(self.bytes);
        let end = self.blocks.get(last.div_ceil(BLOCK_LINES)).copied().unwrap_or(self.bytes);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok((block * BLOCK_LINES, bytes))
    }

    fn read(
        &self,
        first: usize,
        last: usize,
        mut take: impl FnMut(usize, &[u8]),
    ) -> io::Result<()> {
        let (number, bytes) = self.blocks(first, last)?;
        let mut from = 0;
        for (skip, end) in memchr::memchr_iter(b'\n', &bytes).enumerate() {
            let line = number + skip;
            if (first..last).contains(&line) {
                take(line, &bytes[from..end]);
            }
            from = end + 1;
        }
        Ok(())
    }

    fn search(
        &self,
        first: usize,
        last: usize,
        forward: bool,
        quick: &AhoCorasick,
        hit: &impl Fn(&[u8]) -> bool,
    ) -> io::Result<Option<usize>> {
        let step = BLOCK_LINES * SEARCH_BLOCKS;
        let (mut low, mut high) = (first, last);
        while low < high {
            let (from, to) = if forward {
                (low, (low / step * step + step).min(high))
            } else {
                (low.max((high - 1) / step * step), high)
            };
            let (_, bytes) = self.blocks(from, to)?;
            if quick.is_match(&bytes) {
                let mut found = None;
                self.read(from, to, |line, record| {
                    let text = record.get(PREFIX_BYTES..).unwrap_or_default();
                    if (found.is_none() || !forward) && hit(text) {
                        found = Some(line);
                    }
                })?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            if forward { low = to } else { high = from }
        }
        Ok(None)
    }
}

fn gap_line(bytes: u64, lines: u64, before: Option<&LogLine>) -> LogLine {
    LogLine {
        at_ms: before.map_or(0, |line| line.at_ms),
        stream: Stream::Note,
        open: false,
        text: Clean::new(&left_out(bytes, lines)),
    }
}

fn parse(record: &[u8]) -> LogLine {
    let (prefix, text) = record.split_at(PREFIX_BYTES.min(record.len()));
    let at_ms = std::str::from_utf8(prefix.get(..10).unwrap_or_default());
    let (stream, open) = match prefix.get(10) {
        Some(b'o') => (Stream::Stdout, false),
        Some(b'O') => (Stream::Stdout, true),
        Some(b'e') => (Stream::Stderr, false),
        Some(b'E') => (Stream::Stderr, true),
        _ => (Stream::Note, false),
    };
    let at_ms = at_ms.ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    LogLine { at_ms, stream, open, text: Clean::from_bytes(text) }
}

#[cfg(test)]
mod tests {
    use super::super::{LogLimits, LogSink, Masks};
    use super::*;

    fn sink(dir: &Path, head_bytes: u64, tail_bytes: u64) -> LogSink {
        let limits = LogLimits { head_bytes, tail_bytes };
        LogSink::create(dir, Masks::new([]), limits).expect("a sink")
    }

    fn texts(log: &LogFile, from: usize, count: usize) -> Vec<String> {
        let window = log.window(from, count).expect("a window");
        window.into_iter().map(|line| line.text.as_str().to_owned()).collect()
    }

    #[test]
    fn windows_follow_a_log_that_grows() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut log = LogFile::open(dir.path()).expect("no log yet");
        assert_eq!(log.lines(), 0);
        let mut sink = sink(dir.path(), 1 << 20, 1 << 20);
        for number in 0..1000 {
            sink.feed(Stream::Stdout, number, format!("line {number}\nand more\n").as_bytes());
            if number % 77 == 0 {
                log.refresh().expect("refreshed");
                let lines = usize::try_from(number).expect("small") * 2 + 2;
                assert_eq!(log.lines(), lines);
                assert_eq!(
                    texts(&log, lines - 2, 9),
                    [format!("line {number}"), "and more".into()]
                );
            }
        }
        log.refresh().expect("refreshed");
        let line = &log.window(1998, 1).expect("a window")[0];
        assert_eq!((line.at_ms, line.stream, line.open), (999, Stream::Stdout, false));
        assert_eq!(texts(&log, 126, 3), ["line 63", "and more", "line 64"]);
        assert!(log.window(5000, 10).expect("empty").is_empty());
    }

    #[test]
    fn f57_a_gap_is_a_row_of_its_own_before_and_after_the_join() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut sink = sink(dir.path(), 2000, 8000);
        for number in 0..5000 {
            sink.feed(Stream::Stdout, 7, format!("line {number}\n").as_bytes());
        }
        let mut log = LogFile::open(dir.path()).expect("opened");
        let all = texts(&log, 0, usize::MAX);
        assert_eq!(all.len(), log.lines());
        let gap = all.iter().position(|text| text.contains("left out")).expect("a gap");
        assert_eq!(all[gap - 1], format!("line {}", gap - 1));
        let after: usize = all[gap + 1][5..].parse().expect("a number");
        assert!(all[gap].contains(&format!(" {} lines", after - gap)), "{}", all[gap]);
        assert_eq!(all.last().map(String::as_str), Some("line 4999"));
        assert_eq!(texts(&log, gap, 2), all[gap..gap + 2]);
        assert_eq!(
            log.find("line 4998", 0, Direction::Forward).expect("searched"),
            Some(all.len() - 2)
        );
        sink.finish(9);
        log.refresh().expect("refreshed");
        assert_eq!(texts(&log, 0, usize::MAX), all, "the join changes nothing that is seen");
    }

    #[test]
    fn finding_goes_both_ways_and_minds_capitals() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut sink = sink(dir.path(), 1 << 24, 1 << 24);
        for number in 0..10_000 {
            let word = match number {
                1500 => "ERROR: no route",
                1501 => "0 errors, 0 failed",
                7000 => "10 errors",
                _ => "fine",
            };
            sink.feed(Stream::Stdout, 0, format!("{word}\n").as_bytes());
        }
        let log = LogFile::open(dir.path()).expect("opened");
        let find = |needle: &str, from, way| log.find(needle, from, way).expect("searched");
        assert_eq!(find("error", 0, Direction::Forward), Some(1500));
        assert_eq!(find("error", 1502, Direction::Forward), Some(7000));
        assert_eq!(find("ERROR", 9999, Direction::Backward), Some(1500));
        assert_eq!(find("error", 1499, Direction::Backward), None);
        assert_eq!(find("0000", 0, Direction::Forward), None, "the time is not text");
        assert_eq!(log.next_error(1501, Direction::Forward).expect("searched"), Some(7000));
        assert_eq!(log.next_error(6999, Direction::Backward).expect("searched"), Some(1500));
    }
}
