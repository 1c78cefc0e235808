//! A Prometheus at the wire: its query API, answered from what the simulated shop was scraped for,
//! and everything that can be wrong with it. The simulated shop's own pages stand behind the same
//! seam.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Request, Response, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tower::service_fn;

use super::promql::{self, Labels, Source, Value};
use super::shop::{BUCKETS_MS, Counters, Scrape, Shop};
use super::witness::{Eyes, Fate, Wire};
use crate::release::Slot;
use crate::world::Clock;
use crate::world::web::{Web, WebFault};

/// What is wrong with the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricsFault {
    #[default]
    None,
    /// The series are gone: every answer is empty.
    Vanish,
    /// Every value is `NaN`.
    Nan,
    /// Nothing is scraped any more, and the old samples are still served.
    Stale,
    /// Nobody accepts the connection.
    Unreachable,
    /// The connection is accepted and nothing is ever said.
    Silent,
    /// Every answer warns that it is incomplete.
    Warnings,
    /// A proxy answers with its sign-in page.
    Html,
}

/// The simulated Prometheus. Cheap to clone.
#[derive(Clone)]
pub struct Prometheus {
    shop: Shop,
    clock: Clock,
    namespace: Arc<str>,
    /// The fault, and since when (wall clock, milliseconds).
    fault: Arc<Mutex<(MetricsFault, i64)>>,
    eyes: Eyes,
}

impl Prometheus {
    pub fn new(shop: Shop, clock: Clock, namespace: &str) -> Self {
        Self {
            shop,
            clock,
            namespace: namespace.into(),
            fault: Arc::default(),
            eyes: Eyes::default(),
        }
    }

    pub(super) fn watched_by(mut self, eyes: Eyes) -> Self {
        self.eyes = eyes;
        self
    }

