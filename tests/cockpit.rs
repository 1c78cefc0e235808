//! The cockpit against rehearsals: keys are pressed, words are read, time passes by itself. Each
//! test reads like a runbook.

mod hands;

use std::sync::Arc;

use clap::Parser as _;
use gonogo::cli::prepare;
use gonogo::config::args::{Args, Sub};
use gonogo::config::{Paths, rehearsal};
use gonogo::release::{Person, Principal, Via};
use gonogo::sim::Theatre;
use gonogo::tui::{Cockpit, Depth, History, Keymap, Library, Settings, Theme};
use gonogo::world::Clock;

/// A rehearsal with somebody at the keys.
struct Flight {
    cockpit: Cockpit,
    /// The simulated world lives as long as it is watched.
    _theatre: Theatre,
    _home: tempfile::TempDir,
}

fn settings(clock: Clock) -> Settings {
    let person = Person::new("mira").expect("a name");
    Settings {
        theme: Theme::shipped("dark", Depth::True, false).expect("shipped"),
        keymap: Keymap::shipped(),
        principal: Principal { person, via: Via::Cockpit, key: None },
        can_arm: true,
        database: "shop".to_owned(),
        clock,
        mouse: true,
        bell: true,
        history: History::default(),
        library: None,
    }
}

fn fly(scenario: &str, size: (u16, u16)) -> Flight {
    fly_with(scenario, size, None)
}

fn fly_with(scenario: &str, size: (u16, u16), library: Option<Arc<dyn Library>>) -> Flight {
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| home.path().join(name);
    let paths = Paths {
        config: at("config"),
        state: at("state"),
        cache: at("cache"),
        runtime: at("runtime"),
    };
    paths.prepare().expect("folders");
    let args = Args::try_parse_from(["gonogo", "rehearse", scenario]).expect("arguments");
    let Some(Sub::Rehearse(args)) = args.command else { panic!("not a rehearsal") };
    let rehearsal = rehearsal(&args, &paths).expect("a shipped scenario");
    let person = Person::new("mira").expect("a name");
    let by = Principal { person, via: Via::Cockpit, key: None };
    let flight = prepare(rehearsal, &paths, &by, 1.0, true).expect("a stage");
    let mut settings = settings(flight.handle.clock().clone());
    settings.library = library;
    let cockpit = Cockpit::new(flight.handle, settings, size);
    tokio::spawn(flight.engine.run());
    Flight { cockpit, _theatre: flight.theatre, _home: home }
}

#[tokio::test(start_paused = true)]
async fn a_release_is_approved_switched_watched_and_released() {
    let mut flight = fly("happy", (120, 36));
    let cockpit = &mut flight.cockpit;
    cockpit.until("REHEARSAL happy seed 1").await.expect("PRODUCTION");

    // The gate: read the card, arm, vote with a comment.
    cockpit.until("GO OR NO-GO? production").await;
    cockpit.press("ga").expect("restore drill").expect("way back").expect("0 of 1 approvals");
    cockpit.press("a").press("g").expect("press ! first");
    cockpit.press("!").expect("ARMED").press("g").type_text("looks good").press("enter");

    // The switch: it counts down, and any key stops it.
    cockpit.until("READY TO SWITCH").await;
    cockpit.press("S").expect("Switch the traffic to GREEN?").expect("version=green");
    cockpit.press("y").expect("Switching to GREEN in 3 s").press("esc").expect("cancelled");
    cockpit.press("S").press("y").until("watching GREEN").await;

    // The way back is priced all the time, and its question can be left.
    cockpit.expect("ROLLBACK NOW: BLUE warm").expect("DB restore");
    cockpit.press("B").expect("roll back to BLUE?").press("esc").expect_no("roll back to BLUE?");
    cockpit.until("60 of 300 s good").await.resize(80, 24).expect("ROLLBACK NOW: BLUE warm");
    cockpit.resize(120, 36).until("released, GREEN serves").await.expect("11/11");
    cockpit.press("ga").expect("GO mira looks good").press("esc");
    cockpit.press("gt").expect("GREEN serves: released").expect("REHEARSAL");
    cockpit.press("q");
    assert!(cockpit.has_left());
}

#[tokio::test(start_paused = true)]
async fn b_and_y_roll_back_unarmed_and_keys_on_their_way_are_not_meant_f60() {
    let mut flight = fly("happy", (80, 24));
    let cockpit = &mut flight.cockpit;
    cockpit.until("GO OR NO-GO? production").await;
    cockpit.press("B").expect("nothing was switched");
    cockpit.press("a").press("!").press("g").press("enter").until("READY TO SWITCH").await;
    cockpit.press("S").press("y").until("watching GREEN").await;

    // Disarmed again: the way back needs no arming.
    cockpit.press("!").expect("disarmed");
    cockpit.press("B").press_at_once("y").expect("roll back to BLUE?").expect_no("ROLLING BACK");
    cockpit.press("y").until("ROLLED BACK").await.expect("BLUE serves");
    cockpit.press(":").type_text("switch").expect("rolled back");
}

#[tokio::test(start_paused = true)]
async fn a_restore_wants_its_word_typed_and_no_paste_f60() {
    let mut flight = fly("happy", (120, 36));
    let cockpit = &mut flight.cockpit;
    cockpit.until("GO OR NO-GO? production").await;
    cockpit.press("D").expect("press ! first").press("!").press("D").expect("verified backups");
    cockpit.press("enter").expect("type shop to go on").press("enter").expect("type shop");
    cockpit.paste("shop").expect("pasting is refused").expect("waits for the word");
    cockpit.type_text("sho").press("enter").expect("type shop").press("esc");
    cockpit.expect_no("type shop");
    cockpit.press("a").press("n").press("enter").expect("say why");
    cockpit.type_text("the scan of the backend is too old").press("enter").until("NO-GO").await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_build_is_held_with_its_reason_and_retried() {
    let mut flight = fly("broken-build", (120, 36));
    let cockpit = &mut flight.cockpit;
    cockpit.until("HELD").await.expect("retry");
    cockpit.press("O").expect("cannot be overridden");
    cockpit.press("R").expect("Retry?").press("y").answered().await.expect("retry: recorded");
    cockpit.press("X").press("enter").expect("a reason is needed").type_text("not today");
    cockpit.press("enter").until("ABORTED").await;
}
