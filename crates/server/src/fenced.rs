//! Stores and containers behind the fence of the leader: whoever has lost the Lease changes nothing in either.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::port::{ExecError, ExecRequest, PodExec};
use bowline_reconcile::Fence;
use bowline_store::{
    Body, Capabilities, Error, ErrorKind, ListPage, ListRequest, LocationConfig, Object, ObjectMeta,
    ObjectStore, PutOptions, Result, SignedUrl,
};
use futures::{StreamExt, stream};

use crate::host::StoreRegistry;

/// Opens stores behind a fence.
pub(crate) struct FencedStores {
    inner: Arc<dyn StoreRegistry>,
    fence: Fence,
}

impl FencedStores {
    pub(crate) fn new(inner: Arc<dyn StoreRegistry>, fence: Fence) -> Self {
        Self { inner, fence }
    }
}

#[async_trait]
impl StoreRegistry for FencedStores {
    async fn open(&self, location: &LocationConfig) -> Result<Arc<dyn ObjectStore>> {
        Ok(Arc::new(FencedStore { inner: self.inner.open(location).await?, fence: self.fence.clone() }))
    }
}

/// A store that refuses changes when the fence is closed.
#[derive(Debug)]
struct FencedStore {
    inner: Arc<dyn ObjectStore>,
    fence: Fence,
}

impl FencedStore {
    async fn guard<T>(&self, action: String, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.fence.guard(work).await.unwrap_or_else(|fenced| {
            Err(Error::new(ErrorKind::PermissionDenied, action).with_detail(fenced.to_string()))
        })
    }
}

/// The same content, which fails after its last piece unless the fence is open then: the last moment before the store makes the object
/// visible.
fn checked_at_its_end(body: Body, fence: Fence) -> Body {
    let size = body.size();
    let end = stream::once(async move { fence.check() })
        .filter_map(|checked| async move { checked.err().map(|fenced| Err(std::io::Error::other(fenced))) });
    let body = Body::from_stream(body.into_stream().chain(end));
    match size {
        Some(size) => body.with_size(size),
        None => body,
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FencedStore {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        let body = checked_at_its_end(body, self.fence.clone());
        self.guard(format!("put {key}"), self.inner.put(key, body, options)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        self.inner.get(key, range).await
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        self.inner.head(key).await
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        self.inner.list_page(request).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.guard(format!("delete {key}"), self.inner.delete(key)).await
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.inner.signed_url(key, ttl).await
    }
}

/// Runs commands in containers as long as the fence is open.
pub(crate) struct FencedExec {
    inner: Arc<dyn PodExec>,
    fence: Fence,
}

impl FencedExec {
    pub(crate) fn new(inner: Arc<dyn PodExec>, fence: Fence) -> Self {
        Self { inner, fence }
    }
}

#[async_trait]
impl PodExec for FencedExec {
    async fn exec(&self, request: &ExecRequest) -> std::result::Result<String, ExecError> {
        let done = self.fence.guard(self.inner.exec(request)).await;
        done.unwrap_or_else(|fenced| Err(ExecError::Connection(fenced.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use bowline_store::{MemoryStore, ObjectStoreExt};
    use bytes::Bytes;

    use super::*;

    fn store() -> (FencedStore, Fence) {
        let fence = Fence::open();
        (FencedStore { inner: Arc::new(MemoryStore::new()), fence: fence.clone() }, fence)
    }

    #[tokio::test]
    async fn whoever_lost_the_lease_can_read_and_change_nothing() {
        let (store, fence) = store();
        store.put("a", Body::from("1"), PutOptions::default()).await.unwrap();
        fence.close();
        assert!(store.put("b", Body::from("1"), PutOptions::default()).await.is_err());
        assert!(store.delete("a").await.is_err());
        assert!(store.exists("a").await.unwrap() && !store.exists("b").await.unwrap());
    }

    #[tokio::test]
    async fn an_upload_that_ends_after_the_lease_is_not_seen() {
        let (store, fence) = store();
        let closing = stream::once(async move {
            fence.close();
            Ok(Bytes::from_static(b"1"))
        });
        let error = store.put("a", Body::from_stream(closing), PutOptions::default()).await;
        assert!(error.is_err() && !store.exists("a").await.unwrap());
    }
}
