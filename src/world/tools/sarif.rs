//! SARIF 2.1.0: what Gitleaks, Trivy, Conftest, Semgrep, Snyk and most scanners write.
//!
//! A run without results proves little by itself: it counts as clean only where it says what it
//! looked at (rules, artifacts, an image, supported files, or at least that it succeeded).

mod log;

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::IgnoredAny;

use self::log::{
    Invocation, Notification, Own, Properties, ResultItem, RuleItem, RunProperties, Suppression,
    Tool,
};
use super::json::{Json, one};
use super::report::{Found, ReadError, Tally, aliases, is_flaw, plural};
use crate::release::finding::FindingKind;
use crate::release::{Clean, Digest, Severity};

/// Where gonogo puts its own fingerprint.
const FINGERPRINT: &str = "gonogo/v1";

/// Results that stand before their tool are kept until it comes, at most so many.
const WAITING_MAX: usize = 100_000;

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut seen = Coverage::default();
    let (mut version, mut runs) = (None, None);
    json.object(&["version", "runs"], |json, key| {
        if key == "version" {
            version = Some(json.owned::<String>()?);
            return Ok(());
        }
        let mut count = 0_u64;
        json.list(|json| {
            count += 1;
            read_run(json, count == 1, tally, &mut seen)
        })?;
        runs = Some(count);
        Ok(())
    })?;
    match version.as_deref() {
        Some("2.1.0") => {}
        Some(version) => {
            let what = format!("SARIF {version:?} is not understood, only \"2.1.0\"");
            return Err(json.damaged(&what));
        }
        None => return Err(json.damaged("it is not SARIF: it names no version")),
    }
    match runs {
        None => return Err(json.damaged("it is not SARIF: it holds no list of runs")),
        Some(0) => tally.not_scanned = Some("the report holds no run".into()),
        Some(_) => {}
    }
    tally.coverage = seen.words();
    Ok(())
}

/// What the runs say they looked at.
#[derive(Default)]
struct Coverage {
    rules: u64,
    artifacts: u64,
    images: u64,
    files: u64,
    passed: u64,
    suppressed: u64,
    results: u64,
}

impl Coverage {
    fn words(&self) -> String {
        let parts = [
            (self.images, "image", "images"),
            (self.files, "file", "files"),
            (self.artifacts, "artifact", "artifacts"),
            (self.rules, "rule", "rules"),
            (self.passed, "check passed", "checks passed"),
            (self.results, "finding", "findings"),
            (self.suppressed, "finding suppressed", "findings suppressed"),
        ];
        let some = parts.iter().filter(|(count, ..)| *count > 0);
        some.map(|(count, one, many)| plural(*count, one, many)).collect::<Vec<_>>().join(", ")
    }

    fn looked(&self) -> u64 {
        self.passed + self.suppressed + self.results
    }
}

/// The rules of a run's tool.
struct Rules {
    tool: String,
    all: Vec<RuleItem>,
    by_id: HashMap<String, usize>,
}

impl Rules {
    fn new(tool: Tool) -> Self {
        let Tool { driver, extensions } = tool;
        let more = extensions.into_iter().flatten().filter_map(|part| part.rules);
        let all: Vec<RuleItem> = driver.rules.into_iter().chain(more).flatten().collect();
        let by_id = all.iter().enumerate().map(|(at, rule)| (rule.id.clone(), at)).collect();
        Self { tool: driver.name, all, by_id }
    }

    fn of<'r>(&'r self, item: &ResultItem<'_>) -> Option<&'r RuleItem> {
        let reference = item.rule.as_ref();
        let index = item.rule_index.or_else(|| reference.and_then(|rule| rule.index));
        let by_id = item.id().and_then(|id| self.all.get(*self.by_id.get(id)?));
        by_id.or_else(|| self.all.get(usize::try_from(index?).ok()?))
    }
}

impl ResultItem<'_> {
    fn id(&self) -> Option<&str> {
        let of_rule = self.rule.as_ref().and_then(|rule| rule.id.as_deref());
        self.rule_id.as_deref().or(of_rule)
    }
}

