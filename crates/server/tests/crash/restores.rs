//! What comes after a restore: operations that are asked about until they have ended, and the last steps, by their own controllers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bowline_api::artifact::BackupVolumeInfo;
use bowline_server::operation::{PluginActions, RunRules};
use bowline_store::layout::BackupArtifact;
use bowline_testing::object::{object, with};
use bowline_testing::{Mover, Process};
use serde_json::json;

use crate::kill::in_paused_time;
use crate::scenario::make_backup;
use crate::world::{Server, World};

fn start(world: &World, mover: &Arc<Mover>) -> Server {
    let plugins = PluginActions { restore: vec![Arc::clone(mover) as _], ..PluginActions::default() };
    world.start_with(Process::default(), |config| {
        config.engine.rules = RunRules { plugins, ..RunRules::default() };
    })
}

fn copy(world: &World) {
    world.create(
        "Restore",
        "restores",
        "r",
        &json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}}),
    );
}

async fn comes_to(world: &World, phase: &str) {
    world.until(phase, |world| world.phase("restores", "r") == phase).await;
}

#[test]
fn a_waiting_restore_is_asked_about_until_it_is_finalized() {
    for (fails, phase, counts) in [
        (false, "Completed", ("restoreItemOperationsCompleted", 0)),
        (true, "PartiallyFailed", ("restoreItemOperationsFailed", 1)),
    ] {
        in_paused_time(async {
            let world = World::new();
            make_backup(&world, "b").await;
            let mover = Arc::new(Mover::of("colours"));
            let server = start(&world, &mover);
            copy(&world);
            comes_to(&world, "WaitingForPluginOperations").await;
            // The list in the store is the only state, so the next server asks on.
            server.kill().await;
            let _next = start(&world, &mover);
            tokio::time::sleep(std::time::Duration::from_mins(5)).await;
            assert_eq!(world.phase("restores", "r"), "WaitingForPluginOperations");
            mover.fails.store(fails, Relaxed);
            mover.done.store(true, Relaxed);
            comes_to(&world, phase).await;
            let status = world.object("restores", "r").unwrap()["status"].clone();
            assert_eq!(
                (&status["restoreItemOperationsAttempted"], &status[counts.0]),
                (&json!(1), &json!(1))
            );
            assert!(!status["completionTimestamp"].is_null());
            let errors = world.store().restore_results("r").await.unwrap().errors.velero;
            assert_eq!(errors.len(), counts.1, "{errors:?}");
            assert!(errors.iter().all(|line| line == "the disk is full, plugin: example.io/mover"));
        });
    }
}

#[test]
fn an_operation_without_an_end_is_given_up_after_its_time() {
    in_paused_time(async {
        let world = World::new();
        make_backup(&world, "b").await;
        let _server = start(&world, &Arc::new(Mover::of("colours")));
        let spec =
            json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}, "itemOperationTimeout": "30m"});
        world.create("Restore", "restores", "r", &spec);
        comes_to(&world, "PartiallyFailed").await;
        let errors = world.store().restore_results("r").await.unwrap().errors.velero;
        assert_eq!(errors, ["Asynchronous action timed out, plugin: example.io/mover"]);
    });
}

#[test]
fn a_finalizing_restore_gives_a_new_volume_what_the_old_one_had() {
    in_paused_time(async {
        let world = World::new();
        let claim = with(object("v1", "PersistentVolumeClaim", "shop", "data"), "/spec/volumeName", "old");
        world.cluster.put(with(claim, "/status/phase", "Bound"));
        make_backup(&world, "b").await;
        let info = json!([{"pvcName": "data", "pvcNamespace": "shop", "pvName": "old", "backupMethod": "CSISnapshot",
            "pvInfo": {"reclaimPolicy": "Retain", "labels": {"disk": "fast"}}}]);
        let info: Vec<BackupVolumeInfo> = serde_json::from_value(info).unwrap();
        let store = world.store();
        let upload = store.amend("b").await.unwrap();
        upload.write(BackupArtifact::VolumeInfo, &info).await.unwrap();
        upload.commit(&store.metadata("b").await.unwrap()).await.unwrap();

        let server = world.start(Process::default());
        copy(&world);
        comes_to(&world, "Finalizing").await;
        // What was not written down is done again by the next server.
        server.kill().await;
        let _next = world.start(Process::default());
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        assert_eq!(world.phase("restores", "r"), "Finalizing");
        let spec = json!({"claimRef": {"namespace": "copy", "name": "data"}, "persistentVolumeReclaimPolicy": "Delete"});
        let volume = with(object("v1", "PersistentVolume", "", "new"), "/spec", spec);
        world.cluster.put(with(volume, "/status/phase", "Bound"));
        let claim = world.cluster.object("persistentvolumeclaims", "copy", "data").unwrap();
        world.cluster.put(with(with(claim, "/spec/volumeName", "new"), "/status/phase", "Bound"));
        comes_to(&world, "Completed").await;
        let volume = world.cluster.object("persistentvolumes", "", "new").unwrap();
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        assert_eq!(volume["metadata"]["labels"]["disk"], "fast");
    });
}
