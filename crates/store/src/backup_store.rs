//! Backups and restores in an object store: typed reads and writes of every artifact, in the order that makes a
//! backup exist entirely or not at all. Formats and names are Velero's; see [`crate::layout`].

mod checksums;
mod codec;
mod delete;
mod upload;
mod validate;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use bowline_api::artifact::{
    BackupOperation, BackupVolumeInfo, Bare, NativeSnapshot, ResourceList, RestoreOperation,
    RestoreVolumeInfo, Results,
};
use bowline_api::request::DownloadTarget;
use bowline_api::{Backup, PodVolumeBackup};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::checksums::{Checksums, Sum};
pub use self::codec::{MAX_JSON, MAX_METADATA, MAX_STORED_JSON};
pub use self::delete::DeleteReport;
pub use self::upload::{BackupUpload, DiscardReport};
pub use self::validate::{InvalidDirectories, ValidateError};
pub use self::verify::{ArtifactCheck, ArtifactState, Verification};
use crate::error::Result;
use crate::ext::ObjectStoreExt;
use crate::key;
use crate::layout::{self, BackupArtifact, RestoreArtifact};
use crate::object::{Body, Object, ObjectStore, PutOptions, SignedUrl};

/// All backups and restores of one location.
///
/// Names of backups and restores come from clusters and buckets; one that is not a single segment of a key ends in
/// `InvalidKey`, never elsewhere in the store.
#[derive(Debug, Clone)]
pub struct BackupStore {
    store: Arc<dyn ObjectStore>,
}

impl BackupStore {
    /// On a store whose keys begin below the location's prefix, as [`crate::open`] gives it.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// The store below, for what is not a backup: repositories.
    pub fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Whether the backup exists, which is to say its metadata.
    pub async fn exists(&self, backup: &str) -> Result<bool> {
        self.store.exists(&backup_key(backup, BackupArtifact::Metadata)?).await
    }

    /// The names under which there is anything, in order. One without metadata is no backup: a run that has not
    /// finished, or what one left behind.
    pub async fn list_backups(&self) -> Result<Vec<String>> {
        self.store.common_prefixes(layout::BACKUPS).await
    }

    /// The Backup as it was stored; at most [`MAX_METADATA`] bytes of it.
    pub async fn metadata(&self, backup: &str) -> Result<Backup> {
        let key = backup_key(backup, BackupArtifact::Metadata)?;
        let text = self.store.get_bytes(&key, MAX_METADATA).await?;
        codec::from_plain(&key, &text)
    }

    /// The archive, as a stream of compressed bytes.
    pub async fn contents(&self, backup: &str) -> Result<Object> {
        self.store.get(&backup_key(backup, BackupArtifact::Contents)?, None).await
    }

    /// The JSON of one artifact, at most [`MAX_JSON`] bytes of it; `T::default()` when the backup has no such file,
    /// because backups of other versions may lack any of them.
    pub async fn read<T>(&self, backup: &str, artifact: BackupArtifact) -> Result<T>
    where
        T: DeserializeOwned + Default + Send + 'static,
    {
        codec::read(&*self.store, &backup_key(backup, artifact)?, artifact.encoding()).await
    }

    /// Errors and warnings of a backup.
    pub async fn results(&self, backup: &str) -> Result<Results> {
        self.read(backup, BackupArtifact::Results).await
    }

    /// The names of all items of a backup.
    pub async fn resource_list(&self, backup: &str) -> Result<ResourceList> {
        self.read(backup, BackupArtifact::ResourceList).await
    }

    /// What was done for each volume of a backup.
    pub async fn volume_info(&self, backup: &str) -> Result<Vec<BackupVolumeInfo>> {
        self.read_list(backup, BackupArtifact::VolumeInfo).await
    }

    /// Operations that went on after an item was saved.
    pub async fn item_operations(&self, backup: &str) -> Result<Vec<BackupOperation>> {
        self.read_list(backup, BackupArtifact::ItemOperations).await
    }

    /// Snapshots made by volume plugins.
    pub async fn native_snapshots(&self, backup: &str) -> Result<Vec<NativeSnapshot>> {
        self.read_list(backup, BackupArtifact::VolumeSnapshots).await
    }

