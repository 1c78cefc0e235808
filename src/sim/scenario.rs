//! Scenarios: what happens in a rehearsal, as data. The shipped ones are embedded; a folder of
//! `*.yaml` files adds to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::database::DatabaseFaults;
use super::prometheus::MetricsFault;
use super::shop::Behaviour;
use crate::release::{Clean, Slot, StepId};

/// One rehearsal's script.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// One line for the list of scenarios.
    pub title: String,
    /// What the operator should learn from it, shown before and after.
    #[serde(default)]
    pub lesson: String,
    pub seed: u64,
    /// The exit code of `rehearse NAME --auto`.
    pub exit: u8,
    #[serde(default = "main_branch")]
    pub branch: String,
    #[serde(default = "requests_per_s")]
    pub requests_per_s: f64,
    /// How the version under release behaves; what is not said is healthy.
    #[serde(default)]
    pub version: Version,
    #[serde(default)]
    pub database: Database,
    /// Commands that do not simply pass.
    #[serde(default)]
    pub steps: BTreeMap<StepId, Play>,
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What the scripted operator of `--auto` does, in this order.
    #[serde(default)]
    pub operator: Vec<Act>,
}

fn main_branch() -> String {
    "main".to_owned()
}

fn requests_per_s() -> f64 {
    60.0
}

/// How a version behaves under traffic.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Version {
    /// Failed requests among all, 0 to 1.
    pub error_ratio: Option<f64>,
    pub mean_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    /// How long it takes to become so, in seconds.
    pub ramp_s: u32,
    /// How long after it began to serve it starts to become so, in seconds.
    pub after_switch_s: u32,
}

impl Version {
    /// The behaviour of the slot that runs it.
    pub fn behaviour(&self) -> Behaviour {
        let healthy = Behaviour::default();
        Behaviour {
            error_ratio: self.error_ratio.unwrap_or(healthy.error_ratio),
            mean_ms: self.mean_ms.unwrap_or(healthy.mean_ms),
            p95_ms: self.p95_ms.unwrap_or(healthy.p95_ms),
            ramp_s: self.ramp_s,
            starts: super::shop::Starts::AfterSwitch { delay_s: self.after_switch_s },
        }
    }
}

impl Version {
    /// What begins to be wrong with the slot that runs it, in words; none of a healthy version.
    pub fn trouble(&self, slot: Slot) -> Option<Clean> {
        let errors =
            self.error_ratio.map(|ratio| format!("errors climb to {:.2} %", ratio * 100.0));
        let delay = self.mean_ms.map(|ms| format!("responses slow down to {ms:.0} ms"));
        let what: Vec<String> = errors.into_iter().chain(delay).collect();
        let ramp = match self.ramp_s {
            0 => "at once".to_owned(),
            seconds => format!("over {seconds} s"),
        };
        let text = format!("{slot}: {} {ramp}", what.join(", "));
        (!what.is_empty()).then(|| Clean::new(&text))
    }
}

impl Mishap {
    /// What it does, in words.
    pub fn words(&self, new: Slot) -> Clean {
        let old = new.other();
        Clean::new(&match self {
            Self::CrashLoop { app } => format!("{new}: containers of {app} crash"),
            Self::ApiOutage { for_s } => format!("the Kubernetes API is away for {for_s} s"),
            Self::Metrics { fault } => {
                let how = format!("{fault:?}").to_lowercase();
                format!("the metrics service fails ({how})")
            }
            Self::MetricsBack => "the metrics service is well again".to_owned(),
            Self::OldSlotUnready { app } => format!("{old}: pods of {app} lose their readiness"),
        })
    }
}

/// What goes wrong with the database from the beginning.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// A migration of this version is bad SQL.
    pub bad_migration: Option<String>,
    pub unverifiable: bool,
    pub restore_fails: bool,
}

impl Database {
    pub fn faults(&self) -> DatabaseFaults {
        DatabaseFaults {
            bad_migration: self
                .bad_migration
                .clone()
                .map(|version| super::database::BadMigration { version, only_live: false }),
            unverifiable: self.unverifiable,
            restore_fails: self.restore_fails,
            unreachable: false,
        }
    }
}

/// How a command plays, where it does not simply pass.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Play {
    pub exit: i32,
    /// Seconds; otherwise about what the plan expects.
    pub takes_s: Option<u64>,
    /// Printed at its end.
    pub log: Vec<String>,
    /// Tests that fail in its report.
    pub tests_failed: u32,
    /// Findings of severity `error` in its report.
    pub findings: u32,
    /// It ends well and leaves no report.
    pub no_report: bool,
}

/// Something that goes wrong on the way.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub after: Moment,
    /// Seconds after that moment.
    #[serde(default)]
    pub delay_s: u64,
    pub what: Mishap,
}

/// A moment that the simulated world can see by itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The rehearsal begins.
    Start,
    /// The Services have moved to the new version.
    Switched,
    /// A command starts.
    Step(StepId),
    /// The new version's pods are ready.
    PreviewReady,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// Containers of the new version exit after they were ready, again and again.
    CrashLoop { app: String },
    /// The Kubernetes API answers nothing for a while.
    ApiOutage { for_s: u64 },
    /// The metrics service fails in this way.
    Metrics { fault: MetricsFault },
    /// The metrics service is well again.
    MetricsBack,
    /// The old version's pods lose their readiness.
    OldSlotUnready { app: String },
}

/// One act of the scripted operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    pub when: When,
    /// Seconds of looking before acting.
    #[serde(default)]
    pub wait_s: u64,
    pub press: Press,
    #[serde(default)]
    pub comment: String,
}

/// What the scripted operator waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    GateOpen,
    AwaitsSwitch,
    Switched,
    Held,
    Ended,
}

/// What the scripted operator asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    Approve,
    Reject,
    Switch,
    RollBack,
    Retry,
    Override,
    Restore,
    UndoRestore,
    Abort,
}

/// A shipped scenario: its name and its file's text.
pub struct Shipped {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// The shipped scenarios, in the order in which they teach.
        pub const SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../config/scenarios/", $name, ".yaml")),
        }),*];
    };
}

shipped![
    "happy",
    "bad-release",
    "crash-loop",
    "slow",
    "no-data",
    "bad-migration",
    "api-outage",
    "rejected",
    "broken-build",
];

impl Scenario {
    /// The comment of an act, or words of its own.
    pub fn comment(act: &Act) -> Clean {
        let own = if act.comment.is_empty() { "scripted" } else { &act.comment };
        Clean::new(own)
    }
}
