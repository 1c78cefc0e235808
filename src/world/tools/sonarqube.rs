//! What `SonarQube`'s web API answers: issues and hotspots, the quality gate, a component's
//! measures.
//!
//! An empty list of issues is also what a project gets that was never analysed, and what stands on
//! a second page does not stand in the first. A gate without conditions is OK whatever was found.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural, severity};
use crate::release::Severity;
use crate::release::finding::{FindingKind, Measure};

/// 2 is for a gate that failed, and for a token that is not accepted.
pub(super) const EXITS: Exits =
    Exits { program: "sonar-scanner", well: &[0], findings: &[2], broken: &[1, 2] };

/// An issue, or a hotspot, whose rule and severity have other names.
#[derive(Deserialize)]
struct Issue<'a> {
    #[serde(alias = "ruleKey", borrow)]
    rule: Text<'a>,
    #[serde(alias = "vulnerabilityProbability", borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    component: Text<'a>,
    #[serde(default, borrow)]
    project: Text<'a>,
    #[serde(default)]
    line: Option<u64>,
    /// Of the line's text.
    #[serde(default, borrow)]
    hash: Text<'a>,
    #[serde(default, borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
}

#[derive(Deserialize)]
struct Paging {
    total: u64,
}

pub(super) fn read_issues(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("sonarqube");
    let (mut total, mut listed, mut settled, mut files) = (None, 0_u64, 0_u64, 0_u64);
    let mut any = false;
    json.object(&["paging", "issues", "hotspots", "components"], |json, key| match key {
        "paging" => {
            total = Some(json.owned::<Paging>()?.total);
            Ok(())
        }
        "components" => each!(json, component: Component<'_> => {
            files += u64::from(&*component.qualifier == "FIL");
        }),
        _ => {
            any = true;
            each!(json, issue: Issue<'_> => {
                listed += 1;
                settled += u64::from(!add(&issue, tally));
            })
        }
    })?;
    let Some(total) = total.filter(|_| any) else {
        return Err(json.damaged("it is no list of SonarQube's issues or hotspots"));
    };
    tally.covered = files.max(u64::from(listed > 0));
    tally.coverage = plural(files, "file with issues", "files with issues");
    if settled > 0 {
        tally.coverage = format!("{}, {settled} settled", tally.coverage);
    }
    if total > listed {
        let why = format!("it lists {listed} of {total}: ask for every page");
        tally.not_scanned = Some(why);
    } else if listed == 0 {
        let why = "an empty list does not say that the project was analysed: \
                   the quality gate or the measures do";
        tally.not_scanned = Some(why.into());
    }
    Ok(())
}

#[derive(Deserialize)]
struct Component<'a> {
    #[serde(default, borrow)]
    qualifier: Text<'a>,
}

/// Whether the issue is still open.
fn add(issue: &Issue<'_>, tally: &mut Tally<'_>) -> bool {
    if matches!(issue.status.as_str(), "RESOLVED" | "CLOSED" | "REVIEWED") {
        return false;
    }
    // `project:path`, and a project's key may hold colons itself.
    let path = issue.component.strip_prefix(issue.project.as_str());
    let path = path.and_then(|path| path.strip_prefix(':')).unwrap_or(&issue.component);
    let secret = issue.rule.starts_with("secrets:");
    tally.add(Found {
        kind: if secret { FindingKind::Secret } else { FindingKind::Code },
        rule: &issue.rule,
        severity: severity(&issue.severity),
        original: &issue.severity,
        title: &issue.message,
        path,
        line: issue.line,
        identity: if issue.hash.is_empty() { &issue.message } else { &issue.hash },
        ..Found::default()
    });
    true
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    metric_key: Text<'a>,
    #[serde(default, borrow)]
    comparator: Text<'a>,
    #[serde(default, borrow)]
    error_threshold: Text<'a>,
    #[serde(default, borrow)]
    actual_value: Text<'a>,
}

pub(super) fn read_gate(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("sonarqube");
    let (mut status, mut conditions) = (None, 0);
    json.object(&["projectStatus"], |json, _| {
        json.object(&["status", "conditions"], |json, key| {
            if key == "status" {
                status = Some(json.owned::<String>()?);
                return Ok(());
            }
            each!(json, condition: Condition<'_> => {
                conditions += 1;
                judge(&condition, tally);
            })
        })
    })?;
    let Some(status) = status else {
        return Err(json.damaged("it is no quality gate of SonarQube: it names no status"));
    };
    tally.covered = conditions;
    tally.coverage = plural(conditions, "condition", "conditions");
    match status.as_str() {
        "OK" if conditions == 0 => {
            let why = "the quality gate has no condition that applies: it is OK whatever is found";
            tally.not_scanned = Some(why.into());
        }
        "OK" => {}
        "NONE" => tally.not_scanned = Some("the project was not analysed".into()),
        // Its reason stands among the conditions, unless they are not given.
        status if tally.found() == 0 => {
            tally.crashed = Some(format!("the quality gate is {status}, and gives no reason"));
        }
        _ => {}
    }
    Ok(())
}

fn judge(condition: &Condition<'_>, tally: &mut Tally<'_>) {
    let Condition { status, metric_key, comparator, error_threshold, actual_value } = condition;
    measure(metric_key, actual_value, tally);
    if &**status == "OK" {
        return;
    }
    let beyond = if &**comparator == "LT" { "less than" } else { "more than" };
    let title = match actual_value.as_str() {
        "" => format!("{} has no value", &**metric_key),
        value => format!("{} is {value}, {beyond} {}", &**metric_key, &**error_threshold),
    };
    tally.add(Found {
        kind: FindingKind::Limit,
        rule: metric_key,
        severity: if &**status == "ERROR" { Severity::High } else { Severity::Medium },
        original: status,
        title: &title,
        path: metric_key,
        ..Found::default()
    });
}

#[derive(Deserialize)]
struct Value<'a> {
    #[serde(borrow)]
    metric: Text<'a>,
    #[serde(default, borrow)]
    value: Text<'a>,
}

pub(super) fn read_measures(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("sonarqube");
    let (mut measures, mut lines, mut any) = (0, 0_u64, false);
    json.object(&["component"], |json, _| {
        json.object(&["measures"], |json, _| {
            any = true;
            each!(json, item: Value<'_> => {
                measures += 1;
                if &*item.metric == "ncloc" {
                    lines = item.value.parse().unwrap_or(0);
                }
                measure(&item.metric, &item.value, tally);
            })
        })
    })?;
    if !any {
        return Err(json.damaged("it holds no measures of a component of SonarQube"));
    }
    tally.covered = measures;
    tally.coverage = plural(measures, "measure", "measures");
    if lines > 0 {
        tally.coverage =
            format!("{} of {}", tally.coverage, plural(lines, "line of code", "lines of code"));
    }
    Ok(())
}

fn measure(metric: &str, value: &str, tally: &mut Tally<'_>) {
    let measure = match metric {
        "coverage" => Measure::LineCoveragePct,
        "branch_coverage" => Measure::BranchCoveragePct,
        _ => return,
    };
    if let Ok(number) = value.parse() {
        tally.measure(measure, number);
    }
}
