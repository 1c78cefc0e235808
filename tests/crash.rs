//! Engines that die: after every record, and as each deed is done that they never hear of (F1,
//! F2, F31, G1). Whatever came before, the next engine brings the release to the same end, and
//! nothing is done twice.

use std::io::Write as _;
use std::time::Duration;

use gonogo::journal::{Journal, Mode};
use gonogo::release::{Clean, Event};
use gonogo::report::script::{Act, Press, When};
use gonogo::sim::{Deed, scenario};

use crate::flight::{
    End, Finally, Flight, Scene, acts_left, fly, id, must_hold, once, places, real_ms,
    seconds_since, tell,
};

/// How long nobody drives after a crash.
const DOWN: Duration = Duration::from_secs(2);
/// More sessions than any release needs.
const SESSIONS_MAX: u32 = 500;

/// The release without a crash: what it came to, its records and its deeds.
fn undisturbed(scene: &Scene) -> (Finally, usize, Vec<Deed>) {
    fly(async {
        let mut flight = Flight::new(scene);
        let end = flight.session().await;
        assert!(matches!(end, End::Left), "{end:?}");
        let (records, deeds) = (flight.book.records(), flight.eyes.deeds());
        must_hold(&records, &deeds, "undisturbed");
        let found = flight.finally();
        assert_eq!(found.exit, scene.scenario.exit, "{found:?}");
        (found, records.len(), deeds)
    })
}

/// Where an engine dies, once.
#[derive(Clone, Copy, Debug)]
enum At {
    /// As soon as so many records are on disk; the rest of their batch is not, and nobody heard.
    Record(usize),
    /// As this deed is done, before anything is recorded of it.
    Deed(usize),
}

/// One session; where it ends in doubt over something that must not be repeated blindly, a person
/// looks and retries.
async fn attended(flight: &mut Flight) -> End {
    let mut end = flight.session().await;
    while matches!(end, End::Left) && flight.finally().hold.as_deref() == Some("InDoubt") {
        assert!(flight.sessions < SESSIONS_MAX, "always in doubt: {:?}", flight.kinds());
        let (handle, engine) = flight.opens();
        let retry = Act {
            when: When::Held,
            wait: Duration::from_secs(5),
            press: Press::Retry,
            comment: Clean::new("looked at it"),
        };
        let acts: Vec<Act> = [retry].into_iter().chain(flight.acts_left()).collect();
        end = flight.drive(handle, engine, &acts).await;
    }
    end
}

/// A release that loses its engine once, and what it came to.
fn crashed(scene: &Scene, at: At) -> Finally {
    fly(async {
        let mut flight = Flight::new(scene);
        match at {
            At::Record(record) => flight.book.die_at_line(Some(record)),
            At::Deed(deed) => flight.eyes.die_at_deed(Some(deed)),
        }
        let end = flight.session().await;
        assert!(matches!(end, End::Died), "{at:?}: {end:?}");
        let before = flight.book.lines();
        flight.clock().sleep(DOWN).await;
        let end = attended(&mut flight).await;
        assert!(matches!(end, End::Left), "{at:?}: {end:?} after {:?}", flight.kinds());
        assert!(flight.book.lines().starts_with(&before), "{at:?}: a record is lost");
        must_hold(&flight.book.records(), &flight.eyes.deeds(), &format!("{at:?}"));
        flight.finally()
    })
}

/// A release that loses its engine again and again, a few records after each start: sometimes
/// before it has written down what it found, never always, or nothing could ever begin.
fn crashed_again_and_again(scene: &Scene) -> (Finally, u32) {
    fly(async {
        let mut flight = Flight::new(scene);
        let mut dice = fastrand::Rng::with_seed(scene.seed);
        loop {
            let next = flight.book.lines().len() + dice.usize(2..12);
            flight.book.die_at_line(Some(next));
            match attended(&mut flight).await {
                End::Died => flight.clock().sleep(DOWN).await,
                End::Left => break,
                other => panic!("{other:?} after {:?}", flight.kinds()),
            }
            assert!(flight.sessions < SESSIONS_MAX, "it does not come on: {:?}", flight.kinds());
        }
        must_hold(&flight.book.records(), &flight.eyes.deeds(), "again and again");
        (flight.finally(), flight.sessions - 1)
    })
}

/// Crashes of a scenario: at some of its records, at some of the deeds that must not be done
/// twice and of the others (`GONOGO_PROOF=all`: at every one), and again and again in a row.
fn crashes_of(name: &str, scene: &Scene, share: usize) {
    let began = real_ms();
    let (expected, records, deeds) = undisturbed(scene);
    let mut at: Vec<At> = places(records - 1, share).map(At::Record).collect();
    // A command that has started is not told of by an answer: it goes on by itself.
    let counted = deeds.iter().enumerate().filter(|(_, d)| !matches!(d, Deed::Started { .. }));
    let (grave, plain): (Vec<_>, Vec<_>) = counted.partition(|(_, deed)| once(deed).is_some());
    at.extend(places(grave.len(), 2 * share).map(|place| At::Deed(grave[place - 1].0 + 1)));
    at.extend(places(plain.len(), share.div_ceil(2)).map(|place| At::Deed(plain[place - 1].0 + 1)));
    for at in &at {
        assert_eq!(crashed(scene, *at), expected, "{name}, {at:?}");
    }
    let (found, again) = crashed_again_and_again(scene);
    // The outage meets another step then: one before the switch fails, and nothing has moved.
    let moved = found.once.iter().any(|deed| deed.starts_with("production/"));
    let elsewhere = name == "api-outage" && found.exit == 1 && !moved;
    assert!(found == expected || elsewhere, "{name}, again and again: {found:#?}");
    let took = seconds_since(began);
    tell(&format!("crashes: {} alone and {again} in a row of {name} in {took}", at.len()));
}

