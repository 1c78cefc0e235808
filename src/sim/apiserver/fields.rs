//! Who owns which field: server-side apply.
//!
//! Fields are kept per manager as sets of paths and shown in `metadata.managedFields` as the real
//! server shows them. The grain is a leaf; lists of containers, ports and the like are merged by
//! their keys, other lists and every `selector` are one leaf.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    /// The element of a keyed list, by its keys.
    Item(Vec<(String, KeyText)>),
}

/// A key's value; ordered, which JSON values are not.
type KeyText = String;

pub(super) type Path = Vec<Step>;
pub(super) type Fields = BTreeSet<Path>;

/// What one manager owns by one operation.
#[derive(Clone, Debug)]
pub(super) struct Manager {
    pub(super) name: String,
    /// `Apply`, or `Update` for every other way to write.
    pub(super) applies: bool,
    pub(super) fields: Fields,
}

/// The keys by which a list is merged.
fn keys_of(field: &str, items: &[Value]) -> Option<&'static [&'static str]> {
    match field {
        "containers" | "initContainers" | "volumes" | "env" => Some(&["name"]),
        "volumeMounts" => Some(&["mountPath"]),
        "conditions" => Some(&["type"]),
        "topologySpreadConstraints" => Some(&["topologyKey", "whenUnsatisfiable"]),
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => {
            Some(&["containerPort", "protocol"])
        }
        "ports" if items.iter().any(|item| item.get("port").is_some()) => {
            Some(&["port", "protocol"])
        }
        _ => None,
    }
}

/// Whether a map is owned as a whole.
fn atomic(field: &str) -> bool {
    matches!(field, "selector" | "labelSelector" | "nodeSelector" | "scaleTargetRef")
}

fn item_step(keys: &[&str], item: &Value) -> Step {
    let value = |key: &str| match item.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None if key == "protocol" => "TCP".to_owned(),
        None => String::new(),
    };
    Step::Item(keys.iter().map(|key| ((*key).to_owned(), value(key))).collect())
}

/// The fields an applied object states; what identifies the object is not among them.
pub(super) fn stated(object: &Value) -> Fields {
    let mut fields = Fields::new();
    collect(object, "", &mut Vec::new(), &mut fields);
    fields.retain(|path| !identifies(path));
    fields
}

fn identifies(path: &Path) -> bool {
    let names: Vec<&str> = path
        .iter()
        .map(|step| match step {
            Step::Field(name) => name.as_str(),
            Step::Item(_) => "",
        })
        .collect();
    match names.as_slice() {
        ["apiVersion" | "kind" | "status", ..] => true,
        ["metadata", rest, ..] => !matches!(*rest, "labels" | "annotations"),
        _ => false,
    }
}

fn collect(value: &Value, field: &str, path: &mut Path, out: &mut Fields) {
    match value {
        Value::Object(map) if !map.is_empty() && !atomic(field) => {
            for (name, inner) in map {
                path.push(Step::Field(name.clone()));
                collect(inner, name, path, out);
                path.pop();
            }
        }
        Value::Array(items) => {
            let Some(keys) = keys_of(field, items) else {
                out.insert(path.clone());
                return;
            };
            for item in items {
                path.push(item_step(keys, item));
                // The item itself is owned, so that it goes when its owner drops it.
                out.insert(path.clone());
                collect(item, "", path, out);
                path.pop();
            }
        }
        _ => {
            out.insert(path.clone());
        }
    }
}

/// The value at a path.
pub(super) fn at<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    let Some((step, rest)) = path.split_first() else {
        return Some(value);
    };
    let inner = match step {
        Step::Field(name) => value.get(name)?,
        Step::Item(keys) => value.as_array()?.iter().find(|item| is_item(keys, item))?,
    };
    at(inner, rest)
}

fn is_item(keys: &[(String, KeyText)], item: &Value) -> bool {
    let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
    matches!(item_step(&names, item), Step::Item(own) if own == keys)
}

/// Takes the value at a path out of an object, and maps and lists that are empty afterwards.
pub(super) fn remove(value: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else { return };
    match (step, value) {
        (Step::Field(name), Value::Object(map)) => {
            if rest.is_empty() {
                map.remove(name);
            } else if let Some(inner) = map.get_mut(name) {
                remove(inner, rest);
                let empty = inner.as_object().is_some_and(Map::is_empty)
                    || inner.as_array().is_some_and(Vec::is_empty);
                if empty {
                    map.remove(name);
                }
            }
        }
        (Step::Item(keys), Value::Array(items)) => {
            if rest.is_empty() {
                items.retain(|item| !is_item(keys, item));
            } else if let Some(item) = items.iter_mut().find(|item| is_item(keys, item)) {
                remove(item, rest);
            }
        }
        _ => {}
    }
}

