use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;
use jiff::Timestamp;

use super::super::pipe;
use super::*;

struct At(Timestamp);

#[async_trait]
impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, _: Duration) {}
}

/// The time at which Velero wrote the entry that the first test compares with.
fn clock() -> Arc<dyn Clock> {
    Arc::new(At(Timestamp::from_second(0o15_300_221_222).unwrap()))
}

async fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let (sink, source) = pipe::pipe();
    let writer = Writer::new(sink, clock());
    let write = async {
        for entry in entries {
            writer.add(entry).await.unwrap();
        }
        writer.finish().await.unwrap()
    };
    let (written, blocks) = tokio::join!(write, source.try_collect::<Vec<_>>());
    let bytes = blocks.unwrap().concat();
    assert_eq!(written.bytes, bytes.len() as u64);
    bytes
}

fn tar(archive: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    MultiGzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    tar
}

fn entry<'a>(name: &'a str, body: &'a [u8]) -> Entry<'a> {
    Entry { resource: "persistentvolumes", version: "v1", preferred: true, namespace: None, name, body }
}

#[tokio::test]
async fn bytes_are_those_of_velero() {
    let golden = tar(include_bytes!("../../../testdata/velero/fx-res/fx-res.tar.gz"));
    let body = &golden[0x600..0x600 + 0o4143];
    let written = archive(&[entry("pvc-f19a8cc5-ac37-4f56-a017-ca00c028cf79", body)]).await;
    let end = 0x400 + 2 * (512 + 0o4143usize.next_multiple_of(512));
    assert!(tar(&written)[..end] == golden[..end], "version file and both copies of the first object");
    assert_eq!(tar(&written)[end..], [0; 1024]);
    assert_eq!(written[..10], include_bytes!("../../../testdata/velero/fx-res/fx-res.tar.gz")[..10]);
}

#[tokio::test]
async fn long_names_and_large_bodies_read_back() {
    let name = "n".repeat(253);
    let namespace = "s".repeat(63);
    let big = vec![b'x'; 3 << 20];
    let long = Entry { resource: "widgets.example.com", namespace: Some(&namespace), ..entry(&name, b"{}") };
    let other = Entry { version: "v1beta1", preferred: false, ..entry("big", &big) };
    let bytes = archive(&[long, other]).await;
    let mut reader = tar::Archive::new(MultiGzDecoder::new(&bytes[..]));
    let mut found = Vec::new();
    for item in reader.entries().unwrap() {
        let mut item = item.unwrap();
        let (path, mode) = (item.path().unwrap().display().to_string(), item.header().mode().unwrap());
        let mut body = Vec::new();
        item.read_to_end(&mut body).unwrap();
        found.push((path, mode, body.len()));
    }
    let expected = [
        ("metadata/version".to_owned(), 0o755, 6),
        (format!("resources/widgets.example.com/namespaces/{namespace}/{name}.json"), 0o755, 2),
        (
            format!("resources/widgets.example.com/v1-preferredversion/namespaces/{namespace}/{name}.json"),
            0o755,
            2,
        ),
        ("resources/persistentvolumes/v1beta1/cluster/big.json".to_owned(), 0o755, 3 << 20),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_dropped_writer_abandons_the_archive() {
    let (sink, source) = pipe::pipe();
    let writer = Writer::new(sink, clock());
    writer.add(&entry("a", b"{}")).await.unwrap();
    drop(writer);
    assert!(source.try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test]
async fn a_store_that_gives_up_stops_the_writer() {
    let (sink, source) = pipe::pipe();
    drop(source);
    let writer = Writer::new(sink, clock());
    let body = vec![b'x'; BLOCK];
    let mut failed = None;
    for _ in 0..8 {
        if let Err(error) = writer.add(&entry("a", &body)).await {
            failed = Some(error);
            break;
        }
    }
    assert!(failed.unwrap().to_string().contains("object store"));
}