/// A release that is switched, restores its database and undoes that.
fn restored() -> Scene {
    use scenario::{Press, When};
    let mut scene = Scene::short("happy")
        .then(When::Ended, Press::Restore)
        .then(When::Ended, Press::UndoRestore)
        .then(When::Ended, Press::RollBack);
    scene.scenario.exit = 4;
    scene
}

macro_rules! crashes {
    ($($test:ident: $name:literal, $scene:expr, $share:literal;)*) => {$(
        #[test]
        fn $test() {
            crashes_of($name, &$scene, $share);
        }
    )*};
}

crashes! {
    f1_g1_happy: "happy", Scene::short("happy"), 4;
    f1_g1_happy_whole: "happy, all 11 stages", Scene::shipped("happy"), 1;
    f1_g1_bad_release: "bad-release", Scene::short("bad-release"), 2;
    f1_g1_crash_loop: "crash-loop", Scene::short("crash-loop"), 1;
    f1_g1_slow: "slow", Scene::short("slow"), 1;
    f1_g1_no_data: "no-data", Scene::short("no-data"), 1;
    f1_g1_bad_migration: "bad-migration", Scene::shipped("bad-migration"), 2;
    f1_g1_api_outage: "api-outage", Scene::short("api-outage"), 2;
    f1_g1_rejected: "rejected", Scene::short("rejected"), 2;
    f1_g1_broken_build: "broken-build", Scene::shipped("broken-build"), 2;
    f1_g1_i17_restored: "restore, undo, rollback", restored(), 2;
}

/// The journal is a real file, whose last line tears at every crash.
#[test]
fn f2_a_torn_tail_of_a_real_journal_is_repaired_and_told_of() {
    let began = real_ms();
    let scene = Scene::short("bad-release");
    let (expected, ..) = undisturbed(&scene);
    let torn = fly(torn_again_and_again(&scene, &expected));
    assert!(torn > 4, "{torn}");
    tell(&format!("torn tails: {torn} of a real journal in {}", seconds_since(began)));
}

async fn torn_again_and_again(scene: &Scene, expected: &Finally) -> u32 {
    let mut flight = Flight::new(scene);
    let folder = flight.home().join(id().as_str());
    let file = folder.join("journal.jsonl");
    let mut dice = fastrand::Rng::with_seed(scene.seed);
    let (mut torn, mut records) = (0, Vec::new());
    loop {
        let driver = flight.driver();
        let before = std::fs::read(&file).unwrap_or_default();
        let (journal, past, repair) = if before.is_empty() {
            let journal = Journal::create(&folder, id(), driver).expect("made");
            (journal, Vec::new(), <_>::default())
        } else {
            Journal::open(&folder, Mode::Drive(driver)).expect("repaired")
        };
        assert_eq!(past, records, "a record is lost");
        let bytes = repair.torn.as_ref().map(|torn| torn.bytes);
        assert_eq!(bytes.is_some(), torn > 0, "each session but the first finds a torn tail");
        let (handle, engine) = flight.launches(journal, past, bytes);
        let (enough, mut follower) = (records.len() + dice.usize(2..9), handle.follow());
        let eyes = std::sync::Arc::clone(&flight.eyes);
        let watching = tokio::spawn(async move {
            if follower.until(|snapshot| snapshot.records.len() >= enough).await.is_some() {
                eyes.died.notify_one();
            }
        });
        let end = flight.drive(handle, engine, &flight.acts_after(&records)).await;
        watching.abort();
        records = read(&file);
        let repaired = records.iter().any(|record| match record.event {
            Event::TailRepaired { bytes: told } => Some(told) == bytes,
            _ => false,
        });
        assert!(repaired || bytes.is_none(), "{bytes:?} repaired and not told");
        match end {
            End::Died => tear(&file, &mut dice),
            End::Left => break,
            other => panic!("{other:?}"),
        }
        torn += 1;
        flight.clock().sleep(DOWN).await;
    }
    must_hold(&records, &flight.eyes.deeds(), "torn");
    assert_eq!(&flight.finally_of(&records), expected);
    torn
}

fn read(file: &std::path::Path) -> Vec<gonogo::release::Record> {
    let text = std::fs::read_to_string(file).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

/// Writes part of a line behind the last one, as an engine does that dies as it writes.
fn tear(file: &std::path::Path, dice: &mut fastrand::Rng) {
    let bytes = std::fs::read(file).expect("read");
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n');
    let line = &bytes[last.map_or(0, |last| last + 1)..bytes.len() - 1];
    let part = &line[..dice.usize(1..line.len())];
    let mut file = std::fs::OpenOptions::new().append(true).open(file).expect("opened");
    file.write_all(part).expect("torn");
}

#[test]
fn a_person_remembers_what_they_have_asked() {
    fly(async {
        let mut flight = Flight::new(&restored());
        assert_eq!(flight.acts_left().len(), 5);
        assert!(matches!(flight.session().await, End::Left));
        assert_eq!(acts_left(&flight.acts_after(&[]), &flight.book.records()).len(), 0);
        let restored = flight.finally().once;
        assert!(restored.contains(&"swapped, back: true".to_owned()), "{restored:?}");
    });
}
