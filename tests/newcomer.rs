//! Somebody who has never seen gonogo sits down before `rehearse bad-release`, knows nothing but
//! what the screen says, and gets the traffic back. Every key is counted.

use std::time::Duration;

use gonogo::release::{Event, Way};
use gonogo::sim::Theatre;
use gonogo::tui::Cockpit;

use crate::rehearsal::{Staged, principal, settings, stage};

struct Newcomer {
    cockpit: Cockpit,
    /// Keys pressed since the count was begun.
    keys: usize,
    _theatre: Theatre,
    _home: tempfile::TempDir,
}

fn sit_down(scenario: &str) -> Newcomer {
    let by = principal("newcomer");
    let Staged { flight, home } = stage(&by, &[scenario]);
    let settings = settings(by, flight.handle.clock().clone());
    let cockpit = Cockpit::new(flight.handle, settings, (100, 30));
    tokio::spawn(flight.engine.run());
    Newcomer { cockpit, keys: 0, _theatre: flight.theatre, _home: home }
}

impl Newcomer {
    fn line(&self, with: &str) -> Option<String> {
        self.cockpit.text().lines().find(|line| line.contains(with)).map(str::to_owned)
    }

    /// The key at the end of the NEXT line.
    fn next_key(&self) -> Option<String> {
        let line = self.line(" NEXT ")?;
        let (_, key) = line.trim_end().rsplit_once("  ")?;
        (!key.contains(' ')).then(|| key.to_owned())
    }

    /// The key that stands just before some words: ` y  rolls back at once`.
    fn key_before(&self, words: &str) -> Option<String> {
        let line = self.line(words)?;
        let before = line.split(words).next()?;
        before.split_whitespace().next_back().map(str::to_owned)
    }

    /// The same, in the line that also holds other words.
    #[track_caller]
    fn press_in(&mut self, with: &str, words: &str) {
        let line = self.line(with).unwrap_or_else(|| panic!("no {with:?}"));
        let before = line.split(words).next().unwrap_or_default();
        let key = before.split_whitespace().next_back().expect("a key").to_owned();
        self.press(&key);
    }

    /// Presses the key that the screen names before those words.
    #[track_caller]
    fn press_for(&mut self, words: &str) {
        let key = self.key_before(words);
        let key = key.unwrap_or_else(|| panic!("no key for {words:?}:\n{}", self.cockpit.text()));
        self.press(&key);
    }

    fn press(&mut self, key: &str) {
        self.keys += 1;
        self.cockpit.press(key);
    }

    #[track_caller]
    fn press_next(&mut self) {
        let key = self.next_key();
        let key = key.unwrap_or_else(|| panic!("NEXT has no key:\n{}", self.cockpit.text()));
        self.press(&key);
    }

    fn counted(&mut self) -> usize {
        std::mem::take(&mut self.keys)
    }

    /// Through the gate, by what NEXT and the forms say.
    async fn approve(&mut self) -> usize {
        self.cockpit.until("Go or no-go: stage production").await;
        self.press_next();
        if self.line(" to arm first").is_some() {
            self.press_for(" to arm first");
        }
        self.press_in("NO-GO, ends the release", " GO");
        self.cockpit.type_text("seen");
        self.press_for(" votes");
        self.counted()
    }

    async fn switch(&mut self) {
        self.cockpit.until("READY TO SWITCH").await;
        self.press_next();
        self.press_for(" counts down");
        self.cockpit.until("watching GREEN").await.expect("ROLLBACK NOW: BLUE warm");
        self.cockpit.answered().await.linger(Duration::from_secs(8));
        self.counted();
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_reaches_a_verified_rollback_by_what_the_screen_says() {
    let mut newcomer = sit_down("bad-release");
    let keys = newcomer.approve().await;
    assert!(keys <= 4, "approving took {keys} keys beside the comment");
    newcomer.switch().await;
    newcomer.press_for(" ROLLBACK NOW");
    newcomer.press_for(" rolls back at once");
    let keys = newcomer.counted();
    assert_eq!(keys, 2, "rolling back took {keys} keys");
    newcomer.cockpit.until("ROLLED BACK").await.expect("BLUE serves");
    let proven = newcomer.cockpit.snapshot().records.iter().any(|record| {
        let event = &record.event;
        matches!(event, Event::TrafficSwitched { way: Way::Back, proof, .. } if proof.holds())
    });
    assert!(proven, "the traffic is back, but that was not proven");
    newcomer.cockpit.until("how you did").await.expect("traffic back").expect("target 2 min");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_restores_the_database_in_twenty_keys() {
    let mut newcomer = sit_down("happy");
    newcomer.approve().await;
    newcomer.switch().await;
    // Where the database stands is in the help; which form it opens says the rest.
    newcomer.press_for(" restore the database");
    newcomer.press_for(" what it loses");
    newcomer.press_for(" the exact calls");
    newcomer.press_for(" confirm");
    let line = newcomer.line(" to go on: ").expect("a word is wanted");
    let word = line.split(" to go on: ").next().and_then(|text| text.split_whitespace().last());
    let word = word.expect("the word").to_owned();
    newcomer.cockpit.type_text(&word);
    newcomer.keys += word.len();
    newcomer.press_for(" starts it now");
    let keys = newcomer.counted();
    assert!(keys <= 20, "restoring took {keys} keys");
    newcomer.cockpit.until("DB restored from").await;
}