    /// The claims of whose volumes a Velero before 1.14 has taken CSI snapshots, by namespace and name.
    pub async fn csi_snapshot_claims(&self, backup: &str) -> Result<Vec<(String, String)>> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Snapshot {
            metadata: Metadata,
            spec: Spec,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Metadata {
            namespace: String,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            source: SnapshotSource,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct SnapshotSource {
            persistent_volume_claim_name: Option<String>,
        }
        let snapshots: Vec<Snapshot> = self.read_list(backup, BackupArtifact::CsiVolumeSnapshots).await?;
        let claim =
            |it: Snapshot| Some((it.metadata.namespace, it.spec.source.persistent_volume_claim_name?));
        Ok(snapshots.into_iter().filter_map(claim).collect())
    }

    /// The file-system backups of a backup, also those that failed.
    pub async fn pod_volume_backups(&self, backup: &str) -> Result<Vec<PodVolumeBackup>> {
        let bare: Vec<Bare<PodVolumeBackup>> =
            self.read_list(backup, BackupArtifact::PodVolumeBackups).await?;
        Ok(bare.into_iter().map(|Bare(object)| object).collect())
    }

    async fn read_list<T>(&self, backup: &str, artifact: BackupArtifact) -> Result<Vec<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        Ok(self.read::<Option<Vec<T>>>(backup, artifact).await?.unwrap_or_default())
    }

    /// As [`Self::read`], for a restore.
    pub async fn read_restore<T>(&self, restore: &str, artifact: RestoreArtifact) -> Result<T>
    where
        T: DeserializeOwned + Default + Send + 'static,
    {
        codec::read(&*self.store, &restore_key(restore, artifact)?, artifact.encoding()).await
    }

    /// Errors and warnings of a restore.
    pub async fn restore_results(&self, restore: &str) -> Result<Results> {
        self.read_restore(restore, RestoreArtifact::Results).await
    }

    /// Operations that went on after an item was restored.
    pub async fn restore_item_operations(&self, restore: &str) -> Result<Vec<RestoreOperation>> {
        let list: Option<_> = self.read_restore(restore, RestoreArtifact::ItemOperations).await?;
        Ok(list.unwrap_or_default())
    }

    /// What was done for each volume of a restore.
    pub async fn restore_volume_info(&self, restore: &str) -> Result<Vec<RestoreVolumeInfo>> {
        let list: Option<_> = self.read_restore(restore, RestoreArtifact::VolumeInfo).await?;
        Ok(list.unwrap_or_default())
    }

    /// Stores a file of a restore whose bytes are already in the artifact's encoding, such as its gzipped log.
    pub async fn put_restore(
        &self,
        restore: &str,
        artifact: RestoreArtifact,
        body: impl Into<Body>,
    ) -> Result<()> {
        let content_type = Some(artifact.encoding().content_type().to_owned());
        let options = PutOptions { content_type, if_absent: false };
        self.store.put(&restore_key(restore, artifact)?, body.into(), options).await
    }

    /// Stores a JSON file of a restore.
    pub async fn write_restore<T>(&self, restore: &str, artifact: RestoreArtifact, value: &T) -> Result<()>
    where
        T: Serialize + ?Sized + Sync,
    {
        let content = codec::gzip_json(&artifact.key(restore), value)?;
        self.put_restore(restore, artifact, content).await
    }

    /// What a DownloadRequest asks for, as a stream of stored bytes.
    pub async fn download(&self, target: &DownloadTarget) -> Result<Object> {
        self.store.get(&download_key(target)?, None).await
    }

    /// A URL for what a DownloadRequest asks for. `NotFound` when there is no such file, so that nobody is sent to a
    /// URL that can't work; `NotSupported` when the store has no URLs.
    pub async fn download_url(&self, target: &DownloadTarget, ttl: Duration) -> Result<SignedUrl> {
        let key = download_key(target)?;
        self.store.head(&key).await?;
        self.store.signed_url(&key, ttl).await
    }
}

fn backup_key(backup: &str, artifact: BackupArtifact) -> Result<String> {
    key::check_segment(backup)?;
    Ok(artifact.key(backup))
}

fn restore_key(restore: &str, artifact: RestoreArtifact) -> Result<String> {
    key::check_segment(restore)?;
    Ok(artifact.key(restore))
}

fn download_key(target: &DownloadTarget) -> Result<String> {
    key::check_segment(&target.name)?;
    layout::download_key(target)
}
