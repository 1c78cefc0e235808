//! The small acts and looks: scale, pin, restart, logs, events.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::error::message;
use super::survey::count;
use super::{Cluster, ClusterError};
use crate::release::{Clean, Slot};

/// How long between two looks at pods that are being replaced.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which part of a pod's log is wanted.
#[derive(Clone, Copy, Debug)]
pub struct LogsAsked {
    /// Lines from the end.
    pub tail: u32,
    /// The log of the container before its last restart.
    pub previous: bool,
}

/// One event of a namespace, as a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Wall clock of the last occurrence, milliseconds since the epoch.
    pub at_ms: i64,
    pub warning: bool,
    pub reason: Clean,
    /// `pod/backend-blue-7d…`
    pub object: Clean,
    pub message: Clean,
    pub count: u32,
}

impl Cluster {
    /// Sets how many pods a Deployment wants; answers how many it wanted before.
    pub async fn scale(
        &self,
        namespace: &str,
        deployment: &str,
        replicas: u32,
    ) -> Result<u32, ClusterError> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("scale deployment {deployment} to {replicas}");
        let before = self.ask(&what, || api.get_scale(deployment)).await?;
        let before = count(before.spec.and_then(|spec| spec.replicas).unwrap_or(0));
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let params = PatchParams { field_manager: Some(SCALER.to_owned()), ..<_>::default() };
        self.ask(&what, || api.patch_scale(deployment, &params, &patch)).await?;
        Ok(before)
    }

    /// Raises the HPA's minimum to at least `minimum`; answers the minimum before, so that it can
    /// be given back. None when there is no such HPA: then nothing scales the slot down either.
    pub async fn pin_minimum(
        &self,
        namespace: &str,
        hpa: &str,
        minimum: u32,
    ) -> Result<Option<u32>, ClusterError> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("pin the minimum of autoscaler {hpa} to {minimum}");
        let Some(found) = self.ask(&what, || api.get_opt(hpa)).await? else {
            return Ok(None);
        };
        let spec = found.spec;
        let before = count(spec.min_replicas.unwrap_or(1));
        if before < minimum {
            self.set_minimum(namespace, hpa, minimum.min(count(spec.max_replicas))).await?;
        }
        Ok(Some(before))
    }

    /// Sets the HPA's minimum, lower too: how a pin is released.
    pub async fn set_minimum(
        &self,
        namespace: &str,
        hpa: &str,
        minimum: u32,
    ) -> Result<(), ClusterError> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("set the minimum of autoscaler {hpa} to {minimum}");
        let patch = Patch::Merge(json!({"spec": {"minReplicas": minimum}}));
        let params = PatchParams { field_manager: Some(SCALER.to_owned()), ..<_>::default() };
        self.ask(&what, || api.patch(hpa, &params, &patch)).await?;
        Ok(())
    }

    /// Deletes the pods of `app` in `slot`, `batch` at a time, and waits after each batch until as
    /// many are ready again; answers how many were restarted. Clients that hold connections to
    /// the losing slot open new ones, which the Service then sends to the serving slot.
    pub async fn restart_pods(
        &self,
        namespace: &str,
        app: &str,
        slot: Slot,
        batch: u32,
        limit: Duration,
    ) -> Result<u32, ClusterError> {
        let what = format!("restart the pods of {app} {slot}");
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let labels = format!("app={app},version={}", slot.label());
        let params = ListParams::default().labels(&labels);
        let wanted = self.ready_pods(namespace, app, slot, None).await?.ours.len();
        let pods = self.ask(&what, || api.list(&params)).await?;
        let old: Vec<(String, String)> = pods
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .filter_map(|pod| Some((pod.metadata.name?, pod.metadata.uid?)))
            .collect();
        let until = self.clock.now().boot_ms.saturating_add(millis(limit));
        let mut restarted = 0;
        for some in old.chunks(usize::try_from(batch.max(1)).unwrap_or(1)) {
            let gone: BTreeSet<&str> = some.iter().map(|(name, _)| name.as_str()).collect();
            for (name, uid) in some {
                restarted += u32::from(self.delete_pod(&what, &api, name, uid).await?);
            }
            loop {
                let ready = self.ready_pods(namespace, app, slot, None).await?.ours;
                let fresh = ready.iter().filter(|name| !gone.contains(name.as_str())).count();
                if fresh >= wanted {
                    break;
                }
                if self.clock.now().boot_ms >= until {
                    let reason = format!("{fresh} of {wanted} ready again in time");
                    return Err(ClusterError::refused(&what, &reason));
                }
                self.clock.sleep(LOOK_EVERY).await;
            }
        }
        Ok(restarted)
    }

    /// Deletes exactly this pod, not a later one of the same name; false when it is gone already.
    async fn delete_pod(
        &self,
        what: &str,
        api: &Api<Pod>,
        name: &str,
        uid: &str,
    ) -> Result<bool, ClusterError> {
        let same = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
        match self.ask(what, || api.delete(name, &params)).await {
            Ok(_) => Ok(true),
            Err(ClusterError::NotFound { .. } | ClusterError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The last lines of a pod's log, oldest first.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        asked: LogsAsked,
    ) -> Result<Vec<Clean>, ClusterError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = LogParams {
            tail_lines: Some(i64::from(asked.tail)),
            limit_bytes: Some(LOG_BYTES_MAX),
            previous: asked.previous,
            ..LogParams::default()
        };
        let what = format!("read the log of pod {pod}");
        let text = self.ask(&what, || api.logs(pod, &params)).await?;
        Ok(text.lines().map(Clean::new).collect())
    }

    /// The events of a namespace, newest last.
    pub async fn events(&self, namespace: &str) -> Result<Vec<EventRow>, ClusterError> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().limit(500);
        let found = self.ask("read the events", || api.list(&params)).await?;
        let mut rows: Vec<_> = found.items.iter().map(event_row).collect();
        rows.sort_by(|a, b| (a.at_ms, &a.object).cmp(&(b.at_ms, &b.object)));
        Ok(rows)
    }
}

/// The field manager under which replicas are written, apart from what is applied.
const SCALER: &str = "gonogo-scale";

/// The most of one log that is read.
const LOG_BYTES_MAX: i64 = 4 << 20;

fn event_row(event: &Event) -> EventRow {
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let at = last
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let object = &event.involved_object;
    let kind = object.kind.as_deref().unwrap_or("object").to_lowercase();
    let name = object.name.as_deref().unwrap_or("?");
    let times = event.count.or_else(|| event.series.as_ref().and_then(|series| series.count));
    EventRow {
        at_ms: at.map_or(0, Timestamp::as_millisecond),
        warning: event.type_.as_deref() == Some("Warning"),
        reason: message(event.reason.as_deref().unwrap_or("")),
        object: message(&format!("{kind}/{name}")),
        message: message(event.message.as_deref().unwrap_or("")),
        count: count(times.unwrap_or(1)),
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
