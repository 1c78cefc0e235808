//! The cluster client against the rehearsal's API server, on paused time, through the real client.

mod deploy;
mod lease;
mod manifests;
mod server;
mod switch;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use gonogo::release::{Epoch, Slot};
use gonogo::sim::apiserver::{Apiserver, production, shop};
use gonogo::world::Clock;
use gonogo::world::kubernetes::{
    ApplySet, Cluster, Switch, SwitchOutcome, Takeover, Unproven, select,
};
use serde_json::Value;

const NEW: [(&str, &str); 2] = [
    (
        "backend",
        "acrecommerceprod.azurecr.io/backend@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ),
    (
        "frontend",
        "acrecommerceprod.azurecr.io/frontend@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    ),
];

/// A shop that serves from blue, and a client of it.
fn world() -> (Apiserver, Cluster, Clock) {
    let clock = Clock::simulated("2026-11-23T02:41:00Z".parse().expect("a time"), 1.0);
    let server = Apiserver::boot(&shop(), clock.clone(), 7).expect("the manifests are good");
    let cluster = Cluster::new(server.client(), clock.clone());
    (server, cluster, clock)
}

fn services() -> Vec<String> {
    vec!["backend".to_owned(), "frontend".to_owned()]
}

fn images() -> BTreeMap<String, String> {
    NEW.iter().map(|(app, image)| ((*app).to_owned(), (*image).to_owned())).collect()
}

fn documents() -> Vec<Value> {
    let read = |yaml: &str| serde_yaml::from_multiple::<Value>(yaml).expect("YAML");
    production().into_iter().flat_map(read).collect()
}

/// Applies the new images to a slot of production.
async fn apply(cluster: &Cluster, slot: Slot) {
    let set = ApplySet::Slot(slot);
    let manifests = select(&documents(), set, &images());
    let applied = cluster.apply("production", &manifests, set, Takeover::Refuse).await;
    applied.expect("the slot is ours");
}

/// Applies the new images to green and waits until it is ready.
async fn deploy_green(cluster: &Cluster) {
    apply(cluster, Slot::Green).await;
    let limit = Duration::from_secs(120);
    let apps = services();
    let wait = cluster.wait_rollout("production", &apps, Slot::Green, limit, |_| {});
    let state = wait.await.expect("green becomes ready");
    assert_eq!(state.ready_min(), 3);
}

fn to_green() -> Switch {
    let note = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Switch {
        namespace: "production".to_owned(),
        services: services(),
        to: Slot::Green,
        expected: Some(Slot::Blue),
        epoch: Epoch(5),
        minimum: 3,
        images: images(),
        notes: BTreeMap::from([note("who", "alice"), note("when", "2026-11-23T02:41:00Z")]),
        prove_within: Duration::from_secs(30),
        unproven: Unproven::TakeBack,
    }
}

fn back_to_blue() -> Switch {
    Switch {
        to: Slot::Blue,
        expected: None,
        minimum: 1,
        images: BTreeMap::new(),
        unproven: Unproven::Stay,
        ..to_green()
    }
}

#[track_caller]
fn switched(outcome: &SwitchOutcome) {
    let SwitchOutcome::Switched { proof, .. } = outcome else { panic!("{outcome:#?}") };
    assert!(proof.holds(), "{proof:#?}");
}

/// The selector of a Service of production, as `app=version`.
fn selector(server: &Apiserver, service: &str) -> Value {
    server.object("Service", "production", service).expect("it exists")["spec"]["selector"].clone()
}

#[track_caller]
fn selects(server: &Apiserver, backend: &str, frontend: &str) {
    let want = |app: &str, version: &str| serde_json::json!({"app": app, "version": version});
    assert_eq!(selector(server, "backend"), want("backend", backend));
    assert_eq!(selector(server, "frontend"), want("frontend", frontend));
}
