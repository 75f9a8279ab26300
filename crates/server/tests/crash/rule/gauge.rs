//! Metrics: which series there are, when they begin and end, and what they count (behaviour §8.1).

use bowline_engine::port::ClusterError;
use bowline_testing::Process;
use serde_json::json;

use super::{phase, seconds};
use crate::reports::{completed, story};
use crate::scenario::{make_backup, request_backup};
use crate::world::{Server, VELERO, World};

fn of(server: &Server, name: &str, schedule: &str) -> Option<f64> {
    server.metric(&format!("velero_{name}"), &[("schedule", schedule)])
}

fn make_schedule(world: &World, name: &str, cron: &str) {
    let spec = json!({"schedule": cron, "template": {"includedNamespaces": ["shop"]}});
    world.create("Schedule", "schedules", name, &spec);
}

#[test]
fn the_series_of_a_schedule_begin_at_zero_when_it_appears_and_end_with_it() {
    story(async |world| {
        let server = world.start(Process::default());
        make_schedule(&world, "nightly", "@yearly");
        phase(&world, "schedules", "nightly", "Enabled").await;
        for name in [
            "backup_attempt_total",
            "backup_success_total",
            "backup_partial_failure_total",
            "backup_failure_total",
            "backup_validation_failure_total",
            "backup_deletion_attempt_total",
            "backup_deletion_success_total",
            "backup_deletion_failure_total",
            "restore_attempt_total",
            "restore_success_total",
            "restore_partial_failure_total",
            "restore_failed_total",
            "restore_validation_failed_total",
            "volume_snapshot_attempt_total",
            "volume_snapshot_success_total",
            "volume_snapshot_failure_total",
        ] {
            assert_eq!(of(&server, name, "nightly"), Some(0.0), "{name}");
        }
        assert_eq!(of(&server, "backup_last_status", "nightly"), Some(1.0));
        world.cluster.remove("schedules.velero.io", VELERO, "nightly");
        seconds(5).await;
        for name in [
            "backup_attempt_total",
            "backup_last_status",
            "restore_attempt_total",
            "csi_snapshot_attempt_total",
        ] {
            assert_eq!(of(&server, name, "nightly"), None, "{name}");
        }
        assert_eq!(
            of(&server, "backup_attempt_total", ""),
            Some(0.0),
            "the series of backups without a schedule"
        );
    });
}

#[test]
fn a_good_backup_is_counted_with_size_items_duration_and_time() {
    story(async |world| {
        let server = world.start(Process::default());
        make_schedule(&world, "often", "*/5 * * * *");
        world
            .until("it has run", |world| {
                let all = world.cluster.objects("backups.velero.io");
                all.iter().any(|backup| backup["status"]["phase"] == "Completed")
            })
            .await;
        seconds(5).await;
        let backup = &world.cluster.objects("backups.velero.io")[0];
        let value = |name: &str| of(&server, name, "often");
        assert_eq!((value("backup_attempt_total"), value("backup_success_total")), (Some(1.0), Some(1.0)));
        assert_eq!((value("backup_failure_total"), value("backup_warning_total")), (Some(0.0), Some(0.0)));
        let items = backup["status"]["progress"]["totalItems"].as_f64();
        assert_eq!((value("backup_items_total"), value("backup_items_errors")), (items, Some(0.0)));
        assert!(value("backup_tarball_size_bytes") > Some(100.0));
        assert_eq!(value("backup_duration_seconds"), Some(1.0), "one observation");
        assert_eq!(value("backup_last_status"), Some(1.0));
        let end: jiff::Timestamp = backup["status"]["completionTimestamp"].as_str().unwrap().parse().unwrap();
        assert_eq!(value("backup_last_successful_timestamp"), Some(end.as_second() as f64));
        let name = backup["metadata"]["name"].as_str().unwrap();
        let csi = |name: &str| {
            server.metric("velero_csi_snapshot_attempt_total", &[("backupName", name), ("schedule", "often")])
        };
        assert_eq!(csi(name), Some(0.0));
        assert_eq!(server.metric("velero_backup_total", &[]), Some(1.0));
        world.cluster.remove("backups.velero.io", VELERO, name);
        seconds(65).await;
        assert_eq!(csi(name), None, "a series names a backup that is gone");
    });
}

