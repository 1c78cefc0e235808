//! A simulated `PostgreSQL` and its store of backups. Its tables grow with what customers buy, what
//! it does takes time on the clock, and what can go wrong does so when a scenario says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp as Wall};
use serde::Deserialize;

use super::shop::Shop;
use super::witness::{Deed, Eyes};
use crate::release::{
    Backup, BackupId, Clean, DatabaseState, Digest, Drill, Loss, Migration, MigrationClass,
    ReleaseId, RestorePhase, RestoreReport,
};
use crate::world::Clock;
use crate::world::postgres::{
    Comparison, Database, DatabaseError, DatabaseFuture, FailedMigration, MigrationReport,
};

const BACKUP: Duration = Duration::from_secs(4);
const RESTORE: Duration = Duration::from_secs(14);
const MIGRATION: Duration = Duration::from_millis(1500);
const SWAP: Duration = Duration::from_millis(200);
const SHORT: Duration = Duration::from_millis(300);

/// What goes wrong with the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseFaults {
    /// One migration is bad SQL.
    pub bad_migration: Option<BadMigration>,
    /// Backups taken from now on do not survive their check.
    pub unverifiable: bool,
    /// A restore breaks off half-way.
    pub restore_fails: bool,
    /// Nobody accepts the connection.
    pub unreachable: bool,
}

/// A migration that fails.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadMigration {
    pub version: String,
    /// It fails on the live data only, so that no drill finds it.
    #[serde(default)]
    pub only_live: bool,
}

/// The simulated database. Cheap to clone.
#[derive(Clone)]
pub struct SimDatabase {
    inner: Arc<Mutex<Inner>>,
    shop: Shop,
    clock: Clock,
    eyes: Eyes,
}

struct Inner {
    faults: DatabaseFaults,
    /// Every migration there is after version 1.2, in order.
    migrations: Vec<Migration>,
    live: Stand,
    aside: Option<Stand>,
    /// The databases that were swapped out, the last one on top.
    kept: Vec<Stand>,
    backups: Vec<(Backup, Tables)>,
    connections_allowed: bool,
    /// When the writers were stopped.
    fenced_at: Option<Wall>,
    /// Requests of the shop whose writes have been counted, or refused.
    seen: u64,
}

/// One database: its tables and where they come from.
#[derive(Clone)]
struct Stand {
    tables: Tables,
    from: Option<BackupId>,
}

#[derive(Clone, PartialEq, Eq)]
struct Tables {
    rows: BTreeMap<String, u64>,
    /// Requests whose writes are in here, on top of `rows`.
    requests: u64,
    /// How many of the migrations have run.
    applied: usize,
}

impl Tables {
    /// Nine weeks of a small shop, `days` days ago.
    fn aged(days: u64) -> Self {
        let rows = [("orders", 41_202, 650), ("products", 1250, 3), ("users", 8412, 90)];
        let rows = rows.map(|(table, now, per_day)| (table.to_owned(), now - per_day * days));
        Self { rows: rows.into(), requests: 0, applied: 0 }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let mut rows = self.rows.clone();
        // One request in 25 orders something, one in 400 signs up.
        for (table, requests) in [("orders", 25), ("users", 400)] {
            *rows.entry(table.to_owned()).or_default() += self.requests / requests;
        }
        rows
    }

    fn total(&self) -> u64 {
        self.counts().values().sum()
    }
}

/// What a scenario has pending where it names nothing: one of each class.
pub fn default_migrations() -> Vec<Migration> {
    let migration = |version: &str, title: &str, class| Migration {
        version: Clean::new(version),
        title: Clean::new(title),
        class,
    };
    vec![
        migration("1.3", "add orders.currency, nullable", MigrationClass::Expand),
        migration("1.4", "fill orders.currency", MigrationClass::Data),
        migration("1.5", "drop orders.legacy_total", MigrationClass::Contract),
    ]
}

