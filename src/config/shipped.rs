//! The shipped defaults, embedded and complete, and the types they are read into.

use super::file::{FileError, Layers};
use super::run::Machine;
use super::schema::{schema_for, schema_for_layer};
use crate::release::{Plan, Policy, StepId};
use crate::sim::scenario::Scenario;
use crate::tui::{KeySpec, ThemeSpec};
use crate::world::tools::TOOLS;

/// `config/pipeline.yaml`: the eleven stages.
pub const PIPELINE: &str = include_str!("../../config/pipeline.yaml");
/// `config/policy.yaml`.
pub const POLICY: &str = include_str!("../../config/policy.yaml");

/// The shipped plan, to put a repository's own on top of.
pub fn pipeline() -> Result<Layers, FileError> {
    Layers::shipped("config/pipeline.yaml (shipped)", PIPELINE)
}

/// The shipped policy, to put the platform's on top of.
pub fn policy() -> Result<Layers, FileError> {
    Layers::shipped("config/policy.yaml (shipped)", POLICY)
}

/// The effective plan, checked; a contradiction points at the key that holds it.
pub fn read_plan(layers: &Layers) -> Result<Plan, FileError> {
    let plan: Plan = layers.read()?;
    plan.check().map_err(|error| layers.fault(&error.path, &error.message))?;
    Ok(plan)
}

/// The effective policy, checked; a contradiction points at the key that holds it.
pub fn read_policy(layers: &Layers) -> Result<Policy, FileError> {
    let policy: Policy = layers.read()?;
    policy.check().map_err(|error| layers.fault(&error.path, &error.message))?;
    Ok(policy)
}

/// Whether every step and tool that the policy's gates name is one of the plan, or one that gonogo
/// reads: limits under a mistyped name would hold nothing. What the shipped policy names may be
/// missing from a plan.
pub fn check_names(layers: &Layers, policy: &Policy, plan: &Plan) -> Result<(), FileError> {
    let steps: Vec<&str> = plan.steps().map(|step| step.id.as_str()).collect();
    for step in policy.findings.steps.keys().map(StepId::as_str) {
        let message = format!("the pipeline has no step `{step}`");
        let unknown = || layers.unknown_key("findings.steps", step, &message, &steps, "");
        if let (false, Some(error)) = (steps.contains(&step), unknown()) {
            return Err(error);
        }
    }
    let runs = |tool: &str| {
        let says = |text: &str| {
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
            words.any(|word| word.eq_ignore_ascii_case(tool)) || text.eq_ignore_ascii_case(tool)
        };
        plan.steps().any(|step| says(step.id.as_str()) || step.run.iter().any(|word| says(word)))
    };
    for tool in policy.findings.tools.keys() {
        if TOOLS.iter().any(|known| known.eq_ignore_ascii_case(tool)) || runs(tool) {
            continue;
        }
        let message = format!("no tool `{tool}` is known, and no step of the pipeline runs it");
        let remedy = "; the limits of any other tool stand under its step";
        if let Some(error) = layers.unknown_key("findings.tools", tool, &message, &TOOLS, remedy) {
            return Err(error);
        }
    }
    Ok(())
}

/// The JSON Schema of each configuration file, by the name that the files point to.
pub fn schemas() -> Vec<(&'static str, String)> {
    vec![
        ("pipeline.json", schema_for::<Plan>()),
        ("policy.json", schema_for_layer::<Policy>()),
        ("gonogo.json", schema_for_layer::<Machine>()),
        ("scenario.json", schema_for::<Scenario>()),
        ("theme.json", schema_for::<ThemeSpec>()),
        ("keys.json", schema_for_layer::<KeySpec>()),
    ]
}
