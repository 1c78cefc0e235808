//! The switch: the only writer of a Service's selector, forward and back.
//!
//! Each Service's whole selector is replaced by one of two planned maps (I8), under a guard on
//! the selector and the resource version that were read, with our epoch in an annotation (I5).
//! Nothing is sent to a slot with too few ready pods of the release (I7), and an answer that is
//! lost is looked up, never guessed (F31).

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::hands::millis;
use super::survey::{Labels, SeenService, planned, words};
use super::{Cluster, ClusterError};
use crate::release::{Clean, Epoch, ServiceSlot, Slot, TrafficProof};

/// The annotation that carries the epoch of the driver that last wrote a Service.
pub const EPOCH_ANNOTATION: &str = "gonogo.dev/epoch";

/// What stands before every annotation of ours.
pub(super) const ANNOTATION_PREFIX: &str = "gonogo.dev/";

/// The field manager of selectors.
pub(super) const SWITCHER: &str = "gonogo-switch";

/// How long between two looks at endpoints that are still following.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One switch of all Services to one slot. A rollback is the same with another slot.
#[derive(Clone, Debug)]
pub struct Switch {
    pub namespace: String,
    /// In the order in which they are switched; each is also its app's name.
    pub services: Vec<String>,
    pub to: Slot,
    /// What serves now, as far as the operator knows; anything else is refused. None takes
    /// whatever is there: a rollback, or a first release.
    pub expected: Option<Slot>,
    pub epoch: Epoch,
    /// The least ready pods each app must have in `to`; 0 counts as 1.
    pub minimum: u32,
    /// App to image of the release; an app that is missing is judged by owner only.
    pub images: BTreeMap<String, String>,
    /// Further annotations, without our prefix: `who`, `when`, `from`, `to`, `way`, `release`,
    /// `reason`.
    pub notes: BTreeMap<String, String>,
    /// How long the endpoints may take to follow.
    pub prove_within: Duration,
    pub unproven: Unproven,
}

/// What to do when the endpoints do not follow in time (F33).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// Switch back.
    TakeBack,
    /// Stay and report it: a rollback has nowhere better to go.
    Stay,
}

/// How a switch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchOutcome {
    /// Every Service selects the slot. `proof` holds unless [`Unproven::Stay`] was asked for.
    Switched { before: Vec<ServiceSlot>, proof: TrafficProof },
    /// Nothing was changed.
    NotSwitched { why: ClusterError },
    /// A driver of a higher epoch was here; nothing was changed (I5).
    Fenced { by: Epoch, service: Clean },
    /// Something was changed and is as before again.
    TakenBack { why: ClusterError },
    /// Something was changed and could not be changed back: hold.
    Split { services: Vec<ServiceSlot>, why: ClusterError },
    /// The last answer was lost and the cluster cannot be asked: observe later.
    InDoubt { why: ClusterError },
}

/// What a look at the Services says about a switch whose end is not known (F31).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchSeen {
    Done,
    NotDone,
    /// Some Services select the slot, others do not.
    Partial {
        services: Vec<ServiceSlot>,
    },
    Unknown {
        reason: Clean,
    },
}

/// A Service that was switched, and the way back.
struct Switched {
    before: SeenService,
    now: SeenService,
}

