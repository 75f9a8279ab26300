//! A store as unkind as one may be that keeps the contract's one promise, that what was answered is done: operations under way
//! overtake each other, those that a crash interrupts are done or not, and (if wanted) listings lag behind.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::formats::sound;
use crate::blob::{BlobError, BlobMetadata, BlobResult, BlobStore, MemoryStore, PutOptions, Retention};
use crate::clock::{Clock, FrozenClock};
use crate::content::WriteOptions;
use crate::format::{CreateOptions, Format};
use crate::maintenance::{self, MaintenanceOptions, Mode};
use crate::snapshot::{Snapshot, Source, list, parent};
use crate::testdata::{PASSWORD, splitmix64};
use crate::upload::{UploadOptions, upload_tree};
use crate::{OpenOptions, Repository, Result};

#[derive(Debug)]
pub(super) struct JumbledStore {
    inner: MemoryStore,
    seed: u64,
    /// The process dies at this operation.
    crash_at: u64,
    /// For so many operations a new blob is not listed.
    lag: u64,
    count: AtomicU64,
    young: Mutex<BTreeMap<String, u64>>,
}

impl JumbledStore {
    pub(super) fn new(inner: MemoryStore, seed: u64, crash_at: Option<u64>, lag: u64) -> Self {
        let crash_at = crash_at.unwrap_or(u64::MAX);
        Self { inner, seed, crash_at, lag, count: AtomicU64::new(0), young: Mutex::default() }
    }

