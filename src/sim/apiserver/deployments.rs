//! The controller of Deployments: one `ReplicaSet` a template, rolled over step by step.

use serde_json::{Value, json};

use super::pods::Owned;
use super::sets::{all, wanted};
use super::state::{State, digest_name, owned_by, owner_uid, time};
use super::store::{Key, number, text};
use crate::release::Timestamp;

/// The `ReplicaSet` of a Deployment, with how many of its pods are ready.
struct Set {
    key: Key,
    wanted: usize,
    pods: usize,
    ready: usize,
    revision: i64,
}

pub(super) fn reconcile(state: &mut State, now: Timestamp) {
    let owned = Owned::of(state);
    for (key, deployment) in all(state, "Deployment") {
        roll(state, &key, &deployment, &owned, now);
    }
}

/// When the next progress deadline passes.
pub(super) fn due_ms(state: &State) -> Option<u64> {
    let deadlines = state.progress.iter().filter_map(|(key, (_, since))| {
        let deployment = state.store.get(key)?;
        let left = number(deployment, "/spec/progressDeadlineSeconds")?;
        let waits = reason(deployment) == "ReplicaSetUpdated";
        waits.then(|| since + u64::try_from(left).unwrap_or(600) * 1000)
    });
    deadlines.min()
}

fn reason(deployment: &Value) -> &str {
    let conditions = deployment["status"]["conditions"].as_array();
    let progressing =
        conditions.and_then(|all| all.iter().find(|one| one["type"] == "Progressing"));
    progressing.map_or("", |one| text(one, "/reason"))
}

fn roll(state: &mut State, key: &Key, deployment: &Value, owned: &Owned, now: Timestamp) {
    let hash = digest_name(&deployment["spec"]["template"].to_string(), 10);
    let name = format!("{}-{hash}", key.name);
    let newest = Key::new("ReplicaSet", &key.namespace, &name);
    let sets = sets(state, key, deployment, owned);
    if !sets.iter().any(|set| set.key == newest) {
        let revision = sets.iter().map(|set| set.revision).max().unwrap_or(0) + 1;
        start_set(state, key, deployment, &newest, &hash, revision, now);
    } else if let Some(set) = sets.iter().find(|set| set.key == newest)
        && sets.iter().any(|other| other.revision > set.revision)
    {
        // An older template is wanted again: its set becomes the newest revision.
        let revision = sets.iter().map(|set| set.revision).max().unwrap_or(0) + 1;
        annotate(state, &newest, revision);
        annotate(state, key, revision);
    }
    if deployment["spec"]["paused"] != true {
        steps(state, key, deployment, &newest, owned, now);
    }
    status(state, key, &newest, owned, now);
}

/// The `ReplicaSets` a Deployment owns, by name.
fn sets(state: &State, key: &Key, deployment: &Value, owned: &Owned) -> Vec<Set> {
    let uid = text(deployment, "/metadata/uid");
    let mine = state.store.list("ReplicaSet", &key.namespace);
    let mine = mine.filter(|(_, set)| owner_uid(set) == uid);
    mine.map(|(set_key, set)| {
        let (pods, ready) = owned.counts(set);
        let revision = text(set, "/metadata/annotations/deployment.kubernetes.io~1revision");
        Set {
            key: set_key.clone(),
            wanted: wanted(set),
            pods,
            ready,
            revision: revision.parse().unwrap_or(0),
        }
    })
    .collect()
}

fn start_set(
    state: &mut State,
    key: &Key,
    deployment: &Value,
    newest: &Key,
    hash: &str,
    revision: i64,
    now: Timestamp,
) {
    let mut labels = deployment["spec"]["template"]["metadata"]["labels"].clone();
    labels["pod-template-hash"] = json!(hash);
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"] = labels.clone();
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": newest.name, "namespace": newest.namespace, "labels": labels,
            "ownerReferences": owned_by(deployment),
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string()},
        },
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    });
    state.stamp(&mut set, now);
    state.store.put(newest, set, true);
    annotate(state, key, revision);
}

fn annotate(state: &mut State, key: &Key, revision: i64) {
    state.store.edit(key, |object| {
        object["metadata"]["annotations"]["deployment.kubernetes.io/revision"] =
            json!(revision.to_string());
    });
}

