//! `newman --reporters json`: the assertions of a collection of requests.
//!
//! A request that got no answer is a failure besides the assertions that failed for it.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::outcomes::Failed;
use super::report::{ReadError, Tally, plural};
use crate::release::{Severity, TestCounts};

pub(super) const EXITS: Exits =
    Exits { program: "newman", well: &[0], findings: &[1], broken: &[1] };

#[derive(Deserialize)]
struct Stats {
    requests: Count,
    assertions: Count,
}

#[derive(Default, Deserialize)]
struct Count {
    total: u32,
    #[serde(default)]
    pending: u32,
    failed: u32,
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    error: Why<'a>,
    #[serde(default, borrow)]
    source: Option<Source<'a>>,
}

#[derive(Deserialize)]
struct Why<'a> {
    #[serde(default, borrow)]
    name: Text<'a>,
    #[serde(default, borrow)]
    test: Text<'a>,
    #[serde(default, borrow)]
    message: Text<'a>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(default, borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
struct Ended {
    message: Option<String>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("newman");
    let (mut stats, mut listed) = (None, 0_u64);
    json.object(&["run"], |json, _| {
        json.object(&["stats", "failures", "error"], |json, key| match key {
            "stats" => {
                stats = Some(json.owned::<Stats>()?);
                Ok(())
            }
            "failures" => each!(json, failure: Failure<'_> => {
                listed += 1;
                add(&failure, tally);
            }),
            _ => {
                if let Some(ended) = json.owned::<Option<Ended>>()? {
                    let why = ended.message.unwrap_or_else(|| "the run ended in an error".into());
                    tally.crashed = Some(why);
                }
                Ok(())
            }
        })
    })?;
    let Some(Stats { requests, assertions }) = stats else {
        return Err(json.damaged("it is no report of Newman: it holds no run with stats"));
    };
    let Count { total, pending, failed } = assertions;
    let passed = total.saturating_sub(failed).saturating_sub(pending);
    *tally.tests() = TestCounts { passed, failed, skipped: pending };
    tally.tests_over("assertion", "assertions");
    let requests_made = plural(u64::from(requests.total), "request", "requests");
    tally.coverage = format!("{} in {requests_made}", tally.coverage);
    let counted = u64::from(failed.max(requests.failed));
    if counted > listed {
        let why = format!("it counts {counted} failures, and lists {listed}");
        tally.crashed.get_or_insert(why);
    }
    Ok(())
}

fn add(failure: &Failure<'_>, tally: &mut Tally<'_>) {
    let Why { name, test, message } = &failure.error;
    let request = failure.source.as_ref().map_or("", |source| source.name.as_str());
    let what = match test.as_str() {
        "" => request.to_owned(),
        test => format!("{request}: {test}"),
    };
    let failed = Failed {
        name: &what,
        rule: name,
        path: request,
        word: "failed",
        why: message,
        ..Failed::default()
    };
    tally.trouble(&failed, Severity::High);
}
