//! The database's way back: backups, drills, and a restore in phases.

use std::collections::BTreeMap;

use jiff::Timestamp as Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::effect::AfterCrash;
use super::{BackupId, Clean, Digest};

/// A backup as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub id: BackupId,
    pub taken_at: Wall,
    pub bytes: u64,
    pub sha256: Digest,
    /// Rows per table when it was taken.
    pub rows: BTreeMap<String, u64>,
    pub schema_version: Clean,
    /// Read whole, restored on trial and counted (I19); anything less is not verified.
    pub verified: bool,
}

/// What a drill showed: the backup restored aside and a copy of it migrated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    pub backup: BackupId,
    pub restore_s: u64,
    pub migrate_s: u64,
    /// Whether every table has the rows that the backup's manifest says.
    pub counts_equal: bool,
}

/// How a migration may run beside the old version.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MigrationClass {
    /// Adds only; the old version lives with it.
    Expand,
    /// Fills or corrects data.
    Data,
    /// Takes away what the old version may still use: later, on its own approval.
    Contract,
}

/// One pending migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    pub version: Clean,
    pub title: Clean,
    pub class: MigrationClass,
}

/// The phases of a restore, in their order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RestorePhase {
    /// Restores the backup beside the live database and compares the counts.
    Aside,
    /// Stops the writers.
    Fence,
    /// Measures what the restore will lose, now that nobody writes.
    MeasureLoss,
    /// Renames both databases in one transaction.
    Swap,
    /// Opens the database and lets the writers go on.
    Reopen,
    /// Renames both back: the undo.
    SwapBack,
}

impl RestorePhase {
    pub(super) fn after_crash(self) -> AfterCrash {
        match self {
            Self::Aside | Self::MeasureLoss => AfterCrash::Rerun,
            Self::Fence | Self::Reopen => AfterCrash::Observe,
            Self::Swap | Self::SwapBack => AfterCrash::Hold,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Aside => "restore aside and compare",
            Self::Fence => "fence the writers",
            Self::MeasureLoss => "measure the loss",
            Self::Swap => "swap the databases",
            Self::Reopen => "re-open and let writers go on",
            Self::SwapBack => "swap back",
        }
    }
}

/// What a restore to a backup loses: the writes since it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Seconds of writes that are not in the backup.
    pub seconds: u64,
    /// Rows per table that are not in the backup; none where they cannot be counted.
    pub rows: Option<BTreeMap<String, i64>>,
}

/// What one phase did and found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    pub phase: RestorePhase,
    pub took_ms: u64,
    /// One line for people: `restored 3 tables, 41,202 rows, counts equal`.
    pub detail: Clean,
    pub loss: Option<Loss>,
}

/// Which databases stand under which names, and whether anybody can reach them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// The database under its own name comes from this backup; none when it is the original.
    pub live_from: Option<BackupId>,
    /// A restored copy stands aside, ready for the swap.
    pub aside: Option<BackupId>,
    /// The database that was swapped out is kept.
    pub kept: bool,
    pub connections_allowed: bool,
    pub writers_fenced: bool,
    pub schema_version: Clean,
}
