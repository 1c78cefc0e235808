//! Every format that can be read: its reader, and the exit codes of the program behind it.

use std::io::BufRead;

use super::json::Json;
use super::report::{Origin, ReadError, Tally};
use crate::release::ReportFormat;

/// The names that tools give themselves in the reports that are read here, in lower case. Any other
/// comes through SARIF, JUnit or CycloneDX.
pub const TOOLS: [&str; 28] = [
    "cargo",
    "checkov",
    "codeql",
    "conftest",
    "cosign",
    "defender",
    "flyway",
    "gitleaks",
    "grype",
    "hadolint",
    "jest",
    "k6",
    "kube-bench",
    "kubesec",
    "mocha",
    "newman",
    "osv-scanner",
    "playwright",
    "semgrep",
    "semgrep oss",
    "snykcode",
    "sonarqube",
    "syft",
    "terraform",
    "tfsec",
    "trivy",
    "wapiti",
    "zap",
];

/// Reads the whole report.
pub(super) fn read(
    format: ReportFormat,
    from: &mut dyn BufRead,
    tally: &mut Tally<'_>,
) -> Result<(), ReadError> {
    use ReportFormat as F;
    let read = match format {
        F::Junit => return super::junit::read(from, tally),
        F::CargoJson => return super::cargo::read(from, tally),
        F::TerraformLog => return super::terraform::read_log(from, tally),
        F::Lcov => return super::coverage::read_lcov(from, tally),
        F::Cobertura => return super::coverage::read_cobertura(from, tally),
        F::Sarif => super::sarif::read,
        F::TrivyJson => super::trivy::read,
        F::GrypeJson => super::grype::read,
        F::OsvJson => super::osv::read,
        F::GitleaksJson => super::gitleaks::read,
        F::KubesecJson => super::kubesec::read,
        F::SemgrepJson => super::semgrep::read,
        F::CheckovJson => super::checkov::read,
        F::TfsecJson => super::tfsec::read,
        F::HadolintJson => super::hadolint::read,
        F::ConftestJson => super::conftest::read,
        F::TerraformPlan => super::terraform::read,
        F::SonarIssues => super::sonarqube::read_issues,
        F::SonarGate => super::sonarqube::read_gate,
        F::SonarMeasures => super::sonarqube::read_measures,
        F::Cyclonedx => super::cyclonedx::read,
        F::Spdx => super::spdx::read,
        F::FlywayJson => super::flyway::read,
        F::CosignJson => super::cosign::read,
        F::JestJson => super::jest::read,
        F::MochaJson => super::mocha::read,
        F::NewmanJson => super::newman::read,
        F::PlaywrightJson => super::playwright::read,
        F::CoverageSummary => super::coverage::read_summary,
        F::K6Summary => super::k6::read,
        F::ZapJson => super::zap::read,
        F::WapitiJson => super::wapiti::read,
        F::KubeBenchJson => super::kubebench::read,
        F::DefenderJson => super::defender::read,
    };
    let mut json = Json::new(tally.tool.clone(), from)?;
    read(&mut json, tally)?;
    json.finish()
}

/// What a program's exit codes mean. Codes that are not named say nothing: many programs let
/// their user choose one for findings.
pub(super) struct Exits {
    pub(super) program: &'static str,
    /// Nothing was found, or findings do not count.
    pub(super) well: &'static [i32],
    /// Something was found.
    pub(super) findings: &'static [i32],
    /// The program itself failed.
    pub(super) broken: &'static [i32],
}

/// Programs whose exit codes are known; a code may stand in two lists, as it does in life.
const EXITS: [&Exits; 19] = [
    &super::checkov::EXITS,
    &super::conftest::EXITS,
    &super::cosign::EXITS,
    &super::flyway::EXITS,
    &super::gitleaks::EXITS,
    &super::grype::EXITS,
    &super::hadolint::EXITS,
    &super::jest::EXITS,
    &super::k6::EXITS,
    &super::kubesec::EXITS,
    &super::newman::EXITS,
    &super::osv::EXITS,
    &super::playwright::EXITS,
    &super::semgrep::EXITS,
    &super::snyk::EXITS,
    &super::sonarqube::EXITS,
    &super::terraform::EXITS,
    &super::tfsec::EXITS,
    &super::trivy::EXITS,
];

/// Why the exit code cannot stand beside what the report says.
pub(super) fn broken_exit(origin: &Origin<'_>, found: bool) -> Option<String> {
    let exit = origin.exit?;
    let program = origin.tool.rsplit('/').next().unwrap_or(origin.tool);
    if origin.accepted {
        let why = "which the plan accepts for findings, and reports none";
        return (!found).then(|| format!("{program} exited with {exit}, {why}"));
    }
    let exits = EXITS.iter().find(|exits| exits.program == program)?;
    let (well, findings) = (exits.well.contains(&exit), exits.findings.contains(&exit));
    let broken = exits.broken.contains(&exit);
    if broken && !(findings && found) {
        return Some(format!("{program} exited with {exit}, which says that it failed itself"));
    }
    if findings && !well && !found {
        return Some(format!("{program} exited with {exit} for findings, and reports none"));
    }
    None
}
