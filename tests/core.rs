//! The core from outside: shipped plans, tables of decisions, properties over random inputs.

mod model;
mod properties;
pub(crate) mod rules;
mod shipped;
mod tables;
mod triage;
