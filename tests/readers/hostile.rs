//! Reports that are cut, empty, of another form, or written to harm: a typed error or a correct
//! reading, never a panic, and never clean.

use std::fmt::Write as _;

use gonogo::release::{ReportFormat, ReportState, TestCounts};
use gonogo::world::tools::{FINDINGS_MAX, Origin, ReadError};
use proptest::prelude::*;

use super::{CargoJson, FORMATS, Junit, Sarif, TrivyJson, fixture, fixtures, in_records, parse};

#[test]
fn a_cut_report_is_an_error_wherever_it_is_cut() {
    for (format, path) in fixtures() {
        let bytes = fixture(path);
        let whole = bytes.trim_ascii_end().len();
        let step = (whole / 150).max(1);
        let tail = whole.saturating_sub(40)..whole;
        for cut in (0..whole).step_by(step).chain(tail) {
            let read = parse(format, &bytes[..cut]);
            if let (true, Ok(part)) = (in_records(format, path), &read) {
                let all = parse(format, &bytes).expect(path);
                let clean = part.summary.state == ReportState::Clean;
                let same = part.summary.state == all.summary.state;
                assert!(!clean || same, "{path} cut at {cut} is clean");
                continue;
            }
            assert!(read.is_err(), "{path} cut at {cut} of {whole}: {:?}", read.map(|r| r.summary));
        }
        assert!(parse(format, &bytes[..whole]).is_ok(), "{path} without its last line end");
    }
}

#[test]
fn cut_test_output_is_an_error() {
    let bytes = fixture("cargo/test-failing.txt");
    let text = String::from_utf8(bytes).expect("utf-8");
    let from = text.find("running ").expect("tests run") + "running 3 tests\n".len();
    let to = text.find("test result:").expect("a result");
    for cut in from..to {
        assert!(text.get(..cut).is_none_or(|cut| parse(CargoJson, cut.as_bytes()).is_err()));
    }
}

#[test]
fn an_empty_report_is_an_error() {
    for (format, _) in fixtures() {
        for bytes in [&b""[..], b"\n", b" \r\n\t ", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"] {
            assert!(matches!(parse(format, bytes), Err(ReadError::Empty { .. })));
        }
    }
}

#[test]
fn a_report_of_another_form_is_an_error() {
    for (format, path) in fixtures() {
        for other in FORMATS {
            if other != format {
                assert!(parse(other, &fixture(path)).is_err(), "{path} read as {other:?}");
            }
        }
    }
    for text in ["null", "[]", "{}", "\"\"", "<a/>", "<html></html>", "0", "no report at all"] {
        for format in FORMATS {
            // An empty list is a whole report of some tools, and of nothing.
            let read = parse(format, text.as_bytes());
            let nothing = |report: gonogo::world::tools::Report| {
                matches!(report.summary.state, ReportState::NotScanned { .. })
            };
            let list = matches!(text, "[]" | "null") && read.is_ok();
            assert!(
                if list { read.is_ok_and(nothing) } else { read.is_err() },
                "{text} as {format:?}"
            );
        }
    }
}

#[test]
fn a_byte_order_mark_changes_nothing_but_the_digest() {
    for (format, path) in fixtures() {
        let bytes = fixture(path);
        let marked = [b"\xef\xbb\xbf", &bytes[..]].concat();
        let (plain, marked) = (parse(format, &bytes), parse(format, &marked));
        let (mut plain, marked) = (plain.expect("plain"), marked.expect("marked"));
        plain.summary.digest = marked.summary.digest.clone();
        assert_eq!(plain, marked, "{path}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_an_error_with_a_place() {
    for (format, path) in fixtures() {
        let mut bytes = fixture(path);
        let at = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len() / 2, |at| at + 1);
        bytes.insert(at.min(bytes.len()), 0xff);
        let error = parse(format, &bytes).map(|r| r.summary).expect_err(path);
        assert!(error.to_string().contains("it is not UTF-8"), "{error}");
    }
    let utf16: Vec<u8> = "<testsuites/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = [&[0xff, 0xfe][..], &utf16].concat();
    assert!(parse(Junit, &utf16).is_err());
}

const ESC: &str = "\u{1b}[2J\u{202e}evil\u{0}\u{200b}";

fn harmless(text: &str) {
    assert!(!text.chars().any(gonogo::release::hidden), "{text:?}");
}

#[test]
fn text_that_moves_cursors_or_hides_comes_out_visible() {
    let json = serde_json::to_string(ESC).expect("json");
    let sarif = format!(
        r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":{json}}}}},"results":[
        {{"ruleId":{json},"level":{json},"message":{{"text":{json}}},"locations":[
        {{"physicalLocation":{{"artifactLocation":{{"uri":{json}}}}}}}]}}]}}]}}"#
    );
    let junit = format!(
        "<testsuite name='{ESC}'><testcase name='{ESC}' classname='{ESC}'>\
         <failure message='{ESC}'>{ESC}</failure></testcase></testsuite>"
    );
    let trivy = format!(
        r#"{{"SchemaVersion":2,"Results":[{{"Target":{json},"Secrets":[{{"RuleID":{json},
        "Title":{json},"Severity":{json},"Match":{json}}}]}}]}}"#
    );
    for (format, text) in [(Sarif, sarif), (Junit, junit), (TrivyJson, trivy)] {
        let report = parse(format, text.as_bytes()).expect("it parses");
        assert_eq!(report.findings.len(), 1, "{format:?}");
        let finding = &report.findings[0];
        for text in [&finding.tool, &finding.rule, &finding.title, &finding.location] {
            harmless(text.as_str());
        }
        harmless(report.summary.coverage.as_str());
        assert!(finding.title.as_str().contains("\\x1b[2J\\u{202e}evil"), "{:?}", finding.title);
    }
    // The error's own words are clean too.
    let error = parse(Sarif, format!("{{\"{ESC}\": ").as_bytes()).expect_err("cut");
    harmless(&error.to_string());
    let origin = Origin { tool: ESC, ..Origin::default() };
    let named = gonogo::world::tools::read(Junit, &origin, b"").expect_err("empty");
    harmless(&named.to_string());
}

