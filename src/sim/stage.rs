//! Builds a `World` out of fakes at the wire: the real clients speak to a cluster, a metrics
//! service, a database and commands that exist only in this process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::actor::Cast;
use super::apiserver::{Apiserver, BootError, Exit, production, shop as manifests};
use super::database::{SimDatabase, default_migrations};
use super::prometheus::{MetricsFault, Prometheus, shop_web};
use super::scenario::{Fault as Planned, Mishap, Moment, Scenario};
use super::shop::{Shop, Traffic};
use super::witness::{Eyes, Witness};
use crate::release::{Clean, Digest, Fault, Plan, ReleaseId, Revision, Secret, SecretName, Slot};
use crate::world::disk::{self, DiskError};
use crate::world::kubernetes::Cluster;
use crate::world::metrics::{Metrics, MetricsSettings};
use crate::world::shell::Shell;
use crate::world::{Board, Clock, Probe, Site, World};
use serde_json::Value;

/// The address that the fake metrics service answers to.
const METRICS: &str = "http://prometheus.monitoring.svc:9090";

/// What a rehearsal is built from.
pub struct Settings {
    pub release: ReleaseId,
    pub scenario: Scenario,
    pub seed: u64,
    pub plan: Plan,
    pub revision: Revision,
    pub clock: Clock,
    /// Where logs and reports go: `<release>/steps`.
    pub steps: PathBuf,
    pub workspace: PathBuf,
}

