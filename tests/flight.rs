//! A release in a simulated world whose engine may die at any moment: what the proofs of crashes,
//! of failures and of seeds share. The world lives on, as a real cluster would; a new engine knows
//! nothing but the journal.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Parser as _;
use futures::future::BoxFuture;
use gonogo::cli::script_of;
use gonogo::config::args::{Args, Sub};
use gonogo::config::{Paths, Rehearsal, rehearsal};
use gonogo::engine::handle::Handle;
use gonogo::engine::{EngineError, Launch, launch};
use gonogo::journal::shelf::{Batch, Shelf, Shelved, Weight};
use gonogo::journal::{Driver, Journal};
use gonogo::release::{
    Clean, Digest, Event, Opened, Person, Plan, Policy, Principal, Record, Refusal, Release,
    ReleaseId, Revision, SessionId, Start, Step, Via,
};
use gonogo::report::audit::audit;
use gonogo::report::script::{self, Act, Press, ScriptEnd};
use gonogo::sim::scenario::{self, Scenario};
use gonogo::sim::{Answer, Deed, Fate, Settings, Theatre, Wire, Witness, build_before};
use gonogo::world::Clock;
use tokio::sync::Notify;

use crate::core::rules;

/// Longer than any release here takes, in its own time: a release that hangs is told from one
/// that waits.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);

/// Runs one flight on a runtime of its own, whose time is paused: what a flight leaves running
/// ends with it.
pub(crate) fn fly<F: Future>(flight: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(flight)
}

/// What is flown.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) plan: Plan,
    pub(crate) policy: Policy,
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
    pub(crate) attended: bool,
}

impl Scene {
    /// A shipped scenario whose commands are quick and whose watch is short: what happens is the
    /// same, and less time passes.
    pub(crate) fn shipped(name: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let at = |name: &str| home.path().join(name);
        let paths = Paths {
            config: at("config"),
            state: at("state"),
            cache: at("cache"),
            runtime: at("runtime"),
        };
        let args = Args::try_parse_from(["gonogo", "rehearse", name, "--auto"]).expect("arguments");
        let Some(Sub::Rehearse(args)) = args.command else { panic!("not a rehearsal") };
        let Rehearsal { mut plan, mut policy, scenario, seed, .. } =
            rehearsal(&args, &paths).expect("a shipped scenario");
        for step in plan.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
            step.expected_s = 1;
        }
        policy.monitor.duration_s = 60;
        Self { plan, policy, scenario, seed, attended: false }
    }

    /// The same without the stages that touch nothing but the workspace or the staging: a command
    /// with a report, then production and what follows.
    pub(crate) fn short(name: &str) -> Self {
        let mut scene = Self::shipped(name);
        let keep = ["verify.newman", "production", "validate.health", "compliance.report"];
        let kept = |step: &Step| {
            let id = step.id.as_str();
            keep.iter().any(|keep| id == *keep || id.starts_with(&format!("{keep}.")))
        };
        for stage in &mut scene.plan.stages {
            stage.steps.retain(kept);
        }
        scene.plan.stages.retain(|stage| !stage.steps.is_empty());
        let all: Vec<_> = scene.plan.steps().map(|step| step.id.clone()).collect();
        for step in scene.plan.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
            step.needs.retain(|need| all.contains(need));
        }
        for rule in &mut scene.plan.branches {
            rule.until = scene.plan.stages.last().expect("a stage").id.clone();
            rule.skip.clear();
        }
        scene
    }

    /// What the operator does after the acts of the scenario.
    pub(crate) fn then(mut self, when: scenario::When, press: scenario::Press) -> Self {
        let act = scenario::Act { when, wait_s: 3, press, comment: "by the book".to_owned() };
        self.scenario.operator.push(act);
        self
    }
}

/// What the world was told, and what becomes of what it is asked.
#[derive(Default)]
pub(crate) struct Eyes {
    seen: Mutex<Seen>,
    pub(crate) died: Notify,
}

#[derive(Default)]
struct Seen {
    deeds: Vec<Deed>,
    requests: u64,
    /// The engine dies as this deed, counted from 1, is done, and never hears of it.
    dies_at: Option<usize>,
    trouble: Option<Trouble>,
    troubled: u64,
}

