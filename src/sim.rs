//! Rehearsal: builds a `World` out of fakes at the wire.

mod actor;
pub mod apiserver;
pub mod database;
pub mod prometheus;
mod promql;
mod recorded;
pub mod scenario;
pub mod shop;
mod stage;
mod witness;

pub use stage::{Settings, StageError, Theatre, build, build_before};
pub use witness::{Answer, Deed, Fate, Wire, Witness};
