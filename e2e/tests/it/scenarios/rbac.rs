//! Rights in a namespace and in the cluster: Velero's Basic ClusterResource, RBAC.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::Scenario;

const API: &str = "rbac.authorization.k8s.io/v1";

fn role(kind: &str, name: &str, namespace: Option<&str>) -> Value {
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": API, "kind": kind, "metadata": metadata, "rules": rules})
}

fn binding(kind: &str, role: &str, name: &str, (namespace, clerk): (Option<&str>, &str)) -> Value {
    let subject = json!({"kind": "ServiceAccount", "name": "clerk", "namespace": clerk});
    let to = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name});
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": API, "kind": kind, "metadata": metadata, "roleRef": to, "subjects": [subject]})
}

/// The backup names only a namespace; the cluster's roles and bindings of its service accounts belong to it.
#[test]
fn the_rights_of_a_service_account_come_back() -> Result<()> {
    let scenario = Scenario::new("rbac")?;
    let namespace = scenario.namespace("first")?;
    let (own, all) = (scenario.named("own"), scenario.named("all"));
    scenario.apply(&[
        role("Role", &own, Some(&namespace)),
        binding("RoleBinding", "Role", &own, (Some(&namespace), &namespace)),
        role("ClusterRole", &all, None),
        binding("ClusterRoleBinding", "ClusterRole", &all, (None, &namespace)),
    ])?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    scenario.delete(&["namespace", &namespace])?;
    scenario.delete(&["clusterrole,clusterrolebinding", &all])?;
    scenario.restore("r", &[])?;
    let clerk = format!("system:serviceaccount:{namespace}:clerk");
    for place in [namespace.as_str(), "default"] {
        let may = ["auth", "can-i", "get", "pods", "-n", place, "--as", &clerk];
        assert_eq!(scenario.cluster.kubectl(may)?.stdout.trim(), "yes", "in {place}");
    }
    for object in [["role", &own], ["rolebinding", &own]] {
        assert!(scenario.exists(&[&["-n", &namespace], &object[..]].concat())?, "{object:?}");
    }
    Ok(())
}
