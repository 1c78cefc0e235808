//! `gonogo findings`: reads reports outside of any release.

use std::io::Write;
use std::path::PathBuf;

use color_eyre::eyre::Report;

use crate::error::{Exit, Failure};
use crate::release::{Clean, ReportFormat, ReportState, Severity};
use crate::report::findings::{Form, Reviewed, json, markdown, sarif, table};
use crate::report::summary::write_lines;
use crate::world::tools::{Origin, read_file};

/// What to read, how to print it, and what is too bad.
pub struct Ask {
    pub files: Vec<PathBuf>,
    /// The format as a plan names it, where the beginnings do not tell.
    pub read_as: Option<String>,
    pub fail_on: Option<Severity>,
    pub form: Form,
}

/// Reads all reports and prints them. Fails when the format is none or `out` cannot be written.
pub fn findings(ask: &Ask, out: &mut dyn Write) -> Result<Exit, Report> {
    let format = ask.read_as.as_deref().map(named).transpose()?;
    let mut unreadable = false;
    let mut all = Vec::new();
    for path in &ask.files {
        let file = Clean::new(&path.display().to_string());
        let tool = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let origin = Origin { tool: &tool, ..Origin::default() };
        all.push(match read_file(path, format, &origin) {
            Ok((summary, findings)) => Reviewed {
                file,
                tool: summary.tool,
                state: summary.state,
                coverage: summary.coverage,
                covered: summary.covered,
                tests: summary.tests,
                counts: summary.counts,
                measures: summary.measures,
                findings,
            },
            Err(error) => {
                unreadable = true;
                let reason = Clean::new(&format!("failed to {error}"));
                unread(file, reason)
            }
        });
    }
    match ask.form {
        Form::Table => write_lines(out, &table(&all))?,
        Form::Markdown => write_lines(out, &markdown(&all))?,
        Form::Json => writeln!(out, "{:#}", json(&all))?,
        Form::Sarif => writeln!(out, "{:#}", sarif(&all))?,
    }
    let fails = ask.fail_on.is_some_and(|limit| all.iter().any(|one| one.fails(limit)));
    Ok(match (unreadable, fails) {
        (true, _) => Exit::Unreachable,
        (false, true) => Exit::NoGo,
        (false, false) => Exit::Released,
    })
}

fn unread(file: Clean, reason: Clean) -> Reviewed {
    Reviewed {
        file,
        tool: Clean::default(),
        state: ReportState::Crashed { reason },
        coverage: Clean::default(),
        covered: 0,
        tests: None,
        counts: std::collections::BTreeMap::new(),
        measures: std::collections::BTreeMap::new(),
        findings: Vec::new(),
    }
}

fn named(name: &str) -> Result<ReportFormat, Failure> {
    serde_json::from_value(serde_json::Value::from(name)).map_err(|_| {
        let what = format!("failed to read reports as {name:?}: there is no such format");
        Failure::new(Exit::Usage, what).with_hint("`gonogo schema pipeline` lists the formats")
    })
}
