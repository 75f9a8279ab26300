//! What stored objects take along: by actions, hooks between them, and the definitions of custom resources.

use std::sync::Arc;

use async_trait::async_trait;
use bowline_engine::action::{
    Action, ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item, ItemId,
};
use bowline_engine::archive::pipe;
use bowline_engine::backup::{BackupError, run};
use bowline_engine::catalog::GroupResource;
use bowline_engine::port::{ExecError, ExecRequest, PodExec, Ports};
use bowline_engine::progress::Progress;
use bowline_testing::object::{config_map, object, with};
use bowline_testing::{FrozenClock, MemoryCluster, ScriptedExec, ports};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::harness::{back_up, request};

pub(super) fn pod(name: &str, claim: &str, annotations: Value) -> Value {
    let pod = with(object("v1", "Pod", "shop", name), "/metadata/annotations", annotations);
    let pod = with(pod, "/metadata/labels/app", "db");
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]);
    with(
        with(pod, "/spec", json!({"containers": [{"name": "main"}], "volumes": volumes})),
        "/status/phase",
        "Running",
    )
}

pub(super) fn volumes(claim: &str, volume: &str) -> [Value; 2] {
    let bound = object("v1", "PersistentVolumeClaim", "shop", claim);
    let bound = with(with(bound, "/spec/volumeName", volume), "/status/phase", "Bound");
    let claim_ref =
        json!({"claimRef": {"namespace": "shop", "name": claim}, "persistentVolumeReclaimPolicy": "Retain"});
    [bound, with(object("v1", "PersistentVolume", "", volume), "/spec", claim_ref)]
}

pub(super) fn put(cluster: &MemoryCluster, objects: [Value; 2]) {
    for object in objects {
        cluster.put(object);
    }
}

pub(super) fn hooks() -> Value {
    json!({"pre.hook.backup.velero.io/command": "freeze", "pre.hook.backup.velero.io/on-error": "Fail",
           "post.hook.backup.velero.io/command": "thaw"})
}

pub(super) fn with_exec(cluster: &Arc<MemoryCluster>, exec: &Arc<ScriptedExec>) -> Ports {
    Ports {
        cluster: Arc::clone(cluster) as _,
        exec: Arc::clone(exec) as _,
        clock: Arc::new(FrozenClock::default()),
    }
}

#[tokio::test]
async fn a_selected_pod_takes_its_claim_and_volume_along() {
    let cluster = MemoryCluster::with([pod("db", "data", json!({}))]);
    put(&cluster, volumes("data", "pv-1"));
    let spec = json!({"labelSelector": {"matchLabels": {"app": "db"}}});
    let made = back_up(request(spec), &ports(&Arc::new(cluster))).await.unwrap();
    let expected = [
        "namespaces/cluster/shop",
        "persistentvolumeclaims/namespaces/shop/data",
        "persistentvolumes/cluster/pv-1",
        "pods/namespaces/shop/db",
    ];
    assert_eq!(made.paths(), expected);
    let info = &made.outcome.volume_infos[0];
    assert_eq!((info.pv_name.as_str(), info.pvc_name.as_str(), info.skipped), ("pv-1", "data", true));
}

#[tokio::test]
async fn a_missing_claim_is_a_warning_and_filters_hold_for_related_objects() {
    let cluster = Arc::new(MemoryCluster::with([pod("db", "gone", json!({}))]));
    let made = back_up(request(json!({})), &ports(&cluster)).await.unwrap();
    assert!(
        made.results().warnings.namespaces["shop"][0]
            .contains("name: /gone message: /a stored object needs it")
    );
    put(&cluster, volumes("gone", "pv-1"));
    let spec = json!({"includedNamespaces": ["shop"], "excludedResources": ["pv"]});
    let made = back_up(request(spec), &ports(&cluster)).await.unwrap();
    assert!(!made.paths().join(" ").contains("pv-1"));
}

#[tokio::test]
async fn hooks_enclose_all_pods_that_share_a_claim() {
    let cluster = MemoryCluster::with([
        pod("a", "data", hooks()),
        pod("b", "data", hooks()),
        pod("c", "other", hooks()),
    ]);
    put(&cluster, volumes("data", "pv-1"));
    put(&cluster, volumes("other", "pv-2"));
    let (cluster, exec) = (Arc::new(cluster), Arc::new(ScriptedExec::default()));
    let made = back_up(request(json!({})), &with_exec(&cluster, &exec)).await.unwrap();
    let ran: Vec<_> = exec
        .ran()
        .into_iter()
        .map(|run| format!("{} {} {}", run.pod, run.container, run.command[0]))
        .collect();
    assert_eq!(
        ran,
        ["a main freeze", "b main freeze", "a main thaw", "b main thaw", "c main freeze", "c main thaw"]
    );
    assert_eq!((made.outcome.hooks.attempted, made.outcome.hooks.failed), (6, 0));
    assert_eq!(made.paths().iter().filter(|path| path.starts_with("pods/")).count(), 3);
}

