use std::time::Duration;

use bowline_testing::{Fault, Process};
use serde_json::{Value, json};

use super::{change, location, phase, seconds};
use crate::reports::{completed, story};
use crate::scenario::{make_backup, request_backup};
use crate::world::World;

fn request(world: &World, name: &str, backup: &str) {
    world.create("DeleteBackupRequest", "deletebackuprequests", name, &json!({"backupName": backup}));
}

async fn errors(world: &World, name: &str) -> String {
    phase(world, "deletebackuprequests", name, "Processed").await;
    world.object("deletebackuprequests", name).unwrap()["status"]["errors"].to_string()
}

#[test]
fn a_deletion_is_refused_where_nothing_may_or_can_be_deleted() {
    story(async |world| {
        make_backup(&world, "b").await;
        let server = world.start(Process::default());
        request(&world, "nameless", "");
        request(&world, "unknown", "there-is-none");
        assert!(errors(&world, "nameless").await.contains("spec.backupName is required"));
        assert!(errors(&world, "unknown").await.contains("backup not found"));

        change(&world, "backupstoragelocations", "default", "/spec/accessMode", "ReadOnly");
        seconds(2).await;
        request(&world, "cold", "b");
        let told = errors(&world, "cold").await;
        assert!(told.contains("location default is currently in read-only mode"), "{told}");

        change(
            &world,
            "backupstoragelocations",
            "default",
            "/spec",
            json!({
                "provider": "aws", "objectStorage": {"bucket": "b"}, "validationFrequency": "0s",
            }),
        );
        seconds(2).await;
        change(&world, "backupstoragelocations", "default", "/status/phase", "Unavailable");
        seconds(2).await;
        request(&world, "broken", "b");
        let told = errors(&world, "broken").await;
        assert!(told.contains("location default is currently in Unavailable state"), "{told}");

        world.cluster.remove("backupstoragelocations.velero.io", crate::world::VELERO, "default");
        seconds(2).await;
        request(&world, "nowhere", "b");
        assert!(errors(&world, "nowhere").await.contains("backup storage location default not found"));
        assert_eq!(world.phase("backups", "b"), "Completed");
        assert!(world.store().verify("b").await.unwrap().is_intact());
        let counted = server.metric("velero_backup_deletion_attempt_total", &[("schedule", "")]);
        assert_eq!(counted, Some(0.0), "a deletion that is refused is none");
    });
}

#[test]
fn a_backup_in_progress_is_not_deleted() {
    story(async |world| {
        let _server = world.start(Process::default());
        world.bucket.faults().before(|call| {
            let archive = call.verb == "put" && call.name.ends_with(".tar.gz");
            archive.then_some(Fault::<bowline_store::Error>::Delay(Duration::from_mins(2)))
        });
        request_backup(&world, "b");
        phase(&world, "backups", "b", "InProgress").await;
        request(&world, "d", "b");
        assert!(errors(&world, "d").await.contains("backup is still in progress"));
        completed(&world, "backups", "b").await;
    });
}

#[test]
fn a_deletion_takes_files_restores_object_and_all_requests_along_and_is_counted() {
    story(async |world| {
        make_backup(&world, "b").await;
        let server = world.start(Process::default());
        super::restored(&world).await;
        world.bucket.faults().before(|call| {
            let metadata = call.verb == "delete" && call.name.ends_with("velero-backup.json");
            metadata.then_some(Fault::<bowline_store::Error>::Delay(Duration::from_secs(30)))
        });
        request(&world, "first", "b");
        phase(&world, "backups", "b", "Deleting").await;
        let first = world.object("deletebackuprequests", "first").unwrap();
        assert_eq!(first["status"]["phase"], "InProgress");
        let labels = &first["metadata"]["labels"];
        let uid = &world.object("backups", "b").unwrap()["metadata"]["uid"];
        assert_eq!((&labels["velero.io/backup-name"], &labels["velero.io/backup-uid"]), (&json!("b"), uid));
        request(&world, "second", "b");
        seconds(5).await;
        assert!(world.object("deletebackuprequests", "second").is_none(), "there is one request at a time");
        world.until("it is gone", |world| world.object("backups", "b").is_none()).await;
        seconds(5).await;
        assert_eq!(world.cluster.objects("deletebackuprequests.velero.io"), Vec::<Value>::new());
        assert_eq!(world.object("restores", "r"), None);
        assert_eq!(world.bucket.keys().await, [""; 0]);
        let counts = ["attempt", "success", "failure"]
            .map(|what| server.metric(&format!("velero_backup_deletion_{what}_total"), &[("schedule", "")]));
        assert_eq!(counts, [Some(1.0), Some(1.0), Some(0.0)]);
    });
}

#[test]
fn the_answer_to_a_deletion_that_failed_can_be_read_for_a_day() {
    story(async |world| {
        let _server = world.start(Process::default());
        request(&world, "d", "there-is-none");
        errors(&world, "d").await;
        seconds(23 * 3600).await;
        assert!(world.object("deletebackuprequests", "d").is_some());
        seconds(3600 + 60).await;
        assert!(world.object("deletebackuprequests", "d").is_none());
    });
}

fn expire(world: &World, name: &str) {
    change(world, "backups", name, "/status/expiration", "2026-01-02T03:04:06Z");
}

fn gc_label(world: &World, name: &str) -> Value {
    world.object("backups", name).expect("it is kept")["metadata"]["labels"]["velero.io/gc-failure"].clone()
}

#[test]
fn an_expired_backup_that_can_t_be_deleted_says_why_and_is_deleted_once_it_can() {
    story(async |world| {
        make_backup(&world, "b").await;
        let _server = world.start(Process::default());
        location(&world, "cold", json!({"accessMode": "ReadOnly"})).await;
        change(&world, "backups", "b", "/spec/storageLocation", "cold");
        expire(&world, "b");
        seconds(5).await;
        assert_eq!(gc_label(&world, "b"), "BSLReadOnly");
        change(&world, "backups", "b", "/spec/storageLocation", "nowhere");
        seconds(5).await;
        assert_eq!(gc_label(&world, "b"), "BSLNotFound");
        assert_eq!(world.cluster.objects("deletebackuprequests.velero.io"), Vec::<Value>::new());
        change(&world, "backups", "b", "/spec/storageLocation", "default");
        world.until("it is deleted", |world| world.object("backups", "b").is_none()).await;
        assert_eq!(world.bucket.keys().await, [""; 0]);
    });
}

#[test]
fn a_backup_expires_after_its_time_which_nothing_prolongs_and_expired_ones_are_looked_for_every_hour() {
    story(async |world| {
        let _server = world.start(Process::default());
        world.create("Backup", "backups", "b", &json!({"includedNamespaces": ["shop"], "ttl": "2h"}));
        completed(&world, "backups", "b").await;
        let expiration = world.object("backups", "b").unwrap()["status"]["expiration"].clone();
        seconds(3600).await;
        assert_eq!(world.object("backups", "b").unwrap()["status"]["expiration"], expiration);
        seconds(3600 + 60).await;
        assert!(world.object("backups", "b").is_none(), "{}", world.describe());
    });
}

#[test]
fn backups_that_were_made_elsewhere_expire_here_too() {
    story(async |world| {
        make_backup(&world, "b").await;
        world.cluster.remove("backups.velero.io", crate::world::VELERO, "b");
        let _server = world.start(Process::default());
        completed(&world, "backups", "b").await;
        expire(&world, "b");
        world.until("it is deleted", |world| world.object("backups", "b").is_none()).await;
        assert_eq!(world.bucket.keys().await, [""; 0]);
    });
}
