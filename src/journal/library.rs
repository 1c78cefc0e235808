//! The state directory: every release's journal, found and listed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp as Wall;
use memchr::{memchr, memrchr};
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::driver::{Driver, Holder, read_note};
use super::environment::{self, EnvironmentLock, LockError};
use super::line::{self, LINE_BYTES_MAX, Line};
use super::queue::{self, Place};
use super::reader;
use crate::release::{
    Clean, Digest, Event, GateVerdict, LatchedBy, Person, Record, ReleaseId, ReleaseResult,
    Revision, Seq, StageId, Start,
};

/// The state directory.
#[derive(Clone, Debug)]
pub struct Library {
    disk: Disk,
    state: PathBuf,
}

/// One release in a list, as far as its first and last records tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: ReleaseId,
    /// None when it broke off before its first record, or cannot be read.
    pub started: Option<Started>,
    pub newest: Option<Newest>,
    pub result: Option<ReleaseResult>,
    /// Whether an engine drives it now.
    pub driven: bool,
    /// Who drives it, or drove it last.
    pub holder: Option<Holder>,
    /// Why it cannot be read; only a verification tells whether all of it can.
    pub trouble: Option<Clean>,
}

/// What a release's first record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    pub at: Wall,
    pub by: Person,
    pub revision: Revision,
    pub branch: Clean,
    pub environment: Clean,
    pub rehearsal: bool,
    /// Whether it runs to the last stage of its plan, outside of the workspace too: only such a
    /// release leaves something that serves.
    pub whole: bool,
}

/// What a release's last record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    pub seq: Seq,
    pub at: Wall,
    pub kind: Clean,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("failed to {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// Nothing is latched under that name.
    #[error("failed to clear {which}: no latch names it")]
    NoSuchLatch { which: Clean },
}

/// Why a release was not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("there is no release {prefix}")]
    None { prefix: Clean },
    #[error("{prefix} fits {} releases, the first {} and {}", many.len(), many[0], many[1])]
    Many { prefix: Clean, many: Vec<ReleaseId> },
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// The evidence that lets a gate pass without running its stage again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub revision: Revision,
    pub plan_digest: Digest,
    pub policy_digest: Digest,
    pub environment: Clean,
    /// Whether steps that touch anything outside the workspace must have run.
    pub external: bool,
    pub rehearsal: bool,
}

impl Wanted {
    fn fits(&self, start: &Start) -> bool {
        start.revision == self.revision
            && start.plan_digest == self.plan_digest
            && start.policy_digest == self.policy_digest
            && start.environment == self.environment
            && start.external == self.external
            && start.rehearsal.is_some() == self.rehearsal
    }
}

/// A latch that somebody cleared, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    pub release: ReleaseId,
    pub revision: Revision,
    pub by: Person,
    pub reason: Clean,
    pub at: Wall,
}

/// The first look into a file, at either end.
const LOOK_BYTES: u64 = 64 << 10;
/// Fewer characters than this name no version.
const NAME_CHARS_MIN: usize = 7;
/// Cleared latches that are read, in bytes.
const CLEARED_BYTES_MAX: u64 = 16 << 20;

