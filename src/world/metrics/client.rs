//! Asks Prometheus about slots and reduces what it says to one reading per question.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, join5};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, Request, Url};

use super::super::Clock;
use super::super::web::{Web, WebAnswer, WebLimits};
use super::query::{check_namespace, fill};
use super::reply::{Expected, read_instant, read_range};
use super::{BadQuery, NoReading, Point, SlotQueries};
use crate::release::{Clean, Evidence, Finite, Reading, Secret, Slot, SlotSample};

/// The most of a reply that is read.
const REPLY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where the metrics are and how they are asked.
#[derive(Clone)]
pub struct MetricsSettings {
    /// The address before `/api/v1/…`, for example `https://prometheus.example.com`.
    pub address: String,
    /// A bearer token, where one is needed.
    pub token: Option<Secret>,
    pub namespace: String,
    pub queries: SlotQueries,
    /// How often the pods are scraped. Samples older than two of these are stale (F45).
    pub scrape_interval: Duration,
    /// How long one query may take.
    pub timeout: Duration,
    /// The window of a live sample.
    pub sample_window: Duration,
}

impl MetricsSettings {
    /// The default questions, a scrape every 15 s, 10 s for an answer, samples over a minute.
    pub fn new(address: &str, namespace: &str) -> Self {
        Self {
            address: address.to_owned(),
            token: None,
            namespace: namespace.to_owned(),
            queries: SlotQueries::default(),
            scrape_interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            sample_window: Duration::from_secs(60),
        }
    }
}

impl fmt::Debug for MetricsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsSettings")
            .field("namespace", &self.namespace)
            .field("scrape_interval", &self.scrape_interval)
            .finish_non_exhaustive()
    }
}

/// What was read about one slot in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotWindow {
    /// Requests answered in the window.
    pub requests: Reading<Finite>,
    /// Failed requests among all, 0 to 1.
    pub error_ratio: Reading<Finite>,
    pub mean_ms: Reading<Finite>,
    pub p95_ms: Reading<Finite>,
    /// How old the newest sample was at the window's end, in seconds.
    pub sample_age_s: Reading<Finite>,
}

impl SlotWindow {
    /// Nothing is known, for one reason.
    pub fn unknown(reason: &Clean) -> Self {
        let unknown = || Reading::Unknown { reason: reason.clone() };
        Self {
            requests: unknown(),
            error_ratio: unknown(),
            mean_ms: unknown(),
            p95_ms: unknown(),
            sample_age_s: unknown(),
        }
    }

    /// Joined with what the cluster says about the slot's pods: what is judged and recorded.
    pub fn evidence(
        self,
        slot: Slot,
        window_s: u64,
        exits: Reading<u32>,
        ready_min: Reading<u32>,
    ) -> Evidence {
        let Self { requests, error_ratio, mean_ms, p95_ms, sample_age_s } = self;
        Evidence {
            slot,
            window_s,
            requests,
            error_ratio,
            mean_ms,
            p95_ms,
            sample_age_s,
            exits,
            ready_min,
        }
    }
}

/// Samples for a live panel: what could be read, and the first reason for what could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveSamples {
    pub samples: Vec<SlotSample>,
    pub error: Option<Clean>,
}

/// A client of one Prometheus. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    web: Web,
    clock: Clock,
    base: Url,
    settings: Arc<MetricsSettings>,
}

