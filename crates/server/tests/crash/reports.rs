//! What users of Velero have reported of its reliability, each by its number: <https://github.com/velero-io/velero/issues>.

use std::time::Duration;

use bowline_store::{Error, ErrorKind};
use bowline_testing::object::with;
use bowline_testing::{Call, Fault, Moment, Process};
use serde_json::{Value, json};

use crate::kill::in_paused_time;
use crate::scenario::{attempts, make_backup, request_backup};
use crate::world::{VELERO, World};

/// Runs a report's story.
pub(crate) fn story(tell: impl AsyncFnOnce(World)) {
    in_paused_time(async { tell(World::new()).await });
}

pub(crate) async fn minutes(count: u64) {
    tokio::time::sleep(Duration::from_mins(count)).await;
}

pub(crate) async fn completed(world: &World, resource: &str, name: &str) {
    world.until(name, |world| world.phase(resource, name) == "Completed").await;
}

/// Kills a process before its call has an effect.
fn kill(process: &Process) -> Fault<Error> {
    process.kill();
    Fault::Delay(Duration::from_secs(1))
}

/// Refuses the store's calls of a verb whose keys hold a text.
pub(crate) fn refuse(
    verb: &'static str,
    part: &'static str,
    kind: ErrorKind,
) -> impl FnMut(&Call) -> Option<Error> {
    move |call| {
        (call.verb == verb && call.name.contains(part))
            .then(|| Error::new(kind, format!("{verb} {}", call.name)))
    }
}

#[test]
fn v4503_a_restart_does_not_lose_the_running_backup_and_restore() {
    story(async |world| {
        make_backup(&world, "old").await;
        let server = world.start(Process::default());
        world.bucket.faults().before(|call| {
            let slow = call.verb == "put" && call.name.contains("backups/new/");
            slow.then_some(Fault::Delay(Duration::from_mins(1)))
        });
        request_backup(&world, "new");
        world.create(
            "Restore",
            "restores",
            "r",
            &json!({"backupName": "old", "namespaceMapping": {"shop": "copy"}}),
        );
        world.until("it runs", |world| world.phase("backups", "new") == "InProgress").await;
        let uid = world.object("backups", "new").unwrap()["metadata"]["uid"].clone();
        server.kill().await;
        world.bucket.faults().clear();
        let _next = world.start(Process::default());
        completed(&world, "backups", "new").await;
        completed(&world, "restores", "r").await;
        assert_eq!(world.object("backups", "new").unwrap()["metadata"]["uid"], uid);
        assert_eq!(attempts(&world, "backups", "new"), 2);
        world.check().await;
    });
}

#[test]
fn v4003_a_backup_that_kills_every_server_is_not_in_progress_for_ever() {
    story(async |world| {
        request_backup(&world, "b");
        // Each server stores a bit more than the one before it, and dies of it.
        let mut servers = 0;
        while world.phase("backups", "b") != "Failed" {
            servers += 1;
            assert!(servers < 9, "nobody gives up\n{}", world.describe());
            let server = world.start(Process::default());
            let killer = server.process.clone();
            world.bucket.faults().before(move |call| (call.verb == "put").then(|| kill(&killer)));
            tokio::select! {
                () = server.process.died() => {}
                () = minutes(5) => {}
            }
            server.kill().await;
            world.bucket.faults().clear();
        }
        let backup = world.object("backups", "b").unwrap();
        let reason = backup["status"]["failureReason"].as_str().unwrap();
        assert!(reason.contains("times") && reason.contains("memory"), "{reason}");
        assert_eq!(world.bucket.keys().await, [""; 0], "half a backup is left");
    });
}

#[test]
fn a_backup_whose_last_attempt_stored_it_is_complete_though_no_server_lived_to_say_so() {
    story(async |world| {
        request_backup(&world, "b");
        for last in ["b.tar.gz", "b.tar.gz", "b.tar.gz", "velero-backup.json"] {
            let server = world.start(Process::default());
            let killer = server.process.clone();
            world
                .bucket
                .faults()
                .after(move |call| (call.verb == "put" && call.name.ends_with(last)).then(|| kill(&killer)));
            server.process.died().await;
            server.kill().await;
            world.bucket.faults().clear();
        }
        let _server = world.start(Process::default());
        completed(&world, "backups", "b").await;
        assert_eq!(attempts(&world, "backups", "b"), 4);
        world.check().await;
    });
}

