//! Telling people.

use crate::release::{Clean, Outcome};
use crate::world::World;
use crate::world::notify::{DeliveryOutcome, Message};

pub(super) async fn notify(world: &World, title: Clean, body: Clean) -> Outcome {
    let Some(notifier) = &world.notifier else {
        return Outcome::Notified { channels: 0, failed: Vec::new() };
    };
    let next_step = Clean::new(&format!("gonogo attach {}", world.release));
    let deliveries = notifier.send(&Message { title, body, next_step }).await;
    let failed = deliveries
        .iter()
        .filter_map(|delivery| match &delivery.outcome {
            DeliveryOutcome::Delivered => None,
            DeliveryOutcome::Failed { reason } => Some(Clean::new(&format!(
                "{} after {} tries: {reason}",
                delivery.channel, delivery.tries
            ))),
        })
        .collect();
    Outcome::Notified { channels: u32::try_from(deliveries.len()).unwrap_or(u32::MAX), failed }
}
