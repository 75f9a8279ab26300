//! A write session of a repository: contents, and the manifests that become visible with them.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::Result;
use crate::content::{ContentWriter, WriteOptions, blocking};
use crate::content_id::Prefix;
use crate::manifest::{self, Labels, Manifests, Stored};
use crate::repository::Repository;
use crate::snapshot::{Policy, Snapshot, Source};

/// A write session. Nothing of it is visible before [`Writer::flush`], apart from contents, which are harmless.
#[derive(Debug)]
pub struct Writer {
    repository: Repository,
    contents: Arc<ContentWriter>,
    manifests: Mutex<Vec<Stored>>,
}

impl Repository {
    /// Begins a write session. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for repositories that can only be read.
    pub fn writer(&self, options: WriteOptions) -> Result<Writer> {
        let contents = Arc::new(ContentWriter::new(self.contents().clone(), options)?);
        Ok(Writer { repository: self.clone(), contents, manifests: Mutex::default() })
    }
}

impl Writer {
    /// The contents of the session.
    pub fn contents(&self) -> &Arc<ContentWriter> {
        &self.contents
    }

    /// The repository that is written to.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Adds a manifest and answers its ID.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] without a `type` label.
    pub fn put_manifest(&self, labels: Labels, data: &impl Serialize) -> Result<String> {
        let stored = Stored::new(labels, data, self.repository.contents().clock().now())?;
        let id = stored.id().to_owned();
        self.add(stored);
        Ok(id)
    }

    /// Removes a manifest; a missing one is no error.
    pub fn delete_manifest(&self, id: &str) {
        self.add(Stored::tombstone(id, self.repository.contents().clock().now()));
    }

    /// Adds a snapshot and answers its ID.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] when a tag has the name of a reserved label.
    pub fn put_snapshot(&self, snapshot: &Snapshot) -> Result<String> {
        self.put_manifest(snapshot.labels()?, &Snapshot { id: String::new(), ..snapshot.clone() })
    }

    /// Sets the policy of a source in the place of an earlier one.
    ///
    /// # Errors
    /// As [`Writer::put_manifest`].
    pub fn set_policy(&self, manifests: &Manifests, source: &Source, policy: &Policy) -> Result<String> {
        for old in Policy::manifests(manifests, source) {
            self.delete_manifest(&old.id);
        }
        let labels = Policy::labels(source).map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.put_manifest(labels.into(), policy)
    }

    /// Makes the session's contents and manifests visible and durable.
    ///
    /// # Errors
    /// Those of the store. The session is useless afterwards, and nothing of it became visible.
    pub async fn flush(&self) -> Result<()> {
        let entries = std::mem::take(&mut *self.manifests.lock().unwrap_or_else(PoisonError::into_inner));
        if !entries.is_empty() {
            let contents = self.contents.clone();
            blocking(move || contents.write(Some(Prefix::MANIFEST), &manifest::encode(&entries)?, true))
                .await?;
        }
        self.contents.flush().await
    }

    /// Writes all living manifests as one content in the place of the many that they were read from.
    ///
    /// # Errors
    /// As [`Writer::flush`].
    pub async fn compact_manifests(&self) -> Result<()> {
        let manifests = self.repository.manifests().await?;
        let contents = self.contents.clone();
        blocking(move || {
            let entries: Vec<Stored> = manifests.iter().map(Stored::kept).collect();
            let kept = contents.write(Some(Prefix::MANIFEST), &manifest::encode(&entries)?, true)?;
            let mut old = manifests.contents().iter().filter(|id| **id != kept);
            old.try_for_each(|id| contents.delete(id))
        })
        .await?;
        self.flush().await
    }

    fn add(&self, stored: Stored) {
        self.manifests.lock().unwrap_or_else(PoisonError::into_inner).push(stored);
    }
}
