//! Reads what scanners, linters and test runners report, into one model.
//!
//! A reader is a pure function from bytes to a [`Report`], or to a [`ReadError`] that names the
//! tool and the place. It never guesses: a report that is cut, empty or of another form is an
//! error, and one that looked at nothing is `NotScanned`, never clean.

mod cargo;
mod junit;
mod libtest;
mod report;
mod sarif;

pub use report::{FINDINGS_MAX, REPORT_BYTES_MAX, ReadError, Report, WORST_MAX, read};
