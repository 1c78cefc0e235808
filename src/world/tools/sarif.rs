//! SARIF 2.1.0: what Gitleaks, Trivy, Conftest, Semgrep, Snyk and most scanners write.
//!
//! A run without results proves little by itself: it counts as clean only where it says what it
//! looked at (rules, artifacts, an image, supported files, or at least that it succeeded).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::report::{Found, ReadError, Source, Tally, plural};
use crate::release::{Clean, Severity};

#[derive(Deserialize)]
struct Log {
    version: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    /// Absent or null where the tool did not get as far as scanning.
    results: Option<Vec<ResultItem>>,
    #[serde(default)]
    artifacts: Option<Vec<Unread>>,
    #[serde(default)]
    invocations: Option<Vec<Invocation>>,
    #[serde(default)]
    properties: Option<RunProperties>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Component,
    #[serde(default)]
    extensions: Option<Vec<Component>>,
}

#[derive(Deserialize)]
struct Component {
    name: String,
    #[serde(default)]
    rules: Option<Vec<RuleItem>>,
}

/// Something that is counted and not read.
#[derive(Deserialize)]
struct Unread {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleItem {
    id: String,
    #[serde(default)]
    short_description: Option<Message>,
    #[serde(default)]
    default_configuration: Option<Configuration>,
    #[serde(default)]
    properties: Option<Properties>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    level: Option<String>,
}

/// Every tool puts what it likes here; only these two are read, whatever their type.
#[derive(Deserialize)]
struct Properties {
    #[serde(default, rename = "security-severity")]
    security_severity: Option<Value>,
}

#[derive(Deserialize)]
struct RunProperties {
    /// Trivy, for images.
    #[serde(default, rename = "imageName")]
    image_name: Option<Value>,
    /// Snyk Code: files per language.
    #[serde(default)]
    coverage: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    #[serde(default)]
    execution_successful: Option<bool>,
    #[serde(default)]
    exit_code_description: Option<String>,
    #[serde(default)]
    tool_execution_notifications: Option<Vec<Notification>>,
    #[serde(default)]
    tool_configuration_notifications: Option<Vec<Notification>>,
}

#[derive(Deserialize)]
struct Notification {
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    message: Option<Message>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultItem {
    #[serde(default)]
    rule_id: Option<String>,
    #[serde(default)]
    rule_index: Option<i64>,
    #[serde(default)]
    rule: Option<RuleReference>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    message: Message,
    #[serde(default)]
    locations: Option<Vec<Location>>,
    #[serde(default)]
    partial_fingerprints: Option<HashMap<String, Value>>,
    #[serde(default)]
    fingerprints: Option<HashMap<String, Value>>,
    #[serde(default)]
    baseline_state: Option<String>,
    #[serde(default)]
    suppressions: Option<Vec<Suppression>>,
    #[serde(default)]
    properties: Option<Properties>,
}

#[derive(Deserialize)]
struct RuleReference {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    index: Option<i64>,
}

#[derive(Deserialize)]
struct Suppression {
    #[serde(default)]
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(default)]
    physical_location: Option<Physical>,
    #[serde(default)]
    logical_locations: Option<Vec<Logical>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    #[serde(default)]
    artifact_location: Option<Artifact>,
    #[serde(default)]
    region: Option<Region>,
}

#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    #[serde(default)]
    start_line: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    fully_qualified_name: Option<String>,
}

pub(super) fn read(source: &Source<'_>) -> Result<Tally, ReadError> {
    let log: Log = serde_json::from_str(source.text).map_err(|error| ReadError::Damaged {
        tool: source.tool.clone(),
        line: error.line(),
        column: error.column(),
        what: Clean::new(&format!("it is not SARIF: {error}")).cut(240),
    })?;
    if log.version != "2.1.0" {
        let what = format!("SARIF {:?} is not understood, only \"2.1.0\"", log.version);
        return Err(source.damaged(0, &what));
    }
    let named = log.runs.first().map(|run| run.tool.driver.name_clean());
    let name = named.unwrap_or_else(|| source.tool.clone());
    let mut tally = Tally::new(name);
    if log.runs.is_empty() {
        tally.not_scanned = Some("the report holds no run".into());
    }
    let mut seen = Coverage::default();
    for run in &log.runs {
        read_run(run, &mut tally, &mut seen);
    }
    tally.coverage = seen.words();
    Ok(tally)
}

