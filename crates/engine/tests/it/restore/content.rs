//! What restored objects look like.

use std::sync::Arc;

use bowline_api::artifact::BackupVolumeInfo;
use bowline_api::restore::{Restore, RestoreStatusSpec};
use bowline_engine::finding::Level;
use bowline_engine::modify::Modifiers;
use bowline_engine::port::ClusterError;
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, RestoreRequest};
use bowline_testing::MemoryCluster;
use bowline_testing::object::{config_map, object, with};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::harness::{lines, request, restore_with, run, spool_of};

async fn restored(resource: &str, archived: Value, restore: Restore) -> Value {
    let cluster = Arc::new(MemoryCluster::default());
    let name = archived["metadata"]["name"].as_str().unwrap().to_owned();
    let namespace = archived["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let outcome = run(&cluster, &spool_of(&[(resource, archived)]).await, restore).await.unwrap();
    assert_eq!(outcome.findings.list(), []);
    cluster.object(resource, &namespace, &name).unwrap()
}

#[tokio::test]
async fn traces_of_the_old_cluster_go_and_the_user_s_content_stays() {
    let archived = with(
        config_map("shop", "a"),
        "/metadata",
        json!({"name": "a", "namespace": "shop", "uid": "old", "resourceVersion": "9",
        "generateName": "a-", "selfLink": "/x", "generation": 7, "creationTimestamp": "2020-01-01T00:00:00Z",
        "ownerReferences": [{"uid": "1"}], "finalizers": ["example.io/keep"], "labels": {"app": "x"},
        "annotations": {"note": "y", "backup.velero.io/must-include-additional-items": "true"}}),
    );
    let object = restored("configmaps", archived, restore_with(|_| ())).await;
    let metadata = &object["metadata"];
    for gone in ["ownerReferences", "generateName", "selfLink"] {
        assert!(metadata.get(gone).is_none(), "{gone}");
    }
    assert!(metadata["uid"] != "old" && metadata["generation"] == 1);
    assert_eq!(metadata["finalizers"], json!(["example.io/keep"]));
    assert_eq!(metadata["annotations"], json!({"note": "y"}));
    assert_eq!(
        metadata["labels"],
        json!({"app": "x", "velero.io/backup-name": "b", "velero.io/restore-name": "r"})
    );
}

#[tokio::test]
async fn numbers_keep_their_digits() {
    let archived =
        with(config_map("shop", "a"), "/data", json!({"big": 9_007_199_254_740_993_u64, "ratio": 0.1}));
    let object = restored("configmaps", archived, restore_with(|_| ())).await;
    assert_eq!(object["data"].to_string(), r#"{"big":9007199254740993,"ratio":0.1}"#);
}

#[tokio::test]
async fn owners_of_fields_are_those_of_the_backup() {
    let owners = json!([{"manager": "kubectl", "operation": "Update", "apiVersion": "v1", "time": "2020-01-01T00:00:00Z", "fieldsV1": {"f:data": {}}}]);
    let archived = with(config_map("shop", "a"), "/metadata/managedFields", owners.clone());
    assert_eq!(
        restored("configmaps", archived, restore_with(|_| ())).await["metadata"]["managedFields"],
        owners
    );
}

#[tokio::test]
async fn owners_that_a_create_gives_already_need_no_second_call() {
    // The memory cluster gives the creator no fields, so the backup has none here.
    let owners = json!([{"manager": "kubectl", "operation": "Update", "apiVersion": "v1", "time": "2020-01-01T00:00:00Z", "fieldsV1": {}}]);
    let cluster = Arc::new(MemoryCluster::default());
    let archived = with(config_map("shop", "a"), "/metadata/managedFields", owners);
    run(&cluster, &spool_of(&[("configmaps", archived)]).await, restore_with(|_| ())).await.unwrap();
    let object = cluster.object("configmaps", "shop", "a").unwrap();
    assert_eq!(object["metadata"]["managedFields"][0]["manager"], "kubectl");
    assert!(!cluster.faults.calls().iter().any(|call| call.verb == "patch"));
}

#[tokio::test]
async fn owners_that_can_t_be_written_are_an_error_unless_the_object_is_gone() {
    let owners =
        json!([{"manager": "helm", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {}}}]);
    for (refusal, level) in [
        (ClusterError::Invalid { message: "no".into() }, Level::Error),
        (ClusterError::NotFound { message: "gone".into() }, Level::Warning),
    ] {
        let cluster = Arc::new(MemoryCluster::default());
        cluster.faults.before(move |call| (call.verb == "patch").then(|| refusal.clone()));
        let archived = with(config_map("shop", "a"), "/metadata/managedFields", owners.clone());
        let outcome =
            run(&cluster, &spool_of(&[("configmaps", archived)]).await, restore_with(|_| ())).await.unwrap();
        assert_eq!(outcome.findings.list()[0].level, level);
        assert!(lines(&outcome.resource_list).contains(&"v1/ConfigMap shop/a(created)".to_owned()));
    }
}

#[tokio::test]
async fn labels_of_long_names_are_cut_with_a_hash() {
    let restore = restore_with(|spec| spec.backup_name = "b".repeat(70));
    let object = restored("configmaps", config_map("shop", "a"), restore).await;
    let label = object["metadata"]["labels"]["velero.io/backup-name"].as_str().unwrap();
    assert_eq!(label.len(), 63);
    assert!(label.starts_with(&"b".repeat(57)), "{label}");
}

#[tokio::test]
async fn status_comes_back_by_spec_or_annotation() {
    let deployment = |annotations: Value| {
        let bare = with(object("apps/v1", "Deployment", "shop", "web"), "/status", json!({"replicas": 3}));
        with(bare, "/metadata/annotations", annotations)
    };
    let by_spec = || {
        restore_with(|spec| {
            spec.restore_status = Some(RestoreStatusSpec {
                included_resources: vec!["deployments".into()],
                ..RestoreStatusSpec::default()
            });
        })
    };
    for (annotations, restore, expected) in [
        (json!({}), restore_with(|_| ()), Value::Null),
        (json!({}), by_spec(), json!(3)),
        (json!({"velero.io/restore-status": "true"}), restore_with(|_| ()), json!(3)),
        (json!({"velero.io/restore-status": "false"}), by_spec(), Value::Null),
        (json!({"velero.io/restore-status": " True "}), restore_with(|_| ()), json!(3)),
        (json!({"velero.io/restore-status": "1"}), restore_with(|_| ()), Value::Null),
        (json!({"velero.io/restore-status": "what"}), by_spec(), json!(3)),
    ] {
        let object = restored("deployments.apps", deployment(annotations), restore).await;
        assert_eq!(object["status"]["replicas"], expected);
    }
}

#[tokio::test]
async fn a_modifier_may_ask_for_the_status() {
    let rules = "version: v1
resourceModifierRules:
- conditions: {groupResource: deployments.apps}
  mergePatches: [{patchData: '{\"metadata\": {\"annotations\": {\"velero.io/restore-status\": \"true\"}}}'}]
";
    let modifiers = Modifiers::parse(&[("rules.yaml".to_owned(), rules.to_owned())].into()).unwrap();
    let cluster = Arc::new(MemoryCluster::default());
    let ports = bowline_testing::ports(&cluster);
    let base = request(restore_with(|_| ()), &ports).await;
    let request = RestoreRequest { modifiers: Some(Arc::new(modifiers)), ..base };
    let deployment = with(object("apps/v1", "Deployment", "shop", "web"), "/status", json!({"replicas": 3}));
    let spool = spool_of(&[("deployments.apps", deployment)]).await;
    restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new()).await.unwrap();
    assert_eq!(cluster.object("deployments.apps", "shop", "web").unwrap()["status"]["replicas"], 3);
}

