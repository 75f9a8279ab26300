//! Stores that add one property to another store: read-only, retrying, throttled.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::Semaphore;

use super::{BlobError, BlobMetadata, BlobResult, BlobStore, PutOptions, Retention};

/// Refuses every change.
#[derive(Debug)]
pub struct ReadOnlyStore(pub Arc<dyn BlobStore>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl BlobStore for ReadOnlyStore {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        self.0.get(id, range).await
    }

    async fn put(&self, _: &str, _: Bytes, _: PutOptions) -> BlobResult<()> {
        Err(BlobError::ReadOnly)
    }

    async fn delete(&self, _: &str) -> BlobResult<()> {
        Err(BlobError::ReadOnly)
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        self.0.metadata(id).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        self.0.list(prefix)
    }

    async fn extend_retention(&self, _: &str, _: Retention) -> BlobResult<()> {
        Err(BlobError::ReadOnly)
    }
}

/// How often and how patiently to try again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in all, at least one.
    pub attempts: u32,
    /// The wait after the first failure; it doubles each time.
    pub first_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 10, first_delay: Duration::from_millis(100), max_delay: Duration::from_secs(15) }
    }
}

/// Tries again what failed for a passing reason (see [`BlobError::is_retryable`]).
#[derive(Debug)]
pub struct RetryingStore {
    inner: Arc<dyn BlobStore>,
    policy: RetryPolicy,
}

impl RetryingStore {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn BlobStore>, policy: RetryPolicy) -> Self {
        Self { inner, policy }
    }

    async fn retry<T, F>(&self, mut operation: impl FnMut() -> F) -> BlobResult<T>
    where
        F: Future<Output = BlobResult<T>>,
    {
        let mut delay = self.policy.first_delay;
        for _ in 1..self.policy.attempts {
            match operation().await {
                Err(error) if error.is_retryable() => tokio::time::sleep(delay).await,
                other => return other,
            }
            delay = (delay * 2).min(self.policy.max_delay);
        }
        operation().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl BlobStore for RetryingStore {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        self.retry(|| self.inner.get(id, range.clone())).await
    }

    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        self.retry(|| self.inner.put(id, data.clone(), options.clone())).await
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        self.retry(|| self.inner.delete(id)).await
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        self.retry(|| self.inner.metadata(id)).await
    }

    /// A listing that breaks is begun anew, so it is collected first.
    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        let collected = self.retry(move || self.inner.list(prefix).try_collect::<Vec<_>>());
        stream::once(collected).map_ok(|found| stream::iter(found).map(Ok)).try_flatten().boxed()
    }

    async fn extend_retention(&self, id: &str, retention: Retention) -> BlobResult<()> {
        self.retry(|| self.inner.extend_retention(id, retention.clone())).await
    }
}

/// Bounds how many operations are under way at once, and adds a delay to each (to try out a far store).
#[derive(Debug)]
pub struct ThrottledStore {
    inner: Arc<dyn BlobStore>,
    permits: Semaphore,
    latency: Duration,
}

impl ThrottledStore {
    /// At most `concurrency` operations at once, each `latency` later.
    pub fn new(inner: Arc<dyn BlobStore>, concurrency: usize, latency: Duration) -> Self {
        Self { inner, permits: Semaphore::new(concurrency.max(1)), latency }
    }

    async fn pass<T>(&self, operation: impl Future<Output = BlobResult<T>>) -> BlobResult<T> {
        let _permit = self.permits.acquire().await;
        tokio::time::sleep(self.latency).await;
        operation.await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl BlobStore for ThrottledStore {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        self.pass(self.inner.get(id, range)).await
    }

    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        self.pass(self.inner.put(id, data, options)).await
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        self.pass(self.inner.delete(id)).await
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        self.pass(self.inner.metadata(id)).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        stream::once(self.pass(async { Ok(()) })).map_ok(|()| self.inner.list(prefix)).try_flatten().boxed()
    }

    async fn extend_retention(&self, id: &str, retention: Retention) -> BlobResult<()> {
        self.pass(self.inner.extend_retention(id, retention)).await
    }
}
