//! Which objects are restored, where to, and in what order.

use std::sync::Arc;

use bowline_api::backup::Backup;
use bowline_api::restore::{PolicyType, Restore, RestoreSpec};
use bowline_api::selector::LabelSelector;
use bowline_engine::finding::Level;
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, RestoreError};
use bowline_testing::MemoryCluster;
use bowline_testing::object::{config_map, namespace, object, with};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::harness::{lines, request, restore_with, run, spool_of};

fn bound_claim() -> [(&'static str, Value); 2] {
    let claim = object("v1", "PersistentVolumeClaim", "shop", "data");
    let claim = with(with(claim, "/spec/volumeName", "pv"), "/status/phase", "Bound");
    let volume =
        with(object("v1", "PersistentVolume", "", "pv"), "/spec/persistentVolumeReclaimPolicy", "Retain");
    let volume = with(
        volume,
        "/spec/claimRef",
        json!({"namespace": "shop", "name": "data", "uid": "1", "resourceVersion": "2"}),
    );
    [("persistentvolumes", volume), ("persistentvolumeclaims", claim)]
}

async fn listed(objects: &[(&str, Value)], restore: Restore) -> Vec<String> {
    let cluster = Arc::new(MemoryCluster::default());
    lines(&run(&cluster, &spool_of(objects).await, restore).await.unwrap().resource_list)
}

#[tokio::test]
async fn namespaces_come_from_the_backup_under_their_mapped_names() {
    let stored = with(
        with(
            namespace("shop"),
            "/metadata/labels",
            json!({"team": "a", "kubernetes.io/metadata.name": "shop"}),
        ),
        "/metadata/annotations/note",
        "x",
    );
    let cluster = Arc::new(MemoryCluster::default());
    let objects = [
        ("namespaces", stored),
        ("configmaps", config_map("shop", "a")),
        ("configmaps", config_map("bare", "b")),
    ];
    let restore = restore_with(|spec| {
        spec.namespace_mapping.insert("shop".into(), "copy".into());
    });
    let outcome = run(&cluster, &spool_of(&objects).await, restore).await.unwrap();
    assert_eq!(
        lines(&outcome.resource_list),
        [
            "v1/ConfigMap bare/b(created)",
            "v1/ConfigMap copy/a(created)",
            "v1/Namespace bare(created)",
            "v1/Namespace copy(created)"
        ]
    );
    let made = cluster.object("namespaces", "", "copy").unwrap();
    assert_eq!(
        (&made["metadata"]["labels"], &made["metadata"]["annotations"]["note"]),
        (&json!({"team": "a"}), &json!("x"))
    );
    assert_eq!(cluster.object("configmaps", "copy", "a").unwrap()["metadata"]["namespace"], "copy");
    assert!(cluster.object("namespaces", "", "shop").is_none());
}

#[tokio::test]
async fn namespace_filters_take_patterns_and_leave_cluster_scoped_objects_to_those_who_need_them() {
    let class = ("storageclasses.storage.k8s.io", object("storage.k8s.io/v1", "StorageClass", "", "fast"));
    let mut objects = vec![class, ("configmaps", config_map("other", "b"))];
    objects.extend(bound_claim());
    let restore = restore_with(|spec| spec.included_namespaces = vec!["sh*".into()]);
    assert_eq!(
        listed(&objects, restore).await,
        [
            "v1/Namespace shop(created)",
            "v1/PersistentVolume pv(created)",
            "v1/PersistentVolumeClaim shop/data(created)"
        ]
    );
    let restore = restore_with(|spec| spec.include_cluster_resources = Some(false));
    assert_eq!(
        listed(&objects, restore).await,
        [
            "v1/ConfigMap other/b(created)",
            "v1/Namespace other(created)",
            "v1/Namespace shop(created)",
            "v1/PersistentVolumeClaim shop/data(created)"
        ]
    );
}

#[tokio::test]
async fn cluster_scoped_objects_follow_their_switch() {
    let class = || object("storage.k8s.io/v1", "StorageClass", "", "fast");
    let objects = [("storageclasses.storage.k8s.io", class()), ("configmaps", config_map("shop", "a"))];
    for (included, excluded, switch, comes) in [
        (&[][..], &[][..], None, true),
        (&["*"], &[], None, true),
        (&["shop"], &[], None, false),
        (&["shop"], &[], Some(true), true),
        (&[], &["other"], None, false),
        (&[], &["other"], Some(true), true),
        (&[], &[], Some(false), false),
    ] {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let restore = restore_with(|spec| {
            spec.included_namespaces = names(included);
            spec.excluded_namespaces = names(excluded);
            spec.include_cluster_resources = switch;
        });
        let has_class = listed(&objects, restore).await.iter().any(|line| line.contains("StorageClass"));
        assert_eq!(has_class, comes, "{included:?} {excluded:?} {switch:?}");
    }
}

#[tokio::test]
async fn a_namespace_that_exists_is_left_as_it_is() {
    let live = with(namespace("shop"), "/metadata/labels/own", "live");
    let stored = with(namespace("shop"), "/metadata/labels/own", "stored");
    let cluster = Arc::new(MemoryCluster::with([live]));
    let spool = spool_of(&[("namespaces", stored), ("configmaps", config_map("shop", "a"))]).await;
    let restore = restore_with(|spec| spec.existing_resource_policy = Some(PolicyType::Update));
    let outcome = run(&cluster, &spool, restore).await.unwrap();
    assert_eq!(lines(&outcome.resource_list), ["v1/ConfigMap shop/a(created)"]);
    assert_eq!(outcome.findings.list(), []);
    assert_eq!(
        cluster.object("namespaces", "", "shop").unwrap()["metadata"]["labels"],
        json!({"own": "live"})
    );
}

#[tokio::test]
async fn resource_filters_and_selectors_decide() {
    let labelled = |name, value| with(config_map("shop", name), "/metadata/labels/app", value);
    let objects = [
        ("configmaps", labelled("a", "x")),
        ("configmaps", labelled("b", "y")),
        ("secrets", with(object("v1", "Secret", "shop", "s"), "/metadata/labels/app", "x")),
    ];
    let selector = |value: &str| LabelSelector {
        match_labels: Some([("app".to_owned(), value.to_owned())].into()),
        ..LabelSelector::default()
    };
    let included = restore_with(|spec| spec.included_resources = vec!["cm".into()]);
    assert_eq!(
        listed(&objects, included).await,
        ["v1/ConfigMap shop/a(created)", "v1/ConfigMap shop/b(created)", "v1/Namespace shop(created)"]
    );
    let excluded = restore_with(|spec| spec.excluded_resources = vec!["configmaps".into()]);
    assert_eq!(listed(&objects, excluded).await, ["v1/Namespace shop(created)", "v1/Secret shop/s(created)"]);
    let selected = restore_with(|spec| spec.label_selector = Some(selector("x")));
    assert_eq!(
        listed(&objects, selected).await,
        ["v1/ConfigMap shop/a(created)", "v1/Namespace shop(created)", "v1/Secret shop/s(created)"]
    );
    let either = restore_with(|spec| spec.or_label_selectors = vec![selector("y"), selector("z")]);
    assert_eq!(
        listed(&objects, either).await,
        ["v1/ConfigMap shop/b(created)", "v1/Namespace shop(created)"]
    );
}

#[tokio::test]
async fn a_spec_that_contradicts_itself_is_refused() {
    let cluster = Arc::new(MemoryCluster::default());
    let restore = restore_with(|spec| {
        spec.included_namespaces = vec!["a".into()];
        spec.excluded_namespaces = vec!["a".into()];
        spec.label_selector = Some(LabelSelector::default());
        spec.or_label_selectors = vec![LabelSelector::default()];
    });
    let spool = spool_of(&[("configmaps", config_map("shop", "a"))]).await;
    let Err(RestoreError::Invalid(problems)) = run(&cluster, &spool, restore).await else {
        panic!("not refused")
    };
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(cluster.keys().is_empty());
}

#[tokio::test]
async fn custom_resources_follow_their_definition() {
    let crd = with(
        object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.io"),
        "/spec",
        json!({"group": "example.io", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true}]}),
    );
    let objects = [
        ("customresourcedefinitions.apiextensions.k8s.io", crd),
        ("widgets.example.io", object("example.io/v1", "Widget", "shop", "w")),
    ];
    assert!(
        listed(&objects, restore_with(|_| ()))
            .await
            .contains(&"example.io/v1/Widget shop/w(created)".to_owned())
    );
}