impl Component {
    fn name_clean(&self) -> Clean {
        Clean::new(&self.name).cut(60)
    }
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
}

fn read_run(run: &Run, tally: &mut Tally, seen: &mut Coverage) {
    let tool = &run.tool;
    if let Some(why) = broken(run.invocations.as_deref().unwrap_or_default()) {
        tally.crashed.get_or_insert(why);
    }
    let Some(results) = &run.results else {
        let why = format!("{} ended without a list of results", tool.driver.name);
        tally.not_scanned.get_or_insert(why);
        return;
    };
    let rules = tool.driver.rules.as_deref().unwrap_or_default();
    let more = tool.extensions.iter().flatten().filter_map(|part| part.rules.as_deref());
    let more: Vec<&RuleItem> = more.flatten().collect();
    let by_id: HashMap<&str, &RuleItem> =
        rules.iter().chain(more.iter().copied()).map(|rule| (rule.id.as_str(), rule)).collect();
    let before = (seen.passed, seen.suppressed, seen.results);
    for item in results {
        read_result(item, rules, &by_id, tally, seen);
    }
    let looked =
        (seen.passed - before.0) + (seen.suppressed - before.1) + (seen.results - before.2);
    let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
    let artifacts = count(run.artifacts.as_ref().map_or(0, Vec::len));
    let all_rules = count(rules.len() + more.len());
    let (images, files) = run.properties.as_ref().map_or((0, 0), of_properties);
    let succeeded = run
        .invocations
        .iter()
        .flatten()
        .any(|invocation| invocation.execution_successful == Some(true));
    let covered = looked + artifacts + all_rules + images + files;
    if covered == 0 && !succeeded {
        let why = format!("{} names nothing that it looked at", tool.driver.name);
        tally.not_scanned.get_or_insert(why);
    }
    seen.artifacts += artifacts;
    seen.rules += all_rules;
    seen.images += images;
    seen.files += files;
    tally.covered = tally.covered.saturating_add(covered.max(u64::from(succeeded)));
}

/// Images and files that a run's own properties say were scanned.
fn of_properties(properties: &RunProperties) -> (u64, u64) {
    let named = properties.image_name.as_ref().and_then(Value::as_str);
    let images = u64::from(named.is_some_and(|name| !name.is_empty()));
    let coverage = properties.coverage.as_ref().and_then(Value::as_array);
    let supported = coverage
        .into_iter()
        .flatten()
        .filter(|part| part.get("isSupported").and_then(Value::as_bool) != Some(false));
    let files = supported.filter_map(|part| part.get("files")?.as_u64());
    (images, files.fold(0, u64::saturating_add))
}

/// Why a tool says that it did not run well.
fn broken(invocations: &[Invocation]) -> Option<String> {
    for invocation in invocations {
        let notifications = invocation
            .tool_execution_notifications
            .iter()
            .chain(&invocation.tool_configuration_notifications)
            .flatten();
        let error = notifications
            .filter(|notification| notification.level.as_deref() == Some("error"))
            .map(|notification| notification.message.as_ref().and_then(|m| m.text.clone()))
            .next();
        if invocation.execution_successful == Some(false) || error.is_some() {
            let described = || invocation.exit_code_description.clone();
            let why = error.flatten().or_else(described);
            return Some(why.unwrap_or_else(|| "the tool says that it failed".into()));
        }
    }
    None
}

