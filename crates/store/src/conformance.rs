//! The contract of [`ObjectStore`] as checks that any store can be put to. A driver's test, a plugin's test and the
//! test against a real S3 server all call [`check`]; a failed check panics with what it expected.

pub mod s3;

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::error::ErrorKind;
use crate::ext::ObjectStoreExt;
use crate::object::{Body, ListRequest, ObjectStore, PutOptions};

/// Judges a store by the whole contract. It works below `area/`, which must be empty, and leaves it empty.
///
/// # Panics
/// When the store breaks the contract.
pub async fn check(store: &dyn ObjectStore) {
    content_comes_back(store).await;
    missing_objects_are_told(store).await;
    bad_keys_are_refused(store).await;
    ranges(store).await;
    listings(store).await;
    long_listings(store).await;
    failed_puts_leave_nothing(store).await;
    dropped_puts_leave_nothing(store).await;
    conditional_puts(store).await;
    racing_conditional_puts(store).await;
    readers_see_one_version(store).await;
    signed_urls(store).await;
    let left: Vec<_> = store.list("area/").try_collect().await.expect("list");
    assert!(left.is_empty(), "the checks left objects behind: {left:?}");
}

async fn put(store: &dyn ObjectStore, key: &str, content: impl Into<Body>) {
    store.put(key, content.into(), PutOptions::default()).await.expect(key);
}

async fn content(store: &dyn ObjectStore, key: &str) -> Bytes {
    store.get_bytes(key, 1 << 30).await.expect(key)
}

async fn keys(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    store.list(prefix).map_ok(|meta| meta.key).try_collect().await.expect("list")
}

async fn remove(store: &dyn ObjectStore, prefix: &str) {
    for key in keys(store, prefix).await {
        store.delete(&key).await.expect("delete");
    }
}