#[test]
fn v7230_a_completed_backup_has_no_failure_reason() {
    story(async |world| {
        // The answer to the last write of the phase gets lost on its way, and the server with it.
        let first = world.start(Process::default());
        let killer = first.process.clone();
        world.cluster.faults.after(move |call| {
            if call.verb == "patch" && call.resource == "backups.velero.io" && call.name == "b" {
                killer.kill();
            }
            None::<bowline_engine::port::ClusterError>
        });
        request_backup(&world, "b");
        first.process.died().await;
        first.kill().await;
        world.cluster.faults.clear();
        let _second = world.start(Process::default());
        completed(&world, "backups", "b").await;
        minutes(10).await;
        let status = &world.object("backups", "b").unwrap()["status"];
        assert_eq!(status["phase"], "Completed");
        assert!(status["failureReason"].is_null() || status["failureReason"] == "", "{status}");
    });
}

#[test]
fn v3701_a_stuck_deletion_blocks_no_other() {
    story(async |world| {
        for name in ["stuck", "other"] {
            make_backup(&world, name).await;
        }
        let stuck = |call: &Call| {
            let hangs = call.verb == "delete" && call.name.contains("backups/stuck/");
            hangs.then_some(Fault::<Error>::Delay(Duration::from_hours(24)))
        };
        world.bucket.faults().before(stuck);
        let _server = world.start(Process::default());
        for name in ["stuck", "other"] {
            world.create("DeleteBackupRequest", "deletebackuprequests", name, &json!({"backupName": name}));
        }
        world.until("the other is deleted", |world| world.object("backups", "other").is_none()).await;
        request_backup(&world, "new");
        completed(&world, "backups", "new").await;
        assert_eq!(world.phase("backups", "stuck"), "Deleting");
    });
}

#[test]
fn v10398_a_backup_can_be_deleted_from_a_full_bucket() {
    story(async |world| {
        make_backup(&world, "b").await;
        world.bucket.faults().before(refuse("put", "", ErrorKind::Full));
        let _server = world.start(Process::default());
        world.create("DeleteBackupRequest", "deletebackuprequests", "d", &json!({"backupName": "b"}));
        world.until("it is deleted", |world| world.object("backups", "b").is_none()).await;
        assert_eq!(world.bucket.keys().await, [""; 0]);
    });
}

#[test]
fn v9993_errors_of_a_deletion_are_told_and_it_can_be_asked_for_again() {
    story(async |world| {
        make_backup(&world, "b").await;
        world.bucket.faults().before(refuse("delete", ".tar.gz", ErrorKind::PermissionDenied));
        let _server = world.start(Process::default());
        let request =
            || world.create("DeleteBackupRequest", "deletebackuprequests", "d", &json!({"backupName": "b"}));
        request();
        world.until("it is answered", |world| world.phase("deletebackuprequests", "d") == "Processed").await;
        let errors = world.object("deletebackuprequests", "d").unwrap()["status"]["errors"].clone();
        assert!(errors.to_string().contains("b.tar.gz"), "{errors}");
        assert!(world.object("backups", "b").is_some(), "the backup is lost while its files are there");
        world.bucket.faults().clear();
        world.cluster.remove("deletebackuprequests.velero.io", VELERO, "d");
        request();
        world.until("it is deleted", |world| world.object("backups", "b").is_none()).await;
        assert_eq!(world.bucket.keys().await, [""; 0]);
    });
}

#[test]
fn v10343_unfinished_backups_of_others_are_not_synced() {
    story(async |world| {
        let dying = world.start(Process::default());
        let killer = dying.process.clone();
        world.bucket.faults().before(move |call| {
            (call.name.ends_with("velero-backup.json") && call.verb == "put").then(|| kill(&killer))
        });
        request_backup(&world, "b");
        dying.process.died().await;
        dying.kill().await;
        world.bucket.faults().clear();
        // The cluster is another one, which shares the bucket.
        world.cluster.remove("backups.velero.io", VELERO, "b");
        assert!(!world.bucket.keys().await.is_empty());
        let _other = world.start(Process::default());
        minutes(30).await;
        assert_eq!(world.cluster.objects("backups.velero.io"), Vec::<Value>::new());
    });
}

