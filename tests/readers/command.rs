//! `gonogo findings`: any mix of files, and SARIF that reads back as what was written.

use std::path::PathBuf;

use gonogo::cli::{FindingsAsk, findings, waivers_of};
use gonogo::error::Exit;
use gonogo::release::finding::waiver::Waiver;
use gonogo::release::{ReportState, Severity};
use gonogo::report::findings::Form;

use serde_json::{Value, json};

use super::{Sarif, fixture, fixtures, parse};

fn run(paths: &[&str], form: Form, fail_on: Option<Severity>) -> (Exit, String) {
    let full =
        |path: &&str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
    let files = paths.iter().map(full).collect();
    let mut out = Vec::new();
    let ask = FindingsAsk { files, fail_on, form, ..FindingsAsk::default() };
    let exit = findings(&ask, &mut out).expect("it prints");
    (exit, String::from_utf8(out).expect("utf-8"))
}

fn asked(ask: &FindingsAsk) -> (Exit, String) {
    let mut out = Vec::new();
    let exit = findings(ask, &mut out).expect("it prints");
    (exit, String::from_utf8(out).expect("utf-8"))
}

fn full(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn sarif_that_is_written_reads_back_as_the_same_findings() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("log.sarif");
    for (format, path) in fixtures() {
        let before = parse(format, &fixture(path)).expect(path).summary;
        let (_, text) = run(&[path], Form::Sarif, None);
        let after = parse(Sarif, text.as_bytes()).unwrap_or_else(|e| panic!("{path}: {e}")).summary;
        assert_eq!(before.counts, after.counts, "{path}");
        assert_eq!(before.state == ReportState::Clean, after.state == ReportState::Clean, "{path}");
        // Everything comes back: the fingerprint, what is to be done, what it was.
        let (_, first) = run(&[path], Form::Json, None);
        std::fs::write(&log, &text).expect("written");
        let (_, second) =
            asked(&FindingsAsk { files: vec![log.clone()], form: Form::Json, ..<_>::default() });
        assert_eq!(value(&first)["findings"], value(&second)["findings"], "{path}");
        // And nothing of it is new.
        let (_, third) = asked(&FindingsAsk {
            files: vec![log.clone()],
            against: vec![full(path).display().to_string()],
            form: Form::Json,
            ..<_>::default()
        });
        let third = value(&third);
        assert_eq!(third["coverage"][0]["new"], json!({}), "{path}");
        assert_eq!(third["fixed"], json!([]), "{path}");
    }
}

#[test]
fn sarif_that_is_written_keeps_to_the_schema_of_its_standard() {
    let schema = include_str!("../schemas/sarif-2.1.0.json");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("sarif.json", value(schema)).expect("a schema");
    let schema = compiler.compile("sarif.json", &mut schemas).expect("a schema that holds");
    let holds = |text: &str, of: &str| {
        let log = value(text);
        schemas.validate(&log, schema).unwrap_or_else(|error| panic!("{of}: {error}"));
    };
    for (_, path) in fixtures() {
        holds(&run(&[path], Form::Sarif, None).1, path);
    }
    // Many in one, and with what a baseline makes of them.
    let all: Vec<&str> = fixtures().map(|(_, path)| path).collect();
    holds(&run(&all, Form::Sarif, None).1, "all in one");
    let of_sarif = FindingsAsk {
        files: vec![full("trivy/vuln-critical-only.json")],
        against: vec![full("trivy/vuln-minidb.json").display().to_string()],
        form: Form::Sarif,
        ..FindingsAsk::default()
    };
    holds(&asked(&of_sarif).1, "beside a baseline");
    let wrong = json!({"version": "2.1.0", "runs": [{"results": []}]});
    assert!(schemas.validate(&wrong, schema).is_err(), "a run without a tool");
}

