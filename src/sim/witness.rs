//! Who sees everything that is done to a simulated world: the seam of tests that let answers get
//! lost, requests fail and engines die at a chosen moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::release::StepId;

/// Sees what is asked of the simulated world and what is done to it.
pub trait Witness: Send + Sync {
    /// A request has arrived and nothing was done yet: what is to become of it?
    fn fate(&self, wire: Wire, what: &str) -> Fate {
        let _ = (wire, what);
        Fate::Served
    }

    /// Something was done. Whether whoever did it gets an answer.
    fn saw(&self, deed: &Deed) -> Answer {
        let _ = deed;
        Answer::Comes
    }
}

/// Where a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    Cluster,
    Metrics,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Served,
    /// The connection fails before anything is done.
    Refused,
    /// It is answered with this status and not carried out.
    Status(u16),
    /// It is carried out and its answer is lost (F31).
    Lost,
    /// It is not carried out and never answered.
    Silent,
}

/// Whether an answer reaches whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Comes,
    /// Nothing is ever heard again, as by somebody who dies at this moment.
    Never,
}

/// Something that was done to the simulated world from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A Service was given this selector, which it did not have.
    Selected {
        namespace: String,
        service: String,
        selector: BTreeMap<String, String>,
        /// Pods that it selects and that are ready.
        ready: u32,
    },
    /// A Deployment was given another number of replicas.
    Scaled {
        namespace: String,
        deployment: String,
        replicas: i64,
    },
    /// Anything else in the cluster was changed.
    Changed {
        verb: &'static str,
        kind: &'static str,
        name: String,
    },
    /// A command was started; `folder` is named after its effect.
    Started {
        step: StepId,
        folder: String,
    },
    Migrated {
        version: String,
    },
    BackedUp {
        backup: String,
    },
    RestoredAside {
        backup: String,
    },
    Fenced,
    /// Both databases were renamed.
    Swapped {
        back: bool,
    },
    Reopened,
}

/// A witness, or nobody.
#[derive(Clone, Default)]
pub(super) struct Eyes(Option<Arc<dyn Witness>>);

impl Eyes {
    pub(super) fn of(witness: Arc<dyn Witness>) -> Self {
        Self(Some(witness))
    }

    pub(super) fn fate(&self, wire: Wire, what: &str) -> Fate {
        self.0.as_ref().map_or(Fate::Served, |witness| witness.fate(wire, what))
    }

    /// Tells of a deed, and waits for ever where its answer never comes.
    pub(super) async fn saw(&self, deed: Deed) {
        let answer = self.0.as_ref().map_or(Answer::Comes, |witness| witness.saw(&deed));
        if answer == Answer::Never {
            std::future::pending::<()>().await;
        }
    }

    /// Tells of a deed by somebody who waits for no answer.
    pub(super) fn heard(&self, deed: &Deed) {
        if let Some(witness) = &self.0 {
            witness.saw(deed);
        }
    }
}

impl fmt::Debug for Eyes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Eyes(open)" } else { "Eyes(closed)" })
    }
}