impl SimDatabase {
    /// A database that has run in production for weeks, with three nightly backups.
    pub fn new(
        shop: Shop,
        clock: Clock,
        migrations: Vec<Migration>,
        faults: DatabaseFaults,
    ) -> Self {
        let now = clock.now().wall;
        let backups = [1, 8, 36].into_iter().map(|days: u64| {
            let hours = i64::try_from(days).unwrap_or(0).saturating_mul(24);
            let at = now.saturating_sub(SignedDuration::from_hours(hours)).unwrap_or(now);
            let tables = Tables::aged(days);
            (describe(at, &tables, &migrations, true), tables)
        });
        let backups = backups.collect();
        let inner = Inner {
            faults,
            migrations,
            live: Stand { tables: Tables::aged(0), from: None },
            aside: None,
            kept: Vec::new(),
            backups,
            connections_allowed: true,
            fenced_at: None,
            seen: shop.served(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), shop, clock, eyes: Eyes::default() }
    }

    pub(super) fn watched_by(mut self, eyes: Eyes) -> Self {
        self.eyes = eyes;
        self
    }

    /// From now on this goes wrong.
    pub fn set_faults(&self, faults: DatabaseFaults) {
        self.lock().faults = faults;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database as it stands now: with the writes of every request up to now.
    fn now(&self) -> Result<MutexGuard<'_, Inner>, DatabaseError> {
        let served = self.shop.served();
        let mut inner = self.lock();
        let new = served.saturating_sub(inner.seen);
        inner.seen = served;
        if inner.connections_allowed && inner.fenced_at.is_none() {
            inner.live.tables.requests += new;
        }
        if inner.faults.unreachable {
            let reason = Clean::new("connection refused");
            return Err(DatabaseError::Unreachable { reason });
        }
        Ok(inner)
    }

    async fn take_backup(&self) -> Result<Backup, DatabaseError> {
        // Two backups of one second would have one name.
        while self.now()?.has(&backup_id(self.clock.now().wall)) {
            self.clock.sleep(Duration::from_secs(1)).await;
        }
        // The dump is of one instant, however long it takes.
        let (at, tables) = (self.clock.now().wall, self.now()?.live.tables.clone());
        self.clock.sleep(BACKUP).await;
        let backup = {
            let mut inner = self.now()?;
            let backup = describe(at, &tables, &inner.migrations, !inner.faults.unverifiable);
            inner.backups.insert(0, (backup.clone(), tables));
            backup
        };
        self.eyes.saw(Deed::BackedUp { backup: backup.id.to_string() }).await;
        Ok(backup)
    }

    async fn run_drill(
        &self,
        id: &BackupId,
        up_to: MigrationClass,
    ) -> Result<Drill, DatabaseError> {
        let tables = self.now()?.verified(id)?;
        let started_ms = self.clock.now().boot_ms;
        self.clock.sleep(RESTORE).await;
        self.now()?.restore_fault()?;
        let restored_ms = self.clock.now().boot_ms;
        let pending = self.now()?.pending(&tables);
        for migration in pending.into_iter().take_while(|migration| migration.class <= up_to) {
            self.clock.sleep(MIGRATION).await;
            if let Some(reason) = self.now()?.migration_fault(&migration, false) {
                return Err(DatabaseError::Failed { reason });
            }
        }
        let migrated_ms = self.clock.now().boot_ms;
        Ok(Drill {
            backup: id.clone(),
            restore_s: (restored_ms - started_ms).div_ceil(1000),
            migrate_s: (migrated_ms - restored_ms).div_ceil(1000),
            counts_equal: true,
        })
    }

    async fn run_migrations(
        &self,
        up_to: MigrationClass,
    ) -> Result<MigrationReport, DatabaseError> {
        let started_ms = self.clock.now().boot_ms;
        let (mut applied, mut failed) = (Vec::new(), None);
        loop {
            let next = {
                let inner = self.now()?;
                inner.open()?;
                inner.pending(&inner.live.tables).into_iter().next()
            };
            let Some(migration) = next.filter(|migration| migration.class <= up_to) else { break };
            self.clock.sleep(MIGRATION).await;
            {
                let mut inner = self.now()?;
                if let Some(reason) = inner.migration_fault(&migration, true) {
                    failed = Some(FailedMigration { migration, reason });
                    break;
                }
                inner.live.tables.applied += 1;
            }
            let version = migration.version.to_string();
            applied.push(migration);
            self.eyes.saw(Deed::Migrated { version }).await;
        }
        let inner = self.now()?;
        Ok(MigrationReport {
            applied,
            failed,
            held_back: inner.pending(&inner.live.tables),
            schema_version: inner.schema(&inner.live.tables),
            took_ms: self.clock.now().boot_ms - started_ms,
        })
    }

