//! `flyway -outputType=json info`, `migrate` or `validate`.
//!
//! In JSON, `validate` exits with 0 whatever it finds.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::{FindingKind, Measure};

/// 35 is for what only another edition can do.
pub(super) const EXITS: Exits =
    Exits { program: "flyway", well: &[0], findings: &[], broken: &[1, 35] };

#[derive(Deserialize)]
struct Migration<'a> {
    #[serde(default, borrow)]
    version: Text<'a>,
    #[serde(borrow)]
    description: Text<'a>,
    /// Given by `info`.
    #[serde(default, borrow)]
    state: Text<'a>,
    #[serde(default, borrow)]
    filepath: Text<'a>,
    /// Given by `validate`.
    #[serde(default, rename = "errorDetails", borrow)]
    details: Option<Details<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(borrow)]
    error_code: Text<'a>,
    #[serde(borrow)]
    error_message: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trouble {
    error_code: String,
    message: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    line_number: Option<u64>,
}

#[derive(Default)]
struct Seen {
    operation: String,
    database: String,
    migrations: u32,
    applied: u32,
    pending: u32,
    validated: u64,
    succeeded: Option<bool>,
    valid: Option<bool>,
    trouble: Option<Trouble>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("flyway");
    let mut seen = Seen::default();
    let known = &[
        "operation",
        "database",
        "migrations",
        "invalidMigrations",
        "validateCount",
        "success",
        "validationSuccessful",
        "error",
    ];
    json.object(known, |json, key| {
        match key {
            "operation" => seen.operation = json.owned()?,
            "database" => seen.database = json.owned::<Option<_>>()?.unwrap_or_default(),
            "migrations" => each!(json, one: Migration<'_> => migration(&one, &mut seen, tally))?,
            "invalidMigrations" => each!(json, one: Migration<'_> => {
                invalid(&one, &mut seen, tally);
            })?,
            "validateCount" => seen.validated = json.owned()?,
            "success" => seen.succeeded = Some(json.owned()?),
            "validationSuccessful" => seen.valid = Some(json.owned()?),
            _ => seen.trouble = json.owned()?,
        }
        Ok(())
    })?;
    let Seen { operation, database, migrations, applied, pending, validated, .. } = seen;
    match (operation.as_str(), seen.succeeded, seen.valid) {
        ("info", _, _) | ("migrate", Some(_), _) | ("validate", _, Some(_)) => {}
        _ if seen.trouble.is_some() => {}
        _ => return Err(json.damaged("it is no report of flyway info, migrate or validate")),
    }
    let of = if database.is_empty() { String::new() } else { format!(" of database {database}") };
    let (count, word) = match operation.as_str() {
        "migrate" => (u64::from(migrations), " applied"),
        "validate" => (validated.max(tally.found()), " validated"),
        _ => (u64::from(migrations), ""),
    };
    tally.covered = count;
    tally.coverage = format!("{}{word}{of}", plural(count, "migration", "migrations"));
    if operation == "migrate" {
        tally.measure(Measure::Applied, f64::from(migrations));
        // That there was nothing to do was found out by looking at the database.
        tally.covered += u64::from(seen.succeeded == Some(true));
    } else if !operation.is_empty() {
        tally.measure(Measure::Pending, f64::from(pending));
    }
    if operation == "info" {
        tally.measure(Measure::Applied, f64::from(applied));
    }
    if let Some(trouble) = &seen.trouble {
        report(trouble, tally);
    } else if seen.succeeded == Some(false) || (seen.valid == Some(false) && tally.found() == 0) {
        tally.crashed = Some("Flyway says that it failed, and not why".into());
    }
    Ok(())
}

fn migration(one: &Migration<'_>, seen: &mut Seen, tally: &mut Tally<'_>) {
    seen.migrations = seen.migrations.saturating_add(1);
    let (severity, kind) = match one.state.as_str() {
        // `migrate` lists what it has applied, and gives no state.
        "" => return,
        "Success" | "Baseline" | "Undone" | "Deleted" | "Ignored (Baseline)" => {
            seen.applied += u32::from(&*one.state == "Success");
            return;
        }
        "Pending" => {
            seen.pending = seen.pending.saturating_add(1);
            (Severity::Low, FindingKind::Change)
        }
        state if state.starts_with("Failed") => (Severity::High, FindingKind::Other),
        // Missing, out of order, outdated, from the future, ignored, above the target.
        _ => (Severity::Medium, FindingKind::Other),
    };
    let title = format!("{} {} is {}", &*one.version, &*one.description, &*one.state);
    tally.add(Found {
        kind,
        rule: &one.state.to_ascii_lowercase(),
        severity,
        original: &one.state,
        title: title.trim(),
        path: &one.filepath,
        resource: &one.description,
        ..Found::default()
    });
}

/// A migration that is not what was applied, or was not applied at all.
fn invalid(one: &Migration<'_>, seen: &mut Seen, tally: &mut Tally<'_>) {
    let (code, message) = match &one.details {
        Some(details) => (details.error_code.as_str(), details.error_message.as_str()),
        None => ("", "it is invalid"),
    };
    let pending = code.starts_with("RESOLVED_") && code.ends_with("_NOT_APPLIED");
    seen.pending = seen.pending.saturating_add(u32::from(pending));
    tally.add(Found {
        kind: if pending { FindingKind::Change } else { FindingKind::Other },
        rule: code,
        severity: if pending { Severity::Low } else { Severity::High },
        original: code,
        title: message.lines().next().unwrap_or_default(),
        path: &one.filepath,
        resource: &one.description,
        evidence: message,
        ..Found::default()
    });
}

fn report(trouble: &Trouble, tally: &mut Tally<'_>) {
    let Trouble { error_code, message, path, line_number } = trouble;
    let stated = |name: &str| {
        let line = message.lines().find_map(|line| line.trim_start().strip_prefix(name));
        line.map(|rest| rest.trim_start_matches([' ', ':']))
    };
    let first = message.lines().next().unwrap_or_default();
    let why = match stated("Message") {
        Some(said) if !first.contains(said) => format!("{first}: {said}"),
        _ => first.to_owned(),
    };
    if let Some(path) = path {
        tally.add(Found {
            kind: FindingKind::Other,
            rule: error_code,
            severity: Severity::High,
            original: error_code,
            title: &why,
            path,
            line: *line_number,
            evidence: stated("Statement").unwrap_or_default(),
            ..Found::default()
        });
    }
    tally.crashed = Some(why);
}
