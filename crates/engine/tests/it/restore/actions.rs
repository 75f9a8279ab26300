//! What actions ask for: other objects first, waiting, operations, leaving an object out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::artifact::OperationPhase;
use bowline_api::restore::Restore;
use bowline_api::selector::LabelSelector;
use bowline_engine::action::restore::builtin;
use bowline_engine::action::{
    Action, ActionError, ActionSelector, Item, ItemId, RestoreAction, RestoreContext, RestoreEffects,
};
use bowline_engine::finding::Level;
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, Plan, RestoreOutcome, RestoreRequest};
use bowline_testing::MemoryCluster;
use bowline_testing::object::{config_map, object, with};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::harness::{lines, request, restore_with, spool_of};

type Behaviour = fn(&mut Value, &str) -> Result<RestoreEffects, ActionError>;

/// An action that does what a test says, and is ready at the third question.
struct Scripted {
    selector: ActionSelector,
    behaviour: Behaviour,
    asked: AtomicUsize,
}

impl Scripted {
    fn on(selector: ActionSelector, behaviour: Behaviour) -> Arc<dyn RestoreAction> {
        Arc::new(Self { selector, behaviour, asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Action for Scripted {
    fn name(&self) -> &'static str {
        "test.io/scripted"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(self.selector.clone())
    }
}

#[async_trait]
impl RestoreAction for Scripted {
    async fn execute(&self, item: &mut Item, _: &RestoreContext<'_>) -> Result<RestoreEffects, ActionError> {
        let name = item.head().name.clone();
        (self.behaviour)(item.tree_mut()?, &name)
    }

    async fn additional_items_ready(
        &self,
        _: &[ItemId],
        _: &RestoreContext<'_>,
    ) -> Result<bool, ActionError> {
        Ok(self.asked.fetch_add(1, Ordering::Relaxed) >= 2)
    }
}

fn needs(resource: &str, name: &str) -> RestoreEffects {
    let item = ItemId { resource: resource.into(), namespace: Some("shop".into()), name: name.into() };
    RestoreEffects { additional_items: vec![item], ..RestoreEffects::default() }
}

async fn run(behaviour: Behaviour, objects: &[(&str, Value)]) -> RestoreOutcome {
    let restore = restore_with(|spec| spec.excluded_resources = vec!["secrets".into()]);
    let action = Scripted::on(ActionSelector::resources(&["configmaps"]), behaviour);
    run_with(&Arc::new(MemoryCluster::default()), vec![action], restore, objects).await
}

async fn run_with(
    cluster: &Arc<MemoryCluster>,
    actions: Vec<Arc<dyn RestoreAction>>,
    restore: Restore,
    objects: &[(&str, Value)],
) -> RestoreOutcome {
    let ports = bowline_testing::ports(cluster);
    let request = RestoreRequest { actions, ..request(restore, &ports).await };
    let spool = spool_of(objects).await;
    restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn objects_that_need_each_other_are_restored_once_each() {
    let outcome = run(
        |_, name| Ok(needs("configmaps", if name == "a" { "b" } else { "a" })),
        &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))],
    )
    .await;
    assert_eq!(
        lines(&outcome.resource_list),
        ["v1/ConfigMap shop/a(created)", "v1/ConfigMap shop/b(created)", "v1/Namespace shop(created)"]
    );
}

#[tokio::test]
async fn needed_objects_pass_the_filters_only_when_the_action_says_so() {
    let objects = [("configmaps", config_map("shop", "a")), ("secrets", object("v1", "Secret", "shop", "s"))];
    let filtered = run(|_, _| Ok(needs("secrets", "s")), &objects).await;
    assert!(!lines(&filtered.resource_list).contains(&"v1/Secret shop/s(created)".to_owned()));
    let forced = run(
        |item, _| {
            item["metadata"]["annotations"]["restore.velero.io/must-include-additional-items"] =
                "true".into();
            Ok(needs("secrets", "s"))
        },
        &objects,
    )
    .await;
    assert!(lines(&forced.resource_list).contains(&"v1/Secret shop/s(created)".to_owned()));
}

#[tokio::test]
async fn a_needed_object_that_is_not_in_the_backup_is_a_warning() {
    let outcome =
        run(|_, _| Ok(needs("configmaps", "missing")), &[("configmaps", config_map("shop", "a"))]).await;
    assert_eq!(outcome.findings.list()[0].message, "configmaps missing is needed but is not in the backup");
}

#[tokio::test]
async fn readiness_is_asked_for_until_it_comes() {
    let outcome = run(
        |_, _| Ok(RestoreEffects { wait_for_additional_items: Some(None), ..needs("configmaps", "b") }),
        &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))],
    )
    .await;
    assert_eq!(outcome.findings.list(), []);
}

