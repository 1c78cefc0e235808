//! Counts of the recorded reports, as jq and an XML reader say.

use gonogo::release::Severity::{Critical, High, Low, Medium};
use gonogo::release::{Digest, ReportFormat, ReportState, ReportSummary, Severity, TestCounts};

use super::{CargoJson, Junit, Sarif, fixture, parse};

fn summary(format: ReportFormat, path: &str) -> ReportSummary {
    let bytes = fixture(path);
    let report = parse(format, &bytes).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!(report.summary.digest, Digest::of(&bytes), "{path}");
    let counted: u32 = report.summary.counts.values().sum();
    assert_eq!(report.findings.len(), counted as usize, "{path}");
    report.summary
}

fn counts(summary: &ReportSummary) -> [u32; 5] {
    Severity::ALL.map(|severity| summary.count(severity))
}

#[test]
fn sarif_counts_and_severities() {
    let table = [
        ("gitleaks/findings.sarif", "gitleaks", [4, 0, 0, 0, 0]),
        ("gitleaks/clean.sarif", "gitleaks", [0; 5]),
        ("checkov/findings.sarif", "Checkov", [0, 44, 0, 0, 0]),
        ("trivy/config.sarif", "Trivy", [7, 12, 12, 27, 0]),
        ("trivy/vuln.sarif", "Trivy", [1, 1, 0, 0, 0]),
        ("tfsec/findings.sarif", "defsec", [0, 7, 2, 2, 0]),
        ("conftest/findings.sarif", "conftest", [0, 3, 2, 0, 0]),
        ("semgrep/findings.sarif", "Semgrep OSS", [0, 2, 1, 1, 0]),
        ("hadolint/findings.sarif", "Hadolint", [0, 2, 4, 2, 0]),
    ];
    for (path, tool, expected) in table {
        let summary = summary(Sarif, path);
        assert_eq!(summary.tool.as_str(), tool, "{path}");
        assert_eq!(counts(&summary), expected, "{path}");
        let clean = expected == [0; 5];
        let state = if clean { ReportState::Clean } else { ReportState::Findings };
        assert_eq!(summary.state, state, "{path}");
        assert!(summary.covered > 0, "{path}");
        assert!(summary.worst.len() <= 20, "{path}");
        assert!(summary.worst.is_sorted_by_key(|finding| finding.severity), "{path}");
    }
}

#[test]
fn a_finding_names_rule_place_and_title() {
    let trivy = summary(Sarif, "trivy/vuln.sarif");
    let worst = &trivy.worst[1];
    assert_eq!((worst.rule.as_str(), worst.severity), ("CVE-2021-23337", High));
    assert_eq!(worst.location.as_str(), "package-lock.json:4");
    assert_eq!(worst.title.as_str(), "lodash: command injection via template");
    assert_eq!(worst.original.as_ref().map(AsRef::as_ref), Some("8"));
    let leak = &summary(Sarif, "gitleaks/findings.sarif").worst[0];
    assert_eq!(leak.location.as_str(), "backend/deploy.key:1");
    assert_eq!((leak.severity, &leak.original), (Critical, &None));
}

#[test]
fn what_clean_looked_at_is_said() {
    let clean = summary(Sarif, "gitleaks/clean.sarif");
    assert_eq!((clean.coverage.as_str(), clean.covered), ("220 rules", 220));
}

#[test]
fn junit_counts() {
    let table = [
        ("gitleaks/findings.junit.xml", 0, 4, 0),
        ("checkov/findings.junit.xml", 13, 44, 0),
        ("tfsec/findings.junit.xml", 0, 11, 0),
        ("conftest/findings.junit.xml", 5, 5, 0),
        ("semgrep/findings.junit.xml", 0, 4, 0),
        // Mocha declares the pending test and does not write it down.
        ("mocha/fail.junit.xml", 3, 1, 1),
        ("newman/pass.junit.xml", 4, 0, 0),
        ("newman/fail.junit.xml", 4, 2, 0),
        ("newman/down.junit.xml", 0, 4, 0),
        ("playwright/pass.junit.xml", 2, 0, 0),
        ("playwright/fail.junit.xml", 2, 1, 1),
    ];
    for (path, passed, failed, skipped) in table {
        let summary = summary(Junit, path);
        assert_eq!(summary.tests, Some(TestCounts { passed, failed, skipped }), "{path}");
        let state = if failed == 0 { ReportState::Clean } else { ReportState::Findings };
        assert_eq!(summary.state, state, "{path}");
        assert_eq!(summary.covered, u64::from(passed + failed), "{path}");
        assert_eq!(summary.count(High), failed, "{path}");
    }
}

#[test]
fn a_failed_test_names_itself_and_why() {
    let mocha = summary(Junit, "mocha/fail.junit.xml");
    let first = &mocha.worst[0];
    assert_eq!(
        first.title.as_str(),
        "orders (broken) counts an empty order as free: expected 1 but was 0"
    );
    assert_eq!(first.rule.as_str(), "counts an empty order as free");
    assert_eq!(mocha.tool.as_str(), "a.step");
}

#[test]
fn cargo_messages() {
    let clean = summary(CargoJson, "cargo/clippy-clean.json");
    assert_eq!((clean.state, clean.covered), (ReportState::Clean, 1));
    let warned = summary(CargoJson, "cargo/clippy-warnings.json");
    // jq: 3 different warnings, said once for the library and once for its tests; 1 of the tests.
    let all = counts(&warned);
    assert_eq!(warned.state, ReportState::Findings);
    assert_eq!(all, [0, 0, all[2], 0, 0]);
    let rules: Vec<&str> = warned.worst.iter().map(|finding| finding.rule.as_str()).collect();
    assert!(rules.contains(&"clippy::needless_return"), "{rules:?}");
    assert!(rules.contains(&"unused_variables"), "{rules:?}");
    assert_eq!(rules.iter().filter(|rule| **rule == "clippy::ptr_arg").count(), 1);
    assert!(warned.worst[0].location.as_str().starts_with("src/lib.rs:"));
    let denied = summary(CargoJson, "cargo/clippy-denied.json");
    assert!(denied.count(High) >= 3 && denied.count(Medium) + denied.count(Low) == 0);
    let broken = summary(CargoJson, "cargo/build-script-fails.json");
    assert!(matches!(broken.state, ReportState::Crashed { .. }), "{:?}", broken.state);
}

#[test]
fn tests_after_a_build_are_counted() {
    let summary = summary(CargoJson, "cargo/test-failing.txt");
    assert_eq!(summary.tests, Some(TestCounts { passed: 1, failed: 1, skipped: 1 }));
    assert_eq!(summary.state, ReportState::Findings);
    let failed: Vec<_> = summary.worst.iter().filter(|f| f.severity == High).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].title.as_str(), "tests::is_wrong");
    assert_eq!(summary.coverage.as_str(), "1 package, 2 tests");
}
