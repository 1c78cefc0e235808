//! Blue/green: two slots, which of them serves, and what proves it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Clean, Epoch, Revision};

/// One of the two places a version can run in. Neither is "the new one": slots alternate.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    Blue,
    Green,
}

impl Slot {
    /// The slot that is not this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// The whole selector of a Service that sends everything here: one of the two planned maps of
    /// invariant I8. What is written to the cluster and what is shown before are this one.
    pub fn selector(self, service: &str) -> BTreeMap<String, String> {
        let app = ("app".to_owned(), service.to_owned());
        let version = ("version".to_owned(), self.label().to_owned());
        BTreeMap::from([app, version])
    }

    /// The value of the `version` label in the cluster.
    pub fn label(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Blue => "BLUE",
            Self::Green => "GREEN",
        })
    }
}

impl FromStr for Slot {
    type Err = NotASlot;
    fn from_str(text: &str) -> Result<Self, NotASlot> {
        match text.to_ascii_lowercase().as_str() {
            "blue" => Ok(Self::Blue),
            "green" => Ok(Self::Green),
            _ => Err(NotASlot(Clean::new(text))),
        }
    }
}

/// Text that names neither slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a slot; the slots are \"blue\" and \"green\"")]
pub struct NotASlot(pub Clean);

/// Which slot the Services send requests to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Serving {
    /// Every Service selects this slot.
    One { slot: Slot },
    /// No Service selects a slot yet: a first release, with no way back.
    Bootstrap,
    /// The Services disagree, or select something else: hold. `detail` says who selects what.
    Split { detail: Clean },
}

impl Serving {
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Self::One { slot } => Some(*slot),
            Self::Bootstrap | Self::Split { .. } => None,
        }
    }
}

/// One Service's selector before a switch, so that compensation and rollback know the way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceSlot {
    pub service: Clean,
    pub slot: Option<Slot>,
    /// The epoch annotated on the Service by the driver that last wrote it.
    pub epoch: Option<Epoch>,
}

/// What one slot runs: per Deployment its image and how many of its pods are ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotState {
    pub deployments: Vec<DeploymentState>,
}

impl SlotState {
    /// The least ready count over the Deployments; none deployed is 0.
    pub fn ready_min(&self) -> u32 {
        self.deployments.iter().map(|d| d.ready).min().unwrap_or(0)
    }

    /// Whether every Deployment has all the pods it wants, and at least one.
    pub fn is_ready(&self) -> bool {
        !self.deployments.is_empty()
            && self.deployments.iter().all(|d| d.desired > 0 && d.ready >= d.desired)
    }
}

/// One Deployment of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentState {
    pub name: Clean,
    pub image: Clean,
    pub desired: u32,
    pub ready: u32,
}

/// What the cluster looked like when it was surveyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Survey {
    pub serving: Serving,
    pub services: Vec<ServiceSlot>,
    pub blue: SlotState,
    pub green: SlotState,
}

impl Survey {
    pub fn slot(&self, slot: Slot) -> &SlotState {
        match slot {
            Slot::Blue => &self.blue,
            Slot::Green => &self.green,
        }
    }
}

/// What was seen after a switch: which endpoints the Services have, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrafficProof {
    pub slot: Slot,
    /// Per Service: ready endpoints that belong to the slot, and ready endpoints that do not.
    pub endpoints: Vec<EndpointCount>,
}

impl TrafficProof {
    /// Every Service has endpoints of the slot and none of another (invariants I7 and I8).
    pub fn holds(&self) -> bool {
        !self.endpoints.is_empty() && self.endpoints.iter().all(|e| e.ours > 0 && e.others == 0)
    }
}

/// The ready endpoints of one Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointCount {
    pub service: Clean,
    pub ours: u32,
    pub others: u32,
}

/// A revision that failed in production; a later release that carries it stops at the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latch {
    pub revision: Revision,
    pub images: Vec<Clean>,
    pub reason: Clean,
}
