//! Repositories that we wrote and maintained, read by another program, in another language, that follows the description of
//! the format alone.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use fs_err as fs;
use futures::TryStreamExt;
use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::blob::{BlobStore, FileSystemStore, MemoryStore, PutOptions};
use crate::clock::FrozenClock;
use crate::format::{CreateOptions, Format};
use crate::maintenance::{self, MaintenanceOptions, Mode};
use crate::snapshot::{Source, parent};
use crate::testdata::{PASSWORD, splitmix64};
use crate::upload::{UploadOptions, upload_tree};
use crate::{OpenOptions, Repository, WriteOptions};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/kopia_reader.py");

/// Files and links: their lengths, and the beginning of the hash of their bytes.
type Listing = BTreeMap<String, String>;

/// Whether this machine has what the reader needs.
fn has_reader() -> bool {
    let runs = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let there = runs("python3", &["-c", "import cryptography"]) && runs("zstd", &["--version"]);
    if !there {
        eprintln!("left out: needs python3 with its package cryptography, and zstd");
    }
    there
}

fn line(bytes: &[u8]) -> String {
    format!("{} {}", bytes.len(), &hex::encode(Sha256::digest(bytes))[..12])
}

/// A tree with something of everything; `generation` changes some of it.
fn plant(folder: &Path, generation: u64) -> Listing {
    let mut planted = Listing::new();
    let large = splitmix64(generation, 9 << 20);
    let number = generation.to_string();
    let files: [(&str, &[u8]); 5] = [
        ("large", &large),
        ("empty", b""),
        ("sub/<&>é\u{2028}", number.as_bytes()),
        ("sub/deep/same", b"the same in every snapshot"),
        ("program", b"#!/bin/sh"),
    ];
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        planted.insert(format!("/{name}"), line(bytes));
    }
    fs::set_permissions(folder.join("program"), PermissionsExt::from_mode(0o4755)).unwrap();
    fs::create_dir_all(folder.join("nothing")).unwrap();
    if generation == 0 {
        symlink("sub/deep/same", folder.join("link")).unwrap();
    }
    planted.insert("/link".into(), line(b"sub/deep/same"));
    planted
}

struct World {
    clock: Arc<FrozenClock>,
    store: MemoryStore,
    format: Format,
    folder: tempfile::TempDir,
    snapshots: BTreeMap<String, Listing>,
}

impl World {
    async fn new(options: &CreateOptions) -> Self {
        let clock = Arc::new(FrozenClock::new("2026-11-21T12:00:00Z".parse().unwrap()));
        let store = MemoryStore::new(clock.clone());
        let format = Format::create(&store, PASSWORD, options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { clock, store, format, folder, snapshots: BTreeMap::new() }
    }

    async fn open(&self) -> Repository {
        let options = OpenOptions { clock: self.clock.clone(), ..OpenOptions::default() };
        Repository::with_format(Arc::new(self.store.clone()), self.format.clone(), options).await.unwrap()
    }

    async fn back_up(&mut self, generation: u64) {
        let listing = plant(self.folder.path(), generation);
        let repository = self.open().await;
        let source = Source { host: "h".into(), user_name: "u".into(), path: "/tree".into() };
        let before = parent(&repository.manifests().await.unwrap(), &source, &[]).unwrap();
        let before = before.and_then(|snapshot| snapshot.root_entry);
        let writer = repository.writer(WriteOptions::default()).unwrap();
        let options = UploadOptions::default();
        let uploaded = upload_tree(&writer, self.folder.path(), before, options).await.unwrap();
        let id = writer.put_snapshot(&uploaded.snapshot(source)).unwrap();
        writer.flush().await.unwrap();
        self.snapshots.insert(id, listing);
    }

    async fn forget_one(&mut self) {
        let id = self.snapshots.keys().next().unwrap().clone();
        self.clock.advance(SignedDuration::from_secs(1));
        let writer = self.open().await.writer(WriteOptions::default()).unwrap();
        writer.delete_manifest(&id);
        writer.flush().await.unwrap();
        self.snapshots.remove(&id);
    }

    /// Full maintenance some days later; answers how many packs it deleted.
    async fn maintain(&self) -> u64 {
        self.clock.advance(SignedDuration::from_hours(60));
        let options = MaintenanceOptions { mode: Mode::Full, force: true, ..MaintenanceOptions::default() };
        maintenance::run(&self.open().await, &options).await.unwrap().deleted_packs.0
    }

    /// The other reader finds every snapshot as it should be.
    async fn check(&self) {
        let folder = tempfile::tempdir().unwrap();
        let copy = FileSystemStore::create(folder.path()).unwrap();
        let blobs: Vec<_> = self.store.list("").try_collect().await.unwrap();
        for blob in blobs {
            let bytes = self.store.get(&blob.id, None).await.unwrap();
            copy.put(&blob.id, bytes, PutOptions::default()).await.unwrap();
        }
        let output =
            Command::new("python3").env("PYTHONUTF8", "1").arg(READER).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(snapshots(&String::from_utf8(output.stdout).unwrap()), self.snapshots);
    }
}

/// The snapshots in what the reader prints: `M ID snapshot`, then a line for each file.
fn snapshots(text: &str) -> BTreeMap<String, Listing> {
    let (mut found, mut current) = (BTreeMap::<String, Listing>::new(), String::new());
    for line in text.split('\n') {
        if let Some(id) = line.strip_prefix("M ").and_then(|rest| rest.strip_suffix(" snapshot")) {
            current = id.to_owned();
            found.entry(current.clone()).or_default();
        } else if let Some(file) = line.strip_prefix("    /") {
            let [hash, length, size, name] = file.rsplitn(4, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert_eq!(length, size, "{line}");
            let listing = found.get_mut(&current).unwrap();
            listing.insert(format!("/{name}"), format!("{length} {hash}"));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_reader_reads_what_we_wrote_and_maintained() {
    if !has_reader() {
        return;
    }
    let mut world = World::new(&CreateOptions::default()).await;
    let mut deleted = 0;
    for generation in 0..5 {
        world.back_up(generation).await;
        if generation > 1 {
            world.forget_one().await;
        }
        world.check().await;
        deleted += world.maintain().await;
        world.check().await;
    }
    assert!(deleted > 0 && world.snapshots.len() == 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_reader_reads_every_version_of_the_format() {
    if !has_reader() {
        return;
    }
    for (version, encryption) in [(1, "CHACHA20-POLY1305-HMAC-SHA256"), (2, "AES256-GCM-HMAC-SHA256")] {
        let options = CreateOptions { version, encryption: encryption.into(), ..CreateOptions::default() };
        let mut world = World::new(&options).await;
        world.back_up(0).await;
        world.back_up(1).await;
        world.check().await;
    }
}
