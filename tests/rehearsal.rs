//! A rehearsal as tests fly it: in a home of its own, by somebody, as the command line says.

use clap::Parser as _;
use gonogo::cli::{Flight, prepare};
use gonogo::config::args::{Args, Sub};
use gonogo::config::{Paths, rehearsal};
use gonogo::release::{Person, Principal, Via};
use gonogo::tui::{Depth, History, Keymap, Settings, Theme};
use gonogo::world::Clock;
use tempfile::TempDir;

/// What is flown, and the folder that it lives in.
pub(crate) struct Staged {
    pub(crate) flight: Flight,
    pub(crate) home: TempDir,
}

pub(crate) fn principal(name: &str) -> Principal {
    let person = Person::new(name).expect("a name");
    Principal { person, via: Via::Cockpit, key: None }
}

/// Prepares `gonogo rehearse ARGS…`; without `--auto` it waits for people.
pub(crate) fn stage(by: &Principal, args: &[&str]) -> Staged {
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    let paths = Paths {
        config: at("config"),
        state: at("state"),
        cache: at("cache"),
        runtime: at("runtime"),
    };
    paths.prepare().expect("folders");
    let line = ["gonogo", "rehearse"].into_iter().chain(args.iter().copied());
    let Some(Sub::Rehearse(args)) = Args::try_parse_from(line).expect("arguments").command else {
        panic!("not a rehearsal")
    };
    let rehearsal = rehearsal(&args, &paths).expect("a shipped scenario");
    let flight = prepare(rehearsal, &paths, by, 1.0, !args.auto).expect("a stage");
    Staged { flight, home }
}

/// A cockpit's settings, with everything on and no other releases.
pub(crate) fn settings(principal: Principal, clock: Clock) -> Settings {
    Settings {
        theme: Theme::shipped("dark", Depth::True, false).expect("shipped"),
        keymap: Keymap::shipped(),
        principal,
        can_arm: true,
        database: "shop".to_owned(),
        clock,
        mouse: true,
        bell: true,
        history: History::default(),
        library: None,
    }
}
