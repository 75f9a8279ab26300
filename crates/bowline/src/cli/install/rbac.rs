//! What the server may do: everything, as with Velero, or the least that backup and restore need.

use bowline_api::label::{COMPONENT, COMPONENT_VALUE};
use serde_json::{Value, json};

use super::flags::Rbac;
use super::objects::{NAME, Plan, binding_name, object};

/// API group of roles and bindings.
const GROUP: &str = "rbac.authorization.k8s.io";

/// Roles and bindings of the server's own service account.
pub(super) fn objects(plan: &Plan) -> Vec<Value> {
    match plan.rbac {
        Rbac::ClusterAdmin => vec![binding(plan, "cluster-admin")],
        Rbac::Minimal => {
            let name = binding_name(&plan.namespace);
            vec![cluster_role(&name), binding(plan, &name), role(plan), role_binding(plan)]
        }
    }
}

fn api_version() -> String {
    format!("{GROUP}/v1")
}

fn subjects(plan: &Plan) -> Value {
    json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": plan.namespace }])
}

fn binding(plan: &Plan, role: &str) -> Value {
    json!({
        "apiVersion": api_version(),
        "kind": "ClusterRoleBinding",
        "metadata": { "name": binding_name(&plan.namespace), "labels": { COMPONENT: COMPONENT_VALUE } },
        "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": role },
        "subjects": subjects(plan),
    })
}

/// All objects can be read and written, and nothing but snapshots deleted. Hooks run by creating `pods/exec`. Roles that grant more
/// than this are restored by `bind` and `escalate`.
fn cluster_role(name: &str) -> Value {
    json!({
        "apiVersion": api_version(),
        "kind": "ClusterRole",
        "metadata": { "name": name, "labels": { COMPONENT: COMPONENT_VALUE } },
        "rules": [
            { "apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch", "create", "update", "patch"] },
            { "apiGroups": [GROUP], "resources": ["roles", "clusterroles"], "verbs": ["bind", "escalate"] },
            {
                "apiGroups": ["snapshot.storage.k8s.io"],
                "resources": ["volumesnapshots", "volumesnapshotcontents"],
                "verbs": ["delete"],
            },
        ],
    })
}

/// In its own namespace it cleans up: its objects, the pods and volumes that move data, and its election.
fn role(plan: &Plan) -> Value {
    let rule = |group: &str, resources: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": ["delete", "deletecollection"] });
    let mut role = object(plan, &api_version(), "Role", NAME);
    role["rules"] = json!([
        rule("velero.io", &["*"]),
        rule("", &["pods", "configmaps", "secrets", "persistentvolumeclaims"]),
        rule("batch", &["jobs"]),
        rule("coordination.k8s.io", &["leases"]),
    ]);
    role
}

fn role_binding(plan: &Plan) -> Value {
    let mut binding = object(plan, &api_version(), "RoleBinding", NAME);
    binding["roleRef"] = json!({ "apiGroup": GROUP, "kind": "Role", "name": NAME });
    binding["subjects"] = subjects(plan);
    binding
}

#[cfg(test)]
mod tests {
    use super::{Plan, Rbac, objects};

    #[test]
    fn the_least_role_can_neither_delete_applications_nor_be_somebody_else() {
        let plan = Plan { namespace: "backups".into(), rbac: Rbac::Minimal, ..Plan::default() };
        let objects = objects(&plan);
        let names: Vec<String> = objects
            .iter()
            .map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]))
            .collect();
        let expected = [
            r#""ClusterRole" "velero-backups""#,
            r#""ClusterRoleBinding" "velero-backups""#,
            r#""Role" "velero""#,
            r#""RoleBinding" "velero""#,
        ];
        assert_eq!(names, expected);
        let everywhere = objects[0]["rules"][0].to_string();
        assert!(
            !everywhere.contains("delete")
                && !everywhere.contains("impersonate")
                && !everywhere.contains(r#"["*"],"verbs":["*"]"#)
        );
        assert_eq!(objects[1]["roleRef"]["name"], "velero-backups");
    }
}
