//! The engine's end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::super::picture::Picture;
use super::super::wire::{
    ASK_BYTES_MAX, AnyHello, BUFFER_BYTES, ClientHello, Frames, FromClient, FromServer,
    NEWS_BYTES_MAX, PROTOCOL, Refused, ServerHello, Wants, push,
};
use super::super::{Handle, Link, Live};
use super::{Serving, SocketError};
use crate::engine::feed::Watch;
use crate::release::{Ask, Clean, Command, Event, Person, Refusal, ReleaseId, Via};
use crate::world::Clock;
use crate::world::disk::{ShortWay, SocketFile, remove, secret_folder_of};
use crate::world::machine::{host, person_of, user_id};

/// How many clients may be connected at once.
const CLIENTS_MAX: usize = 64;
/// How many answers may wait for a client that does not read; then its asks wait too.
const ANSWERS: usize = 4;
/// A pause after the system could not give us another connection (fault F58).
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How long clients get at the end to take what they were sent.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves the engine behind `handle` at `path` until its feed is closed; then every client has
/// been told. Dropping the future ends it at once and takes the socket away.
///
/// It holds a handle, and an engine goes on while one is held: whoever owns the engine drops this
/// when [`deserted`] says so.
pub async fn serve(handle: Handle, path: PathBuf, serving: Serving) -> Result<(), SocketError> {
    let (listener, _file) = bind(&path, &serving).await?;
    let clock = serving.clock.clone();
    let mut link = handle.feed.watch();
    let shared = Arc::new(Shared { handle, serving, host: host() });
    let mut clients = JoinSet::new();
    while link.take().link != Link::Closed {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let full = clients.len() >= CLIENTS_MAX;
                    clients.spawn(attend(Arc::clone(&shared), stream, full));
                }
                Err(_) => clock.sleep(EXHAUSTED).await,
            },
            Some(_) = clients.join_next(), if !clients.is_empty() => {}
            () = link.changed() => {}
        }
    }
    let farewell = async { while clients.join_next().await.is_some() {} };
    // Who does not read is not waited for.
    let _ = clock.within(FAREWELL, farewell).await;
    Ok(())
}

/// Ends when the release has ended and nobody has been connected for `linger` since. It does not
/// hold the handle.
pub fn deserted(
    handle: &Handle,
    mut clients: watch::Receiver<usize>,
    clock: Clock,
    linger: Duration,
) -> impl Future<Output = ()> + use<> {
    let mut watch = handle.feed.watch();
    async move {
        let (mut over, mut alone_since) = (false, None);
        loop {
            let news = watch.take();
            over |= news.records.iter().any(|r| matches!(r.event, Event::ReleaseEnded { .. }));
            let alone = over && *clients.borrow_and_update() == 0;
            let now = clock.now().boot_ms;
            let since = if alone { *alone_since.get_or_insert(now) } else { now };
            if !alone {
                alone_since = None;
            }
            let until = since.saturating_add(u64::try_from(linger.as_millis()).unwrap_or(u64::MAX));
            if alone && now >= until {
                return;
            }
            tokio::select! {
                () = clock.sleep_until(until), if alone => {}
                () = watch.changed() => {}
                changed = clients.changed() => if changed.is_err() {
                    // The server is gone: nobody can come any more, and its owner knows.
                    std::future::pending::<()>().await;
                },
            }
        }
    }
}

