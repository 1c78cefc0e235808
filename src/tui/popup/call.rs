//! The exact call of an act, as it can be checked, copied and kept.

use serde_json::json;

use super::Popup;
use crate::engine::handle::Snapshot;
use crate::release::{Ask, Release, ServiceSlot, Slot};

/// What the open question would do, as text; none where nothing is asked.
pub(super) fn of(popup: &Popup, snapshot: &Snapshot) -> Option<String> {
    let ask = match popup {
        Popup::Confirm { ask, .. } | Popup::CountDown { ask, .. } | Popup::Typed { ask, .. } => ask,
        Popup::Help { .. }
        | Popup::Debrief { .. }
        | Popup::Palette { .. }
        | Popup::Card { .. }
        | Popup::Vote { .. }
        | Popup::Backups { .. }
        | Popup::Reason { .. }
        | Popup::Line { .. } => return None,
    };
    Some(lines(ask, snapshot).join("\n"))
}

/// The calls of an ask, one a line. Where it is gonogo's own work, the subcommand that asks it.
pub(super) fn lines(ask: &Ask, snapshot: &Snapshot) -> Vec<String> {
    let release = &snapshot.release;
    let id = &release.id;
    match ask {
        Ask::Switch { to } => patches(release, *to),
        Ask::RollBack { .. } => match release.rollout.from {
            Some(to) => patches(release, to),
            None => vec![format!("gonogo rollback {id}")],
        },
        Ask::Restore { backup } => {
            vec![format!("gonogo restore {backup} --release {id} --confirm {id}")]
        }
        Ask::UndoRestore => vec![format!("gonogo restore --undo --release {id} --confirm {id}")],
        Ask::Retry => vec![format!("gonogo retry {id}")],
        Ask::Approve { .. } => vec![format!("gonogo approve {id}")],
        Ask::Reject { .. } => vec![format!("gonogo reject {id}")],
        Ask::Defer { .. } => vec![format!("gonogo defer {id}")],
        Ask::Override { .. } => vec![format!("gonogo override {id} --comment REASON")],
        Ask::Abort { .. } => vec![format!("gonogo abort {id}")],
    }
}

fn patches(release: &Release, to: Slot) -> Vec<String> {
    let environment = release.start.as_deref().map_or("", |start| start.environment.as_str());
    let services: Vec<_> = release.rollout.survey.iter().flat_map(|s| &s.services).collect();
    if services.is_empty() {
        return vec![format!("gonogo switch {} {}", to.label(), release.id)];
    }
    // gonogo sends this patch with the resource version it read, and its epoch, besides.
    let patch = |service: &&ServiceSlot| {
        let name = &service.service;
        let selector = |slot: Slot| json!({ "app": name.as_str(), "version": slot.label() });
        let mut operations = Vec::new();
        if let Some(from) = service.slot {
            let now = selector(from);
            operations.push(json!({ "op": "test", "path": "/spec/selector", "value": now }));
        }
        let wanted = selector(to);
        operations.push(json!({ "op": "replace", "path": "/spec/selector", "value": wanted }));
        let patch = serde_json::Value::from(operations);
        format!("kubectl -n {environment} patch service {name} --type json -p '{patch}'")
    };
    services.iter().map(patch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Clean, ReleaseId, Serving, SlotState, Survey};

    #[test]
    fn i8_the_call_of_a_switch_tests_and_replaces_the_whole_selector() {
        let mut release = Release::new(ReleaseId::new("r-1").expect("an id"));
        release.rollout.survey = Some(Survey {
            serving: Serving::One { slot: Slot::Blue },
            services: vec![ServiceSlot {
                service: Clean::new("backend"),
                slot: Some(Slot::Blue),
                epoch: None,
            }],
            blue: SlotState::default(),
            green: SlotState::default(),
        });
        let [line] = patches(&release, Slot::Green).try_into().expect("one Service");
        let patch = line.split('\'').nth(1).expect("a quoted patch");
        let patch: serde_json::Value = serde_json::from_str(patch).expect("JSON");
        assert_eq!(patch[0]["op"], "test");
        assert_eq!(patch[0]["value"], json!({ "app": "backend", "version": "blue" }));
        assert_eq!(patch[1]["value"], json!({ "app": "backend", "version": "green" }));
    }
}
