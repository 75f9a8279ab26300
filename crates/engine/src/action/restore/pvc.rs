//! `velero.io/pvc`: frees a claim from its old volume, node, provisioner and snapshot, and asks for its volume.

use bowline_api::label;
use serde_json::Value;

use super::super::{ActionError, ItemId, RestoreEffects};
use super::{Pure, map_mut, text};
use crate::catalog::GroupResource;
use crate::object::Object;

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/pvc",
    resources: &["persistentvolumeclaims"],
    execute: |claim, context| {
        free(claim);
        let additional_items = volume(context.from_backup)?.into_iter().collect();
        Ok(RestoreEffects { additional_items, ..RestoreEffects::default() })
    },
};

/// What only the old cluster's controllers and Velero's backup knew.
const DROPPED: &[&str] = &[
    label::BIND_COMPLETED,
    label::BOUND_BY_CONTROLLER,
    label::STORAGE_PROVISIONER,
    label::STORAGE_PROVISIONER_BETA,
    label::SELECTED_NODE,
    label::VOLUME_SNAPSHOT_NAME,
    label::DATA_UPLOAD_NAME,
];

fn free(claim: &mut Value) {
    let Some(annotations) = map_mut(claim, "/metadata/annotations") else { return };
    annotations.retain(|name, _| !DROPPED.contains(&name.as_str()));
    if annotations.is_empty()
        && let Some(metadata) = map_mut(claim, "/metadata")
    {
        metadata.remove("annotations");
    }
}

/// The volume that the claim was bound to.
fn volume(claim: &Object) -> Result<Option<ItemId>, ActionError> {
    let claim = claim.tree()?;
    let name = text(&claim, "/spec/volumeName");
    let bound = text(&claim, "/status/phase") == "Bound" && !name.is_empty();
    let resource = GroupResource::new("", "persistentvolumes");
    Ok(bound.then(|| ItemId { resource, namespace: None, name: name.to_owned() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn traces_of_the_old_cluster_go() {
        for name in [
            "pv.kubernetes.io/bind-completed",
            "pv.kubernetes.io/bound-by-controller",
            "volume.kubernetes.io/storage-provisioner",
            "volume.beta.kubernetes.io/storage-provisioner",
            "volume.kubernetes.io/selected-node",
            "velero.io/volume-snapshot-name",
            "velero.io/data-upload-name",
        ] {
            let mut claim = json!({"metadata": {"annotations": {name: "x", "own": "z"}}});
            free(&mut claim);
            assert_eq!(claim, json!({"metadata": {"annotations": {"own": "z"}}}), "{name}");
        }
    }

    #[test]
    fn only_a_bound_claim_needs_its_volume() {
        for (volume_name, phase, needed) in
            [("pv", "Bound", true), ("pv", "Pending", false), ("", "Bound", false)]
        {
            let claim = json!({"metadata": {"name": "c"}, "spec": {"volumeName": volume_name}, "status": {"phase": phase}});
            assert_eq!(volume(&Object::from_tree(&claim).unwrap()).unwrap().is_some(), needed);
        }
    }
}