fn definition(versions: &Value) -> (&'static str, Value) {
    let crd = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.io");
    let spec = json!({"group": "example.io", "scope": "Namespaced", "versions": versions,
        "names": {"kind": "Widget", "plural": "widgets"}});
    ("customresourcedefinitions.apiextensions.k8s.io", with(crd, "/spec", spec))
}

#[tokio::test]
async fn an_updated_definition_serves_what_the_backup_needs() {
    let cluster = Arc::new(MemoryCluster::default());
    let old = spool_of(&[definition(&json!([{"name": "v1", "served": true}]))]).await;
    run(&cluster, &old, restore_with(|_| ())).await.unwrap();
    let both = json!([{"name": "v1", "served": true}, {"name": "v2", "served": true}]);
    let widget = ("widgets.example.io", object("example.io/v2", "Widget", "shop", "w"));
    let new = spool_of(&[definition(&both), widget]).await;
    let restore = restore_with(|spec| spec.existing_resource_policy = Some(PolicyType::Update));
    let outcome = run(&cluster, &new, restore).await.unwrap();
    let listed = lines(&outcome.resource_list);
    assert!(listed.contains(&"example.io/v2/Widget shop/w(created)".to_owned()), "{listed:?}");
}

#[tokio::test]
async fn a_definition_that_does_not_become_ready_is_an_error() {
    let cluster = Arc::new(MemoryCluster::default());
    let (resource, crd) = definition(&json!([{"name": "v1", "served": true}]));
    cluster.leave_definitions_unready();
    let outcome = run(&cluster, &spool_of(&[(resource, crd)]).await, restore_with(|_| ())).await.unwrap();
    let findings = outcome.findings.list();
    assert_eq!(findings[0].level, Level::Error);
    assert_eq!(
        findings[0].message,
        "the CRD widgets.example.io is not available to use for custom resources"
    );
}

