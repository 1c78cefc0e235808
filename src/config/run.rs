//! The settings of a real release: the plan from the revision under release, the policy from
//! outside of it.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::Run;
use super::file::{FileError, Layers};
use super::paths::Paths;
use super::policy::{Asked, Decides, PinnedPolicy, policy_for};
use super::resolve::{ConfigError, digest};
use super::shipped::read_plan;
use crate::release::{Clean, Digest, Plan, Revision, StageId, Start, Step, Touches};
use crate::world::disk::{self, DiskError};
use crate::world::workspace::{GitError, Workspace};
use crate::world::{NotifyChannel, missing};

/// `gonogo.yaml`: what this machine knows beside plan and policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Who is told when a gate opens, and when a release is held, rolled back or over.
    #[serde(default)]
    pub notify: Vec<NotifyChannel>,
    /// The policy of everybody, pinned by its digest. The folder's own policy.yaml lies over it.
    #[serde(default)]
    pub policy: Option<PinnedPolicy>,
    /// How the cockpit behaves at this machine's terminals.
    #[serde(default)]
    pub cockpit: Manners,
}

/// How the cockpit behaves.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manners {
    /// Whether it takes the mouse at first; the key `m` changes it.
    #[serde(default = "yes")]
    pub mouse: bool,
    /// Whether it rings, and tells the terminal why (OSC 9), when somebody must look up.
    #[serde(default = "yes")]
    pub bell: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self { mouse: true, bell: true }
    }
}

fn yes() -> bool {
    true
}

/// The shipped `gonogo.yaml`.
pub const MACHINE: &str = include_str!("../../config/gonogo.yaml");

/// Where a plan lies in a repository.
const PIPELINE: &str = "config/pipeline.yaml";
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a release cannot be started; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    File(#[from] FileError),
    #[error("failed to {0}")]
    Git(#[from] GitError),
    #[error("failed to read the plan: {0}")]
    Disk(#[from] DiskError),
    #[error(
        "there is no plan: {} is neither in revision {revision} nor a file; write one, or name \
         it with --pipeline",
        path.display()
    )]
    NoPlan { path: PathBuf, revision: Revision },
    #[error("no branch is checked out; name one with --branch")]
    NoBranch,
    #[error("branch {branch} runs nothing: the plan's `branches` name {known}; add a rule for it")]
    NoRule { branch: Clean, known: String },
    #[error("there is no stage {stage} in the plan; its stages are {known}")]
    NoStage { stage: StageId, known: String },
    #[error("--from {from} comes after --until {until}")]
    Backwards { from: StageId, until: StageId },
    #[error(
        "step {step} uses {what:?}, which needs a cluster or a database; this version can do \
         that in a rehearsal only. Stop before it with --until, or see `gonogo rehearse`"
    )]
    NotHereYet { step: String, what: crate::release::BuiltIn },
    #[error(
        "the pinned policy {} is missing; bring it back, or change `policy` in gonogo.yaml",
        path.display()
    )]
    PolicyGone { path: PathBuf },
    #[error(
        "the pinned policy {} was changed: it is {is}, not {pinned}; see who changed it, or pin \
         the new one in gonogo.yaml",
        path.display()
    )]
    PolicyChanged { path: PathBuf, pinned: Digest, is: Digest },
    #[error("there is no policy {}; name a file that is there", path.display())]
    NoPolicy { path: PathBuf },
    #[error(
        "nobody is left who may approve: {name} names approvers, and none of them is one of the \
         pinned policy; name at least one of those"
    )]
    NoApprover { name: String },
}

/// A release that can be started.
#[derive(Debug)]
pub struct Ready {
    pub repository: PathBuf,
    pub start: Start,
    pub machine: Machine,
}

/// This machine's `gonogo.yaml`.
pub fn machine_of(paths: &Paths) -> Result<Machine, ConfigError> {
    let mut layers = Layers::shipped("config/gonogo.yaml (shipped)", MACHINE)?;
    let path = paths.config.join("gonogo.yaml");
    if let Some(bytes) = disk::read_trusted(&path, FILE_BYTES_MAX)? {
        layers.add(&path.display().to_string(), &bytes)?;
    }
    Ok(layers.read()?)
}

