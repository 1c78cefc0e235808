//! What serves now, and what both slots run.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;

use super::switch::{ANNOTATION_PREFIX, EPOCH_ANNOTATION};
use super::{Cluster, ClusterError};
use crate::release::{
    Clean, DeploymentState, Epoch, ServiceSlot, Serving, Slot, SlotState, Survey,
};

/// A label map of the cluster.
pub(super) type Labels = BTreeMap<String, String>;

/// The name of the Deployment of `app` in `slot`: `backend-blue`.
pub fn deployment_name(app: &str, slot: Slot) -> String {
    format!("{app}-{}", slot.label())
}

/// The whole selector of a Service that sends everything to `slot`: one of the two planned maps
/// of invariant I8.
pub(super) fn planned(service: &str, slot: Slot) -> Labels {
    slot.selector(service)
}

/// Which slot a selector selects: only a planned map, entirely, counts.
pub(super) fn selected(service: &str, selector: &Labels) -> Option<Slot> {
    [Slot::Blue, Slot::Green].into_iter().find(|slot| *selector == planned(service, *slot))
}

/// One Service as a switch needs it.
#[derive(Clone, Debug)]
pub(super) struct SeenService {
    pub(super) name: String,
    pub(super) resource_version: String,
    pub(super) selector: Labels,
    pub(super) annotations: Option<Labels>,
}

impl SeenService {
    pub(super) fn slot(&self) -> Option<Slot> {
        selected(&self.name, &self.selector)
    }

    /// The epoch annotated; an unreadable one counts as none.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        let text = self.annotations.as_ref()?.get(EPOCH_ANNOTATION)?;
        text.parse().ok().map(Epoch)
    }

    pub(super) fn row(&self) -> ServiceSlot {
        let service = Clean::new(&self.name);
        ServiceSlot { service, slot: self.slot(), epoch: self.epoch() }
    }
}

impl Cluster {
    /// Reads the Services and, for each, the two Deployments behind it.
    ///
    /// A Service or Deployment that does not exist is part of the answer, not an error.
    pub async fn survey(
        &self,
        namespace: &str,
        services: &[String],
    ) -> Result<Survey, ClusterError> {
        let mut seen = Vec::with_capacity(services.len());
        for service in services {
            seen.push((service.as_str(), self.find_service(namespace, service).await?));
        }
        let blue = self.slot_state(namespace, services, Slot::Blue).await?;
        let green = self.slot_state(namespace, services, Slot::Green).await?;
        let rows = seen.iter().map(|(name, service)| match service {
            Some(service) => service.row(),
            None => ServiceSlot { service: Clean::new(name), slot: None, epoch: None },
        });
        Ok(Survey { serving: serving(&seen), services: rows.collect(), blue, green })
    }

    /// What one slot runs: a state for each Deployment of `apps` that exists.
    pub async fn slot_state(
        &self,
        namespace: &str,
        apps: &[String],
        slot: Slot,
    ) -> Result<SlotState, ClusterError> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let mut deployments = Vec::with_capacity(apps.len());
        for app in apps {
            let name = deployment_name(app, slot);
            let what = format!("read deployment {name}");
            if let Some(found) = self.ask(&what, || api.get_opt(&name)).await? {
                deployments.push(state_of(&name, &found));
            }
        }
        Ok(SlotState { deployments })
    }

    /// What our switches noted on the Services that select `slot`, one map for each, without our
    /// prefix: `who`, `when`, `way`, …
    pub async fn notes(
        &self,
        namespace: &str,
        services: &[String],
        slot: Slot,
    ) -> Result<Vec<Labels>, ClusterError> {
        let mut all = Vec::with_capacity(services.len());
        for service in services {
            let found = self.find_service(namespace, service).await?;
            let Some(seen) = found.filter(|seen| seen.slot() == Some(slot)) else { continue };
            let ours = seen.annotations.into_iter().flatten().filter_map(|(key, value)| {
                Some((key.strip_prefix(ANNOTATION_PREFIX)?.to_owned(), value))
            });
            all.push(ours.collect());
        }
        Ok(all)
    }

    pub(super) async fn find_service(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<SeenService>, ClusterError> {
        let api: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("read service {name}");
        let found = self.ask(&what, || api.get_opt(name)).await?;
        Ok(found.map(|service| SeenService {
            name: name.to_owned(),
            resource_version: service.metadata.resource_version.unwrap_or_default(),
            selector: service.spec.and_then(|spec| spec.selector).unwrap_or_default(),
            annotations: service.metadata.annotations,
        }))
    }
}

