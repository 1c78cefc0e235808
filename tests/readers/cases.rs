//! What single readers promise beyond their recorded reports.

use gonogo::release::Severity::{Critical, High};
use gonogo::release::finding::Measure;
use gonogo::release::{ReportFormat, ReportState, ReportSummary};
use gonogo::world::tools::{Origin, ReadError, Report, read};

use super::{HadolintJson, Sarif, SonarIssues, TerraformLog, TerraformPlan, fixture, parse};

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
