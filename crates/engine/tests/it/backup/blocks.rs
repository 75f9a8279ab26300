//! Item blocks: what belongs together comes along together.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bowline_engine::action::{Action, ActionError, ActionSelector, BlockContext, ItemBlockAction, ItemId};
use bowline_engine::backup::BackupRequest;
use bowline_engine::catalog::GroupResource;
use bowline_engine::object::Object;
use bowline_engine::port::{ClusterError, ExecError, ExecRequest, PodExec, Ports};
use bowline_testing::object::{config_map, object, with};
use bowline_testing::{MemoryCluster, ScriptedExec, ports};
use serde_json::{Value, json};

use super::harness::{back_up, request};
use super::related::{hooks, pod, put, volumes, with_exec};

fn labelled(object: Value) -> Value {
    with(object, "/metadata/labels/chosen", "yes")
}

fn chosen() -> Value {
    json!({"labelSelector": {"matchLabels": {"chosen": "yes"}}})
}

/// A claim that is chosen by label, and two running pods and one pending one that use it and are not.
fn shared() -> MemoryCluster {
    let cluster = MemoryCluster::with([
        pod("a", "data", json!({})),
        pod("b", "data", json!({})),
        with(pod("late", "data", json!({})), "/status/phase", "Pending"),
        pod("other", "other", json!({})),
    ]);
    let [claim, volume] = volumes("data", "pv-1");
    put(&cluster, [labelled(claim), volume]);
    put(&cluster, volumes("other", "pv-2"));
    cluster
}

#[tokio::test]
async fn a_claim_brings_its_volume_and_the_running_pods_that_use_it() {
    let made = back_up(request(chosen()), &ports(&Arc::new(shared()))).await.unwrap();
    let expected = [
        "namespaces/cluster/shop",
        "persistentvolumeclaims/namespaces/shop/data",
        "persistentvolumes/cluster/pv-1",
        "pods/namespaces/shop/a",
        "pods/namespaces/shop/b",
    ];
    assert_eq!(made.paths(), expected);
    assert!(made.results().errors.is_empty());
}

#[tokio::test]
async fn filters_hold_for_what_belongs_to_an_object() {
    for (filter, expected) in [
        (json!({"excludedResources": ["pods"]}), "persistentvolumeclaims/namespaces/shop/data"),
        (json!({"includeClusterResources": false}), "pods/namespaces/shop/a"),
    ] {
        let mut spec = chosen();
        spec.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let made = back_up(request(spec), &ports(&Arc::new(shared()))).await.unwrap();
        let paths = made.paths().join(" ");
        assert!(paths.contains(expected), "{filter}: {paths}");
        let pods = filter.get("excludedResources").is_none();
        assert_eq!((paths.contains("pods/"), paths.contains("pv-1")), (pods, !pods), "{filter}: {paths}");
    }
}

#[tokio::test]
async fn a_pod_brings_its_claim_and_the_other_pods_of_that() {
    let cluster = MemoryCluster::with([labelled(pod("a", "data", json!({}))), pod("b", "data", json!({}))]);
    put(&cluster, volumes("data", "pv-1"));
    let made = back_up(request(chosen()), &ports(&Arc::new(cluster))).await.unwrap();
    let paths = made.paths();
    assert!(paths.contains(&"pods/namespaces/shop/b".to_owned()), "{paths:?}");
    assert!(paths.contains(&"persistentvolumes/cluster/pv-1".to_owned()), "{paths:?}");
}

#[tokio::test]
async fn claims_of_a_volume_group_belong_together() {
    let group = |claim: Value| with(claim, "/metadata/labels/velero.io~1volume-group", "db");
    let cluster = MemoryCluster::default();
    for (claim, volume) in [("log", "pv-1"), ("data", "pv-2"), ("alone", "pv-3")] {
        let [object, volume] = volumes(claim, volume);
        let object = if claim == "alone" { object } else { group(object) };
        put(&cluster, [if claim == "log" { labelled(object) } else { object }, volume]);
    }
    let mut spec = chosen();
    spec["volumeGroupSnapshotLabelKey"] = "velero.io/volume-group".into();
    let made = back_up(request(spec), &ports(&Arc::new(cluster))).await.unwrap();
    let paths = made.paths().join(" ");
    assert!(paths.contains("shop/log") && paths.contains("shop/data") && paths.contains("pv-2"), "{paths}");
    assert!(!paths.contains("alone"), "{paths}");
}

#[tokio::test]
async fn hooks_of_pods_that_belong_to_a_chosen_claim_enclose_it() {
    let cluster = MemoryCluster::with([pod("a", "data", hooks()), pod("b", "data", hooks())]);
    let [claim, volume] = volumes("data", "pv-1");
    put(&cluster, [labelled(claim), volume]);
    let (cluster, exec) = (Arc::new(cluster), Arc::new(ScriptedExec::default()));
    let made = back_up(request(chosen()), &with_exec(&cluster, &exec)).await.unwrap();
    let ran: Vec<_> = exec.ran().into_iter().map(|run| format!("{} {}", run.pod, run.command[0])).collect();
    assert_eq!(ran, ["a freeze", "b freeze", "a thaw", "b thaw"]);
    assert_eq!(made.paths().len(), 5, "{:?}", made.paths());
}

