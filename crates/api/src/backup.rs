//! `Backup`: what to save, how, and how it went.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::object::kind;
use crate::reference::LocalReference;
use crate::selector::{self, LabelSelector};
use crate::text::text_enum;
use crate::wire::unset;

mod hook;

pub use hook::{BackupHooks, BackupResourceHook, BackupResourceHookSpec, ExecHook, HookErrorMode};

kind! {
    /// A backup of the resources of a cluster and of the data of their volumes.
    Backup(BackupSpec, BackupStatus) is "v1" "backups"
}

impl Backup {
    /// The phase; a backup that nobody has looked at yet is `New`.
    pub fn phase(&self) -> BackupPhase {
        self.status.phase.clone().unwrap_or(BackupPhase::New)
    }
}

/// What is saved by a backup, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupSpec {
    /// Metadata of the backups that a schedule creates from this template; elsewhere without effect.
    pub metadata: TemplateMetadata,
    /// Namespaces to save, as names or patterns with `*`. Empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out, as names or patterns.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespaces: Vec<String>,
    /// Resources to save, of both scopes. Empty means all. Can't be combined with the filters by scope.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources to leave out, of both scopes. Can't be combined with the filters by scope.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// Cluster-scoped resources to save; `*` means all. Empty means those that saved objects need.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_cluster_scoped_resources: Vec<String>,
    /// Cluster-scoped resources to leave out.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_cluster_scoped_resources: Vec<String>,
    /// Namespaced resources to save. Empty means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespace_scoped_resources: Vec<String>,
    /// Namespaced resources to leave out.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespace_scoped_resources: Vec<String>,
    /// Saves only objects that this selector matches.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "selector::optional")]
    pub label_selector: Option<LabelSelector>,
    /// Saves only objects that at least one of these selectors matches. Can't be combined with `labelSelector`.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "selector::list")]
    pub or_label_selectors: Vec<LabelSelector>,
    /// Whether to take snapshots of persistent volumes. Not set means: where a snapshotter is set up.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_volumes: Option<bool>,
    /// How long the backup is kept after its creation. Zero means the server's default.
    pub ttl: Duration,
    /// Label of claims whose volumes with the same value are snapshotted together.
    #[serde(skip_serializing_if = "unset")]
    pub volume_group_snapshot_label_key: String,
    /// Whether cluster-scoped objects are saved. Not set means: those that saved objects need.
    #[serde(skip_serializing_if = "unset")]
    pub include_cluster_resources: Option<bool>,
    /// Commands to run in pods before and after they are saved.
    pub hooks: BackupHooks,
    /// Name of the BackupStorageLocation that takes the backup. Empty means the default one.
    #[serde(skip_serializing_if = "unset")]
    pub storage_location: String,
    /// Names of the VolumeSnapshotLocations that take snapshots, at most one for each provider.
    #[serde(skip_serializing_if = "unset")]
    pub volume_snapshot_locations: Vec<String>,
    /// Old name of `defaultVolumesToFsBackup`.
    #[serde(skip_serializing_if = "unset")]
    pub default_volumes_to_restic: Option<bool>,
    /// Whether volumes of pods are saved file by file unless a pod says otherwise. Not set means the server's default.
    #[serde(skip_serializing_if = "unset")]
    pub default_volumes_to_fs_backup: Option<bool>,
    /// For a kind, objects to save first: `namespace/name`, or `name` if cluster-scoped, separated by commas.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub ordered_resources: BTreeMap<String, String>,
    /// How long to wait for a CSI snapshot to get its handle. Zero means ten minutes.
    pub csi_snapshot_timeout: Duration,
    /// How long to wait for operations that go on after an item is saved. Zero means the server's default.
    pub item_operation_timeout: Duration,
    /// The ConfigMap with the policies for volumes and resources.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = false))]
    pub resource_policy: Option<LocalReference>,
    /// Whether the data of CSI snapshots is moved to the object store. Not set means the server's default.
    #[serde(skip_serializing_if = "unset")]
    pub snapshot_move_data: Option<bool>,
    /// Name of the data mover; empty or `velero` is the built-in one.
    #[serde(skip_serializing_if = "unset")]
    pub datamover: String,
    /// Settings of the uploader.
    #[serde(skip_serializing_if = "unset")]
    pub uploader_config: Option<UploaderConfigForBackup>,
}

impl BackupSpec {
    /// Whether it filters by lists for both scopes (`includedResources` and its like), not by lists for each scope.
    pub fn has_old_filters(&self) -> bool {
        self.include_cluster_resources.is_some()
            || !self.included_resources.is_empty()
            || !self.excluded_resources.is_empty()
    }
}

