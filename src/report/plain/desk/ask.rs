//! The questions, each with the exact call, before anything is asked of the engine.

use super::super::super::words::{
    Trouble, age, bytes, calls, duration, moving, ours, policy_call, restore_phases,
    verified_backups,
};
use super::super::typed::Word;
use super::{Asking, Desk};
use crate::engine::handle::Snapshot;
use crate::release::finding::waiver::{Justification, Waiver};
use crate::release::{Ask, Backup, Clean, Seq, Vote};

impl Desk {
    pub(super) fn start_vote(&mut self, vote: Vote, comment: &Clean) {
        let seen = self.release().head;
        if !self.may(&ballot(vote, Clean::default())) {
            return;
        }
        if !comment.as_str().is_empty() {
            return self.vote(vote, comment, seen);
        }
        let line = match vote {
            Vote::Approve => "GO: type a comment, or an empty line for none; cancel leaves",
            Vote::Reject => "NO-GO ends the release: type why; cancel leaves",
            Vote::Defer => "not now: type until when, or why; cancel leaves",
        };
        self.question(Asking::Comment { vote, seen }, &[line.to_owned()]);
    }

    pub(super) fn vote(&mut self, vote: Vote, comment: &Clean, seen: Option<Seq>) {
        if vote == Vote::Reject && comment.as_str().is_empty() {
            let line = "a no-go ends the release: type why; cancel leaves".to_owned();
            return self.question(Asking::Comment { vote, seen }, &[line]);
        }
        let ask = ballot(vote, comment.clone());
        if self.may(&ask) {
            self.ask(ask, seen);
        }
    }

    pub(super) fn switch(&mut self, rest: &str) {
        let Some(to) = self.release().rollout.to else {
            return self.say("switch is not possible: no slot has been chosen for this release");
        };
        let to = match rest.parse() {
            Ok(named) => named,
            Err(_) if rest.is_empty() => to,
            Err(error) => return self.say(&format!("{error}")),
        };
        let ask = Ask::Switch { to };
        if !self.may(&ask) {
            return;
        }
        let from = self.release().rollout.from;
        let mut lines = vec![format!("Switch the traffic to {to}?")];
        lines.extend(moving(self.release(), from, to));
        lines.extend(self.calls(&ask));
        lines.push(match from {
            Some(from) => format!("{from} stays warm as the way back: rollback, then y"),
            None => "nothing served before: there is NO WAY BACK".to_owned(),
        });
        lines.push("y counts down 3 s, then switches; any other line leaves".to_owned());
        let seen = self.release().head;
        self.question(Asking::Confirm { ask, seen }, &lines);
    }

    pub(super) fn roll_back(&mut self, comment: Clean) {
        let ask = Ask::RollBack { comment };
        let (true, Some(to)) = (self.may(&ask), self.release().rollout.from) else { return };
        let mut lines = vec![format!("Roll back to {to}?")];
        lines.extend(moving(self.release(), Some(to.other()), to));
        lines.extend(self.calls(&ask));
        for trouble in [Trouble::Application, Trouble::Performance, Trouble::Schema] {
            let (ours, target) = (ours(self.release(), trouble), trouble.target_s() / 60);
            let (what, severity, way) = (trouble.words(), trouble.severity(), trouble.way());
            lines.push(format!("for {what}, {severity}: {way}, target {target} min, here {ours}"));
        }
        lines.push("y rolls back at once; any other line leaves".to_owned());
        let seen = self.release().head;
        self.question(Asking::Confirm { ask, seen }, &lines);
    }

    pub(super) fn retry(&mut self) {
        if !self.may(&Ask::Retry) {
            return;
        }
        let what = self.release().hold.as_ref().map(|held| held.hold.sentence());
        let mut lines = vec!["Retry?".to_owned()];
        lines.extend(what);
        lines.push("y tries again what failed or is in doubt; any other line leaves".to_owned());
        let seen = self.release().head;
        self.question(Asking::Confirm { ask: Ask::Retry, seen }, &lines);
    }

    pub(super) fn start_reason(&mut self, word: Word, reason: &Clean) {
        let ask = reasoned(word, Clean::default());
        if !self.may(&ask) {
            return;
        }
        if !reason.as_str().is_empty() {
            return self.reason(word, reason);
        }
        let mut lines = Vec::new();
        if word == Word::Override {
            lines.extend(self.release().hold.as_ref().map(|held| held.hold.sentence()));
        }
        lines.push(format!("{}: type the reason, it is recorded; cancel leaves", ask.word()));
        self.question(Asking::Reason { word }, &lines);
    }

    pub(super) fn reason(&mut self, word: Word, reason: &Clean) {
        if reason.as_str().is_empty() {
            let line = "a reason is needed; it is recorded; cancel leaves".to_owned();
            return self.question(Asking::Reason { word }, &[line]);
        }
        let ask = reasoned(word, reason.clone());
        if self.may(&ask) {
            let seen = self.release().head;
            self.ask(ask, seen);
        }
    }

