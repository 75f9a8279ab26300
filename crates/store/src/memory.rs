//! A store in memory, for tests and as the shortest reading of the trait's contract.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::key;
use crate::object::{
    Body, Capabilities, ListPage, ListRequest, Object, ObjectMeta, ObjectStore, PageToken, PutOptions,
    SignedUrl,
};
use crate::range::{self, Pieces};

/// Entries per page: small, so that tests meet page borders.
const PAGE: usize = 100;
/// Bytes per piece of a body: small, so that tests meet piece borders.
const PIECE: usize = 64 * 1024;

/// Objects in a map. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<BTreeMap<String, Stored>>>,
}

#[derive(Debug, Clone)]
struct Stored {
    content: Bytes,
    modified: jiff::Timestamp,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Stored>) -> T) -> T {
        // No code that can panic runs under the lock, so a poisoned map is still whole.
        act(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, key: &str) -> Result<(ObjectMeta, Bytes)> {
        key::check(key)?;
        let stored = self.with(|objects| objects.get(key).cloned());
        let stored = stored.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("read {key}")))?;
        Ok((meta(key, &stored), stored.content))
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { signed_urls: false, conditional_put: true }
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        key::check(key)?;
        let mut content = BytesMut::new();
        let mut pieces = Pieces::new(key, body);
        while let Some(piece) = pieces.next().await? {
            content.extend_from_slice(&piece);
        }
        let stored = Stored { content: content.freeze(), modified: jiff::Timestamp::now() };
        self.with(|objects| {
            if options.if_absent && objects.contains_key(key) {
                return Err(Error::new(ErrorKind::AlreadyExists, format!("put {key}")));
            }
            objects.insert(key.to_owned(), stored);
            Ok(())
        })
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        let (meta, content) = self.find(key)?;
        let range = range::resolve(key, range, meta.size)?;
        let content = content.slice(range.start as usize..range.end as usize);
        let starts = (0..content.len()).step_by(PIECE);
        let pieces: Vec<_> = starts.map(|at| Ok(content.slice(at..content.len().min(at + PIECE)))).collect();
        Ok(Object { meta, range, body: stream::iter(pieces).boxed() })
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        Ok(self.find(key)?.0)
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        key::check_prefix(&request.prefix)?;
        Ok(self.with(|objects| page(objects, request)))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        key::check(key)?;
        self.with(|objects| objects.remove(key));
        Ok(())
    }

    async fn signed_url(&self, key: &str, _ttl: Duration) -> Result<SignedUrl> {
        Err(Error::new(ErrorKind::NotSupported, format!("make a URL for {key}")))
    }
}

fn meta(key: &str, stored: &Stored) -> ObjectMeta {
    ObjectMeta { key: key.to_owned(), size: stored.content.len() as u64, modified: Some(stored.modified) }
}

/// The token is the last key or common prefix that was returned.
fn page(objects: &BTreeMap<String, Stored>, request: &ListRequest) -> ListPage {
    let prefix = request.prefix.as_str();
    let after = request.token.as_ref().map(|token| token.0.as_str());
    let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
    let mut page = ListPage::default();
    let mut last: Option<String> = None;
    let matching = objects
        .range::<str, _>((start, Bound::Unbounded))
        .take_while(|(key, _)| key.starts_with(prefix))
        .filter(|(key, _)| after.is_none_or(|after| !after.ends_with('/') || !key.starts_with(after)));
    for (key, stored) in matching {
        let directory = common_prefix(key, request);
        if directory.is_some() && directory == page.prefixes.last().map(String::as_str) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == PAGE {
            page.next = last.map(PageToken);
            return page;
        }
        last = Some(directory.unwrap_or(key).to_owned());
        match directory {
            Some(directory) => page.prefixes.push(directory.to_owned()),
            None => page.objects.push(meta(key, stored)),
        }
    }
    page
}

fn common_prefix<'a>(key: &'a str, request: &ListRequest) -> Option<&'a str> {
    let rest = key.get(request.prefix.len()..).filter(|_| request.delimited)?;
    rest.find('/').map(|slash| &key[..=request.prefix.len() + slash])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prefixed, ReadOnly};

    #[tokio::test]
    async fn a_map_keeps_the_contract() {
        crate::conformance::check(&MemoryStore::new()).await;
    }

    #[tokio::test]
    async fn a_prefixed_view_keeps_the_contract_and_stays_below_its_prefix() {
        let store = MemoryStore::new();
        store.put("area/x", "outside".into(), PutOptions::default()).await.unwrap();
        let view = Prefixed::new(Arc::new(store.clone()), "some/where").unwrap();
        crate::conformance::check(&view).await;
        view.put("k", "inside".into(), PutOptions::default()).await.unwrap();
        assert!(store.find("some/where/k").is_ok());
    }

    #[tokio::test]
    async fn a_read_only_view_changes_nothing() {
        let store = MemoryStore::new();
        store.put("k", "x".into(), PutOptions::default()).await.unwrap();
        let view = ReadOnly::new(Arc::new(store));
        let put = view.put("k", "y".into(), PutOptions::default()).await.unwrap_err();
        assert_eq!(put.kind(), ErrorKind::PermissionDenied);
        assert!(view.delete("k").await.is_err() && view.head("k").await.is_ok());
    }
}
