//! The shop of `k8s/`, as a rehearsal's cluster starts with it.

use crate::release::Slot;

/// Manifests and the namespace they are applied in.
#[derive(Clone, Copy, Debug)]
pub struct Manifest<'a> {
    pub namespace: &'a str,
    /// One or more YAML documents.
    pub yaml: &'a str,
    /// Of the objects that belong to a slot, only those of this one; none takes them all.
    pub slot: Option<Slot>,
}

const NAMESPACES: [&str; 2] = [
    include_str!("../../../k8s/namespace-staging.yaml"),
    include_str!("../../../k8s/namespace-production.yaml"),
];
const BACKEND: &str = include_str!("../../../k8s/backend-deployment.yaml");
const FRONTEND: &str = include_str!("../../../k8s/frontend-deployment.yaml");
const POSTGRES: &str = include_str!("../../../k8s/postgres-statefulset.yaml");
const INGRESS_STAGING: &str = include_str!("../../../k8s/ingress-staging.yaml");
const INGRESS_PRODUCTION: &str = include_str!("../../../k8s/ingress-production.yaml");

/// The documents of the two apps: what a release of the shop applies.
pub fn production() -> [&'static str; 2] {
    [BACKEND, FRONTEND]
}

/// The whole shop in staging and production, blue serving and green not deployed yet.
pub fn shop() -> Vec<Manifest<'static>> {
    let mut all = Vec::new();
    for yaml in NAMESPACES {
        all.push(Manifest { namespace: "", yaml, slot: None });
    }
    for (namespace, ingress) in [("staging", INGRESS_STAGING), ("production", INGRESS_PRODUCTION)] {
        for yaml in [POSTGRES, BACKEND, FRONTEND, ingress] {
            all.push(Manifest { namespace, yaml, slot: Some(Slot::Blue) });
        }
    }
    all
}
