//! JUnit XML: what Jest, Mocha, Newman, Playwright, Checkov and many more write.
//!
//! No two of them agree on the details, so only the test cases are believed: a suite's own numbers
//! count where they are worse than what its cases say. There is no document type and no entity but
//! the five of XML and character references.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::report::{Found, ReadError, Source, Tally, plural};
use crate::release::{Severity, TestCounts};

/// Real reports nest four deep.
const DEPTH_MAX: usize = 64;
/// As much of a failure's text as a title needs, in bytes.
const TEXT_BYTES_MAX: usize = 2000;

pub(super) fn read(source: &Source<'_>) -> Result<Tally, ReadError> {
    let mut reader = Reader::from_str(source.text);
    let mut walk = Walk::new(source);
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
            source.damaged(at, &format!("it is not well-formed XML: {error}"))
        })?;
        match event {
            Event::Start(tag) => walk.open(at, &tag)?,
            Event::Empty(tag) => {
                walk.open(at, &tag)?;
                walk.close();
            }
            Event::End(_) => walk.close(),
            Event::Text(text) => walk.text(at, &text.xml10_content())?,
            Event::CData(text) => walk.text(at, &text.xml10_content())?,
            Event::GeneralRef(name) => {
                let resolved = match name.resolve_char_ref() {
                    Ok(Some(c)) => Cow::Owned(c.to_string()),
                    Ok(None) => predefined(&name.xml10_content()).map_or_else(
                        || Err(source.damaged(at, "it refers to an entity that XML does not have")),
                        |text| Ok(Cow::Borrowed(text)),
                    )?,
                    Err(error) => return Err(source.damaged(at, &error.to_string())),
                };
                walk.text(at, &resolved)?;
            }
            Event::DocType(_) => {
                return Err(source.damaged(at, "it declares a document type, which is refused"));
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    walk.finish()
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return None,
    })
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
    place: String,
    failed: bool,
    skipped: bool,
    message: String,
    kind: String,
    text: String,
}

struct Walk<'a> {
    source: &'a Source<'a>,
    tally: Tally,
    counts: TestCounts,
    open: Vec<Element>,
    suites: Vec<Suite>,
    case: Option<Case>,
    rooted: bool,
}

