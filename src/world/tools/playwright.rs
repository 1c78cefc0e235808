//! `playwright test --reporter json`: tests in a browser, with what was kept of their failures.
//!
//! Where there is no browser every test fails, and none has tested anything.

use serde::Deserialize;

use super::formats::Exits;
use super::json::{Json, Text, each};
use super::outcomes::{Failed, plain};
use super::report::{ReadError, Tally, relative};
use crate::release::Severity;

pub(super) const EXITS: Exits =
    Exits { program: "playwright", well: &[0], findings: &[1], broken: &[1, 130] };

/// Suites within suites: describe blocks in files.
const DEPTH_MAX: u32 = 64;

#[derive(Deserialize)]
struct Spec<'a> {
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(default, borrow)]
    file: Text<'a>,
    #[serde(default)]
    line: Option<u64>,
    #[serde(borrow)]
    tests: Vec<Test<'a>>,
}

/// A spec in one of the projects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test<'a> {
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(default, borrow)]
    project_name: Text<'a>,
    /// One for each try.
    #[serde(default, borrow)]
    results: Vec<Try<'a>>,
}

#[derive(Deserialize)]
struct Try<'a> {
    #[serde(default, borrow)]
    error: Option<Why<'a>>,
    #[serde(default, borrow)]
    attachments: Option<Vec<Attachment<'a>>>,
}

#[derive(Deserialize)]
struct Why<'a> {
    #[serde(default, borrow)]
    message: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attachment<'a> {
    #[serde(default, borrow)]
    content_type: Text<'a>,
    #[serde(default, borrow)]
    path: Text<'a>,
}

#[derive(Deserialize)]
struct Stats {
    unexpected: u64,
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("playwright");
    tally.tests();
    let (mut stats, mut suites, mut launched) = (None, false, false);
    let mut ended = None;
    json.object(&["suites", "errors", "stats"], |json, key| match key {
        "suites" => {
            suites = true;
            json.list(|json| read_suite(json, "", 0, tally, &mut launched))
        }
        "errors" => each!(json, why: Why<'_> => {
            ended.get_or_insert_with(|| first_line(&why.message));
        }),
        _ => {
            stats = Some(json.owned::<Stats>()?);
            Ok(())
        }
    })?;
    let Some(stats) = stats.filter(|_| suites) else {
        return Err(json.damaged("it is no report of Playwright: it lacks suites or stats"));
    };
    match ended {
        Some(why) if why.contains("No tests found") => tally.not_scanned = Some(why),
        Some(why) => tally.crashed = Some(why),
        None => {}
    }
    let counts = *tally.tests();
    if counts.failed > 0 && counts.passed == 0 && !launched {
        tally.crashed.get_or_insert("the browser could not be launched".into());
    }
    tally.counted(stats.unexpected);
    tally.tests_over("test", "tests");
    Ok(())
}

fn first_line(message: &str) -> String {
    plain(message).lines().next().unwrap_or_default().to_owned()
}

fn read_suite(
    json: &mut Json<'_>,
    outer: &str,
    depth: u32,
    tally: &mut Tally<'_>,
    launched: &mut bool,
) -> Result<(), ReadError> {
    if depth > DEPTH_MAX {
        return Err(json.damaged(&format!("its suites are nested deeper than {DEPTH_MAX}")));
    }
    let mut title = String::new();
    json.object(&["title", "specs", "suites"], |json, key| match key {
        "title" => {
            title = json.owned()?;
            // The outermost suite is the file.
            if depth == 0 {
                title.clear();
            } else if !outer.is_empty() {
                title = format!("{outer} › {title}");
            }
            Ok(())
        }
        "specs" => each!(json, spec: Spec<'_> => {
            for test in &spec.tests {
                take(&spec, test, &title, tally, launched);
            }
        }),
        _ => json.list(|json| read_suite(json, &title, depth + 1, tally, launched)),
    })
}

fn take(spec: &Spec<'_>, test: &Test<'_>, suite: &str, tally: &mut Tally<'_>, launched: &mut bool) {
    let word = test.status.as_str();
    match word {
        "expected" => return tally.test_passed(),
        "skipped" => return tally.test_skipped(),
        _ => {}
    }
    let errors = test.results.iter().filter_map(|result| result.error.as_ref());
    let why = errors.map(|error| error.message.as_str()).find(|why| !why.is_empty());
    let why = why.unwrap_or_default();
    *launched |= !why.contains("browserType.launch");
    let mut name = match suite {
        "" => spec.title.to_string(),
        suite => format!("{suite} › {}", &*spec.title),
    };
    if !test.project_name.is_empty() {
        name = format!("[{}] {name}", &*test.project_name);
    }
    let kept = || test.results.iter().filter_map(|result| result.attachments.as_ref()).flatten();
    let shot = kept().find(|kept| kept.content_type.starts_with("image/"));
    let kept = shot.or_else(|| kept().find(|kept| !kept.path.is_empty()));
    let failed = Failed {
        name: &name,
        rule: "test",
        path: &spec.file,
        line: spec.line,
        word,
        why,
        evidence: kept.map_or("", |kept| relative(&kept.path, tally.origin.root)),
    };
    // A flaky test passed in the end.
    if word == "flaky" {
        tally.trouble(&failed, Severity::Medium);
        tally.test_passed();
    } else {
        tally.test_failed(&failed);
    }
}
