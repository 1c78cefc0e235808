//! A Kubernetes API in the same process, under the real client: a rehearsal's cluster.
//!
//! One store with one history serves every connection, so that a watch opened again goes on where
//! it ended. Controllers grow `ReplicaSets`, pods and endpoints on the rehearsal's clock. What the
//! server does not know it refuses by name, as the real one would.

mod admit;
mod control;
mod deployments;
mod endpoints;
mod failure;
mod fields;
mod kinds;
mod patch;
mod pods;
mod request;
mod sets;
mod shop;
mod state;
mod store;
mod verbs;
mod watch;
mod wire;
mod witness;

pub use control::{Backend, Exit, SlotFault};
pub use shop::{Manifest, production, shop};
pub use wire::{Apiserver, BootError};
