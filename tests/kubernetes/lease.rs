//! Electing a driver.

use std::time::Duration;

use gonogo::sim::apiserver::Apiserver;
use gonogo::world::Clock;
use gonogo::world::kubernetes::{Cluster, LeaseLock, LeaseState};

use super::world;

fn lock(server: &Apiserver, clock: &Clock, holder: &str) -> LeaseLock {
    let cluster = Cluster::new(server.client(), clock.clone());
    LeaseLock::new(cluster, "production", "gonogo", holder)
}

#[tokio::test(start_paused = true)]
async fn f24_a_dead_driver_is_succeeded_after_fifteen_quiet_seconds() {
    let (server, _, clock) = world();
    let (mut alice, mut bob) = (lock(&server, &clock, "alice"), lock(&server, &clock, "bob"));
    assert_eq!(alice.try_hold().await, Ok(LeaseState::Ours { transitions: 0 }));
    assert!(matches!(bob.try_hold().await, Ok(LeaseState::Theirs { .. })));
    let began = clock.now().boot_ms;
    let transitions = bob.acquire(|_| {}).await;
    let took = clock.now().boot_ms - began;
    assert_eq!(transitions, 1);
    assert!((15_000..=18_000).contains(&took), "{took} ms");
    assert!(!alice.is_ours(), "she stopped at her own deadline");
    assert!(matches!(alice.try_hold().await, Ok(LeaseState::Theirs { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_living_driver_keeps_it_and_a_released_lease_is_free_at_once() {
    let (server, _, clock) = world();
    let (mut alice, mut bob) = (lock(&server, &clock, "alice"), lock(&server, &clock, "bob"));
    alice.acquire(|_| {}).await;
    let hour = Duration::from_secs(3_600);
    let patient = clock.clone();
    tokio::select! {
        why = alice.keep() => panic!("lost: {why}"),
        _ = bob.acquire(|_| {}) => panic!("bob took it"),
        () = patient.sleep(hour) => {}
    }
    assert!(alice.is_ours());
    alice.release().await.expect("released");
    assert!(matches!(bob.try_hold().await, Ok(LeaseState::Ours { .. })));
}

#[tokio::test(start_paused = true)]
async fn f28_a_holder_that_cannot_renew_stops_at_ten_seconds() {
    let (server, _, clock) = world();
    let mut alice = lock(&server, &clock, "alice");
    alice.acquire(|_| {}).await;
    server.outage(Duration::from_secs(300));
    let began = clock.now().boot_ms;
    let why = alice.keep().await;
    let took = clock.now().boot_ms - began;
    assert!((8_000..=12_500).contains(&took), "{took} ms: {why}");
    assert!(!alice.is_ours());
}

#[tokio::test(start_paused = true)]
async fn f27_the_times_written_in_a_lease_are_not_trusted() {
    let (server, _, clock) = world();
    let long_ago = serde_json::json!({
        "metadata": {"name": "gonogo"},
        "spec": {"holderIdentity": "carol", "leaseDurationSeconds": 15,
            "renewTime": "2001-01-01T00:00:00.000000Z"},
    });
    let lease = serde_json::from_value(long_ago).expect("a lease");
    let api: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
        kube::Api::namespaced(server.client(), "production");
    api.create(&kube::api::PostParams::default(), &lease).await.expect("created");
    let mut bob = lock(&server, &clock, "bob");
    assert!(matches!(bob.try_hold().await, Ok(LeaseState::Theirs { quiet_ms: 0, .. })));
    clock.sleep(Duration::from_secs(14)).await;
    assert!(matches!(bob.try_hold().await, Ok(LeaseState::Theirs { .. })));
    clock.sleep(Duration::from_secs(2)).await;
    assert!(matches!(bob.try_hold().await, Ok(LeaseState::Ours { transitions: 1 })));
}
