//! Terraform: a saved plan (`terraform show -json`), and the stream of messages that `plan` and
//! `apply` write with `-json`, an object a line.
//!
//! Every change is a finding: what is created or changed in place weighs little, what is destroyed
//! or replaced much, and most where it holds data. The values themselves are never looked at.

use std::collections::HashSet;
use std::io::BufRead;

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::lines::Lines;
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::{FindingKind, Measure};

/// 2 is for changes, with `-detailed-exitcode`.
pub(super) const EXITS: Exits =
    Exits { program: "terraform", well: &[0], findings: &[2], broken: &[1] };

/// How the types begin whose resources hold data.
const STATEFUL: [&str; 35] = [
    "azurerm_postgresql_",
    "azurerm_mssql_",
    "azurerm_mysql_",
    "azurerm_mariadb_",
    "azurerm_sql_",
    "azurerm_cosmosdb_",
    "azurerm_redis_cache",
    "azurerm_storage_",
    "azurerm_managed_disk",
    "azurerm_key_vault",
    "azurerm_container_registry",
    "azurerm_kubernetes_cluster",
    "azurerm_recovery_services_vault",
    "azurerm_backup_",
    "azurerm_data_protection_",
    "azurerm_log_analytics_workspace",
    "azurerm_servicebus_",
    "azurerm_eventhub",
    "kubernetes_persistent_volume",
    "kubernetes_stateful_set",
    "kubernetes_namespace",
    "kubernetes_secret",
    "aws_db_",
    "aws_rds_",
    "aws_dynamodb_table",
    "aws_s3_bucket",
    "aws_ebs_volume",
    "aws_efs_file_system",
    "aws_elasticache_",
    "aws_kms_key",
    "aws_secretsmanager_secret",
    "google_sql_",
    "google_storage_bucket",
    "google_compute_disk",
    "google_bigquery_",
];

/// How the types end that only say something about a resource which holds data.
const STATELESS_ENDS: [&str; 6] =
    ["_rule", "_rules", "_policy", "_assignment", "_association", "_node_pool"];

fn stateful(kind: &str) -> bool {
    STATEFUL.iter().any(|start| kind.starts_with(start))
        && !STATELESS_ENDS.iter().any(|end| kind.ends_with(end))
}

/// What is done to resources so far.
#[derive(Default)]
struct Changes {
    created: u32,
    changed: u32,
    destroyed: u32,
    replaced: u32,
    lost: u32,
}

impl Changes {
    /// Takes one change; what is only read, moved or left as it is counts for nothing.
    fn take(&mut self, address: &str, kind: &str, action: &str, why: &str, tally: &mut Tally<'_>) {
        let (count, word, will) = match action {
            "create" | "import" => (&mut self.created, "create", "is created"),
            "update" => (&mut self.changed, "update", "is changed in place"),
            "delete" => (&mut self.destroyed, "destroy", "is destroyed"),
            "replace" => (&mut self.replaced, "replace", "is destroyed and created anew"),
            // It lives on, but nothing manages it any more.
            "forget" | "remove" => (&mut self.changed, "forget", "is managed no longer"),
            _ => return,
        };
        *count += 1;
        let ends = matches!(word, "destroy" | "replace");
        let lost = ends && stateful(kind);
        self.lost += u32::from(lost);
        let severity = match (lost, ends) {
            (true, _) => Severity::Critical,
            (false, true) => Severity::High,
            (false, false) => Severity::Low,
        };
        let data = if lost { ", and it holds data" } else { "" };
        tally.add(Found {
            kind: FindingKind::Change,
            rule: word,
            severity,
            original: action,
            title: &format!("{address} {will}{data}"),
            resource: address,
            evidence: &why.replace('_', " "),
            ..Found::default()
        });
    }

    fn finish(&self, resources: u64, tally: &mut Tally<'_>) {
        let Self { created, changed, destroyed, replaced, lost } = *self;
        let measures = [
            (Measure::Created, created),
            (Measure::Changed, changed),
            (Measure::Destroyed, destroyed),
            (Measure::Replaced, replaced),
            (Measure::StatefulLost, lost),
        ];
        for (measure, count) in measures {
            tally.measure(measure, f64::from(count));
        }
        tally.covered = resources;
        tally.coverage = plural(resources, "resource", "resources");
        if resources == 0 {
            tally.not_scanned.get_or_insert("it is about no resource".into());
        }
    }
}

