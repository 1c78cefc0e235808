//! Torn, cut, altered, foreign: what a journal may look like when it is opened.

use std::fs;
use std::path::{Path, PathBuf};

use gonogo::journal::{Disk, Journal, Mode, OpenError, Verification, Why, reader};
use gonogo::release::{Digest, Record};

use super::golden;
use super::kit::{append, create, drive, driver, folder, intent, outcome, quick_dir, watch};

fn file(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

fn verify(folder: &Path) -> Verification {
    reader::verify(&Disk::real(), folder, &[]).expect("read")
}

/// A journal of `count` short records and its bytes.
fn journal(folder: &Path, count: usize) -> (Vec<Record>, Vec<u8>) {
    let mut journal = create(folder);
    let records = append(&mut journal, (0..count).map(intent).collect()).expect("kept");
    (records, fs::read(file(folder)).expect("the file"))
}

/// Where the last line starts.
fn last_line(bytes: &[u8]) -> usize {
    let before = &bytes[..bytes.len() - 1];
    before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

#[test]
fn f2_a_last_line_torn_at_any_byte_is_set_aside_and_the_journal_goes_on() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let (records, bytes) = journal(&folder, 3);
    let start = last_line(&bytes);
    for cut in start..bytes.len() {
        fs::write(file(&folder), &bytes[..cut]).expect("written");
        let seen = watch(&folder).2.torn.map(|torn| torn.bytes);
        let left = (cut - start) as u64;
        assert_eq!(seen, (left > 0).then_some(left), "cut at {cut}");

        let (mut journal, read, repair) = drive(&folder).expect("drivable");
        assert_eq!(read, records[..2], "cut at {cut}");
        match repair.torn {
            None => assert_eq!(cut, start),
            Some(torn) => {
                assert_eq!((torn.seq, torn.bytes), (records[2].seq, left));
                let kept = torn.kept.expect("set aside");
                assert_eq!(fs::read(&kept).expect("kept"), bytes[start..cut]);
                fs::remove_file(kept).expect("removed");
            }
        }
        append(&mut journal, vec![intent(9)]).expect("kept");
        drop(journal);
        assert_eq!(verify(&folder).records, 3, "cut at {cut}");
    }
}

#[test]
fn f3_no_flipped_byte_goes_unnoticed() {
    const WORKERS: usize = 4;
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            scope.spawn(move || {
                let dir = quick_dir();
                let folder = folder(&dir);
                let (records, bytes) = journal(&folder, 50);
                for at in (worker..bytes.len()).step_by(WORKERS) {
                    flip(&folder, &records, &bytes, at);
                }
            });
        }
    });
}

fn flip(folder: &Path, records: &[Record], bytes: &[u8], at: usize) {
    let mut flipped = bytes.to_vec();
    flipped[at] ^= 1 << (at % 8);
    fs::write(file(folder), &flipped).expect("written");
    let line = bytes[..at].split(|byte| *byte == b'\n').count() - 1;
    let damage = verify(folder).damage;
    let damage = damage.unwrap_or_else(|| panic!("byte {at} of line {line} is silent"));
    // A flipped newline joins its line to the next one.
    assert_eq!(damage.seq, records[line].seq, "byte {at}");
    if at.is_multiple_of(97) {
        let refused = drive(folder).expect_err("damaged").to_string();
        assert!(refused.starts_with(&format!("JOURNAL DAMAGED at {line}; ")), "{refused}");
        assert!(refused.contains("no action will be taken"), "{refused}");
        assert_eq!(fs::read(file(folder)).expect("the file"), flipped, "left as it is");
        let (_, read, repair) = watch(folder);
        assert_eq!((read.as_slice(), repair.damage), (&records[..line], Some(damage)));
    }
}

#[test]
fn f3_the_operator_reads_where_the_damage_is() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let (_, mut bytes) = journal(&folder, 5);
    let lines: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
    bytes[lines[2] + 40] ^= 4;
    fs::write(file(&folder), &bytes).expect("written");
    assert_eq!(
        drive(&folder).expect_err("damaged").to_string(),
        "JOURNAL DAMAGED at 3; 0..2 verified; no action will be taken (its bytes are not those \
         that were written)"
    );
}

#[test]
fn t11_whole_lines_that_do_not_belong_are_refused() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let (_, bytes) = journal(&folder, 4);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let why = |lines: &[&[u8]]| {
        fs::write(file(&folder), lines.concat()).expect("written");
        verify(&folder).damage.map(|damage| (damage.seq.0, damage.why))
    };
    assert_eq!(why(&lines), None);
    let (a, b, c) = (lines[0], lines[1], lines[2]);
    assert!(matches!(why(&[a, c]), Some((1, Why::OutOfOrder { .. }))), "one is missing");
    assert!(matches!(why(&[a, b, b]), Some((2, Why::OutOfOrder { .. }))), "one stands twice");
    assert!(matches!(why(&[b, a]), Some((0, Why::OutOfOrder { .. }))), "exchanged");

    // A line written anew, with a sum of its own, does not carry the next one.
    let other = quick_dir();
    let other = super::kit::folder(&other);
    let mut journal = create(&other);
    append(&mut journal, vec![outcome(3)]).expect("kept");
    let forged = fs::read(file(&other)).expect("the file");
    assert!(matches!(why(&[&forged, b]), Some((1, Why::Unchained))));
}

