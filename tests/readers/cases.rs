//! What single readers promise beyond their recorded reports.

use std::io::Write as _;

use gonogo::release::Severity::{Critical, High};
use gonogo::release::finding::Measure;
use gonogo::release::{ReportFormat, ReportState, ReportSummary};
use gonogo::world::tools::{Origin, ReadError, Report, components, diff, guess, read};

use super::{
    Cobertura, CosignJson, CoverageSummary, Cyclonedx, DefenderJson, GrypeJson, HadolintJson,
    JestJson, K6Summary, KubeBenchJson, Lcov, MochaJson, NewmanJson, OsvJson, PlaywrightJson,
    Sarif, SemgrepJson, SonarIssues, Spdx, TerraformLog, TerraformPlan, WapitiJson, ZapJson,
    fixture, parse,
};

fn of(format: ReportFormat, text: &str) -> Report {
    parse(format, text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn after(tool: &str, exit: i32, format: ReportFormat, path: &str) -> ReportSummary {
    let origin = Origin { tool, exit: Some(exit), root: "/src/", ..Origin::default() };
    read(format, &origin, &fixture(path)).expect(path).summary
}

#[test]
fn a_plan_that_destroys_what_holds_data_is_critical() {
    let item = |address: &str, kind: &str, actions: &str| {
        format!(
            r#"{{"address":"{address}","type":"{kind}","change":{{"actions":{actions},
            "before":{{"administrator_password":"hunter22"}}}}}}"#
        )
    };
    let all = [
        item(
            "azurerm_postgresql_flexible_server.db",
            "azurerm_postgresql_flexible_server",
            "[\"delete\",\"create\"]",
        ),
        item("azurerm_storage_account.logs", "azurerm_storage_account", "[\"delete\"]"),
        item(
            "azurerm_key_vault_access_policy.ci",
            "azurerm_key_vault_access_policy",
            "[\"delete\"]",
        ),
        item("azurerm_storage_account.dumps", "azurerm_storage_account", "[\"update\"]"),
        item("azurerm_resource_group.rg", "azurerm_resource_group", "[\"no-op\"]"),
    ];
    let plan = |errored: bool| {
        let list = all.join(",");
        format!(
            r#"{{"format_version":"1.2","planned_values":{{}},"resource_changes":[{list}],
            "errored":{errored}}}"#
        )
    };
    let Report { summary, findings } = of(TerraformPlan, &plan(false));
    let number = |measure| summary.measure(measure);
    assert_eq!(number(Measure::StatefulLost), Some(2.0));
    assert_eq!((number(Measure::Destroyed), number(Measure::Replaced)), (Some(2.0), Some(1.0)));
    assert_eq!((summary.covered, summary.count(Critical), summary.count(High)), (5, 2, 1));
    let first = &findings[0];
    assert_eq!(first.location.as_str(), "azurerm_postgresql_flexible_server.db");
    assert!(first.title.as_str().ends_with("is destroyed and created anew, and it holds data"));
    let kept = serde_json::to_string(&findings).expect("JSON");
    assert!(!kept.contains("hunter22"));
    let broken = of(TerraformPlan, &plan(true)).summary.state;
    assert!(matches!(broken, ReportState::Crashed { .. }));
}

