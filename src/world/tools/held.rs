//! A million findings in little memory: every text once, and a row of a few words each.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::report::{Found, is_line, line, update};
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
    details: Tuples,
    secrets: Vec<Digest>,
    /// The other numbers of a flaw: a row's number and a text, in the order of the rows. Few
    /// findings have some, so that they cost the others nothing.
    aliases: Vec<(u32, u32)>,
    rows: Vec<Row>,
}

/// Numbers are those of texts, unless they say otherwise. A rule's may be a [`cve`]'s own.
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
    /// Its name, URL, installed and fixed version. A table that holds each four of them once would
    /// save some bytes, and looking there takes a good part of the time of a finding.
    package: [u32; 4],
    /// The number of a tuple of resource, fix, evidence, and the secret's number and one; 0 is
    /// none.
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
            + self.details.bytes()
            + self.aliases.capacity() * size_of::<(u32, u32)>()
            + self.secrets.capacity() * (size_of::<Digest>() + 71)
    }

    /// Gives back the memory that was taken ahead.
    pub fn settle(&mut self) {
        self.rows.shrink_to_fit();
        self.aliases.shrink_to_fit();
        self.texts.text.shrink_to_fit();
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
        let (path, line) = place(found, path);
        let path = path.as_ref();
        let short = found.package.len() + found.fixed.len() < PATH_BYTES_MAX;
        let texts = &mut self.texts;
        let named = if found.package.is_empty() { found.purl } else { found.package };
        let package = [
            texts.id(Place::Package, named),
            texts.id(Place::Purl, found.purl),
            texts.id(Place::Installed, found.installed),
            texts.id(Place::Fixed, found.fixed),
        ];
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
            true => texts.id(Place::Fix, &update(found.package, found.fixed)),
            false => texts.id(Place::Fix, found.fix),
        };
        let resource = texts.id(Place::Resource, found.resource);
        let evidence = texts.id(Place::Evidence, found.evidence);
        let rule = cve::number(found.rule).unwrap_or_else(|| texts.id(Place::Rule, found.rule));
        let title = texts.id(Place::Title, found.title);
        let original = texts.id(Place::Original, found.original);
        // What is in no file stands in its package.
        let path = if path == named { package[0] } else { texts.id(Place::Path, path) };
        let tool = texts.id(Place::Tool, tool.as_str());
        let secret = match secret {
            None => 0,
            Some(secret) => {
                self.secrets.push(secret);
                u32::try_from(self.secrets.len()).unwrap_or(0)
            }
        };
        if let Ok(row) = u32::try_from(self.rows.len()) {
            let mut id =
                |id: &String| cve::number(id).unwrap_or_else(|| texts.id(Place::Alias, id));
            self.aliases.extend(found.aliases.iter().map(|alias| (row, id(alias))));
        }
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
            line,
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
        let flaw = |id: u32| cve::text(id).map_or_else(|| text(id), Clean::from);
        let some = |id: u32| (id != 0).then(|| text(id));
        let [resource, fix, evidence, secret] = self.details.get(row.details);
        let [name, purl, installed, fixed] = row.package;
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
            rule: flaw(row.rule),
            aliases: self.aliases(at).map(flaw).collect(),
            severity: row.severity,
            original: some(row.original),
            title: text(row.title),
            location,
            fingerprint: Digest::from_sha256(&row.fingerprint),
            kind: row.kind,
            resource: some(resource),
            package: (name != 0).then(|| Package {
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

/// Where a finding stands: a path and a line, 0 where there is none; else the resource or package.
fn place<'f>(found: &Found<'f>, path: &'f str) -> (Cow<'f, str>, u32) {
    let (path, line) = match (path, found.line) {
        ("", _) if found.resource.is_empty() => (found.package, None),
        ("", _) => (found.resource, None),
        (path, line) => (path, line),
    };
    let line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    if path.len() > PATH_BYTES_MAX && line > 0 {
        return (Cow::Owned(format!("{path}:{line}")), 0);
    }
    (Cow::Borrowed(path), line)
}

/// Numbers that stand for themselves: most of a large report's rules are those of CVE, each another
/// one, and take neither memory nor a look into a table.
mod cve {
    /// Set in the number of a CVE, and in that of no text.
    pub(super) const MARK: u32 = 1 << 31;
    const YEARS: std::ops::RangeInclusive<u32> = 1999..=2062;
    const DIGITS: std::ops::RangeInclusive<usize> = 4..=7;
    /// A serial number has so many bits, and how many digits it is written with has two more.
    const SERIAL_BITS: u32 = 23;

    /// `CVE-2024-3094` in one word; none for every other text, and for a CVE that does not fit.
    pub(super) fn number(text: &str) -> Option<u32> {
        let (year, serial) = text.strip_prefix("CVE-")?.split_at_checked(4)?;
        let serial = serial.strip_prefix('-')?;
        let value = |text: &str| {
            text.bytes().try_fold(0_u32, |value, byte| {
                byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0'))
            })
        };
        if !DIGITS.contains(&serial.len()) {
            return None;
        }
        let (year, value) = (value(year)?, value(serial)?);
        if !YEARS.contains(&year) || value >> SERIAL_BITS != 0 {
            return None;
        }
        let width = u32::try_from(serial.len() - DIGITS.start()).ok()?;
        Some(MARK | (year - YEARS.start()) << (SERIAL_BITS + 2) | width << SERIAL_BITS | value)
    }

    /// The text of a CVE's number; none for the number of a text.
    pub(super) fn text(number: u32) -> Option<String> {
        let number = (number & MARK != 0).then_some(number & !MARK)?;
        let (year, width) = (number >> (SERIAL_BITS + 2), number >> SERIAL_BITS & 3);
        let width = DIGITS.start() + width as usize;
        let serial = number & ((1 << SERIAL_BITS) - 1);
        Some(format!("CVE-{}-{serial:0width$}", YEARS.start() + year))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_cve_is_read_back_as_it_was_and_nothing_else_is_one() {
            for cve in [
                "CVE-1999-0001",
                "CVE-2015-00012",
                "CVE-2024-3094",
                "CVE-2026-8388607",
                "CVE-2062-0000",
            ] {
                let number = number(cve).expect(cve);
                assert_eq!(text(number).as_deref(), Some(cve));
            }
            for other in [
                "",
                "CVE-",
                "CVE-2024",
                "CVE-2024-",
                "CVE-2024-123",
                "CVE-2024-12345678",
                "CVE-2026-8388608",
                "CVE-1998-0001",
                "CVE-2063-0001",
                "CVE-2024-+123",
                "CVE-+024-1234",
                "CVE-2024-1234 ",
                "cve-2024-1234",
                "CVE-2024-12٣4",
                "GHSA-2024-1234",
            ] {
                assert_eq!(number(other), None, "{other}");
            }
            assert_eq!(text(MARK - 1), None);
        }
    }
}

/// Different texts, each once, one behind the other; a text's number is its place. Before each
/// stands its length in bytes, as a character: most take one byte, and who looks a text up finds
/// both in one place of the memory. Number 0 is the empty one.
struct Texts {
    text: String,
    ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// What stood last in each place, by its length: neighbours often share it, and severities are
    /// few words of different lengths.
    last: [[(u32, usize); LAST]; Place::ALL],
    full: bool,
}

/// Where in a finding a text stands.
#[derive(Clone, Copy)]
enum Place {
    Tool,
    Rule,
    Title,
    Original,
    Path,
    Resource,
    Fix,
    Evidence,
    Alias,
    Package,
    Purl,
    Installed,
    Fixed,
}

/// How many texts are remembered of each place.
const LAST: usize = 8;

impl Place {
    const ALL: usize = Self::Fixed as usize + 1;
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            text: String::from("\0"),
            ids: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            last: [[(0, 0); LAST]; Place::ALL],
            full: false,
        }
    }
}

