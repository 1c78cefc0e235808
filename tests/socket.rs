//! Engines over real sockets: two clients, clients that never read, restarts, versions, spoofing.
//! Nothing here waits for time to pass, only for something to be so.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gonogo::engine::handle::socket::{
    Attaching, ConnectError, PROTOCOL, Pace, Serving, SocketError, Wants, connect, deserted, serve,
};
use gonogo::engine::handle::{Envelope, Feed, Follower, Handle, Link, Live, Snapshot};
use gonogo::release::{
    Ask, Clean, Command, Digest, Epoch, Event, FORMAT, Input, Person, PodRow, Principal, Record,
    Refusal, ReleaseId, ReleaseResult, Seq, Slot, StageId, Via, Vote,
};
use gonogo::world::Clock;
use gonogo::world::machine::user_name;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const BUILD: &str = "gonogo 0.1.0 (test)";

fn id(text: &str) -> ReleaseId {
    ReleaseId::new(text).expect("an id")
}

fn record(seq: u64, by: &Principal, event: Event) -> Arc<Record> {
    let now = Clock::live().now();
    Arc::new(Record {
        format: FORMAT,
        release: id("r-1123.1"),
        seq: Seq(seq),
        epoch: Epoch(1),
        prev: Digest::zero(),
        attempt_id: format!("attempt-{seq}"),
        at_wall: now.wall,
        at_boot: now.boot_ms,
        by: by.clone(),
        event,
    })
}

/// Something harmless that an engine records.
fn told(seq: u64) -> Arc<Record> {
    let event = Event::Notified { about: Seq(seq), channels: 1, failed: Vec::new() };
    record(seq, &Principal::engine(), event)
}

/// An engine that lets the first vote win and refuses everything else.
struct Engine {
    feed: Arc<Feed>,
    clients: watch::Receiver<usize>,
    server: JoinHandle<Result<(), SocketError>>,
    handle: Handle,
}

impl Engine {
    /// Starts with `past` records and listens once this returns.
    async fn start(path: &Path, past: u64, pace: Pace) -> Self {
        let feed = Feed::new();
        feed.publish((0..past).map(told));
        let (inputs, asks) = mpsc::channel(16);
        let steps = PathBuf::from("/steps");
        let handle = Handle::new(id("r-1123.1"), inputs, Arc::clone(&feed), Clock::live(), steps);
        tokio::spawn(vote(asks, Arc::clone(&feed), past));
        let (count, clients) = watch::channel(0);
        let serving = Serving { clock: Clock::live(), build: BUILD.into(), clients: count, pace };
        let server = tokio::spawn(serve(handle.clone(), path.to_owned(), serving));
        let listens = || path.exists() || server.is_finished();
        until("the socket is there", listens).await;
        Self { feed, clients, server, handle }
    }

    /// Dies as by kill -9: no farewell.
    async fn die(self) {
        self.server.abort();
        let _ = self.server.await;
    }
}

async fn vote(mut asks: mpsc::Receiver<Envelope>, feed: Arc<Feed>, mut next: u64) {
    let mut first: Option<Arc<Record>> = None;
    while let Some(Envelope { input, reply }) = asks.recv().await {
        let Input::Asked(command) = input else { continue };
        let vote = match &command.ask {
            Ask::Approve { .. } => Some(Vote::Approve),
            Ask::Reject { .. } => Some(Vote::Reject),
            _ => None,
        };
        let answer = match (vote, &first) {
            (None, _) => Err(Refusal::not_now("only votes here")),
            (Some(_), Some(first)) => Err(Refusal::Overtaken {
                who: first.by.person.clone(),
                what: "something".into(),
                at: first.at_wall,
                yours: command.ask.word().into(),
            }),
            (Some(vote), None) => {
                let stage = StageId::new("verify").expect("an id");
                let comment = Clean::default();
                let event = Event::VoteCast { stage, card: Digest::zero(), vote, comment };
                let record = record(next, &command.by, event);
                first = Some(Arc::clone(&record));
                next += 1;
                feed.publish([record]);
                Ok(())
            }
        };
        let _ = reply.map(|reply| reply.send(answer));
    }
}

