//! Probes: does a service answer, with which status, how fast, and which version says so.

use std::time::Duration;

use reqwest::{Method, Request, Url};
use serde::Deserialize;

use super::Clock;
use super::web::{Web, WebLimits};
use crate::release::{Clean, Finite, Reading};

/// How long one probe may take and how much of its answer is read.
const LIMITS: WebLimits = WebLimits { timeout: Duration::from_secs(5), bytes_max: 1024 * 1024 };

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// The address without user, password and query.
    pub url: Clean,
    /// The HTTP status; unknown where nothing answered.
    pub status: Reading<u16>,
    /// From the request to the last byte, in milliseconds.
    pub ms: Finite,
    /// The version that answered: the header `X-Version`, or `version` in a JSON body.
    pub version: Option<Clean>,
}

impl ProbeResult {
    /// Whether it answered with a success. A redirect is no success: it is often a sign-in page.
    pub fn is_ok(&self) -> bool {
        matches!(self.status, Reading::Known { value: 200..=299 })
    }
}

/// Probes every address at once, each within five seconds; the results stand in the same order.
pub async fn probe(web: &Web, clock: &Clock, urls: &[String]) -> Vec<ProbeResult> {
    futures::future::join_all(urls.iter().map(|url| probe_one(web, clock, url))).await
}

async fn probe_one(web: &Web, clock: &Clock, address: &str) -> ProbeResult {
    let unknown = |url: Clean, reason: &str, ms: Finite| ProbeResult {
        url,
        status: Reading::unknown(reason),
        ms,
        version: None,
    };
    let Ok(url) = Url::parse(address) else {
        return unknown(Clean::new(address).cut(200), "not an address", Finite::default());
    };
    let shown = shown(&url);
    let started_ms = clock.now().boot_ms;
    let answer = web.ask(clock, Request::new(Method::GET, url), LIMITS).await;
    #[expect(clippy::cast_precision_loss, reason = "a probe takes seconds, not ages")]
    let ms = Finite::new(clock.now().boot_ms.saturating_sub(started_ms) as f64).unwrap_or_default();
    match answer {
        Err(error) => unknown(shown, &error.to_string(), ms),
        Ok(answer) => {
            let version = answer.version.or_else(|| version_in(&answer.body));
            ProbeResult { url: shown, status: Reading::known(answer.status), ms, version }
        }
    }
}

/// The address as it may be shown: a user, password or query may hold a secret.
fn shown(url: &Url) -> Clean {
    let mut url = url.clone();
    // Both fail only for addresses that cannot hold a user, and then there is nothing to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    Clean::new(url.as_str()).cut(200)
}

fn version_in(body: &[u8]) -> Option<Clean> {
    #[derive(Deserialize)]
    struct Said {
        version: String,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    Some(Clean::new(&said.version).cut(80))
}
