//! The controllers of `ReplicaSets`, `StatefulSets` and autoscalers.

use std::sync::Arc;

use serde_json::{Value, json};

use super::pods::{self, Member, Owned};
use super::state::State;
use super::store::{Key, number, text};
use crate::release::Timestamp;

pub(super) fn reconcile(state: &mut State, now: Timestamp) {
    for (key, object) in all(state, "HorizontalPodAutoscaler") {
        autoscale(state, &key, &object);
    }
    let owned = Owned::of(state);
    for (key, object) in all(state, "ReplicaSet") {
        replicas(state, &key, &object, &owned, now);
    }
    for (key, object) in all(state, "StatefulSet") {
        stateful(state, &key, &object, &owned, now);
    }
}

/// All objects of a kind, as they are at this moment.
pub(super) fn all(state: &State, kind: &'static str) -> Vec<(Key, Arc<Value>)> {
    let pair = |(key, object): (&Key, &Arc<Value>)| (key.clone(), Arc::clone(object));
    state.store.list(kind, "").map(pair).collect()
}

/// The number of pods an object wants.
pub(super) fn wanted(object: &Value) -> usize {
    usize::try_from(number(object, "/spec/replicas").unwrap_or(0)).unwrap_or(0)
}

fn replicas(state: &mut State, key: &Key, set: &Value, owned: &Owned, now: Timestamp) {
    let mut mine: Vec<&Member> = owned.by(set).iter().collect();
    let wanted = wanted(set);
    let hash = text(set, "/metadata/labels/pod-template-hash");
    for _ in mine.len()..wanted {
        let name = format!("{}-{}", key.name, state.suffix(5));
        pods::create(state, set, &name, Some(hash), now);
        state.event(key, now, "SuccessfulCreate", &format!("Created pod: {name}"));
    }
    if mine.len() > wanted {
        // Unready ones go first, then the youngest.
        mine.sort_by(|a, b| (a.ready, &b.created, &a.key).cmp(&(b.ready, &a.created, &b.key)));
        for pod in &mine[..mine.len() - wanted] {
            pods::end(state, &pod.key, false, now);
            let message = format!("Deleted pod: {}", pod.key.name);
            state.event(key, now, "SuccessfulDelete", &message);
        }
    }
    // As of this round's beginning; what was just made or ended is counted in the next.
    let (total, ready) = owned.counts(set);
    state.store.edit(key, |set| {
        set["status"] = json!({
            "replicas": total, "fullyLabeledReplicas": total, "readyReplicas": ready,
            "availableReplicas": ready, "observedGeneration": set["metadata"]["generation"],
        });
    });
}

fn stateful(state: &mut State, key: &Key, set: &Value, owned: &Owned, now: Timestamp) {
    let wanted = wanted(set);
    for ordinal in 0..wanted {
        let name = format!("{}-{ordinal}", key.name);
        for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
            claim_volume(state, key, claim, &name, now);
        }
        let pod = state.store.get(&Key::new("Pod", &key.namespace, &name));
        match pod {
            // In order: the next one starts when this one is ready.
            Some(pod) if !pods::is_ready(pod) => break,
            Some(_) => {}
            None => {
                pods::create(state, set, &name, None, now);
                break;
            }
        }
    }
    for pod in owned.by(set) {
        let ordinal = pod.key.name.rsplit('-').next().and_then(|end| end.parse::<usize>().ok());
        if ordinal.is_some_and(|ordinal| ordinal >= wanted) {
            pods::end(state, &pod.key, false, now);
        }
    }
    let (total, ready) = owned.counts(set);
    state.store.edit(key, |set| {
        set["status"] = json!({
            "replicas": total, "readyReplicas": ready, "availableReplicas": ready,
            "currentReplicas": total, "updatedReplicas": total,
            "observedGeneration": set["metadata"]["generation"],
        });
    });
}

fn claim_volume(state: &mut State, set: &Key, template: &Value, pod: &str, now: Timestamp) {
    let name = format!("{}-{pod}", text(template, "/metadata/name"));
    let key = Key::new("PersistentVolumeClaim", &set.namespace, &name);
    if state.store.get(&key).is_some() {
        return;
    }
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": set.namespace},
        "spec": template["spec"], "status": {"phase": "Bound"},
    });
    state.stamp(&mut claim, now);
    state.store.put(&key, claim, false);
}

/// Keeps a Deployment between the autoscaler's bounds. One scaled to zero is left alone.
fn autoscale(state: &mut State, key: &Key, hpa: &Value) {
    let target = Key::new("Deployment", &key.namespace, text(hpa, "/spec/scaleTargetRef/name"));
    let Some(deployment) = state.store.get(&target) else { return };
    let now = number(deployment, "/spec/replicas").unwrap_or(1);
    let least = number(hpa, "/spec/minReplicas").unwrap_or(1);
    let most = number(hpa, "/spec/maxReplicas").unwrap_or(least).max(least);
    let wanted = if now == 0 { 0 } else { now.clamp(least, most) };
    if wanted != now {
        state.store.edit(&target, |object| object["spec"]["replicas"] = json!(wanted));
    }
    state.store.edit(key, |hpa| {
        hpa["status"] = json!({"currentReplicas": now, "desiredReplicas": wanted});
    });
}
