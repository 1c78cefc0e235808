//! The only room that touches anything real: clock, processes, files, clusters, metrics.

mod clock;
pub mod disk;
pub mod kubernetes;
mod live;
pub mod logpipe;
pub mod machine;
pub mod metrics;
pub mod notify;
pub mod postgres;
pub mod probe;
pub mod shell;
pub mod stored;
pub mod tools;
pub mod web;
pub mod workspace;

mod perform;
mod place;

pub use clock::{Clock, Hands};
pub use live::{LiveError, LiveSettings, NotifyChannel, live, missing};
pub use perform::{end, observe, perform, watch};
pub use place::{Board, Probe, Reporter, Site, World};