#[test]
fn deep_nesting_is_refused_without_a_stack() {
    let deep = 100_000;
    let arrays =
        format!(r#"{{"version":"2.1.0","runs":[],"x":{}{}}}"#, "[".repeat(deep), "]".repeat(deep));
    // What is skipped may be deep, or be refused; a run made of it may not pass.
    if let Ok(report) = parse(Sarif, arrays.as_bytes()) {
        assert!(matches!(report.summary.state, ReportState::NotScanned { .. }));
    }
    let mut inside = String::from(r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"#);
    let _ = write!(inside, r#""results":[],"properties":{{"coverage":{}"#, "[".repeat(deep));
    assert!(parse(Sarif, inside.as_bytes()).is_err());
    let open = "<testsuite>".repeat(deep);
    assert!(parse(Junit, open.as_bytes()).is_err());
    let closed = format!("{open}{}", "</testsuite>".repeat(deep));
    let error = parse(Junit, closed.as_bytes()).expect_err("too deep");
    assert!(error.to_string().contains("nested deeper"), "{error}");
}

#[test]
fn duplicate_keys_are_refused() {
    let run = r#"{"tool":{"driver":{"name":"x","rules":[{"id":"a"}]}},"results":[]}"#;
    let ok = format!(r#"{{"version":"2.1.0","runs":[{run}]}}"#);
    assert_eq!(parse(Sarif, ok.as_bytes()).expect("ok").summary.state, ReportState::Clean);
    let twice = format!(r#"{{"version":"2.1.0","runs":[{run}],"runs":[]}}"#);
    assert!(parse(Sarif, twice.as_bytes()).is_err());
    let results = ok.replace(r#""results":[]"#, r#""results":[{"message":{}}],"results":[]"#);
    assert!(parse(Sarif, results.as_bytes()).is_err());
    let junit = "<testsuite failures='1' failures='0'><testcase name='a'/></testsuite>";
    assert!(parse(Junit, junit.as_bytes()).is_err());
    let cargo = r#"{"reason":"build-finished","success":false,"success":true}"#;
    assert!(parse(CargoJson, cargo.as_bytes()).is_err());
}

#[test]
fn entities_are_never_expanded() {
    let bomb = r#"<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>
        <testsuite><testcase name="&b;"/></testsuite>"#;
    let error = parse(Junit, bomb.as_bytes()).expect_err("refused");
    assert!(error.to_string().contains("document type"), "{error}");
    for text in [
        "<testsuite><testcase name='&b;'/></testsuite>",
        "<testsuite><testcase name='a'><failure>&b;</failure></testcase></testsuite>",
        "<testsuite><testcase name='a'><failure>&#xFFFFFFF;</failure></testcase></testsuite>",
    ] {
        assert!(parse(Junit, text.as_bytes()).is_err(), "{text}");
    }
    let known = "<testsuite><testcase name='a'><failure>1 &lt; 2 &#x26; 3</failure></testcase>\
                 </testsuite>";
    let report = parse(Junit, known.as_bytes()).expect("known entities");
    assert_eq!(report.findings[0].title.as_str(), "a: 1 < 2 & 3");
}

#[test]
fn sarif_that_proves_no_scan_is_not_clean() {
    let log = |run: &str| format!(r#"{{"version":"2.1.0","runs":[{run}]}}"#);
    let state = |run: &str| parse(Sarif, log(run).as_bytes()).expect(run).summary.state;
    let driver = r#""tool":{"driver":{"name":"x"}}"#;
    let is_not_scanned = |run: &str| {
        assert!(matches!(state(run), ReportState::NotScanned { .. }), "{run}");
    };
    is_not_scanned(&format!(r#"{{{driver},"results":[]}}"#));
    is_not_scanned(&format!(r#"{{{driver},"results":null}}"#));
    is_not_scanned(&format!("{{{driver}}}"));
    is_not_scanned(&format!(r#"{{{driver},"results":[],"invocations":[{{}}]}}"#));
    is_not_scanned(&format!(r#"{{{driver},"results":[],"properties":{{"coverage":[]}}}}"#));
    assert!(matches!(
        parse(Sarif, br#"{"version":"2.1.0","runs":[]}"#).expect("no runs").summary.state,
        ReportState::NotScanned { .. }
    ));
    for clean in [
        r#""results":[],"invocations":[{"executionSuccessful":true}]"#,
        r#""results":[],"artifacts":[{"location":{"uri":"a"}}]"#,
        r#""results":[],"properties":{"imageName":"acr.io/backend:1"}"#,
        r#""results":[],"properties":{"coverage":[{"files":4,"isSupported":true}]}"#,
        r#""results":[{"kind":"pass","message":{"text":"ok"}}]"#,
    ] {
        assert_eq!(state(&format!("{{{driver},{clean}}}")), ReportState::Clean, "{clean}");
    }
    for broken in [
        r#""results":[],"artifacts":[{}],"invocations":[{"executionSuccessful":false}]"#,
        r#""results":[],"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":
           [{"level":"error","message":{"text":"src/a.js does not parse"}}]}]"#,
    ] {
        let state = state(&format!("{{{driver},{broken}}}"));
        assert!(matches!(state, ReportState::Crashed { .. }), "{broken}: {state:?}");
    }
}

#[test]
fn junit_that_proves_no_test_is_not_clean() {
    let state = |text: &str| parse(Junit, text.as_bytes()).expect(text).summary;
    for none in [
        "<testsuites/>",
        "<testsuites><testsuite tests='4' failures='0'/></testsuites>",
        "<testsuite><testcase name='a'><skipped/></testcase></testsuite>",
        "<testsuite><testcase name='a' status='notrun'/></testsuite>",
    ] {
        assert!(matches!(state(none).state, ReportState::NotScanned { .. }), "{none}");
    }
    let declared = state("<testsuite tests='1' failures='2'><testcase name='a'/></testsuite>");
    assert_eq!(declared.tests, Some(TestCounts { passed: 1, failed: 2, skipped: 0 }));
    let broken =
        state("<testsuite name='s'><error message='boom'/><testcase name='a'/></testsuite>");
    assert_eq!(broken.tests, Some(TestCounts { passed: 1, failed: 1, skipped: 0 }));
    assert_eq!(broken.worst[0].title.as_str(), "s: boom");
    for twice in [
        "<testsuite><testcase name='a'/></testsuite><testsuite><testcase name='b'/></testsuite>",
        "npm noise <testsuite><testcase name='a'/></testsuite>",
        "<testsuite><testcase name='a'/></testsuite> killed",
        "<testsuite><testcase name='a'></testsuite></testcase>",
        "<testsuite><testcase name='a'><testcase name='b'/></testcase></testsuite>",
    ] {
        assert!(parse(Junit, twice.as_bytes()).is_err(), "{twice}");
    }
}

#[test]
fn a_flood_of_findings_is_counted_and_cut() {
    let one = r#"{"ruleId":"r","level":"note","message":{"text":"m"}},"#;
    let last = r#"{"ruleId":"worst","level":"error","message":{"text":"m"}}"#;
    let flood = one.repeat(FINDINGS_MAX + 5);
    let text = format!(
        r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"x"}}}},
        "results":[{flood}{last}]}}]}}"#
    );
    let report = parse(Sarif, text.as_bytes()).expect("it parses");
    assert_eq!(report.findings.len(), FINDINGS_MAX);
    assert_eq!(report.summary.counts.values().sum::<u32>() as usize, FINDINGS_MAX + 6);
    assert_eq!(report.summary.worst[0].rule.as_str(), "worst");
}

/// A recorded report with some of its bytes replaced.
fn damaged() -> impl Strategy<Value = (ReportFormat, Vec<u8>)> {
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    let all: Vec<_> = fixtures().collect();
    (proptest::sample::select(all), edits).prop_map(|((format, path), edits)| {
        let mut bytes = fixture(path);
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        (format, bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    })]

    /// T1: no bytes make a reader panic, and what it reads keeps its own promises.
    #[test]
    fn damage_never_panics((format, bytes) in damaged()) {
        if let Ok(report) = parse(format, &bytes) {
            let summary = report.summary;
            let found: u32 = summary.counts.values().sum();
            if summary.state == ReportState::Clean {
                prop_assert!(summary.covered > 0 && found == 0);
            }
            for finding in &summary.worst {
                harmless(finding.title.as_str());
            }
        }
    }

    #[test]
    fn noise_is_never_a_report(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for format in FORMATS {
            prop_assert!(parse(format, &bytes).is_err());
        }
    }
}
