//! `osv-scanner … --format json`: known weaknesses of packages, and licences that are not allowed.
//!
//! It lists packages with something to say only, unless `--all-packages` is given, and exits with
//! 128 where it met no package at all, unless `--allow-no-lockfiles` is given. How many packages
//! were looked at stands in its log ("Scanned /src/package-lock.json file and found 3 packages"): a
//! report of nothing is clean only beside that, or where it lists packages without a weakness. A
//! group of numbers that stand for one flaw is one finding, under its CVE where it has one.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, one};
use super::report::{Found, ReadError, Tally, aliases, plural, severity};
use crate::release::Severity;
use crate::release::finding::FindingKind;

pub(super) const EXITS: Exits =
    Exits { program: "osv-scanner", well: &[0], findings: &[1], broken: &[127, 129, 130] };

/// What it exits with where it met no package.
const NO_PACKAGE: i32 = 128;
/// Packages that stand before the file they are of are kept until it comes, in so many bytes.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// So many versions are named that mend one flaw: one for each line that is looked after.
const FIXED_MAX: usize = 6;

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    path: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    package: Package<'a>,
    #[serde(default, borrow)]
    vulnerabilities: Option<Vec<Vulnerability<'a>>>,
    #[serde(default, borrow)]
    groups: Option<Vec<Group<'a>>>,
    #[serde(default, borrow)]
    license_violations: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
struct Package<'a> {
    #[serde(default, borrow)]
    name: Text<'a>,
    #[serde(default, borrow)]
    version: Text<'a>,
    #[serde(default, borrow)]
    commit: Text<'a>,
}

/// Numbers that stand for one flaw.
#[derive(Deserialize)]
struct Group<'a> {
    #[serde(borrow)]
    ids: Vec<Text<'a>>,
    #[serde(default, borrow)]
    aliases: Option<Vec<Text<'a>>>,
    /// A CVSS score, as text; empty where none is known.
    #[serde(default, borrow)]
    max_severity: Text<'a>,
}

#[derive(Deserialize)]
struct Vulnerability<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default, borrow)]
    summary: Text<'a>,
    #[serde(default, borrow)]
    details: Text<'a>,
    #[serde(default, borrow)]
    affected: Option<Vec<Affected<'a>>>,
    #[serde(default)]
    database_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Specific {
    /// A word in most data bases, and anything in others.
    #[serde(default)]
    severity: serde_json::Value,
}

#[derive(Deserialize)]
struct Affected<'a> {
    #[serde(default, borrow)]
    package: Option<Product<'a>>,
    #[serde(default, borrow)]
    ranges: Option<Vec<Range<'a>>>,
}

#[derive(Deserialize)]
struct Product<'a> {
    #[serde(default, borrow)]
    name: Text<'a>,
    #[serde(default, borrow)]
    purl: Text<'a>,
}

#[derive(Deserialize)]
struct Range<'a> {
    /// Of a `GIT` one the fixes are commits.
    #[serde(default, borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(default, borrow)]
    events: Option<Vec<Event<'a>>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default, borrow)]
    fixed: Text<'a>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("osv-scanner");
    let (mut results, mut config) = (false, false);
    let (mut sources, mut listed) = (0_u64, 0_u64);
    json.object(&["results", "experimental_config"], |json, key| {
        if key != "results" {
            config = true;
            return json.skip();
        }
        results = true;
        json.list(|json| {
            sources += 1;
            read_source(json, tally, &mut listed)
        })
    })?;
    if !results || (!config && sources == 0) {
        return Err(json.damaged("it is no report of OSV-Scanner: it names no results"));
    }
    let packages = packages(tally.origin.log).max(listed);
    tally.covered = packages;
    tally.coverage = plural(packages, "package", "packages");
    if sources > 0 {
        tally.coverage = format!("{} of {}", tally.coverage, plural(sources, "source", "sources"));
    }
    if tally.origin.exit == Some(NO_PACKAGE) {
        tally.not_scanned = Some("OSV-Scanner met no package".into());
    } else if packages == 0 {
        let why = "a report that lists no package does not say how many were looked at: give \
                   OSV-Scanner's log, or run it with --all-packages";
        tally.not_scanned = Some(why.into());
    }
    Ok(())
}

/// The packages of one lock file, image or bill of materials.
fn read_source(
    json: &mut Json<'_>,
    tally: &mut Tally<'_>,
    listed: &mut u64,
) -> Result<(), ReadError> {
    let mut path: Option<String> = None;
    let (mut waiting, mut bytes) = (Vec::<String>::new(), 0);
    let mut packages = false;
    json.object(&["source", "packages"], |json, key| {
        if key == "source" {
            path = Some(json.owned::<Source>()?.path);
            return Ok(());
        }
        packages = true;
        json.list(|json| {
            *listed += 1;
            if let Some(path) = &path {
                return json.value(|from| {
                    let (entry, used) = one::<Entry<'_>>(from)?;
                    add(&entry, path, tally);
                    Ok(((), used))
                });
            }
            let entry = json.value(|from| {
                let (_, used) = one::<Entry<'_>>(from)?;
                Ok((from[..used].to_owned(), used))
            })?;
            bytes += entry.len();
            if bytes > WAITING_BYTES_MAX {
                let what = format!("over {WAITING_BYTES_MAX} bytes stand before their source");
                return Err(json.damaged(&what));
            }
            waiting.push(entry);
            Ok(())
        })
    })?;
    let (Some(path), true) = (path, packages) else {
        return Err(json.damaged("a result of it names no source, or no packages"));
    };
    for entry in &waiting {
        if let Ok((entry, _)) = one::<Entry<'_>>(entry) {
            add(&entry, &path, tally);
        }
    }
    Ok(())
}

