//! Statements that a vulnerability does not matter somewhere: VEX, whichever its format.

use std::collections::HashMap;

use jiff::civil::Date;

use super::fold::identity;
use crate::release::finding::Package;
use crate::release::finding::waiver::Justification;
use crate::release::{Clean, Finding};

/// What somebody states of a vulnerability in some packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The vulnerability's names: its CVE, its aliases.
    pub ids: Vec<Clean>,
    /// Package URLs or names; empty where it speaks of the whole product.
    pub on: Vec<Clean>,
    /// How it sets the finding aside; none where it is affected, or somebody still looks.
    pub settles: Option<Settlement>,
    /// The reason alone, and with all that is stated.
    pub reason: Clean,
    pub why: Clean,
    pub by: Clean,
    /// The last day on which it holds, of a waiver that gonogo wrote down.
    pub until: Option<Date>,
}

/// How a finding is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It does no harm where it was found.
    NotAffected {
        justification: Option<Justification>,
    },
    Fixed,
    /// It does harm, and somebody answers for living with it: a waiver.
    Accepted,
}

/// The note that tells a waiver in a VEX document, which has no word for its last day and its
/// owner.
pub fn waived_note(until: Date, owner: &Clean) -> String {
    format!("waived until {until}, {owner} answers")
}

/// The last day and the owner of a waiver, as [`waived_note`] writes them.
pub fn read_waived_note(note: &str) -> Option<(Date, Clean)> {
    let (until, owner) = note.strip_prefix("waived until ")?.split_once(", ")?;
    Some((until.parse().ok()?, Clean::new(owner.strip_suffix(" answers")?)))
}

/// Statements by the vulnerability that they speak of. A later one overrides an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    all: Vec<Statement>,
    by_id: HashMap<String, Vec<usize>>,
}

impl Statements {
    pub fn new(all: Vec<Statement>) -> Self {
        let mut by_id: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, statement) in all.iter().enumerate() {
            for id in &statement.ids {
                by_id.entry(id.as_str().to_ascii_uppercase()).or_default().push(at);
            }
        }
        Self { all, by_id }
    }

    pub fn all(&self) -> &[Statement] {
        &self.all
    }

    /// The place of the statement that sets the finding aside, if one does: the last that speaks of
    /// its vulnerability in its package, where that one settles it.
    pub fn of(&self, finding: &Finding) -> Option<usize> {
        let of_id = |id: &Clean| self.by_id.get(&id.as_str().to_ascii_uppercase());
        let speaking = finding.ids().filter_map(of_id).flatten();
        let last = speaking.filter(|at| self.all[**at].speaks_of(finding)).max()?;
        self.all[*last].settles.map(|_| *last)
    }
}

impl Statement {
    fn speaks_of(&self, finding: &Finding) -> bool {
        let Some(package) = &finding.package else { return self.on.is_empty() };
        self.on.is_empty() || self.on.iter().any(|stated| is_of(stated.as_str(), package))
    }
}

/// Whether a stated package is this one: in the stated version, where one is.
fn is_of(stated: &str, package: &Package) -> bool {
    let stated = Package {
        name: Clean::new(stated),
        purl: stated.starts_with("pkg:").then(|| Clean::new(stated)),
        ..Package::default()
    };
    let ((stated_kind, stated_name), (kind, name)) = (identity(&stated), identity(package));
    let same_kind = stated_kind.is_none() || kind.is_none() || stated_kind == kind;
    let version = stated.purl.as_ref().and_then(|purl| version(purl.as_str()));
    let installed = package.installed.as_ref().map(Clean::as_str);
    let own = installed.or_else(|| version_of(package));
    stated_name == name && same_kind && version.is_none_or(|version| own == Some(version))
}

fn version_of(package: &Package) -> Option<&str> {
    version(package.purl.as_ref()?.as_str())
}

/// What stands behind the at sign of a package URL.
fn version(purl: &str) -> Option<&str> {
    let path = purl.split(['?', '#']).next().unwrap_or(purl);
    path.rsplit_once('@').map(|(_, version)| version).filter(|version| !version.contains('/'))
}
