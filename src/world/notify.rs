//! Tells people: a command that gets the message on its standard input, or a webhook that gets it
//! posted as JSON. Every channel is tried on its own and says what came of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Serialize;

use super::Clock;
use super::web::{Web, WebLimits};
use crate::release::{Clean, Secret};

/// Waits before the second, third and fourth try, in seconds.
const BACKOFF_S: [u64; 3] = [1, 4, 16];
/// How long one try of a channel may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(15);

/// What people are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    pub title: Clean,
    pub body: Clean,
    /// What to do now, as a command or a key.
    pub next_step: Clean,
}

/// One way to reach people.
#[derive(Clone)]
pub enum Channel {
    /// The message goes as JSON to the standard input of `argv`, which must end with exit code 0.
    Command { name: Clean, argv: Vec<String> },
    /// The message is posted as JSON. The address is a secret: it usually carries a token.
    Webhook { name: Clean, url: Secret },
}

impl Channel {
    pub fn name(&self) -> &Clean {
        match self {
            Self::Command { name, .. } | Self::Webhook { name, .. } => name,
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())
    }
}

/// Starts `argv` with these bytes on its standard input, for at most this long; answers its exit
/// code, or why there is none.
pub type RunCommand = Arc<
    dyn Fn(Vec<String>, Vec<u8>, Duration) -> BoxFuture<'static, Result<i32, Clean>> + Send + Sync,
>;

/// What came of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub channel: Clean,
    pub outcome: DeliveryOutcome,
    /// How often it was tried.
    pub tries: u32,
}

/// Whether the message got through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    Delivered,
    Failed { reason: Clean },
}

/// Sends messages over all channels. Cheap to clone.
#[derive(Clone)]
pub struct Notifier {
    web: Web,
    clock: Clock,
    run: RunCommand,
    channels: Arc<[Channel]>,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("channels", &self.channels).finish_non_exhaustive()
    }
}

/// Why a try failed, and whether another could help.
struct Miss {
    reason: Clean,
    for_good: bool,
}

impl Notifier {
    pub fn new(web: Web, clock: Clock, run: RunCommand, channels: Vec<Channel>) -> Self {
        Self { web, clock, run, channels: channels.into() }
    }

    /// Sends `message` over every channel at once; each is tried again after 1, 4 and 16 s. The
    /// results stand in the order of the channels.
    pub async fn send(&self, message: &Message) -> Vec<Delivery> {
        let sends = self.channels.iter().map(|channel| self.deliver(channel, message));
        futures::future::join_all(sends).await
    }

    async fn deliver(&self, channel: &Channel, message: &Message) -> Delivery {
        let mut tries = 0;
        let mut waits = BACKOFF_S.iter();
        let outcome = loop {
            tries += 1;
            let result = match channel {
                Channel::Command { argv, .. } => self.run_command(argv, message).await,
                Channel::Webhook { url, .. } => self.post(url, message).await,
            };
            let Err(miss) = result else { break DeliveryOutcome::Delivered };
            match waits.next() {
                Some(seconds) if !miss.for_good => {
                    self.clock.sleep(Duration::from_secs(*seconds)).await;
                }
                _ => break DeliveryOutcome::Failed { reason: miss.reason },
            }
        };
        Delivery { channel: channel.name().clone(), outcome, tries }
    }

    async fn run_command(&self, argv: &[String], message: &Message) -> Result<(), Miss> {
        let run = (self.run)(argv.to_vec(), payload(message), TRY_TIMEOUT);
        let late = || Miss::again(&format!("no exit after {} s", TRY_TIMEOUT.as_secs()));
        match self.clock.within(TRY_TIMEOUT, run).await.ok_or_else(late)? {
            Ok(0) => Ok(()),
            Ok(code) => Err(Miss::again(&format!("exit code {code}"))),
            Err(reason) => Err(Miss { reason, for_good: false }),
        }
    }

    async fn post(&self, url: &Secret, message: &Message) -> Result<(), Miss> {
        let url = str::from_utf8(url.reveal()).ok().and_then(|url| Url::parse(url.trim()).ok());
        let url = url.filter(|url| matches!(url.scheme(), "https" | "http"));
        let Some(url) = url else {
            return Err(Miss::for_good("the webhook's address is not an http(s) address"));
        };
        let mut request = Request::new(Method::POST, url);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(payload(message).into());
        let limits = WebLimits { timeout: TRY_TIMEOUT, bytes_max: 64 * 1024 };
        let answer = self.web.ask(&self.clock, request, limits).await;
        match answer.map_err(|error| Miss::again(&error.to_string()))?.status {
            200..=299 => Ok(()),
            status @ (408 | 429) => Err(Miss::again(&format!("HTTP status {status}"))),
            // Nobody becomes welcome by asking again.
            status @ 300..=499 => Err(Miss::for_good(&format!("HTTP status {status}"))),
            status => Err(Miss::again(&format!("HTTP status {status}"))),
        }
    }
}

impl Miss {
    fn again(reason: &str) -> Self {
        Self { reason: Clean::new(reason).cut(300), for_good: false }
    }

    fn for_good(reason: &str) -> Self {
        Self { reason: Clean::new(reason).cut(300), for_good: true }
    }
}

/// The message as JSON, with the line `text` that chat services show.
fn payload(message: &Message) -> Vec<u8> {
    #[derive(Serialize)]
    struct Payload<'a> {
        text: String,
        #[serde(flatten)]
        message: &'a Message,
    }
    let text = format!("{}\n{}\n{}", message.title, message.body, message.next_step);
    // Strings under fixed names always encode.
    serde_json::to_vec(&Payload { text, message }).unwrap_or_default()
}
