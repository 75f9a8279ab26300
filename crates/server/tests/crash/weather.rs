//! What passes by itself costs a run an attempt and no more; what does not pass ends it at once (design, decision 6).

use std::time::Duration;

use bowline_engine::port::ClusterError;
use bowline_store::{Error, ErrorKind};
use bowline_testing::object::with;
use bowline_testing::{Call, Process};
use serde_json::{Value, json};

use crate::reports::{completed, minutes, refuse, story};
use crate::scenario::{attempts, make_backup, request_backup};
use crate::world::World;

/// Fails the first call that fits.
fn once<E>(mut fails: impl FnMut(&Call) -> Option<E>) -> impl FnMut(&Call) -> Option<E> {
    let mut is_over = false;
    move |call| {
        if is_over {
            return None;
        }
        let error = fails(call)?;
        is_over = true;
        Some(error)
    }
}

/// Fails every call from the first one on that fits, until so much time has passed.
fn lasting<E>(
    time: Duration,
    begins: impl Fn(&Call) -> bool,
    error: impl Fn() -> E,
) -> impl FnMut(&Call) -> Option<E> {
    let mut start: Option<tokio::time::Instant> = None;
    move |call| {
        if start.is_none() && begins(call) {
            start = Some(tokio::time::Instant::now());
        }
        start.is_some_and(|start| start.elapsed() < time).then(&error)
    }
}

fn connection_refused() -> ClusterError {
    ClusterError::Unavailable { message: "connection refused".into() }
}

fn throttled() -> ClusterError {
    ClusterError::TooManyRequests { retry_after: Some(Duration::from_secs(1)) }
}

fn request_restore(world: &World, name: &str) {
    world.create(
        "Restore",
        "restores",
        name,
        &json!({"backupName": "b", "namespaceMapping": {"shop": name}}),
    );
}

/// Restores into `copy` and looks whether all of it is there, without a word of trouble.
async fn restored(world: &World) {
    completed(world, "restores", "copy").await;
    let restore = world.object("restores", "copy").unwrap();
    assert_eq!(restore["status"]["errors"].as_i64().unwrap_or(0), 0, "{restore:#}");
    assert_eq!(restore["status"]["failureReason"].as_str().unwrap_or_default(), "", "{restore:#}");
    for name in ["colours", "sizes"] {
        assert!(world.cluster.object("configmaps", "copy", name).is_some(), "{name} is lost");
    }
    world.check().await;
}

async fn backed_up(world: &World, expected_attempts: usize) {
    completed(world, "backups", "b").await;
    let backup = world.object("backups", "b").unwrap();
    assert_eq!(attempts(world, "backups", "b"), expected_attempts, "{backup:#}");
    assert_eq!(backup["status"]["failureReason"].as_str().unwrap_or_default(), "", "{backup:#}");
    world.check().await;
}

