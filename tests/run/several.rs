//! Several operators on one release, and releases beside each other.

use super::bench::Bench;
use rustix::process::Signal;

#[tokio::test]
async fn f54_followers_come_and_go_and_the_release_goes_on() {
    let bench = Bench::new().await;
    bench.hold("build.two");
    let first = bench.start(&["run"]);
    first.prints("build.two started").await;
    let id = bench.release().await;
    first.signal(Signal::KILL);
    assert_eq!(first.ends().await.code, None);
    let second = bench.start(&["attach", "--plain"]);
    second.prints("build.two started").await;
    second.signal(Signal::INT);
    second.ends().await.must(130, &["goes on", &id]);
    let (third, fourth) = (bench.start(&["attach", "--json"]), bench.start(&["attach", "--json"]));
    third.prints("step_started").await;
    fourth.prints("step_started").await;
    bench.let_go("build.two");
    bench.gate_opens(&id).await;
    bench.gonogo(&["approve"]).await.must(0, &[]);
    let (third, fourth) = (third.ends().await, fourth.ends().await);
    third.must(0, &[]);
    fourth.must(0, &[]);
    assert_eq!(third.out, fourth.out);
    assert_eq!(third.out.lines().count(), bench.records(&id));
    assert_eq!(bench.effects(), ["build.one", "build.two", "go.last", "after.end"]);
}

#[tokio::test]
async fn f21_of_two_opposite_votes_one_counts_and_the_other_is_told_who_was_first() {
    let bench = Bench::new().await;
    bench.hold("go.last");
    let run = bench.start(&["run"]);
    run.prints("$ gonogo approve").await;
    let (go, no) = (bench.start(&["approve"]), bench.start(&["reject"]));
    let (go, no) = (go.ends().await, no.ends().await);
    let (won, lost) = if go.code == Some(0) { (&go, &no) } else { (&no, &go) };
    won.must(0, &["says"]);
    lost.must(6, &["chose", "before you", "was not applied"]);
    bench.let_go("go.last");
    run.ends().await.must(if go.code == Some(0) { 0 } else { 3 }, &[]);
}

#[tokio::test]
async fn f8_a_second_engine_observes_and_leaves_no_trace() {
    let bench = Bench::new().await;
    let run = bench.start(&["run"]);
    run.prints("$ gonogo approve").await;
    let id = bench.release().await;
    let before = bench.journal(&id);
    let driver = bench.an_engine(&id).await.to_string();
    let folder = bench.path("state/releases").join(&id);
    let second = bench.gonogo(&["engine", &folder.display().to_string()]).await;
    second.must(6, &["OBSERVING: driver is pid", &driver]);
    assert_eq!(bench.journal(&id), before);
    assert!(!folder.join("engine.error").exists());
    bench.gonogo(&["approve"]).await.must(0, &[]);
    run.ends().await.must(0, &[]);
}

#[tokio::test]
async fn an_environment_admits_one_release_and_names_it_to_the_next() {
    let bench = Bench::new().await;
    let run = bench.start(&["run"]);
    run.prints("$ gonogo approve").await;
    let id = bench.release().await;
    bench.gonogo(&["run"]).await.must(6, &["environment production is held by", &id, "pid"]);
    let staging = bench.gonogo(&["run", "--environment", "staging", "--until", "build"]).await;
    staging.must(0, &["RELEASED"]);
    bench.gonogo(&["reject", &id]).await.must(0, &[]);
    run.ends().await.must(3, &[]);
}

#[tokio::test]
async fn who_queues_is_let_in_in_turn_and_the_dead_stand_in_nobodys_way() {
    let bench = Bench::new().await;
    let run = bench.start(&["run"]);
    run.prints("$ gonogo approve").await;
    let id = bench.release().await;
    let queue = ["run", "--queue", "--until", "build"];
    let dead = bench.start(&queue);
    dead.complains("next in line").await;
    let second = bench.start(&queue);
    second.complains("1 ahead in line").await;
    dead.signal(Signal::KILL);
    dead.ends().await;
    second.complains("next in line").await;
    let line = std::fs::read_dir(bench.path("state/environments/production.queue"));
    let places = line.expect("a line").flatten().map(|entry| entry.file_name());
    let mut places: Vec<_> = places.map(|name| name.into_string().expect("UTF-8")).collect();
    places.sort();
    assert_eq!(places, ["1.json", "1.place"], "the dead are cleared away");
    assert_eq!(bench.effects(), ["build.one", "build.two"], "who waits runs nothing");
    bench.gonogo(&["reject", &id]).await.must(0, &[]);
    run.ends().await.must(3, &[]);
    second.ends().await.must(0, &["RELEASED"]);
}
