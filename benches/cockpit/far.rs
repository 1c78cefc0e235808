//! The two other ends: an engine with 10,000 pods in one process, a cockpit in another.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gonogo::engine::handle::socket::{Attaching, Pace, Serving, Wants, connect, serve};
use gonogo::engine::handle::{Feed, Handle, Live};
use gonogo::release::{
    Attempt, Clean, EffectKey, Event, Person, PodRow, Principal, Record, ReportFormat, Seq, Slot,
    StepId, Via,
};
use gonogo::tui::{self, Depth, History, Keymap, Settings, Theme};
use gonogo::world::Clock;
use gonogo::world::kubernetes::{Cluster, Connection, PodNews, PodTable};
use gonogo::world::logpipe::{LogLimits, LogSink, Masks, Stream};
use gonogo::world::machine::user_name;
use tokio::sync::{mpsc, watch};

use super::cluster::NAMESPACE;
use crate::findings;

pub(crate) const ENGINE: &str = "far-engine";
pub(crate) const COCKPIT: &str = "far-cockpit";
pub(super) const PODS: usize = 10_000;
const LINES_PER_S: usize = 100_000;
/// The step whose report is read.
const SCAN: &str = "code.gitleaks";
/// The step that writes the log.
const STEP: &str = "code.unit";
pub(super) const FINDINGS: usize = 100_000;

type Outcome = Result<(), Box<dyn Error>>;

pub(crate) fn engine(args: &[String]) -> ExitCode {
    done(on_a_runtime(serves(args)))
}

pub(crate) fn cockpit(args: &[String]) -> ExitCode {
    done(on_a_runtime(sits(args)))
}

fn on_a_runtime(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}

