//! Triage: what is new, what is the same thing told twice, and what would make it go away. Pure
//! functions over findings; they answer with places in the slices they were given, so that
//! 100,000 findings are never copied.

mod cause;
mod diff;
mod family;
mod fold;
mod remedy;
mod vex;

pub use cause::{Cause, by_fix};
pub use diff::{Diff, Status, diff, diff_keys};
pub use family::{FAMILIES, Family};
pub use fold::{Group, fold};
pub use remedy::{Remedy, smallest};
pub use vex::{Settlement, Statement, Statements, read_waived_note, waived_note};
