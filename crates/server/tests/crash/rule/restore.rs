use std::time::Duration;

use bowline_testing::{Fault, Process};
use serde_json::{Value, json};

use super::{change, phase, seconds};
use crate::reports::{completed, story};
use crate::scenario::make_backup;
use crate::world::{VELERO, World};

fn request(world: &World, name: &str, spec: &Value) {
    let mut all = json!({"backupName": "b", "namespaceMapping": {"shop": name}});
    all.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
    world.create("Restore", "restores", name, &all);
}

fn get(world: &World, name: &str) -> Value {
    world.object("restores", name).expect("it is there")
}

async fn refused(world: &World, name: &str) -> String {
    phase(world, "restores", name, "FailedValidation").await;
    get(world, name)["status"]["validationErrors"].to_string()
}

#[test]
fn a_restore_of_what_can_t_be_restored_is_refused() {
    story(async |world| {
        make_backup(&world, "b").await;
        make_backup(&world, "bad").await;
        change(&world, "backups", "bad", "/status/phase", "Failed");
        let _server = world.start(Process::default());
        for (name, spec, part) in [
            ("nodes", json!({"includedResources": ["nodes"]}), "nodes are non-restorable resources"),
            ("events", json!({"includedResources": ["events.events.k8s.io"]}), "non-restorable"),
            ("missing", json!({"backupName": "there-is-none"}), "not found"),
            ("both", json!({"scheduleName": "s"}), "schedule"),
            ("neither", json!({"backupName": ""}), "either a backup or a schedule"),
            ("failed", json!({"backupName": "bad"}), "phase is Failed"),
            ("unrun", json!({"backupName": "", "scheduleName": "s"}), "no completed backups"),
            ("policy", json!({"existingResourcePolicy": "replace"}), "existingResourcePolicy"),
            (
                "selectors",
                json!({"labelSelector": {"matchLabels": {"a": "b"}}, "orLabelSelectors": [{"matchLabels": {"a": "b"}}]}),
                "orLabelSelectors",
            ),
            ("modifier", json!({"resourceModifier": {"kind": "secret", "name": "x"}}), "configmap"),
        ] {
            request(&world, name, &spec);
            let errors = refused(&world, name).await;
            assert!(errors.contains(part), "{name}: {errors}");
            assert!(get(&world, name)["status"]["startTimestamp"].is_null(), "{name} has started");
        }
    });
}

#[test]
fn a_restore_from_a_schedule_takes_its_newest_complete_backup_and_says_which() {
    story(async |world| {
        for name in ["older", "b"] {
            make_backup(&world, name).await;
            change(
                &world,
                "backups",
                name,
                "/metadata/labels",
                json!({"velero.io/schedule-name": "nightly"}),
            );
            seconds(60).await;
        }
        let _server = world.start(Process::default());
        request(&world, "copy", &json!({"backupName": "", "scheduleName": "nightly"}));
        completed(&world, "restores", "copy").await;
        assert_eq!(get(&world, "copy")["spec"]["backupName"], "b");
        request(&world, "named", &json!({"backupName": "older"}));
        completed(&world, "restores", "named").await;
        assert_eq!(get(&world, "named")["spec"]["scheduleName"], "nightly", "for metrics, as in Velero");
    });
}

#[test]
fn a_restore_works_from_a_read_only_location_and_not_from_an_unavailable_one() {
    story(async |world| {
        make_backup(&world, "b").await;
        change(&world, "backupstoragelocations", "default", "/spec/accessMode", "ReadOnly");
        change(&world, "backupstoragelocations", "default", "/spec/validationFrequency", "0s");
        let _server = world.start(Process::default());
        seconds(5).await;
        request(&world, "copy", &json!({}));
        completed(&world, "restores", "copy").await;
        change(&world, "backupstoragelocations", "default", "/status/phase", "Unavailable");
        seconds(2).await;
        request(&world, "second", &json!({}));
        let errors = refused(&world, "second").await;
        assert!(errors.contains("unavailable"), "{errors}");
    });
}

#[test]
fn deleting_a_restore_removes_its_files_and_waits_for_the_store() {
    story(async |world| {
        make_backup(&world, "b").await;
        let _server = world.start(Process::default());
        request(&world, "copy", &json!({}));
        completed(&world, "restores", "copy").await;
        assert_eq!(
            get(&world, "copy")["metadata"]["finalizers"],
            json!(["restores.velero.io/external-resources-finalizer"])
        );
        let files =
            async || world.bucket.keys().await.iter().filter(|key| key.starts_with("restores/copy/")).count();
        assert!(files().await > 2);
        world.bucket.faults().before(crate::reports::refuse(
            "delete",
            "restores/",
            bowline_store::ErrorKind::Unreachable,
        ));
        change(&world, "restores", "copy", "/metadata/deletionTimestamp", "2026-01-02T03:04:05Z");
        seconds(60).await;
        assert!(world.object("restores", "copy").is_some(), "it went before its files");
        world.bucket.faults().clear();
        world.until("it is gone", |world| world.object("restores", "copy").is_none()).await;
        assert_eq!(files().await, 0);
    });
}

#[test]
fn restores_run_one_after_the_other_and_as_many_as_allowed_into_different_namespaces() {
    for (allowed, expected) in [(1, 1), (2, 2)] {
        story(async |world| {
            make_backup(&world, "b").await;
            let _server = world.start_with(Process::default(), |config| config.concurrent_restores = allowed);
            seconds(5).await;
            world.bucket.faults().before(|call| {
                let slow = call.verb == "get" && call.name.ends_with("b.tar.gz");
                slow.then_some(Fault::<bowline_store::Error>::Delay(Duration::from_mins(1)))
            });
            for (name, namespace) in [("first", "x"), ("second", "y"), ("same", "x")] {
                let spec = json!({"includedNamespaces": ["shop"], "namespaceMapping": {"shop": namespace}});
                request(&world, name, &spec);
                seconds(2).await;
            }
            let running = ["first", "second", "same"]
                .into_iter()
                .filter(|name| world.phase("restores", name) == "InProgress");
            assert_eq!(running.count(), expected);
            assert_ne!(world.phase("restores", "same"), "InProgress", "it shares a namespace with the first");
            for name in ["first", "second", "same"] {
                phase(&world, "restores", name, "Completed").await;
            }
        });
    }
}

#[test]
fn a_restore_of_a_backup_that_another_cluster_made_works_once_it_is_synced() {
    story(async |world| {
        make_backup(&world, "b").await;
        world.cluster.remove("backups.velero.io", VELERO, "b");
        let _server = world.start(Process::default());
        completed(&world, "backups", "b").await;
        request(&world, "copy", &json!({}));
        completed(&world, "restores", "copy").await;
        assert!(world.cluster.object("configmaps", "copy", "colours").is_some());
    });
}
