//! A restore into what is still there: `--existing-resource-policy`.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::Scenario;

/// A backup of a namespace in which one object was changed afterwards.
fn changed(purpose: &str) -> Result<(Scenario, String)> {
    let scenario = Scenario::new(purpose)?;
    let namespace = scenario.namespace("first")?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    let account = json!({"imagePullSecrets": [{"name": "later"}], "metadata": {"labels": {"later": "yes"}}});
    for (kind, name, patch) in [
        ("configmap", "settings", json!({"data": {"colour": "red", "later": "yes"}})),
        ("serviceaccount", "clerk", account),
    ] {
        let patch = patch.to_string();
        let arguments = ["-n", &namespace, "patch", kind, name, "--type=merge", "-p", &patch];
        scenario.cluster.kubectl(arguments)?.ok()?;
    }
    Ok((scenario, namespace))
}

fn settings(scenario: &Scenario, namespace: &str) -> Result<Value> {
    scenario.cluster.get(&["-n", namespace, "configmap", "settings"])
}

#[test]
fn none_leaves_what_is_there_and_warns() -> Result<()> {
    let (scenario, namespace) = changed("existing-none")?;
    scenario.restore("r", &["--existing-resource-policy", "none"])?;
    let after = settings(&scenario, &namespace)?;
    assert_eq!(after["data"], json!({"colour": "red", "later": "yes"}));
    assert_eq!(after["metadata"]["labels"], Value::Null);
    let described = scenario.bowline.ok(&["restore", "describe", &scenario.named("r"), "--details"])?;
    assert!(described.contains("configmaps/settings") || described.contains("settings"), "{described}");
    let restore = scenario.bowline.object("restore", &scenario.named("r"))?;
    // The ConfigMap; a service account is merged whatever the policy says.
    assert_eq!(restore["status"]["warnings"], 1, "{described}");
    Ok(())
}

#[test]
fn update_makes_it_what_it_was() -> Result<()> {
    let (scenario, namespace) = changed("existing-update")?;
    scenario.restore("r", &["--existing-resource-policy", "update"])?;
    let after = settings(&scenario, &namespace)?;
    assert_eq!(after["data"], json!({"colour": "blue"}));
    assert_eq!(after["metadata"]["labels"]["velero.io/restore-name"], scenario.named("r").as_str());
    let account = scenario.cluster.get(&["-n", &namespace, "serviceaccount", "clerk"])?;
    assert_eq!(account["imagePullSecrets"], json!([{"name": "later"}]));
    assert_eq!(account["metadata"]["labels"]["later"], "yes");
    let described = scenario.bowline.ok(&["restore", "describe", &scenario.named("r"), "--details"])?;
    assert!(described.contains("settings(updated)") && described.contains("keys(skipped)"), "{described}");
    Ok(())
}
