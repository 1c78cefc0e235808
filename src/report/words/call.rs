//! The exact change that an ask makes, before it is made.

use crate::release::{Ask, Backup, Release, RestorePhase, Slot};

/// The exact change that moving the traffic makes: what is patched, and from what to what.
pub fn moving(release: &Release, from: Option<Slot>, to: Slot) -> [String; 2] {
    let services = release.rollout.survey.iter().flat_map(|survey| &survey.services);
    let names: Vec<&str> = services.map(|service| service.service.as_str()).collect();
    let names = if names.is_empty() { "every Service".to_owned() } else { names.join(", ") };
    let from = from.map_or("nothing".to_owned(), |slot| format!("version={}", slot.label()));
    let environment = release.start.as_deref().map_or("", |start| start.environment.as_str());
    [
        format!("patches the selector of {names} in {environment}"),
        format!("{from} → version={}", to.label()),
    ]
}

/// The phases of a restore, or of undoing it, in their order.
pub fn restore_phases(undo: bool) -> String {
    use RestorePhase::{Aside, Fence, MeasureLoss, Reopen, Swap, SwapBack};
    let phases: &[RestorePhase] =
        if undo { &[Fence, SwapBack, Reopen] } else { &[Aside, Fence, MeasureLoss, Swap, Reopen] };
    let words: Vec<&str> = phases.iter().map(|phase| phase.words()).collect();
    words.join(" → ")
}

/// Verified backups of this release, newest first.
pub fn verified_backups(release: &Release) -> Vec<&Backup> {
    let mut backups: Vec<&Backup> =
        release.backups.iter().filter(|backup| backup.verified).collect();
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at));
    backups
}

/// Whether an armed session is needed before it is asked. The way back and what only stops or
/// waits never is.
pub fn needs_arming(ask: &Ask) -> bool {
    match ask {
        Ask::Approve { .. }
        | Ask::Switch { .. }
        | Ask::Restore { .. }
        | Ask::UndoRestore
        | Ask::Override { .. } => true,
        Ask::Reject { .. }
        | Ask::Defer { .. }
        | Ask::Retry
        | Ask::Abort { .. }
        | Ask::RollBack { .. } => false,
    }
}
