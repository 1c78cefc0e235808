//! One file for each subcommand: settings in, one call into the rooms, an exit out.

mod ask;
mod dispatch;
mod engine;
mod findings;
mod plain;
mod policy;
mod reach;
mod records;
mod rehearse;
mod releases;
mod replay;
mod report;
mod run;
mod shelf;
mod show;
mod timeline;
mod verify;

pub use dispatch::{asked, dispatch};
pub use findings::{Ask as FindingsAsk, findings, waivers_of};
pub use rehearse::{Flight, prepare, script_of};
pub use releases::releases;
pub use replay::{Stage, replay};
pub use report::report;
pub use show::show;
pub use timeline::{Form, timeline};
pub use verify::verify;
