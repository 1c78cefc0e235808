//! Which encoding and which format a report has, by its first bytes.

use std::borrow::Cow;

use crate::release::ReportFormat;

/// How many bytes of a report's beginning are enough.
pub const GUESS_BYTES: usize = 64 << 10;

/// The format of a report that begins with `head`; none where nothing tells it. An empty JSON list
/// is what several tools leave.
pub fn guess(head: &[u8]) -> Option<ReportFormat> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = String::from_utf8_lossy(&head[..head.len().min(GUESS_BYTES)]);
    let head = head.trim_start();
    match head.bytes().next()? {
        b'{' | b'[' => of_json(head),
        b'<' => of_xml(head),
        b'T' | b'S' if head.starts_with("TN:") || head.starts_with("SF:") => {
            Some(ReportFormat::Lcov)
        }
        _ => None,
    }
}

/// A report as UTF-8: what PowerShell's `>` writes is UTF-16. Anything else is left as it is.
pub(super) fn utf8(raw: &[u8]) -> Cow<'_, [u8]> {
    let (text, unit): (_, fn([u8; 2]) -> u16) = match raw {
        [0xff, 0xfe, text @ ..] => (text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => (text, u16::from_be_bytes),
        [b'{' | b'[' | b'<', 0, ..] => (raw, u16::from_le_bytes),
        [0, b'{' | b'[' | b'<', ..] => (raw, u16::from_be_bytes),
        _ => return Cow::Borrowed(raw),
    };
    let (pairs, rest) = text.as_chunks::<2>();
    let chars = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)));
    let mut text: String = chars.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    if !rest.is_empty() {
        // Half a character is missing: so may be more.
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Cow::Owned(text.into_bytes())
}

fn of_xml(head: &str) -> Option<ReportFormat> {
    let mut rest = head;
    loop {
        let tag = rest.get(rest.find('<')? + 1..)?;
        if tag.starts_with(['?', '!']) {
            rest = tag;
            continue;
        }
        let end = tag.find(|c: char| c.is_whitespace() || matches!(c, '>' | '/'))?;
        return match &tag[..end] {
            "testsuites" | "testsuite" => Some(ReportFormat::Junit),
            "coverage" => Some(ReportFormat::Cobertura),
            _ => None,
        };
    }
}

/// Formats by keys that stand together in the outermost object, or in the first of a list.
const BY_KEYS: [(ReportFormat, &[&str]); 43] = [
    (ReportFormat::Sarif, &["runs"]),
    (ReportFormat::TrivyJson, &["SchemaVersion"]),
    // Sorted keys put the version behind all results.
    (ReportFormat::TrivyJson, &["ArtifactName", "Results"]),
    // A long list of matches hides the keys that follow it.
    (ReportFormat::GrypeJson, &["matches"]),
    (ReportFormat::GrypeJson, &["descriptor", "distro"]),
    (ReportFormat::OsvJson, &["results", "experimental_config"]),
    (ReportFormat::GitleaksJson, &["RuleID", "Secret"]),
    (ReportFormat::KubesecJson, &["object", "scoring"]),
    (ReportFormat::CargoJson, &["reason"]),
    // A long list of results may hide the keys that follow it.
    (ReportFormat::SemgrepJson, &["version", "results"]),
    (ReportFormat::SemgrepJson, &["results", "errors"]),
    (ReportFormat::CheckovJson, &["check_type"]),
    (ReportFormat::CheckovJson, &["passed", "failed", "checkov_version"]),
    (ReportFormat::HadolintJson, &["code", "file", "level"]),
    (ReportFormat::ConftestJson, &["filename", "namespace"]),
    (ReportFormat::TfsecJson, &["results"]),
    (ReportFormat::TerraformPlan, &["terraform_version", "planned_values"]),
    (ReportFormat::TerraformLog, &["@level", "@module"]),
    (ReportFormat::SonarIssues, &["paging", "issues"]),
    (ReportFormat::SonarIssues, &["paging", "hotspots"]),
    (ReportFormat::SonarGate, &["projectStatus"]),
    (ReportFormat::SonarMeasures, &["component"]),
    (ReportFormat::Cyclonedx, &["bomFormat"]),
    (ReportFormat::Cyclonedx, &["components"]),
    (ReportFormat::JestJson, &["numFailedTests", "testResults"]),
    (ReportFormat::MochaJson, &["stats", "tests"]),
    (ReportFormat::PlaywrightJson, &["config", "suites"]),
    (ReportFormat::NewmanJson, &["collection", "run"]),
    (ReportFormat::NewmanJson, &["collection", "environment"]),
    (ReportFormat::NewmanJson, &["collection"]),
    (ReportFormat::CoverageSummary, &["total"]),
    (ReportFormat::K6Summary, &["metrics", "root_group"]),
    (ReportFormat::ZapJson, &["@version", "@generated"]),
    (ReportFormat::WapitiJson, &["classifications"]),
    (ReportFormat::KubeBenchJson, &["Controls"]),
    (ReportFormat::KubeBenchJson, &["node_type", "tests"]),
    (ReportFormat::Spdx, &["spdxVersion"]),
    (ReportFormat::FlywayJson, &["operation", "flywayVersion"]),
    (ReportFormat::FlywayJson, &["operation", "migrations"]),
    (ReportFormat::FlywayJson, &["error"]),
    (ReportFormat::CosignJson, &["critical"]),
    (ReportFormat::CosignJson, &["payloadType", "signatures"]),
    // Sorted keys put what could not be parsed, which may be long, before all results.
    (ReportFormat::SemgrepJson, &["errors"]),
];

fn of_json(head: &str) -> Option<ReportFormat> {
    let keys = outer_keys(head);
    let has = |key: &&str| keys.iter().any(|own| own == key);
    let known = BY_KEYS.iter().find(|(_, all)| all.iter().all(has)).map(|(format, _)| *format);
    // Two tools begin with a long list of the same name.
    let of_osv = || keys_at(head, 3).iter().any(|own| matches!(*own, "source" | "packages"));
    let known = match known {
        Some(ReportFormat::TfsecJson) if of_osv() => Some(ReportFormat::OsvJson),
        known => known,
    };
    // Every answer of Azure is a list called value: only what stands in it tells them apart.
    let azure = || head.contains("/providers/Microsoft.Security/assessments/");
    known.or_else(|| azure().then_some(ReportFormat::DefenderJson))
}

/// The keys of the outermost object, or of the first object of the outermost list.
fn outer_keys(head: &str) -> Vec<&str> {
    keys_at(head, if head.starts_with('[') { 2 } else { 1 })
}

/// The keys at so many brackets deep, up to the first end of what stands there.
fn keys_at(head: &str, level: usize) -> Vec<&str> {
    let bytes = head.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    let mut keys = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth < level {
                    break;
                }
            }
            b'"' => {
                let from = at + 1;
                at = from;
                while let Some(&inner) = bytes.get(at) {
                    match inner {
                        b'\\' => at += 2,
                        b'"' => break,
                        _ => at += 1,
                    }
                }
                let after = bytes.get(at + 1..).unwrap_or_default();
                let colon = after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if depth == level && colon {
                    keys.extend(head.get(from..at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    keys
}
