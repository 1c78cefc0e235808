//! `kubesec scan`: a score for each object, and what would raise it.
//!
//! For a missing file or a broken one it prints a sentence instead of JSON. An object whose kind it
//! does not know is valid with a score of 0: it was not looked at. One that does not validate, for
//! lack of a schema too, was not rated.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::report::{Found, ReadError, Tally, plural};
use crate::release::Severity;
use crate::release::finding::{FindingKind, Measure};

/// 2 is for a bad score and for an object that is not valid.
pub(super) const EXITS: Exits =
    Exits { program: "kubesec", well: &[0], findings: &[2], broken: &[1] };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rated<'a> {
    #[serde(borrow)]
    object: Text<'a>,
    valid: bool,
    #[serde(default, borrow)]
    file_name: Text<'a>,
    #[serde(default, borrow)]
    message: Text<'a>,
    score: i64,
    #[serde(borrow)]
    scoring: Scoring<'a>,
}

#[derive(Deserialize)]
struct Scoring<'a> {
    #[serde(default, borrow)]
    critical: Option<Vec<Rule<'a>>>,
    #[serde(default, borrow)]
    advise: Option<Vec<Rule<'a>>>,
    #[serde(default, borrow)]
    passed: Option<Vec<Rule<'a>>>,
}

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default, borrow)]
    selector: Text<'a>,
    #[serde(default, borrow)]
    reason: Text<'a>,
}

/// What was rated so far.
#[derive(Default)]
struct Seen {
    objects: u64,
    unknown: u64,
    lowest: Option<i64>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("kubesec");
    let mut seen = Seen::default();
    each!(json, rated: Rated<'_> => take(&rated, tally, &mut seen))?;
    tally.covered = seen.objects;
    tally.coverage = plural(seen.objects, "object", "objects");
    if seen.unknown > 0 {
        tally.coverage = format!("{}, {} of a kind it does not rate", tally.coverage, seen.unknown);
    }
    if let Some(lowest) = seen.lowest {
        #[expect(clippy::cast_precision_loss, reason = "scores have two or three digits")]
        tally.measure(Measure::Score, lowest as f64);
    }
    Ok(())
}

fn take(rated: &Rated<'_>, tally: &mut Tally<'_>, seen: &mut Seen) {
    let said = rated.message.as_str();
    if !rated.valid {
        tally.not_scanned.get_or_insert(format!("{} was not rated: {said}", &*rated.object));
        return;
    }
    let Scoring { critical, advise, passed } = &rated.scoring;
    if critical.is_none() && advise.is_none() && passed.is_none() {
        seen.unknown += 1;
        return;
    }
    seen.objects += 1;
    seen.lowest = Some(seen.lowest.map_or(rated.score, |lowest| lowest.min(rated.score)));
    let groups = [("critical", Severity::Critical, critical), ("advise", Severity::Low, advise)];
    for (word, severity, rules) in groups {
        for rule in rules.iter().flatten() {
            tally.add(Found {
                kind: FindingKind::Misconfiguration,
                rule: &rule.id,
                severity,
                original: word,
                title: rule.reason.as_str(),
                path: rated.file_name.as_str(),
                resource: &rated.object,
                evidence: rule.selector.as_str(),
                ..Found::default()
            });
        }
    }
}