fn serving(seen: &[(&str, Option<SeenService>)]) -> Serving {
    let empty = |service: &Option<SeenService>| {
        service.as_ref().is_none_or(|service| service.selector.is_empty())
    };
    if seen.iter().all(|(_, service)| empty(service)) {
        return Serving::Bootstrap;
    }
    let mut slots = seen.iter().map(|(_, service)| service.as_ref().and_then(SeenService::slot));
    if let Some(Some(first)) = slots.next()
        && slots.all(|slot| slot == Some(first))
    {
        return Serving::One { slot: first };
    }
    let detail: Vec<_> =
        seen.iter().map(|(name, service)| describe(name, service.as_ref())).collect();
    Serving::Split { detail: Clean::new(&detail.join(", ")) }
}

fn describe(name: &str, service: Option<&SeenService>) -> String {
    let Some(service) = service else {
        return format!("{name} does not exist");
    };
    match service.slot() {
        Some(slot) => format!("{name} selects {slot}"),
        None if service.selector.is_empty() => format!("{name} selects nothing"),
        None => format!("{name} selects {}", words(&service.selector)),
    }
}

/// `app=backend,version=blue`
pub(super) fn words(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

fn state_of(name: &str, deployment: &Deployment) -> DeploymentState {
    let spec = deployment.spec.as_ref();
    let status = deployment.status.as_ref();
    let app = name.rsplit_once('-').map_or(name, |(app, _)| app);
    let containers = spec.and_then(|spec| spec.template.spec.as_ref()).map(|pod| &pod.containers);
    let container =
        containers.and_then(|all| all.iter().find(|one| one.name == app).or_else(|| all.first()));
    // Pods of an older template are not what this Deployment wants to run: only updated pods
    // count, and only once the controller has seen the newest spec.
    let current =
        status.and_then(|status| status.observed_generation) >= deployment.metadata.generation;
    let ready = status.filter(|_| current).map_or(0, |status| {
        let ready = status.ready_replicas.unwrap_or(0);
        ready.min(status.updated_replicas.unwrap_or(0))
    });
    DeploymentState {
        name: Clean::new(name),
        image: Clean::new(container.and_then(|one| one.image.as_deref()).unwrap_or("")),
        desired: count(spec.and_then(|spec| spec.replicas).unwrap_or(1)),
        ready: count(ready),
    }
}

pub(super) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &'static str, selector: &Labels) -> (&'static str, Option<SeenService>) {
        let seen = SeenService {
            name: name.to_owned(),
            resource_version: "1".to_owned(),
            selector: selector.clone(),
            annotations: None,
        };
        (name, Some(seen))
    }

    #[test]
    fn i8_only_a_whole_planned_selector_counts_as_a_slot() {
        let blue = planned("backend", Slot::Blue);
        assert_eq!(selected("backend", &blue), Some(Slot::Blue));
        let mut union = blue.clone();
        union.insert("track".to_owned(), "stable".to_owned());
        assert_eq!(selected("backend", &union), None);
        let app_only = Labels::from([("app".to_owned(), "backend".to_owned())]);
        assert_eq!(selected("backend", &app_only), None);
    }

    #[test]
    fn services_agree_disagree_or_select_nothing() {
        let (blue, green) = (planned("backend", Slot::Blue), planned("frontend", Slot::Green));
        let both = [service("backend", &blue), service("frontend", &green)];
        let Serving::Split { detail } = serving(&both) else { panic!("not split") };
        assert_eq!(detail.as_str(), "backend selects BLUE, frontend selects GREEN");
        assert_eq!(serving(&both[..1]), Serving::One { slot: Slot::Blue });
        let none = [service("backend", &Labels::new()), ("frontend", None)];
        assert_eq!(serving(&none), Serving::Bootstrap);
        assert!(matches!(serving(&[both[0].clone(), none[1].clone()]), Serving::Split { .. }));
    }
}
