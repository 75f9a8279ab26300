//! Deleting backups and restores: the metadata first, so that no moment shows half a backup as a whole one. Nothing
//! is written, so it works on a full store, and it can be repeated.

use futures::stream::TryStreamExt;
use jiff::Timestamp;

use super::{BackupStore, backup_key};
use crate::error::{Error, Result};
use crate::ext::ObjectStoreExt;
use crate::key;
use crate::layout::{self, BackupArtifact};
use crate::object::ObjectMeta;

/// Deletes in flight at a time.
const PARALLEL: usize = 8;

/// What a deletion did, file by file.
#[derive(Debug, Default)]
pub struct DeleteReport {
    /// Keys that are gone.
    pub deleted: Vec<String>,
    /// Keys that are still there, with the reason. Deleting again tries them again.
    pub failed: Vec<(String, Error)>,
}

impl DeleteReport {
    /// Whether nothing is left.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }
}

impl BackupStore {
    /// Deletes all files of a backup. When the metadata can't be deleted this is an error and everything is kept;
    /// after that, what fails is in the report, and what is left is no backup any more.
    pub async fn delete_backup(&self, backup: &str) -> Result<DeleteReport> {
        let metadata = backup_key(backup, BackupArtifact::Metadata)?;
        let existed = self.exists(backup).await?;
        self.objects().delete(&metadata).await?;
        let mut report = self.delete_directory(&layout::backup_directory(backup)).await?;
        if existed {
            report.deleted.insert(0, metadata);
        }
        Ok(report)
    }

    /// What a run that made no backup has left behind, but for its log. Nothing where there is a whole backup of the name, whose files
    /// they then are.
    pub async fn remains(&self, backup: &str) -> Result<Vec<ObjectMeta>> {
        let log = backup_key(backup, BackupArtifact::Log)?;
        if self.exists(backup).await? {
            return Ok(Vec::new());
        }
        let files = self.objects().list(&layout::backup_directory(backup));
        files.try_filter(|file| std::future::ready(file.key != log)).try_collect().await
    }

    /// Deletes [what was left behind](Self::remains), as far as it was stored by this time of the store's clock: what came later belongs
    /// to a run of somebody else, which may become a backup yet.
    pub async fn clear_remains(&self, backup: &str, until: Timestamp) -> Result<DeleteReport> {
        let mut report = DeleteReport::default();
        for file in self.remains(backup).await? {
            if file.modified.is_some_and(|stored| stored > until) {
                continue;
            }
            match self.objects().delete(&file.key).await {
                Ok(()) => report.deleted.push(file.key),
                Err(error) => report.failed.push((file.key, error)),
            }
        }
        Ok(report)
    }

    /// Deletes all files of a restore.
    pub async fn delete_restore(&self, restore: &str) -> Result<DeleteReport> {
        key::check_segment(restore)?;
        self.delete_directory(&layout::restore_directory(restore)).await
    }

    async fn delete_directory(&self, directory: &str) -> Result<DeleteReport> {
        let store = self.objects();
        let deletes = store.list(directory).map_ok(|meta| async move {
            let result = store.delete(&meta.key).await;
            Ok((meta.key, result))
        });
        let mut results: Vec<_> = deletes.try_buffer_unordered(PARALLEL).try_collect().await?;
        results.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut report = DeleteReport::default();
        for (key, result) in results {
            match result {
                Ok(()) => report.deleted.push(key),
                Err(error) => report.failed.push((key, error)),
            }
        }
        Ok(report)
    }
}