impl Library {
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self::on(&Disk::real(), state)
    }

    /// A library on a given file system.
    pub fn on(disk: &Disk, state: impl Into<PathBuf>) -> Self {
        Self { disk: disk.clone(), state: state.into() }
    }

    fn releases(&self) -> PathBuf {
        self.state.join("releases")
    }

    /// Where a release's journal and logs are.
    pub fn folder(&self, id: &ReleaseId) -> PathBuf {
        self.releases().join(id.as_str())
    }

    /// Claims the next free id of the day, `r-MMDD.n`, by making its folder: two callers never
    /// get the same one.
    pub fn next_id(&self, at: Wall) -> Result<ReleaseId, LibraryError> {
        let releases = self.releases();
        self.disk.make_dirs(&releases).map_err(|error| failed("make", &releases, error))?;
        let day = at.strftime("r-%m%d.").to_string();
        let ids = self.ids()?;
        let taken = ids.iter().filter_map(|id| id.as_str().strip_prefix(&day)?.parse().ok());
        let mut number = taken.max().unwrap_or(0_u32);
        loop {
            number = number.saturating_add(1);
            let id = ReleaseId::new(format!("{day}{number}")).expect("digits in the grammar");
            match self.disk.make_dir(&self.folder(&id)) {
                Ok(()) => return Ok(id),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("make", &self.folder(&id), error)),
            }
        }
    }

    /// Every release's id, in no order.
    pub fn ids(&self) -> Result<Vec<ReleaseId>, LibraryError> {
        let releases = self.releases();
        let paths = match self.disk.list(&releases) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| failed("list", &releases, error))?,
        };
        let id = |path: &PathBuf| ReleaseId::new(path.file_name()?.to_str()?).ok();
        Ok(paths.iter().filter_map(id).collect())
    }

    /// Every release, the newest first. Reads the ends of each journal only.
    pub fn list(&self) -> Result<Vec<Entry>, LibraryError> {
        let mut entries: Vec<Entry> = self.ids()?.iter().map(|id| self.entry(id)).collect();
        entries.sort_by(|a, b| {
            let key = |entry: &Entry| entry.started.as_ref().map(|started| started.at);
            key(b).cmp(&key(a)).then_with(|| b.id.cmp(&a.id))
        });
        Ok(entries)
    }

    /// One release, by the ends of its journal.
    pub fn entry(&self, id: &ReleaseId) -> Entry {
        let mut entry = Entry {
            id: id.clone(),
            started: None,
            newest: None,
            result: None,
            driven: false,
            holder: read_note(&self.disk, &self.folder(id).join("driver.json")),
            trouble: None,
        };
        if let Err(error) = self.look(&mut entry) {
            entry.trouble = Some(Clean::new(&error.to_string()));
        }
        entry
    }

    fn look(&self, entry: &mut Entry) -> io::Result<()> {
        let file = self.open(&entry.id)?;
        entry.driven = self.disk.is_locked(&file)?;
        let bytes = self.disk.stat_file(&file)?.len();
        let first = self.first_lines(&file, bytes)?;
        entry.started = first.iter().find_map(started);
        let last = self.last_lines(&file, bytes)?;
        if let Some(record) = last.last() {
            let kind = Clean::new(record.event.kind());
            entry.newest = Some(Newest { seq: record.seq, at: record.at_wall, kind });
        }
        entry.result = last.iter().rev().find_map(|record| match &record.event {
            Event::ReleaseEnded { result } => Some(result.clone()),
            _ => None,
        });
        if bytes > 0 && (first.is_empty() || last.is_empty()) {
            entry.trouble = Some(Clean::new("an end of the journal is damaged or not known"));
        }
        Ok(())
    }

    fn open(&self, id: &ReleaseId) -> io::Result<File> {
        self.disk.open_read(&self.folder(id).join("journal.jsonl"))
    }

    /// The records that stand whole at the start of a file.
    fn first_lines(&self, file: &File, bytes: u64) -> io::Result<Vec<Record>> {
        let start = grow(bytes, |most| {
            let start = self.read(file, 0, most)?;
            Ok(memchr(b'\n', &start).is_some().then_some(start))
        })?;
        let whole = memrchr(b'\n', &start).unwrap_or(0);
        Ok(whole_records(&start[..whole]))
    }

    /// The records that stand whole at the end of a file.
    fn last_lines(&self, file: &File, bytes: u64) -> io::Result<Vec<Record>> {
        let end = grow(bytes, |most| {
            let from = bytes.saturating_sub(most);
            let mut end = self.read(file, from, bytes - from)?;
            end.truncate(memrchr(b'\n', &end).unwrap_or(0));
            if from > 0 {
                // The first line is cut off at its front.
                let Some(newline) = memchr(b'\n', &end) else { return Ok(None) };
                end.drain(..=newline);
            }
            Ok(Some(end))
        })?;
        Ok(whole_records(&end))
    }

    fn read(&self, file: &File, from: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let mut read = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        if !read.is_empty() {
            self.disk.read_at(file, &mut read, from)?;
        }
        Ok(read)
    }

    /// The one release whose id is, or starts with, `prefix`.
    pub fn find(&self, prefix: &str) -> Result<ReleaseId, FindError> {
        let mut many = self.ids()?;
        if let Some(exact) = many.iter().find(|id| id.as_str() == prefix) {
            return Ok(exact.clone());
        }
        many.retain(|id| id.as_str().starts_with(prefix));
        many.sort();
        let clean = Clean::new(prefix);
        match many.pop() {
            None => Err(FindError::None { prefix: clean }),
            Some(only) if many.is_empty() => Ok(only),
            Some(last) => {
                many.push(last);
                Err(FindError::Many { prefix: clean, many })
            }
        }
    }

    /// The release that serves an environment, as far as this machine has released it, and its
    /// revision: the newest that ended well and was not rolled back since. Rehearsals follow upon
    /// rehearsals only.
    pub fn serving(
        &self,
        environment: &Clean,
        rehearsal: bool,
    ) -> Result<Option<(ReleaseId, Revision)>, LibraryError> {
        let released = self.list()?.into_iter().filter(|entry| {
            matches!(entry.result, Some(ReleaseResult::Released))
                && entry.started.as_ref().is_some_and(|started| {
                    started.environment == *environment
                        && started.rehearsal == rehearsal
                        && started.whole
                })
        });
        let newest = released
            .max_by_key(|entry| (entry.newest.as_ref().map(|newest| newest.at), entry.id.clone()));
        Ok(newest.and_then(|entry| Some((entry.id, entry.started?.revision))))
    }

    /// The latches that rollbacks left in an environment and that nobody has cleared. Those of
    /// rehearsals hold for rehearsals only. A latch in a damaged journal still holds.
    pub fn latches(
        &self,
        environment: &Clean,
        rehearsal: bool,
    ) -> Result<Vec<LatchedBy>, LibraryError> {
        let cleared = self.cleared()?;
        let mut latches = self.all_latches(|started| {
            started.environment == *environment && started.rehearsal == rehearsal
        })?;
        latches.retain(|latched| !is_cleared(&cleared, latched));
        Ok(latches)
    }

    fn all_latches(&self, fits: impl Fn(&Started) -> bool) -> Result<Vec<LatchedBy>, LibraryError> {
        let mut latches = Vec::new();
        let mut ids = self.ids()?;
        ids.sort();
        for id in ids {
            let path = self.folder(&id).join("journal.jsonl");
            let fail = |error| failed("read", &path, error);
            let file = match self.disk.open_read(&path) {
                // Claimed, and broken off before its first record.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(fail)?,
            };
            let bytes = self.disk.stat_file(&file).map_err(fail)?.len();
            let first = self.first_lines(&file, bytes).map_err(fail)?;
            // A start that cannot be read does not set its latch free.
            if first.iter().find_map(started).is_some_and(|started| !fits(&started)) {
                continue;
            }
            reader::search(&self.disk, &file, b"\"kind\":\"version_latched\"", |record| {
                if let Event::VersionLatched { latch } = record.event {
                    latches.push(LatchedBy { latch, release: id.clone() });
                }
            })
            .map_err(fail)?;
        }
        Ok(latches)
    }

    /// Clears the latches that `which` names: a release, a revision, or an image's digest, at
    /// least seven characters of it. Answers what was cleared; it is durable then.
    pub fn clear_latch(
        &self,
        which: &str,
        by: &Person,
        reason: &Clean,
        at: Wall,
    ) -> Result<Vec<LatchedBy>, LibraryError> {
        let known = self.cleared()?;
        let mut latches = self.all_latches(|_| true)?;
        latches.retain(|latched| !is_cleared(&known, latched) && names(which, latched));
        if latches.is_empty() {
            return Err(LibraryError::NoSuchLatch { which: Clean::new(which) });
        }
        let mut lines = Vec::new();
        for latched in &latches {
            let cleared = Cleared {
                release: latched.release.clone(),
                revision: latched.latch.revision.clone(),
                by: by.clone(),
                reason: reason.clone(),
                at,
            };
            // A newline before it too: an earlier one may have been torn.
            lines.push(b'\n');
            let text = serde_json::to_vec(&cleared).map_err(io::Error::other);
            lines.extend(text.map_err(|error| failed("write", &self.cleared_path(), error))?);
            lines.push(b'\n');
        }
        self.append_cleared(&lines)
            .map_err(|error| failed("write", &self.cleared_path(), error))?;
        Ok(latches)
    }

    fn append_cleared(&self, lines: &[u8]) -> io::Result<()> {
        let file = self.disk.open_or_create(&self.cleared_path())?;
        self.disk.write(&file, lines)?;
        self.disk.sync(&file)?;
        self.disk.sync_dir(&self.state)
    }

    fn cleared_path(&self) -> PathBuf {
        self.state.join("cleared-latches.jsonl")
    }

    /// Every latch that was ever cleared, and by whom. A line that cannot be read clears nothing.
    pub fn cleared(&self) -> Result<Vec<Cleared>, LibraryError> {
        let path = self.cleared_path();
        let bytes = match self.disk.read_small(&path, CLEARED_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| failed("read", &path, error))?,
        };
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// The stages whose gates said go in earlier releases of the same revision, plan and policy,
    /// by reports alone: what an operator went over does not count. The newest word of a stage
    /// holds; a damaged journal says nothing.
    pub fn passed_gates(&self, wanted: &Wanted) -> Result<Vec<StageId>, LibraryError> {
        let mut newest: BTreeMap<StageId, (Wall, bool)> = BTreeMap::new();
        for id in self.ids()? {
            let path = self.folder(&id).join("journal.jsonl");
            let fail = |error| failed("read", &path, error);
            let file = match self.disk.open_read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(fail)?,
            };
            let bytes = self.disk.stat_file(&file).map_err(fail)?.len();
            let first = self.first_lines(&file, bytes).map_err(fail)?;
            let start = first.iter().find_map(|record| match &record.event {
                Event::ReleaseStarted { start } => Some(start),
                _ => None,
            });
            let Some(start) = start.filter(|start| wanted.fits(start)) else { continue };
            let mut gates = Gates { start, said: BTreeMap::new(), changed: false };
            let walk = reader::walk(&self.disk, &file, |line| {
                if let Line::Known(record) = line {
                    gates.take(&record);
                }
            });
            if matches!(walk.map_err(fail)?.end, reader::End::Damaged(_)) {
                continue;
            }
            for (stage, said) in gates.said {
                let known = newest.get(&stage);
                if known.is_none_or(|(at, _)| *at < said.0) {
                    newest.insert(stage, said);
                }
            }
        }
        let passed = newest.into_iter().filter(|(_, (_, go))| *go);
        Ok(passed.map(|(stage, _)| stage).collect())
    }

    /// Takes an environment for a release, for as long as the answer lives.
    pub fn lock_environment(
        &self,
        environment: &Clean,
        release: &ReleaseId,
        driver: &Driver,
    ) -> Result<EnvironmentLock, LockError> {
        environment::acquire(&self.disk, &self.environments(), environment, release, driver)
    }

    /// Whether an environment is free; the error says who holds it.
    pub fn environment_is_free(&self, environment: &Clean) -> Result<(), LockError> {
        environment::is_free(&self.disk, &self.environments(), environment)
    }

    /// Goes to the end of the line before an environment.
    pub fn queue(&self, environment: &Clean, who: &Holder) -> Result<Place, LockError> {
        queue::join(&self.disk, self.queue_of(environment), environment, who)
    }

    /// Who stands in the line before an environment, first come first.
    pub fn queued(&self, environment: &Clean) -> Result<Vec<Option<Holder>>, LockError> {
        queue::waiting(&self.disk, &self.queue_of(environment)).map_err(|source| {
            let environment = environment.clone();
            LockError::Io { environment, source }
        })
    }

    fn queue_of(&self, environment: &Clean) -> PathBuf {
        environment::queue_path(&self.environments(), environment)
    }

    fn environments(&self) -> PathBuf {
        self.state.join("environments")
    }
}

