//! The same thing, told by several tools or several times.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};

use super::family::{Families, Family};
use crate::release::Finding;
use crate::release::finding::{FindingKind, Package};

/// Findings that are one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Their places in the slice, the worst first: it stands for all.
    pub members: Vec<usize>,
}

impl Group {
    /// The place of the member that stands for all.
    pub fn first(&self) -> usize {
        self.members.first().copied().unwrap_or(0)
    }
}

/// Folds findings that are one thing, the worst groups first; every finding is in one group.
///
/// One thing are: the same vulnerability in the same package, whichever version and by whichever of
/// its numbers, where a report tells that they are one (a CVE and its GHSA); the same demand
/// (see [`Family`]) on the same resource; the same secret, by its keyed hash. What one tool leaves
/// out, another may tell: a vulnerability without the kind of its package, a misconfiguration
/// without its resource and a secret without its hash join the group of the same name, file or
/// line, where there is but one. The order of the findings does not matter.
pub fn fold<F: Borrow<Finding>>(findings: &[F], table: &[Family]) -> Vec<Group> {
    let families = Families::new(table);
    let numbers = Numbers::of(findings);
    let key = |finding: &F| Key::of(finding.borrow(), &families, &numbers);
    let keys: Vec<Key> = findings.iter().map(key).collect();
    // What is known exactly, by what is known roughly: none where there are several.
    let mut only: HashMap<&str, Option<&str>> = HashMap::new();
    for key in &keys {
        let (Some(exact), rough) = (key.exact.as_deref(), key.rough.as_str()) else { continue };
        let known = only.entry(rough).or_insert(Some(exact));
        if *known != Some(exact) {
            *known = None;
        }
    }
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, key) in keys.iter().enumerate() {
        let rough = key.rough.as_str();
        let joined = || only.get(rough).copied().flatten().unwrap_or(rough);
        groups.entry(key.exact.as_deref().unwrap_or_else(joined)).or_default().push(at);
    }
    let order = |at: &usize| {
        let Finding { severity, tool, rule, location, fingerprint, .. } = findings[*at].borrow();
        (*severity, tool.as_str(), rule.as_str(), location.as_str(), fingerprint)
    };
    let mut groups: Vec<Group> = groups
        .into_values()
        .map(|mut members| {
            members.sort_by(|a, b| order(a).cmp(&order(b)));
            Group { members }
        })
        .collect();
    groups.sort_by(|a, b| order(&a.first()).cmp(&order(&b.first())));
    groups
}

/// Which numbers are of one flaw, in the package of a name: those that a report has named together,
/// and what is named together with one of them.
#[derive(Default)]
struct Numbers {
    /// The one that stands for each, or one that leads there.
    first: HashMap<(String, String), String>,
}

impl Numbers {
    fn of<F: Borrow<Finding>>(findings: &[F]) -> Self {
        let mut numbers = Self::default();
        for finding in findings.iter().map(Borrow::borrow) {
            let (FindingKind::Vulnerability, Some(package)) = (finding.kind, &finding.package)
            else {
                continue;
            };
            if finding.aliases.is_empty() {
                continue;
            }
            let (_, name) = identity(package);
            let known: Vec<String> =
                finding.ids().map(|id| numbers.first(&name, id.as_str())).collect();
            // Whatever the order, the least of all of them stands for them in the end.
            let Some(least) = known.iter().min().cloned() else { continue };
            let all = known.into_iter().chain(finding.ids().map(|id| upper(id.as_str())));
            for one in all.filter(|one| *one != least) {
                numbers.first.insert((name.clone(), one), least.clone());
            }
        }
        numbers
    }

    /// The number that stands for all of a flaw.
    fn first(&self, name: &str, id: &str) -> String {
        let mut number = upper(id);
        if self.first.is_empty() {
            return number;
        }
        let mut key = (name.to_owned(), number.clone());
        while let Some(less) = self.first.get(&key) {
            number.clone_from(less);
            key.1.clone_from(less);
        }
        number
    }
}

