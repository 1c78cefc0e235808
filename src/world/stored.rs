//! The reports that steps left, masked, as they lie beside their logs.
//!
//! They are read again whenever their findings are wanted, so there is no second form of them to
//! be kept in step; and what is compared with an earlier release was read by the same gonogo, so
//! that a fingerprint which it makes in another way than the one before does not make all new.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use serde_json::Value;

use super::disk;
use super::tools::{self, Key, Origin};
use crate::release::finding::waiver::Waiver;
use crate::release::finding::weigh::{Weighed, weigh};
use crate::release::triage::{Status, diff};
use crate::release::{Clean, Finding, ReleaseId, StepId, Stored};

/// The masked copy of a report, beside the step's log.
pub const KEPT: &str = "report";
/// More findings of one report are not compared; nothing passes then.
const FINDINGS_MAX: usize = 500_000;
/// A larger report is not shown as it is.
const RAW_BYTES_MAX: u64 = 64 << 20;
/// How far apart a finding's rule and place may stand in its report, in lines.
const NEAR_LINES: usize = 60;

/// A report's findings, how each stands, and what of them counts.
#[derive(Clone, Debug)]
pub struct Triaged {
    pub findings: Arc<Vec<Finding>>,
    /// New or existing, for each.
    pub status: Vec<Status>,
    /// The place of the waiver that covers it, for each.
    pub waived: Vec<Option<usize>>,
    /// What serves now has and this report has not.
    pub fixed: Arc<Vec<Finding>>,
    pub weighed: Weighed,
}

/// What a report is read for.
pub struct Reading<'a> {
    /// The folder of the release's steps.
    pub steps: &'a Path,
    pub step: &'a StepId,
    pub stored: &'a Stored,
    /// The release that serves now.
    pub baseline: Option<&'a ReleaseId>,
    pub waivers: &'a [Waiver],
    pub today: Date,
}

/// Reads a step's report, compares it with that of the release that serves now, and weighs it.
///
/// # Errors
/// When the report cannot be read. A baseline that cannot be read is none, and says so.
pub fn triage(reading: &Reading<'_>) -> Result<Triaged, Clean> {
    let Reading { steps, step, stored, baseline, waivers, today } = *reading;
    let findings = findings(&steps.join(stored.key.to_string()), stored)?;
    let before = match baseline {
        None => Err(Clean::new("no release is known to serve: everything is new")),
        Some(release) => before(steps, release, step, stored),
    };
    let (mut all_new, mut fixed) = (None, Vec::new());
    let compared = before.as_deref().map(|before| diff(&findings, before));
    let (weighed, waived) =
        weigh(step, &findings, compared.as_ref().map_err(|why| *why), waivers, today);
    if let (Ok(compared), Ok(before)) = (&compared, &before) {
        fixed = compared.fixed.iter().filter_map(|at| before.get(*at).cloned()).collect();
        all_new = Some(compared.now.clone());
    }
    let status = all_new.unwrap_or_else(|| vec![Status::New; findings.len()]);
    let (findings, fixed) = (Arc::new(findings), Arc::new(fixed));
    Ok(Triaged { findings, status, waived, fixed, weighed })
}

/// The findings of the same step in the release that serves now.
fn before(
    steps: &Path,
    release: &ReleaseId,
    step: &StepId,
    stored: &Stored,
) -> Result<Vec<Finding>, Clean> {
    let releases = steps.parent().and_then(Path::parent);
    let steps = releases.unwrap_or(steps).join(release.as_str()).join("steps");
    let folder = newest_try(&steps, step).ok_or_else(|| {
        Clean::new(&format!("{release}, which serves now, left no report of {step}: all is new"))
    })?;
    let unread = |why: Clean| Clean::new(&format!("the baseline {release} is not known: {why}"));
    findings(&folder, stored).map_err(unread)
}

