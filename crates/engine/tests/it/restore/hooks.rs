//! Commands in restored pods.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bowline_api::restore::{Restore, RestoreHooks};
use bowline_engine::finding::Level;
use bowline_engine::port::{ClusterError, ExecError, Ports};
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, RestoreOutcome};
use bowline_testing::object::{object, with};
use bowline_testing::{FrozenClock, MemoryCluster, ScriptedExec};
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
    run_pods(cluster, exec, restore, &["web"]).await
}

async fn run_pods(
    cluster: &Arc<MemoryCluster>,
    exec: &Arc<ScriptedExec>,
    restore: Restore,
    pods: &[&str],
) -> RestoreOutcome {
    let ports = Ports { exec: Arc::clone(exec) as _, ..bowline_testing::ports(cluster) };
    let request = request(restore, &ports).await;
    let pods: Vec<_> = pods.iter().map(|name| ("pods", pod(name))).collect();
    let spool = spool_of(&pods).await;
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
async fn a_failed_hook_is_an_error_and_ends_the_pod_s_hooks_where_it_must_not_fail() {
    for (on_error, ran) in [("Continue", 2), ("Fail", 1)] {
        let cluster = Arc::new(MemoryCluster::default());
        start_on_wait(&cluster);
        let exec = Arc::new(ScriptedExec::new(|_| Err(ExecError::Exit { code: 1, output: "boom".into() })));
        let hook = json!({"exec": {"command": ["x"], "onError": on_error}});
        let outcome = run(&cluster, &exec, hooks(&json!([hook, hook]))).await;
        assert_eq!(exec.ran().len(), ran, "{on_error}");
        let findings = outcome.findings.list();
        assert!(findings.iter().all(|finding| finding.level == Level::Error));
        assert!(
            findings[0].message.contains("hook h in container main of pod web failed")
                && findings[0].message.contains("boom")
        );
        assert_eq!(findings[1].message.contains("was not run"), ran == 1, "{}", findings[1].message);
        assert_eq!((outcome.hooks.attempted, outcome.hooks.failed), (2, 2));
    }
}

#[tokio::test]
async fn a_failed_hook_of_one_pod_leaves_the_hooks_of_others_alone() {
    let cluster = Arc::new(MemoryCluster::default());
    start_on_wait(&cluster);
    let exec = Arc::new(ScriptedExec::new(|request| match request.pod.as_str() {
        "web" => Err(ExecError::Exit { code: 1, output: "boom".into() }),
        _ => Ok(String::new()),
    }));
    let restore = hooks(&json!([{"exec": {"command": ["x"], "onError": "Fail"}}]));
    let outcome = run_pods(&cluster, &exec, restore, &["other", "web"]).await;
    assert_eq!((outcome.hooks.attempted, outcome.hooks.failed, exec.ran().len()), (2, 1, 2));
}

#[tokio::test]
async fn the_hooks_of_a_container_wait_for_it_together() {
    let cluster = Arc::new(MemoryCluster::default());
    // Its containers run, but are not ready.
    start_on_wait(&cluster);
    let exec = Arc::new(ScriptedExec::default());
    let restore = hooks(&json!([
        {"exec": {"command": ["first"], "waitTimeout": "3s"}},
        {"exec": {"command": ["second"], "waitTimeout": "2s", "waitForReady": true}},
        {"exec": {"command": ["beside"], "waitTimeout": "1s", "container": "side"}}]));
    let outcome = run(&cluster, &exec, restore).await;
    let ran: Vec<_> = exec.ran().into_iter().map(|it| it.command[0].clone()).collect();
    assert_eq!(ran, ["beside"]);
    assert_eq!((outcome.hooks.attempted, outcome.hooks.failed), (3, 2));
    assert!(outcome.findings.list()[0].message.ends_with("the container was not ready within 3s"));
}

#[tokio::test]
async fn a_hook_s_wait_counts_the_hooks_before_it() {
    let cluster = Arc::new(MemoryCluster::default());
    start_on_wait(&cluster);
    let clock = Arc::new(FrozenClock::default());
    let slow = Arc::clone(&clock);
    let exec = Arc::new(ScriptedExec::new(move |_| {
        slow.advance(Duration::from_secs(20));
        Ok(String::new())
    }));
    let hook = |command: &str, wait: &str| json!({"exec": {"command": [command], "waitTimeout": wait}});
    let restore = hooks(&json!([hook("slow", "5s"), hook("late", "5s"), hook("patient", "1m")]));
    let ports = Ports { exec: Arc::clone(&exec) as _, clock, ..bowline_testing::ports(&cluster) };
    let request = request(restore, &ports).await;
    let spool = spool_of(&[("pods", pod("web"))]).await;
    let outcome = restore::run(&request, &spool, &ports, &Progress::default(), &CancellationToken::new())
        .await
        .unwrap();
    let ran: Vec<_> = exec.ran().into_iter().map(|it| it.command[0].clone()).collect();
    assert_eq!(ran, ["slow", "patient"]);
    assert!(outcome.findings.list()[0].message.ends_with("it could not be run within 5s"));
}

#[tokio::test]
async fn a_container_that_the_pod_does_not_have_is_named_at_once() {
    let cluster = Arc::new(MemoryCluster::default());
    let exec = Arc::new(ScriptedExec::default());
    let outcome =
        run(&cluster, &exec, hooks(&json!([{"exec": {"command": ["x"], "container": "none"}}]))).await;
    assert!(outcome.findings.list()[0].message.ends_with("the pod has no such container"));
    assert_eq!((outcome.hooks.attempted, outcome.hooks.failed), (1, 1));
}

#[tokio::test]
async fn a_pod_that_has_ended_runs_no_hooks() {
    let cluster = Arc::new(MemoryCluster::default());
    let weak: Weak<MemoryCluster> = Arc::downgrade(&cluster);
    cluster.faults.before(move |call| {
        if call.verb == "wait" {
            let cluster = weak.upgrade().unwrap();
            let pod = cluster.object("pods", "shop", &call.name).unwrap();
            cluster.put(with(pod, "/status/phase", "Failed"));
        }
        None::<ClusterError>
    });
    let exec = Arc::new(ScriptedExec::default());
    let outcome = run(&cluster, &exec, hooks(&json!([{"exec": {"command": ["x"]}}]))).await;
    assert!(outcome.findings.list()[0].message.ends_with("the pod has ended or is gone"));
    assert!(exec.ran().is_empty());
}

#[tokio::test]
async fn a_pod_that_exists_already_runs_no_hooks() {
    let exec = Arc::new(ScriptedExec::default());
    let cluster = Arc::new(MemoryCluster::with([pod("web")]));
    let outcome = run(&cluster, &exec, hooks(&json!([{"exec": {"command": ["x"]}}]))).await;
    assert_eq!((outcome.hooks.attempted, exec.ran().len()), (0, 0));
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
