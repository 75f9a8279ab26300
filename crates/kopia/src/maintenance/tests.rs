use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::blob::{BlobStore, BlobStoreExt, Fault, FaultyStore, MemoryStore};
use crate::clock::{Clock, FrozenClock};
use crate::error::chain;
use crate::format::{CreateOptions, EpochParameters, Format, GoDuration};
use crate::snapshot::{DirectoryEntry, EntryKind, Snapshot, Source, Summary};
use crate::testdata::{PASSWORD, splitmix64};
use crate::verify::{VerifyOptions, verify};
use crate::{OpenOptions, Prefix};

/// A repository whose store and clients share a clock that stands still.
struct World {
    clock: Arc<FrozenClock>,
    store: MemoryStore,
    format: Format,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(FrozenClock::new("2026-11-21T12:00:00Z".parse().unwrap()));
        let store = MemoryStore::new(clock.clone());
        let format = Format::create(&store, PASSWORD, &CreateOptions::default()).await.unwrap();
        let world = Self { clock, store, format };
        let repository = world.open().await;
        let writer = repository.writer(WriteOptions::default()).unwrap();
        let parameters = Parameters { owner: "default@default".into(), ..Parameters::default() };
        writer.set_maintenance_parameters(&repository.manifests().await.unwrap(), &parameters).unwrap();
        writer.flush().await.unwrap();
        world
    }

    async fn open(&self) -> Repository {
        self.open_store(Arc::new(self.store.clone())).await.unwrap()
    }

    async fn open_store(&self, store: Arc<dyn BlobStore>) -> Result<Repository> {
        let options = OpenOptions { clock: self.clock.clone(), ..OpenOptions::default() };
        Repository::with_format(store, self.format.clone(), options).await
    }

    fn pass(&self, hours: i64) {
        self.clock.advance(SignedDuration::from_hours(hours));
    }

    /// Backs up one file of pseudo-random bytes and answers the snapshot's ID.
    async fn back_up(&self, seed: u64, size: usize) -> String {
        back_up(&self.open().await, seed, size).await.unwrap()
    }

    async fn forget(&self, id: &str) {
        // Of two entries of a manifest with the same time the first counts, as with Kopia.
        self.clock.advance(SignedDuration::from_secs(1));
        let repository = self.open().await;
        let writer = repository.writer(WriteOptions::default()).unwrap();
        writer.delete_manifest(id);
        writer.flush().await.unwrap();
    }

    async fn full(&self) -> MaintenanceReport {
        run(&self.open().await, &full()).await.unwrap()
    }

    async fn count(&self, prefix: &str) -> usize {
        self.store.list_sorted(prefix).await.unwrap().len()
    }

    async fn is_sound(&self) {
        let options = VerifyOptions { read_percent: 100.0, ..VerifyOptions::default() };
        let report = verify(&self.open().await, &options).await.unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
    }
}

fn full() -> MaintenanceOptions {
    MaintenanceOptions { mode: Mode::Full, ..MaintenanceOptions::default() }
}

async fn back_up(repository: &Repository, seed: u64, size: usize) -> Result<String> {
    let writer = repository.writer(WriteOptions::default())?;
    let data = splitmix64(seed, size);
    let content = writer.contents().write_async(None, data.into(), false).await?;
    let file = DirectoryEntry {
        object: Some(crate::object::ObjectId::direct(content)),
        size: size as u64,
        ..DirectoryEntry::new("file".as_ref(), EntryKind::File)
    };
    let summary = Summary::of(std::slice::from_ref(&file), file.modified);
    let json = crate::snapshot::Directory::new(vec![file], summary).to_json()?;
    let listing = writer.contents().write_async(Some(Prefix::DIRECTORY), json.into(), false).await?;
    let root = DirectoryEntry {
        object: Some(crate::object::ObjectId::direct(listing)),
        ..DirectoryEntry::new("root".as_ref(), EntryKind::Directory)
    };
    let now = repository.contents().clock().now();
    let source = Source { host: "default".into(), user_name: "default".into(), path: "data".into() };
    let snapshot =
        serde_json::json!({ "source": source, "startTime": now, "endTime": now, "rootEntry": root });
    let id = writer.put_snapshot(&serde_json::from_value::<Snapshot>(snapshot).unwrap())?;
    writer.flush().await?;
    Ok(id)
}

#[tokio::test]
async fn forgotten_data_goes_after_two_collections_and_not_before() {
    let world = World::new().await;
    let kept = world.back_up(1, 9 << 20).await;
    let forgotten = world.back_up(2, 13 << 20).await;
    world.forget(&forgotten).await;
    assert_eq!(world.full().await.gc, GcReport { in_use: 2, recent: 2, ..GcReport::default() });
    world.pass(25);
    let second = world.full().await;
    assert_eq!((second.gc.deleted, second.gc.in_use), (2, 2));
    let packs = world.count("p").await;
    world.pass(5);
    world.full().await;
    assert_eq!(world.count("p").await, packs, "the packs are still named by deleted entries");
    for _ in 0..3 {
        world.pass(25);
        world.full().await;
        world.is_sound().await;
    }
    assert_eq!(world.count("p").await, 1);
    let entries = world.open().await.contents().index().scan().unwrap().count();
    let manifests = world.open().await.manifests().await.unwrap();
    assert!(manifests.get(&kept).is_ok() && entries < 12, "{entries} entries");
}

