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
    let (worse, well) = match format {
        F::Junit => (fixture!("mocha/fail.junit.xml"), fixture!("newman/pass.junit.xml")),
        F::Sarif => (fixture!("semgrep/findings.sarif"), fixture!("gitleaks/clean.sarif")),
        F::CargoJson => (fixture!("cargo/clippy-denied.json"), fixture!("cargo/clippy-clean.json")),
        F::TrivyJson => (fixture!("trivy/vuln-minidb.json"), fixture!("trivy/config-clean.json")),
        // Clean ones that say what was looked at: others leave that to their logs.
        F::GrypeJson => (fixture!("made/grype.json"), fixture!("made/grype-ignored.json")),
        F::OsvJson => (fixture!("made/osv.json"), fixture!("made/osv-all.json")),
        F::GitleaksJson => {
            (fixture!("gitleaks/findings-redacted.json"), fixture!("gitleaks/clean.json"))
        }
        F::KubesecJson => (fixture!("kubesec/findings.json"), fixture!("kubesec/clean.json")),
        F::SemgrepJson => (fixture!("semgrep/findings.json"), fixture!("semgrep/clean.json")),
        F::CheckovJson => {
            (fixture!("checkov/tf-findings.json"), fixture!("checkov/clean-passed.json"))
        }
        // A clean report of tfsec does not say that anything was looked at.
        F::TfsecJson => (fixture!("tfsec/findings.json"), fixture!("tfsec/clean.json")),
        F::HadolintJson => (fixture!("hadolint/findings.json"), fixture!("hadolint/clean.json")),
        F::ConftestJson => (fixture!("conftest/findings.json"), fixture!("conftest/clean.json")),
        F::TerraformPlan => {
            (fixture!("terraform/show-change.json"), fixture!("terraform/show-plan.json"))
        }
        F::TerraformLog => {
            (fixture!("terraform/plan-error.ndjson"), fixture!("terraform/plan.ndjson"))
        }
        F::SonarIssues => (fixture!("sonarqube/issues.json"), fixture!("sonarqube/hotspots.json")),
        F::SonarGate => (
            fixture!("sonarqube/quality-gate-failed.json"),
            fixture!("sonarqube/quality-gate.json"),
        ),
        F::SonarMeasures => {
            (fixture!("sonarqube/measures.json"), fixture!("sonarqube/measures.json"))
        }
        F::Cyclonedx => (fixture!("syft/empty.cdx.json"), fixture!("syft/backend.cdx.json")),
        F::Spdx => (fixture!("syft/backend.spdx.json"), fixture!("syft/backend.spdx.json")),
        F::FlywayJson => (fixture!("flyway/migrate-broken.json"), fixture!("flyway/migrate.json")),
        F::CosignJson => (fixture!("cosign/verify-ok.json"), fixture!("cosign/verify-ok.json")),
        F::JestJson => (fixture!("jest/fail.json"), fixture!("jest/pass.json")),
        F::MochaJson => (fixture!("mocha/fail.json"), fixture!("mocha/pass.json")),
        F::NewmanJson => (fixture!("newman/fail.json"), fixture!("newman/pass.json")),
        F::PlaywrightJson => (fixture!("playwright/fail.json"), fixture!("playwright/pass.json")),
        F::Lcov => (fixture!("jest/lcov.info"), fixture!("jest/lcov.info")),
        F::Cobertura => (fixture!("coverage/cobertura.xml"), fixture!("coverage/cobertura.xml")),
        F::CoverageSummary => {
            (fixture!("jest/coverage-summary.json"), fixture!("jest/coverage-summary.json"))
        }
        F::K6Summary => (fixture!("k6/breach.json"), fixture!("k6/pass.json")),
        F::ZapJson => (fixture!("made/zap.json"), fixture!("made/zap-clean.json")),
        F::WapitiJson => (fixture!("wapiti/findings.json"), fixture!("wapiti/clean.json")),
        F::KubeBenchJson => {
            (fixture!("made/kube-bench.json"), fixture!("made/kube-bench-node.json"))
        }
        F::DefenderJson => (fixture!("made/defender.json"), fixture!("made/defender-healthy.json")),
    };
    if bad { worse } else { well }
}
