//! What only a directory can do wrong. The common contract is in `crate::conformance`.

use std::os::unix::fs::symlink;
use std::path::Path;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use proptest::prelude::*;

use super::*;
use crate::ext::ObjectStoreExt;

async fn store(directory: &Path) -> FilesystemStore {
    FilesystemStore::open(directory.join("bucket")).await.unwrap()
}

async fn keys(store: &FilesystemStore) -> Vec<String> {
    store.list("").map_ok(|meta| meta.key).try_collect().await.unwrap()
}

async fn put(store: &FilesystemStore, key: &str) -> Result<()> {
    store.put(key, "new".into(), PutOptions::default()).await
}

#[tokio::test]
async fn a_directory_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    crate::conformance::check(&store(directory.path()).await).await;
    let left: Vec<_> = fs_err::read_dir(directory.path().join("bucket")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_link_below_the_root_is_never_followed() {
    let directory = tempfile::tempdir().unwrap();
    let outside = directory.path().join("outside");
    fs_err::create_dir(&outside).unwrap();
    fs_err::write(outside.join("secret"), "old").unwrap();
    let store = store(directory.path()).await;
    let bucket = directory.path().join("bucket");
    symlink(&outside, bucket.join("dir")).unwrap();
    symlink(outside.join("secret"), bucket.join("file")).unwrap();

    for key in ["dir/secret", "file"] {
        assert_eq!(store.get(key, None).await.unwrap_err().kind(), ErrorKind::PermissionDenied, "{key}");
    }
    assert_eq!(put(&store, "dir/secret").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(store.delete("dir/secret").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(keys(&store).await.is_empty() && store.common_prefixes("").await.unwrap().is_empty());
    put(&store, "file").await.unwrap();
    assert_eq!(fs_err::read_to_string(outside.join("secret")).unwrap(), "old");
}

#[tokio::test]
async fn what_a_crashed_writer_left_is_hidden_and_then_removed() {
    let directory = tempfile::tempdir().unwrap();
    let reserved = directory.path().join("bucket").join(RESERVED);
    fs_err::create_dir_all(&reserved).unwrap();
    fs_err::write(reserved.join("abandoned"), "half").unwrap();
    let reader = FilesystemStore::open_existing(directory.path().join("bucket")).await.unwrap();
    assert!(keys(&reader).await.is_empty() && reader.common_prefixes("").await.unwrap().is_empty());
    assert!(reserved.join("abandoned").exists());
    store(directory.path()).await;
    assert!(!reserved.exists());
}

#[tokio::test]
async fn opening_leaves_the_unfinished_put_of_another_alone() {
    let directory = tempfile::tempdir().unwrap();
    let first = store(directory.path()).await;
    let (more, rest) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(1);
    let body = stream::unfold(rest, |mut rest| async { rest.recv().await.map(|piece| (piece, rest)) });
    let writing =
        tokio::spawn(async move { first.put("slow", Body::from_stream(body), PutOptions::default()).await });
    more.send(Ok("half".into())).await.unwrap();
    let second = store(directory.path()).await;
    more.send(Ok("whole".into())).await.unwrap();
    drop(more);
    writing.await.unwrap().unwrap();
    assert_eq!(second.get_bytes("slow", 100).await.unwrap(), "halfwhole");
}

#[tokio::test]
async fn the_reserved_directory_and_clashes_of_file_and_directory_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    put(&store, "a").await.unwrap();
    put(&store, "d/x").await.unwrap();
    for key in [".bowline-tmp/x", ".bowline-tmp", "a/b", "d", &format!("a{}", "b".repeat(255))] {
        assert_eq!(put(&store, key).await.unwrap_err().kind(), ErrorKind::InvalidKey, "{key}");
    }
    assert_eq!(keys(&store).await, ["a", "d/x"]);
}

#[tokio::test]
async fn only_the_last_segment_of_the_root_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let error = FilesystemStore::open(directory.path().join("unmounted/bucket")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BucketNotFound);
    let error = FilesystemStore::open_existing(directory.path().join("bucket")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BucketNotFound);
    assert!(!directory.path().join("bucket").exists());
}

#[tokio::test]
async fn a_file_system_without_space_is_told_as_full() {
    let store = FilesystemStore::at("/dev".into());
    let file = fs_err::tokio::OpenOptions::new().write(true).open("/dev/full").await.unwrap();
    let error = store.write("k", file.into_parts().0, "x".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
}

#[tokio::test]
async fn files_are_readable_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    put(&store(directory.path()).await, "backups/a").await.unwrap();
    for (path, mode) in [("bucket/backups/a", 0o600), ("bucket/backups", 0o700), ("bucket", 0o700)] {
        let metadata = fs_err::metadata(directory.path().join(path)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[tokio::test]
async fn puts_and_deletes_in_one_directory_do_not_disturb_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path()).await;
    let rounds = (0..200).map(|n| {
        let (store, key) = (store.clone(), format!("d/e/{}", n % 3));
        async move {
            put(&store, &key).await?;
            store.delete(&key).await
        }
    });
    stream::iter(rounds).buffer_unordered(8).try_for_each(async |()| Ok(())).await.unwrap();
    assert!(keys(&store).await.is_empty());
}

/// Keys of few letters, so that many share directories and prefixes, and none is the directory of another.
fn tree() -> impl Strategy<Value = Vec<String>> {
    let segments = proptest::collection::vec("[ab.-]{0,2}[a0]", 1..4);
    proptest::collection::btree_set(segments, 0..40)
        .prop_map(|keys| keys.into_iter().map(|segments| format!("{}~", segments.join("/"))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn listings_are_those_of_a_sorted_map(tree in tree(), prefix in "([ab.-]{0,2}[a0]/)?[ab]?") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let (files, map) = (store(directory.path()).await, crate::MemoryStore::new());
            for key in &tree {
                put(&files, key).await.unwrap();
                map.put(key, "new".into(), PutOptions::default()).await.unwrap();
            }
            let all = |meta: ObjectMeta| meta.key;
            let listed: Vec<_> = files.list(&prefix).map_ok(all).try_collect().await.unwrap();
            let expected: Vec<_> = map.list(&prefix).map_ok(all).try_collect().await.unwrap();
            prop_assert_eq!(listed, expected);
            let listed = files.common_prefixes(&prefix).await.unwrap();
            prop_assert_eq!(listed, map.common_prefixes(&prefix).await.unwrap());
            Ok(())
        })?;
    }
}
