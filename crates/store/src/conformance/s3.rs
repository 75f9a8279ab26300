//! What an S3 location must do beyond the common contract, against a real server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::{content, pattern, put};
use crate::error::{Error, ErrorKind};
use crate::location::{Credentials, LocationConfig};
use crate::object::{Body, ObjectStore, PutOptions};
use crate::{S3Store, open};

/// A running server and somebody who may do everything in one of its buckets.
#[derive(Debug, Clone)]
pub struct Server {
    /// The settings that reach it: `s3Url`, `region`, `s3ForcePathStyle`.
    pub config: BTreeMap<String, String>,
    /// An existing bucket. The checks work below `area/` in it.
    pub bucket: String,
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The server's CA.
    pub ca_cert: Option<Bytes>,
}

impl Server {
    /// The location of the bucket, with further settings.
    pub fn location(&self, settings: &[(&str, &str)]) -> LocationConfig {
        let mut config = self.config.clone();
        config.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        LocationConfig {
            provider: "aws".to_owned(),
            bucket: self.bucket.clone(),
            config,
            ca_cert: self.ca_cert.clone(),
            credentials: Some(credentials(&self.access_key, &self.secret_key)),
            ..LocationConfig::default()
        }
    }

    async fn open(&self, settings: &[(&str, &str)]) -> Arc<dyn ObjectStore> {
        open(&self.location(settings)).await.expect("open")
    }

    async fn failure(&self, change: impl FnOnce(&mut LocationConfig)) -> Error {
        let mut location = self.location(&[]);
        change(&mut location);
        let store = open(&location).await.expect("open");
        let error = store.list_page(&crate::ListRequest::default()).await.expect_err("list");
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains(&self.secret_key), "a secret in {shown}");
        error
    }
}

fn credentials(access_key: &str, secret_key: &str) -> Credentials {
    let file = format!("[default]\naws_access_key_id={access_key}\naws_secret_access_key={secret_key}\n");
    Credentials::Contents(file.into())
}

/// Judges the S3 driver by the whole contract, its settings, its uploads and its errors.
///
/// # Panics
/// When something is not as it should be.
pub async fn check(server: &Server) {
    let store = server.open(&[]).await;
    // What an earlier run left when a check failed.
    super::remove(&*store, "area/").await;
    super::check(&*store).await;
    unfinished_uploads_are_aborted(server).await;
    settings_are_sent(server).await;
    urls_work_for_anybody(server).await;
    errors_are_told_apart(server).await;
    profiles_are_obeyed(server).await;
}

/// Judges encryption at rest: with the server's key, with a key of its key service, and with a customer's key. The
/// server needs TLS, because it takes no customer's key without, and a key service with the key `kms_key`.
///
/// # Panics
/// When something is not as it should be.
pub async fn check_encryption(server: &Server, kms_key: &str) {
    for settings in [[("serverSideEncryption", "AES256")], [("kmsKeyId", kms_key)]] {
        let store = server.open(&settings).await;
        for size in [3, 17_000_000] {
            put(&*store, "area/encrypted", pattern(size)).await;
            assert!(content(&*store, "area/encrypted").await == pattern(size), "{settings:?} {size}");
        }
        store.delete("area/encrypted").await.expect("delete");
    }
    let mut location = server.location(&[("customerKeyEncryptionSecret", "a-secret/key")]);
    location.customer_key = Some(Bytes::from_static(&[b'k'; 32]));
    let store = open(&location).await.expect("open");
    super::check(&*store).await;
    put(&*store, "area/mine", "content").await;
    let others =
        server.open(&[]).await.get("area/mine", None).await.expect_err("it can't be read without the key");
    assert!(!others.is_not_found(), "{others}");
    store.delete("area/mine").await.expect("delete");
}

