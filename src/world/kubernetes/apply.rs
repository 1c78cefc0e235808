//! Deploying: server-side apply of slot objects or shared ones, and waiting until pods are ready.
//!
//! An object belongs to a slot (its Deployment, autoscaler, configuration) or is shared. A slot
//! deploy touches objects of its own slot only, and nothing applied ever carries a Service's
//! selector: that is the switch's alone.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::error::message;
use super::hands::millis;
use super::watch::{is_gone, phase_of};
use super::{Cluster, ClusterError};
use crate::release::{Clean, Slot, SlotState};

/// The field manager of everything applied.
pub const FIELD_MANAGER: &str = "gonogo";

/// How long between two looks at a rollout.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which objects an apply may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplySet {
    /// Objects of this slot, and no other.
    Slot(Slot),
    /// Objects of no slot.
    Shared,
}

/// What to do about fields that another manager owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// Stop, and name the manager.
    Refuse,
    /// Take the fields over: somebody looked at the difference and said yes.
    Force,
}

/// One object as the server stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// `deployment/backend-green`
    pub object: Clean,
    /// Counts changes of the object's spec; none for kinds without one.
    pub generation: Option<i64>,
}

/// The slot an object belongs to: by its `version` label, else by the end of its name.
pub fn slot_of(manifest: &Value) -> Option<Slot> {
    let meta = &manifest["metadata"];
    if let Some(version) = meta["labels"]["version"].as_str() {
        return version.parse().ok();
    }
    let (_, end) = meta["name"].as_str()?.rsplit_once('-')?;
    [Slot::Blue, Slot::Green].into_iter().find(|slot| slot.label() == end)
}

/// The objects of `set` among `manifests`, ready to be applied: containers named in `images`
/// (container to image) get that image, and Services lose their selector.
pub fn select(manifests: &[Value], set: ApplySet, images: &BTreeMap<String, String>) -> Vec<Value> {
    let mut chosen: Vec<Value> =
        manifests.iter().filter(|manifest| belongs(manifest, set)).cloned().collect();
    for manifest in &mut chosen {
        if manifest["kind"] == "Service"
            && let Some(spec) = manifest["spec"].as_object_mut()
        {
            spec.remove("selector");
        }
        let containers = manifest.pointer_mut("/spec/template/spec/containers");
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let image = container["name"].as_str().and_then(|name| images.get(name));
            if let Some(image) = image {
                container["image"] = Value::from(image.as_str());
            }
        }
    }
    chosen
}

fn belongs(manifest: &Value, set: ApplySet) -> bool {
    match set {
        ApplySet::Slot(slot) => slot_of(manifest) == Some(slot),
        ApplySet::Shared => slot_of(manifest).is_none(),
    }
}

impl Cluster {
    /// Applies `manifests` in order, server-side. All of them are checked before the first is
    /// sent; an object outside `set`, of another namespace, or a Service with a selector is
    /// [`ClusterError::Refused`].
    pub async fn apply(
        &self,
        namespace: &str,
        manifests: &[Value],
        set: ApplySet,
        takeover: Takeover,
    ) -> Result<Vec<Applied>, ClusterError> {
        let mut plans = Vec::with_capacity(manifests.len());
        for manifest in manifests {
            plans.push((plan(namespace, manifest, set)?, manifest));
        }
        let mut params = PatchParams::apply(FIELD_MANAGER);
        params.force = takeover == Takeover::Force;
        let mut done = Vec::with_capacity(plans.len());
        for (plan, manifest) in plans {
            let what = format!("apply {}", plan.object);
            let client = self.client.clone();
            let api: Api<DynamicObject> = if plan.resource.kind == "Namespace" {
                Api::all_with(client, &plan.resource)
            } else {
                Api::namespaced_with(client, namespace, &plan.resource)
            };
            let patch = Patch::Apply(manifest);
            let stored = self.ask(&what, || api.patch(&plan.name, &params, &patch)).await?;
            done.push(Applied {
                object: Clean::new(&plan.object),
                generation: stored.metadata.generation,
            });
        }
        Ok(done)
    }

    /// Waits until every app's Deployment in `slot` has all its pods ready, telling `progress`
    /// each state that differs from the one before.
    ///
    /// Fails with [`ClusterError::NotReady`] after `limit`, naming what the pods say; a cluster
    /// that cannot be reached meanwhile is asked again until then.
    pub async fn wait_rollout(
        &self,
        namespace: &str,
        apps: &[String],
        slot: Slot,
        limit: Duration,
        mut progress: impl FnMut(&SlotState) + Send,
    ) -> Result<SlotState, ClusterError> {
        let until = self.clock.now().boot_ms.saturating_add(millis(limit));
        let mut told = None;
        loop {
            let looked = self.slot_state(namespace, apps, slot).await;
            if let Ok(state) = &looked {
                if told.as_ref() != Some(state) {
                    progress(state);
                }
                if state.is_ready() && state.deployments.len() == apps.len() {
                    return Ok(state.clone());
                }
                told = Some(state.clone());
            }
            let late = self.clock.now().boot_ms >= until;
            match looked {
                Ok(state) if late => {
                    let what = format!("wait for {slot} in {namespace}");
                    let pods = self.complaints(namespace, slot).await.unwrap_or_default();
                    let reason = message(&format!("{}{pods}", counts(&state, apps)));
                    return Err(ClusterError::NotReady { what: Clean::new(&what), reason });
                }
                Err(error) if late || !error.may_have_landed() => return Err(error),
                _ => self.clock.sleep(LOOK_EVERY).await,
            }
        }
    }

