//! What a backup is asked to do, and what comes out besides the archive.

use std::sync::Arc;

use bowline_api::artifact::{BackupOperation, BackupVolumeInfo, ResourceList};
use bowline_api::backup::Backup;
use thiserror::Error;

use crate::action::{BackupAction, ItemBlockAction};
use crate::finding::Findings;
use crate::port::ClusterError;
use crate::select::policy::Policies;
use crate::volume::ledger::VolumeRules;

/// A backup to run. The spec is prepared: defaults are filled in, templates resolved (behaviour §4, backup prepare).
#[derive(Clone, Default)]
pub struct BackupRequest {
    /// The Backup object; its spec says what to store, its metadata goes into logs and hooks.
    pub backup: Arc<Backup>,
    /// Actions in the order in which they run; [`crate::action::backup::builtin`] makes the built-in ones.
    pub actions: Vec<Arc<dyn BackupAction>>,
    /// Actions that put item blocks together; [`crate::action::item_block::builtin`] makes the built-in ones.
    pub block_actions: Vec<Arc<dyn ItemBlockAction>>,
    /// The resource policies that the spec names, read and checked; `None` without any.
    pub policies: Option<Arc<Policies>>,
    /// Whether every served version of an object is stored, not only the preferred one (`EnableAPIGroupVersions`).
    pub all_versions: bool,
    /// What the archive is for.
    pub purpose: Purpose,
    /// Bytes that pages and archive blocks in flight may hold together.
    pub memory_budget: usize,
    /// Most objects in a page of a list (`--client-page-size`); 0 for no limit.
    pub page_size: u32,
    /// How many item blocks with hooks or volumes run at once (`--item-block-worker-count`).
    pub workers: usize,
}

/// What the archive of a run is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// It is kept: hooks run.
    #[default]
    Keep,
    /// It is compared with another one and thrown away: nothing happens in the cluster.
    Compare,
    /// A stored one is written anew with some objects read again ([`super::finalize`]): hooks don't run, and no operation may start.
    Finalize,
}

impl BackupRequest {
    /// What it says about volumes.
    pub(super) fn volume_rules(&self) -> VolumeRules<'_> {
        let spec = &self.backup.spec;
        VolumeRules {
            snapshot_volumes: spec.snapshot_volumes,
            files_by_default: spec.default_volumes_to_fs_backup.or(spec.default_volumes_to_restic)
                == Some(true),
            policies: self
                .policies
                .as_deref()
                .map(|policies| policies.volumes.as_slice())
                .unwrap_or_default(),
        }
    }
}

/// Everything about a finished backup but the archive itself.
#[derive(Debug)]
pub struct BackupOutcome {
    /// What is in the archive, by kind.
    pub resource_list: ResourceList,
    /// One entry a persistent volume or pod volume that was seen.
    pub volume_infos: Vec<BackupVolumeInfo>,
    /// Asynchronous operations that were started.
    pub operations: Vec<BackupOperation>,
    /// Warnings and errors.
    pub findings: Findings,
    /// How many items were found, stored or not.
    pub total_items: u64,
    /// How many items are in the archive.
    pub stored_items: u64,
    /// Hooks that ran.
    pub hooks: HookCounts,
}

/// What came of writing an archive anew.
#[derive(Debug)]
pub struct FinalizeOutcome {
    /// How many objects were read again.
    pub updated: u64,
    /// Warnings and errors.
    pub findings: Findings,
}

/// How many hooks ran and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookCounts {
    /// Hooks that were started.
    pub attempted: u64,
    /// Hooks that failed.
    pub failed: u64,
}

/// Why a backup could not be made at all. Nothing of it may be kept.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The spec contradicts itself or names what does not exist; each entry is one reason with its field.
    #[error("the backup's specification is not valid: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// Discovery failed altogether.
    #[error("failed to read the kinds that the cluster serves")]
    Discover(#[source] ClusterError),
    /// An item action could not be asked what it is for.
    #[error("failed to set up an item action")]
    Action(#[source] crate::action::ActionError),
    /// A list failed for good, so that objects would be missing in silence.
    #[error("failed to list {resource}")]
    List {
        /// The kind, `plural.group`.
        resource: String,
        /// What the cluster said.
        #[source]
        source: ClusterError,
    },
    /// The archive could not be written, mostly because the object store refused it.
    #[error("failed to write the archive")]
    Archive(#[source] std::io::Error),
    /// The stored archive could not be read, to be written anew.
    #[error("failed to read the stored archive")]
    Stored(#[source] crate::archive::ArchiveError),
    /// The run was cancelled.
    #[error("the backup was cancelled")]
    Cancelled,
}

impl BackupError {
    /// Whether another run may succeed without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Discover(source) | Self::List { source, .. } => source.is_retryable(),
            Self::Action(source) => source.is_retryable(),
            Self::Invalid(_) | Self::Archive(_) | Self::Stored(_) | Self::Cancelled => false,
        }
    }
}
