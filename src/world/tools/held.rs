//! A million findings in little memory: every text once, and a row of a few words each.

use std::hash::BuildHasher as _;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::report::{Found, line, update};
use crate::release::finding::{FindingKind, Package};
use crate::release::{Clean, Digest, Finding, Severity};

/// Longer places are kept as one text, cut where a line's end would be.
const PATH_BYTES_MAX: usize = 200;

/// The number of the fix that is to update a package to its fixed version.
const UPDATE: u32 = u32::MAX;

/// Findings of any number of reports, one after the other.
#[derive(Default)]
pub struct Held {
    texts: Texts,
    packages: Tuples,
    details: Tuples,
    secrets: Vec<Digest>,
    /// The other numbers of a flaw: a row's number and a text, in the order of the rows. Few
    /// findings have some, so that they cost the others nothing.
    aliases: Vec<(u32, u32)>,
    rows: Vec<Row>,
}

/// Numbers are those of texts, unless they say otherwise.
#[derive(Clone, Copy)]
struct Row {
    fingerprint: [u8; 32],
    tool: u32,
    rule: u32,
    title: u32,
    original: u32,
    path: u32,
    /// 0 where there is none.
    line: u32,
    /// A tuple of name, URL, installed and fixed version; 0 is none.
    package: u32,
    /// A tuple of resource, fix, evidence, and the secret's number and one; 0 is none.
    details: u32,
    severity: Severity,
    kind: FindingKind,
}

impl Held {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Drops all but the first findings.
    pub fn forget(&mut self, but: usize) {
        self.rows.truncate(but);
        let kept = self.aliases.partition_point(|(row, _)| (*row as usize) < but);
        self.aliases.truncate(kept);
    }

    /// How many bytes are held for the findings.
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.texts.bytes()
            + self.packages.bytes()
            + self.details.bytes()
            + self.aliases.capacity() * size_of::<(u32, u32)>()
            + self.secrets.capacity() * (size_of::<Digest>() + 71)
    }

    /// Gives back the memory that was taken ahead.
    pub fn settle(&mut self) {
        self.rows.shrink_to_fit();
        self.aliases.shrink_to_fit();
        self.texts.text.shrink_to_fit();
        self.texts.ends.shrink_to_fit();
    }

    /// Takes a finding; false where it does not fit any more.
    pub(super) fn add(
        &mut self,
        tool: &Clean,
        found: &Found<'_>,
        path: &str,
        secret: Option<Digest>,
        fingerprint: [u8; 32],
    ) -> bool {
        let place = match (path, found.line) {
            ("", _) if found.resource.is_empty() => (found.package, None),
            ("", _) => (found.resource, None),
            (path, line) => (path, line),
        };
        let line_no = place.1.and_then(|line| u32::try_from(line).ok()).filter(|line| *line > 0);
        let long = place.0.len() > PATH_BYTES_MAX && line_no.is_some();
        let joined =
            if long { format!("{}:{}", place.0, line_no.unwrap_or(0)) } else { String::new() };
        let (path, line_no) =
            if long { (joined.as_str(), 0) } else { (place.0, line_no.unwrap_or(0)) };
        let short = found.package.len() + found.fixed.len() < PATH_BYTES_MAX;
        let texts = &mut self.texts;
        let named = if found.package.is_empty() { found.purl } else { found.package };
        let package = [named, found.purl, found.installed, found.fixed].map(|text| texts.id(text));
        let fix = match found.update {
            // Nearly all fixes of packages are said in the same words.
            // Where no package is named, none is held from which the words could be made.
            true if short
                && !named.is_empty()
                && texts.get(package[0]) == found.package
                && texts.get(package[3]) == found.fixed =>
            {
                UPDATE
            }
            true => texts.id(&update(found.package, found.fixed)),
            false => texts.id(found.fix),
        };
        let [resource, evidence, rule, title] =
            [found.resource, found.evidence, found.rule, found.title].map(|text| texts.id(text));
        let original = texts.word_of(found.severity, found.original);
        // What is in no file stands in its package.
        let path = if path == named { package[0] } else { texts.id(path) };
        let tool = texts.same_as_last(tool);
        let secret = match secret {
            None => 0,
            Some(secret) => {
                self.secrets.push(secret);
                u32::try_from(self.secrets.len()).unwrap_or(0)
            }
        };
        if let Ok(row) = u32::try_from(self.rows.len()) {
            let ids = found.aliases.iter().map(|id| (row, self.texts.id(id)));
            self.aliases.extend(ids);
        }
        let package = if named.is_empty() { 0 } else { self.packages.id(package) };
        let details = match [resource, fix, evidence, secret] {
            [0, 0, 0, 0] => 0,
            some => self.details.id(some),
        };
        self.rows.push(Row {
            fingerprint,
            tool,
            rule,
            title,
            original,
            path,
            line: line_no,
            package,
            details,
            severity: found.severity,
            kind: found.kind,
        });
        !self.texts.full
    }

    /// One finding in full.
    pub fn finding(&self, at: usize) -> Finding {
        let Some(row) = self.rows.get(at) else { return Finding::default() };
        let text = |id: u32| Clean::new(self.texts.get(id));
        let some = |id: u32| (id != 0).then(|| text(id));
        let [resource, fix, evidence, secret] = self.details.get(row.details);
        let [name, purl, installed, fixed] = self.packages.get(row.package);
        let path = self.texts.get(row.path);
        let location = match row.line {
            0 => Clean::new(path),
            line => Clean::from(format!("{path}:{line}")),
        };
        let fix = match fix {
            UPDATE => Some(line(&update(self.texts.get(name), self.texts.get(fixed)))),
            fix => some(fix),
        };
        let secret = usize::try_from(secret).ok().and_then(|number| number.checked_sub(1));
        Finding {
            tool: text(row.tool),
            rule: text(row.rule),
            aliases: self.aliases(at).map(text).collect(),
            severity: row.severity,
            original: some(row.original),
            title: text(row.title),
            location,
            fingerprint: Digest::from_sha256(&row.fingerprint),
            kind: row.kind,
            resource: some(resource),
            package: (row.package != 0).then(|| Package {
                name: text(name),
                purl: some(purl),
                installed: some(installed),
                fixed: some(fixed),
            }),
            fix,
            evidence: some(evidence),
            secret: secret.and_then(|at| self.secrets.get(at)).cloned(),
        }
    }

    /// The texts of a finding's other numbers.
    fn aliases(&self, at: usize) -> impl Iterator<Item = u32> {
        let from = self.aliases.partition_point(|(row, _)| (*row as usize) < at);
        let own = self.aliases.iter().skip(from).take_while(move |(row, _)| *row as usize == at);
        own.map(|(_, id)| *id)
    }

    pub fn severity(&self, at: usize) -> Severity {
        self.rows.get(at).map_or(Severity::Unknown, |row| row.severity)
    }

    pub fn kind(&self, at: usize) -> FindingKind {
        self.rows.get(at).map_or(FindingKind::Other, |row| row.kind)
    }

    pub fn tool(&self, at: usize) -> &str {
        self.rows.get(at).map_or("", |row| self.texts.get(row.tool))
    }

    /// Fingerprints and places of some, for [`crate::release::triage::diff_keys`].
    pub fn keys(&self, range: Range<usize>) -> Vec<(&[u8; 32], (u32, u32))> {
        let rows = self.rows.get(range).unwrap_or_default();
        rows.iter().map(|row| (&row.fingerprint, (row.path, row.line))).collect()
    }
}

