//! The plan: the stages and steps a revision brings with it. Read from `pipeline.yaml`, checked
//! once, then only looked at.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretName, StageId, StepId};

/// The stages of a release in their order, and which branch runs how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What is released, for people: `shop`.
    pub name: String,
    /// How many commands may run at the same time on this machine.
    pub jobs: u32,
    /// First match wins; a branch that matches none runs nothing.
    pub branches: Vec<BranchRule>,
    pub stages: Vec<Stage>,
}

/// How far the releases of some branches go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchRule {
    /// A branch name, or a prefix that ends in `*`: `feature/*`.
    pub branch: String,
    /// The last stage that runs, inclusive.
    pub until: StageId,
    /// Whether steps that touch anything outside the workspace run; otherwise they are skipped
    /// and say so.
    pub external: bool,
    /// Steps that releases of these branches skip, and say so: what is production's business only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<StepId>,
}

/// One stage: steps that belong together and the gate that ends them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    pub id: StageId,
    pub title: String,
    /// Whether people must say go before any step of this stage runs.
    #[serde(default)]
    pub approval: bool,
    pub steps: Vec<Step>,
}

/// One step: a command, or something gonogo does itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in the plan, `<stage>.<step>`.
    pub id: StepId,
    pub title: String,
    /// The command's argument vector. There is no shell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// What gonogo does itself, instead of `run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<BuiltIn>,
    /// Steps that must have passed before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepId>,
    /// What the step may change. Unset means the worst: something outside the workspace.
    #[serde(default)]
    pub touches: Touches,
    /// Secrets handed to the command as environment variables of these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretName>,
    /// Environment variables for the command.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The report the command leaves; without a fresh one that parses, the step has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportFile>,
    /// Exit codes that mean "ran well", besides 0; a scanner's "found something" belongs here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_ok: Vec<i32>,
    /// Seconds until the command's group is told to end, and killed ten seconds later.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
    /// How many times a failed try is repeated.
    #[serde(default)]
    pub retries: u32,
    /// How long it usually takes, in seconds; the critical path and the ETA are computed from it.
    #[serde(default = "default_expected_s")]
    pub expected_s: u64,
}

fn default_timeout_s() -> u64 {
    1800
}

fn default_expected_s() -> u64 {
    60
}

/// What a step may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Touches {
    /// Only files of the release's own worktree.
    Workspace,
    /// Anything else: registries, clusters, databases, services.
    #[default]
    External,
}

/// A report that a command writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportFile {
    /// Relative to the workspace, or `-` for what the command prints on its standard output.
    pub path: String,
    pub format: ReportFormat,
}

/// The report formats that can be read.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ReportFormat {
    /// JUnit XML: test counts; failed tests become findings.
    Junit,
    /// SARIF 2.1.0: findings.
    Sarif,
    /// `cargo … --message-format json`: compiler and lint messages as findings.
    CargoJson,
    /// `trivy … --format json`: vulnerabilities, misconfigurations, secrets, licences.
    TrivyJson,
    /// `grype … -o json`: vulnerabilities of packages.
    GrypeJson,
    /// `osv-scanner … --format json`: vulnerabilities and licences of packages.
    OsvJson,
    /// `gitleaks … --report-format json`: secrets.
    GitleaksJson,
    /// `kubesec scan`: a score, and what would raise it.
    KubesecJson,
    /// `semgrep … --json`: weaknesses in code.
    SemgrepJson,
    /// `checkov … --output json`: misconfigurations, of one framework or of several.
    CheckovJson,
    /// `tfsec … --format json`: misconfigurations.
    TfsecJson,
    /// `hadolint --format json`: faults in Dockerfiles.
    HadolintJson,
    /// `conftest test … --output json`: broken policies.
    ConftestJson,
    /// `terraform show -json`, of a saved plan: what it changes, destroys, replaces.
    TerraformPlan,
    /// `terraform … -json`: the stream of messages of a plan or an apply.
    TerraformLog,
    /// The issues or hotspots that `SonarQube`'s web API answers.
    SonarIssues,
    /// `SonarQube`'s quality gate with its conditions.
    SonarGate,
    /// `SonarQube`'s measures of a component: coverage.
    SonarMeasures,
    /// CycloneDX JSON: components, and vulnerabilities where there are some.
    Cyclonedx,
    /// SPDX JSON: components.
    Spdx,
    /// `flyway -outputType=json info`, `migrate` or `validate`.
    FlywayJson,
    /// `cosign verify --output json`: signatures that hold.
    CosignJson,
    /// `jest --json`: test counts.
    JestJson,
    /// `mocha --reporter json`: test counts.
    MochaJson,
    /// `newman --reporters json`: assertions.
    NewmanJson,
    /// `playwright test --reporter json`: test counts, screenshots of failures.
    PlaywrightJson,
    /// lcov: covered lines and branches.
    Lcov,
    /// Cobertura XML: covered lines and branches.
    Cobertura,
    /// `coverage-summary.json`, as Jest and nyc write it.
    CoverageSummary,
    /// `k6 run --summary-export`: thresholds, percentiles, errors, throughput.
    K6Summary,
    /// ZAP's JSON report: alerts of a running application.
    ZapJson,
    /// `wapiti --format json`: weaknesses of a running application.
    WapitiJson,
    /// `kube-bench --json`: the CIS benchmark's five areas.
    KubeBenchJson,
    /// Assessments of Microsoft Defender for Cloud.
    DefenderJson,
}

