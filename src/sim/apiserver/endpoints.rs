//! The controller of `EndpointSlices`: which pods a Service sends requests to.

use serde_json::{Value, json};

use super::pods;
use super::sets::all;
use super::state::{State, digest_name, owned_by};
use super::store::{Key, selects, text};
use crate::release::Timestamp;

pub(super) fn reconcile(state: &mut State, now: Timestamp) {
    if state.faults.endpoints_stuck {
        return;
    }
    for (key, service) in all(state, "Service") {
        let name = format!("{}-{}", key.name, digest_name(&key.name, 5));
        let slice = Key::new("EndpointSlice", &key.namespace, &name);
        if service["spec"]["selector"].as_object().is_none_or(serde_json::Map::is_empty) {
            state.store.remove(&slice);
            continue;
        }
        let endpoints = endpoints(state, &key.namespace, &service["spec"]["selector"]);
        if state.store.get(&slice).is_some() {
            state.store.edit(&slice, |slice| slice["endpoints"] = endpoints);
            continue;
        }
        let ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
        let ports: Vec<Value> = ports
            .iter()
            .map(|port| {
                json!({"name": port["name"], "port": port["targetPort"],
                    "protocol": port["protocol"]})
            })
            .collect();
        let mut object = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": name, "namespace": key.namespace, "ownerReferences": owned_by(&service),
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
}

fn endpoints(state: &State, namespace: &str, selector: &Value) -> Value {
    let pods = state.store.list("Pod", namespace);
    let chosen = pods.filter(|(_, pod)| {
        selects(selector, &pod["metadata"]["labels"])
            && !text(pod, "/status/podIP").is_empty()
            && text(pod, "/status/phase") != "Failed"
    });
    let one = |(key, pod): (&Key, &std::sync::Arc<Value>)| {
        let serving = pods::is_ready(pod);
        let terminating = !pod["metadata"]["deletionTimestamp"].is_null();
        json!({
            "addresses": [pod["status"]["podIP"]],
            "conditions": {
                "ready": serving && !terminating, "serving": serving, "terminating": terminating,
            },
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": {
                "kind": "Pod", "namespace": namespace, "name": key.name,
                "uid": pod["metadata"]["uid"],
            },
        })
    };
    Value::Array(chosen.map(one).collect())
}
