//! Namespaces themselves: Velero's Basic ClusterResource.

use anyhow::Result;
use serde_json::json;

use super::stage::Scenario;

#[test]
fn namespaces_come_back_even_when_they_are_empty() -> Result<()> {
    let scenario = Scenario::new("namespaces")?;
    let names = [scenario.named("first"), scenario.named("second")];
    scenario.apply(
        &names
            .each_ref()
            .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})),
    )?;
    scenario.back_up(&["--include-namespaces", &names.join(",")])?;
    scenario.delete(&["namespace", &names[0], &names[1]])?;
    scenario.restore("r", &[])?;
    for name in &names {
        assert!(scenario.exists(&["namespace", name])?, "{name}");
    }
    Ok(())
}

#[test]
fn namespaces_keep_their_labels_and_annotations() -> Result<()> {
    let scenario = Scenario::new("namespace-annotation")?;
    let name = scenario.namespace("first")?;
    let (labels, annotations) = (json!({"team": "shop"}), json!({"shop.example/note": "ä <&> \"\n"}));
    let metadata = json!({"name": name, "labels": labels, "annotations": annotations});
    scenario.apply(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})])?;
    scenario.back_up(&["--include-namespaces", &name])?;
    let copy = format!("{name}-copy");
    scenario.restore("r", &["--namespace-mappings", &format!("{name}:{copy}")])?;
    let restored = scenario.cluster.get(&["namespace", &copy])?;
    assert_eq!(restored["metadata"]["annotations"], annotations);
    assert_eq!(restored["metadata"]["labels"]["team"], "shop");
    Ok(())
}
