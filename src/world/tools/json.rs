//! Reads JSON from a stream, element by element.
//!
//! A reader walks down to the list it wants and takes one element after the other, each into a
//! type that borrows from a window of the stream. Nothing holds more than one element, so a report
//! of any size is read in little memory; and each byte is parsed once.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::io::BufRead;

use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};

use super::report::{ReadError, damaged_at};
use crate::release::Clean;

/// How much of the stream is held at least, in bytes: it fits a near cache.
const WINDOW_BYTES: usize = 64 << 10;
/// The largest single element, in bytes. The largest real one quotes a source file.
const ELEMENT_BYTES_MAX: usize = 32 << 20;
/// How deep what is skipped may be nested, at once or beyond one window.
const DEPTH_MAX: usize = 128;

/// A stream of JSON text, read up to `at`.
pub(super) struct Json<'r> {
    tool: Clean,
    from: &'r mut dyn BufRead,
    window: String,
    /// Bytes of a character whose end has not come yet.
    cut: Vec<u8>,
    /// The next unread byte of the window.
    at: usize,
    /// Bytes, and line ends, of the stream before the window.
    before: u64,
    lines_before: u64,
    /// Where in the stream the window's first line begins.
    line_start: u64,
    ended: bool,
}

impl<'r> Json<'r> {
    pub(super) fn new(tool: Clean, from: &'r mut dyn BufRead) -> Result<Self, ReadError> {
        let mut json = Self {
            tool,
            from,
            window: String::new(),
            cut: Vec::new(),
            at: 0,
            before: 0,
            lines_before: 0,
            line_start: 0,
            ended: false,
        };
        json.more()?;
        if json.window.starts_with('\u{feff}') {
            json.at = '\u{feff}'.len_utf8();
        }
        match json.peek()? {
            None => return Err(ReadError::Empty { tool: json.tool }),
            Some(b'{' | b'[') => {}
            Some(_) if json.window[json.at..].starts_with("null") => {}
            Some(_) => {
                // Many tools print a sentence where a report was asked for; it says why.
                let said = json.window[json.at..].lines().next().unwrap_or_default();
                return Err(json.damaged(&format!("it is no JSON but text: {said}")));
            }
        }
        Ok(json)
    }

    /// Something is wrong at the next byte.
    pub(super) fn damaged(&self, what: &str) -> ReadError {
        self.damaged_at(self.at, what)
    }

    fn damaged_at(&self, at: usize, what: &str) -> ReadError {
        let read = &self.window.as_bytes()[..at.min(self.window.len())];
        let lines = self.lines_before + memchr::memchr_iter(b'\n', read).count() as u64;
        let byte = self.before + read.len() as u64;
        let start = memchr::memrchr(b'\n', read);
        let start = start.map_or(self.line_start, |at| self.before + at as u64 + 1);
        damaged_at(&self.tool, byte, lines + 1, byte - start + 1, what)
    }