async fn failed(world: &World, resource: &str, name: &str) -> String {
    world.until("it has ended", |world| world.phase(resource, name) == "Failed").await;
    let object = world.object(resource, name).unwrap();
    assert!(!object["status"]["completionTimestamp"].is_null(), "{object:#}");
    object["status"]["failureReason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn v2458_a_reset_connection_while_a_backup_is_put_costs_an_attempt_and_not_the_backup() {
    for file in ["b.tar.gz", "-resource-list.json.gz", "-checksums.json", "velero-backup.json"] {
        story(async |world| {
            let _server = world.start(Process::default());
            world.bucket.faults().before(once(refuse("put", file, ErrorKind::Unreachable)));
            request_backup(&world, "b");
            backed_up(&world, 2).await;
        });
    }
}

#[test]
fn a_lost_answer_to_the_last_put_of_a_backup_costs_no_second_one() {
    story(async |world| {
        let _server = world.start(Process::default());
        world.bucket.faults().after(once(refuse("put", "velero-backup.json", ErrorKind::Timeout)));
        request_backup(&world, "b");
        completed(&world, "backups", "b").await;
        world.check().await;
    });
}

#[test]
fn a_store_that_throttles_for_minutes_or_does_not_answer_costs_attempts_and_not_the_backup() {
    for kind in [ErrorKind::Busy, ErrorKind::Timeout, ErrorKind::Unreachable] {
        story(async |world| {
            let _server = world.start(Process::default());
            let begins = |call: &Call| call.verb == "put" && call.name == "backups/b/b.tar.gz";
            let weather =
                lasting(Duration::from_mins(1), begins, move || Error::new(kind, "reach the store"));
            world.bucket.faults().before(weather);
            request_backup(&world, "b");
            backed_up(&world, 3).await;
        });
    }
}

#[test]
fn an_api_server_that_restarts_in_the_middle_of_a_backup_or_restore_costs_attempts_and_nothing_else() {
    for error in [connection_refused, throttled, || ClusterError::Timeout] {
        for seconds in [20, 150] {
            story(async |world| {
                let _server = world.start(Process::default());
                let begins = |call: &Call| call.verb == "list" && call.resource == "configmaps";
                world.cluster.faults.before(lasting(Duration::from_secs(seconds), begins, error));
                request_backup(&world, "b");
                completed(&world, "backups", "b").await;
                assert!((1..=4).contains(&attempts(&world, "backups", "b")), "{}", world.describe());
                world.check().await;
                world.cluster.faults.clear();

                let begins = |call: &Call| call.verb == "create" && call.resource == "configmaps";
                world.cluster.faults.before(lasting(Duration::from_secs(seconds), begins, error));
                request_restore(&world, "copy");
                restored(&world).await;
                assert!((1..=4).contains(&attempts(&world, "restores", "copy")), "{}", world.describe());
            });
        }
    }
}

#[test]
fn a_reset_connection_while_a_restore_reads_or_writes_its_files_costs_an_attempt_and_not_the_restore() {
    for (verb, file) in
        [("get", "b.tar.gz"), ("get", "velero-backup.json"), ("put", "restore-copy-results.gz")]
    {
        story(async |world| {
            make_backup(&world, "b").await;
            let _server = world.start(Process::default());
            tokio::time::sleep(Duration::from_secs(5)).await;
            world.bucket.faults().before(once(refuse(verb, file, ErrorKind::Unreachable)));
            request_restore(&world, "copy");
            restored(&world).await;
            assert_eq!(attempts(&world, "restores", "copy"), 2, "{verb} {file}\n{}", world.describe());
            let results = world.store().restore_results("copy").await.unwrap();
            assert!(serde_json::to_value(results).unwrap().to_string().matches('"').count() < 20);
        });
    }
}

#[test]
fn what_does_not_pass_ends_a_backup_at_its_first_attempt() {
    for kind in
        [ErrorKind::Full, ErrorKind::PermissionDenied, ErrorKind::Unauthenticated, ErrorKind::BucketNotFound]
    {
        story(async |world| {
            let _server = world.start(Process::default());
            world.bucket.faults().before(refuse("put", "b.tar.gz", kind));
            request_backup(&world, "b");
            let reason = failed(&world, "backups", "b").await;
            assert!(reason.contains("backups/b/b.tar.gz") && !reason.contains("attempt"), "{reason}");
            assert_eq!(attempts(&world, "backups", "b"), 1);
        });
    }
}

#[test]
fn what_does_not_pass_ends_a_restore_at_its_first_attempt() {
    story(async |world| {
        make_backup(&world, "b").await;
        let _server = world.start(Process::default());
        world.bucket.faults().before(refuse("get", "b.tar.gz", ErrorKind::PermissionDenied));
        request_restore(&world, "copy");
        let reason = failed(&world, "restores", "copy").await;
        assert!(reason.contains("b.tar.gz") && !reason.contains("attempt"), "{reason}");
        assert_eq!(attempts(&world, "restores", "copy"), 1);
    });
}

#[test]
fn a_full_disk_for_temporary_files_ends_a_run_at_its_first_attempt() {
    story(async |world| {
        make_backup(&world, "b").await;
        let _server = world.start_with(Process::default(), |config| {
            config.scratch_directory = Some("/proc/there-is-no-room-here".into());
        });
        request_restore(&world, "copy");
        let reason = failed(&world, "restores", "copy").await;
        assert!(reason.contains("spool file"), "{reason}");
        assert_eq!(attempts(&world, "restores", "copy"), 1);
    });
}

#[test]
fn a_run_whose_trouble_does_not_end_is_failed_after_four_attempts_with_the_reason_of_each() {
    story(async |world| {
        let _server = world.start(Process::default());
        let mut number = 0;
        world.bucket.faults().before(move |call: &Call| {
            let fails = call.verb == "put" && call.name.ends_with("b.tar.gz");
            number += usize::from(fails);
            fails.then(|| Error::new(ErrorKind::Busy, "put").with_detail(format!("SlowDown {number}")))
        });
        request_backup(&world, "b");
        let reason = failed(&world, "backups", "b").await;
        for number in 1..=4 {
            let (attempt, cause) = (format!("attempt {number} of "), format!("SlowDown {number}"));
            assert!(reason.contains(&attempt) && reason.contains(&cause), "{reason}");
        }
        let notes =
            world.object("backups", "b").unwrap()["metadata"]["annotations"]["bowline.io/attempts"].clone();
        let notes: Vec<Value> = serde_json::from_str(notes.as_str().unwrap()).unwrap();
        assert!(notes.len() == 4 && notes.iter().all(|note| note["ended"].is_string()), "{notes:?}");
        let keys = world.bucket.keys().await;
        assert!(keys.iter().all(|key| key == "backups/b/b-logs.gz"), "{keys:?}");
        minutes(30).await;
        assert_eq!(world.phase("backups", "b"), "Failed", "it was taken up again");
    });
}

#[test]
fn a_restore_whose_trouble_does_not_end_is_failed_after_four_attempts_with_the_reason_of_each() {
    story(async |world| {
        make_backup(&world, "b").await;
        let _server = world.start(Process::default());
        world.bucket.faults().before(refuse("get", "b.tar.gz", ErrorKind::Timeout));
        request_restore(&world, "copy");
        let reason = failed(&world, "restores", "copy").await;
        assert_eq!(reason.matches("no answer in time").count(), 4, "{reason}");
        assert_eq!(attempts(&world, "restores", "copy"), 4);
    });
}

#[test]
fn a_run_between_two_attempts_is_taken_over_by_the_next_server() {
    story(async |world| {
        let server = world.start(Process::default());
        world.bucket.faults().before(refuse("put", "b.tar.gz", ErrorKind::Busy));
        request_backup(&world, "b");
        let waits = |world: &World| {
            let backup = world.object("backups", "b").unwrap_or_default();
            backup["metadata"]["annotations"]["bowline.io/attempts"].to_string().contains("ended")
        };
        world.until("an attempt has failed", waits).await;
        server.stop().await;
        world.bucket.faults().clear();
        let _next = world.start(Process::default());
        backed_up(&world, 2).await;
    });
}

#[test]
fn policies_that_can_t_be_read_for_now_are_no_mistake_of_the_user() {
    story(async |world| {
        let rules =
            json!({"rules": "version: v1\nvolumePolicies:\n- {conditions: {}, action: {type: skip}}\n"});
        let map = bowline_testing::object::object("v1", "ConfigMap", "velero", "rules");
        world.cluster.put(with(map, "/data", rules));
        let _server = world.start(Process::default());
        world.cluster.faults.before(once(|call| (call.name == "rules").then(throttled)));
        world.create(
            "Backup",
            "backups",
            "b",
            &json!({"includedNamespaces": ["shop"], "resourcePolicy": {"kind": "configmap", "name": "rules"}}),
        );
        backed_up(&world, 2).await;
    });
}
