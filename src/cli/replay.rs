//! `gonogo replay RELEASE`: plays a journal on the real screens, or tells it in lines.

use std::io::Write;
use std::sync::Arc;

use color_eyre::eyre::{Report, WrapErr as _};

use super::records;
use crate::engine::handle::Tape;
use crate::error::Exit;
use crate::journal::Library;
use crate::release::Clean;
use crate::report::line::{self, LineSettings};
use crate::report::summary::write_lines;
use crate::tui;
use crate::world::machine::terminal_at_once;

/// How a replay is shown.
pub enum Stage {
    /// On the screens, so many times as fast as it was.
    Screens(Box<tui::Settings>, f64),
    /// In lines, at once.
    Lines,
}

/// Plays the release that `which` names; without a name the newest. Nothing is asked or changed.
pub async fn replay(
    library: &Library,
    which: Option<&str>,
    stage: Stage,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    let found = records::read(library, which)?;
    let id = found.release.id.clone();
    let exit = found.exit();
    let steps = library.folder(&id).join("steps");
    let all = found.records.into_iter().map(Arc::new).collect();
    let mut tape = Tape::new(id.clone(), all, steps);
    match stage {
        Stage::Screens(settings, speed) => {
            tui::replay(tape, *settings, speed, terminal_at_once())
                .await
                .wrap_err("failed to show the replay")?;
        }
        Stage::Lines => {
            let head = format!("REPLAY of {id}: this has happened, nothing happens now");
            write_lines(out, &[Clean::new(&head)])?;
            let settings = LineSettings::new(|release, _| Exit::of_result(release).code());
            line::replay(&mut tape, out, settings).wrap_err("failed to print")?;
            write_lines(out, &[Clean::new(&format!("REPLAY of {id} ends"))])?;
        }
    }
    write_lines(out, &found.repair.notes())?;
    Ok(exit)
}
