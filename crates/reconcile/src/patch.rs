//! One patch a reconcile: exactly what changed between the object as it was observed and as it should be.
//!
//! Velero's kinds have no status subresource, so the patch goes to the object itself, as Velero's and its clients' do.

use bowline_api::Kind;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Map, Value, json};

/// What else must hold for a patch to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: the fields have one writer.
    None,
    /// Nobody has changed the object since it was observed; else the API server answers with a conflict.
    Unchanged,
}

/// The RFC 7396 merge patch that turns `before` into `after`; `None` when they are equal.
pub fn merge_diff(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return Some(after.clone()) };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            Some(known) => patch.extend(merge_diff(known, value).map(|change| (key.clone(), change))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    patch.extend(old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null)));
    Some(Value::Object(patch))
}

/// The body of the patch; `None` when nothing changed. Only labels, annotations, finalizers and owners of the metadata count.
pub fn patch_body<K: Kind>(before: &K, after: &K, guard: Guard) -> serde_json::Result<Option<Value>> {
    let Some(mut body) = merge_diff(&content(before)?, &content(after)?) else { return Ok(None) };
    if guard == Guard::Unchanged {
        body["metadata"]["resourceVersion"] = json!(before.resource_version());
    }
    Ok(Some(body))
}

/// Writes what changed, if anything did, and returns the object as it is then.
pub async fn patch<K: Kind>(api: &Api<K>, before: &K, after: &K, guard: Guard) -> kube::Result<K> {
    match patch_body(before, after, guard).map_err(kube::Error::SerdeError)? {
        Some(body) => api.patch(&before.name_any(), &PatchParams::default(), &Patch::Merge(body)).await,
        None => Ok(after.clone()),
    }
}

fn content<K: Kind>(object: &K) -> serde_json::Result<Value> {
    let meta = object.meta();
    let mut metadata = json!({
        "labels": meta.labels.clone().unwrap_or_default(),
        "annotations": meta.annotations.clone().unwrap_or_default(),
    });
    if let Some(finalizers) = meta.finalizers.as_ref().filter(|finalizers| !finalizers.is_empty()) {
        metadata["finalizers"] = json!(finalizers);
    }
    if let Some(owners) = &meta.owner_references {
        metadata["ownerReferences"] = serde_json::to_value(owners)?;
    }
    Ok(json!({
        "metadata": metadata,
        "spec": serde_json::to_value(object.spec())?,
        "status": serde_json::to_value(object.status())?,
    }))
}

#[cfg(test)]
mod tests {
    use bowline_api::{Backup, BackupPhase, BackupSpec};

    use super::*;

    #[test]
    fn a_diff_sets_changes_and_removes() {
        let before = json!({"a": 1, "b": {"c": 1, "d": [1]}, "e": 1});
        let after = json!({"a": 1, "b": {"c": 2, "d": [2]}, "f": {}});
        let patch = merge_diff(&before, &after).unwrap();
        assert_eq!(patch, json!({"b": {"c": 2, "d": [2]}, "e": null, "f": {}}));
        assert_eq!(merge_diff(&before, &before), None);
    }

    #[test]
    fn only_what_changed_is_sent_under_its_guard() {
        let mut before = Backup::new("a", BackupSpec::default());
        before.metadata.resource_version = Some("7".into());
        let mut after = before.clone();
        assert_eq!(patch_body(&before, &after, Guard::Unchanged).unwrap(), None);
        after.status.phase = Some(BackupPhase::InProgress);
        after.metadata.labels = Some([("l".to_owned(), "v".to_owned())].into());
        assert_eq!(
            patch_body(&before, &after, Guard::Unchanged).unwrap().unwrap(),
            json!({"metadata": {"resourceVersion": "7", "labels": {"l": "v"}}, "status": {"phase": "InProgress"}})
        );
    }
}
