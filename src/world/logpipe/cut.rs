//! Chunks into records: cuts lines, overwritten progress, prompts without a line end.

use serde::{Deserialize, Serialize};

use super::mask::{MASK, Masks, union};
use super::strip::{Stripped, show, strip_line, strip_mapped, unfinished};

/// A line is cut here; the marker after it says how much was dropped.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes to read from a child at once: what is read and the records made of it fit a near cache.
pub const CHUNK_BYTES: usize = 128 * 1024;
/// Bytes that a pipe from a child may hold, so that it does not wait for us.
pub const PIPE_BYTES: usize = 1024 * 1024;
/// How long a line without an end waits before it is shown, so that prompts appear.
pub const PARTIAL_MS: u64 = 50;
/// A line that redraws itself is shown this often while it has no end.
const REDRAW_MS: u64 = 1000;
/// Digits of the time, the letter of the stream, a space.
pub(super) const PREFIX_BYTES: usize = 12;
/// A buffer that grew past this for one chunk is given back.
const KEEP_BYTES: usize = 4 * 1024 * 1024;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    Stdout,
    Stderr,
    /// Gonogo's own remark, for example how much was left out.
    Note,
}

/// What went through the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Complete lines.
    pub lines: u64,
    /// Bytes read from the child.
    pub bytes: u64,
    /// Bytes cut off from lines that were too long.
    pub cut_bytes: u64,
    /// Bytes of records that are not kept: the middle of a long log, or what a full disk refused.
    pub left_out_bytes: u64,
    /// Stretches replaced by [`MASK`].
    pub masked: u64,
}

/// One stream's line that has no end yet.
#[derive(Default)]
struct Pending {
    raw: Vec<u8>,
    /// Bytes of this line that stand in the log already.
    shown: usize,
    dropped: u64,
    /// When its last bytes came, until they are shown.
    fresh_since_ms: Option<u64>,
    redrawn_ms: Option<u64>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.shown == 0 && self.dropped == 0
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = |this: &Self| LINE_BYTES_MAX.saturating_sub(this.raw.len() + this.shown);
        if bytes.len() > room(self)
            && let Some(redraw) = memchr::memrchr(b'\r', &self.raw)
        {
            // Progress that redraws one line for hours is not a long line.
            self.raw.drain(..redraw);
            self.shown = 0;
        }
        let taken = bytes.len().min(room(self));
        self.raw.extend_from_slice(&bytes[..taken]);
        self.dropped += (bytes.len() - taken) as u64;
    }
}

/// Turns chunks of both streams into records; [`super::LogSink`] writes them.
pub struct LogPipe {
    masks: Masks,
    pending: [Pending; 2],
    /// Records ready to be written stand in `out[..end]`.
    out: Vec<u8>,
    end: usize,
    /// How many records these are.
    ready: u64,
    scratch: Vec<u8>,
    pub(super) counts: Counts,
}

