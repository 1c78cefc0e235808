//! The only room that touches anything real: clock, processes, files, clusters, metrics.

mod clock;
pub mod disk;
pub mod kubernetes;
pub mod logpipe;
pub mod metrics;
pub mod notify;
pub mod postgres;
pub mod probe;
pub mod shell;
pub mod tools;
pub mod web;
pub mod workspace;

pub use clock::Clock;
