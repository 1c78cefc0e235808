//! The records as sentences, each made once when its record arrives.

use std::sync::Arc;

use jiff::Timestamp as Wall;

use crate::release::{Clean, Event, Record, Release, ReleaseId, Seq, Via};
use crate::report::words;

/// One line of the timeline.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: Seq,
    pub(super) at: Wall,
    pub(super) who: Clean,
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
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    /// The fold up to the last entry: sentences speak of the moment they belong to.
    fold: Option<Release>,
    pub(super) entries: Vec<Entry>,
    /// The chosen entry; none follows the newest.
    pub(super) cursor: Option<usize>,
}

impl Timeline {
    /// Takes in the records that are new.
    pub(super) fn learn(&mut self, id: &ReleaseId, records: &[Arc<Record>]) {
        if records.len() < self.entries.len() {
            *self = Self::default();
        }
        let fold = self.fold.get_or_insert_with(|| Release::new(id.clone()));
        for record in records.iter().skip(self.entries.len()) {
            fold.apply(record);
            self.entries.push(Entry {
                seq: record.seq,
                at: record.at_wall,
                who: Clean::new(record.by.person.as_str()),
                text: words::sentence(record, fold),
                weight: weight(record),
            });
        }
    }

    pub(super) fn scroll(&mut self, by: isize) {
        let last = self.entries.len().saturating_sub(1);
        let at = self.cursor.unwrap_or(last).saturating_add_signed(by).min(last);
        self.cursor = (at < last || by < 0).then_some(at);
    }
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
