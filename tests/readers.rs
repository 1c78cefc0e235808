//! The report readers on what the real tools wrote, and on what a hostile or broken one might.

mod cases;
mod command;
mod fuzz;
mod hostile;
mod mutate;
mod native;
mod real;
mod stable;
mod table;

use gonogo::release::ReportFormat::{
    self, CargoJson, CheckovJson, Cobertura, ConftestJson, CosignJson, CoverageSummary, Cyclonedx,
    DefenderJson, FlywayJson, GitleaksJson, GrypeJson, HadolintJson, JestJson, Junit, K6Summary,
    KubeBenchJson, KubesecJson, Lcov, MochaJson, NewmanJson, OsvJson, PlaywrightJson, Sarif,
    SemgrepJson, SonarGate, SonarIssues, SonarMeasures, Spdx, TerraformLog, TerraformPlan,
    TfsecJson, TrivyJson, WapitiJson, ZapJson,
};
use gonogo::world::tools::{Key, Origin, ReadError, Report, read};

/// Recorded reports, with their formats; the others stand in [`table::TABLE`].
const OLDER: [(ReportFormat, &str); 41] = [
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
    (TrivyJson, "trivy/clean.json"),
    (TrivyJson, "trivy/config-clean.json"),
    (TrivyJson, "trivy/config-docker.json"),
    (TrivyJson, "trivy/config.json"),
    (TrivyJson, "trivy/error-parse-tf.json"),
    (TrivyJson, "trivy/license.json"),
    (TrivyJson, "trivy/sbom-scan.json"),
    (TrivyJson, "trivy/secret.json"),
    (TrivyJson, "trivy/vuln-critical-only.json"),
    (TrivyJson, "trivy/vuln-minidb.json"),
    (GitleaksJson, "gitleaks/dir.json"),
    (GitleaksJson, "gitleaks/findings.json"),
    (GitleaksJson, "gitleaks/findings-redacted.json"),
    (KubesecJson, "kubesec/clean.json"),
    (KubesecJson, "kubesec/error-invalid-manifest.json"),
    (KubesecJson, "kubesec/error-offline-no-schema.json"),
    (KubesecJson, "kubesec/findings.json"),
];

/// Every format. A new one is in it, or the schema of plans names one that it lacks.
const FORMATS: [ReportFormat; ReportFormat::ALL.len()] = ReportFormat::ALL;

#[test]
fn no_format_is_forgotten() {
    let schema = serde_json::to_value(schemars::schema_for!(ReportFormat)).expect("a schema");
    let mut named: Vec<String> = Vec::new();
    let mut todo = vec![&schema];
    while let Some(value) = todo.pop() {
        match value {
            serde_json::Value::Array(all) => todo.extend(all),
            serde_json::Value::Object(keys) => {
                named.extend(keys.get("const").and_then(|name| name.as_str()).map(str::to_owned));
                let listed = keys.get("enum").and_then(|all| all.as_array());
                let listed = listed.into_iter().flatten().filter_map(|name| name.as_str());
                named.extend(listed.map(str::to_owned));
                todo.extend(keys.values());
            }
            _ => {}
        }
    }
    let mut all: Vec<String> = FORMATS
        .iter()
        .map(|format| serde_json::to_value(format).expect("text").as_str().expect("text").into())
        .collect();
    named.sort();
    all.sort();
    assert_eq!(named, all);
    // Each has a recorded report, so that each test of spoilt reports spoils one of it.
    for format in FORMATS {
        assert!(fixtures().any(|(own, _)| own == format), "{format:?} has no fixture");
    }
}

/// Every recorded report that says what it is.
fn fixtures() -> impl Iterator<Item = (ReportFormat, &'static str)> {
    let others = table::TABLE.iter().map(|(format, path, _)| (*format, *path));
    OLDER.into_iter().chain(others).filter(|(_, path)| *path != "hadolint/clean.json")
}

fn fixture(path: &str) -> Vec<u8> {
    let full = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&full).unwrap_or_else(|e| panic!("{full}: {e}"))
}

static KEY: Key = Key::new([7; 32]);

fn parse(format: ReportFormat, bytes: &[u8]) -> Result<Report, ReadError> {
    read(format, &Origin { tool: "a.step", key: Some(&KEY), ..Origin::default() }, bytes)
}

/// Whether the format is a list of lines or records, of which a part may look whole.
fn in_records(format: ReportFormat, path: &str) -> bool {
    matches!(format, TerraformLog | Lcov) || path == "cosign/verify-attestation.ndjson"
}
