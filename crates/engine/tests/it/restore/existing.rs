//! Objects that are in the cluster already.

use std::sync::Arc;

use bowline_api::restore::{PolicyType, Restore};
use bowline_engine::finding::Level;
use bowline_engine::port::ClusterError;
use bowline_testing::object::{config_map, object, with};
use bowline_testing::{Call, MemoryCluster};
use serde_json::{Value, json};

use super::harness::{lines, restore_with, run, spool_of};

fn update() -> Restore {
    restore_with(|spec| spec.existing_resource_policy = Some(PolicyType::Update))
}

fn calls(cluster: &MemoryCluster, verb: &str, resource: &str) -> Vec<Call> {
    cluster.faults.calls().into_iter().filter(|call| call.verb == verb && call.resource == resource).collect()
}

#[tokio::test]
async fn equal_objects_are_skipped_by_one_list_and_the_others_created() {
    let objects: Vec<_> = (0..50).map(|i| config_map("shop", &format!("c{i}"))).collect();
    let cluster = Arc::new(MemoryCluster::with(objects.iter().skip(1).cloned()));
    let archived: Vec<_> = objects.iter().map(|object| ("configmaps", object.clone())).collect();
    let outcome = run(&cluster, &spool_of(&archived).await, restore_with(|_| ())).await.unwrap();
    let listed = lines(&outcome.resource_list);
    assert_eq!(listed.iter().filter(|line| line.ends_with("(skipped)")).count(), 49);
    assert!(listed.contains(&"v1/ConfigMap shop/c0(created)".to_owned()));
    assert_eq!(outcome.findings.list(), []);
    assert_eq!(
        (calls(&cluster, "create", "configmaps").len(), calls(&cluster, "get", "configmaps").len()),
        (1, 0)
    );
    assert_eq!((outcome.total_items, outcome.restored_items), (50, 50));
}