    async fn run_phase(
        &self,
        id: &BackupId,
        phase: RestorePhase,
    ) -> Result<RestoreReport, DatabaseError> {
        let started_ms = self.clock.now().boot_ms;
        let (detail, loss) = match phase {
            RestorePhase::Aside => (self.aside(id).await?, None),
            RestorePhase::Fence => (self.fence().await?, None),
            RestorePhase::MeasureLoss => {
                self.clock.sleep(SHORT).await;
                let loss = self.now()?.loss(id, self.clock.now().wall)?;
                (format!("{} s of writes would be lost", loss.seconds), Some(loss))
            }
            RestorePhase::Swap => (self.swap(id).await?, None),
            RestorePhase::Reopen => {
                self.clock.sleep(SHORT).await;
                {
                    let mut inner = self.now()?;
                    (inner.connections_allowed, inner.fenced_at) = (true, None);
                }
                self.eyes.saw(Deed::Reopened).await;
                ("connections are allowed and writers go on".to_owned(), None)
            }
            RestorePhase::SwapBack => (self.swap_back().await?, None),
        };
        let took_ms = self.clock.now().boot_ms - started_ms;
        Ok(RestoreReport { phase, took_ms, detail: Clean::new(&detail), loss })
    }

    async fn aside(&self, id: &BackupId) -> Result<String, DatabaseError> {
        let tables = {
            let mut inner = self.now()?;
            let tables = inner.verified(id)?;
            // What an earlier try left is dropped before the new one begins (F62).
            inner.aside = None;
            tables
        };
        self.clock.sleep(RESTORE).await;
        let (count, total) = (tables.rows.len(), tables.total());
        {
            let mut inner = self.now()?;
            inner.restore_fault()?;
            inner.aside = Some(Stand { tables, from: Some(id.clone()) });
        }
        self.eyes.saw(Deed::RestoredAside { backup: id.to_string() }).await;
        Ok(format!("restored {count} tables, {total} rows, counts equal"))
    }

    async fn fence(&self) -> Result<String, DatabaseError> {
        self.clock.sleep(SHORT).await;
        let now = self.clock.now().wall;
        self.now()?.fenced_at.get_or_insert(now);
        self.eyes.saw(Deed::Fenced).await;
        Ok("the database is read-only for the shop".to_owned())
    }

    async fn swap(&self, id: &BackupId) -> Result<String, DatabaseError> {
        {
            let mut inner = self.now()?;
            if inner.aside.is_none() && inner.live.from.as_ref() == Some(id) {
                return Ok("already swapped".to_owned());
            }
            if inner.aside.as_ref().and_then(|stand| stand.from.as_ref()) != Some(id) {
                return Err(refused(&format!("{id} does not stand aside")));
            }
            if inner.fenced_at.is_none() {
                return Err(refused("the writers are not fenced"));
            }
            inner.connections_allowed = false;
        }
        self.clock.sleep(SWAP).await;
        {
            let mut inner = self.now()?;
            // Both renames at once: nobody ever sees one without the other (I17).
            if let Some(restored) = inner.aside.take() {
                let old = std::mem::replace(&mut inner.live, restored);
                inner.kept.push(old);
            }
        }
        self.eyes.saw(Deed::Swapped { back: false }).await;
        Ok("both databases renamed in one transaction; the old one is kept".to_owned())
    }