fn read_run(
    json: &mut Json<'_>,
    first: bool,
    tally: &mut Tally<'_>,
    seen: &mut Coverage,
) -> Result<(), ReadError> {
    let before = seen.looked();
    let (mut rules, mut waiting, mut results) = (None, Vec::new(), false);
    let (mut artifacts, mut properties) = (0_u64, (0, 0));
    let mut invocations: Vec<Invocation> = Vec::new();
    let known = &["tool", "results", "artifacts", "invocations", "properties"];
    json.object(known, |json, key| match key {
        "tool" => {
            let own = Rules::new(json.owned::<Tool>()?);
            if first {
                tally.named(&own.tool);
            }
            rules = Some(own);
            Ok(())
        }
        "results" => {
            results = json.peek()? != Some(b'n');
            json.list(|json| result(json, rules.as_ref(), &mut waiting, tally, seen))
        }
        "artifacts" => json.list(|json| {
            artifacts += 1;
            json.skip()
        }),
        "invocations" => {
            invocations = json.owned::<Option<Vec<Invocation>>>()?.unwrap_or_default();
            Ok(())
        }
        _ => {
            let own = json.owned::<Option<RunProperties>>()?;
            properties = own.as_ref().map_or((0, 0), of_properties);
            Ok(())
        }
    })?;
    let Some(rules) = rules else { return Err(json.damaged("a run of it names no tool")) };
    for text in &waiting {
        match one::<ResultItem<'_>>(text) {
            Ok((item, _)) => read_result(&item, &rules, tally, seen),
            Err(error) => return Err(json.damaged(&format!("a result of it is none: {error}"))),
        }
    }
    if let Some(why) = broken(&invocations) {
        tally.crashed.get_or_insert(why);
    }
    if let Some(why) = not_whole(&invocations, &rules.tool) {
        tally.not_scanned.get_or_insert(why);
    }
    let succeeded = invocations.iter().any(|one| one.execution_successful == Some(true));
    if !results {
        let why = format!("{} ended without a list of results", rules.tool);
        tally.not_scanned.get_or_insert(why);
        return Ok(());
    }
    let (images, files) = properties;
    let all_rules = rules.all.len() as u64;
    let covered = (seen.looked() - before) + artifacts + all_rules + images + files;
    if covered == 0 && !succeeded {
        let why = format!("{} names nothing that it looked at", rules.tool);
        tally.not_scanned.get_or_insert(why);
    }
    seen.artifacts += artifacts;
    seen.rules += all_rules;
    seen.images += images;
    seen.files += files;
    tally.covered = tally.covered.saturating_add(covered.max(u64::from(succeeded)));
    Ok(())
}

/// Takes one result, or keeps its text until the tool is known that it belongs to.
fn result(
    json: &mut Json<'_>,
    rules: Option<&Rules>,
    waiting: &mut Vec<String>,
    tally: &mut Tally<'_>,
    seen: &mut Coverage,
) -> Result<(), ReadError> {
    if let Some(rules) = rules {
        return json.value(|text| {
            let (item, used) = one::<ResultItem<'_>>(text)?;
            read_result(&item, rules, tally, seen);
            Ok(((), used))
        });
    }
    if waiting.len() >= WAITING_MAX {
        let what = format!("more than {WAITING_MAX} results stand before their tool");
        return Err(json.damaged(&what));
    }
    waiting.push(json.value(|text| {
        let (_, used) = one::<IgnoredAny>(text)?;
        Ok((text[..used].to_owned(), used))
    })?);
    Ok(())
}

/// Images and files that a run's own properties say were scanned.
fn of_properties(properties: &RunProperties) -> (u64, u64) {
    let named = properties.image_name.as_ref().and_then(|name| name.as_str());
    let images = u64::from(named.is_some_and(|name| !name.is_empty()));
    let coverage = properties.coverage.as_ref().and_then(|coverage| coverage.as_array());
    let supported = coverage
        .into_iter()
        .flatten()
        .filter(|part| part.get("isSupported").and_then(serde_json::Value::as_bool) != Some(false));
    let files = supported.filter_map(|part| part.get("files")?.as_u64());
    (images, files.fold(0, u64::saturating_add))
}

