//! Claims that come back in another storage class: Velero's Basic StorageClass.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::Scenario;

#[test]
fn the_storage_class_of_a_claim_is_changed() -> Result<()> {
    let scenario = Scenario::new("storage-class")?;
    let namespace = scenario.namespace("first")?;
    let (old, new) = (scenario.named("old"), scenario.named("new"));
    let class = |name: &str| {
        let metadata = json!({"name": name});
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata, "provisioner": "none"})
    };
    let claim = |name: &str, class: &str| {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}});
        let metadata = json!({"name": name, "namespace": namespace});
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    };
    let mapping = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {old.as_str(): new.as_str()}, "metadata": {
        "name": scenario.name, "namespace": scenario.bowline.namespace(),
        "labels": {"velero.io/plugin-config": "", "velero.io/change-storage-class": "RestoreItemAction"}}});
    scenario.apply(&[class(&old), class(&new), claim("data", &old), claim("other", &new), mapping])?;
    scenario.back_up(&["--include-namespaces", &namespace])?;
    let copy = format!("{namespace}-copy");
    scenario.restore("r", &["--namespace-mappings", &format!("{namespace}:{copy}")])?;
    for name in ["data", "other"] {
        let restored: Value = scenario.cluster.get(&["-n", &copy, "pvc", name])?;
        assert_eq!(restored["spec"]["storageClassName"], new.as_str(), "{name}");
    }
    scenario.delete(&["storageclass", &old, &new])
}
