//! Takes terminal sequences out of a line and makes what else could act on a terminal visible.

use std::ops::Range;

use crate::release::hidden;

/// A terminal sequence longer than this is not one.
const SEQUENCE_BYTES_MAX: usize = 4096;

/// What [`strip_into`] did.
pub(super) struct Stripped {
    /// The new end of the buffer.
    pub(super) end: usize,
    /// Whether nothing in the copy needs to be made visible.
    pub(super) plain: bool,
    /// From the first sequence in the line to the end of its last one; empty where there is none.
    pub(super) sequences: Range<usize>,
}

/// Copies `line` without its terminal sequences to the end of `out[..at]`.
///
/// `out` is made longer where it must be, and is not cut: what stands behind the end is rubbish.
pub(super) fn strip_into(line: &[u8], out: &mut Vec<u8>, mut at: usize) -> Stripped {
    let room = at + line.len() + 8;
    if out.len() < room {
        out.resize(room.next_power_of_two(), 0);
    }
    let (mut from, mut plain) = (0, true);
    let mut sequences = 0..0;
    while from < line.len() {
        if let Some(word) = line.get(from..from + 8) {
            out[at..at + 8].copy_from_slice(word);
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            let special = special(u64::from_le_bytes(bytes));
            if special == 0 {
                (from, at) = (from + 8, at + 8);
                continue;
            }
            let ordinary = special.trailing_zeros() as usize / 8;
            (from, at) = (from + ordinary, at + ordinary);
        }
        let byte = line[from];
        let length = if byte == 0x1b { sequence(&line[from..]) } else { 0 };
        if length == 0 {
            out[at] = byte;
            plain &= (0x20..0x7f).contains(&byte);
            (from, at) = (from + 1, at + 1);
        } else {
            if sequences.is_empty() {
                sequences.start = from;
            }
            from += length;
            sequences.end = from;
        }
    }
    Stripped { end: at, plain, sequences }
}

/// As [`strip_into`], into vectors: the text and, for each of its bytes, where it stood.
pub(super) fn strip_mapped(line: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let (mut text, mut places) = (Vec::with_capacity(line.len()), Vec::with_capacity(line.len()));
    let mut from = 0;
    while from < line.len() {
        let length = sequence(&line[from..]);
        if length == 0 {
            text.push(line[from]);
            places.push(from);
        }
        from += length.max(1);
    }
    (text, places)
}

/// Bytes that are not plain ASCII text have their high bit set; exact for the lowest of them.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let delete = delete.wrapping_sub(ONES) & !delete;
    (control | delete | word) & HIGH
}

/// The length of the complete terminal sequence with which `bytes` begins; 0 where none does.
fn sequence(bytes: &[u8]) -> usize {
    let bytes = &bytes[..bytes.len().min(SEQUENCE_BYTES_MAX)];
    let (Some(0x1b), Some(&kind)) = (bytes.first(), bytes.get(1)) else { return 0 };
    match kind {
        b'[' => ends(bytes, 2, |b| (0x20..0x40).contains(&b), |b| (0x40..0x7f).contains(&b)),
        b']' | b'P' | b'X' | b'^' | b'_' => string_end(bytes),
        0x20..=0x2f => ends(bytes, 1, |b| (0x20..0x30).contains(&b), |b| (0x30..0x7f).contains(&b)),
        0x30..=0x7e => 2,
        _ => 0,
    }
}

/// The end of a sequence whose bytes from `from` on are `inner` ones up to one that is a `last`.
fn ends(bytes: &[u8], from: usize, inner: impl Fn(u8) -> bool, last: impl Fn(u8) -> bool) -> usize {
    for (place, byte) in bytes.iter().enumerate().skip(from) {
        if !inner(*byte) {
            return if last(*byte) { place + 1 } else { 0 };
        }
    }
    0
}

/// The end of an OSC, DCS, SOS, PM or APC string: BEL or ESC and a backslash.
fn string_end(bytes: &[u8]) -> usize {
    for (place, byte) in bytes.iter().enumerate().skip(2) {
        match byte {
            0x07 => return place + 1,
            0x1b if bytes.get(place + 1) == Some(&b'\\') => return place + 2,
            0x1b => return 0,
            _ => {}
        }
    }
    0
}