/// Why a tool says that it did not run well.
fn broken(invocations: &[Invocation]) -> Option<String> {
    for invocation in invocations {
        let mut errors = invocation.notifications();
        let error =
            errors.find(|one| one.level.as_deref() == Some("error")).map(Notification::said);
        if invocation.execution_successful == Some(false) || error.is_some() {
            let described = || invocation.exit_code_description.clone();
            let why = error.flatten().or_else(described);
            return Some(why.unwrap_or_else(|| "the tool says that it failed".into()));
        }
    }
    None
}

/// What a tool says that it did not parse. What a warning means is each tool's own: only Semgrep's
/// are known to be about files.
fn not_whole(invocations: &[Invocation], tool: &str) -> Option<String> {
    let semgrep = tool.get(..7).is_some_and(|begins| begins.eq_ignore_ascii_case("semgrep"));
    let mut all = invocations.iter().flat_map(Invocation::notifications).filter(|one| {
        let id = one.descriptor.as_ref().and_then(|own| own.id.as_deref()).unwrap_or("");
        !super::semgrep::is_of_rule(id, &one.said().unwrap_or_default())
    });
    let first = all.next().filter(|_| semgrep)?;
    let said = first.said().unwrap_or_else(|| "Semgrep warns without a word".into());
    Some(said.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn read_result(item: &ResultItem<'_>, rules: &Rules, tally: &mut Tally<'_>, seen: &mut Coverage) {
    match item.kind.as_str() {
        "pass" => {
            seen.passed += 1;
            return;
        }
        "notApplicable" | "informational" => return,
        _ => {}
    }
    if item.baseline_state.as_str() == "absent" {
        return;
    }
    let accepted = |s: &Suppression<'_>| s.status.as_deref().is_none_or(|is| is == "accepted");
    if item.suppressions.as_ref().is_some_and(|all| !all.is_empty() && all.iter().all(accepted)) {
        seen.suppressed += 1;
        return;
    }
    seen.results += 1;
    if let Some((fingerprint, own)) = own(item) {
        return restore(item, &fingerprint, &own, tally);
    }
    let rule = rules.of(item);
    let id = item.id().or(rule.map(|rule| rule.id.as_str())).unwrap_or("no rule");
    let (severity, original) = severity(item, rule, &rules.tool);
    let said = item.message.text.as_str().trim();
    let short = rule.and_then(|rule| rule.short_description.as_ref()?.text.as_deref());
    // Trivy writes a table into the message and the sentence into the rule.
    let title = match (said, short) {
        ("", short) => short.unwrap_or(id),
        (said, Some(short)) if said.contains('\n') => short,
        (said, _) => said.lines().next().unwrap_or(said),
    };
    let kind = kind(id, rule, &rules.tool);
    let short = short.unwrap_or("");
    let Weak { id, package, installed } = weak(id, said, short);
    let others = other_numbers(id, rule, item, said);
    let own = fingerprints(item);
    let place = place(item);
    let secret = kind == FindingKind::Secret;
    let identity = match (own.as_str(), package) {
        ("", "") => said,
        (own, _) => own,
    };
    let fix = rule.and_then(|rule| rule.help.as_ref()?.text.as_deref()).unwrap_or("");
    tally.add(Found {
        kind,
        rule: id,
        aliases: &others,
        severity,
        original: &original,
        title,
        path: &place.path,
        line: place.line,
        resource: place.resource,
        package,
        installed,
        fixed: stated(said, "Fixed Version: "),
        fix: fix.lines().next().unwrap_or(""),
        evidence: if secret { "" } else { place.snippet },
        secret: if secret { place.snippet } else { "" },
        identity,
        ..Found::default()
    });
}

/// The fingerprint and what else gonogo has written of a finding, where it has written it.
fn own(item: &ResultItem<'_>) -> Option<(Digest, Own)> {
    let fingerprint = item.partial_fingerprints.as_ref()?.get(FINGERPRINT)?.as_str()?;
    let own = item.properties.as_ref()?.gonogo.clone()?;
    Some((fingerprint.parse().ok()?, serde_json::from_value(own).ok()?))
}

/// Takes a finding as gonogo has written it.
fn restore(item: &ResultItem<'_>, fingerprint: &Digest, own: &Own, tally: &mut Tally<'_>) {
    fn words(text: Option<&Clean>) -> &str {
        text.map_or("", Clean::as_str)
    }
    let place = place(item);
    let package = own.package.as_ref();
    tally.add(Found {
        kind: own.kind,
        rule: item.id().unwrap_or("no rule"),
        severity: own.severity.unwrap_or_default(),
        original: words(own.original.as_ref()),
        title: item.message.text.as_str(),
        path: &place.path,
        line: place.line,
        resource: place.resource,
        package: words(package.map(|package| &package.name)),
        purl: words(package.and_then(|package| package.purl.as_ref())),
        installed: words(package.and_then(|package| package.installed.as_ref())),
        fixed: words(package.and_then(|package| package.fixed.as_ref())),
        fix: words(own.fix.as_ref()),
        evidence: words(own.evidence.as_ref()),
        fingerprint: Some(fingerprint),
        secret_hash: own.secret.as_ref(),
        aliases: &aliases("", own.aliases.iter().map(String::as_str)),
        ..Found::default()
    });
}

/// A flaw and its package, as scanners of packages say it in a format that has no place for it.
struct Weak<'a> {
    id: &'a str,
    package: &'a str,
    installed: &'a str,
}

fn weak<'a>(id: &'a str, said: &'a str, short: &'a str) -> Weak<'a> {
    // OSV-Scanner: Package 'lodash@4.17.15' is vulnerable to 'CVE-1' (also known as 'GHSA-2').
    let osv = said.strip_prefix("Package '").and_then(|rest| rest.split_once("' is vulnerable to"));
    if let Some((name, _)) = osv {
        let (package, installed) = name.rsplit_once('@').unwrap_or((name, ""));
        return Weak { id, package, installed };
    }
    // Grype: the rule `CVE-1-lodash`, `CVE-1 high vulnerability for lodash package`.
    let grype = short.split_once(" vulnerability for ").and_then(|(number, rest)| {
        let package = rest.strip_suffix(" package")?;
        let number = number.split(' ').next().unwrap_or(number);
        let own = id.strip_suffix(package)?.strip_suffix('-')?;
        (own == number).then_some((own, package))
    });
    if let Some((id, package)) = grype {
        return Weak { id, package, installed: "" };
    }
    let (package, installed) = (stated(said, "Package: "), stated(said, "Installed Version: "));
    Weak { id, package, installed }
}

