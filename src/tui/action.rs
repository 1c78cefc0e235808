//! What a key, or a line of the palette, can do.

use super::ui::Ui;
use crate::engine::handle::Snapshot;
use crate::release::{Ask, Backup, Clean, permit};

/// Declares the actions once: the variant and its name in `keys.yaml`.
macro_rules! actions {
    ($($(#[$doc:meta])* $Action:ident $name:literal),* $(,)?) => {
        /// Everything a key can be bound to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[$doc])* $Action),*
        }

        impl Action {
            pub const ALL: &'static [Self] = &[$(Self::$Action),*];

            /// Its name in `keys.yaml`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$Action => $name),* }
            }
        }
    };
}

actions! {
    Up "up",
    Down "down",
    Top "top",
    Bottom "bottom",
    PageUp "page-up",
    PageDown "page-down",
    Left "left",
    Right "right",
    NextPane "next-pane",
    PreviousPane "previous-pane",
    PaneStages "pane-stages",
    PaneLog "pane-log",
    PanePods "pane-pods",
    PaneLevels "pane-levels",
    PaneWatch "pane-watch",
    Zoom "zoom",
    Open "open",
    /// Back to following what happens, or out of a screen.
    Back "back",
    Find "find",
    FindNext "find-next",
    FindPrevious "find-previous",
    Follow "follow",
    Wrap "wrap",
    GoRelease "go-release",
    GoTimeline "go-timeline",
    GoGate "go-gate",
    GoMonitor "go-monitor",
    GoWayBack "go-way-back",
    GoRestore "go-restore",
    /// How a rehearsal went.
    GoDebrief "go-debrief",
    Vote "vote",
    Arm "arm",
    Switch "switch",
    RollBack "rollback",
    Restore "restore",
    UndoRestore "undo-restore",
    Retry "retry",
    Override "override",
    Abort "abort",
    Palette "palette",
    Help "help",
    Leave "leave",
    Suspend "suspend",
    Repaint "repaint",
}

impl Action {
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// The action that makes an ask, by the ask's own word ([`Ask::word`]).
    pub fn of_ask(word: &str) -> Option<Self> {
        match word {
            "approve" | "reject" | "defer" => Some(Self::Vote),
            "undo restore" => Some(Self::UndoRestore),
            word => Self::by_name(word),
        }
    }

    /// Whether it moves, looks or opens, and needs no line in the palette.
    pub(super) fn only_moves(self) -> bool {
        self < Self::Zoom || matches!(self, Self::Open | Self::Back)
    }

    /// Whether an armed session is needed before it is carried out.
    pub(super) fn needs_arming(self) -> bool {
        matches!(self, Self::Switch | Self::Restore | Self::UndoRestore | Self::Override)
    }
}

/// What an action would ask, as far as it is known before its form is filled in; none for what
/// stays in the cockpit.
pub(super) fn ask_of(action: Action, snapshot: &Snapshot) -> Option<Result<Ask, Clean>> {
    let comment = Clean::default();
    let release = &snapshot.release;
    let ask = match action {
        Action::Vote => Ask::Approve { comment },
        Action::Retry => Ask::Retry,
        Action::Override => Ask::Override { comment },
        Action::Abort => Ask::Abort { comment },
        Action::RollBack => Ask::RollBack { comment },
        Action::UndoRestore => Ask::UndoRestore,
        Action::Switch => match release.rollout.to {
            Some(to) => Ask::Switch { to },
            None => return Some(Err(Clean::new("no slot has been chosen for this release"))),
        },
        Action::Restore => {
            let Some(backup) = verified_backups(snapshot).first().copied() else {
                let why = "no verified backup belongs to this release";
                return Some(Err(Clean::new(why)));
            };
            Ask::Restore { backup: backup.id.clone() }
        }
        _ => return None,
    };
    Some(Ok(ask))
}

/// Verified backups of this release, newest first.
pub(super) fn verified_backups(snapshot: &Snapshot) -> Vec<&Backup> {
    let mut backups: Vec<&Backup> =
        snapshot.release.backups.iter().filter(|backup| backup.verified).collect();
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at));
    backups
}

/// Why an action is not possible now, by the rule that the engine itself applies.
pub(super) fn refused(action: Action, snapshot: &Snapshot) -> Option<Clean> {
    match ask_of(action, snapshot)? {
        Err(why) => Some(why),
        Ok(ask) => permit(&snapshot.release, &ask).err().map(|why| Clean::new(&why.to_string())),
    }
}

/// Why an action is not possible now in this session, arming included.
pub(super) fn blocked(action: Action, ui: &Ui, snapshot: &Snapshot) -> Option<Clean> {
    if action == Action::Arm && !ui.can_arm() {
        return Some(Clean::new("this session may only watch, and roll back"));
    }
    if let Some(why) = refused(action, snapshot) {
        return Some(why);
    }
    (action.needs_arming() && !ui.is_armed()).then(|| not_armed(action.name()))
}

/// What a session reads that has to arm first.
pub(super) fn not_armed(what: &str) -> Clean {
    Clean::new(&format!("{what} needs an armed session: press ! first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for action in Action::ALL {
            assert_eq!(Action::by_name(action.name()), Some(*action));
        }
        for word in ["approve", "switch", "rollback", "restore", "undo restore", "retry"] {
            assert!(Action::of_ask(word).is_some(), "{word}");
        }
    }
}
