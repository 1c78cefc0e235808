//! Reports that the real tools wrote, for formats that a rehearsal does not make up itself.

use crate::release::ReportFormat;

/// What a tool of this format wrote when it found something, or nothing.
pub(super) fn recorded(format: ReportFormat, bad: bool) -> &'static str {
    macro_rules! fixture {
        ($path:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $path))
        };
    }
    use ReportFormat as F;
    match (format, bad) {
        (F::Junit, true) => fixture!("mocha/fail.junit.xml"),
        (F::Junit, false) => fixture!("newman/pass.junit.xml"),
        (F::Sarif, true) => fixture!("semgrep/findings.sarif"),
        (F::Sarif, false) => fixture!("gitleaks/clean.sarif"),
        (F::CargoJson, true) => fixture!("cargo/clippy-denied.json"),
        (F::CargoJson, false) => fixture!("cargo/clippy-clean.json"),
        (F::TrivyJson, true) => fixture!("trivy/vuln-minidb.json"),
        (F::TrivyJson, false) => fixture!("trivy/config-clean.json"),
        (F::GitleaksJson, false) => fixture!("gitleaks/clean.json"),
        (F::KubesecJson, true) => fixture!("kubesec/findings.json"),
        (F::KubesecJson, false) => fixture!("kubesec/clean.json"),
        (F::GitleaksJson, true) => fixture!("gitleaks/findings-redacted.json"),
    }
}