    pub(super) fn restore(&mut self, rest: &str) {
        let Some(newest) = verified_backups(self.release()).first().map(|b| b.id.clone()) else {
            return self.say("restore is not possible: no verified backup belongs to this release");
        };
        if !self.may(&Ask::Restore { backup: newest }) {
            return;
        }
        if !rest.is_empty() {
            return self.backup(rest);
        }
        let mut lines = vec!["Restore the database from which verified backup?".to_owned()];
        for (at, backup) in verified_backups(self.release()).into_iter().enumerate() {
            lines.push(format!("{} {}", at + 1, described(self.snapshot(), backup)));
        }
        lines.push("type its number; cancel leaves".to_owned());
        self.question(Asking::Backup, &lines);
    }

    /// The backup that a number or a name means.
    pub(super) fn backup(&mut self, text: &str) {
        let backups = verified_backups(self.release());
        let by_number = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let found = by_number
            .and_then(|at| backups.get(at).copied())
            .or_else(|| backups.iter().copied().find(|backup| backup.id.as_str() == text));
        let Some(backup) = found else {
            let line = format!("there is no backup {:?}; type a number, or cancel", cut(text));
            return self.question(Asking::Backup, &[line]);
        };
        let (id, what) = (backup.id.clone(), described(self.snapshot(), backup));
        let first = format!("Restore the database to {what}?");
        let kept = "the database of now is kept; undo restore swaps back to it";
        self.typed(Ask::Restore { backup: id }, &[first, phases(false)], &[kept.to_owned()]);
    }

    pub(super) fn undo_restore(&mut self) {
        if self.may(&Ask::UndoRestore) {
            let lines = ["Undo the restore?".to_owned(), phases(true)];
            self.typed(Ask::UndoRestore, &lines, &[]);
        }
    }

    /// A rule, a day, a word of OpenVEX where it does no harm, and all the rest is the reason;
    /// whoever types answers for it.
    pub(super) fn waive(&mut self, rest: &str) {
        let usage = "waive RULE DAY [JUSTIFICATION] REASON: for example waive CVE-2023-45853 \
                     2026-12-31 vulnerable_code_not_present not built in";
        let (rule, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (day, reason) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        let Ok(until) = day.parse() else { return self.say(usage) };
        let owner = self.settings.principal.person.clone();
        let (first, others) = reason.trim().split_once(' ').unwrap_or((reason.trim(), ""));
        let justification = Justification::ALL.into_iter().find(|word| word.key() == first);
        let reason = if justification.is_some() { others } else { reason };
        let waiver = Waiver {
            rule: Some(Clean::new(rule)),
            justification,
            ..Waiver::new(Clean::new(reason.trim()), owner, until)
        };
        if let Err((_, why)) = waiver.check() {
            return self.say(&format!("{why}; {usage}"));
        }
        let ask = Ask::Waive { waiver: Box::new(waiver) };
        if !self.may(&ask) {
            return;
        }
        let mut lines = self.calls(&ask);
        lines.push("y waives it in this release; any other line leaves".to_owned());
        let seen = self.release().head;
        self.question(Asking::Confirm { ask, seen }, &lines);
    }

    /// A changed policy lies in files, which these lines do not read.
    pub(super) fn policy(&mut self, comment: &Clean) {
        let call = policy_call(&self.release().id, comment);
        self.say(&format!("another shell reads the changed policy and asks: {call}"));
    }

    /// The exact calls of an ask, before it is asked.
    fn calls(&self, ask: &Ask) -> Vec<String> {
        let calls = calls(self.release(), &self.settings.database, ask);
        calls.iter().map(|call| format!("sends: {call}")).collect()
    }

    fn typed(&mut self, ask: Ask, first: &[String], then: &[String]) {
        let sent = self.calls(&ask);
        let database = &self.settings.database;
        let id = self.release().id.to_string();
        let word = if database.is_empty() { id } else { database.clone() };
        let last = format!("type {word} to go on; cancel leaves");
        self.question(Asking::Typed { ask, word }, &[first, &sent, then, &[last]].concat());
    }
}

fn ballot(vote: Vote, comment: Clean) -> Ask {
    match vote {
        Vote::Approve => Ask::Approve { comment },
        Vote::Reject => Ask::Reject { comment },
        Vote::Defer => Ask::Defer { comment },
    }
}

fn reasoned(word: Word, comment: Clean) -> Ask {
    if word == Word::Abort { Ask::Abort { comment } } else { Ask::Override { comment } }
}

/// The phases in their order, in one line.
fn phases(undo: bool) -> String {
    let words: Vec<&str> = restore_phases(undo).iter().map(|phase| phase.words()).collect();
    words.join(" → ")
}

fn cut(text: &str) -> Clean {
    Clean::new(text).cut(40)
}

fn described(snapshot: &Snapshot, backup: &Backup) -> String {
    let past = snapshot.now.wall_ms().saturating_sub(backup.taken_at.as_millisecond());
    let past_ms = u64::try_from(past).unwrap_or(0);
    let (id, size, schema) = (&backup.id, bytes(backup.bytes), &backup.schema_version);
    let loses = if past_ms < 1000 { duration(past_ms) } else { age(past_ms) };
    format!("{id}, {size}, schema {schema}, loses {loses} of writes")
}
