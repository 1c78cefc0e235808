//! Watching pods over everything that ends a watch.

use std::cell::RefCell;
use std::time::Duration;

use gonogo::release::Slot;
use gonogo::sim::apiserver::{Apiserver, Exit};
use gonogo::world::Clock;
use gonogo::world::kubernetes::{Cluster, ContainerExit, PodNews, PodTable};

use super::{apply, deploy_green, world};

#[derive(Default)]
struct Seen {
    table: PodTable,
    lists: usize,
    failures: usize,
    exits: Vec<ContainerExit>,
}

/// Watches while `meanwhile` runs; answers what was seen.
async fn watching(cluster: &Cluster, meanwhile: impl AsyncFnOnce(&dyn Fn() -> Seen)) -> Seen {
    let seen = std::sync::Mutex::new(Seen::default());
    let watch = cluster.watch_pods("production", fastrand::Rng::with_seed(3), |news| {
        let mut seen = seen.lock().expect("no panic under the lock");
        match &news {
            PodNews::Listed { .. } => seen.lists += 1,
            PodNews::Failed { .. } => seen.failures += 1,
            PodNews::Exited { exit, .. } => seen.exits.push(exit.clone()),
            _ => {}
        }
        seen.table.take(news);
    });
    let take = || {
        let seen = seen.lock().expect("no panic under the lock");
        Seen {
            table: seen.table.clone(),
            lists: seen.lists,
            failures: seen.failures,
            exits: seen.exits.clone(),
        }
    };
    tokio::select! {
        never = watch => match never {},
        () = meanwhile(&take) => {}
    }
    take()
}

#[track_caller]
fn same(server: &Apiserver, table: &PodTable) {
    let names: Vec<_> = table.rows().map(|row| row.name.as_str().to_owned()).collect();
    let there: Vec<_> = server
        .objects("Pod", "production")
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, there);
}

#[track_caller]
fn fresh(clock: &Clock, table: &PodTable) {
    let age = clock.now().wall_ms() - table.at_ms().expect("listed");
    assert!(age <= 11_000, "{age} ms old (I24)");
    assert_eq!(table.error(), None);
}

#[tokio::test(start_paused = true)]
async fn f35_a_quiet_hour_costs_one_list_and_stays_fresh() {
    let (server, cluster, clock) = world();
    let seen = watching(&cluster, async |look| {
        for _ in 0..60 {
            clock.sleep(Duration::from_secs(60)).await;
            fresh(&clock, &look().table);
        }
        apply(&cluster, Slot::Green).await;
        clock.sleep(Duration::from_secs(20)).await;
    })
    .await;
    assert_eq!((seen.lists, seen.failures), (1, 0));
    same(&server, &seen.table);
    assert!(seen.table.rows().all(|row| row.ready));
    let green = seen.table.rows().filter(|row| row.slot == Some(Slot::Green)).count();
    assert_eq!(green, 6);
}

#[tokio::test(start_paused = true)]
async fn f35_a_forgotten_history_leads_to_few_lists() {
    let (server, cluster, clock) = world();
    let seen = watching(&cluster, async |_| {
        for _ in 0..100 {
            // Something changes and is forgotten, over and over.
            server.set_ready("backend", Slot::Blue, false);
            server.set_ready("backend", Slot::Blue, true);
            server.compact_history();
            server.break_watches();
            clock.sleep(Duration::from_millis(500)).await;
        }
        clock.sleep(Duration::from_secs(20)).await;
    })
    .await;
    assert!((2..=11).contains(&seen.lists), "{} lists in 50 s", seen.lists);
    same(&server, &seen.table);
    fresh(&clock, &seen.table);
}

#[tokio::test(start_paused = true)]
async fn f35_a_half_open_connection_is_noticed() {
    let (server, cluster, clock) = world();
    let seen = watching(&cluster, async |look| {
        clock.sleep(Duration::from_secs(3)).await;
        server.stall_watches();
        deploy_green(&cluster).await;
        clock.sleep(Duration::from_secs(20)).await;
        assert!(look().failures >= 1);
    })
    .await;
    assert_eq!(seen.lists, 1, "the history is still there");
    same(&server, &seen.table);
}