/// Other numbers of a flaw: the rule's other names, its tags, what its message says.
fn other_numbers(
    id: &str,
    rule: Option<&RuleItem>,
    item: &ResultItem<'_>,
    said: &str,
) -> Vec<String> {
    let tags = |properties: Option<&'_ Properties>| properties.and_then(|own| own.tags.clone());
    let of_rule = rule.and_then(|rule| tags(rule.properties.as_ref()));
    let lists = [
        rule.and_then(|rule| rule.deprecated_ids.clone()),
        of_rule,
        tags(item.properties.as_ref()),
    ];
    let lists: Vec<_> = lists.into_iter().flatten().collect();
    let named = lists.iter().filter_map(|list| list.as_array()).flatten();
    let told = said.split_once("also known as").map_or("", |(_, told)| told);
    let told = told.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    aliases(id, named.filter_map(|id| id.as_str()).chain(told))
}

/// What stands behind a heading in a message of Trivy's.
fn stated<'a>(said: &'a str, heading: &str) -> &'a str {
    said.lines().find_map(|line| line.trim().strip_prefix(heading)).unwrap_or("").trim()
}

fn kind(id: &str, rule: Option<&RuleItem>, tool: &str) -> FindingKind {
    let tags = rule.and_then(|rule| rule.properties.as_ref()?.tags.as_ref()?.as_array());
    let tagged = |word: &str| {
        tags.into_iter().flatten().any(|tag| tag.as_str().is_some_and(|tag| tag == word))
    };
    let tool = tool.to_ascii_lowercase();
    let is = |names: &[&str]| names.iter().any(|name| tool.contains(name));
    if is(&["gitleaks", "trufflehog"]) || tagged("secret") {
        FindingKind::Secret
    } else if is_flaw(id) || tagged("vulnerability") {
        FindingKind::Vulnerability
    } else if is(&["checkov", "tfsec", "defsec", "conftest", "hadolint", "kics"])
        || tagged("misconfiguration")
    {
        FindingKind::Misconfiguration
    } else if is(&["semgrep", "snykcode", "codeql", "eslint", "bandit", "gosec"]) {
        FindingKind::Code
    } else {
        FindingKind::Other
    }
}