impl ReportFormat {
    /// Every format. A test holds it complete.
    pub const ALL: [Self; 34] = [
        Self::Junit,
        Self::Sarif,
        Self::CargoJson,
        Self::TrivyJson,
        Self::GrypeJson,
        Self::OsvJson,
        Self::GitleaksJson,
        Self::KubesecJson,
        Self::SemgrepJson,
        Self::CheckovJson,
        Self::TfsecJson,
        Self::HadolintJson,
        Self::ConftestJson,
        Self::TerraformPlan,
        Self::TerraformLog,
        Self::SonarIssues,
        Self::SonarGate,
        Self::SonarMeasures,
        Self::Cyclonedx,
        Self::Spdx,
        Self::FlywayJson,
        Self::CosignJson,
        Self::JestJson,
        Self::MochaJson,
        Self::NewmanJson,
        Self::PlaywrightJson,
        Self::Lcov,
        Self::Cobertura,
        Self::CoverageSummary,
        Self::K6Summary,
        Self::ZapJson,
        Self::WapitiJson,
        Self::KubeBenchJson,
        Self::DefenderJson,
    ];
}

/// What gonogo does itself.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum BuiltIn {
    /// A verified backup of the database.
    Backup,
    /// Restores a backup aside and migrates a copy of it, timed.
    Drill,
    /// Reads the pending migrations and their classes.
    Migrations,
    /// Applies the manifests of staging and waits for the rollout.
    DeployStaging,
    /// Probes staging from outside.
    SmokeStaging,
    /// Applies expand and data migrations to production.
    Migrate,
    /// Checks that the schema is the one the revision expects.
    ValidateSchema,
    /// Deploys to the slot that does not serve and waits for the rollout.
    DeployPreview,
    /// Probes the preview slot: health, database, core paths.
    Smoke,
    /// Proves the way back before it is needed: rights, old slot ready, minimums pinned.
    WayBack,
    /// Waits for a person to switch, then moves the Services.
    Switch,
    /// Watches the slot that now serves, window by window, and rolls back on a failure.
    Monitor,
    /// Probes production from outside; a failure rolls back.
    Health,
    /// Removes old ReplicaSets and finished pods.
    CleanCluster,
    /// Removes backups past their retention.
    CleanBackups,
    /// Writes the consolidated report of the release.
    Report,
}

impl BuiltIn {
    /// Whether it changes what production runs, reads or serves.
    fn changes_production(self) -> bool {
        match self {
            Self::Migrate | Self::DeployPreview | Self::Switch => true,
            Self::Backup
            | Self::Drill
            | Self::Migrations
            | Self::DeployStaging
            | Self::SmokeStaging
            | Self::ValidateSchema
            | Self::Smoke
            | Self::WayBack
            | Self::Monitor
            | Self::Health
            | Self::CleanCluster
            | Self::CleanBackups
            | Self::Report => false,
        }
    }
}

/// A plan that contradicts itself: where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct PlanError {
    /// The key path in the plan: `stages[1].steps[0].needs[0]`.
    pub path: String,
    pub message: String,
}

