//! The seam to the database: what a release needs of it, whoever answers.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::release::{
    Backup, BackupId, Clean, DatabaseState, Drill, Loss, Migration, MigrationClass, ReleaseId,
    RestorePhase, RestoreReport,
};

/// What a call to the database is, before it is awaited.
pub type DatabaseFuture<'a, T> = BoxFuture<'a, Result<T, DatabaseError>>;

/// The shop's database and the store of its backups.
///
/// Every call may be dropped half-way: what it has done by then is seen by [`Database::state`],
/// [`Database::backups`] and [`Database::pending_migrations`], and calling it again goes on from
/// there. Only [`RestorePhase::Swap`] and [`RestorePhase::SwapBack`] rename, each in one
/// transaction.
pub trait Database: Send + Sync {
    /// Takes a backup, reads it whole, restores it on trial and counts its rows. One that failed
    /// its check is stored and returned with `verified: false` (I19).
    fn backup<'a>(&'a self, release: &'a ReleaseId) -> DatabaseFuture<'a, Backup>;

    /// All stored backups, newest first.
    fn backups(&self) -> DatabaseFuture<'_, Vec<Backup>>;

    /// Deletes a stored backup; one that is not there any more is deleted.
    fn delete_backup<'a>(&'a self, backup: &'a BackupId) -> DatabaseFuture<'a, ()>;

    /// Restores `backup` into a database of its own, compares the counts, and runs the pending
    /// migrations up to `up_to` on a copy of that.
    fn drill<'a>(
        &'a self,
        backup: &'a BackupId,
        up_to: MigrationClass,
    ) -> DatabaseFuture<'a, Drill>;

    /// What has not run yet, in the order of the versions.
    fn pending_migrations(&self) -> DatabaseFuture<'_, Vec<Migration>>;

    /// Runs the pending migrations in order, up to the last before the first one whose class is
    /// above `up_to`. A migration that fails is not an error of the call: the report says so.
    fn migrate(&self, up_to: MigrationClass) -> DatabaseFuture<'_, MigrationReport>;

    /// The version of the last migration that has run.
    fn schema_version(&self) -> DatabaseFuture<'_, Clean>;

    /// Runs one phase of a restore to `backup`. [`RestorePhase::SwapBack`] undoes the swap.
    fn restore<'a>(
        &'a self,
        backup: &'a BackupId,
        phase: RestorePhase,
    ) -> DatabaseFuture<'a, RestoreReport>;

    /// What a restore to `backup` would lose if it happened now.
    fn measure_loss<'a>(&'a self, backup: &'a BackupId) -> DatabaseFuture<'a, Loss>;

    /// The database set aside beside the live one, table by table.
    fn compare<'a>(&'a self, backup: &'a BackupId) -> DatabaseFuture<'a, Comparison>;

    /// Lets the writers go on without a restore: the way out of an abandoned one.
    fn unfence(&self) -> DatabaseFuture<'_, ()>;

    /// Which databases stand under which names; changes nothing.
    fn state(&self) -> DatabaseFuture<'_, DatabaseState>;
}

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database is unreachable: {reason}")]
    Unreachable { reason: Clean },
    #[error("there is no backup {backup}")]
    NoSuchBackup { backup: BackupId },
    /// Nothing was changed.
    #[error("refused: {reason}")]
    Refused { reason: Clean },
    /// The live database is as it was; something beside it may be left over.
    #[error("{reason}")]
    Failed { reason: Clean },
}

/// What a run of migrations did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationReport {
    pub applied: Vec<Migration>,
    /// The migration that failed, and what the database said. It left nothing behind.
    pub failed: Option<FailedMigration>,
    /// What was not run: everything from the first migration of a higher class, or the failed one.
    pub held_back: Vec<Migration>,
    pub schema_version: Clean,
    pub took_ms: u64,
}

/// A migration that failed and was taken back whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedMigration {
    pub migration: Migration,
    pub reason: Clean,
}

/// A restored database beside the live one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub schema_live: Clean,
    pub schema_aside: Clean,
    /// Per table: rows in the live database and in the one aside; none where it has no such table.
    pub rows: BTreeMap<String, (Option<u64>, Option<u64>)>,
    /// Whether the one aside has exactly the rows that the backup's manifest says.
    pub as_backed_up: bool,
}
