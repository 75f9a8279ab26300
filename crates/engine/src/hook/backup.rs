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
/// is returned. A pod that has ended has no containers to run anything in, so its hooks are left out.
pub async fn run(
    hooks: &[Hook],
    pod: &Object,
    exec: &dyn PodExec,
    counter: &HookCounter,
    mut report: impl FnMut(&HookFailed),
) -> Result<(), HookFailed> {
    let view: PodView = pod.view().unwrap_or_default();
    if hooks.is_empty() || matches!(view.status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return Ok(());
    }
    let head = pod.head();
    for hook in hooks {
        let container =
            if hook.container.is_empty() { view.first_container() } else { hook.container.clone() };
        let request = ExecRequest {
            namespace: head.namespace.clone().unwrap_or_default(),
            pod: head.name.clone(),
            container: container.clone(),
            command: hook.command.clone(),
            deadline: hook.timeout,
        };
        counter.attempted.fetch_add(1, Relaxed);
        match exec.exec(&request).await {
            Ok(output) => tracing::info!(pod = %head.key(), hook = hook.name, output, "hook ran"),
            Err(source) => {
                counter.failed.fetch_add(1, Relaxed);
                let failed = HookFailed { hook: hook.name.clone(), container, source };
                report(&failed);
                if hook.fail {
                    return Err(failed);
                }
            }
        }
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodView {
    spec: SpecView,
    status: StatusView,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SpecView {
    containers: Vec<ContainerView>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContainerView {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusView {
    phase: Option<String>,
}

impl PodView {
    fn first_container(&self) -> String {
        self.spec.containers.first().map(|container| container.name.clone()).unwrap_or_default()
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
    let names = |texts: &[String]| {
        texts.iter().any(|text| {
            text == "*" || catalog.resolve(text).is_some_and(|kind| kind.group_resource() == pods)
        })
    };
    (spec.included_resources.is_empty() || names(&spec.included_resources))
        && !names(&spec.excluded_resources)
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

/// The annotation `pre.hook.backup.velero.io/…` or `post.hook…`; the form without a phase is the old one and means pre.
fn from_annotations(pod: &Head, phase: Phase) -> Option<Hook> {
    let (command, container, on_error, timeout) = match phase {
        Phase::Pre => (
            label::PRE_HOOK_COMMAND,
            label::PRE_HOOK_CONTAINER,
            label::PRE_HOOK_ON_ERROR,
            label::PRE_HOOK_TIMEOUT,
        ),
        Phase::Post => (
            label::POST_HOOK_COMMAND,
            label::POST_HOOK_CONTAINER,
            label::POST_HOOK_ON_ERROR,
            label::POST_HOOK_TIMEOUT,
        ),
    };
    let value = |name: &str| {
        let text = pod.annotation(name).filter(|text| !text.is_empty());
        text.or_else(|| pod.annotation(name.strip_prefix("pre.")?).filter(|text| !text.is_empty()))
    };
    let text = value(command)?;
    let list = text.starts_with('[').then(|| serde_json::from_str::<Vec<String>>(text).ok()).flatten();
    let timeout = value(timeout).and_then(|text| text.parse::<bowline_api::Duration>().ok()?.to_std());
    Some(Hook {
        name: "<from-annotation>".into(),
        container: value(container).unwrap_or_default().to_owned(),
        command: list.filter(|command| !command.is_empty()).unwrap_or_else(|| vec![text.to_owned()]),
        fail: value(on_error) == Some("Fail"),
        timeout: timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(DEFAULT_TIMEOUT),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(annotations: &serde_json::Value) -> Head {
        let pod = json!({"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": annotations}});
        Object::from_tree(&pod).unwrap().head().clone()
    }

    #[test]
    fn annotations_give_hooks_in_every_form() {
        let rules = HookRules::default();
        let command = |annotations, phase| {
            rules
                .of_pod(&pod(&annotations), phase)
                .into_iter()
                .map(|hook| hook.command.join(" "))
                .collect::<Vec<_>>()
        };
        let list = json!({"pre.hook.backup.velero.io/command": "[\"/bin/sh\",\"-c\",\"sync\"]"});
        assert_eq!(command(list, Phase::Pre), ["/bin/sh -c sync"]);
        assert_eq!(command(json!({"post.hook.backup.velero.io/command": "/thaw"}), Phase::Post), ["/thaw"]);
        let old = json!({"hook.backup.velero.io/command": "/freeze"});
        assert_eq!(command(old.clone(), Phase::Pre), ["/freeze"]);
        assert!(command(old, Phase::Post).is_empty());
        assert_eq!(command(json!({"pre.hook.backup.velero.io/command": "[broken"}), Phase::Pre), ["[broken"]);
    }

    #[test]
    fn annotations_win_over_the_spec() {
        let spec = serde_json::from_value(json!({"resources": [
            {"name": "all", "includedResources": ["po"], "labelSelector": {"matchLabels": {"app": "web"}},
             "pre": [{"exec": {"command": ["a"], "onError": "Fail", "timeout": "5s"}}]},
            {"name": "not here", "excludedNamespaces": ["sh*"], "pre": [{"exec": {"command": ["b"]}}]},
            {"name": "not pods", "includedResources": ["secrets"], "pre": [{"exec": {"command": ["c"]}}]}]}))
        .unwrap();
        let mut pods = crate::catalog::Kind::builtin("", "v1", "Pod", "pods", true);
        pods.short_names = vec!["po".into()];
        let rules = HookRules::resolve(&spec, &Catalog::new(vec![pods], Vec::new())).unwrap();
        let own = rules.of_pod(&pod(&json!({})), Phase::Pre);
        assert_eq!((own.len(), own[0].fail, own[0].timeout), (1, true, Duration::from_secs(5)));
        let annotated = pod(
            &json!({"pre.hook.backup.velero.io/command": "x", "pre.hook.backup.velero.io/timeout": "bad"}),
        );
        let hooks = rules.of_pod(&annotated, Phase::Pre);
        assert_eq!(
            (hooks[0].command[0].as_str(), hooks[0].fail, hooks[0].timeout),
            ("x", false, DEFAULT_TIMEOUT)
        );
    }

    #[test]
    fn hooks_without_a_command_are_refused() {
        let spec =
            serde_json::from_value(json!({"resources": [{"name": "n", "pre": [{"exec": {"command": []}}]}]}))
                .unwrap();
        let problems = HookRules::resolve(&spec, &Catalog::default()).unwrap_err();
        assert_eq!(problems, ["spec.hooks.resources, \"n\": exec.command must not be empty"]);
    }
}
