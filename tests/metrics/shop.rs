//! Shop, scrapes, Prometheus, client: what a release would judge.

use std::time::Duration;

use fastrand::Rng;
use gonogo::release::{
    Finite, MonitorPolicy, OnUnknown, Reading, Rule, Slot, Verdict, judge_window,
};
use gonogo::sim::prometheus::{MetricsFault, Prometheus, shop_web};
use gonogo::sim::shop::{Behaviour, SCRAPE_INTERVAL, Shop, Starts};
use gonogo::world::Clock;
use gonogo::world::metrics::{Metrics, MetricsSettings, SlotWindow};
use gonogo::world::probe::probe;

use super::{Ground, clock};

struct Scene {
    ground: std::sync::Arc<Ground>,
    shop: Shop,
    prometheus: Prometheus,
    metrics: Metrics,
    clock: Clock,
    open: tokio::task::JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.open.abort();
    }
}

impl Scene {
    /// Green serves about `requests_per_s`; blue stands beside it.
    fn new(requests_per_s: f64, seed: u64) -> Self {
        let (ground, clock) = (Ground::new(Some(Slot::Green)), clock());
        let mut rng = Rng::with_seed(seed);
        let shop = Shop::new(ground.clone(), clock.clone(), &mut rng, requests_per_s);
        let prometheus = Prometheus::new(shop.clone(), clock.clone(), "production");
        let mut settings = MetricsSettings::new("http://prometheus.monitoring", "production");
        settings.scrape_interval = SCRAPE_INTERVAL;
        settings.sample_window = Duration::from_secs(30);
        let metrics = Metrics::new(prometheus.web(), clock.clone(), settings).expect("settings");
        let open = tokio::spawn(shop.clone().run());
        Self { ground, shop, prometheus, metrics, clock, open }
    }

    fn switch(&self, slot: Slot) {
        self.shop.catch_up();
        self.ground.serve(slot);
    }

    /// Waits for a window's length and reads it.
    async fn window(&self, slot: Slot) -> SlotWindow {
        let from_ms = self.clock.now().wall_ms();
        self.clock.sleep(Duration::from_secs(30)).await;
        self.metrics.window(slot, from_ms, self.clock.now().wall_ms()).await
    }
}

fn policy() -> MonitorPolicy {
    let finite = |number| Finite::new(number).expect("finite");
    MonitorPolicy {
        duration_s: 300,
        window_s: 30,
        error_ratio_max: finite(0.01),
        mean_ms_max: finite(2000.0),
        exits_max: 0,
        requests_min: 200,
        fail_windows: 2,
        of_windows: 3,
        unknown_windows: 3,
        on_unknown: OnUnknown::Hold,
    }
}

fn verdict(read: &SlotWindow, rule: Rule) -> Verdict {
    let evidence = read.clone().evidence(Slot::Blue, 30, Reading::known(0), Reading::known(3));
    let all = judge_window(&evidence, &policy());
    all.into_iter().find(|one| one.rule == rule).expect("every rule").verdict
}

fn known(reading: &Reading<Finite>) -> f64 {
    match reading {
        Reading::Known { value } => value.get(),
        Reading::Unknown { reason } => panic!("unknown: {reason}"),
    }
}