/// Looks at more and more of a file, until something whole is seen or there is no more.
fn grow(bytes: u64, look: impl Fn(u64) -> io::Result<Option<Vec<u8>>>) -> io::Result<Vec<u8>> {
    let mut most = LOOK_BYTES;
    loop {
        if let Some(found) = look(most.min(bytes))? {
            return Ok(found);
        }
        if most >= bytes || most > LINE_BYTES_MAX as u64 * 2 {
            return Ok(Vec::new());
        }
        most *= 4;
    }
}

/// What one release's gates said last.
struct Gates<'a> {
    start: &'a Start,
    said: BTreeMap<StageId, (Wall, bool)>,
    /// Whether the policy was changed on the way.
    changed: bool,
}

impl Gates<'_> {
    fn take(&mut self, record: &Record) {
        match &record.event {
            Event::StageJudged { stage, judgement } => {
                let go = judgement.verdict == GateVerdict::Go && !self.changed;
                self.said.insert(stage.clone(), (record.at_wall, go));
            }
            // Tried again: what was said before is void until it is said again.
            Event::RetryOrdered { steps } => {
                for step in steps {
                    let stage = self.start.plan.stage_of(step);
                    if let Some(stage) = stage.and_then(|i| self.start.plan.stages.get(i)) {
                        self.said.insert(stage.id.clone(), (record.at_wall, false));
                    }
                }
            }
            // From here on it is judged by another policy than the one that is asked for.
            Event::PolicyChanged { .. } => self.changed = true,
            _ => {}
        }
    }
}

