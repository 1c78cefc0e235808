//! The nth-failure loop (anchor A6, goal G3): of a short release, each request over the wire and
//! each call to the disk fails in its turn, once and from then on, until a release meets none that
//! fails. Each release comes to an end, or waits for a person with a reason, and nothing is
//! promoted on no data.

use std::time::Duration;

use gonogo::engine::handle::Handle;
use gonogo::journal::{Disk, Fault, Journal, Mode, OpenError};
use gonogo::release::{Ask, Clean, Command, Event, Person, Principal, Refusal, Via};
use gonogo::sim::{Deed, Fate};

use crate::flight::{
    End, Finally, Flight, Scene, Trouble, fly, id, must_hold, places, real_ms, seconds_since, tell,
};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// The shortest release: a slot is deployed, switched to, watched for two windows, and rolled back.
fn scene() -> Scene {
    let mut scene = Scene::short("bad-release");
    scene.plan.jobs = 1;
    scene
}

/// One kind of failure on the wire.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    fate: Fate,
    /// How many requests fail from the nth on.
    count: u64,
    /// How many of the requests are the nth, unless all are.
    share: usize,
}

/// What became of a release with a failure in it: none when no request met it.
fn flown(scene: &Scene, kind: Kind, nth: u64) -> Option<String> {
    fly(async {
        let mut flight = Flight::new(scene);
        let Kind { fate, count, .. } = kind;
        flight.eyes.trouble(Some(Trouble { nth, count, fate }));
        let at = format!("{} at request {nth}", kind.name);
        let end = flight.session().await;
        let kinds = flight.kinds();
        if flight.eyes.troubled() == 0 {
            return None;
        }
        match end {
            // The release is over, or held; the script may find its moment gone.
            End::Left | End::Refused(_) => {}
            End::Died | End::Failed(_) => panic!("{at}: {end:?} after {kinds:?}"),
        }
        must_hold(&flight.book.records(), &flight.eyes.deeds(), &at);
        let found = flight.finally();
        let waits = found.hold.is_some() || found.result.is_some();
        assert!(waits, "{at}: it neither ended nor says what it waits for: {kinds:?}");
        // Back to blue, or never away from it, or held: never on a green that fails, unwatched.
        let green = found.serving.iter().any(|(_, slot)| slot.contains("green"));
        assert!(!green || found.hold.is_some(), "{at}: {found:?} after {kinds:?}");
        Some(found.hold.or(found.result.map(str::to_owned)).unwrap_or_default())
    })
}

fn every_request(kinds: &[Kind]) {
    let began = real_ms();
    let scene = scene();
    let whole = fly(async {
        let mut flight = Flight::new(&scene);
        let end = flight.session().await;
        assert!(matches!(end, End::Left), "{end:?}");
        assert_eq!(flight.finally().result, Some("rolled back"));
        flight.eyes.requests()
    });
    let (mut flights, mut ends) = (0, std::collections::BTreeMap::new());
    for kind in kinds {
        for nth in places(usize::try_from(whole).expect("small"), kind.share) {
            // Where requests fail for good there are fewer of them.
            let nth = u64::try_from(nth).expect("small");
            let Some(end) = flown(&scene, *kind, nth) else { continue };
            *ends.entry(end).or_insert(0) += 1;
            flights += 1;
        }
    }
    let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
    let took = seconds_since(began);
    let names = names.join(", ");
    tell(&format!("requests: {flights} failures of {whole} ({names}) in {took}: {ends:?}"));
}

const ONCE: u64 = 1;
const FOR_EVER: u64 = u64::MAX;

#[test]
fn g3_f31_a_request_fails_once() {
    let kind = |name, fate, share| Kind { name, fate, count: ONCE, share };
    every_request(&[
        kind("lost", Fate::Lost, 4),
        kind("500", Fate::Status(500), 1),
        kind("429", Fate::Status(429), 1),
        kind("refused", Fate::Refused, 1),
        kind("silent", Fate::Silent, 1),
    ]);
}

#[test]
fn g3_f37_every_request_fails_from_then_on() {
    let kind = |name, fate, share| Kind { name, fate, count: FOR_EVER, share };
    every_request(&[
        kind("refused for good", Fate::Refused, 4),
        kind("500 for good", Fate::Status(500), 2),
        kind("429 for good", Fate::Status(429), 2),
        kind("silent for good", Fate::Silent, 2),
    ]);
}

/// What became of one release whose disk fails.
struct Told {
    failed: u64,
    /// The line that the operator read; none when none was needed.
    line: Option<String>,
}

