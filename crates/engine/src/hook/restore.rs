//! Hooks of a restore: init containers put into a pod before it is created, and commands that run once its containers do
//! (behaviour §7.13). Annotations of the pod replace the hooks of the spec.

use std::time::Duration;

use bowline_api::backup::HookErrorMode;
use bowline_api::label;
use bowline_api::restore::{ExecRestoreHook, RestoreHooks, RestoreResourceHookSpec};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::object::Head;
use crate::select::label::Selector;
use crate::select::policy::filter::NameOrPattern;

/// How long a command may take when nothing is said.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A command for a restored pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecHook {
    /// Name for logs and results.
    pub name: String,
    /// Container; empty for the pod's first.
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether a failure ends the pod's further hooks. It is an error in any case.
    pub fail: bool,
    /// How long it may take.
    pub timeout: Duration,
    /// How long to wait for the container; `None` for the server's default.
    pub wait: Option<Duration>,
    /// Whether the container must be ready, and not only running.
    pub wait_for_ready: bool,
}

/// The hooks of a restore's spec, resolved.
#[derive(Clone, Debug, Default)]
pub struct RestoreHookRules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    included: Vec<NameOrPattern>,
    excluded: Vec<NameOrPattern>,
    labels: Selector,
    exec: Vec<ExecHook>,
    init: Vec<Value>,
}

impl RestoreHookRules {
    /// Checks the hooks of a spec. The errors are reasons for a user.
    pub fn resolve(hooks: &RestoreHooks) -> Result<Self, Vec<String>> {
        let mut rules = Vec::new();
        let mut problems = Vec::new();
        for (number, spec) in hooks.resources.iter().enumerate() {
            match rule(spec) {
                Ok(rule) => rules.push(rule),
                Err(problem) => {
                    problems.push(format!("spec.hooks.resources[{number}] ({}): {problem}", spec.name));
                }
            }
        }
        if problems.is_empty() { Ok(Self(rules)) } else { Err(problems) }
    }

    /// The init containers to put into a pod. `namespace` is the one that it is restored into.
    pub fn init_containers(&self, pod: &Head, namespace: &str) -> Vec<Value> {
        match annotated_init(pod) {
            Some(container) => vec![container],
            None => self.rules_for(pod, namespace).flat_map(|rule| rule.init.iter().cloned()).collect(),
        }
    }

    /// The commands to run in a pod.
    pub fn exec_hooks(&self, pod: &Head, namespace: &str) -> Vec<ExecHook> {
        match annotated_exec(pod) {
            Some(hook) => vec![hook],
            None => self.rules_for(pod, namespace).flat_map(|rule| rule.exec.iter().cloned()).collect(),
        }
    }

    fn rules_for<'a>(&'a self, pod: &'a Head, namespace: &'a str) -> impl Iterator<Item = &'a Rule> {
        let hit = |names: &[NameOrPattern], namespace| names.iter().any(|name| name.matches(namespace));
        self.0.iter().filter(move |rule| {
            !hit(&rule.excluded, namespace)
                && (rule.included.is_empty() || hit(&rule.included, namespace))
                && rule.labels.matches(&pod.labels)
        })
    }
}

/// Resource filters of such hooks mean nothing, as in Velero: hooks are for pods.
fn rule(spec: &RestoreResourceHookSpec) -> Result<Rule, String> {
    let names =
        |texts: &[String]| texts.iter().map(|text| NameOrPattern::parse(text)).collect::<Result<Vec<_>, _>>();
    let labels = spec
        .label_selector
        .as_ref()
        .map(Selector::from_spec)
        .transpose()
        .map_err(|error| error.to_string())?;
    let mut exec = Vec::new();
    let mut init = Vec::new();
    for hook in &spec.post_hooks {
        if let Some(hook) = &hook.exec {
            exec.push(from_spec(&spec.name, hook)?);
        }
        if let Some(hook) = &hook.init {
            hook.init_containers.iter().try_for_each(check_container)?;
            init.extend(hook.init_containers.iter().cloned());
        }
    }
    Ok(Rule {
        included: names(&spec.included_namespaces)?,
        excluded: names(&spec.excluded_namespaces)?,
        labels: labels.unwrap_or_default(),
        exec,
        init,
    })
}

