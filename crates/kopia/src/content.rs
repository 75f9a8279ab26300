//! Contents: encrypted, deduplicated chunks of at most some megabytes, found through the index and kept in packs.

mod ranges;
mod segments;
mod writer;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::blob::{BlobMetadata, BlobStore};
use crate::budget::Budget;
use crate::buffers::{Buffer, Buffers};
use crate::clock::Clock;
use crate::compression::{self, CompressionId};
use crate::content_id::ContentId;
use crate::error::BlobContext;
use crate::format::{Format, RepositoryParameters};
use crate::index::epoch::EpochState;
use crate::index::{IndexEntry, IndexFile, IndexSet, PackNames, legacy};
use crate::seal::Sealer;
use crate::{Error, Result, pack};

pub(crate) use ranges::{Located, RangeRead, coalesce};
use segments::SegmentCache;
pub use writer::{ContentWriter, WriteOptions};

/// Index blobs read at the same time.
const PARALLEL_INDEXES: usize = 8;
/// Bytes of index blobs on their way into memory or temporary files.
const READING: usize = 48 << 20;
/// A compacted index may replace blobs between their listing and their reading; then the listing is repeated.
const LISTINGS: usize = 4;
/// Smaller contents are decrypted where they arrive, larger ones on a blocking thread.
const INLINE_DECODE: usize = 64 << 10;
/// The format blob is read again after this time.
const FORMAT_AGE: SignedDuration = SignedDuration::from_mins(15);

/// Reads contents, and knows which exist.
#[derive(Debug)]
pub struct ContentStore {
    store: Arc<dyn BlobStore>,
    format: Format,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    index_memory: usize,
    parameters: Mutex<Known>,
    index: RwLock<Index>,
    names: Arc<PackNames>,
    /// Held while the index is replaced, so that no refresh forgets what a writer adds meanwhile.
    pub(crate) refreshing: tokio::sync::Mutex<()>,
    segments: SegmentCache,
    /// For contents that are decrypted, used and forgotten.
    buffers: Arc<Buffers>,
}

/// The parameters of the repository as of their last reading.
#[derive(Debug, Clone)]
struct Known {
    read_at: Timestamp,
    parameters: Arc<RepositoryParameters>,
}

#[derive(Debug, Clone, Default)]
struct Index {
    set: Arc<IndexSet>,
    epochs: Option<Arc<EpochState>>,
}