#[test]
fn with_a_baseline_only_what_is_new_is_judged() {
    let ask = |files: &[&str], against: &str, all: bool| FindingsAsk {
        files: files.iter().map(|path| full(path)).collect(),
        against: vec![full(against).display().to_string()],
        fail_on: Some(Severity::High),
        all,
        form: Form::Json,
        ..FindingsAsk::default()
    };
    let (whole, part) = ("trivy/vuln-minidb.json", "trivy/vuln-critical-only.json");
    // The rest of the report is new since the part of it.
    let (exit, text) = asked(&ask(&[whole], part, false));
    let seen = value(&text);
    let of = |seen: &Value, status: &str| {
        let findings = seen["findings"].as_array().expect("a list").clone();
        findings.into_iter().filter(|finding| finding["status"] == status).count()
    };
    let total = seen["findings"].as_array().expect("a list").len();
    assert_eq!(exit, Exit::NoGo);
    assert!(of(&seen, "existing") > 0 && of(&seen, "new") > 0, "{text}");
    assert_eq!(of(&seen, "existing") + of(&seen, "new"), total);
    // The same against itself passes, unless all are asked for.
    let (exit, text) = asked(&ask(&[whole], whole, false));
    assert_eq!(exit, Exit::Released);
    assert_eq!(value(&text)["remedy"]["words"], "the limits are kept without a fix");
    let (exit, text) = asked(&ask(&[whole], whole, true));
    assert_eq!(exit, Exit::NoGo);
    let fixes = &value(&text)["remedy"]["fixes"];
    let lodash = fixes.as_array().expect("a list").iter().find(|f| f["cause"] == "lodash 4.17.15");
    let fix = lodash.map(|fix| fix["fix"].clone());
    assert_eq!(fix, Some(json!("update lodash 4.17.15 → 4.17.21")), "{fixes}");
    // What is gone is fixed, as many as are new the other way round.
    let (exit, text) = asked(&ask(&[part], whole, false));
    let back = value(&text);
    assert_eq!(exit, Exit::Released);
    assert_eq!(back["against"]["fixed"], of(&seen, "new"));
    assert_eq!(back["fixed"].as_array().map(Vec::len), Some(of(&seen, "new")));
    // What nobody has looked for again is not fixed.
    let (_, text) = asked(&ask(&["semgrep/clean.json"], whole, false));
    assert_eq!(value(&text)["against"]["fixed"], 0);
    assert!(text.contains("of trivy in the baseline are not called fixed"), "{text}");
    // SARIF says the same in its own words.
    let of_sarif = FindingsAsk { form: Form::Sarif, ..ask(&[part], whole, false) };
    let log = value(&asked(&of_sarif).1);
    let results = log["runs"][0]["results"].as_array().expect("results");
    let states: Vec<&str> = results.iter().filter_map(|r| r["baselineState"].as_str()).collect();
    assert_eq!(states.iter().filter(|state| **state == "absent").count(), of(&seen, "new"));
    assert_eq!(states.iter().filter(|state| **state == "unchanged").count(), of(&seen, "existing"));
    // A baseline that cannot be read says nothing of what is new.
    let mut out = Vec::new();
    let error = findings(&ask(&[whole], "kubesec/error-no-file.txt", false), &mut out);
    assert!(error.is_err_and(|error| error.to_string().contains("tell which tool wrote")));
}

#[test]
fn what_two_tools_found_is_one_line_with_what_removes_it() {
    let paths = [
        "checkov/k8s-docker.json",
        "kubesec/findings.json",
        "tfsec/findings.json",
        "checkov/tf-findings.json",
    ];
    let (_, text) = run(&paths, Form::Table, None);
    assert!(text.lines().any(|line| line.contains("checkov, kubesec")), "{text}");
    assert!(text.lines().any(|line| line.contains("checkov, tfsec")), "{text}");
    assert!(text.contains("what removes them"), "{text}");
    let (_, text) = run(&["trivy/vuln-minidb.json"], Form::Table, Some(Severity::High));
    assert!(text.contains("update lodash 4.17.15 → "), "{text}");
    assert!(text.contains("the limits"), "{text}");
}

const OPENVEX: &str = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"Ada",
    "statements":[
    {"vulnerability":{"name":"CVE-2021-23337"},"products":[{"@id":"pkg:npm/lodash@VERSION"}],
     "status":"not_affected","justification":"vulnerable_code_not_in_execute_path"},
    {"vulnerability":{"name":"CVE-2000-1"},"products":[{"@id":"pkg:npm/lodash"}],
     "status":"fixed"}]}"#;

const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5",
    "components":[{"name":"lodash","bom-ref":"l","purl":"pkg:npm/lodash@4.17.15"}],
    "vulnerabilities":[{"id":"CVE-2021-23337","affects":[{"ref":"l"}],
     "analysis":{"state":"not_affected","justification":"code_not_reachable"}}]}"#;

