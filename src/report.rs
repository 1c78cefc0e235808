//! Words: one sentence per event, what the release needs next, the price of the way back. The
//! cockpit, the plain lines and the summaries all take their words from here, so that they cannot
//! say different things.

pub mod audit;
mod commands;
pub mod control;
mod document;
mod ends;
pub mod findings;
pub mod json;
pub mod line;
mod place;
pub mod plain;
pub mod postmortem;
mod sarif;
pub mod script;
pub mod summary;
mod table;
mod vex;
pub mod words;

pub use commands::commands;
pub use document::Document;
pub use ends::End;
