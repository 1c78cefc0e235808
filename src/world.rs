//! The only room that touches anything real: clock, processes, files, clusters, metrics.

mod clock;

pub use clock::Clock;