#[tokio::test]
async fn a_kind_that_the_cluster_does_not_serve_is_an_error_for_each_object() {
    let cluster = Arc::new(MemoryCluster::default());
    let gadget = |name| ("gadgets.example.io", object("example.io/v1", "Gadget", "shop", name));
    let outcome =
        run(&cluster, &spool_of(&[gadget("a"), gadget("b")]).await, restore_with(|_| ())).await.unwrap();
    let findings = outcome.findings.list();
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[0].level, Level::Error);
    assert_eq!(
        findings[0].message,
        "error restoring gadgets.example.io/a: the cluster does not serve example.io/v1 Gadget"
    );
    let listed = lines(&outcome.resource_list);
    assert!(listed.contains(&"example.io/v1/Gadget shop/b(failed)".to_owned()), "{listed:?}");
}

#[tokio::test]
async fn volume_data_of_this_server_passes_every_filter_and_that_of_another_none() {
    let upload = |namespace| object("velero.io/v2alpha1", "DataUpload", namespace, "du");
    let snapshot = object("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent", "", "content");
    let objects = [
        ("datauploads.velero.io", upload("velero")),
        ("datauploads.velero.io", upload("other-velero")),
        ("volumesnapshotcontents.snapshot.storage.k8s.io", snapshot),
        ("configmaps", config_map("shop", "a")),
    ];
    let spool = spool_of(&objects).await;
    let handled = async |change: fn(&mut RestoreSpec)| {
        let cluster = Arc::new(MemoryCluster::default());
        let ports = bowline_testing::ports(&cluster);
        let mut request = request(restore_with(change), &ports).await;
        request.actions.clear();
        let mut backup = Backup::clone(&request.backup);
        backup.metadata.namespace = Some("velero".into());
        request.backup = Arc::new(backup);
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let items = restore::dry_run(&request, &spool, &ports, &progress, &cancel).await.unwrap().items;
        let mut names: Vec<_> = items
            .iter()
            .filter(|item| item.kind.kind != "Namespace")
            .map(|item| format!("{}/{}", item.key.namespace.as_deref().unwrap_or_default(), item.key.name))
            .collect();
        names.sort();
        names.join(" ")
    };
    // The kind of another namespace is filtered as any other.
    assert_eq!(handled(|_| ()).await, "/content other-velero/du shop/a velero/du");
    assert_eq!(handled(|spec| spec.included_namespaces = vec!["shop".into()]).await, "shop/a velero/du");
    assert_eq!(
        handled(|spec| spec.included_resources = vec!["configmaps".into()]).await,
        "/content shop/a velero/du"
    );
    let by_label = |spec: &mut RestoreSpec| {
        let labels = [("app".to_owned(), "x".to_owned())].into();
        spec.label_selector = Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() });
    };
    assert_eq!(handled(by_label).await, "/content velero/du");
    assert_eq!(
        handled(|spec| spec.include_cluster_resources = Some(false)).await,
        "other-velero/du shop/a velero/du"
    );
}

