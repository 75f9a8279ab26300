//! Writing a backup: data first, then the sums, then the metadata. Until the metadata is there, no backup is.

use std::sync::{Mutex, PoisonError};

use bowline_api::Backup;
use bytes::Bytes;
use serde::Serialize;

use super::checksums::{Checksums, Sum, summed};
use super::{BackupStore, codec};
use crate::error::{Error, ErrorKind, Result};
use crate::ext::ObjectStoreExt;
use crate::layout::BackupArtifact;
use crate::object::{Body, PutOptions};

/// A backup being written, or changed by its operations and finalizer.
///
/// Files may be put at the same time and in any order, and again. Only [`Self::commit`] makes a new backup exist;
/// after a failure, [`Self::discard`] removes what was stored. Dropping it leaves files without metadata, which are
/// no backup and are overwritten by the next run of the same name.
#[derive(Debug)]
pub struct BackupUpload {
    store: BackupStore,
    backup: String,
    is_new: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sums: Checksums,
    stored: Vec<BackupArtifact>,
    /// The metadata as they were sent, whatever came of it.
    metadata: Option<Bytes>,
}

/// What [`BackupUpload::discard`] did.
#[derive(Debug, Default)]
pub struct DiscardReport {
    /// Keys that were removed.
    pub removed: Vec<String>,
    /// Keys that are still there, with the reason.
    pub left: Vec<(String, Error)>,
    /// Nothing was removed, because somebody else's backup of the name is there.
    pub came_second: bool,
}

impl BackupStore {
    /// Begins a new backup; `AlreadyExists` when there is one of this name.
    pub async fn begin(&self, backup: &str) -> Result<BackupUpload> {
        if self.exists(backup).await? {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("store the backup {backup}"))
                .with_detail("backup already exists in object storage")
                .with_hint("choose another name, or delete the stored backup first"));
        }
        Ok(self.upload(backup, true, Checksums::default()))
    }

    /// Goes on with a backup that exists, to replace some of its files.
    pub async fn amend(&self, backup: &str) -> Result<BackupUpload> {
        if !self.exists(backup).await? {
            return Err(Error::new(ErrorKind::NotFound, format!("change the stored backup {backup}")));
        }
        let sums: Checksums = self.read(backup, BackupArtifact::Checksums).await?;
        let sums = if sums.is_understood() { sums } else { Checksums::default() };
        Ok(self.upload(backup, false, sums))
    }

    fn upload(&self, backup: &str, is_new: bool, sums: Checksums) -> BackupUpload {
        let state = Mutex::new(State { sums, ..State::default() });
        BackupUpload { store: self.clone(), backup: backup.to_owned(), is_new, state }
    }
}

impl BackupUpload {
    /// The name of the backup.
    pub fn backup(&self) -> &str {
        &self.backup
    }

    /// Stores a file whose bytes are already in the artifact's encoding: the archive as it is made, the gzipped log.
    /// The metadata has to wait for [`Self::commit`].
    pub async fn put(&self, artifact: BackupArtifact, body: impl Into<Body>) -> Result<()> {
        if matches!(artifact, BackupArtifact::Metadata | BackupArtifact::Checksums) {
            let action = format!("put {}", artifact.key(&self.backup));
            return Err(
                Error::new(ErrorKind::NotSupported, action).with_detail("it is written by the commit")
            );
        }
        let (body, sum) = summed(body.into());
        self.state().stored.push(artifact);
        self.store_file(artifact, body, false).await?;
        self.state().sums.files.insert(artifact.file_name(&self.backup), sum());
        Ok(())
    }

    /// Stores a JSON file.
    pub async fn write<T: Serialize + ?Sized + Sync>(
        &self,
        artifact: BackupArtifact,
        value: &T,
    ) -> Result<()> {
        let content = codec::gzip_json(&artifact.key(&self.backup), value)?;
        self.put(artifact, content).await
    }

