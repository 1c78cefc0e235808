//! The shipped defaults, embedded and complete, and the types they are read into.

use super::file::{FileError, Layers};
use super::run::Machine;
use super::schema::{schema_for, schema_for_layer};
use crate::release::{Plan, Policy};
use crate::sim::scenario::Scenario;
use crate::tui::{KeySpec, ThemeSpec};

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
