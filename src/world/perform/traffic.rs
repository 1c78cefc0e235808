//! Moving traffic, forward and back, and proving beforehand that back is possible.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Done, because, fact, passed, site};
use crate::release::{BuiltInJob, Clean, Effect, Outcome, Slot, TrafficProof, Way};
use crate::world::kubernetes::{
    ClusterError, Right, Switch, SwitchOutcome, SwitchSeen, Unproven, deployment_name,
};
use crate::world::{Reporter, Site, World};

/// How long a switch is tried again while the cluster cannot be reached.
const FORWARD_LIMIT: Duration = Duration::from_secs(60);
/// The way back is tried for as long as anybody could still want it.
const BACK_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// The note that tells a rollback from a switch.
const BACK: &str = "back";
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long the endpoints may take to follow the Services (fault F33).
const PROVE_WITHIN: Duration = Duration::from_secs(30);

/// The switch that an effect asks for.
pub(super) fn plan(world: &World, site: &Site, effect: &Effect) -> Option<Switch> {
    let Effect::SwitchTraffic { from, to, epoch, ready_min, way, by, reason } = effect else {
        return None;
    };
    let back = *way == Way::Back;
    let from_label = from.map_or("none", Slot::label).to_owned();
    let mut notes = BTreeMap::from([
        ("release".to_owned(), world.release.to_string()),
        ("who".to_owned(), by.to_string()),
        ("when".to_owned(), world.clock.now().wall.to_string()),
        ("from".to_owned(), from_label),
        ("to".to_owned(), to.label().to_owned()),
        ("way".to_owned(), if back { BACK } else { "forward" }.to_owned()),
    ]);
    if back {
        notes.insert("reason".to_owned(), reason.to_string());
    }
    Some(Switch {
        namespace: site.production.clone(),
        services: site.services.clone(),
        to: *to,
        // A rollback takes whatever stands there; a switch takes only what was approved.
        expected: if back { None } else { *from },
        epoch: *epoch,
        minimum: *ready_min,
        images: if back { BTreeMap::new() } else { site.images.clone() },
        notes,
        prove_within: PROVE_WITHIN,
        unproven: if back { Unproven::Stay } else { Unproven::TakeBack },
    })
}

