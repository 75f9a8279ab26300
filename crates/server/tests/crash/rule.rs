//! What each controller does, rule by rule (docs/rules/server.md): a whole server over ports in memory, and what a user sees.

mod backup;
mod deletion;
mod gauge;
mod location;
mod queue;
mod request;
mod restore;
mod schedule;
mod server;
mod sync;

use std::time::Duration;

use serde_json::{Value, json};

use crate::reports::completed;
use crate::world::World;

/// Lets so much time pass.
async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

/// Makes the location `name` with this spec beside what every location has, and waits until it has been looked at.
async fn location(world: &World, name: &str, spec: Value) {
    let mut all = json!({"provider": "aws", "objectStorage": {"bucket": name}});
    all.as_object_mut().expect("an object").extend(spec.as_object().cloned().unwrap_or_default());
    world.create("BackupStorageLocation", "backupstoragelocations", name, &all);
    world.until(name, |world| !world.phase("backupstoragelocations", name).is_empty()).await;
}

/// Changes a field of one of Velero's objects, as a user does.
fn change(world: &World, resource: &str, name: &str, pointer: &str, value: impl Into<Value>) {
    let object = world.object(resource, name).expect("the object is there");
    world.cluster.put(bowline_testing::object::with(object, pointer, value));
}

/// Restores the backup `b` into the namespace `copy`.
async fn restored(world: &World) {
    let spec = json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}});
    world.create("Restore", "restores", "r", &spec);
    completed(world, "restores", "r").await;
}

/// Waits for the phase of an object.
async fn phase(world: &World, resource: &str, name: &str, wanted: &str) {
    world.until(&format!("{name} is {wanted}"), |world| world.phase(resource, name) == wanted).await;
}
