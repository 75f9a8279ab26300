//! Hooks of a backup: commands in the containers of a pod before and after it is stored (behaviour §6.9).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bowline_api::backup::{BackupHooks, BackupResourceHook, BackupResourceHookSpec, HookErrorMode};
use bowline_api::label;
use serde::Deserialize;

use crate::backup::HookCounts;
use crate::catalog::{Catalog, GroupResource};
use crate::object::{Head, Object};
use crate::port::{ExecError, ExecRequest, PodExec};
use crate::select::label::Selector;
use crate::select::policy::filter::NameOrPattern;

/// How long a hook may take that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the pod and what belongs to it is stored.
    Pre,
    /// After that.
    Post,
}

/// One command for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Name for logs and results.
    pub name: String,
    /// Container; empty for the pod's first.
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether a failure keeps the pod out of the backup. Anything but `Fail` does not, as in Velero, also when nothing is said.
    pub fail: bool,
    /// How long it may take.
    pub timeout: Duration,
}

/// The hooks of a backup's spec, resolved.
#[derive(Debug, Default)]
pub struct HookRules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    included: Vec<NameOrPattern>,
    excluded: Vec<NameOrPattern>,
    labels: Selector,
    pre: Vec<Hook>,
    post: Vec<Hook>,
}

/// A hook that failed.
#[derive(Debug, thiserror::Error)]
#[error("hook {hook} in container {container} failed")]
pub struct HookFailed {
    hook: String,
    container: String,
    /// What went wrong.
    #[source]
    source: ExecError,
}

/// Counts hooks as they run.
#[derive(Debug, Default)]
pub struct HookCounter {
    attempted: AtomicU64,
    failed: AtomicU64,
}

impl HookRules {
    /// Resolves the hooks of a spec; rules that are not about pods are dropped, as only pods have hooks. The errors are reasons for
    /// a user.
    pub fn resolve(hooks: &BackupHooks, catalog: &Catalog) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut rules = Vec::new();
        for spec in &hooks.resources {
            match rule(spec) {
                Ok(rule) if is_about_pods(spec, catalog) => rules.push(rule),
                Ok(_) => {}
                Err(reason) => problems.push(format!("spec.hooks.resources, {:?}: {reason}", spec.name)),
            }
        }
        if problems.is_empty() { Ok(Self(rules)) } else { Err(problems) }
    }

    /// The hooks of a pod: those of its annotations, else those of the spec.
    pub fn of_pod(&self, pod: &Head, phase: Phase) -> Vec<Hook> {
        if let Some(hook) = from_annotations(pod, phase) {
            return vec![hook];
        }
        let namespace = pod.namespace.as_deref().unwrap_or_default();
        let fits = |rule: &&Rule| {
            (rule.included.is_empty() || rule.included.iter().any(|name| name.matches(namespace)))
                && !rule.excluded.iter().any(|name| name.matches(namespace))
                && rule.labels.matches(&pod.labels)
        };
        let hooks = |rule: &Rule| if phase == Phase::Pre { rule.pre.clone() } else { rule.post.clone() };
        self.0.iter().filter(fits).flat_map(hooks).collect()
    }

    /// Whether a pod has hooks at all.
    pub fn has_any(&self, pod: &Head) -> bool {
        [Phase::Pre, Phase::Post].iter().any(|phase| !self.of_pod(pod, *phase).is_empty())
    }
}

impl HookCounter {
    /// What was counted.
    pub fn counts(&self) -> HookCounts {
        HookCounts { attempted: self.attempted.load(Relaxed), failed: self.failed.load(Relaxed) }
    }
}

/// Runs hooks one after the other. Failures are given to `report`; the first failure of a hook that must not fail ends the run and
/// is returned. Hooks that are left out, after such a failure or because the pod has ended and has no containers to run anything in,
/// count as attempted all the same, as in Velero.
pub async fn run(
    hooks: &[Hook],
    pod: &Object,
    exec: &dyn PodExec,
    counter: &HookCounter,
    mut report: impl FnMut(&HookFailed),
) -> Result<(), HookFailed> {
    if hooks.is_empty() {
        return Ok(());
    }
    counter.attempted.fetch_add(hooks.len() as u64, Relaxed);
    let view: PodView = pod.view().unwrap_or_default();
    for hook in hooks {
        let container = hook.container_in(&view);
        let done = match &container {
            Ok(container) => run_one(hook, container, pod, &view, exec).await,
            Err(missing) => Err(ExecError::NotRunning(missing.clone())),
        };
        if let Err(source) = done {
            counter.failed.fetch_add(1, Relaxed);
            let container = container.unwrap_or_else(|_| hook.container.clone());
            let failed = HookFailed { hook: hook.name.clone(), container, source };
            report(&failed);
            if hook.fail {
                return Err(failed);
            }
        }
    }
    Ok(())
}

async fn run_one(
    hook: &Hook,
    container: &str,
    pod: &Object,
    view: &PodView,
    exec: &dyn PodExec,
) -> Result<(), ExecError> {
    let head = pod.head();
    let (namespace, name) = (head.namespace.as_deref().unwrap_or_default(), head.name.as_str());
    if let Some(phase @ ("Succeeded" | "Failed")) = view.status.phase.as_deref() {
        tracing::info!(namespace, name, hook = hook.name, "hook is left out: the pod has ended as {phase}");
        return Ok(());
    }
    tracing::info!(namespace, name, hook = hook.name, container, command = ?hook.command, "running exec hook");
    let request = ExecRequest {
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
        container: container.to_owned(),
        command: hook.command.clone(),
        deadline: hook.timeout,
    };
    let output = exec.exec(&request).await?;
    tracing::info!(namespace, name, hook = hook.name, "hook ended well, stdout: {}", output.trim_end());
    Ok(())
}

