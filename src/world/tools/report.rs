//! What every reader shares: where a report comes from, limits, the error, how findings are
//! counted and told apart.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::held::Held;
use super::secret::{Key, conceal};
use crate::release::finding::{FindingKind, Measure, Package};
use crate::release::{
    Clean, Digest, Finding, Finite, ReportFormat, ReportState, ReportSummary, Severity, TestCounts,
};

/// How many findings [`read`] keeps; all are counted.
pub const FINDINGS_MAX: usize = 10_000;
/// How many findings the journal keeps of a report.
pub const WORST_MAX: usize = 20;
/// Titles and places are cut to so many characters: they stand in one line of a screen.
const LINE_CHARS_MAX: usize = 240;

/// Where a report comes from. All but the name may be unknown; what is known makes the reading
/// more exact, never more generous.
#[derive(Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The program that wrote it, or a step's name: for reports that do not name their tool.
    pub tool: &'a str,
    /// What the program exited with.
    pub exit: Option<i32>,
    /// Whether the plan takes this exit, which is not 0, for "ran well and found something".
    pub accepted: bool,
    /// The end of what it said besides the report: some say only there what they looked at.
    pub log: &'a str,
    /// The absolute path that the tool ran in; paths in findings are made relative to it.
    pub root: &'a str,
    /// Makes secrets comparable without revealing them.
    pub key: Option<&'a Key>,
}

/// What a whole report says. The findings themselves went to whoever asked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub tool: Clean,
    pub state: ReportState,
    /// What was looked at, and how much: `41 files, 3 commits`.
    pub coverage: Clean,
    pub covered: u64,
    pub tests: Option<TestCounts>,
    pub counts: BTreeMap<Severity, u32>,
    pub measures: BTreeMap<Measure, Finite>,
}

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
    #[error("read the report of {tool}: {source}")]
    Io { tool: Clean, source: io::Error },
    #[error("read the report of {tool} at byte {byte} (line {line}, column {column}): {what}")]
    Damaged { tool: Clean, byte: u64, line: u64, column: u64, what: Clean },
}

/// Something is wrong at a byte, counted from 0; line and column count from 1.
pub(super) fn damaged_at(tool: &Clean, byte: u64, line: u64, column: u64, what: &str) -> ReadError {
    let what = Clean::new(&conceal(what)).cut(LINE_CHARS_MAX);
    ReadError::Damaged { tool: tool.clone(), byte, line, column, what }
}

/// Reads a report as a stream: each finding goes to `each` as soon as it is there, in the
/// report's order, and nothing of the report is held but one element.
///
/// # Errors
/// When it is empty, cut, or not of the given format. Findings may have gone to `each` by then:
/// who keeps them must forget them.
pub fn stream(
    format: ReportFormat,
    origin: &Origin<'_>,
    from: &mut dyn BufRead,
    each: &mut dyn FnMut(Finding),
) -> Result<Summary, ReadError> {
    let mut tally = Tally::new(origin, Sink::Each(each));
    super::formats::read(format, from, &mut tally)?;
    Ok(tally.finish())
}

/// As [`stream`], into a store that holds a million findings in little memory. After an error the
/// store is as it was.
///
/// # Errors
/// As [`stream`].
pub fn hold(
    format: ReportFormat,
    origin: &Origin<'_>,
    from: &mut dyn BufRead,
    held: &mut Held,
) -> Result<Summary, ReadError> {
    let before = held.len();
    let mut tally = Tally::new(origin, Sink::Held(held));
    let read = super::formats::read(format, from, &mut tally);
    let summary = tally.finish();
    if let Err(error) = read {
        held.forget(before);
        return Err(error);
    }
    Ok(summary)
}

/// Reads a report into memory, the worst findings first.
///
/// # Errors
/// As [`stream`].
pub fn read(format: ReportFormat, origin: &Origin<'_>, bytes: &[u8]) -> Result<Report, ReadError> {
    let (summary, findings) = collect(format, origin, &mut &*bytes)?;
    let Summary { tool, state, coverage, covered, tests, counts, measures } = summary;
    let worst = findings.iter().take(WORST_MAX).cloned().collect();
    let digest = Digest::of(bytes);
    let summary =
        ReportSummary { tool, state, coverage, covered, tests, counts, worst, digest, measures };
    Ok(Report { summary, findings })
}

/// Reads a report, and keeps its worst findings.
fn collect(
    format: ReportFormat,
    origin: &Origin<'_>,
    from: &mut dyn BufRead,
) -> Result<(Summary, Vec<Finding>), ReadError> {
    let mut kept: BTreeMap<Severity, Vec<Finding>> = BTreeMap::new();
    let mut each = |finding: Finding| {
        let same = kept.entry(finding.severity).or_default();
        if same.len() < FINDINGS_MAX {
            same.push(finding);
        }
    };
    let summary = stream(format, origin, from, &mut each)?;
    // Severities are ordered worst first, and within one the report's own order stays.
    let findings = kept.into_values().flatten().take(FINDINGS_MAX).collect();
    Ok((summary, findings))
}

