//! The handle over a unix socket: a cockpit in another process sees the same as one in this.
//!
//! The socket is closed to every other user three times over: the folder (0700), the file (0600),
//! and the peer's uid as the kernel tells it (threat T20). A client that reads slowly, or not at
//! all, costs the engine nothing: nothing is queued for it. Records are read from the feed at the
//! client's own place, and of the live picture it gets the newest.

mod client;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

pub use self::client::connect;
pub use self::server::{deserted, serve};
pub use super::wire::{PROTOCOL, Wants};
use crate::release::{Clean, Person};
use crate::world::Clock;
use crate::world::disk::DiskError;

/// How the two ends keep time. All of it by the machine's own clock, in a rehearsal too.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The shortest time between two live pictures to one client.
    pub live: Duration,
    /// After this long without news the server says that it is there.
    pub beat: Duration,
    /// After this long without a word a client takes the link for lost.
    pub silence: Duration,
    /// How long either end waits for the other's hello.
    pub hello: Duration,
    /// A client that has not taken what it was sent after this long is dropped.
    pub stall: Duration,
    /// The first and the longest pause between two attempts to connect again.
    pub retry: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            live: Duration::from_millis(33),
            beat: Duration::from_secs(5),
            silence: Duration::from_secs(16),
            hello: Duration::from_secs(5),
            stall: Duration::from_secs(30),
            retry: (Duration::from_millis(50), Duration::from_secs(2)),
        }
    }
}

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The machine's own clock.
    pub clock: Clock,
    /// Which gonogo this is; a client of another one may watch and roll back.
    pub build: Clean,
    /// Hears how many clients are connected.
    pub clients: watch::Sender<usize>,
    pub pace: Pace,
}

/// What a client is told.
#[derive(Clone, Debug)]
pub struct Attaching {
    /// The machine's own clock.
    pub clock: Clock,
    pub build: Clean,
    /// Who sits there: `world::machine::user_name()`. The server knows by itself and compares.
    pub person: Person,
    pub wants: Wants,
    pub pace: Pace,
}

/// Why a socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("serve {}: an engine answers there already", .0.display())]
    Occupied(PathBuf),
    #[error("serve the socket: {0}")]
    Disk(#[from] DiskError),
    #[error("serve {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// Why there is no link to an engine.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("reach an engine: there is no socket at {}", .0.display())]
    NoSocket(PathBuf),
    #[error("reach an engine: the one at {} is gone; its socket was left behind", .0.display())]
    Dead(PathBuf),
    /// The engine does not want this client, or the client this engine.
    #[error("attach: {why}")]
    Refused { why: Clean },
    /// The two speak different versions of the protocol.
    #[error("attach: {why}")]
    Version { why: Clean },
    #[error("attach: the engine at {} does not answer", .0.display())]
    Silent(PathBuf),
    #[error("reach the engine at {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}