#[tokio::test(start_paused = true)]
async fn f37_an_outage_is_shown_with_its_age_and_passes() {
    let (server, cluster, clock) = world();
    let seen = watching(&cluster, async |look| {
        clock.sleep(Duration::from_secs(3)).await;
        server.outage(Duration::from_secs(120));
        clock.sleep(Duration::from_secs(60)).await;
        let blind = look();
        assert!(blind.table.error().is_some());
        let age = clock.now().wall_ms() - blind.table.at_ms().expect("listed");
        assert!(age >= 55_000, "{age}");
        assert!(blind.failures <= 61, "{} failures in a minute", blind.failures);
        clock.sleep(Duration::from_secs(75)).await;
    })
    .await;
    same(&server, &seen.table);
    fresh(&clock, &seen.table);
}

#[tokio::test(start_paused = true)]
async fn containers_that_end_after_ready_count_and_evictions_do_not() {
    let (server, cluster, clock) = world();
    deploy_green(&cluster).await;
    let seen = watching(&cluster, async |_| {
        clock.sleep(Duration::from_secs(3)).await;
        let pod = server.backends("production", "backend")[0].pod.clone();
        server.evict("production", &pod);
        clock.sleep(Duration::from_secs(3)).await;
        server.kill_containers("backend", Slot::Green, Exit::OutOfMemory);
        clock.sleep(Duration::from_secs(30)).await;
    })
    .await;
    assert_eq!(seen.exits.len(), 3, "{:#?}", seen.exits);
    let hash = server.objects("ReplicaSet", "production").iter().find_map(|set| {
        let name = set["metadata"]["name"].as_str()?;
        name.strip_prefix("backend-green-").map(str::to_owned)
    });
    for exit in &seen.exits {
        assert_eq!((exit.slot, exit.code), (Some(Slot::Green), 137));
        assert_eq!(exit.reason.as_str(), "OOMKilled");
        assert_eq!(Some(exit.template.as_str()), hash.as_deref());
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_before_ready_is_no_exit_but_shows() {
    let (server, cluster, clock) = world();
    server.crash_loop("backend", Slot::Green, Exit::Error);
    let worst = RefCell::new(0);
    let seen = watching(&cluster, async |look| {
        apply(&cluster, Slot::Green).await;
        clock.sleep(Duration::from_secs(120)).await;
        let restarts = look().table.rows().map(|row| row.restarts).max();
        *worst.borrow_mut() = restarts.unwrap_or(0);
    })
    .await;
    assert_eq!(seen.exits, []);
    assert!(*worst.borrow() >= 3, "restarts climb: {}", worst.borrow());
    assert!(seen.table.rows().any(|row| row.phase.as_str() == "CrashLoopBackOff"));
}

/// The real watcher of the `kube` crate drops a watch that is silent for 295 s and opens another:
/// it must go on in the same history.
#[tokio::test(start_paused = true)]
async fn the_real_watcher_goes_on_over_its_own_silence() {
    use futures::StreamExt;
    use k8s_openapi::api::core::v1::Pod;
    let (server, _, clock) = world();
    let api: kube::Api<Pod> = kube::Api::namespaced(server.client(), "production");
    let stream = kube::runtime::watcher(api, kube::runtime::watcher::Config::default());
    let mut stream = std::pin::pin!(stream);
    let drain = async |seconds: u64, stream: &mut std::pin::Pin<&mut _>| {
        let mut events = 0;
        let until = clock.now().boot_ms + seconds * 1000;
        while let Some(Some(event)) = clock
            .within(
                Duration::from_millis(until.saturating_sub(clock.now().boot_ms)),
                StreamExt::next(stream),
            )
            .await
        {
            let event: Result<kube::runtime::watcher::Event<Pod>, _> = event;
            event.expect("no error");
            events += 1;
        }
        events
    };
    assert!(drain(700, &mut stream).await > 0);
    let lists = server.asked("list", "pods");
    server.set_ready("backend", Slot::Blue, false);
    assert_eq!(drain(700, &mut stream).await, 3);
    assert_eq!(server.asked("list", "pods"), lists, "no new list");
    assert!(server.asked("watch", "pods") >= 4);
}
