//! Velero's own backup, restored into a cluster that still holds the originals, beside what Velero made of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bowline_api::artifact::{BackupVolumeInfo, ResourceList, Results};
use bowline_engine::archive::spool::Spool;
use bowline_engine::catalog::GroupResource;
use bowline_engine::port::Ports;
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, RestoreOutcome};
use bowline_testing::MemoryCluster;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::harness::{lines, read_json, request, restore_with, spool, testdata};

async fn fixture() -> Spool {
    spool(std::fs::read(testdata("velero/fx-res/fx-res.tar.gz")).unwrap()).await
}

fn originals(spool: &Spool) -> Arc<MemoryCluster> {
    let resources: Vec<GroupResource> = spool.resources().cloned().collect();
    let entries = resources.iter().flat_map(|resource| spool.groups(resource).collect::<Vec<_>>());
    let objects: Vec<_> = entries
        .flat_map(|group| group.entries().collect::<Vec<_>>())
        .map(|entry| spool.load(entry).unwrap().tree().unwrap())
        .collect();
    let (crds, others): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|it| it["kind"] == "CustomResourceDefinition");
    Arc::new(MemoryCluster::with(crds.into_iter().chain(others)))
}

async fn restored(cluster: &Arc<MemoryCluster>, ports: &Ports, spool: &Spool) -> RestoreOutcome {
    let mut restore = restore_with(|spec| {
        spec.backup_name = "fx-res".into();
        spec.namespace_mapping =
            [("shop", "shop-copy"), ("tools", "tools-copy")].map(|(a, b)| (a.into(), b.into())).into();
    });
    restore.metadata.name = Some("rs-res".into());
    let mut request = request(restore, ports).await;
    request.volume_infos = read_json::<Vec<BackupVolumeInfo>>("velero/fx-res/fx-res-volumeinfo.json.gz");
    cluster.faults.forget_calls();
    restore::run(&request, spool, ports, &Progress::default(), &CancellationToken::new()).await.unwrap()
}

/// Paths at which two trees differ.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut BTreeSet<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()) {
                differences(
                    &format!("{path}/{name}"),
                    ours.get(name).unwrap_or(&Value::Null),
                    theirs.get(name).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| differences(&format!("{path}/*"), a, b, found));
        }
        _ if ours != theirs => {
            found.insert(path.to_owned());
        }
        _ => {}
    }
}

/// Velero's result has seen a real API server and its controllers; everything else must be the same.
const SERVER_SIDE: &[&str] = &[
    "metadata/uid",
    "metadata/resourceVersion",
    "metadata/generation",
    "metadata/creationTimestamp",
    "metadata/managedFields",
    "status",
];

/// What controllers, the scheduler and admission made of Velero's result, and what the memory cluster puts into a new namespace.
const CLUSTER_SIDE: &[&str] = &[
    "configmaps kube-root-ca.crt/data/ca.crt",
    "configmaps kube-root-ca.crt/data/key",
    "configmaps kube-root-ca.crt/metadata/annotations",
    "controllerrevisions.apps db-9f5d4b7f7/metadata/ownerReferences",
    "missing: endpointslices.discovery.k8s.io shop-copy/db-g7dc4",
    "missing: endpointslices.discovery.k8s.io shop-copy/web-wm6wq",
    "namespaces shop-copy/metadata/labels/kubernetes.io/metadata.name",
    "namespaces shop-copy/spec",
    "namespaces tools-copy/metadata/labels",
    "namespaces tools-copy/spec",
    "persistentvolumeclaims data-db-0/metadata/annotations",
    "persistentvolumeclaims data-db-0/spec/volumeName",
    "persistentvolumeclaims web-data/metadata/annotations/pv.kubernetes.io/bind-completed",
    "persistentvolumeclaims web-data/metadata/annotations/pv.kubernetes.io/bound-by-controller",
    "persistentvolumeclaims web-data/metadata/annotations/volume.beta.kubernetes.io/storage-provisioner",
    "persistentvolumeclaims web-data/metadata/annotations/volume.kubernetes.io/storage-provisioner",
    "persistentvolumeclaims web-data/spec/volumeName",
    "pods bare/metadata/annotations/kubernetes.io/limit-ranger",
    "pods bare/spec/containers/*/resources/requests",
    "pods bare/spec/nodeName",
    "pods bare/spec/priority",
    "pods db-0/metadata/ownerReferences",
    "pods db-0/spec/nodeName",
    "pods db-0/spec/priority",
    "pods web-678f4f8fb9-b5s55/metadata/ownerReferences",
    "pods web-678f4f8fb9-b5s55/spec/nodeName",
    "pods web-678f4f8fb9-b5s55/spec/priority",
    "replicasets.apps web-678f4f8fb9/metadata/ownerReferences",
    "services web/spec/clusterIP",
    "services web/spec/clusterIPs",
];

