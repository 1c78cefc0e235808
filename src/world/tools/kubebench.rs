//! `kube-bench --json`: the CIS benchmark in its areas. A cluster whose control plane is somebody
//! else's lacks some of the five: which were looked at is said.

use serde::Deserialize;

use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::FindingKind;

/// The areas of the benchmark, by the kinds of nodes that kube-bench names.
const AREAS: [&str; 5] = ["master", "etcd", "controlplane", "node", "policies"];

#[derive(Deserialize)]
struct Group<'a> {
    #[serde(borrow)]
    results: Vec<Checked<'a>>,
}

#[derive(Deserialize)]
struct Checked<'a> {
    #[serde(borrow)]
    test_number: Text<'a>,
    #[serde(borrow)]
    test_desc: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(default, borrow)]
    remediation: Text<'a>,
    #[serde(default)]
    scored: bool,
}

#[derive(Default)]
struct Seen {
    areas: Vec<String>,
    checks: u64,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("kube-bench");
    let mut seen = Seen::default();
    // With its totals since 0.5; before that a list of areas.
    if json.peek()? == Some(b'{') {
        let mut any = false;
        json.object(&["Controls"], |json, _| {
            any = true;
            json.list(|json| read_area(json, &mut seen, tally))
        })?;
        if !any {
            return Err(json.damaged("it is no report of kube-bench: it holds no Controls"));
        }
    } else {
        json.list(|json| read_area(json, &mut seen, tally))?;
    }
    tally.covered = seen.checks;
    let all = plural(seen.checks, "check", "checks");
    let (looked, not): (Vec<_>, Vec<_>) =
        AREAS.into_iter().partition(|area| seen.areas.iter().any(|own| own == area));
    tally.coverage = match (looked.is_empty(), not.is_empty()) {
        (true, _) => all,
        (_, true) => format!("{all} in all five areas"),
        (false, false) => format!("{all} of {}, not of {}", looked.join(", "), not.join(", ")),
    };
    if seen.checks == 0 {
        tally.not_scanned = Some("kube-bench made no check".into());
    }
    Ok(())
}

fn read_area(json: &mut Json<'_>, seen: &mut Seen, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let (mut area, mut tests) = (String::new(), false);
    json.object(&["node_type", "tests"], |json, key| {
        if key == "node_type" {
            area = json.owned()?;
            return Ok(());
        }
        tests = true;
        each!(json, group: Group<'_> => {
            for checked in &group.results {
                add(checked, &area, &mut seen.checks, tally);
            }
        })
    })?;
    if !tests {
        return Err(json.damaged("an area of it holds no tests"));
    }
    seen.areas.push(area);
    Ok(())
}

fn add(checked: &Checked<'_>, area: &str, checks: &mut u64, tally: &mut Tally<'_>) {
    let severity = match checked.status.as_str() {
        "FAIL" if checked.scored => Severity::High,
        "FAIL" => Severity::Medium,
        // To be looked at by hand, or it could not be found out.
        "WARN" => Severity::Low,
        "PASS" => {
            *checks += 1;
            return;
        }
        _ => return,
    };
    *checks += 1;
    tally.add(Found {
        kind: FindingKind::Misconfiguration,
        rule: &checked.test_number,
        severity,
        original: &checked.status,
        title: &checked.test_desc,
        resource: area,
        fix: checked.remediation.lines().next().unwrap_or_default(),
        ..Found::default()
    });
}