/// Where a sequence or character begins that the end of `bytes` cuts off, or their length.
pub(super) fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(SEQUENCE_BYTES_MAX / 2);
    let escape = bytes[tail..].iter().rposition(|byte| *byte == 0x1b).map(|at| at + tail);
    if let Some(at) = escape
        && sequence(&bytes[at..]) == 0
    {
        return at;
    }
    let tail = bytes.len().saturating_sub(3);
    let lead = bytes[tail..].iter().rposition(|byte| *byte >= 0xc0).map(|at| at + tail);
    match lead {
        Some(at) if std::str::from_utf8(&bytes[at..]).is_err_and(|e| e.error_len().is_none()) => at,
        _ => bytes.len(),
    }
}

/// Adds `text` to `out` as [`crate::release::Clean`] would show it.
pub(super) fn show(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        let mut from = 0;
        for (at, c) in valid.char_indices() {
            // The first hidden character past DEL is C1's; plain text is not looked at closely.
            if (' '..='~').contains(&c) || (c != '\t' && !hidden(c)) {
                continue;
            }
            out.extend_from_slice(&valid.as_bytes()[from..at]);
            from = at + c.len_utf8();
            if c == '\t' {
                out.extend_from_slice(b"    ");
            } else {
                escape(u32::from(c), out);
            }
        }
        out.extend_from_slice(&valid.as_bytes()[from..]);
        for byte in chunk.invalid() {
            escape(u32::from(*byte), out);
        }
    }
}

fn escape(code: u32, out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing to a vector cannot fail.
    let _ =
        if code < 0x100 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{{{code:x}}}") };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::Clean;

    fn stripped(line: &[u8]) -> Vec<u8> {
        let mut out = b"pre".to_vec();
        let stripped = strip_into(line, &mut out, 3);
        let text = out[3..stripped.end].to_vec();
        assert_eq!(text, strip_mapped(line).0, "both ways of stripping agree");
        assert_eq!(stripped.sequences.is_empty(), text.len() == line.len());
        assert_eq!(stripped.plain, text.iter().all(|b| (0x20..0x7f).contains(b)), "{text:?}");
        text
    }

    #[test]
    fn t1_sequences_go_and_text_stays() {
        for (line, text) in [
            (&b"\x1b[1;31merror\x1b[0m: no \x1b[38;5;12mluck\x1b[m"[..], &b"error: no luck"[..]),
            (b"\x1b]8;;http://x\x07link\x1b]8;;\x1b\\ end", b"link end"),
            (b"\x1bP1$r0m\x1b\\a\x1b(Bb\x1b7c\x1bMd", b"abcd"),
            (b"\x1b[2Jx\x1b[?25ly\x1b[3", b"xy\x1b[3"),
            (b"open \x1b]0;never closed", b"open \x1b]0;never closed"),
            (b"", b""),
        ] {
            assert_eq!(stripped(line), text);
        }
    }

    #[test]
    fn f57_unfinished_ends_are_held_back() {
        assert_eq!(unfinished(b"abc\x1b[3"), 3);
        assert_eq!(unfinished(b"abc\x1b[31m"), 8);
        assert_eq!(unfinished("abc\u{20ac}".as_bytes()), 6);
        assert_eq!(unfinished(b"abc\xe2\x82"), 3);
        assert_eq!(unfinished(b"abc\xff"), 4);
    }

    proptest::proptest! {
        #[test]
        fn t1_shown_text_is_what_clean_makes_of_it(line: Vec<u8>) {
            let mut out = Vec::new();
            show(&line, &mut out);
            let clean = Clean::from_bytes(&line);
            proptest::prop_assert_eq!(out, clean.as_str().as_bytes());
        }

        #[test]
        fn t1_nothing_of_a_terminal_is_left(
            line in "(\\x1b(\\[[0-9;]*[a-zA-Z]|\\]0;x\\x07|.)|é|[a-z])*",
        ) {
            let text = stripped(line.as_bytes());
            let mut out = Vec::new();
            show(&text, &mut out);
            let shown = String::from_utf8(out).expect("UTF-8");
            proptest::prop_assert!(!shown.chars().any(hidden));
        }
    }
}
