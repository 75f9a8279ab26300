//! Backups whose actions start operations: the controllers `backup-operations` and `backup-finalizer`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bowline_server::operation::{PluginActions, RunRules};
use bowline_store::ErrorKind;
use bowline_testing::object::{config_map, with};
use bowline_testing::{Mover, Process};
use serde_json::json;

use crate::kill::in_paused_time;
use crate::reports::refuse;
use crate::scenario::request_backup;
use crate::world::{Server, World};

fn story(tell: impl AsyncFnOnce(World, Arc<Mover>)) {
    in_paused_time(async { tell(World::new(), Arc::new(Mover::of("colours"))).await });
}

fn start(world: &World, mover: &Arc<Mover>) -> Server {
    let plugins = PluginActions { backup: vec![Arc::clone(mover) as _], ..PluginActions::default() };
    world.start_with(Process::default(), |config| {
        config.engine.rules = RunRules { plugins, ..RunRules::default() };
    })
}

/// Starts a server and a backup, which then waits for its operation.
async fn waiting(world: &World, mover: &Arc<Mover>) -> Server {
    let server = start(world, mover);
    request_backup(world, "b");
    world.until("it waits", |world| world.phase("backups", "b") == "WaitingForPluginOperations").await;
    server
}

async fn ended(world: &World, phase: &str) {
    world.until(phase, |world| world.phase("backups", "b") == phase).await;
}

fn moved(world: &World) {
    world.cluster.put(with(config_map("shop", "colours"), "/data/key", "moved"));
}

#[test]
fn a_backup_waits_until_its_operations_have_ended_and_is_then_finalized() {
    story(async |world, mover| {
        let server = waiting(&world, &mover).await;
        tokio::time::sleep(std::time::Duration::from_mins(5)).await;
        assert_eq!(world.phase("backups", "b"), "WaitingForPluginOperations");
        let before = world.object("backups", "b").unwrap();
        assert_eq!(before["status"]["backupItemOperationsAttempted"], 1);
        assert!(before["status"]["completionTimestamp"].is_null());
        moved(&world);
        mover.done.store(true, Relaxed);
        ended(&world, "Completed").await;
        let after = world.object("backups", "b").unwrap();
        assert_eq!(after["status"]["backupItemOperationsCompleted"], 1);
        assert!(after["status"]["completionTimestamp"].is_string() && server.is_running());
        assert_eq!(world.store().metadata("b").await.unwrap().phase().to_string(), "Completed");
        world.check().await;
    });
}

#[test]
fn an_operation_that_fails_makes_the_backup_partially_failed() {
    story(async |world, mover| {
        let _server = waiting(&world, &mover).await;
        mover.fails.store(true, Relaxed);
        mover.done.store(true, Relaxed);
        ended(&world, "PartiallyFailed").await;
        let status = world.object("backups", "b").unwrap()["status"].clone();
        assert_eq!((&status["errors"], &status["backupItemOperationsFailed"]), (&json!(1), &json!(1)));
        let results = world.store().results("b").await.unwrap();
        assert_eq!(results.errors.velero, ["the disk is full, plugin: example.io/mover"]);
        world.check().await;
    });
}

#[test]
fn an_operation_whose_time_is_up_is_cancelled() {
    story(async |world, mover| {
        let _server = start(&world, &mover);
        let spec = json!({"includedNamespaces": ["shop"], "itemOperationTimeout": "10m"});
        world.create("Backup", "backups", "b", &spec);
        ended(&world, "PartiallyFailed").await;
        assert!(mover.cancelled.load(Relaxed));
        let results = world.store().results("b").await.unwrap();
        assert_eq!(results.errors.velero, ["Asynchronous action timed out, plugin: example.io/mover"]);
    });
}

#[test]
fn the_next_server_goes_on_with_waiting_and_finalizing() {
    story(async |world, mover| {
        waiting(&world, &mover).await.kill().await;
        // The location takes nothing, so that the backup can't be finalized yet.
        world.bucket.faults().before(refuse("put", "b.tar.gz", ErrorKind::Full));
        mover.done.store(true, Relaxed);
        let second = start(&world, &mover);
        ended(&world, "Finalizing").await;
        tokio::time::sleep(std::time::Duration::from_mins(1)).await;
        assert_eq!(world.phase("backups", "b"), "Finalizing");
        second.kill().await;
        world.bucket.faults().clear();
        let _third = start(&world, &mover);
        ended(&world, "Completed").await;
        world.check().await;
    });
}

#[test]
fn a_waiting_backup_whose_location_becomes_read_only_ends_and_says_why() {
    story(async |world, mover| {
        let _server = waiting(&world, &mover).await;
        let location = world.object("backupstoragelocations", "default").unwrap();
        world.cluster.put(with(location, "/spec/accessMode", "ReadOnly"));
        ended(&world, "PartiallyFailed").await;
        let status = world.object("backups", "b").unwrap()["status"].clone();
        let reason = status["failureReason"].as_str().unwrap_or_default();
        assert!(reason.contains("nobody knows how the operations of this backup ended"), "{status}");
    });
}
