//! The text that Rust's own test harness prints. It is no report format, and this is no parser of
//! one: it counts the harness's sums and names the tests that failed.

use super::report::{Found, Tally, plural};
use crate::release::finding::FindingKind;
use crate::release::{Severity, TestCounts};

#[derive(Default)]
pub(super) struct Libtest {
    started: u32,
    ended: u32,
    counts: TestCounts,
}

impl Libtest {
    /// Takes one line of text.
    pub(super) fn line(&mut self, line: &str, tally: &mut Tally<'_>) {
        if let Some(rest) = line.strip_prefix("running ")
            && (rest.ends_with(" tests") || rest.ends_with(" test"))
            && rest.starts_with(|c: char| c.is_ascii_digit())
        {
            self.started += 1;
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            self.ended += 1;
            self.sum(rest);
        } else if let Some(name) = line.strip_prefix("test ").and_then(failed) {
            tally.add(Found {
                kind: FindingKind::Test,
                rule: "test",
                severity: Severity::High,
                original: "FAILED",
                title: name,
                path: name,
                identity: name,
                ..Found::default()
            });
        }
    }

    /// `ok. 17 passed; 0 failed; 1 ignored; …`
    fn sum(&mut self, rest: &str) {
        let counts = rest.split_once(". ").map_or("", |(_, counts)| counts);
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<u32>().ok());
            let (Some(number), Some(word)) = (number, words.next()) else { continue };
            let count = match word {
                "passed" => &mut self.counts.passed,
                "failed" => &mut self.counts.failed,
                "ignored" => &mut self.counts.skipped,
                _ => continue,
            };
            *count = count.saturating_add(number);
        }
    }

    /// Why the text cannot be complete.
    pub(super) fn unfinished(&self) -> Option<&'static str> {
        (self.started != self.ended).then_some("a test binary started and gave no result")
    }

    /// Adds the counts, if any test binary ran.
    pub(super) fn finish(&self, tally: &mut Tally<'_>) {
        if self.ended == 0 {
            return;
        }
        let ran = u64::from(self.counts.passed) + u64::from(self.counts.failed);
        tally.tests = Some(self.counts);
        tally.coverage = format!("{}, {}", tally.coverage, plural(ran, "test", "tests"));
        if ran == 0 && tally.crashed.is_none() {
            tally.not_scanned = Some("no test ran".into());
        }
    }
}

/// `name ... FAILED`
fn failed(rest: &str) -> Option<&str> {
    rest.strip_suffix("FAILED").and_then(|name| name.trim_end().strip_suffix("...")).map(str::trim)
}
