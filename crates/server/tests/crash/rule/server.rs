//! Starting, stopping, and what is left out.

use bowline_testing::{Fault, Process};
use serde_json::json;

use super::{phase, seconds};
use crate::kill::in_paused_time;
use crate::reports::{completed, story};
use crate::scenario::{attempts, make_backup, request_backup};
use crate::world::{VELERO, World};

#[test]
fn a_server_does_not_start_without_its_namespace_and_says_what_to_do() {
    story(async |world| {
        world.cluster.remove("namespaces", "", VELERO);
        let error = world.start(Process::default()).ended().await;
        assert!(error.contains("the namespace \"velero\" does not exist"), "{error}");
    });
}

#[test]
fn a_server_does_not_start_without_every_kind_and_names_those_that_are_missing() {
    in_paused_time(async {
        let world = World::without(&["schedules", "datauploads"]);
        let error = world.start(Process::default()).ended().await;
        for part in ["schedules (velero.io/v1)", "datauploads (velero.io/v2alpha1)", "install --crds-only"] {
            assert!(error.contains(part), "{error}");
        }
    });
}

#[test]
fn a_disabled_controller_does_nothing_and_the_others_work() {
    story(async |world| {
        let _server = world.start_with(Process::default(), |config| {
            config.disabled_controllers = vec!["schedule".into(), "server-status-request".into()];
        });
        world.create("Schedule", "schedules", "s", &json!({"schedule": "@every 1m", "template": {}}));
        world.create("ServerStatusRequest", "serverstatusrequests", "s", &json!({}));
        request_backup(&world, "b");
        completed(&world, "backups", "b").await;
        seconds(300).await;
        assert_eq!(world.phase("schedules", "s"), "");
        assert_eq!(world.phase("serverstatusrequests", "s"), "");
    });
}

#[test]
fn a_server_only_for_restores_makes_and_deletes_no_backup_and_restores() {
    story(async |world| {
        make_backup(&world, "b").await;
        super::change(&world, "backups", "b", "/status/expiration", "2026-01-02T03:04:06Z");
        let _server = world.start_with(Process::default(), |config| {
            config.disabled_controllers = bowline_server::BACKUP_CONTROLLERS.map(str::to_owned).to_vec();
        });
        request_backup(&world, "new");
        world.create("DeleteBackupRequest", "deletebackuprequests", "d", &json!({"backupName": "b"}));
        super::restored(&world).await;
        seconds(7200).await;
        assert_eq!(world.phase("backups", "new"), "ReadyToStart");
        assert_eq!(world.phase("backups", "b"), "Completed");
        assert_eq!(world.phase("deletebackuprequests", "d"), "");
    });
}

#[test]
fn a_stop_hands_the_running_backup_over_and_begins_nothing_new() {
    story(async |world| {
        let server = world.start(Process::default());
        world.bucket.faults().before(|call| {
            let archive = call.verb == "put" && call.name.ends_with("b.tar.gz");
            archive.then_some(Fault::<bowline_store::Error>::Delay(std::time::Duration::from_mins(5)))
        });
        request_backup(&world, "b");
        phase(&world, "backups", "b", "InProgress").await;
        seconds(2).await;
        request_backup(&world, "later");
        server.stop().await;
        assert_eq!(world.phase("backups", "b"), "InProgress");
        assert_ne!(world.phase("backups", "later"), "InProgress");
        assert!(world.bucket.keys().await.iter().all(|key| !key.ends_with("velero-backup.json")));
        world.bucket.faults().clear();
        let _next = world.start(Process::default());
        completed(&world, "backups", "later").await;
        let note = world.object("backups", "b").unwrap()["metadata"]["annotations"]["bowline.io/attempts"]
            .to_string();
        assert!(note.contains("handedOver") && attempts(&world, "backups", "b") == 2, "{note}");
        world.check().await;
    });
}
