//! The life of pods: created, pulled, started, ready, ended; and everything that can go wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::control::{Exit, SlotFault};
use super::state::{MANY_PODS, State, owned_by, owner_uid, time};
use super::store::{Key, number, text};
use crate::release::{Slot, Timestamp};

/// Pods change at most this often, so that many of them change together; with thousands of them
/// more of them do.
const GRAIN_MS: u64 = 50;
const COARSE_MS: u64 = 1_000;

/// The longest wait of a container that keeps ending.
const BACK_OFF_MAX_S: u64 = 300;

/// Where a pod is in its life, beside what its object shows.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) stage: Stage,
    /// When the next stage begins; none for a pod that stays as it is.
    pub(super) due_ms: Option<u64>,
    restarts: u32,
    last_exit: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Creating,
    ImagePull,
    Starting,
    Ready,
    BackOff,
    Ending,
    /// Evicted: the object stays, nothing runs.
    Failed,
}

/// Creates a pod of a template and begins its life.
pub(super) fn create(
    state: &mut State,
    owner: &Value,
    name: &str,
    hash: Option<&str>,
    now: Timestamp,
) {
    let template = &owner["spec"]["template"];
    let namespace = text(owner, "/metadata/namespace");
    let key = Key::new("Pod", namespace, name);
    let mut labels = template["metadata"]["labels"].clone();
    if let Some(hash) = hash {
        labels["pod-template-hash"] = json!(hash);
    }
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace, "labels": labels,
            "ownerReferences": owned_by(owner),
        },
        "spec": template["spec"],
    });
    if !template["metadata"]["annotations"].is_null() {
        pod["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
    }
    pod["spec"]["nodeName"] = json!(format!("aks-apps-{}", state.rng.u8(0..3)));
    state.stamp(&mut pod, now);
    state.store.put(&key, pod, false);
    adopt(state, &key, now);
}

/// Begins the life of a pod that stands in the store.
pub(super) fn adopt(state: &mut State, key: &Key, now: Timestamp) {
    let wait = if state.settled { 0 } else { state.rng.u64(400..1_200) };
    let life = Life {
        stage: Stage::Creating,
        due_ms: Some(after(state, now, wait)),
        restarts: 0,
        last_exit: None,
    };
    state.lives.insert(key.clone(), life);
    show(state, key, now, &json!({"waiting": {"reason": "ContainerCreating"}}), false);
    if state.settled {
        enter(state, key, Stage::Ready, now);
    } else {
        state.event(key, now, "Scheduled", "Successfully assigned to a node");
    }
}

/// Moves every pod along whose time has come.
pub(super) fn advance(state: &mut State, now: Timestamp) {
    let due = |life: &Life| life.due_ms.is_some_and(|due| due <= now.boot_ms);
    let keys: Vec<Key> =
        state.lives.iter().filter(|(_, life)| due(life)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        let Some(life) = state.lives.get(&key) else { continue };
        let reached = life.stage;
        let fault = fault_of(state, &key);
        match (reached, fault) {
            (Stage::Creating | Stage::ImagePull, Some(SlotFault::ImagePull)) => {
                enter(state, &key, Stage::ImagePull, now);
            }
            (Stage::Creating | Stage::ImagePull | Stage::BackOff, _) => {
                enter(state, &key, Stage::Starting, now);
            }
            (Stage::Starting, Some(SlotFault::CrashLoop(how)))
            | (Stage::Ready, Some(SlotFault::ExitAfterReady(how, _))) => {
                exit(state, &key, how, now);
            }
            (Stage::Starting, Some(SlotFault::NeverReady)) => {
                state.event(&key, now, "Unhealthy", "Readiness probe failed: HTTP 503");
                set_due(state, &key, Some(after(state, now, 10_000)));
            }
            (Stage::Starting, _) => enter(state, &key, Stage::Ready, now),
            (Stage::Ready | Stage::Failed, _) => set_due(state, &key, None),
            (Stage::Ending, _) => forget(state, &key),
        }
    }
}

