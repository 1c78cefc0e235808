//! WATCH: changes as they come, from one history for all connections.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::unfold;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::failure::Failure;
use super::request::Asked;
use super::state::State;
use super::store::Change;
use super::verbs::matches;
use super::wire::{Answer, Apiserver, BoxError, Moved, answer_with};

/// How often a quiet watch says how far it has come, and how long one lasts that names no end.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
const LASTS_S: u64 = 1_800;

/// One open watch.
struct Watcher {
    server: Apiserver,
    asked: Asked,
    /// Everything up to this version has been told.
    told: u64,
    id: u64,
    connection: u64,
    moved: watch::Receiver<Moved>,
    ends_ms: u64,
    bookmark_ms: u64,
    /// What is told before anything else: the objects as they are.
    first: Vec<u8>,
    over: bool,
}

impl Apiserver {
    pub(super) fn open_watch(&self, asked: Asked) -> Result<Answer, Failure> {
        let now = self.shared.clock.now().boot_ms;
        let version = asked.option("resourceVersion").to_owned();
        let initial = asked.flag("sendInitialEvents") || matches!(version.as_str(), "" | "0");
        let (told, first) = if initial {
            self.with(|state, _| current(state, &asked))?
        } else {
            let version = version
                .parse()
                .map_err(|_| Failure::new(400, format!("invalid resource version {version:?}")))?;
            (version, Vec::new())
        };
        self.tell(|moved| moved.opened += 1);
        let moved = self.subscribe();
        let now_moved = *moved.borrow();
        let lasts = asked.option("timeoutSeconds").parse().unwrap_or(LASTS_S);
        let watcher = Watcher {
            server: self.clone(),
            asked,
            told,
            id: now_moved.opened,
            connection: now_moved.connection,
            moved,
            ends_ms: now.saturating_add(lasts.saturating_mul(1000)),
            bookmark_ms: now + BOOKMARK_EVERY.as_secs() * 1000,
            first,
            over: false,
        };
        let events = unfold(watcher, |mut watcher| async move {
            let next = watcher.next().await?;
            Some((next.map(Frame::data), watcher))
        });
        Ok(answer_with(200, "application/json", StreamBody::new(events).boxed_unsync()))
    }
}

/// The objects as they are, each as ADDED, and a bookmark that says they were all.
fn current(state: &State, asked: &Asked) -> Result<(u64, Vec<u8>), Failure> {
    let mut lines = Vec::new();
    for (_, object) in state.store.list(asked.kind.name, &asked.namespace) {
        if matches(asked, object)? {
            line(&mut lines, "ADDED", object);
        }
    }
    let version = state.store.version();
    if asked.flag("sendInitialEvents") {
        let mut mark = bookmark(asked, version);
        mark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        line(&mut lines, "BOOKMARK", &mark);
    }
    Ok((version, lines))
}

impl Watcher {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            if self.over {
                return None;
            }
            let moved = *self.moved.borrow_and_update();
            if moved.connection != self.connection {
                self.over = true;
                return Some(Err("connection reset by peer".into()));
            }
            if self.id <= moved.stalled {
                // A half-open connection: nothing comes, and no end either.
                return std::future::pending().await;
            }
            let mut lines = std::mem::take(&mut self.first);
            self.collect(&mut lines);
            let now = self.server.shared.clock.now().boot_ms;
            if !self.over && now >= self.bookmark_ms.min(self.ends_ms) {
                self.over = now >= self.ends_ms;
                self.bookmark_ms = now + BOOKMARK_EVERY.as_secs() * 1000;
                if self.asked.flag("allowWatchBookmarks") {
                    line(&mut lines, "BOOKMARK", &bookmark(&self.asked, self.told));
                }
            }
            if !lines.is_empty() {
                return Some(Ok(Bytes::from(lines)));
            }
            if self.over {
                return None;
            }
            let until = self.bookmark_ms.min(self.ends_ms);
            tokio::select! {
                biased;
                changed = self.moved.changed() => self.over = changed.is_err(),
                () = self.server.shared.clock.sleep_until(until) => {}
            }
        }
    }

    /// Adds what happened since last time.
    fn collect(&mut self, lines: &mut Vec<u8>) {
        let (told, asked) = (self.told, &self.asked);
        // One look under the lock: nothing may slip in between the changes and the version.
        let newest = self.server.with(|state, _| {
            let changes = state.store.since(told)?;
            let here = changes.filter(|change| {
                change.key.kind == asked.kind.name
                    && (asked.namespace.is_empty() || change.key.namespace == asked.namespace)
            });
            for change in here {
                tell(lines, asked, change);
            }
            Some(state.store.version())
        });
        if let Some(newest) = newest {
            self.told = self.told.max(newest);
        } else {
            let text = format!("too old resource version: {told}");
            line(lines, "ERROR", &Failure::new(410, text).status());
            self.over = true;
        }
    }
}

/// One change as this watch sees it: an object that begins to match is new to it, one that no
/// longer matches is gone.
fn tell(lines: &mut Vec<u8>, asked: &Asked, change: &Change) {
    let fits = |object: &Value| matches(asked, object).unwrap_or(false);
    let was = change.was.as_deref().filter(|object| fits(object));
    let is = change.is.as_deref().filter(|object| fits(object));
    match (was, is) {
        (None, Some(object)) => line(lines, "ADDED", object),
        (Some(_), Some(object)) => line(lines, "MODIFIED", object),
        (Some(object), None) => {
            let mut last = object.clone();
            last["metadata"]["resourceVersion"] = json!(change.version.to_string());
            line(lines, "DELETED", &last);
        }
        (None, None) => {}
    }
}

fn bookmark(asked: &Asked, version: u64) -> Value {
    json!({
        "kind": asked.kind.name, "apiVersion": asked.kind.api_version(),
        "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null},
    })
}

fn line(lines: &mut Vec<u8>, kind: &str, object: &Value) {
    lines.extend_from_slice(json!({"type": kind, "object": object}).to_string().as_bytes());
    lines.push(b'\n');
}
