//! `hadolint --format json`: faults in Dockerfiles.
//!
//! An empty list is a clean file only where hadolint is known to have exited with 0: it names no
//! file that it found nothing in, and reports a missing one elsewhere.

use std::collections::HashSet;

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural, severity};
use crate::release::finding::FindingKind;

pub(super) const EXITS: Exits =
    Exits { program: "hadolint", well: &[0], findings: &[1], broken: &[1] };

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow)]
    code: Text<'a>,
    #[serde(borrow)]
    file: Text<'a>,
    #[serde(borrow)]
    level: Text<'a>,
    line: u64,
    #[serde(borrow)]
    message: Text<'a>,
}

/// The code of a file that does not parse.
const NOT_PARSED: &str = "DL1000";

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("hadolint");
    let mut files = HashSet::new();
    each!(json, hit: Hit<'_> => {
        if !files.contains(hit.file.as_str()) {
            files.insert(hit.file.to_string());
        }
        add(&hit, tally);
    })?;
    let count = files.len() as u64;
    tally.covered = count;
    tally.coverage = format!("{} with findings", plural(count, "file", "files"));
    if count == 0 && tally.origin.exit == Some(0) {
        tally.covered = 1;
        tally.coverage = "the files that it was given".into();
    } else if count == 0 {
        let why = "an empty list does not say which files were read, nor that any was";
        tally.not_scanned = Some(why.into());
    }
    Ok(())
}

fn add(hit: &Hit<'_>, tally: &mut Tally<'_>) {
    let said = hit.message.lines().next().unwrap_or_default();
    if &*hit.code == NOT_PARSED {
        let why = format!("{}:{} does not parse: {said}", &*hit.file, hit.line);
        tally.not_scanned.get_or_insert(why);
    }
    tally.add(Found {
        kind: FindingKind::Misconfiguration,
        rule: &hit.code,
        severity: severity(&hit.level),
        original: &hit.level,
        title: said,
        path: &hit.file,
        line: Some(hit.line),
        identity: &hit.message,
        ..Found::default()
    });
}
