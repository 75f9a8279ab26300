//! Volumes that a restore has provisioned anew get back what the old ones had.

use std::sync::Arc;
use std::time::Duration;

use bowline_api::artifact::{BackupVolumeInfo, ItemResult, ResourceList};
use bowline_api::resource::{GroupVersionKind, ObjectKey};
use bowline_engine::restore::{DynamicVolume, dynamic_volumes, patch_dynamic_volumes};
use bowline_testing::MemoryCluster;
use bowline_testing::object::{object, with};
use serde_json::{Value, json};

use super::harness::restore_with;

fn infos() -> Vec<BackupVolumeInfo> {
    let info = |claim: &str, method: &str| {
        json!({"pvcName": claim, "pvcNamespace": "shop", "pvName": "old", "backupMethod": method,
            "pvInfo": {"reclaimPolicy": "Retain", "labels": {"disk": "fast"}}})
    };
    let native = info("native", "NativeSnapshot");
    serde_json::from_value(json!([info("data", "PodVolumeBackup"), native, info("kept", "CSISnapshot")]))
        .unwrap()
}

fn wanted() -> Vec<DynamicVolume> {
    let mut list = ResourceList::default();
    let kind = GroupVersionKind::new("", "v1", "PersistentVolumeClaim");
    for (name, result) in
        [("data", ItemResult::Created), ("native", ItemResult::Created), ("kept", ItemResult::Skipped)]
    {
        list.add_result(&kind, &ObjectKey::namespaced("copy", name), &result);
    }
    let restore = restore_with(|spec| {
        spec.namespace_mapping.insert("shop".into(), "copy".into());
    });
    dynamic_volumes(&infos(), &list, &restore)
}

fn claim(phase: &str) -> Value {
    let claim = with(object("v1", "PersistentVolumeClaim", "copy", "data"), "/status/phase", phase);
    with(claim, "/spec", json!({"volumeName": "pv-new", "storageClassName": "late"}))
}

fn volume(owner: &str) -> Value {
    let volume = with(object("v1", "PersistentVolume", "", "pv-new"), "/status/phase", "Bound");
    let spec =
        json!({"claimRef": {"namespace": "copy", "name": owner}, "persistentVolumeReclaimPolicy": "Delete"});
    with(volume, "/spec", spec)
}

async fn patched(objects: Vec<Value>) -> (Arc<MemoryCluster>, Vec<String>) {
    let cluster = Arc::new(MemoryCluster::with(objects));
    let ports = bowline_testing::ports(&cluster);
    let findings = patch_dynamic_volumes(&wanted(), &ports, Duration::from_secs(5)).await;
    (cluster, findings.into_iter().map(|finding| finding.message).collect())
}

#[test]
fn only_claims_of_this_restore_whose_data_was_moved_are_looked_at() {
    let names: Vec<_> = wanted().into_iter().map(|it| (it.namespace, it.claim)).collect();
    assert_eq!(names, [("copy".to_owned(), "data".to_owned())]);
}

#[tokio::test]
async fn a_new_volume_gets_back_labels_and_reclaim_policy_once() {
    let (cluster, problems) = patched(vec![claim("Bound"), volume("data")]).await;
    assert_eq!(problems, Vec::<String>::new());
    let volume = cluster.object("persistentvolumes", "", "pv-new").unwrap();
    assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert_eq!(volume["metadata"]["labels"]["disk"], "fast");
    let ports = bowline_testing::ports(&cluster);
    patch_dynamic_volumes(&wanted(), &ports, Duration::from_secs(5)).await;
    assert_eq!(cluster.faults.calls().iter().filter(|call| call.verb == "patch").count(), 1);
}

#[tokio::test]
async fn a_claim_that_waits_for_its_first_consumer_is_left_alone() {
    let class = with(
        object("storage.k8s.io/v1", "StorageClass", "", "late"),
        "/volumeBindingMode",
        "WaitForFirstConsumer",
    );
    let (_, problems) = patched(vec![claim("Pending"), class]).await;
    assert_eq!(problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_volume_of_another_claim_is_an_error_with_its_names() {
    let (_, problems) = patched(vec![claim("Bound"), volume("other")]).await;
    assert!(problems[0].ends_with("pv-new is bound to another claim, copy/other"), "{problems:?}");
}