#[test]
fn v6225_a_corrected_schedule_runs() {
    story(async |world| {
        let _server = world.start(Process::default());
        let spec = json!({"schedule": "5 * * *", "template": {"includedNamespaces": ["shop"]}});
        world.create("Schedule", "schedules", "s", &spec);
        world.until("it is refused", |world| world.phase("schedules", "s") == "FailedValidation").await;
        let corrected = with(world.object("schedules", "s").unwrap(), "/spec/schedule", "5 * * * *");
        world.cluster.put(corrected);
        world.until("it runs", |world| !world.cluster.objects("backups.velero.io").is_empty()).await;
        let status = &world.object("schedules", "s").unwrap()["status"];
        assert!(status["validationErrors"].as_array().is_none_or(Vec::is_empty), "{status}");
    });
}

#[test]
fn v6517_unpausing_waits_for_the_next_time_when_it_shall() {
    story(async |world| {
        let _server = world.start(Process::default());
        let spec = json!({
            "schedule": "5 * * * *", "paused": true, "skipImmediately": true,
            "template": {"includedNamespaces": ["shop"]},
        });
        world.create("Schedule", "schedules", "s", &spec);
        minutes(150).await;
        let unpaused = with(world.object("schedules", "s").unwrap(), "/spec/paused", false);
        world.cluster.put(unpaused);
        minutes(20).await;
        assert!(
            world.cluster.objects("backups.velero.io").is_empty(),
            "it ran at once\n{}",
            world.describe()
        );
        minutes(60).await;
        assert_eq!(world.cluster.objects("backups.velero.io").len(), 1, "{}", world.describe());
    });
}

#[test]
fn v10242_skipping_of_one_schedule_is_not_that_of_another() {
    story(async |world| {
        for (name, skips) in [("skips", true), ("runs", false)] {
            let spec = json!({
                "schedule": "5 * * * *", "skipImmediately": skips, "template": {"includedNamespaces": ["shop"]},
            });
            world.create("Schedule", "schedules", name, &spec);
        }
        // Both are due when the server comes.
        minutes(30).await;
        let _server = world.start(Process::default());
        minutes(10).await;
        let backups = world.cluster.objects("backups.velero.io");
        let schedules: Vec<_> =
            backups.iter().map(|backup| &backup["metadata"]["labels"]["velero.io/schedule-name"]).collect();
        assert_eq!(schedules, ["runs"], "{}", world.describe());
    });
}

#[test]
fn v10398_a_backup_into_a_full_bucket_fails_with_the_reason_and_leaves_nothing_but_its_log() {
    story(async |world| {
        world.bucket.faults().before(refuse("put", "resource-list", ErrorKind::Full));
        let _server = world.start(Process::default());
        request_backup(&world, "b");
        world.until("it has ended", |world| world.phase("backups", "b") == "Failed").await;
        let reason = world.object("backups", "b").unwrap()["status"]["failureReason"].to_string();
        assert!(reason.contains("no space left"), "{reason}");
        let keys = world.bucket.keys().await;
        assert!(keys.iter().all(|key| key == "backups/b/b-logs.gz"), "{keys:?}");
    });
}

#[test]
fn v9036_a_server_that_dies_while_its_successor_starts_leaves_one_result() {
    story(async |world| {
        // The first one hangs in its last write, and still does when the second has taken over.
        world.cluster.faults.before(|call| {
            let last = call.verb == "patch" && call.resource == "backups.velero.io";
            last.then_some(Fault::Delay(Duration::from_secs(20)))
        });
        let first = world.start(Process::dying_at(400, Moment::Before));
        request_backup(&world, "b");
        world.until("it runs", |world| world.phase("backups", "b") == "InProgress").await;
        first.stop().await;
        world.cluster.faults.clear();
        let _second = world.start(Process::default());
        completed(&world, "backups", "b").await;
        minutes(10).await;
        assert_eq!(world.phase("backups", "b"), "Completed");
        world.check().await;
    });
}
