//! `k6 run --summary-export`, and what `handleSummary` is given: thresholds, percentiles, errors,
//! throughput.
//!
//! A script that throws in every iteration ends with the exit code 0 and has made no request. In
//! an export a threshold is true where it was crossed; in `handleSummary` it is `ok` where it held.

use std::collections::HashMap;

use serde::Deserialize;

use super::formats::Exits;
use super::json::Json;
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::{FindingKind, Measure};

/// 99 is for crossed thresholds; 97 and from 100 on k6 itself failed, or the script did.
pub(super) const EXITS: Exits = Exits {
    program: "k6",
    well: &[0],
    findings: &[99],
    broken: &[97, 98, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 255],
};

/// Groups within groups.
const DEPTH_MAX: u32 = 64;

/// One metric: its numbers by name, and its thresholds with whether they were crossed.
#[derive(Default)]
struct Metric {
    numbers: HashMap<String, f64>,
    count: u64,
    thresholds: Vec<(String, bool)>,
}

#[derive(Deserialize)]
struct Check {
    name: String,
    passes: u64,
    fails: u64,
}

#[derive(Default)]
struct Seen {
    requests: u64,
    iterations: u64,
    thresholds: u64,
    checks: u64,
    judged: u64,
    failed_ratio: Option<f64>,
    p95: Option<f64>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("k6");
    let (mut seen, mut metrics) = (Seen::default(), false);
    json.object(&["metrics", "root_group"], |json, key| {
        if key == "root_group" {
            return read_group(json, 0, &mut seen, tally);
        }
        metrics = true;
        json.entries(|json, name| {
            let metric = read_metric(json)?;
            take(name, &metric, &mut seen, tally);
            Ok(())
        })
    })?;
    if !metrics {
        return Err(json.damaged("it is no summary of k6: it holds no metrics"));
    }
    if let Some(ratio) = seen.failed_ratio {
        tally.measure(Measure::ErrorRatio, ratio);
    }
    // Where no request was answered there is no response time, whatever the summary says.
    if let Some(p95) = seen.p95.filter(|_| seen.failed_ratio.is_none_or(|ratio| ratio < 1.0)) {
        tally.measure(Measure::P95Ms, p95);
    }
    tally.covered = seen.requests.max(seen.judged);
    tally.coverage = [
        plural(seen.requests, "request", "requests"),
        plural(seen.checks, "check", "checks"),
        plural(seen.thresholds, "threshold", "thresholds"),
    ]
    .join(", ");
    if tally.covered == 0 {
        let tried = plural(seen.iterations, "iteration", "iterations");
        tally.not_scanned = Some(format!("{tried} made no request and no check"));
    }
    Ok(())
}

fn read_metric(json: &mut Json<'_>) -> Result<Metric, ReadError> {
    let mut metric = Metric::default();
    json.entries(|json, key| match key {
        "values" => json.entries(|json, key| read_number(json, key, &mut metric)),
        "thresholds" => json.entries(|json, rule| {
            let crossed = read_threshold(json)?;
            metric.thresholds.push((rule.to_owned(), crossed));
            Ok(())
        }),
        key => read_number(json, key, &mut metric),
    })?;
    Ok(metric)
}

fn read_number(json: &mut Json<'_>, key: &str, metric: &mut Metric) -> Result<(), ReadError> {
    match key {
        "count" => metric.count = json.owned()?,
        "rate" | "value" | "avg" | "min" | "med" | "max" => {
            metric.numbers.insert(key.to_owned(), json.owned()?);
        }
        key if key.starts_with("p(") => {
            metric.numbers.insert(key.to_owned(), json.owned()?);
        }
        _ => json.skip()?,
    }
    Ok(())
}

fn read_threshold(json: &mut Json<'_>) -> Result<bool, ReadError> {
    if json.peek()? != Some(b'{') {
        return json.owned();
    }
    let mut held = None;
    json.object(&["ok"], |json, _| {
        held = Some(json.owned::<bool>()?);
        Ok(())
    })?;
    match held {
        Some(held) => Ok(!held),
        None => Err(json.damaged("a threshold of it does not say whether it held")),
    }
}

fn take(name: &str, metric: &Metric, seen: &mut Seen, tally: &mut Tally<'_>) {
    let number = |key: &str| metric.numbers.get(key).copied();
    match name {
        "http_reqs" => {
            seen.requests = metric.count;
            if let Some(rate) = number("rate") {
                tally.measure(Measure::ThroughputPerS, rate);
            }
        }
        "iterations" => seen.iterations = metric.count,
        "http_req_failed" => seen.failed_ratio = number("value").or(number("rate")),
        "http_req_duration" => seen.p95 = number("p(95)"),
        _ => {}
    }
    for (rule, crossed) in &metric.thresholds {
        seen.thresholds += 1;
        if !crossed {
            continue;
        }
        let of = rule.split(['<', '>', '=', '!']).next().unwrap_or_default().trim();
        let actual = number(of).or_else(|| number("value").filter(|_| of == "rate"));
        let actual = actual.map_or(String::new(), |actual| format!(": it is {actual}"));
        tally.add(Found {
            kind: FindingKind::Limit,
            rule,
            severity: Severity::High,
            original: "threshold",
            title: &format!("{name} does not hold {rule}{actual}"),
            resource: name,
            ..Found::default()
        });
    }
}

/// Groups and checks stand by name, or in a list.
fn read_group(
    json: &mut Json<'_>,
    depth: u32,
    seen: &mut Seen,
    tally: &mut Tally<'_>,
) -> Result<(), ReadError> {
    if depth > DEPTH_MAX {
        return Err(json.damaged(&format!("its groups are nested deeper than {DEPTH_MAX}")));
    }
    json.object(&["checks", "groups"], |json, key| {
        let mut each = |json: &mut Json<'_>| match key {
            "checks" => {
                let check = json.owned::<Check>()?;
                judge(&check, seen, tally);
                Ok(())
            }
            _ => read_group(json, depth + 1, seen, tally),
        };
        match json.peek()? {
            Some(b'{') => json.entries(|json, _| each(json)),
            _ => json.list(each),
        }
    })
}

fn judge(check: &Check, seen: &mut Seen, tally: &mut Tally<'_>) {
    let Check { name, passes, fails } = check;
    let all = passes.saturating_add(*fails);
    seen.checks += 1;
    seen.judged = seen.judged.saturating_add(all);
    if *fails > 0 {
        tally.add(Found {
            kind: FindingKind::Test,
            rule: "check",
            severity: Severity::Medium,
            original: "failed",
            title: &format!("{name}: failed {fails} of {all} times"),
            resource: name,
            ..Found::default()
        });
    }
}
