//! Every flag of `backup create` and `restore create` in its field.

use serde_json::{Value, json};

use crate::Run;

/// The spec that a line would create.
fn spec(line: &[&str]) -> Value {
    let text = Run::new().with(&[line, &["-o", "json"]].concat()).ok();
    let object: Value = serde_json::from_str(&text).unwrap();
    object["spec"].clone()
}

#[test]
fn every_flag_of_a_backup_is_in_its_object() {
    let plain = spec(&["backup", "create", "x"]);
    let selector = json!({ "matchLabels": { "a": "b" } });
    for (flags, field, expected) in [
        (&["--ttl", "24h"][..], "ttl", json!("24h0m0s")),
        (&["--include-namespaces", "a,b"], "includedNamespaces", json!(["a", "b"])),
        (&["--exclude-namespaces", "a"], "excludedNamespaces", json!(["a"])),
        (&["--include-resources", "pods"], "includedResources", json!(["pods"])),
        (&["--exclude-resources", "pods"], "excludedResources", json!(["pods"])),
        (&["--include-cluster-scoped-resources", "a"], "includedClusterScopedResources", json!(["a"])),
        (&["--exclude-cluster-scoped-resources", "a"], "excludedClusterScopedResources", json!(["a"])),
        (&["--include-namespace-scoped-resources", "a"], "includedNamespaceScopedResources", json!(["a"])),
        (&["--exclude-namespace-scoped-resources", "a"], "excludedNamespaceScopedResources", json!(["a"])),
        (&["--storage-location", "s"], "storageLocation", json!("s")),
        (&["--volume-snapshot-locations", "v"], "volumeSnapshotLocations", json!(["v"])),
        (&["-l", "a=b"], "labelSelector", selector.clone()),
        (
            &["--or-selector", "a=b or c=d"],
            "orLabelSelectors",
            json!([selector, { "matchLabels": { "c": "d" } }]),
        ),
        (&["--ordered-resources", "pods=n/p"], "orderedResources", json!({ "pods": "n/p" })),
        (&["--csi-snapshot-timeout", "20m"], "csiSnapshotTimeout", json!("20m0s")),
        (&["--item-operation-timeout", "1h"], "itemOperationTimeout", json!("1h0m0s")),
        (&["--snapshot-volumes"], "snapshotVolumes", json!(true)),
        (&["--snapshot-volumes=false"], "snapshotVolumes", json!(false)),
        (&["--snapshot-move-data"], "snapshotMoveData", json!(true)),
        (&["--include-cluster-resources=false"], "includeClusterResources", json!(false)),
        (&["--default-volumes-to-fs-backup"], "defaultVolumesToFsBackup", json!(true)),
        (
            &["--resource-policies-configmap", "p"],
            "resourcePolicy",
            json!({ "kind": "configmap", "name": "p" }),
        ),
        (&["--data-mover", "m"], "datamover", json!("m")),
        (&["--parallel-files-upload", "3"], "uploaderConfig", json!({ "parallelFilesUpload": 3 })),
    ] {
        let with = spec(&[&["backup", "create", "x"], flags].concat());
        assert_eq!(with[field], expected, "{flags:?}");
        assert_ne!(with[field], plain[field], "{flags:?}");
    }
}

#[test]
fn every_flag_of_a_restore_is_in_its_object() {
    let base = ["restore", "create", "x", "--from-backup", "b"];
    let plain = spec(&base);
    assert_eq!(plain["backupName"], "b");
    for (flags, field, expected) in [
        (&["--include-namespaces", "a,b"][..], "includedNamespaces", json!(["a", "b"])),
        (&["--exclude-namespaces", "a"], "excludedNamespaces", json!(["a"])),
        (&["--namespace-mappings", "a:b,c:d"], "namespaceMapping", json!({ "a": "b", "c": "d" })),
        (&["--include-resources", "pods"], "includedResources", json!(["pods"])),
        (&["--exclude-resources", "pods"], "excludedResources", json!(["pods"])),
        (&["--existing-resource-policy", "update"], "existingResourcePolicy", json!("update")),
        (&["--status-include-resources", "a"], "restoreStatus", json!({ "includedResources": ["a"] })),
        (&["-l", "a=b"], "labelSelector", json!({ "matchLabels": { "a": "b" } })),
        (&["--or-selector", "a=b"], "orLabelSelectors", json!([{ "matchLabels": { "a": "b" } }])),
        (&["--item-operation-timeout", "1h"], "itemOperationTimeout", json!("1h0m0s")),
        (&["--restore-volumes=false"], "restorePVs", json!(false)),
        (&["--preserve-nodeports"], "preserveNodePorts", json!(true)),
        (&["--include-cluster-resources"], "includeClusterResources", json!(true)),
        (
            &["--resource-modifier-configmap", "m"],
            "resourceModifier",
            json!({ "kind": "configmap", "name": "m" }),
        ),
        (&["--write-sparse-files"], "uploaderConfig", json!({ "writeSparseFiles": true })),
        (&["--parallel-files-download", "3"], "uploaderConfig", json!({ "parallelFilesDownload": 3 })),
    ] {
        let with = spec(&[&base, flags].concat());
        assert_eq!(with[field], expected, "{flags:?}");
        assert_ne!(with[field], plain[field], "{flags:?}");
    }
    let excluded =
        spec(&[&base[..], &["--status-include-resources", "a", "--status-exclude-resources", "b"]].concat());
    assert_eq!(excluded["restoreStatus"], json!({ "includedResources": ["a"], "excludedResources": ["b"] }));
}

#[test]
fn labels_and_annotations_are_those_of_the_object() {
    for line in [&["backup", "create", "x"][..], &["restore", "create", "x", "--from-backup", "b"]] {
        let flags = ["--labels", "a=b,c=d", "--annotations", "e=f", "-o", "json"];
        let object: Value = serde_json::from_str(&Run::new().with(&[line, &flags].concat()).ok()).unwrap();
        assert_eq!(object["metadata"]["labels"], json!({ "a": "b", "c": "d" }));
        assert_eq!(object["metadata"]["annotations"], json!({ "e": "f" }));
    }
}