#[derive(Deserialize)]
struct Planned<'a> {
    #[serde(borrow)]
    address: Text<'a>,
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    change: Change<'a>,
    #[serde(default, borrow)]
    action_reason: Text<'a>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    actions: Vec<Text<'a>>,
}

/// Reads a plan.
pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("terraform");
    let (mut planned, mut resources, mut drifted) = (false, 0, 0_u64);
    let mut changes = Changes::default();
    let known = &["planned_values", "resource_changes", "resource_drift", "errored"];
    json.object(known, |json, key| match key {
        "planned_values" => {
            planned = true;
            json.skip()
        }
        "resource_changes" => each!(json, planned: Planned<'_> => {
            resources += 1;
            let action = match planned.change.actions.as_slice() {
                [one] => one.as_str(),
                [_, _] => "replace",
                _ => "",
            };
            changes.take(&planned.address, &planned.kind, action, &planned.action_reason, tally);
        }),
        "resource_drift" => json.list(|json| {
            drifted += 1;
            json.skip()
        }),
        _ => {
            if json.owned::<bool>()? {
                tally.crashed = Some("Terraform says that planning ended in an error".into());
            }
            Ok(())
        }
    })?;
    if !planned {
        return Err(json.damaged("it is no plan of Terraform: it holds no planned values"));
    }
    changes.finish(resources, tally);
    if drifted > 0 {
        tally.coverage = format!("{}, {drifted} changed outside of Terraform", tally.coverage);
    }
    Ok(())
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    change: Option<Touched>,
    #[serde(default)]
    changes: Option<Sum>,
    #[serde(default)]
    hook: Option<Hook>,
    #[serde(default)]
    diagnostic: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Touched {
    resource: Resource,
    action: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Resource {
    addr: String,
    resource_type: String,
}

#[derive(Deserialize)]
struct Hook {
    resource: Resource,
}

#[derive(Deserialize)]
struct Sum {
    operation: String,
}

#[derive(Deserialize)]
struct Diagnostic {
    severity: String,
    summary: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    range: Option<Range>,
}

#[derive(Deserialize)]
struct Range {
    filename: String,
    start: Start,
}

#[derive(Deserialize)]
struct Start {
    line: u64,
}

/// Reads the messages of a plan or an apply.
pub(super) fn read_log(from: &mut dyn BufRead, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::new(tally.tool.clone(), from);
    tally.named("terraform");
    let mut changes = Changes::default();
    let mut resources = HashSet::new();
    let (mut first, mut applying, mut over) = (true, false, false);
    while let Some(message) = lines.json::<Message>("a message of Terraform")? {
        let version = message.kind == "version";
        if version != first {
            let what = "Terraform's first message, and only that, gives its version";
            return Err(lines.damaged(0, what));
        }
        first = false;
        if let Some(Touched { resource, action, reason }) = message.change
            && message.kind == "planned_change"
        {
            changes.take(&resource.addr, &resource.resource_type, &action, &reason, tally);
            resources.insert(resource.addr);
        }
        if let Some(hook) = message.hook {
            applying |= message.kind == "apply_start";
            resources.insert(hook.resource.addr);
        }
        if let Some(sum) = message.changes {
            over = true;
            applying &= sum.operation == "plan";
        }
        if let Some(diagnostic) = message.diagnostic {
            note(&diagnostic, tally);
        }
    }
    if first {
        return Err(ReadError::Empty { tool: tally.tool.clone() });
    }
    if (!over || applying) && tally.crashed.is_none() {
        return Err(lines.damaged(0, "it ends before Terraform's summary of the changes"));
    }
    changes.finish(resources.len() as u64, tally);
    Ok(())
}

fn note(diagnostic: &Diagnostic, tally: &mut Tally<'_>) {
    let error = diagnostic.severity == "error";
    let Diagnostic { summary, detail, .. } = diagnostic;
    let (path, line) = match &diagnostic.range {
        Some(range) => (range.filename.as_str(), Some(range.start.line)),
        None => ("", None),
    };
    if error {
        let place = line.map_or(String::new(), |line| format!("{path}:{line}: "));
        tally.crashed.get_or_insert(format!("{place}{summary}. {detail}"));
    }
    tally.add(Found {
        kind: FindingKind::Misconfiguration,
        rule: if error { "error" } else { "warning" },
        severity: if error { Severity::High } else { Severity::Medium },
        original: &diagnostic.severity,
        title: summary,
        path,
        line,
        resource: &diagnostic.address,
        evidence: detail,
        identity: summary,
        ..Found::default()
    });
}
