//! The server as a service under the real client, its lock, and the task that runs controllers.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::failure::Failure;
use super::request::{Asked, Verb, read};
use super::shop::Manifest;
use super::state::State;
use super::{deployments, endpoints, pods, sets, verbs, witness};
use crate::release::Timestamp;
use crate::sim::witness::{Eyes, Fate, Wire};
use crate::world::Clock;
use crate::world::kubernetes::slot_of;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// The most rounds of all controllers without time passing; more means they disagree.
const ROUNDS_MAX: u32 = 200;

/// What watches and controllers wait on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The newest version in the store.
    pub version: u64,
    /// Rises when connections break.
    pub(super) connection: u64,
    /// Counts watches as they open; those up to `stalled` say nothing any more.
    pub(super) opened: u64,
    pub(super) stalled: u64,
    /// Rises when something is ordered that is no object, so that the controllers look again.
    pub(super) nudges: u64,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) moved: watch::Sender<Moved>,
    pub(super) clock: Clock,
    eyes: OnceLock<Eyes>,
}

/// A running server. Clones are handles of the same one; it ends with the last handle and client.
#[derive(Clone, Debug)]
pub struct Apiserver {
    pub(super) shared: Arc<Shared>,
}

/// Why a server cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    #[error("read manifest {index}: {reason}")]
    Yaml { index: usize, reason: String },
    #[error("create {object}: {reason}")]
    Refused { object: String, reason: String },
}

impl Apiserver {
    /// Starts a server whose objects are `manifests`, with everything grown and ready: a cluster
    /// that has been running for days. It must be called inside a runtime.
    pub fn boot(manifests: &[Manifest<'_>], clock: Clock, seed: u64) -> Result<Self, BootError> {
        let mut state = State::new(seed);
        let now = clock.now();
        let long_ago = jiff::SignedDuration::from_hours(-50);
        let then = Timestamp { wall: now.wall.saturating_add(long_ago).unwrap_or(now.wall), ..now };
        for (index, manifest) in manifests.iter().enumerate() {
            let read: Result<Vec<Value>, _> = serde_yaml::from_multiple(manifest.yaml);
            let documents =
                read.map_err(|error| BootError::Yaml { index, reason: error.to_string() })?;
            let here = |document: &Value| {
                manifest.slot.is_none()
                    || slot_of(document).is_none_or(|slot| Some(slot) == manifest.slot)
            };
            for document in documents.into_iter().filter(here) {
                verbs::found(&mut state, manifest.namespace, document, then)?;
            }
        }
        settle(&mut state, then);
        state.settled = false;
        let (moved, _) = watch::channel(Moved { version: state.store.version(), ..<_>::default() });
        let shared =
            Arc::new(Shared { state: Mutex::new(state), moved, clock, eyes: OnceLock::new() });
        tokio::spawn(control(Arc::downgrade(&shared), shared.moved.subscribe()));
        Ok(Self { shared })
    }

    /// Lets a witness see every request and every change; the first one stays.
    pub(in crate::sim) fn watched_by(&self, eyes: Eyes) {
        self.shared.eyes.get_or_init(|| eyes);
    }

    /// A real client whose requests end here.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "production")
    }

    /// Works on the state under its lock, then wakes whoever waits for a change.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        self.shared.with(work)
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut Moved)) {
        self.shared.moved.send_modify(change);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Moved> {
        self.shared.moved.subscribe()
    }

    async fn answer(self, request: Request<Body>) -> Result<Answer, BoxError> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let asked = match read(&parts, bytes) {
            Ok(asked) => asked,
            Err(_) if self.is_out() => return Err("connection refused".into()),
            Err(_) if parts.uri.path() == "/version" => return Ok(json_answer(200, &version())),
            Err(failure) => return Ok(refusal(&failure)),
        };
        let eyes = self.shared.eyes.get().cloned().unwrap_or_default();
        let what = format!("{} {}", asked.verb.name(), asked.kind.plural);
        let fate = eyes.fate(Wire::Cluster, &what);
        match fate {
            Fate::Served | Fate::Lost => {}
            Fate::Silent => std::future::pending().await,
            Fate::Refused => return Err("connection refused".into()),
            Fate::Status(code) => return Ok(refusal(&Failure::new(code, "ordered by a test"))),
        }
        if let Some(delay) = self.with(|state, _| delayed(state, &asked)) {
            return self.late(asked, delay).await;
        }
        let before = self.with(|state, _| witness::before(state, &asked));
        let answer = self.serve(asked.clone());
        if let Some(deed) = self.with(|state, _| witness::deed(state, &asked, before)) {
            eyes.saw(deed).await;
        }
        if fate == Fate::Lost {
            return Err("connection reset by peer".into());
        }
        answer
    }

    /// Carries the request out later, even when the client has gone by then.
    async fn late(self, asked: Asked, delay: Duration) -> Result<Answer, BoxError> {
        let (done, answer) = oneshot::channel();
        tokio::spawn(async move {
            self.shared.clock.sleep(delay).await;
            // Nobody may be waiting any more; the change is made all the same.
            let _ = done.send(self.serve(asked));
        });
        answer.await?
    }

    fn is_out(&self) -> bool {
        self.with(|state, now| {
            state.faults.outage_until_ms.is_some_and(|until| now.boot_ms < until)
        })
    }

    fn serve(&self, asked: Asked) -> Result<Answer, BoxError> {
        if self.is_out() {
            return Err("connection refused".into());
        }
        if asked.verb == Verb::Watch {
            let denied = self.with(|state, _| verbs::gate(state, &asked));
            return Ok(match denied.and_then(|()| self.open_watch(asked)) {
                Ok(answer) => answer,
                Err(failure) => refusal(&failure),
            });
        }
        let (answer, lost) = self.with(|state, now| {
            let answer = verbs::gate(state, &asked).and_then(|()| verbs::serve(state, &asked, now));
            let lost = answer.is_ok() && asked.verb.changes() && lose(state, &asked);
            (answer, lost)
        });
        if lost {
            return Err("connection reset by peer".into());
        }
        Ok(match answer {
            Ok(verbs::Served::Object(code, object)) => json_answer(code, &object),
            Ok(verbs::Served::Text(text)) => plain_answer(200, "text/plain", text.into()),
            Err(failure) => refusal(&failure),
        })
    }
}

