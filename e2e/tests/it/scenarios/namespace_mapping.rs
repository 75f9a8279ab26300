//! Namespaces that come back under other names: Velero's NamespaceMapping.

use anyhow::Result;
use serde_json::json;

use super::stage::{CONTENT, Scenario, set};

#[test]
fn single() -> Result<()> {
    let scenario = Scenario::new("mapping-single")?;
    let namespace = scenario.namespace("first")?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    scenario.delete(&["namespace", &namespace])?;
    let copy = format!("{namespace}-mapped");
    scenario.restore("r", &["--namespace-mappings", &format!("{namespace}:{copy}")])?;
    assert_eq!(scenario.content(&copy)?, set(CONTENT));
    assert!(!scenario.exists(&["namespace", &namespace])?);
    Ok(())
}

/// Also what refers to a namespace follows it: the subjects of bindings.
#[test]
fn multiple() -> Result<()> {
    let scenario = Scenario::new("mapping-multiple")?;
    let namespaces = [scenario.namespace("first")?, scenario.namespace("second")?];
    let [first, second] = &namespaces;
    let subject = |namespace| json!([{"kind": "ServiceAccount", "name": "clerk", "namespace": namespace}]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"});
    scenario.apply(&[json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "roleRef": role,
        "metadata": {"name": "readers", "namespace": first}, "subjects": subject(second),
    })])?;
    scenario.back_up(&["--include-namespaces", &namespaces.join(",")])?;
    scenario.delete(&["namespace", first, second])?;
    let mappings = format!("{first}:{first}-mapped,{second}:{second}-mapped");
    scenario.restore("r", &["--namespace-mappings", &mappings])?;
    for namespace in &namespaces {
        assert_eq!(scenario.content(&format!("{namespace}-mapped"))?, set(CONTENT));
        assert!(!scenario.exists(&["namespace", namespace])?);
    }
    let binding = scenario.cluster.get(&["-n", &format!("{first}-mapped"), "rolebinding", "readers"])?;
    assert_eq!(binding["subjects"], subject(&format!("{second}-mapped")));
    Ok(())
}