impl Cluster {
    /// Switches. See [`SwitchOutcome`] for the ends this can come to.
    pub async fn switch(&self, switch: &Switch) -> SwitchOutcome {
        let seen = match self.look(switch).await {
            Ok(seen) => seen,
            Err(why) => return SwitchOutcome::NotSwitched { why },
        };
        if let Some(fenced) = fence(&seen, switch.epoch) {
            return fenced;
        }
        if let Err(why) = self.preflight(switch, &seen).await {
            return SwitchOutcome::NotSwitched { why };
        }
        let before: Vec<_> = seen.iter().map(SeenService::row).collect();
        let mut done: Vec<Switched> = Vec::with_capacity(seen.len());
        for service in seen {
            match self.turn(switch, &service).await {
                Turned::Yes(now) => done.push(Switched { before: service, now }),
                Turned::No(why) => return self.take_back(switch, done, why).await,
                Turned::Fenced(by) if done.is_empty() => {
                    return SwitchOutcome::Fenced { by, service: Clean::new(&service.name) };
                }
                Turned::Fenced(by) => {
                    // The newer driver owns what happens next, our half included.
                    let reason = format!("epoch {by} took over while we switched");
                    return self.split(switch, ClusterError::refused("switch", &reason)).await;
                }
                Turned::InDoubt(why) => return SwitchOutcome::InDoubt { why },
            }
        }
        match self.proven(switch).await {
            Ok(proof) if proof.holds() || switch.unproven == Unproven::Stay => {
                SwitchOutcome::Switched { before, proof }
            }
            Ok(proof) => {
                let why = ClusterError::refused("switch", &unproven(&proof, switch));
                self.take_back(switch, done, why).await
            }
            // The selectors are the release's; only the proof is missing.
            Err(_) if switch.unproven == Unproven::Stay => {
                let proof = TrafficProof { slot: switch.to, endpoints: Vec::new() };
                SwitchOutcome::Switched { before, proof }
            }
            Err(why) if why.may_have_landed() => SwitchOutcome::InDoubt { why },
            Err(why) => self.take_back(switch, done, why).await,
        }
    }

    /// Reads whether `switch` was made, by selector and epoch. Changes nothing.
    pub async fn observe_switch(&self, switch: &Switch) -> SwitchSeen {
        let seen = match self.look(switch).await {
            Ok(seen) => seen,
            Err(error) => return SwitchSeen::Unknown { reason: Clean::new(&error.to_string()) },
        };
        let there = seen.iter().filter(|service| service.slot() == Some(switch.to)).count();
        if there == 0 {
            return SwitchSeen::NotDone;
        }
        if there < seen.len() {
            let services = seen.iter().map(SeenService::row).collect();
            return SwitchSeen::Partial { services };
        }
        match seen.iter().find(|service| service.epoch() != Some(switch.epoch)) {
            None => SwitchSeen::Done,
            // The slot served before we asked: our patch is not what brought it there.
            Some(service) => {
                let who = service.epoch().map_or_else(
                    || "without an epoch".to_owned(),
                    |epoch| format!("by epoch {epoch}"),
                );
                let reason = format!("{} selects {} {who}, not by ours", service.name, switch.to);
                SwitchSeen::Unknown { reason: Clean::new(&reason) }
            }
        }
    }

    /// Writes our epoch on every Service, selectors untouched, so that an older driver's patch
    /// fails its guard from now on (F30). Refuses below a higher epoch.
    pub async fn claim(
        &self,
        namespace: &str,
        services: &[String],
        epoch: Epoch,
    ) -> Result<(), ClusterError> {
        for name in services {
            let what = format!("claim service {name}");
            let Some(seen) = self.find_service(namespace, name).await? else {
                continue;
            };
            match seen.epoch() {
                Some(theirs) if theirs > epoch => {
                    let reason = format!("epoch {theirs} was here, ours is {epoch}");
                    return Err(ClusterError::refused(&what, &reason));
                }
                Some(theirs) if theirs == epoch => continue,
                _ => {}
            }
            let notes = Labels::from([(EPOCH_ANNOTATION.to_owned(), epoch.to_string())]);
            self.patch(namespace, &what, &seen, None, &notes).await?;
        }
        Ok(())
    }

    /// Points the preview Services (`backend-preview`, …) at `slot`, so that it can be tried
    /// before it serves. Preview Services that do not exist are left out.
    pub async fn preview(
        &self,
        namespace: &str,
        services: &[String],
        slot: Slot,
    ) -> Result<(), ClusterError> {
        for app in services {
            let name = format!("{app}-preview");
            let what = format!("point service {name} at {slot}");
            let Some(seen) = self.find_service(namespace, &name).await? else {
                continue;
            };
            let wanted = planned(app, slot);
            if seen.selector != wanted {
                self.patch(namespace, &what, &seen, Some(&wanted), &Labels::new()).await?;
            }
        }
        Ok(())
    }

