//! `PodVolumeRestore`: brings back the files of one volume of a restored pod.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataMoveProgress, UploaderType, VolumeJobPhase};
use crate::object::kind;
use crate::reference::ObjectReference;
use crate::wire::unset;

kind! {
    /// A job that brings back the files of one volume of a restored pod.
    PodVolumeRestore(PodVolumeRestoreSpec, PodVolumeRestoreStatus) is "v1" "podvolumerestores"
}

/// Which volume is filled, and where from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = [
    "backupStorageLocation", "pod", "repoIdentifier", "snapshotID", "sourceNamespace", "volume"
]))]
pub struct PodVolumeRestoreSpec {
    /// The restored pod.
    pub pod: ObjectReference,
    /// Name of the volume in the pod.
    pub volume: String,
    /// Name of the BackupStorageLocation that has the data.
    pub backup_storage_location: String,
    /// Address of a restic repository; empty for Kopia.
    pub repo_identifier: String,
    /// What saved the files.
    #[serde(skip_serializing_if = "unset")]
    pub uploader_type: Option<UploaderType>,
    /// Identifier of the snapshot in the repository.
    #[serde(rename = "snapshotID")]
    pub snapshot_id: String,
    /// Namespace that the volume was saved from; it names the repository.
    pub source_namespace: String,
    /// Settings of the uploader.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub uploader_settings: BTreeMap<String, String>,
    /// Asks the job to stop.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
    /// Bytes in the snapshot.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_size: i64,
}

/// How the job went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PodVolumeRestoreStatus {
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
    /// When a node took the job.
    #[serde(skip_serializing_if = "unset")]
    pub accepted_timestamp: Option<Time>,
    /// Node that the job runs on.
    #[serde(skip_serializing_if = "unset")]
    pub node: String,
}
