//! The flush of a session: packs, index, marker.

use std::sync::{Arc, PoisonError};

use jiff::SignedDuration;

use super::{ContentWriter, Session};
use crate::content::blocking;
use crate::error::{BlobContext, chain};
use crate::format::EpochParameters;
use crate::index::epoch::{EpochState, UNCOMPACTED};
use crate::index::{self, IndexEntry, legacy};
use crate::{Error, Result};

impl ContentWriter {
    /// Makes everything written so far visible and durable.
    ///
    /// # Errors
    /// Those of the store; [`Error::EpochSettled`]. Either way nothing of it is visible, and the session is useless.
    pub async fn flush(&self) -> Result<()> {
        self.flush_if(1).await?;
        let _gate = self.gate.write().await;
        self.wait_for_uploads().await
    }

    /// Flushes if at least `least` contents wait: another thread may have done so just before.
    pub(super) async fn flush_if(&self, least: usize) -> Result<()> {
        let _gate = self.gate.write().await;
        self.check()?;
        if !self.is_due(least) {
            return Ok(());
        }
        let result = self.commit().await;
        result.inspect_err(|error| {
            let _ = self.failed.set(chain(error));
        })
    }

    /// The caller holds the gate alone.
    async fn commit(&self) -> Result<()> {
        let packs = { std::mem::take(&mut self.lock().open) };
        for pack in packs.into_iter().flatten() {
            self.start_upload(pack)?;
        }
        self.wait_for_uploads().await?;
        let session = { self.session(&mut self.lock())? };
        let mut entries: Vec<Arc<IndexEntry>> =
            self.lock().pending.drain().map(|pending| pending.0).collect();
        if !entries.is_empty() {
            let version = self.contents.format().parameters().index_version;
            let payload = blocking(move || {
                entries.sort_unstable_by_key(|entry| entry.id);
                index::build(version, || Ok(entries.iter().map(|entry| Ok(&**entry))))
            })
            .await?;
            self.commit_index(&session, payload).await?;
        }
        self.lock().oldest = None;
        self.lock().session = None;
        // Nothing needs the marker any more, and the next session need not wait until it is gone.
        let contents = self.contents.clone();
        self.in_background(async move { session.end(&contents).await });
        Ok(())
    }

    async fn wait_for_uploads(&self) -> Result<()> {
        let mut uploads =
            { std::mem::take(&mut *self.uploads.lock().unwrap_or_else(PoisonError::into_inner)) };
        let mut result = Ok(());
        while let Some(done) = uploads.join_next().await {
            result = result.and(done.map_err(|_| Error::Worker).and_then(|done| done));
        }
        result
    }

    /// Writes an index, in a repository with epochs into the write epoch, which must not be settled meanwhile.
    async fn commit_index(&self, session: &Session, payload: Vec<u8>) -> Result<()> {
        let _guard = self.contents.refreshing.lock().await;
        // Whoever upgrades the repository meanwhile must not find anything new.
        let parameters = self.contents.fresh_parameters().await?;
        if !parameters.has_epochs() {
            let (name, payload) =
                self.put_index(legacy::PREFIX.to_owned(), session.id.clone(), payload).await?;
            return self.contents.add_index(name, payload);
        }
        let epoch = self.fresh_epochs(&parameters.epoch_parameters).await?.write_epoch;
        let suffix = format!("{}-c1", session.id);
        let (name, payload) = self.put_index(format!("{UNCOMPACTED}{epoch}_"), suffix, payload).await?;
        let current = EpochState::write_epoch(&**self.contents.store()).await?;
        if current >= epoch + 2 {
            self.contents.store().delete(&name).await.blob("delete", &name)?;
            return Err(Error::EpochSettled { written: epoch, current });
        }
        self.contents.add_index(name, payload)
    }

    /// The epochs, from a listing that stays good for most of the refresh time.
    async fn fresh_epochs(&self, parameters: &EpochParameters) -> Result<Arc<EpochState>> {
        let refresh = parameters.epoch_refresh_frequency.get();
        let age = |epochs: &EpochState| self.contents.clock().now().duration_since(epochs.listed_at);
        let young = |epochs: &Arc<EpochState>| {
            let age = age(epochs);
            age >= SignedDuration::ZERO && age <= refresh / 4
        };
        if let Some(epochs) = self.contents.epochs().filter(young) {
            return Ok(epochs);
        }
        self.contents.refresh_locked().await?.ok_or(Error::Worker)
    }

    /// Writes an index blob; answers its name, and the payload.
    async fn put_index(&self, prefix: String, suffix: String, payload: Vec<u8>) -> Result<(String, Vec<u8>)> {
        let sealer = self.contents.sealer().clone();
        let (name, bytes, payload) = blocking(move || {
            let (name, bytes) = sealer.seal_blob(&prefix, &suffix, &payload)?;
            Ok((name, bytes, payload))
        })
        .await?;
        let options = self.contents.format().put_options(&name, self.contents.clock().now());
        self.contents.store().put(&name, bytes, options).await.blob("write", &name)?;
        Ok((name, payload))
    }
}
