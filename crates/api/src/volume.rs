//! The four kinds of jobs that carry the data of one volume: `PodVolumeBackup`, `PodVolumeRestore`,
//! `DataUpload`, `DataDownload`; and what they have in common.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::text_enum;
use crate::wire::unset;

mod data_download;
mod data_upload;
mod pod_volume_backup;
mod pod_volume_restore;

pub use data_download::{DataDownload, DataDownloadSpec, DataDownloadStatus, TargetVolume};
pub use data_upload::{CsiSnapshotSpec, DataUpload, DataUploadSpec, DataUploadStatus};
pub use pod_volume_backup::{PodVolumeBackup, PodVolumeBackupSpec, PodVolumeBackupStatus};
pub use pod_volume_restore::{PodVolumeRestore, PodVolumeRestoreSpec, PodVolumeRestoreStatus};

text_enum! {
    /// How far a volume job is.
    pub enum VolumeJobPhase {
        /// Not looked at yet.
        New,
        /// A node takes care of it.
        Accepted,
        /// The volume can be reached by the data mover.
        Prepared,
        /// Data is moved.
        InProgress,
        /// Being stopped on request.
        Canceling,
        /// Stopped on request.
        Canceled,
        /// Done.
        Completed,
        /// Ended with an error.
        Failed,
    }
}

impl VolumeJobPhase {
    /// Whether the job is over, well or not.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Canceled | Self::Completed | Self::Failed)
    }
}

/// Bytes of a volume job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DataMoveProgress {
    /// Bytes to move as far as they are known; the number may grow.
    #[serde(skip_serializing_if = "unset")]
    pub total_bytes: i64,
    /// Bytes dealt with so far.
    #[serde(skip_serializing_if = "unset")]
    pub bytes_done: i64,
}

text_enum! {
    /// Operating system of the node that a volume belongs to.
    pub enum NodeOs {
        /// Any.
        Auto = "auto",
        /// Linux.
        Linux = "linux",
        /// Windows.
        Windows = "windows",
    }
}

text_enum! {
    /// What moves the files of a pod's volume.
    pub enum UploaderType {
        /// Not said: restic, in objects of old versions.
        Unset = "",
        /// Kopia.
        Kopia = "kopia",
        /// restic, from which is only restored.
        Restic = "restic",
    }
}
