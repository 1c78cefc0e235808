//! The verbs: what each does to the store, with the checks the real server makes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::failure::Failure;
use super::fields::{self, Merged};
use super::kinds::Kind;
use super::request::{Asked, Sub, Verb, labels_match, not_allowed};
use super::state::State;
use super::store::{Key, text};
use super::wire::BootError;
use super::{admit, patch, pods};
use crate::release::Timestamp;

/// A request carried out.
#[derive(Debug)]
pub(super) enum Served {
    Object(u16, Value),
    Text(String),
}

/// Counts the request and refuses what was ordered to fail or is not allowed.
pub(super) fn gate(state: &mut State, asked: &Asked) -> Result<(), Failure> {
    let verb = asked.verb.name();
    *state.asked.entry((verb, asked.kind.plural)).or_default() += 1;
    if !allowed(state, verb, &resource(asked)) {
        let what = format!("cannot {verb} resource \"{}\"", resource(asked));
        let place = format!("in the namespace \"{}\"", asked.namespace);
        return Err(Failure::new(403, format!("user \"gonogo\" {what} {place}")));
    }
    let fails = |(on, kind, _): &(&str, String, u16)| *on == verb && kind == asked.kind.name;
    if let Some(index) = state.faults.fail.iter().position(fails) {
        let (_, _, code) = state.faults.fail.remove(index);
        return Err(Failure::new(code, "ordered by the scenario"));
    }
    if !asked.option("dryRun").is_empty() {
        return Err(Failure::new(400, "dryRun is not served in a rehearsal"));
    }
    Ok(())
}

/// `deployments`, `deployments/scale`
fn resource(asked: &Asked) -> String {
    let plural = asked.kind.plural;
    match asked.sub {
        None => plural.to_owned(),
        Some(Sub::Scale) => format!("{plural}/scale"),
        Some(Sub::Status) => format!("{plural}/status"),
        Some(Sub::Log) => format!("{plural}/log"),
    }
}

fn allowed(state: &State, verb: &str, resource: &str) -> bool {
    !state.faults.denied.contains(&(verb.to_owned(), resource.to_owned()))
}

/// Carries out everything but a watch.
pub(super) fn serve(state: &mut State, asked: &Asked, now: Timestamp) -> Result<Served, Failure> {
    if asked.kind.name == "SelfSubjectAccessReview" {
        return match asked.verb {
            Verb::Create => review(state, asked),
            verb => Err(not_allowed(asked.kind, verb.name())),
        };
    }
    match (asked.verb, asked.sub) {
        (Verb::Get, None | Some(Sub::Status)) => {
            Ok(Served::Object(200, Value::clone(stored(state, asked)?)))
        }
        (Verb::Get, Some(Sub::Scale)) => {
            Ok(Served::Object(200, patch::scale_of(stored(state, asked)?)))
        }
        (Verb::Get, Some(Sub::Log)) => log(state, asked),
        (Verb::List, None) => list(state, asked),
        (Verb::Create, None) => create(state, asked, now),
        (Verb::Update, None | Some(Sub::Status)) => update(state, asked),
        (Verb::Patch | Verb::Update, Some(Sub::Scale)) => patch::scale(state, asked),
        (Verb::Patch, None | Some(Sub::Status)) => patch::patch(state, asked, now),
        (Verb::Delete, None) => delete(state, asked, now),
        (verb, _) => Err(not_allowed(asked.kind, verb.name())),
    }
}

pub(super) fn key(asked: &Asked) -> Key {
    Key::new(asked.kind.name, &asked.namespace, &asked.name)
}

pub(super) fn stored<'a>(state: &'a State, asked: &Asked) -> Result<&'a Arc<Value>, Failure> {
    let missing = || Failure::missing(asked.kind.plural, &asked.name);
    state.store.get(&key(asked)).ok_or_else(missing)
}

pub(super) fn body(asked: &Asked) -> Result<Value, Failure> {
    serde_json::from_slice(&asked.body)
        .map_err(|error| Failure::new(400, format!("the body is not JSON: {error}")))
}

