//! The journal: what durability costs beyond the disk's own price, and what reading costs beyond
//! the bytes'. The records are those of a rehearsed release.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Duration;

use gonogo::journal::{Disk, Driver, Fault, Journal, Mode, line};
use gonogo::release::{
    Clean, Digest, Epoch, Event, FORMAT, Person, Principal, Record, ReleaseId, Seq, SessionId,
    Timestamp,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::{Goal, Outcome, Row, in_turns, median, now, peer, timed};

const APPEND_ROUNDS: usize = 15;
const QUEUED: usize = 1000;
const RECORDS: u64 = 1_000_000;

type Said = (Principal, Event);

pub(crate) fn run() -> Outcome<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let said = rehearsed(dir.path())?;
    let mut rows = vec![append(dir.path(), &runtime, &said)?];
    rows.extend(queued(dir.path(), &runtime, &said)?);
    rows.push(recover(dir.path(), &said)?);
    Ok(rows)
}

/// What a whole release says, in its order.
fn rehearsed(home: &Path) -> Outcome<Vec<Said>> {
    let mut command = peer(env!("CARGO_BIN_EXE_gonogo"));
    command.args(["rehearse", "happy", "--auto", "--json"]).env("HOME", home);
    command.env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
    let output = command.output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the rehearsal ended with {}: {why}", output.status).into());
    }
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut said = Vec::new();
    for line in lines {
        if let Some(line::Line::Known(record)) = line::parse(line) {
            said.push((record.by, record.event));
        }
    }
    if said.len() < 100 { Err("the rehearsal said too little".into()) } else { Ok(said) }
}

fn driver() -> Outcome<Driver> {
    Ok(Driver {
        session: SessionId::new("s-bench")?,
        person: Person::new("bench")?,
        host: Clean::new("host"),
        pid: std::process::id(),
        boot: "boot".to_owned(),
        since: at().wall,
    })
}

fn at() -> Timestamp {
    Timestamp { wall: jiff::Timestamp::UNIX_EPOCH, boot_ms: 1 }
}

fn create(disk: &Disk, folder: &Path) -> Outcome<Journal> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(Journal::create_on(disk, folder, ReleaseId::new("r-1123.1")?, driver()?)?)
}

/// The same bytes, a write and a sync a line.
fn raw(path: &Path, lines: &[Vec<u8>]) -> Outcome<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    lines.iter().try_for_each(|line| one(&mut file, line))
}

fn one(file: &mut File, line: &[u8]) -> Outcome<()> {
    file.write_all(line)?;
    Ok(file.sync_data()?)
}