fn enter(state: &mut State, key: &Key, next: Stage, now: Timestamp) {
    let fault = fault_of(state, key);
    let running = json!({"running": {"startedAt": time(now)}});
    let (container, ready, due) = match next {
        Stage::ImagePull => {
            state.event(key, now, "Failed", "Failed to pull image: not found");
            let reason = "ImagePullBackOff";
            let message = "Back-off pulling image: manifest unknown";
            let waiting = json!({"waiting": {"reason": reason, "message": message}});
            (waiting, false, Some(after(state, now, 15_000)))
        }
        Stage::Starting => {
            let wait = match fault {
                Some(SlotFault::CrashLoop(_)) => state.rng.u64(1_500..3_000),
                _ => startup_ms(state, key),
            };
            restart(state, key);
            state.event(key, now, "Started", "Started container");
            state.log(key, format!("{} listening", time(now)));
            (running, false, Some(after(state, now, wait)))
        }
        Stage::Ready => {
            let due = match fault {
                Some(SlotFault::ExitAfterReady(_, wait)) => Some(after(state, now, millis(wait))),
                _ => None,
            };
            (running, true, due)
        }
        Stage::Creating | Stage::BackOff | Stage::Ending | Stage::Failed => return,
    };
    if let Some(life) = state.lives.get_mut(key) {
        life.stage = next;
        life.due_ms = due;
    }
    show(state, key, now, &container, ready);
}

/// A container that ended before is started once more.
fn restart(state: &mut State, key: &Key) {
    if let Some(life) = state.lives.get_mut(key)
        && life.stage == Stage::BackOff
    {
        life.restarts += 1;
    }
}

/// Ends the container of a running pod; the kubelet starts it again after a while.
pub(super) fn exit(state: &mut State, key: &Key, how: Exit, now: Timestamp) {
    let (code, reason, said) = match how {
        Exit::Error => {
            (1, "Error", "TypeError: Cannot read properties of undefined (reading 'id')")
        }
        Exit::OutOfMemory => (137, "OOMKilled", "FATAL ERROR: JavaScript heap out of memory"),
    };
    let Some(life) = state.lives.get_mut(key) else { return };
    if !matches!(life.stage, Stage::Starting | Stage::Ready) {
        return;
    }
    let ended = json!({"exitCode": code, "reason": reason, "finishedAt": time(now)});
    let back_off_s = match life.restarts {
        0 => 1,
        restarts => (10 << (restarts - 1).min(8)).min(BACK_OFF_MAX_S),
    };
    life.stage = Stage::BackOff;
    life.last_exit = Some(ended.clone());
    life.due_ms = Some(now.boot_ms + back_off_s * 1000);
    let state_shown = if life.restarts == 0 {
        json!({"terminated": ended})
    } else {
        let message = format!("back-off {back_off_s}s restarting failed container");
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
    };
    state.log(key, said.to_owned());
    state.event(key, now, "BackOff", "Back-off restarting failed container");
    show(state, key, now, &state_shown, false);
}

pub(super) fn set_ready(state: &mut State, key: &Key, ready: bool, now: Timestamp) {
    let Some(life) = state.lives.get_mut(key) else { return };
    if matches!(life.stage, Stage::Starting | Stage::Ready) {
        // A pod made unready by hand stays so: nothing is due.
        life.stage = if ready { Stage::Ready } else { Stage::Starting };
        life.due_ms = None;
        show(state, key, now, &json!({"running": {"startedAt": time(now)}}), ready);
    }
}

pub(super) fn evict(state: &mut State, key: &Key, now: Timestamp) {
    if state.store.get(key).is_none() {
        return;
    }
    state.event(key, now, "Evicted", "The node was low on resource: memory");
    if let Some(life) = state.lives.get_mut(key) {
        life.stage = Stage::Failed;
        life.due_ms = None;
    }
    let ended =
        json!({"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": time(now)}});
    show(state, key, now, &ended, false);
}

/// Begins the end of a pod; `at_once` leaves out its grace period.
pub(super) fn end(state: &mut State, key: &Key, at_once: bool, now: Timestamp) {
    let gone = state.lives.get(key).is_none_or(|life| life.stage == Stage::Failed);
    if at_once || gone {
        forget(state, key);
        return;
    }
    let grace = state.rng.u64(800..2_500);
    let due = after(state, now, grace);
    let Some(life) = state.lives.get_mut(key) else { return };
    if life.stage == Stage::Ending {
        return;
    }
    life.stage = Stage::Ending;
    life.due_ms = Some(due);
    state.store.edit(key, |pod| {
        pod["metadata"]["deletionTimestamp"] = json!(time(now));
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
    });
}

fn forget(state: &mut State, key: &Key) {
    state.lives.remove(key);
    state.logs.remove(key);
    state.store.remove(key);
}

/// The running pods of one app in one slot.
pub(super) fn of_slot(state: &State, app: &str, slot: Slot) -> Vec<Key> {
    let ours = |pod: &Value| {
        text(pod, "/metadata/labels/app") == app
            && text(pod, "/metadata/labels/version") == slot.label()
    };
    state.store.list("Pod", "").filter(|(_, pod)| ours(pod)).map(|(key, _)| key.clone()).collect()
}

