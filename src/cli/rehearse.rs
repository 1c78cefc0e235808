//! `gonogo rehearse`: the whole house against a world that exists only in this process.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use color_eyre::eyre::{Report, WrapErr as _};
use jiff::Timestamp as Wall;

use crate::config::{Listed, Paths, Rehearsal, digest};
use crate::engine::handle::{Handle, Snapshot};
use crate::engine::{Engine, Launch, launch};
use crate::error::{Exit, Failure};
use crate::journal::{Driver, Journal};
use crate::release::{
    Clean, Digest, Opened, Principal, Rehearsal as Mark, ReleaseId, Revision, SessionId, Start,
};
use crate::report::line::LineSettings;
use crate::report::script::{self, Act};
use crate::report::{json, line};
use crate::sim::{Settings, Theatre, build, scenario};
use crate::tui;
use crate::world::{Clock, disk, machine};

/// When every rehearsal begins on its own wall clock, so that a seed repeats to the letter.
const BEGINS: &str = "2026-11-23T02:26:00Z";

/// Seconds of simulated time between two signs of life; they pass in milliseconds.
const HEARTBEAT_S: u64 = 600;

/// What an unattended rehearsal prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Lines,
    Json,
}

/// Lists the scenarios.
pub(super) fn list(out: &mut dyn Write, all: &[Listed]) -> Result<Exit, Report> {
    let width = all.iter().map(|listed| listed.scenario.name.len()).max().unwrap_or(0);
    for Listed { scenario, origin } in all {
        let (name, title, exit) = (&scenario.name, &scenario.title, scenario.exit);
        writeln!(out, "{name:width$}  {title} (exit {exit}, {origin})")?;
    }
    Ok(Exit::Released)
}

/// A rehearsal, ready to be flown.
pub struct Flight {
    pub handle: Handle,
    pub engine: Engine,
    /// Keeps the simulated world alive.
    pub theatre: Theatre,
    pub acts: Vec<Act>,
}

/// Builds a rehearsal inside the runtime whose time it follows. `attended` says whether a person
/// flies it, so that a failure waits for a retry.
pub fn prepare(
    rehearsal: Rehearsal,
    paths: &Paths,
    by: &Principal,
    speed: f64,
    attended: bool,
) -> Result<Flight, Report> {
    let begins: Wall = BEGINS.parse().wrap_err("failed to read the rehearsal's first moment")?;
    let clock = Clock::simulated(begins, speed);
    let id = claim(paths, begins)?;
    let folder = paths.releases().join(id.as_str());
    let session = SessionId::new(format!("s-{}", machine::own_pid()))?;
    let driver = Driver {
        session: session.clone(),
        person: by.person.clone(),
        host: machine::host(),
        pid: machine::own_pid(),
        boot: machine::boot_id(),
        since: clock.now().wall,
    };
    // A rehearsal does not go on without the process that shows it.
    let guard = Clean::new("this rehearsal");
    let (host, pid, boot) = (driver.host.clone(), driver.pid, driver.boot.clone());
    let journal = Journal::create(&folder, id.clone(), driver)?;
    let revision = revision(&rehearsal)?;
    let start = start(&rehearsal, &revision, attended);
    let acts = rehearsal.scenario.operator.iter().map(act).collect();
    let steps = folder.join("steps");
    let theatre = build(Settings {
        release: id,
        seed: rehearsal.seed,
        plan: rehearsal.plan,
        scenario: rehearsal.scenario,
        revision,
        clock,
        steps: steps.clone(),
        workspace: folder.join("workspace"),
    })?;
    let build = Clean::new(env!("CARGO_PKG_VERSION"));
    let opened =
        Opened { session, host, pid, boot, build, by: by.clone(), start: Some(Box::new(start)) };
    let (handle, engine) = launch(Launch {
        world: theatre.world.clone(),
        journal,
        past: Vec::new(),
        repair: <_>::default(),
        guard,
        opened,
        steps,
    });
    Ok(Flight { handle, engine, theatre, acts })
}

/// Flies a rehearsal with its scripted operator on paused time, printing as it goes.
pub(super) fn rehearse(
    rehearsal: Rehearsal,
    paths: &Paths,
    by: &Principal,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    // A clock that is paused needs one thread: tokio moves it on when nothing else can run.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .wrap_err("failed to start the runtime")?;
    runtime.block_on(async {
        let Flight { handle, engine, theatre, acts } = prepare(rehearsal, paths, by, 1.0, false)?;
        let driving = tokio::spawn(engine.run());
        let script = tokio::spawn({
            let (handle, acts) = (handle.clone(), acts.clone());
            async move { script::play(&handle, &acts).await }
        });
        // Without an act for it, a hold waits for somebody who is not there.
        let stop_when_held = acts.iter().all(|act| act.when != script::When::Held);
        let end = match output {
            Output::Lines => {
                let mut settings = LineSettings::new(|release, _| Exit::of_result(release).code());
                settings.stop_when_held = stop_when_held;
                settings.heartbeat_s = HEARTBEAT_S;
                line::follow(handle, out, settings).await
            }
            Output::Json => json::follow(handle, out, stop_when_held).await,
        }
        .wrap_err("failed to print")?;
        script.abort();
        driving.abort();
        drop(theatre);
        Ok(Exit::of_result(&end.release))
    })
}