/// Short times, so that nothing here takes long where time does matter.
fn quick() -> Pace {
    let ms = Duration::from_millis;
    Pace { retry: (ms(1), ms(20)), ..Pace::default() }
}

fn attaching() -> Attaching {
    Attaching {
        clock: Clock::live(),
        build: BUILD.into(),
        person: user_name(),
        wants: Wants::Drive,
        pace: quick(),
    }
}

struct Place {
    top: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { top: tempfile::tempdir().expect("a folder") }
    }

    fn socket(&self) -> PathBuf {
        self.top.path().join("run/r-1123.1.sock")
    }
}

const LIMIT: Duration = Duration::from_secs(30);

async fn until(what: &str, ready: impl Fn() -> bool) {
    let wait = async {
        while !ready() {
            tokio::task::yield_now().await;
        }
    };
    Clock::live().within(LIMIT, wait).await.unwrap_or_else(|| panic!("never: {what}"));
}

/// Follows until `ready`, whatever becomes of the link meanwhile.
async fn see(follower: &mut Follower, what: &str, ready: impl Fn(&Snapshot) -> bool) {
    let wait = async {
        loop {
            follower.catch_up();
            if ready(follower.snapshot()) {
                return;
            }
            follower.changed().await;
        }
    };
    let seen = Clock::live().within(LIMIT, wait).await;
    assert!(seen.is_some(), "never: {what}; {:?}", follower.snapshot().link);
}

fn seqs(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.records.iter().map(|record| record.seq.0).collect()
}

fn command(ask: Ask) -> Command {
    let by = Principal { person: user_name(), via: Via::Cockpit, key: None };
    Command { by, seen: None, ask }
}

fn approve() -> Command {
    command(Ask::Approve { comment: Clean::default() })
}

fn picture(journal_error: &str) -> Live {
    let mut live = Live::default();
    live.vitals.journal_error = Some(journal_error.into());
    live
}

fn shows(snapshot: &Snapshot, text: &str) -> bool {
    snapshot.live.vitals.journal_error.as_ref().is_some_and(|error| error.as_str() == text)
}

