//! `gonogo verify RELEASE`: the chain, the sums and the invariants of a journal, offline.

use std::io::Write;

use color_eyre::eyre::Report;

use super::records;
use crate::error::Exit;
use crate::journal::{Disk, Library, Verification, verify as verify_chain};
use crate::release::{Clean, Record};
use crate::report::audit::{audit, verdicts};
use crate::report::summary::write_lines;
use crate::report::words::{bytes, plural};

/// Verifies the release that `which` names; without a name the newest. The exit is a no-go when
/// the chain, a sum or an invariant is broken, and unreachable when records are of a newer form.
pub fn verify(library: &Library, which: Option<&str>, out: &mut dyn Write) -> Result<Exit, Report> {
    let id = records::name(library, which)?;
    let chain = verify_chain(&Disk::real(), &library.folder(&id), &[])?;
    let found = records::read(library, Some(id.as_str()))?;
    let first_foreign = found.repair.foreign.iter().map(|foreign| foreign.seq).min();
    let known: Vec<Record> = found
        .records
        .into_iter()
        .take_while(|record| first_foreign.is_none_or(|seq| record.seq < seq))
        .collect();
    let breaches = audit(&known);
    let mut lines = vec![Clean::new(&format!("release {id}"))];
    lines.extend(of_chain(&chain));
    lines.extend(verdicts(&breaches));
    if let Some(seq) = first_foreign {
        let what = format!("  NOT LOOKED AT: records from {seq} on, of a newer gonogo");
        lines.push(Clean::new(&what));
    }
    let (exit, verdict) = if !chain.holds() || !breaches.is_empty() {
        (Exit::NoGo, "NOT VERIFIED: do not trust this journal beyond the first breach")
    } else if first_foreign.is_some() {
        (Exit::Unreachable, "NOT VERIFIED: a newer gonogo must look at the rest")
    } else {
        (Exit::Released, "verified")
    };
    lines.push(Clean::new(verdict));
    write_lines(out, &lines)?;
    Ok(exit)
}

fn of_chain(chain: &Verification) -> Vec<Clean> {
    let mut lines = Vec::new();
    let (records, size) = (plural(chain.records, "record"), bytes(chain.bytes));
    let head = chain
        .head
        .as_ref()
        .map_or(String::new(), |head| format!(", head record {} {}", head.seq, head.digest));
    let holds = if chain.damage.is_some() { "BROKEN" } else { "holds" };
    lines
        .push(format!("  chain  {holds}: {records} verified, {size}, epoch {}{head}", chain.epoch));
    lines.extend(chain.damage.as_ref().map(|damage| format!("  chain  {damage}")));
    lines.extend(chain.torn.map(|torn| {
        format!("  tail   {} of a last record that was never acknowledged", bytes(torn))
    }));
    lines.extend(chain.missing.iter().map(|head| {
        format!("  chain  MISSING: record {} {}, which others vouch for", head.seq, head.digest)
    }));
    lines.iter().map(|line| Clean::new(line)).collect()
}
