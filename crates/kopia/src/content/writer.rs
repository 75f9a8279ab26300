//! Write sessions: new contents are deduplicated, sealed into packs, and become visible when an index names them.
//!
//! Order of a flush, which must be kept: packs, then index, then the session's marker goes. What a crash leaves behind
//! before the index is written is unreferenced, and collected as garbage later.

mod commit;
mod marker;
mod pending;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::SignedDuration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::{ContentStore, blocking};
use crate::buffers::Buffers;
use crate::compression::{self, CompressionId};
use crate::content_id::{ContentId, Prefix};
use crate::crypto::Digest;
use crate::error::BlobContext;
use crate::index::IndexEntry;
use crate::pack::{PackBuilder, PackKind, Sealed};
use crate::{Error, Result};

use marker::Session;
use pending::{OpenPack, State};

/// The index of a session is written at the latest after this time.
const MAX_INDEX_AGE: SignedDuration = SignedDuration::from_mins(10);

/// Room in a pack's buffer beyond its size, for the content that fills it and the index at its end.
const PACK_ROOM: usize = 1 << 20;

/// How much a write session may hold and do at once.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Bytes at which a pack is finished. `None`: two thirds of the repository's maximum, above the limit at which maintenance
    /// calls a pack short, so that memory stays small.
    pub pack_size: Option<usize>,
    /// Packs uploaded at the same time. They are held in memory, and one more.
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
    permits: Arc<Semaphore>,
    failed: Arc<AtomicBool>,
    /// For the bodies of packs, and for contents on their way into them.
    packs: Arc<Buffers>,
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
            // A pack is filled while others are uploaded. When two kinds are, one upload less goes on meanwhile.
            permits: Arc::new(Semaphore::new(1 + options.parallel_uploads.max(1))),
            contents,
            options,
            pack_size,
            handle: Handle::current(),
            gate: tokio::sync::RwLock::default(),
            state: Mutex::default(),
            uploads: Mutex::default(),
            failed: Arc::default(),
            packs: Arc::default(),
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
        let mut bytes = self.sealed.take_used();
        self.contents.sealer().seal_over(id.iv(), compressed.as_deref().unwrap_or(data), &mut bytes)?;
        let original_length = data.len() as u32;
        self.append(&Copied { id, bytes: &bytes, original_length, compression, deleted: false, previous })
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
                bytes: stored,
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

    /// Adds sealed bytes to the open pack of their kind, and uploads it when it is full.
    ///
    /// The caller holds the gate until then: a flush must not write the index of a pack that nobody uploads yet.
    fn append(&self, content: &Copied<'_>) -> Result<()> {
        let kind = PackKind::of(&content.id);
        let mut permit = None;
        loop {
            let open = self.lock().open[kind as usize].is_some();
            if !open && permit.is_none() {
                // Every pack in memory has a permit, from its first content until it is uploaded.
                let next = self.handle.block_on(self.permits.clone().acquire_owned());
                permit = Some(next.map_err(|_| Error::Worker)?);
            }
            match self.append_locked(kind, content, &mut permit)? {
                Appended::Full(pack) => return self.start_upload(pack),
                Appended::Done => return Ok(()),
                // Another thread took the pack away just now.
                Appended::NoPack => {}
            }
        }
    }

    fn append_locked(
        &self,
        kind: PackKind,
        content: &Copied<'_>,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Appended> {
        let sealed = Sealed {
            id: content.id,
            bytes: content.bytes,
            original_length: content.original_length,
            compression: content.compression,
            timestamp: self.timestamp(content.previous),
            deleted: content.deleted,
            format_version: self.contents.format().parameters().version as u8,
        };
        let mut state = self.lock();
        let session = self.session(&mut state)?;
        let slot = &mut state.open[kind as usize];
        let pack = match (&mut *slot, permit.take()) {
            (Some(pack), _) => pack,
            (None, None) => return Ok(Appended::NoPack),
            (None, Some(permit)) => {
                let head = self.contents.format().pack_head();
                let (body, capacity) = (self.packs.take(), self.pack_size + PACK_ROOM);
                let builder = PackBuilder::new(kind, &session.id, head, body, capacity)?;
                slot.insert(OpenPack { builder, _permit: permit })
            }
        };
        let entry = pack.builder.append(&sealed);
        let full = if pack.builder.len() >= self.pack_size { slot.take() } else { None };
        state.add(entry, self.contents.clock().now());
        Ok(full.map_or(Appended::Done, Appended::Full))
    }

    fn session(&self, state: &mut State) -> Result<Arc<Session>> {
        if let Some(session) = &state.session {
            return Ok(session.clone());
        }
        let session = Arc::new(Session::new(self.contents.clock().now())?);
        state.session = Some(session.clone());
        Ok(session)
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

    /// Finishes a pack on a blocking thread and uploads it, in a task of its own.
    fn start_upload(&self, pack: OpenPack) -> Result<()> {
        let session = { self.lock().session.clone() }.ok_or(Error::Worker)?;
        let (contents, failed) = (self.contents.clone(), self.failed.clone());
        let marker = session.marker(&self.options, self.contents.clock().now());
        let work = async move {
            let OpenPack { builder, _permit } = pack;
            let sealer = contents.sealer().clone();
            let version = contents.format().parameters().index_version;
            let (id, bytes) = blocking(move || builder.finish(&sealer, version)).await?;
            session.write_marker(&contents, marker).await?;
            let options = contents.format().put_options(&id, contents.clock().now());
            contents.store().put(&id, bytes, options).await.blob("write", &id)
        };
        let upload = async move {
            let result = work.await;
            failed.fetch_or(result.is_err(), Ordering::SeqCst);
            result
        };
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).spawn_on(upload, &self.handle);
        Ok(())
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
        if self.failed.load(Ordering::SeqCst) {
            return Err(Error::SessionFailed("an earlier write failed".into()));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a content.
enum Appended {
    Done,
    /// It filled its pack.
    Full(OpenPack),
    /// There is no pack to put it in.
    NoPack,
}

/// A content on its way into a pack.
struct Copied<'a> {
    id: ContentId,
    bytes: &'a [u8],
    original_length: u32,
    compression: CompressionId,
    deleted: bool,
    previous: u64,
}
