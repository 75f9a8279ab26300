//! Large repositories, made up. Run by hand: these take minutes and print figures.

use std::sync::Arc;
use std::time::Instant;

use super::create;
use crate::blob::{BlobStore, FileSystemStore, PutOptions};
use crate::compression::CompressionId;
use crate::index::{self, IndexEntry};
use crate::testdata::splitmix64;
use crate::{OpenOptions, Repository};

/// The resident memory of this process in MiB, now or at its peak.
pub(super) fn memory(line: &str) -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|text| text.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

pub(super) fn entries(blob: u64, count: usize, packs: usize) -> Vec<IndexEntry> {
    let names: Vec<Arc<str>> =
        (0..packs).map(|pack| format!("p{blob:016x}{pack:016x}-s0123456789abcdef147").into()).collect();
    let hashes = splitmix64(blob, count * 16);
    let mut entries: Vec<_> = hashes
        .chunks_exact(16)
        .enumerate()
        .map(|(number, hash)| IndexEntry {
            id: hex::encode(hash).parse().unwrap(),
            timestamp: 1_700_000_000,
            deleted: false,
            pack: names[number % packs].clone(),
            offset: 32,
            packed_length: 1028,
            original_length: 1000,
            compression: CompressionId::NONE,
            format_version: 3,
        })
        .collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

#[tokio::test]
#[ignore = "takes minutes and is about speed and memory"]
async fn ten_million_contents_open_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn BlobStore> = Arc::new(FileSystemStore::create(folder.path()).unwrap());
    let repository = create(store.clone()).await;
    for blob in 0..100 {
        let entries = entries(blob, 100_000, 1000);
        let payload = index::build(2, || Ok(entries.iter().map(Ok))).unwrap();
        let (name, bytes) =
            repository.contents().sealer().seal_blob("xn0_", "s0123456789abcdef147-c1", &payload).unwrap();
        store.put(&name, bytes, PutOptions::default()).await.unwrap();
    }
    fs_err::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS");
    let start = Instant::now();
    let format = repository.format().clone();
    let opened = Repository::with_format(store, format, OpenOptions::default()).await.unwrap();
    let took = start.elapsed();
    let index = opened.contents().index();
    println!(
        "{} entries, {took:?}, {} MiB in indexes, {before} MiB before, peak {} MiB",
        index.entries(),
        index.memory() >> 20,
        memory("VmHWM")
    );
    let start = Instant::now();
    for wanted in entries(7, 1000, 10) {
        assert!(index.find(&wanted.id).unwrap().is_some());
    }
    println!("a look-up takes {:?}", start.elapsed() / 1000);
    assert_eq!(index.entries(), 10_000_000);
    assert!(memory("VmHWM") < 300);
}
