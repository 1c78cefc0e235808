//! Every recorded report of the tools' own formats: its state, its counts as jq says, what it
//! says was looked at, and its first finding to the letter.

use std::fmt::Write as _;

use gonogo::release::{ReportFormat, ReportState, Severity};

use super::{
    CheckovJson, Cobertura, ConftestJson, CosignJson, CoverageSummary, Cyclonedx, DefenderJson,
    FlywayJson, GrypeJson, HadolintJson, JestJson, K6Summary, KubeBenchJson, Lcov, MochaJson,
    NewmanJson, OsvJson, PlaywrightJson, Sarif, SemgrepJson, SonarGate, SonarIssues, SonarMeasures,
    Spdx, TerraformLog, TerraformPlan, TfsecJson, WapitiJson, ZapJson, fixture, parse,
};

/// A report, and what [`said`] makes of it.
pub(super) const TABLE: &[(ReportFormat, &str, &str)] = &[
    (
        SemgrepJson,
        "semgrep/findings.json",
        "findings 0 2 1 1 0 in 3 files; first sast.js-command-injection high \
         at backend/src/server.js:20: a shell command is built from request data",
    ),
    (
        SemgrepJson,
        "semgrep/findings-error-flag.json",
        "findings 0 2 1 1 0 in 3 files; first sast.js-command-injection high \
         at backend/src/server.js:20: a shell command is built from request data",
    ),
    (SemgrepJson, "semgrep/clean.json", "clean 0 0 0 0 0 in 2 files"),
    (SemgrepJson, "semgrep/rules-not-run.json", "clean 0 0 0 0 0 in 2 files, 2 rules not run"),
    (
        SemgrepJson,
        "semgrep/no-words.json",
        "not scanned 0 0 0 0 0 in 1 file, none with a word of the rules: no file holds a word of \
         the rules, so that Semgrep parsed none: one that does not parse looks like this too",
    ),
    // It holds nothing that would tell: neither an error nor a skipped file.
    (
        SemgrepJson,
        "semgrep/partial-parse.json",
        "not scanned 0 0 0 0 0 in 1 file, none with a word of the rules: no file holds a word of \
         the rules, so that Semgrep parsed none: one that does not parse looks like this too",
    ),
    (
        SemgrepJson,
        "semgrep/not-parsed.json",
        "not scanned 0 0 0 0 0 in 1 file, some not in whole: not parsed or scanned in \
         whole: backend/src/broken.js: Syntax error at line backend/src/broken.js:2: \
         `function broken( { return crypto.createHash(\"md5\").update(` was unexpected",
    ),
    (
        SemgrepJson,
        "semgrep/not-parsed-findings.json",
        "not scanned 0 0 1 0 0 in 3 files, some not in whole, 2 rules not run; first \
         sast.js-weak-hash medium at backend/src/half.js:2: MD5 is not a password hash: \
         not parsed or scanned in whole: backend/src/broken.js, backend/src/half.js: \
         Syntax error at line backend/src/broken.js:2: `function broken( { return \
         crypto.createHash(\"md5\").update(` was unexpected",
    ),
    (
        SemgrepJson,
        "semgrep/skipped.json",
        "not scanned 0 0 0 0 0 in 1 file, some not in whole, 2 rules not run: not \
         parsed or scanned in whole: backend/src/bundle.js: skipped: exceeded size \
         limit",
    ),
    (
        Sarif,
        "semgrep/not-parsed.sarif",
        "not scanned 0 0 0 0 0 in 4 rules: Syntax error at line \
         backend/src/broken.js:2: `function broken( { return \
         crypto.createHash(\"md5\").update(` was unexpected",
    ),
    (
        SemgrepJson,
        "semgrep/error-bad-rules.json",
        "crashed 0 0 0 0 0 in 0 files: One of these properties is missing: 'message'",
    ),
    (
        SemgrepJson,
        "semgrep/error-no-target.json",
        "crashed 0 0 0 0 0 in 0 files: Invalid scanning root: nosuch",
    ),
    (
        GrypeJson,
        "made/grype.json",
        "findings 1 1 0 1 0 in 3 matches, 1 package of a distribution past its end of life; first \
         GHSA-xvch-5gv4-984h critical at /package-lock.json: Prototype Pollution in minimist",
    ),
    (GrypeJson, "made/grype-ignored.json", "clean 0 0 0 0 0 in 0 matches, 1 match ignored"),
    (
        GrypeJson,
        "made/grype-none.json",
        "not scanned 0 0 0 0 0 in 0 matches: a report without a match does not say how many \
         packages were looked at: give Grype's log, with -v",
    ),
    (
        OsvJson,
        "made/osv.json",
        "findings 1 1 0 0 1 in 2 packages of 1 source; first CVE-2021-44906 critical at \
         /src/backend/package-lock.json: Prototype Pollution in minimist",
    ),
    (OsvJson, "made/osv-all.json", "clean 0 0 0 0 0 in 2 packages of 1 source"),
    (
        CheckovJson,
        "checkov/tf-findings.json",
        "findings 0 44 0 0 0 in 57 checks of 7 resources (terraform); first CKV_AZURE_233 high \
         at infra/main.tf:11: Ensure Azure Container Registry (ACR) is zone redundant",
    ),
    (
        CheckovJson,
        "checkov/k8s-docker.json",
        "findings 0 30 0 0 0 in 253 checks of 7 resources (dockerfile, kubernetes); \
         first CKV_DOCKER_1 high at Dockerfile:7: Ensure port 22 is not exposed",
    ),
    (
        CheckovJson,
        "checkov/clean-passed.json",
        "clean 0 0 0 0 0 in 26 checks of 1 resource (dockerfile)",
    ),
    (
        CheckovJson,
        "checkov/clean.json",
        "not scanned 0 0 0 0 0 in 0 checks of 0 resources: \
         Checkov met nothing that its checks apply to",
    ),
    (
        CheckovJson,
        "checkov/error-bad-file.json",
        "not scanned 0 0 0 0 0 in 0 checks of 0 resources (terraform): \
         1 file missing or not parsed: it does not say which",
    ),
    (
        CheckovJson,
        "checkov/error-parse.json",
        "not scanned 0 0 0 0 0 in 0 checks of 0 resources (terraform): \
         1 file missing or not parsed: it does not say which",
    ),
    (
        TfsecJson,
        "tfsec/findings.json",
        "findings 5 2 2 2 0 in 11 checks; first AVD-AZU-0041 critical at /src/infra/main.tf:19: \
         Cluster does not limit API access to specific IP addresses.",
    ),
    (
        TfsecJson,
        "tfsec/min-high.json",
        "findings 5 2 0 0 0 in 7 checks; first AVD-AZU-0041 critical at /src/infra/main.tf:19: \
         Cluster does not limit API access to specific IP addresses.",
    ),
    (
        TfsecJson,
        "tfsec/clean.json",
        "not scanned 0 0 0 0 0 in 0 checks: tfsec's empty list does not say that it met any \
         Terraform: run it with --include-passed",
    ),
    (
        TfsecJson,
        "tfsec/empty-dir.json",
        "not scanned 0 0 0 0 0 in 0 checks: tfsec's empty list does not say that it met any \
         Terraform: run it with --include-passed",
    ),
    (
        HadolintJson,
        "hadolint/findings.json",
        "findings 0 2 4 2 0 in 1 file with findings; first DL3020 high at Dockerfile:4: \
         Use COPY instead of ADD for files and folders",
    ),
    (
        HadolintJson,
        "hadolint/info-only.json",
        "findings 0 0 0 1 0 in 1 file with findings; first DL3066 low at \
         docker-clean/Dockerfile:6: Non-numeric user-id may not be resolvable by host system",
    ),
    (
        HadolintJson,
        "hadolint/error-parse.json",
        "not scanned 0 1 0 0 0 in 1 file with findings; first DL1000 high at \
         ../Dockerfile.bad:1: unexpected 'F': \
         ../Dockerfile.bad:1 does not parse: unexpected 'F'",
    ),
    (
        HadolintJson,
        "hadolint/clean.json",
        "not scanned 0 0 0 0 0 in 0 files with findings: \
         an empty list does not say which files were read, nor that any was",
    ),
    (
        ConftestJson,
        "conftest/findings.json",
        "findings 0 3 2 0 0 in 10 tests of 1 file; first main.deny high \
         at k8s/deployment.yaml: container \"api\" has no resource limits",
    ),
    (
        ConftestJson,
        "conftest/rendered-chart.json",
        "findings 0 1 0 0 0 in 5 tests of 1 file; first main.deny high \
         at ../rendered.yaml: container \"api\" has no resource limits",
    ),
    (ConftestJson, "conftest/clean.json", "clean 0 0 0 0 0 in 5 tests of 1 file"),
    (ConftestJson, "conftest/dockerfile.json", "clean 0 0 0 0 0 in 5 tests of 1 file"),
    (ConftestJson, "conftest/warn-only.json", "clean 0 0 0 0 0 in 10 tests of 2 files"),
    (
        TerraformPlan,
        "terraform/show-change.json",
        "findings 0 1 0 1 0 in 2 resources, Created 0, Changed 1, Destroyed 0, Replaced \
         1, StatefulLost 0; first replace high at terraform_data.smoke: \
         terraform_data.smoke is destroyed and created anew",
    ),
    (
        TerraformPlan,
        "terraform/show-plan.json",
        "findings 0 0 0 2 0 in 2 resources, Created 2, Changed 0, Destroyed 0, Replaced \
         0, StatefulLost 0; first create low at terraform_data.release: \
         terraform_data.release is created",
    ),
    (
        TerraformLog,
        "terraform/plan.ndjson",
        "findings 0 0 0 2 0 in 2 resources, Created 2, Changed 0, Destroyed 0, Replaced \
         0, StatefulLost 0; first create low at terraform_data.release: \
         terraform_data.release is created",
    ),
    (
        TerraformLog,
        "terraform/plan-change.ndjson",
        "findings 0 1 0 1 0 in 2 resources, Created 0, Changed 1, Destroyed 0, Replaced \
         1, StatefulLost 0; first replace high at terraform_data.smoke: \
         terraform_data.smoke is destroyed and created anew",
    ),
    (
        TerraformLog,
        "terraform/plan-clean.ndjson",
        "clean 0 0 0 0 0 in 2 resources, Created 0, Changed 0, Destroyed 0, Replaced 0, \
         StatefulLost 0",
    ),
    (
        TerraformLog,
        "terraform/plan-error.ndjson",
        "crashed 0 1 0 0 0 in 0 resources, Created 0, Changed 0, Destroyed 0, Replaced 0, \
         StatefulLost 0; first error high at main.tf:2: Reference to undeclared input \
         variable: main.tf:2: Reference to undeclared input variable. An input variable \
         with the name \"nosuch\" has not been declared. This variable can be declared with \
         a variable \"nosuch\" {} block.",
    ),
    (
        TerraformLog,
        "terraform/apply.ndjson",
        "findings 0 0 0 2 0 in 2 resources, Created 2, Changed 0, Destroyed 0, Replaced \
         0, StatefulLost 0; first create low at terraform_data.release: \
         terraform_data.release is created",
    ),
    (
        TerraformLog,
        "terraform/destroy.ndjson",
        "findings 0 2 0 0 0 in 2 resources, Created 0, Changed 0, Destroyed 2, Replaced \
         0, StatefulLost 0; first destroy high at terraform_data.smoke: \
         terraform_data.smoke is destroyed",
    ),
    (
        TerraformLog,
        "terraform/apply-fails.ndjson",
        "crashed 0 1 0 2 0 in 2 resources, Created 2, Changed 0, Destroyed 0, Replaced 0, \
         StatefulLost 0; first error high at main.tf:4: local-exec provisioner error: \
         main.tf:4: local-exec provisioner error. Error running command 'echo about to \
         fail >&2; exit 7': exit status 7. Output: about to fail",
    ),
    (
        TerraformLog,
        "terraform/apply-stale-plan.ndjson",
        "crashed 0 1 0 0 0 in 0 resources, Created 0, Changed 0, Destroyed 0, Replaced 0, \
         StatefulLost 0; first error high at : Saved plan is stale: Saved plan is stale. \
         The given plan file can no longer be applied because the state was changed by \
         another operation after the plan was created.",
    ),
    (
        SonarIssues,
        "sonarqube/issues.json",
        "findings 2 0 0 0 0 in 1 file with issues; first secrets:S6290 critical at \
         backend/src/config.js:3: Make sure this AWS Access Key ID is not disclosed.",
    ),
    (
        SonarIssues,
        "sonarqube/hotspots.json",
        "findings 0 1 1 2 0 in 1 file with issues; first javascript:S4721 high at \
         backend/src/server.js:20: Make sure that executing this OS command is safe here.",
    ),
    (
        SonarGate,
        "sonarqube/quality-gate-failed.json",
        "findings 0 1 0 0 0 in 4 conditions; first vulnerabilities high at \
         vulnerabilities: vulnerabilities is 2, more than 0",
    ),
    (
        SonarGate,
        "sonarqube/quality-gate.json",
        "not scanned 0 0 0 0 0 in 0 conditions: the quality gate has no condition that \
         applies: it is OK whatever is found",
    ),
    (
        SonarMeasures,
        "sonarqube/measures.json",
        "clean 0 0 0 0 0 in 6 measures of 41 lines of code, LineCoveragePct 0",
    ),
    (
        Cyclonedx,
        "syft/backend.cdx.json",
        "clean 0 0 0 0 0 in 3 components, no vulnerability stated, Components 3",
    ),
    (
        Cyclonedx,
        "syft/empty.cdx.json",
        "not scanned 0 0 0 0 0 in 0 components, no vulnerability stated, Components 0: it \
         lists no component",
    ),
    (
        Cyclonedx,
        "trivy/sbom.cdx.json",
        "clean 0 0 0 0 0 in 3 components, no vulnerability stated, Components 3",
    ),
    (
        Cyclonedx,
        "checkov/findings.cdx.json",
        "findings 0 0 0 0 44 in 7 components, 44 vulnerabilities stated, Components 7; \
         first CKV2_AZURE_1 unknown at \
         cli_repo/infra/main.tf/azurerm_storage_account.backup: Resource: \
         azurerm_storage_account.backup. Ensure storage for critical data are encrypted \
         w",
    ),
    (Spdx, "syft/backend.spdx.json", "clean 0 0 0 0 0 in 4 components, Components 4"),
    (Spdx, "trivy/sbom.spdx.json", "clean 0 0 0 0 0 in 4 components, Components 4"),
    (
        CosignJson,
        "cosign/verify-ok.json",
        "clean 0 0 0 0 0 in 1 signature of 76a8d0e8e13f, Signatures 1",
    ),
    (
        CosignJson,
        "cosign/verify-attestation.ndjson",
        "clean 0 0 0 0 0 in 1 signature of application/vnd.in-toto+json, Signatures 1",
    ),
    (
        FlywayJson,
        "flyway/info-pending.json",
        "findings 0 0 0 3 0 in 3 migrations of database orders, Pending 3, Applied 0; \
         first pending low at /src/db/migrations/V1.0__create_orders.sql: 1.0 create \
         orders is Pending",
    ),
    (
        FlywayJson,
        "flyway/info-applied.json",
        "clean 0 0 0 0 0 in 3 migrations of database orders, Pending 0, Applied 3",
    ),
    (
        FlywayJson,
        "flyway/info-after-broken.json",
        "findings 0 0 0 1 0 in 4 migrations of database orders, Pending 1, Applied 3; \
         first pending low at /src/db/broken/V1.3__broken.sql: 1.3 broken is Pending",
    ),
    (
        FlywayJson,
        "flyway/migrate.json",
        "clean 0 0 0 0 0 in 2 migrations applied of database orders, Applied 2",
    ),
    (
        FlywayJson,
        "flyway/migrate-noop.json",
        "clean 0 0 0 0 0 in 0 migrations applied of database orders, Applied 0",
    ),
    (
        FlywayJson,
        "flyway/migrate-broken.json",
        "crashed 0 1 0 0 0 in 0 migrations applied of database orders, Applied 0; first \
         FAILED_VERSIONED_MIGRATION high at /src/db/broken/V1.3__broken.sql:2: Script \
         V1.3__broken.sql failed: ERROR: relation \"ordres\" does not exist: Script \
         V1.3__broken.sql failed: ERROR: relation \"ordres\" does not exist",
    ),
    (
        FlywayJson,
        "flyway/validate-pending.json",
        "findings 0 0 0 3 0 in 3 migrations validated of database orders, Pending 3; \
         first RESOLVED_VERSIONED_MIGRATION_NOT_APPLIED low at \
         /src/db/migrations/V1.0__create_orders.sql: Detected resolved migration not \
         applied to database: 1.0.",
    ),
    (
        FlywayJson,
        "flyway/validate-tampered.json",
        "findings 0 1 0 0 0 in 1 migration validated of database orders, Pending 0; first \
         CHECKSUM_MISMATCH high at /src/../mig-tampered/V1.0__create_orders.sql: \
         Migration checksum mismatch for migration version 1.0",
    ),
    (
        FlywayJson,
        "flyway/error-bad-flag.json",
        "crashed 0 0 0 0 0 in 0 migrations: Failed to configure parameters:",
    ),
    (
        FlywayJson,
        "flyway/error-no-db.json",
        "crashed 0 0 0 0 0 in 0 migrations: Unable to obtain connection from database \
         (jdbc:postgresql://127.0.0.1:1/orders) for user 'postgres': Connection to \
         127.0.0.1:1 refused. Check that the hostname and port are correct and that the \
         postmaster is accepting TCP/IP connections.",
    ),
    (
        FlywayJson,
        "flyway/undo-community.json",
        "crashed 0 0 0 0 0 in 0 migrations: Flyway Redgate Edition Required: undo is not \
         supported by OSS Edition",
    ),
    (JestJson, "jest/pass.json", "clean 0 0 0 0 0 in 3 tests, 3/0/0"),
    (
        JestJson,
        "jest/fail.json",
        "findings 0 1 0 0 0 in 4 tests, 3/1/1; first test high at \
         /src/node/test/broken.test.js:3: orders (broken) counts an empty order as free: \
         expected 1 but was 0",
    ),
    (MochaJson, "mocha/pass.json", "clean 0 0 0 0 0 in 3 tests, 3/0/0"),
    (
        MochaJson,
        "mocha/fail.json",
        "findings 0 1 0 0 0 in 4 tests, 3/1/1; first test high at \
         /src/node/test/broken.test.js:3: orders (broken) counts an empty order as free: \
         expected 1 but was 0",
    ),
    (NewmanJson, "newman/pass.json", "clean 0 0 0 0 0 in 4 assertions in 2 requests, 4/0/0"),
    (
        NewmanJson,
        "newman/fail.json",
        "findings 0 2 0 0 0 in 6 assertions in 3 requests, 4/2/0; first AssertionError \
         high at missing: missing: status is 200: expected response to have status code \
         200 but got 404",
    ),
    (
        NewmanJson,
        "newman/down.json",
        "findings 0 6 0 0 0 in 4 assertions in 2 requests, 0/4/0; first Error high at \
         health: health: connect ECONNREFUSED 127.0.0.1:1",
    ),
    (PlaywrightJson, "playwright/pass.json", "clean 0 0 0 0 0 in 2 tests, 2/0/0"),
    (
        PlaywrightJson,
        "playwright/fail.json",
        "findings 0 1 0 0 0 in 3 tests, 2/1/1; first test high at bad.spec.js:2: title is \
         Shop: expect(page).toHaveTitle(expected) failed",
    ),
    (
        PlaywrightJson,
        "playwright/down.json",
        "findings 0 2 0 0 0 in 2 tests, 0/2/0; first test high at ok.spec.js:2: home page \
         links to the orders: page.goto: net::ERR_UNSAFE_PORT at http://127.0.0.1:1/",
    ),
    (
        PlaywrightJson,
        "playwright/error-no-browser.json",
        "crashed 0 2 0 0 0 in 2 tests, 0/2/0; first test high at ok.spec.js:2: home page \
         links to the orders: browserType.launch: Failed to launch chromium because \
         execu: the browser could not be launched",
    ),
    (
        PlaywrightJson,
        "playwright/no-tests.json",
        "not scanned 0 0 0 0 0 in 0 tests, 0/0/0: Error: No tests found.",
    ),
    (
        Lcov,
        "jest/lcov.info",
        "clean 0 0 0 0 0 in 4 of 4 lines covered, 1 file, LineCoveragePct 100, \
         BranchCoveragePct 100",
    ),
    (
        Cobertura,
        "coverage/cobertura.xml",
        "clean 0 0 0 0 0 in 6 of 7 lines covered, 1 file, LineCoveragePct \
         85.71428571428571, BranchCoveragePct 75",
    ),
    (
        CoverageSummary,
        "jest/coverage-summary.json",
        "clean 0 0 0 0 0 in 4 of 4 lines covered, 1 file, LineCoveragePct 100, \
         BranchCoveragePct 100",
    ),
    (
        K6Summary,
        "k6/pass.json",
        "clean 0 0 0 0 0 in 7418 requests, 1 check, 2 thresholds, P95Ms \
         17.293104899999985, ErrorRatio 0, ThroughputPerS 1482.8662208518595",
    ),
    (
        K6Summary,
        "k6/breach.json",
        "findings 0 2 1 0 0 in 1506 requests, 1 check, 2 thresholds, ErrorRatio 1, \
         ThroughputPerS 501.81267282742084; first p(95)<0.01 high at http_req_duration: \
         http_req_duration does not hold p(95)<0.01: it is 52.98831525",
    ),
    (
        K6Summary,
        "k6/down.json",
        "findings 0 1 1 0 0 in 2 requests, 1 check, 2 thresholds, ErrorRatio 1, \
         ThroughputPerS 145.34639716440807; first rate<0.01 high at http_req_failed: \
         http_req_failed does not hold rate<0.01: it is 1",
    ),
    (
        K6Summary,
        "k6/script-throws.json",
        "not scanned 0 0 0 0 0 in 0 requests, 0 checks, 0 thresholds: 2 iterations made \
         no request and no check",
    ),
    (
        ZapJson,
        "made/zap.json",
        "findings 0 1 1 1 0 in 1 site; first 40012 high at \
         http://127.0.0.1:8931/search?q=book: Cross Site Scripting (Reflected)",
    ),
    (ZapJson, "made/zap-clean.json", "clean 0 0 0 0 0 in 1 site"),
    (
        WapitiJson,
        "wapiti/findings.json",
        "findings 0 0 1 2 0 in 3 pages; first Reflected Cross Site Scripting medium at \
         /search: Reflected Cross Site Scripting vulnerability found via injection in the \
         parameter q",
    ),
    (WapitiJson, "wapiti/clean.json", "clean 0 0 0 0 0 in 1 page"),
    (WapitiJson, "wapiti/down.json", "not scanned 0 0 0 0 0 in 0 pages: Wapiti crawled no page"),
    (
        KubeBenchJson,
        "made/kube-bench.json",
        "findings 0 1 0 3 0 in 7 checks in all five areas; first 4.1.1 high at node: \
         Ensure that the kubelet service file permissions are set to 600 or more \
         restrictive",
    ),
    (
        KubeBenchJson,
        "made/kube-bench-node.json",
        "clean 0 0 0 0 0 in 1 check of node, not of master, etcd, controlplane, policies",
    ),
    (
        DefenderJson,
        "made/defender.json",
        "findings 0 1 0 0 0 in 2 assessments, 1 not applicable; first 21300918 high at \
         /subscriptions/0/resourceGroups/shop/providers/\
         Microsoft.ContainerService/managedClusters/aks1: \
         Azure Policy add-on should be installed",
    ),
    (DefenderJson, "made/defender-healthy.json", "clean 0 0 0 0 0 in 1 assessment"),
];

