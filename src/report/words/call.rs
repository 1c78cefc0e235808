//! The exact call of an ask, before it is made: as it can be read, checked, copied and kept.

use serde_json::json;

use super::span::{bytes, utc};
use crate::release::finding::waiver::{Justification, Waiver};
use crate::release::{
    Ask, Backup, BackupId, Clean, Digest, Release, ReleaseId, RestorePhase, ServiceSlot, Slot,
};

/// What an ask sends, a line each; where gonogo itself does the work, the subcommand that asks it.
/// `database` is the name of the one that a restore replaces.
pub fn calls(release: &Release, database: &str, ask: &Ask) -> Vec<Clean> {
    let id = &release.id;
    let shell = |line: String| vec![Clean::new(&line)];
    match ask {
        Ask::Switch { to } => {
            let sent = switch_calls(release, *to);
            let by_hand = || shell(format!("gonogo switch {} {id}", to.label()));
            if sent.is_empty() { by_hand() } else { sent }
        }
        Ask::RollBack { .. } => {
            let back = release.rollout.from.map(|to| switch_calls(release, to));
            let sent = back.unwrap_or_default();
            if sent.is_empty() { shell(format!("gonogo rollback {id}")) } else { sent }
        }
        Ask::Restore { backup } => restore(release, database, backup, false),
        Ask::UndoRestore => match &release.restore {
            Some(done) => restore(release, database, &done.backup, true),
            None => shell(format!("gonogo restore --undo --release {id}")),
        },
        Ask::Waive { waiver } => shell(waive_call(id, waiver)),
        Ask::ChangePolicy { comment, .. } => shell(policy_call(id, comment)),
        Ask::Retry => shell(format!("gonogo retry {id}")),
        Ask::Approve { comment }
        | Ask::Reject { comment }
        | Ask::Defer { comment }
        | Ask::Abort { comment } => shell(format!("gonogo {} {id}{}", ask.word(), with(comment))),
        Ask::Override { comment } if comment.is_empty() => {
            shell(format!("gonogo override {id} --comment REASON"))
        }
        Ask::Override { comment } => shell(format!("gonogo override {id}{}", with(comment))),
    }
}

/// A comment as an option.
fn with(comment: &Clean) -> String {
    if comment.is_empty() {
        return String::new();
    }
    format!(" --comment {}", quoted(comment.as_str()))
}

/// A word as a shell takes it for one.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The command that gives a waiver, each word quoted for a shell.
pub fn waive_call(id: &ReleaseId, waiver: &Waiver) -> String {
    let mut words = vec!["gonogo waive".to_owned(), id.to_string()];
    let fingerprint = waiver.fingerprint.as_ref().map(Digest::as_str);
    for (flag, value) in [
        ("tool", waiver.tool.as_ref().map(Clean::as_str)),
        ("rule", waiver.rule.as_ref().map(Clean::as_str)),
        ("fingerprint", fingerprint),
        ("location", waiver.location.as_ref().map(Clean::as_str)),
        ("package", waiver.package.as_ref().map(Clean::as_str)),
        ("reason", Some(waiver.reason.as_str())),
        ("justification", waiver.justification.map(Justification::key)),
        ("owner", Some(waiver.owner.as_str())),
    ] {
        words.extend(value.map(|value| format!("--{flag} {}", quoted(value))));
    }
    words.push(format!("--until {}", waiver.until));
    words.join(" ")
}

/// The command that brings this machine's changed policy into a release.
pub fn policy_call(id: &ReleaseId, comment: &Clean) -> String {
    let comment = if comment.is_empty() { " --comment REASON".to_owned() } else { with(comment) };
    format!("gonogo policy {id}{comment}")
}

/// What the guarded patches carry besides, known only when they are sent.
pub const GUARDS: &str =
    "gonogo also tests the resourceVersion it has just read, and writes its epoch, who and when";

/// The patches that move every Service to `to`, in the order in which they are sent. Empty before
/// anybody has looked which Services there are.
pub fn switch_calls(release: &Release, to: Slot) -> Vec<Clean> {
    let services = release.rollout.survey.iter().flat_map(|survey| &survey.services);
    services.map(|service| switch_call(release, service, to)).collect()
}

fn switch_call(release: &Release, service: &ServiceSlot, to: Slot) -> Clean {
    let name = service.service.as_str();
    let environment = release.start.as_deref().map_or("", |start| start.environment.as_str());
    // The Service as it will be when this is sent: the other slot serves, or nothing yet.
    let from = release.rollout.from.map(|_| to.other());
    let operation = |op: &str, slot: Slot| {
        let selector = json!(slot.selector(name));
        // The spaces let it wrap where a part ends.
        format!(r#"{{"op":"{op}", "path":"/spec/selector", "value":{selector}}}"#)
    };
    let mut operations: Vec<String> = from.iter().map(|slot| operation("test", *slot)).collect();
    operations.push(operation("add", to));
    let patch = format!("[ {} ]", operations.join(", "));
    let call = format!("kubectl -n {environment} patch service {name} --type json -p '{patch}'");
    Clean::new(&call)
}

fn restore(release: &Release, database: &str, backup: &BackupId, undo: bool) -> Vec<Clean> {
    let phases = restore_phases(undo).iter();
    phases.flat_map(|phase| restore_calls(release, database, backup, *phase)).collect()
}

/// The exact change that moving the traffic makes: what is patched, and from what to what.
pub fn moving(release: &Release, from: Option<Slot>, to: Slot) -> [String; 2] {
    let services = release.rollout.survey.iter().flat_map(|survey| &survey.services);
    let names: Vec<&str> = services.map(|service| service.service.as_str()).collect();
    let names = if names.is_empty() { "every Service".to_owned() } else { names.join(", ") };
    let from = from.map_or("nothing".to_owned(), |slot| format!("version={}", slot.label()));
    let environment = release.start.as_deref().map_or("", |start| start.environment.as_str());
    [
        format!("patches the selector of {names} in {environment}"),
        format!("{from} → version={}", to.label()),
    ]
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
    let (size, taken) = (bytes(backup.bytes), utc(backup.taken_at));
    Clean::new(&format!("{id}, {size}, schema {schema}, taken {taken}"))
}

/// The phases of a restore, or of undoing it, in their order.
pub fn restore_phases(undo: bool) -> &'static [RestorePhase] {
    use RestorePhase::{Aside, Fence, MeasureLoss, Reopen, Swap, SwapBack};
    if undo { &[Fence, SwapBack, Reopen] } else { &[Aside, Fence, MeasureLoss, Swap, Reopen] }
}

/// Verified backups of this release, newest first.
pub fn verified_backups(release: &Release) -> Vec<&Backup> {
    let mut backups: Vec<&Backup> =
        release.backups.iter().filter(|backup| backup.verified).collect();
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at));
    backups
}

/// Whether an armed session is needed before it is asked. The way back and what only stops or
/// waits never is.
pub fn needs_arming(ask: &Ask) -> bool {
    match ask {
        Ask::Approve { .. }
        | Ask::Switch { .. }
        | Ask::Restore { .. }
        | Ask::UndoRestore
        | Ask::Waive { .. }
        | Ask::ChangePolicy { .. }
        | Ask::Override { .. } => true,
        Ask::Reject { .. }
        | Ask::Defer { .. }
        | Ask::Retry
        | Ask::Abort { .. }
        | Ask::RollBack { .. } => false,
    }
}