fn started(record: &Record) -> Option<Started> {
    let Event::ReleaseStarted { start } = &record.event else { return None };
    Some(Started {
        at: record.at_wall,
        by: record.by.person.clone(),
        revision: start.revision.clone(),
        branch: start.branch.clone(),
        environment: start.environment.clone(),
        rehearsal: start.rehearsal.is_some(),
        whole: start.external
            && start.plan.stages.last().is_some_and(|stage| stage.id == start.until),
    })
}

fn is_cleared(cleared: &[Cleared], latched: &LatchedBy) -> bool {
    cleared.iter().any(|cleared| {
        cleared.release == latched.release && cleared.revision == latched.latch.revision
    })
}

fn names(which: &str, latched: &LatchedBy) -> bool {
    let long = which.len() >= NAME_CHARS_MIN;
    latched.release.as_str() == which
        || (long && latched.latch.revision.as_str().starts_with(which))
        || (long && latched.latch.images.iter().any(|image| image.as_str().contains(which)))
}

/// The known records among lines; what is not whole is left out.
fn whole_records(lines: &[u8]) -> Vec<Record> {
    let whole = lines.split(|byte| *byte == b'\n').filter(|line| line::is_whole(line));
    whole
        .filter_map(|line| match line::parse(line)? {
            Line::Known(record) => Some(record),
            Line::Foreign(_) => None,
        })
        .collect()
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> LibraryError {
    LibraryError::Io { doing, path: path.to_owned(), source }
}
