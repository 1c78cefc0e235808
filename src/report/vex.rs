//! Writes OpenVEX 0.2.0: what was decided about findings, for the tools of others.

use serde_json::{Value, json};

use crate::release::{Clean, Digest, Finding};

const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";

/// What was decided about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It does no harm where it was found.
    NotAffected,
    /// It does harm, and somebody answers for living with it: a waiver.
    Accepted,
}

/// A finding, what was decided, why, and who answers for it.
#[derive(Clone, Copy, Debug)]
pub struct Settled<'a> {
    pub finding: &'a Finding,
    pub settlement: Settlement,
    pub why: &'a Clean,
    pub owner: &'a Clean,
}

/// The decisions as one document, in the format's own words. `at` is when it is written, in RFC
/// 3339. A finding without a package cannot be said in this format and is left out; how many is
/// answered too.
pub fn openvex(settled: &[Settled<'_>], at: &str) -> (Value, usize) {
    let mut statements = Vec::new();
    for one in settled {
        let Some(package) = &one.finding.package else { continue };
        let product = match &package.purl {
            Some(purl) => purl.to_string(),
            None => format!("pkg:generic/{}", package.name),
        };
        let (status, key) = match one.settlement {
            Settlement::NotAffected => ("not_affected", "impact_statement"),
            Settlement::Accepted => ("affected", "action_statement"),
        };
        let mut statement = json!({
            "vulnerability": {"name": one.finding.rule},
            "products": [{"@id": product}],
            "status": status,
            "timestamp": at,
        });
        statement[key] = json!(one.why);
        if !one.owner.as_str().is_empty() {
            statement["supplier"] = json!(one.owner);
        }
        statements.push(statement);
    }
    let left_out = settled.len() - statements.len();
    let own = Digest::of(json!(statements).to_string().as_bytes());
    let own = own.as_str().strip_prefix("sha256:").unwrap_or("").to_owned();
    let mut owners: Vec<&str> = settled.iter().map(|one| one.owner.as_str()).collect();
    owners.retain(|owner| !owner.is_empty());
    owners.sort_unstable();
    owners.dedup();
    let author = if owners.is_empty() { "gonogo".to_owned() } else { owners.join(", ") };
    let document = json!({
        "@context": CONTEXT,
        "@id": format!("https://openvex.dev/docs/public/vex-{own}"),
        "author": author,
        "timestamp": at,
        "version": 1,
        "statements": statements,
    });
    (document, left_out)
}
