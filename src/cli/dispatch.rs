//! Which subcommand does what: settings are resolved here, and one call goes into the rooms.

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::CommandFactory as _;
use color_eyre::eyre::{Report, WrapErr as _};

use super::reach::Local;
use super::replay::Stage;
use super::run::{Follow, Started, exit_of, follow, late, start};
use super::timeline::Form;
use super::{ask, engine, plain, policy, rehearse};
use crate::config::args::{self, Args, Look, Sub};
use crate::config::{self, Paths};
use crate::engine::handle::Link;
use crate::error::{Exit, Failure};
use crate::journal::Library;
use crate::release::finding::waiver::Waiver;
use crate::release::{Ask, Clean, Release, ReleaseId, Severity, Via};
use crate::report::findings::Form as Print;
use crate::report::line::LineSettings;
use crate::report::plain::PlainSettings;
use crate::tui;
use crate::world::Clock;
use crate::world::machine::terminal_at_once;

/// Carries out what was typed.
pub fn dispatch(args: Args) -> Result<Exit, Report> {
    let paths = Paths::of_user()?;
    let look = args.look;
    match args.command {
        None => home(&paths, &look),
        Some(Sub::Rehearse(args)) => rehearsal(&args, &paths, &look),
        Some(Sub::Run(args)) => run(&args, &paths, &look),
        Some(Sub::Attach(args)) => attach(args, &paths, &look),
        Some(Sub::Engine(args)) => engine::engine(&args.folder, exe()?, build()),
        Some(Sub::Reset) => {
            tui::reset().wrap_err("failed to repair the terminal")?;
            Ok(Exit::Released)
        }
        Some(Sub::Findings(args)) => findings(args, &paths),
        Some(Sub::Schema(args)) => schema(&args),
        Some(Sub::Completions(args)) => {
            let mut out = std::io::stdout();
            clap_complete::generate(args.shell, &mut Args::command(), "gonogo", &mut out);
            Ok(Exit::Released)
        }
        Some(Sub::Man) => {
            clap_mangen::Man::new(Args::command()).render(&mut std::io::stdout())?;
            Ok(Exit::Released)
        }
        Some(Sub::Releases) => super::releases(&library(&paths), &mut std::io::stdout()),
        Some(Sub::Show(args)) => {
            super::show(&library(&paths), name(args.release.as_ref()), &mut std::io::stdout())
        }
        Some(Sub::Verify(args)) => {
            super::verify(&library(&paths), name(args.release.as_ref()), &mut std::io::stdout())
        }
        Some(Sub::Timeline(args)) => timeline(&args, &paths),
        Some(Sub::Report(args)) => {
            let (mut out, mut notes) = (std::io::stdout(), std::io::stderr());
            let which = name(args.release.as_ref());
            super::report(&library(&paths), which, args.html, &mut out, &mut notes)
        }
        Some(Sub::Replay(args)) => replay(&args, &paths, &look),
        Some(other) => by_hand(other, &paths),
    }
}

fn library(paths: &Paths) -> Library {
    Library::new(&paths.state)
}

fn name(release: Option<&ReleaseId>) -> Option<&str> {
    release.map(ReleaseId::as_str)
}

fn timeline(args: &args::Timeline, paths: &Paths) -> Result<Exit, Report> {
    let form = match (args.markdown, args.json) {
        (true, _) => Form::Markdown,
        (false, true) => Form::Json,
        (false, false) => Form::Text,
    };
    let which = name(args.release.as_ref());
    let (mut out, mut notes) = (std::io::stdout(), std::io::stderr());
    super::timeline(&library(paths), which, form, &mut out, &mut notes)
}

/// A pipe gets lines, a terminal the screens.
fn replay(args: &args::Replay, paths: &Paths, look: &Look) -> Result<Exit, Report> {
    let stage = if on_terminal() && !args.plain {
        Stage::Screens(Box::new(cockpit(theme(paths, look)?, paths, look, "")?), args.speed)
    } else {
        Stage::Lines
    };
    let (library, which) = (library(paths), name(args.release.as_ref()));
    let runtime = runtime()?;
    let exit = runtime.block_on(super::replay(&library, which, stage, &mut std::io::stdout()))?;
    runtime.shutdown_background();
    Ok(exit)
}

fn exe() -> Result<PathBuf, Report> {
    std::env::current_exe().wrap_err("failed to find this program")
}

fn build() -> Clean {
    Clean::new(env!("CARGO_PKG_VERSION"))
}

