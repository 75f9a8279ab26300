//! A stored backup as restores, plans and comparisons read it: metadata, volume infos, and the archive in a temporary file.

use std::io;

use bowline_api::artifact::{BackupVolumeInfo, VolumeMethod};
use bowline_api::{Backup, label};
use bowline_engine::archive::ArchiveError;
use bowline_engine::archive::spool::{Limits, Spool};
use bowline_store::BackupStore;
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use kube::ResourceExt;
use thiserror::Error;

use super::Tools;

/// Most entries of an archive.
const MAX_ENTRIES: u64 = 10_000_000;

/// A stored backup, unpacked.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its metadata.
    pub backup: Backup,
    /// What is known of its volumes; empty for old backups.
    pub volume_infos: Vec<BackupVolumeInfo>,
    /// Its objects.
    pub spool: Spool,
}

/// Why a stored backup can't be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] bowline_store::Error),
    /// Its archive is damaged, hostile or too large.
    #[error("failed to read the backup's archive")]
    Archive(#[source] ArchiveError),
    /// The run was stopped meanwhile.
    #[error("reading the backup was stopped")]
    Cancelled,
}

impl SourceError {
    /// Whether the same may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Archive(ArchiveError::Fetch(error)) => {
                let store = error.get_ref().and_then(|cause| cause.downcast_ref::<bowline_store::Error>());
                store.is_some_and(bowline_store::Error::is_retryable)
            }
            Self::Archive(_) | Self::Cancelled => false,
        }
    }
}

impl Source {
    /// Reads a backup from its store.
    pub async fn read(tools: &Tools<'_>, store: &BackupStore, backup: Backup) -> Result<Self, SourceError> {
        let name = backup.name_any();
        let mut volume_infos = store.volume_info(&name).await?;
        if volume_infos.is_empty() {
            volume_infos = older_volume_infos(store, &name).await?;
        }
        let archive = store.contents(&name).await?;
        Self::unpack(tools, backup, volume_infos, archive.body.map_err(io::Error::other)).await
    }

    /// Reads a backup whose files came another way, such as through a DownloadRequest.
    pub async fn unpack<S>(
        tools: &Tools<'_>,
        backup: Backup,
        volume_infos: Vec<BackupVolumeInfo>,
        archive: S,
    ) -> Result<Self, SourceError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + Unpin,
    {
        let spool = Spool::read(archive, limits(tools), tools.scratch);
        let spool = tokio::select! {
            spool = spool => spool.map_err(SourceError::Archive)?,
            () = tools.cancel.cancelled() => return Err(SourceError::Cancelled),
        };
        Ok(Self { backup, volume_infos, spool })
    }
}

/// What backups older than Velero 1.13 say of volumes, in three other lists (behaviour §7.6). Only snapshots by the cloud's own means
/// name the volume; the others name its claim.
async fn older_volume_infos(
    store: &BackupStore,
    backup: &str,
) -> Result<Vec<BackupVolumeInfo>, bowline_store::Error> {
    let info = |method: VolumeMethod| BackupVolumeInfo {
        backup_method: Some(method),
        ..BackupVolumeInfo::default()
    };
    let native = store.native_snapshots(backup).await?.into_iter().map(|snapshot| BackupVolumeInfo {
        pv_name: snapshot.spec.persistent_volume_name,
        ..info(VolumeMethod::NativeSnapshot)
    });
    let of_claim =
        |(pvc_namespace, pvc_name), method| BackupVolumeInfo { pvc_namespace, pvc_name, ..info(method) };
    let files = store.pod_volume_backups(backup).await?.into_iter().filter_map(|volume| {
        let claim = volume.metadata.annotations?.remove(label::PVC_NAME)?;
        Some(of_claim((volume.spec.pod.namespace, claim), VolumeMethod::PodVolumeBackup))
    });
    let snapshots = store.csi_snapshot_claims(backup).await?;
    let snapshots = snapshots.into_iter().map(|claim| of_claim(claim, VolumeMethod::CsiSnapshot));
    Ok(native.chain(files).chain(snapshots).collect())
}

/// What an archive may at most be.
pub(super) fn limits(tools: &Tools<'_>) -> Limits {
    Limits { total_bytes: tools.settings.max_extraction, entries: MAX_ENTRIES }
}
