//! The tools' own formats: counts as jq says, first findings, and what proves no scan.

use gonogo::release::Severity::{Critical, High, Low, Medium};
use gonogo::release::finding::Measure;
use gonogo::release::{Finding, ReportFormat, ReportState, ReportSummary, Severity};
use gonogo::world::tools::{
    GUESS_BYTES, Held, Origin, Report, conceal_report, guess, hold, read, read_file, stream,
};

use super::{
    GitleaksJson, KEY, KubesecJson, Sarif, SemgrepJson, TrivyJson, fixture, fixtures, parse,
};

fn report(format: ReportFormat, path: &str) -> Report {
    parse(format, &fixture(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn counts(summary: &ReportSummary) -> [u32; 5] {
    Severity::ALL.map(|severity| summary.count(severity))
}

fn not_scanned(summary: &ReportSummary) -> bool {
    matches!(summary.state, ReportState::NotScanned { .. })
}

#[test]
fn trivy_counts() {
    // jq '[.Results[]?|.Vulnerabilities,.Misconfigurations,.Secrets|.[]?.Severity]|group_by(.)…'
    let table = [
        ("config", [7, 12, 12, 27, 0]),
        ("config-docker", [2, 2, 2, 2, 0]),
        ("config-clean", [0; 5]),
        ("secret", [3, 0, 0, 0, 0]),
        ("vuln-minidb", [1, 1, 0, 0, 0]),
        ("vuln-critical-only", [1, 0, 0, 0, 0]),
        ("sbom-scan", [1, 1, 0, 0, 0]),
    ];
    for (name, expected) in table {
        let summary = report(TrivyJson, &format!("trivy/{name}.json")).summary;
        assert_eq!(counts(&summary), expected, "{name}");
        let clean = expected == [0; 5];
        let state = if clean { ReportState::Clean } else { ReportState::Findings };
        assert_eq!(summary.state, state, "{name}");
    }
    let docker = report(TrivyJson, "trivy/config-docker.json").summary;
    assert_eq!(docker.coverage.as_str(), "1 target, 27 checks");
    for nothing in ["clean", "license", "error-parse-tf"] {
        assert!(not_scanned(&report(TrivyJson, &format!("trivy/{nothing}.json")).summary));
    }
}

#[test]
fn terraform_that_does_not_parse_is_told_by_trivys_log() {
    let bytes = fixture("trivy/error-parse-tf.json");
    let state = |log| {
        let origin = Origin { tool: "trivy", exit: Some(0), log, ..Origin::default() };
        read(TrivyJson, &origin, &bytes).expect("whole").summary.state
    };
    let reason = |log| match state(log) {
        ReportState::NotScanned { reason } => reason.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    let log = String::from_utf8(fixture("trivy/error-parse-tf.log.txt")).expect("utf-8");
    let why = reason(&log);
    assert!(why.starts_with("main.tf does not parse: main.tf:2,10-3,1: Invalid expr"), "{why}");
    assert!(reason("").contains("--quiet"));
    let scanned = "INFO\t[terraform scanner] Scanning root module\tfile_path=\".\"";
    assert_eq!(state(scanned), ReportState::Clean);
}

#[test]
fn a_vulnerability_names_its_package_and_its_fix() {
    let found = report(TrivyJson, "trivy/vuln-minidb.json").findings;
    let lodash = found.iter().find(|f| f.rule.as_str() == "CVE-2021-23337").expect("there");
    assert_eq!((lodash.severity, lodash.location.as_str()), (High, "package-lock.json"));
    assert_eq!(lodash.title.as_str(), "lodash: command injection via template");
    let package = lodash.package.as_ref().expect("a package");
    assert_eq!(package.purl.as_ref().map(AsRef::as_ref), Some("pkg:npm/lodash@4.17.15"));
    assert_eq!(lodash.fix.as_ref().map(AsRef::as_ref), Some("update lodash to 4.17.21"));
    // Another version of the same package has the same weakness still.
    let text = String::from_utf8(fixture("trivy/vuln-minidb.json")).expect("utf-8");
    let bumped = parse(TrivyJson, text.replace("4.17.15", "4.17.16").as_bytes()).expect("whole");
    let prints = |all: &[Finding]| all.iter().map(|f| f.fingerprint.clone()).collect::<Vec<_>>();
    assert_eq!(prints(&found), prints(&bumped.findings));
}

#[test]
fn gitleaks_counts_and_four_states() {
    for (name, expected) in [("findings", 4), ("findings-redacted", 4), ("dir", 3)] {
        let summary = report(GitleaksJson, &format!("gitleaks/{name}.json")).summary;
        assert_eq!(counts(&summary), [expected, 0, 0, 0, 0], "{name}");
    }
    let found = report(GitleaksJson, "gitleaks/findings.json").findings;
    assert_eq!(found[0].rule.as_str(), "private-key");
    assert_eq!(found[0].location.as_str(), "backend/deploy.key:1");
    let bytes = fixture("gitleaks/clean.json");
    let state = |exit, log| {
        let origin = Origin { tool: "gitleaks", exit, log, ..Origin::default() };
        read(GitleaksJson, &origin, &bytes).expect("whole").summary
    };
    assert!(not_scanned(&state(Some(0), "")));
    assert!(not_scanned(&state(Some(0), "0 commits scanned.")));
    let clean = state(Some(0), "1 commits scanned.\nscanned ~11936 bytes (11.94 KB) in 147ms");
    assert_eq!(clean.state, ReportState::Clean);
    assert_eq!(clean.coverage.as_str(), "1 commit, 11936 bytes");
    let broken = state(Some(126), "1 commits scanned.");
    assert!(matches!(broken.state, ReportState::Crashed { .. }), "{:?}", broken.state);
    let contradicts = state(Some(1), "1 commits scanned.");
    assert!(matches!(contradicts.state, ReportState::Crashed { .. }));
}

#[test]
fn kubesec_scores() {
    let bad = report(KubesecJson, "kubesec/findings.json").summary;
    assert_eq!(counts(&bad), [3, 0, 0, 14, 0]);
    assert_eq!(bad.measure(Measure::Score), Some(-48.0));
    assert_eq!(bad.coverage.as_str(), "1 object, 1 of a kind it does not rate");
    assert_eq!(bad.worst[0].rule.as_str(), "Privileged");
    let good = report(KubesecJson, "kubesec/clean.json").summary;
    assert_eq!((counts(&good), good.measure(Measure::Score)), ([0, 0, 0, 2, 0], Some(14.0)));
    for name in ["error-invalid-manifest", "error-offline-no-schema"] {
        assert!(not_scanned(&report(KubesecJson, &format!("kubesec/{name}.json")).summary));
    }
    for name in ["error-bad-yaml", "error-no-file"] {
        assert!(parse(KubesecJson, &fixture(&format!("kubesec/{name}.txt"))).is_err());
    }
}

#[test]
fn t16_no_secret_of_a_report_is_kept_readable_and_its_identity_stays() {
    let raw = fixture("gitleaks/findings.json");
    let secrets: Vec<serde_json::Value> = serde_json::from_slice(&raw).expect("JSON");
    let masked = conceal_report(&raw, Some(&KEY));
    let text = String::from_utf8_lossy(&masked).into_owned();
    let (before, after) = (parse(GitleaksJson, &raw), parse(GitleaksJson, &masked));
    let (before, after) = (before.expect("raw").findings, after.expect("masked").findings);
    let said = serde_json::to_string(&before).expect("JSON");
    for leak in &secrets {
        let secret = leak["Secret"].as_str().expect("a secret");
        assert!(!secret.is_empty());
        let first = secret.lines().next().expect("a line");
        assert!(!text.contains(first), "stored: {first}");
        assert!(!said.contains(first), "in a finding: {first}");
    }
    let prints = |all: &[Finding]| {
        all.iter().map(|f| (f.fingerprint.clone(), f.secret.clone())).collect::<Vec<_>>()
    };
    assert_eq!(prints(&before), prints(&after));
    assert!(before.iter().all(|finding| finding.secret.is_some()));
    // What the tool struck out itself has no identity.
    let redacted = report(GitleaksJson, "gitleaks/findings-redacted.json").findings;
    assert!(redacted.iter().all(|finding| finding.secret.is_none()));
}

#[test]
fn masking_changes_no_count() {
    for (format, path) in fixtures() {
        let masked = conceal_report(&fixture(path), Some(&KEY));
        let (plain, masked) = (report(format, path).summary, parse(format, &masked));
        let masked = masked.unwrap_or_else(|e| panic!("{path}, masked: {e}")).summary;
        assert_eq!((plain.counts, plain.state), (masked.counts, masked.state), "{path}");
    }
}

#[test]
fn formats_are_guessed_from_their_beginning() {
    for (format, path) in fixtures() {
        let bytes = fixture(path);
        assert_eq!(guess(&bytes[..bytes.len().min(GUESS_BYTES)]), Some(format), "{path}");
    }
    // Semgrep with sorted keys tells at length what it could not parse, and its results after that.
    let errors = format!("{{\"errors\": [{{\"message\": \"{}", "x".repeat(GUESS_BYTES));
    assert_eq!(guess(&errors.as_bytes()[..GUESS_BYTES]), Some(SemgrepJson));
    for nothing in ["", "[]", "{}", "null", "no report", "<html/>", "[[[", "{\"a\": \"\\"] {
        assert_eq!(guess(nothing.as_bytes()), None, "{nothing}");
    }
}

#[test]
fn t1_a_fix_of_a_package_without_a_name_is_held_as_it_was_read() {
    let text = r#"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Target":"t","Vulnerabilities":
        [{"VulnerabilityID":"CVE-2021-44906","FixedVersion":"1.2.6","Severity":"LOW"}]}]}"#;
    let found = parse(TrivyJson, text.as_bytes()).expect("read").findings;
    let mut held = Held::default();
    hold(TrivyJson, &Origin::default(), &mut text.as_bytes(), &mut held).expect("held");
    assert_eq!(held.finding(0).fix, found[0].fix);
    assert!(found[0].fix.as_ref().is_some_and(|fix| fix.as_str().ends_with("to 1.2.6")));
}

#[test]
fn t12_an_exit_for_findings_beside_a_report_of_none_is_no_clean_scan() {
    let with = |tool: &str, exit, format, path: &str| {
        let origin = Origin { tool, exit: Some(exit), accepted: true, ..Origin::default() };
        read(format, &origin, &fixture(path)).expect("read").summary.state
    };
    let crashed = |state: &ReportState| match state {
        ReportState::Crashed { reason } => reason.as_str().contains("accepts for findings"),
        _ => false,
    };
    assert!(crashed(&with("k6", 99, ReportFormat::K6Summary, "k6/pass.json")));
    // Also where the code is the plan's own choice.
    assert!(crashed(&with("gitleaks", 3, Sarif, "gitleaks/clean.sarif")));
    assert_eq!(with("gitleaks", 3, Sarif, "gitleaks/findings.sarif"), ReportState::Findings);
    assert_eq!(with("k6", 99, ReportFormat::K6Summary, "k6/breach.json"), ReportState::Findings);
    // Why nothing was looked at is not lost.
    let state = with("kubesec", 2, KubesecJson, "kubesec/error-invalid-manifest.json");
    assert!(matches!(state, ReportState::NotScanned { .. }), "{state:?}");
}

#[test]
fn t16_what_a_windows_shell_redirected_reads_as_it_was_printed_and_is_kept_masked() {
    let folder = tempfile::tempdir().expect("a folder");
    let quoted = fixture("gitleaks/findings.json");
    let text = String::from_utf8(quoted.clone()).expect("UTF-8");
    let narrow = conceal_report(&quoted, Some(&KEY));
    for (bom, units) in [
        (&b"\xff\xfe"[..], u16::to_le_bytes as fn(u16) -> [u8; 2]),
        (b"\xfe\xff", u16::to_be_bytes),
        (b"", u16::to_le_bytes),
        (b"", u16::to_be_bytes),
    ] {
        let wide: Vec<u8> = text.encode_utf16().flat_map(units).collect();
        let wide = [bom, &wide[..]].concat();
        assert!(conceal_report(&wide, Some(&KEY)) == narrow, "kept as the other is");
        let path = folder.path().join("gitleaks.json");
        std::fs::write(&path, &wide).expect("written");
        let summary = read_file(&path, None, &Origin::default(), &mut Held::default());
        let summary = summary.expect("read");
        let same = report(GitleaksJson, "gitleaks/findings.json").summary;
        assert_eq!((summary.state, summary.counts), (same.state, same.counts));
        // Four bytes a character, which nobody decodes, hide nothing either.
        let four: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        assert!(conceal_report(&four, Some(&KEY)) == narrow, "kept as the other is");
        // What is cut in the middle of a character is damaged, not shorter.
        std::fs::write(&path, &wide[..wide.len() / 2 - 1]).expect("written");
        assert!(read_file(&path, None, &Origin::default(), &mut Held::default()).is_err());
    }
}

#[test]
fn a_stream_gives_findings_one_by_one_wherever_it_is_cut_into_buffers() {
    for (format, path) in fixtures() {
        let bytes = fixture(path);
        let whole = report(format, path);
        for buffer in [1, 7, 4096] {
            let mut from = std::io::BufReader::with_capacity(buffer, &bytes[..]);
            let mut found = 0;
            let origin = Origin { tool: "a.step", key: Some(&KEY), ..Origin::default() };
            let summary = stream(format, &origin, &mut from, &mut |_| found += 1).expect(path);
            assert_eq!(summary.counts, whole.summary.counts, "{path}, {buffer}");
            assert_eq!(found, whole.findings.len(), "{path}, {buffer}");
        }
    }
}

#[test]
fn sarif_whose_results_stand_before_their_tool_is_read_alike() {
    let run = |results_first: bool| {
        let results = r#""results":[{"ruleId":"r","message":{"text":"m"}}]"#;
        let tool = r#""tool":{"driver":{"name":"x","rules":[{"id":"r",
            "defaultConfiguration":{"level":"error"}}]}}"#;
        let (a, b) = if results_first { (results, tool) } else { (tool, results) };
        let text = format!(r#"{{"runs":[{{{a},{b}}}],"version":"2.1.0"}}"#);
        parse(Sarif, text.as_bytes()).expect("whole").findings
    };
    assert_eq!(run(true), run(false));
    assert_eq!(run(true)[0].severity, High);
    assert!(![Critical, Medium, Low].contains(&run(false)[0].severity));
}

