//! A view of a store whose backups can't be changed, for locations with the access mode ReadOnly.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PutOptions, SignedUrl,
};

/// What may change all the same: a restore from a read-only location keeps its log and results there, as with Velero, whose
/// guide for disasters tells to make the location read-only first.
const RESTORES: &str = "restores/";

/// A store whose `put` and `delete` end in `PermissionDenied` before anything happens, but for what belongs to restores.
#[derive(Debug, Clone)]
pub struct ReadOnly {
    inner: Arc<dyn ObjectStore>,
}

impl ReadOnly {
    /// The same objects, without a way to change backups. Keys are those of the location, without its prefix.
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

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        if key.starts_with(RESTORES) {
            return self.inner.put(key, body, options).await;
        }
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
        if key.starts_with(RESTORES) {
            return self.inner.delete(key).await;
        }
        Err(refused(format!("delete {key}")))
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.inner.signed_url(key, ttl).await
    }
}
