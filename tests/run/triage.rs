//! Findings of a real release on a real terminal: from the report of a scanner to a waiver that
//! has the stage judged again.

use std::time::Duration;

use super::bench::Bench;
use super::terminal::{PATIENCE, cockpit, must};
use crate::pty::term::Term;

const PLAN: &str = "\
name: toy
jobs: 1
branches:
  - {branch: main, until: scan, external: true}
stages:
  - id: scan
    title: Scan
    steps:
      - id: scan.trivy
        title: Known weaknesses
        run: [cp, FIXTURE, trivy.json]
        touches: workspace
        report: {path: trivy.json, format: trivy-json}
";

/// Waives the chosen finding: the form is deaf for a moment, so the first letter is typed until it
/// is there.
fn waive(term: &mut Term, mark: char) {
    term.send("w").expect("typed");
    must(term.wait_text("reason", PATIENCE));
    let typed = format!("{mark}_");
    for _ in 0..600 {
        term.send(&mark.to_string()).expect("typed");
        if term.wait_text(&typed, Duration::from_millis(100)).is_ok() {
            break;
        }
    }
    must(term.wait_text(&typed, PATIENCE));
    term.send(" is not reached\r").expect("typed");
    must(term.wait("the list", PATIENCE, |screen| !screen.contents().contains("owner")));
}

#[tokio::test]
async fn a_finding_is_seen_read_waived_and_the_stage_judged_again() {
    let bench = Bench::new().await;
    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/trivy/vuln-minidb.json");
    bench.plan(&PLAN.replace("FIXTURE", report)).await;
    let mut term = cockpit(&bench, &["run"], (120, 36));
    must(term.wait_text("HELD", PATIENCE));
    term.send("gf").expect("typed");
    must(term.wait_text("CVE-2021-44906", PATIENCE));
    must(term.wait_text("CVE-2021-23337", PATIENCE));
    for (key, shows) in [("x", "by severity"), ("x", "by tool"), ("x", "by fix"), ("s", "place")] {
        term.send(key).expect("typed");
        must(term.wait_text(shows, PATIENCE));
    }
    term.send("xx").expect("typed");
    must(term.wait("no groups", PATIENCE, |screen| !screen.contents().contains("one thing told")));
    term.send("r").expect("typed");
    must(term.wait_text("\"VulnerabilityID\"", PATIENCE));
    term.send("\x1b").expect("typed");
    must(term.wait("the list", PATIENCE, |s| !s.contents().contains("\"VulnerabilityID\"")));
    term.send("!").expect("typed");
    must(term.wait_text("ARMED", PATIENCE));
    waive(&mut term, 'Y');
    must(term.wait_text("waived 1", PATIENCE));
    waive(&mut term, 'Z');
    must(term.wait_text("RELEASED", PATIENCE));
    term.send("q").expect("typed");
    term.finish().expect("an end");
    let id = bench.release().await;
    let told = bench.gonogo(&["timeline", &id]).await;
    told.must(0, &["Y is not reached", "Z is not reached", "released"]);
    bench.gonogo(&["verify", &id]).await.must(0, &["verified"]);
    bench.nobody_is_left().await;
}