    fn operations(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn chance(&self, number: u64, of: u8) -> u8 {
        splitmix64(self.seed ^ number << 20, 1)[0] % of
    }

    /// Waits while others overtake. Answers whether to do the operation, and whether to tell of it.
    async fn pass(&self) -> (bool, BlobResult<()>) {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        for _ in 0..self.chance(number, 6) {
            tokio::task::yield_now().await;
        }
        if self.operations() <= self.crash_at {
            return (true, Ok(()));
        }
        let under_way = number < self.crash_at;
        let dead = BlobError::Other { retryable: false, source: "the process died".into() };
        (under_way && self.chance(number, 2) == 0, Err(dead))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl BlobStore for JumbledStore {
    async fn get(&self, id: &str, range: Option<Range<u64>>) -> BlobResult<Bytes> {
        self.pass().await.1?;
        self.inner.get(id, range).await
    }

    async fn put(&self, id: &str, data: Bytes, options: PutOptions) -> BlobResult<()> {
        let (done, told) = self.pass().await;
        if done {
            self.young.lock().unwrap().entry(id.to_owned()).or_insert(self.operations());
            self.inner.put(id, data, options).await?;
        }
        told
    }

    async fn delete(&self, id: &str) -> BlobResult<()> {
        let (done, told) = self.pass().await;
        if done {
            self.inner.delete(id).await?;
        }
        told
    }

    async fn metadata(&self, id: &str) -> BlobResult<BlobMetadata> {
        self.pass().await.1?;
        self.inner.metadata(id).await
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, BlobResult<BlobMetadata>> {
        let listing = async move {
            if let Err(error) = self.pass().await.1 {
                return stream::iter([Err(error)]).boxed();
            }
            let now = self.operations();
            let young = self.young.lock().unwrap().clone();
            let listed = move |id: &str| young.get(id).is_none_or(|born| born + self.lag <= now);
            let visible =
                move |blob: &BlobResult<BlobMetadata>| blob.as_ref().map_or(true, |blob| listed(&blob.id));
            self.inner.list(prefix).filter(move |blob| std::future::ready(visible(blob))).boxed()
        };
        stream::once(listing).flatten().boxed()
    }

    async fn extend_retention(&self, id: &str, retention: Retention) -> BlobResult<()> {
        self.pass().await.1?;
        self.inner.extend_retention(id, retention).await
    }
}

/// A repository and the folders that are backed up into it.
struct World {
    clock: Arc<FrozenClock>,
    store: MemoryStore,
    format: Format,
    trees: Vec<tempfile::TempDir>,
}

impl World {
    async fn new(trees: u64) -> Self {
        let clock = Arc::new(FrozenClock::new("2026-11-21T12:00:00Z".parse().unwrap()));
        let store = MemoryStore::new(clock.clone());
        let format = Format::create(&store, PASSWORD, &CreateOptions::default()).await.unwrap();
        let tree = |seed: u64| {
            let folder = tempfile::tempdir().unwrap();
            for file in 0..6 {
                let data = splitmix64(seed % 2 * 3 + file, 2500);
                fs_err::create_dir_all(folder.path().join((file % 2).to_string())).unwrap();
                fs_err::write(folder.path().join(format!("{}/{file}", file % 2)), data).unwrap();
            }
            folder
        };
        Self { clock, store, format, trees: (0..trees).map(tree).collect() }
    }

    async fn open(&self, store: Arc<dyn BlobStore>) -> Result<Repository> {
        let options = OpenOptions { clock: self.clock.clone(), ..OpenOptions::default() };
        Repository::with_format(store, self.format.clone(), options).await
    }

    async fn back_up(&self, store: Arc<dyn BlobStore>, tree: usize) -> Result<String> {
        let repository = self.open(store).await?;
        let source = Source { host: "h".into(), user_name: "u".into(), path: tree.to_string() };
        let manifests = repository.manifests().await?;
        let before = parent(&manifests, &source, &[])?.and_then(|snapshot| snapshot.root_entry);
        let small = WriteOptions { max_pending: 5, pack_size: Some(3000), ..WriteOptions::default() };
        let writer = repository.writer(small)?;
        let options = UploadOptions { threads: 2, ..UploadOptions::default() };
        let uploaded = upload_tree(&writer, self.trees[tree].path(), before, options).await?;
        let now = self.clock.now();
        let snapshot = serde_json::json!({ "source": source, "startTime": now, "endTime": now, "rootEntry": uploaded.root });
        let id = writer.put_snapshot(&serde_json::from_value::<Snapshot>(snapshot).unwrap())?;
        writer.flush().await?;
        Ok(id)
    }

    async fn maintain(&self, store: Arc<dyn BlobStore>) -> Result<()> {
        let options = MaintenanceOptions { mode: Mode::Full, force: true, ..MaintenanceOptions::default() };
        maintenance::run(&self.open(store).await?, &options).await.map(|_| ())
    }

    /// Everything is whole, and at least these snapshots are there.
    async fn holds(&self, store: &MemoryStore, snapshots: &[String]) {
        let repository = self.open(Arc::new(store.clone())).await.unwrap();
        sound(&repository).await;
        let known = list(&repository.manifests().await.unwrap(), None).unwrap();
        for id in snapshots {
            assert!(known.iter().any(|snapshot| snapshot.id == *id), "{id} is lost");
        }
    }

    fn pass_hours(&self, hours: i64) {
        self.clock.advance(jiff::SignedDuration::from_hours(hours));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_killed_at_any_operation_of_an_unkind_store_harms_nothing() {
    let world = World::new(2).await;
    let first = world.back_up(Arc::new(world.store.clone()), 0).await.unwrap();
    let counting = Arc::new(JumbledStore::new(world.store.fork(), 0, None, 0));
    world.back_up(counting.clone(), 1).await.unwrap();
    for at in 0..=counting.operations() {
        let left = world.store.fork();
        let dying = Arc::new(JumbledStore::new(left.clone(), at, Some(at), at % 3 * 4));
        let mut finished = vec![first.clone()];
        finished.extend(world.back_up(dying, 1).await.ok());
        world.holds(&left, &finished).await;
        finished.push(world.back_up(Arc::new(left.clone()), 1).await.unwrap());
        world.holds(&left, &finished).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn maintenance_killed_at_any_operation_of_an_unkind_store_harms_nothing() {
    let world = World::new(3).await;
    let mut kept = Vec::new();
    for tree in [0, 1, 2, 0] {
        kept.push(world.back_up(Arc::new(world.store.clone()), tree).await.unwrap());
    }
    let repository = world.open(Arc::new(world.store.clone())).await.unwrap();
    let writer = repository.writer(WriteOptions::default()).unwrap();
    writer.delete_manifest(&kept.pop().unwrap());
    writer.flush().await.unwrap();
    for _ in 0..2 {
        world.pass_hours(25);
        world.maintain(Arc::new(world.store.clone())).await.unwrap();
    }
    world.pass_hours(25);
    let before = world.store.fork();
    let counting = Arc::new(JumbledStore::new(before.fork(), 0, None, 0));
    world.maintain(counting.clone()).await.unwrap();
    for at in 0..=counting.operations() {
        let left = before.fork();
        let _ = world.maintain(Arc::new(JumbledStore::new(left.clone(), at, Some(at), at % 3 * 4))).await;
        world.holds(&left, &kept).await;
        world.maintain(Arc::new(left.clone())).await.unwrap();
        world.holds(&left, &kept).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_beside_each_other_and_beside_maintenance_keep_their_snapshots() {
    for seed in 0..6 {
        let world = World::new(3).await;
        let mut kept = Vec::new();
        for round in 0..4 {
            let shared: Arc<dyn BlobStore> =
                Arc::new(JumbledStore::new(world.store.clone(), seed * 100 + round, None, seed));
            let (first, second, third, maintained) = tokio::join!(
                world.back_up(shared.clone(), 0),
                world.back_up(shared.clone(), 1),
                world.back_up(shared.clone(), 2),
                world.maintain(shared.clone()),
            );
            maintained.unwrap();
            kept.extend([first.unwrap(), second.unwrap(), third.unwrap()]);
            world.holds(&world.store, &kept).await;
            world.pass_hours(26);
        }
    }
}
