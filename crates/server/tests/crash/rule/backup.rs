use bowline_store::ErrorKind;
use bowline_testing::Process;
use bowline_testing::object::with;
use serde_json::{Value, json};

use super::{change, location, phase, seconds};
use crate::reports::{completed, refuse, story};
use crate::scenario::request_backup;
use crate::world::World;

fn backup(world: &World, name: &str) -> Value {
    world.object("backups", name).expect("the backup is there")
}

async fn refused(world: &World, name: &str) -> String {
    phase(world, "backups", name, "FailedValidation").await;
    backup(world, name)["status"]["validationErrors"].to_string()
}

#[test]
fn a_backup_gets_the_servers_defaults_and_says_where_it_comes_from() {
    story(async |world| {
        let _server = world.start_with(Process::default(), |config| {
            config.defaults.ttl = std::time::Duration::from_hours(1);
            config.defaults.snapshot_move_data = true;
            config.defaults.volumes_to_fs_backup = true;
        });
        world.create("Backup", "backups", "b", &json!({"includedNamespaces": ["shop"]}));
        world
            .until("it has ended", |world| !backup(world, "b")["status"]["completionTimestamp"].is_null())
            .await;
        let made = backup(&world, "b");
        let expected = json!({
            "ttl": "1h0m0s", "storageLocation": "default", "csiSnapshotTimeout": "10m0s", "itemOperationTimeout": "4h0m0s",
            "snapshotMoveData": true, "defaultVolumesToFsBackup": true, "volumeGroupSnapshotLabelKey": "velero.io/volume-group",
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(made["spec"][field], *value, "{field}");
        }
        assert_eq!(made["metadata"]["labels"]["velero.io/storage-location"], "default");
        let annotations = &made["metadata"]["annotations"];
        for annotation in [
            "source-cluster-k8s-gitversion",
            "source-cluster-k8s-major-version",
            "source-cluster-k8s-minor-version",
        ] {
            assert!(annotations[format!("velero.io/{annotation}")].is_string(), "{annotations:#}");
        }
        assert_eq!(annotations["velero.io/resource-timeout"], "10m0s");
        let status = &made["status"];
        assert_eq!((&status["version"], &status["formatVersion"]), (&json!(1), &json!("1.1.0")));
        let time = |field: &str| status[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(time("expiration").as_second() - time("startTimestamp").as_second(), 3600);
    });
}

#[test]
fn a_backup_without_a_location_goes_to_the_default_one_else_to_the_servers() {
    story(async |world| {
        let _server =
            world.start_with(Process::default(), |config| config.defaults.storage_location = "flag".into());
        location(&world, "flag", json!({})).await;
        request_backup(&world, "marked");
        completed(&world, "backups", "marked").await;
        assert_eq!(backup(&world, "marked")["spec"]["storageLocation"], "default");
        world.cluster.remove("backupstoragelocations.velero.io", crate::world::VELERO, "default");
        seconds(90).await;
        request_backup(&world, "unmarked");
        completed(&world, "backups", "unmarked").await;
        assert_eq!(backup(&world, "unmarked")["spec"]["storageLocation"], "flag");
    });
}

#[test]
fn a_backup_is_refused_where_its_location_is_missing_read_only_or_unavailable() {
    story(async |world| {
        let _server = world.start(Process::default());
        location(&world, "cold", json!({"accessMode": "ReadOnly"})).await;
        location(&world, "broken", json!({"validationFrequency": "0s"})).await;
        change(&world, "backupstoragelocations", "broken", "/status/phase", "Unavailable");
        seconds(2).await;
        for (name, part) in [("nowhere", "not found"), ("cold", "read-only"), ("broken", "unavailable")] {
            let spec = json!({"includedNamespaces": ["shop"], "storageLocation": name});
            world.create("Backup", "backups", name, &spec);
            let errors = refused(&world, name).await;
            assert!(errors.contains(part), "{name}: {errors}");
        }
        assert_eq!(world.bucket.keys().await, [""; 0], "something was written");
    });
}

#[test]
fn a_spec_that_contradicts_itself_is_told_all_that_is_wrong_with_it() {
    story(async |world| {
        let _server = world.start(Process::default());
        let spec = json!({
            "includedResources": ["pods"], "includedClusterScopedResources": ["*"], "storageLocation": "nowhere",
            "labelSelector": {"matchLabels": {"a": "b"}}, "orLabelSelectors": [{"matchLabels": {"a": "b"}}],
        });
        world.create("Backup", "backups", "b", &spec);
        refused(&world, "b").await;
        assert_eq!(backup(&world, "b")["status"]["validationErrors"].as_array().unwrap().len(), 3);
    });
}

#[test]
fn a_name_that_is_in_the_store_already_fails_and_leaves_what_is_stored_alone() {
    story(async |world| {
        crate::scenario::make_backup(&world, "b").await;
        let stored = world.store().metadata("b").await.unwrap();
        world.cluster.remove("backups.velero.io", crate::world::VELERO, "b");
        let location = world.object("backupstoragelocations", "default").unwrap();
        world.cluster.put(with(location, "/spec/backupSyncPeriod", "0s"));
        let _server = world.start(Process::default());
        request_backup(&world, "b");
        phase(&world, "backups", "b", "Failed").await;
        let reason = backup(&world, "b")["status"]["failureReason"].to_string();
        assert!(reason.contains("already exists"), "{reason}");
        assert_eq!(world.store().metadata("b").await.unwrap().metadata.uid, stored.metadata.uid);
        assert!(world.store().verify("b").await.unwrap().is_intact());
    });
}

#[test]
fn what_a_failed_backup_could_not_remove_is_told_and_removed_a_day_later() {
    story(async |world| {
        world.bucket.faults().before(refuse("put", "resource-list", ErrorKind::Full));
        world.bucket.faults().before(refuse("delete", "backups/b/", ErrorKind::Busy));
        let server = world.start(Process::default());
        request_backup(&world, "b");
        phase(&world, "backups", "b", "Failed").await;
        let reason = backup(&world, "b")["status"]["failureReason"].to_string();
        assert!(reason.contains("no space left") && reason.contains("still in the bucket"), "{reason}");
        let archive = "backups/b/b.tar.gz".to_owned();
        assert!(world.bucket.keys().await.contains(&archive));
        // A restart does not forget it, and a backup that waits for room is not held up by it.
        server.kill().await;
        let _server = world.start(Process::default());
        seconds(600).await;
        assert!(world.bucket.keys().await.contains(&archive));
        assert!(world.store().metadata("b").await.is_err(), "nobody takes it for a backup");
        world.bucket.faults().clear();
        request_backup(&world, "c");
        phase(&world, "backups", "c", "Completed").await;
        // They might be those of another cluster's server, which makes a backup of this name just now.
        seconds(22 * 3600).await;
        assert!(world.bucket.keys().await.contains(&archive));
        seconds(2 * 3600).await;
        let keys = world.bucket.keys().await;
        let left: Vec<_> = keys.iter().filter(|key| key.starts_with("backups/b/")).collect();
        assert_eq!(left, ["backups/b/b-logs.gz"]);
        assert!(backup(&world, "b")["metadata"]["annotations"]["bowline.io/remains"].is_null());
        assert_eq!(world.phase("backups", "b"), "Failed");
    });
}

#[test]
fn backups_tell_their_course_in_events() {
    story(async |world| {
        let _server = world.start(Process::default());
        request_backup(&world, "b");
        world.create("Backup", "backups", "bad", &json!({"storageLocation": "nowhere"}));
        completed(&world, "backups", "b").await;
        refused(&world, "bad").await;
        seconds(5).await;
        let events = world.cluster.objects("events.events.k8s.io");
        let of = |name: &str| -> Vec<String> {
            let own = events.iter().filter(|event| event["regarding"]["name"] == name);
            own.map(|event| {
                format!("{} {}", event["type"].as_str().unwrap(), event["reason"].as_str().unwrap())
            })
            .collect()
        };
        assert_eq!(of("bad"), ["Warning FailedValidation"]);
        let told = of("b");
        for expected in ["Normal Started", "Normal Completed"] {
            assert!(told.contains(&expected.to_owned()), "{told:?}");
        }
    });
}
