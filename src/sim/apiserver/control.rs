//! The handle by which a scenario makes things go wrong, and by which the simulated shop and the
//! tests look into the cluster without asking its API.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::pods;
use super::store::{Key, selects, text};
use super::wire::{Apiserver, Moved};
use crate::release::Slot;

/// How a container ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Exit code 1.
    Error,
    /// Killed at its memory limit: exit code 137.
    OutOfMemory,
}

/// What is wrong with the pods of one app in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotFault {
    /// Containers end soon after they start, over and over.
    CrashLoop(Exit),
    /// Pods run and never become ready.
    NeverReady,
    /// The image cannot be pulled.
    ImagePull,
    /// Pods become ready, and their containers end this long afterwards, over and over.
    ExitAfterReady(Exit, Duration),
}

/// One pod behind a Service, as the shop needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pub pod: String,
    pub app: String,
    pub slot: Option<Slot>,
    pub image: String,
    pub ready: bool,
}

impl Apiserver {
    /// Orders a fault for the pods of `app` in `slot` that are started from now on.
    pub fn break_slot(&self, app: &str, slot: Slot, fault: SlotFault) {
        self.with(|state, _| {
            state.faults.slots.insert((app.to_owned(), slot), fault);
        });
    }

    /// New pods' containers end soon after they start: `CrashLoopBackOff`.
    pub fn crash_loop(&self, app: &str, slot: Slot, exit: Exit) {
        self.break_slot(app, slot, SlotFault::CrashLoop(exit));
    }

    pub fn never_ready(&self, app: &str, slot: Slot) {
        self.break_slot(app, slot, SlotFault::NeverReady);
    }

    pub fn image_pull_error(&self, app: &str, slot: Slot) {
        self.break_slot(app, slot, SlotFault::ImagePull);
    }

    /// Takes the fault back; pods recover when they are next started.
    pub fn heal(&self, app: &str, slot: Slot) {
        self.with(|state, _| {
            state.faults.slots.remove(&(app.to_owned(), slot));
        });
    }

    /// Ends the containers of the running pods of `app` in `slot` now.
    pub fn kill_containers(&self, app: &str, slot: Slot, exit: Exit) {
        self.with(|state, now| {
            for key in pods::of_slot(state, app, slot) {
                pods::exit(state, &key, exit, now);
            }
        });
    }

    /// Makes the running pods of `app` in `slot` ready or not, at once.
    pub fn set_ready(&self, app: &str, slot: Slot, ready: bool) {
        self.with(|state, now| {
            for key in pods::of_slot(state, app, slot) {
                pods::set_ready(state, &key, ready, now);
            }
        });
    }

    /// Evicts one pod, as a node under pressure does.
    pub fn evict(&self, namespace: &str, pod: &str) {
        self.with(|state, now| pods::evict(state, &Key::new("Pod", namespace, pod), now));
    }

    /// Every request fails for `duration` and every watch breaks off.
    pub fn outage(&self, duration: Duration) {
        self.with(|state, now| {
            let length = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            state.faults.outage_until_ms = Some(now.boot_ms.saturating_add(length));
        });
        self.break_watches();
    }

    /// The next request of `verb` (`get`, `list`, `watch`, `create`, `update`, `patch`,
    /// `delete`) on `kind` is answered with `status` and not carried out.
    pub fn fail_next(&self, verb: &'static str, kind: &str, status: u16) {
        self.with(|state, _| state.faults.fail.push((verb, kind.to_owned(), status)));
    }

    /// The next change of a `kind` is made, and its answer lost (F31).
    pub fn lose_next_reply(&self, kind: &str) {
        self.with(|state, _| state.faults.lose.push(kind.to_owned()));
    }

    /// The next change of a `kind` arrives `delay` later, whether or not anybody still waits for
    /// the answer (F30).
    pub fn delay_next(&self, kind: &str, delay: Duration) {
        self.with(|state, _| state.faults.delay.push((kind.to_owned(), delay)));
    }

    /// Forbids `verb` on a plural, `services` or `deployments/scale` (F38).
    pub fn deny(&self, verb: &str, plural: &str) {
        self.with(|state, _| {
            state.faults.denied.insert((verb.to_owned(), plural.to_owned()));
        });
    }

    /// Endpoints no longer follow selectors and pods, until told otherwise.
    pub fn stick_endpoints(&self, stuck: bool) {
        self.with(|state, _| state.faults.endpoints_stuck = stuck);
        self.tell(|moved| moved.nudges += 1);
    }

    /// Forgets the history: watches that come back get 410 (F35).
    pub fn compact_history(&self) {
        self.with(|state, _| state.store.compact());
    }

    /// Ends every watch with a broken connection.
    pub fn break_watches(&self) {
        self.tell(|moved: &mut Moved| moved.connection += 1);
    }

    /// Watches that are open now say nothing any more and never end: a half-open connection.
    pub fn stall_watches(&self) {
        self.tell(|moved: &mut Moved| moved.stalled = moved.opened);
    }

    /// How often `verb` was asked on a plural.
    pub fn asked(&self, verb: &'static str, plural: &'static str) -> u64 {
        self.with(|state, _| state.asked.get(&(verb, plural)).copied().unwrap_or(0))
    }

    /// One object as it is stored.
    pub fn object(&self, kind: &'static str, namespace: &str, name: &str) -> Option<Value> {
        let key = Key::new(kind, namespace, name);
        self.with(|state, _| state.store.get(&key).map(|object| Value::clone(object)))
    }

    /// All objects of a kind in a namespace, by name.
    pub fn objects(&self, kind: &'static str, namespace: &str) -> Vec<Value> {
        let all = |(_, object): (&Key, &std::sync::Arc<Value>)| Value::clone(object);
        self.with(|state, _| state.store.list(kind, namespace).map(all).collect())
    }

    /// The pods behind a Service by its endpoints: where requests go now.
    pub fn backends(&self, namespace: &str, service: &str) -> Vec<Backend> {
        self.with(|state, _| {
            let label = serde_json::json!({"kubernetes.io/service-name": service});
            let slices = state.store.list("EndpointSlice", namespace);
            let slices = slices.filter(|(_, slice)| selects(&label, &slice["metadata"]["labels"]));
            let endpoints = slices.filter_map(|(_, slice)| slice["endpoints"].as_array());
            let one = |endpoint: &Value| {
                let name = text(endpoint, "/targetRef/name");
                let pod = state.store.get(&Key::new("Pod", namespace, name))?;
                Some(Backend {
                    pod: name.to_owned(),
                    app: text(pod, "/metadata/labels/app").to_owned(),
                    slot: text(pod, "/metadata/labels/version").parse().ok(),
                    image: text(pod, "/spec/containers/0/image").to_owned(),
                    ready: endpoint["conditions"]["ready"] == true,
                })
            };
            endpoints.flatten().filter_map(one).collect()
        })
    }

    /// Writes a line into a pod's log; a pod that does not exist has none.
    pub fn log(&self, namespace: &str, pod: &str, line: &str) {
        let key = Key::new("Pod", namespace, pod);
        self.with(|state, _| {
            if state.store.get(&key).is_some() {
                state.log(&key, line.to_owned());
            }
        });
    }

    /// Changes whenever anything in the cluster changed: the shop looks again then.
    pub fn changes(&self) -> watch::Receiver<Moved> {
        self.subscribe()
    }
}