/// A release whose nth call to the disk fails. A disk that failed for good is mended after a
/// while; a journal that died is opened anew.
async fn on_disk(scene: &Scene, expected: &Finally, fault: Fault) -> Told {
    let mut flight = Flight::new(scene);
    let folder = flight.home().join(id().as_str());
    let disk = Disk::faulty(fault.clone());
    let (mut line, mut failed) = (None, 0);
    let at = format!("call {} with {}, lasting: {}", fault.nth, fault.errno, fault.lasts);
    loop {
        let driver = flight.driver();
        let opened = match Journal::create_on(&disk, &folder, id(), driver.clone()) {
            Ok(journal) => Ok((journal, Vec::new(), <_>::default())),
            Err(OpenError::Exists { .. }) => Journal::open_on(&disk, &folder, Mode::Drive(driver)),
            Err(error) => Err(error),
        };
        let end = match opened {
            Err(error) => Err(error.to_string()),
            Ok((journal, past, repair)) => {
                let acts = flight.acts_after(&past);
                let bytes = repair.torn.map(|torn| torn.bytes);
                let (handle, engine) = flight.launches(journal, past, bytes);
                let mends = mends(handle.clone(), disk.clone());
                tokio::select! {
                    biased;
                    end = flight.drive(handle, engine, &acts) => match end {
                        End::Left => Ok(()),
                        End::Failed(error) => Err(error.to_string()),
                        End::Refused(refusal) => Err(refusal.to_string()),
                        End::Died => unreachable!("nobody kills it"),
                    },
                    said = mends => Err(said),
                }
            }
        };
        failed += disk.failed();
        match end {
            Ok(()) => break,
            Err(said) => {
                assert!(line.is_none() || !fault.lasts, "{at}: {line:?}, then {said}");
                line = Some(said);
            }
        }
        assert!(flight.sessions < 5, "{at}: it does not come on: {line:?}");
        disk.set_fault(Fault::default());
        flight.clock().sleep(Duration::from_secs(2)).await;
    }
    let (_, records, _) = Journal::open(&folder, Mode::Watch).expect("a journal");
    must_hold(&records, &flight.eyes.deeds(), &at);
    let found = flight.finally_of(&records);
    // Also where the rollback could not be recorded: the next engine finds it on the Services.
    assert_eq!(&found, expected, "{at}");
    Told { failed, line }
}

/// Looks at what the engine says of its journal. A full disk has room again after a while, and the
/// engine goes on by itself; a journal that died wants a new engine.
async fn mends(handle: Handle, disk: Disk) -> String {
    let mut follower = handle.follow();
    let clock = handle.clock().clone();
    drop(handle);
    let error = |s: &gonogo::engine::handle::Snapshot| s.live.vitals.journal_error.clone();
    loop {
        let Some(snapshot) = follower.until(|s| error(s).is_some()).await else {
            std::future::pending::<()>().await;
            continue;
        };
        let said = error(snapshot).unwrap_or_default().to_string();
        clock.sleep(Duration::from_secs(30)).await;
        if said.starts_with("CANNOT RECORD") {
            return said;
        }
        assert!(said.starts_with("DISK FULL: nothing was changed"), "{said}");
        disk.set_fault(Fault::default());
        follower.until(|s| error(s).is_none()).await;
    }
}

fn every_call(errno: i32, lasts: bool, share: usize) {
    let began = real_ms();
    let scene = scene();
    let (expected, whole) = fly(async {
        let mut flight = Flight::new(&scene);
        assert!(matches!(flight.session().await, End::Left));
        // Each batch is looked for, written and synced; making the journal takes some more.
        (flight.finally(), 4 * flight.book.lines().len())
    });
    let (mut calls, mut lines) = (0, std::collections::BTreeMap::new());
    for nth in places(whole, share) {
        let nth = u64::try_from(nth).expect("small");
        let told = fly(on_disk(&scene, &expected, Fault { nth, errno, lasts, ..<_>::default() }));
        if told.failed == 0 && told.line.is_none() {
            // A release met none that failed: there are no more calls than this.
            break;
        }
        calls += 1;
        if let Some(line) = told.line {
            let known = [
                "CANNOT RECORD: ",
                "DISK FULL: nothing was changed",
                "failed to ",
                "the journal cannot be written, so nothing was started: ",
            ];
            let start = known.iter().find(|start| line.starts_with(**start));
            let start = start.unwrap_or_else(|| panic!("call {nth}: {line}"));
            *lines.entry(*start).or_insert(0) += 1;
        }
    }
    let took = seconds_since(began);
    let how = format!("errno {errno}, lasting: {lasts}");
    tell(&format!("calls: {calls} failures ({how}) in {took}: {lines:?}"));
}

#[test]
fn g3_f4_a_call_to_the_disk_fails_once() {
    every_call(EIO, false, 6);
}

#[test]
fn g3_f5_f6_the_disk_is_full_once() {
    every_call(ENOSPC, false, 6);
}

#[test]
fn g3_f5_f6_the_disk_is_full_from_then_on_until_it_is_mended() {
    every_call(ENOSPC, true, 6);
}

fn asked(ask: Ask) -> Command {
    let person = Person::new("ada").expect("a name");
    Command { by: Principal { person, via: Via::Cockpit, key: None }, seen: None, ask }
}

