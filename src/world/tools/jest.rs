//! `jest --json`: tests, file by file.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::outcomes::{Failed, line_in};
use super::report::{ReadError, Tally};

pub(super) const EXITS: Exits = Exits { program: "jest", well: &[0], findings: &[1], broken: &[1] };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(default, borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    assertion_results: Vec<Assertion<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assertion<'a> {
    #[serde(borrow)]
    full_name: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(default, borrow)]
    failure_messages: Option<Vec<Text<'a>>>,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("jest");
    tally.tests();
    let (mut listed, mut failed) = (false, None);
    let known = &["numFailedTests", "wasInterrupted", "testResults"];
    json.object(known, |json, key| match key {
        "numFailedTests" => {
            failed = Some(json.owned::<u64>()?);
            Ok(())
        }
        "wasInterrupted" => {
            if json.owned::<bool>()? {
                tally.crashed = Some("Jest was interrupted".into());
            }
            Ok(())
        }
        _ => {
            listed = true;
            each!(json, file: File<'_> => take(&file, tally))
        }
    })?;
    let Some(failed) = failed.filter(|_| listed) else {
        return Err(json.damaged("it is no report of Jest: it lists no test results"));
    };
    tally.counted(failed);
    tally.tests_over("test", "tests");
    Ok(())
}

fn take(file: &File<'_>, tally: &mut Tally<'_>) {
    let mut failed = false;
    for test in &file.assertion_results {
        match test.status.as_str() {
            "passed" => tally.test_passed(),
            "failed" => {
                failed = true;
                let messages = test.failure_messages.iter().flatten().next();
                let why = messages.map_or("", Text::as_str);
                tally.test_failed(&Failed {
                    name: &test.full_name,
                    rule: "test",
                    path: &file.name,
                    line: line_in(why, &file.name),
                    word: &test.status,
                    why,
                    ..Failed::default()
                });
            }
            // Pending, skipped, todo, disabled, focused elsewhere.
            _ => tally.test_skipped(),
        }
    }
    if &*file.status == "failed" && !failed {
        // A file that broke before its first test counts as one.
        let name = file.name.rsplit('/').next().unwrap_or_default();
        let mut why = file.message.lines().map(str::trim);
        let why = why.find(|line| !line.is_empty() && !line.starts_with('●'));
        tally.test_failed(&Failed {
            name,
            rule: "suite",
            path: &file.name,
            word: "broken suite",
            why: why.unwrap_or("it broke before its first test"),
            ..Failed::default()
        });
    }
}
