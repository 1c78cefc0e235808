//! The kinds this server knows: those of `k8s/` and what grows from them.

/// One kind of object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Empty for the core group.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) name: &'static str,
    pub(super) namespaced: bool,
    /// Whether it has a spec whose changes are counted, and a status beside it.
    pub(super) counted: bool,
    pub(super) scale: bool,
}

const fn plain(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    name: &'static str,
) -> Kind {
    Kind { group, version, plural, name, namespaced: true, counted: false, scale: false }
}

const fn workload(plural: &'static str, name: &'static str) -> Kind {
    Kind {
        group: "apps",
        version: "v1",
        plural,
        name,
        namespaced: true,
        counted: true,
        scale: true,
    }
}

pub(super) static KINDS: [Kind; 15] = [
    Kind { namespaced: false, ..plain("", "v1", "namespaces", "Namespace") },
    plain("", "v1", "services", "Service"),
    plain("", "v1", "configmaps", "ConfigMap"),
    plain("", "v1", "secrets", "Secret"),
    plain("", "v1", "pods", "Pod"),
    plain("", "v1", "events", "Event"),
    plain("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
    workload("deployments", "Deployment"),
    workload("replicasets", "ReplicaSet"),
    workload("statefulsets", "StatefulSet"),
    plain("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Kind { counted: true, ..plain("networking.k8s.io", "v1", "ingresses", "Ingress") },
    plain("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    plain("coordination.k8s.io", "v1", "leases", "Lease"),
    // Asked, never stored.
    Kind {
        namespaced: false,
        ..plain("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview")
    },
];

impl Kind {
    /// `apps/v1`, or `v1` in the core group.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            return self.version.to_owned();
        }
        format!("{}/{}", self.group, self.version)
    }

    pub(super) fn named(kind: &str) -> Option<&'static Self> {
        KINDS.iter().find(|one| one.name == kind)
    }
}
