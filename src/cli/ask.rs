//! `gonogo approve`, `reject`, `switch`, `rollback`, …: what the keys do, from a shell.

use std::io::Write;

use color_eyre::eyre::Report;

use super::reach::Local;
use crate::engine::handle::Snapshot;
use crate::engine::handle::socket::Wants;
use crate::error::{Exit, Failure};
use crate::release::{Ask, Command, Principal, ReleaseId, Via};
use crate::report::words;

/// Asks, and says what came of it. `make` sees the release first, for what it cannot know itself.
pub(super) async fn ask(
    local: &Local,
    named: Option<ReleaseId>,
    make: impl AsyncFnOnce(&Snapshot) -> Result<Ask, Report>,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    let id = local.running(named)?;
    let handle = local.reach(&id, Wants::Drive).await?;
    let mut follower = handle.follow();
    // The journal is here before anything is asked: who asks has seen what there is.
    let Some(snapshot) = follower.until(|snapshot| snapshot.release.session.is_some()).await else {
        return Err(Failure::new(Exit::Unreachable, "the engine has ended").into());
    };
    let ask = make(snapshot).await?;
    let seen = snapshot.release.head;
    let by = Principal { person: local.person.clone(), via: Via::Shell, key: None };
    match handle.ask(Command { by, seen, ask }).await {
        Ok(()) => {
            follower.until(|snapshot| snapshot.release.head > seen).await;
            let snapshot = follower.snapshot();
            let new = snapshot.records.iter().filter(|record| Some(record.seq) > seen);
            for record in new {
                let sentence = words::sentence(record, &snapshot.release);
                writeln!(out, "{}  {sentence}", words::utc(record.at_wall))?;
            }
            Ok(Exit::Released)
        }
        Err(refusal) => {
            let exit = Exit::of_refusal(&refusal);
            Err(Failure::new(exit, refusal.to_string()).into())
        }
    }
}