    /// Reads all Services of the switch; one that does not exist is an error.
    async fn look(&self, switch: &Switch) -> Result<Vec<SeenService>, ClusterError> {
        let mut seen = Vec::with_capacity(switch.services.len());
        for name in &switch.services {
            let Some(service) = self.find_service(&switch.namespace, name).await? else {
                let what = Clean::new(&format!("read service {name}"));
                let reason = Clean::new(&format!("namespace {} has none", switch.namespace));
                return Err(ClusterError::NotFound { what, reason });
            };
            seen.push(service);
        }
        Ok(seen)
    }

    /// Everything that can be refused before the first Service is touched.
    async fn preflight(&self, switch: &Switch, seen: &[SeenService]) -> Result<(), ClusterError> {
        if let Some(expected) = switch.expected {
            // One that is there already was left by a switch that was cut short.
            let fits = |slot| slot == Some(expected) || slot == Some(switch.to);
            if let Some(service) = seen.iter().find(|service| !fits(service.slot())) {
                let what = Clean::new(&format!("switch service {}", service.name));
                let reason = format!(
                    "it selects {}, not {expected}{}",
                    words(&service.selector),
                    signature(service)
                );
                return Err(ClusterError::Conflict { what, reason: Clean::new(&reason) });
            }
        }
        for service in &switch.services {
            self.enough(switch, service).await?;
        }
        Ok(())
    }

    /// Refuses unless the slot has its minimum of ready pods of the release, and none but those.
    async fn enough(&self, switch: &Switch, app: &str) -> Result<(), ClusterError> {
        let image = switch.images.get(app).map(String::as_str);
        let pods = self.ready_pods(&switch.namespace, app, switch.to, image).await?;
        let what = format!("switch service {app} to {}", switch.to);
        if let Some(stranger) = pods.strangers.first() {
            let reason = format!("a ready pod is not the release's: {stranger}");
            return Err(ClusterError::refused(&what, &reason));
        }
        let (ready, least) = (pods.ours.len(), switch.minimum.max(1));
        if u32::try_from(ready).unwrap_or(u32::MAX) < least {
            let reason = format!("{ready} ready pods, {least} are needed");
            return Err(ClusterError::refused(&what, &reason));
        }
        Ok(())
    }

    /// Turns one Service, and finds out what became of it when the answer does not say.
    async fn turn(&self, switch: &Switch, service: &SeenService) -> Turned {
        // Checked again: the preflight may be seconds old by now (I7).
        if let Err(why) = self.enough(switch, &service.name).await {
            return Turned::No(why);
        }
        let what = format!("switch service {} to {}", service.name, switch.to);
        let wanted = planned(&service.name, switch.to);
        let notes = notes(switch);
        let namespace = &switch.namespace;
        let why = match self.patch(namespace, &what, service, Some(&wanted), &notes).await {
            Ok(now) if now.selector == wanted => return Turned::Yes(now),
            Ok(now) => {
                let reason = format!("it selects {} afterwards", words(&now.selector));
                ClusterError::refused(&what, &reason)
            }
            Err(why) => why,
        };
        let ended = self.ended(switch, &what, service, why.clone()).await;
        if !why.may_have_landed() || !matches!(ended, Turned::No(_)) {
            return ended;
        }
        // The patch may still be on its way. A changed resource version makes it fail its guard
        // when it arrives (F30).
        match self.stop_late_patch(namespace, &what, &service.name).await {
            Ok(()) => self.ended(switch, &what, service, why).await,
            Err(_) => Turned::InDoubt(why),
        }
    }

    /// Reads what became of a Service whose patch was answered with `why`.
    async fn ended(
        &self,
        switch: &Switch,
        what: &str,
        service: &SeenService,
        why: ClusterError,
    ) -> Turned {
        let now = match self.find_service(&switch.namespace, &service.name).await {
            Ok(Some(now)) => now,
            Err(_) if why.may_have_landed() => return Turned::InDoubt(why),
            Ok(None) | Err(_) => return Turned::No(why),
        };
        let wanted = planned(&service.name, switch.to);
        match now.epoch() {
            // A refused guard may be our own success, answered into the void.
            Some(epoch) if epoch == switch.epoch && now.selector == wanted => Turned::Yes(now),
            Some(epoch) if epoch > switch.epoch => Turned::Fenced(epoch),
            _ => Turned::No(conflict(what, why, service, &now)),
        }
    }

