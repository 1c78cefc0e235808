//! kill -9 of the real engine at every record of a release (F1, F55).

use std::time::Duration;

use super::bench::Bench;
use gonogo::world::Clock;

const ALL: [&str; 4] = ["build.one", "build.two", "go.last", "after.end"];

/// One release that loses its engine as soon as its journal holds `count` records; with none, as
/// soon as there is an engine. Gives how many it held in truth, and none when it was over by then.
async fn killed_at(count: usize, bench: &Bench) -> Option<usize> {
    let run = bench.start(&["run"]);
    let id = bench.release().await;
    let engine = bench.an_engine(&id).await;
    let mut approved = None;
    let mut looks = || {
        // What the journal holds is not yet what the engine has told: it may be syncing.
        if approved.is_none() && run.printed().contains("go or no-go?") {
            let past = bench.records(&id) < count;
            approved = past.then(|| bench.start(&["approve", &id]));
        }
        bench.records(&id) >= count
    };
    bench.until("so many records", &mut looks).await;
    bench.kill(engine).await;
    let before = bench.journal(&id);
    // Whoever asked or followed is not left waiting; what they are told depends on the moment.
    if let Some(approve) = approved {
        approve.ends().await;
    }
    let followed = run.ends().await;
    let over = String::from_utf8_lossy(&before).contains("\"release_ended\"");
    if !over {
        followed.must(7, &["gonogo attach"]);
        let attach = bench.start(&["attach", "--plain", &id]);
        attach.prints("gate of stage go open").await;
        if !bench.has(&id, "vote_cast") {
            bench.gonogo(&["approve", &id]).await.must(0, &["says GO"]);
        }
        attach.ends().await.must(0, &["RELEASED"]);
    }
    let after = bench.journal(&id);
    assert!(after.starts_with(&before), "a record was lost (killed at {count})");
    assert_eq!(bench.effects(), ALL, "killed at {count}");
    bench.gonogo(&["verify", &id]).await.must(0, &["verified"]);
    (!over).then(|| memchr::memchr_iter(b'\n', &before).count())
}

#[tokio::test]
async fn f1_f55_a_killed_engine_goes_on_at_every_record_and_nothing_runs_twice() {
    let clock = Clock::live();
    let began = clock.now().boot_ms;
    let (mut kills, mut at) = (0, Vec::new());
    let mut benches = Vec::new();
    for count in 0.. {
        let bench = Bench::new().await;
        let killed = killed_at(count, &bench).await;
        benches.push(bench);
        kills += 1;
        let Some(killed) = killed else { break };
        at.push(killed);
    }
    assert!(kills > 10, "{at:?}");
    for bench in benches {
        bench.nobody_is_left().await;
    }
    let took = Duration::from_millis(clock.now().boot_ms - began);
    let mut out = std::io::stdout();
    let line = format!("kills: {kills} in {:.1} s, at records {at:?}\n", took.as_secs_f64());
    std::io::Write::write_all(&mut out, line.as_bytes()).expect("printed");
}

#[tokio::test]
async fn f1_two_who_come_back_at_once_get_one_engine() {
    let bench = Bench::new().await;
    let run = bench.start(&["run"]);
    run.prints("$ gonogo approve").await;
    let id = bench.release().await;
    bench.kill(bench.an_engine(&id).await).await;
    run.ends().await.must(7, &[]);
    let back: Vec<_> = (0..4).map(|_| bench.start(&["attach", "--plain", &id])).collect();
    for client in &back {
        client.prints("epoch 2").await;
    }
    bench.gonogo(&["approve", &id]).await.must(0, &[]);
    for client in back {
        client.ends().await.must(0, &["RELEASED"]);
    }
    bench.gonogo(&["verify", &id]).await.must(0, &["epoch 2"]);
}
