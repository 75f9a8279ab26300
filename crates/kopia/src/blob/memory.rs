//! Blobs in memory, for tests and tools; its times come from a [`Clock`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;

use super::{BlobError, BlobMetadata, BlobResult, BlobStore, PutOptions, check_name, slice};
use crate::clock::{Clock, SystemClock};

type Blobs = BTreeMap<String, (Bytes, Timestamp)>;

/// A store that lives and dies with the process. Clones share the blobs.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    blobs: Arc<Mutex<Blobs>>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store whose blobs are stamped by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { blobs: Arc::default(), clock }
    }

    /// The number of blobs and of their bytes.
    pub fn size(&self) -> (usize, u64) {
        let blobs = self.lock();
        (blobs.len(), blobs.values().map(|(data, _)| data.len() as u64).sum())
    }

    /// An independent copy of the present state, as a restart after a crash would find it.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { blobs: Arc::new(Mutex::new(self.lock().clone())), clock: self.clock.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Blobs> {
        self.blobs.lock().expect("no holder of the blobs can fail")
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        let blobs = self.lock();
        let (data, _) = blobs.get(id).ok_or(BlobError::NotFound)?;
        slice(data, range.as_ref())
    }

    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        check_name(id)?;
        let now = self.clock.now();
        let mut blobs = self.lock();
        if options.if_absent && blobs.contains_key(id) {
            return Err(BlobError::AlreadyExists);
        }
        blobs.insert(id.to_owned(), (data, now));
        Ok(())
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        self.lock().remove(id);
        Ok(())
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        let blobs = self.lock();
        let (data, modified) = blobs.get(id).ok_or(BlobError::NotFound)?;
        Ok(BlobMetadata { id: id.to_owned(), length: data.len() as u64, modified: *modified })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        let found: Vec<_> = self
            .lock()
            .range(prefix.to_owned()..)
            .take_while(|(id, _)| id.starts_with(prefix))
            .map(|(id, (data, modified))| {
                Ok(BlobMetadata { id: id.clone(), length: data.len() as u64, modified: *modified })
            })
            .collect();
        stream::iter(found).boxed()
    }
}
