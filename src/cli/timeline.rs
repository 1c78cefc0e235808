//! `gonogo timeline RELEASE`: every record of a release in words, as a post-mortem in Markdown, or
//! as it is.

use std::io::Write;

use color_eyre::eyre::Report;

use super::records;
use crate::error::Exit;
use crate::journal::Library;
use crate::report::postmortem::postmortem;
use crate::report::{json, summary};

/// How a timeline is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Text,
    Markdown,
    /// NDJSON, the journal's own records.
    Json,
}

/// Tells the release that `which` names; without a name the newest. Notes about a journal that
/// cannot be read whole go to `notes`, so that the timeline itself stays clean.
pub fn timeline(
    library: &Library,
    which: Option<&str>,
    form: Form,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<Exit, Report> {
    let found = records::read(library, which)?;
    match form {
        Form::Text => summary::write_lines(out, &summary::timeline(&found.records))?,
        Form::Markdown => summary::write_lines(out, &postmortem(&found.records).markdown())?,
        Form::Json => {
            for record in &found.records {
                json::write_record(out, record)?;
            }
            out.flush()?;
        }
    }
    summary::write_lines(notes, &found.repair.notes())?;
    Ok(found.exit())
}
