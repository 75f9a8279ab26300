//! What a server is killed in, and what must be so afterwards.

mod backup;
mod deletion;
mod restore;
mod schedule;
mod sync;

use std::panic::RefUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use bowline_testing::Process;
use serde_json::{Value, json};

use crate::kill::at_every_point;
use crate::world::World;

/// Something that a user asks a server for.
#[async_trait]
pub(crate) trait Scenario: RefUnwindSafe + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Brings the world into the state in which the server starts.
    async fn prepare(&self, world: &World);

    /// What the user does once it has started.
    fn request(&self, world: &World);

    /// Whether all is done, as far as a user can see.
    fn ended(&self, world: &World) -> bool;

    /// Looks at what came out of it after so many kills.
    async fn check(&self, world: &World, kills: usize);

    /// How long to look on afterwards, if not the usual time.
    fn settles(&self) -> Option<Duration> {
        None
    }
}

/// Makes the backup `name` of the application, with a server that is gone afterwards.
pub(crate) async fn make_backup(world: &World, name: &str) {
    let server = world.start(Process::default());
    request_backup(world, name);
    world.until("a backup is made", |world| world.phase("backups", name) == "Completed").await;
    server.kill().await;
}

pub(crate) fn request_backup(world: &World, name: &str) {
    world.create("Backup", "backups", name, &json!({"includedNamespaces": ["shop"], "ttl": "720h"}));
}

/// How often an operation was begun, by its own count.
pub(crate) fn attempts(world: &World, resource: &str, name: &str) -> usize {
    let object = world.object(resource, name).expect("the object is there");
    let annotation = object["metadata"]["annotations"]["bowline.io/attempts"].as_str();
    let attempts: Vec<Value> = serde_json::from_str(annotation.expect("it was begun")).expect("a list");
    attempts.len()
}

/// One test for each.
macro_rules! killed_everywhere {
    ($($test:ident: $scenario:expr;)+) => {
        $(#[test]
        fn $test() {
            at_every_point(&$scenario);
        })+
    };
}

killed_everywhere! {
    a_backup_survives_a_kill_at_any_call: backup::MakeBackup;
    a_restore_survives_a_kill_at_any_call: restore::RestoreBackup;
    a_deletion_survives_a_kill_at_any_call: deletion::DeleteBackup { expired: false };
    garbage_collection_survives_a_kill_at_any_call: deletion::DeleteBackup { expired: true };
    a_sync_survives_a_kill_at_any_call: sync::SyncBackups;
    a_schedule_survives_a_kill_at_any_call: schedule::MakeScheduled;
}
