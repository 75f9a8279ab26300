//! What Velero 1.18.1 prints for the same objects, taken from its own `backup describe -o json` against our server.

use bowline_api::artifact::BackupVolumeInfo;

use super::super::super::backup::Companions;
use super::*;
use crate::output::time::tests::at;

fn companions() -> Companions {
    Companions {
        results: Artifact::Absent,
        resource_list: Artifact::Absent,
        volumes: Artifact::Absent,
        operations: Artifact::Absent,
        deletions: Vec::new(),
    }
}

fn described(backup: &Value, companions: &Companions, details: bool) -> Value {
    let backup: Backup = serde_json::from_value(backup.clone()).unwrap();
    self::backup(&backup, companions, details, &at("2026-11-21T16:40:00Z"))
}

#[test]
fn hooks_order_and_policies_are_told() {
    let pre = json!({ "exec": { "container": "busybox", "command": ["/bin/sh", "-c", "echo hi"], "onError": "Fail", "timeout": "30s" } });
    let backup = json!({
        "metadata": { "name": "full", "namespace": "velero" },
        "spec": {
            "resourcePolicy": { "kind": "configmap", "name": "rules" },
            "orderedResources": { "pods": "m1/a,m1/b", "persistentvolumes": "x,y" },
            "hooks": { "resources": [{
                "name": "h1",
                "includedNamespaces": ["m1"],
                "includedResources": ["pods"],
                "labelSelector": { "matchLabels": { "app": "d" } },
                "pre": [pre],
                "post": [{ "exec": { "command": ["/bin/true"] } }],
            }] },
        },
    });
    let object = described(&backup, &companions(), false);
    assert_eq!(object["resourcePolicies"], json!({ "type": "configmap", "name": "rules" }));
    assert_eq!(
        object["spec"]["orderedResources"],
        json!({ "persistentvolumes": "x,y", "pods": "m1/a,m1/b" })
    );
    let hook = json!({
        "labelSelector": "app=d",
        "namespaces": { "excluded": "<none>", "included": "m1" },
        "postExecHook": [{ "command": "/bin/true", "container": "", "onError:": "", "timeout": "0s" }],
        "preExecHook": [{ "command": "/bin/sh -c echo hi", "container": "busybox", "onError:": "Fail", "timeout": "30s" }],
        "resources": { "excluded": "<none>", "included": "pods" },
    });
    assert_eq!(object["spec"]["hooks"], json!({ "resources": { "h1": hook } }));
    let status = &object["status"];
    assert_eq!((&status["started"], &status["expiration"]), (&json!("<n/a>"), &json!("<nil>")));
}

#[test]
fn results_have_all_three_lists_or_are_empty() {
    let backup = json!({ "metadata": {}, "spec": {}, "status": { "warnings": 1 } });
    let found = json!({ "warnings": { "velero": [" message: /Cannot find"] }, "errors": {} });
    let companions =
        Companions { results: Artifact::Here(serde_json::from_value(found).unwrap()), ..companions() };
    let object = described(&backup, &companions, true);
    assert_eq!(object["errors"], json!({}));
    assert_eq!(
        object["warnings"],
        json!({ "velero": [" message: /Cannot find"], "cluster": [], "namespace": [] })
    );
    assert_eq!(object["status"]["errorGettingResourceList"], "<backup resource list not found>");

    // A backup of a Velero that did not keep results yet.
    let object = described(&backup, &super::tests::companions(), false);
    assert_eq!((&object["errors"]["count"], &object["warnings"]["count"]), (&json!(0), &json!(1)));
    let good = json!({ "metadata": {}, "spec": {}, "status": {} });
    assert_eq!(described(&good, &super::tests::companions(), false).get("errors"), None);
}

#[test]
fn attempts_to_delete_are_told() {
    let request = json!({
        "metadata": { "creationTimestamp": "2026-11-21T16:34:41Z" },
        "spec": { "backupName": "full" },
        "status": { "phase": "Processed", "errors": ["denied"] },
    });
    let deletions = vec![serde_json::from_value(request).unwrap()];
    let backup = json!({ "metadata": {}, "spec": {} });
    let object = described(&backup, &Companions { deletions, ..companions() }, false);
    let attempt = json!({ "creationTimestamp": "2026-11-21 16:34:41 +0000 UTC", "phase": "Processed", "errors": ["denied"] });
    assert_eq!(object["deletionAttempts"], json!({ "failed": 1, "deleteBackupRequests": [attempt] }));
}

#[test]
fn volumes_are_told_by_the_way_in_which_they_were_saved() {
    let volumes: Vec<BackupVolumeInfo> = serde_json::from_value(json!([
        { "pvName": "pv1", "backupMethod": "NativeSnapshot", "result": "succeeded",
          "nativeSnapshotInfo": { "snapshotHandle": "snap-1", "volumeType": "gp3", "volumeAZ": "a", "iops": "9" } },
        { "pvcNamespace": "m1", "pvcName": "data", "backupMethod": "CSISnapshot", "snapshotDataMoved": true, "result": "succeeded",
          "snapshotDataMovementInfo": { "operationID": "du-1", "uploaderType": "kopia", "size": 7 } },
        { "pvcNamespace": "m1", "pvcName": "kept", "backupMethod": "CSISnapshot", "preserveLocalSnapshot": true,
          "csiSnapshotInfo": { "vscName": "vsc", "snapshotHandle": "h", "size": 5, "driver": "d", "operationID": "o" } },
        { "backupMethod": "PodVolumeBackup", "pvbInfo": { "uploaderType": "kopia", "volumeName": "v1", "podName": "p", "podNamespace": "m1", "Phase": "Completed" } },
        { "backupMethod": "PodVolumeBackup", "pvbInfo": { "uploaderType": "kopia", "volumeName": "v2", "podName": "p", "podNamespace": "m1", "Phase": "Completed" } },
    ]))
    .unwrap();
    let backup = json!({ "metadata": {}, "spec": {} });
    let companions = Companions { volumes: Artifact::Here(volumes), ..companions() };
    let short = described(&backup, &companions, false)["status"]["backupVolumes"].take();
    assert_eq!(
        short,
        json!({
            "nativeSnapshots": { "pv1": "specify --details for more information" },
            "csiSnapshots": {
                "m1/data": { "dataMovement": "included, specify --details for more information" },
                "m1/kept": { "snapshot": "included, specify --details for more information" },
            },
            "podVolumeBackups": { "uploderType": "kopia", "podVolumeBackupsDetails": { "Completed": 2 } },
        })
    );
    let long = described(&backup, &companions, true)["status"]["backupVolumes"].take();
    assert_eq!(
        long,
        json!({
            "nativeSnapshots": { "pv1": { "snapshotID": "snap-1", "type": "gp3", "availabilityZone": "a", "IOPS": "9", "result": "succeeded" } },
            "csiSnapshots": {
                "m1/data": { "dataMovement": {
                    "operationID": "du-1", "dataMover": "velero", "uploaderType": "kopia", "result": "succeeded", "size": 7, "incrementalSize": 0,
                } },
                "m1/kept": { "snapshot": {
                    "operationID": "o", "snapshotContentName": "vsc", "storageSnapshotID": "h", "snapshotSize(bytes)": 5, "csiDriver": "d", "result": "",
                } },
            },
            "podVolumeBackups": { "uploderType": "kopia", "podVolumeBackupsDetails": { "Completed": [{ "m1/p": "v1, v2" }] } },
        })
    );
}
