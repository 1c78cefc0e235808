//! The person's side of the conversation: what was asked of them, what they may, what they typed.

mod ask;

use tokio::task::JoinSet;

use super::super::ends::is_over;
use super::super::line::Lines;
use super::super::words::{Next, needs_arming, next, undo, verified_backups};
use super::typed::{Word, read};
use super::{PlainSettings, look};
use crate::engine::handle::{Follower, Handle, Link, Snapshot};
use crate::release::{Ask, Clean, Command, EffectKey, Refusal, Release, Seq, Vote, permit};

/// How long an armed session stays armed, in milliseconds.
const ARMED_MS: u64 = 10 * 60 * 1000;
/// A line that came so soon after a question was typed before it could be read (F60); a paste is
/// one of them. In milliseconds.
const UNMEANT_MS: u64 = 300;
/// How long a confirmed switch can still be cancelled, in milliseconds.
const COUNT_DOWN_MS: u64 = 3000;
/// How long it may be silent while something runs, and while it waits for people.
const SILENT_MS: u64 = 60 * 1000;
const WAITING_MS: u64 = 300 * 1000;
/// Characters of a comment.
const COMMENT_MAX: usize = 300;

/// What the person was asked last and has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asking {
    Nothing,
    Comment { vote: Vote, seen: Option<Seq> },
    Reason { word: Word },
    Confirm { ask: Ask, seen: Option<Seq> },
    CountDown { ask: Ask, seen: Option<Seq>, ends_ms: u64, said_s: u64 },
    Backup,
    Typed { ask: Ask, word: String },
}

type Answer = (&'static str, Result<(), Refusal>);

/// When the prompt is said anew: what is needed, by whom, and the choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Prompt {
    action: Option<&'static str>,
    choices: Vec<&'static str>,
    about: Option<Seq>,
    armed: bool,
    link: bool,
    ended: bool,
}

pub(super) struct Desk {
    handle: Handle,
    follower: Follower,
    settings: PlainSettings,
    lines: Lines,
    said: Vec<Clean>,
    asking: Asking,
    /// When the newest question or choices were said.
    asked_ms: u64,
    now_ms: u64,
    spoke_ms: u64,
    prompt: Prompt,
    /// What the numbers stand for: the choices as they were said last.
    choices: Vec<Ask>,
    armed_until_ms: Option<u64>,
    asks: JoinSet<Answer>,
    ended: bool,
    left: bool,
}