/// Makes a release of the repository at `repository` ready, or says why it cannot be.
pub async fn run(
    args: &Run,
    repository: &Path,
    paths: &Paths,
    git: &Workspace,
    serving: Option<&Revision>,
    attended: bool,
) -> Result<Ready, RunError> {
    let head = git.head(repository).await?;
    let (branch, revision) = match &args.branch {
        Some(branch) => (Clean::new(branch), git.resolve(repository, branch).await?),
        None => (head.branch.clone().ok_or(RunError::NoBranch)?, head.revision.clone()),
    };
    if matches!(branch.as_str(), "main" | "develop") && revision == head.revision {
        head.require_clean(repository)?;
    }
    let plan = plan_of(args, repository, &revision, git).await?;
    let machine = machine_of(paths)?;
    let asked = Asked {
        pinned: machine.policy.as_ref(),
        paths,
        repository,
        revision: &revision,
        serving,
        git,
        plan: &plan,
        own: None,
    };
    let Decides { policy, from: policy_from } = policy_for(&asked).await?;
    let known = || {
        let names: Vec<&str> = plan.branches.iter().map(|rule| rule.branch.as_str()).collect();
        names.join(", ")
    };
    let rule = plan
        .branch_rule(branch.as_str())
        .cloned()
        .ok_or_else(|| RunError::NoRule { branch: branch.clone(), known: known() })?;
    let until = match &args.until {
        Some(until) if index(&plan, until)? < index(&plan, &rule.until)? => until.clone(),
        Some(_) | None => rule.until.clone(),
    };
    if let Some(from) = &args.from
        && index(&plan, from)? > index(&plan, &until)?
    {
        return Err(RunError::Backwards { from: from.clone(), until });
    }
    let first = args.from.as_ref().map_or(Ok(0), |from| index(&plan, from))?;
    let last = index(&plan, &until)?;
    let stages = plan.stages.iter().take(last + 1).skip(first);
    let runs = |step: &&Step| {
        (rule.external || step.touches == Touches::Workspace) && !rule.skip.contains(&step.id)
    };
    let steps: Vec<&Step> = stages.flat_map(|stage| &stage.steps).filter(runs).collect();
    if let Some((step, what)) = missing(&steps) {
        return Err(RunError::NotHereYet { step: step.id.to_string(), what });
    }
    let start = Start {
        plan_digest: digest(&plan),
        policy_digest: digest(&policy),
        policy_from,
        revision,
        branch,
        environment: Clean::new(&args.environment),
        from: args.from.clone(),
        until,
        external: rule.external,
        attended,
        tells: !machine.notify.is_empty(),
        rehearsal: None,
        latches: Vec::new(),
        baseline: None,
        passed_before: Vec::new(),
        plan,
        policy,
    };
    Ok(Ready { repository: repository.to_owned(), start, machine })
}

fn index(plan: &Plan, stage: &StageId) -> Result<usize, RunError> {
    plan.stage_index(stage).ok_or_else(|| {
        let names: Vec<&str> = plan.stages.iter().map(|stage| stage.id.as_str()).collect();
        RunError::NoStage { stage: stage.clone(), known: names.join(", ") }
    })
}

/// The plan as the revision holds it; a file that the revision does not hold is taken as it lies.
async fn plan_of(
    args: &Run,
    repository: &Path,
    revision: &Revision,
    git: &Workspace,
) -> Result<Plan, RunError> {
    let path = args.pipeline.clone().unwrap_or_else(|| PathBuf::from(PIPELINE));
    let inside = path.strip_prefix(repository).unwrap_or(&path);
    let name = format!("{} of {}", inside.display(), revision.short());
    let (name, bytes) = match git.read_file(repository, revision, &inside.to_string_lossy()).await {
        Ok(bytes) => (name, bytes),
        Err(GitError::NoFile { .. } | GitError::Refused { .. }) if args.pipeline.is_some() => {
            let Some(bytes) = disk::read(&path, FILE_BYTES_MAX)? else {
                return Err(RunError::NoPlan { path, revision: revision.clone() });
            };
            (path.display().to_string(), bytes)
        }
        Err(GitError::NoFile { .. }) => {
            return Err(RunError::NoPlan { path, revision: revision.clone() });
        }
        Err(error) => return Err(error.into()),
    };
    let text = String::from_utf8_lossy(&bytes);
    Ok(read_plan(&Layers::shipped(&name, &text)?)?)
}
