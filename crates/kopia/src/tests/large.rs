//! Maintenance of a large repository, made up: a hundred thousand packs, ten million contents, a million of them in use.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::scale::{entries, memory};
use super::{create, open};
use crate::blob::{BlobStore, BlobStoreExt, FileSystemStore, PutOptions};
use crate::content::WriteOptions;
use crate::index::{self, IndexEntry};
use crate::maintenance::{self, MaintenanceOptions, Mode};
use crate::object::{ObjectId, write_bytes};
use crate::snapshot::{Directory, DirectoryEntry, EntryKind, Snapshot, Source, Summary};
use crate::{Prefix, Repository};

const BLOBS: u64 = 100;
const CONTENTS: usize = 100_000;
const PACKS: usize = 1000;
const DAY: u64 = 24 * 3600;

fn now() -> u64 {
    jiff::Timestamp::now().as_second() as u64
}

/// The contents of one index blob: those of the first ten are in use, the next twenty are garbage, the others young.
fn contents(blob: u64) -> Vec<IndexEntry> {
    let age = if blob < 30 { 3 * DAY } else { 600 };
    let timestamp = now() - age;
    let placed = entries(blob, CONTENTS, PACKS).into_iter();
    placed.map(|entry| IndexEntry { timestamp, packed_length: 150_000, ..entry }).collect()
}

async fn add_index(repository: &Repository, blob: u64) {
    let entries = contents(blob);
    let payload = index::build(2, || Ok(entries.iter().map(Ok))).unwrap();
    let sealer = repository.contents().sealer();
    let (name, bytes) = sealer.seal_blob("xn0_", "s0123456789abcdef147-c1", &payload).unwrap();
    repository.store().put(&name, bytes, PutOptions::default()).await.unwrap();
}

/// The files of the packs, empty and old.
fn add_packs(folder: &Path) {
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(now() - 3 * DAY);
    for blob in 0..BLOBS {
        for pack in 0..PACKS {
            let name = format!("p{blob:016x}{pack:016x}-s0123456789abcdef147");
            let path = folder.join("p").join(&name[1..4]).join(format!("{}.f", &name[4..]));
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(path).unwrap().set_modified(old).unwrap();
        }
    }
}

/// A snapshot of a hundred directories with ten thousand files each.
async fn add_snapshot(repository: &Repository) {
    let writer = repository.writer(WriteOptions::default()).unwrap();
    let contents_writer = writer.contents().clone();
    let root = tokio::task::spawn_blocking(move || {
        let store = |name: &str, entries: Vec<DirectoryEntry>| {
            let summary = Summary::of(&entries, jiff::Timestamp::UNIX_EPOCH);
            let json = Directory::new(entries, summary.clone()).to_json().unwrap();
            let object = write_bytes(&contents_writer, Prefix::DIRECTORY, &json, false).unwrap();
            let entry = DirectoryEntry::new(name.as_ref(), EntryKind::Directory);
            DirectoryEntry { object: Some(object), summary: Some(Box::new(summary)), ..entry }
        };
        let folders = (0..10).flat_map(|blob| {
            let used = contents(blob);
            let parts: Vec<Vec<_>> = used.chunks(10_000).map(<[IndexEntry]>::to_vec).collect();
            parts.into_iter().enumerate().map(move |(part, entries)| (format!("{blob}-{part}"), entries))
        });
        let folders = folders.map(|(name, used)| {
            let file = |entry: &IndexEntry| DirectoryEntry {
                object: Some(ObjectId::direct(entry.id)),
                size: 1000,
                ..DirectoryEntry::new(
                    std::ffi::OsStr::from_bytes(entry.id.to_string().as_bytes()),
                    EntryKind::File,
                )
            };
            store(&name, used.iter().map(file).collect())
        });
        let folders = folders.collect();
        store("root", folders)
    });
    let source = Source { host: "h".into(), user_name: "u".into(), path: "p".into() };
    let at = jiff::Timestamp::now();
    let snapshot = serde_json::json!({ "source": source, "startTime": at, "endTime": at, "rootEntry": root.await.unwrap() });
    writer.put_snapshot(&serde_json::from_value::<Snapshot>(snapshot).unwrap()).unwrap();
    writer.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and is about speed and memory"]
async fn ten_million_contents_are_maintained_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn BlobStore> = Arc::new(FileSystemStore::create(folder.path()).unwrap());
    {
        let repository = create(store.clone()).await;
        for blob in 0..BLOBS {
            add_index(&repository, blob).await;
        }
        add_packs(folder.path());
        add_snapshot(&repository).await;
    }
    // The epoch of all this is over.
    store.put("xe2", "epoch-marker".into(), PutOptions::default()).await.unwrap();
    fs_err::write("/proc/self/clear_refs", "5").unwrap();
    let (before, start) = (memory("VmRSS"), Instant::now());
    let repository = open(store.clone()).await;
    println!("opened in {:?}, {before} MiB before, peak {} MiB", start.elapsed(), memory("VmHWM"));
    let start = Instant::now();
    let options = MaintenanceOptions { mode: Mode::Full, force: true, ..MaintenanceOptions::default() };
    let report = maintenance::run(&repository, &options).await.unwrap();
    println!("maintained in {:?}, peak {} MiB: {report:#?}", start.elapsed(), memory("VmHWM"));
    assert_eq!((report.gc.deleted, report.gc.recent), (2_000_000, 7_000_000));
    assert!(report.gc.in_use >= 1_000_000 && report.epochs.compacted == 1);
    assert_eq!(store.list_sorted("xs").await.unwrap().len(), 11);
    assert!(memory("VmHWM") < 512);
}
