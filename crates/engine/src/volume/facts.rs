//! What volume policies look at, read from persistent volumes, claims and pods.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pod::PodVolume;
use crate::object::{Object, ObjectError};
use crate::select::policy::volume::{ClaimFacts, VolumeFacts, quantity};

/// Fields of a persistent volume's spec that are not its source.
const NO_SOURCE: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

/// Facts of a persistent volume, without its claim.
pub fn of_volume(volume: &Object) -> Result<VolumeFacts, ObjectError> {
    let tree = volume.tree()?;
    let spec = &tree["spec"];
    let source = spec.as_object().into_iter().flatten().find(|(key, _)| !NO_SOURCE.contains(&key.as_str()));
    let mut facts = source.map(|(name, details)| of_source(name, details)).unwrap_or_default();
    facts.capacity = spec["capacity"]["storage"].as_str().and_then(quantity).unwrap_or_default();
    facts.storage_class = text(&spec["storageClassName"]);
    Ok(facts)
}

/// Facts of a pod's volume that has no claim.
pub fn of_pod_volume(volume: &PodVolume) -> VolumeFacts {
    of_source(&volume.source, &volume.details)
}

/// Facts of a claim.
pub fn of_claim(claim: &Object) -> Result<ClaimFacts, ObjectError> {
    let tree = claim.tree()?;
    let modes = tree["spec"]["accessModes"].as_array().into_iter().flatten();
    Ok(ClaimFacts {
        labels: claim.head().labels.clone(),
        phase: text(&tree["status"]["phase"]),
        volume_mode: text(&tree["spec"]["volumeMode"]),
        access_modes: modes.map(text).collect(),
    })
}

fn of_source(name: &str, details: &Value) -> VolumeFacts {
    let attributes = || -> BTreeMap<String, String> {
        let attributes = details["volumeAttributes"].as_object().into_iter().flatten();
        attributes.map(|(key, value)| (key.clone(), text(value))).collect()
    };
    VolumeFacts {
        volume_type: name.to_owned(),
        nfs: (name == "nfs").then(|| (text(&details["server"]), text(&details["path"]))),
        csi: (name == "csi").then(|| (text(&details["driver"]), attributes())),
        ..VolumeFacts::default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_s_source_is_what_no_other_field_is() {
        let volume = json!({"metadata": {"name": "v"}, "spec": {"capacity": {"storage": "10Mi"}, "accessModes": [],
            "storageClassName": "fast", "csi": {"driver": "d", "volumeAttributes": {"a": "b"}}}});
        let facts = of_volume(&Object::from_tree(&volume).unwrap()).unwrap();
        assert_eq!(
            (facts.capacity, facts.storage_class.as_str(), facts.volume_type.as_str()),
            (10 << 20, "fast", "csi")
        );
        assert_eq!(facts.csi, Some(("d".into(), BTreeMap::from([("a".into(), "b".into())]))));
    }
}
