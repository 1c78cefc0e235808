//! Lines per second of processor time through the log pipeline, beside a floor, `tee`, and the
//! same work done naively. All read the same lines from a pipe.

use std::fs::File;
use std::io::{self, BufRead as _, PipeReader, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use gonogo::release::{Clean, Secret};
use gonogo::world::logpipe::{CHUNK_BYTES, LogFile, LogLimits, LogSink, Masks, PIPE_BYTES, Stream};
use nix::sys::resource::UsageWho;

use super::{Goal, Outcome, ROUNDS, Row, median, peer, spent_s};

const LINES: usize = 1_000_000;
const SECRETS: usize = 61;

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let (input, secrets) = generate(LINES)?;
    let at = |name: &str| dir.path().join(name);
    let mut taken: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        taken[0].push(piped(&input, floor)?);
        taken[1].push(piped(&input, |pipe| ours(pipe, &at("ours"), &secrets))?);
        taken[2].push(piped(&input, |pipe| tee(pipe, &at("tee"), Stdio::piped()))?);
        taken[3].push(piped(&input, |pipe| tee(pipe, &at("tee"), Stdio::null()))?);
        // A tenth of the lines is enough to see how slow it is.
        let tenth = &input[..input.len() / 10];
        taken[4].push(piped(tenth, |pipe| naive(pipe, &at("naive"), &secrets))? * 10.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = |seconds: Vec<f64>| LINES as f64 / median(seconds) / 1e6;
    let [newlines, ours, tee, half_tee, naive] = taken.map(rate);
    let row =
        |name, beside, floor, goal| Row { name, ours, floor, unit: "M lines/cpu-s", beside, goal };
    Ok(vec![
        row("log: strip, mask, write", "`tee`, to a file and a pipe", tee, Goal::AtLeast(1.0)),
        row("log: the same", "`tee`, to a file alone", half_tee, Goal::None),
        row("log: the same", "the same done naively", naive, Goal::AtLeast(15.0)),
        row("log: the same", "counting newlines", newlines, Goal::None),
        page(&at("page"))?,
    ])
}

/// Lines of 127 bytes with four colour codes; one in a thousand holds a secret.
fn generate(lines: usize) -> io::Result<(Vec<u8>, Vec<Secret>)> {
    let mut random = fastrand::Rng::with_seed(7);
    let values: Vec<String> = (0..SECRETS)
        .map(|_| std::iter::repeat_with(|| random.alphanumeric()).take(24).collect())
        .collect();
    let mut out = Vec::with_capacity(lines * 128);
    for line in 0..lines {
        let word =
            if line % 1000 == 7 { &values[line % SECRETS] } else { "packages/shop-frontend" };
        let text = format!(
            "\x1b[36m12:00:{:02}\x1b[0m \x1b[1minfo\x1b[0m building {word} chunk {line:08} of the \
             release in mode production with maps",
            line % 60
        );
        writeln!(out, "{text:.<126}")?;
    }
    let secrets = values.into_iter().filter_map(|value| Secret::new(value).ok());
    Ok((out, secrets.collect()))
}

/// Seconds of processor time of this thread and of children that `work` takes, while another
/// thread writes `input` into the pipe that it reads.
fn piped(input: &[u8], work: impl FnOnce(PipeReader) -> io::Result<()>) -> io::Result<f64> {
    let (reader, mut writer) = io::pipe()?;
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES)?;
    std::thread::scope(|threads| {
        // A reader that wants no more ends it.
        threads.spawn(move || writer.write_all(input).unwrap_or_default());
        cpu(|| work(reader))
    })
}

/// Seconds of processor time that `work` and its children take.
fn cpu(work: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let spent = || -> io::Result<f64> {
        Ok(spent_s(UsageWho::RUSAGE_THREAD)? + spent_s(UsageWho::RUSAGE_CHILDREN)?)
    };
    let before = spent()?;
    work()?;
    Ok(spent()? - before)
}

fn floor(mut file: PipeReader) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut lines = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            std::hint::black_box(lines);
            return Ok(());
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count();
    }
}

fn ours(mut file: PipeReader, dir: &Path, secrets: &[Secret]) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let limits = LogLimits { head_bytes: u64::MAX, tail_bytes: 0 };
    let mut sink = LogSink::create(dir, Masks::new(secrets), limits)?;
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        sink.feed(Stream::Stdout, 0, &buffer[..read]);
    }
    let (counts, trouble) = sink.finish(0);
    assert!((counts.masked > 0) != secrets.is_empty() && trouble.is_none());
    std::fs::remove_dir_all(dir)
}

/// `tee` keeps the lines and hands them on. Whoever reads them costs time of their own, as does
/// whoever reads our file.
fn tee(input: PipeReader, output: &Path, handed_on: Stdio) -> io::Result<()> {
    let mut command = peer("tee");
    let mut child = command.arg(output).stdin(input).stdout(handed_on).spawn()?;
    // It has its own end of the input, and waits until all others are closed.
    drop(command);
    let read = child.stdout.take().map(|mut out| std::thread::spawn(move || drain(&mut out)));
    assert!(child.wait()?.success());
    if let Some(Err(_)) = read.map(std::thread::JoinHandle::join) {
        return Err(io::Error::other("the reader died"));
    }
    std::fs::remove_file(output)
}

fn drain(from: &mut impl io::Read) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    while from.read(&mut buffer)? > 0 {}
    Ok(())
}

fn naive(input: PipeReader, output: &Path, secrets: &[Secret]) -> io::Result<()> {
    let mut out = File::create(output)?;
    let reader = io::BufReader::new(input);
    for line in reader.lines() {
        let mut text = String::new();
        let mut inside = false;
        for c in line?.chars() {
            inside |= c == '\x1b';
            if !inside {
                text.push(c);
            }
            inside &= !c.is_ascii_alphabetic();
        }
        for secret in secrets {
            text = text.replace(String::from_utf8_lossy(secret.reveal()).as_ref(), "***");
        }
        writeln!(out, "{}", Clean::new(&text))?;
    }
    std::fs::remove_file(output)
}

/// A page of 60 lines anywhere in a log of 100,000, beside a frame of 33 ms.
fn page(dir: &Path) -> Outcome<Row> {
    const PAGES: u32 = 1000;
    std::fs::create_dir_all(dir)?;
    let mut sink = LogSink::create(dir, Masks::new([]), LogLimits::default())?;
    let line = format!("{:.<126}\n", "a line of a build");
    for _ in 0..100_000 {
        sink.feed(Stream::Stdout, 0, line.as_bytes());
    }
    let log = LogFile::open(dir)?;
    let mut random = fastrand::Rng::with_seed(7);
    let paged = cpu(|| {
        for _ in 0..PAGES {
            std::hint::black_box(log.window(random.usize(..100_000), 60)?);
        }
        Ok(())
    })?;
    Ok(Row {
        name: "log: a page of 60 of 100,000 lines",
        ours: paged * 1e3 / f64::from(PAGES),
        floor: 33.0,
        unit: "ms",
        beside: "one frame",
        goal: Goal::AtMost(0.1),
    })
}