/// Requests that go wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    /// The how-manieth request from now on, counted from 1.
    pub(crate) nth: u64,
    /// How many from there on.
    pub(crate) count: u64,
    pub(crate) fate: Fate,
}

impl Eyes {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn deeds(&self) -> Vec<Deed> {
        self.seen().deeds.clone()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.seen().requests
    }

    /// How many requests went wrong as ordered.
    pub(crate) fn troubled(&self) -> u64 {
        self.seen().troubled
    }

    pub(crate) fn die_at_deed(&self, deed: Option<usize>) {
        self.seen().dies_at = deed;
    }

    pub(crate) fn trouble(&self, trouble: Option<Trouble>) {
        let mut seen = self.seen();
        seen.requests = 0;
        seen.trouble = trouble;
    }
}

impl Witness for Eyes {
    fn fate(&self, _: Wire, _: &str) -> Fate {
        let mut seen = self.seen();
        seen.requests += 1;
        let at = seen.requests;
        match seen.trouble {
            Some(Trouble { nth, count, fate }) if at >= nth && at - nth < count => {
                seen.troubled += 1;
                fate
            }
            _ => Fate::Served,
        }
    }

    fn saw(&self, deed: &Deed) -> Answer {
        let mut seen = self.seen();
        seen.deeds.push(deed.clone());
        if seen.dies_at == Some(seen.deeds.len()) {
            seen.dies_at = None;
            self.died.notify_one();
            return Answer::Never;
        }
        Answer::Comes
    }
}

/// Lines in memory that outlive the engines which write them.
#[derive(Clone, Default)]
pub(crate) struct Book {
    kept: Arc<Mutex<Kept>>,
    pub(crate) died: Arc<Notify>,
}

#[derive(Default)]
struct Kept {
    lines: Vec<Vec<u8>>,
    /// The engine dies when so many lines are there: the batch in hand is cut off behind them and
    /// never acknowledged.
    dies_at: Option<usize>,
    /// There is no room but the reserve's: nothing that begins something is taken.
    full: bool,
}

impl Book {
    pub(crate) fn fill(&self, full: bool) {
        self.kept().full = full;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        self.kept().lines.clone()
    }

    pub(crate) fn die_at_line(&self, line: Option<usize>) {
        self.kept().dies_at = line;
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let lines = self.lines();
        lines.iter().map(|line| serde_json::from_slice(line).expect("a record")).collect()
    }
}

impl Shelf for Book {
    fn append(&mut self, batch: Batch) -> BoxFuture<'_, Shelved> {
        Box::pin(async move {
            let died = {
                let mut kept = self.kept();
                if kept.full && batch.weight == Weight::Intent {
                    return Shelved::Full { reason: Clean::new("no space left on device") };
                }
                let room = kept.dies_at.map(|at| at.saturating_sub(kept.lines.len()));
                let room = room.filter(|room| *room <= batch.lines.len());
                kept.lines.extend(batch.lines.into_iter().take(room.unwrap_or(usize::MAX)));
                if room.is_some() {
                    kept.dies_at = None;
                }
                room.is_some()
            };
            if died {
                self.died.notify_one();
                std::future::pending::<()>().await;
            }
            Shelved::Kept { sync: Duration::ZERO }
        })
    }
}

/// How a session of the engine came to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// The engine was killed.
    Died,
    /// The release is over, or held with nobody to ask, and the engine left in order.
    Left,
    /// The engine gave up by itself.
    Failed(EngineError),
    /// The operator was refused what the script says.
    Refused(Refusal),
}

impl End {
    fn of(ended: Result<Release, EngineError>) -> Self {
        ended.map_or_else(Self::Failed, |_| Self::Left)
    }
}

/// One release and its world.
pub(crate) struct Flight {
    pub(crate) theatre: Theatre,
    pub(crate) book: Book,
    pub(crate) eyes: Arc<Eyes>,
    acts: Vec<Act>,
    start: Start,
    pub(crate) sessions: u32,
    steps: PathBuf,
    home: tempfile::TempDir,
}

