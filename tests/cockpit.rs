//! The cockpit against rehearsals: keys are pressed, words are read, time passes by itself. Each
//! test reads like a runbook.

mod hands;

use std::sync::Arc;

use crossterm::event::MouseEventKind;
use gonogo::sim::Theatre;
use gonogo::tui::{Cockpit, Library};

use crate::rehearsal::{Staged, principal, settings, stage};

/// A rehearsal with somebody at the keys.
struct Flight {
    cockpit: Cockpit,
    /// The simulated world lives as long as it is watched.
    _theatre: Theatre,
    _home: tempfile::TempDir,
}

fn fly(scenario: &str, size: (u16, u16)) -> Flight {
    fly_with(scenario, size, None)
}

fn fly_with(scenario: &str, size: (u16, u16), library: Option<Arc<dyn Library>>) -> Flight {
    let by = principal("mira");
    let Staged { flight, home } = stage(&by, &[scenario]);
    let mut settings = settings(by, flight.handle.clock().clone());
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
    cockpit.press("ga").expect("✔ GO mira").expect("looks good").press("esc");
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
    // The exact calls are in sight where they are asked for, and can be taken along.
    let call = "kubectl -n production patch service backend --type json";
    cockpit.press("S").expect(call).press("ctrl-y").expect("the call went to");
    assert!(
        cockpit.copied().is_some_and(|text| text.starts_with(call) && text.lines().count() == 2)
    );
    cockpit.press("y").until("watching GREEN").await;

    // Disarmed again: the way back needs no arming.
    cockpit.press("!").expect("disarmed");
    // Both calls are there to their ends, before anything else, and are counted.
    cockpit
        .press("B")
        .expect("back to BLUE: 2 calls")
        .expect(call)
        .expect("patch service frontend");
    assert_eq!(cockpit.text().matches("]'").count(), 2, "{}", cockpit.text());
    cockpit.press("esc").press("gb").press("y").expect("the call went to");
    assert!(cockpit.copied().is_some_and(|text| text.contains(r#""version":"blue"}} ]"#)));
    cockpit.press("B").press_at_once("y").expect("roll back to BLUE?").expect_no("ROLLING BACK");
    cockpit.press("y").until("ROLLED BACK").await.expect("BLUE serves");
    cockpit.press(":").type_text("switch").expect("rolled back");
}

#[tokio::test(start_paused = true)]
async fn the_gate_is_read_and_decided_on_its_own_screen() {
    let mut flight = fly("rejected", (80, 24));
    let cockpit = &mut flight.cockpit;
    // Whoever comes early reads what is known so far and who will have to say yes.
    cockpit.until("stage 4/11").await;
    cockpit
        .press("ga")
        .expect("not opened yet")
        .expect("all pass so far")
        .expect("still needs 1 more yes");
    cockpit.press("a").expect("no gate is open");

    cockpit.until("GO OR NO-GO? production").await.expect("0 of 1 approvals").expect("closes");
    cockpit.expect("still needs 1 more yes").expect("mira: your yes counts");
    cockpit.expect("BLUE serves → GREEN gets it").expect("switch back, no data loss");
    // At this size it is read by scrolling: evidence, and what follows from each answer.
    cockpit.press("G").expect("ends the release").expect("EXPIRES").expect("asks everybody");
    cockpit.press("gg").press("ctrl-d").expect("6 low").expect("restore drill");
    cockpit.press("ctrl-d").expect("214 passed");

    // The vote stands under the card and names it; it can be left at every point.
    let digest = cockpit.snapshot().release.gate.as_ref().expect("a gate").digest.short();
    let card = format!("Your vote on card {digest}");
    cockpit.press("a").expect(&card);
    for _ in 0..9 {
        cockpit.mouse(MouseEventKind::ScrollUp, 40, 10);
    }
    cockpit.expect("still needs 1 more yes").expect(&card).press("esc").expect_no(&card);
    cockpit.press("!").press("a").press("g").type_text("half a com").expect("GO on card");
    cockpit.press("esc").expect_no("GO on card").expect("0 of 1 approval,");
    assert!(cockpit.snapshot().release.gate.as_ref().expect("a gate").votes.is_empty());
    cockpit.press("a").press("n").press("enter").expect("say why");
    cockpit
        .type_text("the scan of the backend is too old")
        .press("enter")
        .until("closed: NO-GO")
        .await;
    cockpit.press("ga").expect("NO-GO mira").expect("too old");
}

#[tokio::test(start_paused = true)]
async fn a_bad_release_is_switched_watched_and_rolled_back_from_the_monitor() {
    let mut flight = fly("bad-release", (120, 36));
    let cockpit = &mut flight.cockpit;
    cockpit.press("gm").expect("no release slot yet");
    cockpit.until("GO OR NO-GO? production").await;
    // Approval: four keys and the comment.
    cockpit.press("!").press("a").press("g").type_text("looks good").press("enter");

    // Before the switch: what was proven, and the exact patches.
    cockpit.until("READY TO SWITCH").await.expect("Before the switch").expect("19 rights");
    cockpit.expect("GREEN has 6 ready pods").expect("everything is ready: S switches");
    cockpit
        .expect("kubectl -n production patch service")
        .expect(r#"{"op":"add", "path":"/spec/selector","#);
    cockpit
        .press("S")
        .expect("Switch the traffic to GREEN?")
        .press("esc")
        .expect_no("traffic to GREEN?");
    assert!(cockpit.snapshot().release.awaits_switch());
    cockpit.press("gr").press("S").press("y").until("watching GREEN").await;

    // It shows where the traffic goes: proof, drain, rules with their evidence.
    cockpit.until("15 of 300 s good").await.expect("3 ready of GREEN, 0 of others");
    cockpit.expect("drain").expect("error rate").expect("max 1.00 %").expect("0/3 bad");
    cockpit.expect("newest window ended").expect("1.0 % ╌");
    cockpit.until("NOT GOOD now: error rate").await.expect("1/3 bad").expect("✖ error rate");

    // The way back: the matrix says which row it is and how long there is. Two keys.
    cockpit.press("gb").expect("▶ application bug critical switch back 2 min").expect("left");
    cockpit.expect("database schema critical restore the database 15 min ~17 s");
    cockpit.expect("performance high switch back 2 min").expect("previous manifests 5 min");
    cockpit.expect("infrastructure critical Terraform revert 30 min apply");
    cockpit.expect("no data loss; BLUE is warm").expect("What B sends, back to BLUE");
    cockpit.press("gm").press("B").expect("roll back to BLUE?").press("n");
    cockpit.expect_no("roll back to BLUE?").expect("Watch");
    assert!(cockpit.snapshot().release.is_switched());
    cockpit.press("B").press("y").until("ROLLED BACK").await;
    // A rehearsal ends with its debrief, over what it was about.
    cockpit.until("how you did").await.press("esc");
    cockpit.expect("3 ready of BLUE, 0 of others").expect("cause by hand, mira");
}

#[tokio::test(start_paused = true)]
async fn a_restore_is_prepared_step_by_step_and_runs_only_after_its_last_f60() {
    let mut flight = fly("happy", (80, 24));
    let cockpit = &mut flight.cockpit;
    cockpit.until("GO OR NO-GO? production").await;
    cockpit.press("D").expect("press ! first").press("!");

    // Every step can be left, and nothing has run then.
    let steps = ["verified backups", "the writes of", "createdb", "type shop to go on"];
    for (at, words) in steps.iter().enumerate() {
        cockpit.press("D");
        for _ in 0..at {
            cockpit.press("enter");
        }
        cockpit.expect(words).expect("nothing has been changed yet");
        cockpit.press("esc").expect_no("nothing has been changed yet");
        assert_eq!(cockpit.snapshot().release.restore, None, "after {words}");
    }
    // Keys on their way do not run through the steps; backspace leads back.
    cockpit.press("D").press_at_once("enter").expect("verified backups");
    cockpit.press("enter").press("enter").press("backspace").expect("the writes of");
    cockpit.press("enter").press("enter").press("enter").expect("waits for the word");
    cockpit.paste("shop").expect("pasting is refused").expect("waits for the word");
    cockpit.type_text("shoe").press("enter").expect("waits for the word").press("esc");
    assert_eq!(cockpit.snapshot().release.restore, None);

    // Ten keys from the wish to the restore; then the phases, the loss, and the way back of it.
    cockpit.press("D").press("enter").expect("LOSES").expect("schema").expect("writes stop");
    cockpit.press("enter").expect("1 restore aside and compare").press("G");
    cockpit.press("enter").type_text("shop").expect("loses").press("enter");
    cockpit.until("phase 2 of 5: fence the writers").await.expect("◐ 2 fence the writers");
    cockpit.expect("ALTER DATABASE shop SET default_transaction_read_only = on");
    cockpit.until("phase 4 of 5").await.expect("writers are FENCED");
    cockpit.until("✔ 5 re-open").await.expect("LOSES").expect("orders");
    cockpit.expect("the old database is kept as shop_before_");
    cockpit.press("U").expect("2 swap back").press("enter").type_text("shop").press("esc");
    cockpit.press("U").press("enter").type_text("shop").press("enter");
    cockpit.until("the one from before the restore").await;
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
