//! What the history commands share: a release by its name, and its records as far as they verify.

use color_eyre::eyre::Report;

use crate::error::{Exit, Failure};
use crate::journal::{FindError, Journal, Library, Mode, Repair};
use crate::release::{Record, Release, ReleaseId};

/// A release out of the library.
pub(super) struct Found {
    pub(super) release: Release,
    pub(super) records: Vec<Record>,
    /// What was found when its journal was opened; nothing is repaired by reading.
    pub(super) repair: Repair,
}

impl Found {
    /// Not all of it could be read.
    pub(super) fn exit(&self) -> Exit {
        let whole = self.repair.damage.is_none() && self.repair.foreign.is_empty();
        if whole { Exit::Released } else { Exit::Unreachable }
    }
}

/// The release that `which` names by its id or the start of it; without a name the newest.
pub(super) fn name(library: &Library, which: Option<&str>) -> Result<ReleaseId, Report> {
    let Some(which) = which else {
        let newest = library.list()?.into_iter().next();
        let none = Failure::new(Exit::Usage, "there are no releases yet")
            .with_hint("`gonogo run` starts one, `gonogo rehearse` needs nothing installed");
        return newest.map(|entry| entry.id).ok_or_else(|| none.into());
    };
    library.find(which).map_err(|error| match error {
        FindError::None { .. } | FindError::Many { .. } => {
            Failure::new(Exit::Usage, error.to_string())
                .with_hint("`gonogo releases` lists them; the start of an id is enough")
                .into()
        }
        FindError::Library(error) => error.into(),
    })
}

/// Reads and folds a release, changing nothing.
pub(super) fn read(library: &Library, which: Option<&str>) -> Result<Found, Report> {
    let id = name(library, which)?;
    let (_, records, repair) = Journal::open(&library.folder(&id), Mode::Watch)?;
    let mut release = Release::new(id);
    for record in &records {
        release.apply(record);
    }
    Ok(Found { release, records, repair })
}
