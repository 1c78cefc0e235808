//! Deploying a slot, and what the controllers make of it.

use std::time::Duration;

use gonogo::release::Slot;
use gonogo::sim::apiserver::Exit;
use gonogo::world::kubernetes::{
    ApplySet, ClusterError, LogsAsked, PodNews, PodTable, Takeover, select,
};
use serde_json::json;

use super::{apply, deploy_green, documents, images, services, world};

#[tokio::test(start_paused = true)]
async fn a_slot_grows_pods_that_become_ready_and_touches_nothing_else() {
    let (server, cluster, clock) = world();
    let blue = server.object("Deployment", "production", "backend-blue");
    let service = server.object("Service", "production", "backend");
    apply(&cluster, Slot::Green).await;
    let mut told = Vec::new();
    let began = clock.now().boot_ms;
    let limit = Duration::from_secs(120);
    let apps = services();
    let wait = cluster.wait_rollout("production", &apps, Slot::Green, limit, |state| {
        told.push(state.ready_min());
    });
    wait.await.expect("green becomes ready");
    let took = clock.now().boot_ms - began;
    assert!((5_000..20_000).contains(&took), "{took} ms");
    assert!(told.len() > 2 && told[0] == 0 && told.last() == Some(&3), "{told:?}");
    assert_eq!(server.object("Deployment", "production", "backend-blue"), blue);
    assert_eq!(server.object("Service", "production", "backend"), service);
    let preview = server.backends("production", "backend-preview");
    assert_eq!(preview.iter().filter(|one| one.ready).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_new_template_rolls_over_one_pod_at_a_time() {
    let (server, cluster, clock) = world();
    apply(&cluster, Slot::Blue).await;
    let mut least = 3;
    let mut most = 0;
    for _ in 0..600 {
        clock.sleep(Duration::from_millis(100)).await;
        let ready = server.backends("production", "backend").iter().filter(|one| one.ready).count();
        least = least.min(ready);
        let pods = server.objects("Pod", "production");
        let living = pods.iter().filter(|pod| {
            pod["metadata"]["labels"]["app"] == "backend"
                && pod["metadata"]["deletionTimestamp"].is_null()
        });
        most = most.max(living.count());
    }
    assert_eq!((least, most), (3, 4), "surge 1, none unavailable");
    let state = cluster.slot_state("production", &services(), Slot::Blue).await.expect("a state");
    assert!(state.is_ready());
    assert_eq!(state.deployments[0].image.as_str(), images()["backend"]);
    let sets = server.objects("ReplicaSet", "production");
    let wanted: Vec<_> = sets
        .iter()
        .filter(|set| set["metadata"]["labels"]["app"] == "backend")
        .map(|set| set["spec"]["replicas"].as_u64().expect("a number"))
        .collect();
    assert_eq!(wanted.iter().sum::<u64>(), 3, "{wanted:?}");
}

#[tokio::test(start_paused = true)]
async fn pods_that_do_not_become_ready_say_why() {
    for (word, order) in [("CrashLoopBackOff", 0), ("ImagePullBackOff", 1), ("Running", 2)] {
        let (server, cluster, _) = world();
        match order {
            0 => server.crash_loop("backend", Slot::Green, Exit::Error),
            1 => server.image_pull_error("backend", Slot::Green),
            _ => server.never_ready("backend", Slot::Green),
        }
        apply(&cluster, Slot::Green).await;
        let limit = Duration::from_secs(60);
        let apps = services();
        let wait = cluster.wait_rollout("production", &apps, Slot::Green, limit, |_| {});
        let error = wait.await.expect_err("never ready");
        let text = error.to_string();
        assert!(matches!(error, ClusterError::NotReady { .. }), "{error:?}");
        assert!(text.contains(word) && text.contains("backend-green 0 of 3 ready"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_of_another_manager_stops_an_apply_unless_it_is_forced() {
    let (server, cluster, _) = world();
    let api: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::namespaced(server.client(), "production");
    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image",
        "value": "hand/made:1"}]);
    let image = serde_json::from_value(image).expect("a patch");
    let by = kube::api::PatchParams { field_manager: Some("kubectl-set".into()), ..<_>::default() };
    let patched = api.patch("backend-blue", &by, &kube::api::Patch::Json::<()>(image)).await;
    patched.expect("patched");
    let set = ApplySet::Slot(Slot::Blue);
    let manifests = select(&documents(), set, &images());
    let refused = cluster.apply("production", &manifests, set, Takeover::Refuse).await;
    let error = refused.expect_err("a conflict");
    let text = error.to_string();
    assert!(matches!(error, ClusterError::Conflict { .. }), "{error:?}");
    assert!(text.contains("kubectl-set") && text.contains("image"), "{text}");
    let forced = cluster.apply("production", &manifests, set, Takeover::Force).await;
    assert!(forced.is_ok(), "{forced:?}");
}

#[tokio::test(start_paused = true)]
async fn scaling_pinning_and_restarting() {
    let (server, cluster, clock) = world();
    deploy_green(&cluster).await;
    let pinned = cluster.pin_minimum("production", "backend-blue", 4).await.expect("pinned");
    assert_eq!(pinned, Some(3));
    clock.sleep(Duration::from_secs(15)).await;
    let state = cluster.slot_state("production", &services(), Slot::Blue).await.expect("a state");
    assert_eq!((state.deployments[0].desired, state.deployments[0].ready), (4, 4));
    assert_eq!(cluster.scale("production", "backend-green", 5).await, Ok(3));
    assert_eq!(cluster.pin_minimum("production", "none", 4).await, Ok(None));
    cluster.set_minimum("production", "backend-blue", 3).await.expect("released");
    clock.sleep(Duration::from_secs(15)).await;
    let before = server.backends("production", "backend");
    let limit = Duration::from_secs(120);
    let restart = cluster.restart_pods("production", "backend", Slot::Blue, 2, limit);
    assert_eq!(restart.await, Ok(4));
    let after = server.backends("production", "backend");
    let ready: Vec<_> = after.iter().filter(|one| one.ready).map(|one| &one.pod).collect();
    assert_eq!(ready.len(), 4);
    assert!(before.iter().all(|one| !ready.contains(&&one.pod)));
}

#[tokio::test(start_paused = true)]
async fn logs_and_events_are_read_and_clean() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    let pod = server.backends("production", "backend-preview")[0].pod.clone();
    server.log("production", &pod, "hello\u{1b}[2J");
    let asked = LogsAsked { tail: 1, previous: false };
    let lines = cluster.logs("production", &pod, asked).await.expect("a log");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].as_str(), "hello\\x1b[2J");
    let events = cluster.events("production").await.expect("events");
    assert!(events.iter().any(|event| event.reason.as_str() == "ScalingReplicaSet"), "{events:?}");
    assert!(matches!(
        cluster.logs("production", "nobody", asked).await,
        Err(ClusterError::NotFound { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_stalls_exceeds_its_deadline() {
    let (server, cluster, clock) = world();
    server.never_ready("backend", Slot::Green);
    apply(&cluster, Slot::Green).await;
    clock.sleep(Duration::from_secs(400)).await;
    let deployment = server.object("Deployment", "production", "backend-green").expect("it exists");
    let text = deployment["status"]["conditions"].to_string();
    assert!(text.contains("ProgressDeadlineExceeded"), "{text}");
    server.heal("backend", Slot::Green);
    clock.sleep(Duration::from_secs(30)).await;
    let state = cluster.slot_state("production", &services(), Slot::Green).await.expect("a state");
    assert!(state.is_ready(), "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn a_table_holds_what_the_watch_told() {
    let (server, cluster, clock) = world();
    cluster.set_minimum("production", "backend-blue", 3).await.expect("set");
    let mut table = PodTable::default();
    let watch = cluster.watch_pods("production", fastrand::Rng::with_seed(1), |news: PodNews| {
        table.take(news);
    });
    assert!(clock.within(Duration::from_secs(5), watch).await.is_none());
    assert_eq!(table.rows().len(), server.objects("Pod", "production").len());
    assert!(table.rows().all(|row| row.ready));
}
