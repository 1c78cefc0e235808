//! `tfsec … --format json`: misconfigurations of Terraform.
//!
//! A folder without Terraform leaves the same empty list as one without a fault, so that only
//! passed checks (`--include-passed`) prove a clean scan.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural, severity};
use crate::release::finding::FindingKind;

pub(super) const EXITS: Exits =
    Exits { program: "tfsec", well: &[0], findings: &[1], broken: &[1] };

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow)]
    rule_id: Text<'a>,
    #[serde(borrow)]
    description: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
    status: u8,
    #[serde(default, borrow)]
    resolution: Text<'a>,
    #[serde(default, borrow)]
    resource: Text<'a>,
    #[serde(borrow)]
    location: Location<'a>,
}

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow)]
    filename: Text<'a>,
    start_line: u64,
}

/// How tfsec numbers its results' states; 0 is a failure.
const PASSED: u8 = 1;
const IGNORED: u8 = 2;

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("tfsec");
    let (mut checks, mut results) = (0, false);
    json.object(&["results", "errors", "paths"], |json, key| {
        if key != "results" {
            return Err(json.damaged("it is no report of tfsec, which has only results"));
        }
        results = true;
        each!(json, hit: Hit<'_> => {
            checks += 1;
            add(&hit, tally);
        })
    })?;
    if !results {
        return Err(json.damaged("it is no report of tfsec: it holds no results"));
    }
    tally.covered = checks;
    tally.coverage = plural(checks, "check", "checks");
    if checks == 0 {
        let why = "tfsec's empty list does not say that it met any Terraform: \
                   run it with --include-passed";
        tally.not_scanned = Some(why.into());
    }
    Ok(())
}

fn add(hit: &Hit<'_>, tally: &mut Tally<'_>) {
    if matches!(hit.status, PASSED | IGNORED) {
        return;
    }
    tally.add(Found {
        kind: FindingKind::Misconfiguration,
        rule: &hit.rule_id,
        severity: severity(&hit.severity),
        original: &hit.severity,
        title: &hit.description,
        path: &hit.location.filename,
        line: Some(hit.location.start_line),
        resource: &hit.resource,
        fix: &hit.resolution,
        identity: &hit.description,
        ..Found::default()
    });
}