/// Lays `applied` over `live`.
pub(super) fn merge(live: &mut Value, applied: &Value, field: &str) {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !atomic(field) => {
            for (name, value) in applied {
                match live.get_mut(name) {
                    Some(inner) => merge(inner, value, name),
                    None => {
                        live.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(live), Value::Array(applied)) if keys_of(field, applied).is_some() => {
            let keys = keys_of(field, applied).unwrap_or_default();
            for item in applied {
                let step = item_step(keys, item);
                match live.iter_mut().find(|one| item_step(keys, one) == step) {
                    Some(inner) => merge(inner, item, ""),
                    None => live.push(item.clone()),
                }
            }
        }
        (live, applied) => *live = applied.clone(),
    }
}

/// What an apply comes to.
#[derive(Debug)]
pub(super) enum Merged {
    Yes(Value),
    /// Fields that others own with another value: `conflict with "kubectl": .spec.replicas`.
    Conflicts(Vec<String>),
}

/// Applies `applied` for `name` over `live`, and moves the ownership along.
pub(super) fn apply(
    live: &Value,
    applied: &Value,
    name: &str,
    force: bool,
    managers: &mut Vec<Manager>,
) -> Merged {
    let wanted = stated(applied);
    let others = |manager: &Manager| !(manager.applies && manager.name == name);
    let disputed = |path: &Path| {
        let differs = at(live, path) != at(applied, path);
        // An item is compared by its own fields.
        differs && !matches!(path.last(), Some(Step::Item(_)))
    };
    let conflicts: Vec<String> = managers
        .iter()
        .filter(|manager| others(manager))
        .flat_map(|manager| {
            let both = manager.fields.intersection(&wanted).filter(|path| disputed(path));
            both.map(|path| format!("conflict with \"{}\": {}", manager.name, words(path)))
        })
        .collect();
    if !conflicts.is_empty() && !force {
        return Merged::Conflicts(conflicts);
    }
    for manager in managers.iter_mut().filter(|manager| others(manager)) {
        manager.fields.retain(|path| !(wanted.contains(path) && disputed(path)));
    }
    let mut object = live.clone();
    let before = managers.iter().find(|manager| !others(manager));
    let theirs: Vec<&Path> =
        managers.iter().filter(|one| others(one)).flat_map(|one| &one.fields).collect();
    let dropped: Vec<Path> = before
        .into_iter()
        .flat_map(|manager| manager.fields.difference(&wanted))
        .filter(|path| !theirs.iter().any(|other| other.starts_with(holder(path))))
        .cloned()
        .collect();
    // Parents first: an item that lost its keys could no longer be found.
    for path in &dropped {
        remove(&mut object, path);
    }
    merge(&mut object, applied, "");
    managers.retain(others);
    managers.push(Manager { name: name.to_owned(), applies: true, fields: wanted });
    managers.retain(|manager| !manager.fields.is_empty());
    Merged::Yes(object)
}

/// What must be nobody else's for a field to go: the field, or the whole item that it is a key of.
fn holder(path: &Path) -> &[Step] {
    match path.as_slice() {
        [front @ .., Step::Item(keys), Step::Field(name)]
            if keys.iter().any(|(key, _)| key == name) =>
        {
            &path[..=front.len()]
        }
        whole => whole,
    }
}

/// Moves the ownership of what an ordinary write changed to its writer.
pub(super) fn wrote(was: &Value, is: &Value, name: &str, managers: &mut Vec<Manager>) {
    let before = stated(was);
    let after = stated(is);
    let changed: Fields = after
        .iter()
        .filter(|path| !before.contains(*path) || at(was, path) != at(is, path))
        .filter(|path| !matches!(path.last(), Some(Step::Item(_))) || !before.contains(*path))
        .cloned()
        .collect();
    for manager in managers.iter_mut() {
        manager.fields.retain(|path| after.contains(path) && !changed.contains(path));
    }
    if !changed.is_empty() {
        let updater = |manager: &&mut Manager| !manager.applies && manager.name == name;
        if let Some(manager) = managers.iter_mut().find(updater) {
            manager.fields.extend(changed);
        } else {
            let name = name.to_owned();
            managers.push(Manager { name, applies: false, fields: changed });
        }
    }
    managers.retain(|manager| !manager.fields.is_empty());
}

/// `.spec.template.spec.containers[name="backend"].image`
fn words(path: &[Step]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Field(name) => format!(".{name}"),
        Step::Item(keys) => {
            let keys: Vec<_> =
                keys.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            format!("[{}]", keys.join(","))
        }
    });
    steps.collect()
}

