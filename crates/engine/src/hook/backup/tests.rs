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
    let annotated =
        pod(&json!({"pre.hook.backup.velero.io/command": "x", "pre.hook.backup.velero.io/timeout": "bad"}));
    let hooks = rules.of_pod(&annotated, Phase::Pre);
    assert_eq!(
        (hooks[0].command[0].as_str(), hooks[0].fail, hooks[0].timeout),
        ("x", false, DEFAULT_TIMEOUT)
    );
}

#[test]
fn annotations_with_and_without_a_phase_are_not_mixed() {
    let head =
        pod(&json!({"pre.hook.backup.velero.io/command": "a", "hook.backup.velero.io/container": "old",
            "hook.backup.velero.io/command": "b", "hook.backup.velero.io/on-error": "Fail"}));
    let hook = &HookRules::default().of_pod(&head, Phase::Pre)[0];
    assert_eq!((hook.command[0].as_str(), hook.container.as_str(), hook.fail), ("a", "", false));
    let head = pod(&json!({"hook.backup.velero.io/command": "b", "hook.backup.velero.io/container": "old",
            "hook.backup.velero.io/on-error": "Fail", "hook.backup.velero.io/timeout": "2m"}));
    let hook = &HookRules::default().of_pod(&head, Phase::Pre)[0];
    assert_eq!((hook.container.as_str(), hook.fail, hook.timeout), ("old", true, Duration::from_mins(2)));
}

#[test]
fn rules_are_for_pods_however_they_name_them() {
    let mut pods = crate::catalog::Kind::builtin("", "v1", "Pod", "pods", true);
    pods.short_names = vec!["po".into()];
    let catalog = Catalog::new(vec![pods], Vec::new());
    for (included, excluded, about) in [
        (json!([]), json!([]), true),
        (json!(["po"]), json!([]), true),
        (json!(["*"]), json!([]), true),
        (json!(["po*"]), json!([]), true),
        (json!(["secrets"]), json!([]), false),
        (json!([]), json!(["pods"]), false),
        (json!([]), json!(["*"]), true),
    ] {
        let spec = json!({"name": "n", "includedResources": included, "excludedResources": excluded});
        assert_eq!(is_about_pods(&serde_json::from_value(spec.clone()).unwrap(), &catalog), about, "{spec}");
    }
}

#[test]
fn a_hook_runs_in_the_named_container_or_the_first() {
    let view: PodView = serde_json::from_value(json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}],
            "initContainers": [{"name": "once"}, {"name": "side", "restartPolicy": "Always"}]}}))
    .unwrap();
    let hook = |container: &str, command: &[&str]| Hook {
        name: "h".into(),
        container: container.into(),
        command: command.iter().map(ToString::to_string).collect(),
        fail: false,
        timeout: DEFAULT_TIMEOUT,
    };
    assert_eq!(hook("", &["x"]).container_in(&view).unwrap(), "a");
    assert_eq!(hook("b", &["x"]).container_in(&view).unwrap(), "b");
    assert_eq!(hook("side", &["x"]).container_in(&view).unwrap(), "side");
    assert!(hook("once", &["x"]).container_in(&view).unwrap_err().contains("no container \"once\""));
    assert!(hook("", &["x"]).container_in(&PodView::default()).unwrap_err().contains("has no container"));
    assert!(hook("", &[]).container_in(&view).unwrap_err().contains("command is empty"));
}

#[test]
fn hooks_without_a_command_are_refused() {
    let spec =
        serde_json::from_value(json!({"resources": [{"name": "n", "pre": [{"exec": {"command": []}}]}]}))
            .unwrap();
    let problems = HookRules::resolve(&spec, &Catalog::default()).unwrap_err();
    assert_eq!(problems, ["spec.hooks.resources, \"n\": exec.command must not be empty"]);
}
