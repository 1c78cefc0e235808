//! One file for each subcommand: settings in, one call into the rooms, an exit out.

mod records;
mod rehearse;
mod releases;
mod show;
mod timeline;
mod verify;

pub use rehearse::{Flight, Output, list, prepare, rehearse};
pub use releases::releases;
pub use show::show;
pub use timeline::{Form, timeline};
pub use verify::verify;
