//! Findings by what would make them go away.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::family::{Families, Family};
use super::fold::{file, identity};
use crate::release::finding::{FindingKind, Package};
use crate::release::{Clean, Finding, Severity};

/// One cause of findings: `7 findings, 1 cause: base image alpine 3.18`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub name: Clean,
    /// What removes all its findings; none where nothing is known that would.
    pub fix: Option<Clean>,
    /// Their places in the slice.
    pub findings: Vec<usize>,
}

impl Cause {
    /// How many of its findings are of each severity.
    pub fn counts<F: Borrow<Finding>>(&self, findings: &[F]) -> BTreeMap<Severity, u32> {
        let mut counts = BTreeMap::new();
        for at in &self.findings {
            *counts.entry(findings[*at].borrow().severity).or_insert(0) += 1;
        }
        counts
    }
}

/// Groups findings by cause, the one with the worst and most findings first; every finding has
/// one cause.
///
/// Packages of an operating system have their base image as cause, others the package itself,
/// whatever the file that asks for it; a setting, a line of code, a test its rule in its file; a
/// secret itself.
pub fn by_fix<F: Borrow<Finding>>(findings: &[F], table: &[Family]) -> Vec<Cause> {
    let families = Families::new(table);
    let mut all: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        all.entry(Key::of(finding.borrow(), &families)).or_default().push(at);
    }
    let mut causes: Vec<Cause> = all.into_iter().map(|(key, at)| key.cause(findings, at)).collect();
    let weight = |cause: &Cause| {
        let counts = cause.counts(findings);
        Severity::ALL.map(|severity| counts.get(&severity).copied().unwrap_or(0))
    };
    causes.sort_by_cached_key(|cause| std::cmp::Reverse(weight(cause)));
    causes
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// A distribution, and whether newer packages of it are known to help.
    Base {
        image: String,
        fixable: bool,
    },
    Package {
        kind: String,
        name: String,
        fixable: bool,
    },
    Secret(String),
    /// A rule, or a family of rules, in a file or on a resource.
    Place {
        rule: String,
        place: String,
        kind: FindingKind,
    },
}

impl Key {
    fn of(finding: &Finding, families: &Families) -> Self {
        let place = || {
            let rule = families.of(finding.rule.as_str());
            Self::Place { rule, place: file(finding).to_owned(), kind: finding.kind }
        };
        match (finding.kind, &finding.package, &finding.secret) {
            (FindingKind::Vulnerability, Some(package), _) => {
                let fixable = package.fixed.is_some();
                if let Some(image) = base(package) {
                    return Self::Base { image, fixable };
                }
                let (kind, name) = identity(package);
                Self::Package { kind: kind.unwrap_or_default(), name, fixable }
            }
            (FindingKind::Secret, _, Some(secret)) => Self::Secret(secret.to_string()),
            _ => place(),
        }
    }