/// The tool's own score, then its level, then its rule's default; a secret is always critical.
fn severity(item: &ResultItem<'_>, rule: Option<&RuleItem>, tool: &str) -> (Severity, String) {
    let of_rule = rule.and_then(|rule| rule.properties.as_ref());
    let scores = [item.properties.as_ref(), of_rule];
    let score = scores.into_iter().flatten().find_map(|properties| {
        let value = properties.security_severity.as_ref()?;
        let score: f64 = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
        (0.0..=10.0).contains(&score).then_some(score)
    });
    if let Some(score) = score {
        let severity = match score {
            s if s >= 9.0 => Severity::Critical,
            s if s >= 7.0 => Severity::High,
            s if s >= 4.0 => Severity::Medium,
            _ => Severity::Low,
        };
        return (severity, score.to_string());
    }
    let default = rule.and_then(|rule| rule.default_configuration.as_ref()?.level.as_deref());
    let level = item.level.as_deref().or(default);
    // Gitleaks writes no level at all, which would read as a warning.
    if level.is_none() && tool.eq_ignore_ascii_case("gitleaks") {
        return (Severity::Critical, String::new());
    }
    // The standard's default.
    let severity = match level.unwrap_or("warning") {
        "error" => Severity::High,
        "warning" => Severity::Medium,
        "note" | "none" => Severity::Low,
        _ => Severity::Unknown,
    };
    (severity, level.unwrap_or("").to_owned())
}

#[derive(Default)]
struct Place<'a> {
    path: Cow<'a, str>,
    line: Option<u64>,
    resource: &'a str,
    snippet: &'a str,
}

fn place<'a>(item: &'a ResultItem<'_>) -> Place<'a> {
    let Some(first) = item.locations.iter().flatten().next() else { return Place::default() };
    let physical = first.physical_location.as_ref();
    let path = physical.and_then(|p| p.artifact_location.as_ref()?.uri.as_deref()).unwrap_or("");
    let region = physical.and_then(|p| p.region.as_ref());
    let snippet = region.and_then(|region| region.snippet.as_ref());
    let snippet = snippet.map_or("", |snippet| snippet.text.as_str());
    let logical = first.logical_locations.iter().flatten().next();
    let name = logical.and_then(|l| l.fully_qualified_name.as_deref().or(l.name.as_deref()));
    let line = region.and_then(|region| region.start_line);
    Place { path: unescaped(path), line, resource: name.unwrap_or(""), snippet }
}

/// A URI reference as the path that it stands for; an address stays one.
fn unescaped(uri: &str) -> Cow<'_, str> {
    if !uri.contains('%') || uri.contains("://") {
        return Cow::Borrowed(uri);
    }
    let bytes = uri.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        let escaped = (byte == b'%').then(|| Some(digit(at + 1)? * 16 + digit(at + 2)?)).flatten();
        let escaped = escaped.and_then(|code| u8::try_from(code).ok());
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    // What is no text when it is unescaped was not escaped.
    String::from_utf8(out).map_or(Cow::Borrowed(uri), Cow::Owned)
}

/// The tool's own fingerprints where they are some.
fn fingerprints(item: &ResultItem<'_>) -> String {
    // Gitleaks keeps the commit's metadata there; Semgrep a placeholder.
    let metadata = ["commitSha", "email", "author", "date", "commitMessage"];
    let all = item.partial_fingerprints.iter().chain(&item.fingerprints).flatten();
    let mut own: Vec<String> = all
        .filter(|(key, _)| !metadata.contains(&key.as_str()))
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(_, value)| *value != "requires login")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    own.sort_unstable();
    own.join(" ")
}
