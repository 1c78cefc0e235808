//! The cockpit's end: fills a feed of its own from the socket and carries asks over it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::super::picture::Picture;
use super::super::wire::{
    BUFFER_BYTES, ClientHello, FrameError, Frames, FromClient, FromServer, NEWS_BYTES_MAX,
    PROTOCOL, ServerHello, push,
};
use super::super::{Envelope, Feed, Handle, Link};
use super::server::is_gone;
use super::{Attaching, ConnectError};
use crate::release::{Clean, Command, Event, Input, PodRows, Refusal, ReleaseId};
use crate::world::disk::ShortWay;
use crate::world::machine::user_id;

/// How many asks may wait to be sent.
const ASKS: usize = 64;

type Reply = oneshot::Sender<Result<(), Refusal>>;

/// Attaches to the engine whose socket is at `path`.
///
/// The handle is like the engine's own. When the link breaks its [`Link`] says so, asks are
/// refused, never kept for later, and it connects again by itself, going on from the last record
/// it has. When every clone of the handle is dropped, the link ends.
pub async fn connect(path: &Path, attaching: Attaching) -> Result<Handle, ConnectError> {
    let line = dial(path, &attaching, None, 0).await?;
    let ServerHello { release, steps, records, .. } = (*line.hello).clone();
    let (feed, (inputs, asks)) = (Feed::new(), mpsc::channel(ASKS));
    let clock = attaching.clock.clone();
    let handle = Handle::new(release.clone(), inputs, Arc::clone(&feed), clock, steps);
    let (wait_clock, wait_for, arriving) =
        (attaching.clock.clone(), attaching.pace.hello, Arc::clone(&feed));
    let path = path.to_owned();
    let client = Client {
        path,
        attaching,
        release,
        feed,
        asks,
        have: 0,
        ended: false,
        heard: false,
        pods: None,
    };
    tokio::spawn(client.run(line));
    // Whoever asks has seen what there was to see when they came.
    let arrived = arriving.reaches(usize::try_from(records).unwrap_or(usize::MAX));
    let _ = wait_clock.within(wait_for, arrived).await;
    Ok(handle)
}

/// A connection on which both ends have said hello.
struct Line {
    frames: Frames<OwnedReadHalf>,
    write: OwnedWriteHalf,
    hello: Box<ServerHello>,
}

async fn dial(
    path: &Path,
    attaching: &Attaching,
    release: Option<&ReleaseId>,
    from: u64,
) -> Result<Line, ConnectError> {
    let greeting = greeting(path, attaching, release, from);
    let answer = attaching.clock.within(attaching.pace.hello, greeting).await;
    answer.unwrap_or_else(|| Err(ConnectError::Silent(path.to_owned())))
}

async fn greeting(
    path: &Path,
    attaching: &Attaching,
    release: Option<&ReleaseId>,
    from: u64,
) -> Result<Line, ConnectError> {
    let failed = |source| ConnectError::Io { path: path.to_owned(), source };
    let dead = || ConnectError::Dead(path.to_owned());
    let stream = match open(path).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ConnectError::NoSocket(path.to_owned()));
        }
        // One that is killed while it takes the connection resets it.
        Err(error) if is_gone(&error) || is_hung_up(&error) => return Err(dead()),
        Err(error) => return Err(failed(error)),
    };
    let owner = stream.peer_cred().map_err(failed)?.uid();
    if owner != user_id() {
        let why = format!("the engine there belongs to user {owner}, not to you");
        return Err(ConnectError::Refused { why: Clean::new(&why) });
    }
    let (read, mut write) = stream.into_split();
    let mut out = Vec::new();
    push(
        &mut out,
        &FromClient::Hello(ClientHello {
            protocol: PROTOCOL,
            build: attaching.build.clone(),
            release: release.cloned(),
            person: attaching.person.clone(),
            wants: attaching.wants,
            from,
        }),
    );
    // A server that refuses may have hung up before it read this; its words are still there.
    let _ = write.write_all(&out).await;
    let mut frames = Frames::new(read, NEWS_BYTES_MAX);
    let answer = match frames.next().await {
        Ok(Some(answer)) => serde_json::from_slice(answer),
        // One that is killed in this moment still takes the connection, and says nothing.
        Ok(None) | Err(FrameError::Cut) => return Err(dead()),
        Err(FrameError::Io(error)) if is_hung_up(&error) => return Err(dead()),
        Err(FrameError::Io(error)) => return Err(failed(error)),
        Err(error @ FrameError::TooLong { .. }) => {
            let why = format!("what answers there is no engine of this gonogo: {error}");
            return Err(ConnectError::Version { why: Clean::new(&why) });
        }
    };
    match answer {
        Ok(FromServer::Hello(hello)) if hello.protocol == PROTOCOL => {
            Ok(Line { frames, write, hello })
        }
        Ok(FromServer::Hello(hello)) => {
            let theirs = hello.protocol;
            let why = format!("the engine speaks protocol {theirs}, this gonogo {PROTOCOL}");
            Err(ConnectError::Version { why: Clean::new(&why) })
        }
        Ok(FromServer::Refused(no)) if no.version => Err(ConnectError::Version { why: no.why }),
        Ok(FromServer::Refused(no)) => Err(ConnectError::Refused { why: no.why }),
        Ok(_) | Err(_) => {
            let why = "what answers there does not speak like an engine of this gonogo".into();
            Err(ConnectError::Version { why })
        }
    }
}