impl ContentStore {
    pub(crate) async fn open(
        store: Arc<dyn BlobStore>,
        format: Format,
        clock: Arc<dyn Clock>,
        index_memory: usize,
    ) -> Result<Self> {
        let sealer = Arc::new(Sealer::new(format.parameters())?);
        let known = Known { read_at: clock.now(), parameters: Arc::new(format.parameters().clone()) };
        let contents = Self {
            parameters: Mutex::new(known),
            segments: SegmentCache::new(store.clone()),
            store,
            format,
            sealer,
            clock,
            index_memory,
            index: RwLock::default(),
            names: Arc::default(),
            refreshing: tokio::sync::Mutex::default(),
            buffers: Arc::default(),
        };
        contents.refresh().await?;
        Ok(contents)
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn BlobStore> {
        &self.store
    }

    /// The format of the repository.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The parameters as last read; what may change of them is younger here than in [`ContentStore::format`].
    pub fn parameters(&self) -> Arc<RepositoryParameters> {
        self.known().parameters
    }

    fn known(&self) -> Known {
        self.parameters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The parameters, read again when they were last read too long ago.
    ///
    /// # Errors
    /// As [`Format::open`], with [`Error::UpgradeLocked`] among them.
    pub(crate) async fn fresh_parameters(&self) -> Result<Arc<RepositoryParameters>> {
        let (known, now) = (self.known(), self.clock.now());
        let age = now.duration_since(known.read_at);
        if age >= SignedDuration::ZERO && age < FORMAT_AGE {
            return Ok(known.parameters);
        }
        let parameters = Arc::new(self.format.reread(&*self.store).await?);
        let known = Known { read_at: now, parameters: parameters.clone() };
        *self.parameters.lock().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(parameters)
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn sealer(&self) -> &Arc<Sealer> {
        &self.sealer
    }

    /// The index as of the last refresh.
    pub fn index(&self) -> Arc<IndexSet> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).set.clone()
    }

    /// The epochs as of the last refresh, where the repository has any.
    pub(crate) fn epochs(&self) -> Option<Arc<EpochState>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).epochs.clone()
    }

    /// Adds a committed index to the set in use. The caller holds `refreshing`.
    pub(crate) fn add_index(&self, name: String, payload: Vec<u8>) -> Result<()> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let spill = index.set.memory() + payload.len() > self.index_memory;
        let file = Arc::new(IndexFile::sharing(&self.names, &name, payload, spill)?);
        index.set = Arc::new(index.set.with(name, file));
        Ok(())
    }

    /// Reads what other clients committed since the last refresh.
    ///
    /// # Errors
    /// Those of the store; [`Error::Damaged`] naming the index blob.
    pub async fn refresh(&self) -> Result<()> {
        let _guard = self.refreshing.lock().await;
        self.refresh_locked().await.map(|_| ())
    }

    /// As [`ContentStore::refresh`]; the caller holds `refreshing`.
    pub(crate) async fn refresh_locked(&self) -> Result<Option<Arc<EpochState>>> {
        let mut last = None;
        for _ in 0..LISTINGS {
            match self.read_index().await {
                Ok(index) => {
                    let epochs = index.epochs.clone();
                    *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
                    self.names.forget_unused();
                    return Ok(epochs);
                }
                Err(error) if error.is_not_found() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or(Error::Worker))
    }

    async fn read_index(&self) -> Result<Index> {
        if !self.fresh_parameters().await?.has_epochs() {
            let blobs = legacy::active(&*self.store, &self.sealer).await?;
            let set = self.load(blobs.iter().collect(), None).await?;
            return Ok(Index { set: Arc::new(set), epochs: None });
        }
        let epochs = EpochState::list(&*self.store, self.clock.now()).await?;
        let set = self.load(epochs.active(), epochs.watermark).await?;
        Ok(Index { set: Arc::new(set), epochs: Some(Arc::new(epochs)) })
    }

    async fn load(&self, blobs: Vec<&BlobMetadata>, watermark: Option<u64>) -> Result<IndexSet> {
        let known = self.index();
        let (mut files, mut missing) = (Vec::with_capacity(blobs.len()), Vec::new());
        for blob in blobs {
            match known.file(&blob.id) {
                Some(file) => files.push((blob.id.clone(), file.clone())),
                None => missing.push(blob.clone()),
            }
        }
        drop(known);
        let budget = Budget::new(READING);
        let read = async |blob: BlobMetadata| {
            let room = budget.take(blob.length).await?;
            Ok::<_, Error>((self.index_payload(blob.id).await?, room))
        };
        let mut reading = stream::iter(missing).map(read).buffer_unordered(PARALLEL_INDEXES).boxed();
        let mut memory: usize = files.iter().map(|(_, file)| file.memory()).sum();
        while let Some(((name, payload), _room)) = reading.try_next().await? {
            let spill = memory + payload.len() > self.index_memory;
            let (label, names) = (name.clone(), self.names.clone());
            let file = blocking(move || IndexFile::sharing(&names, &label, payload, spill)).await?;
            memory += file.memory();
            files.push((name, Arc::new(file)));
        }
        drop(reading);
        Ok(IndexSet::new(files, watermark))
    }

    /// One index out of several blobs, for their compaction.
    pub(crate) async fn index_of(&self, blobs: Vec<&BlobMetadata>) -> Result<IndexSet> {
        self.load(blobs, None).await
    }

    async fn index_payload(&self, id: String) -> Result<(String, Vec<u8>)> {
        let stored = self.store.get(&id, None).await.blob("read", &id)?;
        let sealer = self.sealer.clone();
        blocking(move || sealer.open_blob(&id, stored).map(|payload| (id, payload))).await
    }

    /// Where a content is; a deleted one is found until it is dropped.
    ///
    /// # Errors
    /// [`Error::ContentNotFound`].
    pub fn entry(&self, id: &ContentId) -> Result<IndexEntry> {
        self.index().find(id)?.ok_or_else(|| Error::ContentNotFound(id.to_string()))
    }

    /// The bytes of a content.
    ///
    /// # Errors
    /// [`Error::ContentNotFound`]; [`Error::Damaged`] when the stored bytes are not what was written; those of the store.
    pub async fn read(&self, id: &ContentId) -> Result<Bytes> {
        let entry = self.entry(id)?;
        match self.read_stored(&entry).await {
            // Maintenance of another client may have moved the content to another pack.
            Err(error) if error.is_not_found() => {
                self.refresh().await?;
                let entry = self.entry(id)?;
                let stored = self.read_stored(&entry).await?;
                self.decode_anywhere(entry, stored).await
            }
            stored => self.decode_anywhere(entry, stored?).await,
        }
    }

    async fn read_stored(&self, entry: &IndexEntry) -> Result<Bytes> {
        if entry.id.prefix().is_some() {
            return self.segments.get(&entry.pack, entry.range()).await;
        }
        self.store.get(&entry.pack, Some(entry.range())).await.blob("read", &entry.pack)
    }

    async fn decode_anywhere(&self, entry: IndexEntry, stored: Bytes) -> Result<Bytes> {
        if stored.len() <= INLINE_DECODE {
            return self.decode(&entry, stored.into()).map(Bytes::from);
        }
        let sealer = self.sealer.clone();
        blocking(move || decode(&sealer, &entry, stored.into()).map(Bytes::from)).await
    }

    /// Decrypts and decompresses what is stored for `entry`.
    pub(crate) fn decode(&self, entry: &IndexEntry, stored: Vec<u8>) -> Result<Vec<u8>> {
        decode(&self.sealer, entry, stored)
    }

    /// As [`ContentStore::decode`], into a buffer that is used again; the bytes lie there as at `place` of a file.
    pub(crate) fn decode_into<'b>(
        &self,
        entry: &IndexEntry,
        stored: &[u8],
        (buffer, place): (&'b mut Buffer, u64),
    ) -> Result<Cow<'b, [u8]>> {
        let what = format!("content {}", entry.id);
        let plain = self.sealer.open_into(&what, entry.id.iv(), stored, (buffer, place))?;
        unpack(what, entry, plain.into())
    }

    /// A buffer for [`ContentStore::decode_into`].
    pub(crate) fn buffer(&self) -> Buffer {
        self.buffers.take_used()
    }

    /// Decodes what is stored for `entry`, and looks whether it has the hash that names it.
    pub(crate) fn check(&self, entry: &IndexEntry, stored: &[u8], buffer: &mut Buffer) -> Result<()> {
        let plain = self.decode_into(entry, stored, (buffer, 0))?;
        if self.sealer.hasher().hash(&plain).as_slice() != entry.id.digest() {
            return Err(Error::damaged(format!("content {}", entry.id), "its hash is not its name"));
        }
        Ok(())
    }

    /// The entries in the recovery index at the end of a pack.
    ///
    /// # Errors
    /// [`Error::Damaged`] naming the pack.
    pub async fn pack_entries(&self, pack: &str) -> Result<Vec<IndexEntry>> {
        let stored = self.store.get(pack, None).await.blob("read", pack)?;
        pack::read_local_index(&self.sealer, pack, &stored)
    }
}

fn decode(sealer: &Sealer, entry: &IndexEntry, stored: Vec<u8>) -> Result<Vec<u8>> {
    let what = format!("content {}", entry.id);
    let plain = sealer.open(&what, entry.id.iv(), stored)?;
    Ok(unpack(what, entry, plain.into())?.into_owned())
}

/// Decompresses what was decrypted, and holds it to what the index says.
fn unpack<'p>(what: String, entry: &IndexEntry, plain: Cow<'p, [u8]>) -> Result<Cow<'p, [u8]>> {
    let plain = if entry.compression == CompressionId::NONE {
        plain
    } else if compression::header(&plain) == Some(entry.compression) {
        compression::decompress(&what, &plain, entry.original_length as usize)?.into()
    } else {
        return Err(Error::damaged(what, "its compression is not what the index says"));
    };
    if plain.len() != entry.original_length as usize {
        return Err(Error::damaged(what, "its length is not what the index says"));
    }
    Ok(plain)
}

/// Runs CPU work away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Worker)?
}
