//! gonogo: a release cockpit in the terminal.
//!
//! # The house
//!
//! Rooms, and the corridors between them. A room may use only rooms to its right; the doors that
//! are locked besides stand in `tests/tidy.rs`, which reads every `use crate::` and fails on any
//! other edge.
//!
//! ```text
//! main → cli → config → tui → report → engine → sim → world → journal → release
//! ```
//!
//! - [`release`]: the core. What a release is, what may happen next. Pure: no clock, I/O,
//!   randomness, terminal, async.
//! - [`journal`]: durable memory. One record a line, chained, on disk before anything is done.
//! - [`world`]: the only room that touches anything real: clock, processes, clusters, metrics.
//! - [`sim`]: rehearsal. Builds a `World` out of fakes at the wire.
//! - [`engine`]: the one loop. decide, append, apply, start what is owed, publish.
//! - [`report`]: words. One sentence per event; plain lines and JSON.
//! - [`tui`]: the cockpit.
//! - [`config`]: arguments and files into each room's own settings.
//! - [`cli`]: one file per subcommand.
//!
//! # What is always true
//!
//! - `release` never waits.
//! - Nothing but `Release::apply` changes the release.
//! - Nothing is done before it is on disk; the one exception is a rollback.
//! - There is no resume path: start and resume are "open the journal, fold, `Opened`".
//! - The screen never asks the world.
//! - A rehearsal differs from production in the `World` value and in nothing else.
//! - If it changes what happens next it is an event that carries its evidence or the digest of it;
//!   otherwise it is telemetry, lossy, never recorded.
//! - Raw samples are reduced in `world` to one evidence per window, the core counts, and every
//!   judged window is an event.
//! - An effect that cannot be observed does not compile.
//! - Gate logic lives in the core: key, palette, command line and socket pass the same function.
//!
//! # Reading order
//!
//! This page, `release/event.rs`, `release/decide.rs`, `engine/run.rs`, `tui/run.rs`.

pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod journal;
pub mod release;
pub mod report;
pub mod sim;
pub mod tui;
pub mod world;