    async fn stop_late_patch(
        &self,
        namespace: &str,
        what: &str,
        name: &str,
    ) -> Result<(), ClusterError> {
        let Some(now) = self.find_service(namespace, name).await? else {
            return Ok(());
        };
        let key = format!("{ANNOTATION_PREFIX}stopped-at");
        let notes = Labels::from([(key, now.resource_version.clone())]);
        match self.patch(namespace, what, &now, None, &notes).await {
            // Somebody changed it in between, which serves as well.
            Err(ClusterError::Conflict { .. } | ClusterError::Invalid { .. }) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Turns the Services that were switched back, last one first.
    async fn take_back(
        &self,
        switch: &Switch,
        done: Vec<Switched>,
        why: ClusterError,
    ) -> SwitchOutcome {
        if done.is_empty() {
            return SwitchOutcome::NotSwitched { why };
        }
        let mut notes = notes(switch);
        notes.insert(format!("{ANNOTATION_PREFIX}reason"), format!("taken back: {why}"));
        notes.insert(format!("{ANNOTATION_PREFIX}way"), "taken back".to_owned());
        for one in done.iter().rev() {
            // What selected nothing, or a union, is never written again (I8).
            let Some(slot) = one.before.slot() else {
                return self.split(switch, why).await;
            };
            let what = format!("switch service {} back to {slot}", one.now.name);
            let wanted = planned(&one.now.name, slot);
            let patched =
                self.patch(&switch.namespace, &what, &one.now, Some(&wanted), &notes).await;
            if patched.is_err() {
                let now = self.find_service(&switch.namespace, &one.now.name).await;
                if !matches!(now, Ok(Some(now)) if now.selector == wanted) {
                    return self.split(switch, why).await;
                }
            }
        }
        SwitchOutcome::TakenBack { why }
    }

    async fn split(&self, switch: &Switch, why: ClusterError) -> SwitchOutcome {
        match self.look(switch).await {
            Ok(seen) => {
                let services = seen.iter().map(SeenService::row).collect();
                SwitchOutcome::Split { services, why }
            }
            Err(_) => SwitchOutcome::InDoubt { why },
        }
    }

    /// Looks at the endpoints until they are the slot's alone or the time is over.
    async fn proven(&self, switch: &Switch) -> Result<TrafficProof, ClusterError> {
        let until = self.clock.now().boot_ms.saturating_add(millis(switch.prove_within));
        loop {
            let Switch { namespace, services, to, images, .. } = switch;
            let looked = self.prove(namespace, services, *to, images).await;
            let again = match &looked {
                Ok(proof) => !proof.holds(),
                Err(error) => error.may_have_landed(),
            };
            if !again || self.clock.now().boot_ms >= until {
                return looked;
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Patches one Service under guard: it must be exactly as it was seen.
    async fn patch(
        &self,
        namespace: &str,
        what: &str,
        seen: &SeenService,
        selector: Option<&Labels>,
        annotations: &Labels,
    ) -> Result<SeenService, ClusterError> {
        let operations = operations(seen, selector, annotations);
        let patch: json_patch::Patch =
            serde_json::from_value(operations).expect("operations() writes RFC 6902");
        let patch = Patch::Json::<()>(patch);
        let params = PatchParams { field_manager: Some(SWITCHER.to_owned()), ..<_>::default() };
        let api: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let now = self.ask(what, || api.patch(&seen.name, &params, &patch)).await?;
        Ok(SeenService {
            name: seen.name.clone(),
            resource_version: now.metadata.resource_version.unwrap_or_default(),
            selector: now.spec.and_then(|spec| spec.selector).unwrap_or_default(),
            annotations: now.metadata.annotations,
        })
    }
}

/// What became of one Service.
enum Turned {
    Yes(SeenService),
    No(ClusterError),
    Fenced(Epoch),
    InDoubt(ClusterError),
}

fn fence(seen: &[SeenService], ours: Epoch) -> Option<SwitchOutcome> {
    let newer = seen.iter().find_map(|service| {
        let epoch = service.epoch().filter(|epoch| *epoch > ours)?;
        Some((epoch, Clean::new(&service.name)))
    });
    newer.map(|(by, service)| SwitchOutcome::Fenced { by, service })
}

/// The guarded JSON patch: two tests, then the whole selector, then the annotations.
fn operations(seen: &SeenService, selector: Option<&Labels>, annotations: &Labels) -> Value {
    let mut all = vec![
        json!({"op": "test", "path": "/metadata/resourceVersion", "value": seen.resource_version}),
    ];
    if !seen.selector.is_empty() {
        all.push(json!({"op": "test", "path": "/spec/selector", "value": seen.selector}));
    }
    if let Some(selector) = selector {
        // "add" replaces a member that exists, whole, and makes one that does not.
        all.push(json!({"op": "add", "path": "/spec/selector", "value": selector}));
    }
    if seen.annotations.is_none() && !annotations.is_empty() {
        all.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    for (key, value) in annotations {
        let path = format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1"));
        all.push(json!({"op": "add", "path": path, "value": value}));
    }
    Value::Array(all)
}

fn notes(switch: &Switch) -> Labels {
    let prefixed = |(key, value): (&String, &String)| {
        let key = format!("{ANNOTATION_PREFIX}{key}");
        (key, value.clone())
    };
    let mut all: Labels = switch.notes.iter().map(prefixed).collect();
    all.insert(EPOCH_ANNOTATION.to_owned(), switch.epoch.to_string());
    all
}

/// A refused guard, told as what was changed and by whom (F32); any other error as it is.
fn conflict(
    what: &str,
    why: ClusterError,
    before: &SeenService,
    now: &SeenService,
) -> ClusterError {
    let guard = matches!(why, ClusterError::Conflict { .. } | ClusterError::Invalid { .. });
    if !guard || before.resource_version == now.resource_version {
        return why;
    }
    let change = if before.selector == now.selector {
        "something besides its selector changed".to_owned()
    } else {
        format!("{} -> {}", words(&before.selector), words(&now.selector))
    };
    let reason = Clean::new(&format!("{change}{}", signature(now)));
    ClusterError::Conflict { what: Clean::new(what), reason }
}

/// Who last wrote a Service, as far as its annotations say.
fn signature(service: &SeenService) -> String {
    let note = |key: &str| service.annotations.as_ref()?.get(&format!("{ANNOTATION_PREFIX}{key}"));
    match (note("who"), note("when")) {
        (Some(who), Some(when)) => format!(", last switched by {who} at {when}"),
        (Some(who), None) => format!(", last switched by {who}"),
        _ => String::new(),
    }
}

fn unproven(proof: &TrafficProof, switch: &Switch) -> String {
    let each = proof.endpoints.iter().map(|count| {
        format!(
            "{} has {} ready endpoints of ours and {} others",
            count.service, count.ours, count.others
        )
    });
    let all = each.collect::<Vec<_>>().join(", ");
    format!(
        "the endpoints are not {}'s after {} s: {all}",
        switch.to,
        switch.prove_within.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i8_the_patch_guards_and_replaces_the_whole_selector() {
        let seen = SeenService {
            name: "backend".to_owned(),
            resource_version: "41".to_owned(),
            selector: planned("backend", Slot::Blue),
            annotations: None,
        };
        let notes = Labels::from([(EPOCH_ANNOTATION.to_owned(), "7".to_owned())]);
        let green = planned("backend", Slot::Green);
        let all = operations(&seen, Some(&green), &notes);
        let paths: Vec<_> = all
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| format!("{} {}", one["op"], one["path"]).replace('"', ""))
            .collect();
        assert_eq!(
            paths,
            [
                "test /metadata/resourceVersion",
                "test /spec/selector",
                "add /spec/selector",
                "add /metadata/annotations",
                "add /metadata/annotations/gonogo.dev~1epoch",
            ]
        );
    }
}