#[tokio::test]
async fn skipped_objects_and_operations_are_recorded() {
    let outcome = run(
        |_, name| {
            Ok(match name {
                "a" => RestoreEffects { skip: Some("not today".into()), ..RestoreEffects::default() },
                _ => RestoreEffects { operation_id: Some("op-1".into()), ..RestoreEffects::default() },
            })
        },
        &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))],
    )
    .await;
    assert!(lines(&outcome.resource_list).contains(&"v1/ConfigMap shop/a(skipped)".to_owned()));
    let spec = &outcome.operations[0].spec;
    assert_eq!((spec.operation_id.as_str(), spec.restore_item_action.as_str()), ("op-1", "test.io/scripted"));
    assert_eq!((spec.resource_identifier.name.as_str(), spec.restore_uid.as_str()), ("b", "restore-uid"));
    assert_eq!(outcome.operations[0].status.phase, Some(OperationPhase::New));
}

#[tokio::test]
async fn needed_objects_pass_selectors_but_not_the_lists_of_kinds_and_namespaces() {
    let labelled = with(config_map("shop", "a"), "/metadata/labels/app", "x");
    let objects = [
        ("configmaps", labelled),
        ("secrets", object("v1", "Secret", "shop", "s")),
        ("services", object("v1", "Service", "shop", "s")),
    ];
    let needing: [(Behaviour, bool); 2] =
        [(|_, _| Ok(needs("secrets", "s")), false), (|_, _| Ok(needs("services", "s")), true)];
    for (behaviour, restored) in needing {
        let restore = restore_with(|spec| {
            spec.excluded_resources = vec!["secrets".into()];
            let labels = [("app".to_owned(), "x".to_owned())].into();
            spec.label_selector =
                Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() });
        });
        let action = Scripted::on(ActionSelector::resources(&["configmaps"]), behaviour);
        let outcome = run_with(&Arc::new(MemoryCluster::default()), vec![action], restore, &objects).await;
        let listed = lines(&outcome.resource_list);
        assert_eq!(listed.iter().any(|line| line.contains("shop/s(created)")), restored, "{listed:?}");
    }
}

#[tokio::test]
async fn actions_see_target_namespaces_and_the_labels_that_others_left() {
    let mark: Behaviour = |item, _| {
        item["metadata"]["labels"]["marked"] = "yes".into();
        Ok(RestoreEffects::default())
    };
    let note: Behaviour = |item, _| {
        item["data"]["seen"] = "yes".into();
        Ok(RestoreEffects::default())
    };
    for (namespace, label, seen) in
        [("copy", "marked=yes", true), ("shop", "marked=yes", false), ("copy", "marked=no", false)]
    {
        let selector = ActionSelector {
            included_namespaces: vec![namespace.into()],
            label_selector: label.into(),
            ..ActionSelector::resources(&["configmaps"])
        };
        let all = ActionSelector::resources(&["configmaps"]);
        let actions = vec![Scripted::on(all, mark), Scripted::on(selector, note)];
        let restore = restore_with(|spec| {
            spec.namespace_mapping.insert("shop".into(), "copy".into());
        });
        let cluster = Arc::new(MemoryCluster::default());
        run_with(&cluster, actions, restore, &[("configmaps", config_map("shop", "a"))]).await;
        let object = cluster.object("configmaps", "copy", "a").unwrap();
        assert_eq!(object["data"].get("seen").is_some(), seen, "{namespace} {label}");
    }
}

#[tokio::test]
async fn readiness_that_does_not_come_is_an_error() {
    let wait: Behaviour = |_, _| {
        let wait_for_additional_items = Some(Some(Duration::from_secs(1)));
        Ok(RestoreEffects { wait_for_additional_items, ..needs("configmaps", "b") })
    };
    let outcome =
        run(wait, &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))]).await;
    let findings = outcome.findings.list();
    assert_eq!(findings[0].level, Level::Error);
    assert!(findings[0].message.ends_with("are not ready to use"), "{}", findings[0].message);
    // The object is restored all the same, as in Velero.
    assert!(lines(&outcome.resource_list).contains(&"v1/ConfigMap shop/a(created)".to_owned()));
}

#[tokio::test]
async fn an_action_may_make_another_kind_of_an_object() {
    let convert: Behaviour = |item, _| {
        item["apiVersion"] = "apps/v1".into();
        item["kind"] = "Deployment".into();
        Ok(RestoreEffects::default())
    };
    let config = object("apps.openshift.io/v1", "DeploymentConfig", "shop", "web");
    let resource = "deploymentconfigs.apps.openshift.io";
    let action = Scripted::on(ActionSelector::resources(&[resource]), convert);
    let cluster = Arc::new(MemoryCluster::default());
    let outcome = run_with(&cluster, vec![action], restore_with(|_| ()), &[(resource, config)]).await;
    assert_eq!(outcome.findings.list(), []);
    assert!(cluster.object("deployments.apps", "shop", "web").is_some());
    assert!(lines(&outcome.resource_list).contains(&"apps/v1/Deployment shop/web(created)".to_owned()));
}

#[tokio::test]
async fn an_action_that_fails_is_an_error_for_its_object() {
    let outcome = run(
        |_, name| match name {
            "a" => Err(ActionError::Failed("no".into())),
            _ => Ok(RestoreEffects::default()),
        },
        &[("configmaps", config_map("shop", "a")), ("configmaps", config_map("shop", "b"))],
    )
    .await;
    assert_eq!(outcome.findings.list()[0].message, "error preparing configmaps/shop/a: no");
    assert_eq!(
        lines(&outcome.resource_list),
        ["v1/ConfigMap shop/a(failed)", "v1/ConfigMap shop/b(created)", "v1/Namespace shop(created)"]
    );
}

