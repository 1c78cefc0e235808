//! The switch: forward, back, and everything that may happen in between.

use std::time::Duration;

use gonogo::release::{Epoch, Serving, Slot};
use gonogo::sim::apiserver::{Exit, SlotFault};
use gonogo::world::kubernetes::{ClusterError, Switch, SwitchOutcome, SwitchSeen};

use super::{back_to_blue, deploy_green, selects, services, switched, to_green, world};

#[tokio::test(start_paused = true)]
async fn i8_a_switch_replaces_whole_selectors_and_is_proven_by_endpoints() {
    let (server, cluster, _) = world();
    let before = cluster.survey("production", &services()).await.expect("a survey");
    assert_eq!(before.serving, Serving::One { slot: Slot::Blue });
    assert_eq!((before.blue.ready_min(), before.green.deployments.len()), (3, 0));
    deploy_green(&cluster).await;
    // A key beside the planned ones would make a union after a merge.
    switched(&cluster.switch(&to_green()).await);
    selects(&server, "green", "green");
    let after = cluster.survey("production", &services()).await.expect("a survey");
    assert_eq!(after.serving, Serving::One { slot: Slot::Green });
    assert_eq!(after.services[0].epoch, Some(Epoch(5)));
    assert_eq!(after.blue.ready_min(), 3, "blue stays warm (I9)");
    assert_eq!(cluster.observe_switch(&to_green()).await, SwitchSeen::Done);
    let slots: Vec<_> =
        server.backends("production", "backend").into_iter().map(|one| one.slot).collect();
    assert_eq!(slots, vec![Some(Slot::Green); 3]);
}

#[tokio::test(start_paused = true)]
async fn i8_a_foreign_selector_is_replaced_whole_by_a_rollback() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    let patch = kube::api::Patch::Merge(serde_json::json!({"spec": {"selector": {"track": "x"}}}));
    let api: kube::Api<k8s_openapi::api::core::v1::Service> =
        kube::Api::namespaced(server.client(), "production");
    api.patch("backend", &kube::api::PatchParams::default(), &patch).await.expect("merged");
    let survey = cluster.survey("production", &services()).await.expect("a survey");
    assert!(matches!(survey.serving, Serving::Split { .. }), "{survey:?}");
    let outcome = cluster.switch(&to_green()).await;
    let SwitchOutcome::NotSwitched { why: ClusterError::Conflict { reason, .. } } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.as_str().contains("track=x"), "{reason}");
    switched(&cluster.switch(&back_to_blue()).await);
    selects(&server, "blue", "blue");
}

#[tokio::test(start_paused = true)]
async fn f31_a_lost_answer_is_looked_up_and_counts_as_done() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    server.lose_next_reply("Service");
    let patches = server.asked("patch", "services");
    switched(&cluster.switch(&to_green()).await);
    assert_eq!(server.asked("patch", "services") - patches, 2, "nothing is sent twice");
    selects(&server, "green", "green");
}

#[tokio::test(start_paused = true)]
async fn f31_a_patch_that_never_arrived_is_compensated() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    server.fail_next("patch", "Service", 504);
    let outcome = cluster.switch(&to_green()).await;
    assert!(matches!(outcome, SwitchOutcome::NotSwitched { .. }), "{outcome:?}");
    selects(&server, "blue", "blue");
    assert_eq!(cluster.observe_switch(&to_green()).await, SwitchSeen::NotDone);
}

#[tokio::test(start_paused = true)]
async fn f30_a_patch_that_arrives_late_fails_its_guard() {
    let (server, cluster, clock) = world();
    deploy_green(&cluster).await;
    server.delay_next("Service", Duration::from_secs(30));
    let outcome = cluster.switch(&to_green()).await;
    assert!(matches!(outcome, SwitchOutcome::NotSwitched { .. }), "{outcome:?}");
    clock.sleep(Duration::from_secs(60)).await;
    selects(&server, "blue", "blue");
}

#[tokio::test(start_paused = true)]
async fn a_later_service_that_fails_takes_the_earlier_ones_back() {
    let (server, cluster, clock) = world();
    deploy_green(&cluster).await;
    // The second patch is the frontend's; the first is answered as usual.
    let watch = server.clone();
    let saboteur = tokio::spawn(async move {
        let mut changes = watch.changes();
        loop {
            changes.changed().await.expect("the server lives");
            let backend = watch.object("Service", "production", "backend").expect("it exists");
            if backend["spec"]["selector"]["version"] == "green" {
                watch.set_ready("frontend", Slot::Green, false);
                return;
            }
        }
    });
    let outcome = cluster.switch(&to_green()).await;
    saboteur.await.expect("it ran");
    let SwitchOutcome::TakenBack { why } = &outcome else { panic!("{outcome:#?}") };
    assert!(why.to_string().contains("0 ready pods, 3 are needed"), "{why}");
    selects(&server, "blue", "blue");
    let service = server.object("Service", "production", "backend").expect("it exists");
    let reason = &service["metadata"]["annotations"]["gonogo.dev/reason"];
    assert!(reason.as_str().expect("a reason").starts_with("taken back"), "{reason}");
    clock.sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn i5_a_driver_of_an_older_epoch_is_fenced() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    cluster.claim("production", &services(), Epoch(9)).await.expect("claimed");
    let outcome = cluster.switch(&to_green()).await;
    assert!(matches!(outcome, SwitchOutcome::Fenced { by: Epoch(9), .. }), "{outcome:?}");
    selects(&server, "blue", "blue");
    let older = cluster.claim("production", &services(), Epoch(8)).await;
    assert!(matches!(older, Err(ClusterError::Refused { .. })), "{older:?}");
    switched(&cluster.switch(&Switch { epoch: Epoch(9), ..to_green() }).await);
}

