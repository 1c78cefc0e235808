//! Watching pods: every event becomes a row at once, no pod object is kept.
//!
//! Each watch lasts ten seconds and is then opened again where it ended. So a quiet cluster still
//! proves every ten seconds that the picture is current (I24), and a connection that died without
//! a word is noticed in fifteen. A resource version that is too old leads to a new list, at most
//! one in five seconds (F35).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryFutureExt};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};

use super::error::message;
use super::hands::millis;
use super::survey::count;
use super::{Cluster, ClusterError};
use crate::release::{Clean, PodRow, Slot, Timestamp};

/// How long one watch lasts, and when a silent one counts as dead.
const WATCH_S: u32 = 10;
const SILENCE: Duration = Duration::from_secs(15);

/// The least time between two lists, and between two watches; lists add up to as much jitter.
const LIST_EVERY: Duration = Duration::from_secs(5);
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Pods per page of a list.
const PAGE: u32 = 500;

/// What a watch tells. `at` is when it was true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodNews {
    /// All pods of the namespace; what was told before is void.
    Listed {
        rows: Vec<PodRow>,
        at: Timestamp,
    },
    /// A pod is new or changed.
    Changed {
        row: PodRow,
        at: Timestamp,
    },
    Gone {
        name: Clean,
        at: Timestamp,
    },
    /// Nothing changed, and that is fresh knowledge.
    Current {
        at: Timestamp,
    },
    /// A container ended that should not have.
    Exited {
        exit: ContainerExit,
        at: Timestamp,
    },
    /// The cluster did not answer; it is asked again.
    Failed {
        why: ClusterError,
        at: Timestamp,
    },
}

/// A container that exited non-zero or out of memory after its pod had been Ready. Evictions,
/// drains, preemption and deletions do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerExit {
    pub pod: Clean,
    pub app: Clean,
    pub slot: Option<Slot>,
    /// The pod-template-hash: which replica set the pod is of.
    pub template: Clean,
    pub container: Clean,
    pub code: i32,
    /// `OOMKilled`, `Error`, …
    pub reason: Clean,
}

/// The rows that news adds up to.
#[derive(Clone, Debug, Default)]
pub struct PodTable {
    rows: BTreeMap<Clean, Arc<PodRow>>,
    at_ms: Option<i64>,
    error: Option<Clean>,
}

impl PodTable {
    pub fn take(&mut self, news: PodNews) {
        let at = match news {
            PodNews::Listed { rows, at } => {
                let named = |row: PodRow| (row.name.clone(), Arc::new(row));
                self.rows = rows.into_iter().map(named).collect();
                at
            }
            PodNews::Changed { row, at } => {
                self.rows.insert(row.name.clone(), Arc::new(row));
                at
            }
            PodNews::Gone { name, at } => {
                self.rows.remove(&name);
                at
            }
            PodNews::Current { at } | PodNews::Exited { at, .. } => at,
            PodNews::Failed { why, .. } => {
                self.error = Some(Clean::new(&why.to_string()));
                return;
            }
        };
        self.at_ms = Some(at.wall_ms());
        self.error = None;
    }

    /// The rows by name.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Arc<PodRow>> {
        self.rows.values()
    }

    /// Wall-clock milliseconds of the newest knowledge; none before the first list.
    pub fn at_ms(&self) -> Option<i64> {
        self.at_ms
    }

    /// Why the newest question was not answered; none when it was.
    pub fn error(&self) -> Option<&Clean> {
        self.error.as_ref()
    }
}

/// What is remembered of a pod to tell an exit that is new: by uid, a few bytes each.
#[derive(Clone, Debug, Default)]
struct Remembered {
    ready_once: bool,
    restarts: BTreeMap<String, i32>,
}

struct Watching {
    rng: fastrand::Rng,
    pods: BTreeMap<String, Remembered>,
    /// Boot milliseconds of the last list and the last watch.
    listed_ms: Option<u64>,
    opened_ms: Option<u64>,
}

impl Cluster {
    /// Watches the pods of `namespace` for as long as it is polled, telling every change.
    pub async fn watch_pods(
        &self,
        namespace: &str,
        rng: fastrand::Rng,
        mut tell: impl FnMut(PodNews) + Send,
    ) -> Infallible {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut watching =
            Watching { rng, pods: BTreeMap::new(), listed_ms: None, opened_ms: None };
        loop {
            self.wait_for_list(&mut watching).await;
            match self.list_pods(&api, &mut watching, &mut tell).await {
                Ok(version) => self.follow(&api, version, &mut watching, &mut tell).await,
                Err(why) => tell(PodNews::Failed { why, at: self.clock.now() }),
            }
        }
    }

    /// Keeps lists five seconds and some jitter apart.
    async fn wait_for_list(&self, watching: &mut Watching) {
        if let Some(last) = watching.listed_ms {
            let jitter = watching.rng.u64(0..=millis(LIST_EVERY) / 5);
            self.clock.sleep_until(last + millis(LIST_EVERY) + jitter).await;
        }
        watching.listed_ms = Some(self.clock.now().boot_ms);
    }