impl Desk {
    pub(super) fn new(handle: Handle, settings: PlainSettings) -> Self {
        let follower = handle.follow();
        let mut own = settings.lines.clone();
        own.numbered = true;
        let lines = Lines::new(handle.release().clone(), own);
        let person = &settings.principal.person;
        let said = vec![Clean::new(&format!(
            "gonogo, plain mode; you are {person}. Type a word or a number; ? lists them; an \
             empty line says again what is needed"
        ))];
        Self {
            handle,
            follower,
            settings,
            lines,
            said,
            asking: Asking::Nothing,
            asked_ms: 0,
            now_ms: 0,
            spoke_ms: 0,
            prompt: Prompt::default(),
            choices: Vec::new(),
            armed_until_ms: None,
            asks: JoinSet::new(),
            ended: false,
            left: false,
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        self.follower.snapshot()
    }

    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    pub(super) fn leave(&mut self) {
        self.left = true;
    }

    pub(super) fn take_said(&mut self) -> Vec<Clean> {
        if !self.said.is_empty() {
            self.spoke_ms = self.now_ms;
        }
        std::mem::take(&mut self.said)
    }

    fn say(&mut self, text: &str) {
        self.said.push(Clean::new(text));
    }

    fn release(&self) -> &Release {
        &self.follower.snapshot().release
    }

    /// Takes in what is new and says it; then what time brought, and what is needed if it changed.
    pub(super) fn catch_up(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let handle = self.handle.clone();
        let log = |key: &EffectKey, count: usize| handle.log_tail(key, count);
        for record in self.follower.catch_up() {
            self.said.extend(self.lines.record(&record, &log));
        }
        self.count_down();
        if self.armed_until_ms.is_some_and(|until| until <= now_ms) {
            self.armed_until_ms = None;
            self.say("disarmed: 10 min are over");
        }
        if !self.ended && is_over(self.snapshot(), false) && self.release().result.is_some() {
            self.ended = true;
            let ending = self.lines.ending(self.follower.snapshot());
            self.said.extend(ending);
            let rehearsal = self.release().start.as_deref().is_some_and(|s| s.rehearsal.is_some());
            if rehearsal {
                let debrief = look::debriefed(self.snapshot());
                self.said.extend(debrief);
            }
        }
        self.prompt_if_new();
        if self.snapshot().link == Link::Closed {
            self.leave();
        }
        if self.said.is_empty() && now_ms >= self.spoke_ms.saturating_add(self.patience_ms()) {
            let text = next(self.snapshot()).text;
            self.say(&format!("still: {text}"));
        }
    }

    fn patience_ms(&self) -> u64 {
        let waits = next(self.snapshot()).action.is_some() || self.release().result.is_some();
        if waits { WAITING_MS } else { SILENT_MS }
    }

    /// When it has to look again although nothing happened.
    pub(super) fn due_ms(&self) -> u64 {
        let silence = self.spoke_ms.saturating_add(self.patience_ms());
        let armed = self.armed_until_ms.unwrap_or(u64::MAX);
        let count_down = match &self.asking {
            Asking::CountDown { ends_ms, said_s, .. } => {
                ends_ms.saturating_sub(said_s.saturating_sub(1).saturating_mul(1000))
            }
            _ => u64::MAX, // tidy: no other question ends by itself
        };
        silence.min(armed).min(count_down)
    }

    pub(super) async fn changed(&mut self) {
        tokio::select! {
            () = self.follower.changed() => {}
            Some(answer) = self.asks.join_next() => match answer {
                Ok((word, Ok(()))) => self.say(&format!("{word}: recorded")),
                Ok((word, Err(why))) => self.say(&format!("{word} REFUSED: {why}")),
                Err(error) => self.say(&format!("the answer was lost: {error}")),
            },
        }
    }

    fn count_down(&mut self) {
        let Asking::CountDown { ask, seen, ends_ms, said_s } = self.asking.clone() else { return };
        let left_s = ends_ms.saturating_sub(self.now_ms).div_ceil(1000);
        if left_s == 0 {
            self.asking = Asking::Nothing;
            self.ask(ask, seen);
        } else if left_s < said_s {
            self.say(&format!("{left_s} s"));
            self.asking = Asking::CountDown { ask, seen, ends_ms, said_s: left_s };
        }
    }

    fn is_armed(&self) -> bool {
        self.armed_until_ms.is_some_and(|until| until > self.now_ms)
    }

    /// What the release would accept now, in the order of the choices.
    fn possible(&self) -> Vec<Ask> {
        let release = self.release();
        let comment = Clean::default;
        let mut asks = vec![
            Ask::Approve { comment: comment() },
            Ask::Reject { comment: comment() },
            Ask::Defer { comment: comment() },
        ];
        asks.extend(release.rollout.to.map(|to| Ask::Switch { to }));
        asks.push(Ask::Retry);
        asks.push(Ask::RollBack { comment: comment() });
        asks.push(Ask::Override { comment: comment() });
        let newest = verified_backups(release).first().map(|backup| backup.id.clone());
        asks.extend(newest.map(|backup| Ask::Restore { backup }));
        asks.push(Ask::UndoRestore);
        asks.push(Ask::Abort { comment: comment() });
        asks.retain(|ask| permit(release, ask).is_ok());
        asks
    }

    fn prompt_if_new(&mut self) {
        let snapshot = self.snapshot();
        let release = &snapshot.release;
        let choices = self.possible();
        let gate = release.open_gate().map(|gate| gate.changed);
        let votes = release.open_gate().map_or(0, |gate| gate.votes.len() as u64);
        let held = release.hold.as_ref().map(|held| held.seq);
        let prompt = Prompt {
            action: next(snapshot).action,
            choices: choices.iter().map(Ask::word).collect(),
            about: held.or_else(|| gate.map(|Seq(seq)| Seq(seq.saturating_add(votes)))),
            armed: self.is_armed(),
            link: snapshot.link == Link::Live,
            ended: release.result.is_some(),
        };
        if prompt == self.prompt || release.start.is_none() {
            return;
        }
        self.prompt = prompt;
        if self.asking != Asking::Nothing {
            // An answer was meant for the release as it was.
            self.asking = Asking::Nothing;
            self.say("the release changed: nothing was asked, and the question above is over");
        }
        self.say_prompt();
    }

    /// What is needed now, the way back, the choices.
    fn say_prompt(&mut self) {
        let Next { text, .. } = next(self.snapshot());
        self.say(&format!("NEXT: {text}"));
        if let Some(price) = undo(self.snapshot()) {
            self.say(&format!("WAY BACK: {price}"));
        }
        self.choices = self.possible();
        let armed = self.is_armed();
        let numbered = self.choices.iter().enumerate().map(|(at, ask)| {
            let first = if needs_arming(ask) && !armed { " (arm first)" } else { "" };
            format!("{} {}{first}", at + 1, ask.word())
        });
        let numbered: Vec<String> = numbered.collect();
        let card = if self.release().gate.is_some() { "card, " } else { "" };
        let arm = if armed { "" } else { "arm, " };
        let words = format!("{card}{arm}status, ? help, quit");
        let choices = if numbered.is_empty() {
            format!("CHOOSE: {words}")
        } else {
            format!("CHOOSE: {}; {words}", numbered.join(", "))
        };
        self.say(&choices);
        self.asked_ms = self.now_ms;
    }

    /// Asks the person something, in so many lines.
    fn question(&mut self, asking: Asking, lines: &[String]) {
        for line in lines {
            self.say(line);
        }
        self.asking = asking;
        self.asked_ms = self.now_ms;
    }

    /// Ctrl-C: cancels what was asked; when nothing was, leaves.
    pub(super) fn interrupt(&mut self) {
        match std::mem::replace(&mut self.asking, Asking::Nothing) {
            Asking::Nothing => self.leave(),
            Asking::CountDown { .. } => self.say("cancelled: nothing was switched"),
            _ => self.say("left: nothing was asked"), // tidy: every other question is the same
        }
    }

    /// Takes a line.
    pub(super) fn line(&mut self, text: &str, now_ms: u64) {
        self.now_ms = now_ms;
        let text = text.trim();
        let soon = now_ms < self.asked_ms.saturating_add(UNMEANT_MS);
        match std::mem::replace(&mut self.asking, Asking::Nothing) {
            Asking::CountDown { .. } => self.say("cancelled: nothing was switched"),
            Asking::Nothing => self.command(text, soon),
            asking if soon => {
                self.say("that line came before the question could be read: answer it again");
                self.asking = asking;
            }
            asking if is_no(text) => {
                drop(asking);
                self.say("left: nothing was asked");
            }
            asking => self.answer(asking, text),
        }
    }

    fn answer(&mut self, asking: Asking, text: &str) {
        let comment = Clean::new(text).cut(COMMENT_MAX);
        match asking {
            Asking::Comment { vote, seen } => self.vote(vote, &comment, seen),
            Asking::Reason { word } => self.reason(word, &comment),
            Asking::Confirm { ask, seen } if is_yes(text) => match &ask {
                Ask::Switch { to } => {
                    let first = format!(
                        "switching to {to} in {} s; any line cancels, nothing has been changed yet",
                        COUNT_DOWN_MS / 1000
                    );
                    let ends_ms = self.now_ms.saturating_add(COUNT_DOWN_MS);
                    let said_s = COUNT_DOWN_MS / 1000;
                    self.question(Asking::CountDown { ask, seen, ends_ms, said_s }, &[first]);
                }
                _ => self.ask(ask, seen), // tidy: only a switch counts down
            },
            Asking::Confirm { .. } => {
                self.say("left: nothing was asked; y would have");
                self.command(text, false);
            }
            Asking::Backup => self.backup(text),
            Asking::Typed { ask, word } if text == word => {
                let seen = self.release().head;
                self.ask(ask, seen);
            }
            Asking::Typed { ask, word } => {
                let again = format!("that is not the word; type {word} to go on, or cancel");
                self.question(Asking::Typed { ask, word }, &[again]);
            }
            Asking::Nothing | Asking::CountDown { .. } => {}
        }
    }

    fn command(&mut self, text: &str, soon: bool) {
        if text.is_empty() {
            return self.say_prompt();
        }
        if let Ok(number) = text.parse::<usize>() {
            if soon {
                self.say("the choices were said just now: choose again");
                return;
            }
            let chosen = number.checked_sub(1).and_then(|at| self.choices.get(at));
            return match chosen.map(Word::of) {
                Some(word) => self.word(word, ""),
                None => self.say(&format!("there is no choice {number}; ? lists what there is")),
            };
        }
        if let Some((word, rest)) = read(text) {
            self.word(word, rest);
        } else {
            let shown = Clean::new(text).cut(40);
            self.say(&format!("there is no word {shown:?}; ? lists what there is"));
        }
    }

    fn word(&mut self, word: Word, rest: &str) {
        let comment = Clean::new(rest).cut(COMMENT_MAX);
        match word {
            Word::Approve => self.start_vote(Vote::Approve, &comment),
            Word::Reject => self.start_vote(Vote::Reject, &comment),
            Word::Defer => self.start_vote(Vote::Defer, &comment),
            Word::Switch => self.switch(rest),
            Word::RollBack => self.roll_back(comment),
            Word::Retry => self.retry(),
            Word::Override | Word::Abort => self.start_reason(word, &comment),
            Word::Restore => self.restore(rest),
            Word::UndoRestore => self.undo_restore(),
            Word::Waive => self.waive(rest),
            Word::Policy => self.policy(&comment),
            Word::Arm => self.arm(),
            Word::Disarm => {
                self.armed_until_ms = None;
                self.say("disarmed: this session only looks, and rolls back");
            }
            Word::Quit => self.leave(),
            Word::Status => {
                let armed = if self.is_armed() { "armed" } else { "not armed" };
                let mut lines = look::status(self.snapshot());
                lines.push(Clean::new(&format!("this session is {armed}")));
                self.said.extend(lines);
                self.say_prompt();
            }
            Word::Stages => self.said.extend(look::stages_in_words(self.snapshot())),
            Word::Pods => self.said.extend(look::pods(self.snapshot())),
            Word::Levels => self.said.extend(look::levels(self.snapshot())),
            Word::Undo => self.said.extend(look::price(self.snapshot())),
            Word::Card => self.said.extend(look::card(self.snapshot())),
            Word::Timeline => self.said.extend(look::timeline(self.snapshot(), rest)),
            Word::Debrief => self.said.extend(look::debriefed(self.snapshot())),
            Word::Log => self.said.extend(look::log(&self.handle, self.snapshot(), rest)),
            Word::Help => self.said.extend(look::help()),
        }
    }

    /// Whether it may be asked now, by the rule that the engine itself applies, and armed where
    /// it has to be; says why not.
    fn may(&mut self, ask: &Ask) -> bool {
        let word = ask.word();
        if let Err(why) = permit(self.release(), ask) {
            self.say(&format!("{word} is not possible: {why}"));
            return false;
        }
        if needs_arming(ask) && !self.is_armed() {
            self.say(&format!("{word} needs an armed session: type arm first"));
            return false;
        }
        true
    }

    fn arm(&mut self) {
        if self.settings.can_arm {
            self.armed_until_ms = Some(self.now_ms.saturating_add(ARMED_MS));
            self.say("ARMED for 10 min: approve, switch, restore and override are live");
        } else {
            self.say("this session may only watch, and roll back");
        }
    }

    /// Asks on a task of its own: lines go on while the engine records.
    fn ask(&mut self, ask: Ask, seen: Option<Seq>) {
        let word = ask.word();
        let command = Command { by: self.settings.principal.clone(), seen, ask };
        let handle = self.handle.clone();
        self.asks.spawn(async move { (word, handle.ask(command).await) });
    }
}

fn is_yes(text: &str) -> bool {
    text.eq_ignore_ascii_case("y") || text.eq_ignore_ascii_case("yes")
}

fn is_no(text: &str) -> bool {
    ["cancel", "n", "no"].iter().any(|no| text.eq_ignore_ascii_case(no))
}
