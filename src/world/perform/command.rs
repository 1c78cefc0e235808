//! A step's command: run, adopt or take up what is there, then read the report it must have left.

use std::path::Path;
use std::time::Duration;

use crate::release::{
    Clean, EffectKey, Outcome, ReportFile, ReportSummary, Step, StepEnd, StepResult, Timestamp,
};
use crate::world::logpipe::{LogFile, Masks, STDOUT};
use crate::world::shell::{
    Cause, Exit, REPORT_BYTES_MAX, Running, SecretBy, StepSecret, StepSeen, StepSpec,
    clear_reports, fresh_report,
};
use crate::world::stored::KEPT;
use crate::world::tools::{Origin, conceal_report};
use crate::world::{Reporter, World, disk, tools};

/// Runs a step's command to its end. A try that is running already is adopted, one that has ended
/// is taken as it is: starting and resuming are the same.
pub(super) async fn run(
    world: &World,
    key: &EffectKey,
    step: &Step,
    reporter: &Reporter,
) -> Outcome {
    let dir = world.steps.join(key.to_string());
    let exit = match world.shell.observe(&dir) {
        StepSeen::Exited(exit) => Ok(exit),
        StepSeen::Running(_) => match world.shell.adopt(&dir) {
            Ok(running) => match finish(running).await {
                // Its engine died before it gave the word, so it never began.
                Err(_) if world.shell.observe(&dir) == StepSeen::NotStarted => {
                    start(world, &dir, step, reporter).await
                }
                finished => finished,
            },
            Err(error) => Err(super::because(error)),
        },
        StepSeen::Unknown(reason) => return Outcome::InDoubt { reason },
        StepSeen::NotStarted | StepSeen::Gone(_) => start(world, &dir, step, reporter).await,
    };
    match exit {
        Ok(exit) => Outcome::StepEnded(judge(world, &dir, step, &exit)),
        Err(reason) => Outcome::Failed { reason },
    }
}

async fn start(world: &World, dir: &Path, step: &Step, reporter: &Reporter) -> Result<Exit, Clean> {
    let mut spec = StepSpec::new(dir, &world.workspace, step.run.clone());
    spec.timeout = Duration::from_secs(step.timeout_s);
    spec.keep_stdout = step.report.as_ref().is_some_and(|report| report.path == "-");
    spec.env.clone_from(&world.env);
    spec.env.extend(step.env.clone());
    for name in &step.secrets {
        let value = world.secrets.get(name).cloned().ok_or_else(|| {
            Clean::new(&format!(
                "the secret {name} is not to be had: name its source in gonogo.yaml under `secrets`"
            ))
        })?;
        spec.secrets.push(StepSecret { name: name.to_string(), by: SecretBy::Env, value });
    }
    // Whatever a step prints, no known secret may stand in its log.
    for (name, value) in world.secrets.iter().filter(|(name, _)| !step.secrets.contains(name)) {
        let (name, value) = (name.to_string(), value.clone());
        spec.secrets.push(StepSecret { name, by: SecretBy::Mask, value });
    }
    if let Some(ReportFile { path, .. }) = step.report.as_ref().filter(|report| report.path != "-")
    {
        clear_reports(&world.workspace, std::slice::from_ref(path))
            .map_err(|error| Clean::new(&format!("failed to clear {path}: {error}")))?;
    }
    reporter.say(step.run.first().map_or("", String::as_str));
    let running = world.shell.start(spec).await.map_err(super::because)?;
    finish(running).await
}

async fn finish(mut running: Running) -> Result<Exit, Clean> {
    running.wait().await.map_err(super::because)
}

/// What the exit and the report come to.
pub(super) fn judge(world: &World, dir: &Path, step: &Step, exit: &Exit) -> StepEnd {
    let took_ms = exit.ended.boot_ms.saturating_sub(exit.started.boot_ms);
    let (result, report) = match well(step, exit) {
        Err(result) => (result, read(world, dir, step, exit).ok().flatten()),
        Ok(()) => match read(world, dir, step, exit) {
            Ok(report) => (StepResult::Passed, report),
            Err(reason) => (StepResult::Failed { reason }, None),
        },
    };
    let mut end = StepEnd::new(result, took_ms);
    end.report = report;
    end.masked = exit.log.masked;
    end
}

/// Whether the exit itself is good; exit codes lie both ways, so the report is asked as well.
fn well(step: &Step, exit: &Exit) -> Result<(), StepResult> {
    let failed = |reason: &str| Err(StepResult::Failed { reason: Clean::new(reason) });
    match &exit.cause {
        Cause::Exited { code } if *code == 0 || step.exit_ok.contains(code) => Ok(()),
        Cause::Exited { code } => failed(&format!("exit code {code}")),
        Cause::Signalled { signal } => failed(&format!("ended by signal {signal}")),
        Cause::TimedOut => Err(StepResult::TimedOut { after_s: step.timeout_s }),
        Cause::Cancelled => {
            Err(StepResult::Cancelled { reason: Clean::new("ended by the engine") })
        }
        Cause::NotStarted { error } => Err(StepResult::Failed { reason: error.clone() }),
    }
}

/// How many of the log's last lines may say what a tool looked at.
const LOG_LINES: usize = 200;

/// Reads the report that the step must have left: fresh, whole, and about something. What is kept
/// of it is masked; a report that has been kept before, ahead of a crash, is read again.
fn read(
    world: &World,
    dir: &Path,
    step: &Step,
    exit: &Exit,
) -> Result<Option<ReportSummary>, Clean> {
    let Some(ReportFile { path, format }) = &step.report else { return Ok(None) };
    let kept = match disk::read(&dir.join(KEPT), REPORT_BYTES_MAX).map_err(super::because)? {
        Some(kept) => kept,
        None => keep(world, dir, step, path, exit.started)?,
    };
    let code = match exit.cause {
        Cause::Exited { code } => Some(code),
        _ => None,
    };
    let origin = Origin {
        tool: step.run.first().map_or("", String::as_str),
        exit: code,
        accepted: code.is_some_and(|code| code != 0 && step.exit_ok.contains(&code)),
        log: &end_of_log(dir),
        root: world.workspace.to_str().unwrap_or(""),
        key: world.key.as_ref(),
    };
    let report = tools::read(*format, &origin, &kept).map_err(super::because)?;
    Ok(Some(report.summary))
}

/// What the step said last; nothing where that cannot be read.
fn end_of_log(dir: &Path) -> String {
    let Ok(log) = LogFile::open(dir) else { return String::new() };
    let lines = log.window(log.lines().saturating_sub(LOG_LINES), LOG_LINES).unwrap_or_default();
    let mut text = String::new();
    for line in lines {
        text.push_str(line.text.as_str());
        text.push('\n');
    }
    text
}

/// Takes the raw report and keeps its masked copy.
fn keep(
    world: &World,
    dir: &Path,
    step: &Step,
    path: &str,
    started: Timestamp,
) -> Result<Vec<u8>, Clean> {
    let stdout = dir.join(STDOUT);
    let raw = if path == "-" {
        let read = disk::read(&stdout, REPORT_BYTES_MAX).map_err(super::because)?;
        read.ok_or_else(|| Clean::new(&format!("{} printed no report", step.id)))?
    } else {
        fresh_report(&world.workspace, Path::new(path), started).map_err(super::because)?
    };
    let (kept, _) = Masks::new(world.secrets.values()).cover(&raw);
    let kept = conceal_report(&kept, world.key.as_ref());
    disk::write_whole(dir, KEPT, &kept).map_err(super::because)?;
    disk::remove(&stdout).map_err(super::because)?;
    Ok(kept)
}