impl Plan {
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flat_map(|stage| &stage.steps)
    }

    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps().find(|step| &step.id == id)
    }

    pub fn stage(&self, id: &StageId) -> Option<&Stage> {
        self.stages.iter().find(|stage| &stage.id == id)
    }

    /// The stage's place, counted from 0.
    pub fn stage_index(&self, id: &StageId) -> Option<usize> {
        self.stages.iter().position(|stage| &stage.id == id)
    }

    /// The place of the stage that holds a step.
    pub fn stage_of(&self, id: &StepId) -> Option<usize> {
        self.stages.iter().position(|stage| stage.steps.iter().any(|s| &s.id == id))
    }

    /// The step that does `what`, if the plan has one.
    pub fn built_in(&self, what: BuiltIn) -> Option<&Step> {
        self.steps().find(|step| step.uses == Some(what))
    }

    /// The rule for a branch, if any applies.
    pub fn branch_rule(&self, branch: &str) -> Option<&BranchRule> {
        self.branches.iter().find(|rule| match rule.branch.strip_suffix('*') {
            Some(prefix) => branch.starts_with(prefix),
            None => rule.branch == branch,
        })
    }

    /// Checks what a type cannot say: unique names, known needs, no cycles, one action a step.
    pub fn check(&self) -> Result<(), PlanError> {
        let fail = |path: String, message: String| Err(PlanError { path, message });
        if self.stages.is_empty() {
            return fail("stages".into(), "a plan needs at least one stage".into());
        }
        if self.jobs == 0 {
            return fail("jobs".into(), "at least one job must be allowed at a time".into());
        }
        let mut seen = BTreeSet::new();
        for (i, rule) in self.branches.iter().enumerate() {
            if self.stage(&rule.until).is_none() {
                return fail(
                    format!("branches[{i}].until"),
                    format!("there is no stage {:?}", rule.until.as_str()),
                );
            }
            if let Some(k) = rule.skip.iter().position(|id| self.step(id).is_none()) {
                let message = format!("there is no step {}", rule.skip[k]);
                return fail(format!("branches[{i}].skip[{k}]"), message);
            }
        }
        for (i, stage) in self.stages.iter().enumerate() {
            if self.stages[..i].iter().any(|other| other.id == stage.id) {
                return fail(format!("stages[{i}].id"), format!("{} stands twice", stage.id));
            }
            for (j, step) in stage.steps.iter().enumerate() {
                let path = format!("stages[{i}].steps[{j}]");
                self.check_step(stage, step, &path, &seen)?;
                seen.insert(step.id.clone());
            }
        }
        self.check_approval()
    }

    /// One stage at most asks people, and what changes production stands behind it: the plan comes
    /// from the revision under release, which may not talk its way past the gate.
    fn check_approval(&self) -> Result<(), PlanError> {
        let mut asking = self.stages.iter().enumerate().filter(|(_, stage)| stage.approval);
        let gate = asking.next().map(|(i, _)| i);
        if let Some((i, stage)) = asking.next() {
            let message = format!("a second stage, {}, asks for approval; one may", stage.id);
            return Err(PlanError { path: format!("stages[{i}].approval"), message });
        }
        for (i, stage) in self.stages.iter().enumerate() {
            for (j, step) in stage.steps.iter().enumerate() {
                let guarded = step.uses.is_some_and(BuiltIn::changes_production);
                if guarded && gate.is_none_or(|gate| gate > i) {
                    let message = "it changes production, so its stage or an earlier one needs \
                                   `approval: true`";
                    let path = format!("stages[{i}].steps[{j}].uses");
                    return Err(PlanError { path, message: message.into() });
                }
            }
        }
        Ok(())
    }

    fn check_step(
        &self,
        stage: &Stage,
        step: &Step,
        path: &str,
        seen: &BTreeSet<StepId>,
    ) -> Result<(), PlanError> {
        let fail =
            |key: &str, message: String| Err(PlanError { path: format!("{path}.{key}"), message });
        if seen.contains(&step.id) {
            return fail("id", format!("{} stands twice", step.id));
        }
        if step.id.as_str().strip_prefix(stage.id.as_str()).is_none_or(|s| !s.starts_with('.')) {
            return fail("id", format!("it must be {}.<name>, to name its stage", stage.id));
        }
        match (&step.run[..], step.uses) {
            ([], None) => return fail("run", "a step needs `run` or `uses`".into()),
            ([_, ..], Some(_)) => {
                return fail("uses", "a step has `run` or `uses`, not both".into());
            }
            ([program, ..], None) if program.is_empty() => {
                return fail("run[0]", "the program's name is empty".into());
            }
            _ => {}
        }
        if step.timeout_s == 0 {
            return fail("timeout_s", "a timeout of 0 s would end the step at once".into());
        }
        for (k, need) in step.needs.iter().enumerate() {
            // Needs point backwards only, so that a cycle cannot be written down.
            if !seen.contains(need) {
                let why = if self.step(need).is_some() {
                    format!("{need} comes later in the plan; a step needs earlier ones")
                } else {
                    format!("there is no step {need}")
                };
                return fail(&format!("needs[{k}]"), why);
            }
        }
        Ok(())
    }

    /// For every step the expected seconds from its start to the end of the last step that waits
    /// for it, by a need or behind a gate: the longest is the critical path and goes first.
    pub fn seconds_to_end(&self) -> BTreeMap<StepId, u64> {
        let mut to_end: BTreeMap<StepId, u64> = BTreeMap::new();
        // The longest way behind the gates that have been passed so far, from the end backwards.
        let mut behind = 0;
        for stage in self.stages.iter().rev() {
            let mut longest = behind;
            for step in stage.steps.iter().rev() {
                let after = self
                    .steps()
                    .filter(|later| later.needs.contains(&step.id))
                    .filter_map(|later| to_end.get(&later.id).copied())
                    .fold(behind, u64::max);
                let own = after.saturating_add(step.expected_s);
                if !step.may_run_ahead() {
                    longest = longest.max(own);
                }
                to_end.insert(step.id.clone(), own);
            }
            behind = longest;
        }
        to_end
    }
}

impl Step {
    /// Whether it may start before an earlier stage's gate has closed.
    pub fn may_run_ahead(&self) -> bool {
        self.touches == Touches::Workspace && self.secrets.is_empty() && self.uses.is_none()
    }
}
