//! The form in which two objects are compared: without what the API server owns, and without the traces of restores.

use bowline_api::label;
use serde_json::Value;

use super::DiffError;
use crate::object::Object;

/// What the API server sets in every object.
const OWNED: &[&str] = &[
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "selfLink",
    "managedFields",
];

/// The object as a tree, reduced to what its owner decides.
pub(super) fn normal(object: &Object, with_status: bool) -> Result<Value, DiffError> {
    let mut tree = object.tree().map_err(|source| DiffError::Object(object.head().key(), source))?;
    if !with_status {
        remove(&mut tree, "status");
    }
    let metadata = &mut tree["metadata"];
    for field in OWNED {
        remove(metadata, field);
    }
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        remove(owner, "uid");
    }
    for field in ["labels", "annotations"] {
        let Some(map) = metadata.get_mut(field) else { continue };
        remove(map, label::BACKUP_NAME);
        remove(map, label::RESTORE_NAME);
        if map.as_object().is_none_or(serde_json::Map::is_empty) {
            remove(metadata, field);
        }
    }
    if let Some(claim) = tree.pointer_mut("/spec/claimRef") {
        remove(claim, "uid");
        remove(claim, "resourceVersion");
    }
    Ok(tree)
}

fn remove(tree: &mut Value, field: &str) {
    if let Some(map) = tree.as_object_mut() {
        map.remove(field);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_owns_is_left_out() {
        let object = Object::from_tree(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "uid": "1", "resourceVersion": "2", "generation": 3, "creationTimestamp": "x",
                "managedFields": [], "labels": {"velero.io/restore-name": "r"},
                "ownerReferences": [{"name": "o", "uid": "9"}]},
            "data": {"k": "v"}, "status": {"x": 1}
        }))
        .unwrap();
        let rest = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "ownerReferences": [{"name": "o"}]}, "data": {"k": "v"}});
        assert_eq!(normal(&object, false).unwrap(), rest);
        assert_eq!(normal(&object, true).unwrap()["status"], json!({"x": 1}));
    }
}
