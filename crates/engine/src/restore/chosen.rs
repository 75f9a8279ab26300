//! What the cluster itself chooses for an object while it lives: the node of a pod, the address of a service, the token of an account. A
//! restore leaves such fields out so that they are chosen anew; what exists must not count as different because of them.

use bowline_api::label;
use serde_json::Value;

type Path = &'static [&'static str];

const POD: &[Path] = &[&["spec", "nodeName"], &["spec", "priority"]];
const SERVICE: &[Path] = &[&["spec", "clusterIP"], &["spec", "clusterIPs"], &["spec", "healthCheckNodePort"]];
const TOKEN: &[Path] = &[
    &["data", "token"],
    &["data", "ca.crt"],
    &["metadata", "annotations", "kubernetes.io/service-account.uid"],
];
const CLAIM: &[Path] = &[
    &["spec", "volumeName"],
    &["metadata", "annotations", label::BIND_COMPLETED],
    &["metadata", "annotations", label::BOUND_BY_CONTROLLER],
    &["metadata", "annotations", label::STORAGE_PROVISIONER],
    &["metadata", "annotations", label::STORAGE_PROVISIONER_BETA],
    &["metadata", "annotations", label::SELECTED_NODE],
];
const JOB: &[Path] = &[
    &["spec", "selector", "matchLabels", "controller-uid"],
    &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"],
    &["spec", "template", "metadata", "labels", "controller-uid"],
    &["spec", "template", "metadata", "labels", "batch.kubernetes.io/controller-uid"],
];

/// Takes out of an existing object what the cluster chose and the desired one leaves to it. What the desired one names stays.
pub(super) fn leave_out(existing: &mut Value, desired: &Value) {
    for path in paths(existing, desired) {
        remove(existing, desired, path);
    }
    if desired["kind"] == "Service" {
        leave_out_node_ports(existing, desired);
    }
}

fn paths(existing: &Value, desired: &Value) -> &'static [Path] {
    match (desired["apiVersion"].as_str(), desired["kind"].as_str()) {
        (Some("v1"), Some("Pod")) => POD,
        // An author's "None" is no choice of the cluster.
        (Some("v1"), Some("Service")) if existing["spec"]["clusterIP"] != "None" => SERVICE,
        (Some("v1"), Some("Secret")) if desired["type"] == "kubernetes.io/service-account-token" => TOKEN,
        (Some("v1"), Some("PersistentVolumeClaim")) => CLAIM,
        (Some("batch/v1"), Some("Job")) => JOB,
        _ => &[],
    }
}

/// Removes the field unless `desired` has it, and the maps around it that are empty then and that `desired` has not.
fn remove(existing: &mut Value, desired: &Value, path: &[&str]) {
    let [name, rest @ ..] = path else { return };
    let (Some(fields), wanted) = (existing.as_object_mut(), &desired[*name]) else { return };
    if rest.is_empty() {
        if wanted.is_null() {
            fields.remove(*name);
        }
        return;
    }
    let Some(inner) = fields.get_mut(*name) else { return };
    remove(inner, wanted, rest);
    if wanted.is_null() && inner.as_object().is_some_and(serde_json::Map::is_empty) {
        fields.remove(*name);
    }
}

/// A port without a number on the nodes is given one.
fn leave_out_node_ports(existing: &mut Value, desired: &Value) {
    let ports = existing.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    let wanted = desired.pointer("/spec/ports").and_then(Value::as_array);
    for (port, wanted) in ports.into_iter().flatten().zip(wanted.into_iter().flatten()) {
        remove(port, wanted, &["nodePort"]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_cluster_chose_is_no_difference_and_what_authors_chose_is() {
        let equal = [
            (
                json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n", "priority": 0, "x": 1}}),
                json!({"apiVersion": "v1", "kind": "Pod", "spec": {"x": 1}}),
            ),
            (
                json!({"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                    "ports": [{"port": 1, "nodePort": 30000}, {"port": 2, "nodePort": 30001}]}}),
                json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1}, {"port": 2, "nodePort": 30001}]}}),
            ),
            (
                json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "data": {"token": "dA=="},
                    "metadata": {"annotations": {"kubernetes.io/service-account.uid": "1", "a": "b"}}}),
                json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
                    "metadata": {"annotations": {"a": "b"}}}),
            ),
            (
                json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "v"},
                    "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}}),
                json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {}}),
            ),
            (
                json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"selector": {"matchLabels": {"controller-uid": "1"}}}}),
                json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"selector": {"matchLabels": {}}}}),
            ),
        ];
        for (mut existing, desired) in equal {
            leave_out(&mut existing, &desired);
            assert_eq!(existing, desired);
        }
        let different = [
            (json!({"spec": {"nodeName": "n"}}), json!({"spec": {"nodeName": "other"}}), "Pod"),
            (json!({"spec": {"clusterIP": "None"}}), json!({"spec": {}}), "Service"),
            (
                json!({"spec": {"ports": [{"nodePort": 1}]}}),
                json!({"spec": {"ports": [{"nodePort": 2}]}}),
                "Service",
            ),
            (json!({"data": {"token": "dA=="}}), json!({}), "Secret"),
            (json!({"spec": {"nodeName": "n"}}), json!({"spec": {}}), "Widget"),
        ];
        for (mut existing, mut desired, kind) in different {
            for object in [&mut existing, &mut desired] {
                object["apiVersion"] = "v1".into();
                object["kind"] = kind.into();
            }
            leave_out(&mut existing, &desired);
            assert_ne!(existing, desired);
        }
    }
}
