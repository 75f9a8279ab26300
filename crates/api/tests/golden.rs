//! What Velero wrote is read and written again, and must be the same bytes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::fs;
use std::path::{Path, PathBuf};

use bowline_api::artifact::{
    BackupOperation, BackupVolumeInfo, Bare, NativeSnapshot, ResourceList, RestoreOperation,
    RestoreVolumeInfo, Results, null_if_empty, read_list,
};
use bowline_api::{
    Backup, BackupRepository, BackupSpec, BackupStorageLocation, DataDownload, DataUpload, Kind,
    PodVolumeBackup, PodVolumeRestore, Restore, go_json,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

type Rewrite = fn(&[u8]) -> serde_json::Result<Vec<u8>>;

fn value<T: Serialize + DeserializeOwned>(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    go_json::to_line(&serde_json::from_slice::<T>(json)?)
}

fn list<T: Serialize + DeserializeOwned>(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    go_json::to_line(&read_list::<T>(json)?)
}

fn null_list<T: Serialize + DeserializeOwned>(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    go_json::to_line(&null_if_empty(&read_list::<T>(json)?))
}

fn backup(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    go_json::to_vec_indented(&serde_json::from_slice::<Backup>(json)?)
}

/// The files named so in the folders of `testdata/KIND`.
fn files(kind: &str, name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(kind);
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join(name)).collect()
}

fn check(kind: &str, name: &str, rewrite: Rewrite) {
    let files = files(kind, name);
    assert!(files.len() >= 4, "the files of {kind} are missing");
    for path in files {
        let original = fs::read_to_string(&path).unwrap();
        let written = String::from_utf8(rewrite(original.as_bytes()).unwrap()).unwrap();
        assert_eq!(written, original, "{}", path.display());
    }
}

#[test]
fn files_of_backups_are_written_as_velero_writes_them() {
    let cases: [(&str, Rewrite); 7] = [
        ("velero-backup.json", backup),
        ("itemoperations.json", list::<BackupOperation>),
        ("podvolumebackups.json", null_list::<Bare<PodVolumeBackup>>),
        ("resource-list.json", value::<ResourceList>),
        ("results.json", value::<Results>),
        ("volumeinfo.json", list::<BackupVolumeInfo>),
        ("volumesnapshots.json", null_list::<NativeSnapshot>),
    ];
    for (name, rewrite) in cases {
        check("backups", name, rewrite);
    }
}

#[test]
fn files_of_restores_are_written_as_velero_writes_them() {
    let cases: [(&str, Rewrite); 4] = [
        ("itemoperations.json", list::<RestoreOperation>),
        ("resource-list.json", value::<ResourceList>),
        ("results.json", value::<Results>),
        ("volumeinfo.json", list::<RestoreVolumeInfo>),
    ];
    for (name, rewrite) in cases {
        check("restores", name, rewrite);
    }
}

#[test]
fn objects_of_a_cluster_survive_reading_and_writing() {
    let objects: Vec<Value> = serde_json::from_str(include_str!("../testdata/objects.json")).unwrap();
    assert!(objects.len() >= 18);
    for object in objects {
        let written = match object["kind"].as_str().unwrap() {
            "Backup" => rewrite::<Backup>(&object),
            "BackupRepository" => rewrite::<BackupRepository>(&object),
            "BackupStorageLocation" => rewrite::<BackupStorageLocation>(&object),
            "DataDownload" => rewrite::<DataDownload>(&object),
            "DataUpload" => rewrite::<DataUpload>(&object),
            "PodVolumeBackup" => rewrite::<PodVolumeBackup>(&object),
            "PodVolumeRestore" => rewrite::<PodVolumeRestore>(&object),
            "Restore" => rewrite::<Restore>(&object),
            kind => panic!("{kind} is not expected"),
        };
        assert_eq!(written, object);
    }
}

fn rewrite<K: Kind>(object: &Value) -> Value {
    serde_json::to_value(K::deserialize(object).unwrap()).unwrap()
}

/// No backup with native snapshots is at hand; this is what the format asks for.
#[test]
fn native_snapshots_keep_every_field() {
    let json = concat!(
        r#"[{"spec":{"backupName":"b","backupUID":"u","location":"default","persistentVolumeName":"pv","#,
        r#""providerVolumeID":"vol-1","volumeType":"gp3","volumeAZ":"eu-1a","volumeIOPS":3000},"#,
        r#""status":{"providerSnapshotID":"snap-1","phase":"Completed"}}]"#,
        "\n"
    );
    assert_eq!(null_list::<NativeSnapshot>(json.as_bytes()).unwrap(), json.as_bytes());
}

#[test]
fn objects_with_missing_null_or_unknown_fields_are_read() {
    let cases = [
        "{}",
        r#"{"kind":"Backup","apiVersion":"velero.io/v1"}"#,
        r#"{"metadata":null,"spec":null,"status":null}"#,
        r#"{"spec":{"includedNamespaces":null,"hooks":null,"ttl":null,"labelSelector":null,"new":{}},"more":1}"#,
        r#"{"spec":{"hooks":{"resources":[{"name":null,"pre":null}]}},"status":{"phase":null,"progress":null}}"#,
    ];
    for json in cases {
        let backup: Backup = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(backup.phase().as_str(), "New");
    }
}

#[test]
fn unknown_phases_survive() {
    let json = r#"{"status":{"phase":"Verifying"}}"#;
    let backup: Backup = serde_json::from_str(json).unwrap();
    assert!(!backup.phase().is_terminal());
    assert_eq!(serde_json::to_value(&backup).unwrap()["status"]["phase"], "Verifying");
}

#[test]
fn an_object_of_another_kind_is_refused() {
    for (json, message) in [
        (r#"{"kind":"Restore"}"#, r#"kind is "Restore", not "Backup""#),
        (r#"{"apiVersion":"velero.io/v9"}"#, r#"apiVersion is "velero.io/v9", not "velero.io/v1""#),
        (r#"{"spec":{"ttl":"soon"}}"#, r#"spec: invalid duration "soon""#),
    ] {
        let error = serde_json::from_str::<Backup>(json).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn a_new_backup_is_written_with_what_go_never_leaves_out() {
    let backup = Backup::new("dry", BackupSpec::default());
    let json = serde_json::to_string(&backup).unwrap();
    let expected = concat!(
        r#"{"kind":"Backup","apiVersion":"velero.io/v1","metadata":{"name":"dry","creationTimestamp":null},"#,
        r#""spec":{"metadata":{},"ttl":"0s","hooks":{},"csiSnapshotTimeout":"0s","itemOperationTimeout":"0s"},"#,
        r#""status":{}}"#
    );
    assert_eq!(json, expected);
    assert_eq!(Backup::API_VERSION, "velero.io/v1");
}