fn lines_of(folder: &Path) -> Outcome<Vec<Vec<u8>>> {
    let bytes = fs::read(folder.join("journal.jsonl"))?;
    Ok(bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
}

/// One of ours, one of the floor's, and so on: what the disk does besides meets both alike, where
/// a round of one after a round of the other would give one of them the bad moment.
fn append(dir: &Path, runtime: &Runtime, said: &[Said]) -> Outcome<Row> {
    let (folder, floor) = (dir.join("append"), dir.join("floor"));
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    let mut lines: Vec<Vec<u8>> = Vec::new();
    // The first round, which says what the floor is to write, does not count.
    for round in 0..=APPEND_ROUNDS {
        let mut journal = create(&Disk::real(), &folder)?;
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&floor)?;
        let (mut a, mut b) = (Duration::ZERO, Duration::ZERO);
        runtime.block_on(async {
            for (at_record, event) in said.iter().cloned().enumerate() {
                let begun = now();
                journal.append(vec![event], at()).await?;
                a += begun.elapsed();
                if let Some(line) = lines.get(at_record) {
                    b += timed(|| one(&mut file, line))?.0;
                }
            }
            Outcome::Ok(())
        })?;
        if round > 0 {
            ours.push(a.as_secs_f64());
            beside.push(b.as_secs_f64());
        }
        lines = lines_of(&folder)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = 1e3 / said.len() as f64;
    Ok(Row {
        name: "journal: append one record",
        ours: median(ours) * each,
        floor: median(beside) * each,
        unit: "ms",
        beside: "write + fdatasync of the same bytes",
        goal: Goal::AtMost(1.1),
    })
}

/// A loop as the engine's: waits for one input, drains what else is queued, appends it as one.
fn queued(dir: &Path, runtime: &Runtime, said: &[Said]) -> Outcome<Vec<Row>> {
    let (folder, floor) = (dir.join("queued"), dir.join("floor"));
    let disk = Disk::faulty(Fault::default());
    let (mut syncs, mut batches) = (0, 0);
    let ours = || {
        let mut journal = create(&disk, &folder)?;
        let events: Vec<Said> = said.iter().skip(1).cycle().take(QUEUED).cloned().collect();
        let before = disk.syncs();
        let (took, drained) = timed(|| {
            runtime.block_on(async {
                let (queue, mut inputs) = mpsc::channel(256);
                tokio::spawn(async move {
                    for event in events {
                        if queue.send(event).await.is_err() {
                            return;
                        }
                    }
                });
                let mut drained = 0_u32;
                while let Some(first) = inputs.recv().await {
                    let mut batch = vec![first];
                    while let Ok(more) = inputs.try_recv() {
                        batch.push(more);
                    }
                    journal.append(batch, at()).await?;
                    drained += 1;
                }
                Ok(drained)
            })
        })?;
        syncs += disk.syncs() - before;
        batches += drained;
        Ok(took)
    };
    let beside = || {
        let lines = lines_of(&folder)?;
        Ok(timed(|| raw(&floor, &lines))?.0)
    };
    let (ours, floor) = in_turns(ours, beside)?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let syncs = syncs as f64;
    Ok(vec![
        Row {
            name: "journal: 1,000 queued inputs",
            ours: ours * 1e3,
            floor: floor * 1e3,
            unit: "ms",
            beside: "a write + fdatasync for each",
            goal: Goal::AtMost(0.05),
        },
        Row {
            name: "journal: syncs for 5 times 1,000",
            ours: syncs,
            floor: f64::from(batches),
            unit: "",
            beside: "drained batches",
            goal: Goal::AtMost(1.0),
        },
    ])
}

/// A journal of a million records, written without a sync.
fn million(folder: &Path, said: &[Said]) -> Outcome<()> {
    fs::create_dir(folder)?;
    let mut file = BufWriter::new(File::create(folder.join("journal.jsonl"))?);
    let (release, mut prev) = (ReleaseId::new("r-1123.1")?, Digest::zero());
    let mut bytes = Vec::new();
    // The plan stands in the first record, once.
    let rest = said.iter().skip(1).cycle();
    for (seq, (by, event)) in (0..RECORDS).zip(said.iter().take(1).chain(rest)) {
        let record = Record {
            format: FORMAT,
            release: release.clone(),
            seq: Seq(seq),
            epoch: Epoch(1),
            prev,
            attempt_id: format!("s-bench.1.{seq}"),
            at_wall: at().wall,
            at_boot: seq,
            by: by.clone(),
            event: event.clone(),
        };
        bytes.clear();
        prev = line::encode(&record, &mut bytes)?;
        file.write_all(&bytes)?;
    }
    file.flush()?;
    Ok(())
}

fn recover(dir: &Path, said: &[Said]) -> Outcome<Row> {
    let folder = dir.join("million");
    million(&folder, said)?;
    let path = folder.join("journal.jsonl");
    let read = || Ok(timed(|| Ok(fs::read(&path)?))?.0);
    let open = || {
        let (took, (_, records, repair)) = timed(|| Ok(Journal::open(&folder, Mode::Watch)?))?;
        assert!(records.len() as u64 == RECORDS && repair.damage.is_none(), "not what was written");
        Ok(took)
    };
    let (ours, floor) = in_turns(open, read)?;
    Ok(Row {
        name: "journal: verify and open 1 M records",
        ours,
        floor,
        unit: "s",
        beside: "reading the file",
        goal: Goal::AtMost(5.0),
    })
}
