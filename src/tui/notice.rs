//! What rings: the few records for which somebody must look up, once each, and never for the past.

use crate::release::{Clean, Event, Record, ReleaseResult, Way};

/// The sentence for a record that rings.
pub(super) fn of(record: &Record) -> Option<Clean> {
    let id = &record.release;
    let text = match &record.event {
        Event::GateOpened { stage, .. } => format!("{id}: go or no-go? {stage}"),
        Event::Held { hold } => format!("{id}: HELD, {}", hold.sentence()),
        Event::TrafficSwitched { to, way: Way::Back, .. } => {
            format!("{id}: ROLLED BACK, {to} serves")
        }
        Event::ReleaseEnded { result: ReleaseResult::Failed { reason } } => {
            format!("{id}: FAILED, {reason}")
        }
        _ => return None,
    };
    Some(Clean::new(&text).cut(120))
}
