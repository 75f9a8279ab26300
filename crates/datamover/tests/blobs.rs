//! The adapter against the engine's contract, over the stores that need no network.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_datamover::ObjectBlobs;
use bowline_store::{
    Body, Capabilities, Error, ErrorKind, FilesystemStore, ListPage, ListRequest, MemoryStore, Object,
    ObjectMeta, ObjectStore, ObjectStoreExt, SignedUrl,
};
use bytes::Bytes;
use kopia::blob::{BlobError, BlobStore, BlobStoreExt, PutOptions, Retention, RetentionMode, conformance};

#[tokio::test]
async fn objects_keep_the_contract_of_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let filesystem = FilesystemStore::open(folder.path().to_owned()).await.unwrap();
    let stores: [Arc<dyn ObjectStore>; 2] = [Arc::new(MemoryStore::new()), Arc::new(filesystem)];
    for store in stores {
        for prefix in ["kopia/shop", "", "some/where/kopia/shop"] {
            let blobs = ObjectBlobs::new(store.clone(), prefix).unwrap();
            if prefix.is_empty() {
                // What lies beside the blobs is not seen.
                assert_eq!(blobs.list_sorted("").await.unwrap(), []);
            }
            conformance::check(&blobs).await;
            for blob in blobs.list_sorted("").await.unwrap() {
                blobs.delete(&blob.id).await.unwrap();
            }
        }
        conformance::check(&ObjectBlobs::new(store, "retrying").unwrap().retrying()).await;
    }
}

#[tokio::test]
async fn blobs_are_objects_below_the_prefix() {
    let store = Arc::new(MemoryStore::new());
    let blobs = ObjectBlobs::new(store.clone(), "kopia/shop").unwrap();
    blobs.put("kopia.repository", "x".into(), PutOptions::default()).await.unwrap();
    assert!(store.exists("kopia/shop/kopia.repository").await.unwrap());
    assert!(ObjectBlobs::new(store, "../elsewhere").is_err());
}

#[tokio::test]
async fn a_lock_is_refused_rather_than_forgotten() {
    let blobs = ObjectBlobs::new(Arc::new(MemoryStore::new()), "").unwrap();
    let retention = Retention { mode: RetentionMode::Compliance, until: jiff::Timestamp::MAX };
    let options = PutOptions { retention: Some(retention), ..PutOptions::default() };
    let refused = blobs.put("p1", Bytes::new(), options).await;
    assert!(matches!(refused, Err(BlobError::Unsupported { .. })), "{refused:?}");
}

/// A store that cannot write on a condition, and does not tell times.
#[derive(Debug)]
struct Plain(MemoryStore);

#[async_trait]
impl ObjectStore for Plain {
    fn capabilities(&self) -> Capabilities {
        Capabilities { signed_urls: false, conditional_put: false }
    }

    async fn put(
        &self,
        key: &str,
        body: Body,
        options: bowline_store::PutOptions,
    ) -> bowline_store::Result<()> {
        if options.if_absent {
            return Err(Error::new(ErrorKind::NotSupported, "put on a condition"));
        }
        self.0.put(key, body, options).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> bowline_store::Result<Object> {
        self.0.get(key, range).await
    }

    async fn head(&self, key: &str) -> bowline_store::Result<ObjectMeta> {
        Ok(ObjectMeta { modified: None, ..self.0.head(key).await? })
    }

    async fn list_page(&self, request: &ListRequest) -> bowline_store::Result<ListPage> {
        self.0.list_page(request).await
    }

    async fn delete(&self, key: &str) -> bowline_store::Result<()> {
        self.0.delete(key).await
    }

    async fn signed_url(&self, key: &str, ttl: Duration) -> bowline_store::Result<SignedUrl> {
        self.0.signed_url(key, ttl).await
    }
}

#[tokio::test]
async fn without_conditions_the_store_is_asked_first_and_without_times_refused() {
    let blobs = ObjectBlobs::new(Arc::new(Plain(MemoryStore::new())), "").unwrap();
    blobs.put("kopia.repository", "x".into(), PutOptions::if_absent()).await.unwrap();
    let second = blobs.put("kopia.repository", "y".into(), PutOptions::if_absent()).await;
    assert!(matches!(second, Err(BlobError::AlreadyExists)), "{second:?}");
    assert_eq!(blobs.get("kopia.repository", None).await.unwrap(), "x");
    assert!(matches!(blobs.metadata("kopia.repository").await, Err(BlobError::Unsupported { .. })));
}