fn from_spec(name: &str, hook: &ExecRestoreHook) -> Result<ExecHook, String> {
    if hook.command.is_empty() {
        return Err("exec.command must not be empty".to_owned());
    }
    Ok(ExecHook {
        name: name.to_owned(),
        container: hook.container.clone(),
        command: hook.command.clone(),
        fail: hook.on_error == Some(HookErrorMode::Fail),
        timeout: positive(hook.exec_timeout).unwrap_or(DEFAULT_TIMEOUT),
        wait: positive(hook.wait_timeout),
        wait_for_ready: hook.wait_for_ready == Some(true),
    })
}

fn check_container(container: &Value) -> Result<(), String> {
    for field in ["name", "image"] {
        if container[field].as_str().is_none_or(str::is_empty) {
            return Err(format!("init.initContainers: a container needs {field}"));
        }
    }
    let command = container["command"].as_array();
    if command.is_none_or(Vec::is_empty) {
        return Err("init.initContainers: a container needs command".to_owned());
    }
    Ok(())
}

fn annotated_exec(pod: &Head) -> Option<ExecHook> {
    let value = |name: &str| pod.annotation(name).filter(|text| !text.is_empty());
    let duration = |name: &str| positive(value(name)?.parse().ok()?);
    Some(ExecHook {
        name: "<from-annotation>".to_owned(),
        container: value(label::RESTORE_HOOK_CONTAINER).unwrap_or_default().to_owned(),
        command: command(value(label::RESTORE_HOOK_COMMAND)?),
        fail: value(label::RESTORE_HOOK_ON_ERROR) == Some("Fail"),
        timeout: duration(label::RESTORE_HOOK_EXEC_TIMEOUT).unwrap_or(DEFAULT_TIMEOUT),
        wait: duration(label::RESTORE_HOOK_WAIT_TIMEOUT),
        wait_for_ready: value(label::RESTORE_HOOK_WAIT_FOR_READY).is_some_and(is_true),
    })
}

fn annotated_init(pod: &Head) -> Option<Value> {
    let value = |name: &str| pod.annotation(name).filter(|text| !text.is_empty());
    let image = value(label::INIT_HOOK_CONTAINER_IMAGE)?;
    let unique = || format!("velero-restore-init-{}", hex::encode(&Sha256::digest(pod.key())[..4]));
    let name = value(label::INIT_HOOK_CONTAINER_NAME).map_or_else(unique, ToOwned::to_owned);
    let mut container = json!({"name": name, "image": image});
    // Without a command the image's own entry point runs, as Velero's documents say; its program panics.
    if let Some(text) = value(label::INIT_HOOK_COMMAND) {
        container["command"] = command(text).into();
    }
    Some(container)
}

/// What Go reads as true.
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

/// A JSON list, or else one word.
fn command(text: &str) -> Vec<String> {
    let list = text.starts_with('[').then(|| serde_json::from_str::<Vec<String>>(text).ok()).flatten();
    list.filter(|words| !words.is_empty()).unwrap_or_else(|| vec![text.to_owned()])
}

