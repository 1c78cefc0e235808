//! The manifests of `k8s/` against the API's own types.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use k8s_openapi::api::networking::v1::Ingress;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn documents() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/k8s");
    for entry in std::fs::read_dir(folder).expect("k8s/") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        for document in serde_yaml::from_multiple::<Value>(&text).expect("YAML") {
            all.push((name.clone(), document));
        }
    }
    all
}

/// Reads `value` as the API's type and gives back what the type understood of it.
fn through<T: DeserializeOwned + Serialize>(value: &Value) -> Value {
    let typed: T = serde_json::from_value(value.clone()).expect("the API's type");
    serde_json::to_value(typed).expect("JSON")
}

/// Every leaf of `value` must stand in `understood`: the API would refuse or drop it otherwise.
fn known(file: &str, path: &str, value: &Value, understood: &Value) {
    match (value, understood) {
        (Value::Object(map), Value::Object(other)) => {
            for (key, inner) in map {
                let path = format!("{path}.{key}");
                known(file, &path, inner, other.get(key).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            assert_eq!(items.len(), others.len(), "{file}: {path}");
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                known(file, &format!("{path}[{index}]"), item, other);
            }
        }
        (value, understood) => assert_eq!(value, understood, "{file}: {path}"),
    }
}

#[test]
fn every_field_is_one_of_the_api() {
    for (file, document) in documents() {
        let understood = match document["kind"].as_str().expect("a kind") {
            "Deployment" => through::<Deployment>(&document),
            "StatefulSet" => through::<StatefulSet>(&document),
            "Service" => through::<Service>(&document),
            "ConfigMap" => through::<ConfigMap>(&document),
            "Namespace" => through::<Namespace>(&document),
            "Ingress" => through::<Ingress>(&document),
            "HorizontalPodAutoscaler" => through::<HorizontalPodAutoscaler>(&document),
            other => panic!("{file}: {other}"),
        };
        known(&file, "", &document, &understood);
    }
}

#[test]
fn every_pod_is_restricted_limited_and_probed() {
    let mut pods = 0;
    for (file, document) in documents() {
        let Some(spec) = document.pointer("/spec/template/spec") else { continue };
        pods += 1;
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true, "{file}");
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{file}");
        for container in spec["containers"].as_array().expect("containers") {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{file}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{file}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{file}");
            for side in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    assert!(container["resources"][side][resource].is_string(), "{file}");
                }
            }
            let image = container["image"].as_str().expect("an image");
            let by_digest = image.starts_with("acrecommerceprod.azurecr.io/");
            assert!(by_digest && image.contains("@sha256:"), "{file}: {image}");
            for probe in ["livenessProbe", "readinessProbe"] {
                assert!(container[probe].is_object(), "{file}: {probe}");
            }
        }
    }
    assert_eq!(pods, 5);
}

#[test]
fn both_slots_are_the_same_but_for_their_name() {
    let all = documents();
    let of = |slot: &str| -> Vec<String> {
        all.iter()
            .filter(|(_, document)| document["metadata"]["labels"]["version"] == slot)
            .map(|(_, document)| document.to_string().replace(slot, "SLOT"))
            .collect()
    };
    assert_eq!(of("blue"), of("green"));
    assert_eq!(of("blue").len(), 6);
}
