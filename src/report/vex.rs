//! Writes OpenVEX 0.2.0: what was decided about findings, for the tools of others.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::findings::Aside;
use crate::release::triage::{Settlement, waived_note};
use crate::release::{Clean, Digest};

const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";

/// What was set aside as one document, in the format's own words. `at` is when it is written, in
/// RFC 3339. One statement for each vulnerability, decision and reason, over all the packages that
/// it is about. A waiver that says which of the format's justifications holds becomes
/// `not_affected`; any other says that the product is affected and somebody answers for it. What
/// is no vulnerability of a package cannot be said in this format; how many were left out stands
/// under `tooling`.
pub fn openvex(aside: &[Aside], at: &str) -> Value {
    let mut statements: BTreeMap<(&Clean, String), (Value, Vec<Value>)> = BTreeMap::new();
    let mut left_out = 0_usize;
    for one in aside {
        let Some(package) = &one.finding.package else {
            left_out += 1;
            continue;
        };
        let purl = match &package.purl {
            Some(purl) => purl.to_string(),
            None => format!("pkg:generic/{}", package.name),
        };
        let own = statement(one, at);
        let known = statements.entry((&one.finding.rule, own.to_string()));
        let (_, products) = known.or_insert((own, Vec::new()));
        let product = json!({"@id": purl, "identifiers": {"purl": purl}});
        if !products.contains(&product) {
            products.push(product);
        }
    }
    let statements: Vec<Value> = statements
        .into_values()
        .map(|(mut statement, products)| {
            statement["products"] = json!(products);
            statement
        })
        .collect();
    let own = Digest::of(json!(statements).to_string().as_bytes());
    let own = own.as_str().strip_prefix("sha256:").unwrap_or("").to_owned();
    let mut owners: Vec<&str> = aside.iter().map(|one| one.by.as_str()).collect();
    owners.retain(|owner| !owner.is_empty());
    owners.sort_unstable();
    owners.dedup();
    let author = if owners.is_empty() { "gonogo".to_owned() } else { owners.join(", ") };
    let tooling = match left_out {
        0 => "gonogo".to_owned(),
        n => format!("gonogo; {n} of no package cannot be said here and are left out"),
    };
    json!({
        "@context": CONTEXT,
        "@id": format!("https://openvex.dev/docs/public/vex-{own}"),
        "author": author,
        "timestamp": at,
        "version": 1,
        "tooling": tooling,
        "statements": statements,
    })
}

/// All of a statement but what it is about.
fn statement(one: &Aside, at: &str) -> Value {
    let mut named = json!({"name": one.finding.rule});
    if !one.finding.aliases.is_empty() {
        named["aliases"] = json!(one.finding.aliases);
    }
    let mut statement = json!({"vulnerability": named, "timestamp": at});
    let reason = if one.reason.is_empty() { &one.why } else { &one.reason };
    match one.settlement {
        Settlement::NotAffected { justification } => {
            statement["status"] = json!("not_affected");
            if let Some(justification) = justification {
                statement["justification"] = json!(justification);
            }
            statement["impact_statement"] = json!(reason);
        }
        Settlement::Fixed => statement["status"] = json!("fixed"),
        Settlement::Accepted => {
            statement["status"] = json!("affected");
            statement["action_statement"] = json!(reason);
        }
    }
    if let Some(until) = one.until {
        statement["status_notes"] = json!(waived_note(until, &one.by));
    }
    statement
}