/// Cancels the run in the middle of the command `freeze` for the pod `b`.
#[derive(Default)]
struct CutShort {
    exec: ScriptedExec,
    cancel: CancellationToken,
}

#[async_trait]
impl PodExec for CutShort {
    async fn exec(&self, request: &ExecRequest) -> Result<String, ExecError> {
        let answer = self.exec.exec(request).await;
        if (request.pod.as_str(), request.command[0].as_str()) == ("b", "freeze") {
            self.cancel.cancel();
            tokio::task::yield_now().await;
        }
        answer
    }
}

#[tokio::test]
async fn a_backup_that_ends_between_the_hooks_of_a_pod_leaves_nothing_frozen() {
    let cluster = MemoryCluster::with([pod("a", "data", hooks()), pod("b", "data", hooks())]);
    put(&cluster, volumes("data", "pv-1"));
    let cluster = Arc::new(cluster);
    let cut = Arc::new(CutShort::default());
    let (sink, _source) = pipe::pipe();
    let ports = Ports { exec: Arc::clone(&cut) as _, ..ports(&cluster) };
    let ended = run(&request(json!({})), &ports, sink, &Progress::default(), &cut.cancel).await;
    assert!(matches!(ended, Err(BackupError::Cancelled)));
    let ran: Vec<_> =
        cut.exec.ran().into_iter().map(|run| format!("{} {}", run.pod, run.command[0])).collect();
    assert_eq!(ran, ["a freeze", "b freeze", "a thaw", "b thaw"]);
}

#[tokio::test]
async fn ordered_pods_with_hooks_come_first_together_and_in_their_order() {
    let pods = ["a", "b", "c"].map(|name| pod(name, &format!("of-{name}"), hooks()));
    let (cluster, exec) = (Arc::new(MemoryCluster::with(pods)), Arc::new(ScriptedExec::default()));
    let spec = json!({"orderedResources": {"pods": "shop/c,shop/b"}});
    let made = back_up(request(spec), &with_exec(&cluster, &exec)).await.unwrap();
    let ran: Vec<_> = exec.ran().into_iter().map(|run| format!("{} {}", run.pod, run.command[0])).collect();
    assert_eq!(ran, ["c freeze", "b freeze", "c thaw", "b thaw", "a freeze", "a thaw"]);
    assert_eq!(made.paths().iter().filter(|path| path.starts_with("pods/")).count(), 3);
}

#[tokio::test]
async fn a_failed_hook_with_on_error_fail_keeps_the_pod_out_and_is_reported() {
    let continuing = json!({"pre.hook.backup.velero.io/command": "freeze"});
    let ended = with(pod("ended", "data", hooks()), "/status/phase", "Succeeded");
    let cluster = Arc::new(MemoryCluster::with([
        pod("strict", "data", hooks()),
        pod("lenient", "data", continuing),
        ended,
    ]));
    let exec = Arc::new(ScriptedExec::new(|_| Err(ExecError::Exit { code: 1, output: "busy".into() })));
    let made =
        back_up(request(json!({"includedResources": ["pods"]})), &with_exec(&cluster, &exec)).await.unwrap();
    assert_eq!(made.paths(), ["pods/namespaces/shop/ended", "pods/namespaces/shop/lenient"]);
    let errors = made.results().errors.namespaces["shop"].join("\n");
    assert!(
        errors.contains("exit code 1: busy") && errors.contains("the pod is missing in this backup"),
        "{errors}"
    );
    // Those of the pod that has ended count too.
    assert_eq!((made.outcome.hooks.attempted, made.outcome.hooks.failed), (4, 2));
}

#[tokio::test]
async fn hooks_after_one_that_must_not_fail_are_not_run_but_count() {
    let cluster = Arc::new(MemoryCluster::with([pod("db", "data", json!({}))]));
    let exec = Arc::new(ScriptedExec::new(|run| match run.command[0].as_str() {
        "bad" => Err(ExecError::Exit { code: 1, output: String::new() }),
        _ => Ok(String::new()),
    }));
    let hook = |command: &str, on_error: &str| json!({"exec": {"command": [command], "onError": on_error}});
    let hooks = json!({"resources": [
        {"name": "first", "pre": [hook("good", "Fail"), hook("bad", "Continue"), hook("bad", "Fail"), hook("never", "Fail")]},
        {"name": "second", "pre": [hook("never", "Fail")], "post": [hook("never", "Fail")]}]});
    let spec = json!({"includedResources": ["pods"], "hooks": hooks});
    let made = back_up(request(spec), &with_exec(&cluster, &exec)).await.unwrap();
    let ran: Vec<_> = exec.ran().into_iter().map(|run| run.command[0].clone()).collect();
    assert_eq!(ran, ["good", "bad", "bad"]);
    assert_eq!((made.outcome.hooks.attempted, made.outcome.hooks.failed), (5, 2));
    assert!(made.paths().is_empty());
}