impl Flight {
    /// A release that has not begun, on the time of the runtime it is called in.
    pub(crate) fn new(scene: &Scene) -> Self {
        let home = quick_dir();
        let clock = Clock::simulated("2026-11-23T02:26:00Z".parse().expect("a time"), 1.0);
        let digest = Digest::of(scene.scenario.name.as_bytes());
        let revision = Revision::new(&digest.as_str()[7..47]).expect("a revision");
        let steps = home.path().join("steps");
        let eyes = Arc::new(Eyes::default());
        let settings = Settings {
            release: id(),
            scenario: scene.scenario.clone(),
            seed: scene.seed,
            plan: scene.plan.clone(),
            revision: revision.clone(),
            clock,
            steps: steps.clone(),
            workspace: home.path().join("workspace"),
        };
        let theatre = build_before(settings, eyes.clone()).expect("a world");
        let acts = script_of(&scene.scenario);
        let start = start(scene, revision);
        Self { theatre, book: Book::default(), eyes, acts, start, sessions: 0, steps, home }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    pub(crate) fn clock(&self) -> Clock {
        self.theatre.world.clock.clone()
    }

    pub(crate) fn driver(&mut self) -> Driver {
        self.sessions += 1;
        Driver {
            session: SessionId::new(format!("s-{}", self.sessions)).expect("an id"),
            person: Person::new("mira").expect("a name"),
            host: Clean::new("host7"),
            pid: 4711,
            boot: "boot-1".to_owned(),
            since: self.clock().now().wall,
        }
    }

    /// An engine over the journal in memory.
    pub(crate) fn opens(&mut self) -> (Handle, gonogo::engine::Engine) {
        let driver = self.driver();
        let lines = self.book.lines();
        let paper = Box::new(self.book.clone());
        let (journal, past) =
            Journal::on_shelf(id(), driver, paper, &lines).expect("a journal that holds");
        self.launches(journal, past, None)
    }

    /// An engine over any journal.
    pub(crate) fn launches(
        &mut self,
        journal: Journal,
        past: Vec<Record>,
        repaired: Option<u64>,
    ) -> (Handle, gonogo::engine::Engine) {
        let opened = Opened {
            session: SessionId::new(format!("s-{}", self.sessions)).expect("an id"),
            host: Clean::new("host7"),
            pid: 4711,
            boot: "boot-1".to_owned(),
            build: Clean::new("test"),
            repaired,
            by: Principal {
                person: Person::new("mira").expect("a name"),
                via: Via::Script,
                key: None,
            },
            start: Some(Box::new(self.start.clone())),
        };
        launch(Launch {
            world: self.theatre.reopened(),
            journal,
            past,
            repair: <_>::default(),
            opened,
            steps: self.steps.clone(),
            guard: Clean::new("host7, pid 4711"),
        })
    }

    /// One session of an engine over the journal in memory, with its operator, until it dies or
    /// there is nothing left to do.
    pub(crate) async fn session(&mut self) -> End {
        let (handle, engine) = self.opens();
        let acts = self.acts_left();
        self.drive(handle, engine, &acts).await
    }

    pub(crate) async fn drive(
        &self,
        handle: Handle,
        engine: gonogo::engine::Engine,
        acts: &[Act],
    ) -> End {
        let clock = self.clock();
        let (eyes, book) = (Arc::clone(&self.eyes), self.book.clone());
        let whole = async {
            let mut driving = Box::pin(engine.run());
            let ended = tokio::select! {
                biased;
                () = eyes.died.notified() => return End::Died,
                () = book.died.notified() => return End::Died,
                ended = &mut driving => return End::of(ended),
                played = script::play(&handle, acts) => match played {
                    ScriptEnd::Ended => true,
                    ScriptEnd::Held => false,
                    ScriptEnd::Refused(refusal) => return End::Refused(refusal),
                    ScriptEnd::Gone => return End::of(driving.await),
                },
            };
            if !ended {
                return End::Left;
            }
            // Nobody looks on any more, so that an engine whose release has ended comes to its end.
            drop(handle);
            tokio::select! {
                biased;
                () = eyes.died.notified() => End::Died,
                () = book.died.notified() => End::Died,
                ended = &mut driving => End::of(ended),
            }
        };
        let Some(end) = clock.within(PATIENCE, whole).await else {
            panic!("it hangs after {:?}", self.kinds());
        };
        end
    }

    /// The scripted operator's acts that are not in the journal yet: a person remembers.
    pub(crate) fn acts_left(&self) -> Vec<Act> {
        self.acts_after(&self.book.records())
    }

    /// The same by records that stand elsewhere.
    pub(crate) fn acts_after(&self, records: &[Record]) -> Vec<Act> {
        acts_left(&self.acts, records)
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.book.records().iter().map(|record| record.event.kind()).collect()
    }

    /// What the release came to, in the journal and in the world.
    pub(crate) fn finally(&self) -> Finally {
        self.finally_of(&self.book.records())
    }

    pub(crate) fn finally_of(&self, records: &[Record]) -> Finally {
        Finally::of(&fold(records), &self.theatre, &self.eyes.deeds())
    }
}

/// The acts that no record tells of yet.
pub(crate) fn acts_left(acts: &[Act], records: &[Record]) -> Vec<Act> {
    let mut asked = records.iter().filter(|record| record.by.via == Via::Script);
    let done = acts.iter().take_while(|act| asked.any(|record| is_act(act, &record.event))).count();
    acts[done..].to_vec()
}

fn is_act(act: &Act, event: &Event) -> bool {
    match act.press {
        Press::Approve | Press::Reject => matches!(event, Event::VoteCast { .. }),
        Press::Switch => matches!(event, Event::SwitchOrdered { .. }),
        Press::RollBack => matches!(event, Event::RollbackOrdered { .. }),
        Press::Retry => matches!(event, Event::RetryOrdered { .. }),
        Press::Override => matches!(event, Event::HoldOverridden { .. }),
        Press::Restore => matches!(event, Event::RestoreOrdered { undo: false, .. }),
        Press::UndoRestore => matches!(event, Event::RestoreOrdered { undo: true, .. }),
        Press::Abort => matches!(event, Event::AbortOrdered { .. }),
    }
}

/// Where a release and its world stand at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finally {
    pub(crate) exit: u8,
    pub(crate) result: Option<&'static str>,
    pub(crate) hold: Option<String>,
    /// The selector's slot of each Service.
    pub(crate) serving: Vec<(String, String)>,
    /// What may be done once only, in the order in which it was done.
    pub(crate) once: Vec<String>,
    /// The commands that were started, by the folder of their try.
    pub(crate) commands: Vec<String>,
}

