//! Plays the commands of a rehearsal: how long they take, what they print, what reports they
//! leave. Everything goes through the real log pipeline and is read by the real readers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::watch;

use super::recorded::recorded;
use super::scenario::Play;
use super::witness::{Deed, Eyes};
use crate::release::{Plan, ReportFile, ReportFormat, Step, StepId};
use crate::world::logpipe::Stream;
use crate::world::shell::{Actor, Cause, Stage, StepSpec};

/// Tests in a played report, unless some fail.
const TESTS: u32 = 214;

/// The cast of one rehearsal.
pub(super) struct Cast {
    plan: Plan,
    plays: BTreeMap<StepId, Play>,
    seed: u64,
    eyes: Eyes,
    started: watch::Sender<Option<StepId>>,
}

impl Cast {
    pub(super) fn new(
        plan: Plan,
        plays: BTreeMap<StepId, Play>,
        seed: u64,
        eyes: Eyes,
    ) -> Arc<Self> {
        let (started, _) = watch::channel(None);
        Arc::new(Self { plan, plays, seed, eyes, started })
    }

    /// The newest step that started.
    pub(super) fn started(&self) -> watch::Receiver<Option<StepId>> {
        self.started.subscribe()
    }

    /// A factor between 0.8 and 1.25, so that no two rehearsals of different seeds look alike. It
    /// depends on the seed and the try alone: commands start side by side, in any order.
    fn wobble(&self, folder: &str) -> f64 {
        let bytes = folder.bytes().map(u64::from);
        let seed = bytes.fold(self.seed, |seed, byte| (seed ^ byte).wrapping_mul(0x0100_0000_01b3));
        0.8 + fastrand::Rng::with_seed(seed).f64() * 0.45
    }
}

/// The step whose folder this is: `steps/<step>.<attempt>`.
fn step_of(dir: &Path) -> Option<StepId> {
    let name = dir.file_name()?.to_str()?;
    let (step, _attempt) = name.rsplit_once('.')?;
    StepId::new(step).ok()
}

impl Actor for Cast {
    fn act(&self, spec: &StepSpec, stage: Stage) -> BoxFuture<'static, Cause> {
        let step = step_of(&spec.dir).and_then(|id| self.plan.step(&id).cloned());
        let Some(step) = step else {
            let error = "the rehearsal has no such step".into();
            return Box::pin(async move { Cause::NotStarted { error } });
        };
        self.started.send_replace(Some(step.id.clone()));
        let folder = spec.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let usually = self.wobble(&folder);
        self.eyes.heard(&Deed::Started { step: step.id.clone(), folder });
        let play = self.plays.get(&step.id).cloned().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "seconds of a step are far below 2^52")]
        let usual = step.expected_s as f64 * usually;
        let takes = play.takes_s.map_or(Duration::from_secs_f64(usual), Duration::from_secs);
        Box::pin(perform(step, play, takes, stage))
    }
}

/// How many lines a command prints on its way.
const LINES: u32 = 12;

async fn perform(step: Step, play: Play, takes: Duration, stage: Stage) -> Cause {
    // A tool that reports on its standard output says everything else on the other stream.
    let reports = step.report.as_ref().is_some_and(|report| report.path == "-");
    let stream = if reports { Stream::Stderr } else { Stream::Stdout };
    let say = |text: &str| stage.print(stream, format!("{text}\n"));
    say(&format!("$ {}", step.run.join(" ")));
    let tool = step.run.first().map_or("tool", String::as_str);
    for line in 1..=LINES {
        stage.clock().sleep(takes / LINES).await;
        if line < LINES {
            say(&format!("{tool}: {} {}%", step.title, line * 100 / LINES));
        }
    }
    if step.report.as_ref().is_some_and(|report| report.format == ReportFormat::GitleaksJson) {
        // Its report of nothing does not say what was scanned, its log does.
        stage.print(Stream::Stderr, "41 commits scanned.\n");
    }
    for line in &play.log {
        stage.print(Stream::Stderr, format!("{line}\n"));
    }
    if let Some(report) = step.report.as_ref().filter(|_| !play.no_report) {
        let text = report_text(tool, report, &play);
        if report.path == "-" {
            stage.print(Stream::Stdout, format!("{text}\n"));
        } else if let Err(error) = stage.write_file(Path::new(&report.path), text.as_bytes()) {
            say(&format!("failed to write {}: {error}", report.path));
        }
    }
    say(if play.exit == 0 { "done" } else { "FAILED" });
    Cause::Exited { code: play.exit }
}

/// A report of the form that the plan names, with what the scenario says in it.
fn report_text(tool: &str, report: &ReportFile, play: &Play) -> String {
    match report.format {
        ReportFormat::Junit => junit(tool, play.tests_failed),
        ReportFormat::Sarif => sarif(tool, play.findings),
        ReportFormat::CargoJson => "{\"reason\":\"build-finished\",\"success\":true}".to_owned(),
        format => recorded(format, play.findings > 0 || play.tests_failed > 0).to_owned(),
    }
}

fn junit(tool: &str, failed: u32) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\"?>\n<testsuites><testsuite name=\"{tool}\" tests=\"{TESTS}\" \
         failures=\"{failed}\">\n"
    );
    for test in 1..=TESTS {
        let case = format!("<testcase classname=\"shop\" name=\"case {test}\" time=\"0.01\"");
        if test <= failed {
            text.push_str(&case);
            text.push_str("><failure message=\"expected 201 to equal 400\"/></testcase>\n");
        } else {
            text.push_str(&case);
            text.push_str("/>\n");
        }
    }
    text.push_str("</testsuite></testsuites>\n");
    text
}

fn sarif(tool: &str, findings: u32) -> String {
    let results: Vec<_> = (1..=findings)
        .map(|n| {
            json!({
                "ruleId": format!("{tool}-{n}"),
                "level": "error",
                "message": {"text": format!("finding {n} of the rehearsal")},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": "src/backend/server.js"},
                    "region": {"startLine": 40 + n},
                }}],
            })
        })
        .collect();
    let rules: Vec<_> = (1..=20).map(|n| json!({"id": format!("{tool}-{n}")})).collect();
    let artifacts: Vec<_> = (1..=41)
        .map(|n| json!({"location": {"uri": format!("src/backend/file-{n}.js")}}))
        .collect();
    json!({
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": tool, "version": "rehearsal", "rules": rules}},
            "invocations": [{"executionSuccessful": true}],
            "artifacts": artifacts,
            "results": results,
        }],
    })
    .to_string()
}
