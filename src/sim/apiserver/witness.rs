//! What a request changed, told to whoever watches the rehearsal.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::pods;
use super::request::Asked;
use super::state::State;
use super::store::{number, selects};
use super::verbs::key;
use crate::sim::witness::Deed;

/// An object before a request was served, where there was one.
pub(super) struct Before(Option<Arc<Value>>);

/// The object that a request is about, before it is served; none for one that changes nothing.
pub(super) fn before(state: &State, asked: &Asked) -> Option<Before> {
    asked.verb.changes().then(|| Before(state.store.get(&key(asked)).cloned()))
}

/// What became of that object: none when nothing did.
pub(super) fn deed(state: &State, asked: &Asked, before: Option<Before>) -> Option<Deed> {
    let (Before(before), now) = (before?, state.store.get(&key(asked)));
    // A Lease is renewed every two seconds, which is nothing to tell of.
    if before.as_ref() == now || asked.kind.name == "Lease" {
        return None;
    }
    let none = Value::Null;
    let before = before.as_deref().unwrap_or(&none);
    let after = now.map_or(&none, |now| &**now);
    let (namespace, name) = (asked.namespace.clone(), asked.name.clone());
    let selector = &after["spec"]["selector"];
    if asked.kind.name == "Service"
        && selector.is_object()
        && *selector != before["spec"]["selector"]
    {
        let pair = |(key, value): (&String, &Value)| {
            (key.clone(), value.as_str().unwrap_or_default().to_owned())
        };
        let all: BTreeMap<_, _> = selector.as_object().into_iter().flatten().map(pair).collect();
        let selected = state.store.list("Pod", &namespace).filter(|(_, pod)| {
            selects(selector, &pod["metadata"]["labels"]) && pods::is_ready(pod)
        });
        let ready = u32::try_from(selected.count()).unwrap_or(u32::MAX);
        return Some(Deed::Selected { namespace, service: name, selector: all, ready });
    }
    let replicas = |object: &Value| number(object, "/spec/replicas");
    if asked.kind.name == "Deployment" && !before.is_null() && replicas(before) != replicas(after) {
        let replicas = replicas(after).unwrap_or(0);
        return Some(Deed::Scaled { namespace, deployment: name, replicas });
    }
    Some(Deed::Changed { verb: asked.verb.name(), kind: asked.kind.name, name })
}
