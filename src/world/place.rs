//! The world of one release: everything real it may touch, as one value. A rehearsal builds the
//! same value out of fakes at the wire.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::Clock;
use super::kubernetes::{Cluster, ContainerExit, PodTable};
use super::metrics::Metrics;
use super::notify::Notifier;
use super::postgres::Database;
use super::shell::Shell;
use super::web::Web;
use crate::release::{Clean, Fault, ReleaseId, Secret, SecretName, Slot, Timestamp};

/// What effects are performed on.
pub struct World {
    pub release: ReleaseId,
    pub clock: Clock,
    pub shell: Shell,
    /// The folder that holds one folder for each effect that leaves files.
    pub steps: PathBuf,
    /// The release's own checkout, where commands run.
    pub workspace: PathBuf,
    /// The environment that commands get, before their own additions.
    pub env: BTreeMap<String, String>,
    pub secrets: BTreeMap<SecretName, Secret>,
    pub site: Option<Site>,
    pub metrics: Option<Metrics>,
    pub database: Option<Arc<dyn Database>>,
    pub notifier: Option<Notifier>,
    pub board: Board,
    /// What a rehearsal has broken so far; none in the real world.
    pub truth: Option<watch::Receiver<Vec<Fault>>>,
}

/// Where the release is deployed to. Cheap enough to clone.
#[derive(Clone)]
pub struct Site {
    pub cluster: Cluster,
    /// Asks the site's addresses from outside.
    pub web: Web,
    pub staging: String,
    pub production: String,
    /// The Services in the order in which they are switched; each is also its app's name.
    pub services: Vec<String>,
    pub manifests_staging: Vec<Value>,
    pub manifests_production: Vec<Value>,
    /// The images of the revision under release, by app.
    pub images: BTreeMap<String, String>,
    /// Addresses that must answer, relative to a namespace and a Service: see [`Site::urls`].
    pub probes: Vec<Probe>,
    /// Seeds the jitter of watches.
    pub seed: u64,
}

/// A path of a Service that must answer when the Service is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub service: String,
    pub path: String,
}

impl Site {
    /// The addresses to probe: of the preview Services, or of what serves.
    pub fn urls(&self, namespace: &str, preview: bool) -> Vec<String> {
        let suffix = if preview { "-preview" } else { "" };
        let url = |probe: &Probe| {
            format!("http://{}{suffix}.{namespace}.svc{}", probe.service, probe.path)
        };
        self.probes.iter().map(url).collect()
    }
}

/// What the live watch knows about pods. Windows of the monitor read it too.
#[derive(Debug, Default)]
pub struct Board {
    inner: Mutex<BoardInner>,
    /// Told at every container exit.
    pub exited: Notify,
}

/// The pods and what went wrong with them.
#[derive(Debug, Default)]
struct BoardInner {
    table: PodTable,
    exits: Vec<(Timestamp, ContainerExit)>,
}

/// How many exits are remembered; a crash loop brings one every few seconds.
const EXITS_MAX: usize = 1000;

impl Board {
    fn lock(&self) -> MutexGuard<'_, BoardInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table, and hands back what it then says.
    pub fn with_table<T>(&self, change: impl FnOnce(&mut PodTable) -> T) -> T {
        change(&mut self.lock().table)
    }

    pub fn exit(&self, at: Timestamp, exit: ContainerExit) {
        let mut inner = self.lock();
        if inner.exits.len() >= EXITS_MAX {
            inner.exits.remove(0);
        }
        inner.exits.push((at, exit));
        drop(inner);
        self.exited.notify_waiters();
    }

    /// The exits in a slot since a time on the boot clock.
    pub fn exits_since(&self, slot: Slot, boot_ms: u64) -> u32 {
        let inner = self.lock();
        let ours = inner
            .exits
            .iter()
            .filter(|(at, exit)| at.boot_ms >= boot_ms && exit.slot == Some(slot));
        u32::try_from(ours.count()).unwrap_or(u32::MAX)
    }

    /// Wall-clock milliseconds of the newest knowledge about pods, and why there is none newer.
    pub fn as_of(&self) -> (Option<i64>, Option<Clean>) {
        let inner = self.lock();
        (inner.table.at_ms(), inner.table.error().cloned())
    }
}

/// Tells how far an effect has come; lossy.
pub struct Reporter {
    tell: Tell,
}

/// Gets what is said, and done and total where they are known.
type Tell = Box<dyn Fn(Clean, Option<u64>, Option<u64>) + Send + Sync>;

impl Reporter {
    pub fn new(tell: impl Fn(Clean, Option<u64>, Option<u64>) + Send + Sync + 'static) -> Self {
        Self { tell: Box::new(tell) }
    }

    /// Nobody listens.
    pub fn silent() -> Self {
        Self::new(|_, _, _| {})
    }

    pub fn say(&self, text: &str) {
        (self.tell)(Clean::new(text), None, None);
    }

    /// Done and total, in the effect's own unit.
    pub fn count(&self, text: &str, done: u64, total: u64) {
        (self.tell)(Clean::new(text), Some(done), Some(total));
    }
}
