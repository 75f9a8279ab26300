//! What a restore is asked to do, and what comes out of it.

use std::sync::Arc;
use std::time::Duration;

use bowline_api::artifact::{BackupVolumeInfo, ResourceList, RestoreOperation, RestoreVolumeInfo};
use bowline_api::backup::Backup;
use bowline_api::restore::Restore;
use thiserror::Error;

use super::version::VersionPriorities;

use crate::action::RestoreAction;
use crate::backup::HookCounts;
use crate::finding::Findings;
use crate::modify::Modifiers;
use crate::port::ClusterError;
use crate::select::policy::Policies;

/// A restore to run.
#[derive(Clone)]
pub struct RestoreRequest {
    /// The Restore object; its spec says what to restore.
    pub restore: Arc<Restore>,
    /// The backup's stored metadata.
    pub backup: Arc<Backup>,
    /// The backup's volume infos. Those of backups older than Velero 1.13 are made from their other lists; they name no volume but a
    /// claim.
    pub volume_infos: Vec<BackupVolumeInfo>,
    /// Actions in the order in which they run.
    pub actions: Vec<Arc<dyn RestoreAction>>,
    /// Kinds to restore first, in order; after a `-` those to restore last (`--restore-resource-priorities`). Empty for
    /// the default.
    pub priorities: Vec<String>,
    /// How long to wait for a CRD, a volume or additional items (`--resource-timeout`).
    pub resource_timeout: Duration,
    /// How long to wait for a namespace or volume that is being deleted (`--terminating-resource-timeout`).
    pub terminating_timeout: Duration,
    /// Bytes that objects in flight may hold together.
    pub memory_budget: usize,
    /// The rules of the resource modifier ConfigMap; of the server-wide one where the restore names none.
    pub modifiers: Option<Arc<Modifiers>>,
    /// The filters of the resource policies that the restore names; only those for objects count.
    pub policies: Option<Arc<Policies>>,
    /// With EnableAPIGroupVersions: the user's order of versions by kind, possibly empty. `None` without that feature.
    pub version_priorities: Option<VersionPriorities>,
    /// Whether a dry run tells the fields in which existing objects differ; it then reads each of those once more.
    pub explain: bool,
    /// Most writes in flight; the pace follows the server's back-pressure below it.
    pub max_in_flight: usize,
}

impl Default for RestoreRequest {
    /// Velero's defaults, no actions, and nothing to restore from.
    fn default() -> Self {
        Self {
            restore: Arc::default(),
            backup: Arc::default(),
            volume_infos: Vec::new(),
            actions: Vec::new(),
            priorities: Vec::new(),
            resource_timeout: Duration::from_mins(10),
            terminating_timeout: Duration::from_mins(10),
            memory_budget: 32 << 20,
            modifiers: None,
            policies: None,
            version_priorities: None,
            explain: false,
            max_in_flight: 32,
        }
    }
}

/// Everything about a finished restore.
#[derive(Debug)]
pub struct RestoreOutcome {
    /// What happened to each object, by kind: `ns/name(created)` (backup-format §3.5).
    pub resource_list: ResourceList,
    /// What happened to each volume.
    pub volume_infos: Vec<RestoreVolumeInfo>,
    /// Asynchronous operations that were started.
    pub operations: Vec<RestoreOperation>,
    /// Warnings and errors.
    pub findings: Findings,
    /// How many items the backup held for this restore.
    pub total_items: u64,
    /// How many of them were handled.
    pub restored_items: u64,
    /// Hooks that ran.
    pub hooks: HookCounts,
}

/// Why a restore could not be run at all.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The spec contradicts itself or names what does not exist; each entry is one reason with its field.
    #[error("the restore's specification is not valid: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// An action could not say what it is for.
    #[error("failed to set up the restore's actions")]
    Action(#[source] crate::action::ActionError),
    /// The archive is damaged, hostile, or cut short.
    #[error("failed to read the backup's archive")]
    Archive(#[source] crate::archive::ArchiveError),
    /// Discovery failed altogether.
    #[error("failed to read the kinds that the cluster serves")]
    Discover(#[source] ClusterError),
    /// The API server went away for longer than retries ride out.
    #[error("lost the API server after {handled} of {total} items")]
    ClusterLost {
        /// Items handled before.
        handled: u64,
        /// Items in all.
        total: u64,
        /// What the cluster said.
        #[source]
        source: ClusterError,
    },
    /// The run was cancelled.
    #[error("the restore was cancelled")]
    Cancelled,
}

impl RestoreError {
    /// Whether another run may succeed without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Discover(source) | Self::ClusterLost { source, .. } => source.is_retryable(),
            Self::Action(source) => source.is_retryable(),
            Self::Invalid(_) | Self::Archive(_) | Self::Cancelled => false,
        }
    }
}