    /// Reads on. The window grows where an element does not fit into it.
    fn more(&mut self) -> Result<(), ReadError> {
        if self.window.len() - self.at > ELEMENT_BYTES_MAX {
            let what = format!("one element is larger than {ELEMENT_BYTES_MAX} bytes");
            return Err(self.damaged(&what));
        }
        self.forget();
        let wanted = self.window.len().max(WINDOW_BYTES / 2) + WINDOW_BYTES / 2;
        while self.window.len() < wanted && !self.ended {
            let chunk = match self.from.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(ReadError::Io { tool: self.tool.clone(), source }),
            };
            let taken = chunk.len().min(WINDOW_BYTES);
            if taken == 0 {
                self.ended = true;
                if !self.cut.is_empty() {
                    return Err(self.damaged_at(self.window.len(), "it is not UTF-8"));
                }
                break;
            }
            let fresh = if self.cut.is_empty() {
                Cow::Borrowed(&chunk[..taken])
            } else {
                Cow::Owned([&self.cut, &chunk[..taken]].concat())
            };
            let (good, cut) = match simdutf8::compat::from_utf8(&fresh) {
                Ok(good) => (good, &[][..]),
                Err(error) => {
                    let (good, rest) = fresh.split_at(error.valid_up_to());
                    if error.error_len().is_some() {
                        let at = self.window.len() + good.len();
                        let utf16 = rest.starts_with(b"\xff\xfe") || rest.starts_with(b"\xfe\xff");
                        let what = if at == 0 && utf16 {
                            "it is not UTF-8 but UTF-16: let the tool write UTF-8, or convert it"
                        } else {
                            "it is not UTF-8"
                        };
                        self.window.push_str(&String::from_utf8_lossy(good));
                        return Err(self.damaged_at(at, what));
                    }
                    (std::str::from_utf8(good).unwrap_or_default(), rest)
                }
            };
            self.window.push_str(good);
            self.cut = cut.to_vec();
            self.from.consume(taken);
        }
        Ok(())
    }

    /// Drops what has been read from the window.
    fn forget(&mut self) {
        let read = &self.window.as_bytes()[..self.at];
        if let Some(last) = memchr::memrchr(b'\n', read) {
            self.lines_before += memchr::memchr_iter(b'\n', read).count() as u64;
            self.line_start = self.before + last as u64 + 1;
        }
        self.before += self.at as u64;
        self.window.drain(..self.at);
        self.at = 0;
    }

    /// The first byte of what comes next, white space skipped; none at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let rest = &self.window.as_bytes()[self.at..];
            let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
            if let Some(skip) = rest.iter().position(|byte| !blank(byte)) {
                self.at += skip;
                return Ok(self.window.as_bytes().get(self.at).copied());
            }
            self.at = self.window.len();
            if self.ended {
                return Ok(None);
            }
            self.more()?;
        }
    }

    /// Takes one value with `parse`, which says how many bytes of the text it used. It is called
    /// again with more text when the text ended too early, so it may act only once it has a value.
    fn take<R>(
        &mut self,
        mut parse: impl FnMut(&str) -> serde_json::Result<(R, usize)>,
    ) -> Result<R, ReadError> {
        let Some(first) = self.peek()? else { return Err(self.damaged("it ends too early")) };
        let whole = matches!(first, b'{' | b'[' | b'"');
        loop {
            let text = &self.window[self.at..];
            if whole || self.ended || scalar_ends(text) {
                match parse(text) {
                    Ok((value, used)) => {
                        self.at += used;
                        return Ok(value);
                    }
                    Err(error) if self.came_early(&error) => {}
                    Err(error) => return Err(self.not_understood(&error)),
                }
            }
            self.more()?;
        }
    }

    /// Whether more text may mend an error: what is wrong at the window's very end may be a number
    /// that goes on, `9.` for one, which the parser does not call an early end.
    fn came_early(&self, error: &serde_json::Error) -> bool {
        !self.ended && (error.is_eof() || self.place_of(error) + 1 >= self.window.len())
    }

    /// The byte of the window at which an error stands.
    fn place_of(&self, error: &serde_json::Error) -> usize {
        let text = &self.window[self.at..];
        let start = match error.line().saturating_sub(1) {
            0 => 0,
            line => memchr::memchr_iter(b'\n', text.as_bytes())
                .nth(line - 1)
                .map_or(text.len(), |at| at + 1),
        };
        self.at + start + error.column().saturating_sub(1)
    }

    fn not_understood(&self, error: &serde_json::Error) -> ReadError {
        let said = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        self.damaged_at(self.place_of(error), said.strip_suffix(&place).unwrap_or(&said))
    }

    /// Takes one value as a `T` that may borrow from the text.
    pub(super) fn value<R>(
        &mut self,
        mut then: impl FnMut(&str) -> Parsed<R>,
    ) -> Result<R, ReadError> {
        self.take(|text| then(text))
    }

    /// Takes one value as a `T` that owns what it holds.
    pub(super) fn owned<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, ReadError> {
        self.take(|text| one::<T>(text))
    }

    /// Walks an object: `each` is called at the value of every key in `known`, and takes it; other
    /// keys are skipped. A known key that comes twice is an error.
    pub(super) fn object<E>(&mut self, known: &[&'static str], mut each: E) -> Result<(), ReadError>
    where
        E: FnMut(&mut Self, &'static str) -> Result<(), ReadError>,
    {
        self.open(b'{', "an object")?;
        let mut seen = 0_u64;
        let mut first = true;
        while self.another(b'}', first)? {
            first = false;
            let found = self.take(|text| {
                let (key, used) = one::<Text<'_>>(text)?;
                Ok((known.iter().position(|name| *name == key.as_str()), used))
            })?;
            self.colon()?;
            match found {
                Some(index) => {
                    let bit = 1_u64 << index;
                    if seen & bit != 0 {
                        return Err(
                            self.damaged(&format!("the key {:?} comes twice", known[index]))
                        );
                    }
                    seen |= bit;
                    each(self, known[index])?;
                }
                None => self.skip()?,
            }
        }
        Ok(())
    }

    /// Walks an object whose keys are names: `each` takes the value of every one. A name that
    /// comes twice is an error.
    pub(super) fn entries<E>(&mut self, mut each: E) -> Result<(), ReadError>
    where
        E: FnMut(&mut Self, &str) -> Result<(), ReadError>,
    {
        self.open(b'{', "an object")?;
        let mut seen = HashSet::new();
        let mut first = true;
        while self.another(b'}', first)? {
            first = false;
            let key = self.owned::<String>()?;
            self.colon()?;
            each(self, &key)?;
            if !seen.insert(key) {
                return Err(self.damaged("a name in it comes twice"));
            }
        }
        Ok(())
    }

    /// Walks a list; `each` takes an element. Null is a list without elements.
    pub(super) fn list<E>(&mut self, mut each: E) -> Result<(), ReadError>
    where
        E: FnMut(&mut Self) -> Result<(), ReadError>,
    {
        if self.peek()? == Some(b'n') {
            return self.owned::<()>();
        }
        self.open(b'[', "a list")?;
        let mut first = true;
        while self.another(b']', first)? {
            first = false;
            each(self)?;
        }
        Ok(())
    }

    fn open(&mut self, open: u8, what: &str) -> Result<(), ReadError> {
        match self.peek()? {
            Some(byte) if byte == open => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.damaged(&format!("{what} was expected"))),
            None => Err(self.damaged("it ends too early")),
        }
    }

    /// Whether another element follows; takes the comma before it, or the bracket behind the last.
    fn another(&mut self, close: u8, first: bool) -> Result<bool, ReadError> {
        match self.peek()? {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                match self.peek()? {
                    Some(byte) if byte == close => Err(self.damaged("a comma too many")),
                    _ => Ok(true),
                }
            }
            Some(_) => Err(self.damaged("a comma or the end was expected")),
            None => Err(self.damaged("it ends too early")),
        }
    }

    fn colon(&mut self) -> Result<(), ReadError> {
        self.open(b':', "a colon")
    }

    /// Skips one value of any size.
    pub(super) fn skip(&mut self) -> Result<(), ReadError> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            if self.skip_within()? {
                loop {
                    let Some(&outer) = open.last() else { return Ok(()) };
                    if self.another(outer, false)? {
                        break;
                    }
                    open.pop();
                }
            } else {
                let bracket = self.window.as_bytes()[self.at];
                if open.len() >= DEPTH_MAX {
                    return Err(self.damaged(&format!("it is nested deeper than {DEPTH_MAX}")));
                }
                self.at += 1;
                open.push(bracket + 2);
                // What does not fit into a window is not empty.
                self.another(bracket + 2, true)?;
            }
            if open.last() == Some(&b'}') {
                self.take(|text| one::<IgnoredAny>(text))?;
                self.colon()?;
            }
        }
    }

    /// Skips a value that fits into the window; false at a list or an object that does not.
    fn skip_within(&mut self) -> Result<bool, ReadError> {
        let Some(first) = self.peek()? else { return Err(self.damaged("it ends too early")) };
        if !matches!(first, b'{' | b'[') {
            return self.take(|text| one::<IgnoredAny>(text)).map(|_| true);
        }
        let rest = &self.window.as_bytes()[self.at..];
        if rest.iter().take_while(|byte| **byte == b'[').count() > DEPTH_MAX {
            return Err(self.damaged(&format!("it is nested deeper than {DEPTH_MAX}")));
        }
        if self.window.len() - self.at < WINDOW_BYTES / 2 && !self.ended {
            self.more()?;
        }
        match one::<IgnoredAny>(&self.window[self.at..]) {
            Ok((_, used)) => {
                self.at += used;
                Ok(true)
            }
            Err(error) if self.came_early(&error) => Ok(false),
            Err(error) => Err(self.not_understood(&error)),
        }
    }

    /// The document must be over.
    pub(super) fn finish(&mut self) -> Result<(), ReadError> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.damaged("something follows the end of the report")),
        }
    }
}