/// Metadata in the template of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct TemplateMetadata {
    /// Labels of the backups that are created.
    #[serde(skip_serializing_if = "unset")]
    pub labels: BTreeMap<String, String>,
}

/// Settings of the uploader for a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UploaderConfigForBackup {
    /// Number of files read at the same time. Zero means the number of CPUs of the node.
    #[serde(skip_serializing_if = "unset")]
    pub parallel_files_upload: i32,
}

/// How a backup went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupStatus {
    /// Major version of the format; superseded by `formatVersion`.
    #[serde(skip_serializing_if = "unset")]
    pub version: i32,
    /// Version of the format of the backup in the object store.
    #[serde(skip_serializing_if = "unset")]
    pub format_version: String,
    /// When the backup may be deleted.
    #[serde(skip_serializing_if = "unset")]
    pub expiration: Option<Time>,
    /// How far the backup is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<BackupPhase>,
    /// Place in the queue, from 1; zero when it is not waiting.
    #[serde(skip_serializing_if = "unset")]
    pub queue_position: i32,
    /// What is wrong with the spec.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub validation_errors: Vec<String>,
    /// When the backup was begun.
    #[serde(skip_serializing_if = "unset")]
    pub start_timestamp: Option<Time>,
    /// When the backup was finished, well or not.
    #[serde(skip_serializing_if = "unset")]
    pub completion_timestamp: Option<Time>,
    /// Number of native volume snapshots that were tried.
    #[serde(skip_serializing_if = "unset")]
    pub volume_snapshots_attempted: i32,
    /// Number of native volume snapshots that were taken.
    #[serde(skip_serializing_if = "unset")]
    pub volume_snapshots_completed: i32,
    /// Why the backup failed as a whole.
    #[serde(skip_serializing_if = "unset")]
    pub failure_reason: String,
    /// Number of warnings; they are listed in the results file.
    #[serde(skip_serializing_if = "unset")]
    pub warnings: i32,
    /// Number of errors; they are listed in the results file.
    #[serde(skip_serializing_if = "unset")]
    pub errors: i32,
    /// Number of items found and saved so far.
    #[serde(skip_serializing_if = "unset")]
    pub progress: Option<BackupProgress>,
    /// Number of CSI snapshots that were tried.
    #[serde(skip_serializing_if = "unset")]
    pub csi_volume_snapshots_attempted: i32,
    /// Number of CSI snapshots that were taken.
    #[serde(skip_serializing_if = "unset")]
    pub csi_volume_snapshots_completed: i32,
    /// Number of operations that were started and go on after an item is saved.
    #[serde(skip_serializing_if = "unset")]
    pub backup_item_operations_attempted: i32,
    /// Number of those operations that ended well.
    #[serde(skip_serializing_if = "unset")]
    pub backup_item_operations_completed: i32,
    /// Number of those operations that ended badly.
    #[serde(skip_serializing_if = "unset")]
    pub backup_item_operations_failed: i32,
    /// Number of hooks that ran.
    #[serde(skip_serializing_if = "unset")]
    pub hook_status: Option<HookStatus>,
}

/// Counts of a running backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BackupProgress {
    /// Items to save as far as they are known; the number may grow.
    #[serde(skip_serializing_if = "unset")]
    pub total_items: i32,
    /// Items saved so far.
    #[serde(skip_serializing_if = "unset")]
    pub items_backed_up: i32,
}

/// Counts of hooks, of a backup or of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HookStatus {
    /// Hooks that were run.
    #[serde(skip_serializing_if = "unset")]
    pub hooks_attempted: i32,
    /// Hooks that failed.
    #[serde(skip_serializing_if = "unset")]
    pub hooks_failed: i32,
}

text_enum! {
    /// How far a backup is.
    pub enum BackupPhase {
        /// Not looked at yet.
        New,
        /// Valid; waits for others to end.
        Queued,
        /// Next to be started.
        ReadyToStart,
        /// The spec is wrong; nothing was done.
        FailedValidation,
        /// Objects are being saved.
        InProgress,
        /// Objects are saved; operations on volumes go on.
        WaitingForPluginOperations,
        /// As `WaitingForPluginOperations`, and there was an error.
        WaitingForPluginOperationsPartiallyFailed,
        /// Operations are over; the last files are being written.
        Finalizing,
        /// As `Finalizing`, and there was an error.
        FinalizingPartiallyFailed,
        /// Done, without error.
        Completed,
        /// Done; some items could not be saved.
        PartiallyFailed,
        /// Nothing usable was saved.
        Failed,
        /// Being deleted with all its files.
        Deleting,
    }
}

impl BackupPhase {
    /// Whether the backup is over, well or not. (A backup that is `Deleting` was over before.)
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::FailedValidation | Self::Completed | Self::PartiallyFailed | Self::Failed)
    }
}