fn local(paths: &Paths) -> Result<Local, Report> {
    paths.prepare()?;
    Ok(Local {
        paths: paths.clone(),
        exe: exe()?,
        person: config::principal(Via::Shell).person,
        clock: Clock::live(),
        build: build(),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Report> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .wrap_err("failed to start the runtime")
}

fn on_terminal() -> bool {
    std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
}

/// `gonogo` alone: the cockpit of the release that runs, or the list of releases.
fn home(paths: &Paths, look: &Look) -> Result<Exit, Report> {
    let local = local(paths)?;
    if !on_terminal() {
        return super::releases(&local.library(), &mut std::io::stdout());
    }
    match local.running(None) {
        Ok(id) => watch(&local, &id, look),
        Err(_) => choose(&local, look),
    }
}

/// The cockpit without a release: it begins with the list.
fn choose(local: &Local, look: &Look) -> Result<Exit, Report> {
    let settings = cockpit(theme(&local.paths, look)?, &local.paths, look, "")?;
    let runtime = runtime()?;
    let (left, shown) = runtime.block_on(async {
        let left = tui::run(super::shelf::nothing(local)?, settings, terminal_at_once())
            .await
            .wrap_err("failed to show the cockpit")?;
        Ok::<_, Report>(left)
    })?;
    runtime.shutdown_background();
    if left == tui::Leave::Detached && shown.start.is_some() && shown.result.is_none() {
        detached(&shown.id, Exit::Interrupted);
    }
    Ok(Exit::Released)
}

fn rehearsal(args: &args::Rehearse, paths: &Paths, look: &Look) -> Result<Exit, Report> {
    let mut out = std::io::stdout();
    if args.list {
        let all = config::scenarios(args.scenarios.as_deref())?;
        return rehearse::list(&mut out, &all);
    }
    paths.prepare()?;
    let mut by = config::principal(Via::Cockpit);
    by.person = args.person.clone().unwrap_or(by.person);
    if args.auto {
        let output = if args.json { rehearse::Output::Json } else { rehearse::Output::Lines };
        let rehearsal = config::rehearsal(args, paths)?;
        return rehearse::rehearse(rehearsal, paths, &by, output, &mut out);
    }
    if args.plain && plain::can_be_asked() {
        let mut settings = lines(look, DATABASE, |release, _| Exit::of_result(release).code());
        settings.principal = by.clone();
        return rehearse::plain(args, paths, &by, settings, &mut out);
    }
    // An unknown scenario is named before the lack of a terminal.
    let scenario = config::scenario(args, paths)?;
    if !on_terminal() {
        let what = "a rehearsal asks for decisions, and nobody can type here";
        let hint = "add --auto: a scripted operator decides, and plain lines are printed";
        return Err(Failure::new(Exit::Usage, what).with_hint(hint).into());
    }
    let settings = |theme| {
        let mut settings = cockpit(theme, paths, look, DATABASE)?;
        settings.principal = by.clone();
        Ok(settings)
    };
    rehearse::cockpit(args, scenario, paths, &by, theme(paths, look)?, settings, &mut out)
}

/// The database of the rehearsed shop.
const DATABASE: &str = "ecommerce";

fn lines(look: &Look, database: &str, code: fn(&Release, &Link) -> u8) -> PlainSettings {
    let terminal = config::Terminal::of_environment();
    let by = config::principal(Via::Cockpit);
    config::plain(look, &terminal, by, database, LineSettings::new(code))
}

fn theme(paths: &Paths, look: &Look) -> Result<tui::Theme, Report> {
    Ok(config::theme(look, &config::Terminal::of_environment(), paths)?)
}

fn cockpit(
    theme: tui::Theme,
    paths: &Paths,
    look: &Look,
    database: &str,
) -> Result<tui::Settings, Report> {
    let by = config::principal(Via::Cockpit);
    let mut settings = config::cockpit(theme, look, paths, by, database)?;
    settings.library = Some(Arc::new(super::shelf::Releases::new(local(paths)?)));
    // From here on what gonogo says of itself has a screen.
    tui::listen();
    Ok(settings)
}

fn run(args: &args::Run, paths: &Paths, look: &Look) -> Result<Exit, Report> {
    let local = local(paths)?;
    let repository = std::env::current_dir().wrap_err("failed to find the current directory")?;
    let talks = args.plain && plain::can_be_asked();
    let attended = (on_terminal() && !args.plain || talks) && !args.json && !args.detach;
    let runtime = runtime()?;
    let starting = start(&local, args, &repository, config::environment(), attended);
    let Started { id, engine } = runtime.block_on(starting)?;
    if attended && talks {
        return talk(&local, &id, look);
    }
    if attended {
        return watch(&local, &id, look);
    }
    let mut out = std::io::stdout();
    if args.detach {
        writeln!(out, "{id} goes on by itself; gonogo attach {id} shows it")?;
        return Ok(Exit::Released);
    }
    let how = if args.json { Follow::Json } else { Follow::Lines };
    let exit = runtime.block_on(async {
        let handle = local.wait_for(&id, super::reach::DRIVE, engine.as_ref()).await?;
        follow(handle, how, &mut out).await
    })?;
    detached(&id, exit);
    Ok(exit)
}

/// Says where the release goes on, after an interrupt.
fn detached(id: &ReleaseId, exit: Exit) {
    if exit == Exit::Interrupted {
        // A terminal that is gone cannot be told, which is no fault of the release.
        let _ = writeln!(std::io::stderr(), "detached; {id} goes on, gonogo attach {id} shows it");
    }
}

fn attach(args: args::Attach, paths: &Paths, look: &Look) -> Result<Exit, Report> {
    let local = local(paths)?;
    let id = local.running(args.release)?;
    if on_terminal() && !args.plain && !args.json {
        return watch(&local, &id, look);
    }
    if args.plain && plain::can_be_asked() && !args.json {
        return talk(&local, &id, look);
    }
    let how = if args.json { Follow::Json } else { Follow::Lines };
    let exit = runtime()?.block_on(async {
        let entry = local.library().entry(&id);
        if let Some(result) = entry.result.filter(|_| !entry.driven) {
            return late(&local, &id, &result, how, &mut std::io::stdout());
        }
        let handle = local.reach(&id, super::reach::DRIVE).await?;
        follow(handle, how, &mut std::io::stdout()).await
    })?;
    detached(&id, exit);
    Ok(exit)
}

/// The cockpit of a real release; leaving it changes nothing.
fn watch(local: &Local, id: &ReleaseId, look: &Look) -> Result<Exit, Report> {
    let theme = theme(&local.paths, look)?;
    let runtime = runtime()?;
    let (left, release) = runtime.block_on(async {
        let first = tui::FirstFrame { rehearsal: None, what: format!("{id}: reaching its engine") };
        let opened =
            tui::open(&theme, &first, terminal_at_once()).wrap_err("failed to show the cockpit")?;
        let settings = cockpit(theme, &local.paths, look, "")?;
        let handle = local.reach(id, super::reach::DRIVE).await?;
        let mut follower = handle.follow();
        // Another release may be the one that was looked at last; the exit is this one's.
        let (left, _) =
            opened.run(handle, settings).await.wrap_err("failed to show the cockpit")?;
        follower.catch_up();
        Ok::<_, Report>((left, follower.snapshot().release.clone()))
    })?;
    runtime.shutdown_background();
    if release.result.is_none() {
        if left == tui::Leave::Detached {
            detached(id, Exit::Interrupted);
        }
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::of_result(&release))
}

/// A real release in plain lines; leaving it changes nothing.
fn talk(local: &Local, id: &ReleaseId, look: &Look) -> Result<Exit, Report> {
    let settings = lines(look, "", |release, link| exit_of(release, link).code());
    let runtime = runtime()?;
    let end = runtime.block_on(async {
        let handle = local.reach(id, super::reach::DRIVE).await?;
        plain::talk(handle, settings).await
    })?;
    // The thread that reads the terminal is not waited for.
    runtime.shutdown_background();
    let exit = exit_of(&end.release, &end.link);
    detached(id, exit);
    Ok(exit)
}

/// What the keys do, from a shell.
fn by_hand(sub: Sub, paths: &Paths) -> Result<Exit, Report> {
    let local = local(paths)?;
    if let Sub::Policy(args) = sub {
        let comment = Clean::new(&args.comment);
        let wanted = policy::Wanted { release: args.release, file: args.policy, comment };
        return runtime()?.block_on(policy::change(&local, wanted, &mut std::io::stdout()));
    }
    let confirm = if let Sub::Restore(args) = &sub { Some(args.confirm.clone()) } else { None };
    let Some((named, ask)) = asked(sub) else {
        return Err(Failure::new(Exit::Usage, "this command is not there yet").into());
    };
    let make = async |snapshot: &crate::engine::handle::Snapshot| {
        // As in the cockpit: what cannot be taken back is typed, not only pressed.
        let wanted = snapshot.release.id.as_str();
        match confirm {
            Some(typed) if typed.as_deref() != Some(wanted) => {
                Err(Failure::new(Exit::Refused, "a restore must be confirmed")
                    .with_hint(format!("add --confirm {wanted}"))
                    .into())
            }
            _ => Ok(ask),
        }
    };
    runtime()?.block_on(ask::ask(&local, named, make, &mut std::io::stdout()))
}

/// What a subcommand asks of which release; none where it asks nothing.
pub fn asked(sub: Sub) -> Option<(Option<ReleaseId>, Ask)> {
    let say = |comment: String| Clean::new(&comment);
    Some(match sub {
        Sub::Approve(a) => (a.release, Ask::Approve { comment: say(a.comment) }),
        Sub::Reject(a) => (a.release, Ask::Reject { comment: say(a.comment) }),
        Sub::Defer(a) => (a.release, Ask::Defer { comment: say(a.comment) }),
        Sub::Abort(a) => (a.release, Ask::Abort { comment: say(a.comment) }),
        Sub::Rollback(a) => (a.release, Ask::RollBack { comment: say(a.comment) }),
        Sub::Override(a) => (a.release, Ask::Override { comment: say(a.comment) }),
        Sub::Retry(a) => (a.release, Ask::Retry),
        Sub::Waive(a) => {
            let text = |text: Option<String>| text.map(|text| Clean::new(&text));
            let waiver = Waiver {
                tool: text(a.tool),
                rule: text(a.rule),
                fingerprint: a.fingerprint,
                location: text(a.location),
                package: text(a.package),
                reason: say(a.reason),
                justification: a.justification,
                owner: a.owner,
                until: a.until,
            };
            (a.release, Ask::Waive { waiver: Box::new(waiver) })
        }
        Sub::Switch(a) => (a.release, Ask::Switch { to: a.slot }),
        Sub::Restore(a) => match a.backup {
            Some(backup) => (a.release, Ask::Restore { backup }),
            None => (a.release, Ask::UndoRestore),
        },
        _ => return None,
    })
}

fn findings(args: args::Findings, paths: &Paths) -> Result<Exit, Report> {
    let fail_on = args.fail_on.map(|limit| match limit {
        args::Limit::Critical => Severity::Critical,
        args::Limit::High => Severity::High,
        args::Limit::Medium => Severity::Medium,
        args::Limit::Low => Severity::Low,
        args::Limit::Unknown => Severity::Unknown,
    });
    let form = match args.format {
        args::Print::Table => Print::Table,
        args::Print::Json => Print::Json,
        args::Print::Sarif => Print::Sarif,
        args::Print::Markdown => Print::Markdown,
        args::Print::Openvex => Print::Openvex,
    };
    let mut waivers = Vec::new();
    for name in &args.waivers {
        waivers.extend(super::waivers_of(&library(paths), name)?);
    }
    let ask = super::FindingsAsk {
        files: args.files,
        waivers,
        read_as: args.read_as,
        against: args.against,
        vex: args.vex,
        fail_on,
        all: args.all,
        form,
        library: Some(library(paths)),
        secrets: Some(paths.config.join("secrets")),
    };
    super::findings(&ask, &mut std::io::stdout())
}

fn schema(args: &args::Schema) -> Result<Exit, Report> {
    let mut out = std::io::stdout();
    let all = config::schemas();
    if let Some(folder) = &args.write {
        for (name, text) in &all {
            crate::world::disk::write_whole(folder, name, text.as_bytes())?;
        }
        return Ok(Exit::Released);
    }
    let Some(wanted) = &args.name else {
        for (name, _) in &all {
            writeln!(out, "{}", name.trim_end_matches(".json"))?;
        }
        return Ok(Exit::Released);
    };
    if let Some((_, text)) = all.iter().find(|(n, _)| n.trim_end_matches(".json") == wanted) {
        writeln!(out, "{}", text.trim_end())?;
        return Ok(Exit::Released);
    }
    let names: Vec<_> = all.iter().map(|(n, _)| n.trim_end_matches(".json")).collect();
    let what = format!("there is no schema {wanted:?}; there are {}", names.join(", "));
    Err(Failure::new(Exit::Usage, what).into())
}