/// Why a rehearsal could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error("failed to boot the simulated cluster: {0}")]
    Boot(#[from] BootError),
    #[error("failed to build the metrics client: {0}")]
    Metrics(String),
    #[error("failed to make the workspace: {0}")]
    Workspace(#[from] DiskError),
    #[error("failed to read the shop's manifests: {0}")]
    Manifest(String),
    #[error("the simulated secret {0} is not well formed")]
    Secret(SecretName),
}

/// A simulated world, and the tasks that keep it alive for as long as this is held.
pub struct Theatre {
    pub world: Arc<World>,
    /// The knobs of the simulated cluster, for tests.
    pub cluster: Apiserver,
    pub shop: Shop,
    pub database: SimDatabase,
    _tasks: JoinSet<()>,
}

impl Theatre {
    /// The same world as a new engine finds it: everything stands as it was, and what the engine
    /// before had in memory is gone.
    pub fn reopened(&self) -> Arc<World> {
        let World { release, clock, shell, steps, workspace, env, secrets, site, .. } =
            &*self.world;
        Arc::new(World {
            release: release.clone(),
            clock: clock.clone(),
            shell: shell.clone(),
            steps: steps.clone(),
            workspace: workspace.clone(),
            env: env.clone(),
            secrets: secrets.clone(),
            site: site.clone(),
            metrics: self.world.metrics.clone(),
            database: self.world.database.clone(),
            notifier: self.world.notifier.clone(),
            board: Board::default(),
            truth: self.world.truth.clone(),
        })
    }
}

/// Builds the world of a rehearsal. It must be called inside the runtime whose time it follows.
pub fn build(settings: Settings) -> Result<Theatre, StageError> {
    build_under(settings, &Eyes::default())
}

/// Builds the world of a rehearsal before the eyes of a witness.
pub fn build_before(settings: Settings, witness: Arc<dyn Witness>) -> Result<Theatre, StageError> {
    build_under(settings, &Eyes::of(witness))
}

fn build_under(settings: Settings, eyes: &Eyes) -> Result<Theatre, StageError> {
    let Settings { release, scenario, seed, plan, revision, clock, steps, workspace } = settings;
    let mut rng = fastrand::Rng::with_seed(seed);
    disk::private_folder(&workspace)?;
    let cluster = Apiserver::boot(&manifests(), clock.clone(), rng.u64(..))?;
    cluster.watched_by(eyes.clone());
    let traffic: Arc<dyn Traffic> = Arc::new(Standing::new(cluster.clone()));
    let shop = Shop::new(traffic, clock.clone(), &mut rng, scenario.requests_per_s);
    let old = Slot::Blue;
    shop.behave(old.other(), scenario.version.behaviour());
    let prometheus =
        Prometheus::new(shop.clone(), clock.clone(), "production").watched_by(eyes.clone());
    let metrics =
        Metrics::new(prometheus.web(), clock.clone(), MetricsSettings::new(METRICS, "production"))
            .map_err(|error| StageError::Metrics(error.to_string()))?;
    let faults = scenario.database.faults();
    let database = SimDatabase::new(shop.clone(), clock.clone(), default_migrations(), faults)
        .watched_by(eyes.clone());
    let cast = Cast::new(plan.clone(), scenario.steps.clone(), rng.u64(..), eyes.clone());

    let mut tasks = JoinSet::new();
    tasks.spawn(shop.clone().run());
    let (truth, _) = watch::channel(Vec::new());
    let knobs = Knobs { cluster, prometheus, clock, cast, old, truth: truth.clone() };
    for fault in scenario.faults.clone() {
        tasks.spawn(knobs.clone().play(fault));
    }
    if let Some(what) = scenario.version.trouble(old.other()) {
        let delay_s = u64::from(scenario.version.after_switch_s);
        tasks.spawn(knobs.clone().own_up(Moment::Switched, delay_s, what));
    }
    let Knobs { cluster, clock, cast, .. } = knobs;
    let secrets = secrets(&plan, &mut rng)?;
    let world = World {
        release,
        clock: clock.clone(),
        shell: Shell::acted(cast, clock.clone()),
        steps,
        workspace,
        env: BTreeMap::new(),
        secrets,
        site: Some(site(&cluster, &shop, &clock, &revision, rng.u64(..))?),
        metrics: Some(metrics),
        database: Some(Arc::new(database.clone())),
        notifier: None,
        board: Board::default(),
        truth: Some(truth.subscribe()),
    };
    Ok(Theatre { world: Arc::new(world), cluster, shop, database, _tasks: tasks })
}

fn site(
    cluster: &Apiserver,
    shop: &Shop,
    clock: &Clock,
    revision: &Revision,
    seed: u64,
) -> Result<Site, StageError> {
    let services = vec!["backend".to_owned(), "frontend".to_owned()];
    let documents = documents()?;
    let image = |app: &String| {
        let digest = Digest::of(format!("{app} {revision}").as_bytes());
        (app.clone(), format!("acrecommerceprod.azurecr.io/{app}@{digest}"))
    };
    let probe = |service: &str, path: &str| Probe { service: service.into(), path: path.into() };
    Ok(Site {
        cluster: Cluster::new(cluster.client(), clock.clone()),
        web: shop_web(shop, clock),
        staging: "staging".to_owned(),
        production: "production".to_owned(),
        images: services.iter().map(image).collect(),
        services,
        manifests_staging: documents.clone(),
        manifests_production: documents,
        probes: vec![
            probe("frontend", "/"),
            probe("backend", "/health"),
            probe("backend", "/ready"),
            probe("backend", "/api/products"),
        ],
        seed,
    })
}

/// The manifests that a release of the shop applies.
fn documents() -> Result<Vec<Value>, StageError> {
    let mut all = Vec::new();
    for text in production() {
        let read: Result<Vec<Value>, _> = serde_yaml::from_multiple(text);
        all.extend(read.map_err(|error| StageError::Manifest(error.to_string()))?);
    }
    Ok(all)
}

/// A value for every secret that the plan names: made up, and masked like real ones.
fn secrets(
    plan: &Plan,
    rng: &mut fastrand::Rng,
) -> Result<BTreeMap<SecretName, Secret>, StageError> {
    let mut secrets = BTreeMap::new();
    for name in plan.steps().flat_map(|step| &step.secrets) {
        let value: String = (0..24).map(|_| rng.alphanumeric()).collect();
        let secret = Secret::new(value).map_err(|_| StageError::Secret(name.clone()))?;
        secrets.insert(name.clone(), secret);
    }
    Ok(secrets)
}

/// What the shop sees of the cluster. The shop looks every simulated second and at every query, so
/// what was seen stands until the cluster has changed.
struct Standing {
    cluster: Apiserver,
    seen: Mutex<Option<Seen>>,
}

/// What serves and what stands, as of one version of the cluster.
struct Seen {
    version: u64,
    traffic: Vec<(Slot, u32)>,
    standing: Vec<(Slot, u32)>,
}

impl Standing {
    fn new(cluster: Apiserver) -> Self {
        Self { cluster, seen: Mutex::new(None) }
    }

    fn look<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        let version = self.cluster.changes().borrow().version;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref().is_none_or(|seen| seen.version != version) {
            *seen = None;
        }
        let look = || Seen { version, traffic: self.traffic_now(), standing: self.standing_now() };
        read(seen.get_or_insert_with(look))
    }

    fn traffic_now(&self) -> Vec<(Slot, u32)> {
        let mut ready: BTreeMap<Slot, u32> = BTreeMap::new();
        for backend in self.cluster.backends("production", "backend").iter().filter(|b| b.ready) {
            if let Some(slot) = backend.slot {
                *ready.entry(slot).or_default() += 1;
            }
        }
        ready.into_iter().collect()
    }

    fn standing_now(&self) -> Vec<(Slot, u32)> {
        let mut ready: BTreeMap<Slot, u32> = BTreeMap::new();
        for pod in self.cluster.objects("Pod", "production") {
            let labels = &pod["metadata"]["labels"];
            let slot = labels["version"].as_str().and_then(|version| version.parse().ok());
            let (Some(slot), true) = (slot, labels["app"] == "backend") else { continue };
            let conditions = pod["status"]["conditions"].as_array();
            let is_ready = conditions
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            *ready.entry(slot).or_default() += u32::from(is_ready);
        }
        ready.into_iter().collect()
    }
}

