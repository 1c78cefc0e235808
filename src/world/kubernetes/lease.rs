//! Electing the driver by a Lease.
//!
//! Whether another holder is alive is judged only by whether its Lease still changes under our
//! own boot clock; the times written in it come from somebody else's clock and are never trusted.
//! A Lease does not fence: the epoch in each changed object does (F30).

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;

use super::error::message;
use super::hands::millis;
use super::survey::count;
use super::{Cluster, ClusterError};
use crate::release::Clean;

/// A Lease that has not changed for this long is free.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for this long stops acting, though its Lease lasts longer (F28).
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often it is renewed or asked for.
const RETRY: Duration = Duration::from_secs(2);

/// Who holds the Lease, after one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// We do. `transitions` counts changes of hands.
    Ours { transitions: u32 },
    /// Somebody else does; it has not changed for `quiet_ms` of our own clock.
    Theirs { holder: Clean, quiet_ms: u64 },
}

/// One contender for one Lease.
#[derive(Debug)]
pub struct LeaseLock {
    cluster: Cluster,
    namespace: String,
    name: String,
    holder: String,
    /// The resource version last seen and the boot milliseconds of seeing it first.
    seen: Option<(String, u64)>,
    /// Boot milliseconds at which our last successful renewal was sent.
    renewed_ms: Option<u64>,
}

impl LeaseLock {
    /// `holder` names this session; no two sessions may share a name.
    pub fn new(cluster: Cluster, namespace: &str, name: &str, holder: &str) -> Self {
        let text = str::to_owned;
        let (namespace, name, holder) = (text(namespace), text(name), text(holder));
        Self { cluster, namespace, name, holder, seen: None, renewed_ms: None }
    }

    /// Takes or renews the Lease if it is free or ours; otherwise says whose it is.
    pub async fn try_hold(&mut self) -> Result<LeaseState, ClusterError> {
        let api: Api<Lease> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let what = format!("hold lease {}", self.name);
        let sent_ms = self.cluster.clock.now().boot_ms;
        let params = PostParams::default();
        let Some(found) = self.cluster.ask(&what, || api.get_opt(&self.name)).await? else {
            let lease = self.lease(None, 0);
            let made = self.cluster.ask(&what, || api.create(&params, &lease)).await?;
            return Ok(self.held(&made, sent_ms));
        };
        let spec = found.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let ours = holder == self.holder;
        let quiet_ms = self.quiet_ms(&found);
        if !ours && !holder.is_empty() && quiet_ms < millis(patience(&spec)) {
            self.renewed_ms = None;
            return Ok(LeaseState::Theirs { holder: message(&holder), quiet_ms });
        }
        let transitions = count(spec.lease_transitions.unwrap_or(0)) + u32::from(!ours);
        let mut lease = self.lease(found.metadata.resource_version, transitions);
        if let (true, Some(new)) = (ours, lease.spec.as_mut()) {
            new.acquire_time = spec.acquire_time;
        }
        let stored = self.cluster.ask(&what, || api.replace(&self.name, &params, &lease)).await?;
        Ok(self.held(&stored, sent_ms))
    }

    /// Waits until the Lease is ours. Errors on the way are told to `waiting`, as is the holder.
    pub async fn acquire(
        &mut self,
        mut waiting: impl FnMut(Result<LeaseState, ClusterError>) + Send,
    ) -> u32 {
        loop {
            match self.try_hold().await {
                Ok(LeaseState::Ours { transitions }) => return transitions,
                other => waiting(other),
            }
            self.cluster.clock.sleep(RETRY).await;
        }
    }

    /// Renews every two seconds and returns, with the reason, as soon as the Lease may no longer
    /// be counted on: whoever holds it stops acting then.
    pub async fn keep(&mut self) -> Clean {
        loop {
            self.cluster.clock.sleep(RETRY).await;
            let last = self.renewed_ms.unwrap_or(0);
            let now = self.cluster.clock.now().boot_ms;
            let left = (last + millis(RENEW_DEADLINE)).saturating_sub(now);
            let clock = self.cluster.clock.clone();
            let tried = clock.within(Duration::from_millis(left), self.try_hold()).await;
            match tried {
                Some(Ok(LeaseState::Ours { .. })) => {}
                Some(Ok(LeaseState::Theirs { holder, .. })) => {
                    self.renewed_ms = None;
                    return Clean::new(&format!("{holder} holds the lease"));
                }
                // Refused or unreachable: there may be time for another try.
                Some(Err(_)) if self.is_ours() => {}
                Some(Err(error)) => return Clean::new(&error.to_string()),
                None => return Clean::new("the lease could not be renewed for 10 s"),
            }
        }
    }

    /// Whether we may still act on it, by our own clock alone.
    pub fn is_ours(&self) -> bool {
        let now = self.cluster.clock.now().boot_ms;
        self.renewed_ms.is_some_and(|at| now < at + millis(RENEW_DEADLINE))
    }

    /// Gives the Lease up, so that the next one need not wait.
    pub async fn release(&mut self) -> Result<(), ClusterError> {
        let api: Api<Lease> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let what = format!("release lease {}", self.name);
        self.renewed_ms = None;
        let Some(mut found) = self.cluster.ask(&what, || api.get_opt(&self.name)).await? else {
            return Ok(());
        };
        let Some(spec) = found.spec.as_mut() else { return Ok(()) };
        if spec.holder_identity.as_deref() != Some(&self.holder) {
            return Ok(());
        }
        spec.holder_identity = None;
        let params = PostParams::default();
        self.cluster.ask(&what, || api.replace(&self.name, &params, &found)).await?;
        Ok(())
    }

    fn held(&mut self, lease: &Lease, sent_ms: u64) -> LeaseState {
        self.renewed_ms = Some(sent_ms);
        self.seen = lease.metadata.resource_version.clone().map(|version| (version, sent_ms));
        let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        LeaseState::Ours { transitions: count(transitions) }
    }

    /// For how long of our own clock this version of the Lease has stood.
    fn quiet_ms(&mut self, lease: &Lease) -> u64 {
        let now = self.cluster.clock.now().boot_ms;
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => now.saturating_sub(*since),
            _ => {
                self.seen = Some((version, now));
                0
            }
        }
    }

    fn lease(&self, resource_version: Option<String>, transitions: u32) -> Lease {
        let now = self.cluster.clock.now().wall;
        let seconds = i32::try_from(DURATION.as_secs()).unwrap_or(15);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                resource_version,
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.holder.clone()),
                lease_duration_seconds: Some(seconds),
                acquire_time: Some(MicroTime(now)),
                renew_time: Some(MicroTime(now)),
                lease_transitions: Some(i32::try_from(transitions).unwrap_or(i32::MAX)),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// How long this holder asked to be waited for, within reason.
fn patience(spec: &LeaseSpec) -> Duration {
    let asked = count(spec.lease_duration_seconds.unwrap_or(0));
    Duration::from_secs(u64::from(asked)).clamp(DURATION, DURATION * 4)
}
