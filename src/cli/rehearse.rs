//! `gonogo rehearse`: the whole house against a world that exists only in this process.

use std::io::Write;
use std::time::Duration;

use color_eyre::eyre::{Report, WrapErr as _};
use jiff::Timestamp as Wall;

use crate::config::{self, Listed, Paths, Rehearsal, args, digest};
use crate::engine::handle::{Follower, Handle, Snapshot};
use crate::engine::{Engine, Launch, launch};
use crate::error::{Exit, Failure};
use crate::journal::{Driver, Journal, Library};
use crate::release::{
    Clean, Digest, Opened, Principal, Rehearsal as Mark, Release, ReleaseId, Revision, SessionId,
    Start,
};
use crate::report::line::LineSettings;
use crate::report::plain::PlainSettings;
use crate::report::script::{self, Act};
use crate::report::summary::write_lines;
use crate::report::{json, line, words};
use crate::sim::scenario::{self, Scenario};
use crate::sim::{Settings, Theatre, build};
use crate::tui;
use crate::world::machine::terminal_at_once;
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
    let mut start = start(&rehearsal, &revision, attended);
    let serving = Library::new(&paths.state).serving(&start.environment, true)?;
    start.baseline = serving.map(|(release, _)| release);
    let acts = script_of(&rehearsal.scenario);
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
    let (by, start) = (by.clone(), Some(Box::new(start)));
    let opened = Opened { session, host, pid, boot, build, repaired: None, by, start };
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
        let mut seen = handle.follow();
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
        if output == Output::Lines {
            seen.catch_up();
            writeln!(out)?;
            write_lines(out, &debriefed(&seen))?;
        }
        Ok(Exit::of_result(&end.release))
    })
}

fn debriefed(seen: &Follower) -> Vec<Clean> {
    let snapshot = seen.snapshot();
    words::debrief(&snapshot.records, &snapshot.live.telemetry.faults)
}

/// Claims the folder of a new release: `r-1123.1`, `r-1123.2`, …
fn claim(paths: &Paths, at: Wall) -> Result<ReleaseId, Report> {
    let day = at.strftime("%m%d");
    let name = disk::claim(&paths.releases(), |count| format!("r-{day}.{count}"))?;
    ReleaseId::new(name).wrap_err("failed to name the release")
}

/// Flies a rehearsal in the cockpit, on time that runs `speed` times as fast as real time.
pub(super) fn cockpit(
    args: &args::Rehearse,
    scenario: Scenario,
    paths: &Paths,
    by: &Principal,
    theme: tui::Theme,
    settings: impl FnOnce(tui::Theme) -> Result<tui::Settings, Report>,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    let begin = || {
        let first = tui::FirstFrame {
            rehearsal: Some(scenario.name.clone()),
            what: "the shipped plan, a simulated cluster, and a journal".to_owned(),
        };
        let opened =
            tui::open(&theme, &first, terminal_at_once()).wrap_err("failed to show the cockpit")?;
        Ok((config::rehearsal_of(scenario, args)?, (opened, settings(theme)?)))
    };
    let (left, seen) = attended(args, begin, paths, by, async |handle, with, history| {
        let (opened, mut settings): (tui::Opened, tui::Settings) = with;
        settings.history = history;
        let shown = opened.run(handle, settings).await.wrap_err("failed to show the cockpit");
        shown.map(|(left, _)| left)
    })?;
    if left == tui::Leave::HungUp {
        return Ok(Exit::of_result(&seen.snapshot().release));
    }
    if seen.snapshot().release.result.is_some() {
        write_lines(out, &debriefed(&seen))?;
    }
    farewell(&seen.snapshot().release, out)
}

/// Flies a rehearsal in plain lines, on time that runs `speed` times as fast as real time.
pub(super) fn plain(
    args: &args::Rehearse,
    paths: &Paths,
    by: &Principal,
    settings: PlainSettings,
    out: &mut dyn Write,
) -> Result<Exit, Report> {
    let begin = || Ok((config::rehearsal(args, paths)?, settings));
    let ((), seen) = attended(args, begin, paths, by, async |handle, settings, _| {
        super::plain::talk(handle, settings).await.map(drop)
    })?;
    farewell(&seen.snapshot().release, out)
}

/// Runs the rehearsal that `begin` gives for as long as `watch` looks on, from the moment that the
/// arguments skip to; gives its answer and what there was to see.
fn attended<S, T>(
    args: &args::Rehearse,
    begin: impl FnOnce() -> Result<(Rehearsal, S), Report>,
    paths: &Paths,
    by: &Principal,
    watch: impl AsyncFnOnce(Handle, S, tui::History) -> Result<T, Report>,
) -> Result<(T, Follower), Report> {
    // Time that is skipped, or stands still, is paused time, which needs one thread.
    let paused = args.skip_to.is_some() || args.speed <= 0.0;
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
    let (left, seen) = runtime.block_on(async {
        let (rehearsal, with) = begin()?;
        let (speed, skip_to) = (rehearsal.speed, rehearsal.skip_to.clone());
        let Flight { handle, engine, theatre, acts } = prepare(rehearsal, paths, by, speed, true)?;
        let driving = tokio::spawn(engine.run());
        let mut seen = handle.follow();
        let mut history = tui::History::default();
        if let Some(moment) = &skip_to {
            let see = |snapshot: &Snapshot| history.learn(snapshot);
            if let Err(end) = script::play_to(&handle, &acts, moment, see).await {
                let what = format!("this scenario never comes to that moment: {end:?}");
                return Err(Failure::new(Exit::Usage, what).into());
            }
        }
        if speed <= 0.0 {
            // Only the rehearsal's: the operator's own time, and the screen with it, goes on.
            handle.clock().stand_still();
        }
        if paused {
            tokio::time::resume();
        }
        let left = watch(handle, with, history).await?;
        seen.catch_up();
        driving.abort();
        drop(theatre);
        Ok::<_, Report>((left, seen))
    })?;
    runtime.shutdown_background();
    Ok((left, seen))
}

/// The last words on a rehearsal that somebody flew.
fn farewell(release: &Release, out: &mut dyn Write) -> Result<Exit, Report> {
    let sentence = match &release.result {
        Some(result) => result.sentence(),
        None => "left before its end; a rehearsal does not go on without you".to_owned(),
    };
    writeln!(out, "REHEARSAL {}: {sentence}", release.id)?;
    writeln!(out, "gonogo timeline {} tells it again, gonogo replay plays it", release.id)?;
    Ok(Exit::of_result(release))
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
        policy_from: Clean::new("the shipped policy"),
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
        baseline: None,
        passed_before: Vec::new(),
        plan,
        policy,
    }
}

/// What a scenario's operator does, as the script that is played.
pub fn script_of(scenario: &Scenario) -> Vec<Act> {
    scenario.operator.iter().map(act).collect()
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
        comment: Scenario::comment(act),
    }
}
