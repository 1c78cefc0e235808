//! NDJSON: the journal's own records, one a line, as they stand on disk.

use std::io;

use super::ends::{End, is_over};
use crate::engine::handle::Handle;
use crate::release::Record;

/// Writes a release's records from its first on, until it is over: its result is set and nothing
/// is owed, the link to its engine closed, or, with `stop_when_held`, an operator is needed.
/// Fails when `out` cannot be written.
pub async fn follow(
    handle: Handle,
    out: &mut dyn io::Write,
    stop_when_held: bool,
) -> io::Result<End> {
    let mut follower = handle.follow();
    loop {
        let records = follower.catch_up();
        for record in &records {
            write_record(out, record)?;
        }
        if !records.is_empty() {
            out.flush()?;
        }
        if is_over(follower.snapshot(), stop_when_held) {
            return Ok(End::of(follower.snapshot()));
        }
        follower.changed().await;
    }
}

/// One record as one line.
pub fn write_record(out: &mut dyn io::Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}
