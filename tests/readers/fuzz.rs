//! Fuzzing of every reader, on the stable compiler: the recorded reports, mutated by their
//! structure and by their bytes, for as long as `GONOGO_FUZZ_SECONDS` says.
//!
//! Each input has a seed of its own. What fails is printed with it, and
//! `GONOGO_FUZZ_SEED=n cargo test readers::fuzz` makes that input again, for every reader.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use gonogo::release::{Finding, ReportFormat, ReportState};
use gonogo::world::tools::{Held, Origin, conceal_report, guess, hold, stream};
use serde_json::{Value, json};

use super::{FORMATS, KEY, fixture, fixtures};

/// How many inputs each reader gets where no time is given.
const INPUTS: u64 = 60;
/// Readers that are fuzzed at once.
const AT_ONCE: usize = 4;
/// An input that takes longer hangs its reader; most take a millisecond.
const HANG_S: u64 = 60;

#[expect(clippy::disallowed_methods, reason = "how long to look is for whoever looks to say")]
fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} has to be a number, not {text:?}")))
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn now() -> Instant {
    Instant::now()
}

/// A recorded report: its format and path, its bytes, and whether it is clean.
struct Seeded {
    format: ReportFormat,
    path: &'static str,
    bytes: Vec<u8>,
    value: Option<Value>,
    clean: bool,
}

fn corpus() -> Vec<Seeded> {
    let each = fixtures().map(|(format, path)| {
        let bytes = fixture(path);
        let value = serde_json::from_slice(&bytes).ok();
        let clean = super::parse(format, &bytes).expect(path).summary.state == ReportState::Clean;
        Seeded { format, path, bytes, value, clean }
    });
    each.collect()
}

/// An input, where it comes from, and whether it is only a part of that.
struct Input<'c> {
    from: &'c Seeded,
    bytes: Vec<u8>,
    cut: bool,
}

fn input(corpus: &[Seeded], format: ReportFormat, seed: u64) -> Input<'_> {
    let mut random = fastrand::Rng::with_seed(seed ^ ((format as u64) << 56));
    let own: Vec<&Seeded> = corpus.iter().filter(|one| one.format == format).collect();
    let from = own[random.usize(..own.len())];
    if random.u8(..8) == 0 {
        let whole = from.bytes.trim_ascii_end().len();
        return Input { from, bytes: from.bytes[..random.usize(..whole)].to_vec(), cut: true };
    }
    let mut bytes = from.bytes.clone();
    if let (Some(value), true) = (&from.value, random.u8(..4) > 0) {
        let mut value = value.clone();
        for _ in 0..random.u8(1..6) {
            mutate_value(&mut value, corpus, &mut random);
        }
        bytes = value.to_string().into_bytes();
    }
    for _ in 0..random.u8(..4) {
        mutate_bytes(&mut bytes, corpus, &mut random);
    }
    Input { from, bytes, cut: false }
}

/// Walks down to a random place.
fn somewhere<'v>(value: &'v mut Value, random: &mut fastrand::Rng) -> &'v mut Value {
    let inner = match value {
        Value::Array(all) => all.len(),
        Value::Object(all) => all.len(),
        _ => 0,
    };
    if inner == 0 || random.u8(..6) == 0 {
        return value;
    }
    let at = random.usize(..inner);
    let next = match value {
        Value::Array(all) => all.get_mut(at),
        Value::Object(all) => all.values_mut().nth(at),
        _ => None,
    };
    somewhere(next.expect("it has so many"), random)
}

fn mutate_value(value: &mut Value, corpus: &[Seeded], random: &mut fastrand::Rng) {
    let other = corpus[random.usize(..corpus.len())].value.clone();
    let place = somewhere(value, random);
    match random.u8(..12) {
        0 => *place = Value::Null,
        1 => *place = json!(random.i64(..)),
        2 => *place = json!(random.f64() * 1e300),
        3 => *place = json!(true),
        4 => *place = json!([]),
        5 => *place = json!({}),
        6 => *place = json!("\u{1b}[2J\u{202e}\u{0}%s\\\"</script>"),
        7 => *place = json!("x".repeat(random.usize(..5000))),
        8 => {
            if let Some(mut other) = other {
                *place = somewhere(&mut other, random).clone();
            }
        }
        9 => {
            let mut deep = place.clone();
            for _ in 0..random.u8(..200) {
                deep = if random.bool() { json!([deep]) } else { json!({"results": deep}) };
            }
            *place = deep;
        }
        _ => match place {
            Value::Array(all) if !all.is_empty() => {
                let at = random.usize(..all.len());
                if random.bool() {
                    all.remove(at);
                } else {
                    let again = all[at].clone();
                    all.extend(vec![again; random.usize(1..20)]);
                }
            }
            Value::Object(all) if !all.is_empty() => {
                let key = all.keys().nth(random.usize(..all.len())).expect("a key").clone();
                let taken = all.remove(&key).expect("its value");
                if random.bool() {
                    all.insert(key.to_ascii_uppercase(), taken);
                }
            }
            place => *place = json!(place.to_string()),
        },
    }
}

/// What a reader's own syntax turns on.
const WORDS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\u0000",
    "\\",
    "null",
    "-",
    "1e999",
    "<",
    ">",
    "/>",
    "<!--",
    "]]>",
    "<![CDATA[",
    "&a;",
    "<testsuite>",
    "\n",
    "end_of_record",
    "\u{feff}",
    "\0",
];

