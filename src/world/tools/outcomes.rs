//! What readers of test reports share: a test that failed becomes a finding, and all are counted.

use super::report::{Found, Tally};
use crate::release::Severity;
use crate::release::finding::FindingKind;

/// A test that failed, or what should have held the tests and broke.
#[derive(Clone, Copy, Default)]
pub(super) struct Failed<'a> {
    pub(super) name: &'a str,
    pub(super) rule: &'a str,
    pub(super) path: &'a str,
    pub(super) line: Option<u64>,
    /// The tool's word for it.
    pub(super) word: &'a str,
    /// The message of the failure, of which the first line is the title.
    pub(super) why: &'a str,
    /// A screenshot's path, or what else the tool kept.
    pub(super) evidence: &'a str,
}

impl Tally<'_> {
    pub(super) fn test_passed(&mut self) {
        let passed = &mut self.tests().passed;
        *passed = passed.saturating_add(1);
    }

    pub(super) fn test_skipped(&mut self) {
        let skipped = &mut self.tests().skipped;
        *skipped = skipped.saturating_add(1);
    }

    pub(super) fn test_failed(&mut self, failed: &Failed<'_>) {
        let count = &mut self.tests().failed;
        *count = count.saturating_add(1);
        self.trouble(failed, Severity::High);
    }

    /// A finding about a test that does not count as failed.
    pub(super) fn trouble(&mut self, failed: &Failed<'_>, severity: Severity) {
        let Failed { name, rule, path, line, word, why, evidence } = *failed;
        let why = plain(why);
        let why = why.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let title = match why.strip_prefix("Error: ").unwrap_or(why) {
            "" => name.to_owned(),
            why => format!("{name}: {why}"),
        };
        self.add(Found {
            kind: FindingKind::Test,
            rule,
            severity,
            original: word,
            title: &title,
            path: if path.is_empty() { name } else { path },
            line,
            evidence,
            identity: name,
            ..Found::default()
        });
    }

    /// A report that counts more failures than it lists is not whole.
    pub(super) fn counted(&mut self, failed: u64) {
        let listed = u64::from(self.tests().failed);
        if failed > listed {
            let why = format!("it counts {failed} failed tests, and lists {listed}");
            self.crashed.get_or_insert(why);
        }
    }
}

/// Text without the sequences that colour it.
pub(super) fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        out.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    out
}

/// The line of `file` that a stack names first: `…/broken.test.js:3:74`.
pub(super) fn line_in(stack: &str, file: &str) -> Option<u64> {
    let name = file.rsplit('/').next().filter(|name| !name.is_empty())?;
    let rest = stack.split_once(&format!("{name}:"))?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
