//! The live watch: pods and service levels, for the screen and for the windows of the monitor.
//! It ends only with the engine.

use std::time::Duration;

use crate::release::{PodRows, Slot, Telemetry};
use crate::world::kubernetes::PodNews;
use crate::world::{Site, World};

/// How often service levels are read.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Watches for as long as it is polled, telling each new picture.
pub async fn watch(world: &World, tell: impl Fn(Telemetry) + Send + Sync) {
    let latest = std::sync::Mutex::new(Telemetry::default());
    let change = |change: &mut dyn FnMut(&mut Telemetry)| {
        let mut telemetry = latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut telemetry);
        tell(telemetry.clone());
    };
    let pods = async {
        match &world.site {
            Some(site) => watch_pods(world, site, &change).await,
            None => std::future::pending().await,
        }
    };
    let samples = async {
        loop {
            let Some(metrics) = &world.metrics else { std::future::pending().await };
            let read = metrics.sample(&[Slot::Blue, Slot::Green]).await;
            let now_ms = world.clock.now().wall_ms();
            change(&mut |telemetry| {
                if !read.samples.is_empty() {
                    telemetry.samples.clone_from(&read.samples);
                    telemetry.samples_at_ms = Some(now_ms);
                }
                telemetry.samples_error.clone_from(&read.error);
            });
            world.clock.sleep(SAMPLE_EVERY).await;
        }
    };
    let faults = async {
        let Some(mut truth) = world.truth.clone() else { std::future::pending().await };
        while truth.changed().await.is_ok() {
            let now = truth.borrow_and_update().clone();
            change(&mut |telemetry| telemetry.faults.clone_from(&now));
        }
    };
    tokio::join!(pods, samples, faults);
}

async fn watch_pods(
    world: &World,
    site: &Site,
    change: &(impl Fn(&mut dyn FnMut(&mut Telemetry)) + Sync),
) {
    let rng = fastrand::Rng::with_seed(site.seed);
    let take = |news: PodNews| {
        if let PodNews::Exited { exit, at } = &news {
            world.board.exit(*at, exit.clone());
        }
        let current = matches!(news, PodNews::Current { .. } | PodNews::Exited { .. });
        let (rows, at_ms, error) = world.board.with_table(|table| {
            table.take(news);
            let rows: Option<PodRows> = (!current).then(|| table.rows().cloned().collect());
            (rows, table.at_ms(), table.error().cloned())
        });
        change(&mut |telemetry| {
            if let Some(rows) = &rows {
                telemetry.pods.clone_from(rows);
            }
            telemetry.pods_at_ms = at_ms;
            telemetry.pods_error.clone_from(&error);
        });
    };
    site.cluster.watch_pods(&site.production, rng, take).await;
}