#[test]
fn vex_sets_findings_aside_and_says_so() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("vex.json");
    let with = |document: &str, form: Form| {
        std::fs::write(&path, document).expect("written");
        let files = vec![full("trivy/vuln-minidb.json")];
        let vex = vec![path.clone()];
        let mut out = Vec::new();
        let ask = FindingsAsk { files, vex, form, ..FindingsAsk::default() };
        findings(&ask, &mut out).map(|_| String::from_utf8(out).expect("utf-8"))
    };
    let (_, plain) = run(&["trivy/vuln-minidb.json"], Form::Json, None);
    let count = |text: &str| value(text)["findings"].as_array().map_or(0, Vec::len);
    for document in [&OPENVEX.replace("VERSION", "4.17.15"), CYCLONEDX] {
        let text = with(document, Form::Json).expect("read");
        let seen = value(&text);
        let aside = seen["aside"].as_array().expect("a list");
        assert!(!aside.is_empty() && aside[0]["finding"]["rule"] == "CVE-2021-23337", "{text}");
        assert_eq!(count(&plain), count(&text) + aside.len());
        let table = with(document, Form::Table).expect("read");
        assert!(table.contains("set aside") && table.contains("not_affected"), "{table}");
        // Suppressed in SARIF, and written again as VEX that does the same.
        let log = value(&with(document, Form::Sarif).expect("read"));
        let results = log["runs"][0]["results"].as_array().expect("results");
        assert!(results.iter().any(|result| result["suppressions"].is_array()));
        let written = with(document, Form::Openvex).expect("read");
        let again = value(&with(&written, Form::Json).expect("read"));
        assert_eq!(again["aside"].as_array().map(Vec::len), Some(aside.len()));
    }
    // Another version is another package, and what fits nothing is said.
    let text = with(&OPENVEX.replace("VERSION", "4.17.20"), Form::Json).expect("read");
    assert_eq!(count(&plain), count(&text));
    assert!(text.contains("2 VEX statements fit no finding"), "{text}");
    // The last word counts: what is affected again is not set aside.
    let last = r#""status":"fixed"},{"vulnerability":{"name":"CVE-2021-23337"},
        "products":[{"@id":"pkg:npm/lodash"}],"status":"affected"}]}"#;
    let document = OPENVEX.replace("VERSION", "4.17.15");
    let document = document.replace(r#""status":"fixed"}]}"#, last);
    assert_eq!(count(&plain), count(&with(&document, Form::Json).expect("read")));
    // Documents that state too little are refused with the place.
    for (broken, said) in [
        ("{", "EOF"),
        ("{}", "neither OpenVEX"),
        (&OPENVEX.replace("\"justification\"", "\"x\""), "statement 1: not_affected without"),
        (&OPENVEX.replace("fixed", "fine"), "statement 2: its status"),
    ] {
        let error = with(broken, Form::Json).expect_err(said).to_string();
        assert!(error.contains(said) && error.contains("vex.json"), "{error}");
    }
}

#[test]
fn waivers_are_written_as_openvex_and_read_back_as_the_same() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("waivers.json");
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, WAIVERS).expect("written");
    let library = gonogo::journal::Library::new(folder.path());
    let waivers = waivers_of(&library, &policy.display().to_string()).expect("a policy");
    let with = |waivers: &[Waiver], vex: &[PathBuf], form: Form| {
        let files = vec![full("trivy/vuln-minidb.json"), full("semgrep/findings.json")];
        let (waivers, vex) = (waivers.to_vec(), vex.to_vec());
        let mut out = Vec::new();
        let ask = FindingsAsk { files, vex, waivers, form, ..FindingsAsk::default() };
        findings(&ask, &mut out).expect("read");
        value(&String::from_utf8(out).expect("utf-8"))
    };
    let document = with(&waivers, &[], Form::Openvex);
    let statements = document["statements"].as_array().expect("statements");
    assert_eq!((statements.len(), &document["author"]), (2, &json!("mira, sam")));
    let of = |rule: &str| {
        let found = statements.iter().find(|one| one["vulnerability"]["name"] == rule);
        found.expect("a statement").clone()
    };
    let (harmless, lived_with) = (of("CVE-2021-44906"), of("CVE-2021-23337"));
    assert_eq!(harmless["status"], "not_affected");
    assert_eq!(harmless["justification"], "vulnerable_code_not_in_execute_path");
    assert_eq!(harmless["impact_statement"], "not reached");
    assert_eq!(lived_with["status"], "affected", "nobody says that it does no harm");
    assert_eq!(lived_with["action_statement"], "mended in spring");
    assert_eq!(lived_with["status_notes"], "waived until 2099-12-31, sam answers");
    let product = lived_with["products"][0]["@id"].as_str().expect("a product");
    assert!(product.starts_with("pkg:npm/lodash@"), "{product}");
    assert!(document["timestamp"].is_string() && harmless["timestamp"].is_string());
    let left = document["tooling"].as_str().expect("said");
    assert!(left.contains("of no package cannot be said here"), "{left}");
    // Read back it sets the same aside, by the same people, and is written the same again.
    std::fs::write(&path, document.to_string()).expect("written");
    let packaged = &waivers[..3];
    let aside = |seen: &Value| -> Vec<String> {
        let all = seen["aside"].as_array().expect("a list");
        let mut all: Vec<String> = all
            .iter()
            .map(|one| format!("{} {}", one["finding"]["fingerprint"], one["by"]))
            .collect();
        all.sort();
        all
    };
    let (given, back) =
        (with(packaged, &[], Form::Json), with(&[], std::slice::from_ref(&path), Form::Json));
    assert!(!aside(&given).is_empty());
    assert_eq!(aside(&given), aside(&back));
    assert_eq!(given["findings"], back["findings"]);
    let again = with(&[], std::slice::from_ref(&path), Form::Openvex);
    let bare = |document: &Value| {
        let mut all = document["statements"].as_array().expect("statements").clone();
        for one in &mut all {
            one["timestamp"] = Value::Null;
        }
        all
    };
    assert_eq!(bare(&again), bare(&document));
    // It holds to its last day only, and what is of no use is said.
    assert!(given.to_string().contains("waiver EXPIRED: CVE-2021-23337"), "{given}");
    let past = document.to_string().replace("2099-12-31, sam", "2001-12-31, sam");
    std::fs::write(&path, past).expect("written");
    let late = with(&[], std::slice::from_ref(&path), Form::Json);
    assert!(aside(&late).len() < aside(&back).len());
    assert!(late.to_string().contains("waiver EXPIRED: CVE-2021-23337 (until 2001-12-31)"));
    assert!(with(&waivers, &[], Form::Json).to_string().contains("1 waiver covers no finding"));
}