#[tokio::test]
async fn a_pod_that_a_hook_keeps_out_is_not_brought_along_by_others() {
    let claim = with(object("v1", "PersistentVolumeClaim", "shop", "data"), "/metadata/labels/app", "db");
    let claim = with(with(claim, "/spec/volumeName", "pv-1"), "/status/phase", "Bound");
    let cluster = Arc::new(MemoryCluster::with([pod("db", "data", hooks()), claim]));
    let exec = Arc::new(ScriptedExec::new(|_| Err(ExecError::Exit { code: 1, output: String::new() })));
    let spec = json!({"includedResources": ["pods", "persistentvolumeclaims"]});
    let made = back_up(request(spec), &with_exec(&cluster, &exec)).await.unwrap();
    assert_eq!(made.paths(), ["persistentvolumeclaims/namespaces/shop/data"]);
}

/// Names objects, changes the item, fails or starts an operation, as its annotation says.
struct Scripted;

#[async_trait]
impl Action for Scripted {
    fn name(&self) -> &'static str {
        "example.com/scripted"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector { label_selector: "act".into(), ..ActionSelector::resources(&["cm"]) })
    }
}

#[async_trait]
impl BackupAction for Scripted {
    async fn execute(&self, item: &mut Item, _: &BackupContext<'_>) -> Result<BackupEffects, ActionError> {
        let act = item.head().label("act").unwrap_or_default().to_owned();
        let annotations = &mut item.tree_mut()?["metadata"]["annotations"];
        match act.as_str() {
            "fail" => return Err(ActionError::Failed("no luck".into())),
            "skip" => annotations["velero.io/skip-from-backup"] = "because".into(),
            "rename" => item.tree_mut()?["metadata"]["name"] = "renamed".into(),
            "must" => annotations["backup.velero.io/must-include-additional-items"] = "true".into(),
            _ => {}
        }
        let secret = ItemId {
            resource: GroupResource::new("", "secrets"),
            namespace: Some("other".into()),
            name: "s".into(),
        };
        let operation_id = (act == "operate").then(|| "op-1".to_owned());
        let post_operation_items = if act == "operate" { vec![secret.clone()] } else { Vec::new() };
        Ok(BackupEffects {
            additional_items: vec![secret],
            operation_id,
            post_operation_items,
            ..Default::default()
        })
    }
}

#[tokio::test]
async fn actions_decide_on_the_item_and_what_goes_with_it() {
    for (act, expected) in [
        ("plain", "configmaps/namespaces/shop/c"),
        ("must", "configmaps/namespaces/shop/c secrets/namespaces/other/s"),
        ("skip", ""),
        ("rename", "configmaps/namespaces/shop/renamed"),
        ("fail", ""),
        ("operate", "configmaps/namespaces/shop/c"),
    ] {
        let map = with(config_map("shop", "c"), "/metadata/labels/act", act);
        let cluster = Arc::new(MemoryCluster::with([map, object("v1", "Secret", "other", "s")]));
        cluster.remove("configmaps", "shop", "kube-root-ca.crt");
        let mut request = request(json!({"includedNamespaces": ["shop"], "includedResources": ["cm"]}));
        request.actions.push(Arc::new(Scripted));
        let made = back_up(request, &ports(&cluster)).await.unwrap();
        assert_eq!(made.paths().join(" "), expected, "{act}");
        assert_eq!(made.outcome.operations.len(), usize::from(act == "operate"));
        let errors = made.results().errors.namespaces;
        assert_eq!(errors.contains_key("shop"), act == "fail", "{errors:?}");
        if act == "must" {
            assert!(
                made.object("configmaps/namespaces/shop/c")["metadata"]["annotations"]
                    .as_object()
                    .unwrap()
                    .is_empty()
            );
        }
    }
}

#[tokio::test]
async fn custom_resources_take_their_definition_along_unless_it_is_excluded() {
    let crd = object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.example.com");
    let versions = json!([{"name": "v1", "served": true, "storage": true}]);
    let spec = json!({"group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"}, "versions": versions});
    let cluster = Arc::new(MemoryCluster::with([with(crd, "/spec", spec)]));
    cluster.put(object("example.com/v1", "Widget", "shop", "w"));
    for (spec, stored) in [
        (json!({"includedNamespaces": ["shop"]}), true),
        (json!({"includedNamespaces": ["shop"], "excludedClusterScopedResources": ["crds"]}), true),
        (json!({"includedNamespaces": ["shop"], "excludedClusterScopedResources": ["crd"]}), false),
        (json!({"includedNamespaces": ["shop"], "includeClusterResources": false}), false),
    ] {
        let made = back_up(request(spec.clone()), &ports(&cluster)).await.unwrap();
        let path = "customresourcedefinitions.apiextensions.k8s.io/cluster/widgets.example.com".to_owned();
        assert_eq!(made.paths().contains(&path), stored, "{spec}");
    }
}
