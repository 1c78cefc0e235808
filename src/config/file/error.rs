//! What is wrong with a file, told so that it can be mended: place, key, line, way out.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use super::tree::At;
use crate::release::Clean;

/// A layer's name and text, for quoting.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) name: String,
    text: String,
    pub(super) flag: bool,
}

impl Source {
    pub(super) fn file(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text, flag: false }
    }

    pub(super) fn flag(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text, flag: true }
    }
}

/// Something wrong in a configuration file or flag (exit code 2).
///
/// It displays as several lines: place, key and message; the offending line with a mark under the
/// offending part; a way out of it. All text from the file is cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError(Box<Details>);

/// The parts of a [`FileError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The file's path, or the flag.
    pub file: Clean,
    /// The line and column, from 1; none where the whole file is meant, or a flag.
    pub place: Option<(usize, usize)>,
    /// The key path, empty where none applies: `stages[1].steps[0].timeout_s`.
    pub key: Clean,
    pub message: Clean,
    /// What to do about it.
    pub help: Option<Clean>,
    quote: Option<Quote>,
}

/// A line of the file and the part of it that is meant, in terminal columns.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quote {
    line: Clean,
    indent: usize,
    width: usize,
}

/// Longer lines are cut around the mark.
const QUOTE_CHARS_MAX: usize = 96;

impl FileError {
    pub(super) fn new(
        sources: &[Source],
        at: At,
        key: &str,
        message: &str,
        help: Option<String>,
    ) -> Self {
        let source = sources.get(at.source);
        let is_flag = source.is_some_and(|source| source.flag);
        let line = source.and_then(|s| s.text.lines().nth(at.line.saturating_sub(1)));
        Self(Box::new(Details {
            file: Clean::new(source.map_or("", |source| &source.name)),
            place: (!is_flag).then_some((at.line, at.column)),
            key: Clean::new(key),
            message: Clean::new(message),
            help: help.map(|help| Clean::new(&help)),
            quote: line.filter(|_| !is_flag).map(|line| Quote::new(line, at)),
        }))
    }

    /// An error about a file as a whole.
    pub(super) fn bare(name: &str, message: &str, help: &str) -> Self {
        Self(Box::new(Details {
            file: Clean::new(name),
            place: None,
            key: Clean::default(),
            message: Clean::new(message),
            help: Some(Clean::new(help)),
            quote: None,
        }))
    }

    /// The same error, found in the value of a flag that sets `key`.
    pub(super) fn of_flag(mut self, flag: &str, key: &str) -> Self {
        self.0.file = Clean::new(flag);
        self.0.key = Clean::new(key);
        self.0.place = None;
        self.0.quote = None;
        self
    }
}

impl Quote {
    fn new(line: &str, at: At) -> Self {
        let before = at.column.saturating_sub(1);
        let skip = if before + at.width > QUOTE_CHARS_MAX { before.saturating_sub(20) } else { 0 };
        let shown: String = line.chars().skip(skip).take(QUOTE_CHARS_MAX).collect();
        let part = |from: usize, count: usize| -> usize {
            let text: String = shown.chars().skip(from).take(count).collect();
            Clean::new(&text).as_str().width()
        };
        let indent = part(0, before - skip);
        let width = part(before - skip, at.width).max(1);
        Self { line: Clean::new(shown.trim_end()), indent, width }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if !self.key.as_str().is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.message)?;
        if let (Some(quote), Some((line, _))) = (&self.quote, self.place) {
            let gutter = line.to_string().len();
            write!(f, "\n  {line} | {}", quote.line)?;
            write!(f, "\n  {:gutter$} | {:indent$}", "", "", indent = quote.indent)?;
            write!(f, "{}", "^".repeat(quote.width))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FileError {}

impl std::ops::Deref for FileError {
    type Target = Details;
    fn deref(&self) -> &Details {
        &self.0
    }
}
