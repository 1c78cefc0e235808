//! Finds secrets in a line.
//!
//! Almost no line holds one, so a line first passes a filter: of the beginning of every variant all
//! grams of four bytes are in a table of bits, as many of them as the shortest variant has. Of a
//! line only each so-manieth gram is looked up, which must meet one of them. With secrets of eight
//! bytes that is each fifth, with longer ones fewer. Only a line that passes is searched exactly.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::variant::variants;
use crate::release::{SECRET_BYTES_MIN, Secret};

/// What stands where a secret stood.
pub const MASK: &str = "•••";

/// Bits in each table for one gram in it: fewer than one look-up in fifty meets one by chance.
const BITS_PER_GRAM: usize = 64;
/// A table is at least 2 KiB and at most 64 KiB, so that both stay in a near cache.
const TABLE_BITS: std::ops::RangeInclusive<u32> = 14..=19;
const GRAM: usize = 4;
/// The least distance of the grams looked up: a variant has at least 8 bytes, so 8 - 4 + 1 starts.
const STRIDE_MIN: usize = SECRET_BYTES_MIN - GRAM + 1;

/// The secrets of one step in all their forms, ready to be searched for.
pub struct Masks {
    search: Option<Search>,
}

struct Search {
    exact: AhoCorasick,
    /// The variants in order, for finding one that has only begun.
    sorted: Vec<Vec<u8>>,
    longest: usize,
    /// Whether a variant holds an escape, with which terminal sequences begin.
    escapes: bool,
    /// Distance of the grams looked up; as many of each variant are in the tables.
    stride: usize,
    /// How far a hash is shifted to be a place in a table.
    shift: u32,
    coarse: Vec<u64>,
    fine: Vec<u64>,
}

impl Masks {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let all: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(variants).collect();
        if all.is_empty() {
            return Self { search: None };
        }
        let exact = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&all)
            .or_else(|_| AhoCorasick::new(&all))
            .expect("secrets are bounded in size by the spec that carries them");
        // As far as the tables hold all the grams that this takes.
        let shortest = all.iter().map(Vec::len).min().unwrap_or(0);
        let grams_max = (1 << TABLE_BITS.end()) / BITS_PER_GRAM;
        let stride = (shortest.saturating_sub(GRAM) + 1).min(grams_max / all.len()).max(STRIDE_MIN);
        let bits = (all.len() * stride * BITS_PER_GRAM).next_power_of_two().trailing_zeros();
        let bits = bits.clamp(*TABLE_BITS.start(), *TABLE_BITS.end());
        let mut search = Search {
            exact,
            longest: all.iter().map(Vec::len).max().unwrap_or(0),
            escapes: all.iter().any(|variant| variant.contains(&0x1b)),
            stride,
            shift: 32 - bits,
            coarse: vec![0; 1 << (bits - 6)],
            fine: vec![0; 1 << (bits - 6)],
            sorted: all.into_iter().collect(),
        };
        for variant in &search.sorted {
            for gram in variant.windows(GRAM).take(stride) {
                let gram = u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]);
                set(&mut search.coarse, coarse(gram) >> search.shift);
                set(&mut search.fine, fine(gram) >> search.shift);
            }
        }
        Self { search: Some(search) }
    }

    /// Whether `text` may hold a secret; false is certain.
    pub(super) fn suspects(&self, text: &[u8]) -> bool {
        let Some(search) = &self.search else { return false };
        let mut rest = text;
        while let Some(gram) = rest.first_chunk() {
            if search.knows(*gram) {
                return true;
            }
            rest = rest.get(search.stride..).unwrap_or_default();
        }
        false
    }

    /// Whether `line` may hold a secret of which its terminal `sequence` is a part, so that it is
    /// not to be found any more once that is stripped; false is certain.
    pub(super) fn suspects_hidden(&self, line: &[u8], sequence: Range<usize>) -> bool {
        let Some(search) = &self.search else { return false };
        if search.escapes {
            return true;
        }
        // Sequences begin with an escape, which no secret holds: such a secret begins behind it
        // and before the end, and one of its first grams is looked up.
        let mut at = sequence.end;
        while at > sequence.start + 1 {
            let gram = line[at - 1..].first_chunk();
            if gram.is_some_and(|gram| search.knows(*gram)) {
                return true;
            }
            at = at.saturating_sub(search.stride);
        }
        false
    }

    /// The stretches of `text` that are secrets: in order, apart from each other. Secrets that
    /// overlap are one stretch.
    pub(super) fn spans(&self, text: &[u8]) -> Vec<Range<usize>> {
        let Some(search) = &self.search else { return Vec::new() };
        let found = search.exact.find_overlapping_iter(text).map(|hit| hit.range());
        union(found.collect())
    }

    /// `text` with every secret in it replaced by [`MASK`], and how many were.
    pub fn cover(&self, text: &[u8]) -> (Vec<u8>, u64) {
        let mut covered = Vec::with_capacity(text.len());
        let (mut from, mut count) = (0, 0);
        for span in self.spans(text) {
            covered.extend_from_slice(&text[from..span.start]);
            covered.extend_from_slice(MASK.as_bytes());
            (from, count) = (span.end, count + 1);
        }
        covered.extend_from_slice(&text[from..]);
        (covered, count)
    }

    /// Where a secret may have begun that the end of `text` cuts off: the start of the longest
    /// end of `text` with which a variant begins; the length of `text` when there is none.
    pub(super) fn begun(&self, text: &[u8]) -> usize {
        let Some(search) = &self.search else { return text.len() };
        let from = text.len().saturating_sub(search.longest.saturating_sub(1));
        let begins = |end: &[u8]| {
            let at = search.sorted.partition_point(|variant| variant.as_slice() < end);
            search.sorted.get(at).is_some_and(|variant| variant.starts_with(end))
        };
        (from..text.len()).find(|start| begins(&text[*start..])).unwrap_or(text.len())
    }
}

