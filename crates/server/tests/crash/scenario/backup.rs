//! A backup with a hook around a pod.

use async_trait::async_trait;

use super::{Scenario, attempts, request_backup};
use crate::world::World;

pub(super) struct MakeBackup;

#[async_trait]
impl Scenario for MakeBackup {
    fn name(&self) -> &'static str {
        "backup"
    }

    async fn prepare(&self, _world: &World) {}

    fn request(&self, world: &World) {
        request_backup(world, "b");
    }

    fn ended(&self, world: &World) -> bool {
        !matches!(world.phase("backups", "b").as_str(), "" | "New" | "Queued" | "ReadyToStart" | "InProgress")
    }

    async fn check(&self, world: &World, kills: usize) {
        let backup = world.object("backups", "b").expect("the Backup is still there");
        assert_eq!(backup["status"]["phase"], "Completed", "{backup:#}");
        assert!((1..=1 + kills).contains(&attempts(world, "backups", "b")), "{backup:#}");
        assert_eq!(backup["status"]["errors"].as_i64().unwrap_or(0), 0, "{backup:#}");
        let keys = world.bucket.keys().await;
        let own = |key: &&String| !key.starts_with("backups/b/");
        assert!(keys.iter().find(own).is_none(), "something is left over: {keys:?}");
        let stored = world.store().metadata("b").await.expect("the backup is stored");
        assert_eq!(stored.metadata.uid.as_deref(), backup["metadata"]["uid"].as_str());
        let list = world.store().resource_list("b").await.expect("it has a list");
        let list = serde_json::to_value(list).expect("a list is JSON");
        assert_eq!(list["v1/ConfigMap"], serde_json::json!(["shop/colours", "shop/sizes"]), "{list}");
        assert_eq!(list["v1/Pod"], serde_json::json!(["shop/db"]), "{list}");
        paired_hooks(world, kills);
    }
}

/// The application must not stay frozen.
fn paired_hooks(world: &World, kills: usize) {
    let ran: Vec<_> = world.exec.ran().iter().map(|request| request.command.join(" ")).collect();
    assert_eq!(ran.last().map(String::as_str), Some("unfreeze"), "{ran:?}");
    assert_eq!(ran.first().map(String::as_str), Some("freeze"), "{ran:?}");
    assert!(ran.len() <= 2 * (1 + kills), "{ran:?}");
}
