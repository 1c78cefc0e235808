//! `gonogo releases`: every release, the newest first.

use std::io::Write;

use color_eyre::eyre::Report;

use crate::error::Exit;
use crate::journal::{Entry, Library, Newest};
use crate::release::{Clean, Timestamp};
use crate::report::summary::{self, ReleaseRow};
use crate::report::words::result_word;

/// Lists the releases. Fails when the state directory or `out` cannot be used.
pub fn releases(library: &Library, out: &mut dyn Write) -> Result<Exit, Report> {
    let rows: Vec<ReleaseRow> = library.list()?.iter().map(row).collect();
    summary::write_lines(out, &summary::releases(&rows))?;
    Ok(Exit::Released)
}

fn row(entry: &Entry) -> ReleaseRow {
    let Some(started) = &entry.started else {
        let why = entry.trouble.clone().unwrap_or_else(|| "it broke off before it started".into());
        return ReleaseRow::unreadable(entry.id.clone(), &why);
    };
    let wall_ms = |wall| Timestamp { wall, boot_ms: 0 }.wall_ms();
    let took_ms = entry
        .newest
        .as_ref()
        .and_then(|newest| u64::try_from(wall_ms(newest.at) - wall_ms(started.at)).ok());
    let rehearsal = if started.rehearsal { "REHEARSAL, " } else { "" };
    ReleaseRow {
        id: entry.id.clone(),
        started: Clean::new(&started.at.strftime("%Y-%m-%d %H:%MZ").to_string()),
        by: Clean::new(started.by.as_str()),
        revision: Clean::new(started.revision.short()),
        branch: started.branch.clone(),
        state: Clean::new(&format!("{rehearsal}{}", state(entry))),
        took_ms,
    }
}

/// How it ended, or who drives it, or that nobody does.
pub(super) fn state(entry: &Entry) -> String {
    let trouble = entry.trouble.as_ref().map_or(String::new(), |why| format!(", {why}"));
    if let Some(result) = &entry.result {
        return format!("{}{trouble}", result_word(result));
    }
    let last =
        entry.newest.as_ref().map_or(String::new(), |Newest { kind, .. }| format!(", last {kind}"));
    match &entry.holder {
        Some(holder) if entry.driven => {
            format!("running on {}, pid {}{last}{trouble}", holder.host, holder.pid)
        }
        Some(_) | None if entry.driven => format!("running{last}{trouble}"),
        Some(_) | None => format!("NOBODY DRIVES IT{last}{trouble}"),
    }
}