impl Finally {
    fn of(release: &Release, theatre: &Theatre, deeds: &[Deed]) -> Self {
        let services = ["backend", "frontend"].map(|service| {
            let found = theatre.cluster.object("Service", "production", service);
            let slot = found.map(|it| it["spec"]["selector"]["version"].to_string());
            (service.to_owned(), slot.unwrap_or_default())
        });
        let mut commands: Vec<String> = deeds
            .iter()
            .filter_map(|deed| match deed {
                Deed::Started { folder, .. } => Some(folder.clone()),
                _ => None,
            })
            .collect();
        commands.sort();
        Self {
            exit: gonogo::error::Exit::of_result(release).code(),
            result: release.result.as_ref().map(result_word),
            hold: release.hold.as_ref().map(|held| {
                let text = format!("{:?}", held.hold);
                text.split([' ', '{']).next().unwrap_or_default().to_owned()
            }),
            serving: services.to_vec(),
            once: deeds.iter().filter_map(once).collect(),
            commands,
        }
    }
}

fn result_word(result: &gonogo::release::ReleaseResult) -> &'static str {
    use gonogo::release::ReleaseResult as R;
    match result {
        R::Released => "released",
        R::Failed { .. } => "failed",
        R::Rejected { .. } => "rejected",
        R::Expired => "expired",
        R::Aborted { .. } => "aborted",
        R::RolledBack { .. } => "rolled back",
    }
}

