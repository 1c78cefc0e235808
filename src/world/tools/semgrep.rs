//! `semgrep … --json`: weaknesses in code.
//!
//! Without `--error` it exits with 0 whatever it found; with `--strict`, which a plan should give
//! it, 3 where a file was parsed in part only. A file that holds no word that a rule looks for is
//! never parsed, so whether it would parse stands nowhere, whatever the options (measured with
//! 1.150: `--strict`, `--verbose`, `--time`, `--optimizations none`). Such a file counts as
//! scanned, as none of the rules could fit it; where all are such, the coverage says so.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural, severity};
use crate::release::finding::FindingKind;

pub(super) const EXITS: Exits =
    Exits { program: "semgrep", well: &[0], findings: &[1], broken: &[2, 3, 4, 5, 6, 7, 8, 13] };

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow)]
    check_id: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
    start: Start,
    #[serde(borrow)]
    extra: Extra<'a>,
}

#[derive(Deserialize)]
struct Start {
    line: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra<'a> {
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    fingerprint: Text<'a>,
    #[serde(borrow)]
    lines: Text<'a>,
    #[serde(borrow)]
    fix: Text<'a>,
    is_ignored: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Trouble<'a> {
    #[serde(borrow)]
    level: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    long_msg: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("semgrep");
    let (mut results, mut paths) = (false, false);
    let (mut files, mut ignored) = (0_u64, 0_u64);
    let mut selected = None;
    json.object(&["results", "errors", "paths", "time"], |json, key| match key {
        "results" => {
            results = true;
            each!(json, hit: Hit<'_> => ignored += u64::from(!add(&hit, tally)))
        }
        "errors" => each!(json, trouble: Trouble<'_> => note(&trouble, tally)),
        "time" if json.peek()? == Some(b'{') => json.object(&["prefiltering"], |json, _| {
            let share = json.owned::<serde_json::Value>()?["rules_selected_ratio"].as_f64();
            selected = share;
            Ok(())
        }),
        "time" => json.skip(),
        _ => {
            paths = true;
            json.object(&["scanned"], |json, _| {
                json.list(|json| {
                    files += 1;
                    json.skip()
                })
            })
        }
    })?;
    if !results || !paths {
        return Err(json.damaged("it is no report of Semgrep: it names no results, or no paths"));
    }
    tally.covered = files;
    tally.coverage = plural(files, "file", "files");
    if files > 0 && selected == Some(0.0) {
        tally.coverage.push_str(", none with a word of the rules");
    }
    if ignored > 0 {
        let words = plural(ignored, "finding ignored in the source", "findings ignored there");
        tally.coverage = format!("{}, {words}", tally.coverage);
    }
    if files == 0 {
        tally.not_scanned.get_or_insert("Semgrep scanned no file".into());
    }
    Ok(())
}

/// Whether the hit counts: a `nosemgrep` comment takes it out.
fn add(hit: &Hit<'_>, tally: &mut Tally<'_>) -> bool {
    let extra = &hit.extra;
    if extra.is_ignored == Some(true) {
        return false;
    }
    // Both are withheld from whoever did not log in.
    let given = |text: &'_ Text<'_>| !matches!(text.as_str(), "" | "requires login");
    let own = [&extra.fingerprint, &extra.lines, &extra.message];
    let identity = own.into_iter().find(|text| given(text)).map_or("", Text::as_str);
    tally.add(&Found {
        kind: FindingKind::Code,
        rule: &hit.check_id,
        severity: severity(&extra.severity),
        original: &extra.severity,
        title: &extra.message,
        path: &hit.path,
        line: Some(hit.start.line),
        fix: &extra.fix,
        evidence: if given(&extra.lines) { &extra.lines } else { "" },
        identity,
        ..Found::default()
    });
    true
}

/// An error ends the scan; a warning leaves a file, or a part of it, without one.
fn note(trouble: &Trouble<'_>, tally: &mut Tally<'_>) {
    let said = [&trouble.long_msg, &trouble.message].into_iter().find(|text| !text.is_empty());
    let said = said.map_or("an error without a word", Text::as_str);
    let why = match trouble.path.as_str() {
        "" => said.to_owned(),
        path => format!("{path}: {said}"),
    };
    let of = if &*trouble.level == "error" { &mut tally.crashed } else { &mut tally.not_scanned };
    of.get_or_insert(why);
}
