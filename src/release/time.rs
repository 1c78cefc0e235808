//! Points in time as the core sees them: given, never asked for.

use jiff::Timestamp as Wall;
use serde::{Deserialize, Serialize};

/// One instant on both clocks of the machine that recorded it.
///
/// The wall clock is for people and may jump; durations come from the boot clock
/// (`CLOCK_BOOTTIME`, milliseconds since boot), which goes on while the machine sleeps (fault F26).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    pub wall: Wall,
    pub boot_ms: u64,
}

impl Timestamp {
    /// The beginning of both clocks, for what holds no moment at all.
    pub fn epoch() -> Self {
        Self { wall: Wall::UNIX_EPOCH, boot_ms: 0 }
    }

    /// Milliseconds since the Unix epoch on the wall clock.
    pub fn wall_ms(self) -> i64 {
        self.wall.as_millisecond()
    }
}

/// Names one boot of one machine; boot clocks of different boots cannot be compared.
pub type BootId = String;
