//! Objects that are changed while they are restored: Velero's ResourceModifier, and the other kinds of patches.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::Scenario;

/// Restores a Deployment and two ConfigMaps under these rules, and gives the Deployment's spec and the ConfigMaps' data.
fn modified(purpose: &str, rules: &str) -> Result<(Value, Value, Value)> {
    let scenario = Scenario::new(purpose)?;
    let namespace = scenario.namespace("first")?;
    let container = json!({"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}]});
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template});
    let metadata = json!({"name": "web", "namespace": namespace, "labels": {"app": "web"}});
    let plain = json!({"name": "plain", "namespace": namespace});
    scenario.apply(&[
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": plain, "data": {"colour": "blue"}}),
    ])?;
    let rules = rules.replace("NAMESPACE", &namespace);
    let metadata = json!({"name": scenario.name, "namespace": scenario.bowline.namespace()});
    scenario.apply(&[
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"rules.yaml": rules}}),
    ])?;
    scenario.back_up(&["--include-namespaces", &namespace, "--exclude-resources", "pods,replicasets"])?;
    let copy = format!("{namespace}-copy");
    let mappings = format!("{namespace}:{copy}");
    let flags = ["--resource-modifier-configmap", &scenario.name, "--namespace-mappings", &mappings];
    scenario.restore("r", &flags)?;
    let get = |kind: &str, name: &str| scenario.cluster.get(&["-n", &copy, kind, name]);
    let (settings, plain) = (get("configmap", "settings")?, get("configmap", "plain")?);
    Ok((get("deployment", "web")?["spec"].clone(), settings["data"].clone(), plain["data"].clone()))
}

fn containers(deployment: &Value) -> &Value {
    &deployment["template"]["spec"]["containers"]
}

/// Rules may test before they change; one that does not apply leaves the object as it was.
#[test]
fn json_patches_add_a_container_and_replicas() -> Result<()> {
    let rules = r#"
version: v1
resourceModifierRules:
- conditions:
    groupResource: deployments.apps
    resourceNameRegex: "^we.$"
    namespaces: [NAMESPACE]
    labelSelector: {matchLabels: {app: web}}
  patches:
  - {operation: test, path: /spec/replicas, value: "1"}
  - {operation: replace, path: /spec/replicas, value: "3"}
  - operation: add
    path: /spec/template/spec/containers/-
    value: '{"name": "side", "image": "side:1"}'
- conditions: {groupResource: configmaps, namespaces: [elsewhere]}
  patches: [{operation: remove, path: /data/colour}]
- conditions:
    groupResource: configmaps
    matches: [{path: /metadata/name, value: plain}]
  patches:
  - {operation: copy, from: /data/colour, path: /data/copied}
"#;
    let (deployment, settings, plain) = modified("json-patch", rules)?;
    assert_eq!(deployment["replicas"], 3);
    assert_eq!(containers(&deployment)[0]["image"], "web:1");
    assert_eq!(containers(&deployment)[1]["image"], "side:1");
    assert_eq!(settings, json!({"colour": "blue"}));
    assert_eq!(plain, json!({"colour": "blue", "copied": "blue"}));
    Ok(())
}

#[test]
fn a_merge_patch_replaces_and_removes() -> Result<()> {
    let rules = r#"
version: v1
resourceModifierRules:
- conditions: {groupResource: configmaps, resourceNameRegex: "^settings$"}
  mergePatches:
  - patchData: |
      data: {colour: null, shape: round}
"#;
    let (_, settings, plain) = modified("merge-patch", rules)?;
    assert_eq!(settings, json!({"shape": "round"}));
    assert_eq!(plain, json!({"colour": "blue"}));
    Ok(())
}

#[test]
fn a_strategic_patch_merges_lists_by_their_keys() -> Result<()> {
    let rules = r#"
version: v1
resourceModifierRules:
- conditions: {groupResource: deployments.apps}
  strategicPatches:
  - patchData: |
      spec:
        template:
          spec:
            containers:
            - name: web
              env: [{name: B, value: "2"}]
            - {name: side, image: "side:1"}
"#;
    let (deployment, ..) = modified("strategic-patch", rules)?;
    let named = |name: &str| {
        let list = containers(&deployment).as_array().into_iter().flatten();
        list.clone().find(|container| container["name"] == name).cloned().unwrap_or_default()
    };
    let mut environment = named("web")["env"].as_array().cloned().unwrap_or_default();
    environment.sort_by_key(|variable| variable["name"].to_string());
    assert_eq!(environment, [json!({"name": "A", "value": "1"}), json!({"name": "B", "value": "2"})]);
    assert_eq!((&named("web")["image"], &named("side")["image"]), (&json!("web:1"), &json!("side:1")));
    Ok(())
}

#[test]
fn rules_that_can_never_work_are_refused_before_anything_is_changed() -> Result<()> {
    let scenario = Scenario::new("bad-rules")?;
    let namespace = scenario.namespace("first")?;
    let rules = "version: v1\nresourceModifierRules:\n- conditions: {groupResource: pods}\n  patches: [{operation: fly, path: /x}]\n";
    let metadata = json!({"name": scenario.name, "namespace": scenario.bowline.namespace()});
    scenario.apply(&[
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"rules.yaml": rules}}),
    ])?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    let copy = format!("{namespace}-copy");
    let mappings = format!("{namespace}:{copy}");
    let flags = ["--resource-modifier-configmap", &scenario.name, "--namespace-mappings", &mappings];
    scenario.try_restore("r", &flags)?;
    let restore = scenario.bowline.object("restore", &scenario.named("r"))?;
    assert_eq!(restore["status"]["phase"], "FailedValidation", "{}", restore["status"]);
    assert!(restore["status"]["validationErrors"].to_string().contains("fly"), "{}", restore["status"]);
    assert!(!scenario.exists(&["namespace", &copy])?);
    Ok(())
}