/// One flaw of lodash, as five tools write it.
#[test]
fn tools_that_know_one_flaw_by_different_numbers_fold_into_one() {
    let sarif = |tool: &str, rule: &str, message: &str| {
        format!(
            r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":
            {{"name":"{tool}","rules":[{rule}]}}}},
            "results":[{{"ruleIndex":0,"message":{{"text":"{message}"}}}}]}}]}}"#
        )
    };
    let reports = [
        (
            TrivyJson,
            r#"{"SchemaVersion":2,"ArtifactName":"x","Results":[{"Target":"package-lock.json",
            "Vulnerabilities":[{"VulnerabilityID":"CVE-2021-23337","PkgName":"lodash",
            "VendorIDs":["GHSA-35jh-r3h4-6jhm","RHSA-2021:1"],"Severity":"HIGH"}]}]}"#
                .to_owned(),
        ),
        (
            Sarif,
            sarif(
                "Grype",
                r#"{"id":"GHSA-35jh-r3h4-6jhm-lodash","shortDescription":{"text":
                "GHSA-35jh-r3h4-6jhm high vulnerability for lodash package"}}"#,
                "A high vulnerability in npm package: lodash, version 4.17.15 was found",
            ),
        ),
        (
            Sarif,
            sarif(
                "osv-scanner",
                r#"{"id":"SNYK-JS-LODASH-1040724","deprecatedIds":["CVE-2021-23337"]}"#,
                "Package 'lodash@4.17.15' is vulnerable to 'SNYK-JS-LODASH-1040724'.",
            ),
        ),
        (
            Sarif,
            sarif(
                "other",
                r#"{"id":"GSD-2021-23337","properties":{"tags":["security","CVE-2021-23337"]}}"#,
                "Package: lodash",
            ),
        ),
        (
            ReportFormat::Cyclonedx,
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5",
            "components":[{"name":"lodash","version":"4.17.15","bom-ref":"l",
            "purl":"pkg:npm/lodash@4.17.15"}],
            "vulnerabilities":[{"id":"GHSA-35jh-r3h4-6jhm","affects":[{"ref":"l"}],
            "references":[{"id":"CVE-2021-23337"}]}]}"#
                .to_owned(),
        ),
    ];
    let mut all = Vec::new();
    let mut held = Held::default();
    let origin = Origin { key: Some(&KEY), ..Origin::default() };
    for (format, text) in &reports {
        let streamed = stream(*format, &origin, &mut text.as_bytes(), &mut |one| all.push(one));
        streamed.unwrap_or_else(|error| panic!("{error}: {text}"));
        let kept = hold(*format, &origin, &mut text.as_bytes(), &mut held);
        kept.expect("held");
    }
    assert_eq!(all.len(), reports.len());
    let groups = gonogo::release::triage::fold(&all, &gonogo::release::triage::FAMILIES);
    assert_eq!(groups.len(), 1, "{all:#?}");
    let others: Vec<&str> = all[0].aliases.iter().map(gonogo::release::Clean::as_str).collect();
    assert_eq!(others, ["GHSA-35jh-r3h4-6jhm"], "an update of a distribution is no flaw");
    assert_eq!((all[1].rule.as_str(), all[2].package.is_some()), ("GHSA-35jh-r3h4-6jhm", true));
    // What is held in little memory comes back as it was read.
    for (at, finding) in all.iter().enumerate() {
        assert_eq!(held.finding(at), *finding);
    }
}
