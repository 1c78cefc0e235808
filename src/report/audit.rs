//! The invariants, checked over a finished journal: what the engine promised, looked at again by
//! nobody who was there. The rules are the core's own, which the engine keeps while it drives.

use super::words::utc;
use crate::release::{Clean, INVARIANTS, Record, Release, broken};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its id in the reliability papers: `I10`.
    pub invariant: &'static str,
    pub seq: u64,
    pub what: Clean,
}

/// Every breach in a release's records, oldest first.
pub fn audit(records: &[Record]) -> Vec<Breach> {
    let Some(first) = records.first() else { return Vec::new() };
    let mut release = Release::new(first.release.clone());
    let mut breaches = Vec::new();
    for record in records {
        for (invariant, what) in broken(&release, record) {
            let at = utc(record.at_wall);
            let what = Clean::new(&format!("{what} (at {at}, by {})", record.by.person));
            breaches.push(Breach { invariant, seq: record.seq.0, what });
        }
        release.apply(record);
    }
    breaches
}

/// A line for each invariant: that it holds, or every record at which it does not.
pub fn verdicts(breaches: &[Breach]) -> Vec<Clean> {
    let mut lines = Vec::new();
    for (invariant, says) in INVARIANTS {
        let mut broken = breaches.iter().filter(|breach| breach.invariant == invariant).peekable();
        if broken.peek().is_none() {
            lines.push(Clean::new(&format!("  {invariant:<6} holds: {says}")));
        }
        for Breach { seq, what, .. } in broken {
            lines.push(Clean::new(&format!("  {invariant:<6} BROKEN at record {seq}: {what}")));
        }
    }
    lines
}
