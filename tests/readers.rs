//! The report readers on what the real tools wrote, and on what a hostile or broken one might.

mod hostile;
mod real;

use gonogo::release::ReportFormat::{self, CargoJson, Junit, Sarif};
use gonogo::world::tools::{ReadError, Report, read};

/// Every recorded report, with its format.
const FIXTURES: [(ReportFormat, &str); 24] = [
    (Sarif, "gitleaks/findings.sarif"),
    (Sarif, "gitleaks/clean.sarif"),
    (Sarif, "checkov/findings.sarif"),
    (Sarif, "trivy/config.sarif"),
    (Sarif, "trivy/vuln.sarif"),
    (Sarif, "tfsec/findings.sarif"),
    (Sarif, "conftest/findings.sarif"),
    (Sarif, "semgrep/findings.sarif"),
    (Sarif, "hadolint/findings.sarif"),
    (Junit, "gitleaks/findings.junit.xml"),
    (Junit, "checkov/findings.junit.xml"),
    (Junit, "tfsec/findings.junit.xml"),
    (Junit, "conftest/findings.junit.xml"),
    (Junit, "semgrep/findings.junit.xml"),
    (Junit, "mocha/fail.junit.xml"),
    (Junit, "newman/pass.junit.xml"),
    (Junit, "newman/fail.junit.xml"),
    (Junit, "newman/down.junit.xml"),
    (Junit, "playwright/pass.junit.xml"),
    (Junit, "playwright/fail.junit.xml"),
    (CargoJson, "cargo/clippy-clean.json"),
    (CargoJson, "cargo/clippy-warnings.json"),
    (CargoJson, "cargo/clippy-denied.json"),
    (CargoJson, "cargo/build-script-fails.json"),
];

fn fixture(path: &str) -> Vec<u8> {
    let full = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&full).unwrap_or_else(|e| panic!("{full}: {e}"))
}

fn parse(format: ReportFormat, mut bytes: &[u8]) -> Result<Report, ReadError> {
    read(format, "a.step", &mut bytes)
}