/// What a reader adds up.
pub(super) struct Tally<'t> {
    pub(super) origin: &'t Origin<'t>,
    pub(super) tool: Clean,
    /// What was looked at, in words and as a number.
    pub(super) coverage: String,
    pub(super) covered: u64,
    pub(super) tests: Option<TestCounts>,
    /// Why it is known that nothing, or not everything, was looked at.
    pub(super) crashed: Option<String>,
    pub(super) not_scanned: Option<String>,
    counts: BTreeMap<Severity, u32>,
    measures: BTreeMap<Measure, Finite>,
    sink: Sink<'t>,
    /// What the fingerprint of the last finding was made of: room for the next one's.
    told: Vec<u8>,
    /// Who wants a bill's components, if anybody does.
    pub(super) components: Option<&'t mut dyn FnMut(Package)>,
}

/// Where findings go.
pub(super) enum Sink<'t> {
    Each(&'t mut dyn FnMut(Finding)),
    Held(&'t mut Held),
}

/// A finding before it is cleaned.
#[derive(Clone, Copy, Default)]
pub(super) struct Found<'a> {
    pub(super) kind: FindingKind,
    pub(super) rule: &'a str,
    pub(super) severity: Severity,
    pub(super) original: &'a str,
    pub(super) title: &'a str,
    /// Other numbers of the same flaw, as [`aliases`] lets them through.
    pub(super) aliases: &'a [String],
    /// A file, and a line in it.
    pub(super) path: &'a str,
    pub(super) line: Option<u64>,
    pub(super) resource: &'a str,
    pub(super) package: &'a str,
    pub(super) purl: &'a str,
    pub(super) installed: &'a str,
    pub(super) fixed: &'a str,
    pub(super) fix: &'a str,
    /// The fix is to update the package to its fixed version, and needs no words.
    pub(super) update: bool,
    pub(super) evidence: &'a str,
    /// The secret itself, which goes no further than its keyed hash.
    pub(super) secret: &'a str,
    /// What tells it from other findings of the same rule and place, whatever the line.
    pub(super) identity: &'a str,
    /// The fingerprint and the secret's keyed hash where gonogo itself wrote the report.
    pub(super) fingerprint: Option<&'a Digest>,
    pub(super) secret_hash: Option<&'a Digest>,
}

impl<'t> Tally<'t> {
    pub(super) fn new(origin: &'t Origin<'t>, sink: Sink<'t>) -> Self {
        Self {
            origin,
            tool: Clean::new(origin.tool).cut(60),
            coverage: String::new(),
            covered: 0,
            tests: None,
            crashed: None,
            not_scanned: None,
            counts: BTreeMap::new(),
            measures: BTreeMap::new(),
            sink,
            told: Vec::new(),
            components: None,
        }
    }

    /// The report names its tool.
    pub(super) fn named(&mut self, tool: &str) {
        self.tool = Clean::new(tool).cut(60);
    }

    pub(super) fn add(&mut self, mut found: Found<'_>) {
        // No tool counts from 0, and no file has so many lines that they do not fit.
        found.line = found.line.filter(|line| (1..=u64::from(u32::MAX)).contains(line));
        let found = &found;
        let count = self.counts.entry(found.severity).or_insert(0);
        *count = count.saturating_add(1);
        let path = relative(found.path, self.origin.root);
        let secret = self.origin.key.filter(|_| !found.secret.is_empty());
        let secret = secret.and_then(|key| key.identify(found.secret));
        let secret = secret.or_else(|| found.secret_hash.cloned());
        let fingerprint = match found.fingerprint.and_then(Digest::bytes) {
            Some(own) => own,
            None => self.fingerprint(found, path, secret.as_ref()),
        };
        match &mut self.sink {
            Sink::Each(each) => each(whole(&self.tool, found, path, secret, &fingerprint)),
            Sink::Held(held) => {
                if !held.add(&self.tool, found, path, secret, fingerprint) {
                    let why = "it holds more different text than fits into memory";
                    self.crashed.get_or_insert_with(|| why.to_owned());
                }
            }
        }
    }

