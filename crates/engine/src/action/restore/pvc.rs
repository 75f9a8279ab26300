//! `velero.io/pvc`: frees a claim from its old volume, provisioner and snapshot, and asks for its volume.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bowline_api::label;
use serde_json::Value;

use super::super::{
    ActionError, ActionSelector, Item, ItemId, RestoreAction, RestoreContext, RestoreEffects,
};
use super::{map_mut, text};
use crate::catalog::{GroupResource, Kind};
use crate::object::Object;
use crate::port::{ObjectRef, Ports};

/// The ConfigMap that maps nodes is labelled with this name.
pub(super) const CONFIG_NAME: &str = "velero.io/change-pvc-node-selector";

const ANNOTATIONS: &str = "/metadata/annotations";

/// What only the old cluster's controllers and Velero's backup knew.
const DROPPED: &[&str] = &[
    label::BIND_COMPLETED,
    label::BOUND_BY_CONTROLLER,
    label::STORAGE_PROVISIONER,
    label::STORAGE_PROVISIONER_BETA,
    label::VOLUME_SNAPSHOT_NAME,
    label::DATA_UPLOAD_NAME,
];

/// The action with the user's map of nodes.
pub(super) struct PersistentVolumeClaim {
    nodes: BTreeMap<String, String>,
}

impl PersistentVolumeClaim {
    pub(super) fn new(nodes: BTreeMap<String, String>) -> Self {
        Self { nodes }
    }

    /// A claim that was meant for a node: the node may have another name here, or not exist.
    async fn place(&self, claim: &mut Value, ports: &Ports) -> Result<(), ActionError> {
        let Some(annotations) = map_mut(claim, ANNOTATIONS) else { return Ok(()) };
        let Some(node) = annotations.get(label::SELECTED_NODE).and_then(Value::as_str).map(ToOwned::to_owned)
        else {
            return Ok(());
        };
        if let Some(new) = self.nodes.get(&node).filter(|new| !new.is_empty()) {
            annotations.insert(label::SELECTED_NODE.to_owned(), new.as_str().into());
        } else if !node_exists(ports, &node).await? {
            annotations.remove(label::SELECTED_NODE);
        }
        Ok(())
    }
}

async fn node_exists(ports: &Ports, name: &str) -> Result<bool, ActionError> {
    let kind = Kind::builtin("", "v1", "Node", "nodes", false);
    match ports.cluster.get(&ObjectRef { kind: kind.into(), namespace: None, name: name.to_owned() }).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(source) => Err(ActionError::Cluster { attempt: format!("get node {name}"), source }),
    }
}

fn free(claim: &mut Value) {
    let Some(annotations) = map_mut(claim, ANNOTATIONS) else { return };
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

#[async_trait]
impl RestoreAction for PersistentVolumeClaim {
    fn name(&self) -> &'static str {
        "velero.io/pvc"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["persistentvolumeclaims"]))
    }

    async fn execute(
        &self,
        item: &mut Item,
        context: &RestoreContext<'_>,
    ) -> Result<RestoreEffects, ActionError> {
        let claim = item.tree_mut()?;
        self.place(claim, context.ports).await?;
        free(claim);
        let additional_items = volume(context.from_backup)?.into_iter().collect();
        Ok(RestoreEffects { additional_items, ..RestoreEffects::default() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn traces_of_the_old_cluster_go() {
        let mut claim = json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes",
            "volume.kubernetes.io/storage-provisioner": "x", "velero.io/data-upload-name": "y", "own": "z"}}});
        free(&mut claim);
        assert_eq!(claim, json!({"metadata": {"annotations": {"own": "z"}}}));
    }

    #[test]
    fn only_a_bound_claim_needs_its_volume() {
        for (phase, needed) in [("Bound", true), ("Pending", false)] {
            let claim =
                json!({"metadata": {"name": "c"}, "spec": {"volumeName": "pv"}, "status": {"phase": phase}});
            assert_eq!(volume(&Object::from_tree(&claim).unwrap()).unwrap().is_some(), needed);
        }
    }
}
