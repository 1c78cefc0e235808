//! `gonogo findings`: any mix of files, and SARIF that reads back as what was written.

use std::path::PathBuf;

use gonogo::cli::{FindingsAsk, findings};
use gonogo::error::Exit;
use gonogo::release::{ReportState, Severity};
use gonogo::report::findings::Form;

use super::{Sarif, fixture, fixtures, parse};

fn run(paths: &[&str], form: Form, fail_on: Option<Severity>) -> (Exit, String) {
    let full =
        |path: &&str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
    let files = paths.iter().map(full).collect();
    let mut out = Vec::new();
    let ask = FindingsAsk { files, read_as: None, fail_on, form };
    let exit = findings(&ask, &mut out).expect("it prints");
    (exit, String::from_utf8(out).expect("utf-8"))
}

#[test]
fn sarif_that_is_written_reads_back_with_the_same_counts() {
    for (format, path) in fixtures() {
        let before = parse(format, &fixture(path)).expect(path).summary;
        let (_, text) = run(&[path], Form::Sarif, None);
        let after = parse(Sarif, text.as_bytes()).unwrap_or_else(|e| panic!("{path}: {e}")).summary;
        let unknown = before.count(Severity::Unknown);
        for severity in [Severity::Critical, Severity::High, Severity::Medium] {
            assert_eq!(before.count(severity), after.count(severity), "{path}");
        }
        assert_eq!(before.count(Severity::Low) + unknown, after.count(Severity::Low), "{path}");
        assert_eq!(before.state == ReportState::Clean, after.state == ReportState::Clean, "{path}");
    }
}

#[test]
fn the_exit_code_says_what_is_too_bad() {
    let (trivy, clean) = ("trivy/vuln-minidb.json", "semgrep/clean.json");
    assert_eq!(run(&[trivy, clean], Form::Table, None).0, Exit::Released);
    assert_eq!(run(&[trivy, clean], Form::Table, Some(Severity::High)).0, Exit::NoGo);
    assert_eq!(run(&[clean], Form::Table, Some(Severity::Low)).0, Exit::Released);
    let low = "hadolint/info-only.json";
    assert_eq!(run(&[low], Form::Table, Some(Severity::High)).0, Exit::Released);
    // What was not scanned is not good enough for anybody who asks.
    assert_eq!(run(&["tfsec/clean.json"], Form::Table, Some(Severity::Critical)).0, Exit::NoGo);
    let (exit, text) = run(&["kubesec/error-no-file.txt", clean], Form::Table, None);
    assert_eq!(exit, Exit::Unreachable);
    assert!(text.contains("failed to tell which tool wrote"), "{text}");
}

#[test]
fn every_form_names_reports_and_findings() {
    let paths = ["trivy/vuln-minidb.json", "gitleaks/findings.json", "tfsec/clean.json"];
    let (_, text) = run(&paths, Form::Table, None);
    assert!(text.contains("CVE-2021-23337") && text.contains("backend/deploy.key:1"), "{text}");
    let (_, text) = run(&paths, Form::Markdown, None);
    assert!(text.starts_with("# 6 findings\n"), "{text}");
    let (_, text) = run(&paths, Form::Json, None);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["state"], "not scanned");
    assert_eq!(value["findings"].as_array().map(Vec::len), Some(6));
    assert_eq!(value["coverage"][0]["counts"]["critical"], 1);
    // T16: none of the forms shows a secret that a report quotes.
    let raw = fixture("gitleaks/findings.json");
    let leaks: serde_json::Value = serde_json::from_slice(&raw).expect("JSON");
    for form in [Form::Table, Form::Markdown, Form::Json, Form::Sarif] {
        let (_, text) = run(&paths, form, None);
        for leak in leaks.as_array().expect("a list") {
            let secret = leak["Secret"].as_str().expect("text").lines().next().expect("a line");
            assert!(!text.contains(secret), "{form:?}: {secret}");
        }
    }
}

#[test]
fn every_form_says_how_many_findings_it_leaves_off() {
    let count = gonogo::world::tools::FINDINGS_MAX + 2;
    let flaws: Vec<_> = (0..count)
        .map(|n| {
            serde_json::json!({"VulnerabilityID": format!("CVE-1-{n}"), "PkgName": "p",
                "InstalledVersion": "1", "Severity": "HIGH"})
        })
        .collect();
    let report = serde_json::json!({"SchemaVersion": 2, "ArtifactName": "image",
        "Results": [{"Target": "t", "Class": "os-pkgs", "Type": "alpine",
            "Vulnerabilities": flaws}]});
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("many.json");
    std::fs::write(&path, report.to_string()).expect("written");
    let path = path.to_str().expect("text");
    for form in [Form::Table, Form::Markdown, Form::Sarif] {
        let (_, text) = run(&[path], form, None);
        assert!(text.contains("2 more are counted, and not listed"), "{form:?}");
    }
    let (_, text) = run(&[path], Form::Json, None);
    assert!(text.contains("\"left_off\": 2"));
}
