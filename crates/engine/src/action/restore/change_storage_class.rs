//! `velero.io/change-storage-class`: maps storage classes by a ConfigMap, `OLD: NEW`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use super::super::{
    Action, ActionError, ActionSelector, Item, RestoreAction, RestoreContext, RestoreEffects,
};
use super::{list_mut, text};
use crate::catalog::Kind;
use crate::port::ObjectRef;

pub(super) const NAME: &str = "velero.io/change-storage-class";

const CLASS: &str = "/spec/storageClassName";

/// The action with its map.
pub(super) struct ChangeStorageClass {
    classes: BTreeMap<String, String>,
}

impl ChangeStorageClass {
    pub(super) fn new(classes: BTreeMap<String, String>) -> Self {
        Self { classes }
    }

    /// Changes an object; returns the new classes, which must exist.
    fn change(&self, object: &mut Value) -> Vec<String> {
        let mut used = Vec::new();
        let mut change = |holder: &mut Value| {
            if let Some(new) = self.classes.get(text(holder, CLASS)) {
                holder["spec"]["storageClassName"] = new.as_str().into();
                used.push(new.clone());
            }
        };
        if text(object, "/kind") == "StatefulSet" {
            list_mut(object, "/spec/volumeClaimTemplates").into_iter().flatten().for_each(change);
        } else {
            change(object);
        }
        used
    }
}

async fn check_class(context: &RestoreContext<'_>, name: &str) -> Result<(), ActionError> {
    let kind = Kind::builtin("storage.k8s.io", "v1", "StorageClass", "storageclasses", false);
    let class = ObjectRef { kind: kind.into(), namespace: None, name: name.to_owned() };
    match context.exists(&class).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(ActionError::Failed(format!("the storage class {name} does not exist"))),
        Err(source) => Err(ActionError::Cluster { attempt: format!("get storage class {name}"), source }),
    }
}

#[async_trait]
impl Action for ChangeStorageClass {
    fn name(&self) -> &str {
        NAME
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["persistentvolumeclaims", "persistentvolumes", "statefulsets"]))
    }
}

#[async_trait]
impl RestoreAction for ChangeStorageClass {
    async fn execute(
        &self,
        item: &mut Item,
        context: &RestoreContext<'_>,
    ) -> Result<RestoreEffects, ActionError> {
        for class in self.change(item.tree_mut()?) {
            check_class(context, &class).await?;
        }
        Ok(RestoreEffects::default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_volumes_and_templates_change() {
        let action = ChangeStorageClass::new([("old".to_owned(), "new".to_owned())].into());
        for (object, expected) in [
            (
                json!({"kind": "PersistentVolumeClaim", "spec": {"storageClassName": "old"}}),
                "/spec/storageClassName",
            ),
            (
                json!({"kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"spec": {"storageClassName": "old"}}]}}),
                "/spec/volumeClaimTemplates/0/spec/storageClassName",
            ),
        ] {
            let mut object = object;
            assert_eq!(action.change(&mut object), ["new"]);
            assert_eq!(text(&object, expected), "new");
        }
        let mut other = json!({"kind": "PersistentVolume", "spec": {"storageClassName": "other"}});
        assert!(action.change(&mut other).is_empty());
    }
}