    /// From now on this is wrong with the metrics.
    pub fn set_fault(&self, fault: MetricsFault) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) =
            (fault, self.clock.now().wall_ms());
    }

    /// The seam to put under the real client: `/api/v1/query` and `/api/v1/query_range` at any
    /// address.
    pub fn web(&self) -> Web {
        let this = self.clone();
        Web::through(service_fn(move |request: Request| {
            let this = this.clone();
            async move { this.serve(request.url()).await }
        }))
    }

    async fn serve(&self, url: &Url) -> Result<Response, WebFault> {
        match self.eyes.fate(Wire::Metrics, url.path()) {
            Fate::Served => {}
            // Nothing is changed by a question, so an answer that is lost is none.
            Fate::Refused | Fate::Lost => return Err("connection reset by peer".into()),
            Fate::Silent => std::future::pending().await,
            Fate::Status(code) => return respond(code, "text/plain", "ordered by a test".into()),
        }
        let (fault, _) = self.fault();
        match fault {
            MetricsFault::Unreachable => return Err("connection refused".into()),
            MetricsFault::Silent => std::future::pending().await,
            MetricsFault::Html => {
                let page = "<!DOCTYPE html><title>Sign in to your account</title>";
                return respond(203, "text/html; charset=utf-8", page.into());
            }
            _ => {}
        }
        // A quick server on the same machine.
        self.clock.sleep(Duration::from_millis(3)).await;
        let parameters: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let answer = if url.path().ends_with("/api/v1/query") {
            self.query(&parameters)
        } else if url.path().ends_with("/api/v1/query_range") {
            self.query_range(&parameters)
        } else {
            return respond(404, "text/plain", "404 page not found".into());
        };
        match answer {
            Ok(data) => {
                let mut reply = json!({"status": "success", "data": data});
                if fault == MetricsFault::Warnings {
                    reply["warnings"] =
                        json!(["store backend-1: connection refused; the result is partial"]);
                }
                respond(200, "application/json", reply.to_string())
            }
            Err(error) => {
                let reply = json!({"status": "error", "errorType": "bad_data", "error": error});
                respond(400, "application/json", reply.to_string())
            }
        }
    }

    fn query(&self, parameters: &BTreeMap<String, String>) -> Result<Json, String> {
        let at_ms = time(parameters, "time")?;
        match self.eval(parameters, at_ms)? {
            Value::Scalar(value) => {
                Ok(json!({"resultType": "scalar", "result": sample(at_ms, value)}))
            }
            Value::Vector(series) => {
                let result: Vec<Json> = series
                    .into_iter()
                    .map(|(labels, v)| json!({"metric": labels, "value": sample(at_ms, v)}))
                    .collect();
                Ok(json!({"resultType": "vector", "result": result}))
            }
        }
    }

    fn query_range(&self, parameters: &BTreeMap<String, String>) -> Result<Json, String> {
        let (start_ms, end_ms) = (time(parameters, "start")?, time(parameters, "end")?);
        let step_ms = time(parameters, "step")?;
        if step_ms <= 0 || end_ms < start_ms {
            return Err("end timestamp must not be before start time".to_owned());
        }
        if (end_ms - start_ms) / step_ms > 11_000 {
            return Err("exceeded maximum resolution of 11,000 points per timeseries".to_owned());
        }
        let mut series: BTreeMap<Labels, Vec<Json>> = BTreeMap::new();
        let mut at_ms = start_ms;
        while at_ms <= end_ms {
            if let Value::Vector(vector) = self.eval(parameters, at_ms)? {
                for (labels, value) in vector {
                    series.entry(labels).or_default().push(sample(at_ms, value));
                }
            }
            at_ms += step_ms;
        }
        let result: Vec<Json> = series
            .into_iter()
            .map(|(labels, values)| json!({"metric": labels, "values": values}))
            .collect();
        Ok(json!({"resultType": "matrix", "result": result}))
    }

    fn eval(&self, parameters: &BTreeMap<String, String>, at_ms: i64) -> Result<Value, String> {
        let query = parameters.get("query").ok_or("invalid parameter \"query\"")?;
        let expr = promql::parse(query)
            .map_err(|error| format!("invalid parameter \"query\": parse error: {error}"))?;
        let value = promql::eval(&expr, at_ms, self)?;
        Ok(match (self.fault().0, value) {
            (MetricsFault::Nan, Value::Vector(series)) => {
                Value::Vector(series.into_iter().map(|(labels, _)| (labels, f64::NAN)).collect())
            }
            (_, value) => value,
        })
    }

    fn fault(&self) -> (MetricsFault, i64) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn labels(&self, metric: &str, slot: Slot, more: Option<(&str, String)>) -> Labels {
        let mut labels = BTreeMap::from([
            ("__name__".to_owned(), metric.to_owned()),
            ("namespace".to_owned(), self.namespace.to_string()),
            ("app".to_owned(), "backend".to_owned()),
            ("version".to_owned(), slot.label().to_owned()),
        ]);
        labels.extend(more.map(|(label, value)| (label.to_owned(), value)));
        labels
    }
}

