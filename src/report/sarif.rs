//! Writes SARIF 2.1.0: a run for each report, with fingerprints that survive moved lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::findings::{Reviewed, left_off, state};
use crate::release::{Finding, ReportState, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// All reports as one log.
pub fn sarif(all: &[Reviewed]) -> Value {
    let runs: Vec<Value> = all.iter().map(run).collect();
    json!({"$schema": SCHEMA, "version": "2.1.0", "runs": runs})
}

fn run(one: &Reviewed) -> Value {
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rules = Vec::new();
    for finding in &one.findings {
        let rule = finding.rule.as_str();
        index.entry(rule).or_insert_with(|| {
            rules.push(json!({"id": rule}));
            rules.len() - 1
        });
    }
    let (word, reason) = state(&one.state);
    let well = matches!(one.state, ReportState::Clean | ReportState::Findings);
    let mut invocation = json!({"executionSuccessful": well});
    let note = |level: &str, text: String| json!({"level": level, "message": {"text": text}});
    let mut notes: Vec<Value> =
        reason.map(|reason| note("error", format!("{word}: {reason}"))).into_iter().collect();
    notes.extend(left_off(std::slice::from_ref(one)).map(|text| note("warning", text)));
    if !notes.is_empty() {
        invocation["toolExecutionNotifications"] = json!(notes);
    }
    let name = if one.tool.as_str().is_empty() { "unknown" } else { one.tool.as_str() };
    let results: Vec<Value> = one.findings.iter().map(|finding| result(finding, &index)).collect();
    json!({
        "tool": {"driver": {"name": name, "rules": rules}},
        "invocations": [invocation],
        "results": results,
        "properties": {"report": one.file, "lookedAt": one.coverage},
    })
}

fn result(finding: &Finding, index: &BTreeMap<&str, usize>) -> Value {
    let (level, score) = match finding.severity {
        Severity::Critical => ("error", Some("9.5")),
        Severity::High => ("error", Some("8.0")),
        Severity::Medium => ("warning", Some("5.0")),
        Severity::Low => ("note", Some("2.0")),
        Severity::Unknown => ("none", None),
    };
    let title = finding.title.as_str();
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": index.get(finding.rule.as_str()),
        "level": level,
        "message": {"text": if title.is_empty() { finding.rule.as_str() } else { title }},
        "partialFingerprints": {"gonogo/v1": finding.fingerprint},
        "properties": {"kind": finding.kind},
    });
    if let Some(score) = score {
        result["properties"]["security-severity"] = json!(score);
    }
    for (key, text) in [("fix", &finding.fix), ("evidence", &finding.evidence)] {
        if let Some(text) = text {
            result["properties"][key] = json!(text);
        }
    }
    if let Some(package) = &finding.package {
        result["properties"]["package"] = json!(package);
    }
    let location = finding.location.as_str();
    if !location.is_empty() {
        result["locations"] = json!([place(finding, location)]);
    }
    result
}

fn place(finding: &Finding, location: &str) -> Value {
    let resource = finding.resource.as_ref().map(|resource| json!([{"name": resource}]));
    if finding.resource.as_ref().is_some_and(|resource| resource.as_str() == location) {
        return json!({"logicalLocations": resource});
    }
    let line = location.rsplit_once(':').and_then(|(path, line)| {
        let line: u32 = line.parse().ok().filter(|line| *line > 0)?;
        Some((path, line))
    });
    let (path, line) = line.map_or((location, None), |(path, line)| (path, Some(line)));
    let mut physical = json!({"artifactLocation": {"uri": uri(path)}});
    if let Some(line) = line {
        physical["region"] = json!({"startLine": line});
    }
    let mut place = json!({"physicalLocation": physical});
    if let Some(resource) = resource {
        place["logicalLocations"] = resource;
    }
    place
}

/// A path as a URI reference.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:?#@!$&'()*+,;=%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
