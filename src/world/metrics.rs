//! Metrics: a strict client of the Prometheus HTTP API. What cannot be read exactly is no reading,
//! with a reason, and never a zero (faults F44 to F48).

mod client;
mod query;
mod reply;

pub use client::{LiveSamples, Metrics, MetricsSettings, SlotWindow};
pub use query::{BadQuery, SlotQueries};
pub use reply::{NoReading, Point};
