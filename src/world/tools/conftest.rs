//! `conftest test … --output json`: broken policies.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural, severity};
use crate::release::finding::FindingKind;

/// 2 is for failures with `--fail-on-warn`, where 1 is for warnings; 1 is for its own too.
pub(super) const EXITS: Exits =
    Exits { program: "conftest", well: &[0], findings: &[1, 2], broken: &[1] };

#[derive(Deserialize)]
struct Tested<'a> {
    #[serde(borrow)]
    filename: Text<'a>,
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(default)]
    successes: u64,
    #[serde(default, borrow)]
    failures: Vec<Broken<'a>>,
    #[serde(default, borrow)]
    warnings: Vec<Broken<'a>>,
    #[serde(default, borrow)]
    exceptions: Vec<Broken<'a>>,
}

#[derive(Deserialize)]
struct Broken<'a> {
    #[serde(borrow)]
    msg: Text<'a>,
    #[serde(default, borrow)]
    metadata: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(default, borrow)]
    query: Text<'a>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("conftest");
    let (mut files, mut tests) = (0, 0_u64);
    each!(json, tested: Tested<'_> => {
        files += 1;
        tests = tests.saturating_add(take(&tested, tally));
    })?;
    tally.covered = tests;
    tally.coverage =
        format!("{} of {}", plural(tests, "test", "tests"), plural(files, "file", "files"));
    if tests == 0 {
        tally.not_scanned = Some("no policy was tested: no file, or no rule for any".into());
    }
    Ok(())
}

/// How many rules were tested.
fn take(tested: &Tested<'_>, tally: &mut Tally<'_>) -> u64 {
    for (word, all) in [("error", &tested.failures), ("warning", &tested.warnings)] {
        for broken in all {
            let query = broken.metadata.as_ref().map_or("", |metadata| metadata.query.as_str());
            let rule = query.strip_prefix("data.").unwrap_or(query);
            tally.add(Found {
                kind: FindingKind::Misconfiguration,
                rule: if rule.is_empty() { &tested.namespace } else { rule },
                severity: severity(word),
                original: word,
                title: &broken.msg,
                path: &tested.filename,
                identity: &broken.msg,
                ..Found::default()
            });
        }
    }
    let broken = tested.failures.len() + tested.warnings.len() + tested.exceptions.len();
    tested.successes.saturating_add(broken as u64)
}
