//! The rehearsal's API server by itself, through the real client.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::world;

#[tokio::test(start_paused = true)]
async fn what_it_does_not_know_it_refuses_by_name() {
    let (server, _, _) = world();
    let jobs: Api<Job> = Api::namespaced(server.client(), "production");
    let error = jobs.list(&ListParams::default()).await.expect_err("unknown");
    let kube::Error::Api(status) = error else { panic!("{error:?}") };
    assert_eq!(status.code, 404);
    assert!(status.message.contains("jobs of batch/v1"), "{}", status.message);
    let services: Api<Service> = Api::namespaced(server.client(), "production");
    let strategic = Patch::Strategic(json!({"spec": {}}));
    let error = services.patch("backend", &PatchParams::default(), &strategic).await;
    let Err(kube::Error::Api(status)) = error else { panic!("{error:?}") };
    assert_eq!(status.code, 415);
}

#[tokio::test(start_paused = true)]
async fn updates_need_the_version_they_read_and_tests_must_hold() {
    let (server, _, _) = world();
    let api: Api<Service> = Api::namespaced(server.client(), "production");
    let old = api.get("backend").await.expect("it exists");
    let label = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
    api.patch("backend", &PatchParams::default(), &label).await.expect("patched");
    let error = api.replace("backend", &PostParams::default(), &old).await;
    let Err(kube::Error::Api(status)) = error else { panic!("{error:?}") };
    assert!(status.is_conflict(), "{status:?}");
    let version = old.metadata.resource_version.expect("a version");
    let stale = json!([{"op": "test", "path": "/metadata/resourceVersion", "value": version}]);
    let stale = serde_json::from_value(stale).expect("a patch");
    let error = api.patch("backend", &PatchParams::default(), &Patch::Json::<()>(stale)).await;
    let Err(kube::Error::Api(status)) = error else { panic!("{error:?}") };
    assert_eq!(status.code, 422);
    let missing = api.get("nothing").await;
    assert!(matches!(missing, Err(kube::Error::Api(status)) if status.is_not_found()));
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_by_selectors() {
    let (server, _, _) = world();
    let api: Api<Pod> = Api::namespaced(server.client(), "production");
    let all = api.list(&ListParams::default()).await.expect("a list").items.len();
    assert_eq!(all, 7, "3 backend, 3 frontend, 1 postgres");
    let mut params = ListParams::default().limit(3);
    let mut names = Vec::new();
    loop {
        let page = api.list(&params).await.expect("a page");
        names.extend(page.items.into_iter().filter_map(|pod| pod.metadata.name));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names.len(), all);
    let one = ListParams::default().fields(&format!("metadata.name={}", names[0]));
    assert_eq!(api.list(&one).await.expect("a list").items.len(), 1);
    let backend = ListParams::default().labels("app=backend,version in (blue)");
    assert_eq!(api.list(&backend).await.expect("a list").items.len(), 3);
    let everywhere: Api<Pod> = Api::all(server.client());
    assert_eq!(everywhere.list(&ListParams::default()).await.expect("a list").items.len(), 14);
}

#[tokio::test(start_paused = true)]
async fn objects_are_made_once_in_namespaces_that_exist() {
    let (server, _, clock) = world();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "production");
    let map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "m"}, "data": {"a": "b"}}))
            .expect("a map");
    let made = api.create(&PostParams::default(), &map).await.expect("created");
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    let again = api.create(&PostParams::default(), &map).await;
    assert!(matches!(again, Err(kube::Error::Api(status)) if status.is_already_exists()));
    let nowhere: Api<ConfigMap> = Api::namespaced(server.client(), "nowhere");
    let error = nowhere.create(&PostParams::default(), &map).await;
    assert!(matches!(error, Err(kube::Error::Api(status)) if status.is_not_found()));
    api.delete("m", &DeleteParams::default()).await.expect("deleted");
    assert!(api.get_opt("m").await.expect("an answer").is_none());
    let pods: Api<Pod> = Api::namespaced(server.client(), "production");
    pods.delete("postgres-0", &DeleteParams::default()).await.expect("ending");
    clock.sleep(Duration::from_secs(30)).await;
    let pod = pods.get("postgres-0").await.expect("it came back");
    assert!(pod.metadata.deletion_timestamp.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_a_deleted_deployment_goes_with_it() {
    let (server, _, clock) = world();
    let api: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(server.client(), "staging");
    api.delete("backend-blue", &DeleteParams::default()).await.expect("deleted");
    clock.sleep(Duration::from_secs(5)).await;
    let left = server.backends("staging", "backend");
    assert_eq!(left, []);
    assert_eq!(server.backends("production", "backend").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_cluster() {
    let names = async |seed| {
        let clock =
            gonogo::world::Clock::simulated("2026-11-23T02:41:00Z".parse().expect("a time"), 1.0);
        let shop = gonogo::sim::apiserver::shop();
        let server = gonogo::sim::apiserver::Apiserver::boot(&shop, clock.clone(), seed);
        let server = server.expect("the manifests are good");
        let cluster = gonogo::world::kubernetes::Cluster::new(server.client(), clock);
        super::deploy_green(&cluster).await;
        server.objects("Pod", "production")
    };
    assert_eq!(names(4).await, names(4).await);
    assert_ne!(names(4).await, names(5).await);
}

#[tokio::test(start_paused = true)]
async fn many_pods_share_slices_and_a_scale_of_hundreds_settles() {
    let (server, cluster, clock) = world();
    let api: Api<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler> =
        Api::namespaced(server.client(), "production");
    api.delete("backend-blue", &DeleteParams::default()).await.expect("deleted");
    cluster.scale("production", "backend-blue", 600).await.expect("scaled");
    clock.sleep(Duration::from_secs(20)).await;
    let backends = server.backends("production", "backend");
    assert_eq!(backends.iter().filter(|one| one.ready).count(), 600);
    let slices = server.objects("EndpointSlice", "production");
    let mine = slices
        .iter()
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "backend");
    assert_eq!(mine.count(), 8);
    cluster.scale("production", "backend-blue", 2).await.expect("scaled");
    clock.sleep(Duration::from_secs(20)).await;
    assert_eq!(server.backends("production", "backend").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn f36_a_server_that_asks_for_patience_gets_it() {
    let (server, cluster, clock) = world();
    server.fail_next("get", "Service", 429);
    let began = clock.now().boot_ms;
    cluster.survey("production", &super::services()).await.expect("after a second");
    let took = clock.now().boot_ms - began;
    assert!((1_000..1_100).contains(&took), "{took} ms");
    for _ in 0..3 {
        server.fail_next("get", "Service", 429);
    }
    let error = cluster.survey("production", &super::services()).await.expect_err("too often");
    assert!(matches!(error, gonogo::world::kubernetes::ClusterError::Busy { .. }), "{error:?}");
}
