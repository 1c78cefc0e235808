//! Beside k9s: both show the same 10,000 pods of the same real API server, one after the other.
//! Of gonogo two processes are counted together, the engine that watches the cluster and the
//! cockpit that is attached to it; k9s is one process. What the API server does is in neither
//! one's memory and processor time, and in both one's milliseconds.

use std::path::Path;
use std::time::Duration;

use super::cluster::{self, Cluster, NAMESPACE};
use super::far::PODS;
use super::{
    COCKPIT, Engine, Goal, KEYS, Outcome, PATIENCE, PRESSED, Program, Row, SIZE, Seat, Term, find,
    idle_pct, median, now, on_path, pause, percentiles, rss_mib, skipped,
};

const K9S: &str = "k9s";
/// How k9s says that it has them all.
const ALL_PODS: &str = "[10,000]";
const EVENTS: usize = 20;
/// k9s draws everything anew for a while once it has all pods, and then loses keys.
const SETTLED: Duration = Duration::from_secs(10);

/// What is measured of either.
struct Figures {
    /// Seconds until all pods are on the screen.
    start_s: f64,
    /// Milliseconds from a key to the frame that shows it.
    keys: Vec<f64>,
    /// Milliseconds from the request that makes a pod to the frame that shows it.
    events: Vec<f64>,
    /// After all that, when whatever came of the start is over.
    idle_pct: f64,
    rss_mib: f64,
}

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let needs = cluster::PROGRAMS.iter().chain([&K9S]);
    let missing: Vec<&str> = needs.copied().filter(|need| on_path(need).is_none()).collect();
    if !missing.is_empty() {
        let how = "benches/peers builds what is missing and says how to put it on the PATH";
        skipped(K9S, &format!("k9s ({})", missing.join(", ")), how);
        return Ok(Vec::new());
    }
    let home = tempfile::tempdir()?;
    let cluster = Cluster::start(&home.path().join("cluster"))?;
    cluster.fill(PODS)?;
    let ours = of_gonogo(&cluster, home.path())?;
    let theirs = of_k9s(&cluster, home.path())?;
    let row = |name, ours, floor, unit, most| Row {
        name,
        ours,
        floor,
        unit,
        beside: "k9s, the same pods",
        goal: Goal::AtMost(most),
    };
    let [(p50, p99), (their_p50, their_p99)] = [ours.keys, theirs.keys].map(percentiles);
    let [seen, their_seen] = [ours.events, theirs.events].map(median);
    Ok(vec![
        row("start to 10,000 pods shown", ours.start_s, theirs.start_s, "s", 1.0),
        row("key to frame, 10,000 pods, p50", p50, their_p50, "ms", 0.111),
        Row { goal: Goal::None, ..row("the same, p99", p99, their_p99, "ms", 1.0) },
        row("pod made to painted, p50", seen, their_seen, "ms", 0.0333),
        row("engine and cockpit: RSS", ours.rss_mib, theirs.rss_mib, "MiB", 0.0667),
        row("engine and cockpit, idle: CPU", ours.idle_pct, theirs.idle_pct, "%", 0.01),
    ])
}

fn of_gonogo(cluster: &Cluster, home: &Path) -> Outcome<Figures> {
    let begun = now();
    let engine = Engine::start(home, Some(&cluster.kubeconfig))?;
    let socket = engine.socket.display().to_string();
    let mut seat = Seat::take(&[COCKPIT, &socket], home, "5000/5000")?;
    let start_s = begun.elapsed().as_secs_f64();
    pause(SETTLED);
    let pids = [engine.child.id(), seat.pid()?];
    let keys = presses(|number| seat.key(PRESSED[number % 2]))?;
    let events = seen(cluster, &seat.term)?;
    Ok(Figures { start_s, keys, events, idle_pct: idle_pct(&pids)?, rss_mib: rss_mib(&pids)? })
}

fn of_k9s(cluster: &Cluster, home: &Path) -> Outcome<Figures> {
    let config = home.join(K9S);
    std::fs::create_dir_all(&config)?;
    // It would ask the network for a newer version of itself.
    std::fs::write(config.join("config.yaml"), "k9s:\n  skipLatestRevCheck: true\n")?;
    let text = |path: &Path| path.display().to_string();
    let env = [
        ("TERM", "xterm-256color".to_owned()),
        ("COLORTERM", "truecolor".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("HOME", text(home)),
        ("K9S_CONFIG_DIR", text(&config)),
        ("K9S_LOGS_DIR", text(&config)),
        ("KUBECONFIG", text(&cluster.kubeconfig)),
    ];
    let program = Program {
        bin: on_path(K9S).ok_or("k9s is gone")?,
        args: ["-n", NAMESPACE, "-c", "pods", "--readonly", "--splashless"]
            .map(str::to_owned)
            .into(),
        env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        folder: home.to_owned(),
    };
    let begun = now();
    let mut term = Term::spawn(&program, SIZE)?;
    term.wait_text(ALL_PODS, PATIENCE)?;
    let start_s = begun.elapsed().as_secs_f64();
    pause(SETTLED);
    let pid = term.pid().ok_or("k9s has ended")?;
    let keys = presses(|number| {
        let before = term.screen(marked).ok_or("no pod is marked")?;
        let begun = now();
        term.send(if number % 2 == 0 { "j" } else { "k" })?;
        let moved = |screen: &vt100::Screen| marked(screen).is_some_and(|row| row != before);
        term.wait("the other row", PATIENCE, moved)?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    })?;
    let events = seen(cluster, &term)?;
    Ok(Figures { start_s, keys, events, idle_pct: idle_pct(&[pid])?, rss_mib: rss_mib(&[pid])? })
}

/// The row of k9s's list that is marked: its ground is another one than that of the list's head.
fn marked(screen: &vt100::Screen) -> Option<u16> {
    let (head, column) = find(screen, "NAME")?;
    let ground = |row| screen.cell(row, column).map(vt100::Cell::bgcolor);
    (head + 1..SIZE.1).find(|row| ground(*row) != ground(head))
}

/// The times that a key takes, at odd moments.
fn presses(mut key: impl FnMut(usize) -> Outcome<f64>) -> Outcome<Vec<f64>> {
    let mut random = fastrand::Rng::with_seed(13);
    let press = |number| {
        pause(Duration::from_millis(random.u64(20..60)));
        key(number)
    };
    (0..KEYS).map(press).collect()
}

/// Milliseconds from the request that makes a pod to the frame that shows it.
fn seen(cluster: &Cluster, term: &Term) -> Outcome<Vec<f64>> {
    let mut random = fastrand::Rng::with_seed(14);
    let mut taken = Vec::new();
    for event in 0..EVENTS {
        pause(Duration::from_millis(random.u64(0..2_000)));
        // The first by name, as k9s sorts them, and not ready, which gonogo shows first.
        let name = format!("0-seen-{event:03}");
        let begun = now();
        cluster.create(&name)?;
        term.wait_text(&name, PATIENCE)?;
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
        cluster.delete(&name)?;
        let gone = |screen: &vt100::Screen| !screen.contents().contains(&name);
        term.wait("the pod's end", PATIENCE, gone)?;
    }
    Ok(taken)
}
