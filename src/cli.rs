//! One file for each subcommand: settings in, one call into the rooms, an exit out.

mod ask;
mod dispatch;
mod engine;
mod findings;
mod reach;
mod records;
mod rehearse;
mod releases;
mod run;
mod show;
mod timeline;
mod verify;

pub use dispatch::dispatch;
pub use findings::{Ask as FindingsAsk, findings};
pub use rehearse::{Flight, prepare};
pub use releases::releases;
pub use show::show;
pub use timeline::{Form, timeline};
pub use verify::verify;