#[test]
fn f11_a_cut_tail_and_a_rewritten_chain_are_seen_by_their_anchors() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let (records, bytes) = journal(&folder, 4);
    let head = verify(&folder).head.expect("a head");
    let middle = gonogo::journal::Head { seq: records[1].seq, digest: records[2].prev.clone() };
    let anchors = [middle.clone(), head.clone()];
    let check = || reader::verify(&Disk::real(), &folder, &anchors).expect("read");
    assert!(check().holds());
    fs::write(file(&folder), &bytes[..last_line(&bytes)]).expect("written");
    let found = check();
    assert!(!found.holds() && found.damage.is_none() && found.missing == [head]);
    let wrong = gonogo::journal::Head { digest: Digest::of(b"other"), ..middle };
    let found = reader::verify(&Disk::real(), &folder, &[wrong]).expect("read");
    assert_eq!(found.missing.len(), 1);
}

/// Every way in which a crash can leave an unacknowledged batch: any of its sectors unwritten,
/// cut at any sector. What is read is a prefix of what was written, or declared damage (A7, G4).
#[test]
fn f1_g4_every_crash_state_of_a_batch_is_a_prefix_or_declared_damage() {
    let dir = quick_dir();
    let folder = folder(&dir);
    let mut journal = create(&folder);
    let mut records = append(&mut journal, vec![intent(0)]).expect("kept");
    let acknowledged = fs::read(file(&folder)).expect("the file").len();
    records.extend(append(&mut journal, (1..7).map(intent).collect()).expect("kept"));
    drop(journal);
    let bytes = fs::read(file(&folder)).expect("the file");
    let sectors: Vec<usize> = (acknowledged / 512..bytes.len().div_ceil(512)).collect();
    let (mut torn, mut damaged) = (0, 0);
    for lost in 0_u32..1 << sectors.len() {
        for end in (acknowledged..bytes.len()).step_by(512).chain([bytes.len()]) {
            let mut state = bytes[..end].to_vec();
            for (_, sector) in sectors.iter().enumerate().filter(|(bit, _)| lost >> bit & 1 == 1) {
                let from = (sector * 512).max(acknowledged).min(end);
                state[from..((sector + 1) * 512).min(end)].fill(0);
            }
            fs::write(file(&folder), &state).expect("written");
            let found = verify(&folder);
            assert!(found.records >= 1, "an acknowledged record is lost: {lost:b} to {end}");
            let whole = state == bytes;
            assert!(
                whole || found.torn.is_some() || found.damage.is_some() || {
                    // Cut between two lines: nothing is there to be seen.
                    state.ends_with(b"\n") && bytes.starts_with(&state)
                },
                "{lost:b} to {end} is silent"
            );
            torn += u32::from(found.torn.is_some());
            damaged += u32::from(found.damage.is_some());
        }
    }
    assert!(torn > damaged, "most crash states repair themselves: {torn} do, {damaged} do not");
}

#[test]
fn f10_a_line_of_a_newer_gonogo_is_watched_and_not_driven() {
    let dir = quick_dir();
    let folder = folder(&dir);
    fs::create_dir(&folder).expect("a folder");
    let mut lines = super::kit::lines(vec![intent(0), intent(1), intent(2)]);
    // The same bytes as a newer build would chain them: another kind in the middle.
    lines[1] = super::kit::resum(&lines[1], "step_started", "step_dreamt");
    lines[2] = super::kit::rechain(&lines[2], &lines[1]);
    let mut bytes = lines.join(&b'\n');
    bytes.push(b'\n');
    fs::write(file(&folder), &bytes).expect("written");

    let refused = drive(&folder).expect_err("newer");
    assert!(matches!(refused, OpenError::Foreign { .. }));
    assert!(refused.to_string().contains("record 1 is a \"step_dreamt\" of format 1"), "{refused}");
    let (_, read, repair) = watch(&folder);
    assert_eq!(read.iter().map(|record| record.seq.0).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(repair.foreign[0].bytes, lines[1]);
    let found = verify(&folder);
    assert!(found.holds() && (found.records, found.foreign) == (3, 1));
}

#[test]
fn f10_a_newer_format_is_watched_and_not_driven() {
    let dir = quick_dir();
    let folder = folder(&dir);
    fs::create_dir(&folder).expect("a folder");
    let line = &super::kit::lines(vec![intent(0)])[0];
    let mut newer = super::kit::resum(line, "\"format\":1", "\"format\":2");
    newer.push(b'\n');
    fs::write(file(&folder), newer).expect("written");
    assert!(matches!(drive(&folder), Err(OpenError::Foreign { format: 2, .. })));
    assert_eq!(watch(&folder).2.foreign.len(), 1);
}

#[test]
fn f12_a_line_without_an_end_is_damage_and_not_memory() {
    let dir = quick_dir();
    let folder = folder(&dir);
    fs::create_dir(&folder).expect("a folder");
    let long = fs::File::create(file(&folder)).expect("made");
    long.set_len(10 << 30).expect("a sparse file of 10 GiB");
    let found = verify(&folder);
    assert_eq!(found.damage.expect("damage").why, Why::TooLong);
}

#[test]
fn a_golden_story_survives_each_kind_of_opening() {
    let dir = quick_dir();
    let folder = folder(&dir);
    fs::create_dir(&folder).expect("a folder");
    fs::write(file(&folder), golden::write(super::story::story())).expect("written");
    let driven = Journal::open(&folder, Mode::Drive(driver("s-2"))).expect("drivable").1;
    assert_eq!(watch(&folder).1, driven);
}
