//! Runs the commands in restored pods: each as soon as its container runs, while the rest of the restore goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::place::Prepared;
use super::run::Run;
use crate::backup::HookCounts;
use crate::catalog::GroupResource;
use crate::finding::{Level, chain};
use crate::hook::restore::ExecHook;
use crate::object::Object;
use crate::port::{ClusterError, Condition, ExecRequest, ObjectRef};

/// The hooks of one pod.
pub(super) struct PodHooks {
    pod: ObjectRef,
    first_container: String,
    hooks: Vec<ExecHook>,
}

/// Where created pods with hooks are announced; `None` says that no more will come.
pub(super) type HookSender = UnboundedSender<Option<PodHooks>>;

/// How many hooks ran.
#[derive(Debug, Default)]
pub(super) struct HookCounter {
    attempted: AtomicU64,
    failed: AtomicU64,
}

impl HookCounter {
    pub(super) fn counts(&self) -> HookCounts {
        HookCounts {
            attempted: self.attempted.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

/// Runs the hooks of all pods that are announced, until the last is done.
pub(super) async fn run_all(run: Arc<Run>, mut pods: UnboundedReceiver<Option<PodHooks>>) {
    let mut tasks = JoinSet::new();
    while let Some(Some(pod)) = pods.recv().await {
        let run = Arc::clone(&run);
        tasks.spawn(async move { run.run_hooks(&pod).await }.in_current_span());
    }
    while tasks.join_next().await.is_some() {}
}

impl Run {
    /// Announces a created pod, when it has hooks.
    pub(super) fn announce_hooks(&self, prepared: &Prepared, created: &Object) {
        let namespace = prepared.target.namespace.as_deref().unwrap_or_default();
        let hooks = self.rules().hooks.exec_hooks(created.head(), namespace);
        if hooks.is_empty() {
            return;
        }
        let first_container =
            created.view::<PodView>().ok().and_then(|pod| pod.spec.containers.into_iter().next());
        let pod = PodHooks {
            pod: prepared.target.clone(),
            first_container: first_container.map(|container| container.name).unwrap_or_default(),
            hooks,
        };
        // The receiver waits for the end of the run.
        let _ = self.pods_with_hooks.send(Some(pod));
    }

    /// Hooks of one container run in their order, containers side by side. A hook that must not fail ends all of them.
    async fn run_hooks(&self, pod: &PodHooks) {
        let mut containers: BTreeMap<&str, Vec<&ExecHook>> = BTreeMap::new();
        for hook in &pod.hooks {
            let container = if hook.container.is_empty() {
                pod.first_container.as_str()
            } else {
                hook.container.as_str()
            };
            containers.entry(container).or_default().push(hook);
        }
        let failed = CancellationToken::new();
        let all = containers.into_iter().map(|(container, hooks)| {
            let failed = &failed;
            async move {
                for hook in hooks {
                    if failed.is_cancelled() || self.is_stopped() {
                        return;
                    }
                    self.run_hook(&pod.pod, container, hook, failed).await;
                }
            }
        });
        join_all(all).await;
    }

    async fn run_hook(&self, pod: &ObjectRef, container: &str, hook: &ExecHook, failed: &CancellationToken) {
        self.hook_counter.attempted.fetch_add(1, Ordering::Relaxed);
        let attempt = async {
            self.await_container(pod, container, hook).await?;
            let request = ExecRequest {
                namespace: pod.namespace.clone().unwrap_or_default(),
                pod: pod.name.clone(),
                container: container.to_owned(),
                command: hook.command.clone(),
                deadline: hook.timeout,
            };
            self.ports.exec.exec(&request).await.map_err(|error| chain(&error))
        };
        let outcome = tokio::select! {
            () = failed.cancelled() => Err("another hook of the pod failed".to_owned()),
            outcome = attempt => outcome,
        };
        match outcome {
            Ok(output) => tracing::info!(pod = pod.name, hook = hook.name, output, "hook ran"),
            Err(problem) => {
                self.hook_counter.failed.fetch_add(1, Ordering::Relaxed);
                let message = format!(
                    "hook {} in container {container} of pod {} failed: {problem}",
                    hook.name, pod.name
                );
                let level = if hook.fail { Level::Error } else { Level::Warning };
                self.add_finding(
                    level,
                    &GroupResource::new("", "pods"),
                    pod.namespace.as_deref(),
                    &pod.name,
                    message,
                );
                if hook.fail {
                    failed.cancel();
                }
            }
        }
    }

    /// Waits until the container can take commands. Velero waits without end when nothing is said; here the resource timeout counts, as
    /// in its next release.
    async fn await_container(&self, pod: &ObjectRef, container: &str, hook: &ExecHook) -> Result<(), String> {
        let timeout = hook.wait.unwrap_or(self.request.resource_timeout);
        let seen = Arc::new(Mutex::new(Readiness::Waiting));
        let condition: Condition = {
            let (seen, container, ready) = (Arc::clone(&seen), container.to_owned(), hook.wait_for_ready);
            Arc::new(move |object| {
                let readiness = readiness(object, &container, ready);
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = readiness;
                readiness != Readiness::Waiting
            })
        };
        let waited = self.client.cluster.wait(pod, condition, timeout).await;
        let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        match (waited, seen) {
            (Ok(()), Readiness::Up) => Ok(()),
            (Ok(()), _) => Err("the pod has ended or is gone".to_owned()),
            (Err(ClusterError::Timeout), _) => Err(late(hook, timeout)),
            (Err(error), _) => Err(error.to_string()),
        }
    }
}

fn late(hook: &ExecHook, timeout: Duration) -> String {
    let state = if hook.wait_for_ready { "ready" } else { "running" };
    format!("the container was not {state} within {timeout:?}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Waiting,
    Up,
    Gone,
}

fn readiness(pod: Option<&Object>, container: &str, ready: bool) -> Readiness {
    let Some(pod) = pod else { return Readiness::Gone };
    let Ok(PodView { status, .. }) = pod.view() else { return Readiness::Waiting };
    if matches!(status.phase.as_str(), "Succeeded" | "Failed") {
        return Readiness::Gone;
    }
    let mut containers = status.container_statuses.iter().chain(&status.init_container_statuses);
    let up = containers.any(|it| it.name == container && it.state.running.is_some() && (!ready || it.ready));
    if up { Readiness::Up } else { Readiness::Waiting }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodView {
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    ready: bool,
    state: State,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_up_when_it_runs_and_is_ready_where_that_counts() {
        let pod = |phase: &str, state: serde_json::Value, ready: bool| {
            let status =
                json!({"phase": phase, "containerStatuses": [{"name": "c", "ready": ready, "state": state}]});
            Object::from_tree(&json!({"metadata": {"name": "p"}, "status": status})).unwrap()
        };
        for (pod, ready, expected) in [
            (pod("Running", json!({"running": {}}), false), false, Readiness::Up),
            (pod("Running", json!({"running": {}}), false), true, Readiness::Waiting),
            (pod("Running", json!({"running": {}}), true), true, Readiness::Up),
            (pod("Pending", json!({"waiting": {}}), false), false, Readiness::Waiting),
            (pod("Failed", json!({"terminated": {}}), false), false, Readiness::Gone),
        ] {
            assert_eq!(readiness(Some(&pod), "c", ready), expected);
        }
        assert_eq!(readiness(None, "c", false), Readiness::Gone);
    }
}
