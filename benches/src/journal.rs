//! The journal: what durability costs beyond the disk's own price, and what reading costs beyond
//! the bytes'.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use gonogo::journal::{Disk, Driver, Fault, Journal, Mode, line, reader};
use gonogo::release::{
    Clean, Digest, Epoch, Event, Evidence, FORMAT, Finite, Person, Principal, Reading, Record,
    ReleaseId, Rule, RuleVerdict, Seq, SessionId, Slot, StepEnd, StepId, StepResult, Timestamp,
    Verdict,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::{Outcome, Row, in_turns, timed};

const APPENDS: usize = 200;
const QUEUED: usize = 1000;
const RECORDS: u64 = 1_000_000;

pub fn run() -> Outcome<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let mut rows = append(dir.path(), &runtime)?;
    rows.extend(queued(dir.path(), &runtime)?);
    rows.extend(recover(dir.path())?);
    Ok(rows)
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

/// Three events as a watch after a switch records them.
fn event(n: u64) -> Outcome<Event> {
    let step = StepId::new(format!("production.step-{}", n % 40))?;
    Ok(match n % 3 {
        0 => Event::StepStarted { step },
        1 => {
            let end = Box::new(StepEnd::new(StepResult::Passed, n));
            Event::StepEnded { step, end }
        }
        _ => Event::WindowJudged {
            evidence: Evidence {
                slot: Slot::Green,
                window_s: 30,
                requests: Reading::known(Finite::new(1500.0)?),
                error_ratio: Reading::known(Finite::new(0.0041)?),
                mean_ms: Reading::known(Finite::new(84.5)?),
                p95_ms: Reading::unknown("no data"),
                sample_age_s: Reading::known(Finite::new(1.25)?),
                exits: Reading::known(0),
                ready_min: Reading::known(3),
            },
            verdicts: vec![RuleVerdict { rule: Rule::ErrorRatio, verdict: Verdict::Pass }],
        },
    })
}

fn events(count: usize) -> Outcome<Vec<(Principal, Event)>> {
    (0..count as u64).map(|n| Ok((Principal::engine(), event(n)?))).collect()
}

/// The same bytes, a write and a sync a line.
fn raw(path: &Path, lines: &[Vec<u8>]) -> Outcome<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    for line in lines {
        file.write_all(line)?;
        file.sync_data()?;
    }
    Ok(())
}

fn lines_of(folder: &Path) -> Outcome<Vec<Vec<u8>>> {
    let bytes = fs::read(folder.join("journal.jsonl"))?;
    Ok(bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
}

fn append(dir: &Path, runtime: &Runtime) -> Outcome<Vec<Row>> {
    let (folder, floor) = (dir.join("append"), dir.join("floor"));
    let ours = || {
        let mut journal = create(&Disk::real(), &folder)?;
        let events = events(APPENDS)?;
        let (took, ()) = timed(|| {
            runtime.block_on(async {
                for event in events {
                    journal.append(vec![event], at()).await?;
                }
                Ok(())
            })
        })?;
        Ok(took)
    };
    let beside = || {
        let lines = lines_of(&folder)?;
        Ok(timed(|| raw(&floor, &lines))?.0)
    };
    let (ours, floor) = in_turns(ours, beside)?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = 1e3 / APPENDS as f64;
    Ok(vec![Row {
        name: "journal: append one record",
        ours: ours * each,
        floor: floor * each,
        unit: "ms",
        beside: "write + fdatasync",
        goal: 1.1,
    }])
}

/// A loop as the engine's: waits for one input, drains what else is queued, appends it as one.
fn queued(dir: &Path, runtime: &Runtime) -> Outcome<Vec<Row>> {
    let (folder, floor) = (dir.join("queued"), dir.join("floor"));
    let disk = Disk::faulty(Fault::default());
    let (mut syncs, mut batches) = (0, 0);
    let ours = || {
        let mut journal = create(&disk, &folder)?;
        let events = events(QUEUED)?;
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
                let mut drained = 0_u64;
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
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (syncs, batches) = (syncs as f64, batches as f64);
    Ok(vec![
        Row {
            name: "journal: 1,000 queued inputs",
            ours: ours * 1e3,
            floor: floor * 1e3,
            unit: "ms",
            beside: "write + fdatasync each",
            goal: 0.05,
        },
        Row {
            name: "journal: syncs for them, 5 rounds",
            ours: syncs,
            floor: batches,
            unit: "",
            beside: "drained batches",
            goal: 1.0,
        },
    ])
}

/// A journal of a million records, written without a sync.
fn million(folder: &Path) -> Outcome<()> {
    fs::create_dir(folder)?;
    let mut file = BufWriter::new(File::create(folder.join("journal.jsonl"))?);
    let (release, mut prev) = (ReleaseId::new("r-1123.1")?, Digest::zero());
    let mut bytes = Vec::new();
    for n in 0..RECORDS {
        let record = Record {
            format: FORMAT,
            release: release.clone(),
            seq: Seq(n),
            epoch: Epoch(1),
            prev,
            attempt_id: format!("s-bench.1.{n}"),
            at_wall: at().wall,
            at_boot: n,
            by: Principal::engine(),
            event: event(n)?,
        };
        bytes.clear();
        prev = line::encode(&record, &mut bytes)?;
        file.write_all(&bytes)?;
    }
    file.flush()?;
    Ok(())
}

fn recover(dir: &Path) -> Outcome<Vec<Row>> {
    let folder = dir.join("million");
    let _ = dir;
    million(&folder)?;
    let path = folder.join("journal.jsonl");
    let read = || Ok(timed(|| Ok(fs::read(&path)?))?.0);
    let open = || {
        let (took, (_, records, repair)) = timed(|| Ok(Journal::open(&folder, Mode::Watch)?))?;
        assert!(records.len() as u64 == RECORDS && repair.damage.is_none(), "not what was written");
        Ok(took)
    };
    let verify = || {
        let (took, found) = timed(|| Ok(reader::verify(&Disk::real(), &folder, &[])?))?;
        assert!(found.records == RECORDS && found.holds(), "not what was written");
        Ok(took)
    };
    let (opened, floor) = in_turns(open, read)?;
    let (verified, again) = in_turns(verify, read)?;
    let row = |name, ours, floor| Row {
        name,
        ours,
        floor,
        unit: "s",
        beside: "reading the file",
        goal: 5.0,
    };
    Ok(vec![
        row("journal: open 1,000,000 records", opened, floor),
        row("journal: verify 1,000,000 records", verified, again),
    ])
}
