//! What every reader shares: limits, the error, and how findings are counted.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};

use crate::release::{
    Clean, Digest, Finding, ReportFormat, ReportState, ReportSummary, Severity, TestCounts,
};

/// The largest report that is read, in bytes. A real one of a large repository has a few million.
pub const REPORT_BYTES_MAX: u64 = 64 << 20;
/// How many findings are kept; all are counted.
pub const FINDINGS_MAX: usize = 10_000;
/// How many findings the journal keeps of a report.
pub const WORST_MAX: usize = 20;
/// Titles and places are cut to so many characters: they stand in one line of a screen.
const LINE_CHARS_MAX: usize = 240;

/// A report that was read: what the journal keeps, and the findings themselves, worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub summary: ReportSummary,
    /// At most [`FINDINGS_MAX`]; the counts of the summary are exact.
    pub findings: Vec<Finding>,
}

/// A report that cannot be read. It completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("read the report of {tool}: it is empty")]
    Empty { tool: Clean },
    #[error("read the report of {tool}: it is larger than {limit} bytes")]
    TooLarge { tool: Clean, limit: u64 },
    #[error("read the report of {tool}: {source}")]
    Io { tool: Clean, source: io::Error },
    #[error("read the report of {tool} at line {line}, column {column}: {what}")]
    Damaged { tool: Clean, line: usize, column: usize, what: Clean },
}

/// Reads the report of `tool` (a step's name, for reports that do not name their tool).
///
/// # Errors
/// When it is empty, too large, cut, or not of the given format.
pub fn read(format: ReportFormat, tool: &str, from: &mut dyn BufRead) -> Result<Report, ReadError> {
    let name = Clean::new(tool).cut(60);
    let mut bytes = Vec::new();
    let taken = from.take(REPORT_BYTES_MAX + 1).read_to_end(&mut bytes);
    taken.map_err(|source| ReadError::Io { tool: name.clone(), source })?;
    if bytes.len() as u64 > REPORT_BYTES_MAX {
        return Err(ReadError::TooLarge { tool: name, limit: REPORT_BYTES_MAX });
    }
    let source = Source::new(name, &bytes)?;
    let tally = match format {
        ReportFormat::Junit => super::junit::read(&source)?,
        ReportFormat::Sarif => super::sarif::read(&source)?,
        ReportFormat::CargoJson => super::cargo::read(&source)?,
    };
    Ok(tally.into_report(Digest::of(&bytes)))
}

/// A report's text, and how to say where in it something is wrong.
pub(super) struct Source<'a> {
    pub(super) tool: Clean,
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    fn new(tool: Clean, bytes: &'a [u8]) -> Result<Self, ReadError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) if text.trim().is_empty() => Err(ReadError::Empty { tool }),
            Ok(text) => Ok(Self { tool, text }),
            Err(error) => {
                let (line, column) = place(bytes, error.valid_up_to());
                let what = Clean::new("it is not UTF-8");
                Err(ReadError::Damaged { tool, line, column, what })
            }
        }
    }

    /// Something is wrong at a byte of the text.
    pub(super) fn damaged(&self, byte: usize, what: &str) -> ReadError {
        let (line, column) = place(self.text.as_bytes(), byte);
        ReadError::Damaged {
            tool: self.tool.clone(),
            line,
            column,
            what: Clean::new(what).cut(LINE_CHARS_MAX),
        }
    }
}

