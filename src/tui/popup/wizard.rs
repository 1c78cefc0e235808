//! The restore, step by step: which backup, what that loses, which calls, and the word. Nothing
//! runs before the last step.

use crossterm::event::KeyCode;

use crate::engine::handle::Snapshot;
use crate::release::{Ask, Backup};
use crate::report::words::verified_backups;
use crate::tui::pen::Strip;
use crate::tui::theme::Role;

/// How far the operator has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tui) enum Step {
    Backup,
    Loss,
    Calls,
    Word,
}

/// A restore, or its undoing, that is being prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) struct Wizard {
    pub(in crate::tui) undo: bool,
    pub(in crate::tui) step: Step,
    /// The chosen one of the verified backups, newest first.
    pub(in crate::tui) at: usize,
    pub(super) word: String,
    pub(super) input: String,
}

impl Wizard {
    pub(in crate::tui) fn restore(word: String) -> Self {
        Self { undo: false, step: Step::Backup, at: 0, word, input: String::new() }
    }

    /// There is one database to go back to, so its undoing begins with the calls.
    pub(in crate::tui) fn undo(word: String) -> Self {
        Self { undo: true, step: Step::Calls, ..Self::restore(word) }
    }

    pub(in crate::tui) fn chosen<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Backup> {
        verified_backups(&snapshot.release).get(self.at).copied()
    }

    pub(super) fn fits(&self) -> bool {
        self.input == self.word
    }

    /// `1 Backup ─ 2 Loss ─ 3 Calls ─ 4 Confirm`, the step where one is marked.
    pub(super) fn path(&self) -> Strip {
        let all = [
            (Step::Backup, "Backup"),
            (Step::Loss, "Loss"),
            (Step::Calls, "Calls"),
            (Step::Word, "Confirm"),
        ];
        let first = if self.undo { 2 } else { 0 };
        let mut strip = Strip::of(
            Role::Title,
            if self.undo { " Undo the restore? " } else { " Restore the database? " },
        );
        for (at, (step, name)) in all[first..].iter().enumerate() {
            if at > 0 {
                strip = strip.put(Role::Faint, "─");
            }
            let role = if *step == self.step { Role::Focus } else { Role::Dim };
            strip = strip.put(role, format!(" {} {name} ", at + 1));
        }
        strip
    }

    fn forward(&mut self) {
        self.step = match self.step {
            Step::Backup => Step::Loss,
            Step::Loss => Step::Calls,
            Step::Calls | Step::Word => Step::Word,
        };
    }

    fn backward(&mut self) {
        self.step = match self.step {
            Step::Backup | Step::Loss => Step::Backup,
            Step::Calls if self.undo => Step::Calls,
            Step::Calls => Step::Loss,
            Step::Word => Step::Calls,
        };
    }

    /// What is asked, once the word is right.
    pub(super) fn ask(&self, snapshot: &Snapshot) -> Option<Ask> {
        self.meant(snapshot).filter(|_| self.fits() && self.step == Step::Word)
    }

    /// What it comes to when it is gone through to its end.
    pub(super) fn meant(&self, snapshot: &Snapshot) -> Option<Ask> {
        if self.undo {
            return Some(Ask::UndoRestore);
        }
        self.chosen(snapshot).map(|backup| Ask::Restore { backup: backup.id.clone() })
    }

    /// Takes a key that is no letter of the word; gives by how much the screen scrolls.
    pub(super) fn on_key(&mut self, code: KeyCode, snapshot: &Snapshot) -> isize {
        let last = verified_backups(&snapshot.release).len().saturating_sub(1);
        let edits =
            matches!(code, KeyCode::Enter | KeyCode::Left | KeyCode::Right | KeyCode::Char(_));
        if self.step == Step::Word && edits {
            // Letters are for the word, and enter for its end.
            return 0;
        }
        match (self.step, code) {
            (_, KeyCode::Enter | KeyCode::Right | KeyCode::Char('l')) => self.forward(),
            (_, KeyCode::Backspace | KeyCode::Left | KeyCode::Char('h')) => self.backward(),
            (Step::Backup, KeyCode::Down | KeyCode::Char('j')) => {
                self.at = (self.at + 1).min(last);
            }
            (Step::Backup, KeyCode::Up | KeyCode::Char('k')) => {
                self.at = self.at.saturating_sub(1);
            }
            (_, KeyCode::Down | KeyCode::Char('j')) => return 1,
            (_, KeyCode::Up | KeyCode::Char('k')) => return -1,
            (_, KeyCode::PageDown | KeyCode::Char(' ')) => return 8,
            (_, KeyCode::PageUp) => return -8,
            _ => {}
        }
        0
    }
}