#[tokio::test]
async fn pods_that_share_only_a_priority_class_are_blocks_of_their_own() {
    let class = |pod: Value| with(pod, "/spec/priorityClassName", "high");
    let cluster = MemoryCluster::with([
        class(pod("a", "one", hooks())),
        class(pod("b", "two", hooks())),
        object("scheduling.k8s.io/v1", "PriorityClass", "", "high"),
    ]);
    let (cluster, exec) = (Arc::new(cluster), Arc::new(ScriptedExec::default()));
    let made = back_up(request(json!({})), &with_exec(&cluster, &exec)).await.unwrap();
    let ran: Vec<_> = exec.ran().into_iter().map(|run| format!("{} {}", run.pod, run.command[0])).collect();
    assert_eq!(ran, ["a freeze", "a thaw", "b freeze", "b thaw"]);
    assert!(made.paths().contains(&"priorityclasses.scheduling.k8s.io/cluster/high".to_owned()));
}

/// Takes a moment for each command, and remembers how many pods were frozen at once.
#[derive(Default)]
struct Slow {
    frozen: Mutex<(usize, usize)>,
}

#[async_trait]
impl PodExec for Slow {
    async fn exec(&self, request: &ExecRequest) -> Result<String, ExecError> {
        if request.command[0] == "freeze" {
            let mut frozen = self.frozen.lock().unwrap();
            frozen.0 += 1;
            frozen.1 = frozen.1.max(frozen.0);
        } else {
            self.frozen.lock().unwrap().0 -= 1;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(String::new())
    }
}

#[tokio::test]
async fn as_many_blocks_run_at_once_as_there_are_workers() {
    let pods = ["a", "b", "c"].map(|name| pod(name, &format!("of-{name}"), hooks()));
    for (workers, most) in [(1, 1), (2, 2), (8, 3)] {
        let exec = Arc::new(Slow::default());
        let ports =
            Ports { exec: Arc::clone(&exec) as _, ..ports(&Arc::new(MemoryCluster::with(pods.clone()))) };
        back_up(BackupRequest { workers, ..request(json!({})) }, &ports).await.unwrap();
        assert_eq!(exec.frozen.lock().unwrap().1, most, "{workers} workers");
    }
}

/// Relates each ConfigMap to the Secret that its annotation names.
struct SecretOf;

#[async_trait]
impl Action for SecretOf {
    fn name(&self) -> &'static str {
        "example.com/secret-of"
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(ActionSelector::resources(&["cm"]))
    }
}

#[async_trait]
impl ItemBlockAction for SecretOf {
    async fn related_items(&self, item: &Object, _: &BlockContext<'_>) -> Result<Vec<ItemId>, ActionError> {
        let named = |name: &str| ItemId {
            resource: GroupResource::new("", "secrets"),
            namespace: item.head().namespace.clone(),
            name: name.to_owned(),
        };
        match item.head().annotation("secret") {
            Some("broken") => Err(ActionError::Failed("no idea".into())),
            name => Ok(name.map(named).into_iter().collect()),
        }
    }
}

#[tokio::test]
async fn an_item_block_action_brings_what_it_names_and_its_failure_is_an_error_beside_the_item() {
    for (secret, expected, error) in [
        ("s", "configmaps/namespaces/shop/c namespaces/cluster/shop secrets/namespaces/shop/s", ""),
        (
            "broken",
            "configmaps/namespaces/shop/c namespaces/cluster/shop",
            "example.com/secret-of failed: no idea",
        ),
        ("gone", "configmaps/namespaces/shop/c namespaces/cluster/shop", ""),
    ] {
        let map = with(config_map("shop", "c"), "/metadata/annotations/secret", secret);
        let cluster = Arc::new(MemoryCluster::with([labelled(map), object("v1", "Secret", "shop", "s")]));
        let mut request = request(chosen());
        request.block_actions.push(Arc::new(SecretOf));
        let made = back_up(request, &ports(&cluster)).await.unwrap();
        assert_eq!(made.paths().join(" "), expected, "{secret}");
        let (errors, warnings) = (made.results().errors.namespaces, made.results().warnings.namespaces);
        assert_eq!(errors.contains_key("shop"), !error.is_empty(), "{errors:?}");
        assert!(error.is_empty() || errors["shop"][0].contains(error), "{errors:?}");
        assert_eq!(warnings.contains_key("shop"), secret == "gone", "{warnings:?}");
    }
}

#[tokio::test]
async fn a_claim_is_not_lost_when_the_pod_whose_block_it_waits_for_is_gone() {
    let cluster = MemoryCluster::with([pod("a", "data", hooks())]);
    let [claim, volume] = volumes("data", "pv-1");
    put(&cluster, [labelled(claim), volume]);
    let cluster = Arc::new(cluster);
    let seen = std::sync::atomic::AtomicUsize::new(0);
    cluster.faults.before(move |call| {
        let read = call.verb == "get" && call.resource == "pods";
        let gone = read && seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0;
        gone.then(|| ClusterError::NotFound { message: "gone".into() })
    });
    let exec = Arc::new(ScriptedExec::default());
    let made = back_up(request(chosen()), &with_exec(&cluster, &exec)).await.unwrap();
    assert!(exec.ran().is_empty());
    assert!(
        made.paths().contains(&"persistentvolumeclaims/namespaces/shop/data".to_owned()),
        "{:?}",
        made.paths()
    );
}