#[tokio::test]
async fn what_a_new_snapshot_uses_again_is_recovered() {
    let world = World::new().await;
    let first = world.back_up(1, 1000).await;
    world.pass(25);
    // A client that opened before the collection still believes in the content.
    let stale = world.open().await;
    world.forget(&first).await;
    assert_eq!(world.full().await.gc.deleted, 2);
    back_up(&stale, 1, 1000).await.unwrap();
    world.pass(5);
    assert_eq!(world.full().await.gc.recovered, 2);
    world.is_sound().await;
}

#[tokio::test]
async fn short_packs_are_put_together() {
    let world = World::new().await;
    for seed in 0..5 {
        world.back_up(seed, 1000).await;
    }
    world.pass(25);
    let report = world.full().await;
    assert!(report.rewrite.short_packs >= 10 && report.rewrite.damaged == 0, "{:?}", report.rewrite);
    assert_eq!(report.deleted_packs, (0, 0), "packs wait after contents were moved");
    world.pass(25);
    let report = world.full().await;
    assert!(report.deleted_packs.0 >= 10 && report.rewrite == RewriteReport::default(), "{report:?}");
    assert_eq!((world.count("p").await, world.count("q").await), (1, 1));
    world.is_sound().await;
}

#[tokio::test]
async fn packs_of_a_living_session_stay() {
    let world = World::new().await;
    let repository = world.open().await;
    let writer = repository.writer(WriteOptions { pack_size: Some(1), ..WriteOptions::default() }).unwrap();
    writer.contents().write_async(None, splitmix64(1, 1000).into(), false).await.unwrap();
    while world.count("p").await == 0 {
        tokio::task::yield_now().await;
    }
    world.pass(50);
    world.full().await;
    assert_eq!((world.count("p").await, world.count("s").await), (1, 1));
    world.pass(50);
    world.full().await;
    assert_eq!(world.count("p").await, 0, "the session expired");
}

#[tokio::test]
async fn epochs_advance_and_are_compacted_and_cleaned_up() {
    let world = World::new().await;
    let mut seed = 0;
    for _ in 0..12 {
        for _ in 0..20 {
            world.back_up(seed, 100).await;
            seed += 1;
            world.pass(2);
        }
        world.full().await;
    }
    let state = world.open().await.contents().epochs().unwrap();
    assert!(state.write_epoch >= 9, "{}", state.write_epoch);
    assert_eq!(state.ranges.first().map(|range| range.first), Some(0));
    assert!(world.count("xe").await <= 3 && world.count("xn").await < 100, "{}", world.count("xn").await);
    world.is_sound().await;
    let manifests = world.open().await.manifests().await.unwrap();
    assert_eq!(manifests.find(&[("type", "snapshot")]).len(), seed as usize);
}

#[tokio::test]
async fn only_the_owner_maintains_and_only_when_due() {
    let world = World::new().await;
    let options =
        OpenOptions { username: "other".into(), clock: world.clock.clone(), ..OpenOptions::default() };
    let other =
        Repository::with_format(Arc::new(world.store.clone()), world.format.clone(), options).await.unwrap();
    let refused = run(&other, &MaintenanceOptions::default()).await.unwrap_err();
    assert_eq!(chain(&refused), "maintenance is owned by \"default@default\", not by \"other@default\"");
    run(&other, &MaintenanceOptions { force: true, ..full() }).await.unwrap();
    let auto = async || run(&world.open().await, &MaintenanceOptions::default()).await.unwrap().mode;
    assert_eq!(auto().await, None);
    world.pass(2);
    assert_eq!((auto().await, auto().await), (Some(RanMode::Quick), None));
    world.pass(23);
    assert_eq!(auto().await, Some(RanMode::Full));
}

#[tokio::test]
async fn clocks_that_disagree_end_it() {
    let world = World::new().await;
    let ahead = Arc::new(FrozenClock::new(world.clock.now() + SignedDuration::from_mins(6)));
    let options = OpenOptions { clock: ahead, ..OpenOptions::default() };
    let repository =
        Repository::with_format(Arc::new(world.store.clone()), world.format.clone(), options).await.unwrap();
    assert!(matches!(run(&repository, &full()).await, Err(Error::ClockSkew { seconds: 360 })));
}