/// One step of the rollout: grow the newest set as far as the surge allows, shrink the others as
/// far as enough pods stay available.
fn steps(
    state: &mut State,
    key: &Key,
    deployment: &Value,
    newest: &Key,
    owned: &Owned,
    now: Timestamp,
) {
    let all_wanted = wanted(deployment);
    let strategy = &deployment["spec"]["strategy"]["rollingUpdate"];
    let surge = share(&strategy["maxSurge"], all_wanted, true);
    let unavailable = share(&strategy["maxUnavailable"], all_wanted, false);
    let sets = sets(state, key, deployment, owned);
    let total: usize = sets.iter().map(|set| set.wanted).sum();
    let Some(new) = sets.iter().find(|set| set.key == *newest) else { return };
    let others: Vec<&Set> = sets.iter().filter(|set| set.key != *newest).collect();
    let alone = others.iter().all(|set| set.wanted == 0);
    let room = (all_wanted + surge).saturating_sub(total);
    let target = if alone { all_wanted } else { all_wanted.min(new.wanted + room) };
    if target != new.wanted {
        resize(state, key, newest, new.wanted, target, now);
    }
    let least = all_wanted.saturating_sub(unavailable);
    let mut spare = {
        let ready: usize = sets.iter().map(|set| set.ready.min(set.wanted)).sum();
        ready.saturating_sub(least)
    };
    for set in others {
        // Pods that are not ready keep nobody available: they go in any case.
        let dead = set.wanted.saturating_sub(set.ready);
        let go = (dead + spare.min(set.ready)).min(set.wanted);
        spare -= spare.min(go.saturating_sub(dead));
        if go > 0 {
            resize(state, key, &set.key, set.wanted, set.wanted - go, now);
        }
    }
    forget_old(state, key, deployment, newest, owned);
}

/// `maxSurge` or `maxUnavailable` of `replicas`: a number or a percentage, 25 % unless said.
fn share(value: &Value, replicas: usize, up: bool) -> usize {
    if let Some(number) = value.as_u64() {
        return usize::try_from(number).unwrap_or(0);
    }
    let percent: usize =
        value.as_str().and_then(|text| text.trim_end_matches('%').parse().ok()).unwrap_or(25);
    if up { (replicas * percent).div_ceil(100) } else { replicas * percent / 100 }
}

fn resize(state: &mut State, deployment: &Key, set: &Key, from: usize, to: usize, now: Timestamp) {
    state.store.edit(set, |set| set["spec"]["replicas"] = json!(to));
    let way = if to > from { "up" } else { "down" };
    let message = format!("Scaled {way} replica set {} from {from} to {to}", set.name);
    state.event(deployment, now, "ScalingReplicaSet", &message);
}

fn forget_old(state: &mut State, key: &Key, deployment: &Value, newest: &Key, owned: &Owned) {
    let keep = number(deployment, "/spec/revisionHistoryLimit").unwrap_or(10);
    let mut old: Vec<Set> = sets(state, key, deployment, owned)
        .into_iter()
        .filter(|set| set.key != *newest && set.wanted == 0)
        .collect();
    old.sort_by_key(|set| set.revision);
    let surplus = old.len().saturating_sub(usize::try_from(keep).unwrap_or(10));
    for set in &old[..surplus] {
        state.store.remove(&set.key);
    }
}

fn status(state: &mut State, key: &Key, newest: &Key, owned: &Owned, now: Timestamp) {
    let Some(deployment) = state.store.get(key).cloned() else { return };
    let wanted_now = wanted(&deployment);
    let mine = sets(state, key, &deployment, owned);
    let total: usize = mine.iter().map(|set| set.pods).sum();
    let newest = mine.iter().find(|set| set.key == *newest);
    let (updated, updated_ready) = newest.map_or((0, 0), |set| (set.pods, set.ready));
    let ready: usize = mine.iter().map(|set| set.ready).sum();
    let strategy = &deployment["spec"]["strategy"]["rollingUpdate"];
    let least = wanted_now.saturating_sub(share(&strategy["maxUnavailable"], wanted_now, false));
    let complete = updated == wanted_now && total == updated && updated_ready == wanted_now;
    let looks =
        format!("{} {updated} {updated_ready} {total}", deployment["metadata"]["generation"]);
    let progress = state.progress.entry(key.clone()).or_insert_with(|| (String::new(), 0));
    if progress.0 != looks {
        *progress = (looks, now.boot_ms);
    }
    let deadline = number(&deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let deadline = u64::try_from(deadline).unwrap_or(600) * 1000;
    let late = now.boot_ms >= progress.1 + deadline;
    let progressing = match (complete, late) {
        (true, _) => ("True", "NewReplicaSetAvailable"),
        (false, false) => ("True", "ReplicaSetUpdated"),
        (false, true) => ("False", "ProgressDeadlineExceeded"),
    };
    let available = if ready >= least {
        ("True", "MinimumReplicasAvailable")
    } else {
        ("False", "MinimumReplicasUnavailable")
    };
    let (lacking, conditions) = (wanted_now.saturating_sub(ready), [available, progressing]);
    state.store.edit(key, |object| {
        let before = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = |kind: &str, (status, reason): (&str, &str)| {
            let same = |one: &&Value| {
                one["type"] == kind && one["status"] == status && one["reason"] == reason
            };
            before.iter().find(same).cloned().unwrap_or_else(|| {
                json!({"type": kind, "status": status, "reason": reason,
                    "lastTransitionTime": time(now), "lastUpdateTime": time(now)})
            })
        };
        object["status"] = json!({
            "observedGeneration": object["metadata"]["generation"],
            "replicas": total, "updatedReplicas": updated, "readyReplicas": ready,
            "availableReplicas": ready, "unavailableReplicas": lacking,
            "conditions": [
                condition("Available", conditions[0]),
                condition("Progressing", conditions[1]),
            ],
        });
    });
}
