//! One operator, one release, from the first line to the exit code.

use super::bench::Bench;

const ALL: [&str; 4] = ["build.one", "build.two", "go.last", "after.end"];

#[tokio::test]
async fn it_waits_at_the_gate_and_goes_on_by_an_approval_from_another_shell() {
    let bench = Bench::new().await;
    let run = bench.start(&["run"]);
    run.prints("$ gonogo approve").await;
    let id = bench.release().await;
    assert_eq!(bench.effects(), ALL[..2], "nothing outside runs before the gate");
    bench.gonogo(&["approve", "--comment", "go ahead"]).await.must(0, &["says GO"]);
    let said = run.ends().await;
    said.must(0, &["stage build: GO", "RELEASED", "exit code 0"]);
    assert!(!said.out.contains('\u{1b}'), "a pipe gets plain lines");
    assert_eq!(bench.effects(), ALL);
    bench.gonogo(&["verify", &id]).await.must(0, &["verified"]);
    // Who comes late reads the end, and gets its code.
    bench.gonogo(&["attach", &id]).await.must(0, &["RELEASED"]);
    bench.nobody_is_left().await;
    bench.gonogo(&["attach", &id]).await.must(0, &["has ended: released"]);
    assert!(!bench.path("state/releases").join(&id).join("workspace").exists());
    // A retry of stages that have passed counts them by their evidence.
    let run = bench.start(&["run", "--from", "go"]);
    run.prints("$ gonogo approve").await;
    bench.gonogo(&["reject"]).await.must(0, &["says NO-GO"]);
    run.ends().await.must(3, &["exit code 3"]);
    assert_eq!(bench.effects(), ALL, "not one step more");
}

#[tokio::test]
async fn a_failing_step_ends_it_with_1_and_shows_its_log_and_the_next_run_need_not_wait() {
    let bench = Bench::new().await;
    bench.plan(&bench.shop().replace("'echo build.two", "'echo because of this; exit 9; ")).await;
    let said = bench.gonogo(&["run"]).await;
    said.must(1, &["build.two FAILED", "exit code 9", "because of this", "exit code 1"]);
    bench.plan(&bench.shop()).await;
    // Its engine still holds the environment for a moment.
    bench.gonogo(&["run", "--until", "build"]).await.must(0, &["exit code 0"]);
}

#[tokio::test]
async fn a_step_that_takes_too_long_is_ended_with_all_it_started() {
    let bench = Bench::new().await;
    let hangs = "touches: workspace, timeout_s: 1";
    bench.plan(&bench.shop().replacen("touches: workspace", hangs, 1)).await;
    bench.hold("build.one");
    bench.gonogo(&["run"]).await.must(1, &["build.one", "timed out"]);
    bench.nobody_is_left().await;
}

#[tokio::test]
async fn json_is_the_journals_own_records() {
    let bench = Bench::new().await;
    let said = bench.gonogo(&["run", "--json", "--until", "build"]).await;
    said.must(0, &[]);
    for line in said.out.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    }
    let id = bench.release().await;
    assert_eq!(said.out.lines().count(), bench.records(&id));
    let told = bench.gonogo(&["timeline", &id, "--json"]).await;
    assert_eq!(said.out, told.out);
    bench.nobody_is_left().await;
    let late = bench.gonogo(&["attach", &id, "--json"]).await;
    assert_eq!((late.code, late.out), (Some(0), said.out));
}

