//! Write sessions: new contents are deduplicated, sealed into packs, and become visible when an index names them.
//!
//! Order of a flush, which must be kept: packs, then index, then the session's marker goes. What a crash leaves behind
//! before the index is written is unreferenced, and collected as garbage later.

mod commit;
mod marker;
mod packing;
mod pending;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use jiff::SignedDuration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::{ContentStore, blocking};
use crate::buffers::Buffers;
use crate::compression::{self, CompressionId};
use crate::content_id::{ContentId, Prefix};
use crate::crypto::Digest;
use crate::index::IndexEntry;
use crate::{Error, Result};

use marker::Session;
use packing::{Copied, PackRoom, Stored};
use pending::State;

/// Contents up to this size are sealed beside their pack, so that others can use it meanwhile.
const SEALED_APART: usize = 64 << 10;

/// The index of a session is written at the latest after this time.
const MAX_INDEX_AGE: SignedDuration = SignedDuration::from_mins(10);

/// How much a write session may hold and do at once.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Bytes at which a pack is finished. `None`: two thirds of the repository's maximum, above the limit at which maintenance
    /// calls a pack short, so that memory stays small.
    pub pack_size: Option<usize>,
    /// Packs that are uploaded while another is filled. All of them together, by their bytes, are in memory.
    pub parallel_uploads: usize,
    /// Contents after which the index is written.
    pub max_pending: usize,
    /// The level of zstd for contents that are to be compressed.
    pub zstd_level: i32,
    /// Recorded in the session marker.
    pub username: String,
    /// Recorded in the session marker.
    pub hostname: String,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            pack_size: None,
            parallel_uploads: 2,
            max_pending: 1 << 15,
            zstd_level: 1,
            username: "default".into(),
            hostname: "default".into(),
        }
    }
}

/// Writes contents.
///
/// The `write` family is synchronous, for blocking threads: it computes, and waits while uploads are behind. It must not be
/// called on an async thread. Contents become visible to others with [`ContentWriter::flush`], or now and then before.
#[derive(Debug)]
pub struct ContentWriter {
    contents: Arc<ContentStore>,
    options: WriteOptions,
    pack_size: usize,
    handle: Handle,
    /// Writers hold it shared, a flush alone.
    gate: tokio::sync::RwLock<()>,
    state: Mutex<State>,
    uploads: Mutex<JoinSet<Result<()>>>,
    room: PackRoom,
    /// Why nothing more can be written.
    failed: Arc<OnceLock<String>>,
    /// For the bodies of packs, of each kind, as those of metadata often are nearly empty.
    packs: [Arc<Buffers>; 2],
    /// For small contents on their way into them.
    sealed: Arc<Buffers>,
}

impl ContentWriter {
    /// Begins a session. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// None today.
    pub fn new(contents: Arc<ContentStore>, options: WriteOptions) -> Result<Self> {
        let parameters = contents.parameters();
        let max = parameters.max_pack_size as usize;
        let pack_size = options.pack_size.unwrap_or(max / 3 * 2).min(max);
        Ok(Self {
            room: PackRoom::new(pack_size, options.parallel_uploads),
            contents,
            options,
            pack_size,
            handle: Handle::current(),
            gate: tokio::sync::RwLock::default(),
            state: Mutex::default(),
            uploads: Mutex::default(),
            failed: Arc::default(),
            packs: [Arc::default(), Arc::default()],
            sealed: Arc::default(),
        })
    }

    /// The contents as committed.
    pub fn contents(&self) -> &Arc<ContentStore> {
        &self.contents
    }

    /// Stores `data` unless it is stored already. With `compress` it is stored compressed where that makes it smaller.
    ///
    /// # Errors
    /// Those of the store, from this or an earlier write; then the session is useless.
    pub fn write(&self, prefix: Option<Prefix>, data: &[u8], compress: bool) -> Result<ContentId> {
        self.write_hashed(prefix, &self.contents.sealer().hasher().hash(data), data, compress)
    }

    /// Stores several contents, hashing them together.
    ///
    /// # Errors
    /// As [`ContentWriter::write`].
    pub fn write_many(&self, prefix: Option<Prefix>, chunks: &[&[u8]]) -> Result<Vec<ContentId>> {
        let digests = self.contents.sealer().hasher().hash_many(chunks);
        let each = digests.iter().zip(chunks);
        each.map(|(digest, data)| self.write_hashed(prefix, digest, data, false)).collect()
    }

    fn write_hashed(
        &self,
        prefix: Option<Prefix>,
        digest: &Digest,
        data: &[u8],
        compress: bool,
    ) -> Result<ContentId> {
        let id = ContentId::new(prefix, digest);
        {
            let _gate = self.gate.blocking_read();
            let Some(previous) = self.to_write(&id)? else { return Ok(id) };
            self.seal_and_append(id, data, compress, previous)?;
        }
        self.flush_when_due()?;
        Ok(id)
    }

