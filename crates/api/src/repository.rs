//! `BackupRepository`: the repository with the volume data of one namespace in one location.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::object::kind;
use crate::text::text_enum;
use crate::wire::unset;

kind! {
    /// The repository with the volume data of one namespace in one location.
    BackupRepository(BackupRepositorySpec, BackupRepositoryStatus) is "v1" "backuprepositories"
}

/// Which repository this is, and how it is kept in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("required" = ["backupStorageLocation", "maintenanceFrequency", "volumeNamespace"]))]
pub struct BackupRepositorySpec {
    /// Namespace whose volumes are saved here.
    pub volume_namespace: String,
    /// Name of the BackupStorageLocation that the repository is in.
    pub backup_storage_location: String,
    /// Format of the repository.
    #[serde(skip_serializing_if = "unset")]
    pub repository_type: Option<RepositoryType>,
    /// Address of a restic repository; empty for Kopia.
    #[serde(skip_serializing_if = "unset")]
    pub restic_identifier: String,
    /// How often maintenance is due.
    pub maintenance_frequency: Duration,
    /// Settings of the repository, such as the size of its cache.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub repository_config: BTreeMap<String, String>,
}

text_enum! {
    /// Format of a repository.
    pub enum RepositoryType {
        /// Not said: restic, in objects of old versions.
        Unset = "",
        /// Kopia.
        Kopia = "kopia",
        /// restic, which is only read.
        Restic = "restic",
    }
}

/// The state of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupRepositoryStatus {
    /// Whether the repository can be used.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<BackupRepositoryPhase>,
    /// Why the repository can't be used.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
    /// When maintenance last ended well.
    #[serde(skip_serializing_if = "unset")]
    pub last_maintenance_time: Option<Time>,
    /// The last runs of maintenance, oldest first.
    #[serde(skip_serializing_if = "unset")]
    pub recent_maintenance: Vec<BackupRepositoryMaintenanceStatus>,
}

text_enum! {
    /// Whether a repository can be used.
    pub enum BackupRepositoryPhase {
        /// Not looked at yet.
        New,
        /// It can.
        Ready,
        /// It can't; the message says why.
        NotReady,
    }
}

/// One run of maintenance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupRepositoryMaintenanceStatus {
    /// How it ended.
    #[serde(skip_serializing_if = "unset")]
    pub result: Option<BackupRepositoryMaintenanceResult>,
    /// When it was begun.
    #[serde(skip_serializing_if = "unset")]
    pub start_timestamp: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "unset")]
    pub complete_timestamp: Option<Time>,
    /// Why it failed.
    #[serde(skip_serializing_if = "unset")]
    pub message: String,
}

text_enum! {
    /// How a run of maintenance ended.
    pub enum BackupRepositoryMaintenanceResult {
        /// Well.
        Succeeded,
        /// Badly.
        Failed,
    }
}