impl<'a> Walk<'a> {
    fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            tally: Tally::new(source.tool.clone()),
            counts: TestCounts::default(),
            open: Vec::new(),
            suites: Vec::new(),
            case: None,
            rooted: false,
        }
    }

    fn open(&mut self, at: usize, tag: &BytesStart<'_>) -> Result<(), ReadError> {
        if self.open.len() >= DEPTH_MAX {
            let what = format!("its elements are nested deeper than {DEPTH_MAX}");
            return Err(self.source.damaged(at, &what));
        }
        let name = tag.local_name();
        let name: &str = name.as_ref();
        let element = match name {
            "testsuites" => Element::Suites,
            "testsuite" => Element::Suite,
            "testcase" => Element::Case,
            "failure" | "error" => Element::Failure,
            "skipped" => Element::Skipped,
            _ => Element::Other,
        };
        if self.open.is_empty() {
            if self.rooted {
                return Err(self.source.damaged(at, "a second document follows the first"));
            }
            if !matches!(element, Element::Suites | Element::Suite) {
                let what = format!("<{name}> is not the root of a JUnit report");
                return Err(self.source.damaged(at, &what));
            }
            self.rooted = true;
        }
        match element {
            Element::Suites | Element::Suite => self.open_suite(at, tag)?,
            Element::Case if self.case.is_some() => {
                return Err(self.source.damaged(at, "a test case stands inside another"));
            }
            Element::Case => self.case = Some(self.new_case(at, tag)?),
            Element::Failure => self.open_failure(at, tag)?,
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

    /// One attribute of an element, with its entities resolved; duplicates are refused.
    fn attribute(
        &self,
        at: usize,
        tag: &BytesStart<'_>,
        wanted: &str,
    ) -> Result<String, ReadError> {
        let mut found = String::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|e| self.source.damaged(at, &e.to_string()))?;
            let key: &str = attribute.key.as_ref();
            if key == wanted {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                let value = value.map_err(|e| self.source.damaged(at, &e.to_string()))?;
                found = value.into_owned();
            }
        }
        Ok(found)
    }

    /// A count that a suite declares; what is no number declares nothing.
    fn number(&self, at: usize, tag: &BytesStart<'_>, name: &str) -> Result<u64, ReadError> {
        Ok(self.attribute(at, tag, name)?.trim().parse().unwrap_or(0))
    }

    fn open_suite(&mut self, at: usize, tag: &BytesStart<'_>) -> Result<(), ReadError> {
        let failures = self.number(at, tag, "failures")?;
        let declared = failures.saturating_add(self.number(at, tag, "errors")?);
        let declared_skipped = self.number(at, tag, "skipped")?;
        let name = self.attribute(at, tag, "name")?;
        self.suites.push(Suite { name, declared, declared_skipped, failed: 0, skipped: 0 });
        Ok(())
    }

    fn new_case(&self, at: usize, tag: &BytesStart<'_>) -> Result<Case, ReadError> {
        let file = self.attribute(at, tag, "file")?;
        let line = self.attribute(at, tag, "line")?;
        let status = self.attribute(at, tag, "status")?.to_ascii_lowercase();
        let numbered = !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
        Ok(Case {
            name: self.attribute(at, tag, "name")?,
            class: self.attribute(at, tag, "classname")?,
            place: if numbered { format!("{file}:{line}") } else { file },
            skipped: matches!(status.as_str(), "notrun" | "skipped" | "disabled" | "pending"),
            ..Case::default()
        })
    }

    fn open_failure(&mut self, at: usize, tag: &BytesStart<'_>) -> Result<(), ReadError> {
        let message = self.attribute(at, tag, "message")?;
        let kind = self.attribute(at, tag, "type")?;
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
        self.fail(&suite, &suite, "", "broken suite", &message);
        Ok(())
    }

    fn text(&mut self, at: usize, text: &str) -> Result<(), ReadError> {
        if self.open.is_empty() && !text.trim().is_empty() {
            return Err(self.source.damaged(at, "there is text outside of the document"));
        }
        if let (Some(Element::Failure), Some(case)) = (self.open.last(), &mut self.case)
            && case.text.len() < TEXT_BYTES_MAX
        {
            case.text.extend(text.chars().take(TEXT_BYTES_MAX));
        }
        Ok(())
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
            let place = if case.place.is_empty() { &case.class } else { &case.place };
            self.fail(&case.name, rule, place, "failed", why);
        } else if case.skipped {
            self.counts.skipped = self.counts.skipped.saturating_add(1);
            if let Some(suite) = self.suites.last_mut() {
                suite.skipped += 1;
            }
        } else {
            self.counts.passed = self.counts.passed.saturating_add(1);
        }
    }

    fn fail(&mut self, name: &str, rule: &str, place: &str, word: &str, why: &str) {
        self.counts.failed = self.counts.failed.saturating_add(1);
        if let Some(suite) = self.suites.last_mut() {
            suite.failed += 1;
        }
        let title = if why.trim().is_empty() { name.to_owned() } else { format!("{name}: {why}") };
        self.tally.add(&Found {
            rule,
            severity: Severity::High,
            original: Some(word),
            title: &title,
            location: if place.is_empty() { name } else { place },
            identity: name,
        });
    }

    /// What a suite declares and its cases do not show counts all the same.
    fn close_suite(&mut self) {
        let Some(suite) = self.suites.last() else { return };
        if suite.declared > 0 && suite.failed == 0 {
            let (name, missing) = (suite.name.clone(), suite.declared);
            let why = format!("{missing} failures declared, but no failed test case reported");
            self.fail(&name, "suite", &name, "broken suite", &why);
            let more = u32::try_from(missing - 1).unwrap_or(u32::MAX);
            self.counts.failed = self.counts.failed.saturating_add(more);
        }
        let Some(mut suite) = self.suites.pop() else { return };
        if suite.declared_skipped > suite.skipped {
            // Mocha declares pending tests without writing them down.
            let more = suite.declared_skipped - suite.skipped;
            suite.skipped = suite.declared_skipped;
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            self.counts.skipped = self.counts.skipped.saturating_add(more);
        }
        if let Some(outer) = self.suites.last_mut() {
            outer.failed += suite.failed;
            outer.skipped += suite.skipped;
        }
    }

    fn finish(mut self) -> Result<Tally, ReadError> {
        let end = self.source.text.len();
        if !self.open.is_empty() {
            return Err(self.source.damaged(end, "it ends in the middle"));
        }
        if !self.rooted {
            return Err(self.source.damaged(end, "it holds no element"));
        }
        let TestCounts { passed, failed, skipped } = self.counts;
        let ran = u64::from(passed) + u64::from(failed);
        self.tally.covered = ran;
        self.tally.coverage = plural(ran, "test", "tests");
        if ran == 0 {
            let skipped = match skipped {
                0 => "the report holds no test".to_owned(),
                n => format!("all {n} tests were skipped"),
            };
            self.tally.not_scanned = Some(skipped);
        }
        self.tally.tests = Some(self.counts);
        Ok(self.tally)
    }
}