/// `metadata.managedFields`.
pub(super) fn shown(managers: &[Manager], api_version: &str) -> Value {
    let one = |manager: &Manager| {
        let mut tree = json!({});
        for path in &manager.fields {
            let mut node = &mut tree;
            for step in path {
                let name = match step {
                    Step::Field(name) => format!("f:{name}"),
                    Step::Item(keys) => {
                        let pairs: Map<String, Value> =
                            keys.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                        format!("k:{}", Value::Object(pairs))
                    }
                };
                node = &mut node[name];
                if node.is_null() {
                    *node = json!({});
                }
            }
        }
        json!({
            "manager": manager.name,
            "operation": if manager.applies { "Apply" } else { "Update" },
            "apiVersion": api_version, "fieldsType": "FieldsV1", "fieldsV1": tree,
        })
    };
    Value::Array(managers.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(image: &str, env: &[&str]) -> Value {
        let env: Vec<_> = env.iter().map(|name| json!({"name": name, "value": "1"})).collect();
        json!({"metadata": {"name": "d", "labels": {"app": "d"}}, "spec": {"template": {"spec": {
            "containers": [{"name": "c", "image": image, "env": env}]}}}})
    }

    fn yes(merged: Merged) -> Value {
        match merged {
            Merged::Yes(object) => object,
            Merged::Conflicts(all) => panic!("conflicts: {all:?}"),
        }
    }

    #[test]
    fn what_its_manager_no_longer_applies_goes_and_the_rest_stays() {
        let mut managers = Vec::new();
        let live = yes(apply(&json!({}), &deployment("1", &["A", "B"]), "a", false, &mut managers));
        let mut others = live.clone();
        others["spec"]["replicas"] = json!(3);
        wrote(&live, &others, "scaler", &mut managers);
        let live = yes(apply(&others, &deployment("2", &["B"]), "a", false, &mut managers));
        let container = &live["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "2");
        assert_eq!(container["env"], json!([{"name": "B", "value": "1"}]));
        assert_eq!(live["spec"]["replicas"], 3);
    }

    #[test]
    fn a_field_of_another_manager_is_a_conflict_unless_forced() {
        let mut managers = Vec::new();
        let live = yes(apply(&json!({}), &deployment("1", &[]), "a", false, &mut managers));
        let same = apply(&live, &deployment("1", &[]), "b", false, &mut managers);
        assert!(matches!(same, Merged::Yes(_)));
        let Merged::Conflicts(all) = apply(&live, &deployment("2", &[]), "b", false, &mut managers)
        else {
            panic!("no conflict");
        };
        let wanted =
            "conflict with \"a\": .spec.template.spec.containers[name=\"c\"].image".to_owned();
        assert_eq!(all, [wanted]);
        let forced = yes(apply(&live, &deployment("2", &[]), "b", true, &mut managers));
        assert_eq!(forced["spec"]["template"]["spec"]["containers"][0]["image"], "2");
        let shown = shown(&managers, "v1").to_string();
        assert!(
            shown.contains("f:image") && shown.contains("k:{\\\"name\\\":\\\"c\\\"}"),
            "{shown}"
        );
    }

    #[test]
    fn an_item_in_which_another_manager_owns_a_field_stays_and_keeps_its_key() {
        let mut managers = Vec::new();
        let live = yes(apply(&json!({}), &deployment("1", &["A", "B"]), "a", false, &mut managers));
        let mut edited = live.clone();
        edited["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("2");
        wrote(&live, &edited, "kubectl", &mut managers);
        let live = yes(apply(&edited, &deployment("1", &["B"]), "a", false, &mut managers));
        let env = &live["spec"]["template"]["spec"]["containers"][0]["env"];
        assert_eq!(*env, json!([{"name": "A", "value": "2"}, {"name": "B", "value": "1"}]));
    }

    #[test]
    fn a_selector_is_one_field() {
        let service = json!({"spec": {"selector": {"app": "b", "version": "blue"}}});
        assert_eq!(stated(&service).len(), 1);
        let mut live = json!({"spec": {"selector": {"old": "x"}}});
        merge(&mut live, &service, "");
        assert_eq!(live, service);
    }
}
