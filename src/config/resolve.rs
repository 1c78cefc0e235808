//! Arguments and files into settings that the rooms understand.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::Rehearse;
use super::file::{FileError, Layers};
use super::paths::Paths;
use super::shipped::{pipeline, policy, read_plan, read_policy};
use crate::release::{Digest, Plan, Policy, Principal, StageId, Via};
use crate::report::script::{Moment, When};
use crate::sim::scenario::{SHIPPED, Scenario, Shipped};
use crate::world::disk::{self, DiskError};

/// A configuration file is never larger than this.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why the settings could not be made; exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("there is no scenario {name:?}; the scenarios are {known}")]
    NoScenario { name: String, known: String },
    #[error(
        "there is no moment {text:?}; the moments are gate-open, awaits-switch, switched, held, \
         ended, a stage ({stages}), each with seconds after it: switched+40"
    )]
    NoMoment { text: String, stages: String },
    #[error("there is no theme {name:?}; the themes are {known}, or the path of a .yaml file")]
    NoTheme { name: String, known: String },
    #[error(transparent)]
    Theme(crate::tui::ThemeError),
    #[error(transparent)]
    Keys(#[from] crate::tui::KeymapError),
}

/// What a rehearsal is flown with.
#[derive(Debug)]
pub struct Rehearsal {
    pub scenario: Scenario,
    pub seed: u64,
    pub speed: f64,
    pub plan: Plan,
    pub policy: Policy,
    /// Where a person takes over from the scripted operator.
    pub skip_to: Option<Moment>,
}

/// One scenario that can be flown.
#[derive(Debug)]
pub struct Listed {
    pub scenario: Scenario,
    /// Where it comes from: `shipped`, or its file.
    pub origin: String,
}

/// Every scenario: the shipped ones, then those of `folder`, which may replace them by name.
pub fn scenarios(folder: Option<&Path>) -> Result<Vec<Listed>, ConfigError> {
    let mut all = Vec::new();
    for shipped in SHIPPED {
        let scenario = shipped_scenario(shipped)?;
        all.push(Listed { scenario, origin: "shipped".to_owned() });
    }
    if let Some(folder) = folder {
        for path in disk::list(folder, "yaml")? {
            let own = scenario_file(&path)?;
            all.retain(|listed| listed.scenario.name != own.scenario.name);
            all.push(own);
        }
    }
    Ok(all)
}

fn shipped_scenario(shipped: &Shipped) -> Result<Scenario, ConfigError> {
    let name = format!("config/scenarios/{}.yaml (shipped)", shipped.name);
    Ok(Layers::shipped(&name, shipped.text)?.read()?)
}

fn scenario_file(path: &Path) -> Result<Listed, ConfigError> {
    let name = path.display().to_string();
    let bytes = disk::read(path, FILE_BYTES_MAX)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let scenario = Layers::shipped(&name, &text)?.read()?;
    Ok(Listed { scenario, origin: name })
}

/// The scenario that was asked for. Quick: a first frame waits for it.
pub fn scenario(args: &Rehearse, paths: &Paths) -> Result<Scenario, ConfigError> {
    let name = args.scenario.as_deref().unwrap_or("happy");
    if Path::new(name).extension().is_some_and(|end| end == "yaml") {
        return Ok(scenario_file(Path::new(name))?.scenario);
    }
    let folder = args.scenarios.clone().or_else(|| own_scenarios(paths));
    if folder.is_none()
        && let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == name)
    {
        return shipped_scenario(shipped);
    }
    let all = scenarios(folder.as_deref())?;
    let names: Vec<_> = all.iter().map(|listed| listed.scenario.name.as_str()).collect();
    let known = names.join(", ");
    let found = all.into_iter().find(|listed| listed.scenario.name == name);
    let name = name.to_owned();
    found.map(|listed| listed.scenario).ok_or(ConfigError::NoScenario { name, known })
}

/// The settings of the rehearsal that was asked for.
pub fn rehearsal(args: &Rehearse, paths: &Paths) -> Result<Rehearsal, ConfigError> {
    rehearsal_of(scenario(args, paths)?, args)
}

/// The settings of a rehearsal of `scenario`.
pub fn rehearsal_of(scenario: Scenario, args: &Rehearse) -> Result<Rehearsal, ConfigError> {
    let mut policy = read_policy(&policy()?)?;
    if !args.auto {
        // People do not run faster with the clock: what waits for them waits as long as ever.
        policy.approval.expires_s = scaled(policy.approval.expires_s, args.speed);
        policy.retry_window_s = scaled(policy.retry_window_s, args.speed);
    }
    let plan = read_plan(&pipeline()?)?;
    let skip_to = args.skip_to.as_deref().map(|text| moment(text, &plan)).transpose()?;
    Ok(Rehearsal {
        seed: args.seed.unwrap_or(scenario.seed),
        speed: args.speed,
        scenario,
        plan,
        policy,
        skip_to,
    })
}

/// `switched+40`: a moment's name, and seconds after it.
fn moment(text: &str, plan: &Plan) -> Result<Moment, ConfigError> {
    let (name, later) = text.split_once('+').unwrap_or((text, "0"));
    let fault = || {
        let stages: Vec<&str> = plan.stages.iter().map(|stage| stage.id.as_str()).collect();
        ConfigError::NoMoment { text: text.to_owned(), stages: stages.join(", ") }
    };
    let later_s: u64 = later.parse().map_err(|_| fault())?;
    let when = match name {
        "gate-open" => When::GateOpen,
        "awaits-switch" => When::AwaitsSwitch,
        "switched" => When::Switched,
        "held" => When::Held,
        "ended" => When::Ended,
        _ => {
            let stage = StageId::new(name).ok().filter(|id| plan.stage(id).is_some());
            When::Stage(stage.ok_or_else(fault)?)
        }
    };
    Ok(Moment { when, later: Duration::from_secs(later_s) })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "seconds of patience; a float that does not fit ends at the limits"
)]
fn scaled(seconds: u64, speed: f64) -> u64 {
    (seconds as f64 * speed.max(1.0)) as u64
}

fn own_scenarios(paths: &Paths) -> Option<PathBuf> {
    let folder = paths.config.join("scenarios");
    folder.is_dir().then_some(folder)
}

/// The digest of a plan or policy as it took effect, whatever files it came from.
pub fn digest<T: serde::Serialize>(value: &T) -> Digest {
    // These types hold no maps with keys that JSON cannot spell, so this cannot fail.
    Digest::of(&serde_json::to_vec(value).unwrap_or_default())
}

/// The person at this terminal, as the operating system knows them.
pub fn principal(via: Via) -> Principal {
    Principal { person: crate::world::machine::user_name(), via, key: None }
}
