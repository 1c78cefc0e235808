//! What a person can do about it from a shell: the exact commands, and only those that would be
//! accepted now.

use crate::release::{Ask, Clean, Release, permit};

/// The commands that the release would accept, out of those that answer an open gate, a waiting
/// switch or a hold. A comment that must be written stands as `"…"`.
pub fn commands(release: &Release) -> Vec<Clean> {
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
    asks.push(Ask::UndoRestore);
    asks.push(Ask::Abort { comment: comment() });
    let allowed = asks.iter().filter(|ask| permit(release, ask).is_ok());
    allowed.filter_map(|ask| command(release, ask)).collect()
}

fn command(release: &Release, ask: &Ask) -> Option<Clean> {
    let (id, word) = (&release.id, ask.word());
    let command = match ask {
        Ask::Approve { .. }
        | Ask::Reject { .. }
        | Ask::Defer { .. }
        | Ask::Override { .. }
        | Ask::Abort { .. } => format!("gonogo {word} {id} --comment \"…\""),
        Ask::Retry => format!("gonogo {word} {id}"),
        Ask::Waive { waiver } => super::words::waive_call(id, waiver),
        Ask::ChangePolicy { comment, .. } => super::words::policy_call(id, comment),
        Ask::Switch { to } => format!("gonogo {word} {}", to.label()),
        Ask::RollBack { .. } => format!("gonogo {word} app"),
        Ask::Restore { backup } => format!("gonogo restore {backup}"),
        Ask::UndoRestore => {
            let backup = release.restore.as_ref().map(|restore| &restore.backup)?;
            format!("gonogo restore {backup} --undo")
        }
    };
    Some(Clean::new(&command))
}
