//! Volumes that policies skip: Velero's ResourceFiltering ResourcePolicies, by every condition that needs no pod.

use anyhow::Result;
use serde_json::{Value, json};

use super::stage::Scenario;

/// A volume and the claim that is bound to it.
fn volume(
    scenario: &Scenario,
    namespace: &str,
    name: &str,
    size: &str,
    (source, details): (&str, Value),
) -> [Value; 2] {
    let (volume, class) =
        (scenario.named(name), scenario.named(if name == "class" { "slow" } else { "fast" }));
    let size = json!({"storage": size});
    let mut spec = json!({"capacity": size, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": namespace, "name": name}});
    spec[source] = details;
    let labels = json!({"keep": if name == "label" { "no" } else { "yes" }});
    [
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec}),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class, "volumeName": volume, "resources": {"requests": size}}}),
    ]
}

fn csi(scenario: &Scenario, name: &str, driver: &str, tier: &str) -> (&'static str, Value) {
    let details =
        json!({"driver": driver, "volumeHandle": scenario.named(name), "volumeAttributes": {"tier": tier}});
    ("csi", details)
}

#[test]
fn volumes_are_skipped_by_the_policies_of_a_config_map() -> Result<()> {
    let scenario = Scenario::new("volume-policies")?;
    let namespace = scenario.namespace("first")?;
    let nfs = || ("nfs", json!({"server": "files.example", "path": "/export"}));
    let volumes = [
        volume(&scenario, &namespace, "large", "200Gi", csi(&scenario, "large", "disk.example", "gold")),
        volume(&scenario, &namespace, "class", "1Gi", csi(&scenario, "class", "disk.example", "gold")),
        volume(&scenario, &namespace, "driver", "1Gi", csi(&scenario, "driver", "old.example", "gold")),
        volume(
            &scenario,
            &namespace,
            "attribute",
            "1Gi",
            csi(&scenario, "attribute", "disk.example", "iron"),
        ),
        volume(&scenario, &namespace, "share", "1Gi", nfs()),
        volume(&scenario, &namespace, "label", "1Gi", csi(&scenario, "label", "disk.example", "gold")),
        volume(&scenario, &namespace, "kept", "1Gi", csi(&scenario, "kept", "disk.example", "gold")),
    ];
    let skip = |conditions: &str| format!("- {{conditions: {{{conditions}}}, action: {{type: skip}}}}\n");
    let policies = [
        "version: v1\nvolumePolicies:\n".to_owned(),
        skip("capacity: '100Gi,'"),
        skip(&format!("storageClass: [{}]", scenario.named("slow"))),
        skip("csi: {driver: old.example}"),
        skip("csi: {driver: disk.example, volumeAttributes: {tier: iron}}"),
        skip("nfs: {}"),
        skip("pvcLabels: {keep: 'no'}"),
    ];
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"policies.yaml": policies.concat()},
        "metadata": {"name": scenario.name, "namespace": scenario.bowline.namespace()}});
    scenario.apply(&volumes.concat())?;
    scenario.apply(&[config])?;
    let flags = ["--include-namespaces", &namespace, "--resource-policies-configmap", &scenario.name];
    scenario.back_up(&[&flags[..], &["--include-cluster-scoped-resources", "persistentvolumes"]].concat())?;
    let infos = scenario.bucket()?.join(format!("backups/{0}/{0}-volumeinfo.json.gz", scenario.name));
    let infos: Vec<Value> =
        serde_json::from_str(&scenario.bowline.shell(&format!("zcat {}", infos.display()))?.ok()?)?;
    for name in ["large", "class", "driver", "attribute", "share", "label", "kept"] {
        let volume = scenario.named(name);
        let info = infos.iter().find(|info| info["pvName"] == volume.as_str());
        let reason = info.and_then(|info| info["skippedReason"].as_str()).unwrap_or_default();
        // Nobody takes snapshots here, which is said only of the volume whose snapshot is wanted.
        let expected =
            if name == "kept" { "no applicable volumesnapshotter found" } else { "not satisfy the criteria" };
        assert!(reason.contains(expected), "{name}: {reason:?} in {infos:?}");
    }
    for [volume, claim] in &volumes {
        for (kind, object) in [("pvc", claim), ("pv", volume)] {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            scenario.delete(&["-n", &namespace, kind, name, "--wait=false"])?;
        }
    }
    Ok(())
}