fn mutate_bytes(bytes: &mut Vec<u8>, corpus: &[Seeded], random: &mut fastrand::Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    let end = (at + random.usize(1..200)).min(bytes.len());
    match random.u8(..7) {
        0 => bytes[at] ^= 1 << random.u8(..8),
        1 => bytes[at] = random.u8(..),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        4 => {
            let other = &corpus[random.usize(..corpus.len())].bytes;
            let from = random.usize(..other.len());
            let to = (from + random.usize(1..2000)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            let word = WORDS[random.usize(..WORDS.len())];
            bytes.splice(at..at, word.bytes());
        }
    }
}

/// What every reading has to keep, whatever was read.
fn check(input: &Input<'_>) {
    let format = input.from.format;
    let _ = guess(&input.bytes);
    let origin = Origin { tool: "a.step", key: Some(&KEY), ..Origin::default() };
    let mut found: Vec<Finding> = Vec::new();
    let read = stream(format, &origin, &mut &input.bytes[..], &mut |f| found.push(f));
    let mut held = Held::default();
    let again = hold(format, &origin, &mut &input.bytes[..], &mut held);
    let Ok(summary) = read else {
        assert!(again.is_err() && held.is_empty(), "it is held, and cannot be read");
        return;
    };
    assert_eq!(again.as_ref().ok(), Some(&summary), "held otherwise than read");
    let kept: Vec<Finding> = (0..held.len()).map(|at| held.finding(at)).collect();
    assert_eq!(kept, found, "held otherwise than read");
    let clean = summary.state == ReportState::Clean;
    assert!(!clean || (summary.covered > 0 && found.is_empty()), "clean without a look");
    assert!(!(clean && input.cut && !input.from.clean), "clean, and cut");
    for finding in &found {
        let Finding { tool, rule, title, location, .. } = finding;
        let texts = [Some(tool), Some(rule), Some(title), Some(location)];
        let more = [&finding.fix, &finding.evidence, &finding.resource].map(Option::as_ref);
        for text in texts.into_iter().chain(more).flatten() {
            assert!(!text.as_str().chars().any(gonogo::release::hidden), "{text:?}");
        }
    }
    // The stored copy is read by the same reader, and says as much.
    let masked = conceal_report(&input.bytes, Some(&KEY));
    let mut count = 0;
    let copy = stream(format, &origin, &mut &masked[..], &mut |_| count += 1);
    if let Ok(copy) = copy {
        assert_eq!(count, found.len(), "the masked copy says otherwise");
        assert_eq!(copy.state == ReportState::Clean, clean, "the masked copy says otherwise");
    }
}

/// Runs one input; answers what is wrong with it.
fn attempt(corpus: &[Seeded], format: ReportFormat, seed: u64) -> Option<String> {
    let input = input(corpus, format, seed);
    let failed = catch_unwind(AssertUnwindSafe(|| check(&input))).err()?;
    let said = failed.downcast_ref::<String>().cloned();
    let said = said.or_else(|| failed.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(format!(
        "{format:?} from {}, seed {seed}: {}; to repeat it: GONOGO_FUZZ_SEED={seed} cargo test \
         readers::fuzz",
        input.from.path,
        said.unwrap_or_default()
    ))
}

/// T1: no input makes a reader panic, hang, or call clean what is not.
#[test]
fn t1_every_reader_survives_what_is_made_of_its_reports() {
    let corpus = Arc::new(corpus());
    let only = given("GONOGO_FUZZ_SEED");
    let time = given("GONOGO_FUZZ_SECONDS").map(Duration::from_secs).filter(|_| only.is_none());
    let start = only.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 8);
    let next = Arc::new(AtomicUsize::new(0));
    let inputs = Arc::new(Mutex::new(0_u64));
    let (tell, hear) = mpsc::channel::<Option<String>>();
    for _ in 0..AT_ONCE {
        let (corpus, next, inputs) = (corpus.clone(), next.clone(), inputs.clone());
        let tell = tell.clone();
        thread::spawn(move || {
            while let Some(format) = FORMATS.get(next.fetch_add(1, Ordering::Relaxed)) {
                let begun = now();
                let mut done = 0;
                let more = |done: u64| match (only, time) {
                    (Some(_), _) => done < 1,
                    (None, Some(time)) => begun.elapsed() < time,
                    (None, None) => done < INPUTS,
                };
                while more(done) {
                    let wrong = attempt(&corpus, *format, start + done);
                    done += 1;
                    if wrong.is_some() || done % 16 == 0 {
                        let _ = tell.send(wrong);
                    }
                }
                *inputs.lock().expect("whole") += done;
            }
        });
    }
    drop(tell);
    let mut wrong = Vec::new();
    loop {
        match hear.recv_timeout(Duration::from_secs(HANG_S)) {
            Ok(said) => wrong.extend(said),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("a reader hangs on an input of the seeds from {start}");
            }
        }
    }
    let inputs = *inputs.lock().expect("whole");
    wrong.sort();
    wrong.truncate(10);
    assert!(wrong.is_empty(), "of {inputs} inputs from seed {start}:\n{}", wrong.join("\n"));
}