    async fn swap_back(&self) -> Result<String, DatabaseError> {
        {
            let mut inner = self.now()?;
            if inner.kept.is_empty() {
                return Err(refused("no database was kept"));
            }
            inner.connections_allowed = false;
        }
        self.clock.sleep(SWAP).await;
        {
            let mut inner = self.now()?;
            if let Some(old) = inner.kept.pop() {
                let restored = std::mem::replace(&mut inner.live, old);
                inner.aside = Some(restored);
            }
        }
        self.eyes.saw(Deed::Swapped { back: true }).await;
        Ok("both databases renamed back in one transaction".to_owned())
    }
}

impl Inner {
    fn has(&self, id: &BackupId) -> bool {
        self.backups.iter().any(|(backup, _)| &backup.id == id)
    }

    fn backup(&self, id: &BackupId) -> Result<&(Backup, Tables), DatabaseError> {
        let found = self.backups.iter().find(|(backup, _)| &backup.id == id);
        found.ok_or_else(|| DatabaseError::NoSuchBackup { backup: id.clone() })
    }

    /// The content of a backup that may be restored (I18).
    fn verified(&self, id: &BackupId) -> Result<Tables, DatabaseError> {
        let (backup, tables) = self.backup(id)?;
        if !backup.verified {
            return Err(refused(&format!("{id} is not verified")));
        }
        Ok(tables.clone())
    }

    fn open(&self) -> Result<(), DatabaseError> {
        if self.connections_allowed {
            return Ok(());
        }
        Err(refused("the database is not accepting connections"))
    }

    fn pending(&self, tables: &Tables) -> Vec<Migration> {
        self.migrations.get(tables.applied..).unwrap_or_default().to_vec()
    }

    fn schema(&self, tables: &Tables) -> Clean {
        schema(tables, &self.migrations)
    }

    fn migration_fault(&self, migration: &Migration, live: bool) -> Option<Clean> {
        let bad = self.faults.bad_migration.as_ref()?;
        let hit = bad.version == migration.version.as_str() && (live || !bad.only_live);
        hit.then(|| {
            let Migration { version, title, .. } = migration;
            Clean::new(&format!(
                "V{version} {title}: ERROR: column \"currency\" of relation \"orders\" already \
                 exists (SQLSTATE 42701)"
            ))
        })
    }

    fn restore_fault(&self) -> Result<(), DatabaseError> {
        if !self.faults.restore_fails {
            return Ok(());
        }
        let said = "pg_restore: error: could not read from input file: end of file";
        Err(DatabaseError::Failed { reason: Clean::new(said) })
    }

    fn loss(&self, id: &BackupId, now: Wall) -> Result<Loss, DatabaseError> {
        let (backup, _) = self.backup(id)?;
        let until = self.fenced_at.unwrap_or(now);
        let seconds = until.duration_since(backup.taken_at).as_secs();
        let live = self.live.tables.counts();
        let signed = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        let rows = live.into_iter().map(|(table, rows)| {
            let then = backup.rows.get(&table).copied().unwrap_or(0);
            (table, signed(rows) - signed(then))
        });
        Ok(Loss { seconds: u64::try_from(seconds).unwrap_or(0), rows: Some(rows.collect()) })
    }

    fn comparison(&self, id: &BackupId) -> Result<Comparison, DatabaseError> {
        let (backup, _) = self.backup(id)?;
        let aside = self.aside.as_ref().filter(|stand| stand.from.as_ref() == Some(id));
        let aside = aside.ok_or_else(|| refused(&format!("{id} does not stand aside")))?;
        let (live_rows, aside_rows) = (self.live.tables.counts(), aside.tables.counts());
        let tables = live_rows.keys().chain(aside_rows.keys()).cloned();
        let rows = tables.map(|table| {
            let pair = (live_rows.get(&table).copied(), aside_rows.get(&table).copied());
            (table, pair)
        });
        Ok(Comparison {
            schema_live: self.schema(&self.live.tables),
            schema_aside: self.schema(&aside.tables),
            rows: rows.collect(),
            as_backed_up: aside_rows == backup.rows,
        })
    }

    fn state(&self) -> DatabaseState {
        DatabaseState {
            live_from: self.live.from.clone(),
            aside: self.aside.as_ref().and_then(|stand| stand.from.clone()),
            kept: !self.kept.is_empty(),
            connections_allowed: self.connections_allowed,
            writers_fenced: self.fenced_at.is_some(),
            schema_version: self.schema(&self.live.tables),
        }
    }
}

