//! Seeds: random releases in random worlds under random hands, whose engines die at random. After
//! every record the invariants hold, whatever came before (G5, G9, G11; A4).
//!
//! `GONOGO_SEEDS` says how many seeds run; `GONOGO_SEED` runs one again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use gonogo::engine::handle::{Follower, Handle, Link};
use gonogo::release::{
    AfterRollback, Ask, Clean, Command, OnUnknown, Person, Principal, Release, Slot, Via, owed,
};
use gonogo::sim::apiserver::{Apiserver, Exit};
use gonogo::sim::database::DatabaseFaults;
use gonogo::sim::{Fate, scenario};

use crate::core::rules::{all_asks, check_state};
use crate::flight::{
    Eyes, Flight, Scene, Trouble, fly, fold, must_hold, real_ms, seconds_since, tell,
};

/// As many as one run of all tests has time for.
const SEEDS: u64 = 12;
/// The first one; a night's run starts anywhere else by `GONOGO_SEED`.
const FIRST: u64 = 1;
/// A release that has not ended by then is left as it is, in its own time.
const EVENING: Duration = Duration::from_secs(40 * 60);

/// What one seed met.
#[derive(Default)]
struct Met {
    records: usize,
    crashes: u32,
    asks: u32,
    troubled: u64,
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "tests are told here how much to prove")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn g5_random_releases_in_random_worlds_keep_every_invariant() {
    let began = real_ms();
    let one = setting("GONOGO_SEED");
    let count = setting("GONOGO_SEEDS").unwrap_or(if one.is_some() { 1 } else { SEEDS });
    let first = one.unwrap_or(FIRST);
    let mut all = Met::default();
    for seed in first..first.saturating_add(count) {
        match catch_unwind(AssertUnwindSafe(|| fly(release(seed)))) {
            Ok(met) => {
                all.records += met.records;
                all.crashes += met.crashes;
                all.asks += met.asks;
                all.troubled += met.troubled;
            }
            Err(panic) => {
                tell(&format!("GONOGO_SEED={seed} cargo test seeds"));
                resume_unwind(panic);
            }
        }
    }
    let Met { records, crashes, asks, troubled } = all;
    let took = seconds_since(began);
    tell(&format!(
        "seeds: {count} from {first}, {records} records, {crashes} crashes, {asks} asks, \
         {troubled} failed requests in {took}"
    ));
    assert!(one.is_some() || (crashes > 0 && asks > 0 && troubled > 0), "the dice are loaded");
}

fn scene(dice: &mut Rng, seed: u64) -> Scene {
    let names = ["happy", "happy", "bad-release", "crash-loop", "slow", "no-data", "api-outage"];
    let mut scene = Scene::short(names[dice.usize(..names.len())]);
    scene.seed = seed;
    scene.attended = dice.bool();
    scene.plan.jobs = dice.u32(1..4);
    let rollout = &mut scene.policy.rollout;
    rollout.after_rollback =
        if dice.bool() { AfterRollback::Keep } else { AfterRollback::ScaleDown };
    rollout.promote_unattended = dice.u8(..8) == 0;
    rollout.automatic_rollback = dice.u8(..8) != 0;
    scene.policy.monitor.on_unknown =
        if dice.u8(..4) == 0 { OnUnknown::RollBack } else { OnUnknown::Hold };
    scene.policy.monitor.duration_s = 45;
    scene.policy.approval.required = 1 + u32::from(dice.u8(..6) == 0);
    if dice.u8(..6) == 0 {
        let step = "verify.newman".parse().expect("an id");
        scene.scenario.steps.insert(step, scenario::Play { exit: 1, ..<_>::default() });
    }
    scene
}

/// One release from its start to its end, or to the end of the evening.
async fn release(seed: u64) -> Met {
    let mut dice = Rng::with_seed(seed);
    let mut flight = Flight::new(&scene(&mut dice, seed));
    let clock = flight.clock();
    let until = clock.now().boot_ms + u64::try_from(EVENING.as_millis()).expect("small");
    let weather = tokio::spawn(weather(
        flight.theatre.cluster.clone(),
        flight.theatre.database.clone(),
        Arc::clone(&flight.eyes),
        clock.clone(),
        dice.fork(),
    ));
    let mut met = Met::default();
    loop {
        let mut fuse = Duration::MAX;
        match dice.u8(..5) {
            0 | 1 => {
                let line = flight.book.lines().len() + dice.usize(1..24);
                flight.book.die_at_line(Some(line));
            }
            2 => {
                let deed = flight.eyes.deeds().len() + dice.usize(1..12);
                flight.eyes.die_at_deed(Some(deed));
            }
            3 => fuse = Duration::from_millis(dice.u64(1..90_000)),
            _ => {}
        }
        let (handle, engine) = flight.opens();
        let mut follower = handle.follow();
        let mut hands = Hands { dice: dice.fork(), asks: 0 };
        let (eyes, book) = (Arc::clone(&flight.eyes), flight.book.clone());
        let over = tokio::select! {
            biased;
            () = eyes.died.notified() => false,
            () = book.died.notified() => false,
            () = clock.sleep(fuse.min(EVENING)) => fuse == Duration::MAX,
            ended = engine.run() => panic!("the engine left by itself: {ended:?}"),
            () = hands.meddle(&handle, until) => true,
        };
        met.asks += hands.asks;
        flight.book.die_at_line(None);
        flight.eyes.die_at_deed(None);
        // What was shown to anybody is on record.
        follower.catch_up();
        let records = flight.book.records();
        let shown = &follower.snapshot().records;
        assert!(shown.len() <= records.len(), "more was shown than is on record");
        assert!(shown.iter().zip(&records).all(|(shown, record)| **shown == *record), "I2");
        let folded = fold(&records[..shown.len()]);
        assert!(
            follower.snapshot().release == folded,
            "I1, I25: what a follower folded is not what the records give"
        );
        if over || clock.now().boot_ms >= until {
            break;
        }
        met.crashes += 1;
        clock.sleep(Duration::from_millis(dice.u64(..20_000))).await;
    }
    weather.abort();
    let records = flight.book.records();
    must_hold(&records, &flight.eyes.deeds(), &format!("seed {seed}"));
    check_state(&fold(&records));
    met.records = records.len();
    met.troubled = flight.eyes.troubled();
    met
}

