//! The seam to everything that speaks HTTP and is not the cluster: metrics, probes, webhooks.
//! Live it is a `reqwest::Client`; a rehearsal puts a service in the same process under it.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Certificate, Request, Response, redirect};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

use super::Clock;
use crate::release::Clean;

/// What a service under the seam may fail with.
pub type WebFault = Box<dyn Error + Send + Sync>;

/// Sends requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Web {
    service: BoxCloneSyncService<Request, Response, WebFault>,
}

/// How long one exchange may take, and how much of an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebLimits {
    pub timeout: Duration,
    pub bytes_max: usize,
}

/// An answer, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAnswer {
    pub status: u16,
    /// The `Content-Type` without its parameters, in lower case; empty where there is none.
    pub content_type: String,
    /// The `X-Version` header, with which a service may name what answered.
    pub version: Option<Clean>,
    pub body: Vec<u8>,
    /// From the request to the last byte.
    pub took_ms: u64,
}

/// Why there is no answer. No text in it holds the address, which may carry a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    #[error("the HTTP client cannot be built: {reason}")]
    Client { reason: Clean },
    #[error("unreachable: {reason}")]
    Unreachable { reason: Clean },
    #[error("no answer after {after_ms} ms")]
    TimedOut { after_ms: u128 },
    #[error("the answer is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("the answer broke off: {reason}")]
    BrokeOff { reason: Clean },
}

impl Web {
    /// The live client: rustls with ring, the platform's trusted certificates and those of
    /// `ca_pem`; no redirect is followed, so no credential can follow one (threat T18).
    pub fn live(ca_pem: Option<&[u8]>) -> Result<Self, WebError> {
        // One provider for the whole process; whoever comes second finds it there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client_error =
            |error: reqwest::Error| WebError::Client { reason: reason(Box::new(error)) };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("gonogo/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(redirect::Policy::none());
        if let Some(pem) = ca_pem {
            let bundle = Certificate::from_pem_bundle(pem).map_err(client_error)?;
            if bundle.is_empty() {
                let reason = Clean::new("the file of trusted certificates holds none");
                return Err(WebError::Client { reason });
            }
            builder = builder.tls_certs_merge(bundle);
        }
        Ok(Self::through(builder.build().map_err(client_error)?))
    }

    /// Sends through any service of the seam's shape.
    pub fn through<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        S::Error: Into<WebFault>,
        S::Future: Send + 'static,
    {
        Self { service: BoxCloneSyncService::new(service.map_err(Into::into)) }
    }

    /// Sends `request` and reads the whole answer, within `limits`. Any status is an answer.
    pub async fn ask(
        &self,
        clock: &Clock,
        request: Request,
        limits: WebLimits,
    ) -> Result<WebAnswer, WebError> {
        let started_ms = clock.now().boot_ms;
        let exchange = async {
            let response = self.service.clone().oneshot(request).await;
            let response =
                response.map_err(|fault| WebError::Unreachable { reason: reason(fault) })?;
            read(response, limits.bytes_max).await
        };
        let timed_out = WebError::TimedOut { after_ms: limits.timeout.as_millis() };
        let mut answer = clock.within(limits.timeout, exchange).await.ok_or(timed_out)??;
        answer.took_ms = clock.now().boot_ms.saturating_sub(started_ms);
        Ok(answer)
    }
}

async fn read(mut response: Response, bytes_max: usize) -> Result<WebAnswer, WebError> {
    let header = |name: &str| response.headers().get(name).map(http::HeaderValue::as_bytes);
    let content_type = header("content-type").map(String::from_utf8_lossy).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let version = header("x-version").map(|bytes| Clean::from_bytes(bytes).cut(80));
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        let chunk: Option<Bytes> = response
            .chunk()
            .await
            .map_err(|error| WebError::BrokeOff { reason: reason(Box::new(error)) })?;
        let Some(chunk) = chunk else { break };
        if body.len() + chunk.len() > bytes_max {
            return Err(WebError::TooLarge { bytes_max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(WebAnswer { status, content_type, version, body, took_ms: 0 })
}

/// The fault and its causes in one line. `reqwest` puts the address into its messages; an address
/// may hold a secret, so it is taken out first.
fn reason(fault: WebFault) -> Clean {
    let fault: WebFault = match fault.downcast::<reqwest::Error>() {
        Ok(error) => Box::new(error.without_url()),
        Err(other) => other,
    };
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    Clean::new(&text).cut(300)
}
