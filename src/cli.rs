//! One file for each subcommand: settings in, one call into the rooms, an exit out.

mod rehearse;

pub use rehearse::{Flight, Output, list, prepare, rehearse};
