//! Random operations against a model: back up, forget, maintain, crash, wait; what should be there always is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use jiff::SignedDuration;

use super::jumble::JumbledStore;
use crate::blob::{BlobStore, Fault, FaultyStore, MemoryStore};
use crate::clock::FrozenClock;
use crate::content::WriteOptions;
use crate::format::{CreateOptions, Format};
use crate::maintenance::{self, MaintenanceOptions, Mode};
use crate::restore::{RestoreOptions, restore_tree};
use crate::snapshot::{Snapshot, Source, list, parent};
use crate::testdata::{PASSWORD, splitmix64};
use crate::upload::{UploadOptions, upload_tree};
use crate::verify::{VerifyOptions, verify};
use crate::{OpenOptions, Repository, Result};

type Tree = BTreeMap<String, Vec<u8>>;

/// The repository, the source tree, and what each snapshot must hold.
struct Model {
    clock: Arc<FrozenClock>,
    store: MemoryStore,
    format: Format,
    folder: tempfile::TempDir,
    tree: Tree,
    snapshots: BTreeMap<String, Tree>,
    state: u64,
}

impl Model {
    async fn new(seed: u64) -> Self {
        let clock = Arc::new(FrozenClock::new("2026-11-21T12:00:00Z".parse().unwrap()));
        let store = MemoryStore::new(clock.clone());
        let format = Format::create(&store, PASSWORD, &CreateOptions::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { clock, store, format, folder, tree: Tree::new(), snapshots: BTreeMap::new(), state: seed }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(1);
        let bytes = splitmix64(self.state, 8);
        u64::from_le_bytes(bytes.try_into().unwrap()) % below
    }

    async fn open(&self, store: Arc<dyn BlobStore>) -> Result<Repository> {
        let options = OpenOptions { clock: self.clock.clone(), ..OpenOptions::default() };
        Repository::with_format(store, self.format.clone(), options).await
    }

    /// The store, which will crash soon in one case of eight, and confuses what is under way in every other.
    fn chancy_store(&mut self) -> Arc<dyn BlobStore> {
        if self.random(2) == 0 {
            let crash = (self.random(8) == 0).then(|| self.random(60));
            let (seed, lag) = (self.random(1000), self.random(4));
            return Arc::new(JumbledStore::new(self.store.clone(), seed, crash, lag));
        }
        let inner: Arc<dyn BlobStore> = Arc::new(self.store.clone());
        let fault = if self.random(2) == 0 { Fault::CrashBefore } else { Fault::CrashAfter };
        let at = self.random(60);
        let crash = (self.random(8) == 0).then_some((at, fault));
        Arc::new(FaultyStore::new(inner, crash))
    }

    async fn step(&mut self) {
        match self.random(10) {
            0..=2 => self.change_tree(),
            3..=5 => self.back_up().await,
            6 => self.forget().await,
            7 => self.maintain().await,
            _ => {
                let minutes = self.random(600) as i64;
                self.clock.advance(SignedDuration::from_mins(minutes));
            }
        }
    }

    fn change_tree(&mut self) {
        let name = format!("{}/{}", self.random(4), self.random(6));
        let path = self.folder.path().join(&name);
        if self.random(4) == 0 {
            let _ = fs::remove_file(path);
            self.tree.remove(&name);
            return;
        }
        // Few seeds, so that files are often equal to others and to old ones.
        let data = splitmix64(self.random(30), self.random(3000) as usize);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &data).unwrap();
        self.tree.insert(name, data);
    }

    async fn back_up(&mut self) {
        let store = self.chancy_store();
        let before = self.known().await;
        let result = match self.open(store).await {
            Ok(repository) => back_up(&repository, self.folder.path()).await,
            Err(error) => Err(error),
        };
        if let Ok(id) = result {
            self.snapshots.insert(id, self.tree.clone());
            return;
        }
        // A crash after the index was written leaves a snapshot that nobody was told of.
        for id in self.known().await {
            if !before.contains(&id) {
                self.snapshots.insert(id, self.tree.clone());
            }
        }
    }

    async fn known(&self) -> Vec<String> {
        let repository = self.open(Arc::new(self.store.clone())).await.unwrap();
        let manifests = repository.manifests().await.unwrap();
        list(&manifests, None).unwrap().into_iter().map(|snapshot| snapshot.id).collect()
    }

    async fn forget(&mut self) {
        let index = self.random(self.snapshots.len().max(1) as u64) as usize;
        let Some(id) = self.snapshots.keys().nth(index).cloned() else { return };
        self.clock.advance(SignedDuration::from_secs(1));
        let repository = self.open(Arc::new(self.store.clone())).await.unwrap();
        let writer = repository.writer(WriteOptions::default()).unwrap();
        writer.delete_manifest(&id);
        writer.flush().await.unwrap();
        self.snapshots.remove(&id);
    }

    async fn maintain(&mut self) {
        let mode = if self.random(2) == 0 { Mode::Full } else { Mode::Quick };
        let store = self.chancy_store();
        if let Ok(repository) = self.open(store).await {
            let options = MaintenanceOptions { mode, force: true, ..MaintenanceOptions::default() };
            let _ = maintenance::run(&repository, &options).await;
        }
    }

    /// All is sound, and one snapshot is restored and compared.
    async fn check(&mut self) {
        let repository = self.open(Arc::new(self.store.clone())).await.unwrap();
        let options = VerifyOptions { read_percent: 100.0, ..VerifyOptions::default() };
        let report = verify(&repository, &options).await.unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        assert_eq!(self.known().await.len(), self.snapshots.len());
        let index = self.random(self.snapshots.len().max(1) as u64) as usize;
        let Some((id, expected)) = self.snapshots.iter().nth(index) else { return };
        let manifests = repository.manifests().await.unwrap();
        let snapshot = Snapshot::from_manifest(manifests.get(id).unwrap()).unwrap();
        let target = tempfile::tempdir().unwrap();
        let restored =
            restore_tree(&repository, snapshot.root().unwrap(), target.path(), RestoreOptions::default())
                .await;
        assert_eq!(restored.unwrap().files, expected.len() as u64);
        for (name, data) in expected {
            assert_eq!(&fs::read(target.path().join(name)).unwrap(), data, "{name} of {id}");
        }
    }
}

async fn back_up(repository: &Repository, folder: &Path) -> Result<String> {
    let source = Source { host: "default".into(), user_name: "default".into(), path: "soak".into() };
    let manifests = repository.manifests().await?;
    let before = parent(&manifests, &source, &[])?.and_then(|snapshot| snapshot.root_entry);
    let writer = repository.writer(WriteOptions {
        max_pending: 10,
        pack_size: Some(4000),
        ..WriteOptions::default()
    })?;
    let options = UploadOptions { threads: 2, xattrs: false, ..UploadOptions::default() };
    let uploaded = upload_tree(&writer, folder, before, options).await?;
    let now = repository.contents().clock().now();
    let snapshot =
        serde_json::json!({ "source": source, "startTime": now, "endTime": now, "rootEntry": uploaded.root });
    let id = writer.put_snapshot(&serde_json::from_value(snapshot).unwrap())?;
    writer.flush().await?;
    Ok(id)
}

async fn soak(seed: u64, steps: u64) {
    let mut model = Model::new(seed).await;
    for step in 0..steps {
        model.step().await;
        if step % 50 == 49 {
            model.check().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_keep_every_snapshot() {
    soak(1, 150).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: run by `make soak`"]
async fn ten_thousand_random_operations_keep_every_snapshot() {
    for seed in 0..10 {
        soak(seed << 32, 1000).await;
    }
}
