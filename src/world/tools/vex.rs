//! VEX documents: OpenVEX, and CycloneDX with an analysis.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::report::{line, some};
use crate::release::Clean;
use crate::release::triage::{Settlement, Statement, read_waived_note};
use crate::world::disk::{self, DiskError};

/// The largest document that is read.
const VEX_BYTES_MAX: u64 = 64 << 20;
/// Names of product types that no package in a report has: an image as a whole.
const WHOLE: [&str; 2] = ["pkg:oci/", "pkg:docker/"];

/// A document that states nothing which can be used. It completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum VexError {
    #[error("read {}: there is no such file", .0.display())]
    None(PathBuf),
    #[error("read {0}")]
    Disk(#[from] DiskError),
    #[error("read {}: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error(
        "read {} as VEX: it is neither OpenVEX (`@context` and `statements`) nor CycloneDX \
         (`bomFormat` and `vulnerabilities`)", .0.display()
    )]
    Unknown(PathBuf),
    #[error("read {} as VEX, statement {at}: {what}", path.display())]
    Statement { path: PathBuf, at: usize, what: &'static str },
}

/// The statements of a document, in their order.
///
/// # Errors
/// When it cannot be read, is of neither format, or a statement in it says less than the format
/// asks for: one that is not affected has to say why.
pub fn read_vex(path: &Path) -> Result<Vec<Statement>, VexError> {
    let bytes = disk::read(path, VEX_BYTES_MAX)?.ok_or_else(|| VexError::None(path.to_owned()))?;
    let json = |source| VexError::Json { path: path.to_owned(), source };
    let document: Value = serde_json::from_slice(&bytes).map_err(json)?;
    let context = document["@context"].as_str().unwrap_or("");
    let of = match (document["statements"].as_array(), document["vulnerabilities"].as_array()) {
        (Some(all), _) if context.contains("openvex") => {
            let author = words(&document["author"]);
            all.iter().map(|one| open(one, &author)).collect::<Vec<_>>()
        }
        (_, Some(all)) if document["bomFormat"] == "CycloneDX" => {
            let mut refs = HashMap::new();
            references(&document["metadata"]["component"], &mut refs);
            references(&document["components"], &mut refs);
            all.iter().map(|one| cyclonedx(one, &refs)).collect()
        }
        _ => return Err(VexError::Unknown(path.to_owned())),
    };
    let placed = |(at, read): (usize, Result<Statement, &'static str>)| {
        read.map_err(|what| VexError::Statement { path: path.to_owned(), at: at + 1, what })
    };
    of.into_iter().enumerate().map(placed).collect()
}

fn words(value: &Value) -> Clean {
    line(value.as_str().unwrap_or(""))
}

fn open(one: &Value, author: &Clean) -> Result<Statement, &'static str> {
    let named = &one["vulnerability"];
    // Version 0.0 of the format gave the name alone.
    let first = named.as_str().or_else(|| named["name"].as_str()).or_else(|| named["@id"].as_str());
    let aliases = named["aliases"].as_array();
    let aliases = aliases.into_iter().flatten().filter_map(Value::as_str);
    let ids: Vec<Clean> = first.into_iter().chain(aliases).map(line).collect();
    if ids.is_empty() {
        return Err("it names no vulnerability");
    }
    let [justified, impact, action, notes] =
        ["justification", "impact_statement", "action_statement", "status_notes"]
            .map(|key| words(&one[key]));
    let waived = read_waived_note(notes.as_str());
    let settles = match one["status"].as_str() {
        Some("not_affected") if justified.is_empty() && impact.is_empty() => {
            return Err("not_affected without a justification or an impact_statement");
        }
        Some("not_affected") => {
            let justification = serde_json::from_value(one["justification"].clone()).ok();
            Some(Settlement::NotAffected { justification })
        }
        Some("fixed") => Some(Settlement::Fixed),
        Some("affected") if waived.is_some() => Some(Settlement::Accepted),
        Some("affected" | "under_investigation") => None,
        _ => return Err("its status is none of OpenVEX"),
    };
    let mut on = Vec::new();
    let products = one["products"].as_array();
    for product in products.into_iter().flatten() {
        let parts = product["subcomponents"].as_array().filter(|parts| !parts.is_empty());
        let Some(parts) = parts else {
            on.extend(stated(product));
            continue;
        };
        on.extend(parts.iter().filter_map(stated));
    }
    if on.is_empty() && settles.is_some() {
        return Err("it names no product");
    }
    let whole = on.iter().any(|name| WHOLE.iter().any(|kind| name.as_str().starts_with(kind)));
    let on = if whole { Vec::new() } else { on };
    let status = one["status"].as_str().unwrap_or("");
    let why = [status, justified.as_str(), impact.as_str(), action.as_str(), notes.as_str()];
    let why = why.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": ");
    let reason = if impact.is_empty() { action } else { impact };
    let (until, by) = waived.map_or((None, author.clone()), |(until, by)| (Some(until), by));
    Ok(Statement { ids, on, settles, reason, why: line(&why), by, until })
}

/// What a product or a part of it is called: its package URL, or else its id.
fn stated(product: &Value) -> Option<Clean> {
    let purl = product["identifiers"]["purl"].as_str();
    some(purl.or_else(|| product["@id"].as_str()).or_else(|| product.as_str())?)
}

fn cyclonedx(one: &Value, refs: &HashMap<&str, &str>) -> Result<Statement, &'static str> {
    let id = some(one["id"].as_str().unwrap_or("")).ok_or("it names no vulnerability")?;
    let references = one["references"].as_array();
    let aliases = references.into_iter().flatten().filter_map(|other| some(other["id"].as_str()?));
    let ids = std::iter::once(id).chain(aliases).collect();
    let analysis = &one["analysis"];
    let state = analysis["state"].as_str().unwrap_or("in_triage");
    let settles =
        matches!(state, "not_affected" | "false_positive" | "resolved" | "resolved_with_pedigree");
    let affects = one["affects"].as_array();
    let affects = affects.into_iter().flatten().filter_map(|part| part["ref"].as_str());
    let on: Vec<Clean> = affects
        .map(|own| {
            // A link to a component of another document: `urn:cdx:serial/1#ref`.
            let own = match own.strip_prefix("urn:cdx:") {
                Some(link) => link.split_once('#').map_or(own, |(_, inner)| inner),
                None => own,
            };
            line(refs.get(own).copied().unwrap_or(own))
        })
        .collect();
    if on.is_empty() && settles {
        return Err("it names nothing that it is about (`affects`)");
    }
    let [justified, detail] = ["justification", "detail"].map(|key| words(&analysis[key]));
    let why = [state, justified.as_str(), detail.as_str()];
    let why = why.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": ");
    let settles = settles.then_some(Settlement::NotAffected { justification: None });
    let (why, by) = (line(&why), Clean::default());
    Ok(Statement { ids, on, settles, reason: detail, why, by, until: None })
}

/// Package URLs by the name that a document gives its components.
fn references<'v>(components: &'v Value, into: &mut HashMap<&'v str, &'v str>) {
    let list = components.as_array().map_or(std::slice::from_ref(components), Vec::as_slice);
    for component in list {
        if let (Some(own), Some(purl)) = (component["bom-ref"].as_str(), component["purl"].as_str())
        {
            into.insert(own, purl);
        }
        if let Some(inner) = component.get("components") {
            references(inner, into);
        }
    }
}
