//! Reaching a release: its engine's socket, or its engine started again from the journal.

use std::path::PathBuf;
use std::time::Duration;

use color_eyre::eyre::Report;

use crate::config::Paths;
use crate::engine::forget_last_words;
use crate::engine::handle::Handle;
use crate::engine::handle::socket::{Attaching, ConnectError, Pace, Wants, connect};
use crate::error::{Exit, Failure};
use crate::journal::{FindError, Library};
use crate::release::{Clean, Person, ReleaseId};
use crate::world::Clock;
use crate::world::shell::{Detach, DetachError, Process, detach};

/// How long a new engine may take until it answers.
const COMES_UP: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who attaches may ask too; what they may not ask, the engine refuses.
pub(super) const DRIVE: Wants = Wants::Drive;

/// This machine's side of a conversation with an engine.
pub(super) struct Local {
    pub(super) paths: Paths,
    pub(super) exe: PathBuf,
    pub(super) person: Person,
    pub(super) clock: Clock,
    pub(super) build: Clean,
}

impl Local {
    pub(super) fn library(&self) -> Library {
        Library::new(&self.paths.state)
    }

    pub(super) fn socket(&self, id: &ReleaseId) -> PathBuf {
        self.paths.runtime.join(format!("{id}.sock"))
    }

    /// The release that was named; otherwise the newest that has not ended.
    pub(super) fn running(&self, named: Option<ReleaseId>) -> Result<ReleaseId, Report> {
        if let Some(id) = named {
            return self.library().find(id.as_str()).map_err(|error| match &error {
                FindError::Library(_) => error.into(),
                FindError::None { .. } | FindError::Many { .. } => {
                    Failure::new(Exit::Usage, error.to_string())
                        .with_hint("gonogo releases lists them")
                        .into()
                }
            });
        }
        let all = self.library().list()?;
        let open = all.into_iter().filter(|entry| {
            let real = entry.started.as_ref().is_none_or(|started| !started.rehearsal);
            real && entry.trouble.is_none() && (entry.driven || entry.result.is_none())
        });
        let newest = open.max_by_key(|entry| entry.newest.as_ref().map(|newest| newest.at));
        newest.map(|entry| entry.id).ok_or_else(|| {
            Failure::new(Exit::Usage, "no release is running")
                .with_hint("start one with gonogo run")
                .into()
        })
    }

    /// A handle to the release: from its engine, or from one that is started now and goes on
    /// where the last one ended.
    pub(super) async fn reach(&self, id: &ReleaseId, wants: Wants) -> Result<Handle, Report> {
        match self.connect(id, wants).await {
            Ok(handle) => Ok(handle),
            Err(ConnectError::NoSocket(_) | ConnectError::Dead(_)) => {
                let entry = self.library().entry(id);
                if let Some(result) = entry.result.filter(|_| !entry.driven) {
                    let ended = format!("release {id} has ended: {}", result.sentence());
                    let hint = format!("see gonogo show {id}");
                    return Err(Failure::new(Exit::Refused, ended).with_hint(hint).into());
                }
                let engine = self.start_engine(id).await?;
                self.wait_for(id, wants, engine.as_ref()).await
            }
            Err(error) => Err(Failure::new(Exit::Unreachable, format!("failed to {error}")).into()),
        }
    }

    pub(super) async fn connect(
        &self,
        id: &ReleaseId,
        wants: Wants,
    ) -> Result<Handle, ConnectError> {
        let attaching = Attaching {
            clock: self.clock.clone(),
            build: self.build.clone(),
            person: self.person.clone(),
            wants,
            pace: Pace::default(),
        };
        connect(&self.socket(id), attaching).await
    }

    /// Starts the engine of a release in a process and a session of its own; none when it is gone
    /// again.
    pub(super) async fn start_engine(&self, id: &ReleaseId) -> Result<Option<Process>, Report> {
        let folder = self.library().folder(id);
        // What the last one said is not why this one is gone.
        forget_last_words(&folder)?;
        let args = vec!["engine".into(), folder.clone().into_os_string()];
        let log = folder.join("engine.log");
        let name = format!("gonogo-{id}");
        let what = Detach::new(self.exe.clone(), args, log, &name);
        match detach(&what, &self.clock).await {
            // One that leaves at once may have found another that drives: who waits will see.
            Ok(engine) => Ok(Some(engine.process)),
            Err(DetachError::Ended { .. }) => Ok(None),
            Err(error) => Err(Failure::new(Exit::Unreachable, format!("failed to {error}")).into()),
        }
    }

    /// Waits until a new engine answers, or says why it does not.
    pub(super) async fn wait_for(
        &self,
        id: &ReleaseId,
        wants: Wants,
        engine: Option<&Process>,
    ) -> Result<Handle, Report> {
        let up = async {
            loop {
                // Looked at first: what is found of it after its end is all there will ever be.
                let gone = !engine.is_some_and(Process::is_alive) && !self.is_driven(id);
                match self.connect(id, wants).await {
                    Ok(handle) => return Ok(Some(handle)),
                    Err(ConnectError::NoSocket(_) | ConnectError::Dead(_)) => {}
                    Err(error) => return Err(error),
                }
                if let Some(said) = self.last_words(id) {
                    return Err(ConnectError::Refused { why: said });
                }
                if gone {
                    return Ok(None);
                }
                self.clock.sleep(LOOK_EVERY).await;
            }
        };
        let log = self.library().folder(id).join("engine.log");
        let unreachable = |what: &str, hint: &str| {
            let text = format!("the engine of {id} {what}; see {}", log.display());
            Failure::new(Exit::Unreachable, text).with_hint(format!("gonogo attach {id} {hint}"))
        };
        match self.clock.within(COMES_UP, up).await {
            Some(Ok(Some(handle))) => Ok(handle),
            Some(Ok(None)) => {
                Err(unreachable("ended before it answered", "starts it again").into())
            }
            Some(Err(ConnectError::Refused { why })) => {
                Err(Failure::new(Exit::Refused, why.as_str().to_owned()).into())
            }
            Some(Err(error)) => {
                let hint = format!("gonogo attach {id} tries again");
                let what = format!("failed to {error}");
                Err(Failure::new(Exit::Unreachable, what).with_hint(hint).into())
            }
            None => Err(unreachable("does not answer", "starts it again").into()),
        }
    }

    /// Whether some engine holds the journal.
    fn is_driven(&self, id: &ReleaseId) -> bool {
        self.library().entry(id).driven
    }

    /// Why an engine that is gone again is gone: it leaves its error in a file.
    fn last_words(&self, id: &ReleaseId) -> Option<Clean> {
        crate::engine::last_words(&self.library().folder(id))
    }
}
