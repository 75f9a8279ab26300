//! `DataDownload`: fills a volume from data that a `DataUpload` moved.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataMoveProgress, NodeOs, VolumeJobPhase};
use crate::duration::Duration;
use crate::object::kind;
use crate::wire::unset;

kind! {
    /// A job that fills a volume from data in the object store.
    DataDownload(DataDownloadSpec, DataDownloadStatus) is "v2alpha1" "datadownloads"
}

/// Which volume is filled, and where from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = [
    "backupStorageLocation", "operationTimeout", "snapshotID", "sourceNamespace", "targetVolume"
]))]
pub struct DataDownloadSpec {
    /// The volume.
    pub target_volume: TargetVolume,
    /// Name of the BackupStorageLocation that has the data.
    pub backup_storage_location: String,
    /// Name of the data mover; empty or `velero` is the built-in one.
    #[serde(skip_serializing_if = "unset")]
    pub datamover: String,
    /// Identifier of the snapshot in the repository.
    #[serde(rename = "snapshotID")]
    pub snapshot_id: String,
    /// Namespace that the data was saved from; it names the repository.
    pub source_namespace: String,
    /// Settings of the data mover.
    #[serde(skip_serializing_if = "unset")]
    pub data_mover_config: BTreeMap<String, String>,
    /// Asks the job to stop.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
    /// How long single steps of the job may take.
    pub operation_timeout: Duration,
    /// Operating system of the node that the volume is for.
    #[serde(rename = "nodeOS", skip_serializing_if = "unset")]
    pub node_os: Option<NodeOs>,
    /// Bytes in the snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_size: i64,
}

/// The volume that a `DataDownload` fills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["namespace", "pv", "pvc"]))]
pub struct TargetVolume {
    /// Name of the claim.
    pub pvc: String,
    /// Name of the persistent volume; empty while there is none.
    pub pv: String,
    /// Namespace of the claim.
    pub namespace: String,
}

/// How the job went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DataDownloadStatus {
    /// How far the job is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<VolumeJobPhase>,
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
    /// Node that the job runs on.
    #[serde(skip_serializing_if = "unset")]
    pub node: String,
    /// Node that prepared the job; it may run on another one.
    #[serde(skip_serializing_if = "unset")]
    pub accepted_by_node: String,
    /// When a node took the job.
    #[serde(skip_serializing_if = "unset")]
    pub accepted_timestamp: Option<Time>,
}