/// Line and column of a byte, both from 1; the column counts bytes.
fn place(bytes: &[u8], byte: usize) -> (usize, usize) {
    let before = &bytes[..byte.min(bytes.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    (line, before.len() - start + 1)
}

/// What a reader adds up.
pub(super) struct Tally {
    pub(super) tool: Clean,
    /// What was looked at, in words and as a number.
    pub(super) coverage: String,
    pub(super) covered: u64,
    pub(super) tests: Option<TestCounts>,
    /// Why it is known that nothing, or not everything, was looked at.
    pub(super) crashed: Option<String>,
    pub(super) not_scanned: Option<String>,
    counts: BTreeMap<Severity, u32>,
    findings: BTreeMap<Severity, Vec<Finding>>,
}

/// A finding before it is cleaned.
pub(super) struct Found<'a> {
    pub(super) rule: &'a str,
    pub(super) severity: Severity,
    pub(super) original: Option<&'a str>,
    pub(super) title: &'a str,
    pub(super) location: &'a str,
    /// What tells it from other findings of the same rule and place, whatever the line.
    pub(super) identity: &'a str,
}

impl Tally {
    pub(super) fn new(tool: Clean) -> Self {
        Self {
            tool,
            coverage: String::new(),
            covered: 0,
            tests: None,
            crashed: None,
            not_scanned: None,
            counts: BTreeMap::new(),
            findings: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, found: &Found<'_>) {
        let count = self.counts.entry(found.severity).or_insert(0);
        *count = count.saturating_add(1);
        let kept = self.findings.entry(found.severity).or_default();
        if kept.len() >= FINDINGS_MAX {
            return;
        }
        let line = |text: &str| Clean::new(text.trim()).cut(LINE_CHARS_MAX);
        let place = without_line(found.location);
        let parts = [self.tool.as_str(), found.rule, place, &stable(found.identity)];
        kept.push(Finding {
            tool: self.tool.clone(),
            rule: line(found.rule),
            severity: found.severity,
            original: found.original.map(line),
            title: line(found.title),
            location: line(found.location),
            fingerprint: Digest::of(parts.join("\0").as_bytes()),
        });
    }

    pub(super) fn found_any(&self) -> bool {
        self.counts.values().any(|count| *count > 0)
    }

    fn into_report(self, digest: Digest) -> Report {
        let reason = |text: &str| Clean::new(text.trim()).cut(LINE_CHARS_MAX);
        let failed = self.tests.is_some_and(|tests| tests.failed > 0);
        let state = if let Some(why) = &self.crashed {
            ReportState::Crashed { reason: reason(why) }
        } else if let Some(why) = &self.not_scanned {
            ReportState::NotScanned { reason: reason(why) }
        } else if self.covered == 0 {
            ReportState::NotScanned { reason: Clean::new("the report covers nothing") }
        } else if self.found_any() || failed {
            ReportState::Findings
        } else {
            ReportState::Clean
        };
        // Severities are ordered worst first, and within one the report's own order stays.
        let findings: Vec<Finding> =
            self.findings.into_values().flatten().take(FINDINGS_MAX).collect();
        let summary = ReportSummary {
            tool: self.tool,
            state,
            coverage: Clean::new(&self.coverage).cut(LINE_CHARS_MAX),
            covered: self.covered,
            tests: self.tests,
            counts: self.counts,
            worst: findings.iter().take(WORST_MAX).cloned().collect(),
            digest,
        };
        Report { summary, findings }
    }
}

/// `src/pay.rs:88` without its line.
fn without_line(location: &str) -> &str {
    match location.rsplit_once(':') {
        Some((path, line)) if line.bytes().all(|b| b.is_ascii_digit()) => path,
        _ => location,
    }
}

/// A message without what changes from build to build: commits, digests, image tags, line numbers.
fn stable(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut after_line = false;
    for word in message.split_whitespace() {
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let hex = core.len() >= 7
            && core.bytes().all(|b| b.is_ascii_hexdigit())
            && core.bytes().any(|b| b.is_ascii_digit());
        let number = !core.is_empty() && core.bytes().all(|b| b.is_ascii_digit());
        let tag =
            word.rfind('/').and_then(|slash| word[slash..].find([':', '@']).map(|i| slash + i));
        out.push(' ');
        match tag {
            Some(at) if !word[at..].starts_with("://") => out.push_str(&word[..at]),
            _ if hex || (number && after_line) => out.push('#'),
            _ => out.push_str(word),
        }
        after_line = core.eq_ignore_ascii_case("line") || core.eq_ignore_ascii_case("lines");
    }
    out
}

/// `3 files`, `1 file`.
pub(super) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{place, stable, without_line};

    #[test]
    fn a_fingerprint_ignores_lines_commits_and_tags() {
        let old = "leak in acr.io/shop/backend:118 at line 12, commit 88a706111f63f38d.";
        let new = "leak in acr.io/shop/backend:119 at line 14, commit 0123456789abcdef.";
        assert_eq!(stable(old), stable(new));
        assert_ne!(stable("container api1"), stable("container api2"));
        assert_eq!(without_line("src/pay.rs:88"), "src/pay.rs");
        assert_eq!(without_line("library/redis:a"), "library/redis:a");
    }

    #[test]
    fn places_count_from_one() {
        assert_eq!(place(b"ab\ncd", 0), (1, 1));
        assert_eq!(place(b"ab\ncd", 4), (2, 2));
        assert_eq!(place(b"ab\ncd", 99), (2, 3));
    }
}
