//! The controller of `EndpointSlices`: which pods a Service sends requests to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pods;
use super::sets::all;
use super::state::{State, digest, digest_name, owned_by, owner_uid};
use super::store::{Key, selects, text};
use crate::release::Timestamp;

/// The most endpoints of one slice.
const SLICE_ENDPOINTS: usize = 100;

pub(super) fn reconcile(state: &mut State, now: Timestamp) {
    if state.faults.endpoints_stuck {
        return;
    }
    for (key, service) in all(state, "Service") {
        let selector = &service["spec"]["selector"];
        let endpoints = endpoints(state, &key.namespace, selector);
        let wanted = slices(&key.name, endpoints);
        let surplus: Vec<Key> = state
            .store
            .list("EndpointSlice", &key.namespace)
            .filter(|(_, slice)| owner_uid(slice) == text(&service, "/metadata/uid"))
            .filter(|(slice, _)| !wanted.contains_key(&slice.name))
            .map(|(slice, _)| slice.clone())
            .collect();
        for slice in surplus {
            state.store.remove(&slice);
        }
        // A Service without a selector has endpoints that others write, or none.
        if selector.as_object().is_some_and(|map| !map.is_empty()) {
            for (name, endpoints) in wanted {
                write(state, &key, &service, &name, endpoints, now);
            }
        }
    }
}

/// The endpoints over as many slices as are needed, by name. A pod stays in its slice while the
/// number of slices does.
fn slices(service: &str, endpoints: Vec<(u64, Value)>) -> BTreeMap<String, Vec<Value>> {
    let count = endpoints.len().div_ceil(SLICE_ENDPOINTS).next_power_of_two() as u64;
    let name = |index: u64| match index {
        0 => format!("{service}-{}", digest_name(service, 5)),
        index => format!("{service}-{}", digest_name(&format!("{service}/{index}"), 5)),
    };
    let mut slices: BTreeMap<String, Vec<Value>> =
        (0..count).map(|index| (name(index), Vec::new())).collect();
    for (digest, endpoint) in endpoints {
        slices.entry(name(digest % count)).or_default().push(endpoint);
    }
    slices
}

fn write(
    state: &mut State,
    key: &Key,
    service: &Value,
    name: &str,
    endpoints: Vec<Value>,
    now: Timestamp,
) {
    let slice = Key::new("EndpointSlice", &key.namespace, name);
    if state.store.get(&slice).is_some() {
        state.store.edit(&slice, |slice| slice["endpoints"] = Value::Array(endpoints));
        return;
    }
    let port = |port: &Value| {
        let (name, target) = (&port["name"], &port["targetPort"]);
        json!({"name": name, "port": target, "protocol": port["protocol"]})
    };
    let ports: Vec<Value> =
        service["spec"]["ports"].as_array().into_iter().flatten().map(port).collect();
    let mut object = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": key.namespace, "ownerReferences": owned_by(service),
            "labels": {
                "kubernetes.io/service-name": key.name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
        },
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    });
    state.stamp(&mut object, now);
    state.store.put(&slice, object, false);
}

/// The endpoint of each pod that is selected, with a number that goes with its name.
fn endpoints(state: &State, namespace: &str, selector: &Value) -> Vec<(u64, Value)> {
    let pods = state.store.list("Pod", namespace);
    let chosen = pods.filter(|(_, pod)| {
        selects(selector, &pod["metadata"]["labels"])
            && !text(pod, "/status/podIP").is_empty()
            && text(pod, "/status/phase") != "Failed"
    });
    let one = |(key, pod): (&Key, &std::sync::Arc<Value>)| {
        let serving = pods::is_ready(pod);
        let terminating = !pod["metadata"]["deletionTimestamp"].is_null();
        let endpoint = json!({
            "addresses": [pod["status"]["podIP"]],
            "conditions": {
                "ready": serving && !terminating, "serving": serving, "terminating": terminating,
            },
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": {
                "kind": "Pod", "namespace": namespace, "name": key.name,
                "uid": pod["metadata"]["uid"],
            },
        });
        (digest(&key.name), endpoint)
    };
    chosen.map(one).collect()
}
