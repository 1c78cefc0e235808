//! Writes SARIF 2.1.0: a run for each report, with fingerprints that survive moved lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::findings::{Review, Reviewed, left_off, state};
use crate::release::triage::Status;
use crate::release::{Finding, ReportState, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// All reports as one log. Against a baseline each result says whether it is new, and what is
/// fixed stands there as absent; what was set aside is suppressed.
pub fn sarif(review: &Review) -> Value {
    let mut runs: Vec<Value> = review.reports.iter().map(|one| run(one, review)).collect();
    for aside in &review.aside {
        let mut suppressed = result(&aside.finding, None);
        suppressed["suppressions"] =
            json!([{"kind": "external", "status": "accepted", "justification": aside.why}]);
        add(&mut runs, &aside.finding, suppressed);
    }
    for fixed in review.against.iter().flat_map(|against| &against.fixed) {
        let mut absent = result(fixed, None);
        absent["baselineState"] = json!("absent");
        add(&mut runs, fixed, absent);
    }
    json!({"$schema": SCHEMA, "version": "2.1.0", "runs": runs})
}

/// Adds a result to the run of its tool.
fn add(runs: &mut [Value], finding: &Finding, result: Value) {
    let of_tool = |run: &&mut Value| run["tool"]["driver"]["name"] == finding.tool.as_str();
    if let Some(results) =
        runs.iter_mut().find(of_tool).and_then(|run| run["results"].as_array_mut())
    {
        results.push(result);
    }
}

fn run(one: &Reviewed, review: &Review) -> Value {
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
    let results = one.findings.iter().enumerate().map(|(at, finding)| {
        let mut result = result(finding, index.get(finding.rule.as_str()).copied());
        if review.against.is_some() {
            let new = one.status.get(at) != Some(&Status::Existing);
            result["baselineState"] = json!(if new { "new" } else { "unchanged" });
        }
        result
    });
    json!({
        "tool": {"driver": {"name": name, "rules": rules}},
        "invocations": [invocation],
        "results": results.collect::<Vec<_>>(),
        "properties": {"report": one.file, "lookedAt": one.coverage},
    })
}

fn result(finding: &Finding, index: Option<usize>) -> Value {
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
        "level": level,
        "message": {"text": if title.is_empty() { finding.rule.as_str() } else { title }},
        "partialFingerprints": {"gonogo/v1": finding.fingerprint},
        "properties": {"gonogo": {
            "severity": finding.severity, "kind": finding.kind, "original": finding.original,
            "package": finding.package, "fix": finding.fix, "evidence": finding.evidence,
            "secret": finding.secret,
            "aliases": (!finding.aliases.is_empty()).then_some(&finding.aliases),
        }},
    });
    if let Some(own) = result["properties"]["gonogo"].as_object_mut() {
        own.retain(|_, value| !value.is_null());
    }
    if let Some(index) = index {
        result["ruleIndex"] = json!(index);
    }
    if let Some(score) = score {
        result["properties"]["security-severity"] = json!(score);
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

/// A path as a URI reference: what would end a path, or look like an escape or a scheme, is
/// escaped. An address stays one.
fn uri(path: &str) -> String {
    let address = path.contains("://");
    let mut out = String::with_capacity(path.len());
    let mut folder = false;
    for byte in path.bytes() {
        let plain = match byte {
            b':' => address || folder,
            b'?' | b'#' | b'%' => address,
            _ => byte.is_ascii_alphanumeric() || b"-._~/@!$&'()*+,;=".contains(&byte),
        };
        folder |= byte == b'/';
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_escaped_and_an_address_stays() {
        for (path, expected) in [
            ("src/pay.rs", "src/pay.rs"),
            ("100% sure/a b.js", "100%25%20sure/a%20b.js"),
            ("what?#1.js", "what%3F%231.js"),
            ("CVE:1", "CVE%3A1"),
            ("a/b:c", "a/b:c"),
            ("ü.js", "%C3%BC.js"),
            ("https://shop.example/a?b=%20#c", "https://shop.example/a?b=%20#c"),
        ] {
            assert_eq!(uri(path), expected, "{path}");
        }
    }
}
