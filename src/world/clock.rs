//! The only clock. Live time, scaled time for a rehearsal, paused time for tests: all three are
//! this one type, so nobody downstream can tell which it is.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp as Wall};
use tokio::sync::watch;

use crate::release::Timestamp;

/// Tells the time and waits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock {
    face: Face,
}

#[derive(Clone, Debug)]
enum Face {
    /// The machine's own clocks.
    Live,
    /// Time that starts at `wall` and runs `speed` times as fast as tokio's clock, which tests
    /// and `--auto` pause.
    Simulated {
        wall: Wall,
        speed: f64,
        since: tokio::time::Instant,
        stopped: Arc<OnceLock<Duration>>,
    },
    /// Time that is wherever its hands were put: a replay's.
    ByHand(watch::Receiver<Timestamp>),
}

/// The hands of a clock made by [`Clock::by_hand`].
#[derive(Debug)]
pub struct Hands {
    time: watch::Sender<Timestamp>,
}

impl Hands {
    pub fn set(&self, now: Timestamp) {
        self.time.send_replace(now);
    }
}

impl Clock {
    pub fn live() -> Self {
        Self { face: Face::Live }
    }

    /// A clock that shows `wall` now and then runs `speed` times as fast as tokio's clock.
    ///
    /// It must be made inside the runtime whose time it follows.
    pub fn simulated(wall: Wall, speed: f64) -> Self {
        let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
        let (since, stopped) = (tokio::time::Instant::now(), Arc::default());
        Self { face: Face::Simulated { wall, speed, since, stopped } }
    }

    /// Stops simulated time where it is, for every copy of this clock and for good: whoever waits
    /// for a later time waits for ever. Other time goes on.
    pub fn stand_still(&self) {
        if let Face::Simulated { since, stopped, .. } = &self.face {
            // One that stands still already stays where it is.
            let _ = stopped.set(since.elapsed());
        }
    }

    /// A clock that shows `now` until its hands are moved.
    pub fn by_hand(now: Timestamp) -> (Self, Hands) {
        let (time, face) = watch::channel(now);
        (Self { face: Face::ByHand(face) }, Hands { time })
    }

    pub fn now(&self) -> Timestamp {
        match &self.face {
            Face::ByHand(time) => *time.borrow(),
            Face::Live => Timestamp { wall: wall_now(), boot_ms: boot_ms() },
            Face::Simulated { wall, speed, since, stopped } => {
                let past = stopped.get().copied().unwrap_or_else(|| since.elapsed());
                let past = past.mul_f64(*speed);
                let past_signed = SignedDuration::try_from(past).unwrap_or(SignedDuration::MAX);
                let wall = wall.saturating_add(past_signed).unwrap_or(*wall);
                let boot_ms = u64::try_from(past.as_millis()).unwrap_or(u64::MAX);
                Timestamp { wall, boot_ms }
            }
        }
    }

    /// Waits for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        let until = self.now().boot_ms.saturating_add(millis(duration));
        self.sleep_until(until).await;
    }

    /// Waits until the boot clock shows `boot_ms`.
    ///
    /// A live wait looks at the boot clock at least every ten seconds, because tokio's own clock
    /// stops while the machine sleeps (fault F26).
    pub async fn sleep_until(&self, boot_ms: u64) {
        if let Face::ByHand(time) = &self.face {
            let mut time = time.clone();
            if time.wait_for(|now| now.boot_ms >= boot_ms).await.is_err() {
                // Nobody moves the hands any more, so that time never comes.
                std::future::pending::<()>().await;
            }
            return;
        }
        loop {
            let left = boot_ms.saturating_sub(self.now().boot_ms);
            if left == 0 {
                return;
            }
            let wait = match &self.face {
                Face::Live | Face::ByHand(_) => Duration::from_millis(left.min(10_000)),
                Face::Simulated { stopped, .. } if stopped.get().is_some() => {
                    return std::future::pending().await;
                }
                Face::Simulated { speed, .. } => {
                    // Rounded up to tokio's grain of one millisecond, so that it never spins.
                    Duration::from_millis(left).div_f64(*speed).max(Duration::from_millis(1))
                }
            };
            #[expect(clippy::disallowed_methods, reason = "this is world::clock")]
            tokio::time::sleep(wait).await;
        }
    }

    /// `future`'s output, or none when `limit` of this clock's time passes first.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(limit) => None,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is world::clock")]
fn wall_now() -> Wall {
    Wall::now()
}

/// Milliseconds since boot, sleep included.
fn boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_runs_at_its_speed_and_costs_nothing_when_paused() {
        let start: Wall = "2026-11-23T02:41:00Z".parse().expect("a time");
        let clock = Clock::simulated(start, 10.0);
        clock.sleep(Duration::from_secs(600)).await;
        let now = clock.now();
        assert!(now.boot_ms >= 600_000 && now.boot_ms < 600_100, "{}", now.boot_ms);
        assert!(now.wall_ms() - start.as_millisecond() >= 600_000);
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_stands_still_moves_no_copy_and_ends_no_wait() {
        let clock = Clock::simulated("2026-11-23T02:41:00Z".parse().expect("a time"), 2.0);
        let copy = clock.clone();
        copy.sleep(Duration::from_secs(1)).await;
        let before = copy.now();
        clock.stand_still();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(copy.now(), before);
        let live = Clock::live();
        assert_eq!(live.within(Duration::from_millis(20), copy.sleep(MOMENT)).await, None);
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn within_gives_up_at_its_limit() {
        let clock = Clock::simulated("2026-11-23T02:41:00Z".parse().expect("a time"), 1.0);
        let never = clock.within(Duration::from_secs(5), std::future::pending::<()>()).await;
        assert_eq!(never, None);
        assert_eq!(clock.within(Duration::from_secs(5), async { 7 }).await, Some(7));
    }
}