impl Shared {
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let value = work(&mut state, now);
        let version = state.store.version();
        drop(state);
        self.moved.send_if_modified(|moved| {
            let newer = version > moved.version;
            moved.version = moved.version.max(version);
            newer
        });
        value
    }
}

fn delayed(state: &mut State, asked: &Asked) -> Option<Duration> {
    if !asked.verb.changes() {
        return None;
    }
    let index = state.faults.delay.iter().position(|(kind, _)| kind == asked.kind.name)?;
    Some(state.faults.delay.remove(index).1)
}

fn lose(state: &mut State, asked: &Asked) -> bool {
    let index = state.faults.lose.iter().position(|kind| kind == asked.kind.name);
    index.map(|index| state.faults.lose.remove(index)).is_some()
}

/// Runs all controllers until nothing is left to do at `now`; answers when to look again.
fn settle(state: &mut State, now: Timestamp) -> Option<u64> {
    for _ in 0..ROUNDS_MAX {
        let before = state.store.version();
        pods::advance(state, now);
        verbs::collect_orphans(state);
        deployments::reconcile(state, now);
        sets::reconcile(state, now);
        if state.store.version() == before {
            break;
        }
    }
    // Nothing else looks at endpoints, so once is enough.
    endpoints::reconcile(state, now);
    let lives = state.lives.values().filter_map(|life| life.due_ms).min();
    let progress = deployments::due_ms(state);
    [lives, progress].into_iter().flatten().min()
}

/// Whether anything after `version` is of a kind that a controller looks at: a Lease renewed every
/// two seconds is not.
fn concerns_controllers(state: &State, version: u64) -> bool {
    let quiet = ["Lease", "Event", "ConfigMap", "Secret", "Ingress", "PersistentVolumeClaim"];
    let changes = state.store.since(version);
    changes.is_none_or(|mut all| all.any(|change| !quiet.contains(&change.key.kind)))
}

/// The task that runs the controllers: awake only when something changed or is due.
async fn control(shared: Weak<Shared>, mut moved: watch::Receiver<Moved>) {
    let (mut seen, mut nudges_seen, mut due) = (0, 0, None);
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let nudges = strong.moved.borrow().nudges;
        let ordered = nudges > nudges_seen;
        nudges_seen = nudges;
        let version = strong.with(|state, now| {
            let late = due.is_some_and(|due| now.boot_ms >= due);
            if late || ordered || concerns_controllers(state, seen) {
                due = settle(state, now);
            }
            state.store.version()
        });
        seen = version;
        let clock = strong.clock.clone();
        drop(strong);
        let newer = moved.wait_for(|moved| moved.version > version || moved.nudges > nudges);
        let woken = match due {
            Some(due) => tokio::select! {
                biased;
                woken = newer => woken.is_ok(),
                () = clock.sleep_until(due) => true,
            },
            None => newer.await.is_ok(),
        };
        if !woken {
            return;
        }
    }
}

impl tower::Service<Request<Body>> for Apiserver {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

fn version() -> Value {
    serde_json::json!({
        "major": "1", "minor": "37", "gitVersion": "v1.37.2+rehearsal", "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "2026-11-23T00:00:00Z", "goVersion": "none",
        "compiler": "rustc", "platform": "rehearsal",
    })
}

fn refusal(failure: &Failure) -> Answer {
    json_answer(failure.code, &failure.status())
}

fn json_answer(code: u16, value: &Value) -> Answer {
    plain_answer(code, "application/json", value.to_string().into())
}

fn plain_answer(code: u16, kind: &'static str, bytes: Bytes) -> Answer {
    let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    answer_with(code, kind, body)
}

pub(super) fn answer_with(
    code: u16,
    kind: &'static str,
    body: UnsyncBoxBody<Bytes, BoxError>,
) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = http::HeaderValue::from_static(kind);
    answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    answer
}
