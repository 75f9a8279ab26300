//! Runs the commands in restored pods: each as soon as its container runs, while the rest of the restore goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
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

/// Why the other hooks of a pod are not run after one that must not fail.
const ENDED: &str = "it was not run, because another hook of the pod failed";

/// The hooks of one pod.
pub(super) struct PodHooks {
    pod: ObjectRef,
    /// Names of its containers; init containers, of which some go on beside the others, come last.
    containers: Vec<String>,
    hooks: Vec<ExecHook>,
}

/// The hooks of one pod while they run.
struct Turn<'a> {
    pod: &'a PodHooks,
    started: Timestamp,
    /// Cancelled by a hook that must not fail.
    ended: CancellationToken,
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
        let view = created.view::<PodView>().unwrap_or_default();
        let containers = view.spec.containers.into_iter().chain(view.spec.init_containers);
        let containers = containers.map(|container| container.name).collect();
        let pod = PodHooks { pod: prepared.target.clone(), containers, hooks };
        // The receiver waits for the end of the run.
        let _ = self.pods_with_hooks.send(Some(pod));
    }

    /// Hooks of one container run in their order, containers side by side. A hook that must not fail ends all of them.
    async fn run_hooks(&self, pod: &PodHooks) {
        self.hook_counter.attempted.fetch_add(pod.hooks.len() as u64, Ordering::Relaxed);
        let mut containers: BTreeMap<&str, Vec<&ExecHook>> = BTreeMap::new();
        for hook in &pod.hooks {
            containers.entry(pod.container_of(hook)).or_default().push(hook);
        }
        let turn = Turn { pod, started: self.ports.clock.now(), ended: CancellationToken::new() };
        let turn = &turn;
        let all = containers.into_iter().map(async |(container, hooks)| {
            self.run_in_container(turn, container, &hooks).await;
        });
        join_all(all).await;
    }

    /// All hooks of a container wait for it together: until it is ready, when one of them asks for that.
    async fn run_in_container(&self, turn: &Turn<'_>, container: &str, hooks: &[&ExecHook]) {
        let up = tokio::select! {
            biased;
            () = turn.ended.cancelled() => Err(ENDED.to_owned()),
            up = self.await_container(turn.pod, container, hooks) => up,
        };
        for hook in hooks {
            if self.is_stopped() {
                return;
            }
            let outcome = match &up {
                _ if turn.ended.is_cancelled() => Err(ENDED.to_owned()),
                Err(problem) => Err(problem.clone()),
                Ok(()) => self.run_hook(turn, container, hook).await,
            };
            if let Err(problem) = outcome {
                self.hook_failed(&turn.pod.pod, container, hook, &problem);
                if hook.fail && up.is_ok() {
                    turn.ended.cancel();
                }
            }
        }
    }

    /// Runs a hook, unless its container came too late for it: the time counts from the pod's creation, hooks before this one included.
    async fn run_hook(&self, turn: &Turn<'_>, container: &str, hook: &ExecHook) -> Result<(), String> {
        let waited = self.ports.clock.now().duration_since(turn.started);
        if let Some(limit) = hook.wait.filter(|limit| waited.unsigned_abs() > *limit) {
            return Err(format!("it could not be run within {limit:?}"));
        }
        let pod = &turn.pod.pod;
        let request = ExecRequest {
            namespace: pod.namespace.clone().unwrap_or_default(),
            pod: pod.name.clone(),
            container: container.to_owned(),
            command: hook.command.clone(),
            deadline: hook.timeout,
        };
        let output = tokio::select! {
            biased;
            () = turn.ended.cancelled() => Err(ENDED.to_owned()),
            output = self.ports.exec.exec(&request) => output.map_err(|error| chain(&error)),
        };
        let output = output?;
        tracing::info!(pod = pod.name, hook = hook.name, output, "hook ran");
        Ok(())
    }

    /// Every hook that fails is an error, as in Velero: `onError` only says whether the pod's other hooks go on.
    fn hook_failed(&self, pod: &ObjectRef, container: &str, hook: &ExecHook, problem: &str) {
        self.hook_counter.failed.fetch_add(1, Ordering::Relaxed);
        let message =
            format!("hook {} in container {container} of pod {} failed: {problem}", hook.name, pod.name);
        let pods = GroupResource::new("", "pods");
        self.add_finding(Level::Error, &pods, pod.namespace.as_deref(), &pod.name, message);
    }

    /// Waits until the container can take commands, at most as long as the most patient hook of the pod. Velero waits without end when
    /// one of them says nothing; here the resource timeout counts then, as in its next release.
    async fn await_container(
        &self,
        pod: &PodHooks,
        container: &str,
        hooks: &[&ExecHook],
    ) -> Result<(), String> {
        if !pod.containers.iter().any(|have| have == container) {
            return Err("the pod has no such container".to_owned());
        }
        let timeout = pod.patience().unwrap_or(self.request.resource_timeout);
        let ready = hooks.iter().any(|hook| hook.wait_for_ready);
        let seen = Arc::new(Mutex::new(Readiness::Waiting));
        let condition: Condition = {
            let (seen, container) = (Arc::clone(&seen), container.to_owned());
            Arc::new(move |object| {
                let readiness = readiness(object, &container, ready);
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = readiness;
                readiness != Readiness::Waiting
            })
        };
        let waited = self.client.cluster.wait(&pod.pod, condition, timeout).await;
        let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        match (waited, seen) {
            (Ok(()), Readiness::Up) => Ok(()),
            (Ok(()), _) => Err("the pod has ended or is gone".to_owned()),
            (Err(ClusterError::Timeout), _) => {
                let state = if ready { "ready" } else { "running" };
                Err(format!("the container was not {state} within {timeout:?}"))
            }
            (Err(error), _) => Err(error.to_string()),
        }
    }
}

impl PodHooks {
    /// The container that a hook names, or else the first.
    fn container_of<'a>(&'a self, hook: &'a ExecHook) -> &'a str {
        let first = || self.containers.first().map_or("", String::as_str);
        if hook.container.is_empty() { first() } else { &hook.container }
    }

    /// The longest wait; `None` when one of the hooks says nothing.
    fn patience(&self) -> Option<Duration> {
        let waits: Option<Vec<Duration>> = self.hooks.iter().map(|hook| hook.wait).collect();
        waits?.into_iter().max()
    }
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
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
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
