//! The language that Bowline shares with Velero: the kinds of the group `velero.io`, their labels and annotations,
//! and the JSON files of a backup in an object store. Data only: no client, no I/O.

pub mod artifact;
pub mod backup;
pub mod crd;
pub mod duration;
pub mod go_json;
pub mod label;
pub mod location;
pub mod object;
mod plain;
pub mod reference;
pub mod repository;
pub mod request;
pub mod resource;
pub mod restore;
pub mod schedule;
pub mod selector;
mod text;
pub mod trace;
pub mod volume;
mod wire;

pub use backup::{Backup, BackupPhase, BackupSpec, BackupStatus};
pub use duration::Duration;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
pub use location::{BackupStorageLocation, VolumeSnapshotLocation};
pub use object::{GROUP, Kind};
pub use plain::plain;
pub use repository::BackupRepository;
pub use request::{DeleteBackupRequest, DownloadRequest, ServerStatusRequest};
pub use resource::{GroupResource, GroupVersionKind, ObjectKey};
pub use restore::{Restore, RestorePhase, RestoreSpec, RestoreStatus};
pub use schedule::Schedule;
pub use volume::{DataDownload, DataUpload, PodVolumeBackup, PodVolumeRestore};