fn read_result(
    item: &ResultItem,
    rules: &[RuleItem],
    by_id: &HashMap<&str, &RuleItem>,
    tally: &mut Tally,
    seen: &mut Coverage,
) {
    match item.kind.as_deref() {
        Some("pass") => {
            seen.passed += 1;
            return;
        }
        Some("notApplicable" | "informational") => return,
        _ => {}
    }
    if item.baseline_state.as_deref() == Some("absent") {
        return;
    }
    let accepted = |s: &Suppression| s.status.as_deref().is_none_or(|status| status == "accepted");
    if item.suppressions.as_ref().is_some_and(|all| !all.is_empty() && all.iter().all(accepted)) {
        seen.suppressed += 1;
        return;
    }
    seen.results += 1;
    let reference = item.rule.as_ref();
    let id = item.rule_id.as_deref().or_else(|| reference.and_then(|rule| rule.id.as_deref()));
    let index = item.rule_index.or_else(|| reference.and_then(|rule| rule.index));
    let by_index = || index.and_then(|i| rules.get(usize::try_from(i).ok()?));
    let rule = id.and_then(|id| by_id.get(id).copied()).or_else(by_index);
    let id = id.or(rule.map(|rule| rule.id.as_str())).unwrap_or("no rule");
    let (severity, original) = severity(item, rule, tally.tool.as_str());
    let text = item.message.text.as_deref().unwrap_or("").trim();
    let short = rule.and_then(|rule| rule.short_description.as_ref()?.text.as_deref());
    // Trivy writes a table into the message and the sentence into the rule.
    let title = match (text, short) {
        ("", short) => short.unwrap_or(id),
        (text, Some(short)) if text.contains('\n') => short,
        (text, _) => text.lines().next().unwrap_or(text),
    };
    let location = location(item);
    tally.add(&Found {
        rule: id,
        severity,
        original: original.as_deref(),
        title,
        location: &location,
        identity: &identity(item, text),
    });
}

/// The tool's own score, then its level, then its rule's default; a secret is always critical.
fn severity(item: &ResultItem, rule: Option<&RuleItem>, tool: &str) -> (Severity, Option<String>) {
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
        return (severity, Some(score.to_string()));
    }
    let default = rule.and_then(|rule| rule.default_configuration.as_ref()?.level.as_deref());
    let level = item.level.as_deref().or(default);
    // Gitleaks writes no level at all, which would read as a warning.
    if level.is_none() && tool.eq_ignore_ascii_case("gitleaks") {
        return (Severity::Critical, None);
    }
    // The standard's default.
    let severity = match level.unwrap_or("warning") {
        "error" => Severity::High,
        "warning" => Severity::Medium,
        "note" | "none" => Severity::Low,
        _ => Severity::Unknown,
    };
    (severity, level.map(str::to_owned))
}

fn location(item: &ResultItem) -> String {
    let Some(first) = item.locations.iter().flatten().next() else { return String::new() };
    let physical = first.physical_location.as_ref();
    let uri = physical.and_then(|p| p.artifact_location.as_ref()?.uri.as_deref());
    let line = physical.and_then(|p| p.region.as_ref()?.start_line);
    if let Some(uri) = uri.filter(|uri| !uri.is_empty()) {
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        return line.map_or_else(|| path.to_owned(), |line| format!("{path}:{line}"));
    }
    let logical = first.logical_locations.iter().flatten().next();
    let name = logical.and_then(|l| l.fully_qualified_name.as_ref().or(l.name.as_ref()));
    name.cloned().unwrap_or_default()
}

/// The tool's own fingerprints where they are some, otherwise the message.
fn identity(item: &ResultItem, text: &str) -> String {
    // Gitleaks keeps the commit's metadata there; Semgrep a placeholder.
    let metadata = ["commitSha", "email", "author", "date", "commitMessage"];
    let all = item.partial_fingerprints.iter().chain(&item.fingerprints).flatten();
    let mut own: Vec<String> = all
        .filter(|(key, _)| !metadata.contains(&key.as_str()))
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(_, value)| *value != "requires login")
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if own.is_empty() {
        return text.to_owned();
    }
    own.sort_unstable();
    own.join(" ")
}
