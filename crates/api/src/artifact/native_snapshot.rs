//! `-volumesnapshots.json.gz`: snapshots taken by volume snapshotters. The list is `null` when empty.

use serde::{Deserialize, Serialize};

use crate::text::text_enum;
use crate::wire::unset;

/// A snapshot of a volume by its storage system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NativeSnapshot {
    /// What was to be snapshotted.
    pub spec: NativeSnapshotSpec,
    /// What came of it.
    pub status: NativeSnapshotStatus,
}

/// The volume of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NativeSnapshotSpec {
    /// Name of the backup.
    pub backup_name: String,
    /// UID of the backup.
    #[serde(rename = "backupUID")]
    pub backup_uid: String,
    /// Name of the VolumeSnapshotLocation.
    pub location: String,
    /// Name of the persistent volume.
    pub persistent_volume_name: String,
    /// Identifier of the volume in the storage system.
    #[serde(rename = "providerVolumeID")]
    pub provider_volume_id: String,
    /// Type of the volume in the storage system.
    pub volume_type: String,
    /// Availability zone of the volume.
    #[serde(rename = "volumeAZ", skip_serializing_if = "unset")]
    pub volume_az: String,
    /// Operations per second that the volume is provisioned for, where it has such a limit.
    #[serde(rename = "volumeIOPS", skip_serializing_if = "unset")]
    pub volume_iops: Option<i64>,
}

/// What came of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NativeSnapshotStatus {
    /// Identifier of the snapshot in the storage system.
    #[serde(rename = "providerSnapshotID", skip_serializing_if = "unset")]
    pub provider_snapshot_id: String,
    /// How far the snapshot is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<NativeSnapshotPhase>,
}

text_enum! {
    /// How far a native snapshot is.
    pub enum NativeSnapshotPhase {
        /// Not taken yet.
        New,
        /// Taken.
        Completed,
        /// Could not be taken.
        Failed,
    }
}
