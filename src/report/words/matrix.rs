//! Which way back fits which trouble: the targets of the customer's matrix, our own times beside
//! them, and which row is the one for what is wrong now.

use super::price::{loses, restore_took, warmth};
use super::span::duration;
use crate::engine::handle::Snapshot;
use crate::release::{
    BuiltIn, Clean, Hold, Monitor, Release, Rule, Step, StepId, StepStatus, Verdict, Window,
};

/// What can be wrong, as the matrix sorts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Application,
    Performance,
    Schema,
    Configuration,
    Infrastructure,
}

impl Trouble {
    pub const ALL: [Self; 5] = [
        Self::Application,
        Self::Performance,
        Self::Schema,
        Self::Configuration,
        Self::Infrastructure,
    ];

    pub fn words(self) -> &'static str {
        match self {
            Self::Application => "application bug",
            Self::Performance => "performance",
            Self::Schema => "database schema",
            Self::Configuration => "configuration",
            Self::Infrastructure => "infrastructure",
        }
    }

    pub fn severity(self) -> &'static str {
        match self {
            Self::Application | Self::Schema | Self::Infrastructure => "critical",
            Self::Performance => "high",
            Self::Configuration => "medium",
        }
    }

    pub fn way(self) -> &'static str {
        match self {
            Self::Application | Self::Performance => "switch back",
            Self::Schema => "restore the database",
            Self::Configuration => "previous manifests",
            Self::Infrastructure => "Terraform revert",
        }
    }

    /// Until when the way back must be done, in seconds.
    pub fn target_s(self) -> u64 {
        match self {
            Self::Application | Self::Performance => 120,
            Self::Configuration => 300,
            Self::Schema => 900,
            Self::Infrastructure => 1800,
        }
    }

    /// The ask that goes this way, by its word; none where people go it by hand.
    pub fn ask(self) -> Option<&'static str> {
        match self {
            Self::Application | Self::Performance => Some("rollback"),
            Self::Schema => Some("restore"),
            Self::Configuration | Self::Infrastructure => None,
        }
    }
}

/// What is wrong now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub trouble: Trouble,
    pub why: Clean,
    /// When it was first seen, in milliseconds since the release started.
    pub since_ms: u64,
}

/// How long a way back takes as measured by this release, or that it is not measured.
pub fn ours(release: &Release, trouble: Trouble) -> String {
    match trouble {
        Trouble::Application | Trouble::Performance => {
            let rollout = &release.rollout;
            match (rollout.rollback_took_ms, rollout.switch_took_ms) {
                (Some(ms), _) => format!("took {}", duration(ms)),
                // Both ways patch the same Services.
                (None, Some(ms)) => format!("~{}, as switched", duration(whole(ms))),
                (None, None) => "not measured".to_owned(),
            }
        }
        Trouble::Schema => restore_took(release),
        Trouble::Configuration => "not measured".to_owned(),
        Trouble::Infrastructure => match terraform_took_ms(release) {
            Some(ms) => format!("apply {}", duration(ms)),
            None => "not measured".to_owned(),
        },
    }
}

/// Milliseconds in whole seconds, upwards.
fn whole(ms: u64) -> u64 {
    ms.div_ceil(1000).max(1).saturating_mul(1000)
}

fn is_terraform(step: &Step) -> bool {
    step.run.first().is_some_and(|program| program == "terraform")
}

/// How long this release's own apply to production took.
fn terraform_took_ms(release: &Release) -> Option<u64> {
    let plan = release.plan()?;
    let gate = plan.stages.iter().position(|stage| stage.approval)?;
    let mut steps = plan.stages.iter().skip(gate).flat_map(|stage| &stage.steps);
    let step = steps.find(|step| is_terraform(step))?;
    let state = release.steps.get(&step.id)?;
    let passed = state.status == StepStatus::Passed;
    state.end.as_ref().filter(|_| passed).map(|end| end.took_ms)
}