    /// Lists all pods page by page; answers the resource version to watch from.
    async fn list_pods(
        &self,
        api: &Api<Pod>,
        watching: &mut Watching,
        tell: &mut (impl FnMut(PodNews) + Send),
    ) -> Result<String, ClusterError> {
        let at = self.clock.now();
        let mut params = ListParams::default().limit(PAGE);
        let (mut rows, mut exits, mut pods) = (Vec::new(), Vec::new(), BTreeMap::new());
        let version = loop {
            let page = self.ask("list the pods", || api.list(&params)).await?;
            for pod in &page.items {
                rows.push(row_of(pod));
                let uid = pod.metadata.uid.clone().unwrap_or_default();
                let mut known = watching.pods.remove(&uid).unwrap_or_default();
                exits.extend(exit_of(pod, &mut known));
                pods.insert(uid, known);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break page.metadata.resource_version.unwrap_or_default(),
            }
        };
        watching.pods = pods;
        tell(PodNews::Listed { rows, at });
        for exit in exits {
            tell(PodNews::Exited { exit, at });
        }
        Ok(version)
    }

    /// Watches from `version` until the server no longer knows it.
    async fn follow(
        &self,
        api: &Api<Pod>,
        mut version: String,
        watching: &mut Watching,
        tell: &mut (impl FnMut(PodNews) + Send),
    ) {
        loop {
            if let Some(last) = watching.opened_ms {
                self.clock.sleep_until(last + millis(WATCH_EVERY)).await;
            }
            watching.opened_ms = Some(self.clock.now().boot_ms);
            match self.watch_once(api, &mut version, watching, tell).await {
                Ok(()) => tell(PodNews::Current { at: self.clock.now() }),
                Err(Ended::Expired) => return,
                Err(Ended::Failed(why)) => {
                    tell(PodNews::Failed { why, at: self.clock.now() });
                }
            }
        }
    }

    /// One watch, to its end; `version` moves along.
    async fn watch_once(
        &self,
        api: &Api<Pod>,
        version: &mut String,
        watching: &mut Watching,
        tell: &mut (impl FnMut(PodNews) + Send),
    ) -> Result<(), Ended> {
        let params = WatchParams::default().timeout(WATCH_S);
        let what = "watch the pods";
        // Not through `ask`: the answer's head only, its body may take as long as it likes.
        let open = api.watch(&params, version).map_err(|error| Ended::of(&error));
        let Some(opened) = self.clock.within(SILENCE, open).await else {
            return Err(Ended::Failed(ClusterError::late(what, SILENCE.as_secs())));
        };
        let mut events = pin!(opened?);
        tell(PodNews::Current { at: self.clock.now() });
        loop {
            let Some(next) = self.clock.within(SILENCE, events.next()).await else {
                return Err(Ended::Failed(ClusterError::late(what, SILENCE.as_secs())));
            };
            let at = self.clock.now();
            match next {
                None => return Ok(()),
                Some(Err(error)) => return Err(Ended::of(&error)),
                Some(Ok(WatchEvent::Error(status))) => {
                    return Err(Ended::of(&kube::Error::Api(status)));
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    *version = mark.metadata.resource_version;
                    tell(PodNews::Current { at });
                }
                Some(Ok(WatchEvent::Deleted(pod))) => {
                    moved(version, &pod);
                    watching.pods.remove(pod.metadata.uid.as_deref().unwrap_or(""));
                    tell(PodNews::Gone { name: name_of(&pod), at });
                }
                Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => {
                    moved(version, &pod);
                    let uid = pod.metadata.uid.clone().unwrap_or_default();
                    let exits = exit_of(&pod, watching.pods.entry(uid).or_default());
                    tell(PodNews::Changed { row: row_of(&pod), at });
                    for exit in exits {
                        tell(PodNews::Exited { exit, at });
                    }
                }
            }
        }
    }
}

/// Why a watch ended before its time.
enum Ended {
    /// 410: the history we ask for is gone.
    Expired,
    Failed(ClusterError),
}

impl Ended {
    fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 410 => Self::Expired,
            other => Self::Failed(ClusterError::of("watch the pods", other)),
        }
    }
}

fn moved(version: &mut String, pod: &Pod) {
    if let Some(newer) = &pod.metadata.resource_version {
        version.clone_from(newer);
    }
}

fn label<'a>(pod: &'a Pod, key: &str) -> &'a str {
    let labels = pod.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(key)).map_or("", String::as_str)
}

fn name_of(pod: &Pod) -> Clean {
    Clean::new(pod.metadata.name.as_deref().unwrap_or(""))
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    status.into_iter().flat_map(|status| status.container_statuses.iter().flatten())
}

