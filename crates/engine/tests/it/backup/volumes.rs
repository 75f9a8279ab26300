//! What a backup says about the data of volumes.

use std::sync::Arc;

use bowline_engine::select::policy::Policies;
use bowline_testing::object::{object, with};
use bowline_testing::{MemoryCluster, ports};
use serde_json::{Value, json};

use super::harness::{Made, back_up, request};

fn cluster() -> Arc<MemoryCluster> {
    let spec = json!({
        "containers": [{"name": "main", "volumeMounts": [{"name": "data"}, {"name": "scratch"}]}],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "conf", "configMap": {"name": "c"}}]});
    let claim = with(object("v1", "PersistentVolumeClaim", "shop", "claim"), "/spec/volumeName", "pv");
    let volume = json!({"capacity": {"storage": "1Gi"}, "storageClassName": "fast", "csi": {"driver": "d"},
                        "claimRef": {"namespace": "shop", "name": "claim"}, "persistentVolumeReclaimPolicy": "Delete"});
    Arc::new(MemoryCluster::with([
        with(object("v1", "Pod", "shop", "db"), "/spec", spec),
        with(claim, "/status/phase", "Bound"),
        with(object("v1", "PersistentVolume", "", "pv"), "/spec", volume),
    ]))
}

async fn make(spec: Value, policies: &str) -> Made {
    let mut request = request(spec);
    request.policies = (!policies.is_empty()).then(|| Arc::new(Policies::parse(policies).unwrap()));
    back_up(request, &ports(&cluster())).await.unwrap()
}

/// Reason of the volume, errors, warnings.
async fn outcome(spec: Value, policies: &str) -> (String, Vec<String>, Vec<String>) {
    let made = make(spec, policies).await;
    let results = made.results();
    let errors = results.errors.namespaces.into_values().flatten().collect();
    (made.outcome.volume_infos[0].skipped_reason.clone(), errors, results.warnings.velero)
}

#[tokio::test]
async fn data_that_was_asked_for_and_is_not_saved_is_reported() {
    let opted_out = "podvolume: opted out due to annotation in pod db;";
    let (reason, errors, warnings) = outcome(json!({}), "").await;
    assert_eq!(reason, format!("{opted_out}volumeSnapshot: no applicable volumesnapshotter found;"));
    assert!(errors.is_empty() && warnings.is_empty());

    let (_, errors, warnings) = outcome(json!({"snapshotVolumes": true}), "").await;
    assert!(errors.is_empty() && warnings[0].contains("no snapshotter handles them: pv"), "{warnings:?}");

    let (reason, errors, _) = outcome(json!({"defaultVolumesToFsBackup": true}), "").await;
    assert!(reason.starts_with("podvolume: there is nothing to save files with;"), "{reason}");
    assert_eq!(errors.len(), 2, "data and scratch: {errors:?}");
}

#[tokio::test]
async fn volume_policies_decide_first() {
    let policies = |action: &str, class: &str| {
        format!(
            "version: v1\nvolumePolicies: [{{conditions: {{storageClass: [{class}]}}, action: {{type: {action}}}}}]"
        )
    };
    let not_wanted = "volumeSnapshot: not satisfy the criteria for VolumePolicy or the legacy snapshot way;";
    let (reason, errors, warnings) =
        outcome(json!({"snapshotVolumes": true}), &policies("skip", "fast")).await;
    assert!(reason.ends_with(not_wanted) && errors.is_empty() && warnings.is_empty(), "{reason}");
    let (reason, errors, _) = outcome(json!({}), &policies("fs-backup", "fast")).await;
    assert!(reason.starts_with("podvolume: there is nothing") && errors.len() == 1, "{reason} {errors:?}");
    let (reason, ..) = outcome(json!({}), &policies("skip", "slow")).await;
    assert!(reason.ends_with("no applicable volumesnapshotter found;"), "{reason}");
}

#[tokio::test]
async fn filter_policies_choose_objects() {
    let policies = "
version: v1
clusterScopedFilterPolicy:
  resourceFilters: [{kinds: [pv], names: [other-*]}]
namespacedFilterPolicies:
- namespaces: [sh*]
  resourceFilters: [{kinds: [pvc], excludedNames: [nothing]}]
";
    let made = make(json!({}), policies).await;
    assert_eq!(made.paths(), ["namespaces/cluster/shop", "persistentvolumeclaims/namespaces/shop/claim"]);
    let merged = "version: v1\nincludeExcludePolicy: {excludedNamespaceScopedResources: [pods, pvc]}";
    assert_eq!(
        make(json!({"includedNamespaces": ["shop"]}), merged).await.paths(),
        ["namespaces/cluster/shop"]
    );
    let mut old = request(json!({"includedResources": ["pods"]}));
    old.policies = Some(Arc::new(Policies::parse(merged).unwrap()));
    assert!(back_up(old, &ports(&cluster())).await.is_err());
}
