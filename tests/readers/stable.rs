//! Fingerprints stay the same where the finding does: at another line, in another build.

use gonogo::release::ReportFormat;
use gonogo::release::triage::{Status, diff};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Junit, TrivyJson, fixture, fixtures, parse};

/// Keys that tools write lines under.
const LINES: [&str; 9] = [
    "StartLine",
    "EndLine",
    "startLine",
    "endLine",
    "start_line",
    "end_line",
    "line",
    "Line",
    "file_line_range",
];

fn move_lines(value: &mut Value, by: u64) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|inner| move_lines(inner, by)),
        Value::Object(all) => {
            for (key, inner) in all {
                match inner {
                    Value::Number(_) if LINES.contains(&key.as_str()) => {
                        let line = inner.as_u64().unwrap_or(0);
                        // Line 0 says that there is none.
                        *inner = json!(if line == 0 { 0 } else { line + by });
                    }
                    Value::Array(lines) if LINES.contains(&key.as_str()) => {
                        for line in lines {
                            *line = json!(line.as_u64().unwrap_or(0) + by);
                        }
                    }
                    inner => move_lines(inner, by),
                }
            }
        }
        _ => {}
    }
}

fn documents() -> Vec<(ReportFormat, &'static str, Value)> {
    let whole = fixtures().filter(|(format, _)| *format != Junit);
    let read = whole.filter_map(|(format, path)| {
        Some((format, path, serde_json::from_slice(&fixture(path)).ok()?))
    });
    read.collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn moved_lines_are_not_news(by in 1..2000_u64) {
        let mut moved = 0;
        for (format, path, document) in documents() {
            let mut other = document.clone();
            move_lines(&mut other, by);
            let read = |value: &Value| parse(format, value.to_string().as_bytes()).expect(path);
            let (before, after) = (read(&document).findings, read(&other).findings);
            moved += before.iter().zip(&after).filter(|(a, b)| a.location != b.location).count();
            let found = diff(&after, &before);
            prop_assert_eq!((found.count(Status::New), found.fixed.len()), (0, 0), "{}", path);
        }
        prop_assert!(moved > 100, "only {moved} findings have moved");
    }

    #[test]
    fn another_build_of_the_image_is_not_news(
        tag in "[a-z0-9]{1,8}", patch in 0..99_u32, distribution in 0..30_u32,
    ) {
        let report = |tag: &str, patch: u32, distribution: u32| {
            let image = format!("acr.io/shop/backend:{tag}");
            let flaw = |id: &str, name: &str, kind: &str, version: &str| {
                let purl = format!("pkg:{kind}/{name}@{version}?distro=3.{distribution}");
                json!({
                    "VulnerabilityID": id, "PkgName": name, "Severity": "HIGH",
                    "InstalledVersion": version, "FixedVersion": "9",
                    "PkgIdentifier": {"PURL": purl},
                })
            };
            let version = format!("1.2.{patch}");
            let text = json!({"SchemaVersion": 2, "ArtifactName": image, "Results": [
                {"Target": format!("{image} (alpine 3.{distribution})"), "Class": "os-pkgs",
                 "Type": "alpine", "Vulnerabilities": [
                    flaw("CVE-1", "busybox", "apk/alpine", &version),
                    flaw("CVE-2", "zlib", "apk/alpine", &version)]},
                {"Target": "Node.js", "Class": "lang-pkgs", "Type": "node-pkg",
                 "Vulnerabilities": [flaw("CVE-3", "lodash", "npm", &version)]},
            ]});
            parse(TrivyJson, text.to_string().as_bytes()).expect("a report").findings
        };
        let found = diff(&report(&tag, patch, distribution), &report("118", 4, 18));
        prop_assert_eq!((found.count(Status::New), found.fixed.len()), (0, 0));
    }
}
