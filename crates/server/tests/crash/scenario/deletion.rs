//! A backup with a restore is deleted: on request, or because its time is over.

use async_trait::async_trait;
use serde_json::json;

use super::{Scenario, make_backup};
use crate::world::{VELERO, World};
use bowline_testing::Process;
use bowline_testing::object::with;

pub(super) struct DeleteBackup {
    /// Whether nobody asks for it but time.
    pub(super) expired: bool,
}

#[async_trait]
impl Scenario for DeleteBackup {
    fn name(&self) -> &'static str {
        if self.expired { "gc" } else { "deletion" }
    }

    async fn prepare(&self, world: &World) {
        make_backup(world, "b").await;
        let server = world.start(Process::default());
        let mapping = json!({"shop": "copy"});
        world.create("Restore", "restores", "r", &json!({"backupName": "b", "namespaceMapping": mapping}));
        world.until("it is restored", |world| world.phase("restores", "r") == "Completed").await;
        server.kill().await;
        if self.expired {
            let backup = world.object("backups", "b").expect("it was made");
            world.cluster.put(with(backup, "/status/expiration", "2026-01-02T03:04:06Z"));
        }
    }

    fn request(&self, world: &World) {
        if !self.expired {
            world.create("DeleteBackupRequest", "deletebackuprequests", "d", &json!({"backupName": "b"}));
        }
    }

    fn ended(&self, world: &World) -> bool {
        world.object("backups", "b").is_none()
            && world.cluster.objects("deletebackuprequests.velero.io").is_empty()
    }

    async fn check(&self, world: &World, _kills: usize) {
        let keys = world.bucket.keys().await;
        assert!(keys.is_empty(), "files are left over: {keys:?}");
        assert_eq!(world.object("restores", "r"), None, "the restore is left over");
        let requests = world.cluster.objects("deletebackuprequests.velero.io");
        assert!(requests.is_empty(), "a request is left over in {VELERO}: {requests:?}");
        assert!(world.cluster.object("configmaps", "copy", "colours").is_some(), "what was restored is gone");
    }
}