impl Texts {
    fn get(&self, id: u32) -> &str {
        within(&self.text, id)
    }

    /// The number of a foreign text, as [`line`] makes it.
    fn id(&mut self, place: Place, text: &str) -> u32 {
        let slot = text.len() % LAST;
        let last = self.last[place as usize][slot];
        if last.1 == text.len() && self.get(last.0) == text {
            return last.0;
        }
        let id = self.look_up(text);
        self.last[place as usize][slot] = (id, text.len());
        id
    }

    /// A text that stands there as it is has been through [`line`] already.
    fn look_up(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let hash = self.hasher.hash_one(text);
        if let Some(id) = self.find(text, hash) {
            return id;
        }
        if is_line(text) {
            return self.insert(text, hash);
        }
        let clean = line(text);
        let clean = clean.as_str();
        if clean.is_empty() {
            return 0;
        }
        let hash = self.hasher.hash_one(clean);
        self.find(clean, hash).unwrap_or_else(|| self.insert(clean, hash))
    }

    fn find(&self, text: &str, hash: u64) -> Option<u32> {
        self.ids.find(hash, |id| self.get(*id) == text).copied()
    }

    fn insert(&mut self, text: &str, hash: u64) -> u32 {
        let length = u32::try_from(text.len()).ok().and_then(char::from_u32);
        let id = u32::try_from(self.text.len()).ok().filter(|id| *id < cve::MARK);
        let (Some(length), Some(id)) = (length, id) else {
            self.full = true;
            return 0;
        };
        self.text.push(length);
        self.text.push_str(text);
        let Self { text, ids, hasher, .. } = self;
        ids.insert_unique(hash, id, |id| hasher.hash_one(within(text, *id)));
        id
    }

    fn bytes(&self) -> usize {
        self.text.capacity() + self.ids.allocation_size()
    }
}

/// The text whose length stands at a place.
fn within(text: &str, id: u32) -> &str {
    let mut rest = text.get(id as usize..).unwrap_or("").chars();
    let length = rest.next().map_or(0, u32::from);
    rest.as_str().get(..length as usize).unwrap_or("")
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
