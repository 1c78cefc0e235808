//! Everything the server holds, behind one lock, and the small things all of it needs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp as Wall;
use serde_json::{Value, json};

use super::control::SlotFault;
use super::fields::Manager;
use super::pods::Life;
use super::store::{Key, Store, text};
use crate::release::{Slot, Timestamp};

/// From this many pods on, single pods are no longer worth an event.
pub(super) const MANY_PODS: usize = 500;

/// Lines kept of one pod's log.
const LOG_LINES_MAX: usize = 2_000;

/// The letters of generated names: no vowels, nothing that looks like something else.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Faults that were ordered and have not happened yet, or still hold.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Every request fails until this boot millisecond.
    pub(super) outage_until_ms: Option<u64>,
    /// The next request of this verb and kind is answered with this status.
    pub(super) fail: Vec<(&'static str, String, u16)>,
    /// The next change of this kind is made and never answered (F31).
    pub(super) lose: Vec<String>,
    /// The next change of this kind arrives this much later (F30).
    pub(super) delay: Vec<(String, Duration)>,
    /// Verb and plural that are forbidden (F38).
    pub(super) denied: BTreeSet<(String, String)>,
    pub(super) slots: BTreeMap<(String, Slot), SlotFault>,
    /// Endpoints do not follow any more.
    pub(super) endpoints_stuck: bool,
}

/// What one lock protects.
#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) managers: BTreeMap<Key, Vec<Manager>>,
    pub(super) lives: BTreeMap<Key, Life>,
    /// Per Deployment: what its progress looked like, and since which boot millisecond.
    pub(super) progress: BTreeMap<Key, (String, u64)>,
    pub(super) logs: BTreeMap<Key, VecDeque<String>>,
    pub(super) faults: Faults,
    /// Requests by verb and plural, for tests that count them.
    pub(super) asked: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) rng: fastrand::Rng,
    /// While booting, pods are ready at once: the cluster has been running for days.
    pub(super) settled: bool,
    addresses: u32,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            store: Store::default(),
            managers: BTreeMap::new(),
            lives: BTreeMap::new(),
            progress: BTreeMap::new(),
            logs: BTreeMap::new(),
            faults: Faults::default(),
            asked: BTreeMap::new(),
            rng: fastrand::Rng::with_seed(seed),
            settled: true,
            addresses: 0,
        }
    }

    /// A fresh uid in the shape of one.
    pub(super) fn uid(&mut self) -> String {
        let (high, low) = (self.rng.u64(..), self.rng.u64(..));
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// `count` letters for the end of a generated name.
    pub(super) fn suffix(&mut self, count: usize) -> String {
        (0..count).map(|_| self.letter()).collect()
    }

    fn letter(&mut self) -> char {
        let index = self.rng.usize(..NAME_LETTERS.len());
        char::from(NAME_LETTERS[index])
    }

    /// The next address under `net`, `10.244`.
    pub(super) fn address(&mut self, net: &str) -> String {
        self.addresses += 1;
        format!("{net}.{}.{}", self.addresses / 250, self.addresses % 250 + 1)
    }

    /// Metadata every new object gets.
    pub(super) fn stamp(&mut self, object: &mut Value, now: Timestamp) {
        let uid = self.uid();
        let meta = &mut object["metadata"];
        meta["uid"] = json!(uid);
        meta["creationTimestamp"] = json!(time(now));
    }

    /// Reports an event about the object at `key`; a repeated one is counted.
    pub(super) fn event(&mut self, key: &Key, now: Timestamp, reason: &str, message: &str) {
        if self.lives.len() > MANY_PODS {
            return;
        }
        let warns = ["BackOff", "Failed", "Unhealthy", "Evicted", "OOMKilling"];
        let kind = if warns.contains(&reason) { "Warning" } else { "Normal" };
        let name =
            format!("{}.{:016x}", key.name, digest(&format!("{}{reason}{message}", key.kind)));
        let place = Key::new("Event", &key.namespace, &name);
        if let Some(known) = self.store.get(&place) {
            let mut event = Value::clone(known);
            event["count"] = json!(event["count"].as_i64().unwrap_or(1) + 1);
            event["lastTimestamp"] = json!(time(now));
            self.store.put(&place, event, false);
            return;
        }
        let uid = self.store.get(key).map_or("", |object| text(object, "/metadata/uid")).to_owned();
        let mut event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": key.namespace},
            "involvedObject": {"kind": key.kind, "namespace": key.namespace, "name": key.name,
                "uid": uid},
            "reason": reason, "message": message, "type": kind, "count": 1,
            "firstTimestamp": time(now), "lastTimestamp": time(now),
            "source": {"component": "rehearsal"},
        });
        self.stamp(&mut event, now);
        self.store.put(&place, event, false);
    }

    pub(super) fn log(&mut self, pod: &Key, line: String) {
        let lines = self.logs.entry(pod.clone()).or_default();
        lines.push_back(line);
        while lines.len() > LOG_LINES_MAX {
            lines.pop_front();
        }
    }

    /// The fault ordered for the slot an object's labels name.
    pub(super) fn slot_fault(&self, labels: &Value) -> Option<SlotFault> {
        let slot: Slot = text(labels, "/version").parse().ok()?;
        self.faults.slots.get(&(text(labels, "/app").to_owned(), slot)).copied()
    }
}

/// A wall-clock time as the API writes it: whole seconds.
pub(super) fn time(now: Timestamp) -> String {
    Wall::from_second(now.wall.as_second()).unwrap_or(now.wall).to_string()
}

/// A stable number for a text.
pub(super) fn digest(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A stable name part for a text, as of `pod-template-hash`.
pub(super) fn digest_name(content: &str, letters: usize) -> String {
    let mut rest = digest(content);
    let base = NAME_LETTERS.len() as u64;
    let mut name = String::with_capacity(letters);
    for _ in 0..letters {
        let index = usize::try_from(rest % base).unwrap_or(0);
        name.push(char::from(NAME_LETTERS[index]));
        rest /= base;
    }
    name
}

/// The controlling owner of an object: its uid.
pub(super) fn owner_uid(object: &Value) -> &str {
    text(object, "/metadata/ownerReferences/0/uid")
}

/// An owner reference to `owner`.
pub(super) fn owned_by(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }])
}
