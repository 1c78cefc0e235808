//! `semgrep … --json`: weaknesses in code.
//!
//! Without `--error` it exits with 0 whatever it found; with `--strict`, which a plan should give
//! it, 3 where a file was parsed in part only. What was not parsed is never clean:
//!
//! - A warning about a file (a syntax error, part of it not parsed, a rule that ran out of time or
//!   memory on it, too many matches) leaves that file without a whole scan, whatever its level.
//!   Findings of the rest stay, and count.
//! - With `--verbose` it lists what it left out. What the project or the command line chose to
//!   leave out is counted; what Semgrep chose itself (too large, unreadable, a fault of its own)
//!   was not scanned. Who does not want such a file scanned says so in `.semgrepignore`.
//! - A rule that this Semgrep cannot run at all (too new for it, or for a language that needs an
//!   extension) is told with level `info` in every scan whose rules hold one, whether or not a
//!   file is of that language. No file goes unparsed for it, so that it is counted only.
//! - A rule may take a part of a file for another language, a step of a pipeline for Bash, and not
//!   be able to parse it ("When parsing a snippet as Bash for metavariable-pattern in rule …"): the
//!   file was parsed, so that this counts as a rule that was not run.
//! - A file that holds no word that a rule looks for is never parsed, so whether it would parse
//!   stands nowhere, whatever the options (measured with 1.150: `--strict`, `--verbose`, `--time`,
//!   `--optimizations none`). Beside files that were parsed such a file counts as scanned, as none
//!   of the rules could fit it; where all are such, nothing was parsed. A rule without a word, made
//!   of `pattern: $X` and `pattern-not: $X`, finds nothing and makes it parse every file. Neither
//!   the paid engine nor a report without `time`, as older ones are, counts the rules that were
//!   tried.
//!
//! SARIF tells the warnings too, but neither the files nor whether any was parsed.

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
    /// A word, or a list that begins with it.
    #[serde(rename = "type")]
    kind: serde_json::Value,
    #[serde(borrow)]
    level: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    long_msg: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
}

impl Trouble<'_> {
    fn kind(&self) -> &str {
        let word = self.kind.as_str().or_else(|| self.kind.get(0)?.as_str());
        word.unwrap_or("")
    }
}

#[derive(Deserialize)]
struct Skipped<'a> {
    #[serde(borrow)]
    path: Text<'a>,
    #[serde(default, borrow)]
    reason: Text<'a>,
}

/// Why the project, the command line or the sort of a file keeps it from being scanned.
const CHOSEN: [&str; 11] = [
    "always_skipped",
    "semgrepignore_patterns_match",
    "gitignore_patterns_match",
    "cli_include_flags_do_not_match",
    "cli_exclude_flags_match",
    "excluded_by_config",
    "wrong_language",
    "irrelevant_rule",
    "minified",
    "binary",
    "dotfile",
];

/// How many names of rules' files are kept.
const RULE_FILES_MAX: usize = 1000;
/// How many names of files are kept.
const NAMED_MAX: usize = 3;

/// What was looked at, and what was not.
#[derive(Default)]
struct Seen {
    results: bool,
    paths: bool,
    files: u64,
    ignored: u64,
    /// Files that somebody chose to leave out.
    left_out: u64,
    rules_not_run: u64,
    /// Files of rules that did not run: they stand among what could not be parsed.
    rule_files: Vec<String>,
    /// Files that were not scanned in whole, a few of them, and why the first was not.
    cut: Vec<String>,
    more: bool,
    why: Option<String>,
    /// How many pairs of a file and a rule had a word in common, of all.
    selected: Option<f64>,
}

impl Seen {
    fn cut(&mut self, path: &str, why: &str) {
        self.why.get_or_insert_with(|| why.to_owned());
        if path.is_empty() || self.cut.iter().any(|one| one == path) {
            return;
        }
        if self.cut.len() < NAMED_MAX {
            self.cut.push(path.to_owned());
        } else {
            self.more = true;
        }
    }

    /// The files that were not scanned in whole, and why.
    fn not_scanned(&self) -> Option<String> {
        let why = self.why.as_ref()?;
        if self.cut.is_empty() {
            return Some(why.clone());
        }
        let others = if self.more { " and others" } else { "" };
        Some(format!("not parsed or scanned in whole: {}{others}: {why}", self.cut.join(", ")))
    }