pub(super) async fn switch(world: &World, effect: &Effect, reporter: &Reporter) -> Outcome {
    let site = match site(world) {
        Ok(site) => site,
        Err(reason) => return Outcome::Failed { reason },
    };
    let (Some(switch), Effect::SwitchTraffic { way, to, .. }) = (plan(world, site, effect), effect)
    else {
        return Outcome::Failed { reason: Clean::new("the effect is not a switch") };
    };
    let began = world.clock.now().boot_ms;
    let limit = if *way == Way::Back { BACK_LIMIT } else { FORWARD_LIMIT };
    let until = began.saturating_add(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    loop {
        reporter.say(&format!("moving the Services to {to}"));
        let why = match try_once(world, site, &switch, *way).await {
            Try::Switched(proof) => {
                let took_ms = world.clock.now().boot_ms.saturating_sub(began);
                return Outcome::Switched { proof, took_ms };
            }
            Try::Refused(reason) => return Outcome::Failed { reason },
            Try::InDoubt(reason) if world.clock.now().boot_ms >= until => {
                return Outcome::InDoubt { reason };
            }
            Try::NotDone(reason) if world.clock.now().boot_ms >= until => {
                return Outcome::Failed { reason };
            }
            Try::NotDone(reason) | Try::InDoubt(reason) => reason,
        };
        reporter.say(&format!("trying again: {why}"));
        world.clock.sleep(AGAIN_AFTER).await;
    }
}

/// What one try came to.
enum Try {
    Switched(TrafficProof),
    /// Trying again could help; nothing was changed.
    NotDone(Clean),
    /// Trying again would not help.
    Refused(Clean),
    InDoubt(Clean),
}

async fn try_once(world: &World, site: &Site, switch: &Switch, way: Way) -> Try {
    match site.cluster.switch(switch).await {
        SwitchOutcome::Switched { proof, .. } => Try::Switched(proof),
        SwitchOutcome::NotSwitched { why } => not_switched(why),
        SwitchOutcome::Fenced { by, service } => Try::Refused(Clean::new(&format!(
            "{service} carries epoch {by}: another driver took over"
        ))),
        SwitchOutcome::TakenBack { why } => Try::Refused(because(why)),
        // The way back writes every Service again, so half of it is no end.
        SwitchOutcome::Split { why, .. } if way == Way::Back => Try::NotDone(because(why)),
        SwitchOutcome::Split { why, .. } => Try::InDoubt(because(why)),
        SwitchOutcome::InDoubt { why } => look(world, site, switch, why).await,
    }
}

fn not_switched(why: ClusterError) -> Try {
    if why.may_have_landed() { Try::NotDone(because(why)) } else { Try::Refused(because(why)) }
}

/// The answer was lost: what do the Services say (fault F31)?
async fn look(world: &World, site: &Site, switch: &Switch, why: ClusterError) -> Try {
    world.clock.sleep(AGAIN_AFTER).await;
    match site.cluster.observe_switch(switch).await {
        SwitchSeen::Done => match prove(site, switch).await {
            Ok(proof) => Try::Switched(proof),
            Err(reason) => Try::InDoubt(reason),
        },
        // Both maps are planned ones and the guard is the epoch, so the rest may be done again.
        SwitchSeen::NotDone | SwitchSeen::Partial { .. } => Try::NotDone(because(why)),
        SwitchSeen::Unknown { reason } => Try::InDoubt(reason),
    }
}

/// Looks for a rollback of this release that only the Services know, for as long as it takes: a
/// cluster that cannot be asked has not said no.
pub(super) async fn find_rollback(world: &World, to: Slot, reporter: &Reporter) -> Outcome {
    let Ok(site) = site(world) else { return Outcome::RollbackFound { trace: None } };
    loop {
        match site.cluster.notes(&site.production, &site.services, to).await {
            Ok(notes) => {
                let trace = notes.iter().find_map(|notes| trace_of(world, notes));
                return Outcome::RollbackFound { trace };
            }
            Err(error) if !error.may_have_landed() => {
                return Outcome::Failed { reason: because(error) };
            }
            Err(error) => reporter.say(&format!("looking who serves again: {error}")),
        }
        world.clock.sleep(AGAIN_AFTER).await;
    }
}

/// Who rolled this release back, when and why, from the notes that the switch left on a Service.
fn trace_of(world: &World, notes: &BTreeMap<String, String>) -> Option<Clean> {
    let note = |key: &str| notes.get(key).map(String::as_str);
    let ours = note("release") == Some(world.release.as_str()) && note("way") == Some(BACK);
    ours.then(|| {
        let said = |key| note(key).filter(|text| !text.is_empty()).unwrap_or("not said");
        let (who, when, why) = (said("who"), said("when"), said("reason"));
        Clean::new(&format!("ordered by {who} at {when} and not recorded then: {why}"))
    })
}

/// Who answers now.
pub(super) async fn prove(site: &Site, switch: &Switch) -> Result<TrafficProof, Clean> {
    let proof = site.cluster.prove(&switch.namespace, &switch.services, switch.to, &switch.images);
    proof.await.map_err(because)
}

/// Proves the way back before it is needed: rights, the old slot ready, both minimums pinned.
pub(super) async fn way_back(world: &World, job: &BuiltInJob) -> Done {
    let site = site(world)?;
    let (cluster, namespace) = (&site.cluster, &site.production);
    let rights: Vec<Right> = Right::ROLLBACK.into_iter().chain(Right::RELEASE).collect();
    let answers = cluster.can_i(namespace, &rights).await.map_err(because)?;
    if let Some(no) = answers.iter().find(|answer| !answer.allowed) {
        return Err(Clean::new(&format!("we may not {} in {namespace}: {}", no.right, no.reason)));
    }
    let Some(preview) = job.slot else {
        return Err(Clean::new("no slot was chosen at the gate"));
    };
    let new = cluster.slot_state(namespace, &site.services, preview).await.map_err(because)?;
    let Some(old) = job.way_back else {
        return Ok(passed(vec![fact(
            "way back",
            "NONE: no slot serves yet, this is a first release",
        )]));
    };
    let state = cluster.slot_state(namespace, &site.services, old).await.map_err(because)?;
    if !state.is_ready() || state.ready_min() < job.ready_min {
        return Err(Clean::new(&format!(
            "{old} is the way back and is not ready: {} pods at least, {} wanted",
            state.ready_min(),
            job.ready_min
        )));
    }
    if new.ready_min() < state.ready_min() {
        return Err(Clean::new(&format!(
            "{preview} has only {} ready pods, {old} carries the traffic with {}",
            new.ready_min(),
            state.ready_min()
        )));
    }
    for app in &site.services {
        for slot in [old, preview] {
            let autoscaler = deployment_name(app, slot);
            let pinned = cluster.pin_minimum(namespace, &autoscaler, state.ready_min()).await;
            pinned.map_err(because)?;
        }
    }
    let value = format!("{old} ready, {} rights, minimums pinned", answers.len());
    Ok(passed(vec![fact("way back", &value)]))
}

/// Scales the slot that failed to no pods.
pub(super) async fn tidy(world: &World, slot: Slot) -> Outcome {
    let scaled = async {
        let site = site(world)?;
        for app in &site.services {
            let name = deployment_name(app, slot);
            site.cluster.scale(&site.production, &name, 0).await.map_err(because)?;
        }
        Ok(Clean::new(&format!("{slot} is scaled to no pods")))
    };
    match scaled.await {
        Ok(what) => Outcome::Tidied { what },
        Err(reason) => Outcome::Failed { reason },
    }
}
