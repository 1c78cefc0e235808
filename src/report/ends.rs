//! When a follower is done, and with what.

use crate::engine::handle::{Link, Snapshot};
use crate::release::{Release, owed};

/// How following came to its end.
#[derive(Clone, Debug)]
pub struct End {
    /// The release as far as it was followed; its `result` is none when it goes on unwatched.
    pub release: Release,
    pub link: Link,
}

impl End {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self { release: snapshot.release.clone(), link: snapshot.link.clone() }
    }
}

/// Nothing more will come, or nobody is there to answer what is asked.
pub(super) fn is_over(snapshot: &Snapshot, stop_when_held: bool) -> bool {
    let release = &snapshot.release;
    let done = release.result.is_some() && owed(release).is_empty();
    let held = stop_when_held && release.hold.is_some() && release.untold.is_empty();
    done || held || snapshot.link != Link::Live
}
