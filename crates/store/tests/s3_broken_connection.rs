//! Downloads from a server whose connections break.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowline_store::{Credentials, ErrorKind, LocationConfig, ObjectStore, open};
use bytes::Bytes;
use futures::TryStreamExt;

const SIZE: usize = 1_000_000;
/// What a connection carries before it breaks.
const CARRIED: usize = 300_000;

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at % 251) as u8).collect()
}

/// Answers one GET and breaks the connection after `CARRIED` bytes.
fn answer(stream: &TcpStream, is_replaced: bool) -> std::io::Result<()> {
    let mut first = 0;
    let mut is_resumed = false;
    for line in BufReader::new(stream).lines() {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            first = range.split('-').next().unwrap().parse().unwrap();
        }
        is_resumed |= line == "if-match: \"v1\"";
        if line.is_empty() {
            break;
        }
    }
    let mut stream = stream;
    if is_resumed && is_replaced {
        return write!(stream, "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\n\r\n");
    }
    assert_eq!(is_resumed, first > 0, "the rest is asked for by its version");
    let (status, rest, last) = (if first > 0 { 206 } else { 200 }, SIZE - first, SIZE - 1);
    write!(stream, "HTTP/1.1 {status} OK\r\netag: \"v1\"\r\ncontent-length: {rest}\r\n")?;
    write!(stream, "content-range: bytes {first}-{last}/{SIZE}\r\n\r\n")?;
    stream.write_all(&content()[first..SIZE.min(first + CARRIED)])
}

async fn store(is_replaced: bool) -> (Arc<dyn ObjectStore>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = answer(&stream, is_replaced);
        }
    });
    let config = [("s3Url", url.as_str()), ("s3ForcePathStyle", "true")];
    let keys = Bytes::from_static(b"[default]\naws_access_key_id=a\naws_secret_access_key=s\n");
    let location = LocationConfig {
        provider: "velero.io/aws".into(),
        bucket: "bkt".into(),
        config: config.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        credentials: Some(Credentials::Contents(keys)),
        ..LocationConfig::default()
    };
    (open(&location).await.unwrap(), requests)
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let (store, requests) = store(false).await;
    let object = store.get("k", None).await.unwrap();
    let got: Vec<Bytes> = object.body.try_collect().await.unwrap();
    assert!(got.concat() == content(), "the content differs");
    assert_eq!(requests.load(Ordering::SeqCst), SIZE.div_ceil(CARRIED));
}

#[tokio::test]
async fn an_object_that_was_replaced_meanwhile_is_not_mixed_with_the_new_one() {
    let (store, _) = store(true).await;
    let object = store.get("k", None).await.unwrap();
    let error = object.body.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
}