#[tokio::test]
async fn from_without_evidence_holds_and_can_be_aborted() {
    let bench = Bench::new().await;
    let run = bench.start(&["run", "--from", "go"]);
    run.prints("HELD").await;
    run.prints("no earlier release of this revision").await;
    bench.gonogo(&["abort"]).await.must(0, &["aborted"]);
    run.ends().await.must(1, &["aborted before the switch"]);
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn what_cannot_be_started_is_said_before_anything_starts() {
    let bench = Bench::new().await;
    let refused = async |arguments: &[&str], words: &[&str]| {
        bench.gonogo(arguments).await.must(2, words);
    };
    refused(&["run", "--until", "gone"], &["no stage gone", "build, go, after"]).await;
    refused(&["run", "--from", "after", "--until", "go"], &["comes after"]).await;
    refused(&["run", "--branch", "nowhere"], &["nowhere", "no branch"]).await;
    refused(&["approve"], &["no release is running"]).await;
    refused(&["attach", "r-0101.1"], &["no release r-0101.1"]).await;
    std::fs::write(bench.repository().join("left over"), "").expect("written");
    refused(&["run"], &["not everything is committed", "left over"]).await;
    std::fs::remove_file(bench.repository().join("left over")).expect("removed");
    bench.git(&["checkout", "-q", "-b", "wild"]).await;
    refused(&["run"], &["branch wild runs nothing", "main"]).await;
    bench.git(&["checkout", "-q", "main"]).await;
    bench.plan(&bench.shop().replace("title: Build", "titel: Build")).await;
    refused(&["run"], &["config/pipeline.yaml of", ":7:", "titel", "did you mean `title`"]).await;
    let cluster = "uses: deploy-preview}\n      - {id: go.next, title: Next, run: [x]";
    let plan = bench.shop();
    let at = plan.find("{id: go.last").expect("a step");
    let end = at + plan[at..].find('}').expect("its end");
    let step = format!("{{id: go.last, title: Last, {cluster}");
    bench.plan(&format!("{}{step}{}", &plan[..at], &plan[end..])).await;
    refused(&["run"], &["step go.last uses", "needs a cluster", "--until"]).await;
    assert!(bench.effects().is_empty());
    let releases = std::fs::read_dir(bench.path("state/releases"));
    assert!(releases.is_err() || releases.is_ok_and(|mut all| all.next().is_none()));
}

#[tokio::test]
async fn what_serves_gives_the_policy_and_half_a_release_serves_nothing() {
    let bench = Bench::new().await;
    let own = bench.repository().join("config/policy.yaml");
    let commits = async |expires_s: u32| {
        let text = format!("approval: {{required: 1, expires_s: {expires_s}}}\n");
        std::fs::write(&own, text).expect("written");
        bench.plan(&bench.shop()).await;
    };
    let shown = async |release: &str| {
        let said = bench.gonogo(&["show", release]).await;
        said.must(0, &[]);
        said.out
    };
    // Nothing serves yet, so what is shipped decides, and the revision may only tighten it.
    commits(900).await;
    let run = bench.start(&["run"]);
    run.prints("$ gonogo approve").await;
    bench.gonogo(&["approve"]).await.must(0, &[]);
    run.ends().await.must(0, &["RELEASED"]);
    let first = bench.release().await;
    assert!(shown(&first).await.contains("the shipped policy, tightened by config/policy.yaml of"));
    // The next ones ask for more time than what serves now allows. The first of them stops early,
    // so it serves nothing and its wishes never count.
    for (until, expires_s) in [("build", 60_000), ("build", 50_000)] {
        commits(expires_s).await;
        let run = bench.start(&["run", "--until", until, "--json"]).ends().await;
        run.must(0, &[]);
        let release =
            run.out.split("\"release\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let shown = shown(release.expect("an id")).await;
        assert!(shown.contains(", which serves now"), "{shown}");
        assert!(shown.contains(&format!("expires_s: {expires_s} is looser than 900")), "{shown}");
    }
}

#[tokio::test]
async fn a_revision_may_only_tighten_the_policy_and_reads_why() {
    let bench = Bench::new().await;
    let pinned = bench.path("config/policy.yaml");
    std::fs::create_dir_all(bench.path("config")).expect("made");
    std::fs::write(&pinned, "approval: {required: 1, expires_s: 900}\n").expect("written");
    let own = "approval: {required: 1, expires_s: 90000}\nmonitor: {duration_s: 600}\n";
    std::fs::write(bench.repository().join("config/policy.yaml"), own).expect("written");
    bench.plan(&bench.shop()).await;
    let run = bench.start(&["run", "--until", "build"]);
    run.ends().await.must(0, &[]);
    let id = bench.release().await;
    let shown = bench.gonogo(&["show", &id]).await;
    shown.must(0, &["tightened by config/policy.yaml of", "expires_s: 90000 is looser than 900"]);
    let journal = String::from_utf8(bench.journal(&id)).expect("UTF-8");
    assert!(journal.contains("\"expires_s\":900}") && journal.contains("\"duration_s\":600,"));
    // A policy that was pinned by its digest and changed since is no policy.
    let zeros = "0".repeat(64);
    let pin = format!("policy: {{path: {}, digest: \"sha256:{zeros}\"}}\n", pinned.display());
    std::fs::write(bench.path("config/gonogo.yaml"), pin).expect("written");
    bench.gonogo(&["run"]).await.must(2, &["the pinned policy", "was changed"]);
}
