//! `velero.io/crd-remap-version`: CRDs that only a `v1beta1` API server would take are stored in that form.
//!
//! Without effect from Kubernetes 1.22 on, which does not serve `v1beta1` any more.

use async_trait::async_trait;
use serde_json::Value;

use crate::action::{Action, ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item};
use crate::catalog::GroupResource;
use crate::port::ObjectRef;
use crate::retry::Retry;

pub(super) struct CrdRemapVersion;

#[async_trait]
impl Action for CrdRemapVersion {
    fn name(&self) -> &'static str {
        "velero.io/crd-remap-version"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["customresourcedefinitions.apiextensions.k8s.io"]))
    }
}

#[async_trait]
impl BackupAction for CrdRemapVersion {
    async fn execute(
        &self,
        item: &mut Item,
        context: &BackupContext<'_>,
    ) -> Result<BackupEffects, ActionError> {
        let resource = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
        let Some(kind) = context.catalog.get_version(&resource, "v1beta1") else {
            return Ok(BackupEffects::default());
        };
        if item.head().api_version != "apiextensions.k8s.io/v1" || !needs_old_form(item.tree()?) {
            return Ok(BackupEffects::default());
        }
        let crd = ObjectRef { kind: kind.clone(), namespace: None, name: item.head().name.clone() };
        let ports = context.ports;
        let old = Retry::API
            .run(&*ports.clock, || ports.cluster.get(&crd))
            .await
            .map_err(|source| ActionError::Cluster { attempt: format!("get {crd} at v1beta1"), source })?;
        *item.tree_mut()? = old.tree()?;
        Ok(BackupEffects::default())
    }
}

/// Whether the CRD was made as `v1beta1`: its first version has no schema, its schema is not structural, or unknown fields are kept.
fn needs_old_form(crd: &Value) -> bool {
    let spec = &crd["spec"];
    let mut conditions = crd["status"]["conditions"].as_array().into_iter().flatten();
    let without_schema = |version: &Value| version["schema"]["openAPIV3Schema"].is_null();
    conditions.any(|condition| condition["type"] == "NonStructuralSchema")
        || spec["versions"].get(0).is_some_and(without_schema)
        || spec["preserveUnknownFields"] == true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_crds_that_were_made_as_v1beta1_are_stored_in_the_old_form() {
        let condition = json!({"conditions": [{"type": "NonStructuralSchema", "status": "True"}]});
        let schema = json!({"schema": {"openAPIV3Schema": {"type": "object"}}});
        for (crd, old) in [
            (json!({"spec": {"versions": [{}]}}), true),
            (json!({"spec": {"versions": [{"schema": {}}]}}), true),
            (json!({"spec": {"versions": [schema]}}), false),
            (json!({"spec": {"versions": [schema, {}]}}), false),
            (json!({"spec": {"versions": [schema], "preserveUnknownFields": true}}), true),
            (json!({"spec": {"versions": [schema]}, "status": condition}), true),
        ] {
            assert_eq!(needs_old_form(&crd), old, "{crd}");
        }
    }
}
