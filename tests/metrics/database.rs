//! The simulated database keeps the promises of the seam.

use std::time::Duration;

use fastrand::Rng;
use gonogo::release::{MigrationClass, ReleaseId, RestorePhase, Slot};
use gonogo::sim::database::{BadMigration, DatabaseFaults, SimDatabase, default_migrations};
use gonogo::sim::shop::Shop;
use gonogo::world::Clock;
use gonogo::world::postgres::{Database, DatabaseError};

use super::{Ground, clock};

fn database(faults: DatabaseFaults) -> (SimDatabase, Clock) {
    let clock = clock();
    let ground = Ground::new(Some(Slot::Green));
    let shop = Shop::new(ground, clock.clone(), &mut Rng::with_seed(9), 40.0);
    (SimDatabase::new(shop, clock.clone(), default_migrations(), faults), clock)
}

fn release() -> ReleaseId {
    ReleaseId::new("r-1123.1").expect("a name")
}

fn reason(error: &DatabaseError) -> String {
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn f65_a_restore_goes_aside_swaps_loses_what_it_said_and_can_be_undone() {
    let (database, clock) = database(DatabaseFaults::default());
    let started_ms = clock.now().boot_ms;
    let backup = database.backup(&release()).await.expect("a backup");
    assert!(backup.verified && clock.now().boot_ms - started_ms < 5000);
    assert_eq!(database.backups().await.expect("a list")[0], backup);
    database.migrate(MigrationClass::Expand).await.expect("a report");
    clock.sleep(Duration::from_secs(120)).await;
    let step = async |phase| database.restore(&backup.id, phase).await;
    // Out of order it refuses.
    let early = step(RestorePhase::Swap).await.expect_err("nothing aside");
    assert!(reason(&early).contains("does not stand aside"));
    step(RestorePhase::Aside).await.expect("restored");
    let compared = database.compare(&backup.id).await.expect("both stand");
    assert!(compared.as_backed_up);
    assert_eq!((compared.schema_live.as_str(), compared.schema_aside.as_str()), ("1.3", "1.2"));
    let unfenced = step(RestorePhase::Swap).await.expect_err("writers write");
    assert!(reason(&unfenced).contains("not fenced"));
    step(RestorePhase::Fence).await.expect("fenced");
    let loss = step(RestorePhase::MeasureLoss).await.expect("measured").loss.expect("a loss");
    clock.sleep(Duration::from_secs(60)).await;
    let again = database.measure_loss(&backup.id).await.expect("measured");
    assert_eq!(loss, again, "nobody writes behind a fence");
    assert!((120..160).contains(&loss.seconds), "{loss:?}");
    let rows = loss.rows.expect("countable");
    assert!(rows["orders"] > 100 && rows["products"] == 0, "{rows:?}");
    step(RestorePhase::Swap).await.expect("swapped");
    let state = database.state().await.expect("a state");
    assert_eq!(state.live_from.as_ref(), Some(&backup.id));
    assert!(state.kept && !state.connections_allowed && state.aside.is_none());
    step(RestorePhase::Swap).await.expect("a second time it is done already");
    step(RestorePhase::Reopen).await.expect("open");
    let state = database.state().await.expect("a state");
    assert!(state.connections_allowed && !state.writers_fenced);
    assert_eq!(state.schema_version.as_str(), "1.2");
    step(RestorePhase::SwapBack).await.expect("undone");
    step(RestorePhase::Reopen).await.expect("open");
    let state = database.state().await.expect("a state");
    assert_eq!((state.live_from, state.kept, state.aside), (None, false, Some(backup.id.clone())));
    assert_eq!(state.schema_version.as_str(), "1.3");
}

#[tokio::test(start_paused = true)]
async fn i19_an_unverified_backup_is_never_restored() {
    let faults = DatabaseFaults { unverifiable: true, ..DatabaseFaults::default() };
    let (database, _) = database(faults);
    let backup = database.backup(&release()).await.expect("it is stored");
    assert!(!backup.verified);
    for error in [
        database.restore(&backup.id, RestorePhase::Aside).await.expect_err("refused"),
        database.drill(&backup.id, MigrationClass::Data).await.expect_err("refused"),
    ] {
        assert!(reason(&error).contains("not verified"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn f62_a_restore_that_breaks_off_leaves_the_live_database_alone() {
    let faults = DatabaseFaults { restore_fails: true, ..DatabaseFaults::default() };
    let (database, _) = database(faults);
    let before = database.state().await.expect("a state");
    let backup = database.backup(&release()).await.expect("a backup");
    let error = database.restore(&backup.id, RestorePhase::Aside).await.expect_err("broken");
    assert!(matches!(error, DatabaseError::Failed { .. }), "{error}");
    assert_eq!(database.state().await.expect("a state"), before);
    database.set_faults(DatabaseFaults::default());
    database.restore(&backup.id, RestorePhase::Aside).await.expect("the next try works");
}

#[tokio::test(start_paused = true)]
async fn migrations_stop_before_a_higher_class_and_at_a_bad_one() {
    let (good, _) = database(DatabaseFaults::default());
    let report = good.migrate(MigrationClass::Expand).await.expect("a report");
    assert_eq!((report.applied.len(), report.held_back.len()), (1, 2));
    let report = good.migrate(MigrationClass::Data).await.expect("a report");
    assert_eq!((report.applied.len(), report.schema_version.as_str()), (1, "1.4"));
    let left = good.pending_migrations().await.expect("a list");
    assert!(left.iter().all(|migration| migration.class == MigrationClass::Contract));

    let bad = BadMigration { version: "1.3".into(), only_live: true };
    let faults = DatabaseFaults { bad_migration: Some(bad), ..DatabaseFaults::default() };
    let (database, _) = database(faults.clone());
    let backup = database.backup(&release()).await.expect("a backup");
    let drill = database.drill(&backup.id, MigrationClass::Data).await.expect("no drill sees it");
    assert!(drill.counts_equal && drill.restore_s == 14 && drill.migrate_s >= 3);
    let report = database.migrate(MigrationClass::Data).await.expect("a report");
    let failed = report.failed.expect("bad SQL");
    assert!(report.applied.is_empty() && failed.reason.as_str().contains("V1.3"));
    assert_eq!(database.schema_version().await.expect("a version").as_str(), "1.2");

    let bad = BadMigration { version: "1.3".into(), only_live: false };
    database.set_faults(DatabaseFaults { bad_migration: Some(bad), ..faults });
    let error = database.drill(&backup.id, MigrationClass::Data).await.expect_err("seen");
    assert!(reason(&error).contains("V1.3"), "{error}");
    database.drill(&backup.id, MigrationClass::Data).await.expect_err("still bad");
}

#[tokio::test(start_paused = true)]
async fn a_dead_database_says_so_and_old_backups_can_go() {
    let (database, _) = database(DatabaseFaults::default());
    let listed = database.backups().await.expect("a list");
    assert_eq!(listed.len(), 3);
    assert!(listed.windows(2).all(|pair| pair[0].taken_at > pair[1].taken_at));
    let oldest = &listed[2].id;
    database.delete_backup(oldest).await.expect("deleted");
    database.delete_backup(oldest).await.expect("gone is gone");
    let error = database.measure_loss(oldest).await.expect_err("gone");
    assert!(matches!(error, DatabaseError::NoSuchBackup { .. }), "{error}");
    database.set_faults(DatabaseFaults { unreachable: true, ..DatabaseFaults::default() });
    let error = database.state().await.expect_err("dead");
    assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
}
