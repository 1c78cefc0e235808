//! Reads what scanners, linters and test runners report, into one model.
//!
//! A plan's step names the command; a reader knows only what the program then writes. It is a
//! pure function from a stream to findings, given out one after the other, and a [`Summary`]; or
//! to a [`ReadError`] that names the tool and the byte. It never guesses: a report that is cut,
//! empty or of another form is an error, and one that looked at nothing is `NotScanned`, never
//! clean. Exit codes lie both ways, so each program's stand beside its reader, and may only make a
//! report worse.

mod bom;
mod cargo;
mod checkov;
mod conftest;
mod cosign;
mod coverage;
mod cyclonedx;
mod defender;
mod file;
mod flyway;
mod formats;
mod gitleaks;
mod grype;
mod guess;
mod hadolint;
mod held;
mod jest;
mod json;
mod junit;
mod k6;
mod kubebench;
mod kubesec;
mod libtest;
mod lines;
mod mocha;
mod newman;
mod osv;
mod outcomes;
mod playwright;
mod report;
mod sarif;
mod secret;
mod semgrep;
mod snyk;
mod sonarqube;
mod spdx;
mod terraform;
mod tfsec;
mod trivy;
mod vex;
mod wapiti;
mod xml;
mod zap;

pub use bom::{BomDiff, components, diff};
pub use file::{FileError, read_file};
pub use formats::TOOLS;
pub use guess::{GUESS_BYTES, guess};
pub use held::Held;
pub use report::{FINDINGS_MAX, Origin, ReadError, Report, Summary, WORST_MAX, hold, read, stream};
pub use secret::{Key, conceal_report};
pub use vex::{VexError, read_vex};