/// What happens to the world by itself, now and then.
async fn weather(
    cluster: Apiserver,
    database: gonogo::sim::database::SimDatabase,
    eyes: Arc<Eyes>,
    clock: gonogo::world::Clock,
    mut dice: Rng,
) {
    let fates = [
        Fate::Refused,
        Fate::Lost,
        Fate::Silent,
        Fate::Status(429),
        Fate::Status(500),
        Fate::Status(503),
        Fate::Status(403),
    ];
    loop {
        clock.sleep(Duration::from_millis(dice.u64(500..40_000))).await;
        let app = if dice.bool() { "backend" } else { "frontend" };
        let slot = if dice.bool() { Slot::Blue } else { Slot::Green };
        match dice.u8(..14) {
            0..=4 => {
                let (nth, count) = (dice.u64(1..30), dice.u64(1..12));
                let fate = fates[dice.usize(..fates.len())];
                eyes.trouble(Some(Trouble { nth, count, fate }));
            }
            5 => cluster.outage(Duration::from_secs(dice.u64(1..45))),
            6 => cluster.kill_containers(app, slot, Exit::Error),
            7 => {
                cluster.set_ready(app, slot, false);
                clock.sleep(Duration::from_secs(dice.u64(1..40))).await;
                cluster.set_ready(app, slot, true);
            }
            8 => cluster.break_watches(),
            9 => cluster.compact_history(),
            10 => {
                database.set_faults(DatabaseFaults { unreachable: true, ..<_>::default() });
                clock.sleep(Duration::from_secs(dice.u64(1..20))).await;
                database.set_faults(DatabaseFaults::default());
            }
            11 => {
                let faults = DatabaseFaults { restore_fails: true, ..<_>::default() };
                database.set_faults(faults);
            }
            _ => {}
        }
    }
}

/// People at the keys: mostly they do what is asked of them, sometimes anything at all.
struct Hands {
    dice: Rng,
    asks: u32,
}

impl Hands {
    async fn meddle(&mut self, handle: &Handle, until: u64) {
        let mut follower = handle.follow();
        let clock = handle.clock().clone();
        let mut late = self.dice.u32(..4);
        while clock.now().boot_ms < until {
            let pause = Duration::from_millis(self.dice.u64(1..15_000));
            clock.sleep(pause).await;
            follower.catch_up();
            assert_eq!(follower.snapshot().link, Link::Live);
            let release = &follower.snapshot().release;
            if release.result.is_some() && owed(release).is_empty() {
                if late == 0 {
                    return;
                }
                late -= 1;
            }
            if let Some(ask) = self.ask(release) {
                self.asks += 1;
                self.presses(handle, &follower, ask).await;
            }
        }
    }

    async fn presses(&mut self, handle: &Handle, follower: &Follower, ask: Ask) {
        let name = ["ada", "ben", "mira"][self.dice.usize(..3)];
        let person = Person::new(name).expect("a name");
        let by = Principal { person, via: Via::Cockpit, key: None };
        // Eyes are a little behind, now and then.
        let head = follower.snapshot().release.head;
        let seen = if self.dice.u8(..6) == 0 { None } else { head };
        // A refusal is an answer.
        let _ = handle.ask(Command { by, seen, ask }).await;
    }

    fn ask(&mut self, release: &Release) -> Option<Ask> {
        let comment = Clean::new("because");
        if self.dice.u8(..5) == 0 {
            let all = all_asks(release);
            return Some(all[self.dice.usize(..all.len())].clone());
        }
        if release.hold.is_some() {
            return Some(match self.dice.u8(..8) {
                0..=4 => Ask::Retry,
                5 => Ask::Override { comment },
                6 => Ask::RollBack { comment },
                _ => Ask::Abort { comment },
            });
        }
        if release.open_gate().is_some() {
            return Some(Ask::Approve { comment });
        }
        let to = release.rollout.to.filter(|_| release.awaits_switch())?;
        Some(Ask::Switch { to })
    }
}