#[test]
fn a_state_is_no_plan_and_half_an_apply_no_apply() {
    let error = parse(TerraformPlan, &fixture("terraform/state.json")).expect_err("a state");
    assert!(error.to_string().contains("no plan of Terraform"), "{error}");
    let apply = String::from_utf8(fixture("terraform/apply.ndjson")).expect("utf-8");
    let cut = apply.find(r#"{"@level":"info","@message":"Apply complete!"#).expect("a summary");
    assert!(parse(TerraformLog, &apply.as_bytes()[..cut]).is_err());
    let twice = [apply.as_bytes(), apply.as_bytes()].concat();
    assert!(parse(TerraformLog, &twice).is_err());
}

#[test]
fn exit_codes_may_only_make_a_report_worse() {
    let crashed = |summary: ReportSummary| matches!(summary.state, ReportState::Crashed { .. });
    let plan = "terraform/plan-clean.ndjson";
    assert!(!crashed(after("terraform", 0, TerraformLog, plan)));
    assert!(crashed(after("terraform", 2, TerraformLog, plan)), "changes, and none listed");
    assert!(crashed(after("terraform", 1, TerraformLog, plan)));
    let clean = "hadolint/clean.json";
    assert_eq!(after("hadolint", 0, HadolintJson, clean).state, ReportState::Clean);
    assert!(crashed(after("hadolint", 1, HadolintJson, clean)));
    assert!(crashed(after("/usr/bin/snyk", 2, Sarif, "semgrep/findings.sarif")));
}

/// Pitfalls of Snyk: a sentence where a report was asked for, or nothing and the exit code 0.
#[test]
fn snyk_without_a_token_is_no_report() {
    let origin = Origin { tool: "snyk", exit: Some(0), ..Origin::default() };
    let empty = read(Sarif, &origin, b"").expect_err("empty");
    assert!(matches!(empty, ReadError::Empty { .. }), "{empty}");
    for (name, words) in [
        ("js-code-no-token", "MissingApiTokenError: `snyk` requires an authenticated account."),
        ("js-oss-no-token", "MissingApiTokenError: `snyk` requires an authenticated account."),
        ("js-code-fake-token", "Error: getaddrinfo ENOTFOUND api.snyk.io"),
    ] {
        let text = fixture(&format!("snyk/{name}.txt"));
        let error = read(Sarif, &origin, &text).expect_err(name).to_string();
        let place = "read the report of snyk at byte 0 (line 1, column 1): it is no JSON but text";
        assert!(error.starts_with(place) && error.contains(words), "{error}");
    }
}

#[test]
fn a_page_of_sonars_issues_is_not_all_of_them() {
    let text = String::from_utf8(fixture("sonarqube/issues.json")).expect("utf-8");
    let page = text.replace(r#""total":2}"#, r#""total":512}"#);
    let ReportState::NotScanned { reason } = of(SonarIssues, &page).summary.state else {
        panic!("a page is all");
    };
    assert_eq!(reason.as_str(), "it lists 2 of 512: ask for every page");
    let fixed = text.replace(r#""status":"OPEN""#, r#""status":"RESOLVED""#);
    let fixed = of(SonarIssues, &fixed).summary;
    assert_eq!(fixed.coverage.as_str(), "1 file with issues, 2 settled");
    assert_eq!(fixed.state, ReportState::Clean);
}

#[test]
fn two_bills_of_materials_differ_by_name_and_version() {
    let bill = |format, text: &[u8]| {
        components(format, &Origin::default(), &mut &*text).expect("a bill of materials")
    };
    let text = String::from_utf8(fixture("syft/backend.cdx.json")).expect("utf-8");
    let old = bill(Cyclonedx, text.as_bytes());
    assert_eq!(diff(&old, &old), gonogo::world::tools::BomDiff::default());
    let text = text.replace("4.17.15", "4.17.21").replace("minimist", "minimalist");
    let diff_of = diff(&old, &bill(Cyclonedx, text.as_bytes()));
    let names = |all: &[gonogo::release::finding::Package]| {
        all.iter().map(|package| package.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&diff_of.added), ["minimalist"]);
    assert_eq!(names(&diff_of.removed), ["minimist"]);
    let [(package, before)] = diff_of.updated.as_slice() else { panic!("{diff_of:?}") };
    assert_eq!((package.name.as_str(), before.as_str()), ("lodash", "4.17.15"));
    // The same bill in the other format: SPDX lists the folder itself as well.
    let spdx = diff(&old, &bill(Spdx, &fixture("syft/backend.spdx.json")));
    assert_eq!(
        (names(&spdx.added), spdx.removed.len(), spdx.updated.len()),
        (vec!["backend".into()], 0, 0)
    );
}

#[test]
fn a_vulnerability_of_a_bill_names_its_package_unless_an_analysis_settles_it() {
    let bill = |state: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"name":"lodash",
            "version":"4.17.15","purl":"pkg:npm/lodash@4.17.15","bom-ref":"a1"}}],
            "vulnerabilities":[{{"id":"CVE-2021-23337","ratings":[{{"severity":"low"}},
            {{"severity":"critical"}}],"affects":[{{"ref":"a1"}}],
            "analysis":{{"state":"{state}"}}}}]}}"#
        )
    };
    let report = of(Cyclonedx, &bill("exploitable"));
    let [found] = report.findings.as_slice() else { panic!("{report:?}") };
    assert_eq!((found.severity, found.location.as_str()), (Critical, "lodash"));
    let package = found.package.as_ref().expect("a package");
    assert_eq!(package.purl.as_ref().map(AsRef::as_ref), Some("pkg:npm/lodash@4.17.15"));
    assert_eq!(package.installed.as_ref().map(AsRef::as_ref), Some("4.17.15"));
    let settled = of(Cyclonedx, &bill("not_affected")).summary;
    assert_eq!(settled.state, ReportState::Clean);
    assert!(settled.coverage.as_str().ends_with("1 vulnerability stated, 1 settled"));
}

