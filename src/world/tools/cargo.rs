//! `cargo … --message-format json`: compiler and lint messages, a JSON object a line.
//!
//! `cargo test` lets the tests' own output follow once it has compiled; that part is read as
//! libtest's text.

use std::collections::{BTreeSet, HashSet};

use serde::Deserialize;

use super::libtest::Libtest;
use super::report::{Found, ReadError, Source, Tally, plural};
use crate::release::{Clean, Severity};

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
struct Build {
    tally: Tally,
    packages: BTreeSet<String>,
    /// Targets of one package repeat each other's messages.
    said: HashSet<(String, String, String)>,
    errors: u64,
    succeeded: Option<bool>,
}

pub(super) fn read(source: &Source<'_>) -> Result<Tally, ReadError> {
    let mut build = Build {
        tally: Tally::new(Clean::new("cargo")),
        packages: BTreeSet::new(),
        said: HashSet::new(),
        errors: 0,
        succeeded: None,
    };
    let mut tests = Libtest::default();
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if build.succeeded.is_some() {
            tests.line(line, &mut build.tally);
            continue;
        }
        let read: Line = serde_json::from_str(line).map_err(|error| {
            let byte = start + error.column().saturating_sub(1);
            source.damaged(byte, &format!("it is not a message of cargo: {error}"))
        })?;
        build.take(read);
    }
    let end = source.text.len();
    let Some(succeeded) = build.succeeded else {
        return Err(source.damaged(end, "it ends before cargo's \"build-finished\""));
    };
    if let Some(what) = tests.unfinished() {
        return Err(source.damaged(end, what));
    }
    Ok(build.finish(succeeded, &tests))
}

impl Build {
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
        let location = match (span, target) {
            (Some(span), _) => format!("{}:{}", span.file_name, span.line_start),
            (None, Some(target)) => target.name.clone(),
            (None, None) => String::new(),
        };
        let rule = code.unwrap_or("rustc");
        let said = (rule.to_owned(), location.clone(), message.text.clone());
        if !self.said.insert(said) {
            return;
        }
        self.errors += u64::from(severity == Severity::High);
        self.tally.add(&Found {
            rule,
            severity,
            original: Some(&message.level),
            title: &message.text,
            location: &location,
            identity: &message.text,
        });
    }

    fn finish(mut self, succeeded: bool, tests: &Libtest) -> Tally {
        let packages = u64::try_from(self.packages.len()).unwrap_or(u64::MAX);
        self.tally.coverage = plural(packages, "package", "packages");
        self.tally.covered = packages;
        if !succeeded && self.errors == 0 {
            let why = "the build failed without a message of the compiler";
            self.tally.crashed = Some(why.into());
        } else if packages == 0 {
            self.tally.not_scanned = Some("no package was compiled".into());
        }
        tests.finish(&mut self.tally);
        self.tally
    }
}

/// `3 warnings emitted`, `aborting due to 2 previous errors`: sums of what was said before.
fn is_sum(message: &str) -> bool {
    message.ends_with("emitted") || message.starts_with("aborting due to")
}