#[tokio::test]
async fn a_status_that_meets_a_conflict_is_written_again_and_one_that_is_refused_is_a_warning() {
    for (conflicts, replicas, warnings) in [(2, json!(3), 0), (100, Value::Null, 1)] {
        let cluster = Arc::new(MemoryCluster::default());
        let mut left = conflicts;
        cluster.faults.before(move |call| {
            let meets = call.verb == "status" && left > 0;
            left -= usize::from(meets);
            meets.then(|| ClusterError::Conflict { message: "changed".into() })
        });
        let deployment =
            with(object("apps/v1", "Deployment", "shop", "web"), "/status", json!({"replicas": 3}));
        let deployment = with(deployment, "/metadata/annotations/velero.io~1restore-status", "true");
        let spool = spool_of(&[("deployments.apps", deployment)]).await;
        let outcome = run(&cluster, &spool, restore_with(|_| ())).await.unwrap();
        assert_eq!(outcome.findings.count(Level::Warning), warnings);
        let object = cluster.object("deployments.apps", "shop", "web").unwrap();
        assert_eq!(object["status"]["replicas"], replicas);
    }
}

#[tokio::test]
async fn volumes_come_back_only_when_their_storage_was_kept() {
    let claim = with(object("v1", "PersistentVolumeClaim", "shop", "data"), "/spec/volumeName", "pv");
    let claim =
        with(claim, "/metadata/annotations", json!({"pv.kubernetes.io/bind-completed": "yes", "own": "x"}));
    for (policy, method, volume, bound) in [
        ("Retain", None, "created", true),
        ("Delete", None, "skipped", false),
        ("Retain", Some("PodVolumeBackup"), "skipped", false),
    ] {
        let pv =
            with(object("v1", "PersistentVolume", "", "pv"), "/spec/persistentVolumeReclaimPolicy", policy);
        let pv = with(pv, "/spec/claimRef", json!({"namespace": "shop", "name": "data", "uid": "1"}));
        let cluster = Arc::new(MemoryCluster::default());
        let ports = bowline_testing::ports(&cluster);
        let restore = restore_with(|spec| {
            spec.namespace_mapping.insert("shop".into(), "copy".into());
        });
        let mut request = request(restore, &ports).await;
        let info = json!({"pvName": "pv", "backupMethod": method});
        request.volume_infos = vec![serde_json::from_value::<BackupVolumeInfo>(info).unwrap()];
        let spool = spool_of(&[("persistentvolumes", pv), ("persistentvolumeclaims", claim.clone())]).await;
        let outcome = restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new())
            .await
            .unwrap();
        assert!(
            lines(&outcome.resource_list).contains(&format!("v1/PersistentVolume pv({volume})")),
            "{policy} {method:?}"
        );
        // An empty volume must not look like a restored one.
        assert_eq!(outcome.findings.count(Level::Error), u64::from(method.is_some()));
        let claim = cluster.object("persistentvolumeclaims", "copy", "data").unwrap();
        assert_eq!(claim["spec"].get("volumeName").is_some(), bound);
        assert_eq!(claim["metadata"]["annotations"], json!({"own": "x"}));
        if bound {
            let claim_ref = &cluster.object("persistentvolumes", "", "pv").unwrap()["spec"]["claimRef"];
            assert_eq!(*claim_ref, json!({"namespace": "copy", "name": "data"}));
        }
    }
}