/// Bytes that repeat with no power of two, so that a lost or doubled piece shows.
fn pattern(size: usize) -> Bytes {
    (0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

/// A body of unknown size in uneven pieces.
fn in_pieces(content: &Bytes) -> Body {
    let content = content.clone();
    let starts = (0..content.len()).step_by(100_003);
    let pieces: Vec<_> = starts.map(|at| Ok(content.slice(at..content.len().min(at + 100_003)))).collect();
    Body::from_stream(stream::iter(pieces))
}

async fn content_comes_back(store: &dyn ObjectStore) {
    for size in [0, 1, 65_536, 3_000_000, 20_000_000] {
        let expected = pattern(size);
        for body in [expected.clone().into(), in_pieces(&expected)] {
            put(store, "area/a/object", body).await;
            assert!(content(store, "area/a/object").await == expected, "{size} bytes differ");
            let meta = store.head("area/a/object").await.expect("head");
            assert_eq!((meta.key.as_str(), meta.size), ("area/a/object", size as u64));
            assert!(meta.modified.is_some(), "no time of modification");
        }
    }
    for key in ["area/a/system:foo b.json", "area/a/ü+%2F=@…#?&", "area/a/.hidden", "area/a/'\"\\*"] {
        put(store, key, "x").await;
        assert_eq!(content(store, key).await, "x", "{key}");
        assert!(keys(store, "area/a/").await.contains(&key.to_owned()), "{key} is not listed as it was put");
    }
    remove(store, "area/a/").await;
}

async fn missing_objects_are_told(store: &dyn ObjectStore) {
    put(store, "area/there", "x").await;
    for key in ["area/missing", "area/missing/deep", "area/there/below", "area"] {
        assert!(store.get(key, None).await.expect_err(key).is_not_found(), "get {key}");
        assert!(store.head(key).await.expect_err(key).is_not_found(), "head {key}");
        assert!(!store.exists(key).await.expect("exists"), "{key} exists");
        store.delete(key).await.expect("a delete of a missing object succeeds");
    }
    store.delete("area/there").await.expect("delete");
    store.delete("area/there").await.expect("a second delete succeeds");
    assert!(!store.exists("area/there").await.expect("exists"), "a deleted object exists");
}

async fn bad_keys_are_refused(store: &dyn ObjectStore) {
    for key in ["", "/area/x", "area/", "area//x", "area/../../x", "..", "area/./x", "area/x\0y"] {
        let kinds = [
            store.put(key, "x".into(), PutOptions::default()).await.expect_err(key).kind(),
            store.get(key, None).await.expect_err(key).kind(),
            store.head(key).await.expect_err(key).kind(),
            store.delete(key).await.expect_err(key).kind(),
        ];
        assert_eq!(kinds, [ErrorKind::InvalidKey; 4], "{key:?}");
    }
    let request = ListRequest { prefix: "../".into(), ..ListRequest::default() };
    assert_eq!(store.list_page(&request).await.expect_err("prefix").kind(), ErrorKind::InvalidKey);
}

async fn ranges(store: &dyn ObjectStore) {
    let expected = pattern(300_000);
    put(store, "area/ranges", expected.clone()).await;
    for range in [0..1, 5..10, 0..300_000, 299_999..300_000, 65_000..200_000, 299_990..999_999] {
        let object = store.get("area/ranges", Some(range.clone())).await.expect("get");
        let end = range.end.min(300_000);
        assert_eq!((object.meta.size, object.range.clone()), (300_000, range.start..end));
        let got: Vec<Bytes> = object.body.try_collect().await.expect("body");
        assert!(got.concat() == expected[range.start as usize..end as usize], "{range:?} differs");
    }
    for range in [300_000..300_001, 7..7, 500_000..600_000] {
        let error = store.get("area/ranges", Some(range.clone())).await.expect_err("range");
        assert_eq!(error.kind(), ErrorKind::InvalidRange, "{range:?}");
    }
    store.delete("area/ranges").await.expect("delete");
}

async fn listings(store: &dyn ObjectStore) {
    // In the order of bytes: '-' and '.' come before '/', '0' after it.
    let all =
        ["area/l/a", "area/l/b-c/1", "area/l/b.d", "area/l/b/1", "area/l/b/2/x", "area/l/b0", "area/l/c/z"];
    for key in all.iter().rev() {
        put(store, key, *key).await;
    }
    assert_eq!(keys(store, "area/l/").await, all);
    assert_eq!(keys(store, "area/l/b").await, all[1..6]);
    assert_eq!(keys(store, "area/l/b/").await, all[3..5]);
    assert_eq!(keys(store, "area/l/b/2/x").await, all[4..5]);
    assert!(keys(store, "area/l/none/").await.is_empty() && keys(store, "area/l/a/").await.is_empty());

    let request = ListRequest { prefix: "area/l/".into(), delimited: true, token: None };
    let page = store.list_page(&request).await.expect("list");
    let objects: Vec<_> = page.objects.iter().map(|meta| meta.key.as_str()).collect();
    assert_eq!(objects, ["area/l/a", "area/l/b.d", "area/l/b0"]);
    assert!(page.objects.iter().all(|meta| meta.size == meta.key.len() as u64), "sizes in listings");
    assert_eq!(page.prefixes, ["area/l/b-c/", "area/l/b/", "area/l/c/"]);
    assert_eq!(store.common_prefixes("area/l/").await.expect("list"), ["b-c", "b", "c"]);

    store.delete("area/l/c/z").await.expect("delete");
    assert_eq!(
        store.common_prefixes("area/l/").await.expect("list"),
        ["b-c", "b"],
        "an empty directory shows"
    );
    remove(store, "area/l/").await;
}

async fn long_listings(store: &dyn ObjectStore) {
    let expected: Vec<String> = (0..1_205).map(|n| format!("area/long/{:04}/{}", n / 2, n % 2)).collect();
    let puts = expected.iter().map(|key| store.put(key, "x".into(), PutOptions::default()));
    stream::iter(puts).buffer_unordered(16).try_for_each(async |()| Ok(())).await.expect("put");
    assert!(
        keys(store, "area/long/").await == expected,
        "a listing of several pages is not complete or not in order"
    );
    let directories = store.common_prefixes("area/long/").await.expect("list");
    assert!(
        directories == (0..603).map(|n| format!("{n:04}")).collect::<Vec<_>>(),
        "directories of several pages"
    );
    let deletes = expected.iter().map(|key| store.delete(key));
    stream::iter(deletes).buffer_unordered(16).try_for_each(async |()| Ok(())).await.expect("delete");
}

async fn failed_puts_leave_nothing(store: &dyn ObjectStore) {
    let failing = |size: usize| {
        let broken = Err(std::io::Error::other("the source broke"));
        Body::from_stream(stream::iter([Ok(pattern(size)), broken]))
    };
    let bodies = || {
        [
            ("fails early", failing(10)),
            ("fails late", failing(19_000_000)),
            ("too short", Body::from("abc").with_size(4)),
            ("too long", Body::from("abc").with_size(2)),
        ]
    };
    for (what, body) in bodies() {
        let error = store.put("area/failed", body, PutOptions::default()).await.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Source, "{what}");
        assert!(keys(store, "area/").await.is_empty(), "a put that {what} left something");
    }
    put(store, "area/failed", "before").await;
    for (what, body) in bodies() {
        store.put("area/failed", body, PutOptions::default()).await.expect_err(what);
        assert_eq!(content(store, "area/failed").await, "before", "a put that {what} changed the object");
    }
    store.delete("area/failed").await.expect("delete");
}

async fn dropped_puts_leave_nothing(store: &dyn ObjectStore) {
    for size in [10, 19_000_000] {
        let endless = stream::iter([Ok(pattern(size))]).chain(stream::pending());
        let put = store.put("area/dropped", Body::from_stream(endless), PutOptions::default());
        tokio::time::timeout(Duration::from_millis(500), put).await.expect_err("the body never ends");
        assert!(keys(store, "area/").await.is_empty(), "a dropped put of {size} bytes left something");
    }
}

async fn conditional_puts(store: &dyn ObjectStore) {
    if !store.capabilities().conditional_put {
        let error =
            store.put("area/once", "x".into(), PutOptions::if_absent()).await.expect_err("not supported");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        return;
    }
    for (key, body) in
        [("area/once/small", "first".into()), ("area/once/large", in_pieces(&pattern(17_000_000)))]
    {
        store.put(key, body, PutOptions::if_absent()).await.expect(key);
        let before = content(store, key).await;
        for second in ["second".into(), in_pieces(&pattern(18_000_000))] {
            let error = store.put(key, second, PutOptions::if_absent()).await.expect_err(key);
            assert!(error.is_already_exists(), "{key}: {error}");
            assert!(content(store, key).await == before, "{key} was replaced");
        }
        store.delete(key).await.expect("delete");
        store.put(key, "again".into(), PutOptions::if_absent()).await.expect("a deleted key is free");
    }
    remove(store, "area/once/").await;
}

async fn racing_conditional_puts(store: &dyn ObjectStore) {
    if !store.capabilities().conditional_put {
        return;
    }
    let puts = (0..8).map(|n| store.put("area/race", n.to_string().into(), PutOptions::if_absent()));
    let results = futures::future::join_all(puts).await;
    let winners: Vec<_> = results.iter().enumerate().filter(|(_, result)| result.is_ok()).collect();
    assert_eq!(winners.len(), 1, "one of eight puts wins: {results:?}");
    assert_eq!(content(store, "area/race").await, winners[0].0.to_string());
    store.delete("area/race").await.expect("delete");
}

async fn readers_see_one_version(store: &dyn ObjectStore) {
    let versions = [pattern(9_000_000), Bytes::from(vec![b'x'; 9_000_000])];
    put(store, "area/versions", versions[0].clone()).await;
    let mut body = store.get("area/versions", None).await.expect("get").body;
    let mut got = body.next().await.expect("a piece").expect("a piece").to_vec();
    // Both at once, because a server may let the writer wait for the reader.
    let replacing = put(store, "area/versions", versions[1].clone());
    let ((), rest) = futures::join!(replacing, body.try_collect::<Vec<_>>());
    // The reader gets the version that it began, or an error, but never a mixture.
    if let Ok(rest) = rest {
        got.extend(rest.concat());
        assert!(got == versions[0], "a reader saw a mixture of two versions");
    }
    assert!(content(store, "area/versions").await == versions[1], "the second put is not there");
    store.delete("area/versions").await.expect("delete");
}

async fn signed_urls(store: &dyn ObjectStore) {
    let url = store.signed_url("area/signed", Duration::from_mins(1)).await;
    if store.capabilities().signed_urls {
        let url = url.expect("a URL without looking at the object");
        assert!(url.expose().starts_with("http"), "{url:?}");
        assert!(!format!("{url:?}").contains("X-Amz-Signature"), "Debug shows the signature");
    } else {
        assert_eq!(url.expect_err("no URLs").kind(), ErrorKind::NotSupported);
    }
}