#[test]
fn no_signature_is_not_verified() {
    for nothing in ["[]", "null"] {
        let state = of(CosignJson, nothing).summary.state;
        assert!(matches!(state, ReportState::NotScanned { .. }), "{state:?}");
    }
    let unsigned = r#"{"payloadType":"x","payload":"","signatures":[]}"#;
    assert!(matches!(of(CosignJson, unsigned).summary.state, ReportState::NotScanned { .. }));
    let origin = Origin { tool: "cosign", exit: Some(12), ..Origin::default() };
    let bytes = fixture("cosign/verify-ok.json");
    let state = read(CosignJson, &origin, &bytes).expect("whole").summary.state;
    assert!(matches!(state, ReportState::Crashed { .. }), "{state:?}");
}

#[test]
fn a_report_that_counts_more_failures_than_it_lists_is_not_whole() {
    let table = [
        (JestJson, "jest/pass.json", r#""numFailedTests":0"#, r#""numFailedTests":2"#),
        (MochaJson, "mocha/pass.json", r#""failures": 0"#, r#""failures": 2"#),
        (PlaywrightJson, "playwright/pass.json", r#""unexpected": 0"#, r#""unexpected": 2"#),
        (NewmanJson, "newman/pass.json", r#""failed":0"#, r#""failed":2"#),
    ];
    for (format, path, from, to) in table {
        let text = String::from_utf8(fixture(path)).expect("utf-8");
        let text = if text.contains(from) { text } else { text.replace("\": ", "\":") };
        assert!(text.contains(from), "{path}");
        let state = of(format, &text.replace(from, to)).summary.state;
        assert!(matches!(state, ReportState::Crashed { .. }), "{path}: {state:?}");
    }
}

#[test]
fn a_failed_test_in_a_browser_shows_its_screenshot() {
    let spec = |status: &str, attachments: &str| {
        format!(
            r#"{{"config":{{}},"suites":[{{"title":"a.spec.js","suites":[{{"title":"cart",
            "specs":[{{"title":"adds","file":"a.spec.js","line":3,"tests":[{{"status":"{status}",
            "projectName":"chromium","results":[{{"error":{{"message":"Error: \u001b[31mno\u001b[39m
            "}},"attachments":[{attachments}]}}]}}]}}]}}]}}],"stats":{{"unexpected":0}}}}"#
        )
        .replace("\n            \"}", "\"}")
    };
    let shot = r#"{"contentType":"text/markdown","path":"/src/out/context.md"},
        {"contentType":"image/png","path":"/src/out/shot.png"}"#;
    let report = of(PlaywrightJson, &spec("unexpected", shot));
    let found = &report.findings[0];
    assert_eq!(found.title.as_str(), "[chromium] cart › adds: no");
    assert_eq!(found.evidence.as_ref().map(AsRef::as_ref), Some("/src/out/shot.png"));
    let flaky = of(PlaywrightJson, &spec("flaky", ""));
    assert_eq!(flaky.summary.tests.map(|tests| (tests.passed, tests.failed)), Some((1, 0)));
    assert_eq!(flaky.summary.count(gonogo::release::Severity::Medium), 1);
}

#[test]
fn coverage_that_cannot_be_is_an_error_and_none_is_not_scanned() {
    for (format, text) in [
        (Lcov, "TN:\nSF:a\nLF:1\nLH:2\nend_of_record\n"),
        (Lcov, "SF:a\nLF:x\nend_of_record\n"),
        (Lcov, "SF:a\nSF:b\nend_of_record\n"),
        (Lcov, "LF:1\nLH:1\nend_of_record\n"),
        (Cobertura, "<coverage line-rate='1' lines-valid='1' lines-covered='2'/>"),
        (Cobertura, "<coverage generated='1' clover='3.2.0'/>"),
        (
            CoverageSummary,
            r#"{"total":{"lines":{"total":1,"covered":2},"branches":{"total":0,"covered":0}}}"#,
        ),
        (CoverageSummary, r#"{"a.js":{}}"#),
    ] {
        assert!(parse(format, text.as_bytes()).is_err(), "{text}");
    }
    for (format, text) in [
        (Lcov, "SF:a\nLF:0\nLH:0\nend_of_record\n"),
        (Cobertura, "<coverage line-rate='1' lines-valid='0' lines-covered='0'/>"),
        (
            CoverageSummary,
            r#"{"total":{"lines":{"total":0,"covered":0},"branches":{"total":0,"covered":0}}}"#,
        ),
    ] {
        let summary = of(format, text).summary;
        assert!(matches!(summary.state, ReportState::NotScanned { .. }), "{text}");
        assert!(summary.measures.is_empty(), "{text}: no lines have no coverage");
    }
    // Without its sums, Cobertura's lines are counted; those of methods stand there twice.
    let line = "<line number='1' hits='1'/><line number='2' hits='0'/>";
    let text = format!(
        "<coverage line-rate='0.5'><class name='a'><methods><method><lines>{line}</lines></method>\
         </methods><lines>{line}</lines></class></coverage>"
    );
    assert_eq!(of(Cobertura, &text).summary.measure(Measure::LineCoveragePct), Some(50.0));
}

/// What Azure's documentation shows, read where it lies: it is no part of the repository.
#[test]
fn defenders_documented_answers_are_read_in_place() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.ancestors().map(|at| at.join("shared/samples/azure")).find(|at| at.is_dir());
    let Some(folder) = folder else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED defenders_documented_answers_are_read_in_place: no shared/samples/azure \
             beside the checkout; put the examples of azure-rest-api-specs there"
        );
        return;
    };
    let table = [
        ("defender-assessments-list.json", [0; 5], "1 assessment, 1 not applicable"),
        ("defender-subassessments-list.json", [0, 1, 0, 0, 0], "2 assessments"),
    ];
    for (name, counts, coverage) in table {
        let text = std::fs::read(folder.join(name)).expect(name);
        let whole: serde_json::Value = serde_json::from_slice(&text).expect(name);
        let body = whole["responses"]["200"]["body"].to_string();
        let format = guess(body.as_bytes());
        assert_eq!(format, Some(DefenderJson), "{name}");
        let summary = of(DefenderJson, &body).summary;
        let found = gonogo::release::Severity::ALL.map(|severity| summary.count(severity));
        assert_eq!((found, summary.coverage.as_str()), (counts, coverage), "{name}");
    }
}

#[test]
fn what_looked_at_nothing_is_not_scanned() {
    for (format, text) in [
        (ZapJson, r#"{"@version":"2","site":[]}"#),
        (KubeBenchJson, r#"{"Controls":[],"Totals":{}}"#),
        (KubeBenchJson, "[]"),
        (DefenderJson, r#"{"value":[]}"#),
        (
            DefenderJson,
            r#"{"value":[{"name":"a","properties":{"displayName":"a",
            "status":{"code":"Healthy"}}}],"nextLink":"https://x/2"}"#,
        ),
        (WapitiJson, r#"{"vulnerabilities":{},"infos":{}}"#),
        (K6Summary, r#"{"metrics":{"http_reqs":{"count":0,"rate":0}}}"#),
    ] {
        let state = of(format, text).summary.state;
        assert!(matches!(state, ReportState::NotScanned { .. }), "{text}: {state:?}");
    }
    // The service prints its own form, `az` another.
    let az = r#"[{"name":"a","displayName":"Turn it on","status":{"code":"Unhealthy"},
        "resourceDetails":{"Id":"/x/providers/Microsoft.Security/assessments/y"}}]"#;
    let found = of(DefenderJson, az).findings;
    assert_eq!(found[0].title.as_str(), "Turn it on");
}

#[test]
fn a_summary_of_handle_summary_reads_as_an_export() {
    let text = r#"{"root_group":{"checks":[{"name":"up","passes":3,"fails":1}],"groups":[]},
        "metrics":{"http_reqs":{"type":"counter","contains":"default",
        "values":{"count":4,"rate":2.0}},"http_req_duration":{"type":"trend","contains":"time",
        "values":{"avg":1,"p(95)":700.5},"thresholds":{"p(95)<500":{"ok":false}}}}}"#;
    let Report { summary, findings } = of(K6Summary, text);
    assert_eq!(summary.measure(Measure::P95Ms), Some(700.5));
    assert_eq!(
        findings[0].title.as_str(),
        "http_req_duration does not hold p(95)<500: it is 700.5"
    );
    assert_eq!(findings[1].title.as_str(), "up: failed 1 of 4 times");
    let twice = r#"{"metrics":{"a":{"thresholds":{"x<1":true,"x<1":false}}}}"#;
    assert!(parse(K6Summary, twice.as_bytes()).is_err());
}

#[test]
fn an_engine_of_semgrep_that_counts_no_words_of_rules_has_parsed_its_files() {
    let clean = |of_words: f64| {
        let text = format!(
            r#"{{"version":"1.136.0","results":[],"errors":[],"paths":{{"scanned":["a.js"]}},
            "time":{{"prefiltering":{{"rules_with_file_prefilters_ratio":{of_words:?},
            "rules_selected_ratio":0.0}}}},"engine_requested":"PRO","skipped_rules":[]}}"#
        );
        of(SemgrepJson, &text).summary
    };
    assert_eq!(clean(0.0).state, ReportState::Clean);
    assert_eq!(clean(0.0).coverage.as_str(), "1 file");
    let state = clean(0.5).state;
    assert!(matches!(state, ReportState::NotScanned { .. }), "{state:?}");
}

#[test]
fn a_snippet_that_a_rule_of_semgrep_cannot_parse_leaves_its_file_parsed() {
    let with = |said: &str| {
        let text = format!(
            r#"{{"version":"1.150.0","results":[],"errors":[{{"code":3,"level":"warn",
            "type":"Other syntax error","message":"Other syntax error at line ci.yml:5:\n {said}",
            "path":"ci.yml"}}],"paths":{{"scanned":["ci.yml"]}},"skipped_rules":[]}}"#
        );
        of(SemgrepJson, &text).summary
    };
    let snippet = with("When parsing a snippet as Bash for metavariable-pattern in rule 'a.b'");
    assert_eq!(snippet.state, ReportState::Clean);
    assert_eq!(snippet.coverage.as_str(), "1 file, 1 rule not run");
    let state = with("`on: [` was unexpected").state;
    assert!(matches!(state, ReportState::NotScanned { .. }), "{state:?}");
}

#[test]
fn grype_without_a_match_is_clean_only_where_its_log_says_what_it_looked_at() {
    let text = String::from_utf8(fixture("made/grype-none.json")).expect("utf-8");
    let with = |text: &str, log: &str, exit: i32| {
        let origin = Origin { tool: "grype", exit: Some(exit), log, ..Origin::default() };
        read(GrypeJson, &origin, text.as_bytes()).expect("whole").summary
    };
    let log = "[0003]  INFO found 0 vulnerability matches across 214 packages";
    let clean = with(&text, log, 0);
    assert_eq!(clean.state, ReportState::Clean);
    assert_eq!(clean.coverage.as_str(), "214 packages (directory)");
    let empty = "INFO found 0 vulnerability matches across 0 packages";
    let spoilt = text.replace(r#""valid": true"#, r#""valid": false, "error": "too old""#);
    assert_ne!(spoilt, text);
    for (text, log) in [(&text, ""), (&text, empty), (&spoilt, log)] {
        let state = with(text, log, 0).state;
        assert!(matches!(state, ReportState::NotScanned { .. }), "{log}: {state:?}");
    }
    // What `--fail-on` exits with, and what it exits with where it fails itself.
    for exit in [1, 2] {
        let state = with(&text, log, exit).state;
        assert!(matches!(state, ReportState::Crashed { .. }), "{exit}: {state:?}");
    }
    let found = String::from_utf8(fixture("made/grype.json")).expect("utf-8");
    assert_eq!(with(&found, "", 2).state, ReportState::Findings);
    let of_system = &of(GrypeJson, &found).findings[2];
    assert_eq!(of_system.location.as_str(), "zlib1g", "the package manager's file says nothing");
    assert!(
        parse(GrypeJson, found.replace(r#""name": "grype""#, r#""name": "x""#).as_bytes()).is_err()
    );
}

#[test]
fn osv_scanner_that_lists_nothing_is_clean_only_where_its_log_says_what_it_looked_at() {
    let none = r#"{"results":[],"experimental_config":{"licenses":{"summary":false}}}"#;
    assert_eq!(guess(none.as_bytes()), Some(OsvJson));
    let with = |log: &str, exit: i32| {
        let origin = Origin { tool: "osv-scanner", exit: Some(exit), log, ..Origin::default() };
        read(OsvJson, &origin, none.as_bytes()).expect("whole").summary
    };
    let log = "Scanned /src/a/package-lock.json file and found 3 packages\n\
               Scanned /src/b/go.mod file and found 1 package\n";
    let clean = with(log, 0);
    assert_eq!((clean.state, clean.coverage.as_str()), (ReportState::Clean, "4 packages"));
    for (log, exit) in [("", 0), ("", 128)] {
        let state = with(log, exit).state;
        assert!(matches!(state, ReportState::NotScanned { .. }), "{exit}: {state:?}");
    }
    for exit in [1, 127, 129] {
        let state = with(log, exit).state;
        assert!(matches!(state, ReportState::Crashed { .. }), "{exit}: {state:?}");
    }
}

#[test]
fn osv_scanner_is_read_alike_whatever_stands_first_and_knows_what_was_made_to_harm() {
    let text = String::from_utf8(fixture("made/osv.json")).expect("utf-8");
    let sorted: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let packages = &sorted["results"][0]["packages"];
    let path = &sorted["results"][0]["source"];
    let late = format!(r#"{{"results":[{{"packages":{packages},"source":{path}}}]}}"#);
    assert_eq!(of(OsvJson, &late).findings, of(OsvJson, &text).findings);
    // tfsec's list has the same name; what stands in it tells them apart.
    assert_eq!(guess(&late.as_bytes()[..60]), Some(OsvJson));
    let found = of(OsvJson, &text).findings;
    let lodash = found.iter().find(|one| one.rule.as_str() == "CVE-2021-23337").expect("there");
    assert_eq!(
        (lodash.severity, lodash.original.as_ref().map(AsRef::as_ref)),
        (High, Some("HIGH"))
    );
    let package = lodash.package.as_ref().expect("a package");
    assert_eq!(package.purl.as_ref().map(AsRef::as_ref), Some("pkg:npm/lodash@4.17.15"));
    let minimist = found.iter().find(|one| one.rule.as_str() == "CVE-2021-44906").expect("there");
    let fix = minimist.fix.as_ref().map(AsRef::as_ref);
    assert_eq!(fix, Some("update minimist to 1.2.6, 0.2.4"));
    let evil = r#"{"results":[{"source":{"path":"a"},"packages":[{"package":{"name":"x"},
        "vulnerabilities":[{"id":"MAL-2026-1","database_specific":{"severity":["odd"]}}]}]}]}"#;
    assert_eq!(of(OsvJson, evil).findings[0].severity, Critical);
}
