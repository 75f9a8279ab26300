//! Plans: what would happen, with nothing changed.

use std::sync::Arc;

use bowline_api::restore::PolicyType;
use bowline_engine::finding::Finding;
use bowline_engine::progress::Progress;
use bowline_engine::restore::{Plan, Skip, Step};
use bowline_testing::MemoryCluster;
use bowline_testing::object::{config_map, object, with};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::harness::{lines, plan, restore_with, run, spool_of};

fn steps(plan: &Plan) -> Vec<String> {
    let mut steps: Vec<_> =
        plan.items.iter().map(|item| format!("{} {}: {}", item.kind, item.key, item.step)).collect();
    steps.sort();
    steps
}

#[tokio::test]
async fn a_plan_says_what_happens_to_each_object_and_changes_nothing() {
    let different = with(config_map("shop", "differs"), "/data/key", "live");
    let cluster = Arc::new(MemoryCluster::with([different, config_map("shop", "equal")]));
    let before = cluster.keys();
    let done = with(object("v1", "Pod", "shop", "done"), "/status/phase", "Succeeded");
    let spool = spool_of(&[
        ("configmaps", config_map("shop", "differs")),
        ("configmaps", config_map("shop", "equal")),
        ("configmaps", config_map("shop", "new")),
        ("configmaps", config_map("fresh", "new")),
        ("pods", done),
        ("events", object("v1", "Event", "shop", "e")),
    ])
    .await;
    let none = plan(&cluster, &spool, restore_with(|_| ())).await;
    assert_eq!(
        steps(&none),
        [
            "v1/ConfigMap fresh/new: create",
            "v1/ConfigMap shop/differs: skip: it exists and differs from the backup, and the policy is to leave it alone",
            "v1/ConfigMap shop/equal: skip: it exists and is as in the backup",
            "v1/ConfigMap shop/new: create",
            "v1/Namespace fresh: create",
            "v1/Pod shop/done: skip: it has run to its end",
        ]
    );
    assert_eq!((none.left_out[0].count, &none.left_out[0].reason), (1, &Skip::ResourceExcluded));
    let update =
        plan(&cluster, &spool, restore_with(|spec| spec.existing_resource_policy = Some(PolicyType::Update)))
            .await;
    assert!(steps(&update).contains(&"v1/ConfigMap shop/differs: update".to_owned()));
    assert_eq!(cluster.keys(), before);
    let writes = ["create", "patch", "status", "delete"];
    assert!(!cluster.faults.calls().iter().any(|call| writes.contains(&call.verb)));
}

#[tokio::test]
async fn a_plan_knows_the_kinds_that_the_backup_brings() {
    let cluster = Arc::new(MemoryCluster::default());
    let crd = with(
        object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.io"),
        "/spec",
        json!({"group": "example.io", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true}]}),
    );
    let spool = spool_of(&[
        ("customresourcedefinitions.apiextensions.k8s.io", crd),
        ("widgets.example.io", object("example.io/v1", "Widget", "shop", "w")),
    ])
    .await;
    let plan = plan(&cluster, &spool, restore_with(|_| ())).await;
    assert_eq!(
        steps(&plan),
        [
            "apiextensions.k8s.io/v1/CustomResourceDefinition widgets.example.io: create",
            "example.io/v1/Widget shop/w: create",
            "v1/Namespace shop: create"
        ]
    );
    assert!(cluster.keys().is_empty());
}

#[tokio::test]
async fn a_plan_tells_the_fields_that_differ_when_asked() {
    let live = with(config_map("shop", "differs"), "/data/key", "live");
    let cluster = Arc::new(MemoryCluster::with([live]));
    let spool = spool_of(&[("configmaps", config_map("shop", "differs"))]).await;
    let ports = bowline_testing::ports(&cluster);
    let request = bowline_engine::restore::RestoreRequest {
        explain: true,
        ..super::harness::request(restore_with(|_| ()), &ports).await
    };
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let plan = bowline_engine::restore::dry_run(&request, &spool, &ports, &progress, &cancel).await.unwrap();
    let changes = serde_json::to_value(&plan.items[0].changes).unwrap();
    let expected = config_map("shop", "differs")["data"]["key"].clone();
    assert_eq!(changes[0], json!({"path": "data.key", "before": "live", "after": expected}));
    let counts = plan.counts();
    assert_eq!(counts.values().next().unwrap().skip, 1);
}

/// What the resource list says of an object whose step was planned; `None` for what it does not list.
fn word(step: &Step) -> Option<&'static str> {
    match step {
        Step::Create => Some("created"),
        Step::Update => Some("updated"),
        Step::Fail(_) | Step::Skip(Skip::Differs | Skip::Dying) => Some("failed"),
        Step::Skip(Skip::Completed) => None,
        Step::Skip(_) => Some("skipped"),
    }
}

#[tokio::test]
async fn a_plan_says_what_the_restore_then_does() {
    let live = [
        config_map("shop", "equal"),
        with(config_map("shop", "differs"), "/data/key", "live"),
        object("v1", "ServiceAccount", "shop", "clerk"),
    ];
    let volume =
        with(object("v1", "PersistentVolume", "", "pv"), "/spec/persistentVolumeReclaimPolicy", "Delete");
    let account =
        with(object("v1", "ServiceAccount", "shop", "clerk"), "/imagePullSecrets", json!([{"name": "x"}]));
    let archived = [
        ("configmaps", config_map("shop", "new")),
        ("configmaps", config_map("shop", "equal")),
        ("configmaps", config_map("shop", "differs")),
        ("configmaps", config_map("fresh", "a")),
        ("serviceaccounts", account),
        ("persistentvolumes", volume),
        ("gadgets.example.io", object("example.io/v1", "Gadget", "shop", "g")),
        ("pods", with(object("v1", "Pod", "shop", "over"), "/status/phase", "Succeeded")),
        (
            "pods",
            with(
                object("v1", "Pod", "shop", "static"),
                "/metadata/annotations/kubernetes.io~1config.mirror",
                "x",
            ),
        ),
    ];
    for policy in [PolicyType::None, PolicyType::Update] {
        let cluster = Arc::new(MemoryCluster::with(live.clone()));
        let spool = spool_of(&archived).await;
        let restore = restore_with(|spec| spec.existing_resource_policy = Some(policy.clone()));
        let plan = plan(&cluster, &spool, restore.clone()).await;
        let outcome = run(&cluster, &spool, restore).await.unwrap();
        let mut planned: Vec<_> = plan
            .items
            .iter()
            .filter_map(|item| {
                Some(format!(
                    "{}/{} {}({})",
                    item.kind.api_version(),
                    item.kind.kind,
                    item.key,
                    word(&item.step)?
                ))
            })
            .collect();
        planned.sort();
        assert_eq!(planned, lines(&outcome.resource_list), "{policy}");
        let messages = |findings: Vec<Finding>| {
            let mut messages: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
            messages.sort();
            messages
        };
        assert_eq!(messages(plan.findings), messages(outcome.findings.list()), "{policy}");
    }
}