    /// What the pods of `slot` that are not ready say: `; backend-green-x: CrashLoopBackOff`.
    async fn complaints(&self, namespace: &str, slot: Slot) -> Result<String, ClusterError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().labels(&format!("version={}", slot.label())).limit(50);
        let pods = self.ask("read the pods", || api.list(&params)).await?;
        let bad = pods.items.iter().filter(|pod| !super::proof::is_ready(pod) && !is_gone(pod));
        let lines = bad.take(3).map(|pod| {
            let name = pod.metadata.name.as_deref().unwrap_or("?");
            format!("; {name}: {}", phase_of(pod))
        });
        Ok(lines.collect())
    }
}

fn counts(state: &SlotState, apps: &[String]) -> String {
    if state.deployments.len() < apps.len() {
        return format!("{} of {} deployments exist", state.deployments.len(), apps.len());
    }
    let each = state
        .deployments
        .iter()
        .map(|one| format!("{} {} of {} ready", one.name, one.ready, one.desired));
    each.collect::<Vec<_>>().join(", ")
}

/// Where one manifest goes.
struct Plan {
    resource: ApiResource,
    name: String,
    /// `deployment/backend-green`
    object: String,
}

fn plan(namespace: &str, manifest: &Value, set: ApplySet) -> Result<Plan, ClusterError> {
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let (api, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    let object = format!("{}/{name}", kind.to_lowercase());
    let refuse = |reason: String| ClusterError::refused(&format!("apply {object}"), &reason);
    if api.is_empty() || kind.is_empty() || name.is_empty() {
        return Err(refuse("a manifest needs apiVersion, kind and metadata.name".to_owned()));
    }
    let own = text("/metadata/namespace");
    if !own.is_empty() && own != namespace {
        return Err(refuse(format!("it is for namespace {own}, not {namespace}")));
    }
    if kind == "Service" && !manifest["spec"]["selector"].is_null() {
        return Err(refuse("only the switch writes a Service's selector".to_owned()));
    }
    if !belongs(manifest, set) {
        let place = |slot: Option<Slot>| {
            slot.map_or_else(|| "no slot".to_owned(), |slot| format!("slot {slot}"))
        };
        let wanted = match set {
            ApplySet::Slot(slot) => place(Some(slot)),
            ApplySet::Shared => place(None),
        };
        return Err(refuse(format!("it belongs to {}, not {wanted}", place(slot_of(manifest)))));
    }
    let (group, version) = api.rsplit_once('/').unwrap_or(("", api));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Ok(Plan { resource, name: name.to_owned(), object })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(slot: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": format!("backend-{slot}"), "labels": {"version": slot}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "backend", "image": "old"}, {"name": "side", "image": "car"}]}}},
        })
    }

    #[test]
    fn a_slot_deploy_takes_its_own_objects_and_the_releases_images() {
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "backend"}, "spec": {"selector": {"app": "backend"}}});
        let config = json!({"kind": "ConfigMap", "metadata": {"name": "backend-config-green"}});
        let all = [deployment("blue"), deployment("green"), service, config];
        let images = BTreeMap::from([("backend".to_owned(), "new".to_owned())]);
        let green = select(&all, ApplySet::Slot(Slot::Green), &images);
        assert_eq!(green.len(), 2);
        let containers = &green[0]["spec"]["template"]["spec"]["containers"];
        assert_eq!(
            (&containers[0]["image"], &containers[1]["image"]),
            (&json!("new"), &json!("car"))
        );
        let shared = select(&all, ApplySet::Shared, &images);
        assert_eq!(shared.len(), 1);
        assert!(shared[0]["spec"].get("selector").is_none());
    }

    #[test]
    fn i8_nothing_applied_carries_a_selector_or_leaves_its_slot() {
        let refused = |manifest: &Value, set| plan("production", manifest, set).map(|_| ());
        let blue = deployment("blue");
        assert!(refused(&blue, ApplySet::Slot(Slot::Blue)).is_ok());
        assert!(refused(&blue, ApplySet::Slot(Slot::Green)).is_err());
        assert!(refused(&blue, ApplySet::Shared).is_err());
        let service = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "backend"}, "spec": {"selector": {"app": "backend"}}});
        let error = refused(&service, ApplySet::Shared).expect_err("a selector");
        assert!(error.to_string().contains("only the switch"), "{error}");
        let mut foreign = blue;
        foreign["metadata"]["namespace"] = json!("staging");
        assert!(refused(&foreign, ApplySet::Slot(Slot::Blue)).is_err());
    }
}
