//! The exact calls of what changes the world, as they are shown before they are made.

use super::span::utc;
use crate::release::{Backup, BackupId, Clean, Release, RestorePhase, ServiceSlot, Slot};

/// One call: to what, and its parts in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub what: Clean,
    pub parts: Vec<Clean>,
}

impl Call {
    fn new(what: &str, parts: &[String]) -> Self {
        let parts = parts.iter().map(|part| Clean::new(part)).collect();
        Self { what: Clean::new(what), parts }
    }
}

/// The guarded patches that move every Service to `to`, in the order in which they are sent.
/// Empty before anybody has looked which Services there are.
pub fn switch_calls(release: &Release, to: Slot) -> Vec<Call> {
    let services = release.rollout.survey.iter().flat_map(|survey| &survey.services);
    services.map(|service| switch_call(release, service, to)).collect()
}

fn switch_call(release: &Release, service: &ServiceSlot, to: Slot) -> Call {
    let name = service.service.as_str();
    let environment = release.start.as_deref().map_or("", |start| start.environment.as_str());
    // The Service as it will be when this is sent: the other slot serves, or nothing yet.
    let from = release.rollout.from.map(|_| to.other());
    let map = |slot: Slot| serde_json::to_string(&slot.selector(name)).unwrap_or_default();
    let mut parts = vec!["test /metadata/resourceVersion = as read just before".to_owned()];
    parts.extend(from.map(|slot| format!("test /spec/selector = {}", map(slot))));
    parts.push(format!("add  /spec/selector = {}", map(to)));
    parts.push(format!(
        "add  /metadata/annotations: gonogo.dev/epoch = {}, release = {}, by, at, from",
        release.epoch, release.id
    ));
    let from = from.map_or("nothing".to_owned(), |slot| format!("version={}", slot.label()));
    let what = format!("PATCH {environment} service/{name}: {from} → version={}", to.label());
    Call::new(&what, &parts)
}

/// The name of the database that a backup is restored into, beside the live one.
fn aside(database: &str, backup: &BackupId) -> String {
    let stamp = backup.as_str().trim_start_matches("backup_").trim_end_matches(".dump");
    format!("{database}_{stamp}")
}

/// The name under which the database of now is kept.
pub fn kept_name(database: &str, release: &Release) -> String {
    format!("{database}_before_{}", release.id.as_str().replace(['-', '.'], "_"))
}

/// What one phase of a restore sends to the database, in its order.
pub fn restore_calls(
    release: &Release,
    database: &str,
    backup: &BackupId,
    phase: RestorePhase,
) -> Vec<Clean> {
    let (aside, kept) = (aside(database, backup), kept_name(database, release));
    let alone = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    );
    let rename = |from: &str, to: &str| format!("ALTER DATABASE {from} RENAME TO {to}");
    let calls = match phase {
        RestorePhase::Aside => vec![
            format!("createdb --template=template0 {aside}"),
            format!("pg_restore --exit-on-error --single-transaction -d {aside} {backup}"),
            format!("SELECT count(*) of every table in {aside}: equal to the backup's manifest"),
        ],
        RestorePhase::Fence => {
            vec![format!("ALTER DATABASE {database} SET default_transaction_read_only = on"), end]
        }
        RestorePhase::MeasureLoss => vec![format!(
            "SELECT count(*) of every table in {database} beside {aside}; nobody writes now"
        )],
        RestorePhase::Swap => vec![
            alone,
            end,
            "BEGIN".to_owned(),
            rename(database, &kept),
            rename(&aside, database),
            "COMMIT".to_owned(),
        ],
        RestorePhase::SwapBack => vec![
            alone,
            end,
            "BEGIN".to_owned(),
            rename(database, &aside),
            rename(&kept, database),
            "COMMIT".to_owned(),
        ],
        RestorePhase::Reopen => vec![
            format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"),
            format!("ALTER DATABASE {database} RESET default_transaction_read_only"),
        ],
    };
    calls.iter().map(|call| Clean::new(call)).collect()
}

/// A backup in one line: `backup_….dump, 1.2 MB, schema 1.2, taken 02:41:10Z`.
pub fn backup_line(backup: &Backup) -> Clean {
    let (id, schema) = (&backup.id, &backup.schema_version);
    let (size, taken) = (super::span::bytes(backup.bytes), utc(backup.taken_at));
    Clean::new(&format!("{id}, {size}, schema {schema}, taken {taken}"))
}
