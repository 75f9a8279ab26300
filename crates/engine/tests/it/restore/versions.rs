//! Archives with several versions of a kind (EnableAPIGroupVersions), restored into a cluster that serves one of them.

use std::io::Write;
use std::sync::Arc;

use bowline_engine::archive::path::{self, Copy};
use bowline_engine::archive::spool::Spool;
use bowline_engine::restore::{self, RestoreRequest, VersionPriorities};
use bowline_testing::MemoryCluster;
use bowline_testing::object::object;

use super::harness::{request, restore_with, spool};

/// The archive of an autoscaler, which the cluster serves as `v2`: the first version is the one that the source preferred.
async fn archive(versions: &[&str]) -> Spool {
    let id = bowline_engine::action::ItemId {
        resource: "horizontalpodautoscalers.autoscaling".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    };
    let mut tar = tar::Builder::new(Vec::new());
    for (at, version) in versions.iter().enumerate() {
        let body =
            object(&format!("autoscaling/{version}"), "HorizontalPodAutoscaler", "shop", "web").to_string();
        let copies = match at {
            0 => vec![Copy::Plain, Copy::Preferred((*version).to_owned())],
            _ => vec![Copy::Version((*version).to_owned())],
        };
        for copy in copies {
            let mut header = tar::Header::new_ustar();
            header.set_size(body.len() as u64);
            tar.append_data(&mut header, path::of(&id, &copy), body.as_bytes()).unwrap();
        }
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    spool(gzip.finish().unwrap()).await
}

/// The version that was restored.
async fn restored(versions: &[&str], priorities: Option<VersionPriorities>) -> Option<String> {
    let cluster = Arc::new(MemoryCluster::default());
    let ports = bowline_testing::ports(&cluster);
    let base = request(restore_with(|_| ()), &ports).await;
    let request = RestoreRequest { version_priorities: priorities, ..base };
    let spool = archive(versions).await;
    let (progress, cancel) = Default::default();
    restore::run(&request, &spool, &ports, &progress, &cancel).await.unwrap();
    let object = cluster.object("horizontalpodautoscalers.autoscaling", "shop", "web")?;
    object["apiVersion"].as_str().map(ToOwned::to_owned)
}

#[tokio::test]
async fn the_version_that_both_sides_know_is_restored() {
    let with = || Some(VersionPriorities::new());
    let served = Some("autoscaling/v2".to_owned());
    assert_eq!(restored(&["v2", "v1"], with()).await, served, "preferred on both sides");
    assert_eq!(restored(&["v1", "v2"], with()).await, served, "common, though not preferred by the source");
    assert_eq!(restored(&["v1"], with()).await, None, "no version in common");
    let order = VersionPriorities::from([("horizontalpodautoscalers.autoscaling".into(), vec!["v2".into()])]);
    assert_eq!(restored(&["v1", "v2"], Some(order)).await, served, "the user's order");
}

#[tokio::test]
async fn without_the_feature_another_version_is_used_only_where_the_plain_one_is_not_served() {
    let served = Some("autoscaling/v2".to_owned());
    assert_eq!(restored(&["v2", "v1"], None).await, served);
    assert_eq!(restored(&["v1", "v2"], None).await, served);
    assert_eq!(restored(&["v1"], None).await, None);
}
