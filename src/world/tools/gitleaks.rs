//! `gitleaks … --report-format json`: secrets in files and in history.
//!
//! An empty list is all that a clean scan leaves, and all that a scan of nothing leaves: what was
//! scanned stands in the log only ("1 commits scanned."). SARIF at least names the rules.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::FindingKind;

pub(super) const EXITS: Exits =
    Exits { program: "gitleaks", well: &[0], findings: &[1], broken: &[1, 126] };

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Leak<'a> {
    #[serde(borrow, rename = "RuleID")]
    rule_id: Text<'a>,
    #[serde(default, borrow)]
    description: Text<'a>,
    #[serde(default)]
    start_line: Option<u64>,
    #[serde(default, borrow, rename = "Match")]
    quote: Text<'a>,
    #[serde(default, borrow)]
    secret: Text<'a>,
    #[serde(default, borrow)]
    file: Text<'a>,
    #[serde(default, borrow)]
    commit: Text<'a>,
    /// Tells struck out secrets apart; it has more digits than a number keeps.
    #[serde(default)]
    entropy: Option<f64>,
    #[serde(default, rename = "Fingerprint")]
    _fingerprint: Option<IgnoredAny>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("gitleaks");
    each!(json, leak: Leak<'_> => add(&leak, tally))?;
    let (commits, bytes) = scanned(tally.origin.log);
    let found = tally.found();
    tally.covered = commits.max(u64::from(bytes > 0)).max(found);
    tally.coverage = match (commits, bytes) {
        (0, 0) => plural(found, "leak", "leaks"),
        (0, bytes) => plural(bytes, "byte", "bytes"),
        (commits, 0) => plural(commits, "commit", "commits"),
        (commits, bytes) => {
            format!("{}, {}", plural(commits, "commit", "commits"), plural(bytes, "byte", "bytes"))
        }
    };
    if tally.covered == 0 {
        let why = "an empty list does not say what was scanned: give gitleaks' log, or its SARIF";
        tally.not_scanned = Some(why.into());
    }
    Ok(())
}

fn add(leak: &Leak<'_>, tally: &mut Tally<'_>) {
    let secret = leak.secret.as_str();
    // What is found in a commit stays in it, whatever becomes of the file.
    let fix = match leak.commit.as_str() {
        "" => "revoke it, and remove it from the file".to_owned(),
        commit => {
            let short = commit.get(..7).unwrap_or(commit);
            format!("revoke it: it stays in commit {short}, whatever the file says now")
        }
    };
    let quote = leak.quote.as_str();
    let evidence =
        if secret.len() < 4 { quote.to_owned() } else { quote.replace(secret, "•••") };
    let entropy = leak.entropy.map(|entropy| format!("entropy {entropy}"));
    tally.add(Found {
        kind: FindingKind::Secret,
        rule: &leak.rule_id,
        severity: Severity::Critical,
        title: leak.description.as_str(),
        path: leak.file.as_str(),
        line: leak.start_line,
        fix: &fix,
        evidence: &evidence,
        secret,
        identity: entropy.as_deref().unwrap_or(""),
        ..Found::default()
    });
}

/// Commits and bytes that the log says were scanned.
fn scanned(log: &str) -> (u64, u64) {
    let mut words = log.split_whitespace().peekable();
    let (mut commits, mut bytes, mut before) = (0, 0, "");
    while let Some(word) = words.next() {
        if word == "commits" && words.peek().is_some_and(|next| next.starts_with("scanned")) {
            commits = before.parse().unwrap_or(commits);
        }
        if word == "bytes" && before.starts_with('~') {
            bytes = before.trim_start_matches('~').parse().unwrap_or(bytes);
        }
        before = word;
    }
    (commits, bytes)
}
