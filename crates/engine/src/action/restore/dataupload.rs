//! `velero.io/dataupload`: a DataUpload of the backup becomes the ConfigMap that tells the data mover what to restore
//! (backup-format §4.4). Velero creates the ConfigMap on the side; here the object itself turns into it, so that a dry run shows it.

use bowline_api::label;
use bowline_api::restore::Restore;
use bowline_api::volume::DataUpload;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::super::{ActionError, RestoreEffects};
use super::Pure;
use crate::object::ObjectError;

pub(super) const ACTION: Pure = Pure {
    name: "velero.io/dataupload",
    resources: &["datauploads.velero.io"],
    execute: |item, context| {
        let upload: DataUpload =
            serde_json::from_slice(context.from_backup.raw()).map_err(ObjectError::Decode)?;
        *item = result_map(&upload, &context.backup.spec.storage_location, context.restore)?;
        Ok(RestoreEffects::default())
    },
};

fn result_map(upload: &DataUpload, location: &str, restore: &Restore) -> Result<Value, ActionError> {
    let uid = restore.metadata.uid.as_deref().unwrap_or_default();
    let claim = format!("{}.{}", upload.spec.source_namespace, upload.spec.source_pvc);
    let upload_json = serde_json::to_value(upload).map_err(ObjectError::Decode)?;
    let mut result = Map::new();
    result.insert("backupStorageLocation".into(), location.into());
    for (name, pointer) in [
        ("datamover", "/spec/datamover"),
        ("snapshotID", "/status/snapshotID"),
        ("sourceNamespace", "/spec/sourceNamespace"),
        ("dataMoverResult", "/status/dataMoverResult"),
        ("nodeOS", "/status/nodeOS"),
        ("snapshotSize", "/status/progress/totalBytes"),
    ] {
        if let Some(value) = upload_json.pointer(pointer).filter(|value| !value.is_null() && **value != "") {
            result.insert(name.into(), value.clone());
        }
    }
    let name = upload.metadata.name.as_deref().unwrap_or_default();
    // One name per restore and upload, so that a repeated run finds the ConfigMap instead of making another.
    let suffix = hex::encode(&Sha256::digest(format!("{uid}/{name}"))[..4]);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": format!("{name}-{suffix}"),
            "namespace": upload.metadata.namespace,
            "labels": {
                label::RESTORE_UID: label::valid_value(uid),
                label::PVC_NAMESPACE_NAME: label::valid_value(&claim),
                label::RESOURCE_USAGE: "DataUpload",
            },
        },
        "data": {uid: Value::Object(result).to_string()},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_names_snapshot_and_place() {
        let upload: DataUpload =
            serde_json::from_value(json!({"metadata": {"name": "du", "namespace": "velero"},
            "spec": {"sourceNamespace": "shop", "sourcePVC": "data"}, "status": {"snapshotID": "s1"}}))
            .unwrap();
        let mut restore = Restore::new("r", bowline_api::restore::RestoreSpec::default());
        restore.metadata.uid = Some("u1".into());
        let map = result_map(&upload, "default", &restore).unwrap();
        assert_eq!(map["metadata"]["labels"]["velero.io/pvc-namespace-name"], "shop.data");
        let result: Value = serde_json::from_str(map["data"]["u1"].as_str().unwrap()).unwrap();
        assert_eq!(
            result,
            json!({"backupStorageLocation": "default", "snapshotID": "s1", "sourceNamespace": "shop"})
        );
    }
}
