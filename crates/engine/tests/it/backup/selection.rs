//! What gets into a backup, by every kind of filter.

use std::sync::Arc;

use bowline_engine::backup::BackupError;
use bowline_engine::catalog::BrokenGroup;
use bowline_engine::port::ClusterError;
use bowline_testing::object::{config_map, namespace, object, with};
use bowline_testing::{MemoryCluster, ports};
use serde_json::{Value, json};

use super::harness::{Made, back_up, request};

fn labelled(namespace: &str, name: &str, label: &str) -> Value {
    with(config_map(namespace, name), "/metadata/labels/tier", label)
}

fn cluster() -> Arc<MemoryCluster> {
    Arc::new(MemoryCluster::with([
        namespace("a"),
        namespace("b"),
        labelled("a", "front", "front"),
        labelled("a", "back", "back"),
        config_map("b", "plain"),
        object("v1", "Secret", "b", "key"),
        object("storage.k8s.io/v1", "StorageClass", "", "fast"),
    ]))
}

async fn make(spec: Value) -> Made {
    back_up(request(spec), &ports(&cluster())).await.unwrap()
}

#[tokio::test]
async fn filters_choose_the_objects() {
    let all = "configmaps/namespaces/a/back configmaps/namespaces/a/front configmaps/namespaces/b/plain namespaces/cluster/a \
               namespaces/cluster/b secrets/namespaces/b/key storageclasses.storage.k8s.io/cluster/fast";
    for (spec, expected) in [
        (json!({}), all),
        (
            json!({"includedNamespaces": ["b"]}),
            "configmaps/namespaces/b/plain namespaces/cluster/b secrets/namespaces/b/key",
        ),
        (
            json!({"excludedNamespaces": ["[a-a]"]}),
            "configmaps/namespaces/b/plain namespaces/cluster/b secrets/namespaces/b/key",
        ),
        (json!({"includedResources": ["secret"]}), "secrets/namespaces/b/key"),
        (
            json!({"includeClusterResources": false}),
            "configmaps/namespaces/a/back configmaps/namespaces/a/front configmaps/namespaces/b/plain secrets/namespaces/b/key",
        ),
        (json!({"includedNamespaces": ["a", "b"]}), all),
        (json!({"includedNamespaces": ["[ab]"], "excludedNamespaces": ["nowhere*"]}), all),
        (
            json!({"includedNamespaces": ["b"], "includeClusterResources": true, "excludedResources": ["cm"]}),
            "namespaces/cluster/b secrets/namespaces/b/key storageclasses.storage.k8s.io/cluster/fast",
        ),
        (
            json!({"includedNamespaceScopedResources": ["secrets"], "includedClusterScopedResources": ["sc"]}),
            "namespaces/cluster/a namespaces/cluster/b secrets/namespaces/b/key storageclasses.storage.k8s.io/cluster/fast",
        ),
        (
            json!({"labelSelector": {"matchLabels": {"tier": "front"}}}),
            "configmaps/namespaces/a/front namespaces/cluster/a",
        ),
        (
            json!({"excludedNamespaces": ["nowhere"],
                   "orLabelSelectors": [{"matchLabels": {"tier": "front"}}, {"matchLabels": {"tier": "back"}}]}),
            "configmaps/namespaces/a/back configmaps/namespaces/a/front namespaces/cluster/a namespaces/cluster/b",
        ),
        // Both are all namespaces, of which only those are saved that hold something that was selected.
        (
            json!({"includedNamespaces": ["a", "b"], "labelSelector": {"matchLabels": {"tier": "front"}}}),
            "configmaps/namespaces/a/front namespaces/cluster/a",
        ),
    ] {
        let made = make(spec.clone()).await;
        assert_eq!(made.paths().join(" "), expected, "{spec}");
        assert_eq!(made.results(), bowline_api::artifact::Results::default(), "{spec}");
    }
}