fn is_hung_up(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected | UnexpectedEof)
}

async fn open(path: &Path) -> std::io::Result<UnixStream> {
    let way = ShortWay::to(path)?;
    UnixStream::connect(way.as_path()).await
}

/// How a connection came to its end.
enum End {
    /// The engine ended, orderly.
    Closed,
    /// Nobody holds the handle any more.
    Unused,
    Lost(Clean),
}

/// The far side of a handle.
struct Client {
    path: PathBuf,
    attaching: Attaching,
    release: ReleaseId,
    feed: Arc<Feed>,
    asks: mpsc::Receiver<Envelope>,
    /// How many records the feed has: the place to go on from.
    have: u64,
    /// Whether the end of the release is among them.
    ended: bool,
    /// Whether the connection at hand has brought anything that could be used.
    heard: bool,
    /// The pods of the picture that came last over it.
    pods: Option<PodRows>,
}

/// What was sent and not answered, and what is still to be sent.
#[derive(Default)]
struct Sending {
    next: u64,
    waiting: BTreeMap<u64, Option<Reply>>,
    out: Vec<u8>,
}

impl Client {
    async fn run(mut self, mut line: Line) {
        let (shortest, longest) = self.attaching.pace.retry;
        let mut pause = shortest;
        loop {
            (self.heard, self.pods) = (false, None);
            let why = match self.talk(line).await {
                End::Closed => return self.feed.link(Link::Closed),
                End::Unused => return self.let_go(),
                End::Lost(why) => why,
            };
            // Who is sent away again at once, without a usable word, is not to hammer.
            pause = if self.heard { shortest } else { pause.saturating_mul(2).min(longest) };
            let since_ms = self.attaching.clock.now().wall_ms();
            self.feed.link(Link::Lost { why: why.clone(), since_ms });
            line = match self.dial_again(why, since_ms, pause).await {
                Ok(line) => line,
                Err(End::Closed) => return self.feed.link(Link::Closed),
                Err(End::Unused | End::Lost(_)) => return self.let_go(),
            };
            self.feed.link(Link::Live);
        }
    }

    fn let_go(&self) {
        let since_ms = self.attaching.clock.now().wall_ms();
        self.feed.link(Link::Lost { why: "this end let go of the engine".into(), since_ms });
    }

    /// One connection, until it ends.
    async fn talk(&mut self, line: Line) -> End {
        let Line { mut frames, mut write, hello } = line;
        let (clock, silence) = (self.attaching.clock.clone(), self.attaching.pace.silence);
        let mut sending = Sending::default();
        let mut heard_at = clock.now().boot_ms;
        let silence_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
        let end = loop {
            tokio::select! {
                // What has come is read before its lateness is judged: this process may have been
                // stopped for a while.
                biased;
                wrote = write.write(&sending.out), if !sending.out.is_empty() => match wrote {
                    Ok(count) => drop(sending.out.drain(..count)),
                    // What the engine said last may still be there to be read.
                    Err(_) => sending.out.clear(),
                },
                asked = self.asks.recv(), if sending.out.is_empty() => match asked {
                    Some(envelope) => sending.add(envelope),
                    None => break End::Unused,
                },
                frame = frames.next() => {
                    heard_at = clock.now().boot_ms;
                    let taken = match frame {
                        Ok(Some(text)) => self.take(text, &hello, &mut sending),
                        Ok(None) => Err(End::Lost("the engine is gone".into())),
                        Err(error) => Err(End::Lost(Clean::new(&error.to_string()))),
                    };
                    if let Err(end) = taken {
                        break end;
                    }
                }
                () = clock.sleep_until(heard_at.saturating_add(silence_ms)) => {
                    let why = format!("the engine has not said a word for {} s", silence.as_secs());
                    break End::Lost(Clean::new(&why));
                }
            }
        };
        let why = match &end {
            End::Closed => Refusal::not_now("the engine of this release has ended"),
            End::Lost(_) | End::Unused => Refusal::not_now(
                "the link broke before the engine answered; look at the timeline whether it was \
                 recorded",
            ),
        };
        sending.refuse_all(&why);
        end
    }

