//! What looking through a bucket with thousands of backups costs, counted in requests.

use bowline_store::{MemoryStore, ObjectStore, PutOptions};
use bowline_testing::Process;
use serde_json::json;

use crate::reports::{minutes, story};
use crate::world::World;

const BACKUPS: usize = 5_000;
/// Runs that left a log and no more.
const FAILED: usize = 300;
/// Names in a page of the list of a store in memory.
const PAGE: usize = 100;

async fn put(store: &MemoryStore, name: &str) {
    let metadata = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": name, "namespace": "velero", "uid": name},
        "spec": {"storageLocation": "default", "includedNamespaces": ["shop"]},
        "status": {"phase": "Completed", "expiration": "2036-01-01T00:00:00Z"},
    });
    let key = format!("backups/{name}/velero-backup.json");
    store.put(&key, metadata.to_string().into(), PutOptions::default()).await.unwrap();
}

/// How many objects and how many pages of lists were asked for since the last time.
fn asked(world: &World) -> (usize, usize) {
    let calls = world.bucket.faults().calls();
    world.bucket.faults().forget_calls();
    let count =
        |verb| calls.iter().filter(|call| call.verb == verb && call.name.starts_with("backups/")).count();
    (count("get"), count("list"))
}

#[test]
fn v785_a_bucket_of_5000_backups_is_read_once_and_then_only_listed() {
    story(async |world| {
        let store = world.bucket.store();
        for number in 0..BACKUPS {
            put(store, &format!("b-{number:05}")).await;
        }
        for number in 0..FAILED {
            let log = format!("backups/failed-{number}/failed-{number}-logs.gz");
            store.put(&log, "x".into(), PutOptions::default()).await.unwrap();
        }
        let _server = world.start(Process::default());
        let known = |world: &World| world.cluster.objects("backups.velero.io").len();
        world.until("all are known", |world| known(world) == BACKUPS).await;
        minutes(1).await;
        let pages = (BACKUPS + FAILED).div_ceil(PAGE);
        let (gets, lists) = asked(&world);
        // Metadata and volumes of each backup; of what is none, only that there are no metadata.
        assert!(gets <= 2 * (BACKUPS + FAILED), "{gets} objects were read");
        assert!(lists <= 4 * pages, "{lists} pages were listed");

        minutes(120).await;
        asked(&world);
        world.cluster.faults.forget_calls();
        minutes(60).await;
        let (gets, lists) = asked(&world);
        assert!(gets <= 2 * FAILED, "{gets} objects were read in an hour in which nothing has changed");
        assert!(lists <= 61 * (2 * pages), "{lists} pages were listed in an hour");
        let written =
            world.cluster.faults.calls().into_iter().filter(|call| call.resource == "backups.velero.io");
        assert_eq!(written.filter(|call| call.verb == "patch" || call.verb == "create").count(), 0);

        put(store, "one-more").await;
        minutes(2).await;
        assert_eq!(known(&world), BACKUPS + 1);
    });
}