fn upper(id: &str) -> String {
    id.to_ascii_uppercase()
}

/// What makes a finding the same as another.
struct Key {
    /// With all that there is to know; none where something of it is not known.
    exact: Option<String>,
    rough: String,
}

impl Key {
    fn of(finding: &Finding, families: &Families, numbers: &Numbers) -> Self {
        let rule = finding.rule.as_str();
        match (finding.kind, &finding.package) {
            (FindingKind::Vulnerability, Some(package)) => {
                let (kind, name) = identity(package);
                let number = numbers.first(&name, rule);
                let rough = format!("v\0{number}\0{name}");
                Self { exact: kind.map(|kind| format!("{rough}\0{kind}")), rough }
            }
            (FindingKind::Misconfiguration, _) => {
                let family = families.of(rule);
                let rough = format!("m\0{family}\0{}", file(finding));
                let resource = resource(finding);
                Self { exact: resource.map(|on| format!("m\0{family}\0\0{on}")), rough }
            }
            (FindingKind::Secret, _) => {
                let exact = finding.secret.as_ref().map(|secret| format!("s\0\0{secret}"));
                Self { exact, rough: format!("s\0{}", finding.location) }
            }
            _ => Self { exact: None, rough: format!("f\0{}", finding.fingerprint) },
        }
    }
}

/// What kind of package it is, where its URL tells, and its name as all tools write it.
pub(super) fn identity(package: &Package) -> (Option<String>, String) {
    let purl = package.purl.as_ref().map_or("", |purl| purl.as_str());
    let Some((kind, path)) = purl.strip_prefix("pkg:").and_then(|rest| rest.split_once('/')) else {
        return (None, plain_name(package.name.as_str()));
    };
    let path = path.split(['?', '#']).next().unwrap_or(path);
    // A scope's own at sign is written %40.
    let path = path.rfind('@').map_or(path, |at| &path[..at]);
    let kind = kind.to_ascii_lowercase();
    // The name space of these is the distribution, which is no part of a package's name.
    let name = match kind.as_str() {
        "apk" | "deb" | "rpm" | "alpm" => path.rsplit('/').next().unwrap_or(path),
        _ => path,
    };
    (Some(kind), plain_name(&name.replace("%40", "@").replace("%2F", "/").replace("%2f", "/")))
}

/// `org.apache:log4j` and `org.apache/log4j`, `Jinja_2` and `jinja-2` are one.
fn plain_name(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(':', "/").replace('_', "-")
}

/// What is configured, as all tools would write it; none where a tool names only the file.
fn resource(finding: &Finding) -> Option<String> {
    let named = finding.resource.as_ref()?.as_str();
    // Checkov writes `/Dockerfile.RUN`: a file, not a resource.
    if named.is_empty() || named.starts_with('/') {
        return None;
    }
    let of_cluster = named.starts_with(|c: char| c.is_ascii_uppercase());
    // Kubesec writes `Deployment/api.shop`, Checkov `Deployment.shop.api`.
    let parts = match named.split_once('/') {
        Some((kind, rest)) if of_cluster => {
            rest.rsplit_once('.').map(|(name, space)| (kind, space, name))
        }
        None if of_cluster => named
            .split_once('.')
            .and_then(|(kind, rest)| rest.split_once('.').map(|(space, name)| (kind, space, name))),
        _ => None,
    };
    Some(match parts {
        Some((kind, space, name)) => format!("{kind}/{space}/{name}").to_ascii_lowercase(),
        None => named.to_ascii_lowercase(),
    })
}

/// The file that a finding is in, without its line.
pub(super) fn file(finding: &Finding) -> &str {
    let place = finding.location.as_str();
    let number = |line: &str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
    let path = place.rsplit_once(':').filter(|(_, line)| number(line));
    path.map_or(place, |(path, _)| path).trim_start_matches("./").trim_start_matches('/')
}
