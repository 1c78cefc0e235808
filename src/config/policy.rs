//! The policy of a real release: from a pinned place outside the revision it judges, tightened by
//! what that revision asks of itself.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::Layers;
use super::paths::Paths;
use super::run::{RunError, machine_of};
use super::shipped::{check_names, policy, read_policy};
use crate::release::{Clean, Digest, Plan, Policy, Revision, Start};
use crate::world::disk;
use crate::world::workspace::{GitError, Workspace};

/// Where a policy lies in a repository.
const IN_REPOSITORY: &str = "config/policy.yaml";
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A policy file that counts only as long as it holds exactly what it held when it was agreed on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinnedPolicy {
    pub path: PathBuf,
    /// Of the file: `sha256:` and the hexadecimal digits that `sha256sum` prints.
    pub digest: Digest,
}

/// A policy, and in a sentence where it came from.
#[derive(Clone, Debug)]
pub(super) struct Decides {
    pub(super) policy: Policy,
    pub(super) from: Clean,
}

/// What the policy of one release depends on.
pub(super) struct Asked<'a> {
    pub(super) pinned: Option<&'a PinnedPolicy>,
    pub(super) paths: &'a Paths,
    pub(super) repository: &'a Path,
    /// The revision under release.
    pub(super) revision: &'a Revision,
    /// The revision that serves the environment now, as far as this machine has released it.
    pub(super) serving: Option<&'a Revision>,
    pub(super) git: &'a Workspace,
    /// Its steps and tools are those that a policy can name.
    pub(super) plan: &'a Plan,
    /// What stands in for this machine's own policy file.
    pub(super) own: Option<&'a Path>,
}

/// What the policy of a running release depends on, if it were read now.
pub struct Running<'a> {
    pub start: &'a Start,
    /// The repository that it is released from; none in a rehearsal.
    pub repository: Option<&'a Path>,
    /// The revision that served when it started.
    pub serving: Option<&'a Revision>,
    /// What stands in for this machine's own policy file.
    pub file: Option<&'a Path>,
    pub paths: &'a Paths,
    pub git: &'a Workspace,
}

/// The policy by which a running release would be judged if it started now, and in words where it
/// came from. A rehearsal takes the findings gates of this machine, and nothing else of it.
///
/// # Errors
/// As when a release starts; and when `file` is not there.
pub async fn policy_now(running: &Running<'_>) -> Result<(Policy, Clean), RunError> {
    let Running { start, repository, serving, file, paths, git } = *running;
    let machine = machine_of(paths)?;
    let pinned = machine.policy.as_ref();
    let (revision, plan) = (&start.revision, &start.plan);
    let Some(repository) = repository else {
        let asked = Asked {
            pinned,
            paths,
            repository: Path::new(""),
            revision,
            serving,
            git,
            plan,
            own: file,
        };
        let mut layers = policy()?;
        let from = outside(&asked, &mut layers)?;
        let from = if from.is_empty() { "the shipped policy".to_owned() } else { from.join(", ") };
        let read = read_policy(&layers)?;
        check_names(&layers, &read, plan)?;
        let findings = read.findings;
        return Ok((Policy { findings, ..start.policy.clone() }, Clean::new(&from)));
    };
    let asked = Asked { pinned, paths, repository, revision, serving, git, plan, own: file };
    let Decides { policy, from } = policy_for(&asked).await?;
    Ok((policy, from))
}

/// The policy of a release: pinned by digest, of this machine, or of the revision that serves now;
/// the revision under release may only tighten it.
pub(super) async fn policy_for(asked: &Asked<'_>) -> Result<Decides, RunError> {
    let mut layers = policy()?;
    let mut from = outside(asked, &mut layers)?;
    if from.is_empty()
        && let Some(serving) = asked.serving
        && let Some((name, bytes)) = of_revision(asked, serving).await?
    {
        layers.add(&name, &bytes)?;
        from.push(format!("{name}, which serves now"));
    }
    if from.is_empty() {
        from.push("the shipped policy".to_owned());
    }
    let outside = read_policy(&layers)?;
    check_names(&layers, &outside, asked.plan)?;
    let Some((name, bytes)) = of_revision(asked, asked.revision).await? else {
        return Ok(Decides { policy: outside, from: Clean::new(&from.join(", ")) });
    };
    // Its fields over the pinned ones: what it does not name is not asked for.
    layers.add(&name, &bytes)?;
    let own = read_policy(&layers)?;
    check_names(&layers, &own, asked.plan)?;
    let (policy, loose) = outside.tightened_by(&own);
    if policy != outside {
        from.push(format!("tightened by {name}"));
    }
    if !outside.approval.approvers.is_empty() && policy.approval.approvers.is_empty() {
        return Err(RunError::NoApprover { name });
    }
    if !loose.is_empty() {
        from.push(format!("of {name} does not count: {}", loose.join("; ")));
    }
    Ok(Decides { policy, from: Clean::new(&from.join(", ")) })
}

/// What lies outside of any revision: the file pinned by its digest, and this machine's own.
fn outside(asked: &Asked<'_>, layers: &mut Layers) -> Result<Vec<String>, RunError> {
    let mut from = Vec::new();
    if let Some(PinnedPolicy { path, digest }) = asked.pinned {
        let bytes = disk::read(path, FILE_BYTES_MAX)?
            .ok_or_else(|| RunError::PolicyGone { path: path.clone() })?;
        let is = Digest::of(&bytes);
        if is != *digest {
            let (path, pinned) = (path.clone(), digest.clone());
            return Err(RunError::PolicyChanged { path, pinned, is });
        }
        let name = path.display().to_string();
        layers.add(&name, &bytes)?;
        from.push(format!("{name} (pinned)"));
    }
    let own = asked.paths.config.join("policy.yaml");
    let path = asked.own.map_or(own, Path::to_owned);
    let bytes = disk::read_trusted(&path, FILE_BYTES_MAX)?;
    if bytes.is_none() && asked.own.is_some() {
        return Err(RunError::NoPolicy { path });
    }
    if let Some(bytes) = bytes {
        let name = path.display().to_string();
        layers.add(&name, &bytes)?;
        from.push(name);
    }
    Ok(from)
}

/// The policy file that a revision holds; none too where this repository does not know the
/// revision, for it may have been released from another one.
async fn of_revision(
    asked: &Asked<'_>,
    revision: &Revision,
) -> Result<Option<(String, Vec<u8>)>, RunError> {
    match asked.git.read_file(asked.repository, revision, IN_REPOSITORY).await {
        Ok(bytes) => Ok(Some((format!("{IN_REPOSITORY} of {}", revision.short()), bytes))),
        Err(GitError::NoFile { .. } | GitError::UnknownName { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