    /// Makes the backup exist, or publishes its changes: stores the sums and, last, the metadata.
    ///
    /// When this fails for a new backup, everything but its log is removed again, and the error says so, or says
    /// what could not be removed. When another backup of the name came first (`AlreadyExists`), nothing is removed,
    /// because the files are that backup's.
    pub async fn commit(self, metadata: &Backup) -> Result<()> {
        match self.try_commit(metadata).await {
            Err(error) if self.is_new && !error.is_already_exists() => {
                let report = self.discard().await;
                Err(error.with_note(&report.to_string()))
            }
            result => result,
        }
    }

    async fn try_commit(&self, metadata: &Backup) -> Result<()> {
        let name = metadata.metadata.name.as_deref().unwrap_or_default();
        if name != self.backup {
            let action = format!("store the backup {}", self.backup);
            return Err(
                Error::new(ErrorKind::Source, action).with_detail(format!("its metadata names {name:?}"))
            );
        }
        let text = codec::plain_json(&BackupArtifact::Metadata.key(&self.backup), metadata)?;
        let sums = {
            let mut state = self.state();
            let file = BackupArtifact::Metadata.file_name(&self.backup);
            state.sums.files.insert(file, Sum::of(&text));
            state.stored.push(BackupArtifact::Checksums);
            codec::plain_json(&BackupArtifact::Checksums.key(&self.backup), &state.sums)?
        };
        self.store_file(BackupArtifact::Checksums, sums.into(), false).await?;
        self.store_metadata(text).await
    }

    async fn store_metadata(&self, text: Bytes) -> Result<()> {
        self.state().metadata = Some(text.clone());
        let key = BackupArtifact::Metadata.key(&self.backup);
        let if_absent = self.is_new && self.store.objects().capabilities().conditional_put;
        match self.store_file(BackupArtifact::Metadata, text.clone().into(), if_absent).await {
            Err(error) if if_absent && error.kind() == ErrorKind::NotSupported => {
                self.store_file(BackupArtifact::Metadata, text.into(), false).await
            }
            // The answer to an earlier try of the same put may have been lost on its way.
            Err(error) if error.is_already_exists() => {
                let stored = self.store.objects().get_bytes(&key, codec::MAX_METADATA).await;
                if stored.is_ok_and(|stored| stored == text) { Ok(()) } else { Err(error) }
            }
            result => result,
        }
    }

    async fn store_file(&self, artifact: BackupArtifact, body: Body, if_absent: bool) -> Result<()> {
        let content_type = Some(artifact.encoding().content_type().to_owned());
        let options = PutOptions { content_type, if_absent };
        self.store.objects().put(&artifact.key(&self.backup), body, options).await
    }

    /// Gives a new backup up and removes what was stored of it; the metadata first, should it be there, and not the
    /// log, which tells why. An existing backup that was being changed is left as it is, and so is one of the name that came first.
    pub async fn discard(self) -> DiscardReport {
        let mut report = DiscardReport::default();
        if !self.is_new {
            return report;
        }
        if self.came_second().await {
            return DiscardReport { came_second: true, ..report };
        }
        let mut stored = std::mem::take(&mut self.state().stored);
        stored.push(BackupArtifact::Metadata);
        stored.sort_unstable();
        stored.dedup();
        for artifact in stored.into_iter().filter(|artifact| *artifact != BackupArtifact::Log) {
            let key = artifact.key(&self.backup);
            match self.store.objects().delete(&key).await {
                Ok(()) => report.removed.push(key),
                Err(error) => report.left.push((key, error)),
            }
        }
        report
    }

    /// Whether the store holds a backup of the name that somebody else made. Where it does not say, there is none.
    async fn came_second(&self) -> bool {
        let key = BackupArtifact::Metadata.key(&self.backup);
        let stored = self.store.objects().get_bytes(&key, codec::MAX_METADATA).await;
        stored.is_ok_and(|stored| self.state().metadata.as_ref() != Some(&stored))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for DiscardReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.came_second {
            return f.write_str("nothing was removed, because there is another backup of this name");
        }
        if self.left.is_empty() {
            return f.write_str("what had been stored of it was removed");
        }
        let keys: Vec<_> = self.left.iter().map(|(key, _)| key.as_str()).collect();
        write!(f, "could not remove {}", keys.join(", "))
    }
}
