//! `Restore`: what to bring back from a backup, how, and how it went.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backup::HookStatus;
use crate::duration::Duration;
use crate::object::kind;
use crate::reference::LocalReference;
use crate::selector::{self, LabelSelector};
use crate::text::text_enum;
use crate::wire::unset;

mod hook;

pub use hook::{
    ExecRestoreHook, InitRestoreHook, RestoreHooks, RestoreResourceHook, RestoreResourceHookSpec,
};

kind! {
    /// A restore of objects and volume data from a backup.
    Restore(RestoreSpec, RestoreStatus) is "v1" "restores"
}

impl Restore {
    /// The phase; a restore that nobody has looked at yet is `New`.
    pub fn phase(&self) -> RestorePhase {
        self.status.phase.clone().unwrap_or(RestorePhase::New)
    }
}

/// What is brought back by a restore, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreSpec {
    /// Name of the backup to restore from. Either this or `scheduleName` is given.
    #[serde(skip_serializing_if = "unset")]
    pub backup_name: String,
    /// Name of a schedule whose newest completed backup is restored.
    #[serde(skip_serializing_if = "unset")]
    pub schedule_name: String,
    /// Namespaces to restore, as names or patterns with `*`. Empty means all in the backup.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out, as names or patterns.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_namespaces: Vec<String>,
    /// Resources to restore. Empty means all in the backup.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources to leave out.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
    /// New names of namespaces, by their name in the backup.
    #[serde(skip_serializing_if = "unset")]
    pub namespace_mapping: BTreeMap<String, String>,
    /// Restores only objects that this selector matches.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "selector::optional")]
    pub label_selector: Option<LabelSelector>,
    /// Restores only objects that at least one of these selectors matches. Can't be combined with `labelSelector`.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(schema_with = "selector::list")]
    pub or_label_selectors: Vec<LabelSelector>,
    /// Whether volumes are restored from their snapshots. Not set means yes.
    #[serde(rename = "restorePVs", skip_serializing_if = "unset")]
    pub restore_pvs: Option<bool>,
    /// Resources whose status is restored too. Not set means none.
    #[serde(skip_serializing_if = "unset")]
    pub restore_status: Option<RestoreStatusSpec>,
    /// Whether services keep the node ports that were assigned to them.
    #[serde(skip_serializing_if = "unset")]
    pub preserve_node_ports: Option<bool>,
    /// Whether cluster-scoped objects are restored. Not set means: those that restored objects need.
    #[serde(skip_serializing_if = "unset")]
    pub include_cluster_resources: Option<bool>,
    /// Commands and containers that run in restored pods.
    pub hooks: RestoreHooks,
    /// What happens to an object that exists and differs from the backup: `none` leaves it alone, `update` changes it.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(with = "Option<String>")]
    pub existing_resource_policy: Option<PolicyType>,
    /// How long to wait for operations that go on after an item is restored. Zero means the server's default.
    pub item_operation_timeout: Duration,
    /// The ConfigMap with the changes to make to objects before they are created.
    #[serde(skip_serializing_if = "unset")]
    pub resource_modifier: Option<LocalReference>,
    /// Whether the server-wide changes to objects are left out where the restore names none of its own.
    #[serde(skip_serializing_if = "unset")]
    pub skip_default_resource_modifier: Option<bool>,
    /// The ConfigMap with filters for objects by kind, label and name.
    #[serde(skip_serializing_if = "unset")]
    pub resource_policy: Option<LocalReference>,
    /// Settings of the uploader.
    #[serde(skip_serializing_if = "unset")]
    pub uploader_config: Option<UploaderConfigForRestore>,
}

/// Resources whose status is restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreStatusSpec {
    /// Resources whose status is restored; `*` means all.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub included_resources: Vec<String>,
    /// Resources whose status is not restored.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub excluded_resources: Vec<String>,
}

/// Settings of the uploader for a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UploaderConfigForRestore {
    /// Whether runs of zeros become holes in the restored files.
    #[serde(skip_serializing_if = "unset")]
    pub write_sparse_files: Option<bool>,
    /// Number of files written at the same time. Zero means the number of CPUs of the node.
    #[serde(skip_serializing_if = "unset")]
    pub parallel_files_download: i32,
}

text_enum! {
    /// What happens to an object that exists and differs from the backup.
    pub enum PolicyType {
        /// It is left alone, with a warning.
        None = "none",
        /// It is changed to what the backup has.
        Update = "update",
    }
}

/// How a restore went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreStatus {
    /// How far the restore is.
    #[serde(skip_serializing_if = "unset")]
    pub phase: Option<RestorePhase>,
    /// What is wrong with the spec.
    #[serde(skip_serializing_if = "unset")]
    #[schemars(extend("nullable" = true))]
    pub validation_errors: Vec<String>,
    /// Number of warnings; they are listed in the results file.
    #[serde(skip_serializing_if = "unset")]
    pub warnings: i32,
    /// Number of errors; they are listed in the results file.
    #[serde(skip_serializing_if = "unset")]
    pub errors: i32,
    /// Why the restore failed as a whole.
    #[serde(skip_serializing_if = "unset")]
    pub failure_reason: String,
    /// When the restore was begun.
    #[serde(skip_serializing_if = "unset")]
    pub start_timestamp: Option<Time>,
    /// When the restore was finished, well or not.
    #[serde(skip_serializing_if = "unset")]
    pub completion_timestamp: Option<Time>,
    /// Number of items found and restored so far.
    #[serde(skip_serializing_if = "unset")]
    pub progress: Option<RestoreProgress>,
    /// Number of operations that were started and go on after an item is restored.
    #[serde(skip_serializing_if = "unset")]
    pub restore_item_operations_attempted: i32,
    /// Number of those operations that ended well.
    #[serde(skip_serializing_if = "unset")]
    pub restore_item_operations_completed: i32,
    /// Number of those operations that ended badly.
    #[serde(skip_serializing_if = "unset")]
    pub restore_item_operations_failed: i32,
    /// Number of hooks that ran.
    #[serde(skip_serializing_if = "unset")]
    pub hook_status: Option<HookStatus>,
}

/// Counts of a running restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestoreProgress {
    /// Items to restore as far as they are known; the number may grow.
    #[serde(skip_serializing_if = "unset")]
    pub total_items: i32,
    /// Items dealt with so far.
    #[serde(skip_serializing_if = "unset")]
    pub items_restored: i32,
}

text_enum! {
    /// How far a restore is.
    pub enum RestorePhase {
        /// Not looked at yet.
        New,
        /// The spec is wrong; nothing was done.
        FailedValidation,
        /// Objects are being restored.
        InProgress,
        /// Objects are restored; operations on volumes go on.
        WaitingForPluginOperations,
        /// As `WaitingForPluginOperations`, and there was an error.
        WaitingForPluginOperationsPartiallyFailed,
        /// Operations are over; volumes and hooks are being completed.
        Finalizing,
        /// As `Finalizing`, and there was an error.
        FinalizingPartiallyFailed,
        /// Done, without error.
        Completed,
        /// Done; some items could not be restored.
        PartiallyFailed,
        /// The restore could not be carried out.
        Failed,
    }
}

impl RestorePhase {
    /// Whether the restore is over, well or not.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::FailedValidation | Self::Completed | Self::PartiallyFailed | Self::Failed)
    }
}
