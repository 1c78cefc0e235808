//! How much of the code the tests ran: lcov, Cobertura XML, and the summary of Jest and nyc.

use std::io::BufRead;

use serde::Deserialize;

use super::json::Json;
use super::lines::Lines;
use super::report::{ReadError, Tally, plural};
use super::xml::{Piece, walk};
use crate::release::finding::Measure;

/// What was covered, of how much.
#[derive(Clone, Copy, Default, Deserialize)]
struct Share {
    total: u64,
    covered: u64,
}

impl Share {
    fn add(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.covered = self.covered.saturating_add(other.covered);
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 lines")]
    fn percent(self) -> Option<f64> {
        (self.total > 0).then(|| 100.0 * self.covered as f64 / self.total as f64)
    }
}

fn finish(lines: Share, branches: Share, files: u64, tally: &mut Tally<'_>) -> Result<(), String> {
    if lines.covered > lines.total || branches.covered > branches.total {
        return Err("it says that more was covered than there is".into());
    }
    tally.covered = lines.total;
    let all = plural(lines.total, "line", "lines");
    tally.coverage = format!("{} of {all} covered", lines.covered);
    if files > 0 {
        tally.coverage = format!("{}, {}", tally.coverage, plural(files, "file", "files"));
    }
    let shares = [(Measure::LineCoveragePct, lines), (Measure::BranchCoveragePct, branches)];
    for (measure, share) in shares {
        if let Some(percent) = share.percent() {
            tally.measure(measure, percent);
        }
    }
    if lines.total == 0 {
        tally.not_scanned = Some("no line of code was looked at".into());
    }
    Ok(())
}

/// Reads lcov: `LF` and `LH` sum a file's lines up, `BRF` and `BRH` its branches.
pub(super) fn read_lcov(from: &mut dyn BufRead, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut text = Lines::new(tally.tool.clone(), from);
    let (mut lines, mut branches) = (Share::default(), Share::default());
    let (mut files, mut open, mut any) = (0, false, false);
    while let Some(line) = text.next()? {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let sum = match field {
            "LF" => Some(&mut lines.total),
            "LH" => Some(&mut lines.covered),
            "BRF" => Some(&mut branches.total),
            "BRH" => Some(&mut branches.covered),
            _ => None,
        };
        let known = match (field, open) {
            ("TN", false) => true,
            ("SF", false) => {
                (open, files) = (true, files + 1);
                true
            }
            ("end_of_record", true) => {
                open = false;
                true
            }
            ("TN" | "SF" | "end_of_record", _) => false,
            (field, open) => open && field.bytes().all(|byte| byte.is_ascii_uppercase()),
        };
        let number = value.parse::<u64>();
        let wrong = sum.is_some() && number.is_err();
        if let (Some(sum), Ok(number)) = (sum, number) {
            *sum = sum.saturating_add(number);
        }
        if !known || wrong {
            return Err(text.damaged(0, "it is not lcov: this line has no place here"));
        }
        any = true;
    }
    if !any {
        return Err(ReadError::Empty { tool: tally.tool.clone() });
    }
    if open || files == 0 {
        return Err(text.damaged(0, "it ends before lcov's \"end_of_record\""));
    }
    finish(lines, branches, files, tally).map_err(|what| text.damaged(0, &what))
}

/// Reads Cobertura: what the root sums up, or else the lines of its classes.
pub(super) fn read_cobertura(
    from: &mut dyn BufRead,
    tally: &mut Tally<'_>,
) -> Result<(), ReadError> {
    let tool = tally.tool.clone();
    let (mut declared, mut lines) = ([Share::default(); 2], Share::default());
    let (mut open, mut files) = (Vec::new(), 0);
    walk(&tool, from, &["coverage"], |piece| {
        match piece {
            Piece::Open(tag) => {
                if open.is_empty() {
                    if tag.attribute("line-rate")?.is_empty() {
                        return Err(tag.damaged("it is no Cobertura: it names no line-rate"));
                    }
                    for (share, name) in declared.iter_mut().zip(["lines", "branches"]) {
                        share.total = tag.number(&format!("{name}-valid"))?;
                        share.covered = tag.number(&format!("{name}-covered"))?;
                        if share.covered > share.total {
                            let what = "it says that more was covered than there is";
                            return Err(tag.damaged(what));
                        }
                    }
                }
                files += u64::from(tag.name() == "class");
                // The lines of a method stand among those of its class again.
                if tag.name() == "line" && !open.iter().any(|name| name == "method") {
                    let covered = u64::from(tag.number("hits")? > 0);
                    lines.add(Share { total: 1, covered });
                }
                open.push(tag.name().to_owned());
            }
            Piece::Close => {
                open.pop();
            }
            Piece::Text(_) => {}
        }
        Ok(())
    })?;
    let [own, branches] = declared;
    let lines = if own.total > 0 { own } else { lines };
    // Neither side of either share is larger than its whole.
    let _ = finish(lines, branches, files, tally);
    Ok(())
}

#[derive(Deserialize)]
struct Summary {
    lines: Share,
    branches: Share,
}

/// Reads the summary that Jest and nyc write: a total, and the same of every file.
pub(super) fn read_summary(json: &mut Json<'_>, tally: &mut Tally<'_>) -> Result<(), ReadError> {
    let mut total = None;
    let mut files = 0;
    json.entries(|json, key| {
        if key == "total" {
            total = Some(json.owned::<Summary>()?);
            return Ok(());
        }
        files += 1;
        json.skip()
    })?;
    let Some(Summary { lines, branches }) = total else {
        return Err(json.damaged("it is no summary of coverage: it holds no total"));
    };
    finish(lines, branches, files, tally).map_err(|what| json.damaged(&what))
}