/// Claims the folder of a new release: `r-1123.1`, `r-1123.2`, …
fn claim(paths: &Paths, at: Wall) -> Result<ReleaseId, Report> {
    let day = at.strftime("%m%d");
    let name = disk::claim(&paths.releases(), |count| format!("r-{day}.{count}"))?;
    ReleaseId::new(name).wrap_err("failed to name the release")
}

/// Flies a rehearsal in the cockpit, on time that runs `speed` times as fast as real time.
pub(super) fn cockpit(
    rehearsal: Rehearsal,
    paths: &Paths,
    by: &Principal,
    mut settings: tui::Settings,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    let speed = rehearsal.speed;
    let skip_to = rehearsal.skip_to.clone();
    // Time that is skipped, or stands still, is paused time, which needs one thread.
    let paused = skip_to.is_some() || speed <= 0.0;
    let mut builder = if paused {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder
        .worker_threads(2)
        .start_paused(paused)
        .enable_all()
        .build()
        .wrap_err("failed to start the runtime")?;
    let release = runtime.block_on(async {
        let Flight { handle, engine, theatre, acts } = prepare(rehearsal, paths, by, speed, true)?;
        let driving = tokio::spawn(engine.run());
        let mut follower = handle.follow();
        if let Some(moment) = &skip_to {
            let see = |snapshot: &Snapshot| settings.history.learn(snapshot);
            if let Err(end) = script::play_to(&handle, &acts, moment, see).await {
                let what = format!("this scenario never comes to that moment: {end:?}");
                return Err(Failure::new(Exit::Usage, what).into());
            }
        }
        let still = stand_still(paused && speed <= 0.0);
        if paused && still.is_none() {
            tokio::time::resume();
        }
        tui::run(handle, settings).await.wrap_err("failed to show the cockpit")?;
        follower.catch_up();
        driving.abort();
        drop((theatre, still));
        Ok::<_, Report>(follower.snapshot().release.clone())
    })?;
    runtime.shutdown_background();
    let sentence = match &release.result {
        Some(result) => result.sentence(),
        None => "left before its end; a rehearsal does not go on without its cockpit".to_owned(),
    };
    writeln!(out, "REHEARSAL {}: {sentence}", release.id)?;
    writeln!(out, "gonogo timeline {} tells it again", release.id)?;
    Ok(Exit::of_result(&release))
}

/// Holds paused time where it is until the guard is dropped: it moves on only while no thread works
/// for the runtime.
fn stand_still(wanted: bool) -> Option<mpsc::Sender<()>> {
    let (guard, dropped) = mpsc::channel::<()>();
    wanted.then(|| {
        tokio::task::spawn_blocking(move || dropped.recv());
        guard
    })
}

/// A revision that depends on the scenario and the seed alone.
fn revision(rehearsal: &Rehearsal) -> Result<Revision, Report> {
    let text = format!("{} {}", rehearsal.scenario.name, rehearsal.seed);
    let digest = Digest::of(text.as_bytes());
    let hex: String = digest.as_str().chars().skip(7).take(40).collect();
    Revision::new(hex).wrap_err("failed to name the revision")
}

fn start(rehearsal: &Rehearsal, revision: &Revision, attended: bool) -> Start {
    let (plan, policy) = (rehearsal.plan.clone(), rehearsal.policy.clone());
    let branch = rehearsal.scenario.branch.clone();
    let rule = plan.branch_rule(&branch).cloned();
    let last = plan.stages.last().map(|stage| stage.id.clone());
    let until = rule.as_ref().map(|rule| rule.until.clone()).or(last);
    Start {
        plan_digest: digest(&plan),
        policy_digest: digest(&policy),
        revision: revision.clone(),
        branch: Clean::new(&branch),
        environment: Clean::new("production"),
        from: None,
        until: until.unwrap_or_else(|| plan.stages[0].id.clone()),
        external: rule.is_none_or(|rule| rule.external),
        attended,
        tells: false,
        rehearsal: Some(Mark {
            scenario: Clean::new(&rehearsal.scenario.name),
            seed: rehearsal.seed,
        }),
        latches: Vec::new(),
        passed_before: Vec::new(),
        plan,
        policy,
    }
}

fn act(act: &scenario::Act) -> Act {
    use scenario::{Press as P, When as W};
    use script::{Press, When};
    Act {
        when: match act.when {
            W::GateOpen => When::GateOpen,
            W::AwaitsSwitch => When::AwaitsSwitch,
            W::Switched => When::Switched,
            W::Held => When::Held,
            W::Ended => When::Ended,
        },
        wait: Duration::from_secs(act.wait_s),
        press: match act.press {
            P::Approve => Press::Approve,
            P::Reject => Press::Reject,
            P::Switch => Press::Switch,
            P::RollBack => Press::RollBack,
            P::Retry => Press::Retry,
            P::Override => Press::Override,
            P::Restore => Press::Restore,
            P::UndoRestore => Press::UndoRestore,
            P::Abort => Press::Abort,
        },
        comment: scenario::Scenario::comment(act),
    }
}
