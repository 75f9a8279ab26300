//! `backup describe -o json`: the keys and words of Velero's own form.

use bowline_api::artifact::VolumeMethod;
use bowline_api::{Backup, BackupSpec};
use serde_json::{Map, Value, json};

use super::super::backup::Companions;
use super::super::{NONE, list, spec, switch};
use crate::download::Artifact;
use crate::output::time::Now;
use crate::selector;

/// The description as a tree.
pub(in super::super) fn backup(backup: &Backup, companions: &Companions, details: bool, now: &Now) -> Value {
    let mut object = json!({
        "metadata": super::metadata(&backup.metadata),
        "phase": backup.phase().as_str(),
        "spec": self::spec(&backup.spec),
        "status": status(backup, companions, details, now),
    });
    let status = &backup.status;
    super::failures(&mut object, &status.failure_reason, &status.validation_errors);
    super::findings(&mut object, &companions.results);
    object
}

fn spec(spec: &BackupSpec) -> Value {
    let resources = if spec::has_old_filters(spec) {
        json!({
            "included": list(&spec.included_resources, "*"),
            "excluded": list(&spec.excluded_resources, NONE),
            "clusterScoped": switch(spec.include_cluster_resources, "included", "excluded", "auto"),
        })
    } else {
        json!({
            // Velero names only these three, and `auto`; scripts read them.
            "included": list(&spec.included_namespace_scoped_resources, "*"),
            "excluded": NONE,
            "clusterScoped": "auto",
            "includedClusterScoped": list(&spec.included_cluster_scoped_resources, NONE),
            "excludedClusterScoped": list(&spec.excluded_cluster_scoped_resources, NONE),
            "includedNamespaceScoped": list(&spec.included_namespace_scoped_resources, "*"),
            "excludedNamespaceScoped": list(&spec.excluded_namespace_scoped_resources, NONE),
        })
    };
    json!({
        "namespaces": {
            "included": list(&spec.included_namespaces, "*"),
            "excluded": list(&spec.excluded_namespaces, NONE),
        },
        "resources": resources,
        "labelSelector": selector::format(spec.label_selector.as_ref()),
        "storageLocation": spec.storage_location,
        "veleroNativeSnapshotPVs": switch(spec.snapshot_volumes, "true", "false", "auto"),
        "veleroSnapshotMoveData": switch(spec.snapshot_move_data, "true", "false", "auto"),
        "dataMover": if spec.datamover.is_empty() { NONE } else { &spec.datamover },
        "TTL": spec.ttl.to_string(),
        "CSISnapshotTimeout": spec.csi_snapshot_timeout.to_string(),
    })
}

fn status(backup: &Backup, companions: &Companions, details: bool, now: &Now) -> Value {
    let status = &backup.status;
    let mut object = json!({
        "backupFormatVersion": status.format_version,
        "started": now.absolute(status.start_timestamp.as_ref()),
        "completed": now.absolute(status.completion_timestamp.as_ref()),
        "expiration": now.absolute(status.expiration.as_ref()),
        "backupVolumes": volumes(companions, details),
    });
    if let Some(progress) = &status.progress {
        object["totalItemsToBeBackedUp"] = json!(progress.total_items);
        object["itemsBackedUp"] = json!(progress.items_backed_up);
    }
    if let Some(hooks) = &status.hook_status {
        object["hooksAttempted"] = json!(hooks.hooks_attempted);
        object["hooksFailed"] = json!(hooks.hooks_failed);
    }
    if let (true, Artifact::Here(resources)) = (details, &companions.resource_list) {
        object["resourceList"] = json!(resources);
    }
    object
}

fn volumes(companions: &Companions, details: bool) -> Value {
    let all = companions.volumes.here().map(Vec::as_slice).unwrap_or_default();
    let by = |method: VolumeMethod| -> Value {
        let fits =
            all.iter().filter(|volume| volume.backup_method.as_ref() == Some(&method) && !volume.skipped);
        let found: Vec<Value> = fits.map(|volume| json!(volume)).collect();
        match (found.is_empty(), details) {
            (true, _) => json!("<none included>"),
            (false, true) => Value::Array(found),
            (false, false) => {
                json!(format!("{} included, specify --details for more information", found.len()))
            }
        }
    };
    let entries = [
        ("nativeSnapshots", VolumeMethod::NativeSnapshot),
        ("csiSnapshots", VolumeMethod::CsiSnapshot),
        ("podVolumeBackups", VolumeMethod::PodVolumeBackup),
    ];
    Value::Object(
        entries.map(|(key, method)| (key.to_owned(), by(method))).into_iter().collect::<Map<_, _>>(),
    )
}