    fn fingerprint(&mut self, found: &Found<'_>, path: &str, secret: Option<&Digest>) -> [u8; 32] {
        use sha2::Digest as _;
        let package = if found.purl.is_empty() { found.package } else { found.purl };
        let resource = without_tag(found.resource);
        let package = without_version(package);
        let told = &mut self.told;
        told.clear();
        for part in [self.tool.as_str(), found.rule, without_tag(path), resource, package] {
            told.extend_from_slice(part.as_bytes());
            told.push(0);
        }
        match secret {
            Some(secret) => told.extend_from_slice(secret.as_str().as_bytes()),
            None if found.identity.is_empty() => {}
            None => told.extend_from_slice(stable(found.identity).as_bytes()),
        }
        sha2::Sha256::digest(told).into()
    }

    /// Notes a number; what is none says nothing.
    pub(super) fn measure(&mut self, measure: Measure, number: f64) {
        if let Ok(number) = Finite::new(number) {
            self.measures.insert(measure, number);
        }
    }

    /// The tests so far.
    pub(super) fn tests(&mut self) -> &mut TestCounts {
        self.tests.get_or_insert_default()
    }

    /// Says how many tests ran, and that none did.
    pub(super) fn tests_over(&mut self, one: &str, many: &str) {
        let TestCounts { passed, failed, skipped } = *self.tests();
        let ran = u64::from(passed) + u64::from(failed);
        self.covered = ran;
        self.coverage = plural(ran, one, many);
        if ran == 0 {
            self.not_scanned.get_or_insert(match skipped {
                0 => format!("the report holds no {one}"),
                n => format!("all {n} {many} were skipped"),
            });
        }
    }

    pub(super) fn found(&self) -> u64 {
        self.counts.values().map(|count| u64::from(*count)).sum()
    }

    fn finish(self) -> Summary {
        let reason = |text: &str| line(text.trim());
        let failed = self.tests.is_some_and(|tests| tests.failed > 0);
        let found = self.found() > 0 || failed;
        // Why nothing was scanned says more than that nothing was found.
        let accepted = self.origin.accepted && self.not_scanned.is_some();
        let broken = super::formats::broken_exit(self.origin, found).filter(|_| !accepted);
        let state = if let Some(why) = &self.crashed {
            ReportState::Crashed { reason: reason(why) }
        } else if let Some(why) = &broken {
            ReportState::Crashed { reason: reason(why) }
        } else if let Some(why) = &self.not_scanned {
            ReportState::NotScanned { reason: reason(why) }
        } else if self.covered == 0 {
            ReportState::NotScanned { reason: Clean::new("the report covers nothing") }
        } else if found {
            ReportState::Findings
        } else {
            ReportState::Clean
        };
        Summary {
            tool: self.tool,
            state,
            coverage: line(&self.coverage),
            covered: self.covered,
            tests: self.tests,
            counts: self.counts,
            measures: self.measures,
        }
    }
}

fn whole(
    tool: &Clean,
    found: &Found<'_>,
    path: &str,
    secret: Option<Digest>,
    fingerprint: &[u8; 32],
) -> Finding {
    let location = match (path, found.line) {
        ("", _) if found.resource.is_empty() => line(found.package),
        ("", _) => line(found.resource),
        (path, Some(at)) => line(&format!("{path}:{at}")),
        (path, None) => line(path),
    };
    Finding {
        tool: tool.clone(),
        rule: line(found.rule),
        aliases: found.aliases.iter().map(|id| line(id)).collect(),
        severity: found.severity,
        original: some(found.original),
        title: line(found.title),
        location,
        fingerprint: Digest::from_sha256(fingerprint),
        kind: found.kind,
        resource: some(found.resource),
        package: package(found),
        fix: if found.update { some(&update(found.package, found.fixed)) } else { some(found.fix) },
        evidence: some(found.evidence),
        secret,
    }
}

/// Data bases whose numbers stand for one flaw each, and whether a digit begins them. Those of
/// distributions (DSA, RHSA, USN) stand for an update that mends several, so that they fold
/// nothing.
const FLAWS: [(&str, bool); 9] = [
    ("CVE-", true),
    ("GHSA-", false),
    ("RUSTSEC-", true),
    ("GO-", true),
    ("PYSEC-", true),
    ("SNYK-", false),
    ("OSV-", true),
    ("GSD-", true),
    ("CURL-CVE-", true),
];

/// Whether a name is the number of one flaw in some data base: in most a year begins it.
pub(super) fn is_flaw(id: &str) -> bool {
    FLAWS.iter().any(|(base, year)| {
        let head = id.get(..base.len()).unwrap_or("");
        let rest = id.get(base.len()..).unwrap_or("");
        let digit = rest.bytes().position(|b| b.is_ascii_digit());
        head.eq_ignore_ascii_case(base) && digit.is_some_and(|at| at == 0 || !year)
    })
}

