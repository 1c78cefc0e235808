//! The Kubernetes client: what gonogo reads from a cluster and the few things it changes there.
//!
//! Only the real `kube` crate speaks to a cluster. A rehearsal hands it a service that answers in
//! the same process, so nothing in here can tell the two apart. Every foreign text leaves this
//! room as `Clean`, every request has a limit on the clock, and nothing is repeated behind the
//! caller's back except a request the server refused to look at (429).

mod apply;
mod cluster;
mod error;
mod hands;
mod lease;
mod proof;
mod rights;
mod survey;
mod switch;
mod tidy;
mod watch;

pub use apply::{Applied, ApplySet, FIELD_MANAGER, Takeover, select, slot_of};
pub use cluster::{Cluster, Connection};
pub use error::ClusterError;
pub use hands::{EventRow, LogsAsked};
pub use lease::{LeaseLock, LeaseState};
pub use proof::ReadyPods;
pub use rights::{Right, RightAnswer};
pub use survey::deployment_name;
pub use switch::{EPOCH_ANNOTATION, Switch, SwitchOutcome, SwitchSeen, Unproven};
pub use watch::{ContainerExit, PodNews, PodTable};
