//! `cargo … --message-format json`: compiler and lint messages, a JSON object a line.
//!
//! `cargo test` lets the tests' own output follow once it has compiled; that part is read as
//! libtest's text.

use std::collections::{BTreeSet, HashSet};
use std::io::BufRead;

use serde::Deserialize;

use super::libtest::Libtest;
use super::lines::Lines;
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::FindingKind;

#[derive(Deserialize)]
struct Line {
    reason: String,
    #[serde(default)]
    package_id: Option<String>,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    success: Option<bool>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    #[serde(rename = "message")]
    text: String,
    #[serde(default)]
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u64,
    #[serde(default)]
    is_primary: bool,
}

/// What has been read so far.
struct Build<'a, 't> {
    tally: &'a mut Tally<'t>,
    packages: BTreeSet<String>,
    /// Targets of one package repeat each other's messages.
    said: HashSet<(String, String, String)>,
    errors: u64,
    succeeded: Option<bool>,
}

pub(super) fn read(from: &mut dyn BufRead, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::new(tally.tool.clone(), from);
    tally.named("cargo");
    let mut build = Build {
        tally,
        packages: BTreeSet::new(),
        said: HashSet::new(),
        errors: 0,
        succeeded: None,
    };
    let mut tests = Libtest::default();
    let mut any = false;
    while let Some(line) = lines.next()? {
        any = true;
        if build.succeeded.is_some() {
            tests.line(line, build.tally);
            continue;
        }
        match serde_json::from_str(line) {
            Ok(read) => build.take(read),
            Err(error) => {
                let at = error.column().saturating_sub(1);
                let what = format!("it is not a message of cargo: {error}");
                return Err(lines.damaged(at, &what));
            }
        }
    }
    if !any {
        return Err(ReadError::Empty { tool: build.tally.tool.clone() });
    }
    let Some(succeeded) = build.succeeded else {
        return Err(lines.damaged(0, "it ends before cargo's \"build-finished\""));
    };
    if let Some(what) = tests.unfinished() {
        return Err(lines.damaged(0, what));
    }
    build.finish(succeeded, &tests);
    Ok(())
}

impl Build<'_, '_> {
    fn take(&mut self, line: Line) {
        match line.reason.as_str() {
            "build-finished" => self.succeeded = Some(line.success.unwrap_or(false)),
            "compiler-artifact" | "compiler-message" => {
                if let Some(message) = &line.message {
                    self.message(message, line.target.as_ref());
                }
                self.packages.extend(line.package_id);
            }
            _ => {}
        }
    }

    fn message(&mut self, message: &Message, target: Option<&Target>) {
        let severity = match message.level.as_str() {
            "warning" => Severity::Medium,
            level if level.starts_with("error") => Severity::High,
            // Notes and helps belong to a message that was counted.
            _ => return,
        };
        let code = message.code.as_ref().map(|code| code.code.as_str());
        let span = message.spans.iter().find(|span| span.is_primary).or(message.spans.first());
        if code.is_none() && span.is_none() && is_sum(&message.text) {
            return;
        }
        let (path, line) = match (span, target) {
            (Some(span), _) => (span.file_name.as_str(), Some(span.line_start)),
            (None, Some(target)) => (target.name.as_str(), None),
            (None, None) => ("", None),
        };
        let rule = code.unwrap_or("rustc");
        let place = format!("{path}:{}", line.unwrap_or(0));
        let said = (rule.to_owned(), place, message.text.clone());
        if !self.said.insert(said) {
            return;
        }
        self.errors += u64::from(severity == Severity::High);
        self.tally.add(Found {
            kind: FindingKind::Code,
            rule,
            severity,
            original: &message.level,
            title: &message.text,
            path,
            line,
            identity: &message.text,
            ..Found::default()
        });
    }

    fn finish(self, succeeded: bool, tests: &Libtest) {
        let packages = u64::try_from(self.packages.len()).unwrap_or(u64::MAX);
        self.tally.coverage = plural(packages, "package", "packages");
        self.tally.covered = packages;
        if !succeeded && self.errors == 0 {
            let why = "the build failed without a message of the compiler";
            self.tally.crashed = Some(why.into());
        } else if packages == 0 {
            self.tally.not_scanned = Some("no package was compiled".into());
        }
        tests.finish(self.tally);
    }
}

/// `3 warnings emitted`, `aborting due to 2 previous errors`: sums of what was said before.
fn is_sum(message: &str) -> bool {
    message.ends_with("emitted") || message.starts_with("aborting due to")
}