    fn cause<F: Borrow<Finding>>(self, findings: &[F], at: Vec<usize>) -> Cause {
        let members: Vec<&Finding> = at.iter().map(|at| findings[*at].borrow()).collect();
        let rule = members.first().map_or("", |first| first.rule.as_str());
        let (name, fix) = match self {
            Self::Base { image, fixable: true } => {
                let name = format!("base image {image}");
                let names = members.iter().filter_map(|f| Some(f.package.as_ref()?.name.as_str()));
                let count = names.collect::<BTreeSet<_>>().len();
                let what = if count == 1 { "package" } else { "packages" };
                let fix = format!("build on a newer {image}: it has {count} newer {what}");
                (name, Some(fix))
            }
            Self::Base { image, fixable: false } => {
                (format!("base image {image}, no fixed version"), None)
            }
            Self::Package { fixable, .. } => of_package(&members, fixable),
            Self::Secret(_) => {
                let places: BTreeSet<&str> = members.iter().map(|f| f.location.as_str()).collect();
                let first = places.first().copied().unwrap_or("");
                let more = match places.len() {
                    0 | 1 => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                let name = format!("secret {rule} at {first}{more}");
                (name, Some("revoke the secret, and take it out of the source".to_owned()))
            }
            Self::Place { place, kind, .. } => {
                let name =
                    if place.is_empty() { rule.to_owned() } else { format!("{rule} in {place}") };
                let said = members.iter().find_map(|finding| finding.fix.as_ref());
                let fix = said.map(|fix| fix.as_str().to_owned());
                (name, fix.or_else(|| by_hand(kind)))
            }
        };
        Cause { name: Clean::from(name), fix: fix.map(Clean::from), findings: at }
    }
}

/// What a person does where the tool gives no advice.
fn by_hand(kind: FindingKind) -> Option<String> {
    let fix = match kind {
        FindingKind::Misconfiguration => "change the configuration",
        FindingKind::Code => "change the code",
        FindingKind::Secret => "revoke the secret, and take it out of the source",
        FindingKind::Test => "make the test pass",
        FindingKind::Change => "take the change out of the plan",
        FindingKind::Dynamic => "change what the application answers",
        FindingKind::Licence => "replace the package",
        // A version that helps, or a measure that is better, nobody has named.
        FindingKind::Vulnerability | FindingKind::Limit | FindingKind::Other => return None,
    };
    Some(fix.to_owned())
}

/// `alpine 3.18.4`, where a package belongs to a distribution.
fn base(package: &Package) -> Option<String> {
    let rest = package.purl.as_ref()?.as_str().strip_prefix("pkg:")?;
    let (kind, path) = rest.split_once('/')?;
    if !matches!(kind, "apk" | "deb" | "rpm" | "alpm") {
        return None;
    }
    let space = path.split(['/', '@']).next().unwrap_or("");
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let distribution = query.split(['&', '#']).find_map(|part| part.strip_prefix("distro="));
    Some(match distribution {
        None | Some("") => space.to_owned(),
        Some(own) if own.starts_with(|c: char| c.is_ascii_digit()) => format!("{space} {own}"),
        Some(own) => own.replacen('-', " ", 1),
    })
}

fn of_package(members: &[&Finding], fixable: bool) -> (String, Option<String>) {
    let packages: Vec<&Package> = members.iter().filter_map(|f| f.package.as_ref()).collect();
    let name = packages.first().map_or("", |package| package.name.as_str());
    let installed = packages.iter().filter_map(|p| Some(p.installed.as_ref()?.as_str()));
    let installed: BTreeSet<&str> = installed.collect();
    let from = match installed.len() {
        0 => String::new(),
        1 => format!(" {}", installed.first().copied().unwrap_or("")),
        n => format!(" ({n} versions)"),
    };
    if !fixable {
        return (format!("{name}{from}, no fixed version"), None);
    }
    let to = packages.iter().filter_map(|package| nearest(package)).max_by(|a, b| newer(a, b));
    let fix = to.map(|to| format!("update {name}{from} → {to}"));
    (format!("{name}{from}"), fix)
}

/// The oldest of the fixed versions that is newer than what is installed.
fn nearest(package: &Package) -> Option<&str> {
    let fixed = package.fixed.as_ref()?.as_str();
    let all = || {
        fixed.split([',', ' ']).map(|v| v.trim_start_matches(['>', '='])).filter(|v| !v.is_empty())
    };
    let installed = package.installed.as_ref().map_or("", |version| version.as_str());
    let ahead = all().filter(|version| newer(version, installed) == Ordering::Greater);
    ahead.min_by(|a, b| newer(a, b)).or_else(|| all().max_by(|a, b| newer(a, b)))
}

/// Compares versions of any scheme: numbers as numbers, and a pre-release before its release.
fn newer(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (parts(a), parts(b));
    loop {
        let by = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            // `1.2` comes before `1.2.1`, and after `1.2-rc1`.
            (None, Some(more)) => {
                if more.0 {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (Some(more), None) => {
                if more.0 {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (Some(a), Some(b)) => a.cmp(&b),
        };
        if by != Ordering::Equal {
            return by;
        }
    }
}

/// Runs of digits and of letters: whether it is a number, how long that is, the text. Words come
/// before numbers.
fn parts(version: &str) -> impl Iterator<Item = (bool, usize, &str)> {
    let version = version.trim_start_matches(['v', 'V']);
    version.split(|c: char| !c.is_ascii_alphanumeric()).flat_map(|run| {
        let mut rest = run;
        std::iter::from_fn(move || {
            let digit = rest.starts_with(|c: char| c.is_ascii_digit());
            let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
            let (part, left) = rest.split_at(end);
            rest = left;
            let text = if digit { part.trim_start_matches('0') } else { part };
            (!part.is_empty()).then_some((digit, if digit { text.len() } else { 0 }, text))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_people_do() {
        let table = [
            ("1.2.9", "1.2.10"),
            ("1.2", "1.2.1"),
            ("1.2-rc1", "1.2"),
            ("1.2-alpha", "1.2-beta"),
            ("v1.9.0", "2.0.0"),
            ("1.36.1-r2", "1.36.1-r5"),
            ("2.36-9+deb12u3", "2.36-9+deb12u4"),
            ("1:1.0", "2:0.9"),
            ("", "0.1"),
        ];
        for (older, later) in table {
            assert_eq!(newer(older, later), Ordering::Less, "{older} {later}");
            assert_eq!(newer(later, older), Ordering::Greater, "{older} {later}");
        }
        assert_eq!(newer("1.02", "1.2"), Ordering::Equal);
        let fixed = |installed: &str, fixed: &str| {
            nearest(&Package {
                installed: Some(Clean::new(installed)),
                fixed: Some(Clean::new(fixed)),
                ..Package::default()
            })
            .map(str::to_owned)
        };
        assert_eq!(fixed("4.17.15", "5.0.1, 4.17.21, 3.9").as_deref(), Some("4.17.21"));
        assert_eq!(fixed("9", "4.1, 5.2").as_deref(), Some("5.2"));
        assert_eq!(fixed("1", ">= 1.2").as_deref(), Some("1.2"));
    }

    #[test]
    fn the_base_image_stands_in_the_package_url() {
        let of = |purl: &str| base(&Package { purl: Some(Clean::new(purl)), ..Package::default() });
        let apk = "pkg:apk/alpine/busybox@1.36.1-r2?arch=x86_64&distro=3.18.4";
        assert_eq!(of(apk).as_deref(), Some("alpine 3.18.4"));
        let deb = "pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12.4";
        assert_eq!(of(deb).as_deref(), Some("debian 12.4"));
        assert_eq!(of("pkg:rpm/redhat/bash@5").as_deref(), Some("redhat"));
        assert_eq!(of("pkg:npm/lodash@4"), None);
    }
}
