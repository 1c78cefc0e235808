//! Text and numbers from outside, made harmless by type.
//!
//! Foreign text reaches a screen, a report or a log only as [`Clean`]; a secret is only ever a
//! [`Secret`]; a measured number that takes part in a judgement is only ever [`Finite`].

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Text in which nothing can move the cursor, hide or reorder other text (threats T1 and T2).
///
/// Control characters, C1, bidirectional overrides, zero-width and tag characters stand as
/// visible escapes (`\u{202e}`, `\x1b`); tabs become spaces. One `Clean` is one line: line ends
/// become `\n` in escaped form.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(from = "String")]
pub struct Clean(String);

// Derived, it would copy each text before it is written.
impl Serialize for Clean {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Clean {
    /// Cleans `text`. Text that is clean already is only copied.
    pub fn new(text: &str) -> Self {
        if is_plain(text) {
            return Self(text.to_owned());
        }
        let mut clean = String::with_capacity(text.len());
        push_clean(&mut clean, text);
        Self(clean)
    }

    /// Cleans bytes; what is not UTF-8 stands as `\xNN`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        if let Ok(text) = str::from_utf8(bytes) {
            return Self::new(text);
        }
        let mut clean = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            push_clean(&mut clean, chunk.valid());
            for byte in chunk.invalid() {
                push_escape(&mut clean, u32::from(*byte));
            }
        }
        Self(clean)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At most `chars` characters, the last one `…` where something was cut.
    #[must_use]
    pub fn cut(&self, chars: usize) -> Self {
        if self.0.chars().count() <= chars {
            return self.clone();
        }
        let mut cut: String = self.0.chars().take(chars.saturating_sub(1)).collect();
        cut.push('…');
        Self(cut)
    }
}

/// Whether it is printable ASCII, as almost all of a journal is: quick to tell.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn push_clean(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            c if hidden(c) => push_escape(out, u32::from(c)),
            c => out.push(c),
        }
    }
}

fn push_escape(out: &mut String, code: u32) {
    use fmt::Write as _;
    // Writing to a String cannot fail.
    let _ =
        if code < 0x100 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{{{code:x}}}") };
}

/// Whether `c` could act on the terminal or hide, join or reorder the characters around it.
pub fn hidden(c: char) -> bool {
    matches!(u32::from(c),
        0x00..=0x1f | 0x7f..=0x9f            // C0, DEL, C1
        | 0x00ad | 0x034f | 0x061c           // soft hyphen, grapheme joiner, Arabic mark
        | 0x115f | 0x1160 | 0x17b4 | 0x17b5  // fillers
        | 0x180b..=0x180f                    // Mongolian selectors
        | 0x200b..=0x200f | 0x2028..=0x202e  // zero width, separators, bidi
        | 0x2060..=0x206f | 0x3164           // invisible operators, isolates, filler
        | 0xfe00..=0xfe0f | 0xfeff | 0xffa0  // variation selectors, BOM, filler
        | 0xfff0..=0xfffb
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff) // tags, more selectors
}

impl From<String> for Clean {
    fn from(text: String) -> Self {
        if !is_plain(&text) && text.chars().any(|c| c == '\t' || hidden(c)) {
            return Self::new(&text);
        }
        Self(text)
    }
}

impl From<&str> for Clean {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Clean> for String {
    fn from(clean: Clean) -> String {
        clean.0
    }
}

impl AsRef<str> for Clean {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A secret value. It has no `Debug`, `Display` or `Serialize`, so it cannot reach a log, a
/// screen, a report or the journal; whoever needs the bytes says so with [`Secret::reveal`].
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

/// The shortest secret that can be masked without masking ordinary words too.
pub const SECRET_BYTES_MIN: usize = 8;

/// A secret too short to be masked (reliability part 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret of {bytes} bytes is too short to be masked; {SECRET_BYTES_MIN} is the least")]
pub struct ShortSecret {
    pub bytes: usize,
}

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ShortSecret> {
        let bytes = bytes.into();
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(ShortSecret { bytes: bytes.len() });
        }
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// The bytes themselves, for the one place that must hand them on.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort without `unsafe`: the compiler may not elide a write it must believe is read.
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// A number that is neither NaN nor infinite: `NaN > limit` and `NaN < limit` are both false, so
/// a threshold must never see one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct Finite(f64);

impl Finite {
    pub fn new(number: f64) -> Result<Self, NotFinite> {
        if number.is_finite() { Ok(Self(number)) } else { Err(NotFinite) }
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

/// NaN or an infinity, where a measurement was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is not a finite number")]
pub struct NotFinite;

impl Eq for Finite {}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<f64> for Finite {
    type Error = NotFinite;
    fn try_from(number: f64) -> Result<Self, NotFinite> {
        Self::new(number)
    }
}

impl From<Finite> for f64 {
    fn from(finite: Finite) -> f64 {
        finite.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_what_could_act_on_the_terminal_becomes_visible() {
        let hostile = "a\x1b[31mred\u{202e}evil\u{200b}\u{9b}2J\r\nb\tc\u{e0041}";
        assert_eq!(
            Clean::new(hostile).as_str(),
            "a\\x1b[31mred\\u{202e}evil\\u{200b}\\x9b2J\\x0d\\x0ab    c\\u{e0041}"
        );
        assert_eq!(Clean::from_bytes(b"ok\xff\xfe").as_str(), "ok\\xff\\xfe");
        assert_eq!(Clean::new("übergroß ✔ 日本").as_str(), "übergroß ✔ 日本");
    }

    #[test]
    fn t1_a_clean_read_back_from_disk_is_cleaned_again() {
        let read: Clean = serde_json::from_str(r#""x\u001b[2J""#).expect("valid JSON");
        assert_eq!(read.as_str(), "x\\x1b[2J");
    }

    #[test]
    fn f44_only_finite_numbers_are_judged() {
        assert!(Finite::new(f64::NAN).is_err());
        assert!(Finite::new(f64::INFINITY).is_err());
        assert!(Finite::new(0.5).is_ok());
    }
}