    /// Takes one line from the engine.
    fn take(&mut self, text: &[u8], hello: &ServerHello, sending: &mut Sending) -> Result<(), End> {
        let frame = serde_json::from_slice(text).map_err(|error| {
            let mine = &self.attaching.build;
            let why = format!(
                "this gonogo ({mine}) does not understand the engine's ({}): {error}; attach \
                 with the engine's own build",
                hello.build
            );
            End::Lost(Clean::new(&why))
        })?;
        match frame {
            FromServer::Record(record) if record.release != self.release => {
                let why = format!("a record of another release came: {}", record.release);
                return Err(End::Lost(Clean::new(&why)));
            }
            // Told twice is told once.
            FromServer::Record(record) if record.seq.0 < self.have => {}
            FromServer::Record(record) if record.seq.0 > self.have => {
                let why = format!("record {} came in the place of {}", record.seq, self.have);
                return Err(End::Lost(Clean::new(&why)));
            }
            FromServer::Record(record) => {
                self.ended |= matches!(record.event, Event::ReleaseEnded { .. });
                self.have += 1;
                self.feed.publish([record]);
            }
            FromServer::Live(picture) => self.show(*picture, hello)?,
            FromServer::Answer { id, refusal } => {
                if let Some(Some(reply)) = sending.waiting.remove(&id) {
                    // Whoever asked may have left.
                    let _ = reply.send(refusal.map_or(Ok(()), Err));
                }
            }
            FromServer::Beat => {}
            FromServer::Closed => return Err(End::Closed),
            FromServer::Hello(_) | FromServer::Refused(_) => {
                return Err(End::Lost("the engine greeted twice".into()));
            }
        }
        self.heard = true;
        Ok(())
    }

    fn show(&mut self, picture: Picture, hello: &ServerHello) -> Result<(), End> {
        let Some(mut live) = picture.on(self.pods.as_ref()) else {
            return Err(End::Lost("changes of pods came before the pods".into()));
        };
        self.pods = Some(live.telemetry.pods.clone());
        if hello.build != self.attaching.build {
            let (mine, theirs) = (&self.attaching.build, &hello.build);
            let note =
                format!("this is gonogo {mine}, the engine is {theirs}: watch and roll back");
            live.vitals.notes.push(Clean::new(&note));
        }
        self.feed.show(live);
        Ok(())
    }

    /// Connects again, however long it takes. What is asked meanwhile is refused.
    async fn dial_again(
        &mut self,
        why: Clean,
        since_ms: i64,
        mut pause: Duration,
    ) -> Result<Line, End> {
        let longest = self.attaching.pace.retry.1;
        let (mut why, clock) = (why, self.attaching.clock.clone());
        loop {
            let (path, attaching) = (self.path.clone(), self.attaching.clone());
            let (release, have) = (self.release.clone(), self.have);
            let wait = clock.clone();
            let dialled = async move {
                wait.sleep(pause).await;
                dial(&path, &attaching, Some(&release), have).await
            };
            let refusal = Refusal::not_now(&format!(
                "the link to the engine is lost, so nothing was asked: {why}"
            ));
            let found = match self.refuse_while(dialled, &refusal).await? {
                Ok(line) if line.hello.records >= have => return Ok(line),
                Ok(line) => {
                    let there = line.hello.records;
                    Clean::new(&format!("the engine has {there} records, {have} were seen here"))
                }
                Err(ConnectError::NoSocket(_) | ConnectError::Dead(_)) if self.ended => {
                    return Err(End::Closed);
                }
                Err(error) => Clean::new(&format!("failed to {error}")),
            };
            if found != why {
                why = found;
                self.feed.link(Link::Lost { why: why.clone(), since_ms });
            }
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    async fn refuse_while<T>(
        &mut self,
        work: impl Future<Output = T>,
        refusal: &Refusal,
    ) -> Result<T, End> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                asked = self.asks.recv() => match asked {
                    Some(Envelope { reply: Some(reply), .. }) => {
                        let _ = reply.send(Err(refusal.clone()));
                    }
                    Some(_) => {}
                    None => return Err(End::Unused),
                },
            }
        }
    }
}

impl Sending {
    /// Writes an ask down to be sent. Whatever else comes this way is the engine's own and does
    /// not travel.
    fn add(&mut self, Envelope { input, reply }: Envelope) {
        match input {
            Input::Asked(command) => self.ask(command, reply),
            Input::Answered(..) | Input::Observed(..) | Input::Due(_) | Input::Opened(_) => {
                let why = Refusal::not_now("only asks travel to an engine elsewhere");
                let _ = reply.map(|reply| reply.send(Err(why)));
            }
        }
    }

    fn ask(&mut self, command: Command, reply: Option<Reply>) {
        self.next += 1;
        let id = self.next;
        self.waiting.insert(id, reply);
        self.out.shrink_to(BUFFER_BYTES);
        push(&mut self.out, &FromClient::Ask { id, command: Box::new(command) });
    }

    fn refuse_all(self, why: &Refusal) {
        for reply in self.waiting.into_values().flatten() {
            let _ = reply.send(Err(why.clone()));
        }
    }
}