/// The numbers of one flaw among `ids`, but for the one that it goes by.
pub(super) fn aliases<'a>(rule: &str, ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const MOST: usize = 16;
    let mut all: Vec<String> = Vec::new();
    for id in ids {
        let id = id.trim();
        let plain = id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let known = id.eq_ignore_ascii_case(rule) || all.iter().any(|one| one == id);
        if is_flaw(id) && plain && !known && all.len() < MOST {
            all.push(id.to_owned());
        }
    }
    all.sort();
    all
}

pub(super) fn update(package: &str, fixed: &str) -> String {
    format!("update {package} to {fixed}")
}

/// A path as seen from where the tool ran.
pub(super) fn relative<'p>(path: &'p str, root: &str) -> &'p str {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let root = root.trim_end_matches('/');
    let inner = path.strip_prefix(root).filter(|_| !root.is_empty());
    let inner = inner.and_then(|inner| inner.strip_prefix('/'));
    inner.unwrap_or(path.strip_prefix("./").unwrap_or(path))
}

/// Whether a text stays as it is where it becomes a [`line`]: nearly all do.
pub(super) fn is_line(text: &str) -> bool {
    let plain = |text: &str| text.bytes().fold(true, |all, b| all & (0x20..0x7f).contains(&b));
    text.len() <= LINE_CHARS_MAX
        && plain(text)
        && text.trim_ascii().len() == text.len()
        && matches!(conceal(text), Cow::Borrowed(_))
}

/// One line of foreign text: trimmed, secrets masked, clean, and not too long.
pub(super) fn line(text: &str) -> Clean {
    let clean = match conceal(text.trim()) {
        Cow::Borrowed(text) => Clean::new(text),
        Cow::Owned(text) => Clean::from(text),
    };
    if clean.as_str().len() <= LINE_CHARS_MAX { clean } else { clean.cut(LINE_CHARS_MAX) }
}

pub(super) fn some(text: &str) -> Option<Clean> {
    let text = line(text);
    (!text.as_str().is_empty()).then_some(text)
}

fn package(found: &Found<'_>) -> Option<Package> {
    let name = some(if found.package.is_empty() { found.purl } else { found.package });
    name.map(|name| Package {
        name,
        purl: some(found.purl),
        installed: some(found.installed),
        fixed: some(found.fixed),
    })
}

/// An image or a resource without its tag or digest: `acr.io/shop/backend:118`.
fn without_tag(name: &str) -> &str {
    // Most findings have no such name, or one without a tag.
    if memchr::memchr2(b'@', b':', name.as_bytes()).is_none() {
        return name;
    }
    let name = name.split('@').next().unwrap_or(name);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[last..].find(':') {
        Some(at) if name.contains('/') => &name[..last + at],
        _ => name,
    }
}

/// `pkg:npm/%40scope/lodash@4.17.15?arch=x` without what changes at an update.
pub(super) fn without_version(purl: &str) -> &str {
    if memchr::memchr3(b'?', b'#', b'@', purl.as_bytes()).is_none() {
        return purl;
    }
    let name = purl.split(['?', '#']).next().unwrap_or(purl);
    match name.rfind('@') {
        Some(at) if at > 0 && name.starts_with("pkg:") => &name[..at],
        _ => name,
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

/// The severity behind a tool's own word.
pub(super) fn severity(word: &str) -> Severity {
    let any = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if any(&["critical", "blocker", "fatal"]) {
        Severity::Critical
    } else if any(&["high", "error", "important"]) {
        Severity::High
    } else if any(&["medium", "moderate", "major", "warning", "warn"]) {
        Severity::Medium
    } else if any(&["low", "minor", "info", "informational", "note", "style", "negligible", "none"])
    {
        Severity::Low
    } else {
        Severity::Unknown
    }
}

/// `3 files`, `1 file`.
pub(super) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{stable, without_tag, without_version};

    #[test]
    fn a_fingerprint_ignores_lines_commits_tags_and_versions() {
        let old = "leak in acr.io/shop/backend:118 at line 12, commit 88a706111f63f38d.";
        let new = "leak in acr.io/shop/backend:119 at line 14, commit 0123456789abcdef.";
        assert_eq!(stable(old), stable(new));
        assert_ne!(stable("container api1"), stable("container api2"));
        assert_eq!(without_tag("acr.io:5000/shop/api:1.2"), "acr.io:5000/shop/api");
        assert_eq!(without_tag("acr.io/shop/api@sha256:00"), "acr.io/shop/api");
        assert_eq!(without_tag("src/pay.rs"), "src/pay.rs");
        assert_eq!(without_version("pkg:npm/%40a/b@1.2?x=y"), "pkg:npm/%40a/b");
        assert_eq!(without_version("@scope/name"), "@scope/name");
    }
}
