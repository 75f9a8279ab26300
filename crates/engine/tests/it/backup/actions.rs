//! The built-in actions, the kinds that are collected, and what the archive holds of them.

use std::sync::Arc;

use bowline_engine::catalog::Kind;
use bowline_engine::port::ClusterError;
use bowline_testing::object::{namespace, object, with};
use bowline_testing::{MemoryCluster, ports};
use serde_json::{Value, json};

use super::harness::{back_up, request};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

fn binding(name: &str, role: &str, subjects: Value) -> Value {
    let binding = with(object(RBAC, "ClusterRoleBinding", "", name), "/subjects", subjects);
    with(binding, "/roleRef", json!({"kind": "ClusterRole", "name": role}))
}

fn with_accounts() -> Arc<MemoryCluster> {
    let account =
        |namespace: &str, name: &str| json!({"kind": "ServiceAccount", "namespace": namespace, "name": name});
    let cluster = MemoryCluster::with([
        namespace("shop"),
        namespace("elsewhere"),
        object("v1", "ServiceAccount", "shop", "clerk"),
        object("v1", "ServiceAccount", "shop", "other"),
        binding("of-clerk", "reader", json!([account("shop", "clerk"), {"kind": "User", "name": "u"}])),
        binding("of-stranger", "writer", json!([account("elsewhere", "clerk")])),
        binding("of-user", "writer", json!([{"kind": "User", "name": "clerk", "namespace": "shop"}])),
    ]);
    for role in ["reader", "writer"] {
        cluster.put(object(RBAC, "ClusterRole", "", role));
    }
    Arc::new(cluster)
}

#[tokio::test]
async fn a_service_account_brings_the_cluster_roles_that_name_it_and_their_bindings() {
    let made =
        back_up(request(json!({"includedNamespaces": ["shop"]})), &ports(&with_accounts())).await.unwrap();
    let paths = made.paths();
    let roles: Vec<_> = paths.iter().filter(|path| path.contains("rbac")).map(String::as_str).collect();
    assert_eq!(
        roles,
        [
            "clusterrolebindings.rbac.authorization.k8s.io/cluster/of-clerk",
            "clusterroles.rbac.authorization.k8s.io/cluster/reader"
        ]
    );
}

#[tokio::test]
async fn who_may_not_read_bindings_gets_one_warning_and_the_rest() {
    let cluster = with_accounts();
    cluster.faults.before(|call| {
        let bindings = call.verb == "list" && call.resource.starts_with("clusterrolebindings");
        bindings.then(|| ClusterError::Forbidden { message: "bindings are forbidden".into() })
    });
    let made = back_up(request(json!({"includedNamespaces": ["shop"]})), &ports(&cluster)).await.unwrap();
    let warnings = &made.results().warnings.namespaces["shop"];
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("cluster roles of service accounts are not saved"));
    assert!(made.results().errors.is_empty() && made.paths().len() == 3);
}

#[tokio::test]
async fn a_pod_brings_its_claims_and_its_priority_class() {
    let volumes =
        json!([{"name": "a", "persistentVolumeClaim": {"claimName": "data"}}, {"name": "b", "emptyDir": {}}]);
    let pod = with(object("v1", "Pod", "shop", "db"), "/metadata/labels/app", "db");
    let pod = with(pod, "/spec", json!({"priorityClassName": "high", "volumes": volumes}));
    let cluster = MemoryCluster::with([
        pod,
        object("v1", "PersistentVolumeClaim", "shop", "data"),
        object("v1", "PersistentVolumeClaim", "shop", "unrelated"),
        object("scheduling.k8s.io/v1", "PriorityClass", "", "high"),
        object("scheduling.k8s.io/v1", "PriorityClass", "", "low"),
    ]);
    let spec = json!({"labelSelector": {"matchLabels": {"app": "db"}}});
    let made = back_up(request(spec), &ports(&Arc::new(cluster))).await.unwrap();
    let expected = [
        "namespaces/cluster/shop",
        "persistentvolumeclaims/namespaces/shop/data",
        "pods/namespaces/shop/db",
        "priorityclasses.scheduling.k8s.io/cluster/high",
    ];
    assert_eq!(made.paths(), expected);
}