impl Search {
    /// Whether a variant may begin shortly before or with `gram`.
    fn knows(&self, gram: [u8; GRAM]) -> bool {
        let gram = u32::from_le_bytes(gram);
        get(&self.coarse, coarse(gram) >> self.shift) && get(&self.fine, fine(gram) >> self.shift)
    }
}

/// Sorts `spans` and joins those that overlap or touch.
pub(super) fn union(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_unstable_by_key(|span| span.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

fn coarse(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

fn fine(gram: u32) -> u32 {
    (gram ^ (gram >> 15)).wrapping_mul(0x85eb_ca6b)
}

fn set(table: &mut [u64], bit: u32) {
    table[(bit >> 6) as usize] |= 1 << (bit & 63);
}

fn get(table: &[u64], bit: u32) -> bool {
    table.get((bit >> 6) as usize).is_some_and(|bits| bits & (1 << (bit & 63)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(secrets: &[&str]) -> Masks {
        let secrets: Vec<Secret> =
            secrets.iter().map(|s| Secret::new(s.as_bytes()).expect("long")).collect();
        Masks::new(&secrets)
    }

    #[test]
    fn t16_the_filter_passes_every_variant_at_every_place() {
        let secret = Secret::new("c0rrect horse/battery").expect("long");
        let masks = Masks::new([&secret]);
        for variant in variants(&secret) {
            for before in 0..12 {
                let mut text = vec![b'.'; before];
                text.extend(&variant);
                assert!(masks.suspects(&text), "{before}");
                assert!(masks.spans(&text).iter().any(|s| s.end >= before + variant.len()));
            }
        }
        assert!(!masks.suspects(b"an ordinary line of a build log without anything secret"));
    }

    #[test]
    fn t16_the_filter_sees_what_a_sequence_takes_a_part_of() {
        let secret = "a0rather-long-secret-0f-more-than-its-stride";
        let masks = masks(&[secret]);
        for length in 2..secret.len() {
            // The sequence takes some of the secret's beginning, and maybe more before it.
            for before in 0..40 {
                let line = format!("..\x1b{}{secret}..", "0".repeat(before));
                let sequence = 2..3 + before + length;
                assert!(masks.suspects_hidden(line.as_bytes(), sequence), "{length} {before}");
            }
        }
        assert!(!masks.suspects_hidden(b"..\x1b[31mred\x1b[0m", 2..7));
    }

    #[test]
    fn t16_overlapping_secrets_are_one_stretch() {
        let masks = masks(&["abcdefgh12", "gh12ijklmn", "cdefgh12"]);
        assert_eq!(masks.spans(b"..abcdefgh12ijklmn.."), vec![2..18]);
    }

    #[test]
    fn t16_a_secret_that_has_begun_is_seen() {
        let masks = masks(&["hunter2hunter2"]);
        assert_eq!(masks.begun(b"say hunt"), 4);
        assert_eq!(masks.begun(b"say hunter2hunter"), 4);
        assert_eq!(masks.begun(b"Password: "), 10);
        assert_eq!(masks.begun(b""), 0);
    }
}
