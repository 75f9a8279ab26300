//! A small cache of pack segments: directories and manifests lie side by side in packs, so one request brings many.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::Result;
use crate::blob::{BlobError, BlobStore};
use crate::error::BlobContext;
use crate::recent::Recent;

const SEGMENT: u64 = 2 << 20;
const CAPACITY: usize = 8;

/// A pack, and the number of a segment in it.
type Place = (Arc<str>, u64);

/// The last used segments of packs, at most 16 MiB.
#[derive(Debug)]
pub(super) struct SegmentCache {
    store: Arc<dyn BlobStore>,
    recent: Recent<Place, Bytes>,
    lengths: Mutex<HashMap<Arc<str>, u64>>,
}

impl SegmentCache {
    pub(super) fn new(store: Arc<dyn BlobStore>) -> Self {
        Self { store, recent: Recent::new(CAPACITY), lengths: Mutex::default() }
    }

    /// The bytes of a range of a pack.
    pub(super) async fn get(&self, pack: &Arc<str>, range: Range<u64>) -> Result<Bytes> {
        let length = self.length(pack).await?;
        if range.end > length {
            return Err(BlobError::InvalidRange { start: range.start, end: range.end }).blob("read", pack);
        }
        let mut out = BytesMut::new();
        let mut at = range.start;
        while at < range.end {
            let number = at / SEGMENT;
            let start = number * SEGMENT;
            let segment = self.segment(pack, number, start..(start + SEGMENT).min(length)).await?;
            let end = range.end.min(start + SEGMENT);
            let part = segment.slice((at - start) as usize..(end - start) as usize);
            if at == range.start && end == range.end {
                return Ok(part);
            }
            out.extend_from_slice(&part);
            at = end;
        }
        Ok(out.freeze())
    }

    async fn segment(&self, pack: &Arc<str>, number: u64, range: Range<u64>) -> Result<Bytes> {
        let read = || async { self.store.get(pack, Some(range)).await.blob("read", pack) };
        self.recent.get((pack.clone(), number), read).await
    }

    async fn length(&self, pack: &Arc<str>) -> Result<u64> {
        let known = self.lengths.lock().unwrap_or_else(PoisonError::into_inner).get(pack).copied();
        if let Some(length) = known {
            return Ok(length);
        }
        let length = self.store.metadata(pack).await.blob("inspect", pack)?.length;
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner).insert(pack.clone(), length);
        Ok(length)
    }
}
