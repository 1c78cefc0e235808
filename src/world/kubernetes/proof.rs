//! Whose pods answer: from the endpoints over pods to the owners and images of a release.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Api;
use kube::api::ListParams;

use super::error::message;
use super::survey::deployment_name;
use super::{Cluster, ClusterError};
use crate::release::{Clean, EndpointCount, Slot, TrafficProof};

/// The ready pods of one app in one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadyPods {
    /// Ready, not terminating, owned by the slot's Deployment, and of the release's image.
    pub ours: BTreeSet<String>,
    /// Ready under the slot's labels, but of another owner or image; each with the reason.
    pub strangers: Vec<Clean>,
}

impl Cluster {
    /// The ready pods that carry the labels of `app` and `slot`, told apart by owner and image.
    ///
    /// Without an `image` only the owner counts.
    pub async fn ready_pods(
        &self,
        namespace: &str,
        app: &str,
        slot: Slot,
        image: Option<&str>,
    ) -> Result<ReadyPods, ClusterError> {
        let labels = format!("app={app},version={}", slot.label());
        let sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().labels(&labels);
        let what = format!("read the pods of {app} {slot}");
        let sets = self.ask(&what, || sets.list(&params)).await?;
        let pods = self.ask(&what, || pods.list(&params)).await?;
        let deployment = deployment_name(app, slot);
        let owned: BTreeSet<String> = sets
            .into_iter()
            .filter(|set| {
                owner(set.metadata.owner_references.as_ref(), "Deployment")
                    .is_some_and(|owner| owner.name == deployment)
            })
            .filter_map(|set| set.metadata.uid)
            .collect();
        let mut found = ReadyPods::default();
        for pod in pods.items.iter().filter(|pod| is_ready(pod)) {
            let name = pod.metadata.name.clone().unwrap_or_default();
            match strange(pod, &owned, &deployment, image) {
                None => {
                    found.ours.insert(name);
                }
                Some(why) => found.strangers.push(message(&format!("{name}: {why}"))),
            }
        }
        Ok(found)
    }

    /// Counts the ready endpoints of each Service by whether they are `slot`'s own pods of the
    /// release's images (`images`: app to image; an app that is missing is judged by owner only).
    pub async fn prove(
        &self,
        namespace: &str,
        services: &[String],
        slot: Slot,
        images: &BTreeMap<String, String>,
    ) -> Result<TrafficProof, ClusterError> {
        let mut endpoints = Vec::with_capacity(services.len());
        for service in services {
            let image = images.get(service).map(String::as_str);
            // The slices first: a pod that becomes ready in between is then ours, not a stranger.
            let ready = self.ready_endpoints(namespace, service).await?;
            let pods = self.ready_pods(namespace, service, slot, image).await?;
            let ours = ready.iter().filter(|pod| pods.ours.contains(*pod)).count();
            endpoints.push(EndpointCount {
                service: Clean::new(service),
                ours: size(ours),
                others: size(ready.len() - ours),
            });
        }
        Ok(TrafficProof { slot, endpoints })
    }

    /// The names of the pods behind the ready endpoints of `service`. An endpoint without a pod
    /// stands under its address.
    pub(super) async fn ready_endpoints(
        &self,
        namespace: &str,
        service: &str,
    ) -> Result<BTreeSet<String>, ClusterError> {
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
        let labels = format!("kubernetes.io/service-name={service}");
        let params = ListParams::default().labels(&labels);
        let what = format!("read the endpoints of service {service}");
        let slices = self.ask(&what, || api.list(&params)).await?;
        let endpoints = slices.into_iter().flat_map(|slice| slice.endpoints.unwrap_or_default());
        // "A nil value should be interpreted as ready", says the API.
        let ready = endpoints.filter(|endpoint| {
            endpoint.conditions.as_ref().and_then(|is| is.ready).unwrap_or(true)
        });
        let names = ready.map(|endpoint| match endpoint.target_ref {
            Some(target) if target.kind.as_deref() == Some("Pod") => {
                target.name.unwrap_or_default()
            }
            _ => endpoint.addresses.join(","),
        });
        Ok(names.collect())
    }
}

/// Why a ready pod is not the release's; none if it is.
fn strange(
    pod: &Pod,
    owned: &BTreeSet<String>,
    deployment: &str,
    image: Option<&str>,
) -> Option<String> {
    let set = owner(pod.metadata.owner_references.as_ref(), "ReplicaSet");
    if !set.is_some_and(|set| owned.contains(&set.uid)) {
        return Some(format!("not owned by deployment {deployment}"));
    }
    let wanted = image?;
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut images = containers.filter_map(|container| container.image.as_deref());
    if images.clone().any(|image| same_image(image, wanted)) {
        return None;
    }
    Some(format!("runs {} instead of {wanted}", images.next().unwrap_or("no image")))
}

/// Equal references, or equal digests where both name one.
fn same_image(one: &str, other: &str) -> bool {
    let digest = |image: &str| image.split_once('@').map(|(_, digest)| digest.to_owned());
    one == other || digest(one).is_some_and(|one| Some(one) == digest(other))
}

fn owner<'a>(owners: Option<&'a Vec<OwnerReference>>, kind: &str) -> Option<&'a OwnerReference> {
    owners?.iter().find(|owner| owner.kind == kind && owner.controller == Some(true))
}

/// Whether the pod takes requests: its Ready condition holds and it is not on its way out.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|all| {
        all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    ready && pod.metadata.deletion_timestamp.is_none()
}

fn size(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i7_images_are_the_same_by_reference_or_by_digest() {
        let digest = "sha256:aa";
        assert!(same_image("r/backend:1", "r/backend:1"));
        assert!(same_image(&format!("a/backend@{digest}"), &format!("b/backend:9@{digest}")));
        assert!(!same_image("r/backend:1", "r/backend:2"));
        assert!(!same_image("r/backend:1", &format!("r/backend:1@{digest}")));
    }
}