/// What must not be done twice. A backup may: it costs time only. Applying what is there already
/// changes nothing, so the world tells nothing of it.
pub(crate) fn once(deed: &Deed) -> Option<String> {
    match deed {
        Deed::Selected { namespace, service, selector, .. } => {
            let slot = selector.get("version").map_or("", String::as_str);
            Some(format!("{namespace}/{service} to {slot}"))
        }
        Deed::Scaled { namespace, deployment, replicas } => {
            Some(format!("{namespace}/{deployment} to {replicas}"))
        }
        Deed::Migrated { version } => Some(format!("migrated {version}")),
        Deed::RestoredAside { .. } => Some("restored aside".to_owned()),
        Deed::Fenced => Some("fenced".to_owned()),
        Deed::Swapped { back } => Some(format!("swapped, back: {back}")),
        Deed::Reopened => Some("reopened".to_owned()),
        Deed::Changed { .. } | Deed::Started { .. } | Deed::BackedUp { .. } => None,
    }
}

/// Checks a whole journal: every rule of the audit and every rule of the core's own tests, at
/// every record; and every deed against the invariants that only the world can tell.
pub(crate) fn must_hold(records: &[Record], deeds: &[Deed], at: &str) {
    let breaches = audit(records);
    assert!(breaches.is_empty(), "{at}: {breaches:#?}");
    let mut release = Release::new(id());
    for record in records {
        rules::check(&release, &record.event, &record.by);
        release.apply(record);
    }
    let mut folders: Vec<&String> = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Selected { namespace, service, selector, ready } => {
                let keys: Vec<_> = selector.keys().map(String::as_str).collect();
                assert_eq!(keys, ["app", "version"], "{at}: I8: {namespace}/{service}");
                assert!(*ready >= 1, "{at}: I7: {service} was given to nobody");
            }
            Deed::Started { folder, .. } => {
                assert!(!folders.contains(&folder), "{at}: I4: {folder} was started twice");
                folders.push(folder);
            }
            _ => {}
        }
    }
}

pub(crate) fn fold(records: &[Record]) -> Release {
    let mut release = Release::new(id());
    for record in records {
        release.apply(record);
    }
    release
}

pub(crate) fn id() -> ReleaseId {
    ReleaseId::new("r-1123.1").expect("an id")
}

/// A folder in memory where there is one.
fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// The places from 1 to `last` at which something is broken: `share` of them, evenly, or with
/// `GONOGO_PROOF=all` every one.
pub(crate) fn places(last: usize, share: usize) -> impl Iterator<Item = usize> {
    #[expect(clippy::disallowed_methods, reason = "tests are told here how much to prove")]
    let all = std::env::var("GONOGO_PROOF").is_ok_and(|how| how == "all");
    let stride = if all { 1 } else { last.div_ceil(share.max(1)).max(1) };
    (1 + stride / 2..=last).step_by(stride)
}

/// One line for people: how much was proved, and in what time.
pub(crate) fn tell(text: &str) {
    let mut out = std::io::stdout();
    std::io::Write::write_all(&mut out, format!("{text}\n").as_bytes()).expect("printed");
}

/// Seconds of real time since `began`, itself [`real_ms`].
pub(crate) fn seconds_since(began: u64) -> String {
    let took = Duration::from_millis(real_ms().saturating_sub(began));
    format!("{:.1} s", took.as_secs_f64())
}

/// The machine's own clock, in milliseconds.
pub(crate) fn real_ms() -> u64 {
    Clock::live().now().boot_ms
}

fn start(scene: &Scene, revision: Revision) -> Start {
    let rule = scene.plan.branch_rule(&scene.scenario.branch).expect("a rule").clone();
    Start {
        plan_digest: Digest::of(b"plan"),
        policy_digest: Digest::of(b"policy"),
        policy_from: Clean::default(),
        plan: scene.plan.clone(),
        policy: scene.policy.clone(),
        revision,
        branch: Clean::new(&scene.scenario.branch),
        environment: Clean::new("production"),
        from: None,
        until: rule.until,
        external: rule.external,
        attended: scene.attended,
        tells: false,
        rehearsal: Some(gonogo::release::Rehearsal {
            scenario: Clean::new(&scene.scenario.name),
            seed: scene.seed,
        }),
        latches: Vec::new(),
        baseline: None,
        passed_before: Vec::new(),
    }
}
