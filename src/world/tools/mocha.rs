//! `mocha --reporter json`: tests. It exits with the number of those that failed.

use serde::Deserialize;

use super::json::{Json, Text, each};
use super::outcomes::{Failed, line_in};
use super::report::{ReadError, Tally};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Broken<'a> {
    #[serde(borrow)]
    full_title: Text<'a>,
    #[serde(default, borrow)]
    file: Text<'a>,
    #[serde(borrow)]
    err: Why<'a>,
}

#[derive(Deserialize)]
struct Why<'a> {
    #[serde(default, borrow)]
    message: Text<'a>,
    #[serde(default, borrow)]
    stack: Text<'a>,
}

#[derive(Deserialize)]
struct Stats {
    failures: u64,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("mocha");
    tally.tests();
    let mut seen = [None; 4];
    json.object(&["stats", "pending", "failures", "passes"], |json, key| match key {
        "stats" => {
            seen[0] = Some(json.owned::<Stats>()?.failures);
            Ok(())
        }
        "failures" => {
            seen[1] = Some(0);
            each!(json, broken: Broken<'_> => tally.test_failed(&Failed {
                name: &broken.full_title,
                rule: "test",
                path: &broken.file,
                line: line_in(&broken.err.stack, &broken.file),
                word: "failed",
                why: &broken.err.message,
                ..Failed::default()
            }))
        }
        key => {
            let passed = key == "passes";
            seen[if passed { 2 } else { 3 }] = Some(0);
            json.list(|json| {
                if passed {
                    tally.test_passed();
                } else {
                    tally.test_skipped();
                }
                json.skip()
            })
        }
    })?;
    let [Some(failed), Some(_), Some(_), Some(_)] = seen else {
        return Err(json.damaged("it is no report of Mocha: it lacks stats or a list of tests"));
    };
    tally.counted(failed);
    tally.tests_over("test", "tests");
    Ok(())
}