/// A volume with reclaim policy Retain and its claim, which would be restored as they were.
fn kept_volume() -> [(&'static str, Value); 2] {
    let pv =
        with(object("v1", "PersistentVolume", "", "pv"), "/spec/persistentVolumeReclaimPolicy", "Retain");
    let pv = with(pv, "/spec/claimRef", json!({"namespace": "shop", "name": "data", "uid": "1"}));
    let claim = with(object("v1", "PersistentVolumeClaim", "shop", "data"), "/spec/volumeName", "pv");
    [("persistentvolumes", pv), ("persistentvolumeclaims", claim)]
}

async fn restored_volume(infos: Value, restore: Restore, more: Option<(&'static str, Value)>) -> (bool, u64) {
    let cluster = Arc::new(MemoryCluster::default());
    let ports = bowline_testing::ports(&cluster);
    let mut request = request(restore, &ports).await;
    request.volume_infos = serde_json::from_value::<Vec<BackupVolumeInfo>>(infos).unwrap();
    let objects: Vec<_> = kept_volume().into_iter().chain(more).collect();
    let spool = spool_of(&objects).await;
    let outcome = restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new())
        .await
        .unwrap();
    let errors = outcome.findings.list();
    let lost = errors.iter().filter(|finding| finding.message.contains("the data of volume pv was saved"));
    (cluster.object("persistentvolumes", "", "pv").is_some(), lost.count() as u64)
}

#[tokio::test]
async fn old_backups_say_by_claim_how_volumes_were_saved() {
    let upload = with(
        object("velero.io/v2alpha1", "DataUpload", "velero", "du"),
        "/spec",
        json!({"sourceNamespace": "shop", "sourcePVC": "data"}),
    );
    let of_claim = |namespace: &str, method: &str| json!([{"pvcNamespace": namespace, "pvcName": "data", "backupMethod": method}]);
    let all = || restore_with(|_| ());
    for (infos, more, comes_back) in [
        (json!([]), None, true),
        (of_claim("shop", "PodVolumeBackup"), None, false),
        (of_claim("shop", "CSISnapshot"), None, false),
        (of_claim("other", "CSISnapshot"), None, true),
        (json!([]), Some(("datauploads.velero.io", upload)), false),
    ] {
        let (is_there, lost) = restored_volume(infos.clone(), all(), more).await;
        assert_eq!((is_there, lost), (comes_back, u64::from(!comes_back)), "{infos}");
    }
}

#[tokio::test]
async fn without_volumes_saved_data_is_not_missed() {
    let infos = json!([{"pvName": "pv", "backupMethod": "PodVolumeBackup"}]);
    let without = restore_with(|spec| spec.restore_pvs = Some(false));
    assert_eq!(restored_volume(infos.clone(), without, None).await, (false, 0));
    assert_eq!(restored_volume(infos, restore_with(|_| ()), None).await, (false, 1));
}

#[tokio::test]
async fn modifiers_change_objects_and_a_rule_that_fails_is_an_error_beside_the_object() {
    let rules = "version: v1
resourceModifierRules:
- conditions: {groupResource: configmaps, namespaces: [shop], resourceNameRegex: ^good$}
  patches: [{operation: replace, path: /data/key, value: changed}]
- conditions: {groupResource: configmaps, resourceNameRegex: ^bad$}
  patches: [{operation: remove, path: /data/missing}]
";
    let modifiers = Modifiers::parse(&[("rules.yaml".to_owned(), rules.to_owned())].into()).unwrap();
    let cluster = Arc::new(MemoryCluster::default());
    let ports = bowline_testing::ports(&cluster);
    let restore = restore_with(|spec| {
        spec.namespace_mapping.insert("shop".into(), "copy".into());
    });
    let request = RestoreRequest { modifiers: Some(Arc::new(modifiers)), ..request(restore, &ports).await };
    let spool =
        spool_of(&[("configmaps", config_map("shop", "good")), ("configmaps", config_map("shop", "bad"))])
            .await;
    let outcome = restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(cluster.object("configmaps", "copy", "good").unwrap()["data"]["key"], "changed");
    assert_eq!(cluster.object("configmaps", "copy", "bad").unwrap()["data"]["key"], "value");
    let findings = outcome.findings.list();
    assert!(findings[0].message.starts_with("error modifying configmaps/bad: "), "{findings:?}");
    assert!(lines(&outcome.resource_list).contains(&"v1/ConfigMap copy/bad(created)".to_owned()));
}
