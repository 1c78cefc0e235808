//! The simulated shop: people who buy, pods that answer them well or badly. It moves in steps of
//! one simulated second; what a step does depends on the seed, the step's number and the cluster,
//! and on nothing else.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;

use crate::release::Slot;
use crate::world::Clock;

/// One step of the model.
const STEP_MS: i64 = 1000;
/// A scrape every so many steps.
const SCRAPE_STEPS: i64 = 5;
/// How often the pods of the shop are scraped.
pub const SCRAPE_INTERVAL: Duration = Duration::from_secs(5);
/// The shop has been open this long when a rehearsal begins, so that there is a baseline.
const HISTORY_STEPS: i64 = 4000;
/// Scrapes kept: three hours.
const SCRAPES_MAX: usize = 2160;
/// The upper bounds of the latency histogram, in milliseconds; the last bucket has none.
pub const BUCKETS_MS: [f64; 11] =
    [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0];

/// What the shop must know of the cluster.
pub trait Traffic: Send + Sync {
    /// Every slot that the Services send requests to, with its ready pods.
    fn traffic(&self) -> Vec<(Slot, u32)>;

    /// Every slot that has pods, with its ready ones, whether or not it serves: what is scraped,
    /// and what a preview Service reaches.
    fn standing(&self) -> Vec<(Slot, u32)>;

    /// What a slot runs, as its pods would say.
    fn version(&self, slot: Slot) -> Option<String>;
}

/// How a slot's version behaves under traffic.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Failed requests among all, 0 to 1.
    pub error_ratio: f64,
    pub mean_ms: f64,
    pub p95_ms: f64,
    /// How long it takes to become so, in seconds; until then it drifts there from healthy.
    pub ramp_s: u32,
    pub starts: Starts,
}

/// When a behaviour begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    #[default]
    Always,
    /// This many seconds after the slot began to serve.
    AfterSwitch { delay_s: u32 },
}

impl Default for Behaviour {
    /// A healthy shop.
    fn default() -> Self {
        Self {
            error_ratio: 0.0008,
            mean_ms: 45.0,
            p95_ms: 120.0,
            ramp_s: 0,
            starts: Starts::Always,
        }
    }
}

/// What a slot's pods have counted since they started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    pub ok: u64,
    pub failed: u64,
    pub duration_s: f64,
    /// Requests per bucket, not cumulative; the last one is above every bound.
    pub buckets: [u64; BUCKETS_MS.len() + 1],
}

/// What one scrape found, per slot; none where no pod of the slot stood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scrape {
    pub at_ms: i64,
    pub blue: Option<Counters>,
    pub green: Option<Counters>,
}

impl Scrape {
    pub fn slot(&self, slot: Slot) -> Option<&Counters> {
        match slot {
            Slot::Blue => self.blue.as_ref(),
            Slot::Green => self.green.as_ref(),
        }
    }
}

/// How one request to the shop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub slot: Slot,
    pub version: Option<String>,
    pub status: u16,
    pub took_ms: u64,
}

/// The shop under traffic. Cheap to clone.
#[derive(Clone)]
pub struct Shop {
    inner: Arc<Mutex<Inner>>,
    cluster: Arc<dyn Traffic>,
    clock: Clock,
}

struct Inner {
    seed: u64,
    requests_per_s: f64,
    /// The next step, counted from the epoch in steps.
    next_step: i64,
    blue: SlotState,
    green: SlotState,
    scrapes: VecDeque<Scrape>,
    served: u64,
    failed: u64,
    lost: u64,
    probes: u64,
}

#[derive(Default)]
struct SlotState {
    behaviour: Behaviour,
    counters: Option<Counters>,
    /// The step at which it began to serve; none while it does not.
    serving_since: Option<i64>,
    /// The step at which the scenario gave it its behaviour.
    behaves_since: i64,
}

impl Inner {
    fn slot(&mut self, slot: Slot) -> &mut SlotState {
        match slot {
            Slot::Blue => &mut self.blue,
            Slot::Green => &mut self.green,
        }
    }
}

impl Shop {
    /// A shop that has been open for a good hour. `requests_per_s` is the day's average.
    pub fn new(
        cluster: Arc<dyn Traffic>,
        clock: Clock,
        rng: &mut Rng,
        requests_per_s: f64,
    ) -> Self {
        let now_step = clock.now().wall_ms().div_euclid(STEP_MS);
        let inner = Inner {
            seed: rng.u64(..),
            requests_per_s: requests_per_s.clamp(0.0, 10_000.0),
            next_step: now_step - HISTORY_STEPS,
            blue: SlotState::default(),
            green: SlotState::default(),
            scrapes: VecDeque::new(),
            served: 0,
            failed: 0,
            lost: 0,
            probes: 0,
        };
        let shop = Self { inner: Arc::new(Mutex::new(inner)), cluster, clock };
        shop.catch_up();
        shop
    }

