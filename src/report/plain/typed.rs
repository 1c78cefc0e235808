//! What can be typed: a word and what follows it.

use crate::release::Ask;

/// A word that can be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Approve,
    Reject,
    Defer,
    Switch,
    RollBack,
    Retry,
    Override,
    Restore,
    UndoRestore,
    Waive,
    Policy,
    Abort,
    Arm,
    Disarm,
    Status,
    Stages,
    Pods,
    Levels,
    Undo,
    Card,
    Timeline,
    Log,
    Debrief,
    Help,
    Quit,
}

/// Every word: how it is typed, and what it does.
pub(super) const WORDS: [(Word, &str, &str); 25] = [
    (Word::Approve, "approve COMMENT", "vote go at the open gate"),
    (Word::Reject, "reject REASON", "vote no-go; it ends the release"),
    (Word::Defer, "defer COMMENT", "say not now; the gate stays open"),
    (Word::Switch, "switch", "move the traffic to the new slot, after a y and a count-down"),
    (Word::RollBack, "rollback", "move the traffic back, after a y; needs no arming"),
    (Word::Retry, "retry", "try again what failed or is in doubt"),
    (Word::Override, "override REASON", "go on although something failed or is unknown"),
    (Word::Restore, "restore", "replace the database by a backup; a word is typed"),
    (Word::UndoRestore, "undo restore", "swap back to the database of before"),
    (
        Word::Waive,
        "waive RULE DAY [JUSTIFICATION] REASON",
        "let the findings of a rule not count until a day",
    ),
    (Word::Policy, "policy REASON", "how to judge by a policy that changed since the start"),
    (Word::Abort, "abort REASON", "end the release before any switch"),
    (Word::Arm, "arm", "make approve, switch, restore and override live for 10 min"),
    (Word::Disarm, "disarm", "only look, and roll back"),
    (Word::Status, "status", "how it stands, what is needed, the way back"),
    (Word::Stages, "stages", "the stages, a line each"),
    (Word::Pods, "pods", "the pods of both slots"),
    (Word::Levels, "levels", "errors and response times beside their limits"),
    (Word::Undo, "undo", "what the way back costs now"),
    (Word::Card, "card", "the decision card and the votes"),
    (Word::Timeline, "timeline N", "the last N records, 15 unless told; all"),
    (Word::Log, "log STEP", "the end of a step's log; without a name the newest step's"),
    (Word::Debrief, "debrief", "how it went so far, measured beside the targets"),
    (Word::Help, "help", "this list; ? is the same"),
    (Word::Quit, "quit", "leave; the release goes on without you"),
];

impl Word {
    /// The word of an ask.
    pub(super) fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Approve { .. } => Self::Approve,
            Ask::Reject { .. } => Self::Reject,
            Ask::Defer { .. } => Self::Defer,
            Ask::Switch { .. } => Self::Switch,
            Ask::RollBack { .. } => Self::RollBack,
            Ask::Retry => Self::Retry,
            Ask::Override { .. } => Self::Override,
            Ask::Restore { .. } => Self::Restore,
            Ask::UndoRestore => Self::UndoRestore,
            Ask::Waive { .. } => Self::Waive,
            Ask::ChangePolicy { .. } => Self::Policy,
            Ask::Abort { .. } => Self::Abort,
        }
    }

    /// The word itself, without what may follow it.
    pub(super) fn text(self) -> &'static str {
        let usage = WORDS.iter().find(|(word, ..)| *word == self).map_or("", |(_, usage, _)| usage);
        usage.trim_end_matches(|c: char| c.is_ascii_uppercase()).trim_end()
    }
}

/// Reads a line: the word, in any case of letters, and the rest as it was typed.
pub(super) fn read(line: &str) -> Option<(Word, &str)> {
    if line == "?" {
        return Some((Word::Help, ""));
    }
    if line == "!" {
        return Some((Word::Arm, ""));
    }
    // The longest word first: "undo restore" begins with "undo".
    let mut known: Vec<Word> = WORDS.iter().map(|(word, ..)| *word).collect();
    known.sort_by_key(|word| std::cmp::Reverse(word.text().len()));
    known.into_iter().find_map(|word| {
        let (head, rest) = line.split_at_checked(word.text().len())?;
        let whole = rest.is_empty() || rest.starts_with(char::is_whitespace);
        (whole && head.eq_ignore_ascii_case(word.text())).then_some((word, rest.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_with_what_follows_them() {
        assert_eq!(read("approve looks good"), Some((Word::Approve, "looks good")));
        assert_eq!(read("Undo Restore"), Some((Word::UndoRestore, "")));
        assert_eq!(read("undo"), Some((Word::Undo, "")));
        assert_eq!(read("?"), Some((Word::Help, "")));
        assert_eq!(read("approved"), None);
        assert_eq!(read("ü"), None);
        for (word, ..) in WORDS {
            assert_eq!(read(word.text()), Some((word, "")), "{}", word.text());
        }
    }
}