/// A pod and the service before it, on this node and with this address, as a cluster has them.
fn running(node: &str, address: &str) -> [(&'static str, Value); 2] {
    let pod = with(object("v1", "Pod", "shop", "web"), "/spec", json!({"nodeName": node, "priority": 0}));
    let ports = json!([{"name": "http", "port": 80, "nodePort": 30080}]);
    let spec = json!({"type": "NodePort", "clusterIP": address, "clusterIPs": [address], "ports": ports});
    [("pods", pod), ("services", with(object("v1", "Service", "shop", "web"), "/spec", spec))]
}

#[tokio::test]
async fn a_running_pod_and_its_service_are_equal_to_what_was_saved() {
    for restore in [restore_with(|_| ()), update()] {
        let cluster = Arc::new(MemoryCluster::with(running("new", "10.96.0.2").map(|(_, object)| object)));
        let outcome = run(&cluster, &spool_of(&running("old", "10.96.0.1")).await, restore).await.unwrap();
        assert_eq!(outcome.findings.list(), []);
        assert_eq!(
            lines(&outcome.resource_list),
            ["v1/Pod shop/web(skipped)", "v1/Service shop/web(skipped)"]
        );
        assert_eq!(cluster.object("pods", "shop", "web").unwrap()["spec"]["nodeName"], "new");
        assert_eq!(cluster.object("services", "shop", "web").unwrap()["spec"]["clusterIP"], "10.96.0.2");
    }
}

#[tokio::test]
async fn different_objects_are_left_alone_with_velero_s_warning() {
    let live = with(config_map("shop", "settings"), "/data/key", "live");
    let cluster = Arc::new(MemoryCluster::with([live.clone()]));
    let spool = spool_of(&[("configmaps", config_map("shop", "settings"))]).await;
    let outcome = run(&cluster, &spool, restore_with(|_| ())).await.unwrap();
    assert_eq!(lines(&outcome.resource_list), ["v1/ConfigMap shop/settings(failed)"]);
    let findings = outcome.findings.list();
    assert_eq!(findings[0].level, Level::Warning);
    assert_eq!(
        findings[0].message,
        "could not restore, ConfigMap:settings already exists. Warning: the in-cluster version is different than the backed-up version"
    );
    assert_eq!(cluster.object("configmaps", "shop", "settings"), Some(live));
}

#[tokio::test]
async fn a_written_policy_none_has_its_own_words_in_velero() {
    let live = with(config_map("shop", "settings"), "/data/key", "live");
    let cluster = Arc::new(MemoryCluster::with([live]));
    let restore = restore_with(|spec| spec.existing_resource_policy = Some(PolicyType::None));
    let spool = spool_of(&[("configmaps", config_map("shop", "settings"))]).await;
    let outcome = run(&cluster, &spool, restore).await.unwrap();
    assert_eq!(
        outcome.findings.list()[0].message,
        "could not restore, ConfigMap \"settings\" already exists. Warning: the in-cluster version is different than the backed-up version"
    );
}

#[tokio::test]
async fn labels_that_can_t_be_renewed_are_an_error() {
    let cluster = Arc::new(MemoryCluster::with([config_map("shop", "a")]));
    cluster
        .faults
        .before(|call| (call.verb == "patch").then(|| ClusterError::Invalid { message: "no".into() }));
    let outcome =
        run(&cluster, &spool_of(&[("configmaps", config_map("shop", "a"))]).await, update()).await.unwrap();
    assert_eq!(lines(&outcome.resource_list), ["v1/ConfigMap shop/a(failed)"]);
    assert_eq!(outcome.findings.count(Level::Error), 1);
}

#[tokio::test]
async fn what_is_deleted_before_its_labels_are_renewed_is_a_warning() {
    let cluster = Arc::new(MemoryCluster::with([config_map("shop", "a")]));
    cluster
        .faults
        .before(|call| (call.verb == "patch").then(|| ClusterError::NotFound { message: "gone".into() }));
    let outcome =
        run(&cluster, &spool_of(&[("configmaps", config_map("shop", "a"))]).await, update()).await.unwrap();
    assert_eq!(lines(&outcome.resource_list), ["v1/ConfigMap shop/a(failed)"]);
    assert_eq!(
        outcome.findings.list()[0].message,
        "could not restore, ConfigMap:a was deleted meanwhile; restore it again if it is missing"
    );
    assert_eq!(outcome.findings.count(Level::Error), 0);
}

#[tokio::test]
async fn policy_update_changes_what_differs_and_renews_the_labels_of_what_does_not() {
    let live = with(config_map("shop", "differs"), "/data/extra", "live");
    let cluster = Arc::new(MemoryCluster::with([live, config_map("shop", "equal")]));
    let archived =
        [("configmaps", config_map("shop", "differs")), ("configmaps", config_map("shop", "equal"))];
    let outcome = run(&cluster, &spool_of(&archived).await, update()).await.unwrap();
    assert_eq!(
        lines(&outcome.resource_list),
        ["v1/ConfigMap shop/differs(updated)", "v1/ConfigMap shop/equal(skipped)"]
    );
    for name in ["differs", "equal"] {
        let object = cluster.object("configmaps", "shop", name).unwrap();
        assert_eq!(object["data"], json!({"key": "value"}), "{name}");
        assert_eq!(
            object["metadata"]["labels"],
            json!({"velero.io/backup-name": "b", "velero.io/restore-name": "r"})
        );
    }
    assert_eq!(outcome.findings.list(), []);
}

#[tokio::test]
async fn an_update_that_is_refused_is_a_warning_and_renews_the_labels() {
    let cluster = Arc::new(MemoryCluster::with([with(config_map("shop", "a"), "/data/key", "live")]));
    let mut refused = false;
    cluster.faults.before(move |call| {
        let first = call.verb == "patch" && !std::mem::replace(&mut refused, true);
        first.then(|| ClusterError::Invalid { message: "field is immutable".into() })
    });
    let outcome =
        run(&cluster, &spool_of(&[("configmaps", config_map("shop", "a"))]).await, update()).await.unwrap();
    assert_eq!(lines(&outcome.resource_list), ["v1/ConfigMap shop/a(failed)"]);
    assert_eq!(outcome.findings.list()[0].message, "field is immutable");
    let object = cluster.object("configmaps", "shop", "a").unwrap();
    assert_eq!(
        (&object["data"]["key"], &object["metadata"]["labels"]["velero.io/restore-name"]),
        (&json!("live"), &json!("r"))
    );
}

#[tokio::test]
async fn service_accounts_are_merged_whatever_the_policy() {
    let live = with(object("v1", "ServiceAccount", "shop", "web"), "/metadata/labels/own", "live");
    let cluster = Arc::new(MemoryCluster::with([live]));
    let archived =
        with(object("v1", "ServiceAccount", "shop", "web"), "/imagePullSecrets", json!([{"name": "pull"}]));
    let archived = with(archived, "/metadata/labels", json!({"own": "old", "more": "x"}));
    let outcome =
        run(&cluster, &spool_of(&[("serviceaccounts", archived)]).await, restore_with(|_| ())).await.unwrap();
    assert_eq!(lines(&outcome.resource_list), ["v1/ServiceAccount shop/web(updated)"]);
    let account = cluster.object("serviceaccounts", "shop", "web").unwrap();
    assert_eq!(account["imagePullSecrets"], json!([{"name": "pull"}]));
    assert_eq!(account["metadata"]["labels"], json!({"own": "live", "more": "x"}));
}

#[tokio::test]
async fn the_secrets_of_service_accounts_are_merged_by_name() {
    let secrets = |secrets: Value| with(object("v1", "ServiceAccount", "shop", "web"), "/secrets", secrets);
    let live = secrets(json!([{"name": "a", "namespace": "shop"}]));
    let cluster = Arc::new(MemoryCluster::with([live]));
    let archived = secrets(json!([{"name": "a"}, {"name": "b"}, {"name": "b"}]));
    run(&cluster, &spool_of(&[("serviceaccounts", archived)]).await, restore_with(|_| ())).await.unwrap();
    let account = cluster.object("serviceaccounts", "shop", "web").unwrap();
    assert_eq!(account["secrets"], json!([{"name": "a", "namespace": "shop"}, {"name": "b"}]));
}

#[tokio::test]
async fn a_service_account_that_can_t_be_merged_gets_the_labels_with_policy_update() {
    for (restore, label) in [(restore_with(|_| ()), Value::Null), (update(), json!("r"))] {
        let live = object("v1", "ServiceAccount", "shop", "web");
        let cluster = Arc::new(MemoryCluster::with([live]));
        let mut refused = false;
        cluster.faults.before(move |call| {
            let first = call.verb == "patch" && !std::mem::replace(&mut refused, true);
            first.then(|| ClusterError::Invalid { message: "no".into() })
        });
        let archived =
            with(object("v1", "ServiceAccount", "shop", "web"), "/secrets", json!([{"name": "pull"}]));
        let outcome =
            run(&cluster, &spool_of(&[("serviceaccounts", archived)]).await, restore).await.unwrap();
        assert_eq!(lines(&outcome.resource_list), ["v1/ServiceAccount shop/web(failed)"]);
        assert_eq!(outcome.findings.list()[0].level, Level::Warning);
        let account = cluster.object("serviceaccounts", "shop", "web").unwrap();
        assert_eq!(account["metadata"]["labels"]["velero.io/restore-name"], label);
    }
}

#[tokio::test]
async fn what_controllers_put_into_a_new_namespace_is_met_by_a_get() {
    let cluster = Arc::new(MemoryCluster::default());
    let archived =
        [("configmaps", config_map("shop", "kube-root-ca.crt")), ("configmaps", config_map("shop", "own"))];
    let outcome = run(&cluster, &spool_of(&archived).await, restore_with(|_| ())).await.unwrap();
    assert_eq!(
        lines(&outcome.resource_list),
        [
            "v1/ConfigMap shop/kube-root-ca.crt(skipped)",
            "v1/ConfigMap shop/own(created)",
            "v1/Namespace shop(created)"
        ]
    );
    assert_eq!(
        (calls(&cluster, "list", "configmaps").len(), calls(&cluster, "get", "configmaps").len()),
        (0, 1)
    );
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_counts_as_created() {
    let cluster = Arc::new(MemoryCluster::default());
    let mut lost = false;
    cluster.faults.after(move |call| {
        let first = call.verb == "create" && call.name == "a" && !std::mem::replace(&mut lost, true);
        first.then_some(ClusterError::Timeout)
    });
    let outcome =
        run(&cluster, &spool_of(&[("configmaps", config_map("shop", "a"))]).await, restore_with(|_| ()))
            .await
            .unwrap();
    assert!(lines(&outcome.resource_list).contains(&"v1/ConfigMap shop/a(created)".to_owned()));
    assert_eq!(outcome.findings.list(), []);
}

#[tokio::test]
async fn a_taken_node_port_is_an_error_unless_the_service_itself_has_it() {
    let service = |name| {
        with(
            object("v1", "Service", "shop", name),
            "/spec",
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}),
        )
    };
    for (live, line) in [("web", "v1/Service shop/web(skipped)"), ("other", "v1/Service shop/web(failed)")] {
        let cluster = Arc::new(MemoryCluster::with([service(live)]));
        cluster.faults.before(|call| {
            let message = "Service \"web\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated";
            (call.verb == "create" && call.name == "web").then(|| ClusterError::Invalid { message: message.into() })
        });
        // Nothing is known of the namespace's services when the list fails.
        cluster
            .faults
            .before(|call| (call.verb == "list").then(|| ClusterError::Forbidden { message: "no".into() }));
        let restore = restore_with(|spec| spec.preserve_node_ports = Some(true));
        let outcome = run(&cluster, &spool_of(&[("services", service("web"))]).await, restore).await.unwrap();
        assert_eq!(lines(&outcome.resource_list), [line]);
    }
}

