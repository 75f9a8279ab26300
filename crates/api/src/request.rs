//! Requests to the server that are objects: `DeleteBackupRequest`, `DownloadRequest` and
//! `ServerStatusRequest`. The server answers in the status and removes them some time later.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object::kind;
use crate::text::text_enum;
use crate::wire::unset;

kind! {
    /// A request to delete a backup with all its files and snapshots.
    DeleteBackupRequest(DeleteBackupRequestSpec, DeleteBackupRequestStatus) is "v1" "deletebackuprequests"
}

/// Which backup is to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["backupName"]))]
pub struct DeleteBackupRequestSpec {
    /// Name of the backup.
    pub backup_name: String,
}

/// How the deletion went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DeleteBackupRequestStatus {
    /// How far the deletion is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<DeleteBackupRequestPhase>,
    /// What could not be deleted, and why.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub errors: Vec<String>,
}

text_enum! {
    /// How far a deletion is.
    pub enum DeleteBackupRequestPhase {
        /// Not looked at yet.
        New,
        /// Files and snapshots are being deleted.
        InProgress,
        /// Over; there may be errors.
        Processed,
    }
}

kind! {
    /// A request for an address from which a file of a backup or restore can be downloaded.
    DownloadRequest(DownloadRequestSpec, DownloadRequestStatus) is "v1" "downloadrequests"
}

/// Which file is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["target"]))]
pub struct DownloadRequestSpec {
    /// The file.
    pub target: DownloadTarget,
}

/// A file of a backup or restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["kind", "name"]))]
pub struct DownloadTarget {
    /// Which of the files.
    pub kind: DownloadTargetKind,
    /// Name of the backup or restore that the file belongs to.
    pub name: String,
}

text_enum! {
    /// The files that can be downloaded.
    pub enum DownloadTargetKind {
        /// Log of a backup.
        BackupLog,
        /// Archive of a backup.
        BackupContents,
        /// Native snapshots of a backup.
        BackupVolumeSnapshots,
        /// Operations of a backup that went on after an item was saved.
        BackupItemOperations,
        /// List of all objects in a backup.
        BackupResourceList,
        /// Errors and warnings of a backup.
        BackupResults,
        /// Log of a restore.
        RestoreLog,
        /// Errors and warnings of a restore.
        RestoreResults,
        /// List of all objects of a restore, with what was done to them.
        RestoreResourceList,
        /// Operations of a restore that went on after an item was restored.
        RestoreItemOperations,
        /// CSI snapshots of an old backup.
        CSIBackupVolumeSnapshots,
        /// Contents of the CSI snapshots of an old backup.
        CSIBackupVolumeSnapshotContents,
        /// Volumes of a backup.
        BackupVolumeInfos,
        /// Volumes of a restore.
        RestoreVolumeInfo,
    }
}

impl Default for DownloadTargetKind {
    /// No kind: what an object without the field is read as.
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// Where the file is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DownloadRequestStatus {
    /// Whether there is an answer.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<DownloadRequestPhase>,
    /// Address of the file. Who knows it can read the file, so it belongs in no log.
    #[serde(rename = "downloadURL", skip_serializing_if = "unset")]
    pub download_url: String,
    /// Until when the address is good.
    #[serde(skip_serializing_if = "unset")]
    pub expiration: Option<Time>,
}

text_enum! {
    /// Whether a request for a file is answered.
    pub enum DownloadRequestPhase {
        /// Not looked at yet.
        New,
        /// Answered.
        Processed,
    }
}

kind! {
    /// A request for the version and plugins of the server.
    ServerStatusRequest(ServerStatusRequestSpec, ServerStatusRequestStatus) is "v1" "serverstatusrequests"
}

/// Nothing can be asked for in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerStatusRequestSpec {}

/// The server about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerStatusRequestStatus {
    /// Whether there is an answer.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<ServerStatusRequestPhase>,
    /// When the answer was given.
    #[serde(skip_serializing_if = "unset")]
    pub processed_timestamp: Option<Time>,
    /// Version of the server.
    #[serde(skip_serializing_if = "unset")]
    pub server_version: String,
    /// The plugins that the server knows.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub plugins: Vec<PluginInfo>,
}

/// A plugin of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["kind", "name"]))]
pub struct PluginInfo {
    /// Name of the plugin, such as `velero.io/aws`.
    pub name: String,
    /// What the plugin does, such as `ObjectStore`.
    pub kind: String,
}

text_enum! {
    /// Whether a request to the server is answered.
    pub enum ServerStatusRequestPhase {
        /// Not looked at yet.
        New,
        /// Answered.
        Processed,
    }
}