/// The folder of a step's last try that left a report.
fn newest_try(steps: &Path, step: &StepId) -> Option<PathBuf> {
    let tries = (1_u32..).map(|attempt| steps.join(format!("{step}.{attempt}")));
    tries.take_while(|folder| folder.is_dir()).filter(|folder| folder.join(KEPT).is_file()).last()
}

/// Every finding of a stored report, in its own order.
fn findings(folder: &Path, stored: &Stored) -> Result<Vec<Finding>, Clean> {
    let path = folder.join(KEPT);
    let failed = |why: String| Clean::new(&format!("failed to read {}: {why}", path.display()));
    let file = File::open(&path).map_err(|error| failed(error.to_string()))?;
    let root = folder.parent().and_then(Path::parent).map(|release| release.join("workspace"));
    // A kept report carries the identities of its secrets itself; any key reads them.
    let key = Key::new([0; 32]);
    let origin = Origin {
        tool: stored.tool.as_str(),
        exit: None,
        accepted: false,
        log: "",
        root: root.as_deref().and_then(Path::to_str).unwrap_or(""),
        key: Some(&key),
    };
    let mut all = Vec::new();
    let mut total = 0_usize;
    let mut each = |finding| {
        total += 1;
        if all.len() < FINDINGS_MAX {
            all.push(finding);
        }
    };
    let read = tools::stream(stored.format, &origin, &mut BufReader::new(file), &mut each);
    read.map_err(|error| Clean::new(&format!("failed to {error}")))?;
    if total > FINDINGS_MAX {
        return Err(failed(format!("{total} findings are more than {FINDINGS_MAX}")));
    }
    Ok(all)
}

/// A stored report in lines, and the line at which a finding stands, as far as that can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    pub lines: Vec<Clean>,
    pub at: usize,
}

/// Reads a stored report to be looked at, the JSON ones laid out in lines.
///
/// # Errors
/// When it cannot be read, or is too large to be laid out.
pub fn raw(steps: &Path, stored: &Stored, finding: &Finding) -> Result<Raw, Clean> {
    let path = steps.join(stored.key.to_string()).join(KEPT);
    let failed = |why: String| Clean::new(&format!("failed to show {}: {why}", path.display()));
    let bytes = disk::read(&path, RAW_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| failed("it is not there any more".to_owned()))?;
    let laid_out = serde_json::from_slice::<Value>(&bytes).ok();
    let laid_out = laid_out.and_then(|value| serde_json::to_string_pretty(&value).ok());
    let text = laid_out.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned());
    let lines: Vec<Clean> = text.lines().map(|line| Clean::new(line).cut(2000)).collect();
    let at = place_of(&lines, finding);
    Ok(Raw { lines, at })
}

