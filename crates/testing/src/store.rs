//! A store with faults, in the hands of a process: half-written uploads, a full bucket, lost answers, slowness, sudden death.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_store::{
    Body, Capabilities, Error, ListPage, ListRequest, MemoryStore, Object, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutOptions, Result, SignedUrl,
};
use futures::{StreamExt, TryStreamExt};

use crate::fault::{Call, Faults};
use crate::process::Process;

/// A bucket that outlives the processes that use it.
#[derive(Clone, Default)]
pub struct Bucket(Arc<Inner>);

/// Is shown all keys.
type Look = Arc<dyn Fn(&[String]) + Send + Sync>;

#[derive(Default)]
struct Inner {
    store: MemoryStore,
    faults: Faults<Error>,
    watch: std::sync::Mutex<Option<Look>>,
}

impl Bucket {
    /// Which calls fail or are slow, and which were made. A put that fails `before` has taken half of its content.
    pub fn faults(&self) -> &Faults<Error> {
        &self.0.faults
    }

    /// What is in it, without faults.
    pub fn store(&self) -> &MemoryStore {
        &self.0.store
    }

    /// Shows all keys to `look` after every change, as a reader might see them at that moment.
    pub fn watch(&self, look: impl Fn(&[String]) + Send + Sync + 'static) {
        *self.0.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(look));
    }

    /// All keys, in order.
    pub async fn keys(&self) -> Vec<String> {
        let listed: Result<Vec<_>> = self.0.store.list("").map_ok(|meta| meta.key).try_collect().await;
        listed.expect("a memory store lists")
    }

    /// The store as a process sees it.
    pub fn of(&self, process: &Process) -> FaultyStore {
        FaultyStore { bucket: self.clone(), process: process.clone() }
    }

    async fn show(&self) {
        let look = self.0.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(look) = look {
            look(&self.keys().await);
        }
    }
}

/// A [`Bucket`] in the hands of a [`Process`].
#[derive(Clone)]
pub struct FaultyStore {
    bucket: Bucket,
    process: Process,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

impl FaultyStore {
    async fn call<T>(
        &self,
        verb: &'static str,
        key: &str,
        act: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let call = Call { verb, resource: String::new(), namespace: String::new(), name: key.to_owned() };
        let faults = &self.bucket.0.faults;
        let carried_out = async {
            faults.enter(&call).await?;
            let result = act.await;
            if matches!(verb, "put" | "delete") {
                self.bucket.show().await;
            }
            faults.leave(&call).await?;
            result
        };
        self.process.call(format!("store {call}"), carried_out).await
    }

    fn store(&self) -> &MemoryStore {
        &self.bucket.0.store
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FaultyStore {
    fn capabilities(&self) -> Capabilities {
        self.store().capabilities()
    }

    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        let size = body.size();
        let mut pieces = body.into_stream();
        // Some of it has left the caller before anything can go wrong.
        let first = pieces.next().await;
        let whole = Body::from_stream(futures::stream::iter(first).chain(pieces));
        let whole = match size {
            Some(size) => whole.with_size(size),
            None => whole,
        };
        self.call("put", key, self.store().put(key, whole, options)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        self.call("get", key, self.store().get(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        self.call("head", key, self.store().head(key)).await
    }

    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        self.call("list", &request.prefix, self.store().list_page(request)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.call("delete", key, self.store().delete(key)).await
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.call("url", key, self.store().signed_url(key, ttl)).await
    }
}

#[cfg(test)]
mod tests {
    use bowline_store::ErrorKind;
    use futures::stream;

    use super::*;
    use crate::process::Moment;

    fn body() -> Body {
        Body::from_stream(stream::iter((0..4).map(|_| Ok(bytes::Bytes::from_static(b"piece")))))
    }

    #[tokio::test]
    async fn what_fails_or_dies_half_way_leaves_nothing_and_what_is_done_stays() {
        let bucket = Bucket::default();
        bucket.faults().before(|call| {
            (call.name == "full").then(|| Error::new(ErrorKind::Full, format!("put {}", call.name)))
        });
        let dying = Process::dying_at(2, Moment::After);
        let store = bucket.of(&dying);
        let error = store.put("full", body(), PutOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        tokio::select! {
            biased;
            _ = store.put("last", body(), PutOptions::default()) => panic!("a dead process went on"),
            () = dying.died() => {}
        }
        assert_eq!(bucket.keys().await, ["last"]);
        let content = bucket.store().get_bytes("last", 100).await.unwrap();
        assert_eq!(content.len(), 20);
    }
}
