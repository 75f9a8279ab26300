//! `-volumeinfo.json.gz`: for each volume of a backup or restore, how its data was saved or brought back.
//! The list is `[]` when empty.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::text::text_enum;
use crate::wire::{null_is_zero, unset};

/// A volume of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupVolumeInfo {
    /// Name of the claim; empty for a volume without one, such as an emptyDir.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_name: String,
    /// Namespace of the claim.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_namespace: String,
    /// Name of the persistent volume.
    #[serde(skip_serializing_if = "unset")]
    pub pv_name: String,
    /// How the data was saved; `None` when it was not.
    #[serde(skip_serializing_if = "unset")]
    pub backup_method: Option<VolumeMethod>,
    /// Whether the data of the snapshot was moved to the object store.
    pub snapshot_data_moved: bool,
    /// Whether the snapshot stays in the storage system.
    pub preserve_local_snapshot: bool,
    /// Whether the data was left out.
    pub skipped: bool,
    /// Why the data was left out.
    #[serde(skip_serializing_if = "unset")]
    pub skipped_reason: String,
    /// When saving was begun.
    #[serde(skip_serializing_if = "unset")]
    pub start_timestamp: Option<Time>,
    /// When saving ended.
    #[serde(skip_serializing_if = "unset")]
    pub completion_timestamp: Option<Time>,
    /// How saving ended.
    #[serde(skip_serializing_if = "unset")]
    pub result: Option<VolumeResult>,
    /// Details of a CSI snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub csi_snapshot_info: Option<CsiSnapshotInfo>,
    /// Details of the movement of its data.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_data_movement_info: Option<SnapshotDataMovementInfo>,
    /// Details of a native snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub native_snapshot_info: Option<NativeSnapshotInfo>,
    /// Details of a file-system backup.
    #[serde(skip_serializing_if = "unset")]
    pub pvb_info: Option<PodVolumeInfo>,
    /// What a restore needs of the persistent volume.
    #[serde(skip_serializing_if = "unset")]
    pub pv_info: Option<PvInfo>,
}

/// A volume of a restore. Names are those after mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreVolumeInfo {
    /// Name of the claim.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_name: String,
    /// Namespace of the claim.
    #[serde(skip_serializing_if = "unset")]
    pub pvc_namespace: String,
    /// Name of the new persistent volume, if the claim was bound by then.
    #[serde(skip_serializing_if = "unset")]
    pub pv_name: String,
    /// How the data is brought back.
    #[serde(skip_serializing_if = "unset")]
    pub restore_method: Option<VolumeMethod>,
    /// Whether the data comes from the object store.
    pub snapshot_data_moved: bool,
    /// Details of a CSI snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub csi_snapshot_info: Option<CsiSnapshotInfo>,
    /// Details of the movement of its data.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_data_movement_info: Option<SnapshotDataMovementInfo>,
    /// Details of a native snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub native_snapshot_info: Option<NativeSnapshotInfo>,
    /// Details of a file-system restore.
    #[serde(skip_serializing_if = "unset")]
    pub pvr_info: Option<PodVolumeInfo>,
}

text_enum! {
    /// How the data of a volume is saved or brought back.
    pub enum VolumeMethod {
        /// By a snapshot of its storage system.
        NativeSnapshot,
        /// File by file; in a backup.
        PodVolumeBackup,
        /// File by file; in a restore.
        PodVolumeRestore,
        /// By a CSI snapshot, moved or not.
        CsiSnapshot = "CSISnapshot",
    }
}

text_enum! {
    /// How saving a volume ended.
    pub enum VolumeResult {
        /// Well.
        Succeeded = "succeeded",
        /// Badly.
        Failed = "failed",
    }
}

/// A CSI snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CsiSnapshotInfo {
    /// Name of the snapshot at its driver; `unknown` when the data was moved.
    pub snapshot_handle: String,
    /// Bytes that a restored volume needs.
    pub size: i64,
    /// Name of the driver.
    pub driver: String,
    /// Name of the VolumeSnapshotContent; `unknown` when the data was moved.
    pub vsc_name: String,
    /// The operation that waited for the snapshot.
    #[serde(rename = "operationID", skip_serializing_if = "unset")]
    pub operation_id: String,
    /// Whether the snapshot can be used; `null` when not known.
    #[serde(rename = "ReadyToUse", alias = "readyToUse")]
    pub ready_to_use: Option<bool>,
    /// Name of the group snapshot that this one is part of.
    #[serde(skip_serializing_if = "unset")]
    pub volume_group_snapshot_handle: String,
}

/// The movement of the data of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnapshotDataMovementInfo {
    /// Name of the data mover.
    pub data_mover: String,
    /// Format of the repository.
    pub uploader_type: String,
    /// Name of the VolumeSnapshot that the data was taken from.
    #[serde(skip_serializing_if = "unset")]
    pub retained_snapshot: String,
    /// Identifier of the snapshot in the repository.
    pub snapshot_handle: String,
    /// The operation that moved the data.
    #[serde(rename = "operationID")]
    pub operation_id: String,
    /// Bytes moved.
    pub size: i64,
    /// Bytes that were not in the previous snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub incremental_size: i64,
    /// Phase of the job that moved the data, as text because jobs of both directions appear here.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
}

/// A native snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NativeSnapshotInfo {
    /// Identifier of the snapshot in the storage system.
    pub snapshot_handle: String,
    /// Type of the volume in the storage system.
    pub volume_type: String,
    /// Availability zone of the volume.
    #[serde(rename = "volumeAZ")]
    pub volume_az: String,
    /// Operations per second, as text.
    pub iops: String,
    /// Phase of the snapshot.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
}

/// A file-system backup or restore of the volume of a pod. A restore has no node and no incremental size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodVolumeInfo {
    /// Identifier of the snapshot in the repository.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_handle: String,
    /// Bytes in the snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub size: i64,
    /// Bytes that were not in the previous snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub incremental_size: i64,
    /// Format of the repository.
    pub uploader_type: String,
    /// Name of the volume in the pod.
    pub volume_name: String,
    /// Name of the pod.
    pub pod_name: String,
    /// Namespace of the pod.
    pub pod_namespace: String,
    /// Node that the pod ran on.
    #[serde(skip_serializing_if = "unset")]
    pub node_name: String,
    /// Phase of the job.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
}

/// What a restore needs of a persistent volume that is provisioned anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PvInfo {
    /// What happens to the volume when its claim goes.
    #[serde(deserialize_with = "null_is_zero")]
    pub reclaim_policy: String,
    /// Labels; `null` when it has none.
    pub labels: Option<BTreeMap<String, String>>,
}
