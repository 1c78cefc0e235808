//! What a key, or a line of the palette, can do.

use super::ui::Ui;
use crate::engine::handle::Snapshot;
use crate::release::finding::waiver::Waiver;
use crate::release::{Ask, Clean, Person, permit};
use crate::report::words::{needs_arming, verified_backups};

/// What an action is about: the sections of help and of the README's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Act,
    Go,
    Look,
    Move,
    Replay,
    App,
}

impl Group {
    pub const ALL: [Self; 6] =
        [Self::Act, Self::Go, Self::Look, Self::Move, Self::Replay, Self::App];

    pub fn words(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Go => "go to",
            Self::Look => "look",
            Self::Move => "move",
            Self::Replay => "a replay",
            Self::App => "the cockpit",
        }
    }
}

/// Declares the actions once: the variant, its name in `keys.yaml`, its group.
macro_rules! actions {
    ($($(#[$doc:meta])* $Action:ident $name:literal $Group:ident),* $(,)?) => {
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

            pub fn group(self) -> Group {
                match self { $(Self::$Action => Group::$Group),* }
            }
        }
    };
}

actions! {
    Up "up" Move,
    Down "down" Move,
    Top "top" Move,
    Bottom "bottom" Move,
    PageUp "page-up" Move,
    PageDown "page-down" Move,
    Left "left" Move,
    Right "right" Move,
    NextPane "next-pane" Move,
    PreviousPane "previous-pane" Move,
    PaneStages "pane-stages" Move,
    PaneLog "pane-log" Move,
    PanePods "pane-pods" Move,
    PaneLevels "pane-levels" Move,
    PaneWatch "pane-watch" Move,
    Zoom "zoom" Look,
    Open "open" Move,
    /// Back to following what happens, or out of a screen.
    Back "back" Move,
    Find "find" Look,
    FindNext "find-next" Look,
    FindPrevious "find-previous" Look,
    /// Shows only the rows that match.
    Filter "filter" Look,
    /// The same in a form, with what there is to choose from.
    FilterForm "filter-form" Look,
    NextError "next-error" Look,
    PreviousError "previous-error" Look,
    Follow "follow" Look,
    Wrap "wrap" Look,
    /// Times of day, or how long ago.
    Times "times" Look,
    Mark "mark" Look,
    /// The two marked rows side by side.
    Diff "diff" Look,
    Refresh "refresh" Look,
    /// New, all, waived or fixed.
    Sight "sight" Look,
    Group "group" Look,
    Sort "sort" Look,
    /// The masked report as its tool wrote it.
    Raw "raw" Look,
    CopyFix "copy-fix" Look,
    /// The chosen row, or the exact call of the open question, to the terminal's clipboard.
    Copy "copy" Look,
    GoRelease "go-release" Go,
    GoFindings "go-findings" Go,
    GoTimeline "go-timeline" Go,
    GoReleases "go-releases" Go,
    /// The decision card.
    GoGate "go-gate" Go,
    GoMonitor "go-monitor" Go,
    GoWayBack "go-way-back" Go,
    GoRestore "go-restore" Go,
    /// How a rehearsal went.
    GoDebrief "go-debrief" Go,
    /// gonogo's own log.
    GoLog "go-log" Go,
    Vote "vote" Act,
    Arm "arm" Act,
    Switch "switch" Act,
    RollBack "rollback" Act,
    Restore "restore" Act,
    UndoRestore "undo-restore" Act,
    Waive "waive" Act,
    /// Judge by a policy that changed since the release started.
    Policy "policy" Act,
    Retry "retry" Act,
    Override "override" Act,
    Abort "abort" Act,
    ReplayPause "replay-pause" Replay,
    /// To the next decision of somebody, or of a rule.
    ReplayNext "replay-next" Replay,
    ReplayPrevious "replay-previous" Replay,
    ReplayRecord "replay-record" Replay,
    ReplayFaster "replay-faster" Replay,
    ReplaySlower "replay-slower" Replay,
    ReplayGoTo "replay-go-to" Replay,
    Palette "palette" App,
    Help "help" App,
    /// Whether clicks and the wheel are for the cockpit, or for the terminal's own selection.
    Mouse "mouse" App,
    Leave "leave" App,
    Suspend "suspend" App,
    Repaint "repaint" App,
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

    /// Whether it only moves about, and needs no line in the palette.
    pub(super) fn only_moves(self) -> bool {
        self.group() == Group::Move
    }
}

/// What an action would ask, as far as it is known before its form is filled in; none for what
/// stays in the cockpit.
pub(super) fn ask_of(action: Action, snapshot: &Snapshot) -> Option<Result<Ask, Clean>> {
    let comment = Clean::default();
    let release = &snapshot.release;
    let ask = match action {
        Action::Vote => Ask::Approve { comment },
        Action::Waive => Ask::Waive { waiver: Box::new(some_waiver()) },
        Action::Policy => {
            let mut policy = release.policy()?.clone();
            // What it will be is read when the question opens; something of it will differ.
            policy.findings.waivers.push(some_waiver());
            Ask::ChangePolicy { policy: Box::new(policy), from: Clean::default(), comment }
        }
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
            let Some(backup) = verified_backups(release).first().copied() else {
                let why = "no verified backup belongs to this release";
                return Some(Err(Clean::new(why)));
            };
            Ask::Restore { backup: backup.id.clone() }
        }
        _ => return None,
    };
    Some(Ok(ask))
}

/// Stands for one that is not written yet.
fn some_waiver() -> Waiver {
    let nobody = Person::new("nobody").expect("a name in its grammar");
    let waiver = Waiver::new("…".into(), nobody, jiff::civil::Date::MAX);
    Waiver { rule: Some("…".into()), ..waiver }
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
    if action.group() == Group::Replay && ui.replay.is_none() {
        return Some(Clean::new("this is no replay: `gonogo replay RELEASE` is one"));
    }
    if let Some(why) = refused(action, snapshot) {
        return Some(why);
    }
    (!ui.is_armed() && is_armed_first(action, snapshot)).then(|| not_armed(action.name()))
}

/// Whether the session must be armed before the question opens; a vote says go or no-go first.
fn is_armed_first(action: Action, snapshot: &Snapshot) -> bool {
    let ask = ask_of(action, snapshot).and_then(Result::ok);
    action != Action::Vote && ask.is_some_and(|ask| needs_arming(&ask))
}

/// Whether arming would make it possible.
pub(super) fn waits_for_arming(action: Action, snapshot: &Snapshot) -> bool {
    let ask = ask_of(action, snapshot).and_then(Result::ok);
    ask.is_some_and(|ask| needs_arming(&ask) && permit(&snapshot.release, &ask).is_ok())
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
