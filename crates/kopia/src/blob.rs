//! Blobs: named bytes in a flat store, the only thing a repository asks of the outside world.
//!
//! [`BlobStore`] is the contract. A file system store and an in-memory one live here; object stores are adapters written
//! elsewhere and judged by `conformance`. Wrappers add one property each: [`ReadOnlyStore`], [`RetryingStore`], [`ThrottledStore`], [`FaultyStore`].

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod faulty;
mod filesystem;
mod memory;
mod wrappers;

use std::fmt::Debug;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;

pub use faulty::{Fault, FaultyStore};
pub use filesystem::FileSystemStore;
pub use memory::MemoryStore;
pub use wrappers::{ReadOnlyStore, RetryPolicy, RetryingStore, ThrottledStore};

/// The answer of a store.
pub type BlobResult<T> = std::result::Result<T, BlobError>;

/// A flat store of named bytes.
///
/// Every method may be called at any time from any task, and may be called again after an error: implementations MUST be
/// safe to repeat. Stores MUST be strongly consistent: after a `put` has answered, every `get`, `metadata` and `list` sees it.
/// Names are ASCII without `/`, at most 255 characters.
#[async_trait]
pub trait BlobStore: Debug + Send + Sync {
    /// The bytes of a blob, or of a part of it.
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; [`BlobError::InvalidRange`] when the range is not wholly inside of the blob (MUST NOT
    /// answer fewer bytes than asked for).
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes>;

    /// Stores a blob whole or not at all, replacing an existing one unless `options.if_absent`.
    ///
    /// # Errors
    /// [`BlobError::AlreadyExists`] with `if_absent`. A store that cannot check and write in one step MAY check first.
    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()>;

    /// Removes a blob; a missing one is no error.
    async fn delete(&self, id: &str) -> BlobResult<()>;

    /// Length and time of a blob.
    ///
    /// # Errors
    /// [`BlobError::NotFound`].
    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata>;

    /// All blobs whose name starts with `prefix`, in any order, read page by page as the stream is polled.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>>;

    /// Prolongs the retention of a blob that was put with one.
    ///
    /// # Errors
    /// [`BlobError::Unsupported`] where the store knows no retention (the default).
    async fn extend_retention(&self, id: &str, _retention: Retention) -> BlobResult<()> {
        Err(BlobError::Unsupported { what: format!("retention of blob {id}") })
    }
}

/// Convenience over [`BlobStore`].
#[async_trait]
pub trait BlobStoreExt: BlobStore {
    /// A listing as a vector, sorted by name: for prefixes that are known to be small.
    async fn list_sorted(&self, prefix: &str) -> BlobResult<Vec<BlobMetadata>> {
        let mut found: Vec<_> = self.list(prefix).try_collect().await?;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// A blob that may be missing.
    async fn get_if_exists(&self, id: &str) -> BlobResult<Option<Bytes>> {
        match self.get(id, None).await {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some),
        }
    }
}

impl<T: BlobStore + ?Sized> BlobStoreExt for T {}

/// What a store knows about a blob without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobMetadata {
    /// The name.
    pub id: String,
    /// Bytes.
    pub length: u64,
    /// When the store received it, by the store's clock.
    pub modified: Timestamp,
}

/// How a blob is to be stored.
#[derive(Debug, Clone, Default)]
pub struct PutOptions {
    /// Fail if the blob exists.
    pub if_absent: bool,
    /// Lock the blob against deletion.
    pub retention: Option<Retention>,
}

impl PutOptions {
    /// Fail if the blob exists.
    pub fn if_absent() -> Self {
        Self { if_absent: true, ..Self::default() }
    }
}

/// An object lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Who may lift it.
    pub mode: RetentionMode,
    /// When it ends.
    pub until: Timestamp,
}

/// Who may delete a locked blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RetentionMode {
    /// Users with a special permission.
    Governance,
    /// Nobody.
    Compliance,
}

/// Why a store could not do something, by meaning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no such blob.
    #[error("not found")]
    NotFound,
    /// There is such a blob already, and it was asked not to replace it.
    #[error("already exists")]
    AlreadyExists,
    /// The range is not inside of the blob, which is shorter than its index says.
    #[error("range {start}..{end} is outside of the blob")]
    InvalidRange {
        /// First byte wanted.
        start: u64,
        /// First byte not wanted.
        end: u64,
    },
    /// The credentials do not allow this, or the blob is locked.
    #[error("permission denied")]
    PermissionDenied {
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Writing through a read-only store.
    #[error("the store is read-only")]
    ReadOnly,
    /// The store has no such feature.
    #[error("not supported: {what}")]
    Unsupported {
        /// The feature.
        what: String,
    },
    /// A name that no repository would use.
    #[error("invalid blob name {0:?}")]
    InvalidName(String),
    /// Anything else.
    #[error("the store failed")]
    Other {
        /// Whether trying again may help.
        retryable: bool,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BlobError {
    /// Whether the blob does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound)
    }

    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Other { retryable: true, .. })
    }
}

/// Cuts `range` out of the whole blob, for stores that hold whole blobs.
pub(crate) fn slice(data: &Bytes, range: Option<&Range<u64>>) -> BlobResult<Bytes> {
    let Some(&Range { start, end }) = range else { return Ok(data.clone()) };
    if start > end || end > data.len() as u64 {
        return Err(BlobError::InvalidRange { start, end });
    }
    Ok(data.slice(start as usize..end as usize))
}

/// Refuses names that could leave the place of the repository, for stores that make keys or paths of them.
///
/// # Errors
/// [`BlobError::InvalidName`].
pub fn check_name(id: &str) -> BlobResult<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if id.is_empty() || id.len() > 255 || id.starts_with('.') || !id.bytes().all(plain) {
        return Err(BlobError::InvalidName(id.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