#[tokio::test]
async fn what_has_ended_or_belongs_to_the_cluster_stays_out() {
    let pod = |name, phase| with(object("v1", "Pod", "shop", name), "/status/phase", phase);
    let job =
        with(object("batch/v1", "Job", "shop", "once"), "/status/completionTime", "2026-01-01T00:00:00Z");
    let mirror = with(pod("mirror", "Running"), "/metadata/annotations/kubernetes.io~1config.mirror", "x");
    let objects = [
        ("pods", pod("done", "Succeeded")),
        ("pods", pod("runs", "Running")),
        ("pods", mirror),
        ("jobs.batch", job),
        ("events", object("v1", "Event", "shop", "e")),
        ("nodes", object("v1", "Node", "", "n")),
    ];
    assert_eq!(
        listed(&objects, restore_with(|_| ())).await,
        ["v1/Namespace shop(created)", "v1/Pod shop/mirror(skipped)", "v1/Pod shop/runs(created)"]
    );
}

#[tokio::test]
async fn an_empty_backup_is_a_warning() {
    let cluster = Arc::new(MemoryCluster::default());
    let outcome = run(&cluster, &spool_of(&[]).await, restore_with(|_| ())).await.unwrap();
    assert_eq!((outcome.total_items, outcome.findings.list().len()), (0, 1));
}

#[tokio::test]
async fn names_that_the_backup_does_not_know_are_warned_of_with_the_nearest() {
    let objects = [("configmaps", config_map("shop", "a")), ("widgets.example.com", widget())];
    let restore = restore_with(|spec| {
        spec.included_namespaces = ["shop", "shpo", "team-*"].map(String::from).to_vec();
        spec.excluded_namespaces = vec!["kube-system".into()];
        spec.included_resources =
            ["cm", "confgmaps", "widgets.example.com", "widgts.example.com"].map(String::from).to_vec();
        spec.namespace_mapping
            .extend([("shop", "copy"), ("bank", "loan")].map(|(a, b)| (a.into(), b.into())));
    });
    let cluster = Arc::new(MemoryCluster::default());
    let outcome = run(&cluster, &spool_of(&objects).await, restore).await.unwrap();
    let warnings = outcome.findings.list().into_iter().filter(|finding| finding.level == Level::Warning);
    assert_eq!(
        warnings.map(|finding| finding.message).collect::<Vec<_>>(),
        [
            r#"includedNamespaces: the backup has no namespace "shpo"; did you mean "shop"?"#,
            r#"namespaceMapping: the backup has no namespace "bank""#,
            r#"includedResources: neither backup nor cluster know "confgmaps"; did you mean "configmaps"?"#,
            r#"includedResources: neither backup nor cluster know "widgts.example.com"; did you mean "widgets.example.com"?"#,
        ]
    );
}

fn widget() -> Value {
    object("example.com/v1", "Widget", "shop", "w")
}
