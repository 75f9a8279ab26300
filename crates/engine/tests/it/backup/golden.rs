//! The objects of Velero's own backups, put into a cluster and backed up by us: the same files must come out.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bowline_testing::{MemoryCluster, object, ports};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::harness::{back_up, read, with_backup};

struct Golden {
    archive: &'static [u8],
    resource_list: &'static [u8],
    volume_info: &'static [u8],
    backup: &'static [u8],
}

macro_rules! golden {
    ($name:literal) => {
        Golden {
            archive: include_bytes!(concat!("../../../testdata/velero/", $name, "/", $name, ".tar.gz")),
            resource_list: include_bytes!(concat!(
                "../../../testdata/velero/",
                $name,
                "/",
                $name,
                "-resource-list.json.gz"
            )),
            volume_info: include_bytes!(concat!(
                "../../../testdata/velero/",
                $name,
                "/",
                $name,
                "-volumeinfo.json.gz"
            )),
            backup: include_bytes!(concat!("../../../testdata/velero/", $name, "/velero-backup.json")),
        }
    };
}

fn unzip(bytes: &[u8]) -> Value {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn json_files(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<&str, Value> {
    let objects = files.iter().filter(|(path, _)| path.starts_with("resources/"));
    objects.map(|(path, body)| (path.as_str(), serde_json::from_slice(body).unwrap())).collect()
}

/// A cluster with the objects of an archive, and some beside them that must not get into a backup of it.
fn cluster(files: &BTreeMap<String, Vec<u8>>) -> Arc<MemoryCluster> {
    let plain = files
        .iter()
        .filter(|(path, _)| path.starts_with("resources/") && !path.contains("-preferredversion"));
    let mut objects: Vec<Value> = plain.map(|(_, body)| serde_json::from_slice(body).unwrap()).collect();
    // Definitions first, so that the cluster serves their kinds.
    objects.sort_by_key(|object| object["kind"] != "CustomResourceDefinition");
    let cluster = MemoryCluster::with(objects);
    let left_out = object::config_map("shop", "left-out");
    cluster.put(object::with(left_out, "/metadata/labels/velero.io~1exclude-from-backup", "true"));
    cluster.put(object::config_map("elsewhere", "other"));
    cluster.put(object::object("v1", "PersistentVolume", "", "unrelated"));
    cluster.put(object::object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "unrelated"));
    Arc::new(cluster)
}

async fn assert_same(golden: Golden) {
    let theirs = read(golden.archive);
    let cluster = cluster(&theirs);
    let backup: bowline_api::Backup = serde_json::from_slice(golden.backup).unwrap();
    let expected = backup.status.clone();
    let made = back_up(with_backup(backup), &ports(&cluster)).await.unwrap();
    let (ours, theirs) = (json_files(&made.files), json_files(&theirs));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (path, object) in &theirs {
        assert_eq!(ours[path], *object, "{path}");
    }
    assert_eq!(serde_json::to_value(&made.outcome.resource_list).unwrap(), unzip(golden.resource_list));
    let mut infos = unzip(golden.volume_info);
    infos.as_array_mut().unwrap().sort_by_key(|info| info["pvName"].to_string());
    assert_eq!(serde_json::to_value(&made.outcome.volume_infos).unwrap(), infos);
    assert_eq!(serde_json::to_value(made.results()).unwrap(), json!({"errors": {}, "warnings": {}}));
    let progress = expected.progress.unwrap();
    assert_eq!(made.outcome.stored_items, u64::try_from(progress.items_backed_up).unwrap());
    assert_eq!(made.progress, (made.outcome.total_items, made.outcome.stored_items));
    assert_eq!(
        made.outcome.hooks.attempted,
        u64::try_from(expected.hook_status.unwrap().hooks_attempted).unwrap()
    );
}

#[tokio::test]
async fn a_backup_with_named_cluster_scoped_kinds_equals_velero_s() {
    assert_same(golden!("fx-res")).await;
}

#[tokio::test]
async fn a_backup_of_two_namespaces_equals_velero_s() {
    assert_same(golden!("fx-auto")).await;
}
