//! Kinds that a cluster was taught: Velero's APIExtensions. The definition comes back before its objects.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::Scenario;

#[test]
fn a_definition_comes_back_with_its_objects() -> Result<()> {
    let scenario = Scenario::new("extensions")?;
    let namespace = scenario.namespace("first")?;
    let group = format!("{}.example", scenario.name);
    let definition = definition(&group);
    scenario.apply(std::slice::from_ref(&definition))?;
    let crd = format!("ships.{group}");
    scenario.await_definition(&crd)?;
    let ship = json!({"apiVersion": format!("{group}/v1"), "kind": "Ship", "spec": {"masts": 3},
        "metadata": {"name": "argo", "namespace": namespace}});
    scenario.apply(&[ship])?;

    scenario.back_up(&["--include-namespaces", &namespace])?;
    // With its definition every object of the kind goes.
    scenario.delete(&["crd", &crd])?;
    scenario.delete(&["namespace", &namespace])?;
    scenario.restore("r", &[])?;
    let restored = scenario.cluster.get(&["-n", &namespace, &crd, "argo"])?;
    assert_eq!(restored["spec"], json!({"masts": 3}));
    let after = scenario.cluster.get(&["crd", &crd])?;
    assert_eq!(after["spec"]["versions"], definition["spec"]["versions"]);
    scenario.delete(&["crd", &crd])
}

fn definition(group: &str) -> Value {
    let spec = json!({"type": "object", "properties": {"masts": {"type": "integer"}}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("ships.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "ships", "kind": "Ship"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}