impl Metrics {
    /// Refuses settings that could ask about the wrong pods.
    pub fn new(web: Web, clock: Clock, settings: MetricsSettings) -> Result<Self, BadQuery> {
        settings.queries.check()?;
        check_namespace(&settings.namespace)?;
        let base = Url::parse(&settings.address)
            .map_err(|error| BadQuery::Address { reason: Clean::new(&error.to_string()) })?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(BadQuery::Address { reason: Clean::new("another scheme") });
        }
        Ok(Self { web, clock, base, settings: Arc::new(settings) })
    }

    /// Reads the window from `from_ms` to `to_ms` (wall clock, milliseconds since the epoch) of
    /// one slot. Whatever cannot be read exactly, or rests on stale samples, is unknown.
    pub async fn window(&self, slot: Slot, from_ms: i64, to_ms: i64) -> SlotWindow {
        let Some(window_ms) = to_ms.checked_sub(from_ms).and_then(|ms| u64::try_from(ms).ok())
        else {
            return SlotWindow::unknown(&Clean::new("the window ends before it begins"));
        };
        if window_ms == 0 {
            return SlotWindow::unknown(&Clean::new("the window is empty"));
        }
        let queries = &self.settings.queries;
        let ask = |query| self.ask_slot(query, slot, window_ms, to_ms);
        let (requests, error_ratio, mean_ms, p95_ms, newest_s) = Box::pin(join5(
            ask(&queries.requests),
            ask(&queries.error_ratio),
            ask(&queries.mean_ms),
            ask(&queries.p95_ms),
            ask(&queries.sample_time_s),
        ))
        .await;
        let sample_age_s = newest_s.and_then(|newest_s| age_s(newest_s, to_ms));
        if let Err(stale) = self.fresh(&sample_age_s) {
            let unknown = SlotWindow::unknown(&stale.reason);
            return SlotWindow { sample_age_s: reading(sample_age_s), ..unknown };
        }
        SlotWindow {
            requests: reading(requests.and_then(not_negative)),
            error_ratio: reading(error_ratio.and_then(ratio)),
            mean_ms: reading(mean_ms.and_then(not_negative)),
            p95_ms: reading(p95_ms.and_then(not_negative)),
            sample_age_s: reading(sample_age_s),
        }
    }

    /// The latest sample of every slot, for a screen. Slots without a reading are left out.
    pub async fn sample(&self, slots: &[Slot]) -> LiveSamples {
        let to_ms = self.clock.now().wall_ms();
        let window = self.settings.sample_window;
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let from_ms = to_ms.saturating_sub(window_ms);
        let reads = slots.iter().map(|slot| self.window(*slot, from_ms, to_ms));
        let windows = join_all(reads).await;
        let mut live = LiveSamples::default();
        for (slot, read) in slots.iter().zip(windows) {
            match read.requests {
                Reading::Known { value } => live.samples.push(SlotSample {
                    slot: *slot,
                    requests_per_s: Finite::new(value.get() / window.as_secs_f64())
                        .unwrap_or_default(),
                    error_ratio: read.error_ratio.value().copied(),
                    mean_ms: read.mean_ms.value().copied(),
                    p95_ms: read.p95_ms.value().copied(),
                }),
                Reading::Unknown { reason } => {
                    let reason = Clean::new(&format!("{slot}: {reason}"));
                    live.error.get_or_insert(reason);
                }
            }
        }
        live
    }

    /// One of the slot's questions over a longer time, a point every `step`.
    ///
    /// `query` is a template like those of [`SlotQueries`]; its `{window}` becomes the step.
    pub async fn range(
        &self,
        query: &str,
        slot: Slot,
        from_ms: i64,
        to_ms: i64,
        step: Duration,
    ) -> Result<Vec<Point>, NoReading> {
        let step_ms = u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1000);
        let query = fill(query, slot, &self.settings.namespace, step_ms);
        let parameters = [
            ("query", query),
            ("start", seconds(from_ms)),
            ("end", seconds(to_ms)),
            ("step", seconds(i64::try_from(step_ms).unwrap_or(i64::MAX))),
        ];
        let answer = self.get("query_range", &parameters).await?;
        read_range(&answer, slot.label())
    }

    async fn ask_slot(
        &self,
        query: &str,
        slot: Slot,
        window_ms: u64,
        at_ms: i64,
    ) -> Result<Finite, NoReading> {
        let query = fill(query, slot, &self.settings.namespace, window_ms);
        let answer = self.get("query", &[("query", query), ("time", seconds(at_ms))]).await?;
        let tolerance_ms = self.stale_after_ms();
        read_instant(&answer, Expected { version: slot.label(), at_ms, tolerance_ms })
    }

    async fn get(&self, api: &str, query: &[(&str, String)]) -> Result<WebAnswer, NoReading> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1", api]);
        }
        url.query_pairs_mut().extend_pairs(query);
        let mut request = Request::new(Method::GET, url);
        if let Some(token) = &self.settings.token {
            let value = [b"Bearer ", token.reveal().trim_ascii()].concat();
            let mut value = HeaderValue::from_bytes(&value)
                .map_err(|_| NoReading::new("the token holds a character that is not allowed"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let limits = WebLimits { timeout: self.settings.timeout, bytes_max: REPLY_BYTES_MAX };
        let answer = self.web.ask(&self.clock, request, limits).await;
        answer.map_err(|error| NoReading::new(&error.to_string()))
    }

    /// Two scrape intervals (F45).
    fn stale_after_ms(&self) -> i64 {
        let twice = self.settings.scrape_interval.as_millis().saturating_mul(2);
        i64::try_from(twice).unwrap_or(i64::MAX)
    }

    fn fresh(&self, age_s: &Result<Finite, NoReading>) -> Result<(), NoReading> {
        let age_s = age_s.as_ref().map_err(Clone::clone)?.get();
        #[expect(clippy::cast_precision_loss, reason = "two scrape intervals are minutes")]
        let limit_s = self.stale_after_ms() as f64 / 1000.0;
        if age_s > limit_s {
            return Err(NoReading::new(&format!(
                "stale: the newest sample is {age_s:.0} s old, limit {limit_s:.0} s"
            )));
        }
        if age_s < -limit_s {
            let ahead_s = -age_s;
            return Err(NoReading::new(&format!(
                "the newest sample is {ahead_s:.0} s in the future: clocks disagree"
            )));
        }
        Ok(())
    }
}

fn reading(result: Result<Finite, NoReading>) -> Reading<Finite> {
    match result {
        Ok(value) => Reading::Known { value },
        Err(NoReading { reason }) => Reading::Unknown { reason },
    }
}

fn age_s(newest_s: Finite, to_ms: i64) -> Result<Finite, NoReading> {
    #[expect(clippy::cast_precision_loss, reason = "wall clock milliseconds fit in 2^52")]
    let end = to_ms as f64 / 1000.0;
    Finite::new(end - newest_s.get()).map_err(|_| NoReading::new("the sample's time is no time"))
}

fn not_negative(value: Finite) -> Result<Finite, NoReading> {
    if value.get() < 0.0 {
        return Err(NoReading::new(&format!("{} is negative", value.get())));
    }
    Ok(value)
}

/// A ratio is between 0 and 1, but for the last digits of a division.
fn ratio(value: Finite) -> Result<Finite, NoReading> {
    let value = not_negative(value)?;
    if value.get() > 1.0 + 1e-9 {
        return Err(NoReading::new(&format!("{} is no ratio", value.get())));
    }
    Ok(Finite::new(value.get().min(1.0)).unwrap_or(value))
}

/// Milliseconds as decimal seconds, exactly.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}