#[tokio::test]
async fn maintenance_killed_at_any_operation_leaves_all_snapshots_whole() {
    let world = World::new().await;
    for seed in 0..3 {
        world.back_up(seed, 2000).await;
    }
    let forgotten = world.back_up(9, 2000).await;
    world.forget(&forgotten).await;
    world.pass(25);
    world.full().await;
    world.pass(25);
    let before = world.store.fork();
    let counting = Arc::new(FaultyStore::new(Arc::new(before.fork()), None));
    run(&world.open_store(counting.clone()).await.unwrap(), &full()).await.unwrap();
    for at in 0..counting.operations() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let left = before.fork();
            let faulty: Arc<dyn BlobStore> =
                Arc::new(FaultyStore::new(Arc::new(left.clone()), Some((at, fault))));
            if let Ok(repository) = world.open_store(faulty).await {
                let _ = run(&repository, &full()).await;
            }
            let survivor = World { store: left, clock: world.clock.clone(), format: world.format.clone() };
            survivor.is_sound().await;
            survivor.full().await;
            survivor.is_sound().await;
            assert_eq!(
                survivor.open().await.manifests().await.unwrap().find(&[("type", "snapshot")]).len(),
                3
            );
        }
    }
}

#[tokio::test]
async fn an_index_written_into_a_settled_epoch_is_taken_back() {
    let world = World::new().await;
    let repository = world.open().await;
    let writer = repository.writer(WriteOptions::default()).unwrap();
    writer.contents().write_async(None, "late".into(), false).await.unwrap();
    for epoch in ["xe1", "xe2"] {
        world.store.put(epoch, "epoch-marker".into(), crate::blob::PutOptions::default()).await.unwrap();
    }
    let before = world.count("xn").await;
    let error = writer.flush().await.unwrap_err();
    assert!(matches!(error, Error::EpochSettled { written: 0, current: 2 }) && error.is_retryable());
    assert_eq!(world.count("xn").await, before);
}

#[test]
fn deletion_waits_for_two_collections_far_apart() {
    let hour = |hours: i64| Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap();
    let run = |start, end| Run::new(hour(start), hour(end), None);
    for (runs, expected) in [
        (vec![], None),
        (vec![run(10, 11)], None),
        (vec![run(10, 11), run(7, 8)], None),
        (vec![run(10, 11), run(7, 8), run(2, 3)], Some(hour(1))),
        (vec![run(30, 31), run(7, 8)], Some(hour(6))),
    ] {
        let schedule = Schedule {
            next_full: hour(0),
            next_quick: hour(0),
            runs: [("snapshot-gc".to_owned(), runs)].into(),
        };
        assert_eq!(schedule.drop_time(), expected);
    }
}

#[test]
fn epoch_parameters_of_new_repositories_are_those_of_kopia() {
    let parameters = EpochParameters::enabled();
    assert_eq!(parameters.cleanup_safety_margin, GoDuration::from_secs(14_400));
}

#[tokio::test]
async fn markers_of_sessions_that_expired_go() {
    let world = World::new().await;
    let repository = world.open().await;
    let writer = repository.writer(WriteOptions { pack_size: Some(1), ..WriteOptions::default() }).unwrap();
    writer.contents().write_async(None, "lost".into(), false).await.unwrap();
    while world.count("s").await == 0 || world.count("p").await == 0 {
        tokio::task::yield_now().await;
    }
    for (hours, left) in [(50, 1), (50, 0)] {
        world.pass(hours);
        world.full().await;
        assert_eq!(
            (world.count("s").await, world.count("p").await),
            (left, left),
            "after {hours} more hours"
        );
    }
}

#[tokio::test]
async fn text_logs_stay_within_the_limits_that_are_set() {
    let limits = |max_count, max_total_size, days: i64| LogRetention {
        max_count,
        max_total_size,
        max_age: GoDuration::from_secs(days * 86_400),
    };
    for (limits, left) in [
        (limits(0, 0, 0), 6),
        (limits(0, 0, 3), 3),
        (limits(2, 0, 0), 2),
        (limits(0, 45, 0), 4),
        (limits(5, 1000, 30), 5),
    ] {
        let world = World::new().await;
        world.pass(1);
        let repository = world.open().await;
        let writer = repository.writer(WriteOptions::default()).unwrap();
        let owner = "default@default".to_owned();
        let parameters = Parameters { owner, log_retention: limits.clone(), ..Parameters::default() };
        writer.set_maintenance_parameters(&repository.manifests().await.unwrap(), &parameters).unwrap();
        writer.flush().await.unwrap();
        for day in 0..6 {
            let name = format!("_log_2026112{day}");
            world.store.put(&name, vec![0; 10].into(), crate::blob::PutOptions::default()).await.unwrap();
            world.pass(24);
        }
        assert_eq!(world.full().await.deleted_logs, 6 - left);
        assert_eq!(world.count("_").await as u64, left, "{limits:?}");
    }
}

#[tokio::test]
async fn version_1_is_left_to_kopia() {
    let options = CreateOptions { version: 1, ..CreateOptions::default() };
    let store = Arc::new(MemoryStore::default());
    let repository = Repository::create(store, PASSWORD, &options, OpenOptions::default()).await.unwrap();
    let forced = MaintenanceOptions { force: true, ..full() };
    assert!(matches!(run(&repository, &forced).await, Err(Error::Unsupported(_))));
}
