//! Snyk Code writes SARIF, which `sarif` reads. Without a token it prints a sentence instead, and
//! where its wrapper could not fetch the program itself nothing at all, with the exit code 0: both
//! are reports that cannot be read.

use super::formats::Exits;

/// 3 is for a project with nothing in it that Snyk supports.
pub(super) const EXITS: Exits =
    Exits { program: "snyk", well: &[0], findings: &[1], broken: &[2, 3] };