#[tokio::test(start_paused = true)]
async fn f32_a_conflict_says_what_changed() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    let switch = Switch { epoch: Epoch(6), ..back_to_blue() };
    switched(&cluster.switch(&to_green()).await);
    let stale = Switch { expected: Some(Slot::Blue), ..switch };
    let outcome = cluster.switch(&stale).await;
    let SwitchOutcome::NotSwitched { why } = &outcome else { panic!("{outcome:?}") };
    let text = why.to_string();
    assert!(text.contains("version=green") && text.contains("by alice"), "{text}");
    selects(&server, "green", "green");
}

#[tokio::test(start_paused = true)]
async fn f33_i7_never_to_a_slot_without_its_minimum_of_the_releases_pods() {
    let (server, cluster, _) = world();
    let empty = cluster.switch(&to_green()).await;
    assert!(matches!(empty, SwitchOutcome::NotSwitched { .. }), "{empty:?}");
    deploy_green(&cluster).await;
    let mut other = to_green();
    other.images.insert("backend".to_owned(), "registry/backend:other".to_owned());
    let outcome = cluster.switch(&other).await;
    let SwitchOutcome::NotSwitched { why } = &outcome else { panic!("{outcome:?}") };
    assert!(why.to_string().contains("not the release's"), "{why}");
    server.set_ready("backend", Slot::Green, false);
    let outcome = cluster.switch(&to_green()).await;
    let SwitchOutcome::NotSwitched { why } = &outcome else { panic!("{outcome:?}") };
    assert!(why.to_string().contains("0 ready pods"), "{why}");
    selects(&server, "blue", "blue");
}

#[tokio::test(start_paused = true)]
async fn f33_endpoints_that_do_not_follow_lead_back() {
    let (server, cluster, clock) = world();
    deploy_green(&cluster).await;
    server.stick_endpoints(true);
    let began = clock.now().boot_ms;
    let outcome = cluster.switch(&to_green()).await;
    assert!(matches!(outcome, SwitchOutcome::TakenBack { .. }), "{outcome:?}");
    assert!(clock.now().boot_ms - began >= 30_000);
    selects(&server, "blue", "blue");
    // A rollback stays where it went and says that the proof is missing.
    server.stick_endpoints(false);
    switched(&cluster.switch(&to_green()).await);
    server.stick_endpoints(true);
    let outcome = cluster.switch(&back_to_blue()).await;
    let SwitchOutcome::Switched { proof, .. } = outcome else { panic!("{outcome:?}") };
    assert!(!proof.holds());
    selects(&server, "blue", "blue");
}

#[tokio::test(start_paused = true)]
async fn f37_an_outage_in_the_middle_leaves_doubt_and_then_an_observation() {
    let (server, cluster, clock) = world();
    deploy_green(&cluster).await;
    server.delay_next("Service", Duration::from_secs(9));
    let break_it = server.clone();
    let pause = clock.clone();
    tokio::spawn(async move {
        pause.sleep(Duration::from_secs(1)).await;
        break_it.outage(Duration::from_secs(60));
    });
    let outcome = cluster.switch(&to_green()).await;
    assert!(matches!(outcome, SwitchOutcome::InDoubt { .. }), "{outcome:?}");
    assert!(matches!(cluster.observe_switch(&to_green()).await, SwitchSeen::Unknown { .. }));
    clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.observe_switch(&to_green()).await, SwitchSeen::NotDone);
    switched(&cluster.switch(&to_green()).await);
}

#[tokio::test(start_paused = true)]
async fn a_switch_cut_short_is_seen_as_partial_and_can_be_finished() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    let half = Switch { services: vec!["backend".to_owned()], ..to_green() };
    switched(&cluster.switch(&half).await);
    selects(&server, "green", "blue");
    assert!(matches!(cluster.observe_switch(&to_green()).await, SwitchSeen::Partial { .. }));
    switched(&cluster.switch(&to_green()).await);
    selects(&server, "green", "green");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_works_while_the_new_slot_burns() {
    let (server, cluster, clock) = world();
    deploy_green(&cluster).await;
    switched(&cluster.switch(&to_green()).await);
    server.break_slot("backend", Slot::Green, SlotFault::CrashLoop(Exit::OutOfMemory));
    server.kill_containers("backend", Slot::Green, Exit::OutOfMemory);
    clock.sleep(Duration::from_secs(20)).await;
    assert_eq!(server.backends("production", "backend").iter().filter(|one| one.ready).count(), 0);
    switched(&cluster.switch(&back_to_blue()).await);
    selects(&server, "blue", "blue");
}

#[tokio::test(start_paused = true)]
async fn previews_follow_the_slot_to_be_tried() {
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    cluster.preview("production", &services(), Slot::Blue).await.expect("pointed");
    let preview = super::selector(&server, "backend-preview");
    assert_eq!(preview, serde_json::json!({"app": "backend", "version": "blue"}));
    selects(&server, "blue", "blue");
}

#[tokio::test(start_paused = true)]
async fn f38_a_right_that_is_missing_is_known_before_and_named_after() {
    use gonogo::world::kubernetes::Right;
    let (server, cluster, _) = world();
    deploy_green(&cluster).await;
    server.deny("patch", "services");
    let answers = cluster.can_i("production", &Right::ROLLBACK).await.expect("answers");
    let missing: Vec<_> =
        answers.iter().filter(|one| !one.allowed).map(|one| one.right.to_string()).collect();
    assert_eq!(missing, ["patch services"]);
    let outcome = cluster.switch(&to_green()).await;
    let SwitchOutcome::NotSwitched { why } = &outcome else { panic!("{outcome:?}") };
    assert!(matches!(why, ClusterError::Forbidden { .. }), "{why:?}");
}