impl Traffic for Standing {
    fn traffic(&self) -> Vec<(Slot, u32)> {
        self.look(|seen| seen.traffic.clone())
    }

    fn standing(&self) -> Vec<(Slot, u32)> {
        self.look(|seen| seen.standing.clone())
    }

    fn version(&self, slot: Slot) -> Option<String> {
        let name = format!("backend-{}", slot.label());
        let deployment = self.cluster.object("Deployment", "production", &name)?;
        let image = deployment.pointer("/spec/template/spec/containers/0/image")?;
        image.as_str().map(str::to_owned)
    }
}

/// Everything a mishap can turn.
#[derive(Clone)]
struct Knobs {
    cluster: Apiserver,
    prometheus: Prometheus,
    clock: Clock,
    cast: Arc<Cast>,
    old: Slot,
    truth: watch::Sender<Vec<Fault>>,
}

impl Knobs {
    /// Records that something begins to be wrong by itself.
    async fn own_up(self, after: Moment, delay_s: u64, what: Clean) {
        self.wait_for(&after).await;
        self.clock.sleep(Duration::from_secs(delay_s)).await;
        self.tell(what);
    }

    fn tell(&self, what: Clean) {
        let at = self.clock.now();
        self.truth.send_modify(|faults| faults.push(Fault { at, what }));
    }

    async fn play(self, fault: Planned) {
        self.wait_for(&fault.after).await;
        self.clock.sleep(Duration::from_secs(fault.delay_s)).await;
        let new = self.old.other();
        self.tell(fault.what.words(new));
        match &fault.what {
            Mishap::CrashLoop { app } => {
                self.cluster.crash_loop(app, new, Exit::Error);
                self.cluster.kill_containers(app, new, Exit::Error);
            }
            Mishap::ApiOutage { for_s } => self.cluster.outage(Duration::from_secs(*for_s)),
            Mishap::Metrics { fault } => self.prometheus.set_fault(*fault),
            Mishap::MetricsBack => self.prometheus.set_fault(MetricsFault::None),
            Mishap::OldSlotUnready { app } => self.cluster.set_ready(app, self.old, false),
        }
    }

    async fn wait_for(&self, moment: &Moment) {
        match moment {
            Moment::Start => {}
            Moment::Step(id) => {
                let mut started = self.cast.started();
                // The cast lives as long as this does, so its sender does too.
                let _ = started.wait_for(|step| step.as_ref() == Some(id)).await;
            }
            Moment::Switched | Moment::PreviewReady => {
                let mut changes = self.cluster.changes();
                while !self.has_come(moment) {
                    if changes.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    fn has_come(&self, moment: &Moment) -> bool {
        let new = self.old.other();
        match moment {
            Moment::Switched => {
                let services = ["backend", "frontend"];
                services.iter().all(|service| {
                    let found = self.cluster.object("Service", "production", service);
                    found.is_some_and(|s| s["spec"]["selector"]["version"] == new.label())
                })
            }
            Moment::PreviewReady => {
                let services = ["backend-preview", "frontend-preview"];
                services.iter().all(|service| {
                    let backends = self.cluster.backends("production", service);
                    backends.iter().filter(|b| b.ready && b.slot == Some(new)).count() >= 3
                })
            }
            Moment::Start | Moment::Step(_) => true,
        }
    }
}