/// Whether a number or a word is followed by something that ends it.
fn scalar_ends(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
}

/// A value, and how many bytes of the text it took.
pub(super) type Parsed<R> = serde_json::Result<(R, usize)>;

/// The first value of a text.
pub(super) fn one<'de, T: Deserialize<'de>>(text: &'de str) -> Parsed<T> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next().transpose()?;
    let used = values.byte_offset();
    match value {
        Some(value) => Ok((value, used)),
        None => Err(serde::de::Error::custom("it ends too early")),
    }
}

/// Takes every element of a list as the given type, which may borrow from the stream:
/// `each!(json, leak: Leak<'_> => add(&leak, tally))`.
macro_rules! each {
    ($json:expr, $item:ident: $of:ty => $then:expr) => {
        $json.list(|json| {
            json.value(|from| {
                let ($item, used) = $crate::world::tools::json::one::<$of>(from)?;
                $then;
                Ok(((), used))
            })
        })
    };
}
pub(super) use each;

/// Text that borrows from the report where no escape stands in it; null is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn walk(text: &[u8], buffer: usize) -> Result<Vec<u64>, ReadError> {
        let mut from = BufReader::with_capacity(buffer, text);
        let mut json = Json::new(Clean::new("x"), &mut from)?;
        let mut numbers = Vec::new();
        json.object(&["list"], |json, _| {
            json.list(|json| {
                numbers.push(json.owned::<u64>()?);
                Ok(())
            })
        })?;
        json.finish()?;
        Ok(numbers)
    }

    #[test]
    fn a_walk_does_not_depend_on_where_the_stream_is_cut() {
        let text = "\u{feff}{\"x\": {\"é\": [1, \"ü\\\"]\", {}]}, \"list\" : [1, 22 ,333]\n} \n";
        for buffer in 1..60 {
            assert_eq!(walk(text.as_bytes(), buffer).expect("well"), [1, 22, 333], "{buffer}");
        }
    }

    #[test]
    fn a_number_may_be_cut_anywhere_by_the_window() {
        // Numbers at every place around the window's end, in what is read and in what is skipped.
        for gap in 0..40 {
            for number in ["-1.5e+7", "9.8", "-0", "1E-2"] {
                let filled = "x".repeat(WINDOW_BYTES - 20 - gap);
                let text = format!(r#"{{"x":["{filled}",{{"a":{number}}},{number}],"list":[7]}}"#);
                assert_eq!(walk(text.as_bytes(), 1 << 20).expect("well"), [7], "{gap} {number}");
            }
        }
    }

    #[test]
    fn large_values_are_skipped_in_little_memory() {
        let noise = r#"{"a":[1,2,{"b":"c]}"}],"d":null},"#.repeat(20_000);
        let text = format!(r#"{{"x":[{noise}[]],"list":[7]}}"#);
        let mut from = text.as_bytes();
        let mut json = Json::new(Clean::new("x"), &mut from).expect("it begins");
        let mut numbers = Vec::new();
        json.object(&["list"], |json, _| {
            json.list(|json| {
                numbers.push(json.owned::<u64>()?);
                Ok(())
            })
        })
        .expect("well");
        assert_eq!(numbers, [7]);
        assert!(json.window.capacity() <= 4 * WINDOW_BYTES, "{}", json.window.capacity());
    }

    #[test]
    fn an_error_names_its_byte() {
        let text = b"{\"list\": [1,\n  true]}";
        let error = walk(text, 4).expect_err("no number").to_string();
        assert!(error.contains("byte 18") || error.contains("line 2"), "{error}");
        for broken in [
            &b"{\"list\": [1,]}"[..],
            b"{\"list\": [1 2]}",
            b"{\"list\": [1]",
            b"{\"list\": [1]} {}",
            b"{\"list\": [1], \"list\": []}",
            b"{\"list\" [1]}",
            b"{\"list\": {}}",
            b"[1]",
            b"\xff\xfe{\0}\0",
            b"{\"list\": [1], \"x\": \"\xff\"}",
            b"{\"x\": [1}, \"list\": [1]}",
        ] {
            assert!(walk(broken, 7).is_err(), "{}", String::from_utf8_lossy(broken));
        }
        let deep = format!("{{\"x\": {}", "[".repeat(5_000_000));
        assert!(walk(deep.as_bytes(), 8192).is_err());
    }
}
