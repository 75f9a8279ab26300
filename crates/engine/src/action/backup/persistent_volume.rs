//! `velero.io/pv`: a bound claim takes its volume along, and loses what would tie a restored claim to the past.

use async_trait::async_trait;
use bowline_api::label;
use serde_json::{Map, Value};

use crate::action::{ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item, ItemId};
use crate::catalog::GroupResource;

pub(super) struct PersistentVolume;

/// Labels of earlier backups and restores; a restore would take them for its own.
const STALE_LABELS: [&str; 2] = [label::BACKUP_NAME, label::VOLUME_SNAPSHOT_NAME];

#[async_trait]
impl BackupAction for PersistentVolume {
    fn name(&self) -> &'static str {
        "velero.io/pv"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["persistentvolumeclaims"]))
    }

    async fn execute(&self, item: &mut Item, _: &BackupContext<'_>) -> Result<BackupEffects, ActionError> {
        let claim = item.tree()?;
        let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default().to_owned();
        if volume.is_empty() || claim["status"]["phase"] != "Bound" {
            return Ok(BackupEffects::default());
        }
        clean(item.tree_mut()?);
        let resource = GroupResource::new("", "persistentvolumes");
        let additional_items = vec![ItemId { resource, namespace: None, name: volume }];
        Ok(BackupEffects { additional_items, ..Default::default() })
    }
}

fn clean(claim: &mut Value) {
    if let Some(labels) = claim["metadata"].get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|label, _| !STALE_LABELS.contains(&label.as_str()));
    }
    let Some(spec) = claim.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.remove("dataSource");
    spec.remove("dataSourceRef");
    // A class of "" means that the claim is bound to a volume made by hand, which only the selector finds again.
    if spec.get("storageClassName").and_then(Value::as_str) == Some("") {
        let labels = spec.get_mut("selector").and_then(|selector| selector.get_mut("matchLabels"));
        labels.and_then(Value::as_object_mut).into_iter().for_each(drop_own_labels);
    } else {
        spec.remove("selector");
    }
}

fn drop_own_labels(labels: &mut Map<String, Value>) {
    labels.retain(|key, _| !key.starts_with("velero.io/"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_lose_their_source_selector_and_stale_labels() {
        let mut claim = json!({
            "metadata": {"labels": {"app": "db", "velero.io/backup-name": "old", "velero.io/volume-snapshot-name": "s"}},
            "spec": {"dataSource": {}, "dataSourceRef": {}, "selector": {"matchLabels": {"a": "b"}}, "volumeName": "v"}});
        clean(&mut claim);
        assert_eq!(claim, json!({"metadata": {"labels": {"app": "db"}}, "spec": {"volumeName": "v"}}));
    }

    #[test]
    fn claims_of_volumes_made_by_hand_keep_their_selector() {
        let mut claim = json!({"metadata": {}, "spec": {"storageClassName": "",
            "selector": {"matchLabels": {"a": "b", "velero.io/dynamic-pv-restore": "x"}}}});
        clean(&mut claim);
        assert_eq!(claim["spec"]["selector"]["matchLabels"], json!({"a": "b"}));
    }
}
