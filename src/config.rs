//! Arguments and files into each room's own settings.
//!
//! Files are read in layers, each overriding the one before it field by field: the shipped
//! defaults, the platform's configuration directory, a policy folder, the repository, flags.
//! Whatever is wrong in one of them is told with its file, line, key and a way out of it.

pub mod args;
mod file;
mod look;
mod paths;
mod policy;
mod resolve;
mod run;
mod schema;
mod shipped;

pub use file::{Details, FileError, Layers, Origin};
pub use look::{Terminal, cockpit, environment, plain, theme};
pub use paths::{PathError, Paths};
pub use policy::{PinnedPolicy, Running, policy_now};
pub use resolve::{
    ConfigError, Listed, Rehearsal, digest, principal, rehearsal, rehearsal_of, scenario, scenarios,
};
pub use run::{MACHINE, Machine, Ready, RunError, machine_of, run};
pub use schema::{schema_for, schema_for_layer};
pub use shipped::{
    PIPELINE, POLICY, check_names, pipeline, policy, read_plan, read_policy, schemas,
};