    /// Lives through the time that has passed since the last call. [`Shop::run`] does it every
    /// second; whoever changes what serves does it just before.
    pub fn catch_up(&self) {
        let until = self.clock.now().wall_ms().div_euclid(STEP_MS);
        // The cluster is asked before the shop is locked: it may have locks of its own.
        let (traffic, standing) = (self.cluster.traffic(), self.cluster.standing());
        let mut inner = self.lock();
        while inner.next_step <= until {
            let step = inner.next_step;
            inner.step(step, &traffic, &standing);
            inner.next_step += 1;
        }
    }

    /// Keeps the shop open until the returned future is dropped.
    pub async fn run(self) {
        loop {
            self.catch_up();
            self.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// From now on `slot` behaves like this.
    pub fn behave(&self, slot: Slot, behaviour: Behaviour) {
        self.catch_up();
        let mut inner = self.lock();
        let since = inner.next_step;
        let state = inner.slot(slot);
        state.behaviour = behaviour;
        state.behaves_since = since;
    }

    /// From now on so many requests arrive per second on the day's average.
    pub fn set_requests_per_s(&self, requests_per_s: f64) {
        self.catch_up();
        self.lock().requests_per_s = requests_per_s.clamp(0.0, 10_000.0);
    }

    /// Requests answered well since the shop opened.
    pub fn served(&self) -> u64 {
        self.catch_up();
        self.lock().served
    }

    /// Requests that customers saw fail: answered badly, or by nobody.
    pub fn failed(&self) -> u64 {
        self.catch_up();
        let inner = self.lock();
        inner.failed + inner.lost
    }

    /// Scrapes later than `from_ms` and not later than `to_ms`, oldest first.
    pub fn scrapes(&self, from_ms: i64, to_ms: i64) -> Vec<Scrape> {
        self.catch_up();
        let inner = self.lock();
        let start = inner.scrapes.partition_point(|scrape| scrape.at_ms <= from_ms);
        let end = inner.scrapes.partition_point(|scrape| scrape.at_ms <= to_ms);
        inner.scrapes.range(start..end.max(start)).copied().collect()
    }

    /// One request of an operator to a slot, or to whatever serves; none when no pod is there to
    /// answer it. It is not counted: the metrics are about customers.
    pub fn request(&self, slot: Option<Slot>) -> Option<Answered> {
        self.catch_up();
        let pods = match slot {
            Some(_) => self.cluster.standing(),
            None => self.cluster.traffic(),
        };
        let (slot, draw) = {
            let mut inner = self.lock();
            inner.probes += 1;
            let mut rng = step_rng(inner.seed ^ 0x9e37, i64::try_from(inner.probes).ok()?);
            let wanted = pods.iter().filter(|(s, n)| *n > 0 && slot.is_none_or(|w| w == *s));
            let chosen = pick(&mut rng, wanted.copied())?;
            let step = inner.next_step;
            (chosen, inner.slot(chosen).draw(step, &mut rng))
        };
        let status = if draw.failed { 500 } else { 200 };
        // Rounded up: an answer always takes time.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=60,000")]
        let took_ms = draw.ms.ceil().clamp(1.0, 60_000.0) as u64;
        Some(Answered { slot, version: self.cluster.version(slot), status, took_ms })
    }

    /// The slot that stands and does not serve.
    pub fn preview(&self) -> Option<Slot> {
        let serving = self.cluster.traffic();
        let idle = |slot: &Slot| !serving.iter().any(|(serves, _)| serves == slot);
        self.cluster.standing().into_iter().map(|(slot, _)| slot).find(idle)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn step(&mut self, step: i64, traffic: &[(Slot, u32)], standing: &[(Slot, u32)]) {
        let mut rng = step_rng(self.seed, step);
        for slot in [Slot::Blue, Slot::Green] {
            let stands = standing.iter().any(|(s, ready)| *s == slot && *ready > 0);
            let serves = traffic.iter().any(|(s, ready)| *s == slot && *ready > 0);
            let state = self.slot(slot);
            if !stands {
                // Fresh pods count from zero.
                state.counters = None;
            } else if state.counters.is_none() {
                state.counters = Some(Counters::default());
            }
            state.serving_since =
                if serves { Some(state.serving_since.unwrap_or(step)) } else { None };
        }
        for _ in 0..self.arrivals(step, &mut rng) {
            let ready = traffic.iter().copied().filter(|(_, ready)| *ready > 0);
            let Some(slot) = pick(&mut rng, ready) else {
                self.lost += 1;
                continue;
            };
            let state = self.slot(slot);
            let draw = state.draw(step, &mut rng);
            state.counters.get_or_insert_default().count(&draw);
            if draw.failed {
                self.failed += 1;
            } else {
                self.served += 1;
            }
        }
        if step.rem_euclid(SCRAPE_STEPS) == 0 {
            let (blue, green) = (self.blue.counters, self.green.counters);
            self.scrapes.push_back(Scrape { at_ms: step * STEP_MS, blue, green });
            if self.scrapes.len() > SCRAPES_MAX {
                self.scrapes.pop_front();
            }
        }
    }

    /// How many customers come in this step: a day curve, and noise.
    fn arrivals(&self, step: i64, rng: &mut Rng) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
        let day = step.rem_euclid(86_400) as f64 / 86_400.0;
        // Busiest at eight in the evening, quietest at eight in the morning.
        let curve = 1.0 + 0.4 * ((day - 20.0 / 24.0) * TAU).cos();
        let mean = self.requests_per_s * curve;
        let noisy = mean + mean.sqrt() * (rng.f64() + rng.f64() + rng.f64() - 1.5) * 2.0;
        let (whole, part) = (noisy.max(0.0).trunc(), noisy.max(0.0).fract());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=20,000")]
        let whole = whole as u64;
        whole + u64::from(rng.f64() < part)
    }
}

/// One request: whether it failed, and how long it took.
struct Draw {
    failed: bool,
    ms: f64,
}

impl SlotState {
    fn draw(&self, step: i64, rng: &mut Rng) -> Draw {
        let healthy = Behaviour::default();
        let target = &self.behaviour;
        let share = self.share(step);
        let mix = |from: f64, to: f64| from + (to - from) * share;
        let failed = rng.f64() < mix(healthy.error_ratio, target.error_ratio);
        let mean = mix(healthy.mean_ms, target.mean_ms).max(0.1);
        let p95 = mix(healthy.p95_ms, target.p95_ms).max(mean);
        Draw { failed, ms: log_normal(mean, p95, rng) }
    }

    /// How far the behaviour has set in, 0 to 1.
    fn share(&self, step: i64) -> f64 {
        let since = match self.behaviour.starts {
            Starts::Always => Some(self.behaves_since),
            Starts::AfterSwitch { delay_s } => {
                self.serving_since.map(|since| since + i64::from(delay_s))
            }
        };
        let Some(since) = since else { return 0.0 };
        if step < since {
            return 0.0;
        }
        if self.behaviour.ramp_s == 0 {
            return 1.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds of a rehearsal")]
        let passed = (step - since) as f64;
        (passed / f64::from(self.behaviour.ramp_s)).min(1.0)
    }
}

impl Counters {
    fn count(&mut self, draw: &Draw) {
        if draw.failed {
            self.failed += 1;
        } else {
            self.ok += 1;
        }
        self.duration_s += draw.ms / 1000.0;
        let bucket = BUCKETS_MS.iter().position(|bound| draw.ms <= *bound);
        self.buckets[bucket.unwrap_or(BUCKETS_MS.len())] += 1;
    }

    pub fn requests(&self) -> u64 {
        self.ok + self.failed
    }
}

/// The generator of one step: what a step draws does not depend on the steps before it.
fn step_rng(seed: u64, step: i64) -> Rng {
    Rng::with_seed(seed ^ step.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A slot, by the share of its pods.
fn pick(rng: &mut Rng, slots: impl Iterator<Item = (Slot, u32)> + Clone) -> Option<Slot> {
    let total: u32 = slots.clone().map(|(_, pods)| pods).sum();
    if total == 0 {
        return None;
    }
    let mut place = rng.u32(0..total);
    for (slot, pods) in slots {
        if place < pods {
            return Some(slot);
        }
        place -= pods;
    }
    None
}

/// A time of the log-normal distribution with this mean and 95th percentile, milliseconds.
fn log_normal(mean: f64, p95: f64, rng: &mut Rng) -> f64 {
    // The 95th percentile of the normal distribution. p95/mean = exp(z·s - s²/2) has a solution
    // up to exp(z²/2), about 3.87; above that s = z comes closest.
    const Z: f64 = 1.644_853_6;
    let ratio = (p95 / mean).max(1.0).ln();
    let spread = Z - (Z * Z - 2.0 * ratio).max(0.0).sqrt();
    // Box and Muller; 1 - f64() is never 0.
    let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (TAU * rng.f64()).cos();
    mean * (spread * normal - spread * spread / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_writes_a_behaviour_as_it_would_say_it() {
        let text = "error_ratio: 0.2\nramp_s: 60\nstarts: {after_switch: {delay_s: 20}}\n";
        let behaviour: Behaviour = serde_yaml::from_str(text).expect("a behaviour");
        assert_eq!(behaviour.starts, Starts::AfterSwitch { delay_s: 20 });
        assert!((behaviour.mean_ms - Behaviour::default().mean_ms).abs() < f64::EPSILON);
        assert!(serde_yaml::from_str::<Behaviour>("eror_ratio: 0.2\n").is_err());
    }

    #[test]
    fn response_times_have_the_mean_and_the_percentile_asked_for() {
        let mut rng = Rng::with_seed(1);
        for (mean, p95) in [(45.0, 120.0), (2600.0, 6000.0), (100.0, 100.0)] {
            let mut times: Vec<f64> =
                (0..50_000).map(|_| log_normal(mean, p95, &mut rng)).collect();
            times.sort_by(f64::total_cmp);
            let average = times.iter().sum::<f64>() / 50_000.0;
            assert!((average / mean - 1.0).abs() < 0.03, "{average} for {mean}");
            assert!((times[47_500] / p95 - 1.0).abs() < 0.05, "{} for {p95}", times[47_500]);
        }
    }
}