/// Different texts, each once. Number 0 is the empty one.
struct Texts {
    text: String,
    ends: Vec<u32>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The tool of the last finding: most findings share it with the one before.
    last: u32,
    /// The tool's own word for each severity, which seldom changes.
    words: [u32; Severity::ALL.len()],
    full: bool,
}

impl Default for Texts {
    fn default() -> Self {
        let (ids, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        Self {
            text: String::new(),
            ends: vec![0],
            ids,
            hasher,
            last: 0,
            words: [0; Severity::ALL.len()],
            full: false,
        }
    }
}

impl Texts {
    fn get(&self, id: u32) -> &str {
        within(&self.text, &self.ends, id)
    }

    /// The number of a foreign text, as [`line`] makes it. A text that stands there as it is has
    /// been through that already.
    fn id(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let hash = self.hasher.hash_one(text);
        if let Some(id) = self.find(text, hash) {
            return id;
        }
        let clean = line(text);
        let clean = clean.as_str();
        if clean == text { self.insert(clean, hash) } else { self.clean_id(clean) }
    }

    fn clean_id(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let hash = self.hasher.hash_one(text);
        self.find(text, hash).unwrap_or_else(|| self.insert(text, hash))
    }

    fn same_as_last(&mut self, tool: &Clean) -> u32 {
        if self.get(self.last) != tool.as_str() {
            self.last = self.clean_id(tool.as_str());
        }
        self.last
    }

    fn word_of(&mut self, severity: Severity, word: &str) -> u32 {
        let at = severity as usize;
        if self.get(self.words[at]) != word {
            self.words[at] = self.id(word);
        }
        self.words[at]
    }

    fn find(&self, text: &str, hash: u64) -> Option<u32> {
        self.ids.find(hash, |id| self.get(*id) == text).copied()
    }

    fn insert(&mut self, text: &str, hash: u64) -> u32 {
        let (Ok(id), Ok(end)) =
            (u32::try_from(self.ends.len()), u32::try_from(self.text.len() + text.len()))
        else {
            self.full = true;
            return 0;
        };
        self.text.push_str(text);
        self.ends.push(end);
        let Self { text, ends, ids, hasher, .. } = self;
        ids.insert_unique(hash, id, |id| hasher.hash_one(within(text, ends, *id)));
        id
    }

    fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>() + self.ids.allocation_size()
    }
}

fn within<'t>(text: &'t str, ends: &[u32], id: u32) -> &'t str {
    let at = |id: u32| ends.get(id as usize).map_or(0, |end| *end as usize);
    if id == 0 { "" } else { text.get(at(id - 1)..at(id)).unwrap_or("") }
}

/// Different tuples, each once. Number 0 is the empty one.
#[derive(Default)]
struct Tuples {
    all: Vec<[u32; 4]>,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Tuples {
    fn get(&self, id: u32) -> [u32; 4] {
        let at = (id as usize).checked_sub(1);
        at.and_then(|at| self.all.get(at)).copied().unwrap_or_default()
    }

    fn id(&mut self, tuple: [u32; 4]) -> u32 {
        let hash = self.hasher.hash_one(tuple);
        if let Some(id) = self.ids.find(hash, |id| self.get(*id) == tuple) {
            return *id;
        }
        self.all.push(tuple);
        let id = u32::try_from(self.all.len()).unwrap_or(0);
        let Self { all, ids, hasher } = self;
        ids.insert_unique(hash, id, |id| {
            let at = (*id as usize).saturating_sub(1);
            hasher.hash_one(all.get(at).copied().unwrap_or_default())
        });
        id
    }

    fn bytes(&self) -> usize {
        self.all.capacity() * size_of::<[u32; 4]>() + self.ids.allocation_size()
    }
}