    /// As [`ContentWriter::write`], from an async task.
    ///
    /// # Errors
    /// As [`ContentWriter::write`].
    pub async fn write_async(
        self: &Arc<Self>,
        prefix: Option<Prefix>,
        data: Bytes,
        compress: bool,
    ) -> Result<ContentId> {
        let writer = self.clone();
        blocking(move || writer.write(prefix, &data, compress)).await
    }

    /// Whether the content must be stored: `Some` with the timestamp to exceed.
    fn to_write(&self, id: &ContentId) -> Result<Option<u64>> {
        self.check()?;
        if let Some(pending) = self.lock().pending.get(id) {
            return Ok(pending.0.deleted.then_some(pending.0.timestamp));
        }
        match self.contents.index().find(id)? {
            Some(entry) if !entry.deleted => Ok(None),
            Some(entry) => Ok(Some(entry.timestamp)),
            None => Ok(Some(0)),
        }
    }

    fn seal_and_append(&self, id: ContentId, data: &[u8], compress: bool, previous: u64) -> Result<()> {
        // Indexes of version 1 cannot say that a content is compressed.
        let compress = compress && self.contents.format().parameters().index_version > 1;
        let compressed = if compress { compression::compress(data, self.options.zstd_level)? } else { None };
        let compression =
            if compressed.is_some() { CompressionId::ZSTD_FASTEST } else { CompressionId::NONE };
        let plain = compressed.as_deref().unwrap_or(data);
        let mut sealed = None;
        let bytes = if plain.len() > SEALED_APART {
            Stored::Plain(plain)
        } else {
            let bytes = sealed.insert(self.sealed.take_used());
            self.contents.sealer().seal_over(id.iv(), plain, bytes)?;
            Stored::Sealed(bytes)
        };
        let original_length = data.len() as u32;
        self.append(&Copied { id, bytes, original_length, compression, deleted: false, previous })
    }

    /// Moves a stored content to a new pack, keeping it deleted or undeleting it as told. `stored` are its sealed bytes.
    ///
    /// # Errors
    /// As [`ContentWriter::write`].
    pub(crate) fn rewrite(&self, entry: &IndexEntry, stored: &[u8], deleted: bool) -> Result<()> {
        let what = format!("content {}", entry.id);
        let stored = &*self.contents.sealer().mended(&what, entry.id.iv(), stored)?;
        {
            let _gate = self.gate.blocking_read();
            self.check()?;
            self.append(&Copied {
                id: entry.id,
                bytes: Stored::Sealed(stored),
                original_length: entry.original_length,
                compression: entry.compression,
                deleted,
                previous: entry.timestamp,
            })?;
        }
        self.flush_when_due()
    }

    /// Marks a content as deleted; its bytes go with later maintenance.
    ///
    /// # Errors
    /// [`Error::ContentNotFound`].
    pub(crate) fn delete(&self, id: &ContentId) -> Result<()> {
        {
            let _gate = self.gate.blocking_read();
            self.check()?;
            if self.lock().pending.remove(id) && self.contents.index().find(id)?.is_none() {
                return Ok(());
            }
            self.add_deletion(self.contents.entry(id)?);
        }
        self.flush_when_due()
    }

    /// As [`ContentWriter::delete`], for an entry that the committed index has and the session has not touched.
    pub(crate) fn delete_committed(&self, entry: IndexEntry) -> Result<()> {
        {
            let _gate = self.gate.blocking_read();
            self.check()?;
            self.add_deletion(entry);
        }
        self.flush_when_due()
    }

    fn add_deletion(&self, entry: IndexEntry) {
        if !entry.deleted {
            let timestamp = self.timestamp(entry.timestamp);
            let entry = Arc::new(IndexEntry { deleted: true, timestamp, ..entry });
            self.lock().add(entry, self.contents.clock().now());
        }
    }

    /// Writes the index when enough waits for it.
    fn flush_when_due(&self) -> Result<()> {
        if self.is_due(self.options.max_pending) {
            self.handle.block_on(self.flush_if(self.options.max_pending))?;
        }
        Ok(())
    }

    /// Whether this many contents wait for their index, or some have waited long.
    fn is_due(&self, count: usize) -> bool {
        let state = self.lock();
        let age = |oldest| self.contents.clock().now().duration_since(oldest);
        state.pending.len() >= count || state.oldest.is_some_and(|oldest| age(oldest) >= MAX_INDEX_AGE)
    }

    /// Whether a content is stored, and not deleted.
    pub(crate) fn exists(&self, id: &ContentId) -> Result<bool> {
        if let Some(pending) = self.lock().pending.get(id) {
            return Ok(!pending.0.deleted);
        }
        Ok(self.contents.index().find(id)?.is_some_and(|entry| !entry.deleted))
    }

    /// The runtime that uploads run on.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Waits for something asynchronous; only from blocking threads.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    fn timestamp(&self, previous: u64) -> u64 {
        let now = self.contents.clock().now().as_second();
        u64::try_from(now).unwrap_or(0).max(previous + 1)
    }

    fn check(&self) -> Result<()> {
        self.failed.get().map_or(Ok(()), |why| Err(Error::SessionFailed(why.clone())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
