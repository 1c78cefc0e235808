//! `grype … -o json`: known weaknesses of the packages of an image, a folder or a bill of
//! materials.
//!
//! It lists matches only. How many packages were looked at stands in its log, and there with `-v`
//! alone ("found 0 vulnerability matches across 214 packages"): a report without a match is clean
//! only beside that line, or where it lists what its own rules or a VEX document set aside: that is
//! counted. Of packages of a distribution that is not looked after any more, nobody tells new
//! weaknesses.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, aliases, plural, severity};
use crate::release::finding::FindingKind;

/// With `--fail-on` it exits with 2; versions before 0.87 with 1, as when they fail themselves.
pub(super) const EXITS: Exits =
    Exits { program: "grype", well: &[0], findings: &[1, 2], broken: &[1] };

/// Packages of operating systems stand under the database of their manager, not in a file.
const OF_SYSTEMS: [&str; 6] = ["apk", "deb", "rpm", "alpm", "portage", "linux-kernel"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hit<'a> {
    #[serde(borrow)]
    vulnerability: Vulnerability<'a>,
    #[serde(default, borrow)]
    related_vulnerabilities: Option<Vec<Related<'a>>>,
    #[serde(default, borrow)]
    match_details: Option<Vec<Detail<'a>>>,
    #[serde(borrow)]
    artifact: Artifact<'a>,
}

#[derive(Deserialize)]
struct Vulnerability<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default, borrow)]
    severity: Text<'a>,
    #[serde(default, borrow)]
    description: Text<'a>,
    #[serde(default, borrow)]
    fix: Option<Fix<'a>>,
}

#[derive(Deserialize)]
struct Fix<'a> {
    #[serde(default, borrow)]
    versions: Option<Vec<Text<'a>>>,
}

/// The same flaw in another data base.
#[derive(Deserialize)]
struct Related<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default, borrow)]
    description: Text<'a>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(default, borrow)]
    fix: Option<Suggested<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suggested<'a> {
    #[serde(default, borrow)]
    suggested_version: Text<'a>,
}

#[derive(Deserialize)]
struct Artifact<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(default, borrow)]
    version: Text<'a>,
    #[serde(default, borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(default, borrow)]
    locations: Option<Vec<Location<'a>>>,
    #[serde(default, borrow)]
    purl: Text<'a>,
}

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(default, borrow)]
    path: Text<'a>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Descriptor {
    name: String,
    #[serde(default)]
    db: Option<serde_json::Value>,
}

/// What the report says besides its matches.
#[derive(Default)]
struct Seen {
    matches: bool,
    ignored: u64,
    old: u64,
    source: String,
    named: bool,
    /// Why its data cannot be relied on.
    spoilt: Option<String>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("grype");
    let mut seen = Seen::default();
    let known = &["matches", "ignoredMatches", "alertsByPackage", "source", "descriptor"];
    json.object(known, |json, key| match key {
        "matches" => {
            seen.matches = true;
            each!(json, one: Hit<'_> => add(&one, tally))
        }
        "ignoredMatches" => count(json, &mut seen.ignored),
        "alertsByPackage" => count(json, &mut seen.old),
        "source" => {
            let source = json.owned::<Option<Source>>()?;
            seen.source = source.and_then(|source| source.kind).unwrap_or_default();
            Ok(())
        }
        _ => {
            let descriptor = json.owned::<Descriptor>()?;
            seen.named = descriptor.name.eq_ignore_ascii_case("grype");
            seen.spoilt = descriptor.db.as_ref().and_then(spoilt);
            Ok(())
        }
    })?;
    if !seen.matches || !seen.named {
        return Err(json.damaged("it is no report of Grype: it names no matches, or not Grype"));
    }
    conclude(&seen, tally);
    Ok(())
}

fn count(json: &mut Json<'_>, count: &mut u64) -> Result<(), ReadError> {
    json.list(|json| {
        *count += 1;
        json.skip()
    })
}

fn conclude(seen: &Seen, tally: &mut Tally<'_>) {
    let (found, packages) = (tally.found(), packages(tally.origin.log));
    let mut words = match (packages, seen.source.as_str()) {
        (Some(packages), "") => vec![plural(packages, "package", "packages")],
        (Some(packages), of) => vec![format!("{} ({of})", plural(packages, "package", "packages"))],
        (None, _) => vec![plural(found, "match", "matches")],
    };
    if seen.ignored > 0 {
        words.push(format!("{} ignored", plural(seen.ignored, "match", "matches")));
    }
    if seen.old > 0 {
        let old = plural(seen.old, "package", "packages");
        words.push(format!("{old} of a distribution past its end of life"));
    }
    tally.coverage = words.join(", ");
    tally.covered = packages.unwrap_or(0).max(found).max(seen.ignored);
    if let Some(why) = &seen.spoilt {
        tally.not_scanned = Some(format!("Grype's database of weaknesses is not valid: {why}"));
    } else if packages == Some(0) {
        tally.not_scanned = Some("Grype met no package".into());
    } else if tally.covered == 0 {
        let why = "a report without a match does not say how many packages were looked at: give \
                   Grype's log, with -v";
        tally.not_scanned = Some(why.into());
    }
}

/// Why the database says that it is not to be relied on. Older versions put its state a level
/// higher.
fn spoilt(db: &serde_json::Value) -> Option<String> {
    let state = if db["status"].is_object() { &db["status"] } else { db };
    let error = state["error"].as_str().filter(|error| !error.is_empty());
    let invalid = || (state["valid"].as_bool() == Some(false)).then_some("it says so itself");
    error.or_else(invalid).map(str::to_owned)
}

/// How many packages the log says were looked at.
fn packages(log: &str) -> Option<u64> {
    let (_, rest) = log.rsplit_once(" vulnerability matches across ")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn add(one: &Hit<'_>, tally: &mut Tally<'_>) {
    let Hit { vulnerability, related_vulnerabilities, match_details, artifact } = one;
    let related = || related_vulnerabilities.iter().flatten();
    let others = aliases(&vulnerability.id, related().map(|other| other.id.as_str()));
    let described = related().map(|other| other.description.as_str());
    let mut told = std::iter::once(vulnerability.description.as_str()).chain(described);
    let title = told.find_map(|text| text.lines().find(|line| !line.trim().is_empty()));
    let details = match_details.iter().flatten().filter_map(|detail| detail.fix.as_ref());
    let mut suggested = details.map(|fix| fix.suggested_version.as_str());
    let suggested = suggested.find(|text| !text.is_empty());
    let versions = vulnerability.fix.iter().flat_map(|fix| fix.versions.iter().flatten());
    let versions: Vec<&str> = versions.map(Text::as_str).collect();
    let fixed = suggested.map_or_else(|| versions.join(", "), str::to_owned);
    let located = artifact.locations.iter().flatten().map(|place| place.path.as_str()).next();
    let path = located.filter(|_| !OF_SYSTEMS.contains(&artifact.kind.as_str())).unwrap_or("");
    let word = vulnerability.severity.as_str();
    tally.add(Found {
        kind: FindingKind::Vulnerability,
        rule: &vulnerability.id,
        aliases: &others,
        severity: severity(word),
        original: word,
        title: title.unwrap_or(&vulnerability.id),
        path,
        package: &artifact.name,
        purl: artifact.purl.as_str(),
        installed: artifact.version.as_str(),
        fixed: &fixed,
        update: !fixed.is_empty(),
        ..Found::default()
    });
}