/// The ConfigMap that configures an action.
fn configuration(name: &str, action: &str, data: Value) -> Value {
    let labels = json!({"velero.io/plugin-config": "", action: "RestoreItemAction"});
    with(with(config_map("velero", name), "/metadata/labels", labels), "/data", data)
}

#[tokio::test]
async fn the_built_in_actions_run_by_name() {
    let cluster = Arc::new(MemoryCluster::with([
        configuration("images", "velero.io/change-image-name", json!({"rule": "a,b"})),
        configuration("classes", "velero.io/change-storage-class", json!({"old": "new"})),
    ]));
    let actions = builtin(&bowline_testing::ports(&cluster), Some("velero")).await.unwrap();
    let names: Vec<_> = actions.iter().map(|action| action.name().trim_start_matches("velero.io/")).collect();
    assert_eq!(
        names,
        [
            "add-pvc-from-pod",
            "admission-webhook-configuration",
            "apiservice",
            "change-image-name",
            "change-storage-class",
            "cluster-role-bindings",
            "crd-preserve-fields",
            "dataupload",
            "init-restore-hook",
            "job",
            "pod",
            "pvc",
            "role-bindings",
            "secret",
            "service",
            "service-account",
        ]
    );
}

#[tokio::test]
async fn two_config_maps_for_one_action_are_refused() {
    let action = "velero.io/change-storage-class";
    let cluster = Arc::new(MemoryCluster::with([
        configuration("one", action, json!({"a": "b"})),
        configuration("two", action, json!({"a": "c"})),
    ]));
    let error = builtin(&bowline_testing::ports(&cluster), Some("velero")).await.err().unwrap();
    assert!(error.to_string().contains("more than one ConfigMap") && error.to_string().contains("one, two"));
    // Those of another namespace are not the server's.
    assert!(builtin(&bowline_testing::ports(&cluster), Some("other")).await.is_ok());
}

/// A claim of class `old`, which becomes `new`.
async fn class_changed(cluster: &Arc<MemoryCluster>, objects: &[(&str, Value)]) -> (RestoreOutcome, Plan) {
    cluster.put(configuration("classes", "velero.io/change-storage-class", json!({"old": "new"})));
    let ports = bowline_testing::ports(cluster);
    let actions = builtin(&ports, Some("velero")).await.unwrap();
    let request = RestoreRequest { actions, ..request(restore_with(|_| ()), &ports).await };
    let spool = spool_of(objects).await;
    let (progress, cancel) = (Progress::default(), CancellationToken::new());
    let plan = restore::dry_run(&request, &spool, &ports, &progress, &cancel).await.unwrap();
    (restore::run(&request, &spool, &ports, &progress, &cancel).await.unwrap(), plan)
}

fn claim() -> (&'static str, Value) {
    let claim = object("v1", "PersistentVolumeClaim", "shop", "data");
    ("persistentvolumeclaims", with(claim, "/spec/storageClassName", "old"))
}

#[tokio::test]
async fn a_class_that_does_not_exist_is_an_error() {
    let (outcome, plan) = class_changed(&Arc::new(MemoryCluster::default()), &[claim()]).await;
    let expected = "error preparing persistentvolumeclaims/shop/data: the storage class new does not exist";
    assert_eq!(outcome.findings.list()[0].message, expected);
    assert_eq!(plan.findings[0].message, expected);
}

#[tokio::test]
async fn a_plan_knows_the_storage_classes_that_the_backup_brings() {
    let class = ("storageclasses.storage.k8s.io", object("storage.k8s.io/v1", "StorageClass", "", "new"));
    let cluster = Arc::new(MemoryCluster::default());
    let (outcome, plan) = class_changed(&cluster, &[class, claim()]).await;
    assert_eq!((outcome.findings.list(), plan.findings), (Vec::new(), Vec::new()));
    let claim = cluster.object("persistentvolumeclaims", "shop", "data").unwrap();
    assert_eq!(claim["spec"]["storageClassName"], "new");
}

#[tokio::test]
async fn node_ports_stay_when_they_shall() {
    for (preserve, kind, kept) in [
        (Some(true), "NodePort", true),
        (Some(false), "NodePort", false),
        (None, "NodePort", false),
        (None, "ExternalName", true),
    ] {
        let spec = json!({"type": kind, "ports": [{"port": 80, "nodePort": 30080}]});
        let service = with(object("v1", "Service", "shop", "web"), "/spec", spec);
        let cluster = Arc::new(MemoryCluster::default());
        let actions = builtin(&bowline_testing::ports(&cluster), None).await.unwrap();
        let restore = restore_with(|spec| spec.preserve_node_ports = preserve);
        run_with(&cluster, actions, restore, &[("services", service)]).await;
        let service = cluster.object("services", "shop", "web").unwrap();
        assert_eq!(service["spec"]["ports"][0].get("nodePort").is_some(), kept, "{preserve:?} {kind}");
    }
}