impl Hook {
    /// The container to run it in. The error says why there is none.
    fn container_in(&self, pod: &PodView) -> Result<String, String> {
        if self.command.is_empty() {
            return Err("the command is empty".into());
        }
        let mut names = pod.containers();
        if self.container.is_empty() {
            return names.next().map(str::to_owned).ok_or_else(|| "the pod has no container".into());
        }
        match names.find(|name| *name == self.container) {
            Some(name) => Ok(name.to_owned()),
            None => Err(format!("the pod has no container {:?}", self.container)),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodView {
    spec: SpecView,
    status: StatusView,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SpecView {
    containers: Vec<ContainerView>,
    init_containers: Vec<ContainerView>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerView {
    name: String,
    restart_policy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusView {
    phase: Option<String>,
}

impl PodView {
    /// Names of the containers that run beside each other: the ordinary ones, then the init containers that are sidecars.
    fn containers(&self) -> impl Iterator<Item = &str> {
        let sidecars = self.spec.init_containers.iter();
        let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        self.spec.containers.iter().chain(sidecars).map(|container| container.name.as_str())
    }
}

fn rule(spec: &BackupResourceHookSpec) -> Result<Rule, String> {
    let names =
        |texts: &[String]| texts.iter().map(|text| NameOrPattern::parse(text)).collect::<Result<Vec<_>, _>>();
    let labels = spec
        .label_selector
        .as_ref()
        .map(Selector::from_spec)
        .transpose()
        .map_err(|error| error.to_string())?;
    let hooks = |hooks: &[BackupResourceHook]| {
        hooks.iter().map(|hook| from_spec(&spec.name, hook)).collect::<Result<Vec<_>, _>>()
    };
    Ok(Rule {
        included: names(&spec.included_namespaces)?,
        excluded: names(&spec.excluded_namespaces)?,
        labels: labels.unwrap_or_default(),
        pre: hooks(&spec.pre)?,
        post: hooks(&spec.post)?,
    })
}

fn is_about_pods(spec: &BackupResourceHookSpec, catalog: &Catalog) -> bool {
    let pods = GroupResource::new("", "pods");
    let names = |text: &String| match catalog.resolve(text) {
        Some(kind) => kind.group_resource() == pods,
        None => NameOrPattern::parse(text).is_ok_and(|pattern| pattern.matches("pods")),
    };
    // A lone star excludes nothing, as in Velero.
    let excluded = spec.excluded_resources.iter().filter(|text| *text != "*").any(names);
    !excluded && (spec.included_resources.is_empty() || spec.included_resources.iter().any(names))
}

fn from_spec(name: &str, hook: &BackupResourceHook) -> Result<Hook, String> {
    let exec = hook.exec.as_ref().ok_or("a hook needs exec")?;
    if exec.command.is_empty() {
        return Err("exec.command must not be empty".into());
    }
    Ok(Hook {
        name: name.to_owned(),
        container: exec.container.clone(),
        command: exec.command.clone(),
        fail: exec.on_error == Some(HookErrorMode::Fail),
        timeout: exec.timeout.to_std().filter(|timeout| !timeout.is_zero()).unwrap_or(DEFAULT_TIMEOUT),
    })
}

/// The annotations `pre.hook.backup.velero.io/…` or `post.hook…`; those without a phase are the old form and mean pre. The forms are
/// not mixed: where the command has a phase, the others must have it too.
fn from_annotations(pod: &Head, phase: Phase) -> Option<Hook> {
    let keys = match phase {
        Phase::Pre => [
            label::PRE_HOOK_COMMAND,
            label::PRE_HOOK_CONTAINER,
            label::PRE_HOOK_ON_ERROR,
            label::PRE_HOOK_TIMEOUT,
        ],
        Phase::Post => [
            label::POST_HOOK_COMMAND,
            label::POST_HOOK_CONTAINER,
            label::POST_HOOK_ON_ERROR,
            label::POST_HOOK_TIMEOUT,
        ],
    };
    let old = keys.map(|key| key.strip_prefix("pre.").unwrap_or_default());
    [keys, old].into_iter().find_map(|keys| hook_of(pod, keys))
}

/// The hook of these annotations: command, container, on-error, timeout.
fn hook_of(pod: &Head, [command, container, on_error, timeout]: [&str; 4]) -> Option<Hook> {
    let value = |name: &str| pod.annotation(name).filter(|text| !text.is_empty());
    let text = value(command)?;
    let list = text.starts_with('[').then(|| serde_json::from_str::<Vec<String>>(text).ok()).flatten();
    let timeout = value(timeout).and_then(|text| text.parse::<bowline_api::Duration>().ok()?.to_std());
    Some(Hook {
        name: "<from-annotation>".into(),
        container: value(container).unwrap_or_default().to_owned(),
        command: list.unwrap_or_else(|| vec![text.to_owned()]),
        fail: value(on_error) == Some("Fail"),
        timeout: timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(DEFAULT_TIMEOUT),
    })
}

#[cfg(test)]
mod tests;