/// What a way back loses, and until when it stays open.
pub fn price(snapshot: &Snapshot, trouble: Trouble) -> String {
    let release = &snapshot.release;
    match trouble {
        Trouble::Application | Trouble::Performance => match release.rollout.from {
            None => "NO WAY BACK: nothing served before this release".to_owned(),
            Some(slot) if release.is_switched() => format!(
                "no data loss; {slot} is {}, kept until a later release needs it",
                warmth(snapshot, slot)
            ),
            Some(slot) => format!("no data loss; {slot} serves"),
        },
        Trouble::Schema => {
            let verified = release.backups.iter().filter(|backup| backup.verified);
            let Some(backup) = verified.max_by_key(|backup| backup.taken_at) else {
                return "NOT POSSIBLE: no verified backup in this release".to_owned();
            };
            let days = release.policy().map_or(0, |policy| policy.database.retention_days);
            let lost = loses(backup, snapshot.now.wall);
            format!("loses {lost} of writes, more every minute; backups stay {days} days")
        }
        Trouble::Configuration => "no data loss; kubectl apply of the last release".to_owned(),
        Trouble::Infrastructure => {
            "look at the plan first: destroying or replacing loses what it holds".to_owned()
        }
    }
}

/// What is wrong now, as far as the release itself knows.
pub fn wrong(release: &Release) -> Option<Wrong> {
    if release.rollout.rolled_back_ms.is_some() {
        return None;
    }
    let seen = release.monitor.as_ref().filter(|_| release.is_switched()).and_then(by_windows);
    seen.or_else(|| by_hold(release))
}

fn failing(window: &Window) -> Option<(Rule, &Clean)> {
    window.verdicts.iter().find_map(|verdict| match &verdict.verdict {
        Verdict::Fail { reason } => Some((verdict.rule, reason)),
        Verdict::Pass | Verdict::Unknown { .. } => None,
    })
}

fn by_windows(monitor: &Monitor) -> Option<Wrong> {
    let newest = monitor.windows.iter().rev();
    let run: Vec<(u64, Rule, &Clean)> = newest
        .map_while(|window| failing(window).map(|(rule, reason)| (window.at_ms, rule, reason)))
        .collect();
    let (_, rule, reason) = run.first()?;
    let (since_ms, ..) = run.last()?;
    let trouble = match rule {
        Rule::MeanLatency => Trouble::Performance,
        Rule::ErrorRatio | Rule::Exits | Rule::Ready => Trouble::Application,
    };
    let why = Clean::new(&format!("{}: {reason}", rule.words()));
    Some(Wrong { trouble, why, since_ms: *since_ms })
}

fn by_hold(release: &Release) -> Option<Wrong> {
    let held = release.hold.as_ref()?;
    let trouble = match &held.hold {
        Hold::StepFailed { step, .. } => of_step(release, step)?,
        Hold::Failed { stage, .. } => {
            let steps = &release.plan()?.stage(stage)?.steps;
            let failed = steps.iter().find(|step| release.failed_for_good(step))?;
            of_step(release, &failed.id)?
        }
        Hold::RestoreFailed { .. } => Trouble::Schema,
        Hold::BothBad { .. } => Trouble::Application,
        Hold::GateBlocked { .. }
        | Hold::Unknown { .. }
        | Hold::SwitchFailed { .. }
        | Hold::InDoubt { .. } => return None,
    };
    let why = Clean::new(&held.hold.sentence());
    Some(Wrong { trouble, why, since_ms: held.since_ms })
}

/// Only what a step is made of says what kind of trouble its failure is.
fn of_step(release: &Release, id: &StepId) -> Option<Trouble> {
    let step = release.plan()?.step(id)?;
    match step.uses {
        Some(BuiltIn::Migrate | BuiltIn::ValidateSchema | BuiltIn::Drill) => Some(Trouble::Schema),
        Some(BuiltIn::DeployPreview | BuiltIn::DeployStaging) => Some(Trouble::Configuration),
        Some(BuiltIn::Health | BuiltIn::Smoke | BuiltIn::SmokeStaging) => {
            Some(Trouble::Application)
        }
        None if is_terraform(step) => Some(Trouble::Infrastructure),
        Some(
            BuiltIn::Backup
            | BuiltIn::Migrations
            | BuiltIn::WayBack
            | BuiltIn::Switch
            | BuiltIn::Monitor
            | BuiltIn::CleanCluster
            | BuiltIn::CleanBackups
            | BuiltIn::Report,
        )
        | None => None,
    }
}
