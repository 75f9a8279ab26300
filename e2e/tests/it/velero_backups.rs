//! Backups that Velero 1.18.2 wrote, restored by us, beside what Velero itself made of them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use bowline_e2e::compare::{Change, RESTORED, Report, Rule};
use bowline_e2e::{Bowline, Cluster, ObjectKey, Snapshot};
use serde_json::Value;

/// How the cluster in which Velero was recorded differed from ours.
const RECORDED: &[Rule] = &[
    Rule { reason: "it had a node, to which pods were assigned", allows: scheduling },
    Rule { reason: "it had a provisioner, which made volumes for the claims", allows: provisioning },
    Rule { reason: "its pods ran, so that its services had endpoints", allows: endpoints },
    Rule { reason: "managed fields were not recorded", allows: managed_fields },
];

fn scheduling(change: &Change, _: &Value, _: &Value) -> bool {
    change.is_at("spec nodeName") && change.is_removal()
}

fn endpoints(change: &Change, slice: &Value, _: &Value) -> bool {
    let of_pods = change.is_at("endpoints **") || change.is_at("ports **");
    slice["kind"] == "EndpointSlice" && of_pods && change.is_removal()
}

fn provisioning(change: &Change, claim: &Value, _: &Value) -> bool {
    let places = ["spec volumeName", "metadata annotations volume.kubernetes.io/selected-node"];
    let provisioner = ["volume.beta.kubernetes.io", "volume.kubernetes.io"]
        .map(|prefix| format!("{prefix}/storage-provisioner"));
    let noted = provisioner.iter().any(|name| change.is_at(&format!("metadata annotations {name}")));
    claim["kind"] == "PersistentVolumeClaim" && (noted || places.iter().any(|place| change.is_at(place)))
}

fn managed_fields(change: &Change, _: &Value, _: &Value) -> bool {
    change.is_at("metadata managedFields") && change.is_addition()
}

#[test]
fn a_backup_of_velero_is_restored_as_velero_restores_it() -> Result<()> {
    restores_as_velero("fx-res")
}

/// The same namespaces at the same time, without the options of the first.
#[test]
fn a_backup_of_velero_with_its_automatic_rules_is_restored_as_velero_restores_it() -> Result<()> {
    restores_as_velero("fx-auto")
}

fn restores_as_velero(backup: &str) -> Result<()> {
    let cluster = Cluster::start(backup)?;
    occupy_the_node_port(&cluster)?;
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/velero-1.18");
    let bucket = cluster.dir().join("bucket");
    let copied = Command::new("cp").arg("-r").arg(&recorded).arg(&bucket).status()?;
    assert!(copied.success());

    let bowline = Bowline::new(&cluster, "velero")?;
    let from = bucket.display().to_string();
    let mappings = "shop:shop-copy,tools:tools-copy";
    let restore = ["restore", "create", "rs-res", "--from", &from, "--from-backup", backup];
    let output = bowline.run(&[&restore[..], &["--namespace-mappings", mappings]].concat())?;

    let expected = comparable(&std::fs::read_to_string(recorded.join("after.json"))?)?;
    let restored = Snapshot::take(&cluster, &["shop-copy", "tools-copy"], "none=none")?;
    let restored = only_comparable(restored);
    let report = Report::compare(&expected, &restored, &[RESTORED, RECORDED].concat());
    assert!(report.is_equal(), "{report}\n{output:#?}");
    cluster.end()
}

/// The original Service was still there when Velero restored its copy, which therefore failed.
fn occupy_the_node_port(cluster: &Cluster) -> Result<()> {
    let manifest = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "original", "namespace": "default"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}}"#;
    cluster.apply(manifest)
}

fn comparable(list: &str) -> Result<Snapshot> {
    let list: Value = serde_json::from_str(list)?;
    let objects =
        list["items"].as_array().into_iter().flatten().map(|object| (ObjectKey::of(object), object.clone()));
    Ok(only_comparable(Snapshot { objects: objects.collect() }))
}

/// Without what no restore decides: every cluster's own certificate, and Endpoints, which were not recorded.
fn only_comparable(mut snapshot: Snapshot) -> Snapshot {
    snapshot.objects.retain(|key, _| key.name != "kube-root-ca.crt" && key.kind != "Endpoints");
    snapshot
}
