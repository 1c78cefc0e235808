//! Rehearsal: builds a `World` out of fakes at the wire.

pub mod apiserver;
pub mod database;
pub mod prometheus;
mod promql;
pub mod shop;
