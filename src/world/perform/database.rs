//! Backups, drills, migrations and the phases of a restore.

use std::sync::Arc;

use super::{Done, because, fact, passed};
use crate::release::{BackupId, BuiltInJob, Clean, MigrationClass, Outcome, RestorePhase, StepEnd};
use crate::world::postgres::Database;
use crate::world::{Reporter, World};

pub(super) fn database(world: &World) -> Result<&Arc<dyn Database>, Clean> {
    world.database.as_ref().ok_or_else(|| {
        Clean::new("this release has no database: this version of gonogo knows only simulated ones")
    })
}

pub(super) async fn backup(world: &World, reporter: &Reporter) -> Done {
    reporter.say("dumping, reading the dump whole, restoring it on trial");
    let backup = database(world)?.backup(&world.release).await.map_err(because)?;
    if !backup.verified {
        return Err(Clean::new(&format!("{} failed its check and is not verified", backup.id)));
    }
    let rows: u64 = backup.rows.values().sum();
    let value = format!("{}, {rows} rows, schema {}, verified", backup.id, backup.schema_version);
    let mut end: StepEnd = passed(vec![fact("backup", &value)]);
    end.backup = Some(backup);
    Ok(end)
}

pub(super) async fn drill(world: &World, reporter: &Reporter) -> Done {
    let database = database(world)?;
    let newest = database.backups().await.map_err(because)?.into_iter().find(|b| b.verified);
    let Some(newest) = newest else { return Err(Clean::new("there is no verified backup")) };
    reporter.say(&format!("restoring {} aside and migrating a copy", newest.id));
    let drill = database.drill(&newest.id, MigrationClass::Data).await.map_err(because)?;
    if !drill.counts_equal {
        return Err(Clean::new(&format!("{} does not restore to the rows it had", drill.backup)));
    }
    let value = format!("restored in {} s, migrated in {} s", drill.restore_s, drill.migrate_s);
    Ok(passed(vec![fact("restore drill", &value)]))
}

pub(super) async fn migrations(world: &World) -> Done {
    let pending = database(world)?.pending_migrations().await.map_err(because)?;
    let count = |class| pending.iter().filter(|m| m.class == class).count();
    let value = format!(
        "{} expand, {} data; {} contract held back until the old slot is no longer needed",
        count(MigrationClass::Expand),
        count(MigrationClass::Data),
        count(MigrationClass::Contract)
    );
    Ok(passed(vec![fact("migrations", &value)]))
}

/// Migrates production, never without a fresh verified backup, never past what the old slot can
/// live with.
pub(super) async fn migrate(world: &World, job: &BuiltInJob, reporter: &Reporter) -> Done {
    let database = database(world)?;
    let now = world.clock.now().wall;
    let backups = database.backups().await.map_err(because)?;
    let age_s = backups
        .iter()
        .filter(|backup| backup.verified)
        .filter_map(|backup| u64::try_from(now.duration_since(backup.taken_at).as_secs()).ok())
        .min();
    match age_s {
        Some(age_s) if age_s <= job.backup_max_age_s => {}
        Some(age_s) => {
            let limit = job.backup_max_age_s;
            return Err(Clean::new(&format!(
                "the newest verified backup is {age_s} s old, limit {limit} s; nothing was migrated"
            )));
        }
        None => return Err(Clean::new("there is no verified backup; nothing was migrated")),
    }
    reporter.say("running expand and data migrations");
    let report = database.migrate(MigrationClass::Data).await.map_err(because)?;
    if let Some(failed) = &report.failed {
        return Err(Clean::new(&format!(
            "migration {} failed and was taken back: {}",
            failed.migration.version, failed.reason
        )));
    }
    let value = format!("{} applied, schema {}", report.applied.len(), report.schema_version);
    Ok(passed(vec![fact("migrated", &value)]))
}

pub(super) async fn validate(world: &World) -> Done {
    let database = database(world)?;
    let pending = database.pending_migrations().await.map_err(because)?;
    let missing = pending.iter().find(|m| m.class != MigrationClass::Contract);
    if let Some(missing) = missing {
        return Err(Clean::new(&format!("migration {} has not run", missing.version)));
    }
    let version = database.schema_version().await.map_err(because)?;
    Ok(passed(vec![fact("schema", version.as_str())]))
}

/// Deletes backups past their retention, but never the newest verified one.
pub(super) async fn clean(world: &World, job: &BuiltInJob) -> Done {
    let database = database(world)?;
    let now = world.clock.now().wall;
    let backups = database.backups().await.map_err(because)?;
    let newest = backups.iter().find(|backup| backup.verified).map(|backup| backup.id.clone());
    let mut deleted = 0;
    for backup in &backups {
        let age_days = now.duration_since(backup.taken_at).as_hours() / 24;
        let old = age_days > i64::from(job.retention_days);
        if old && Some(&backup.id) != newest.as_ref() {
            database.delete_backup(&backup.id).await.map_err(because)?;
            deleted += 1;
        }
    }
    let kept = backups.len() - deleted;
    Ok(passed(vec![fact("backups", &format!("{deleted} deleted, {kept} kept"))]))
}

pub(super) async fn restore(
    world: &World,
    backup: &BackupId,
    phase: RestorePhase,
    reporter: &Reporter,
) -> Outcome {
    reporter.say(phase.words());
    let done = async {
        let report = database(world)?.restore(backup, phase).await;
        report.map_err(because)
    };
    match done.await {
        Ok(report) => Outcome::Restored { report: Box::new(report) },
        Err(reason) => Outcome::Failed { reason },
    }
}
