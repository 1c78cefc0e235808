//! What the server fills in and what it refuses, for the kinds it knows.

use serde_json::{Value, json};

use super::failure::Failure;
use super::kinds::Kind;
use super::state::State;
use super::store::{selects, text};

/// Fills in what a manifest may leave out.
pub(super) fn defaults(state: &mut State, kind: &Kind, object: &mut Value) {
    match kind.name {
        "Deployment" | "StatefulSet" | "ReplicaSet" => {
            let spec = &mut object["spec"];
            default(spec, "replicas", json!(1));
            if kind.name == "Deployment" {
                default(spec, "revisionHistoryLimit", json!(10));
                default(spec, "progressDeadlineSeconds", json!(600));
                default(spec, "strategy", json!({"type": "RollingUpdate"}));
            }
        }
        "Service" => {
            if object["spec"]["clusterIP"].is_null() {
                object["spec"]["clusterIP"] = json!(state.address("10.0"));
            }
            default(&mut object["spec"], "type", json!("ClusterIP"));
            let ports = object["spec"]["ports"].as_array_mut();
            for port in ports.into_iter().flatten() {
                default(port, "protocol", json!("TCP"));
                let target = port["port"].clone();
                default(port, "targetPort", target);
            }
        }
        "HorizontalPodAutoscaler" => default(&mut object["spec"], "minReplicas", json!(1)),
        "Namespace" => default(object, "status", json!({"phase": "Active"})),
        _ => {}
    }
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

/// Refuses what the real server would.
pub(super) fn check(kind: &Kind, was: Option<&Value>, object: &Value) -> Result<(), Failure> {
    let wrong = |what: String| {
        let name = text(object, "/metadata/name");
        Failure::new(422, format!("{} \"{name}\" is invalid: {what}", kind.name))
    };
    match kind.name {
        "Deployment" | "StatefulSet" => workload(was, object).map_err(wrong),
        "Service" => service(object).map_err(wrong),
        "ConfigMap" | "Secret" => match was {
            Some(was) if was["immutable"] == true && was["data"] != object["data"] => {
                Err(wrong("data: field is immutable when `immutable` is set".to_owned()))
            }
            _ => Ok(()),
        },
        "HorizontalPodAutoscaler" => {
            let (least, most) = (&object["spec"]["minReplicas"], &object["spec"]["maxReplicas"]);
            if most.as_u64().is_none_or(|most| least.as_u64().is_none_or(|least| least > most)) {
                return Err(wrong("spec.maxReplicas: must be at least minReplicas".to_owned()));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn workload(was: Option<&Value>, object: &Value) -> Result<(), String> {
    let spec = &object["spec"];
    let labels = &spec["template"]["metadata"]["labels"];
    if !selects(&spec["selector"]["matchLabels"], labels) {
        return Err("spec.template.metadata.labels: `selector` does not match".to_owned());
    }
    if was.is_some_and(|was| was["spec"]["selector"] != spec["selector"]) {
        return Err("spec.selector: field is immutable".to_owned());
    }
    if spec["replicas"].as_u64().is_none() {
        return Err("spec.replicas: must be 0 or more".to_owned());
    }
    let containers = spec["template"]["spec"]["containers"].as_array();
    let complete = |one: &Value| !text(one, "/name").is_empty() && !text(one, "/image").is_empty();
    match containers {
        Some(all) if !all.is_empty() && all.iter().all(complete) => Ok(()),
        _ => Err("spec.template.spec.containers: each needs a name and an image".to_owned()),
    }
}

fn service(object: &Value) -> Result<(), String> {
    let selector = &object["spec"]["selector"];
    let plain = selector.as_object().is_none_or(|all| all.values().all(Value::is_string));
    if !plain || !(selector.is_null() || selector.is_object()) {
        return Err("spec.selector: must be a map of texts".to_owned());
    }
    let ports = object["spec"]["ports"].as_array();
    if ports.is_none_or(|ports| ports.iter().any(|port| port["port"].as_u64().is_none())) {
        return Err("spec.ports: required value".to_owned());
    }
    Ok(())
}
