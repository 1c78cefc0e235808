//! `checkov … --output json`: misconfigurations.
//!
//! One framework gives an object, several a list of them, and none that applied a flat object
//! without results. A file that does not parse, and one that is not there, are a count in the
//! summary and the exit code 0.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural, severity};
use crate::release::Severity;
use crate::release::finding::FindingKind;

pub(super) const EXITS: Exits =
    Exits { program: "checkov", well: &[0], findings: &[1], broken: &[2] };

#[derive(Deserialize)]
struct Failed<'a> {
    #[serde(borrow)]
    check_id: Text<'a>,
    #[serde(borrow)]
    check_name: Text<'a>,
    #[serde(default, borrow)]
    repo_file_path: Text<'a>,
    #[serde(default, borrow)]
    file_path: Text<'a>,
    #[serde(default)]
    file_line_range: Option<Vec<u64>>,
    #[serde(default, borrow)]
    resource: Text<'a>,
    /// Only with the vendor's key.
    #[serde(default, borrow)]
    severity: Text<'a>,
    #[serde(default, borrow)]
    guideline: Text<'a>,
    #[serde(default, borrow)]
    vulnerability_details: Option<Details<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    package_name: Text<'a>,
    #[serde(borrow)]
    package_version: Text<'a>,
    #[serde(borrow)]
    lowest_fixed_version: Text<'a>,
}

/// What the summaries say.
#[derive(Clone, Copy, Default, Deserialize)]
struct Sums {
    passed: u64,
    failed: u64,
    parsing_errors: u64,
    resource_count: u64,
}

#[derive(Default)]
struct Seen {
    sums: Sums,
    listed: u64,
    frameworks: Vec<String>,
    unparsed: Option<String>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("checkov");
    let mut seen = Seen::default();
    if json.peek()? == Some(b'[') {
        json.list(|json| read_framework(json, tally, &mut seen))?;
    } else {
        read_framework(json, tally, &mut seen)?;
    }
    let Seen { sums, listed, frameworks, unparsed } = seen;
    tally.covered = sums.passed.saturating_add(sums.failed);
    tally.coverage = format!(
        "{} of {}",
        plural(tally.covered, "check", "checks"),
        plural(sums.resource_count, "resource", "resources"),
    );
    if !frameworks.is_empty() {
        tally.coverage = format!("{} ({})", tally.coverage, frameworks.join(", "));
    }
    if listed < sums.failed {
        let why = format!("it says that {} checks failed, and lists {listed}", sums.failed);
        tally.crashed = Some(why);
    }
    if sums.parsing_errors > 0 {
        let files = plural(sums.parsing_errors, "file", "files");
        let which = unparsed.unwrap_or_else(|| "it does not say which".into());
        tally.not_scanned = Some(format!("{files} missing or not parsed: {which}"));
    } else if tally.covered == 0 {
        tally.not_scanned = Some("Checkov met nothing that its checks apply to".into());
    }
    Ok(())
}

fn read_framework(
    json: &mut Json<'_>,
    tally: &mut Tally<'_>,
    seen: &mut Seen,
) -> Result<(), ReadError> {
    let (mut results, mut summary) = (false, None);
    let mut flat = [None; 4];
    let known = &[
        "check_type",
        "results",
        "summary",
        "passed",
        "failed",
        "parsing_errors",
        "resource_count",
    ];
    json.object(known, |json, key| {
        match key {
            "check_type" => seen.frameworks.push(json.owned::<String>()?),
            "results" => {
                results = true;
                read_results(json, tally, seen)?;
            }
            "summary" => summary = Some(json.owned::<Sums>()?),
            key => {
                let at = known.iter().position(|known| *known == key).unwrap_or(3) - 3;
                flat[at] = Some(json.owned::<u64>()?);
            }
        }
        Ok(())
    })?;
    let sums = match (results, summary, flat) {
        (true, Some(sums), _) => sums,
        (false, None, [Some(passed), Some(failed), Some(parsing_errors), Some(resource_count)]) => {
            Sums { passed, failed, parsing_errors, resource_count }
        }
        _ => return Err(json.damaged("it is no report of Checkov: it lacks results or a summary")),
    };
    let all = &mut seen.sums;
    all.passed = all.passed.saturating_add(sums.passed);
    all.failed = all.failed.saturating_add(sums.failed);
    all.parsing_errors = all.parsing_errors.saturating_add(sums.parsing_errors);
    all.resource_count = all.resource_count.saturating_add(sums.resource_count);
    Ok(())
}

fn read_results(
    json: &mut Json<'_>,
    tally: &mut Tally<'_>,
    seen: &mut Seen,
) -> Result<(), ReadError> {
    json.object(&["failed_checks", "parsing_errors"], |json, key| match key {
        "failed_checks" => each!(json, check: Failed<'_> => {
            seen.listed += 1;
            add(&check, tally);
        }),
        _ => json.list(|json| {
            let path = json.owned::<String>()?;
            seen.unparsed.get_or_insert(path);
            Ok(())
        }),
    })
}

fn add(check: &Failed<'_>, tally: &mut Tally<'_>) {
    let details = check.vulnerability_details.as_ref();
    let word = match details {
        Some(details) if check.severity.is_empty() => &details.severity,
        _ => &check.severity,
    };
    let kind = match details {
        Some(_) => FindingKind::Vulnerability,
        None if check.check_id.starts_with("CKV_SECRET") => FindingKind::Secret,
        None => FindingKind::Misconfiguration,
    };
    // Both begin with a slash and mean a folder: the one that it ran in, the one that it scanned.
    let path =
        if check.repo_file_path.is_empty() { &check.file_path } else { &check.repo_file_path };
    let fixed = details.map_or("", |details| details.lowest_fixed_version.as_str());
    let package = details.map_or("", |details| details.package_name.as_str());
    let fix = match fixed {
        "" => check.guideline.to_string(),
        fixed => format!("update {package} to {fixed}"),
    };
    tally.add(Found {
        kind,
        rule: &check.check_id,
        // Without a key there is none, and its own SARIF then calls every check an error.
        severity: if word.is_empty() { Severity::High } else { severity(word) },
        original: word,
        title: &check.check_name,
        path: path.trim_start_matches('/'),
        line: check.file_line_range.iter().flatten().next().copied().filter(|line| *line > 0),
        resource: &check.resource,
        package,
        installed: details.map_or("", |details| details.package_version.as_str()),
        fixed,
        fix: &fix,
        ..Found::default()
    });
}
