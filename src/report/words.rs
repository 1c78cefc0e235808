//! What is said about a release, for eyes at three in the morning: numbers with units, times in
//! UTC, who acted, and never a bare colour.

mod headline;
mod next;
mod price;
mod sentence;
mod span;
mod time_left;

pub use headline::{headline, result_word, state};
pub use next::{Next, next};
pub use price::undo;
pub use sentence::sentence;
pub use span::{age, bytes, count, duration, plural, utc};
pub use time_left::{eta, slower, step_left_ms, took_ms, wall_of};
