//! One suite that judges every store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{
    BlobError, BlobStore, BlobStoreExt, Fault, FaultyStore, FileSystemStore, MemoryStore, PutOptions,
    ReadOnlyStore, RetryPolicy, RetryingStore, ThrottledStore,
};

async fn conforms(store: &dyn BlobStore) {
    let long = "p3bf9b8c9398b106ecb0c3e4b8f60ca18-s7d6ecce17ef60a2a147";
    assert!(store.get(long, None).await.unwrap_err().is_not_found());
    assert!(store.metadata(long).await.unwrap_err().is_not_found());
    store.delete(long).await.unwrap();
    for id in [long, "p3bf9b8c9398b106ecb0c3e4b8f60ca19", "kopia.repository", "xe1", "_log_2026"] {
        store.put(id, Bytes::from_static(b"hello"), PutOptions::default()).await.unwrap();
    }
    store.put("xe1", Bytes::from_static(b"replaced"), PutOptions::default()).await.unwrap();
    let refused = store.put("xe1", Bytes::new(), PutOptions::if_absent()).await;
    assert!(matches!(refused, Err(BlobError::AlreadyExists)));
    store.put("xe2", Bytes::from_static(b""), PutOptions::if_absent()).await.unwrap();
    assert_eq!(store.get("xe1", None).await.unwrap(), "replaced");
    assert_eq!(store.get(long, Some(1..3)).await.unwrap(), "el");
    assert_eq!(store.get(long, Some(5..5)).await.unwrap(), "");
    assert!(matches!(store.get(long, Some(2..6)).await, Err(BlobError::InvalidRange { start: 2, end: 6 })));
    assert_eq!(store.metadata("xe1").await.unwrap().length, 8);
    let names = |found: Vec<super::BlobMetadata>| found.into_iter().map(|blob| blob.id).collect::<Vec<_>>();
    assert_eq!(names(store.list_sorted("p3bf9").await.unwrap()), [long, "p3bf9b8c9398b106ecb0c3e4b8f60ca19"]);
    assert_eq!(names(store.list_sorted("xe").await.unwrap()), ["xe1", "xe2"]);
    assert_eq!(store.list_sorted("").await.unwrap().len(), 6);
    store.delete("xe1").await.unwrap();
    assert_eq!(names(store.list_sorted("xe").await.unwrap()), ["xe2"]);
    for bad in ["", "../x", "a/b", ".shards"] {
        assert!(store.put(bad, Bytes::new(), PutOptions::default()).await.is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn every_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&FileSystemStore::create(folder.path().join("repo")).unwrap()).await;
    conforms(&MemoryStore::default()).await;
    conforms(&FaultyStore::new(Arc::new(MemoryStore::default()), None)).await;
    conforms(&RetryingStore::new(Arc::new(MemoryStore::default()), RetryPolicy::default())).await;
    conforms(&ThrottledStore::new(Arc::new(MemoryStore::default()), 1, Duration::ZERO)).await;
}

#[tokio::test]
async fn files_lie_where_kopia_puts_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileSystemStore::create(folder.path()).unwrap();
    for id in ["p3bf9b8c9398b106ecb0c3e4b8f60ca18-s7d6ec", "kopia.repository"] {
        store.put(id, Bytes::new(), PutOptions::default()).await.unwrap();
    }
    assert!(folder.path().join("p/3bf/9b8c9398b106ecb0c3e4b8f60ca18-s7d6ec.f").exists());
    assert!(folder.path().join("kopia.repository.f").exists());
    let shards = std::fs::read_to_string(folder.path().join(".shards")).unwrap();
    assert_eq!(shards, "{\"default\":[1,3],\"maxNonShardedLength\":20}\n");
}

#[tokio::test]
async fn a_read_only_store_refuses_changes() {
    let store = ReadOnlyStore(Arc::new(MemoryStore::default()));
    assert!(matches!(store.put("x", Bytes::new(), PutOptions::default()).await, Err(BlobError::ReadOnly)));
    assert!(matches!(store.delete("x").await, Err(BlobError::ReadOnly)));
}

#[tokio::test(start_paused = true)]
async fn passing_failures_are_retried_and_crashes_are_not() {
    for (fault, works) in [(Fault::Transient, true), (Fault::CrashBefore, false)] {
        let faulty = Arc::new(FaultyStore::new(Arc::new(MemoryStore::default()), Some((0, fault))));
        let store = RetryingStore::new(faulty.clone(), RetryPolicy::default());
        let result = store.put("x", Bytes::new(), PutOptions::default()).await;
        assert_eq!(result.is_ok(), works);
        assert_eq!(faulty.operations(), if works { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_crash_after_the_operation_leaves_its_effect() {
    let memory = MemoryStore::default();
    let faulty = FaultyStore::new(Arc::new(memory.clone()), Some((0, Fault::CrashAfter)));
    assert!(faulty.put("x", Bytes::new(), PutOptions::default()).await.is_err());
    assert!(memory.get("x", None).await.is_ok());
    assert!(faulty.get("x", None).await.is_err());
}
