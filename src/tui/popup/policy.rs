//! The form that brings a changed policy into the release: what it lets pass and what not any
//! more, and why, before it is asked.

use super::form::{COPIES, Line, keys, text};
use crate::release::policy::PolicyChange;
use crate::release::{Ask, Clean, Policy};
use crate::tui::pen::Strip;
use crate::tui::theme::Role;

/// A change on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tui) struct PolicyForm {
    policy: Policy,
    change: PolicyChange,
    pub(super) input: String,
}

impl PolicyForm {
    /// What `changed`, read from `from`, would make of the policy of a release; or why it may not.
    pub(in crate::tui) fn new(
        policy: &Policy,
        changed: Policy,
        from: Clean,
    ) -> Result<Self, String> {
        let change = PolicyChange::of(policy, &changed, from, Clean::default())?;
        Ok(Self { policy: changed, change, input: String::new() })
    }

    pub(super) fn ask(&self) -> Ask {
        Ask::ChangePolicy {
            policy: Box::new(self.policy.clone()),
            from: self.change.from.clone(),
            comment: Clean::new(self.input.trim()),
        }
    }

    pub(super) fn has_reason(&self) -> bool {
        !self.input.trim().is_empty()
    }

    pub(super) fn lines(&self) -> (String, Vec<Line>) {
        let mut lines = vec![text(Role::Dim, format!("from {}", self.change.from))];
        let rules = [
            (Role::Warn, "LOOSER  ", &self.change.loosened),
            (Role::Done, "stricter", &self.change.tightened),
        ];
        for (role, word, rules) in rules {
            lines.extend(rules.iter().map(|rule| text(role, format!("{word} {rule}"))));
        }
        lines.push(text(
            Role::Dim,
            "It is recorded; what can still be judged is judged again, and an open gate asks \
             everybody anew.",
        ));
        let enter = if self.has_reason() { "judges by it" } else { "(waits for a reason)" };
        lines.extend([
            Line::Strip(
                Strip::of(Role::Text, " reason: ").put(Role::Input, format!("{}_", self.input)),
            ),
            keys(&[("enter", enter), COPIES, ("esc", "leaves")]),
        ]);
        let (before, after) = (self.change.before.short(), self.change.after.short());
        (format!("Judge by the changed policy, {before} → {after}?"), lines)
    }
}
