//! Schedules, and what is made of them.

use serde_json::{Value, json};

use crate::memory::Memory;

fn with_schedule(labels: &Value) -> Memory {
    let memory = Memory::start();
    let template = json!({ "includedNamespaces": ["shop"], "ttl": "24h0m0s" });
    let spec = json!({ "schedule": "@daily", "template": template, "skipImmediately": true });
    memory.put("Schedule", "daily", &json!({ "metadata": { "labels": labels }, "spec": spec }));
    memory
}

#[test]
fn all_flags_of_a_schedule_are_in_its_object() {
    let memory = Memory::start();
    let line = [
        "schedule",
        "create",
        "s",
        "--schedule",
        "0 2 * * *",
        "--use-owner-references-in-backup",
        "--paused",
        "--skip-immediately=false",
        "--labels",
        "team=a",
        "--annotations",
        "note=b",
        "--include-namespaces",
        "shop",
        "--include-namespaces",
        "db,web",
        "--ttl",
        "24h",
        "--snapshot-volumes=false",
    ];
    memory.velero().with(&line).ok();
    let object = memory.object("schedules", "s").unwrap();
    let (metadata, spec) = (&object["metadata"], &object["spec"]);
    assert_eq!((&metadata["labels"]["team"], &metadata["annotations"]["note"]), (&json!("a"), &json!("b")));
    assert_eq!((&spec["schedule"], &spec["paused"]), (&json!("0 2 * * *"), &json!(true)));
    assert_eq!(
        (&spec["useOwnerReferencesInBackup"], &spec["skipImmediately"]),
        (&json!(true), &json!(false))
    );
    let template = &spec["template"];
    assert_eq!(template["includedNamespaces"], json!(["shop", "db", "web"]));
    assert_eq!((&template["ttl"], &template["snapshotVolumes"]), (&json!("24h0m0s"), &json!(false)));
}

#[test]
fn pausing_also_writes_whether_the_run_that_is_due_is_left_out() {
    let memory = with_schedule(&json!({}));
    let spec = || memory.object("schedules", "daily").unwrap()["spec"].clone();
    memory.velero().with(&["schedule", "pause", "daily"]).ok();
    assert_eq!((&spec()["paused"], &spec()["skipImmediately"]), (&json!(true), &Value::Null));
    let again = memory.velero().with(&["schedule", "pause", "daily"]).ok();
    assert_eq!(again, "Schedule daily is already paused, skip\n");
    memory.velero().with(&["schedule", "unpause", "daily", "--skip-immediately=true"]).ok();
    assert_eq!(spec()["skipImmediately"], true);
    assert_ne!(spec()["paused"], true);
}

#[test]
fn labels_or_all_choose_what_is_paused() {
    let memory = with_schedule(&json!({ "team": "a" }));
    memory.put("Schedule", "other", &json!({ "spec": { "schedule": "@daily", "template": {} } }));
    let paused = |name: &str| memory.object("schedules", name).unwrap()["spec"]["paused"] == true;
    memory.velero().with(&["schedule", "pause", "-l", "team=a"]).ok();
    assert_eq!((paused("daily"), paused("other")), (true, false));
    memory.velero().with(&["schedule", "unpause", "--all"]).ok();
    memory.velero().with(&["schedule", "pause", "--all"]).ok();
    assert_eq!((paused("daily"), paused("other")), (true, true));
    let none = memory.velero().with(&["schedule", "pause", "-l", "team=none"]).ok();
    assert_eq!(none, "No schedules found\n");
}

#[test]
fn a_backup_from_a_schedule_takes_its_template_and_no_filters_of_the_line() {
    let memory = with_schedule(&json!({ "team": "a" }));
    let line = ["backup", "create", "now", "--from-schedule", "daily", "--include-namespaces", "other"];
    memory.velero().with(&[&line[..], &["--labels", "why=drill", "--annotations", "who=me"]].concat()).ok();
    let backup = memory.object("backups", "now").unwrap();
    assert_eq!(
        (&backup["spec"]["includedNamespaces"], &backup["spec"]["ttl"]),
        (&json!(["shop"]), &json!("24h0m0s"))
    );
    let labels = &backup["metadata"]["labels"];
    assert_eq!((&labels["team"], &labels["velero.io/schedule-name"]), (&json!("a"), &json!("daily")));
    assert_eq!((&labels["why"], &backup["metadata"]["annotations"]["who"]), (&json!("drill"), &json!("me")));
}

#[test]
fn a_restore_from_a_schedule_names_it_or_with_partial_failures_the_newest_backup() {
    let memory = with_schedule(&json!({}));
    for (name, phase, hour) in
        [("old", "Completed", 1), ("new", "PartiallyFailed", 2), ("broken", "Failed", 3)]
    {
        let labels = json!({ "velero.io/schedule-name": "daily" });
        let status = json!({ "phase": phase, "startTimestamp": format!("2026-11-21T0{hour}:00:00Z") });
        memory.put("Backup", name, &json!({ "metadata": { "labels": labels }, "status": status }));
    }
    let from = ["restore", "create", "--from-schedule", "daily"];
    let made = |name: &str, flags: &[&str]| {
        memory.velero().with(&[&from[..2], &[name], &from[2..], flags].concat()).ok();
        let spec = memory.object("restores", name).unwrap()["spec"].clone();
        ["scheduleName", "backupName"].map(|field| spec[field].as_str().unwrap_or_default().to_owned())
    };
    // The server chooses the newest completed one.
    assert_eq!(made("a", &[]), ["daily", ""]);
    assert_eq!(made("b", &["--allow-partially-failed"]), ["", "new"]);
    let said = memory.velero().with(&from).ok();
    assert!(said.starts_with("Restore request \"daily-2"), "{said}");
}

#[test]
fn in_a_new_cluster_a_schedule_is_restored_from_by_its_backups_alone() {
    let memory = Memory::start();
    let from = ["restore", "create", "r", "--from-schedule", "daily"];
    memory.put("Schedule", "dayly", &json!({ "spec": { "schedule": "@daily", "template": {} } }));
    memory.velero().with(&from).assert_refused("No backups found for the schedule daily", "dayly");
    let labels = json!({ "velero.io/schedule-name": "daily" });
    memory.put(
        "Backup",
        "b",
        &json!({ "metadata": { "labels": labels }, "status": { "phase": "Completed" } }),
    );
    memory.velero().with(&from).ok();
    assert_eq!(memory.object("restores", "r").unwrap()["spec"]["scheduleName"], "daily");
}

#[test]
fn a_mistake_in_the_time_is_told_at_once_with_its_field() {
    let memory = Memory::start();
    let printed = memory.velero().with(&["schedule", "create", "bad", "--schedule", "0 25 * * *"]);
    assert!(printed.stderr.contains("field 2 of 5, the hour: \"25\""), "{}", printed.stderr);
    assert_eq!(printed.ok(), "Schedule \"bad\" created successfully.\n");
}
