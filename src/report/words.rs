//! What is said about a release, for eyes at three in the morning: numbers with units, times in
//! UTC, who acted, and never a bare colour.

mod call;
mod card;
mod debrief;
mod headline;
mod matrix;
mod next;
mod price;
mod sentence;
mod span;
mod time_left;

pub use call::{
    GUARDS, backup_line, calls, kept_name, moving, needs_arming, policy_call, restore_calls,
    restore_phases, switch_calls, verified_backups, waive_call,
};
pub use card::{Point, Tone, findings_points, layer_points};
pub use debrief::{Debrief, Moment, debrief};
pub use headline::{headline, result_word, state};
pub use matrix::{Trouble, Wrong, ours, price, wrong};
pub use next::{Next, next};
pub use price::undo;
pub use sentence::sentence;
pub use span::{age, bytes, count, duration, plural, utc};
pub use time_left::{eta, expected_ms, moment, slower, step_left_ms, took_ms, wall_of};
