//! What time alone will bring. Derived from recorded times, never from memory.

use super::{GateResult, Hold, Release, Timer, Timestamp};

/// The next timer of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Milliseconds since the release started.
    pub at_ms: u64,
    pub timer: Timer,
}

impl Due {
    /// The same moment on the boot clock, seen from `now`.
    pub fn boot_ms(&self, release: &Release, now: Timestamp) -> u64 {
        let left = self.at_ms.saturating_sub(release.elapsed_ms(now));
        now.boot_ms.saturating_add(left)
    }
}

/// The earliest timer, if time alone changes anything.
pub fn due(release: &Release) -> Option<Due> {
    if release.result.is_some() {
        return None;
    }
    let gate = release.gate.as_ref().filter(|gate| gate.closed.is_none());
    let expires = gate.map(|gate| Due {
        at_ms: gate.expires_ms,
        timer: Timer::GateExpires { stage: gate.stage.clone() },
    });
    let gives_up = release.hold.as_ref().and_then(|held| match held.hold {
        Hold::Failed { .. } => {
            let window_s = release.policy()?.retry_window_s;
            let at_ms = held.since_ms.saturating_add(window_s.saturating_mul(1000));
            Some(Due { at_ms, timer: Timer::RetryWindowEnds })
        }
        _ => None, // tidy: no other hold gives up by itself
    });
    expires.into_iter().chain(gives_up).min_by_key(|due| due.at_ms)
}

impl Timer {
    /// Whether the timer is still the one that is due; a late one changes nothing.
    pub(super) fn is_due(&self, release: &Release, now: Timestamp) -> bool {
        due(release).is_some_and(|due| &due.timer == self && due.at_ms <= release.elapsed_ms(now))
    }

    /// The result of a gate that this timer closes.
    pub(super) fn gate_result(&self) -> Option<GateResult> {
        match self {
            Self::GateExpires { .. } => Some(GateResult::Expired),
            Self::RetryWindowEnds => None,
        }
    }
}
