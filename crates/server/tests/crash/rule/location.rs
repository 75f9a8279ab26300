use bowline_store::ErrorKind;
use bowline_testing::Process;
use serde_json::{Value, json};

use super::{change, location, phase, seconds};
use crate::reports::{refuse, story};
use crate::world::{VELERO, World};

fn get(world: &World, name: &str) -> Value {
    world.object("backupstoragelocations", name).expect("the location is there")
}

fn defaults(world: &World) -> Vec<String> {
    let all = world.cluster.objects("backupstoragelocations.velero.io");
    let marked = all.iter().filter(|location| location["spec"]["default"] == true);
    marked.map(|location| location["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_location_is_tried_every_minute_and_says_whether_it_can_be_used() {
    story(async |world| {
        let server = world.start(Process::default());
        phase(&world, "backupstoragelocations", "default", "Available").await;
        let gauge = |server: &crate::world::Server| {
            server.metric("velero_backup_location_status_gauge", &[("backup_location_name", "default")])
        };
        assert_eq!(gauge(&server), Some(1.0));
        world.bucket.faults().before(refuse("list", "", ErrorKind::Unreachable));
        seconds(65).await;
        let broken = get(&world, "default");
        assert_eq!(broken["status"]["phase"], "Unavailable");
        assert!(broken["status"]["message"].as_str().unwrap().contains("can't be reached"), "{broken:#}");
        assert_eq!(gauge(&server), Some(0.0));
        world.bucket.faults().clear();
        seconds(65).await;
        let healed = get(&world, "default");
        assert_eq!(healed["status"]["phase"], "Available");
        assert_eq!(healed["status"]["message"].as_str().unwrap_or_default(), "");
        assert_eq!(gauge(&server), Some(1.0));
        world.cluster.remove("backupstoragelocations.velero.io", VELERO, "default");
        seconds(5).await;
        assert_eq!(gauge(&server), None, "the series of a location that is gone");
    });
}

#[test]
fn a_location_with_frequency_zero_is_tried_once_and_a_negative_one_as_often_as_the_server_says() {
    story(async |world| {
        let _server = world.start(Process::default());
        location(&world, "once", json!({"validationFrequency": "0s"})).await;
        location(&world, "negative", json!({"validationFrequency": "-1s"})).await;
        location(&world, "own", json!({"validationFrequency": "10m"})).await;
        let time = |name: &str| get(&world, name)["status"]["lastValidationTime"].clone();
        let before = ["once", "negative", "own"].map(time);
        seconds(125).await;
        let changed: Vec<bool> =
            ["once", "negative", "own"].map(time).iter().zip(&before).map(|(a, b)| a != b).collect();
        assert_eq!(changed, [false, true, false]);
        seconds(500).await;
        assert_ne!(time("own"), before[2]);
    });
}

#[test]
fn a_foreign_directory_makes_a_location_unavailable_and_is_named() {
    story(async |world| {
        for key in ["kopia/x", "restic/x", "metadata/x", "plugins/x", "restores/x/y", "backups/x/y"] {
            let put = bowline_store::ObjectStore::put(
                world.bucket.store(),
                key,
                "x".into(),
                bowline_store::PutOptions::default(),
            );
            put.await.unwrap();
        }
        let _server = world.start(Process::default());
        phase(&world, "backupstoragelocations", "default", "Available").await;
        let put = bowline_store::ObjectStore::put(
            world.bucket.store(),
            "photos/x",
            "x".into(),
            bowline_store::PutOptions::default(),
        );
        put.await.unwrap();
        seconds(65).await;
        let location = get(&world, "default");
        assert_eq!(location["status"]["phase"], "Unavailable");
        let message = location["status"]["message"].as_str().unwrap();
        assert!(
            message.contains("Backup store contains invalid top-level directories: [photos]"),
            "{message}"
        );
    });
}

#[test]
fn of_several_default_locations_the_newest_stays_and_a_single_one_of_the_servers_name_becomes_it() {
    story(async |world| {
        let _server = world.start(Process::default());
        seconds(2).await;
        location(&world, "newer", json!({"default": true})).await;
        seconds(5).await;
        assert_eq!(defaults(&world), ["newer"]);
        change(&world, "backupstoragelocations", "newer", "/spec/default", false);
        seconds(5).await;
        assert_eq!(defaults(&world), ["default"], "the one that --default-backup-storage-location names");
    });
}

#[test]
fn a_changed_location_is_tried_at_once() {
    story(async |world| {
        let _server = world.start(Process::default());
        location(&world, "once", json!({"validationFrequency": "24h"})).await;
        let before = get(&world, "once")["status"]["lastValidationTime"].clone();
        seconds(10).await;
        change(&world, "backupstoragelocations", "once", "/spec/objectStorage/bucket", "other");
        seconds(5).await;
        assert_ne!(get(&world, "once")["status"]["lastValidationTime"], before);
    });
}