fn done(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The engine's stderr is a terminal or a log; the cockpit's is the screen's own.
            let _ = writeln!(std::io::stderr(), "failed at the far end: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A release whose first step has left a report and whose second one runs, out of the journal that
/// the tests keep.
fn records() -> Result<Vec<Arc<Record>>, Box<dyn Error>> {
    let text = include_str!("../../tests/journals/v1-every-event.jsonl");
    let kept: Result<Vec<Record>, _> = text.lines().map(serde_json::from_str).collect();
    let kept = kept?;
    let mut first = kept.first().ok_or("an empty journal")?.clone();
    let Event::ReleaseStarted { start } = &mut first.event else { return Err("no start".into()) };
    let scan = &mut start.plan.stages[0].steps[0];
    scan.run = vec!["trivy".to_owned()];
    scan.report.as_mut().ok_or("no report")?.format = ReportFormat::TrivyJson;
    let scan = StepId::new(SCAN)?;
    let ends = |event: &Event| matches!(event, Event::StepEnded { step, .. } if *step == scan);
    let end = kept.iter().map(|record| &record.event).find(|event| ends(event));
    let end = end.ok_or("no end of the scan")?.clone();
    let events = [
        Event::StepStarted { step: scan.clone() },
        end,
        Event::StepStarted { step: StepId::new(STEP)? },
    ];
    let follow = |(seq, event)| Record { seq: Seq(seq), event, ..first.clone() };
    let follow: Vec<Record> = (1..).zip(events).map(follow).collect();
    Ok(std::iter::once(first).chain(follow).map(Arc::new).collect())
}

fn pods() -> Vec<PodRow> {
    let pod = |number: usize| {
        let blue = number.is_multiple_of(2);
        let app = if number.is_multiple_of(3) { "frontend" } else { "backend" };
        let color = if blue { "blue" } else { "green" };
        PodRow {
            name: Clean::new(&format!("{app}-{color}-7d9c5f8b6-{number:05}")),
            app: Clean::new(app),
            slot: Some(if blue { Slot::Blue } else { Slot::Green }),
            phase: Clean::new("Running"),
            ready: true,
            restarts: 0,
            created_ms: 1_795_000_000_000,
        }
    };
    (0..PODS).map(pod).collect()
}

/// Serves the release at a socket: with the pods of a cluster if one is named, else with its own.
async fn serves(args: &[String]) -> Outcome {
    let [socket, steps, kubeconfig @ ..] = args else {
        return Err("a socket, a folder and perhaps a kubeconfig".into());
    };
    let (socket, steps) = (PathBuf::from(socket), PathBuf::from(steps));
    let feed = Feed::new();
    let records = records()?;
    let release = records[0].release.clone();
    feed.publish(records);
    let (inputs, _asks) = mpsc::channel(16);
    let clock = Clock::live();
    let handle = Handle::new(release, inputs, Arc::clone(&feed), clock.clone(), steps.clone());
    let (clients, _connected) = watch::channel(0);
    let build = Clean::new("bench");
    let serving = Serving { clock: clock.clone(), build, clients, pace: Pace::default() };
    let serving = serve(handle, socket, serving);
    let Some(kubeconfig) = kubeconfig.first() else {
        makes_up(&steps, feed, clock)?;
        return Ok(serving.await?);
    };
    tokio::select! {
        ended = serving => Ok(ended?),
        ended = watches(Path::new(kubeconfig), feed, clock) => ended,
    }
}

/// Shows pods of its own and does what it reads: `pod NAME`, `load`, `quiet`.
fn makes_up(steps: &Path, feed: Arc<Feed>, clock: Clock) -> Outcome {
    let pods = pods();
    let mut pod = pods.first().ok_or("no pods")?.clone();
    let mut shown = Shown::of(feed);
    shown.take(PodNews::Listed { rows: pods, at: clock.now() });
    let shown = Arc::new(Mutex::new(shown));
    let loaded = Arc::new(AtomicBool::new(false));
    let key = EffectKey::step(&StepId::new(STEP)?, Attempt(1));
    let log = steps.join(key.to_string());
    std::fs::create_dir_all(&log)?;
    let scan = steps.join(EffectKey::step(&StepId::new(SCAN)?, Attempt(1)).to_string());
    std::fs::create_dir_all(&scan)?;
    findings::generate(&scan.join("report"), FINDINGS)?;
    let (flood, on) = (log.clone(), Arc::clone(&loaded));
    std::thread::spawn(move || writes(&flood, &on));
    let show = move |row: PodRow| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.take(PodNews::Changed { row, at: clock.now() });
    };
    let (mut changed, churn, on) = (pod.clone(), show.clone(), Arc::clone(&loaded));
    std::thread::spawn(move || {
        loop {
            if on.load(Ordering::Relaxed) {
                changed.restarts += 1;
                churn(changed.clone());
            }
            super::super::pause(Duration::from_millis(33));
        }
    });
    std::thread::spawn(move || {
        for word in std::io::stdin().lock().lines().map_while(Result::ok) {
            if let Some(("pod", name)) = word.split_once(' ') {
                pod.name = Clean::new(&format!("backend-blue-{name}"));
                pod.ready = false;
                // The youngest of those that are not ready is shown first.
                pod.created_ms += 1;
                show(pod.clone());
            } else {
                loaded.store(word == "load", Ordering::Relaxed);
            }
        }
    });
    Ok(())
}

/// What the news of pods add up to, for those who are attached.
struct Shown {
    table: PodTable,
    live: Live,
    feed: Arc<Feed>,
}

impl Shown {
    fn of(feed: Arc<Feed>) -> Self {
        Self { table: PodTable::default(), live: Live::default(), feed }
    }

    fn take(&mut self, news: PodNews) {
        let as_before = matches!(news, PodNews::Current { .. } | PodNews::Exited { .. });
        self.table.take(news);
        if !as_before {
            self.live.telemetry.pods = self.table.rows().cloned().collect();
        }
        self.live.telemetry.pods_at_ms = self.table.at_ms();
        self.live.telemetry.pods_error = self.table.error().cloned();
        self.feed.show(self.live.clone());
    }
}

/// Shows the pods of a cluster as they come and go.
async fn watches(kubeconfig: &Path, feed: Arc<Feed>, clock: Clock) -> Outcome {
    let connection =
        Connection { kubeconfig: Some(kubeconfig.to_owned()), ..Connection::default() };
    let cluster = Cluster::connect(&connection, clock).await?;
    let mut shown = Shown::of(feed);
    let take = |news| shown.take(news);
    match cluster.watch_pods(NAMESPACE, fastrand::Rng::with_seed(17), take).await {}
}

/// A flood of lines into the step's log while it is loaded.
fn writes(folder: &Path, on: &AtomicBool) {
    let Ok(mut sink) = LogSink::create(folder, Masks::new([]), LogLimits::default()) else {
        return;
    };
    let mut number = 0_u64;
    loop {
        super::super::pause(Duration::from_millis(10));
        if !on.load(Ordering::Relaxed) && number > 0 {
            continue;
        }
        let mut chunk = Vec::new();
        for _ in 0..LINES_PER_S / 100 {
            number += 1;
            chunk.extend_from_slice(
                format!("info compiled chunk {number:09} of the shop in mode production\n")
                    .as_bytes(),
            );
        }
        sink.feed(Stream::Stdout, number, &chunk);
    }
}

/// Sits down at a cockpit of the release at a socket.
async fn sits(args: &[String]) -> Outcome {
    let [socket] = args else { return Err("a socket".into()) };
    let settings = settings()?;
    let person = settings.principal.person.clone();
    let attaching = Attaching {
        clock: Clock::live(),
        build: Clean::new("bench"),
        person,
        wants: Wants::Drive,
        pace: Pace::default(),
    };
    let handle = connect(Path::new(socket), attaching).await?;
    tui::run(handle, settings, gonogo::world::machine::terminal_at_once()).await?;
    Ok(())
}

/// A dark screen of true colours, for somebody who may drive.
fn settings() -> Result<Settings, Box<dyn Error>> {
    let person = Person::new(user_name())?;
    Ok(Settings {
        theme: Theme::shipped("dark", Depth::True, false).ok_or("no theme dark")?,
        keymap: Keymap::shipped(),
        principal: Principal { person, via: Via::Cockpit, key: None },
        can_arm: true,
        database: "shop".to_owned(),
        clock: Clock::live(),
        mouse: false,
        bell: false,
        history: History::default(),
        library: None,
    })
}
