//! `gonogo show RELEASE`: one release in full.

use std::io::Write;

use color_eyre::eyre::Report;

use super::records;
use crate::error::Exit;
use crate::journal::Library;
use crate::report::summary;

/// Shows the release that `which` names; without a name the newest. Fails when there is none, or
/// it cannot be read; of a damaged journal it shows what verifies and exits as unreachable.
pub fn show(library: &Library, which: Option<&str>, out: &mut dyn Write) -> Result<Exit, Report> {
    let found = records::read(library, which)?;
    summary::write_lines(out, &summary::show(&found.release, &found.records))?;
    summary::write_lines(out, &found.repair.notes())?;
    Ok(found.exit())
}
