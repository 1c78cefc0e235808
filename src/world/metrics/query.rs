//! What is asked about a slot: `PromQL` with holes, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::release::{Clean, Slot};

/// The questions about one slot, in `PromQL`.
///
/// `{slot}` stands for `blue` or `green`, `{namespace}` for the namespace, `{window}` for a range
/// (`30s`). Each must answer with exactly one series whose label `version` is the slot, so that a
/// number about other pods can never be taken for this slot's (fault F48).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlotQueries {
    /// Requests answered in the window.
    pub requests: String,
    /// Failed requests among all in the window, 0 to 1.
    pub error_ratio: String,
    /// Average response time in the window, milliseconds.
    pub mean_ms: String,
    /// 95th percentile of the response time in the window, milliseconds.
    pub p95_ms: String,
    /// When the newest sample of the slot was scraped, seconds since the Unix epoch.
    pub sample_time_s: String,
}

/// The selector of the slot's series, with a hole for more matchers.
macro_rules! pods {
    ($more:literal) => {
        concat!("{namespace=\"{namespace}\",app=\"backend\",version=\"{slot}\"", $more, "}")
    };
}

impl Default for SlotQueries {
    /// For `http_requests_total{app,version,code}` and the histogram
    /// `http_request_duration_seconds{app,version}`. Each was run by Prometheus 3.16 itself.
    fn default() -> Self {
        Self {
            requests: concat!(
                "sum by (version) (increase(http_requests_total",
                pods!(""),
                "[{window}]))"
            )
            .into(),
            // Where no request failed there may be no series of failures: the `or` makes that a
            // zero, but only where requests were counted at all.
            error_ratio: concat!(
                "(sum by (version) (rate(http_requests_total",
                pods!(",code=~\"5..\""),
                "[{window}])) or sum by (version) (rate(http_requests_total",
                pods!(""),
                "[{window}])) * 0) / sum by (version) (rate(http_requests_total",
                pods!(""),
                "[{window}]))"
            )
            .into(),
            mean_ms: concat!(
                "1000 * sum by (version) (rate(http_request_duration_seconds_sum",
                pods!(""),
                "[{window}])) / sum by (version) (rate(http_request_duration_seconds_count",
                pods!(""),
                "[{window}]))"
            )
            .into(),
            p95_ms: concat!(
                "1000 * histogram_quantile(0.95, sum by (version, le) ",
                "(rate(http_request_duration_seconds_bucket",
                pods!(""),
                "[{window}])))"
            )
            .into(),
            sample_time_s: concat!(
                "max by (version) (timestamp(http_requests_total",
                pods!(""),
                "))"
            )
            .into(),
        }
    }
}

/// A query or setting that cannot be asked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    #[error("the query `{name}` has no {{{hole}}}, so it is not about one slot's window")]
    NoHole { name: &'static str, hole: &'static str },
    #[error("the query `{name}` has the unknown placeholder {{{hole}}}")]
    UnknownHole { name: &'static str, hole: Clean },
    #[error("{namespace:?} is not a namespace's name")]
    Namespace { namespace: Clean },
    #[error("the address of the metrics is not an http(s) address: {reason}")]
    Address { reason: Clean },
}

impl SlotQueries {
    /// Whether every query is about one slot, and about a window where it must be.
    pub fn check(&self) -> Result<(), BadQuery> {
        let queries = [
            ("requests", &self.requests, true),
            ("error_ratio", &self.error_ratio, true),
            ("mean_ms", &self.mean_ms, true),
            ("p95_ms", &self.p95_ms, true),
            ("sample_time_s", &self.sample_time_s, false),
        ];
        for (name, query, has_window) in queries {
            if !query.contains("{slot}") {
                return Err(BadQuery::NoHole { name, hole: "slot" });
            }
            if has_window && !query.contains("{window}") {
                return Err(BadQuery::NoHole { name, hole: "window" });
            }
            let known = ["slot", "namespace", "window"];
            if let Some(hole) = holes(query).find(|hole| !known.contains(hole)) {
                return Err(BadQuery::UnknownHole { name, hole: Clean::new(hole) });
            }
        }
        Ok(())
    }
}

/// Everything of the form `{word}`; a selector always holds more than a word.
fn holes(query: &str) -> impl Iterator<Item = &str> {
    query.split('{').skip(1).filter_map(|rest| {
        let word = rest.split_once('}')?.0;
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        (!word.is_empty() && word.bytes().all(is_word)).then_some(word)
    })
}

/// A Kubernetes namespace name: nothing in it can end a quoted label value.
pub(super) fn check_namespace(namespace: &str) -> Result<(), BadQuery> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if namespace.is_empty() || namespace.len() > 63 || !namespace.bytes().all(fits) {
        return Err(BadQuery::Namespace { namespace: Clean::new(namespace).cut(80) });
    }
    Ok(())
}

/// Fills the holes of `query`. Each value is of a grammar that needs no escaping.
pub(super) fn fill(query: &str, slot: Slot, namespace: &str, window_ms: u64) -> String {
    let window = if window_ms.is_multiple_of(1000) {
        format!("{}s", window_ms / 1000)
    } else {
        format!("{window_ms}ms")
    };
    query
        .replace("{slot}", slot.label())
        .replace("{namespace}", namespace)
        .replace("{window}", &window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f48_the_defaults_ask_about_one_slot_and_a_window() {
        let queries = SlotQueries::default();
        assert_eq!(queries.check(), Ok(()));
        assert_eq!(
            fill(&queries.requests, Slot::Blue, "production", 30_000),
            "sum by (version) (increase(http_requests_total{namespace=\"production\",\
             app=\"backend\",version=\"blue\"}[30s]))"
        );
    }

    #[test]
    fn f48_a_query_about_no_slot_is_refused() {
        let queries = SlotQueries { requests: "sum(x[{window}])".into(), ..Default::default() };
        assert_eq!(queries.check(), Err(BadQuery::NoHole { name: "requests", hole: "slot" }));
        let queries = SlotQueries { p95_ms: "x{v=\"{slot}\"}".into(), ..Default::default() };
        assert_eq!(queries.check(), Err(BadQuery::NoHole { name: "p95_ms", hole: "window" }));
        let mut queries = SlotQueries::default();
        queries.mean_ms.push_str("{colour}");
        let hole = Clean::new("colour");
        assert_eq!(queries.check(), Err(BadQuery::UnknownHole { name: "mean_ms", hole }));
    }

    #[test]
    fn t6_a_namespace_cannot_break_out_of_its_quotes() {
        for bad in ["", "a\"} or vector(1) #", "Prod", "a/b", &"x".repeat(64)] {
            assert!(check_namespace(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check_namespace("production-2"), Ok(()));
    }
}