    fn coverage(&self) -> String {
        let mut words = vec![plural(self.files, "file", "files")];
        if self.why.is_some() {
            words.push("some not in whole".into());
        }
        if self.unparsed() {
            words.push("none with a word of the rules".into());
        }
        if self.left_out > 0 {
            words.push(format!("{} left out", self.left_out));
        }
        if self.rules_not_run > 0 {
            words.push(format!("{} not run", plural(self.rules_not_run, "rule", "rules")));
        }
        if self.ignored > 0 {
            let many = "findings ignored there";
            words.push(plural(self.ignored, "finding ignored in the source", many));
        }
        words.join(", ")
    }

    /// Whether no rule had a word in common with any file.
    fn unparsed(&self) -> bool {
        self.files > 0 && self.selected == Some(0.0)
    }
}

pub(super) fn read(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    tally.named("semgrep");
    let mut seen = Seen::default();
    json.object(&["results", "errors", "paths", "time"], |json, key| match key {
        "results" => {
            seen.results = true;
            each!(json, hit: Hit<'_> => seen.ignored += u64::from(!add(&hit, tally)))
        }
        "errors" => each!(json, trouble: Trouble<'_> => note(&trouble, tally, &mut seen)),
        "time" if json.peek()? == Some(b'{') => json.object(&["prefiltering"], |json, _| {
            let told = json.owned::<serde_json::Value>()?;
            let ratio = |key: &str| told[key].as_f64();
            // Where no rule looks for words at all, or nobody counted, every ratio is 0.
            let counted = ratio("rules_with_file_prefilters_ratio").is_some_and(|of| of > 0.0);
            seen.selected = ratio("rules_selected_ratio").filter(|_| counted);
            Ok(())
        }),
        "time" => json.skip(),
        _ => read_paths(json, &mut seen),
    })?;
    if !seen.results || !seen.paths {
        return Err(json.damaged("it is no report of Semgrep: it names no results, or no paths"));
    }
    tally.covered = seen.files;
    tally.coverage = seen.coverage();
    let why = seen.not_scanned().or_else(|| {
        let nothing = seen.files == 0;
        nothing.then(|| "Semgrep scanned no file".to_owned())
    });
    let why = why.or_else(|| {
        let words = "no file holds a word of the rules, so that Semgrep parsed none: one that does \
                     not parse looks like this too";
        (seen.unparsed() && tally.found() == 0).then(|| words.to_owned())
    });
    if let Some(why) = why {
        tally.not_scanned.get_or_insert(why);
    }
    Ok(())
}

fn read_paths(json: &mut Json<'_>, seen: &mut Seen) -> Result<(), ReadError> {
    seen.paths = true;
    json.object(&["scanned", "skipped"], |json, key| match key {
        "scanned" => json.list(|json| {
            seen.files += 1;
            json.skip()
        }),
        _ => each!(json, file: Skipped<'_> => skip(&file, seen)),
    })
}

fn skip(file: &Skipped<'_>, seen: &mut Seen) {
    let (path, reason) = (file.path.as_str(), file.reason.as_str());
    if CHOSEN.contains(&reason) {
        seen.left_out += 1;
    } else if !seen.rule_files.iter().any(|rules| rules == path) {
        seen.cut(path, &format!("skipped: {}", reason.replace('_', " ")));
    }
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
    tally.add(Found {
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

/// Whether a trouble keeps a rule from running, here or at all, and no file from being parsed.
pub(super) fn is_of_rule(kind: &str, said: &str) -> bool {
    matches!(kind, "IncompatibleRule" | "Incompatible rule" | "Missing plugin")
        || said.contains("When parsing a snippet as ")
}

/// An error ends the scan; a warning leaves a file, or a part of it, without one.
fn note(trouble: &Trouble<'_>, tally: &mut Tally<'_>, seen: &mut Seen) {
    let said = [&trouble.long_msg, &trouble.message].into_iter().find(|text| !text.is_empty());
    let said = said.map_or("an error without a word", Text::as_str);
    // It quotes the source, line ends and all.
    let said = &said.split_whitespace().collect::<Vec<_>>().join(" ");
    let path = trouble.path.as_str();
    if &*trouble.level == "error" {
        let why = if path.is_empty() { said.clone() } else { format!("{path}: {said}") };
        tally.crashed.get_or_insert(why);
    } else if is_of_rule(trouble.kind(), said) {
        seen.rules_not_run += 1;
        if seen.rule_files.len() < RULE_FILES_MAX {
            seen.rule_files.push(path.to_owned());
        }
    } else {
        seen.cut(path, said);
    }
}
