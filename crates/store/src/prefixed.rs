//! A view of a store from below a prefix: the rest of the program never sees where in a bucket it lives.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::key;
use crate::object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PutOptions, SignedUrl,
};

/// A store whose keys all get a prefix on their way in and lose it on their way out.
#[derive(Debug, Clone)]
pub struct Prefixed {
    inner: Arc<dyn ObjectStore>,
    prefix: String,
}

impl Prefixed {
    /// `prefix` is a key without `/` at its end (`InvalidKey` otherwise); one `/` is put behind it.
    pub fn new(inner: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        key::check(prefix)?;
        Ok(Self { inner, prefix: format!("{prefix}/") })
    }

    fn inside(&self, key: &str) -> Result<String> {
        key::check(key)?;
        Ok(format!("{}{key}", self.prefix))
    }

    fn strip(&self, key: &str) -> String {
        key.strip_prefix(&self.prefix).unwrap_or(key).to_owned()
    }

    fn strip_meta(&self, mut meta: ObjectMeta) -> ObjectMeta {
        meta.key = self.strip(&meta.key);
        meta
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Prefixed {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        self.inner.put(&self.inside(key)?, body, options).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        let object = self.inner.get(&self.inside(key)?, range).await?;
        Ok(Object { meta: self.strip_meta(object.meta), ..object })
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        Ok(self.strip_meta(self.inner.head(&self.inside(key)?).await?))
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        key::check_prefix(&request.prefix)?;
        let prefix = format!("{}{}", self.prefix, request.prefix);
        let page = self.inner.list_page(&ListRequest { prefix, ..request.clone() }).await?;
        Ok(ListPage {
            objects: page.objects.into_iter().map(|meta| self.strip_meta(meta)).collect(),
            prefixes: page.prefixes.iter().map(|prefix| self.strip(prefix)).collect(),
            next: page.next,
        })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.inner.delete(&self.inside(key)?).await
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.inner.signed_url(&self.inside(key)?, ttl).await
    }
}
