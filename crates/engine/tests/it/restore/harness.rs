//! What every restore test needs: a spool, a request, a cluster.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bowline_api::backup::Backup;
use bowline_api::restore::{Restore, RestoreSpec};
use bowline_engine::action::ItemId;
use bowline_engine::action::restore::builtin;
use bowline_engine::archive::path::{self, Copy};
use bowline_engine::archive::spool::{Limits, Spool};
use bowline_engine::port::Ports;
use bowline_engine::progress::Progress;
use bowline_engine::restore::{self, Plan, RestoreError, RestoreOutcome, RestoreRequest};
use bowline_testing::MemoryCluster;
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A file of the test data.
pub(super) fn testdata(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file)
}

/// Decodes a gzipped JSON file of the test data.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(testdata(file)).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Spools an archive.
pub(super) async fn spool(archive: Vec<u8>) -> Spool {
    let blocks = futures::stream::iter([Ok(Bytes::from(archive))]);
    Spool::read(blocks, Limits::default(), &std::env::temp_dir()).await.unwrap()
}

/// An archive of some objects, as a writer makes it.
pub(super) fn archive_of(objects: &[(&str, Value)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (resource, object) in objects {
        let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
        let id = ItemId {
            resource: (*resource).into(),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name").unwrap(),
        };
        let body = object.to_string();
        let mut header = tar::Header::new_ustar();
        header.set_size(body.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path::of(&id, &Copy::Plain), body.as_bytes()).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

/// A spool of some objects.
pub(super) async fn spool_of(objects: &[(&str, Value)]) -> Spool {
    spool(archive_of(objects)).await
}

/// A restore `r` of backup `b`.
pub(super) fn restore_with(change: impl FnOnce(&mut RestoreSpec)) -> Restore {
    let mut spec = RestoreSpec { backup_name: "b".into(), ..RestoreSpec::default() };
    change(&mut spec);
    let mut restore = Restore::new("r", spec);
    restore.metadata.uid = Some("restore-uid".into());
    restore
}

/// A request with the built-in actions and short waits.
pub(super) async fn request(restore: Restore, ports: &Ports) -> RestoreRequest {
    RestoreRequest {
        backup: Arc::new(Backup::new(
            &restore.spec.backup_name.clone(),
            bowline_api::backup::BackupSpec::default(),
        )),
        restore: Arc::new(restore),
        volume_infos: Vec::new(),
        actions: builtin(ports, None).await.unwrap(),
        priorities: Vec::new(),
        resource_timeout: Duration::from_secs(10),
        terminating_timeout: Duration::from_secs(10),
        memory_budget: 32 << 20,
        max_in_flight: 16,
        ..RestoreRequest::default()
    }
}

/// Runs a restore of a spool into a cluster.
pub(super) async fn run(
    cluster: &Arc<MemoryCluster>,
    spool: &Spool,
    restore: Restore,
) -> Result<RestoreOutcome, RestoreError> {
    let ports = bowline_testing::ports(cluster);
    let request = request(restore, &ports).await;
    restore::run(&request, spool, &ports, &Progress::default(), &CancellationToken::new()).await
}

/// Plans a restore of a spool into a cluster.
pub(super) async fn plan(cluster: &Arc<MemoryCluster>, spool: &Spool, restore: Restore) -> Plan {
    let ports = bowline_testing::ports(cluster);
    let request = request(restore, &ports).await;
    restore::dry_run(&request, spool, &ports, &Progress::default(), &CancellationToken::new()).await.unwrap()
}

/// The resource list as one sorted list of lines `kind entry`.
pub(super) fn lines(list: &bowline_api::artifact::ResourceList) -> Vec<String> {
    list.iter()
        .flat_map(|(kind, entries)| entries.map(move |entry| format!("{kind} {entry}")).collect::<Vec<_>>())
        .collect()
}