async fn unfinished_uploads_are_aborted(server: &Server) {
    let store = S3Store::open(&server.location(&[]), &server.bucket).await.expect("open");
    let broken = stream::iter([Ok(pattern(20_000_000)), Err(std::io::Error::other("broken"))]);
    let failed = store.put("area/failed", Body::from_stream(broken), PutOptions::default());
    failed.await.expect_err("the source is broken");
    let endless = stream::iter([Ok(pattern(20_000_000))]).chain(stream::pending());
    let dropped = store.put("area/dropped", Body::from_stream(endless), PutOptions::default());
    tokio::time::timeout(Duration::from_secs(1), dropped).await.expect_err("the body never ends");
    let mut left = Vec::new();
    for _ in 0..50 {
        left = store.unfinished_uploads("area/").await.expect("list uploads");
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(left.is_empty(), "unfinished uploads are left: {left:?}");
}

async fn settings_are_sent(server: &Server) {
    for algorithm in ["", "CRC32", "CRC32C", "SHA1", "SHA256"] {
        let location = server.location(&[("checksumAlgorithm", algorithm), ("tagging", "b=2&a=1")]);
        let store = S3Store::open(&location, &server.bucket).await.expect("open");
        for size in [3, 17_000_000] {
            put(&store, "area/settings", pattern(size)).await;
            assert!(content(&store, "area/settings").await == pattern(size), "{algorithm} {size}");
            let has_checksum = store.has_checksum("area/settings", algorithm).await.expect("head");
            assert_eq!(has_checksum, !algorithm.is_empty(), "{algorithm} {size}");
            let tags = store.tags("area/settings").await.expect("tags");
            assert_eq!(tags, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        }
        store.delete("area/settings").await.expect("delete");
    }
}

async fn urls_work_for_anybody(server: &Server) {
    let store = server.open(&[]).await;
    put(&*store, "area/a url+%", "content").await;
    let url = store.signed_url("area/a url+%", Duration::from_mins(1)).await.expect("url");
    let client = S3Store::anonymous_client(server.ca_cert.as_deref());
    let reply = client.get(url.expose()).send().await.expect("get");
    assert!(reply.status().is_success(), "{}", reply.status());
    assert_eq!(reply.bytes().await.expect("body"), "content");
    let tampered = url.expose().replace("X-Amz-Expires=60", "X-Amz-Expires=6000");
    assert_eq!(client.get(tampered).send().await.expect("get").status(), 403);
    store.delete("area/a url+%").await.expect("delete");

    let public = server.open(&[("publicUrl", "https://public.example.com")]).await;
    let url = public.signed_url("area/x", Duration::from_mins(1)).await.expect("url");
    assert!(url.expose().starts_with("https://public.example.com/"), "{url:?}");
}

async fn errors_are_told_apart(server: &Server) {
    let with = |access: &str, secret: &str| {
        let wrong = Some(credentials(access, secret));
        move |location: &mut LocationConfig| location.credentials = wrong
    };
    let set = |key: &'static str, value: &'static str| {
        move |location: &mut LocationConfig| drop(location.config.insert(key.to_owned(), value.to_owned()))
    };
    let cases = [
        (server.failure(with("nobody", &server.secret_key)).await, ErrorKind::Unauthenticated, "access key"),
        (server.failure(with(&server.access_key, "wrong")).await, ErrorKind::Unauthenticated, "secret key"),
        (
            server.failure(|it| it.bucket = "no-such-bucket".into()).await,
            ErrorKind::BucketNotFound,
            "create the bucket",
        ),
        (server.failure(set("s3Url", "http://127.0.0.1:1")).await, ErrorKind::Unreachable, "s3Url"),
        (server.failure(set("s3Url", "http://no-such-host.invalid")).await, ErrorKind::Unreachable, "s3Url"),
        (server.failure(set("profile", "missing")).await, ErrorKind::Unauthenticated, "profile"),
        (server.failure(set("region", "eu-nowhere-7")).await, ErrorKind::Misconfigured, "config.region"),
    ];
    for (error, kind, hint) in cases {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{error}: {:?}", error.hint());
    }
}

async fn profiles_are_obeyed(server: &Server) {
    let (access, secret) = (&server.access_key, &server.secret_key);
    let file = format!(
        "[default]\naws_access_key_id=nobody\naws_secret_access_key=wrong\n\
         [backup]\naws_access_key_id={access}\naws_secret_access_key={secret}\n"
    );
    let mut location = server.location(&[("profile", "backup")]);
    location.credentials = Some(Credentials::Contents(file.into()));
    let store = open(&location).await.expect("open");
    store.list_page(&crate::ListRequest::default()).await.expect("the profile's keys are used");
}
