//! The one loop: decide, append, apply, start what is owed, publish. And the one handle through
//! which cockpits and headless clients see it, in this process or another.
//!
//! ```text
//! asks ───┐                                         ┌─▶ Feed ─▶ Follower ─▶ Snapshot (a cockpit)
//! answers ├─▶ one bounded channel ─▶ run ─▶ journal ┤
//! timers ─┘                           │             └─▶ Feed ─▶ socket ─▶ Feed elsewhere
//!                                     └─▶ world::perform ─▶ answers
//! ```

mod daemon;
mod feed;
mod flight;
pub mod handle;
mod job;
mod run;

pub use daemon::{DaemonError, drive};
pub use job::{Job, JobError, forget_last_words, last_words, leave_last_words};
pub use run::{Engine, EngineError, Launch, launch};
