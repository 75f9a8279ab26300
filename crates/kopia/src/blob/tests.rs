//! Every store of this crate against the contract, and what only one of them does.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::conformance::check;
use super::{
    BlobError, BlobStore, BlobStoreExt, Fault, FaultyStore, FileSystemStore, MemoryStore, PutOptions,
    ReadOnlyStore, RetryPolicy, RetryingStore, ThrottledStore,
};

#[tokio::test]
async fn every_store_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    check(&FileSystemStore::create(folder.path().join("repo")).unwrap()).await;
    check(&MemoryStore::default()).await;
    check(&FaultyStore::new(Arc::new(MemoryStore::default()), None)).await;
    check(&RetryingStore::new(Arc::new(MemoryStore::default()), RetryPolicy::default())).await;
    check(&ThrottledStore::new(Arc::new(MemoryStore::default()), 1, Duration::ZERO)).await;
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
    let mode = |path: &str| std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("kopia.repository.f"), mode("p/3bf")), (0o600, 0o700));
    std::fs::write(folder.path().join("p/3bf/left.tmp.0123"), "").unwrap();
    assert_eq!(store.list_sorted("").await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_shards_of_an_existing_folder_are_kept() {
    let twenty_one = "pabcdefghijklmnopqrst";
    let overrides = r#"{"default":[1,3],"maxNonShardedLength":20,"overrides":[{"prefix":"pab","shards":[2]},{"prefix":"p","shards":[4]}]}"#;
    for (shards, path) in [
        (None, "pab/cde/fghijklmnopqrst.f"),
        (Some(r#"{"default":[2],"maxNonShardedLength":20}"#), "pa/bcdefghijklmnopqrst.f"),
        (Some(r#"{"default":[2],"maxNonShardedLength":21}"#), "pabcdefghijklmnopqrst.f"),
        (Some(overrides), "pa/bcdefghijklmnopqrst.f"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        if let Some(shards) = shards {
            std::fs::write(folder.path().join(".shards"), shards).unwrap();
        }
        let store = FileSystemStore::open(folder.path()).unwrap();
        store.put(twenty_one, Bytes::new(), PutOptions::default()).await.unwrap();
        assert!(folder.path().join(path).exists(), "{path}");
        assert_eq!(store.list_sorted("pabc").await.unwrap()[0].id, twenty_one);
    }
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
