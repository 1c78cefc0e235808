//! Removes what old rollouts left behind: finished pods and empty `ReplicaSets` past the history.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};

use super::{Cluster, ClusterError};

/// Empty `ReplicaSets` kept for each Deployment, so that a rollout can be undone.
const HISTORY: usize = 10;

impl Cluster {
    /// Deletes finished pods of `apps` and their empty `ReplicaSets` but the newest ten; answers
    /// how many objects were deleted. Deleting by name is repeatable: what is gone counts as done.
    pub async fn clean(&self, namespace: &str, apps: &[String]) -> Result<u32, ClusterError> {
        let mut deleted = 0;
        for app in apps {
            deleted += self.clean_pods(namespace, app).await?;
            deleted += self.clean_sets(namespace, app).await?;
        }
        Ok(deleted)
    }

    async fn clean_pods(&self, namespace: &str, app: &str) -> Result<u32, ClusterError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().labels(&format!("app={app}"));
        let pods = self.ask("list the finished pods", || api.list(&params)).await?;
        let finished = pods.into_iter().filter(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            matches!(phase, Some("Succeeded" | "Failed"))
        });
        let mut deleted = 0;
        for name in finished.filter_map(|pod| pod.metadata.name) {
            let what = format!("delete the finished pod {name}");
            let params = DeleteParams::default();
            self.ask(&what, || api.delete(&name, &params)).await?;
            deleted += 1;
        }
        Ok(deleted)
    }

    async fn clean_sets(&self, namespace: &str, app: &str) -> Result<u32, ClusterError> {
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), namespace);
        let params = ListParams::default().labels(&format!("app={app}"));
        let sets = self.ask("list the old replica sets", || api.list(&params)).await?;
        let mut empty: Vec<ReplicaSet> = sets
            .into_iter()
            .filter(|set| set.spec.as_ref().and_then(|spec| spec.replicas) == Some(0))
            .collect();
        empty.sort_by_key(|set| std::cmp::Reverse(set.metadata.creation_timestamp.clone()));
        let mut deleted = 0;
        for name in empty.into_iter().skip(HISTORY).filter_map(|set| set.metadata.name) {
            let what = format!("delete the old replica set {name}");
            let params = DeleteParams::default();
            self.ask(&what, || api.delete(&name, &params)).await?;
            deleted += 1;
        }
        Ok(deleted)
    }
}