/// Whether an object is among those a list or watch asks for.
pub(super) fn matches(asked: &Asked, object: &Value) -> Result<bool, Failure> {
    if !labels_match(asked.option("labelSelector"), &object["metadata"]["labels"])? {
        return Ok(false);
    }
    for requirement in asked.option("fieldSelector").split(',').filter(|one| !one.is_empty()) {
        let (field, wanted) = requirement
            .split_once("==")
            .or_else(|| requirement.split_once('='))
            .ok_or_else(|| Failure::new(400, format!("cannot parse field {requirement:?}")))?;
        let known = ["metadata.name", "metadata.namespace", "status.phase", "involvedObject.name"];
        if !known.contains(&field) {
            let kind = asked.kind.name;
            return Err(Failure::new(400, format!("field label not supported on {kind}: {field}")));
        }
        if text(object, &format!("/{}", field.replace('.', "/"))) != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

fn list(state: &State, asked: &Asked) -> Result<Served, Failure> {
    let limit: usize = asked.option("limit").parse().unwrap_or(0);
    let (version, after) = match asked.option("continue").split_once(' ') {
        Some((version, after)) => (version.parse().unwrap_or(0), after),
        None => (state.store.version(), ""),
    };
    if state.store.since(version).is_none() {
        return Err(Failure::new(410, "the provided continue parameter is too old"));
    }
    let (mut items, mut last, mut more) = (Vec::new(), String::new(), false);
    for (key, object) in state.store.list(asked.kind.name, &asked.namespace) {
        let place = format!("{}/{}", key.namespace, key.name);
        if (!after.is_empty() && place.as_str() <= after) || !matches(asked, object)? {
            continue;
        }
        if limit > 0 && items.len() == limit {
            more = true;
            break;
        }
        last = place;
        items.push(Value::clone(object));
    }
    let token = if more { format!("{version} {last}") } else { String::new() };
    Ok(Served::Object(
        200,
        json!({
            "kind": format!("{}List", asked.kind.name), "apiVersion": asked.kind.api_version(),
            "metadata": {"resourceVersion": version.to_string(), "continue": token},
            "items": items,
        }),
    ))
}

fn create(state: &mut State, asked: &Asked, now: Timestamp) -> Result<Served, Failure> {
    let mut object = body(asked)?;
    if text(&object, "/metadata/name").is_empty() {
        let prefix = text(&object, "/metadata/generateName").to_owned();
        if prefix.is_empty() {
            return Err(Failure::new(422, "name or generateName is required"));
        }
        object["metadata"]["name"] = json!(format!("{prefix}{}", state.suffix(5)));
    }
    let name = text(&object, "/metadata/name").to_owned();
    let key = Key::new(asked.kind.name, &asked.namespace, &name);
    if state.store.get(&key).is_some() {
        return Err(Failure::exists(asked.kind.plural, &name));
    }
    let mut managers = Vec::new();
    fields::wrote(&json!({}), &object, asked.manager(), &mut managers);
    state.managers.insert(key.clone(), managers);
    let made = insert(state, asked.kind, &key, object, now);
    if made.is_err() {
        state.managers.remove(&key);
    }
    Ok(Served::Object(201, Value::clone(&*made?)))
}

/// Puts a new object into the store, defaulted, checked and stamped.
pub(super) fn insert(
    state: &mut State,
    kind: &'static Kind,
    key: &Key,
    mut object: Value,
    now: Timestamp,
) -> Result<Arc<Value>, Failure> {
    let home = Key::new("Namespace", "", &key.namespace);
    if kind.namespaced && state.store.get(&home).is_none() {
        return Err(Failure::missing("namespaces", &key.namespace));
    }
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.name);
    object["metadata"]["name"] = json!(key.name);
    if kind.namespaced {
        object["metadata"]["namespace"] = json!(key.namespace);
    }
    if let Some(map) = object.as_object_mut().filter(|_| kind.counted || kind.name == "Pod") {
        map.remove("status");
    }
    admit::defaults(state, kind, &mut object);
    admit::check(kind, None, &object)?;
    state.stamp(&mut object, now);
    show_managers(state, kind, key, &mut object);
    let made = state.store.put(key, object, kind.counted);
    if kind.name == "Pod" {
        pods::adopt(state, key, now);
    }
    Ok(made)
}

/// Puts a changed object into the store: what identifies it stays, and so does its status unless
/// the status is what is written.
pub(super) fn replace(
    state: &mut State,
    asked: &Asked,
    was: &Value,
    mut object: Value,
) -> Result<Arc<Value>, Failure> {
    let kind = asked.kind;
    let (current, wanted) =
        (text(was, "/metadata/resourceVersion"), text(&object, "/metadata/resourceVersion"));
    if !wanted.is_empty() && wanted != current {
        return Err(Failure::conflict(kind.plural, &asked.name));
    }
    if text(&object, "/metadata/name") != asked.name {
        return Err(Failure::new(400, "the name of the object does not match the URL"));
    }
    for field in ["uid", "creationTimestamp", "namespace", "managedFields", "deletionTimestamp"] {
        match &was["metadata"][field] {
            Value::Null => {
                if let Some(meta) = object["metadata"].as_object_mut() {
                    meta.remove(field);
                }
            }
            value => object["metadata"][field] = value.clone(),
        }
    }
    if kind.counted || kind.name == "Pod" {
        let kept = if asked.sub == Some(Sub::Status) { "spec" } else { "status" };
        match (&was[kept], object.as_object_mut()) {
            (Value::Null, Some(map)) => drop(map.remove(kept)),
            (value, _) => object[kept] = value.clone(),
        }
    }
    admit::defaults(state, kind, &mut object);
    admit::check(kind, Some(was), &object)?;
    let key = key(asked);
    show_managers(state, kind, &key, &mut object);
    Ok(state.store.put(&key, object, kind.counted))
}

fn show_managers(state: &State, kind: &Kind, key: &Key, object: &mut Value) {
    if let Some(managers) = state.managers.get(key) {
        object["metadata"]["managedFields"] = fields::shown(managers, &kind.api_version());
    }
}

fn update(state: &mut State, asked: &Asked) -> Result<Served, Failure> {
    let object = body(asked)?;
    let was = Value::clone(stored(state, asked)?);
    let before = state.managers.get(&key(asked)).cloned().unwrap_or_default();
    let mut managers = before.clone();
    fields::wrote(&was, &object, asked.manager(), &mut managers);
    state.managers.insert(key(asked), managers);
    match replace(state, asked, &was, object) {
        Ok(now) => Ok(Served::Object(200, Value::clone(&*now))),
        Err(failure) => {
            state.managers.insert(key(asked), before);
            Err(failure)
        }
    }
}

fn delete(state: &mut State, asked: &Asked, now: Timestamp) -> Result<Served, Failure> {
    let was = Arc::clone(stored(state, asked)?);
    let options = if asked.body.is_empty() { json!({}) } else { body(asked)? };
    let wanted = text(&options, "/preconditions/uid");
    if !wanted.is_empty() && wanted != text(&was, "/metadata/uid") {
        return Err(Failure::conflict(asked.kind.plural, &asked.name));
    }
    let key = key(asked);
    match asked.kind.name {
        "Namespace" => return Err(not_allowed(asked.kind, "delete")),
        "Pod" => {
            pods::end(state, &key, options["gracePeriodSeconds"] == 0, now);
            if let Some(ending) = state.store.get(&key) {
                return Ok(Served::Object(200, Value::clone(ending)));
            }
        }
        _ => {
            state.store.remove(&key);
            state.managers.remove(&key);
        }
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    Ok(Served::Object(200, status))
}

fn review(state: &State, asked: &Asked) -> Result<Served, Failure> {
    let mut review = body(asked)?;
    let attributes = &review["spec"]["resourceAttributes"];
    let mut resource = text(attributes, "/resource").to_owned();
    let sub = text(attributes, "/subresource");
    if !sub.is_empty() {
        resource = format!("{resource}/{sub}");
    }
    let allowed = allowed(state, text(attributes, "/verb"), &resource);
    review["status"] = json!({"allowed": allowed});
    Ok(Served::Object(201, review))
}

fn log(state: &State, asked: &Asked) -> Result<Served, Failure> {
    stored(state, asked)?;
    let lines = state.logs.get(&key(asked));
    let all: Vec<&str> = lines.into_iter().flatten().map(String::as_str).collect();
    let tail: usize = asked.option("tailLines").parse().unwrap_or(all.len());
    let mut text = String::new();
    for line in &all[all.len().saturating_sub(tail)..] {
        text.push_str(line);
        text.push('\n');
    }
    Ok(Served::Text(text))
}

/// Creates one object of a manifest at boot, as an earlier release would have left it: applied by
/// gonogo, its selector written by the switch.
pub(super) fn found(
    state: &mut State,
    namespace: &str,
    document: Value,
    now: Timestamp,
) -> Result<(), BootError> {
    let name = text(&document, "/metadata/name").to_owned();
    let object = format!("{}/{name}", text(&document, "/kind"));
    let refused = |reason: String| BootError::Refused { object: object.clone(), reason };
    let kind = Kind::named(text(&document, "/kind"))
        .filter(|kind| kind.api_version() == text(&document, "/apiVersion"))
        .ok_or_else(|| refused("the rehearsal's API server does not know its kind".to_owned()))?;
    let key = Key::new(kind.name, if kind.namespaced { namespace } else { "" }, &name);
    let mut applied = document.clone();
    if let Some(spec) = applied["spec"].as_object_mut().filter(|_| kind.name == "Service") {
        spec.remove("selector");
    }
    let mut managers = Vec::new();
    if let Merged::Yes(merged) = fields::apply(&json!({}), &applied, "gonogo", true, &mut managers)
    {
        fields::wrote(&merged, &document, "gonogo-switch", &mut managers);
    }
    state.managers.insert(key.clone(), managers);
    insert(state, kind, &key, document, now).map_err(|failure| refused(failure.message))?;
    Ok(())
}

/// Removes what belongs to objects that are gone.
pub(super) fn collect_orphans(state: &mut State) {
    let owners = ["Deployment", "ReplicaSet", "StatefulSet", "Service"];
    let living: BTreeSet<String> = owners
        .iter()
        .flat_map(|kind| state.store.list(kind, ""))
        .map(|(_, object)| text(object, "/metadata/uid").to_owned())
        .collect();
    let orphan = |object: &Value| {
        let owner = super::state::owner_uid(object);
        !owner.is_empty() && !living.contains(owner)
    };
    let kinds = ["ReplicaSet", "Pod", "EndpointSlice"];
    let orphans: Vec<Key> = kinds
        .iter()
        .flat_map(|kind| state.store.list(kind, ""))
        .filter(|(_, object)| orphan(object))
        .map(|(key, _)| key.clone())
        .collect();
    for key in orphans {
        state.store.remove(&key);
        state.lives.remove(&key);
        state.logs.remove(&key);
    }
}
