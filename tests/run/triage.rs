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

/// The cockpit of a release whose scan found more than the policy allows.
async fn held(bench: &Bench) -> Term {
    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/trivy/vuln-minidb.json");
    bench.plan(&PLAN.replace("FIXTURE", report)).await;
    let term = cockpit(bench, &["run"], (120, 36));
    must(term.wait_text("HELD", PATIENCE));
    term
}

#[tokio::test]
async fn a_changed_policy_has_the_stage_of_a_running_release_judged_again() {
    let bench = Bench::new().await;
    let mut term = held(&bench).await;
    let id = bench.release().await;
    let own = bench.path("config/policy.yaml");
    let policy = |text: &str| std::fs::write(&own, text).expect("written");
    let change = ["policy", &id, "--comment", "known debt"];
    bench.gonogo(&change).await.must(6, &["the findings gates are what they were"]);
    bench.gonogo(&["policy", &id]).await.must(2, &["--comment"]);
    policy("monitor: {duration_s: 1}\nfindings: {limits: {all: {high: 9}}}\n");
    let refused = bench.gonogo(&change).await;
    refused.must(6, &["only the findings gates may change", "monitor.duration_s (300 → 1)"]);
    policy("findings: {limits: {all: {hihg: 9}}}\n");
    bench.gonogo(&change).await.must(2, &["policy.yaml:1:", "did you mean `high`?"]);
    policy("findings: {steps: {scan.tirvy: {all: {high: 9}}}}\n");
    let refused = bench.gonogo(&change).await;
    refused.must(2, &["the pipeline has no step `scan.tirvy`", "did you mean `scan.trivy`?"]);
    let missing = bench.gonogo(&["policy", &id, "--policy", "no.yaml", "-c", "why"]).await;
    missing.must(2, &["there is no policy no.yaml"]);
    // Looser, but not enough: it is judged again, and held again.
    policy("findings: {limits: {all: {high: 1, critical: 1}}}\n");
    bench.gonogo(&change).await.must(0, &["LOOSER: findings.limits.all.critical: 0 → 1"]);
    // Another file stands in for it.
    let other = bench.path("config/other.yaml");
    let text = "findings: {limits: {all: {high: 9, critical: 9}, new: {high: 9, critical: 9}}}\n";
    std::fs::write(&other, text).expect("written");
    let other = other.display().to_string();
    let by = bench.gonogo(&["policy", &id, "--policy", &other, "-c", "the vendor mends it"]).await;
    by.must(0, &["changed the findings gates", "other.yaml", "why: the vendor mends it"]);
    must(term.wait_text("RELEASED", PATIENCE));
    term.send("q").expect("typed");
    term.finish().expect("an end");
    let told = bench.gonogo(&["timeline", &id]).await;
    told.must(0, &["known debt", "the vendor mends it", "LOOSER: ", "released"]);
    bench.gonogo(&["verify", &id]).await.must(0, &["verified"]);
    bench.gonogo(&change).await.must(6, &["has ended"]);
    told_against(&bench, &id).await;
    bench.nobody_is_left().await;
}

/// A release is the baseline of reports outside of any, where it is named; and of the next release
/// without being named, once it serves.
async fn told_against(bench: &Bench, id: &str) {
    let report = |name: &str| format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let (same, fewer) = (report("trivy/vuln-minidb.json"), report("trivy/vuln-critical-only.json"));
    let told = bench.gonogo(&["findings", &same, "--against", id, "--fail-on", "low"]).await;
    told.must(0, &[&format!("since {id}: 0 new, 2 existing, 0 fixed")]);
    // The start of its name will do.
    let told = bench.gonogo(&["findings", &fewer, "--against", "r-"]).await;
    told.must(0, &["since r-: 0 new, 1 existing, 1 fixed"]);
    let other = report("semgrep/findings.json");
    let told = bench.gonogo(&["findings", &other, "--against", id, "--fail-on", "low"]).await;
    told.must(3, &["new, 0 existing, 0 fixed", "no report of it has looked"]);
    let nothing = bench.gonogo(&["findings", &same, "--against", "r-none"]).await;
    nothing.must(2, &["failed to compare with r-none: it is neither a file nor a release"]);
    // All of it together is allowed by now, nothing new is: it passes beside what serves only.
    let again = bench.gonogo(&["run"]).await;
    again.must(0, &["released"]);
    let newest = bench.gonogo(&["timeline", "--json"]).await;
    newest.must(0, &[&format!("\"baseline\":\"{id}\"")]);
}

#[tokio::test]
async fn a_finding_is_seen_read_waived_and_the_stage_judged_again() {
    let bench = Bench::new().await;
    let mut term = held(&bench).await;
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
    // What was waived, for the tools of others; and what is left of the kept reports.
    let vex = ["findings", &id, "--waivers", &id, "--format", "openvex"];
    let written = bench.gonogo(&vex).await;
    written.must(0, &["openvex.dev/ns", "\"affected\"", "Y is not reached", "waived until 20"]);
    let read = bench.gonogo(&["findings", &id, "--waivers", &id]).await;
    read.must(0, &["set aside", "Z is not reached"]);
    let wrong = bench.gonogo(&["findings", &id, "--waivers", "r-none"]).await;
    wrong.must(2, &["r-none"]);
    bench.gonogo(&["verify", &id]).await.must(0, &["verified"]);
    bench.nobody_is_left().await;
}
