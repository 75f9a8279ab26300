//! The volumes of a backup, by the way in which their data was saved, with the keys of Velero.

use bowline_api::artifact::{BackupVolumeInfo, PodVolumeInfo, VolumeMethod};
use serde_json::{Map, Value, json};

use super::super::super::volumes::{NO_DETAILS, NONE_INCLUDED, by_phase, saved_by, saved_in_pods};
use crate::download::Artifact;

pub(super) fn of_backup(volumes: &Artifact<Vec<BackupVolumeInfo>>, details: bool) -> Value {
    if let Artifact::Unreadable(why) = volumes {
        return json!({ "errorGetBackupVolumeInfo": format!("error getting backup volume info: {why}") });
    }
    let volumes = volumes.here().map(Vec::as_slice).unwrap_or_default();
    let native = saved_by(volumes, &VolumeMethod::NativeSnapshot);
    let csi = saved_by(volumes, &VolumeMethod::CsiSnapshot);
    json!({
        "nativeSnapshots": snapshots(&native, |volume| (volume.pv_name.clone(), native_snapshot(volume, details))),
        "csiSnapshots": snapshots(&csi, |volume| {
            (format!("{}/{}", volume.pvc_namespace, volume.pvc_name), csi_snapshot(volume, details))
        }),
        "podVolumeBackups": pod_volumes(&saved_in_pods(volumes), details),
    })
}

fn snapshots(
    volumes: &[&BackupVolumeInfo],
    describe: impl Fn(&BackupVolumeInfo) -> (String, Value),
) -> Value {
    if volumes.is_empty() {
        return json!(NONE_INCLUDED);
    }
    volumes.iter().map(|volume| describe(volume)).collect::<Map<_, _>>().into()
}

fn result(volume: &BackupVolumeInfo) -> String {
    volume.result.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn native_snapshot(volume: &BackupVolumeInfo, details: bool) -> Value {
    if !details {
        return json!(NO_DETAILS);
    }
    let info = volume.native_snapshot_info.clone().unwrap_or_default();
    json!({
        "snapshotID": info.snapshot_handle,
        "type": info.volume_type,
        "availabilityZone": info.volume_az,
        "IOPS": info.iops,
        "result": result(volume),
    })
}

fn csi_snapshot(volume: &BackupVolumeInfo, details: bool) -> Value {
    let mut parts = Map::new();
    let mut add = |key: &str, part: Value| {
        let summary = || json!(format!("included, {NO_DETAILS}"));
        parts.insert(key.to_owned(), if details { part } else { summary() });
    };
    if volume.preserve_local_snapshot {
        add("snapshot", local_snapshot(volume));
    }
    if volume.snapshot_data_moved {
        add("dataMovement", data_movement(volume));
    }
    parts.into()
}

fn local_snapshot(volume: &BackupVolumeInfo) -> Value {
    let info = volume.csi_snapshot_info.clone().unwrap_or_default();
    let mut snapshot = json!({
        "snapshotContentName": info.vsc_name,
        "storageSnapshotID": info.snapshot_handle,
        "snapshotSize(bytes)": info.size,
        "csiDriver": info.driver,
        "result": result(volume),
    });
    if !volume.snapshot_data_moved {
        snapshot["operationID"] = json!(info.operation_id);
    }
    snapshot
}

fn data_movement(volume: &BackupVolumeInfo) -> Value {
    let info = volume.snapshot_data_movement_info.clone().unwrap_or_default();
    let mut movement = json!({
        "operationID": info.operation_id,
        "dataMover": if info.data_mover.is_empty() { "velero" } else { &info.data_mover },
        "uploaderType": info.uploader_type,
        "result": result(volume),
    });
    if info.size > 0 || info.incremental_size > 0 {
        movement["size"] = json!(info.size);
        movement["incrementalSize"] = json!(info.incremental_size);
    }
    movement
}

/// Counts by phase, or with details the pods with the names of their volumes.
fn pod_volumes(volumes: &[&PodVolumeInfo], details: bool) -> Value {
    let Some(first) = volumes.first() else { return json!(NONE_INCLUDED) };
    let phases = by_phase(volumes).into_iter().map(|(phase, pods)| {
        let content = if details {
            pods.into_iter().map(|(pod, volumes)| json!({ pod: volumes.join(", ") })).collect()
        } else {
            json!(pods.values().map(Vec::len).sum::<usize>())
        };
        (phase.to_owned(), content)
    });
    // The first key is spelled as Velero spells it.
    json!({ "uploderType": first.uploader_type, "podVolumeBackupsDetails": phases.collect::<Map<_, _>>() })
}
