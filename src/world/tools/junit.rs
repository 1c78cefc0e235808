//! JUnit XML: what Jest, Mocha, Newman, Playwright, Checkov and many more write.
//!
//! No two of them agree on the details, so only the test cases are believed: a suite's own numbers
//! count where they are worse than what its cases say. There is no document type and no entity but
//! the five of XML and character references.

use std::io::BufRead;

use super::outcomes::Failed;
use super::report::{ReadError, Tally};
use super::xml::{Piece, Tag, walk};
/// As much of a failure's text as a title needs, in bytes.
const TEXT_BYTES_MAX: usize = 2000;

pub(super) fn read(from: &mut dyn BufRead, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let tool = tally.tool.clone();
    tally.tests();
    let mut seen = Walk { tally, open: Vec::new(), suites: Vec::new(), case: None };
    walk(&tool, from, &["testsuites", "testsuite"], |piece| {
        match piece {
            Piece::Open(tag) => seen.open(&tag)?,
            Piece::Text(text) => seen.text(text),
            Piece::Close => seen.close(),
        }
        Ok(())
    })?;
    tally.tests_over("test", "tests");
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Suites,
    Suite,
    Case,
    /// A failure or an error, inside a case or beside the cases.
    Failure,
    Skipped,
    Other,
}

/// A suite that is open: what it declares, and what its cases have said so far.
struct Suite {
    name: String,
    declared: u64,
    declared_skipped: u64,
    failed: u64,
    skipped: u64,
}

/// The test case that is open.
#[derive(Default)]
struct Case {
    name: String,
    class: String,
    file: String,
    line: Option<u64>,
    failed: bool,
    skipped: bool,
    message: String,
    kind: String,
    text: String,
}

struct Walk<'a, 't> {
    tally: &'a mut Tally<'t>,
    open: Vec<Element>,
    suites: Vec<Suite>,
    case: Option<Case>,
}

impl Walk<'_, '_> {
    fn open(&mut self, tag: &Tag<'_>) -> Result<(), ReadError> {
        let element = match tag.name() {
            "testsuites" => Element::Suites,
            "testsuite" => Element::Suite,
            "testcase" => Element::Case,
            "failure" | "error" => Element::Failure,
            "skipped" => Element::Skipped,
            _ => Element::Other,
        };
        match element {
            Element::Suites | Element::Suite => self.open_suite(tag)?,
            Element::Case if self.case.is_some() => {
                return Err(tag.damaged("a test case stands inside another"));
            }
            Element::Case => self.case = Some(new_case(tag)?),
            Element::Failure => self.open_failure(tag)?,
            Element::Skipped => {
                if let Some(case) = &mut self.case {
                    case.skipped = true;
                }
            }
            Element::Other => {}
        }
        self.open.push(element);
        Ok(())
    }

    /// A suite's own counts; what is no number declares nothing.
    fn open_suite(&mut self, tag: &Tag<'_>) -> Result<(), ReadError> {
        let declared = tag.number("failures")?.saturating_add(tag.number("errors")?);
        let declared_skipped = tag.number("skipped")?;
        let name = tag.attribute("name")?;
        self.suites.push(Suite { name, declared, declared_skipped, failed: 0, skipped: 0 });
        Ok(())
    }

    fn open_failure(&mut self, tag: &Tag<'_>) -> Result<(), ReadError> {
        let message = tag.attribute("message")?;
        let kind = tag.attribute("type")?;
        if let Some(case) = &mut self.case {
            // The first failure of a case is the one to read.
            if !case.failed {
                (case.message, case.kind) = (message, kind);
            }
            case.failed = true;
            return Ok(());
        }
        // A suite that broke before its first case: it counts as one failed test.
        let suite = self.suites.last().map(|suite| suite.name.clone()).unwrap_or_default();
        self.fail(&suite, &suite, ("", None), "broken suite", &message);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let (Some(Element::Failure), Some(case)) = (self.open.last(), &mut self.case)
            && case.text.len() < TEXT_BYTES_MAX
        {
            case.text.extend(text.chars().take(TEXT_BYTES_MAX));
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Element::Case) => self.close_case(),
            Some(Element::Suites | Element::Suite) => self.close_suite(),
            Some(Element::Failure | Element::Skipped | Element::Other) | None => {}
        }
    }

    fn close_case(&mut self) {
        let Some(case) = self.case.take() else { return };
        if case.failed {
            let first = case.text.lines().map(str::trim).find(|line| !line.is_empty());
            let why = if case.message.is_empty() { first.unwrap_or("") } else { &case.message };
            let why = if why.is_empty() { case.kind.as_str() } else { why };
            let rule = if case.class.is_empty() { "test" } else { &case.class };
            let place = if case.file.is_empty() { &case.class } else { &case.file };
            self.fail(&case.name, rule, (place, case.line), "failed", why);
        } else if case.skipped {
            self.tally.test_skipped();
            if let Some(suite) = self.suites.last_mut() {
                suite.skipped += 1;
            }
        } else {
            self.tally.test_passed();
        }
    }

    fn fail(
        &mut self,
        name: &str,
        rule: &str,
        (place, line): (&str, Option<u64>),
        word: &str,
        why: &str,
    ) {
        if let Some(suite) = self.suites.last_mut() {
            suite.failed += 1;
        }
        let failed = Failed { name, rule, path: place, line, word, why, evidence: "" };
        self.tally.test_failed(&failed);
    }

    /// What a suite declares and its cases do not show counts all the same.
    fn close_suite(&mut self) {
        let Some(suite) = self.suites.last() else { return };
        if suite.declared > 0 && suite.failed == 0 {
            let (name, missing) = (suite.name.clone(), suite.declared);
            let why = format!("{missing} failures declared, but no failed test case reported");
            self.fail(&name, "suite", (&name, None), "broken suite", &why);
            let more = u32::try_from(missing - 1).unwrap_or(u32::MAX);
            let counts = self.tally.tests();
            counts.failed = counts.failed.saturating_add(more);
        }
        let Some(mut suite) = self.suites.pop() else { return };
        if suite.declared_skipped > suite.skipped {
            // Mocha declares pending tests without writing them down.
            let more = suite.declared_skipped - suite.skipped;
            suite.skipped = suite.declared_skipped;
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let counts = self.tally.tests();
            counts.skipped = counts.skipped.saturating_add(more);
        }
        if let Some(outer) = self.suites.last_mut() {
            outer.failed += suite.failed;
            outer.skipped += suite.skipped;
        }
    }
}

fn new_case(tag: &Tag<'_>) -> Result<Case, ReadError> {
    let status = tag.attribute("status")?.to_ascii_lowercase();
    Ok(Case {
        name: tag.attribute("name")?,
        class: tag.attribute("classname")?,
        file: tag.attribute("file")?,
        line: tag.attribute("line")?.parse().ok(),
        skipped: matches!(status.as_str(), "notrun" | "skipped" | "disabled" | "pending"),
        ..Case::default()
    })
}
