//! May we? Asked before a plan starts, for every verb of the plan and of the way back (F38).

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::error::message;
use super::{Cluster, ClusterError};
use crate::release::Clean;

/// One verb on one kind of object in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub verb: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The plural, with its subresource where there is one: `deployments/scale`.
    pub resource: &'static str,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

/// What the cluster said about one right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightAnswer {
    pub right: Right,
    pub allowed: bool,
    /// The authoriser's reason, often empty.
    pub reason: Clean,
}

const fn right(verb: &'static str, group: &'static str, resource: &'static str) -> Right {
    Right { verb, group, resource }
}

impl Right {
    /// What going back needs: nothing but reading and patching Services and reading pods.
    pub const ROLLBACK: [Self; 6] = [
        right("get", "", "services"),
        right("patch", "", "services"),
        right("list", "", "pods"),
        right("list", "apps", "replicasets"),
        right("list", "discovery.k8s.io", "endpointslices"),
        right("get", "apps", "deployments"),
    ];

    /// What deploying and watching a slot needs besides.
    pub const RELEASE: [Self; 13] = [
        right("create", "apps", "deployments"),
        right("patch", "apps", "deployments"),
        right("patch", "apps", "deployments/scale"),
        right("create", "autoscaling", "horizontalpodautoscalers"),
        right("patch", "autoscaling", "horizontalpodautoscalers"),
        right("create", "", "configmaps"),
        right("patch", "", "configmaps"),
        right("watch", "", "pods"),
        right("delete", "", "pods"),
        right("get", "", "pods/log"),
        right("list", "", "events"),
        right("create", "coordination.k8s.io", "leases"),
        right("update", "coordination.k8s.io", "leases"),
    ];
}

impl Cluster {
    /// Asks for each right, in order. The rights of a token may change later all the same.
    pub async fn can_i(
        &self,
        namespace: &str,
        rights: &[Right],
    ) -> Result<Vec<RightAnswer>, ClusterError> {
        let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let mut answers = Vec::with_capacity(rights.len());
        for right in rights {
            let review = review(namespace, right);
            let what = format!("ask whether we may {right}");
            let params = PostParams::default();
            let answer = self.ask(&what, || api.create(&params, &review)).await?;
            let status = answer.status.unwrap_or_default();
            answers.push(RightAnswer {
                right: right.clone(),
                allowed: status.allowed,
                reason: message(status.reason.as_deref().unwrap_or("")),
            });
        }
        Ok(answers)
    }
}

fn review(namespace: &str, right: &Right) -> SelfSubjectAccessReview {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub.to_owned())),
        None => (right.resource, None),
    };
    let attributes = ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        ..ResourceAttributes::default()
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
