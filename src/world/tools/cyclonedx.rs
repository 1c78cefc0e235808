//! CycloneDX JSON: the components of an image or a folder, and the vulnerabilities that a scanner
//! or a VEX document states of them.
//!
//! A bill without vulnerabilities does not say that anybody looked for some.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, aliases, plural, severity};
use crate::release::Severity;
use crate::release::finding::FindingKind;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Component<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default, borrow)]
    version: Text<'a>,
    #[serde(default, borrow)]
    purl: Text<'a>,
    #[serde(default, borrow)]
    bom_ref: Text<'a>,
    #[serde(default, borrow)]
    components: Option<Vec<Component<'a>>>,
}

#[derive(Deserialize)]
struct Weakness<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default, borrow)]
    description: Text<'a>,
    #[serde(default, borrow)]
    recommendation: Text<'a>,
    /// The same flaw in other data bases.
    #[serde(default, borrow)]
    references: Option<Vec<Reference<'a>>>,
    #[serde(default, borrow)]
    ratings: Option<Vec<Rating<'a>>>,
    #[serde(default, borrow)]
    affects: Option<Vec<Affected<'a>>>,
    #[serde(default, borrow)]
    analysis: Option<Analysis<'a>>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(default, borrow)]
    id: Text<'a>,
}

#[derive(Deserialize)]
struct Rating<'a> {
    #[serde(default, borrow)]
    severity: Text<'a>,
}

#[derive(Deserialize)]
struct Affected<'a> {
    #[serde(rename = "ref", borrow)]
    component: Text<'a>,
}

#[derive(Deserialize)]
struct Analysis<'a> {
    #[serde(default, borrow)]
    state: Text<'a>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    tools: Value,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let (mut format, mut version) = (None, None);
    let (mut stated, mut settled) = (0_u64, 0_u64);
    let mut purls = HashMap::new();
    let known = &["bomFormat", "specVersion", "metadata", "components", "vulnerabilities"];
    json.object(known, |json, key| {
        match key {
            "bomFormat" => format = Some(json.owned::<String>()?),
            "specVersion" => version = Some(json.owned::<String>()?),
            "metadata" => {
                if let Some(name) = tool(&json.owned::<Metadata>()?.tools) {
                    tally.named(name);
                }
            }
            "components" => each!(json, component: Component<'_> => {
                take(&component, tally, &mut purls);
            })?,
            _ => each!(json, weakness: Weakness<'_> => {
                stated += 1;
                settled += u64::from(!add(&weakness, tally, &purls));
            })?,
        }
        Ok(())
    })?;
    let known = version.is_some_and(|version| version.starts_with("1."));
    if format.as_deref() != Some("CycloneDX") || !known {
        return Err(json.damaged("it is no CycloneDX 1, by its bomFormat and specVersion"));
    }
    tally.components_over();
    if tally.covered == 0 && stated > 0 {
        // A VEX document lists no component: it is about those of another bill.
        tally.not_scanned = None;
        tally.covered = stated;
    }
    let words = plural(stated, "vulnerability stated", "vulnerabilities stated");
    let words = match (stated, settled) {
        (0, _) => "no vulnerability stated".to_owned(),
        (_, 0) => words,
        (_, settled) => format!("{words}, {settled} settled"),
    };
    tally.coverage = format!("{}, {words}", tally.coverage);
    Ok(())
}

/// The program that wrote it: a list of tools, or an object of components since 1.5.
fn tool(tools: &Value) -> Option<&str> {
    let list = tools.as_array().or_else(|| tools.get("components")?.as_array())?;
    let mut names = list.iter().filter_map(|tool| tool.get("name")?.as_str());
    names.find(|name| !name.starts_with("cyclonedx-"))
}

fn take(component: &Component<'_>, tally: &mut Tally<'_>, purls: &mut HashMap<String, String>) {
    let Component { name, version, purl, bom_ref, components } = component;
    tally.component(name, version, purl);
    if !purl.is_empty() && !bom_ref.starts_with("pkg:") {
        purls.insert(bom_ref.to_string(), purl.to_string());
    }
    for inner in components.iter().flatten() {
        take(inner, tally, purls);
    }
}

/// Whether the vulnerability counts: an analysis may say that it does not.
fn add(weakness: &Weakness<'_>, tally: &mut Tally<'_>, purls: &HashMap<String, String>) -> bool {
    let state = weakness.analysis.as_ref().map_or("", |analysis| analysis.state.as_str());
    if matches!(state, "not_affected" | "false_positive" | "resolved" | "resolved_with_pedigree") {
        return false;
    }
    let words = weakness.ratings.iter().flatten().map(|rating| rating.severity.as_str());
    let worst = words.map(|word| (severity(word), word)).min();
    let (severity, original) = worst.unwrap_or((Severity::Unknown, ""));
    let title = weakness.description.lines().next().unwrap_or_default();
    let kind = match weakness.id.as_str() {
        id if id.starts_with("CKV") => FindingKind::Misconfiguration,
        _ => FindingKind::Vulnerability,
    };
    let none = [Affected { component: Text::default() }];
    let affects = weakness.affects.as_deref().filter(|all| !all.is_empty()).unwrap_or(&none);
    let others = weakness.references.iter().flatten().map(|other| other.id.as_str());
    let others = aliases(&weakness.id, others);
    for affected in affects {
        let own = affected.component.as_str();
        let purl = purls.get(own).map_or(own, String::as_str);
        let purl = purl.split_once("?package-id=").map_or(purl, |(purl, _)| purl);
        let (package, installed) = named(purl);
        tally.add(Found {
            kind,
            rule: &weakness.id,
            aliases: &others,
            severity,
            original,
            title: if title.is_empty() { &weakness.id } else { title },
            purl: if purl.starts_with("pkg:") { purl } else { "" },
            package,
            installed,
            fix: &weakness.recommendation,
            ..Found::default()
        });
    }
    true
}

/// Name and version in `pkg:npm/lodash@4.17.15?arch=x`.
fn named(purl: &str) -> (&str, &str) {
    let whole = purl.split(['?', '#']).next().unwrap_or(purl);
    let name = whole.strip_prefix("pkg:").and_then(|rest| rest.split_once('/'));
    let name = name.map_or(whole, |(_, name)| name);
    name.rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((name, ""))
}
