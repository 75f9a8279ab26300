//! Backup storage locations and snapshot locations.

use serde_json::{Value, json};

use crate::memory::Memory;

fn spec(memory: &Memory, name: &str) -> Value {
    memory.object("backupstoragelocations", name).unwrap()["spec"].clone()
}

#[test]
fn all_flags_of_a_location_are_in_its_object() {
    let memory = Memory::start();
    let run = memory.velero();
    std::fs::write(run.home().join("ca.pem"), "certificate").unwrap();
    let line = [
        "backup-location",
        "create",
        "second",
        "--provider",
        "aws",
        "--bucket",
        "b",
        "--prefix",
        "p",
        "--credential",
        "keys=cloud",
        "--backup-sync-period",
        "1m",
        "--validation-frequency",
        "90s",
        "--config",
        "region=eu,s3ForcePathStyle=true",
        "--config",
        "profile=x",
        "--labels",
        "team=a",
        "--cacert",
        "ca.pem",
        "--access-mode",
        "ReadOnly",
    ];
    run.with(&line).ok();
    let expected = json!({
        "provider": "aws", "config": { "region": "eu", "s3ForcePathStyle": "true", "profile": "x" },
        "objectStorage": { "bucket": "b", "prefix": "p", "caCert": "Y2VydGlmaWNhdGU=" },
        "credential": { "name": "keys", "key": "cloud" }, "accessMode": "ReadOnly",
        "backupSyncPeriod": "1m0s", "validationFrequency": "1m30s",
    });
    assert_eq!(spec(&memory, "second"), expected);
    assert_eq!(memory.object("backupstoragelocations", "second").unwrap()["metadata"]["labels"]["team"], "a");
}

#[test]
fn there_is_one_default_location() {
    let memory = Memory::start();
    let create = ["backup-location", "create", "second", "--provider", "aws", "--bucket", "b"];
    memory
        .velero()
        .with(&[&create[..], &["--default"]].concat())
        .assert_refused("default", "--default=false");
    memory.velero().with(&create).ok();
    memory.velero().with(&["backup-location", "set", "second", "--default"]).ok();
    assert_eq!(spec(&memory, "second")["default"], true);
    let again = memory.velero().with(&["backup-location", "set", "second", "--default"]).ok();
    assert_eq!(again, "Backup storage location \"second\" is already the default backup storage location.\n");
    assert_ne!(spec(&memory, "default")["default"], true);
    let table = memory.velero().with(&["backup-location", "get", "--default"]).ok();
    assert!(table.lines().count() == 2 && table.contains("second"), "{table}");
}

#[test]
fn a_change_of_a_location_leaves_what_it_does_not_name() {
    let memory = Memory::start();
    let storage = json!({ "bucket": "b", "caCert": "Y2VydGlmaWNhdGU=" });
    memory.put_location(
        "second",
        &json!({ "objectStorage": storage, "credential": { "name": "keys", "key": "cloud" } }),
    );
    memory.velero().with(&["backup-location", "set", "second", "--credential", "other=key"]).ok();
    let after = spec(&memory, "second");
    assert_eq!(after["objectStorage"]["caCert"], "Y2VydGlmaWNhdGU=");
    assert_eq!(after["credential"], json!({ "name": "other", "key": "key" }));
    memory.velero().with(&["backup-location", "set", "second", "--cacert", ""]).ok();
    assert_eq!(spec(&memory, "second")["objectStorage"]["caCert"], Value::Null);
}

#[test]
fn with_a_location_go_the_objects_of_its_backups_and_no_others() {
    let memory = Memory::start();
    memory.put_location("second", &json!({}));
    for (name, location) in [("here", "default"), ("there", "second")] {
        let labels = json!({ "metadata": { "labels": { "velero.io/storage-location": location } } });
        memory.put("Backup", name, &labels);
        memory.put("BackupRepository", name, &labels);
    }
    memory.velero().with(&["backup-location", "delete", "second", "--confirm"]).ok();
    for kind in ["backups", "backuprepositories"] {
        let left: Vec<Value> =
            memory.objects(kind).iter().map(|object| object["metadata"]["name"].clone()).collect();
        assert_eq!(left, ["here"], "{kind}");
    }
    assert_eq!(memory.objects("deletebackuprequests").len(), 0, "the files stay");
}

#[test]
fn snapshot_locations_are_made_shown_and_changed() {
    let memory = Memory::start();
    let line = [
        "snapshot-location",
        "create",
        "ebs",
        "--provider",
        "aws",
        "--config",
        "region=eu",
        "--labels",
        "a=b",
    ];
    let said = memory.velero().with(&line).ok();
    assert_eq!(said, "Snapshot volume location \"ebs\" configured successfully.\n");
    assert_eq!(memory.velero().with(&["snapshot-location", "get"]).ok(), "NAME   PROVIDER\nebs    aws\n");
    memory.velero().with(&["snapshot-location", "set", "ebs", "--credential", "keys=cloud"]).ok();
    let object = memory.object("volumesnapshotlocations", "ebs").unwrap();
    assert_eq!(object["spec"]["credential"], json!({ "name": "keys", "key": "cloud" }));
    assert_eq!(object["spec"]["config"]["region"], "eu");
    memory
        .velero()
        .with(&["backup", "create", "x", "--volume-snapshot-locations", "ebz"])
        .assert_refused("\"ebz\" not found", "ebs");
}

#[test]
fn certificates_come_from_the_flag_then_the_locations_secret_then_its_text_then_the_settings() {
    let memory = Memory::start();
    memory.put_backup("web", "Completed");
    let run = memory.velero();
    for name in ["flag.pem", "settings.pem"] {
        std::fs::write(run.home().join(name), "no certificate").unwrap();
    }
    let settings = run.home().join("settings.pem").display().to_string();
    run.with(&["client", "config", "set", &format!("cacert={settings}")]).ok();
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "ca", "namespace": "velero" }, "data": { "pem": "bm9uZQ==" } });
    memory.cluster.put(secret);
    // None of them is a certificate, so that the refusal names the one that was taken.
    let refused = |flags: &[&str], storage: Value, place: &str| {
        memory.put_location("default", &json!({ "default": true, "objectStorage": storage }));
        let printed = run.with(&[&["backup", "logs", "web"], flags].concat());
        assert!(
            printed.stderr.contains(&format!("{place} holds no certificates")),
            "{place}: {}",
            printed.stderr
        );
    };
    let both = json!({ "bucket": "b", "caCert": "bm9uZQ==", "caCertRef": { "name": "ca", "key": "pem" } });
    refused(&["--cacert", "flag.pem"], both.clone(), "flag.pem");
    refused(&[], both, "secret ca");
    refused(&[], json!({ "bucket": "b", "caCert": "bm9uZQ==" }), "caCert of the location");
    refused(&[], json!({ "bucket": "b" }), &settings);
}