/// How many packages the log says were found, file by file.
fn packages(log: &str) -> u64 {
    let found = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once(" and found ")?;
        let mut words = rest.split_whitespace();
        let count = words.next()?.parse::<u64>().ok()?;
        words.next()?.starts_with("package").then_some(count)
    });
    found.fold(0, u64::saturating_add)
}

fn add(entry: &Entry<'_>, path: &str, tally: &mut Tally<'_>) {
    let all = || entry.vulnerabilities.iter().flatten();
    let groups = || entry.groups.iter().flatten();
    let mut by_id: HashMap<&str, &Vulnerability<'_>> = HashMap::new();
    all().for_each(|own| {
        by_id.entry(own.id.as_str()).or_insert(own);
    });
    let mut grouped: HashSet<&str> = HashSet::new();
    for group in groups() {
        let ids = || group.ids.iter().map(Text::as_str);
        let members: Vec<_> = ids().filter_map(|id| by_id.get(id).copied()).collect();
        grouped.extend(ids());
        weakness(entry, group, &members, path, tally);
    }
    // What no group holds is one of its own.
    for own in all().filter(|own| !grouped.contains(own.id.as_str())) {
        let group =
            Group { ids: vec![own.id.clone()], aliases: None, max_severity: Text::default() };
        weakness(entry, &group, &[own], path, tally);
    }
    let (package, installed) = (entry.package.name.as_str(), entry.package.version.as_str());
    for licence in entry.license_violations.iter().flatten() {
        tally.add(Found {
            kind: FindingKind::Licence,
            rule: licence,
            severity: Severity::Unknown,
            title: &format!("{package} is licensed {}, which is not allowed", licence.as_str()),
            path,
            package,
            installed,
            ..Found::default()
        });
    }
}

fn weakness(
    entry: &Entry<'_>,
    group: &Group<'_>,
    members: &[&Vulnerability<'_>],
    path: &str,
    tally: &mut Tally<'_>,
) {
    let ids = || group.ids.iter().chain(group.aliases.iter().flatten()).map(Text::as_str);
    let Some(rule) = ids().find(|id| id.starts_with("CVE-")).or_else(|| ids().next()) else {
        return;
    };
    let package = entry.package.name.as_str();
    let version = match entry.package.version.as_str() {
        "" => entry.package.commit.as_str(),
        version => version,
    };
    let mut told = members.iter().flat_map(|own| [own.summary.as_str(), own.details.as_str()]);
    let title = told.find_map(|text| text.lines().find(|line| !line.trim().is_empty()));
    let mut words =
        members.iter().filter_map(|own| own.database_specific.as_ref()?.severity.as_str());
    let word = words.find(|word| !word.is_empty());
    // A package that was made to do harm has no score.
    let word = word.unwrap_or(if rule.starts_with("MAL-") { "critical" } else { "" });
    let score = group.max_severity.as_str();
    let (fixed, purl) = mended(members, package);
    let purl = match purl {
        Some(purl) if !version.is_empty() && !purl.contains('@') => format!("{purl}@{version}"),
        purl => purl.unwrap_or("").to_owned(),
    };
    tally.add(Found {
        kind: FindingKind::Vulnerability,
        rule,
        aliases: &aliases(rule, ids()),
        severity: scored(score).unwrap_or_else(|| severity(word)),
        original: if score.is_empty() { word } else { score },
        title: title.unwrap_or(rule),
        path,
        package,
        purl: &purl,
        installed: version,
        fixed: &fixed,
        update: !fixed.is_empty(),
        ..Found::default()
    });
}

/// The versions that mend a flaw of this package, and its package URL.
fn mended<'a>(members: &[&'a Vulnerability<'_>], package: &str) -> (String, Option<&'a str>) {
    let (mut versions, mut purl): (Vec<&str>, _) = (Vec::new(), None);
    for affected in members.iter().flat_map(|own| own.affected.iter().flatten()) {
        let Some(product) = affected.package.as_ref() else { continue };
        if product.name.as_str() != package {
            continue;
        }
        purl = purl.or(Some(product.purl.as_str()).filter(|purl| !purl.is_empty()));
        let ranges = affected.ranges.iter().flatten().filter(|range| range.kind.as_str() != "GIT");
        for fixed in ranges.flat_map(|range| range.events.iter().flatten()) {
            let version = fixed.fixed.as_str();
            if !version.is_empty() && !versions.contains(&version) && versions.len() < FIXED_MAX {
                versions.push(version);
            }
        }
    }
    (versions.join(", "), purl)
}

/// The severity behind a CVSS score, by the bounds of CVSS itself.
fn scored(score: &str) -> Option<Severity> {
    let score: f64 = score.trim().parse().ok()?;
    (0.0..=10.0).contains(&score).then_some(match score {
        9.0.. => Severity::Critical,
        7.0.. => Severity::High,
        4.0.. => Severity::Medium,
        _ => Severity::Low,
    })
}
