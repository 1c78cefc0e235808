//! Components of bills of materials, whatever their format, and what changed between two.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use super::report::{Origin, ReadError, Sink, Tally, line, some, without_version};
use crate::release::finding::{Measure, Package};
use crate::release::{Clean, ReportFormat};

impl Tally<'_> {
    /// Takes one component.
    pub(super) fn component(&mut self, name: &str, version: &str, purl: &str) {
        self.covered += 1;
        if let Some(keep) = &mut self.components {
            let (purl, installed) = (some(purl), some(version));
            keep(Package { name: line(name), purl, installed, fixed: None });
        }
    }

    /// Says how many components there were.
    pub(super) fn components_over(&mut self) {
        self.coverage = super::report::plural(self.covered, "component", "components");
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 components")]
        self.measure(Measure::Components, self.covered as f64);
        if self.covered == 0 {
            self.not_scanned = Some("it lists no component".into());
        }
    }
}

/// The components of a bill of materials, in its own order.
///
/// # Errors
/// As [`super::stream`]; a report that is no bill of materials has no components.
pub fn components(
    format: ReportFormat,
    origin: &Origin<'_>,
    from: &mut dyn BufRead,
) -> Result<Vec<Package>, ReadError> {
    let mut all = Vec::new();
    let mut keep = |package| all.push(package);
    let mut ignore = |_| ();
    let mut tally = Tally::new(origin, Sink::Each(&mut ignore));
    tally.components = Some(&mut keep);
    super::formats::read(format, from, &mut tally)?;
    Ok(all)
}

/// What differs between two bills of materials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BomDiff {
    pub added: Vec<Package>,
    pub removed: Vec<Package>,
    /// A package of another version, and the version that it had.
    pub updated: Vec<(Package, Clean)>,
}

/// What changed from `old` to `new`. A package that stands there in several versions has changed
/// by those that only one side has.
pub fn diff(old: &[Package], new: &[Package]) -> BomDiff {
    let mut diff = BomDiff::default();
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for name in names {
        let only = |these: &Versions<'_>, those: &Versions<'_>| -> Vec<Package> {
            let own = these.get(name).into_iter().flatten();
            let other = those.get(name);
            let gone =
                own.filter(|(version, _)| other.is_none_or(|other| !other.contains_key(*version)));
            gone.map(|(_, package)| (*package).clone()).collect()
        };
        let (mut gone, fresh) = (only(&old, &new).into_iter(), only(&new, &old));
        for package in fresh {
            match gone.next() {
                Some(before) => {
                    let version = before.installed.unwrap_or_default();
                    diff.updated.push((package, version));
                }
                None => diff.added.push(package),
            }
        }
        diff.removed.extend(gone);
    }
    diff
}

type Versions<'p> = BTreeMap<&'p str, BTreeMap<&'p str, &'p Package>>;

fn by_name(all: &[Package]) -> Versions<'_> {
    let mut names: Versions<'_> = BTreeMap::new();
    for package in all {
        let name = package
            .purl
            .as_ref()
            .map_or(package.name.as_str(), |purl| without_version(purl.as_str()));
        let version = package.installed.as_ref().map_or("", Clean::as_str);
        names.entry(name).or_default().insert(version, package);
    }
    names
}