#[tokio::test]
async fn excluded_by_label_or_being_deleted_is_skipped() {
    let cluster = cluster();
    let label = "/metadata/labels/velero.io~1exclude-from-backup";
    cluster.put(with(config_map("a", "hidden"), label, "true"));
    cluster.put(with(config_map("a", "leaving"), "/metadata/deletionTimestamp", "2026-01-01T00:00:00Z"));
    cluster.put(with(namespace("quiet"), label, "true"));
    cluster.put(config_map("quiet", "inside"));
    cluster.put(with(namespace("ending"), "/status/phase", "Terminating"));
    let made = back_up(request(json!({})), &ports(&cluster)).await.unwrap();
    let paths = made.paths().join(" ");
    for part in ["hidden", "leaving", "quiet", "inside", "ending"] {
        assert!(!paths.contains(part), "{part} in {paths}");
    }
    assert!(
        paths.contains("storageclasses.storage.k8s.io/cluster/fast"),
        "self-excluded namespaces change nothing else"
    );
}

#[tokio::test]
async fn a_missing_namespace_is_an_error_where_namespaces_are_saved_and_else_a_warning() {
    let made = make(json!({"includedNamespaces": ["a", "typo"]})).await;
    assert!(made.results().errors.velero[0].contains("namespace \"typo\" is included but does not exist"));
    assert_eq!(made.paths().len(), 3);
    let made = make(json!({"includedNamespaces": ["a", "typo"], "includedResources": ["cm"]})).await;
    assert!(made.results().errors.is_empty() && made.results().warnings.velero[0].contains("\"typo\""));
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_saves_nothing_and_warns() {
    let made = make(json!({"includedNamespaces": ["nowhere-*"]})).await;
    assert!(made.results().warnings.velero[0].contains("no namespace is included"));
    assert!(made.paths().is_empty() && made.results().errors.is_empty());
}

#[tokio::test]
async fn namespaces_are_saved_by_name_by_what_they_hold_and_by_their_own_labels() {
    let cluster = cluster();
    cluster.put(with(namespace("c"), "/metadata/labels/tier", "front"));
    cluster.put(config_map("c", "unlabelled"));
    cluster.put(with(with(namespace("d"), "/metadata/labels/tier", "front"), "/status/phase", "Terminating"));
    let front = json!({"matchLabels": {"tier": "front"}});
    for (spec, expected) in [
        (json!({"labelSelector": front}), "a c"),
        (json!({"labelSelector": front, "includedNamespaces": ["a", "b"]}), "a b c"),
        (json!({"labelSelector": front, "excludedNamespaces": ["c"]}), "a b c"),
        (json!({"orLabelSelectors": [front], "includedNamespaces": ["b"]}), "b c"),
        (json!({"labelSelector": {}, "includedNamespaces": ["b"]}), "b"),
        (json!({"includedNamespaces": ["b"]}), "b"),
        (json!({"labelSelector": front, "excludedClusterScopedResources": ["namespaces"]}), ""),
    ] {
        let made = back_up(request(spec.clone()), &ports(&cluster)).await.unwrap();
        let paths = made.paths();
        let names: Vec<_> =
            paths.iter().filter_map(|path| path.strip_prefix("namespaces/cluster/")).collect();
        assert_eq!(names.join(" "), expected, "{spec}");
        assert!(!paths.contains(&"configmaps/namespaces/c/unlabelled".to_owned()), "{spec}");
    }
}

#[tokio::test]
async fn a_named_namespace_whose_label_excludes_it_is_refused() {
    let cluster = cluster();
    cluster.put(with(namespace("quiet"), "/metadata/labels/velero.io~1exclude-from-backup", "true"));
    let made = back_up(request(json!({"includedNamespaces": ["a", "quiet"]})), &ports(&cluster)).await;
    let Err(BackupError::Invalid(reasons)) = made else { panic!("it was accepted") };
    assert!(reasons[0].contains("excludes list cannot contain an item in the includes list: quiet"));
}

#[tokio::test]
async fn namespaces_of_argo_cd_and_those_that_can_not_be_listed_are_saved() {
    let cluster = cluster();
    cluster.put(with(namespace("a"), "/metadata/labels/argocd.argoproj.io~1managed-by", "argocd"));
    let made = back_up(request(json!({"includedNamespaces": ["a"]})), &ports(&cluster)).await.unwrap();
    assert!(
        made.results().warnings.velero[0]
            .contains("managed by Argo CD are included, which may undo a restore: a")
    );
    let made = back_up(request(json!({"includedNamespaces": ["b"]})), &ports(&cluster)).await.unwrap();
    assert!(made.results().warnings.velero.is_empty());
    cluster.faults.before(|call| {
        let listed = call.verb == "list" && call.resource == "namespaces";
        listed.then(|| ClusterError::Forbidden { message: "namespaces is forbidden".into() })
    });
    let made = back_up(request(json!({"includedNamespaces": ["b"]})), &ports(&cluster)).await.unwrap();
    assert_eq!(made.paths().len(), 3, "{:?}", made.paths());
}

#[tokio::test]
async fn contradictions_and_unknown_names_are_refused() {
    for (spec, part) in [
        (json!({"includedResources": ["secretz"]}), "did you mean secrets?"),
        (
            json!({"includedResources": ["pods"], "excludedClusterScopedResources": ["*"]}),
            "cannot be used together",
        ),
        (json!({"labelSelector": {}, "orLabelSelectors": [{}]}), "only one can be specified"),
        (json!({"includedNamespaces": ["A"]}), "invalid namespace"),
        (json!({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}), "need values"),
        (json!({"hooks": {"resources": [{"name": "h", "pre": [{}]}]}}), "a hook needs exec"),
    ] {
        let Err(BackupError::Invalid(reasons)) = back_up(request(spec.clone()), &ports(&cluster())).await
        else {
            panic!("{spec} was accepted");
        };
        assert!(reasons.join("\n").contains(part), "{reasons:?}");
    }
}

#[tokio::test]
async fn a_broken_group_is_a_warning_that_names_it() {
    let cluster = cluster();
    cluster.break_group(BrokenGroup { api_version: "metrics.k8s.io/v1beta1".into(), message: "503".into() });
    let made = back_up(request(json!({})), &ports(&cluster)).await.unwrap();
    assert!(made.results().warnings.velero[0].contains("metrics.k8s.io/v1beta1"));
    assert_eq!(made.paths().len(), 7);
}

#[tokio::test]
async fn snapshots_are_never_collected_and_ordered_objects_come_first() {
    let cluster = cluster();
    let snapshots = bowline_engine::catalog::Kind::builtin(
        "snapshot.storage.k8s.io",
        "v1",
        "VolumeSnapshot",
        "volumesnapshots",
        true,
    );
    cluster.serve(snapshots);
    cluster.put(object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "a", "old"));
    let spec = json!({"orderedResources": {"cm": "b/plain, a/missing,a/front"}});
    let made = back_up(request(spec), &ports(&cluster)).await.unwrap();
    assert!(!made.paths().join(" ").contains("volumesnapshots"));
    assert!(made.results().warnings.velero[0].contains("'a/missing'"));
    let gets: Vec<_> =
        cluster.faults.calls().into_iter().filter(|call| call.verb == "get").map(|call| call.name).collect();
    assert_eq!(gets, ["plain", "missing", "front"]);
}

#[tokio::test]
async fn a_failing_list_is_an_error_that_names_the_kind() {
    let cluster = cluster();
    cluster.faults.before(|call| {
        let fails = call.verb == "list" && call.resource == "secrets";
        fails.then(|| ClusterError::Forbidden { message: "secrets is forbidden".into() })
    });
    let made = back_up(request(json!({})), &ports(&cluster)).await.unwrap();
    let errors = made.results().errors;
    assert_eq!(errors.namespaces.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(errors.namespaces["a"][0].contains("failed to list secrets in namespace a"), "{errors:?}");
    assert_eq!(made.paths().len(), 6);
}
