use bowline_testing::Process;
use bowline_testing::object::with;
use serde_json::{Value, json};

use super::{change, location, seconds};
use crate::reports::{completed, story};
use crate::scenario::make_backup;
use crate::world::{VELERO, World};

/// A backup that lies in the bucket and is unknown to the cluster.
async fn stored(world: &World, name: &str) {
    make_backup(world, name).await;
    world.cluster.remove("backups.velero.io", VELERO, name);
}

/// Changes the metadata that lie in the bucket.
async fn rewrite(world: &World, name: &str, pointer: &str, value: impl Into<Value>) {
    let metadata = serde_json::to_value(world.store().metadata(name).await.unwrap()).unwrap();
    let text = with(metadata, pointer, value).to_string();
    let key = format!("backups/{name}/velero-backup.json");
    bowline_store::ObjectStore::put(
        world.bucket.store(),
        &key,
        text.into(),
        bowline_store::PutOptions::default(),
    )
    .await
    .unwrap();
}

#[test]
fn a_stored_backup_becomes_an_object_with_this_location_s_name_and_without_unknown_owners() {
    story(async |world| {
        stored(&world, "b").await;
        rewrite(&world, "b", "/spec/storageLocation", "elsewhere").await;
        let owner = json!([{"apiVersion": "velero.io/v1", "kind": "Schedule", "name": "s", "uid": "other"}]);
        rewrite(&world, "b", "/metadata/ownerReferences", owner).await;
        rewrite(
            &world,
            "b",
            "/metadata/labels",
            json!({"team": "shop", "velero.io/storage-location": "elsewhere"}),
        )
        .await;
        let _server = world.start(Process::default());
        completed(&world, "backups", "b").await;
        let synced = world.object("backups", "b").unwrap();
        assert_eq!(synced["spec"]["storageLocation"], "default");
        let labels = &synced["metadata"]["labels"];
        assert_eq!(
            (&labels["velero.io/storage-location"], &labels["team"]),
            (&json!("default"), &json!("shop"))
        );
        assert!(synced["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty), "{synced:#}");
        let time = &world.object("backupstoragelocations", "default").unwrap()["status"]["lastSyncedTime"];
        assert!(time.is_string());
    });
}

#[test]
fn backups_that_wait_for_operations_elsewhere_are_not_taken_over_before_they_have_expired() {
    story(async |world| {
        for (name, phase) in [("w", "WaitingForPluginOperations"), ("f", "Finalizing")] {
            stored(&world, name).await;
            rewrite(&world, name, "/status/phase", phase).await;
        }
        stored(&world, "old").await;
        rewrite(&world, "old", "/status/phase", "FinalizingPartiallyFailed").await;
        rewrite(&world, "old", "/status/expiration", "2026-01-02T03:04:00Z").await;
        let _server =
            world.start_with(Process::default(), |config| config.disabled_controllers = vec!["gc".into()]);
        seconds(300).await;
        let known = world.cluster.objects("backups.velero.io");
        assert_eq!(known.len(), 1, "{}", world.describe());
        assert_eq!(world.phase("backups", "old"), "PartiallyFailed");
    });
}

#[test]
fn objects_whose_files_are_gone_are_removed_if_they_were_complete_and_others_stay() {
    story(async |world| {
        make_backup(&world, "b").await;
        let made = world.object("backups", "b").unwrap();
        for (name, phase) in [
            ("gone", "Completed"),
            ("partial", "PartiallyFailed"),
            ("failed", "Failed"),
            ("refused", "FailedValidation"),
        ] {
            let object = with(with(made.clone(), "/metadata/name", name), "/status/phase", phase);
            world.cluster.put(with(object, "/metadata/uid", name));
        }
        change(&world, "backupstoragelocations", "default", "/status/lastSyncedTime", Value::Null);
        let _server = world.start(Process::default());
        seconds(70).await;
        let names: Vec<_> = world
            .cluster
            .objects("backups.velero.io")
            .iter()
            .map(|it| it["metadata"]["name"].clone())
            .collect();
        assert_eq!(names, ["b", "failed", "refused"]);
    });
}

#[test]
fn a_location_is_searched_at_its_own_period_never_with_zero_and_not_while_it_is_unavailable() {
    story(async |world| {
        let _server = world.start(Process::default());
        location(&world, "never", json!({"backupSyncPeriod": "0s"})).await;
        location(&world, "hourly", json!({"backupSyncPeriod": "1h"})).await;
        seconds(70).await;
        let time = |name: &str| {
            world.object("backupstoragelocations", name).unwrap()["status"]["lastSyncedTime"].clone()
        };
        let first = ["default", "never", "hourly"].map(time);
        assert!(first[0].is_string() && first[1].is_null() && first[2].is_string(), "{first:?}");
        seconds(130).await;
        assert!(time("default") != first[0] && time("hourly") == first[2]);
        seconds(3600).await;
        assert!(time("hourly") != first[2]);
        world.bucket.faults().before(crate::reports::refuse(
            "list",
            "",
            bowline_store::ErrorKind::Unreachable,
        ));
        seconds(130).await;
        let stopped = time("default");
        seconds(300).await;
        assert_eq!(time("default"), stopped);
    });
}

#[test]
fn damaged_metadata_hide_no_other_backup() {
    story(async |world| {
        stored(&world, "a").await;
        stored(&world, "z").await;
        let key = "backups/m/velero-backup.json";
        bowline_store::ObjectStore::put(
            world.bucket.store(),
            key,
            "{".into(),
            bowline_store::PutOptions::default(),
        )
        .await
        .unwrap();
        let _server = world.start(Process::default());
        for name in ["a", "z"] {
            completed(&world, "backups", name).await;
        }
        assert!(world.object("backups", "m").is_none());
    });
}
