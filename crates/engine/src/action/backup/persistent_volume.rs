//! `velero.io/pv`: a bound claim takes its volume along, and loses what would tie a restored claim to the past.

use async_trait::async_trait;
use bowline_api::label;
use serde_json::{Map, Value};

use crate::action::{
    Action, ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item, ItemId,
};
use crate::catalog::GroupResource;

pub(super) struct PersistentVolume;

#[async_trait]
impl Action for PersistentVolume {
    fn name(&self) -> &'static str {
        "velero.io/pv"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["persistentvolumeclaims"]))
    }
}

#[async_trait]
impl BackupAction for PersistentVolume {
    async fn execute(
        &self,
        item: &mut Item,
        context: &BackupContext<'_>,
    ) -> Result<BackupEffects, ActionError> {
        let Some(volume) = bound_volume(item.tree()?) else { return Ok(BackupEffects::default()) };
        clean(item.tree_mut()?, context.name);
        Ok(BackupEffects { additional_items: vec![volume], ..Default::default() })
    }
}

/// The volume of a claim; `None` when it is not bound.
pub(in crate::action) fn bound_volume(claim: &Value) -> Option<ItemId> {
    let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default();
    if volume.is_empty() || claim["status"]["phase"] != "Bound" {
        return None;
    }
    let resource = GroupResource::new("", "persistentvolumes");
    Some(ItemId { resource, namespace: None, name: volume.to_owned() })
}

/// Labels of earlier backups and restores; a restore would take them for its own.
fn is_stale(label: &str, value: &Value, backup: &str) -> bool {
    match label {
        label::RESTORE_NAME | label::VOLUME_SNAPSHOT_NAME | label::MUST_INCLUDE_ADDITIONAL_ITEMS => true,
        label::BACKUP_NAME => *value != *backup,
        _ => false,
    }
}

fn clean(claim: &mut Value, backup: &str) {
    if let Some(labels) = claim["metadata"].get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|label, value| !is_stale(label, value, backup));
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
            "metadata": {"labels": {"app": "db", "velero.io/backup-name": "old", "velero.io/volume-snapshot-name": "s",
                "velero.io/restore-name": "r", "backup.velero.io/must-include-additional-items": "true"}},
            "spec": {"dataSource": {}, "dataSourceRef": {}, "selector": {"matchLabels": {"a": "b"}}, "volumeName": "v"}});
        clean(&mut claim, "new");
        assert_eq!(claim, json!({"metadata": {"labels": {"app": "db"}}, "spec": {"volumeName": "v"}}));
    }

    #[test]
    fn the_label_of_this_very_backup_stays() {
        let mut claim = json!({"metadata": {"labels": {"velero.io/backup-name": "new"}}});
        clean(&mut claim, "new");
        assert_eq!(claim["metadata"]["labels"], json!({"velero.io/backup-name": "new"}));
    }

    #[test]
    fn only_bound_claims_have_a_volume() {
        let claim =
            |phase: &str, volume: &str| json!({"spec": {"volumeName": volume}, "status": {"phase": phase}});
        assert_eq!(bound_volume(&claim("Bound", "v")).unwrap().name, "v");
        for (phase, volume) in [("Pending", "v"), ("Lost", "v"), ("Bound", "")] {
            assert_eq!(bound_volume(&claim(phase, volume)), None, "{phase} {volume}");
        }
    }

    #[test]
    fn claims_of_volumes_made_by_hand_keep_their_selector() {
        let mut claim = json!({"metadata": {}, "spec": {"storageClassName": "",
            "selector": {"matchLabels": {"a": "b", "velero.io/dynamic-pv-restore": "x"}}}});
        clean(&mut claim, "new");
        assert_eq!(claim["spec"]["selector"]["matchLabels"], json!({"a": "b"}));
    }
}
