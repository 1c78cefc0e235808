//! The records as sentences, each made once when its record arrives.

use std::sync::Arc;

use jiff::Timestamp as Wall;

use super::list::{Filter, List};
use crate::engine::handle::chain_digest;
use crate::release::{Clean, Digest, Event, Record, Release, ReleaseId, Seq, Via};
use crate::report::words;

/// One line of the timeline.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) at: Wall,
    pub(super) who: Clean,
    /// As the journal spells it.
    pub(super) kind: &'static str,
    pub(super) text: Clean,
    pub(super) weight: Weight,
}

/// How much an entry matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Plain,
    Good,
    Person,
    Bad,
}

/// The timeline and where its cursor is.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    /// The fold up to the last entry: sentences speak of the moment they belong to.
    fold: Option<Release>,
    pub(super) entries: Vec<Entry>,
    /// The entries that the filter lets through.
    pub(super) shown: Vec<usize>,
    /// The chosen one of the shown; none follows the newest.
    pub(super) list: List,
    /// What `/` looks for.
    pub(super) needle: String,
    /// Whether the times are shown as how long ago.
    pub(super) ages: bool,
    pub(super) chain: Chain,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            fold: None,
            entries: Vec::new(),
            shown: Vec::new(),
            list: List::following(),
            needle: String::new(),
            ages: false,
            chain: Chain::default(),
        }
    }
}

/// How far the records were checked here: each carries the digest of the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    checked: usize,
    last: Option<Digest>,
    /// The first record that does not follow the one before it.
    pub(super) breaks_at: Option<Seq>,
}

impl Chain {
    /// Checks the records that are new. It takes time, so it is done where it is looked at.
    pub(super) fn check(&mut self, records: &[Arc<Record>]) {
        if records.len() < self.checked {
            *self = Self::default();
        }
        for record in records.iter().skip(self.checked) {
            let follows = self.last.as_ref().is_none_or(|last| *last == record.prev);
            if !follows && self.breaks_at.is_none() {
                self.breaks_at = Some(record.seq);
            }
            self.last = chain_digest(record);
            self.checked += 1;
        }
    }

    pub(super) fn checked(&self) -> usize {
        self.checked
    }
}

impl Timeline {
    /// Takes in the records that are new.
    pub(super) fn learn(&mut self, id: &ReleaseId, records: &[Arc<Record>]) {
        let other = self.fold.as_ref().is_some_and(|fold| fold.id != *id);
        if other || records.len() < self.entries.len() {
            *self = Self::default();
        }
        let fold = self.fold.get_or_insert_with(|| Release::new(id.clone()));
        for record in records.iter().skip(self.entries.len()) {
            fold.apply(record);
            let entry = Entry {
                seq: record.seq,
                at: record.at_wall,
                who: Clean::new(record.by.person.as_str()),
                kind: record.event.kind(),
                text: words::sentence(record, fold),
                weight: weight(record),
            };
            if lets(&self.list.filter, &entry) {
                self.shown.push(self.entries.len());
            }
            self.entries.push(entry);
        }
    }

    pub(super) fn filter(&mut self, text: &str) {
        self.list.filter = Filter::new(text);
        self.list.cursor = None;
        let lets = |(at, entry): (usize, &Entry)| lets(&self.list.filter, entry).then_some(at);
        self.shown = self.entries.iter().enumerate().filter_map(lets).collect();
    }

    pub(super) fn chosen(&self) -> Option<&Entry> {
        let at = self.shown.get(self.list.at(self.shown.len()))?;
        self.entries.get(*at)
    }

    /// Moves the cursor to the next shown entry with the needle in it.
    pub(super) fn search(&mut self, forward: bool) -> Result<(), Clean> {
        if self.needle.is_empty() {
            return Err(Clean::new("nothing to find yet: press / first"));
        }
        let needle = self.needle.to_lowercase();
        let at = self.list.at(self.shown.len());
        let hit = |place: &usize| {
            let entry = self.shown.get(*place).and_then(|at| self.entries.get(*at));
            entry.is_some_and(|entry| entry.text.as_str().to_lowercase().contains(&needle))
        };
        let found =
            if forward { (at + 1..self.shown.len()).find(hit) } else { (0..at).rev().find(hit) };
        let Some(found) = found else {
            let way = if forward { "further down" } else { "further up" };
            return Err(Clean::new(&format!("{:?} is not found {way}", self.needle)));
        };
        self.list.cursor = Some(found);
        Ok(())
    }
}

fn lets(filter: &Filter, entry: &Entry) -> bool {
    filter.is_empty()
        || filter.lets(&[
            ("by", entry.who.as_str()),
            ("kind", entry.kind),
            ("text", entry.text.as_str()),
        ])
}

fn weight(record: &Record) -> Weight {
    let bad = match &record.event {
        Event::StepEnded { end, .. } => !end.result.passed(),
        Event::WindowJudged { verdicts, .. } => verdicts.iter().any(|v| !v.verdict.is_pass()),
        Event::Held { .. }
        | Event::RollbackOrdered { .. }
        | Event::SwitchFailed { .. }
        | Event::RestoreFailed { .. }
        | Event::VersionLatched { .. } => true,
        Event::ReleaseEnded { result } => {
            !matches!(result, crate::release::ReleaseResult::Released)
        }
        Event::Notified { failed, .. } => !failed.is_empty(),
        _ => false,
    };
    let good = matches!(
        &record.event,
        Event::TrafficSwitched { .. } | Event::ReleaseEnded { .. } | Event::GateClosed { .. }
    );
    match (bad, good, record.by.via) {
        (true, ..) => Weight::Bad,
        (_, true, _) => Weight::Good,
        (_, _, Via::Cockpit | Via::Shell | Via::Script) => Weight::Person,
        (_, _, Via::Engine) => Weight::Plain,
    }
}
