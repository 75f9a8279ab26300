//! A server meets a bucket with backups that it does not know, one that is half there, and an object whose files are gone.

use async_trait::async_trait;
use bowline_store::{ObjectStore, PutOptions};
use bowline_testing::object::with;

use super::{Scenario, make_backup};
use crate::world::{VELERO, World};

pub(super) struct SyncBackups;

const STORED: [&str; 2] = ["one", "two"];

#[async_trait]
impl Scenario for SyncBackups {
    fn name(&self) -> &'static str {
        "sync"
    }

    async fn prepare(&self, world: &World) {
        for name in STORED {
            make_backup(world, name).await;
            let made = world.object("backups", name).expect("it was made");
            world.cluster.remove("backups.velero.io", VELERO, name);
            world.cluster.put(with(made, "/metadata/name", "gone"));
        }
        let store = world.bucket.store();
        let half = store.put("backups/half/half.tar.gz", "x".into(), PutOptions::default());
        half.await.expect("a memory store takes all");
        // The next server looks at once.
        let location = world.object("backupstoragelocations", "default").expect("it is there");
        let never = with(location, "/status/lastSyncedTime", serde_json::Value::Null);
        world.cluster.put(never);
    }

    fn request(&self, _world: &World) {}

    fn ended(&self, world: &World) -> bool {
        world.object("backups", "gone").is_none()
            && STORED.iter().all(|name| world.phase("backups", name) == "Completed")
    }

    async fn check(&self, world: &World, _kills: usize) {
        let backups = world.cluster.objects("backups.velero.io");
        let names: Vec<_> = backups.iter().map(|backup| backup["metadata"]["name"].clone()).collect();
        assert_eq!(names, STORED, "not the backups of the bucket");
        let keys = world.bucket.keys().await;
        assert!(keys.contains(&"backups/half/half.tar.gz".to_owned()), "what is not ours was deleted");
    }
}