/// One living pod of an owner.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: Key,
    pub(super) ready: bool,
    pub(super) created: String,
}

/// The living pods by their owner's uid, each owner's by name: one look at all pods for a whole
/// round of a controller, which with thousands of pods is what makes a round affordable.
#[derive(Debug, Default)]
pub(super) struct Owned(BTreeMap<String, Vec<Member>>);

impl Owned {
    pub(super) fn of(state: &State) -> Self {
        let mut owned = Self::default();
        for (key, pod) in state.store.list("Pod", "") {
            let living = pod["metadata"]["deletionTimestamp"].is_null()
                && text(pod, "/status/phase") != "Failed";
            if living {
                let created = text(pod, "/metadata/creationTimestamp").to_owned();
                let member = Member { key: key.clone(), ready: is_ready(pod), created };
                owned.0.entry(owner_uid(pod).to_owned()).or_default().push(member);
            }
        }
        owned
    }

    pub(super) fn by(&self, owner: &Value) -> &[Member] {
        self.0.get(text(owner, "/metadata/uid")).map_or(&[], Vec::as_slice)
    }

    /// How many pods an owner has, and how many of them are ready.
    pub(super) fn counts(&self, owner: &Value) -> (usize, usize) {
        let pods = self.by(owner);
        (pods.len(), pods.iter().filter(|pod| pod.ready).count())
    }
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

fn fault_of(state: &State, key: &Key) -> Option<SlotFault> {
    let pod = state.store.get(key)?;
    state.slot_fault(&pod["metadata"]["labels"])
}

fn set_due(state: &mut State, key: &Key, due_ms: Option<u64>) {
    if let Some(life) = state.lives.get_mut(key) {
        life.due_ms = due_ms;
    }
}

/// From its start until its first good readiness probe.
fn startup_ms(state: &mut State, key: &Key) -> u64 {
    let delay = state
        .store
        .get(key)
        .and_then(|pod| number(pod, "/spec/containers/0/readinessProbe/initialDelaySeconds"));
    let delay = u64::try_from(delay.unwrap_or(0)).unwrap_or(0);
    delay * 1000 + state.rng.u64(300..1_500)
}

/// Writes the pod's status.
fn show(state: &mut State, key: &Key, now: Timestamp, container: &Value, ready: bool) {
    let Some(life) = state.lives.get(key).cloned() else { return };
    let fresh = state.store.get(key).is_some_and(|pod| pod["status"]["podIP"].is_null());
    let address = fresh.then(|| state.address("10.244"));
    state.store.edit(key, |pod| {
        let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
        let statuses: Vec<Value> = containers
            .iter()
            .map(|one| {
                json!({
                    "name": one["name"], "image": one["image"], "imageID": one["image"],
                    "ready": ready, "started": container.get("running").is_some(),
                    "restartCount": life.restarts, "state": container,
                    "lastState": life.last_exit.as_ref()
                        .map_or_else(|| json!({}), |ended| json!({"terminated": ended})),
                })
            })
            .collect();
        let before = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let condition = |kind: &str, holds: bool| {
            let status = if holds { "True" } else { "False" };
            let known = before.iter().find(|one| one["type"] == kind && one["status"] == status);
            known.cloned().unwrap_or_else(
                || json!({"type": kind, "status": status, "lastTransitionTime": time(now)}),
            )
        };
        let status = &mut pod["status"];
        let created = life.stage != Stage::Creating && life.stage != Stage::ImagePull;
        status["phase"] = json!(if created { "Running" } else { "Pending" });
        if life.stage == Stage::Failed {
            // In one step with the container's end, as the kubelet writes it.
            status["phase"] = json!("Failed");
            status["reason"] = json!("Evicted");
        }
        status["conditions"] = json!([
            condition("PodScheduled", true),
            condition("Initialized", true),
            condition("ContainersReady", ready),
            condition("Ready", ready),
        ]);
        status["containerStatuses"] = Value::Array(statuses);
        if let Some(address) = address {
            status["podIPs"] = json!([{"ip": address}]);
            status["podIP"] = json!(address);
            status["startTime"] = json!(time(now));
        }
    });
}

fn after(state: &State, now: Timestamp, wait_ms: u64) -> u64 {
    let grain = if state.lives.len() > MANY_PODS { COARSE_MS } else { GRAIN_MS };
    (now.boot_ms + wait_ms).next_multiple_of(grain)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