/// The line that names the finding's rule with its place not far; else the first that names either.
fn place_of(lines: &[Clean], finding: &Finding) -> usize {
    let place = finding.location.as_str();
    let path = place.rsplit_once(':').map_or(place, |(path, _)| path);
    let number = place.rsplit_once(':').map_or("", |(_, number)| number);
    let has = |at: usize, text: &str| !text.is_empty() && lines[at].as_str().contains(text);
    let rule = finding.rule.as_str();
    let near = |at: usize, text: &str| {
        let around = at.saturating_sub(NEAR_LINES)..(at + NEAR_LINES).min(lines.len());
        around.into_iter().any(|at| has(at, text))
    };
    let named = |at: &usize| has(*at, rule);
    let mut all = 0..lines.len();
    all.clone()
        .find(|at| named(at) && near(*at, path) && near(*at, number))
        .or_else(|| all.clone().find(|at| named(at) && near(*at, path)))
        .or_else(|| all.clone().find(named))
        .or_else(|| all.find(|at| has(*at, path)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::finding::weigh::Named;
    use crate::release::{Attempt, EffectKey, ReportFormat, Severity};

    const SARIF: &str = include_str!("../../tests/fixtures/semgrep/findings.sarif");
    const CLEAN: &str = include_str!("../../tests/fixtures/gitleaks/clean.sarif");

    struct Rig {
        folder: tempfile::TempDir,
        step: StepId,
        stored: Stored,
    }

    impl Rig {
        fn new() -> Self {
            let step = StepId::new("code.semgrep").expect("an id");
            let stored = Stored {
                key: EffectKey::step(&step, Attempt(1)),
                format: ReportFormat::Sarif,
                tool: "semgrep".into(),
            };
            Self { folder: tempfile::tempdir().expect("a folder"), step, stored }
        }

        fn steps(&self, release: &str) -> PathBuf {
            self.folder.path().join(release).join("steps")
        }

        fn left(&self, release: &str, attempt: u32, report: &str) {
            let folder = self.steps(release).join(format!("{}.{attempt}", self.step));
            std::fs::create_dir_all(&folder).expect("made");
            std::fs::write(folder.join(KEPT), report).expect("written");
        }

        fn triage(&self, baseline: Option<&str>, waivers: &[Waiver]) -> Result<Triaged, Clean> {
            let baseline = baseline.map(|id| ReleaseId::new(id).expect("an id"));
            triage(&Reading {
                steps: &self.steps("r-2"),
                step: &self.step,
                stored: &self.stored,
                baseline: baseline.as_ref(),
                waivers,
                today: "2026-11-24".parse().expect("a day"),
            })
        }
    }

    fn new(triaged: &Triaged) -> u32 {
        triaged.weighed.new.values().sum()
    }

    #[test]
    fn new_is_what_the_newest_try_of_the_release_that_serves_did_not_have() {
        let rig = Rig::new();
        rig.left("r-2", 1, SARIF);
        let alone = rig.triage(None, &[]).expect("read");
        let count = u32::try_from(alone.findings.len()).expect("few");
        assert!(count > 0 && new(&alone) == count);
        assert!(alone.weighed.not_compared.as_str().contains("everything is new"));
        // Its baseline left nothing of this step.
        let silent = rig.triage(Some("r-1"), &[]).expect("read");
        assert!(silent.weighed.not_compared.as_str().contains("left no report of code.semgrep"));
        rig.left("r-1", 1, CLEAN);
        let after_clean = rig.triage(Some("r-1"), &[]).expect("read");
        assert_eq!((new(&after_clean), after_clean.weighed.fixed), (count, 0));
        assert!(after_clean.weighed.not_compared.is_empty());
        rig.left("r-1", 2, SARIF);
        let after_same = rig.triage(Some("r-1"), &[]).expect("read");
        assert_eq!((new(&after_same), after_same.weighed.fixed), (0, 0));
        // And the other way round all is fixed.
        rig.left("r-2", 1, CLEAN);
        let fixed = rig.triage(Some("r-1"), &[]).expect("read");
        assert_eq!((fixed.findings.len(), fixed.weighed.fixed), (0, count));
        rig.left("r-1", 3, "{ this is no report");
        let broken = rig.triage(Some("r-1"), &[]).expect("the report itself is well");
        assert!(broken.weighed.not_compared.as_str().starts_with("the baseline r-1 is not known"));
        rig.left("r-2", 1, "");
        assert!(rig.triage(None, &[]).is_err());
    }

    #[test]
    fn a_raw_report_is_opened_at_the_finding() {
        let rig = Rig::new();
        rig.left("r-2", 1, SARIF);
        let all = rig.triage(None, &[]).expect("read").findings;
        let last = all.last().expect("one");
        let raw = raw(&rig.steps("r-2"), &rig.stored, last).expect("shown");
        assert!(raw.lines[raw.at].as_str().contains(last.rule.as_str()), "{:?}", raw.lines[raw.at]);
        assert!(raw.lines.len() > 100, "one long line is laid out");
        let named: &Named = &rig.triage(None, &[]).expect("read").weighed.first[&Severity::High];
        assert!(!named.location.is_empty());
    }
}
