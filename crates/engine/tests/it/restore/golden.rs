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
    let restore = restore_with(|spec| {
        spec.namespace_mapping =
            [("shop", "shop-copy"), ("tools", "tools-copy")].map(|(a, b)| (a.into(), b.into())).into();
    });
    let mut request = request(restore, ports).await;
    request.volume_infos = read_json::<Vec<BackupVolumeInfo>>("velero/fx-res/fx-res-volumeinfo.json.gz");
    cluster.faults.forget_calls();
    restore::run(&request, spool, ports, &Progress::default(), &CancellationToken::new()).await.unwrap()
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