fn unknown(reading: &Reading<Finite>) -> &str {
    match reading {
        Reading::Known { value } => panic!("known: {value:?}"),
        Reading::Unknown { reason } => reason.as_str(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_slot_passes_with_the_numbers_of_its_shop() {
    let scene = Scene::new(40.0, 1);
    scene.switch(Slot::Blue);
    scene.window(Slot::Blue).await;
    let served = scene.shop.served() + scene.shop.failed();
    let read = scene.window(Slot::Blue).await;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let answered = (scene.shop.served() + scene.shop.failed() - served) as f64;
    let requests = known(&read.requests);
    assert!((requests - answered).abs() < answered * 0.1, "{requests} of {answered}");
    assert!(known(&read.error_ratio) < 0.01);
    let (mean, p95) = (known(&read.mean_ms), known(&read.p95_ms));
    assert!((35.0..55.0).contains(&mean), "{mean}");
    assert!((95.0..180.0).contains(&p95), "{p95}");
    let age = known(&read.sample_age_s);
    assert!((0.0..=5.0).contains(&age), "{age}");
    assert_eq!(verdict(&read, Rule::ErrorRatio), Verdict::Pass);
    assert_eq!(verdict(&read, Rule::MeanLatency), Verdict::Pass);
    // The other slot still stands and is asked nothing: no traffic is not health (F46).
    let idle = scene.window(Slot::Green).await;
    assert!(known(&idle.requests).abs() < 1e-9);
    assert!(unknown(&idle.error_ratio).contains("NaN"));
    let judged = verdict(&idle, Rule::ErrorRatio);
    assert!(matches!(judged, Verdict::Unknown { .. }), "{judged:?}");
}

#[tokio::test(start_paused = true)]
async fn the_hour_before_is_there_as_a_baseline() {
    let scene = Scene::new(40.0, 1);
    let now_ms = scene.clock.now().wall_ms();
    let read = scene.metrics.window(Slot::Green, now_ms - 3_600_000, now_ms).await;
    assert!(known(&read.requests) > 40_000.0, "{read:?}");
    assert!(known(&read.error_ratio) < 0.002);
    let query = gonogo::world::metrics::SlotQueries::default().requests;
    let step = Duration::from_secs(60);
    let points = scene.metrics.range(&query, Slot::Green, now_ms - 600_000, now_ms, step).await;
    let points = points.expect("a series");
    assert_eq!(points.len(), 11);
    assert!(points.iter().all(|point| point.value.is_some_and(|value| value.get() > 500.0)));
}

#[tokio::test(start_paused = true)]
async fn climbing_errors_fail_the_watch_and_going_back_ends_them() {
    let scene = Scene::new(40.0, 2);
    scene.shop.behave(
        Slot::Blue,
        Behaviour {
            error_ratio: 0.12,
            ramp_s: 60,
            starts: Starts::AfterSwitch { delay_s: 20 },
            ..Behaviour::default()
        },
    );
    // Before the switch nobody can see it.
    assert_eq!(verdict(&scene.window(Slot::Green).await, Rule::ErrorRatio), Verdict::Pass);
    scene.switch(Slot::Blue);
    let mut ratios = Vec::new();
    let mut verdicts = Vec::new();
    for _ in 0..4 {
        let read = scene.window(Slot::Blue).await;
        ratios.push(known(&read.error_ratio));
        verdicts.push(verdict(&read, Rule::ErrorRatio));
    }
    assert!(ratios[0] < 0.03 && ratios[3] > 0.08 && ratios[3] < 0.17, "{ratios:?}");
    assert!(matches!(verdicts[2], Verdict::Fail { .. }), "{verdicts:?}");
    assert!(matches!(verdicts[3], Verdict::Fail { .. }), "{verdicts:?}");
    scene.switch(Slot::Green);
    scene.window(Slot::Green).await;
    assert_eq!(verdict(&scene.window(Slot::Green).await, Rule::ErrorRatio), Verdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn a_slow_slot_fails_by_its_average() {
    let scene = Scene::new(40.0, 3);
    let slow = Behaviour { mean_ms: 2600.0, p95_ms: 6000.0, ..Behaviour::default() };
    scene.shop.behave(Slot::Blue, slow);
    scene.switch(Slot::Blue);
    scene.window(Slot::Blue).await;
    let read = scene.window(Slot::Blue).await;
    let (mean, p95) = (known(&read.mean_ms), known(&read.p95_ms));
    assert!((2200.0..3000.0).contains(&mean), "{mean}");
    assert!((4500.0..8500.0).contains(&p95), "{p95}");
    let judged = verdict(&read, Rule::MeanLatency);
    assert!(matches!(judged, Verdict::Fail { .. }), "{judged:?}");
}

#[tokio::test(start_paused = true)]
async fn f44_f45_f47_metrics_that_are_not_there_are_unknown_and_come_back() {
    let scene = Scene::new(40.0, 4);
    for (fault, words) in [
        (MetricsFault::Vanish, "no series matches"),
        (MetricsFault::Nan, "NaN"),
        (MetricsFault::Stale, "stale: the newest sample is 3"),
        (MetricsFault::Unreachable, "connection refused"),
        (MetricsFault::Silent, "no answer after 10000 ms"),
        (MetricsFault::Warnings, "partial"),
        (MetricsFault::Html, "sign-in page"),
    ] {
        scene.prometheus.set_fault(fault);
        let read = scene.window(Slot::Green).await;
        assert!(unknown(&read.error_ratio).contains(words), "{fault:?}: {read:?}");
        for rule in [Rule::ErrorRatio, Rule::MeanLatency] {
            let judged = verdict(&read, rule);
            assert!(matches!(judged, Verdict::Unknown { .. }), "{fault:?}: {judged:?}");
        }
        let live = scene.metrics.sample(&[Slot::Green]).await;
        assert!(live.samples.is_empty() && live.error.is_some(), "{fault:?}");
    }
    scene.prometheus.set_fault(MetricsFault::None);
    assert_eq!(verdict(&scene.window(Slot::Green).await, Rule::ErrorRatio), Verdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn f48_pods_that_are_gone_leave_no_numbers_behind() {
    let scene = Scene::new(40.0, 5);
    scene.shop.catch_up();
    scene.ground.stand(&[(Slot::Blue, 3)]);
    let read = scene.window(Slot::Green).await;
    assert!(unknown(&read.requests).contains("no series matches"), "{read:?}");
    // Nobody answered: customers saw it, the metrics of dead pods could not.
    assert!(scene.shop.failed() > 500);
}

#[tokio::test(start_paused = true)]
async fn f46_a_handful_of_requests_proves_nothing() {
    for requests_per_s in [0.0, 0.2, 2.0] {
        let scene = Scene::new(requests_per_s, 6);
        let judged = verdict(&scene.window(Slot::Green).await, Rule::ErrorRatio);
        let Verdict::Unknown { reason } = judged else { panic!("{requests_per_s}: {judged:?}") };
        assert!(reason.as_str().contains("not enough traffic"), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn live_samples_show_both_slots() {
    let scene = Scene::new(40.0, 7);
    scene.clock.sleep(Duration::from_secs(10)).await;
    let live = scene.metrics.sample(&[Slot::Blue, Slot::Green]).await;
    assert_eq!(live.error, None);
    let [blue, green] = &live.samples[..] else { panic!("{live:?}") };
    assert!(blue.requests_per_s.get() < 0.01 && blue.error_ratio.is_none());
    assert!((30.0..60.0).contains(&green.requests_per_s.get()), "{green:?}");
    assert!(green.mean_ms.is_some() && green.p95_ms.is_some());
}

/// Everything a scene says over two minutes with a switch in the middle.
async fn story(seed: u64) -> String {
    let scene = Scene::new(40.0, seed);
    let bad = Behaviour { error_ratio: 0.05, ramp_s: 30, ..Behaviour::default() };
    scene.shop.behave(Slot::Blue, bad);
    let mut windows = vec![scene.window(Slot::Green).await];
    scene.switch(Slot::Blue);
    for _ in 0..3 {
        windows.push(scene.window(Slot::Blue).await);
    }
    let web = shop_web(&scene.shop, &scene.clock);
    let probed = probe(&web, &scene.clock, &["http://backend/api/x".into()]).await;
    format!("{windows:?} {probed:?}")
}

#[test]
fn the_same_seed_tells_the_same_story() {
    // A runtime of its own for each, so that both start at the same instant.
    let tell = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(story(seed))
    };
    assert_eq!(tell(11), tell(11));
    assert_ne!(tell(11), tell(12));
}

#[tokio::test(start_paused = true)]
async fn probes_reach_the_slot_they_name() {
    let scene = Scene::new(40.0, 8);
    let web = shop_web(&scene.shop, &scene.clock);
    let urls = [
        "http://backend.production.svc/health",
        "http://backend-preview.production.svc/health?token=hunter2",
        "https://api.example/api/v1/namespaces/production/services/backend-blue:80/proxy/ready",
        "http://backend-preview.production.svc/nowhere",
        "not an address",
    ];
    let urls: Vec<String> = urls.into_iter().map(str::to_owned).collect();
    let found = probe(&web, &scene.clock, &urls).await;
    let version = |index: usize| found[index].version.as_ref().map(|v| v.as_str().to_owned());
    assert_eq!(version(0).as_deref(), Some("1.0.0-green"));
    assert_eq!(version(1).as_deref(), Some("1.0.0-blue"));
    assert_eq!(version(2).as_deref(), Some("1.0.0-blue"));
    assert!(found[..3].iter().all(|one| one.is_ok() && one.ms.get() >= 1.0), "{found:?}");
    assert_eq!(found[3].status, Reading::known(404));
    assert!(!found[4].is_ok() && found[4].status.value().is_none());
    assert!(!found[1].url.as_str().contains("hunter2"));
    scene.ground.stand(&[(Slot::Green, 3)]);
    let gone = probe(&web, &scene.clock, &urls[1..2]).await;
    assert_eq!(gone[0].status, Reading::known(503));
}
