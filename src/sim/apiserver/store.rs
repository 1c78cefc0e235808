//! The objects and their one history.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};

/// The most changes that are kept for watches that come back.
const HISTORY_MAX: usize = 20_000;

/// Where one object stands. Ordered by kind, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// One step of the history.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) was: Option<Arc<Value>>,
    /// After a deletion: none, and `was` carries the version of the deletion.
    pub(super) is: Option<Arc<Value>>,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    version: u64,
    /// Changes up to this version are forgotten.
    forgotten: u64,
}

impl Store {
    /// The version of the newest change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// The objects of a kind in a namespace, by name; an empty namespace means all.
    pub(super) fn list<'a>(
        &'a self,
        kind: &'static str,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let from = Key::new(kind, namespace, "");
        let range = self.objects.range((Bound::Included(from), Bound::Unbounded));
        range.take_while(move |(key, _)| {
            key.kind == kind && (namespace.is_empty() || key.namespace == namespace)
        })
    }

    /// Stores `object` as the newest version of `key`. An object that does not differ from what is
    /// stored makes no version, as in the real server. Answers what is stored now.
    pub(super) fn put(&mut self, key: &Key, mut object: Value, counted: bool) -> Arc<Value> {
        let was = self.objects.get(key).cloned();
        if let Some(was) = &was {
            object["metadata"]["resourceVersion"] = was["metadata"]["resourceVersion"].clone();
            object["metadata"]["generation"] = was["metadata"]["generation"].clone();
            strip_null(&mut object["metadata"], "generation");
            if object == **was {
                return Arc::clone(was);
            }
        }
        let spec_changed = was.as_ref().is_none_or(|was| was["spec"] != object["spec"]);
        if counted && spec_changed {
            let before = was.as_ref().and_then(|was| was["metadata"]["generation"].as_i64());
            object["metadata"]["generation"] = json!(before.unwrap_or(0) + 1);
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.remember(key.clone(), was, Some(Arc::clone(&object)));
        object
    }

    /// Edits an object in place; nothing happens when there is none.
    pub(super) fn edit(&mut self, key: &Key, edit: impl FnOnce(&mut Value)) {
        if let Some(was) = self.objects.get(key) {
            let mut object = Value::clone(was);
            edit(&mut object);
            // Whoever edits through here writes a status or a controller's own objects.
            let counted = object["spec"] != was["spec"] && !was["metadata"]["generation"].is_null();
            self.put(key, object, counted);
        }
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let was = self.objects.remove(key)?;
        self.version += 1;
        let mut last = Value::clone(&was);
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let last = Arc::new(last);
        self.remember(key.clone(), Some(Arc::clone(&last)), None);
        Some(last)
    }

    fn remember(&mut self, key: Key, was: Option<Arc<Value>>, is: Option<Arc<Value>>) {
        self.history.push_back(Change { version: self.version, key, was, is });
        while self.history.len() > HISTORY_MAX {
            if let Some(change) = self.history.pop_front() {
                self.forgotten = change.version;
            }
        }
    }

    /// Forgets the whole history: watches of an older version get 410 from now on.
    pub(super) fn compact(&mut self) {
        self.history.clear();
        self.forgotten = self.version;
    }

    /// The changes after `version`; none when some of them are forgotten.
    pub(super) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        if version < self.forgotten {
            return None;
        }
        let start = self.history.partition_point(|change| change.version <= version);
        Some(self.history.range(start..))
    }
}

fn strip_null(value: &mut Value, field: &str) {
    if value[field].is_null()
        && let Some(map) = value.as_object_mut()
    {
        map.remove(field);
    }
}

/// The text at a JSON pointer, or nothing.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The number at a JSON pointer, if there is one.
pub(super) fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// Whether every pair of `selector` is among `labels`; an empty selector selects nothing.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|all| {
        !all.is_empty() && all.iter().all(|(key, value)| labels.get(key) == Some(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_history_serves_everyone_until_it_is_compacted() {
        let mut store = Store::default();
        let key = Key::new("Pod", "p", "a");
        store.put(&key, json!({"metadata": {"name": "a"}, "spec": {}}), false);
        store.put(&key, json!({"metadata": {"name": "a"}, "spec": {"x": 1}}), false);
        store.put(&key, json!({"metadata": {"name": "a"}, "spec": {"x": 1}}), false);
        assert_eq!(store.version(), 2);
        assert_eq!(store.since(1).expect("remembered").count(), 1);
        store.compact();
        assert!(store.since(1).is_none());
        assert_eq!(store.since(2).expect("nothing newer").count(), 0);
        store.remove(&key);
        let last: Vec<_> = store.since(2).expect("remembered").collect();
        assert_eq!((last.len(), last[0].version), (1, 3));
        assert_eq!(text(last[0].was.as_ref().expect("it"), "/metadata/resourceVersion"), "3");
    }
}
