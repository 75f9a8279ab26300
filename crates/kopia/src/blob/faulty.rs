//! A store that fails when and how a test wants it to.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::{BlobError, BlobMetadata, BlobResult, BlobStore, PutOptions, Retention};

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the operation reaches the store: it and all later ones fail.
    CrashBefore,
    /// The process dies after the operation was carried out, before its answer: all later ones fail as well.
    CrashAfter,
    /// This operation alone fails, and may be tried again.
    Transient,
}

/// Counts the operations on a store and makes one of them fail.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn BlobStore>,
    fault: Option<(u64, Fault)>,
    count: AtomicU64,
    crashed: AtomicBool,
}

impl FaultyStore {
    /// Applies `fault` at operation number `at` (from 0) on `inner`; without one it only counts.
    pub fn new(inner: Arc<dyn BlobStore>, fault: Option<(u64, Fault)>) -> Self {
        Self { inner, fault, count: AtomicU64::new(0), crashed: AtomicBool::new(false) }
    }

    /// How many operations were asked for.
    pub fn operations(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn next(&self) -> BlobResult<Option<Fault>> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        if self.crashed.load(Ordering::SeqCst) {
            return Err(failure(false));
        }
        let Some((_, fault)) = self.fault.filter(|(at, _)| *at == number) else { return Ok(None) };
        if fault != Fault::Transient {
            self.crashed.store(true, Ordering::SeqCst);
        }
        if fault == Fault::CrashAfter { Ok(Some(fault)) } else { Err(failure(fault == Fault::Transient)) }
    }
}

fn failure(retryable: bool) -> BlobError {
    BlobError::Other { retryable, source: "injected fault".into() }
}

fn answer<T>(fault: Option<Fault>, result: BlobResult<T>) -> BlobResult<T> {
    if fault.is_some() { Err(failure(false)) } else { result }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl BlobStore for FaultyStore {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        let fault = self.next()?;
        answer(fault, self.inner.get(id, range).await)
    }

    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        let fault = self.next()?;
        answer(fault, self.inner.put(id, data, options).await)
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        let fault = self.next()?;
        answer(fault, self.inner.delete(id).await)
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        let fault = self.next()?;
        answer(fault, self.inner.metadata(id).await)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        match self.next() {
            Ok(None) => self.inner.list(prefix),
            Ok(Some(_)) => stream::iter([Err(failure(false))]).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn extend_retention(&self, id: &str, retention: Retention) -> BlobResult<()> {
        let fault = self.next()?;
        answer(fault, self.inner.extend_retention(id, retention).await)
    }
}