#[tokio::test]
async fn an_item_that_actions_change_is_stored_changed_and_others_byte_for_byte() {
    let claim =
        with(object("v1", "PersistentVolumeClaim", "shop", "data"), "/spec/dataSource", json!({"name": "s"}));
    let claim = with(with(claim, "/spec/volumeName", "pv-1"), "/status/phase", "Bound");
    let cluster = MemoryCluster::with([claim, object("v1", "PersistentVolume", "", "pv-1")]);
    let made = back_up(request(json!({})), &ports(&Arc::new(cluster))).await.unwrap();
    let claim = made.object("persistentvolumeclaims/namespaces/shop/data");
    assert_eq!((&claim["spec"]["dataSource"], &claim["spec"]["volumeName"]), (&Value::Null, &json!("pv-1")));
    assert_eq!(made.object("persistentvolumes/cluster/pv-1")["metadata"]["name"], "pv-1");
}

#[tokio::test]
async fn of_kinds_that_are_served_by_two_groups_only_the_first_is_stored() {
    for (first, second, plural, kind) in [
        ("apps", "extensions", "deployments", "Deployment"),
        ("apps", "extensions", "daemonsets", "DaemonSet"),
        ("apps", "extensions", "replicasets", "ReplicaSet"),
        ("networking.k8s.io", "extensions", "networkpolicies", "NetworkPolicy"),
        ("", "events.k8s.io", "events", "Event"),
    ] {
        let cluster = MemoryCluster::with([namespace("shop")]);
        for group in [first, second] {
            let version = if group == "extensions" { "v1beta1" } else { "v1" };
            let served = Kind::builtin(group, version, kind, plural, true);
            let api_version = served.api_version();
            cluster.serve(served);
            cluster.put(object(&api_version, kind, "shop", "x"));
        }
        let made = back_up(request(json!({"includedNamespaces": ["shop"]})), &ports(&Arc::new(cluster)))
            .await
            .unwrap();
        let found: Vec<_> = made.paths().into_iter().filter(|path| path.starts_with(plural)).collect();
        let resource = if first.is_empty() { plural.to_owned() } else { format!("{plural}.{first}") };
        assert_eq!(found, [format!("{resource}/namespaces/shop/x")]);
    }
}

#[tokio::test]
async fn kinds_that_can_not_be_listed_read_created_and_deleted_are_not_collected() {
    for missing in ["list", "get", "create", "delete"] {
        let cluster = MemoryCluster::with([namespace("shop")]);
        let mut kind = Kind::builtin("example.com", "v1", "Widget", "widgets", true);
        kind.verbs.retain(|verb| verb != missing);
        cluster.serve(kind);
        cluster.put(object("example.com/v1", "Widget", "shop", "w"));
        let made = back_up(request(json!({})), &ports(&Arc::new(cluster))).await.unwrap();
        assert!(made.paths().iter().all(|path| !path.contains("widgets")), "{missing}: {:?}", made.paths());
        assert!(made.results().errors.is_empty(), "{missing}");
    }
}

#[tokio::test]
async fn a_kind_that_was_created_a_moment_ago_is_in_the_backup() {
    let cluster = Arc::new(MemoryCluster::with([namespace("shop")]));
    let ports = ports(&cluster);
    let spec = json!({"includedNamespaces": ["shop"]});
    back_up(request(spec.clone()), &ports).await.unwrap();
    let crd = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.com");
    let versions = json!([{"name": "v1", "served": true, "storage": true}]);
    let names = json!({"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"}, "versions": versions});
    cluster.put(with(crd, "/spec", names));
    cluster.put(object("example.com/v1", "Widget", "shop", "w"));
    let paths = back_up(request(spec), &ports).await.unwrap().paths().join(" ");
    assert!(paths.contains("widgets.example.com/namespaces/shop/w"), "{paths}");
    assert!(
        paths.contains("customresourcedefinitions.apiextensions.k8s.io/cluster/widgets.example.com"),
        "{paths}"
    );
}
