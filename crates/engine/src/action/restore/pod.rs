//! `velero.io/pod`: frees a pod from its old node and token, and asks for its priority class.

use serde_json::Value;

use super::super::{ItemId, RestoreEffects};
use super::{Pure, list_mut, map_mut, text};
use crate::catalog::GroupResource;

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/pod",
    resources: &["pods"],
    execute: |pod, _| {
        free(pod);
        Ok(RestoreEffects {
            additional_items: priority_class(pod).into_iter().collect(),
            ..RestoreEffects::default()
        })
    },
};

fn free(pod: &mut Value) {
    let token = format!("{}-token-", text(pod, "/spec/serviceAccountName"));
    if let Some(spec) = map_mut(pod, "/spec") {
        // The scheduler chooses a node, admission resolves the class's priority.
        spec.remove("nodeName");
        spec.remove("priority");
    }
    let is_token = |named: &Value| text(named, "/name").starts_with(&token);
    for field in ["volumes", "containers", "initContainers"] {
        let Some(list) = list_mut(pod, &format!("/spec/{field}")) else { continue };
        if field == "volumes" {
            list.retain(|volume| !is_token(volume));
            continue;
        }
        for container in list {
            if let Some(mounts) = list_mut(container, "/volumeMounts") {
                mounts.retain(|mount| !is_token(mount));
            }
        }
    }
}

fn priority_class(pod: &Value) -> Option<ItemId> {
    let name = text(pod, "/spec/priorityClassName");
    let resource = GroupResource::new("scheduling.k8s.io", "priorityclasses");
    (!name.is_empty()).then(|| ItemId { resource, namespace: None, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn node_priority_and_token_go_and_projected_access_stays() {
        let names = json!([{"name": "web-token-abc"}, {"name": "kube-api-access-x"}, {"name": "data"}]);
        let kept = json!([{"name": "kube-api-access-x"}, {"name": "data"}]);
        let mut pod = json!({"spec": {"serviceAccountName": "web", "nodeName": "n", "priority": 5, "priorityClassName": "high",
            "volumes": names, "containers": [{"volumeMounts": names}], "initContainers": [{"volumeMounts": names}, {}]}});
        free(&mut pod);
        assert_eq!(
            pod,
            json!({"spec": {"serviceAccountName": "web", "priorityClassName": "high", "volumes": kept,
                "containers": [{"volumeMounts": kept}], "initContainers": [{"volumeMounts": kept}, {}]}})
        );
        assert_eq!(priority_class(&pod).unwrap().name, "high");
        assert_eq!(priority_class(&json!({"spec": {}})), None);
    }
}
