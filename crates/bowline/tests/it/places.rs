//! Backups in a folder, without any cluster.

use std::fs;

use serde_json::json;

use crate::Run;

#[test]
fn a_damaged_backup_is_told_and_hides_no_other() {
    let run = Run::new();
    let folder = run.home().join("store/backups");
    let backup = json!({ "apiVersion": "velero.io/v1", "kind": "Backup", "metadata": { "name": "whole" } });
    for (name, metadata) in [("cut", "{"), ("whole", &backup.to_string())] {
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("velero-backup.json"), metadata).unwrap();
    }
    let printed = run.with(&["backup", "get", "--from", "store"]);
    assert!(printed.stderr.contains("warning: the backup \"cut\" is not shown"), "{}", printed.stderr);
    let table = printed.ok();
    assert!(table.contains("whole") && !table.contains("cut"), "{table}");
    // Asked for by its name it is an error.
    let printed = run.with(&["backup", "get", "cut", "--from", "store"]);
    assert!(printed.code == 1 && printed.stderr.contains("the data is damaged"), "{}", printed.stderr);
}

#[test]
fn with_an_output_nothing_is_created_and_that_is_said_to_who_wants_to_wait() {
    for line in [
        &["backup", "create", "x", "--wait", "-o", "json"][..],
        &["restore", "create", "x", "--from-backup", "b", "--wait", "-o", "json"],
    ] {
        let printed = Run::new().with(line);
        assert!(printed.stderr.contains("nothing is created"), "{}", printed.stderr);
        let object: serde_json::Value = serde_json::from_str(&printed.ok()).unwrap();
        assert_eq!(object["metadata"]["name"], "x");
    }
}