/// A report in one line: state, findings by severity, coverage, tests, measures, the first of the
/// worst findings, and the reason of a state that has one.
fn said(format: ReportFormat, path: &str) -> String {
    let report = parse(format, &fixture(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let summary = &report.summary;
    let (state, reason) = match &summary.state {
        ReportState::Clean => ("clean", ""),
        ReportState::Findings => ("findings", ""),
        ReportState::NotScanned { reason } => ("not scanned", reason.as_str()),
        ReportState::Crashed { reason } => ("crashed", reason.as_str()),
    };
    let mut line = state.to_owned();
    for severity in Severity::ALL {
        let _ = write!(line, " {}", summary.count(severity));
    }
    let _ = write!(line, " in {}", summary.coverage.as_str());
    if let Some(tests) = summary.tests {
        let _ = write!(line, ", {}/{}/{}", tests.passed, tests.failed, tests.skipped);
    }
    for (measure, number) in &summary.measures {
        let _ = write!(line, ", {measure:?} {}", number.get());
    }
    if let Some(first) = report.findings.first() {
        let (rule, title) = (first.rule.as_str(), first.title.as_str());
        let (severity, at) = (first.severity.word(), first.location.as_str());
        let _ = write!(line, "; first {rule} {severity} at {at}: {}", title.cut(90));
    }
    if !reason.is_empty() {
        let _ = write!(line, ": {reason}");
    }
    line
}

trait Cut {
    fn cut(&self, chars: usize) -> String;
}

impl Cut for str {
    fn cut(&self, chars: usize) -> String {
        self.chars().take(chars).collect()
    }
}

#[test]
fn every_recorded_report_says_what_it_should() {
    let wrong: Vec<String> = TABLE
        .iter()
        .map(|(format, path, expected)| (path, said(*format, path), *expected))
        .filter(|(_, said, expected)| said != expected)
        .map(|(path, said, expected)| format!("{path}\n     is {said}\n not is {expected}\n"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