#[test]
fn what_was_set_aside_is_counted_beside_what_is_open() {
    let folder = tempfile::tempdir().expect("a directory");
    let library = gonogo::journal::Library::new(folder.path());
    let policy = folder.path().join("policy.yaml");
    let said = |rule: &str, form: Form| {
        let waivers = format!(
            "findings:\n  waivers:\n    - {{rule: '{rule}', reason: why, owner: mira, \
             until: 2099-12-31}}\n"
        );
        std::fs::write(&policy, waivers).expect("written");
        let waivers = waivers_of(&library, &policy.display().to_string()).expect("a policy");
        let files = vec![full("trivy/vuln-minidb.json")];
        let mut out = Vec::new();
        let ask = FindingsAsk { files, waivers, form, ..FindingsAsk::default() };
        findings(&ask, &mut out).expect("read");
        String::from_utf8(out).expect("utf-8")
    };
    let table = said("CVE-*", Form::Table);
    let row = table.lines().nth(1).expect("a row");
    assert!(row.contains("  findings  0 open, 2 set aside  "), "{table}");
    let part = said("CVE-2021-44906", Form::Table);
    assert!(part.contains("  1 high open, 1 set aside  "), "{part}");
    let none = said("CVE-1999-*", Form::Table);
    assert!(none.contains("  1 critical, 1 high  ") && !none.contains("set aside"), "{none}");
    let markdown = said("CVE-*", Form::Markdown);
    assert!(markdown.starts_with("# 0 findings open, 2 set aside\n"), "{markdown}");
    assert!(markdown.contains("| 0 open, 2 set aside "), "{markdown}");
    let json = value(&said("CVE-*", Form::Json));
    let one = &json["coverage"][0];
    assert_eq!((&one["open"], &one["set_aside"]), (&json!(0), &json!(2)), "{one}");
}

#[test]
fn a_justification_that_is_no_word_of_openvex_is_refused_with_its_place() {
    let folder = tempfile::tempdir().expect("a directory");
    let library = gonogo::journal::Library::new(folder.path());
    let policy = folder.path().join("policy.yaml");
    let wrong = WAIVERS.replace("vulnerable_code_not_in_execute_path", "not_reached");
    std::fs::write(&policy, wrong).expect("written");
    let error = waivers_of(&library, &policy.display().to_string()).expect_err("no such word");
    let error = error.to_string();
    for part in ["policy.yaml", ":5:", "not_reached", "inline_mitigations_already_exist"] {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

const WAIVERS: &str = "
findings:
  waivers:
    - {rule: CVE-2021-44906, reason: not reached, owner: mira, until: 2099-12-31,
       justification: vulnerable_code_not_in_execute_path}
    - {rule: CVE-2021-23337, package: lodash, reason: mended in spring, owner: sam,
       until: 2099-12-31}
    - {rule: CVE-2021-23337, reason: long ago, owner: sam, until: 2001-12-31}
    - {rule: '*e*', tool: semgrep, reason: of no package, owner: mira, until: 2099-12-31}
    - {rule: CVE-1999-1, reason: never there, owner: mira, until: 2099-12-31}
";

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
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["state"], "not scanned");
    assert_eq!(value["findings"].as_array().map(Vec::len), Some(6));
    assert_eq!(value["coverage"][0]["counts"]["critical"], 1);
    // T16: none of the forms shows a secret that a report quotes.
    let raw = fixture("gitleaks/findings.json");
    let leaks: Value = serde_json::from_slice(&raw).expect("JSON");
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
            json!({"VulnerabilityID": format!("CVE-1-{n}"), "PkgName": "p",
                "InstalledVersion": "1", "Severity": "HIGH"})
        })
        .collect();
    let report = json!({"SchemaVersion": 2, "ArtifactName": "image",
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
