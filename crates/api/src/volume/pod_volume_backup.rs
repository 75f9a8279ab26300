//! `PodVolumeBackup`: saves the files of one volume of a running pod.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataMoveProgress, UploaderType, VolumeJobPhase};
use crate::object::kind;
use crate::reference::ObjectReference;
use crate::wire::unset;

kind! {
    /// A job that saves the files of one volume of a running pod.
    PodVolumeBackup(PodVolumeBackupSpec, PodVolumeBackupStatus) is "v1" "podvolumebackups"
}

/// Which volume is saved, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["backupStorageLocation", "node", "pod", "repoIdentifier", "volume"]))]
pub struct PodVolumeBackupSpec {
    /// Node that the pod runs on.
    pub node: String,
    /// The pod.
    pub pod: ObjectReference,
    /// Name of the volume in the pod.
    pub volume: String,
    /// Name of the BackupStorageLocation that takes the data.
    pub backup_storage_location: String,
    /// Address of a restic repository; empty for Kopia.
    pub repo_identifier: String,
    /// What saves the files.
    #[serde(skip_serializing_if = "unset")]
    pub uploader_type: Option<UploaderType>,
    /// Tags that the snapshot in the repository gets.
    #[serde(skip_serializing_if = "unset")]
    pub tags: BTreeMap<String, String>,
    /// Settings of the uploader.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub uploader_settings: BTreeMap<String, String>,
    /// Asks the job to stop.
    #[serde(skip_serializing_if = "unset")]
    pub cancel: bool,
}

/// How the job went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PodVolumeBackupStatus {
    /// How far the job is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<VolumeJobPhase>,
    /// Path of the files as the data mover saw it.
    #[serde(skip_serializing_if = "unset")]
    pub path: String,
    /// Identifier of the snapshot in the repository; empty when there is nothing to restore.
    #[serde(rename = "snapshotID", skip_serializing_if = "unset")]
    pub snapshot_id: String,
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
    /// When a node took the job.
    #[serde(skip_serializing_if = "unset")]
    pub accepted_timestamp: Option<Time>,
}
