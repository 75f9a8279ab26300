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

/// Backups that Velero 1.18.2 wrote.
const OF_VELERO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/testdata/velero-1.18");

#[test]
fn stored_objects_are_listed_like_folders_and_printed() {
    let run = Run::new();
    let browse =
        |line: &[&str]| run.with(&[&["backup", "browse", "fx-res"], line, &["--from", OF_VELERO]].concat());
    let table = browse(&[]).ok();
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["RESOURCE", "OBJECTS", "NAMESPACES"]);
    assert!(
        rows.contains(&vec!["configmaps", "5", "2"]) && rows.contains(&vec!["namespaces", "2", "-"]),
        "{table}"
    );
    for path in ["deployments.apps", "deployments", "deployment", "Deploy"] {
        assert_eq!(browse(&[path, "-o", "name"]).ok(), "deployments.apps/shop/web\n", "{path}");
    }
    let table = browse(&["deploy/shop"]).ok();
    assert!(table.starts_with("NAMESPACE   NAME   BYTES\nshop        web    "), "{table}");
    for (form, line) in [("json", &["ns/shop", "-o", "json"][..]), ("yaml", &["namespaces/shop"])] {
        let text = browse(line).ok();
        let object: serde_json::Value = match form {
            "json" => serde_json::from_str(&text).unwrap(),
            _ => serde_saphyr::from_str(&text).unwrap(),
        };
        assert_eq!((&object["kind"], &object["metadata"]["name"]), (&json!("Namespace"), &json!("shop")));
    }
    let list: serde_json::Value = serde_json::from_str(&browse(&["cm/shop", "-o", "json"]).ok()).unwrap();
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["kind"] == "ConfigMap"), "{list}");
    for (path, error, hint) in [
        ("deployment/shop/wob", "no deployments.apps \"wob\"", "did you mean \"web\"?"),
        ("deployment/zzzz", "in the namespace \"zzzz\"", "`bowline backup browse fx-res deployment`"),
        ("zzzz", "no resource \"zzzz\"", "`bowline backup browse fx-res`"),
        ("a/b/c/d", "no resource \"a\"", "see what there is"),
    ] {
        browse(&[path]).assert_refused(error, hint);
    }
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
