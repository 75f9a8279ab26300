//! A repository as its user sees it: created or opened with a password, read through its parts.

use std::sync::Arc;

use crate::Result;
use crate::blob::BlobStore;
use crate::clock::{Clock, SystemClock};
use crate::content::ContentStore;
use crate::format::{CreateOptions, Format};
use crate::manifest::Manifests;

/// How to open a repository.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Bytes of index kept in memory; what is more goes to unlinked temporary files.
    pub index_memory: usize,
    /// The identity of this client, the owner of maintenance among others.
    pub username: String,
    /// See `username`.
    pub hostname: String,
}

impl Default for OpenOptions {
    /// The system's clock, 32 MiB of index, and the identity `default@default`.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            index_memory: 32 << 20,
            username: "default".into(),
            hostname: "default".into(),
        }
    }
}

/// An open repository. Cheap to clone; clones share index and caches.
#[derive(Debug, Clone)]
pub struct Repository {
    contents: Arc<ContentStore>,
    options: Arc<OpenOptions>,
}

impl Repository {
    /// Creates a repository in an empty store.
    ///
    /// # Errors
    /// [`crate::Error::AlreadyExists`] and those of the store.
    pub async fn create(
        store: Arc<dyn BlobStore>,
        password: &str,
        create: &CreateOptions,
        options: OpenOptions,
    ) -> Result<Self> {
        let format = Format::create(&*store, password, create).await?;
        Self::with_format(store, format, options).await
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// As [`Format::open`]; [`crate::Error::Damaged`] naming an index blob.
    pub async fn open(store: Arc<dyn BlobStore>, password: &str, options: OpenOptions) -> Result<Self> {
        let format = Format::open(&*store, password).await?;
        Self::with_format(store, format, options).await
    }

    pub(crate) async fn with_format(
        store: Arc<dyn BlobStore>,
        format: Format,
        options: OpenOptions,
    ) -> Result<Self> {
        let contents = ContentStore::open(store, format, options.clock.clone(), options.index_memory).await?;
        Ok(Self { contents: Arc::new(contents), options: Arc::new(options) })
    }

    /// The contents.
    pub fn contents(&self) -> &Arc<ContentStore> {
        &self.contents
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn BlobStore> {
        self.contents.store()
    }

    /// The format.
    pub fn format(&self) -> &Format {
        self.contents.format()
    }

    /// Who this client is.
    pub fn options(&self) -> &OpenOptions {
        &self.options
    }

    /// Reads the manifests anew, after a look for what others committed.
    ///
    /// # Errors
    /// As [`Manifests::load`].
    pub async fn manifests(&self) -> Result<Manifests> {
        self.contents.refresh().await?;
        Manifests::load(&self.contents).await
    }
}
