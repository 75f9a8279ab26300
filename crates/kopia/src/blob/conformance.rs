//! The contract of [`BlobStore`] as checks that any store can be put to, here and in other crates.

use bytes::Bytes;

use super::{BlobError, BlobMetadata, BlobStore, BlobStoreExt, PutOptions};

/// Judges a store, which must be empty, by the whole contract; leaves some blobs in it.
///
/// # Panics
/// When the store breaks the contract.
pub async fn check(store: &dyn BlobStore) {
    changes(store).await;
    ranges(store).await;
    listings(store).await;
    names(store).await;
}

const LONG: &str = "p3bf9b8c9398b106ecb0c3e4b8f60ca18-s7d6ecce17ef60a2a147";
const NEIGHBOUR: &str = "p3bf9b8c9398b106ecb0c3e4b8f60ca19";

async fn put(store: &dyn BlobStore, id: &str, data: &'static str) {
    store.put(id, Bytes::from_static(data.as_bytes()), PutOptions::default()).await.expect(id);
}

async fn changes(store: &dyn BlobStore) {
    assert!(store.get(LONG, None).await.expect_err("it is missing").is_not_found());
    assert!(store.metadata(LONG).await.expect_err("it is missing").is_not_found());
    store.delete(LONG).await.expect("a missing blob may be deleted");
    for id in [LONG, NEIGHBOUR, "kopia.repository", "xe1", "_log_2026"] {
        put(store, id, "hello").await;
    }
    put(store, "xe1", "replaced").await;
    let refused = store.put("xe1", Bytes::new(), PutOptions::if_absent()).await;
    assert!(matches!(refused, Err(BlobError::AlreadyExists)), "{refused:?}");
    store.put("xe2", Bytes::new(), PutOptions::if_absent()).await.expect("there is none yet");
    assert_eq!(store.get("xe1", None).await.expect("xe1"), "replaced");
    assert_eq!(store.get("xe2", None).await.expect("xe2"), "");
    assert_eq!(store.metadata("xe1").await.expect("xe1").length, 8);
}

async fn ranges(store: &dyn BlobStore) {
    for (range, expected) in [(1..3, "el"), (0..5, "hello"), (5..5, ""), (2..2, "")] {
        assert_eq!(store.get(LONG, Some(range)).await.expect("inside"), expected);
    }
    for range in [2..6, 5..6, 6..6, 7..9] {
        let outside = store.get(LONG, Some(range.clone())).await;
        let expected = (range.start, range.end);
        assert!(
            matches!(outside, Err(BlobError::InvalidRange { start, end }) if (start, end) == expected),
            "{outside:?}"
        );
    }
    assert!(store.get("missing", Some(0..0)).await.expect_err("it is missing").is_not_found());
}

async fn listed(store: &dyn BlobStore, prefix: &str) -> Vec<BlobMetadata> {
    store.list_sorted(prefix).await.expect("a listing")
}

async fn listings(store: &dyn BlobStore) {
    let names = |found: &[BlobMetadata]| found.iter().map(|blob| blob.id.clone()).collect::<Vec<_>>();
    assert_eq!(names(&listed(store, "p3bf9").await), [LONG, NEIGHBOUR]);
    assert_eq!(names(&listed(store, "xe").await), ["xe1", "xe2"]);
    assert_eq!(names(&listed(store, "nothing").await), [""; 0]);
    let all = listed(store, "").await;
    assert_eq!(all.len(), 6);
    for blob in all {
        assert_eq!(store.metadata(&blob.id).await.expect("it was listed"), blob);
    }
    store.delete("xe1").await.expect("it exists");
    assert_eq!(names(&listed(store, "xe").await), ["xe2"]);
}

async fn names(store: &dyn BlobStore) {
    let before = listed(store, "").await.len();
    for bad in ["", "../x", "a/b", ".shards", "a\nb", &"x".repeat(256)] {
        assert!(store.put(bad, Bytes::new(), PutOptions::default()).await.is_err(), "{bad:?}");
        assert!(store.get(bad, None).await.is_err(), "{bad:?}");
    }
    assert_eq!(listed(store, "").await.len(), before);
}