#[test]
fn bad_backups_are_counted_by_how_they_ended() {
    story(async |world| {
        let server = world.start(Process::default());
        let value = |name: &str| of(&server, name, "");
        world.create("Backup", "backups", "refused", &json!({"storageLocation": "nowhere"}));
        phase(&world, "backups", "refused", "FailedValidation").await;
        seconds(2).await;
        assert_eq!(
            (value("backup_validation_failure_total"), value("backup_attempt_total")),
            (Some(1.0), Some(0.0))
        );
        assert_eq!(value("backup_last_status"), Some(0.0));

        request_backup(&world, "good");
        completed(&world, "backups", "good").await;
        seconds(2).await;
        assert_eq!((value("backup_success_total"), value("backup_last_status")), (Some(1.0), Some(1.0)));

        world.cluster.faults.before(|call| {
            (call.verb == "list" && call.resource == "secrets")
                .then(|| ClusterError::Forbidden { message: "no".into() })
        });
        request_backup(&world, "partial");
        phase(&world, "backups", "partial", "PartiallyFailed").await;
        seconds(2).await;
        assert_eq!(
            (value("backup_partial_failure_total"), value("backup_last_status")),
            (Some(1.0), Some(0.0))
        );
        assert!(value("backup_items_errors").is_some_and(|it| it > 0.0));
        world.cluster.faults.clear();

        world.bucket.faults().before(crate::reports::refuse(
            "put",
            ".tar.gz",
            bowline_store::ErrorKind::Full,
        ));
        request_backup(&world, "failed");
        phase(&world, "backups", "failed", "Failed").await;
        seconds(2).await;
        assert_eq!((value("backup_failure_total"), value("backup_attempt_total")), (Some(1.0), Some(3.0)));
        assert_eq!(value("backup_success_total"), Some(1.0));
    });
}

#[test]
fn restores_are_counted_by_how_they_ended_under_the_schedule_of_their_backup() {
    story(async |world| {
        make_backup(&world, "b").await;
        let labels = json!({"velero.io/schedule-name": "nightly", "velero.io/storage-location": "default"});
        super::change(&world, "backups", "b", "/metadata/labels", labels);
        let server = world.start(Process::default());
        world.create(
            "Restore",
            "restores",
            "good",
            &json!({"backupName": "b", "namespaceMapping": {"shop": "copy"}}),
        );
        completed(&world, "restores", "good").await;
        world.create("Restore", "restores", "refused", &json!({"backupName": "there-is-none"}));
        phase(&world, "restores", "refused", "FailedValidation").await;
        world.cluster.faults.before(|call| {
            (call.verb == "create" && call.name == "colours")
                .then(|| ClusterError::Forbidden { message: "no".into() })
        });
        world.create(
            "Restore",
            "restores",
            "partial",
            &json!({"backupName": "b", "namespaceMapping": {"shop": "third"}}),
        );
        phase(&world, "restores", "partial", "PartiallyFailed").await;
        world.bucket.faults().before(crate::reports::refuse(
            "get",
            "b.tar.gz",
            bowline_store::ErrorKind::Corrupt,
        ));
        world.create(
            "Restore",
            "restores",
            "failed",
            &json!({"backupName": "b", "namespaceMapping": {"shop": "x"}}),
        );
        phase(&world, "restores", "failed", "Failed").await;
        seconds(65).await;
        let value = |name: &str, schedule: &str| of(&server, name, schedule);
        assert_eq!(value("restore_attempt_total", "nightly"), Some(3.0));
        assert_eq!(value("restore_success_total", "nightly"), Some(1.0));
        assert_eq!(value("restore_partial_failure_total", "nightly"), Some(1.0));
        assert_eq!(value("restore_failed_total", "nightly"), Some(1.0));
        assert_eq!(value("restore_validation_failed_total", ""), Some(1.0));
        assert_eq!(server.metric("velero_restore_total", &[]), Some(4.0));
    });
}

#[test]
fn a_server_that_has_just_started_knows_when_the_last_good_backup_of_each_schedule_ended() {
    story(async |world| {
        make_backup(&world, "b").await;
        let server = world.start(Process::default());
        seconds(5).await;
        let end = world.object("backups", "b").unwrap()["status"]["completionTimestamp"]
            .as_str()
            .unwrap()
            .to_owned();
        let end: jiff::Timestamp = end.parse().unwrap();
        assert_eq!(of(&server, "backup_last_successful_timestamp", ""), Some(end.as_second() as f64));
        assert_eq!(server.metric("velero_backup_total", &[]), Some(1.0));
    });
}

#[test]
fn v6265_a_schedule_that_is_found_wrong_is_counted() {
    story(async |world| {
        let server = world.start(Process::default());
        make_schedule(&world, "wrong", "61 * * * *");
        phase(&world, "schedules", "wrong", "FailedValidation").await;
        assert_eq!(of(&server, "backup_validation_failure_total", "wrong"), Some(1.0));
    });
}