/// A label more, and how its value is read from a slot's counters.
type Column = (Option<(&'static str, String)>, fn(&Counters, usize) -> f64, usize);

impl Source for Prometheus {
    fn series(&self, metric: &str, from_ms: i64, to_ms: i64) -> Vec<(Labels, Vec<(i64, f64)>)> {
        let to_ms = match self.fault() {
            (MetricsFault::Vanish, _) => return Vec::new(),
            (MetricsFault::Stale, since_ms) => to_ms.min(since_ms),
            _ => to_ms,
        };
        let scrapes = self.shop.scrapes(from_ms, to_ms);
        let mut series = Vec::new();
        for slot in [Slot::Blue, Slot::Green] {
            for (label, read, place) in columns(metric) {
                let samples = samples(&scrapes, slot, |counters| read(counters, place));
                if !samples.is_empty() {
                    series.push((self.labels(metric, slot, label), samples));
                }
            }
        }
        series
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rehearsal counts far below 2^52 requests")]
fn columns(metric: &str) -> Vec<Column> {
    let code = |code: &str| Some(("code", code.to_owned()));
    match metric {
        "http_requests_total" => vec![
            (code("200"), |counters, _| counters.ok as f64, 0),
            (code("500"), |counters, _| counters.failed as f64, 0),
        ],
        "http_request_duration_seconds_sum" => vec![(None, |counters, _| counters.duration_s, 0)],
        "http_request_duration_seconds_count" => {
            vec![(None, |counters, _| counters.requests() as f64, 0)]
        }
        "http_request_duration_seconds_bucket" => (0..=BUCKETS_MS.len())
            .map(|place| -> Column {
                let bound = BUCKETS_MS.get(place).map(|ms| (ms / 1000.0).to_string());
                let le = Some(("le", bound.unwrap_or_else(|| "+Inf".to_owned())));
                (le, |counters, place| counters.buckets[..=place].iter().sum::<u64>() as f64, place)
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// One series of a slot. When its pods are gone, so is the series: a scrape without them ends it.
fn samples(scrapes: &[Scrape], slot: Slot, read: impl Fn(&Counters) -> f64) -> Vec<(i64, f64)> {
    if scrapes.last().is_none_or(|scrape| scrape.slot(slot).is_none()) {
        return Vec::new();
    }
    let of = |scrape: &Scrape| Some((scrape.at_ms, read(scrape.slot(slot)?)));
    scrapes.iter().filter_map(of).collect()
}

fn time(parameters: &BTreeMap<String, String>, name: &str) -> Result<i64, String> {
    let bad = || format!("invalid parameter {name:?}: cannot parse to a valid timestamp");
    let seconds: f64 = parameters.get(name).and_then(|text| text.parse().ok()).ok_or_else(bad)?;
    if !(0.0..1e11).contains(&seconds) {
        return Err(bad());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    Ok((seconds * 1000.0).round() as i64)
}

fn sample(at_ms: i64, value: f64) -> Json {
    #[expect(clippy::cast_precision_loss, reason = "wall clock milliseconds fit in 2^52")]
    let seconds = at_ms as f64 / 1000.0;
    let text = if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    };
    json!([seconds, text])
}

fn respond(status: u16, content_type: &str, body: String) -> Result<Response, WebFault> {
    let response =
        http::Response::builder().status(status).header("content-type", content_type).body(body)?;
    Ok(Response::from(response))
}

/// The shop's own pages, as probes see them: `/health`, `/ready`, `/api/…` and the front page.
///
/// The Service is the first word of the host, or the one named in an API server's proxy path. A
/// name with `blue` or `green` in it means that slot, one with `preview` the slot that does not
/// serve, any other whatever serves.
pub fn shop_web(shop: &Shop, clock: &Clock) -> Web {
    let (shop, clock) = (shop.clone(), clock.clone());
    Web::through(service_fn(move |request: Request| {
        let (shop, clock) = (shop.clone(), clock.clone());
        async move { serve_page(&shop, &clock, request.url()).await }
    }))
}

async fn serve_page(shop: &Shop, clock: &Clock, url: &Url) -> Result<Response, WebFault> {
    let (service, path) = service_and_path(url);
    let slot = if service.contains("blue") {
        Some(Slot::Blue)
    } else if service.contains("green") {
        Some(Slot::Green)
    } else if service.contains("preview") {
        match shop.preview() {
            Some(slot) => Some(slot),
            None => return respond(503, "text/plain", "no endpoints available".into()),
        }
    } else {
        None
    };
    let Some(answered) = shop.request(slot) else {
        return respond(503, "text/plain", "no endpoints available".into());
    };
    clock.sleep(Duration::from_millis(answered.took_ms)).await;
    let version = answered.version.unwrap_or_else(|| "unknown".to_owned());
    let known = matches!(path.as_str(), "/" | "/health" | "/ready") || path.starts_with("/api/");
    // Health and readiness answer from memory; they do not fail as customers' requests do.
    let status = match path.as_str() {
        "/health" | "/ready" => 200,
        _ if known => answered.status,
        _ => 404,
    };
    let mut body = String::new();
    let slot = answered.slot.label();
    // Writing to a String cannot fail.
    let _ = write!(body, "{}", json!({"status": status, "version": version, "slot": slot}));
    respond(status, "application/json", body)
}

/// The Service that an address is about, and the path on it.
fn service_and_path(url: &Url) -> (String, String) {
    if let Some((_, rest)) = url.path().split_once("/services/")
        && let Some((service, path)) = rest.split_once("/proxy")
    {
        let path = if path.is_empty() { "/" } else { path };
        return (service.to_owned(), path.to_owned());
    }
    let host = url.host_str().unwrap_or("");
    (host.split('.').next().unwrap_or("").to_owned(), url.path().to_owned())
}