/// Binds under another name first, so that at `path` there is never a socket that others may use
/// or that does not listen yet. Two engines cannot race here: the journal admits only one.
async fn bind(path: &Path, serving: &Serving) -> Result<(UnixListener, SocketFile), SocketError> {
    secret_folder_of(path)?;
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    let way = ShortWay::to(path).map_err(failed)?;
    let found = serving.clock.within(serving.pace.hello, UnixStream::connect(way.as_path())).await;
    match found {
        Some(Err(error)) if is_gone(&error) => {}
        // It answers, or it is too busy to: in either case somebody listens.
        _ => return Err(SocketError::Occupied(path.to_owned())),
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    remove(&temporary)?;
    let way = ShortWay::to(&temporary).map_err(failed)?;
    let listener = UnixListener::bind(way.as_path()).map_err(failed)?;
    let file = SocketFile::place(&temporary, path)?;
    Ok((listener, file))
}

/// Whether nobody listens there: no file, or one that an engine left behind.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// What all clients of one server share.
struct Shared {
    handle: Handle,
    serving: Serving,
    host: Clean,
}

/// Counts a client for as long as it lives.
struct Seat(watch::Sender<usize>);

impl Seat {
    fn take(clients: &watch::Sender<usize>) -> Self {
        clients.send_modify(|count| *count += 1);
        Self(clients.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Everything about one client. Whatever goes wrong ends this client and nothing else.
async fn attend(shared: Arc<Shared>, stream: UnixStream, full: bool) {
    let Ok(peer) = stream.peer_cred() else { return };
    let (read, write) = stream.into_split();
    let mut frames = Frames::new(read, ASK_BYTES_MAX);
    let mut out = Out { write, shared: Arc::clone(&shared), buffer: Vec::new() };
    let greeted = match may_connect(peer.uid(), user_id()) {
        Err(refused) => Err(refused),
        Ok(()) if full => Err(refused(&format!("{CLIENTS_MAX} others are connected already"))),
        Ok(()) => {
            let hello = shared.serving.clock.within(shared.serving.pace.hello, frames.next()).await;
            let Some(Ok(Some(hello))) = hello else { return };
            let person = person_of(peer.uid());
            greet(hello, &person, shared.handle.release(), &shared.serving.build)
                .map(|hello| Guest { hello, person })
        }
    };
    let guest = match greeted {
        Ok(guest) => guest,
        Err(refused) => {
            let _ = out.send(&FromServer::Refused(refused)).await;
            return;
        }
    };
    let mut watch = shared.handle.feed.watch();
    watch.skip(usize::try_from(guest.hello.from).unwrap_or(usize::MAX));
    if out.send(&FromServer::Hello(Box::new(shared.hello()))).await.is_err() {
        return;
    }
    let _seat = Seat::take(&shared.serving.clients);
    let (answers_in, answers) = mpsc::channel(ANSWERS);
    tokio::select! {
        () = listen(&shared, &guest, &mut frames, answers_in) => {}
        _ = stream_news(&mut out, watch, answers) => {}
    }
}

/// A client whose hello was taken.
struct Guest {
    hello: ClientHello,
    person: Person,
}

impl Shared {
    fn hello(&self) -> ServerHello {
        ServerHello {
            protocol: PROTOCOL,
            build: self.serving.build.clone(),
            release: self.handle.release.clone(),
            steps: self.handle.logs.steps.clone(),
            pid: std::process::id(),
            host: self.host.clone(),
            now: self.handle.clock.now(),
            records: self.handle.feed.count() as u64,
        }
    }
}

fn refused(why: &str) -> Refused {
    Refused { version: false, why: Clean::new(why) }
}

/// Only the user who runs the engine is let in, not even root (threat T20).
fn may_connect(peer: u32, own: u32) -> Result<(), Refused> {
    if peer == own {
        return Ok(());
    }
    Err(refused(&format!("this engine belongs to user {own}; you are user {peer}")))
}

/// Judges a client's first line. `person` is who the operating system says it is.
fn greet(
    line: &[u8],
    person: &Person,
    release: &ReleaseId,
    build: &Clean,
) -> Result<ClientHello, Refused> {
    let strange = || refused("that was no hello; is the other end a gonogo?");
    let AnyHello::Hello { protocol } = serde_json::from_slice(line).map_err(|_| strange())?;
    if protocol != PROTOCOL {
        let why = format!(
            "the engine speaks protocol {PROTOCOL} (build {build}), you speak {protocol}; \
             attach with the gonogo that started the release"
        );
        return Err(Refused { version: true, why: Clean::new(&why) });
    }
    let Ok(FromClient::Hello(hello)) = serde_json::from_slice(line) else { return Err(strange()) };
    if hello.release.as_ref().is_some_and(|asked| asked != release) {
        return Err(refused(&format!("this is the engine of release {release}")));
    }
    if hello.person != *person {
        let why = format!("you are {person} here and cannot act as {}", hello.person);
        return Err(refused(&why));
    }
    Ok(hello)
}

/// Whether the engine may hear this ask at all. What it says to it is the engine's own matter.
fn may_ask(guest: &Guest, command: &Command, build: &Clean) -> Result<(), Refusal> {
    let Command { by, ask, .. } = command;
    if by.person != guest.person {
        let why = format!("this line is {}'s", guest.person);
        return Err(Refusal::MayNotVote { who: by.person.clone(), why: Clean::new(&why) });
    }
    if by.via == Via::Engine {
        let why = Clean::from("nobody but the engine acts as the engine");
        return Err(Refusal::MayNotVote { who: by.person.clone(), why });
    }
    if by.key.is_some() {
        let why = Clean::from("a signature cannot be claimed, only given");
        return Err(Refusal::MayNotVote { who: by.person.clone(), why });
    }
    // The way back stays open, whoever looks on with whatever.
    if matches!(ask, Ask::RollBack { .. }) {
        return Ok(());
    }
    if guest.hello.build != *build {
        let why = format!(
            "it is gonogo {}, the engine is {build}; it may watch and roll back, {} needs the \
             engine's own build",
            guest.hello.build,
            ask.word()
        );
        return Err(Refusal::Observing { why: Clean::new(&why) });
    }
    if guest.hello.wants == Wants::Watch {
        return Err(Refusal::Observing { why: "it was opened to watch".into() });
    }
    Ok(())
}

/// Takes a client's asks, one after the other, until it leaves or sends what is no ask.
async fn listen(
    shared: &Shared,
    guest: &Guest,
    frames: &mut Frames<OwnedReadHalf>,
    answers: mpsc::Sender<FromServer>,
) {
    while let Ok(Some(line)) = frames.next().await {
        let Ok(FromClient::Ask { id, command }) = serde_json::from_slice(line) else { return };
        let answer = match may_ask(guest, &command, &shared.serving.build) {
            Ok(()) => shared.handle.ask(*command).await,
            Err(refusal) => Err(refusal),
        };
        if answers.send(FromServer::Answer { id, refusal: answer.err() }).await.is_err() {
            return;
        }
    }
}

/// Sends answers, records and the newest picture until the feed closes or the client is too slow.
async fn stream_news(
    out: &mut Out,
    mut watch: Watch,
    mut answers: mpsc::Receiver<FromServer>,
) -> io::Result<()> {
    let clock = out.shared.serving.clock.clone();
    let pace = out.shared.serving.pace.clone();
    let after = |duration: Duration| {
        clock.now().boot_ms.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(0))
    };
    let (mut shown, mut next_live): (Option<Arc<Live>>, u64) = (None, 0);
    // The pods that the client has.
    let mut pods = None;
    loop {
        let news = watch.take();
        for record in news.records {
            out.push(&FromServer::Record(record)).await?;
        }
        let fresh = shown.as_ref().is_none_or(|shown| !Arc::ptr_eq(shown, &news.live));
        let pending = fresh && clock.now().boot_ms < next_live;
        if fresh && !pending {
            let picture = Picture::of(&news.live, pods.as_ref());
            if out.push(&FromServer::Live(Box::new(picture))).await? {
                pods = Some(news.live.telemetry.pods.clone());
            }
            shown = Some(news.live);
            next_live = after(pace.live);
        }
        if news.link == Link::Closed {
            out.push(&FromServer::Closed).await?;
            return out.flush().await;
        }
        out.flush().await?;
        let until = if pending { next_live } else { after(pace.beat) };
        tokio::select! {
            Some(answer) = answers.recv() => {
                out.push(&answer).await?;
            }
            () = watch.changed() => {}
            () = clock.sleep_until(until) => if !pending {
                out.push(&FromServer::Beat).await?;
            },
        }
    }
}

/// The way to one client. Nothing is kept for it beyond one buffer.
struct Out {
    write: OwnedWriteHalf,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

impl Out {
    async fn send(&mut self, frame: &FromServer) -> io::Result<()> {
        self.push(frame).await?;
        self.flush().await
    }

    /// Adds a frame; small ones travel together. Answers whether it goes at all.
    async fn push(&mut self, frame: &FromServer) -> io::Result<bool> {
        let start = self.buffer.len();
        push(&mut self.buffer, frame);
        let goes = self.buffer.len() - start <= NEWS_BYTES_MAX;
        if !goes {
            // A picture this large is left out, and the next one may be smaller. A record this
            // large would leave a gap, which the client takes for what it is: a lost link.
            self.buffer.truncate(start);
        }
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush().await?;
        }
        Ok(goes)
    }

    /// Writes what there is; a client that does not take it in time is an error.
    async fn flush(&mut self) -> io::Result<()> {
        let Serving { clock, pace, .. } = &self.shared.serving;
        let written = clock.within(pace.stall, self.write.write_all(&self.buffer)).await;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
        written.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Principal, Slot};

    fn release() -> ReleaseId {
        ReleaseId::new("r-1123.1").expect("an id")
    }

    fn person(name: &str) -> Person {
        Person::new(name).expect("a name")
    }

    fn hello() -> ClientHello {
        ClientHello {
            protocol: PROTOCOL,
            build: "1".into(),
            release: None,
            person: person("mara"),
            wants: Wants::Drive,
            from: 0,
        }
    }

    fn greeted(hello: ClientHello) -> Result<ClientHello, Refused> {
        let line = serde_json::to_vec(&FromClient::Hello(hello)).expect("JSON");
        greet(&line, &person("mara"), &release(), &"1".into())
    }

    #[track_caller]
    fn asked(change: impl FnOnce(&mut Guest, &mut Command)) -> Result<(), Refusal> {
        let mut guest = Guest { hello: hello(), person: person("mara") };
        let by = Principal { person: person("mara"), via: Via::Shell, key: None };
        let mut command = Command { by, seen: None, ask: Ask::Switch { to: Slot::Green } };
        change(&mut guest, &mut command);
        may_ask(&guest, &command, &"1".into())
    }

    #[test]
    fn t20_another_user_is_refused_and_so_is_root() {
        assert!(may_connect(1000, 1000).is_ok());
        for other in [0, 1001] {
            let refused = may_connect(other, 1000).expect_err("another user");
            assert!(refused.why.as_str().contains(&format!("you are user {other}")));
        }
    }

    #[test]
    fn a_hello_of_another_version_release_or_person_is_refused_with_the_reason() {
        assert!(greeted(hello()).is_ok());
        assert!(greeted(ClientHello { build: "2".into(), ..hello() }).is_ok());
        let version = greeted(ClientHello { protocol: 1, ..hello() }).expect_err("a version");
        assert!(version.version && version.why.as_str().contains("you speak 1"));
        let other = Some(ReleaseId::new("r-9").expect("an id"));
        let release = greeted(ClientHello { release: other, ..hello() }).expect_err("a release");
        assert!(!release.version && release.why.as_str().contains("r-1123.1"));
        let spoof = greeted(ClientHello { person: person("kim"), ..hello() }).expect_err("spoofed");
        assert!(spoof.why.as_str().contains("you are mara here and cannot act as kim"));
        let garbage = greet(b"GET / HTTP/1.1", &person("mara"), &self::release(), &"1".into());
        assert!(garbage.is_err());
    }

    #[test]
    fn t20_nobody_asks_in_anothers_name_nor_claims_a_signature() {
        assert_eq!(asked(|_, _| {}), Ok(()));
        let spoofs: [fn(&mut Command); 3] = [
            |command| command.by.person = person("kim"),
            |command| command.by.via = Via::Engine,
            |command| command.by.key = Some("SHA256:forged".into()),
        ];
        for spoof in spoofs {
            let refused = asked(|_, command| spoof(command));
            assert!(matches!(refused, Err(Refusal::MayNotVote { .. })), "{refused:?}");
        }
    }

    #[test]
    fn another_build_and_a_watcher_may_roll_back_and_nothing_else() {
        let guests: [fn(&mut Guest); 2] =
            [|guest| guest.hello.build = "2".into(), |guest| guest.hello.wants = Wants::Watch];
        for guest_of in guests {
            let refused = asked(|guest, _| guest_of(guest));
            assert!(matches!(refused, Err(Refusal::Observing { .. })), "{refused:?}");
            let back = asked(|guest, command| {
                guest_of(guest);
                command.ask = Ask::RollBack { comment: Clean::default() };
            });
            assert_eq!(back, Ok(()));
        }
    }
}