fn refused(reason: &str) -> DatabaseError {
    DatabaseError::Refused { reason: Clean::new(reason) }
}

fn schema(tables: &Tables, migrations: &[Migration]) -> Clean {
    let last = tables.applied.checked_sub(1).and_then(|last| migrations.get(last));
    last.map_or_else(|| Clean::new("1.2"), |migration| migration.version.clone())
}

fn backup_id(at: Wall) -> BackupId {
    let name = format!("backup_{}.dump", at.strftime("%Y%m%d_%H%M%S"));
    BackupId::new(name).expect("digits and fixed letters are within the grammar")
}

fn describe(at: Wall, tables: &Tables, migrations: &[Migration], verified: bool) -> Backup {
    let (id, rows) = (backup_id(at), tables.counts());
    Backup {
        sha256: Digest::of(format!("{id} {rows:?}").as_bytes()),
        bytes: 48_000 + tables.total() * 24,
        taken_at: at,
        schema_version: schema(tables, migrations),
        id,
        rows,
        verified,
    }
}

impl Database for SimDatabase {
    fn backup<'a>(&'a self, _: &'a ReleaseId) -> DatabaseFuture<'a, Backup> {
        Box::pin(self.take_backup())
    }

    fn backups(&self) -> DatabaseFuture<'_, Vec<Backup>> {
        Box::pin(async {
            self.clock.sleep(SHORT).await;
            Ok(self.now()?.backups.iter().map(|(backup, _)| backup.clone()).collect())
        })
    }

    fn delete_backup<'a>(&'a self, backup: &'a BackupId) -> DatabaseFuture<'a, ()> {
        Box::pin(async move {
            self.clock.sleep(SHORT).await;
            self.now()?.backups.retain(|(stored, _)| &stored.id != backup);
            Ok(())
        })
    }

    fn drill<'a>(
        &'a self,
        backup: &'a BackupId,
        up_to: MigrationClass,
    ) -> DatabaseFuture<'a, Drill> {
        Box::pin(self.run_drill(backup, up_to))
    }

    fn pending_migrations(&self) -> DatabaseFuture<'_, Vec<Migration>> {
        Box::pin(async {
            self.clock.sleep(SHORT).await;
            let inner = self.now()?;
            Ok(inner.pending(&inner.live.tables))
        })
    }

    fn migrate(&self, up_to: MigrationClass) -> DatabaseFuture<'_, MigrationReport> {
        Box::pin(self.run_migrations(up_to))
    }

    fn schema_version(&self) -> DatabaseFuture<'_, Clean> {
        Box::pin(async {
            self.clock.sleep(SHORT).await;
            let inner = self.now()?;
            inner.open()?;
            Ok(inner.schema(&inner.live.tables))
        })
    }

    fn restore<'a>(
        &'a self,
        backup: &'a BackupId,
        phase: RestorePhase,
    ) -> DatabaseFuture<'a, RestoreReport> {
        Box::pin(self.run_phase(backup, phase))
    }

    fn measure_loss<'a>(&'a self, backup: &'a BackupId) -> DatabaseFuture<'a, Loss> {
        Box::pin(async move {
            self.clock.sleep(SHORT).await;
            self.now()?.loss(backup, self.clock.now().wall)
        })
    }

    fn compare<'a>(&'a self, backup: &'a BackupId) -> DatabaseFuture<'a, Comparison> {
        Box::pin(async move {
            self.clock.sleep(SHORT).await;
            self.now()?.comparison(backup)
        })
    }

    fn unfence(&self) -> DatabaseFuture<'_, ()> {
        Box::pin(async {
            self.clock.sleep(SHORT).await;
            self.now()?.fenced_at = None;
            Ok(())
        })
    }

    fn state(&self) -> DatabaseFuture<'_, DatabaseState> {
        Box::pin(async {
            self.clock.sleep(SHORT).await;
            Ok(self.now()?.state())
        })
    }
}
