//! PATCH, in its three forms, and the scale subresource.

use serde_json::{Value, json};

use super::failure::Failure;
use super::fields::{self, Merged};
use super::request::{Asked, Sub, Verb};
use super::state::State;
use super::store::text;
use super::verbs::{Served, body, insert, key, replace, stored};
use crate::release::Timestamp;

pub(super) fn patch(state: &mut State, asked: &Asked, now: Timestamp) -> Result<Served, Failure> {
    if asked.content_type.starts_with("application/apply-patch") {
        return apply(state, asked, now);
    }
    let was = Value::clone(stored(state, asked)?);
    let mut object = was.clone();
    change(asked, &mut object)?;
    let before = state.managers.get(&key(asked)).cloned().unwrap_or_default();
    if asked.sub != Some(Sub::Status) {
        let mut managers = before.clone();
        fields::wrote(&was, &object, asked.manager(), &mut managers);
        state.managers.insert(key(asked), managers);
    }
    match replace(state, asked, &was, object) {
        Ok(now) => Ok(Served::Object(200, Value::clone(&*now))),
        Err(failure) => {
            state.managers.insert(key(asked), before);
            Err(failure)
        }
    }
}

/// Changes `object` as the body of a JSON patch or a merge patch says.
fn change(asked: &Asked, object: &mut Value) -> Result<(), Failure> {
    match asked.content_type.as_str() {
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_slice(&asked.body)
                .map_err(|error| Failure::new(400, format!("not a JSON patch: {error}")))?;
            json_patch::patch(object, &patch).map_err(|error| {
                let said = "the server rejected our request due to an error in our request";
                Failure::new(422, format!("{said}: {error}"))
            })
        }
        "application/merge-patch+json" => {
            json_patch::merge(object, &body(asked)?);
            Ok(())
        }
        other => {
            let message = format!("the rehearsal's API server does not take patches of {other}");
            Err(Failure::new(415, message))
        }
    }
}

fn apply(state: &mut State, asked: &Asked, now: Timestamp) -> Result<Served, Failure> {
    let applied = body(asked)?;
    if asked.option("fieldManager").is_empty() {
        return Err(Failure::new(422, "fieldManager is required for apply patch"));
    }
    if text(&applied, "/kind") != asked.kind.name
        || text(&applied, "/apiVersion") != asked.kind.api_version()
        || text(&applied, "/metadata/name") != asked.name
    {
        return Err(Failure::new(400, "apiVersion, kind or name does not match the URL"));
    }
    let key = key(asked);
    let was = state.store.get(&key).cloned();
    let before = state.managers.get(&key).cloned().unwrap_or_default();
    let mut managers = before.clone();
    let live = was.as_ref().map_or_else(|| json!({}), |was| Value::clone(was));
    let force = asked.flag("force");
    let merged = match fields::apply(&live, &applied, asked.manager(), force, &mut managers) {
        Merged::Yes(merged) => merged,
        Merged::Conflicts(all) => {
            let count = all.len();
            let list = all.join("; ");
            let message = format!("Apply failed with {count} conflicts: {list}");
            return Err(Failure::new(409, message));
        }
    };
    state.managers.insert(key.clone(), managers);
    let stored = match &was {
        Some(was) => replace(state, asked, was, merged).map(|object| (200, object)),
        None => insert(state, asked.kind, &key, merged, now).map(|object| (201, object)),
    };
    match stored {
        Ok((code, object)) => Ok(Served::Object(code, Value::clone(&*object))),
        Err(failure) => {
            state.managers.insert(key, before);
            Err(failure)
        }
    }
}

/// The `Scale` of a workload.
pub(super) fn scale_of(object: &Value) -> Value {
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let pairs = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")));
    let selector: Vec<String> = pairs.collect();
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {
            "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            "uid": object["metadata"]["uid"],
            "resourceVersion": object["metadata"]["resourceVersion"],
        },
        "spec": {"replicas": object["spec"]["replicas"]},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": selector.join(",")},
    })
}

/// PATCH and PUT of a `Scale`.
pub(super) fn scale(state: &mut State, asked: &Asked) -> Result<Served, Failure> {
    let was = Value::clone(stored(state, asked)?);
    let mut scale = scale_of(&was);
    match asked.verb {
        Verb::Update => scale = body(asked)?,
        _ => change(asked, &mut scale)?,
    }
    let Some(replicas) = scale["spec"]["replicas"].as_u64() else {
        return Err(Failure::new(422, "spec.replicas: must be 0 or more"));
    };
    let mut object = was.clone();
    object["spec"]["replicas"] = json!(replicas);
    object["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
    let mut managers = state.managers.get(&key(asked)).cloned().unwrap_or_default();
    fields::wrote(&was, &object, asked.manager(), &mut managers);
    let parent = Asked { sub: None, ..asked.clone() };
    let before = state.managers.insert(key(asked), managers);
    match replace(state, &parent, &was, object) {
        Ok(now) => Ok(Served::Object(200, scale_of(&now))),
        Err(failure) => {
            state.managers.insert(key(asked), before.unwrap_or_default());
            Err(failure)
        }
    }
}