/// Runs `hands` beside an engine, which it must not outlive.
async fn beside(flight: &mut Flight, hands: impl AsyncFnOnce(&Handle, &Flight)) {
    let (handle, engine) = flight.opens();
    let limit = Duration::from_secs(3600);
    let clock = flight.clock();
    let done = clock.within(limit, async {
        tokio::select! {
            ended = engine.run() => panic!("the engine left: {ended:?}"),
            () = hands(&handle, flight) => {}
        }
    });
    assert!(done.await.is_some(), "it hangs after {:?}", flight.kinds());
}

fn moved(deeds: &[Deed]) -> usize {
    deeds.iter().filter(|deed| matches!(deed, Deed::Selected { .. })).count()
}

#[test]
fn f5_f6_on_a_full_disk_nothing_begins_and_votes_outcomes_and_the_way_back_are_kept() {
    fly(async {
        let mut flight = Flight::new(&Scene::short("bad-release"));
        let hands = async |handle: &Handle, flight: &Flight| {
            let mut follower = handle.follow();
            let comment = Clean::new("go");
            follower.until(|s| s.release.open_gate().is_some()).await.expect("a gate");
            // The vote is kept, and what follows from it waits for room.
            flight.book.fill(true);
            handle.ask(asked(Ask::Approve { comment: comment.clone() })).await.expect("kept");
            handle.clock().sleep(Duration::from_secs(60)).await;
            follower.catch_up();
            let snapshot = follower.snapshot();
            let said = snapshot.live.vitals.journal_error.clone().unwrap_or_default();
            assert!(said.as_str().starts_with("DISK FULL: nothing was changed"), "{said}");
            assert_eq!(snapshot.records.last().expect("records").event.kind(), "gate_closed");
            // With room it goes on by itself.
            flight.book.fill(false);
            follower.until(|s| s.release.awaits_switch()).await.expect("ready");
            assert_eq!(follower.snapshot().live.vitals.journal_error, None);
            // Full again: a switch is refused and nothing is begun.
            flight.book.fill(true);
            let to = follower.snapshot().release.rollout.to.expect("a slot");
            let refused = handle.ask(asked(Ask::Switch { to })).await.expect_err("refused");
            assert!(matches!(refused, Refusal::CannotRecord { .. }), "{refused}");
            assert_eq!(moved(&flight.eyes.deeds()), 0, "nothing was changed");
            flight.book.fill(false);
            handle.ask(asked(Ask::Switch { to })).await.expect("recorded");
            follower.until(|s| s.release.is_switched()).await.expect("switched");
            // Full for good: the watch sees what is bad and the traffic goes back, all on record.
            flight.book.fill(true);
            follower.until(|s| s.release.result.is_some()).await.expect("an end");
            assert!(follower.snapshot().release.is_rolled_back());
        };
        Box::pin(beside(&mut flight, hands)).await;
        must_hold(&flight.book.records(), &flight.eyes.deeds(), "full");
        assert_eq!(moved(&flight.eyes.deeds()), 4, "two Services, there and back");
    });
}

#[test]
fn i30_g24_an_engine_about_to_break_an_invariant_stops_driving_and_says_which() {
    fly(async {
        let mut flight = Flight::new(&Scene::short("happy"));
        let waits = async |handle: &Handle, _: &Flight| {
            handle.follow().until(|s| s.release.open_gate().is_some()).await.expect("a gate");
        };
        Box::pin(beside(&mut flight, waits)).await;
        // A record that no rule of ours gives: the switch has begun, and nobody said go.
        let step = "production.switch".parse().expect("an id");
        let (driver, lines) = (flight.driver(), flight.book.lines());
        let shelf = Box::new(flight.book.clone());
        let (mut forged, _) = Journal::on_shelf(id(), driver, shelf, &lines).expect("it holds");
        let event = (Principal::engine(), Event::StepStarted { step });
        forged.append(vec![event], flight.clock().now()).await.expect("kept");
        let forged = flight.book.lines().len();
        let asks = async |handle: &Handle, flight: &Flight| {
            let mut follower = handle.follow();
            let ready = follower.until(|s| s.records.len() > forged).await.expect("opened");
            let to = ready.release.rollout.to.expect("a slot");
            let refused = handle.ask(asked(Ask::Switch { to })).await.expect_err("refused");
            assert!(refused.to_string().starts_with("INVARIANT I10 would break"), "{refused}");
            let comment = Clean::new("go");
            let refused = handle.ask(asked(Ask::Approve { comment })).await.expect_err("stopped");
            assert!(refused.to_string().contains("driving stopped"), "{refused}");
            follower.catch_up();
            let said = follower.snapshot().live.vitals.journal_error.clone().unwrap_or_default();
            assert!(said.as_str().starts_with("INVARIANT I10"), "{said}");
            assert_eq!(moved(&flight.eyes.deeds()), 0, "nothing was changed");
        };
        Box::pin(beside(&mut flight, asks)).await;
    });
}
