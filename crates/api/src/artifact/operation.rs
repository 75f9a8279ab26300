//! `-itemoperations.json.gz`: operations of plugins that go on after an item is dealt with. `[]` when empty.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::write_null_if_empty;
use crate::resource::{GroupResource, ObjectKey};
use crate::text::text_enum;
use crate::wire::{null_is_zero, unset};

/// An operation of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupOperation {
    /// What the operation is.
    pub spec: BackupOperationSpec,
    /// How it goes.
    pub status: OperationStatus,
}

/// What an operation of a backup is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupOperationSpec {
    /// Name of the backup.
    pub backup_name: String,
    /// UID of the backup.
    #[serde(rename = "backupUID")]
    pub backup_uid: String,
    /// Full name of the action that started the operation.
    pub backup_item_action: String,
    /// The item that the operation is for.
    pub resource_identifier: ResourceIdentifier,
    /// Name that the action gave the operation.
    #[serde(rename = "operationID")]
    pub operation_id: String,
    /// Items to save once more when the operation is over; `null` when empty.
    #[serde(serialize_with = "write_null_if_empty", deserialize_with = "null_is_zero")]
    pub post_operation_items: Vec<ResourceIdentifier>,
}

/// An operation of a restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreOperation {
    /// What the operation is.
    pub spec: RestoreOperationSpec,
    /// How it goes.
    pub status: OperationStatus,
}

/// What an operation of a restore is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreOperationSpec {
    /// Name of the restore.
    pub restore_name: String,
    /// UID of the restore.
    #[serde(rename = "restoreUID")]
    pub restore_uid: String,
    /// Full name of the action that started the operation.
    pub restore_item_action: String,
    /// The item that the operation is for; its namespace is the one after mapping.
    pub resource_identifier: ResourceIdentifier,
    /// Name that the action gave the operation.
    #[serde(rename = "operationID")]
    pub operation_id: String,
}

/// How an operation goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OperationStatus {
    /// How far the operation is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<OperationPhase>,
    /// Why it failed.
    #[serde(skip_serializing_if = "unset")]
    pub error: String,
    /// Units done so far.
    #[serde(skip_serializing_if = "unset")]
    pub n_completed: i64,
    /// Units in all.
    #[serde(skip_serializing_if = "unset")]
    pub n_total: i64,
    /// What is counted, such as `Bytes`.
    #[serde(skip_serializing_if = "unset")]
    pub operation_units: String,
    /// The operation in words.
    #[serde(skip_serializing_if = "unset")]
    pub description: String,
    /// When the operation was registered.
    #[serde(skip_serializing_if = "unset")]
    pub created: Option<Time>,
    /// When work on it was begun.
    #[serde(skip_serializing_if = "unset")]
    pub started: Option<Time>,
    /// When there was last news of it.
    #[serde(skip_serializing_if = "unset")]
    pub updated: Option<Time>,
}

text_enum! {
    /// How far an operation is.
    pub enum OperationPhase {
        /// Registered.
        New,
        /// Going on.
        InProgress,
        /// Ended well.
        Completed,
        /// Ended badly.
        Failed,
    }
}

impl OperationPhase {
    /// Whether the operation is over, well or not.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// An item, by its resource and name. The fields are capitalised in JSON, and read in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResourceIdentifier {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name of the resource.
    pub resource: String,
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl ResourceIdentifier {
    /// From a resource and the key of an object.
    pub fn new(resource: &GroupResource, key: &ObjectKey) -> Self {
        Self {
            group: resource.group.clone(),
            resource: resource.resource.clone(),
            namespace: key.namespace.clone().unwrap_or_default(),
            name: key.name.clone(),
        }
    }

    /// The resource.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.group.as_str(), self.resource.as_str())
    }

    /// The key of the object.
    pub fn key(&self) -> ObjectKey {
        let namespace = (!self.namespace.is_empty()).then(|| self.namespace.clone());
        ObjectKey { namespace, name: self.name.clone() }
    }
}

impl<'de> Deserialize<'de> for ResourceIdentifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        let mut identifier = Self::default();
        for (name, value) in fields {
            let Value::String(text) = value else { continue };
            match name.to_ascii_lowercase().as_str() {
                "group" => identifier.group = text,
                "resource" => identifier.resource = text,
                "namespace" => identifier.namespace = text,
                "name" => identifier.name = text,
                _ => {}
            }
        }
        Ok(identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::{BackupOperationSpec, ResourceIdentifier};

    #[test]
    fn identifiers_are_read_in_any_case_and_written_capitalised() {
        let capitalised = r#"{"Group":"apps","Resource":"deployments","Namespace":"ns","Name":"web"}"#;
        for json in
            [capitalised, r#"{"group":"apps","RESOURCE":"deployments","namespace":"ns","name":"web"}"#]
        {
            let identifier: ResourceIdentifier = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&identifier).unwrap(), capitalised);
            assert_eq!(ResourceIdentifier::new(&identifier.group_resource(), &identifier.key()), identifier);
        }
    }

    #[test]
    fn no_post_operation_items_are_null() {
        let json = serde_json::to_value(BackupOperationSpec::default()).unwrap();
        assert!(json["postOperationItems"].is_null());
        assert!(serde_json::from_value::<BackupOperationSpec>(json).unwrap().post_operation_items.is_empty());
    }
}