fn row_of(pod: &Pod) -> PodRow {
    let created = pod.metadata.creation_timestamp.as_ref();
    PodRow {
        name: name_of(pod),
        app: Clean::new(label(pod, "app")),
        slot: label(pod, "version").parse().ok(),
        phase: phase_of(pod),
        ready: super::proof::is_ready(pod),
        restarts: containers(pod).map(|one| count(one.restart_count)).sum(),
        created_ms: created.map_or(0, |time| time.0.as_millisecond()),
    }
}

/// Whether the pod has ended for good, or is about to.
pub(super) fn is_gone(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}

/// The pod's state in the words of `kubectl get pods`.
pub(super) fn phase_of(pod: &Pod) -> Clean {
    if pod.metadata.deletion_timestamp.is_some() {
        return Clean::new("Terminating");
    }
    let status = pod.status.as_ref();
    if let Some(reason) = status.and_then(|status| status.reason.as_deref()) {
        return message(reason);
    }
    for container in containers(pod) {
        let Some(state) = &container.state else { continue };
        if let Some(reason) = state.waiting.as_ref().and_then(|is| is.reason.as_deref()) {
            return message(reason);
        }
        if let Some(ended) = &state.terminated {
            let code = format!("ExitCode:{}", ended.exit_code);
            return message(ended.reason.as_deref().unwrap_or(&code));
        }
    }
    message(status.and_then(|status| status.phase.as_deref()).unwrap_or("Unknown"))
}

/// Whether the pod was sent away: then a container's end says nothing about the release.
fn sent_away(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let evicted = status.and_then(|status| status.reason.as_deref()).is_some_and(|reason| {
        ["Evicted", "Preempting", "NodeLost", "NodeShutdown", "Terminated", "Shutdown"]
            .contains(&reason)
    });
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let disrupted = conditions.is_some_and(|all| {
        all.iter().any(|one| one.type_ == "DisruptionTarget" && one.status == "True")
    });
    pod.metadata.deletion_timestamp.is_some() || evicted || disrupted
}

/// The exits since `known`, which is brought up to date.
fn exit_of(pod: &Pod, known: &mut Remembered) -> Vec<ContainerExit> {
    let mut exits = Vec::new();
    for container in containers(pod) {
        let state = container.state.as_ref().and_then(|state| state.terminated.as_ref());
        let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        // A container that has ended and not been restarted yet counts as one restart ahead, so
        // that the same end is not told twice.
        let ends = container.restart_count + i32::from(state.is_some());
        let before = known.restarts.insert(container.name.clone(), ends);
        let Some(ended) = state.or(last) else { continue };
        let bad = ended.exit_code != 0 || ended.reason.as_deref() == Some("OOMKilled");
        if bad && known.ready_once && ends > before.unwrap_or(0) && !sent_away(pod) {
            exits.push(ContainerExit {
                pod: name_of(pod),
                app: Clean::new(label(pod, "app")),
                slot: label(pod, "version").parse().ok(),
                template: Clean::new(label(pod, "pod-template-hash")),
                container: Clean::new(&container.name),
                code: ended.exit_code,
                reason: message(ended.reason.as_deref().unwrap_or("Error")),
            });
        }
    }
    known.ready_once |= super::proof::is_ready(pod);
    exits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(ready: bool, restarts: i32, exit: Option<(i32, &str)>, extra: &str) -> Pod {
        let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }});
        let mut container = json!({"name": "backend", "restartCount": restarts, "ready": ready,
            "image": "i", "imageID": "i", "state": {"running": {}}});
        if let Some((code, reason)) = exit {
            container["lastState"] = json!({"terminated": {"exitCode": code, "reason": reason}});
        }
        let mut pod = json!({"metadata": {"name": "p", "uid": "u", "labels":
            {"app": "backend", "version": "green", "pod-template-hash": "h"}},
            "status": {"phase": "Running", "conditions": [condition],
                "containerStatuses": [container]}});
        if extra == "evicted" {
            pod["status"]["reason"] = json!("Evicted");
        }
        serde_json::from_value(pod).expect("a pod")
    }

    #[test]
    fn only_a_bad_exit_after_ready_counts_and_counts_once() {
        let mut known = Remembered::default();
        assert_eq!(exit_of(&pod(false, 1, Some((1, "Error")), ""), &mut known), []);
        assert_eq!(exit_of(&pod(true, 1, Some((1, "Error")), ""), &mut known), []);
        let exits = exit_of(&pod(false, 2, Some((137, "OOMKilled")), ""), &mut known);
        assert_eq!(exits.len(), 1);
        assert_eq!((exits[0].code, exits[0].slot), (137, Some(Slot::Green)));
        assert_eq!(exit_of(&pod(true, 2, Some((137, "OOMKilled")), ""), &mut known), []);
        assert_eq!(exit_of(&pod(true, 3, Some((0, "Completed")), ""), &mut known), []);
        assert_eq!(exit_of(&pod(false, 4, Some((1, "Error")), "evicted"), &mut known), []);
    }
}
