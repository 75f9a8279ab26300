//! Commands in restored pods.

use std::sync::{Arc, Weak};

use bowline_api::restore::{Restore, RestoreHooks};
use bowline_engine::finding::Level;
use bowline_engine::port::{ClusterError, ExecError, Ports};
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, RestoreOutcome};
use bowline_testing::object::{object, with};
use bowline_testing::{MemoryCluster, ScriptedExec};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::harness::{request, restore_with, spool_of};

fn pod(name: &str) -> Value {
    with(object("v1", "Pod", "shop", name), "/spec/containers", json!([{"name": "main"}, {"name": "side"}]))
}

fn hooks(hooks: &Value) -> Restore {
    restore_with(|spec| {
        spec.hooks =
            serde_json::from_value::<RestoreHooks>(json!({"resources": [{"name": "h", "postHooks": hooks}]}))
                .unwrap();
    })
}

/// Marks the containers of a pod as running when somebody waits for it.
fn start_on_wait(cluster: &Arc<MemoryCluster>) {
    let weak: Weak<MemoryCluster> = Arc::downgrade(cluster);
    cluster.faults.before(move |call| {
        if call.verb == "wait" {
            let cluster = weak.upgrade().unwrap();
            let pod = cluster.object("pods", "shop", &call.name).unwrap();
            let running = |name| json!({"name": name, "state": {"running": {}}});
            cluster.put(with(pod, "/status/containerStatuses", json!([running("main"), running("side")])));
        }
        None::<ClusterError>
    });
}

async fn run(cluster: &Arc<MemoryCluster>, exec: &Arc<ScriptedExec>, restore: Restore) -> RestoreOutcome {
    let ports = Ports { exec: Arc::clone(exec) as _, ..bowline_testing::ports(cluster) };
    let request = request(restore, &ports).await;
    let spool = spool_of(&[("pods", pod("web"))]).await;
    restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn hooks_run_in_order_once_their_container_runs() {
    let cluster = Arc::new(MemoryCluster::default());
    start_on_wait(&cluster);
    let exec = Arc::new(ScriptedExec::default());
    let restore =
        hooks(&json!([{"exec": {"command": ["one"]}}, {"exec": {"command": ["two"], "container": "main"}}]));
    let outcome = run(&cluster, &exec, restore).await;
    let ran: Vec<_> =
        exec.ran().iter().map(|it| format!("{}/{} {}", it.pod, it.container, it.command[0])).collect();
    assert_eq!(ran, ["web/main one", "web/main two"]);
    assert_eq!((outcome.hooks.attempted, outcome.hooks.failed), (2, 0));
    assert_eq!(outcome.findings.list(), []);
}

#[tokio::test]
async fn a_failed_hook_is_a_warning_or_ends_the_pod_s_hooks() {
    for (on_error, level, ran) in [("Continue", Level::Warning, 2), ("Fail", Level::Error, 1)] {
        let cluster = Arc::new(MemoryCluster::default());
        start_on_wait(&cluster);
        let exec = Arc::new(ScriptedExec::new(|_| Err(ExecError::Exit { code: 1, stderr: "boom".into() })));
        let hook = json!({"exec": {"command": ["x"], "onError": on_error}});
        let outcome = run(&cluster, &exec, hooks(&json!([hook, hook]))).await;
        assert_eq!(exec.ran().len(), ran, "{on_error}");
        let findings = outcome.findings.list();
        assert_eq!((findings.len(), findings[0].level), (ran, level));
        assert!(
            findings[0].message.contains("hook h in container main of pod web failed")
                && findings[0].message.contains("boom")
        );
    }
}

#[tokio::test]
async fn a_container_that_never_runs_is_waited_for_and_named() {
    let cluster = Arc::new(MemoryCluster::default());
    let exec = Arc::new(ScriptedExec::default());
    let restore = hooks(&json!([{"exec": {"command": ["x"], "waitTimeout": "3s", "onError": "Fail"}}]));
    let outcome = run(&cluster, &exec, restore).await;
    assert!(exec.ran().is_empty());
    assert!(outcome.findings.list()[0].message.ends_with("the container was not running within 3s"));
    assert_eq!((outcome.hooks.attempted, outcome.hooks.failed), (1, 1));
}

#[tokio::test]
async fn init_containers_are_put_before_those_of_the_pod() {
    let cluster = Arc::new(MemoryCluster::default());
    let exec = Arc::new(ScriptedExec::default());
    let container = json!({"name": "prepare", "image": "x", "command": ["y"]});
    run(&cluster, &exec, hooks(&json!([{"init": {"initContainers": [container]}}]))).await;
    assert_eq!(cluster.object("pods", "shop", "web").unwrap()["spec"]["initContainers"], json!([container]));
}
