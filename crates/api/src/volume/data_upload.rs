//! `DataUpload`: moves the data of a CSI snapshot to the object store.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataMoveProgress, NodeOs, VolumeJobPhase};
use crate::duration::Duration;
use crate::object::kind;
use crate::wire::unset;

kind! {
    /// A job that moves the data of a CSI snapshot to the object store.
    DataUpload(DataUploadSpec, DataUploadStatus) is "v2alpha1" "datauploads"
}

/// Which snapshot is moved, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = [
    "backupStorageLocation", "operationTimeout", "snapshotType", "sourceNamespace", "sourcePVC"
]))]
pub struct DataUploadSpec {
    /// The kind of snapshot; only `CSI` has a meaning.
    pub snapshot_type: String,
    /// The snapshot.
    pub csi_snapshot: Option<CsiSnapshotSpec>,
    /// Name of the claim that the snapshot is of.
    #[serde(rename = "sourcePVC")]
    pub source_pvc: String,
    /// Name of the data mover; empty or `velero` is the built-in one.
    #[serde(skip_serializing_if = "unset")]
    pub datamover: String,
    /// Name of the BackupStorageLocation that takes the data.
    pub backup_storage_location: String,
    /// Namespace of the claim; it names the repository.
    pub source_namespace: String,
    /// Settings of the data mover.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub data_mover_config: BTreeMap<String, String>,
    /// Asks the job to stop.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
    /// How long single steps of the job may take.
    pub operation_timeout: Duration,
}

/// A CSI snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["storageClass", "volumeSnapshot"]))]
pub struct CsiSnapshotSpec {
    /// Name of the VolumeSnapshot.
    pub volume_snapshot: String,
    /// Storage class of the claim.
    pub storage_class: String,
    /// Name of the VolumeSnapshotClass.
    pub snapshot_class: String,
    /// Name of the CSI driver.
    #[serde(skip_serializing_if = "unset")]
    pub driver: String,
}

/// How the job went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DataUploadStatus {
    /// How far the job is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<VolumeJobPhase>,
    /// Path of the data as the data mover saw it.
    #[serde(skip_serializing_if = "unset")]
    pub path: String,
    /// Identifier of the snapshot in the repository.
    #[serde(rename = "snapshotID", skip_serializing_if = "unset")]
    pub snapshot_id: String,
    /// What a data mover of others wants to keep about the data.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub data_mover_result: BTreeMap<String, String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
    /// When data was first moved.
    #[serde(skip_serializing_if = "unset")]
    pub start_timestamp: Option<Time>,
    /// When the job ended, well or not.
    #[serde(skip_serializing_if = "unset")]
    pub completion_timestamp: Option<Time>,
    /// Bytes so far.
    pub progress: DataMoveProgress,
    /// Bytes that were not in the previous snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub incremental_bytes: i64,
    /// Node that the job runs on.
    #[serde(skip_serializing_if = "unset")]
    pub node: String,
    /// Operating system of that node.
    #[serde(rename = "nodeOS", skip_serializing_if = "unset")]
    pub node_os: Option<NodeOs>,
    /// Node that prepared the job; it may run on another one.
    #[serde(skip_serializing_if = "unset")]
    pub accepted_by_node: String,
    /// When a node took the job.
    #[serde(skip_serializing_if = "unset")]
    pub accepted_timestamp: Option<Time>,
}