#[tokio::test(flavor = "multi_thread")]
async fn i25_two_clients_see_the_same_and_the_loser_of_opposite_asks_hears_why() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 3, quick()).await;
    let first = connect(&place.socket(), attaching()).await.expect("attached");
    let second = connect(&place.socket(), attaching()).await.expect("attached");
    let (mut one, mut two) = (first.follow(), second.follow());
    let reject = command(Ask::Reject { comment: Clean::default() });
    let (approved, rejected) = tokio::join!(first.ask(approve()), second.ask(reject));
    let loser = match (approved, rejected) {
        (Ok(()), Err(refusal)) | (Err(refusal), Ok(())) => refusal,
        both => panic!("one wins and one loses, not {both:?}"),
    };
    assert!(matches!(loser, Refusal::Overtaken { .. }), "{loser}");
    let both = async {
        see(&mut one, "four records", |s| s.records.len() == 4).await;
        see(&mut two, "four records", |s| s.records.len() == 4).await;
    };
    let soon = Clock::live().within(Duration::from_secs(1), both).await;
    assert!(soon.is_some(), "a record takes longer than a second");
    assert_eq!(one.snapshot().records, two.snapshot().records);
    assert_eq!(one.snapshot().release, two.snapshot().release);
    assert_eq!(first.release(), engine.handle.release());
    assert_eq!(*engine.clients.borrow(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_pictures_reach_the_client_and_closing_is_told() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 1, quick()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let mut follower = client.follow();
    engine.feed.show(picture("first"));
    see(&mut follower, "the picture", |s| shows(s, "first")).await;
    engine.feed.publish([told(1)]);
    engine.feed.link(Link::Closed);
    see(&mut follower, "the end", |s| s.link == Link::Closed).await;
    assert_eq!(seqs(follower.snapshot()), [0, 1]);
    engine.server.await.expect("no panic").expect("served to the end");
    assert!(!place.socket().exists(), "the socket is taken away");
    let refused = client.ask(approve()).await.expect_err("nobody there");
    assert!(refused.to_string().contains("has ended"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f55_the_pods_are_the_engine_s_after_every_change_and_after_a_restart() {
    let place = Place::new();
    let pod = |name: &str, ready| PodRow {
        name: name.into(),
        app: "backend".into(),
        slot: Some(Slot::Green),
        phase: "Running".into(),
        ready,
        restarts: 0,
        created_ms: 0,
    };
    let with = |pods: &[PodRow]| {
        let mut live = Live::default();
        live.telemetry.pods = pods.iter().cloned().collect();
        live
    };
    let all: Vec<PodRow> = ["a", "b", "c", "d", "e"].map(|name| pod(name, true)).into();
    let pictures = [
        with(&all),
        with(&[pod("0", false), all[0].clone(), pod("b", false), all[3].clone(), all[4].clone()]),
        with(&all[3..]),
        with(&[]),
        with(&all),
    ];
    let mut engine = Engine::start(&place.socket(), 1, quick()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let mut follower = client.follow();
    for restarted in [false, true] {
        for picture in &pictures {
            engine.feed.show(picture.clone());
            see(&mut follower, "the pods", |s| *s.live == *picture).await;
        }
        if !restarted {
            engine.die().await;
            see(&mut follower, "a lost link", |s| matches!(s.link, Link::Lost { .. })).await;
            engine = Engine::start(&place.socket(), 1, quick()).await;
        }
    }
}

/// Says hello on a bare socket and reads the answer's first byte, so that it is seated.
fn bare_client(path: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(path).expect("connected");
    let hello = serde_json::json!({ "hello": {
        "protocol": PROTOCOL, "build": BUILD, "release": null, "person": user_name(),
        "wants": "watch", "from": 0,
    }});
    stream.write_all(format!("{hello}\n").as_bytes()).expect("sent");
    stream.read_exact(&mut [0]).expect("answered");
    stream
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn f54_i27_clients_that_never_read_neither_block_nor_cost_memory() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 1, quick()).await;
    let path = place.socket();
    let bare = move || (0..8).map(|_| bare_client(&path)).collect::<Vec<_>>();
    let stopped = tokio::task::spawn_blocking(bare).await.expect("connected");
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let (mut follower, mut near) = (client.follow(), engine.handle.follow());
    let (before, mut pictures) = (resident_kib(), Vec::new());
    // 8 stopped clients times 200 pictures of 400 KiB would be 640 MiB.
    for round in 0..200 {
        let mut live = picture(&format!("picture {round}"));
        live.vitals.notes = vec!["x".repeat(400 * 1024).as_str().into()];
        engine.feed.show(live);
        engine.feed.publish([told(round + 1)]);
        near.catch_up();
        pictures.push(Arc::downgrade(&near.snapshot().live));
        let seen = |s: &Snapshot| s.records.len() as u64 == round + 2;
        see(&mut follower, "a record", seen).await;
    }
    see(&mut follower, "the newest picture", |s| shows(s, "picture 199")).await;
    let kept = pictures.iter().filter(|picture| picture.strong_count() > 0).count();
    // Each client may hold the one that it was being sent.
    assert!(kept <= 10, "{kept} old pictures are kept");
    assert_eq!(client.ask(approve()).await, Ok(()), "the engine is not blocked");
    let grown = resident_kib().saturating_sub(before) / 1024;
    assert!(grown < 400, "{grown} MiB for clients that do not read");
    assert_eq!(*engine.clients.borrow(), 9);
    drop(stopped);
    until("only the reader is left", || *engine.clients.borrow() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_for_too_long_is_dropped() {
    let place = Place::new();
    let hasty = Pace { stall: Duration::from_millis(50), ..quick() };
    let engine = Engine::start(&place.socket(), 1, hasty).await;
    let path = place.socket();
    let stopped = tokio::task::spawn_blocking(move || bare_client(&path)).await.expect("seated");
    until("it is seated", || *engine.clients.borrow() == 1).await;
    let mut live = picture("large");
    live.vitals.notes = vec!["x".repeat(4 * 1024 * 1024).as_str().into()];
    engine.feed.show(live);
    until("it is dropped", || *engine.clients.borrow() == 0).await;
    drop(stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn f55_after_a_restart_the_client_goes_on_where_it_was() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 5, quick()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let mut follower = client.follow();
    see(&mut follower, "the past", |s| s.records.len() == 5).await;
    engine.die().await;
    see(&mut follower, "a lost link", |s| matches!(s.link, Link::Lost { .. })).await;
    let refused = client.ask(approve()).await.expect_err("nobody there");
    assert!(refused.to_string().contains("the link to the engine is lost"), "{refused}");
    for (restart, records) in [(1, 8), (2, 8), (3, 20)] {
        let engine = Engine::start(&place.socket(), records, quick()).await;
        let back = |s: &Snapshot| s.link == Link::Live && s.records.len() as u64 == records;
        see(&mut follower, &format!("restart {restart}"), back).await;
        let expected: Vec<u64> = (0..records).collect();
        assert_eq!(seqs(follower.snapshot()), expected, "none lost, none twice");
        engine.die().await;
        see(&mut follower, "a lost link", |s| matches!(s.link, Link::Lost { .. })).await;
    }
    let engine = Engine::start(&place.socket(), 20, quick()).await;
    see(&mut follower, "the link", |s| s.link == Link::Live).await;
    assert_eq!(client.ask(approve()).await, Ok(()), "asks travel again");
    see(&mut follower, "the vote", |s| s.records.len() == 21).await;
    engine.die().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_an_ask_that_was_sent_when_the_engine_died_says_that_nobody_knows() {
    let place = Place::new();
    let (inputs, mut asks) = mpsc::channel(16);
    let (feed, count) = (Feed::new(), watch::channel(0).0);
    let handle = Handle::new(id("r-1123.1"), inputs, feed, Clock::live(), PathBuf::from("/"));
    let serving =
        Serving { clock: Clock::live(), build: BUILD.into(), clients: count, pace: quick() };
    let server = tokio::spawn(serve(handle, place.socket(), serving));
    until("the socket is there", || place.socket().exists()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let asked = tokio::spawn(async move { client.ask(approve()).await });
    let heard = asks.recv().await.expect("the ask");
    server.abort();
    let refused = asked.await.expect("no panic").expect_err("no answer");
    assert!(refused.to_string().contains("look at the timeline"), "{refused}");
    drop(heard);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_falls_silent_is_lost_and_found_again() {
    let place = Place::new();
    let calm = Pace { beat: LIMIT, ..quick() };
    let engine = Engine::start(&place.socket(), 1, calm).await;
    let nervous = Pace { silence: Duration::from_millis(300), ..quick() };
    let client = connect(&place.socket(), Attaching { pace: nervous, ..attaching() }).await;
    let client = client.expect("attached");
    let mut follower = client.follow();
    let silent = |s: &Snapshot| match &s.link {
        Link::Lost { why, .. } => why.as_str().contains("has not said a word"),
        Link::Live | Link::Closed => false,
    };
    see(&mut follower, "the lost link", silent).await;
    see(&mut follower, "the link again", |s| s.link == Link::Live).await;
    assert_eq!(seqs(follower.snapshot()), [0], "nothing twice");
    drop(client);
    until("the lost line is given up at both ends", || *engine.clients.borrow() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_costs_little_more_than_the_engine_takes() {
    let place = Place::new();
    let _engine = Engine::start(&place.socket(), 1, quick()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let clock = Clock::live();
    let rounds = 200;
    let began = clock.now().boot_ms;
    for _ in 0..rounds {
        client.ask(command(Ask::Retry)).await.expect_err("only votes there");
    }
    let took_ms = clock.now().boot_ms - began;
    assert!(took_ms < rounds * 50, "{rounds} asks took {took_ms} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_lost_records_is_not_followed() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 5, quick()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let mut follower = client.follow();
    see(&mut follower, "the past", |s| s.records.len() == 5).await;
    engine.die().await;
    let _engine = Engine::start(&place.socket(), 4, quick()).await;
    let says = |s: &Snapshot| match &s.link {
        Link::Lost { why, .. } => why.as_str().contains("has 4 records, 5 were seen here"),
        Link::Live | Link::Closed => false,
    };
    see(&mut follower, "the reason", says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_ended_with_its_release_is_closed_not_lost() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 1, quick()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let mut follower = client.follow();
    let clock = Clock::live();
    let linger = Duration::from_millis(1);
    let over = deserted(&engine.handle, engine.clients.clone(), clock, linger);
    let over = tokio::spawn(over);
    let ended = Event::ReleaseEnded { result: ReleaseResult::Released };
    engine.feed.publish([record(1, &Principal::engine(), ended)]);
    see(&mut follower, "the end of the release", |s| s.records.len() == 2).await;
    assert!(!over.is_finished(), "somebody looks on");
    drop(client);
    Clock::live().within(LIMIT, over).await.expect("nobody is left").expect("no panic");
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let mut follower = client.follow();
    see(&mut follower, "the end of the release", |s| s.records.len() == 2).await;
    engine.die().await;
    see(&mut follower, "closed", |s| s.link == Link::Closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_the_socket_is_private_and_nobody_asks_in_anothers_name() {
    let place = Place::new();
    let _engine = Engine::start(&place.socket(), 1, quick()).await;
    let meta = std::fs::metadata(place.socket()).expect("the socket");
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
    let folder = std::fs::metadata(place.socket().parent().expect("a folder")).expect("there");
    assert_eq!(folder.permissions().mode() & 0o7777, 0o700);
    let stranger = Person::new("somebody.else").expect("a name");
    let spoof = Attaching { person: stranger.clone(), ..attaching() };
    let refused = connect(&place.socket(), spoof).await.expect_err("another's name");
    assert!(matches!(refused, ConnectError::Refused { .. }), "{refused}");
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let mut spoofed = approve();
    spoofed.by.person = stranger;
    let refused = client.ask(spoofed).await.expect_err("another's name");
    assert!(matches!(refused, Refusal::MayNotVote { .. }), "{refused}");
    assert_eq!(client.ask(approve()).await, Ok(()), "in the own name it is heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_build_watches_and_may_roll_back_and_is_told_so() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 2, quick()).await;
    let other = Attaching { build: "gonogo 9.9.9".into(), ..attaching() };
    let client = connect(&place.socket(), other).await.expect("it may watch");
    let mut follower = client.follow();
    see(&mut follower, "the records", |s| s.records.len() == 2).await;
    engine.feed.show(picture("live"));
    see(&mut follower, "the picture", |s| shows(s, "live")).await;
    let notes = &follower.snapshot().live.vitals.notes;
    assert!(notes.iter().any(|note| note.as_str().contains("9.9.9")), "{notes:?}");
    let refused = client.ask(approve()).await.expect_err("another build");
    assert!(matches!(refused, Refusal::Observing { .. }), "{refused}");
    assert!(refused.to_string().contains("it may watch and roll back"), "{refused}");
    let back = command(Ask::RollBack { comment: Clean::default() });
    let heard = client.ask(back).await;
    assert_eq!(heard, Err(Refusal::not_now("only votes here")), "the engine itself answered");
}

/// Sends bytes and gives what comes back until the server hangs up.
async fn talk(path: PathBuf, bytes: Vec<u8>) -> String {
    let talk = move || {
        let mut stream = UnixStream::connect(path).expect("connected");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        // A server that has heard enough hangs up while we still write.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("not dropped"),
            _ => String::from_utf8_lossy(&answer).into_owned(),
        }
    };
    tokio::task::spawn_blocking(talk).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_garbage_ends_only_who_sent_it_and_another_protocol_hears_why() {
    let place = Place::new();
    let engine = Engine::start(&place.socket(), 1, quick()).await;
    let client = connect(&place.socket(), attaching()).await.expect("attached");
    let hello = format!(
        "{{\"hello\":{{\"protocol\":{PROTOCOL},\"build\":\"x\",\"release\":null,\"person\":\"{}\",\
         \"wants\":\"drive\",\"from\":0}}}}\n",
        user_name()
    );
    let deep = format!("{hello}{}\n", "[".repeat(60_000));
    let huge = format!("{hello}{}", "x".repeat(8 * 1024 * 1024));
    let twice = format!("{hello}{hello}");
    for bad in ["GET / HTTP/1.1\n\n", "\0\u{1b}[2J\n", "{}\n", &deep, &huge, &twice] {
        talk(place.socket(), bad.as_bytes().to_vec()).await;
    }
    talk(place.socket(), vec![0xff; 100_000]).await;
    let later = talk(place.socket(), b"{\"hello\":{\"protocol\":1}}\n".to_vec()).await;
    assert!(later.contains("\"version\":true") && later.contains("you speak 1"), "{later}");
    until("they are gone", || *engine.clients.borrow() == 1).await;
    assert_eq!(client.ask(approve()).await, Ok(()), "the others go on");
}

#[tokio::test]
async fn f55_an_engine_that_is_killed_before_its_first_word_is_gone_and_not_broken() {
    let place = Place::new();
    std::fs::create_dir(place.top.path().join("run")).expect("a folder");
    let listener = tokio::net::UnixListener::bind(place.socket()).expect("bound");
    // Without a look at what the client sent this is a reset, after it an end of file.
    for reads in [false, true] {
        let (socket, attaching) = (place.socket(), attaching());
        let client = tokio::spawn(async move { connect(&socket, attaching).await.map(drop) });
        let (mut stream, _) = listener.accept().await.expect("a client");
        stream.readable().await.expect("its hello");
        if reads {
            let mut hello = [0; 4096];
            let count = tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await.expect("read");
            assert!(count > 0, "the hello has come");
        }
        drop(stream);
        let error = client.await.expect("no panic").expect_err("nobody answered");
        assert!(matches!(error, ConnectError::Dead(_)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_behind_is_replaced_and_what_lives_is_not() {
    let place = Place::new();
    let missing = connect(&place.socket(), attaching()).await.expect_err("nothing there");
    assert!(matches!(missing, ConnectError::NoSocket(_)), "{missing}");
    std::fs::create_dir(place.top.path().join("run")).expect("a folder");
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(place.top.path().join("run"), private).expect("chmod");
    // A listener that was dropped leaves its file, as a killed engine does.
    drop(std::os::unix::net::UnixListener::bind(place.socket()).expect("bound"));
    let dead = connect(&place.socket(), attaching()).await.expect_err("nobody there");
    assert!(matches!(dead, ConnectError::Dead(_)), "{dead}");
    let engine = Engine::start(&place.socket(), 1, quick()).await;
    let clients = watch::channel(0).0;
    let serving = Serving { clock: Clock::live(), build: BUILD.into(), clients, pace: quick() };
    let reached = async { connect(&place.socket(), attaching()).await.is_ok() };
    let wait = async { while connect(&place.socket(), attaching()).await.is_err() {} };
    Clock::live().within(LIMIT, wait).await.expect("the stale socket is replaced");
    let second = serve(engine.handle.clone(), place.socket(), serving).await;
    assert!(matches!(second, Err(SocketError::Occupied(_))), "{second:?}");
    assert!(reached.await, "the first one still answers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_folder_is_no_obstacle() {
    let place = Place::new();
    let path = place.top.path().join("a".repeat(100)).join("b".repeat(100)).join("r.sock");
    let engine = Engine::start(&path, 1, quick()).await;
    let client = connect(&path, attaching()).await.expect("attached");
    assert_eq!(client.ask(approve()).await, Ok(()));
    engine.die().await;
    assert!(!path.exists());
}