impl LogPipe {
    pub fn new(masks: Masks) -> Self {
        Self {
            masks,
            pending: [Pending::default(), Pending::default()],
            out: Vec::new(),
            end: 0,
            ready: 0,
            scratch: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a chunk that was read `at_ms` after the step's start.
    pub fn feed(&mut self, stream: Stream, at_ms: u64, chunk: &[u8]) {
        let prefix = prefix(at_ms, stream, true);
        let slot = slot(stream);
        self.counts.bytes += chunk.len() as u64;
        let mut rest = chunk;
        if !self.pending[slot].is_empty() {
            let end = memchr::memchr(b'\n', rest);
            self.pending[slot].add(&rest[..end.unwrap_or(rest.len())]);
            self.pending[slot].fresh_since_ms = Some(at_ms);
            let Some(end) = end else { return };
            self.end_line(slot, &prefix);
            rest = &rest[end + 1..];
        }
        let (whole, rest) = rest.split_at(memchr::memrchr(b'\n', rest).map_or(0, |end| end + 1));
        self.take(&prefix, whole);
        if !rest.is_empty() {
            self.pending[slot].add(rest);
            self.pending[slot].fresh_since_ms = Some(at_ms);
        }
    }

    /// When a line without an end is to be shown: milliseconds since the step's start.
    pub fn due_ms(&self) -> Option<u64> {
        self.pending.iter().filter_map(due_ms).min()
    }

    /// Shows the lines without an end whose time has come.
    ///
    /// What may be the beginning of a secret, of a sequence or of a character is held back.
    pub fn tick(&mut self, at_ms: u64) {
        for (slot, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            if due_ms(&self.pending[slot]).is_some_and(|due| due <= at_ms) {
                self.show_pending(slot, &prefix(at_ms, stream, false), at_ms);
            }
        }
    }

    /// Ends both streams.
    pub fn finish(&mut self, at_ms: u64) {
        for (slot, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            if !self.pending[slot].is_empty() {
                self.end_line(slot, &prefix(at_ms, stream, true));
            }
        }
    }

    /// Adds a remark of gonogo's own.
    pub fn note(&mut self, at_ms: u64, text: &crate::release::Clean) {
        self.push(&prefix(at_ms, Stream::Note, true), text.as_str().as_bytes());
    }

    /// The records made so far.
    pub fn records(&self) -> &[u8] {
        &self.out[..self.end]
    }

    /// How many records [`Self::records`] are.
    pub(super) fn ready(&self) -> u64 {
        self.ready
    }

    /// Forgets the records made so far: they are written.
    pub fn clear(&mut self) {
        (self.end, self.ready) = (0, 0);
        if self.out.len() > KEEP_BYTES {
            self.out = Vec::new();
        }
    }

    fn end_line(&mut self, slot: usize, prefix: &[u8; PREFIX_BYTES]) {
        let mut line = std::mem::take(&mut self.pending[slot]);
        let rest = line.raw.strip_suffix(b"\r").unwrap_or(&line.raw);
        // The end of a prompt that is shown already is not a line of its own.
        if line.dropped > 0 {
            self.counts.lines += 1;
            self.slow(prefix, rest, line.dropped);
        } else if !rest.is_empty() || line.shown == 0 {
            line.raw.push(b'\n');
            self.take(prefix, &line.raw);
        } else {
            self.counts.lines += 1;
        }
        line.raw.clear();
        self.pending[slot].raw = line.raw;
    }

    fn show_pending(&mut self, slot: usize, prefix: &[u8; PREFIX_BYTES], at_ms: u64) {
        let raw = std::mem::take(&mut self.pending[slot].raw);
        let safe = self.safe_length(&raw);
        self.pending[slot].fresh_since_ms = None;
        if raw.contains(&b'\r') {
            self.pending[slot].redrawn_ms = Some(at_ms);
        }
        if safe > 0 {
            self.slow(prefix, &raw[..safe], 0);
        }
        self.pending[slot].shown += safe;
        self.pending[slot].raw = raw[safe..].to_vec();
    }

    /// How much of a line without an end may be shown without showing a part of something.
    fn safe_length(&self, raw: &[u8]) -> usize {
        let raw_end = unfinished(raw.strip_suffix(b"\r").unwrap_or(raw));
        let raw = &raw[..raw_end];
        let (text, places) = strip_mapped(raw);
        let place = |at: usize| places.get(at).copied().unwrap_or(raw_end);
        let mut safe = place(self.masks.begun(&text)).min(self.masks.begun(raw));
        let spans = self.masks.spans(&text).into_iter().map(|s| place(s.start)..place(s.end));
        for span in union(spans.chain(self.masks.spans(raw)).collect()).into_iter().rev() {
            if span.start < safe && safe < span.end {
                safe = span.start;
            }
        }
        safe
    }

    /// Adds the records of lines that all have their ends, quickly where they are plain text with
    /// colours.
    fn take(&mut self, prefix: &[u8; PREFIX_BYTES], mut lines: &[u8]) {
        while !lines.is_empty() {
            let start = self.room(lines.len());
            let text = start + PREFIX_BYTES;
            self.out[start..text].copy_from_slice(prefix);
            let (masks, mut hidden) = (&self.masks, false);
            let sequence_at = |place| hidden |= masks.suspects_hidden(lines, place);
            let Stripped { taken, copied, plain } =
                strip_line(lines, &mut self.out[text..], sequence_at);
            let end = text + copied;
            let (line, rest) = lines.split_at(taken);
            lines = rest;
            self.counts.lines += 1;
            let whole = taken <= LINE_BYTES_MAX;
            if whole && plain && !hidden && !masks.suspects(&self.out[text..end]) {
                self.out[end] = b'\n';
                self.end = end + 1;
                self.ready += 1;
            } else {
                self.odd(prefix, line.strip_suffix(b"\n").unwrap_or(line));
            }
        }
    }

    /// Adds a record of a line that is not plain, may hold a secret or has to be cut.
    fn odd(&mut self, prefix: &[u8; PREFIX_BYTES], line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (drawn, _) = last_drawn(line);
        if drawn.len() > LINE_BYTES_MAX {
            let dropped = (drawn.len() - LINE_BYTES_MAX) as u64;
            self.slow(prefix, &drawn[..LINE_BYTES_MAX], dropped);
        } else {
            self.slow(prefix, line, 0);
        }
    }

    /// Makes sure of room for a record of `bytes`; where it begins.
    fn room(&mut self, bytes: usize) -> usize {
        let need = self.end + PREFIX_BYTES + bytes + 16;
        if self.out.len() < need {
            self.out.resize(need.next_power_of_two(), 0);
        }
        self.end
    }

    /// Adds a record of a line that holds a secret, a character that must be made visible, text
    /// that it overwrites itself, or that was cut.
    fn slow(&mut self, prefix: &[u8; PREFIX_BYTES], line: &[u8], dropped: u64) {
        let (line, overwritten) = last_drawn(line);
        let (text, places) = strip_mapped(line);
        let mut spans = Vec::new();
        if self.masks.suspects(&text) {
            spans = self.masks.spans(&text);
        }
        if text.len() != line.len() && self.masks.suspects(line) {
            let stripped = |at: usize| places.partition_point(|place| *place < at);
            let raw = self.masks.spans(line).into_iter();
            spans.extend(raw.map(|span| stripped(span.start)..stripped(span.end)));
            spans = union(spans);
        }
        if dropped > 0 {
            // The cut may go through a secret.
            let begun = self.masks.begun(&text);
            if begun < text.len() {
                spans.push(begun..text.len());
                spans = union(spans);
            }
        }
        let mut shown = std::mem::take(&mut self.scratch);
        shown.clear();
        let mut from = 0;
        for span in spans {
            show(&text[from..span.start], &mut shown);
            shown.extend_from_slice(MASK.as_bytes());
            self.counts.masked += 1;
            from = span.end;
        }
        show(&text[from..], &mut shown);
        if overwritten > 0 {
            shown.extend_from_slice(format!(" [{overwritten} overwritten]").as_bytes());
        }
        if dropped > 0 {
            self.counts.cut_bytes += dropped;
            shown.extend_from_slice(format!(" [+{}]", size(dropped)).as_bytes());
        }
        self.push(prefix, &shown);
        self.scratch = shown;
    }

    fn push(&mut self, prefix: &[u8; PREFIX_BYTES], text: &[u8]) {
        let start = self.room(text.len());
        let end = start + PREFIX_BYTES + text.len();
        self.out[start..start + PREFIX_BYTES].copy_from_slice(prefix);
        self.out[start + PREFIX_BYTES..end].copy_from_slice(text);
        self.out[end] = b'\n';
        self.end = end + 1;
        self.ready += 1;
    }
}

fn slot(stream: Stream) -> usize {
    usize::from(stream == Stream::Stderr)
}

fn due_ms(pending: &Pending) -> Option<u64> {
    let due = pending.fresh_since_ms?.saturating_add(PARTIAL_MS);
    Some(pending.redrawn_ms.map_or(due, |at| due.max(at.saturating_add(REDRAW_MS))))
}

/// What a terminal would still show of a line with carriage returns, and how many times it was
/// written over.
fn last_drawn(line: &[u8]) -> (&[u8], usize) {
    if memchr::memchr(b'\r', line).is_none() {
        return (line, 0);
    }
    let drawn = || line.split(|byte| *byte == b'\r').filter(|part| !part.is_empty());
    (drawn().next_back().unwrap_or_default(), drawn().count().saturating_sub(1))
}

/// The fixed-width beginning of a record.
pub(super) fn prefix(at_ms: u64, stream: Stream, ended: bool) -> [u8; PREFIX_BYTES] {
    let letter = match (stream, ended) {
        (Stream::Stdout, true) => b'o',
        (Stream::Stdout, false) => b'O',
        (Stream::Stderr, true) => b'e',
        (Stream::Stderr, false) => b'E',
        (Stream::Note, _) => b'g',
    };
    let mut prefix = *b"0000000000o ";
    let mut left = at_ms.min(9_999_999_999);
    for digit in prefix[..10].iter_mut().rev() {
        *digit += u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
    prefix[10] = letter;
    prefix
}

/// A number of bytes for people.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    for (unit, one) in units {
        if bytes >= one {
            let tenths = bytes / (one / 10);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Secret;

    fn pipe(secrets: &[&str]) -> LogPipe {
        let secrets: Vec<Secret> =
            secrets.iter().map(|s| Secret::new(s.as_bytes()).expect("long")).collect();
        LogPipe::new(Masks::new(&secrets))
    }

    /// The records without their time.
    fn texts(pipe: &LogPipe) -> Vec<String> {
        let text = std::str::from_utf8(pipe.records()).expect("clean text is UTF-8");
        text.lines().map(|line| line[10..].to_owned()).collect()
    }

    fn through(secrets: &[&str], bytes: &[u8]) -> Vec<String> {
        let mut pipe = pipe(secrets);
        pipe.feed(Stream::Stdout, 0, bytes);
        pipe.finish(0);
        texts(&pipe)
    }

    #[test]
    fn lines_of_both_streams_carry_time_and_stream() {
        let mut pipe = pipe(&[]);
        pipe.feed(Stream::Stdout, 1234, b"one\ntw");
        pipe.feed(Stream::Stderr, 1300, b"warning\n");
        pipe.feed(Stream::Stdout, 1400, b"o\r\n");
        let text = String::from_utf8(pipe.records().to_vec()).expect("UTF-8");
        assert_eq!(text, "0000001234o one\n0000001300e warning\n0000001400o two\n");
        assert_eq!(pipe.counts.lines, 3);
    }

    #[test]
    fn f57_a_long_line_is_cut_with_a_visible_marker() {
        let mut line = vec![b'x'; LINE_BYTES_MAX + 2_500_000];
        line.push(b'\n');
        let whole = through(&[], &line);
        assert!(whole[0].ends_with("xxx [+2.5 MB]"), "{}", &whole[0][whole[0].len() - 20..]);
        let mut pipe = pipe(&[]);
        for part in line.chunks(70_001) {
            pipe.feed(Stream::Stdout, 0, part);
        }
        assert_eq!(texts(&pipe), whole, "chunks make no difference");
        assert_eq!(pipe.counts.cut_bytes, 2_500_000);
    }

    #[test]
    fn t16_a_secret_at_the_cut_is_not_shown_in_part() {
        let mut line = vec![b'x'; LINE_BYTES_MAX - 9];
        line.extend(b"hunter2hunter2hunter2\n");
        let text = &through(&["hunter2hunter2hunter2"], &line)[0];
        assert!(text.ends_with("x••• [+12 B]"), "{}", &text[text.len() - 40..]);
    }

    #[test]
    fn progress_shows_what_a_terminal_would_and_says_so() {
        let text = through(&[], b"10%\r50%\r\x1b[32m100%\x1b[0m\r\nnext\n");
        assert_eq!(text, ["o 100% [2 overwritten]", "o next"]);
        let mut pipe = pipe(&[]);
        for percent in 0..30_000 {
            pipe.feed(Stream::Stderr, percent, format!("\rstep {percent}").as_bytes());
            pipe.tick(percent);
        }
        pipe.feed(Stream::Stderr, 30_000, b"\rdone\n");
        let texts = texts(&pipe);
        assert!(texts.len() < 40, "{}", texts.len());
        assert!(texts.last().is_some_and(|last| last.starts_with("e done")), "{texts:?}");
        assert_eq!(pipe.counts.cut_bytes, 0);
    }

    #[test]
    fn a_prompt_shows_after_its_time_and_goes_on_after_it() {
        let mut pipe = pipe(&[]);
        pipe.feed(Stream::Stdout, 100, b"Continue? ");
        assert_eq!(pipe.due_ms(), Some(150));
        pipe.tick(149);
        assert!(pipe.records().is_empty());
        pipe.tick(150);
        assert_eq!(texts(&pipe), ["O Continue? "]);
        assert_eq!(pipe.due_ms(), None);
        pipe.feed(Stream::Stdout, 300, b"yes\n");
        pipe.feed(Stream::Stdout, 300, b"again? ");
        pipe.tick(400);
        pipe.feed(Stream::Stdout, 500, b"\nend\n");
        assert_eq!(texts(&pipe), ["O Continue? ", "o yes", "O again? ", "o end"]);
        assert_eq!(pipe.counts.lines, 3);
    }

    #[test]
    fn t16_a_secret_that_has_begun_waits_for_its_end() {
        let mut pipe = pipe(&["hunter2hunter2"]);
        pipe.feed(Stream::Stdout, 0, b"key is hun");
        pipe.tick(50);
        pipe.feed(Stream::Stdout, 60, b"ter2\x1b[1mhunt");
        pipe.tick(120);
        pipe.feed(Stream::Stdout, 130, b"er2 indeed\n");
        assert_eq!(texts(&pipe), ["O key is ", "o ••• indeed"]);
        assert_eq!(pipe.counts.masked, 1);
    }

    #[test]
    fn t16_sequences_cannot_hide_a_secret_nor_eat_its_beginning() {
        let secret = "hunter2hunter2";
        for line in [
            "\x1b[31mhunt\x1b[1mer2hun\x1b[0mter2",
            "a \x1b[hunter2hunter2 b",
            "a \x1b]0;hunter2hunter2\x07 b",
            "a \x1bhunter2hunter2 b",
        ] {
            let text = through(&[secret], format!("{line}\n").as_bytes()).concat();
            assert!(!text.contains("unter2"), "{text}");
        }
    }

    #[test]
    fn t1_hostile_bytes_are_made_visible() {
        let text = through(&[], b"a\0b\xff\xe2\x80\xae\t\x9b2J\x1b[2J\x07\n");
        assert_eq!(text, ["o a\\x00b\\xff\\u{202e}    \\x9b2J\\x07"]);
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(12), "12 B");
        assert_eq!(size(1_250), "1.2 kB");
        assert_eq!(size(9_900_000_000), "9.9 GB");
    }

    proptest::proptest! {
        /// Whatever the chunks and wherever prompts are shown between them: nothing of the secret.
        #[test]
        fn t16_masked_at_every_split(
            which in 0usize..1000, at in 0usize..200, tick: bool, colour in 0usize..40,
            before in "[a-z =:]{0,20}", after in "[a-z ]{0,20}",
        ) {
            let secret = Secret::new("s3cr3t&pa\"ss w0rd!/x").expect("long");
            let forms: Vec<_> = super::super::variant::variants(&secret).into_iter().collect();
            let mut form = forms[which % forms.len()].clone();
            let plain = form.clone();
            if colour < form.len() {
                form.splice(colour..colour, *b"\x1b[7m");
            }
            let line = [before.as_bytes(), &form, after.as_bytes(), b"\n"].concat();
            let mut pipe = LogPipe::new(Masks::new([&secret]));
            let (first, rest) = line.split_at(at.min(line.len()));
            pipe.feed(Stream::Stdout, 0, first);
            if tick {
                pipe.tick(PARTIAL_MS);
            }
            pipe.feed(Stream::Stdout, 100, rest);
            pipe.finish(100);
            let text: String = texts(&pipe).iter().map(|line| &line[2..]).collect();
            let mut shown = Vec::new();
            show(&plain, &mut shown);
            let shown = String::from_utf8(shown).expect("UTF-8");
            proptest::prop_assert!(!text.contains(&shown), "{}", text);
            proptest::prop_assert!(text.contains(MASK), "{}", text);
            // What stands around it is still there.
            proptest::prop_assert!(text.starts_with(&before), "{}", text);
        }

        #[test]
        fn f57_any_bytes_in_any_chunks_make_clean_lines(
            chunks: Vec<(bool, bool, Vec<u8>)>,
        ) {
            let mut pipe = pipe(&["hunter2hunter2"]);
            for (at, (err, tick, chunk)) in chunks.iter().enumerate() {
                let stream = if *err { Stream::Stderr } else { Stream::Stdout };
                pipe.feed(stream, at as u64 * 60, chunk);
                if *tick {
                    pipe.tick(at as u64 * 60 + 55);
                }
            }
            pipe.finish(1_000_000);
            let text = std::str::from_utf8(pipe.records()).expect("UTF-8");
            proptest::prop_assert!(!text.chars().any(|c| c != '\n' && crate::release::hidden(c)));
        }
    }
}
