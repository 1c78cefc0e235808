//! The other releases, as a cockpit is told of them: the journals' library behind the screens'.

use std::sync::Arc;

use super::reach::{DRIVE, Local};
use super::{policy, records, releases};
use crate::engine::handle::Handle;
use crate::journal::Entry;
use crate::release::{Clean, Release, ReleaseId, ReleaseResult, Timestamp};
use crate::tui::{self, Opening, PolicyReading, Row, Shelf, Standing};

/// This machine's releases, through its library and its engines' sockets.
#[derive(Clone)]
pub(super) struct Releases {
    local: Arc<Local>,
}

impl std::fmt::Debug for Releases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Releases").finish_non_exhaustive()
    }
}

impl Releases {
    pub(super) fn new(local: Local) -> Self {
        Self { local: Arc::new(local) }
    }
}

fn words(error: impl std::fmt::Display) -> Clean {
    Clean::new(&error.to_string())
}

impl tui::Library for Releases {
    fn list(&self) -> Result<Shelf, Clean> {
        let library = self.local.library();
        let entries = library.list().map_err(words)?;
        let mut environments: Vec<&Clean> = entries
            .iter()
            .filter_map(|entry| entry.started.as_ref())
            .filter(|started| !started.rehearsal)
            .map(|started| &started.environment)
            .collect();
        environments.sort_by_key(|name| name.as_str());
        environments.dedup();
        let held = |name: &&Clean| library.environment_is_free(name).err().map(words);
        let locks = environments.iter().filter_map(held).collect();
        Ok(Shelf { rows: entries.iter().map(row).collect(), locks })
    }

    fn read(&self, id: &ReleaseId) -> Result<Release, Clean> {
        let found = records::read(&self.local.library(), Some(id.as_str()));
        found.map(|found| found.release).map_err(words)
    }

    fn open(&self, id: ReleaseId) -> Opening {
        let local = Arc::clone(&self.local);
        Box::pin(async move {
            let entry = local.library().entry(&id);
            let rehearsal = entry.started.as_ref().is_some_and(|started| started.rehearsal);
            // A rehearsal lives in the process that flies it; from elsewhere it is history.
            if entry.result.is_none() && !rehearsal {
                return local.reach(&id, DRIVE).await.map_err(words);
            }
            let past = tokio::task::spawn_blocking(move || past(&local, &id));
            past.await.unwrap_or_else(|error| Err(words(error)))
        })
    }

    fn policy(&self, release: Release) -> PolicyReading {
        let local = Arc::clone(&self.local);
        Box::pin(async move { policy::read(&local, &release, None).await.map_err(words) })
    }
}

/// A release as its journal tells it.
fn past(local: &Local, id: &ReleaseId) -> Result<Handle, Clean> {
    let library = local.library();
    let found = records::read(&library, Some(id.as_str())).map_err(words)?;
    let records = found.records.into_iter().map(Arc::new);
    let steps = library.folder(id).join("steps");
    Ok(Handle::past(id.clone(), records, local.clock.clone(), steps))
}

/// A cockpit's handle where there is no release at all: it begins with the list.
pub(super) fn nothing(local: &Local) -> Result<Handle, color_eyre::eyre::Report> {
    let id = ReleaseId::new("none")?;
    Ok(Handle::past(id, [], local.clock.clone(), local.paths.releases()))
}

fn row(entry: &Entry) -> Row {
    let standing = match (&entry.started, &entry.result) {
        (None, _) => Standing::Unreadable,
        _ if entry.driven => Standing::Driven,
        (_, Some(ReleaseResult::Released)) => Standing::Released,
        (_, Some(_)) => Standing::Ended,
        (_, None) => Standing::Orphan,
    };
    let started = entry.started.as_ref();
    let wall_ms = |wall| Timestamp { wall, boot_ms: 0 }.wall_ms();
    let took_ms = started
        .zip(entry.newest.as_ref())
        .and_then(|(started, newest)| u64::try_from(wall_ms(newest.at) - wall_ms(started.at)).ok());
    let driver = entry.holder.as_ref().filter(|_| entry.driven);
    let text =
        |get: &dyn Fn(&crate::journal::Started) -> Clean| started.map(get).unwrap_or_default();
    Row {
        id: entry.id.clone(),
        standing,
        revision: text(&|started| Clean::new(started.revision.short())),
        branch: text(&|started| started.branch.clone()),
        environment: text(&|started| started.environment.clone()),
        by: text(&|started| Clean::new(started.by.as_str())),
        driver: driver
            .map(|holder| Clean::new(&format!("{}, pid {}", holder.host, holder.pid)))
            .unwrap_or_default(),
        started: started.map(|started| started.at),
        took_ms,
        result: Clean::new(&releases::state(entry)),
        rehearsal: started.is_some_and(|started| started.rehearsal),
    }
}
