//! `velero.io/add-pvc-from-pod`: a pod needs the claims that it mounts.

use serde_json::Value;

use super::super::{ItemId, RestoreEffects};
use super::{Pure, text};
use crate::catalog::GroupResource;

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/add-pvc-from-pod",
    resources: &["pods"],
    execute: |pod, context| {
        let namespace = context.from_backup.head().namespace.as_deref().unwrap_or_default();
        Ok(RestoreEffects { additional_items: claims(pod, namespace), ..RestoreEffects::default() })
    },
};

fn claims(pod: &Value, namespace: &str) -> Vec<ItemId> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    volumes
        .map(|volume| text(volume, "/persistentVolumeClaim/claimName"))
        .filter(|name| !name.is_empty())
        .map(|name| ItemId {
            resource: GroupResource::new("", "persistentvolumeclaims"),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_mounted_claim_is_needed() {
        let pod =
            json!({"spec": {"volumes": [{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "a"}}]}});
        let needed = claims(&pod, "shop");
        assert_eq!(
            (needed.len(), needed[0].name.as_str(), needed[0].namespace.as_deref()),
            (1, "a", Some("shop"))
        );
        assert!(claims(&json!({}), "shop").is_empty());
    }
}
