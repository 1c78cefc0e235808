//! Takes terminal sequences out of a line and makes what else could act on a terminal visible.

use std::ops::Range;

use crate::release::hidden;

/// A terminal sequence longer than this is not one.
const SEQUENCE_BYTES_MAX: usize = 4096;

/// Bytes that are copied and looked at together.
const BLOCK: usize = 32;

/// What [`strip_line`] did.
pub(super) struct Stripped {
    /// How many bytes the line took, with its end.
    pub(super) taken: usize,
    /// How many bytes stand in the copy.
    pub(super) copied: usize,
    /// Whether nothing in the copy needs to be made visible.
    pub(super) plain: bool,
}

/// Copies the line with which `bytes` begin, without its terminal sequences and its end, to the
/// start of `out`, which has room for all of `bytes`; each sequence's place is handed on.
///
/// What stands in `out` behind the copy is rubbish.
pub(super) fn strip_line(
    bytes: &[u8],
    out: &mut [u8],
    mut sequence_at: impl FnMut(Range<usize>),
) -> Stripped {
    let (mut from, mut at, mut plain) = (0, 0, true);
    loop {
        while let Some(block) = bytes[from..].first_chunk::<BLOCK>()
            && let Some(room) = out[at..].first_chunk_mut::<BLOCK>()
        {
            *room = *block;
            let run = ordinary(block);
            (from, at) = (from + run, at + run);
            if run < BLOCK {
                break;
            }
        }
        let Some(&byte) = bytes.get(from) else { break };
        match byte {
            b'\n' => {
                from += 1;
                break;
            }
            b'\r' if bytes.get(from + 1) == Some(&b'\n') => from += 1,
            _ => {
                let length = if byte == 0x1b { sequence(&bytes[from..]) } else { 0 };
                if length == 0 {
                    out[at] = byte;
                    plain &= (0x20..0x7f).contains(&byte);
                    (from, at) = (from + 1, at + 1);
                } else {
                    sequence_at(from..from + length);
                    from += length;
                }
            }
        }
    }
    Stripped { taken: from, copied: at, plain }
}

/// How many bytes of plain ASCII text a block begins with.
fn ordinary(block: &[u8; BLOCK]) -> usize {
    let odd = block.iter().fold(false, |odd, byte| odd | (byte.wrapping_sub(0x20) > 0x5e));
    if !odd {
        return BLOCK;
    }
    let mut run = 0;
    for word in block.as_chunks::<8>().0 {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return run + special.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    run
}

/// As [`strip_line`], of a line without its end, into vectors: the text and, for each of its
/// bytes, where it stood.
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
            0x1b | b'\n' => return 0,
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

    fn stripped(mut line: &[u8]) -> Vec<u8> {
        // A carriage return just before the end of a line is part of that end.
        while let Some(shorter) = line.strip_suffix(b"\r") {
            line = shorter;
        }
        let mut places = Vec::new();
        let (mut alone, mut out) = (vec![0; line.len()], vec![0; line.len() + BLOCK + 9]);
        let first = strip_line(line, &mut alone, |_| {});
        let followed = [line, b"\nafter \x07 \x1b[m".as_slice(), &[b'.'; BLOCK]].concat();
        out.resize(followed.len(), 0);
        let found = strip_line(&followed, &mut out, |place| places.push(place));
        let text = out[..found.copied].to_vec();
        assert_eq!((found.taken, first.taken), (line.len() + 1, line.len()));
        assert_eq!(text, alone[..first.copied], "what follows makes no difference");
        assert_eq!(text, strip_mapped(line).0, "both ways of stripping agree");
        let gone: usize = places.iter().map(Range::len).sum();
        assert_eq!(gone, line.len() - text.len());
        assert_eq!(found.plain, text.iter().all(|b| (0x20..0x7f).contains(b)), "{text:?}");
        text
    }

    #[test]
    fn a_line_end_goes_with_its_carriage_return() {
        let mut out = [0; 16];
        let found = strip_line(b"ab\r\ncd\n", &mut out, |_| {});
        assert_eq!((found.taken, found.copied, found.plain), (4, 2, true));
        let found = strip_line(b"a\rb\n", &mut out, |_| {});
        assert_eq!((found.taken, found.copied, found.plain), (4, 3, false));
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