fn positive(duration: bowline_api::Duration) -> Option<Duration> {
    duration.to_std().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(annotations: &Value, labels: &Value) -> Head {
        let metadata =
            json!({"name": "web", "namespace": "shop", "annotations": annotations, "labels": labels});
        crate::object::Object::from_tree(&json!({"metadata": metadata})).unwrap().head().clone()
    }

    fn rules(hooks: &Value) -> Result<RestoreHookRules, Vec<String>> {
        RestoreHookRules::resolve(&serde_json::from_value(json!({"resources": hooks})).unwrap())
    }

    #[test]
    fn annotations_replace_the_spec() {
        let rules = rules(&json!([{"name": "all", "postHooks": [
            {"exec": {"command": ["a"], "onError": "Fail", "waitTimeout": "5s"}},
            {"init": {"initContainers": [{"name": "i", "image": "x", "command": ["c"]}]}}]}]))
        .unwrap();
        let plain = pod(&json!({}), &json!({}));
        let hooks = rules.exec_hooks(&plain, "shop");
        assert_eq!(
            (hooks[0].fail, hooks[0].wait, hooks[0].timeout),
            (true, Some(Duration::from_secs(5)), DEFAULT_TIMEOUT)
        );
        assert_eq!(rules.init_containers(&plain, "shop").len(), 1);
        let annotated = pod(
            &json!({"post.hook.restore.velero.io/command": r#"["/bin/x","y"]"#, "post.hook.restore.velero.io/wait-for-ready": "true",
                "init.hook.restore.velero.io/container-image": "img", "init.hook.restore.velero.io/command": "/go"}),
            &json!({}),
        );
        let hooks = rules.exec_hooks(&annotated, "shop");
        assert_eq!((hooks[0].command.len(), hooks[0].wait_for_ready, hooks[0].fail), (2, true, false));
        let init = rules.init_containers(&annotated, "shop");
        assert_eq!((init[0]["image"].as_str(), &init[0]["command"]), (Some("img"), &json!(["/go"])));
    }

    #[test]
    fn annotations_are_read_as_go_reads_them() {
        let hook = |name: &str, value: &str| {
            let name = format!("post.hook.restore.velero.io/{name}");
            let annotations = json!({"post.hook.restore.velero.io/command": "x", name: value});
            RestoreHookRules::default().exec_hooks(&pod(&annotations, &json!({})), "shop").remove(0)
        };
        for (text, ready) in [("true", true), ("1", true), ("T", true), ("tRuE", false), ("no", false)] {
            assert_eq!(hook("wait-for-ready", text).wait_for_ready, ready, "{text}");
        }
        for (text, fail) in [("Fail", true), ("Continue", false), ("fail", false), ("", false)] {
            assert_eq!(hook("on-error", text).fail, fail, "{text}");
        }
        let second = Duration::from_secs(1);
        for (text, timeout) in [("90s", 90 * second), ("0s", DEFAULT_TIMEOUT), ("soon", DEFAULT_TIMEOUT)] {
            assert_eq!(hook("exec-timeout", text).timeout, timeout, "{text}");
        }
        for (text, wait) in [("90s", Some(90 * second)), ("0s", None), ("soon", None)] {
            assert_eq!(hook("wait-timeout", text).wait, wait, "{text}");
        }
        for (text, words) in [(r#"["a", "b"]"#, &["a", "b"][..]), ("a b", &["a b"]), ("[a", &["[a"])] {
            assert_eq!(hook("command", text).command, words, "{text}");
        }
        assert_eq!(hook("container", "side").container, "side");
    }

    #[test]
    fn an_init_hook_by_annotation_needs_only_an_image() {
        let init = |annotations: Value| {
            RestoreHookRules::default().init_containers(&pod(&annotations, &json!({})), "shop")
        };
        let image = "init.hook.restore.velero.io/container-image";
        let found = init(json!({image: "img", "init.hook.restore.velero.io/container-name": "first",
            "init.hook.restore.velero.io/timeout": "1s"}));
        assert_eq!(found, [json!({"name": "first", "image": "img"})]);
        let named = init(json!({image: "img"}));
        assert!(named[0]["name"].as_str().unwrap().starts_with("velero-restore-init-"));
        assert!(init(json!({"init.hook.restore.velero.io/command": "x"})).is_empty());
    }

    #[test]
    fn resource_filters_mean_nothing() {
        let rules =
            rules(&json!([{"name": "n", "includedResources": ["secrets"], "excludedResources": ["pods"],
            "postHooks": [{"exec": {"command": ["a"]}}]}]))
            .unwrap();
        assert_eq!(rules.exec_hooks(&pod(&json!({}), &json!({})), "shop").len(), 1);
    }

    #[test]
    fn namespaces_after_mapping_and_labels_decide() {
        let rules =
            rules(&json!([{"name": "n", "includedNamespaces": ["copy-*"], "excludedNamespaces": ["copy-x"],
            "labelSelector": {"matchLabels": {"app": "web"}}, "postHooks": [{"exec": {"command": ["a"]}}]}]))
            .unwrap();
        for (labels, namespace, expected) in [
            (json!({"app": "web"}), "copy-a", 1),
            (json!({"app": "web"}), "copy-x", 0),
            (json!({}), "copy-a", 0),
            (json!({"app": "web"}), "shop", 0),
        ] {
            assert_eq!(rules.exec_hooks(&pod(&json!({}), &labels), namespace).len(), expected, "{namespace}");
        }
    }

    #[test]
    fn incomplete_hooks_are_refused_with_their_place() {
        for (hook, part) in [
            (json!({"exec": {"command": []}}), "exec.command"),
            (json!({"init": {"initContainers": [{"name": "a", "command": ["c"]}]}}), "needs image"),
            (json!({"init": {"initContainers": [{"name": "a", "image": "i"}]}}), "needs command"),
        ] {
            let problems = rules(&json!([{"name": "n", "postHooks": [hook]}])).unwrap_err();
            assert!(
                problems[0].contains(part) && problems[0].starts_with("spec.hooks.resources[0]"),
                "{problems:?}"
            );
        }
    }
}
