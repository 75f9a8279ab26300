//! A view of a store that refuses every change, for locations with the access mode ReadOnly.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PutOptions, SignedUrl,
};

/// A store without `put` and `delete`: both end in `PermissionDenied` before anything happens.
#[derive(Debug, Clone)]
pub struct ReadOnly {
    inner: Arc<dyn ObjectStore>,
}

impl ReadOnly {
    /// The same objects, without a way to change them.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }
}

fn refused(action: String) -> Error {
    Error::new(ErrorKind::PermissionDenied, action)
        .with_detail("the location is read-only")
        .with_hint("set the access mode of the location to ReadWrite")
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for ReadOnly {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, key: &str, _body: Body, _options: PutOptions) -> Result<()> {
        Err(refused(format!("put {key}")))
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
        Err(refused(format!("delete {key}")))
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.inner.signed_url(key, ttl).await
    }
}
