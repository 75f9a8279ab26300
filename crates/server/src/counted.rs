//! A view of a store that counts what it is asked.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_store::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PutOptions, Result, SignedUrl,
};
use prometheus::Counter;

/// The same objects; every call that reaches the store counts.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: Arc<dyn ObjectStore>,
    calls: Counter,
}

impl Counted {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, calls: Counter) -> Self {
        Self { inner, calls }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Counted {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        self.calls.inc();
        self.inner.put(key, body, options).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        self.calls.inc();
        self.inner.get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        self.calls.inc();
        self.inner.head(key).await
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        self.calls.inc();
        self.inner.list_page(request).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.calls.inc();
        self.inner.delete(key).await
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.inner.signed_url(key, ttl).await
    }
}
