//! `gonogo report RELEASE`: each control of a release with the records that prove it.

use std::io::Write;

use color_eyre::eyre::Report;

use super::records;
use crate::error::Exit;
use crate::journal::Library;
use crate::report::control::control;
use crate::report::summary::write_lines;

/// Reports on the release that `which` names; without a name the newest. Notes about a journal
/// that cannot be read whole go to `notes`.
pub fn report(
    library: &Library,
    which: Option<&str>,
    html: bool,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<Exit, Report> {
    let found = records::read(library, which)?;
    let document = control(&found.records);
    write_lines(out, &if html { document.html() } else { document.markdown() })?;
    write_lines(notes, &found.repair.notes())?;
    Ok(found.exit())
}