#[tokio::test]
async fn an_object_that_is_being_deleted_is_named() {
    let dying = with(config_map("shop", "a"), "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z");
    let cluster = Arc::new(MemoryCluster::with([dying]));
    let outcome =
        run(&cluster, &spool_of(&[("configmaps", config_map("shop", "a"))]).await, restore_with(|_| ()))
            .await
            .unwrap();
    assert!(outcome.findings.list()[0].message.contains("is being deleted"));
}

#[tokio::test]
async fn every_result_has_its_word_in_the_list() {
    let live = [
        config_map("shop", "equal"),
        with(config_map("shop", "differs"), "/data/key", "live"),
        with(config_map("shop", "dying"), "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z"),
    ];
    let archived = [
        ("configmaps", config_map("shop", "new")),
        ("configmaps", config_map("shop", "equal")),
        ("configmaps", config_map("shop", "differs")),
        ("configmaps", config_map("shop", "dying")),
        ("configmaps", config_map("shop", "refused")),
        ("secrets", object("v1", "Secret", "shop", "filtered")),
        ("pods", with(object("v1", "Pod", "shop", "over"), "/status/phase", "Succeeded")),
    ];
    for (policy, differs) in [(PolicyType::None, "failed"), (PolicyType::Update, "updated")] {
        let cluster = Arc::new(MemoryCluster::with(live.clone()));
        cluster.faults.before(|call| {
            (call.verb == "create" && call.name == "refused")
                .then(|| ClusterError::Invalid { message: "no".into() })
        });
        let restore = restore_with(|spec| {
            spec.existing_resource_policy = Some(policy.clone());
            spec.excluded_resources = vec!["secrets".into()];
        });
        let outcome = run(&cluster, &spool_of(&archived).await, restore).await.unwrap();
        assert_eq!(
            lines(&outcome.resource_list),
            [
                format!("v1/ConfigMap shop/differs({differs})"),
                "v1/ConfigMap shop/dying(failed)".to_owned(),
                "v1/ConfigMap shop/equal(skipped)".to_owned(),
                "v1/ConfigMap shop/new(created)".to_owned(),
                "v1/ConfigMap shop/refused(failed)".to_owned(),
            ]
        );
    }
}