#[tokio::test]
async fn the_objects_are_velero_s() {
    let spool = fixture().await;
    let cluster = originals(&spool);
    restored(&cluster, &bowline_testing::ports(&cluster), &spool).await;
    let after: Value = read_json("restore/rs-res/after.json.gz");
    let mut found = BTreeSet::new();
    for theirs in after["items"].as_array().unwrap() {
        let text = |pointer| theirs.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let resource = spool
            .resources()
            .find(|it| it.resource == format!("{}s", text("/kind").to_lowercase()).replace("ys", "ies"));
        let resource = resource.unwrap_or_else(|| panic!("{}", text("/kind"))).to_string();
        let Some(mut ours) = cluster.object(&resource, text("/metadata/namespace"), text("/metadata/name"))
        else {
            found.insert(format!(
                "missing: {resource} {}/{}",
                text("/metadata/namespace"),
                text("/metadata/name")
            ));
            continue;
        };
        let mut theirs = theirs.clone();
        for path in SERVER_SIDE {
            for tree in [&mut ours, &mut theirs] {
                remove(tree, path);
            }
        }
        differences(
            &format!("{resource} {}", text_of(&theirs, "/metadata/name")),
            &ours,
            &theirs,
            &mut found,
        );
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), CLUSTER_SIDE);
}

fn remove(tree: &mut Value, path: &str) {
    let (parent, field) = path.rsplit_once('/').map_or(("", path), |(parent, field)| (parent, field));
    let parent = if parent.is_empty() { String::new() } else { format!("/{parent}") };
    if let Some(map) = tree.pointer_mut(&parent).and_then(Value::as_object_mut) {
        map.remove(field);
    }
}

fn text_of(tree: &Value, pointer: &str) -> String {
    tree.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_resource_list_is_velero_s() {
    let spool = fixture().await;
    let cluster = originals(&spool);
    let outcome = restored(&cluster, &bowline_testing::ports(&cluster), &spool).await;
    let velero: BTreeSet<String> =
        lines(&read_json::<ResourceList>("restore/rs-res/restore-rs-res-resource-list.json.gz"))
            .into_iter()
            .collect();
    let ours: BTreeSet<String> = lines(&outcome.resource_list).into_iter().collect();
    // Velero's action on CRDs adds an empty status, so that every CRD differs from itself.
    assert_eq!(
        ours.difference(&velero).collect::<Vec<_>>(),
        ["apiextensions.k8s.io/v1/CustomResourceDefinition widgets.fixture.example.io(skipped)"]
    );
    assert_eq!(
        velero.difference(&ours).collect::<Vec<_>>(),
        ["apiextensions.k8s.io/v1/CustomResourceDefinition widgets.fixture.example.io(failed)"]
    );
}

#[tokio::test]
async fn the_results_are_velero_s() {
    let spool = fixture().await;
    let cluster = originals(&spool);
    let outcome = restored(&cluster, &bowline_testing::ports(&cluster), &spool).await;
    let mut velero: Results = read_json("restore/rs-res/restore-rs-res-results.gz");
    velero.warnings.cluster.retain(|line| !line.contains("CustomResourceDefinition"));
    let ours = outcome.findings.results(|finding| finding.message.clone());
    assert_eq!(serde_json::to_value(ours).unwrap(), serde_json::to_value(velero).unwrap());
}
