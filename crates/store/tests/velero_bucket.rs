//! Reading what Velero 1.18.2 wrote, and writing the same text again.
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::io::Read;
use std::path::Path;

use bowline_api::artifact::{
    BackupOperation, BackupVolumeInfo, Bare, NativeSnapshot, ResourceList, Results, null_if_empty,
};
use bowline_api::{Backup, PodVolumeBackup};
use bowline_store::layout::BackupArtifact;
use bowline_store::{ArtifactState, BackupStore, FilesystemStore, MemoryStore, ObjectStore, ObjectStoreExt};
use flate2::read::MultiGzDecoder;
use serde::Serialize;

const BACKUPS: [&str; 3] = ["fx-fsb", "fx-move", "fx-res"];

async fn bucket() -> BackupStore {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bucket");
    BackupStore::new(std::sync::Arc::new(FilesystemStore::open_existing(path).await.unwrap()))
}

async fn stored(store: &dyn ObjectStore, key: &str) -> Vec<u8> {
    store.get_bytes(key, 1 << 20).await.unwrap().to_vec()
}

fn unzipped(stored: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(stored).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn all_backups_are_found_and_readable() {
    let store = bucket().await;
    store.validate().await.unwrap();
    assert_eq!(store.list_backups().await.unwrap(), BACKUPS);
    for name in BACKUPS {
        assert_eq!(store.metadata(name).await.unwrap().metadata.name.as_deref(), Some(name));
        let verification = store.verify(name).await.unwrap();
        assert_eq!(verification.artifacts.len(), 9, "{verification:?}");
        assert!(verification.artifacts.iter().all(|check| check.state == ArtifactState::Readable));
    }
}

#[tokio::test]
async fn artifacts_have_the_expected_content() {
    let store = bucket().await;
    assert_eq!(store.pod_volume_backups("fx-fsb").await.unwrap().len(), 2);
    assert_eq!(store.item_operations("fx-move").await.unwrap().len(), 1);
    assert_eq!(store.volume_info("fx-move").await.unwrap().len(), 1);
    assert!(store.native_snapshots("fx-res").await.unwrap().is_empty());
    assert!(store.resource_list("fx-res").await.unwrap().len() > 10);
    assert!(store.results("fx-res").await.unwrap().errors.is_empty());
    assert!(!store.restore_results("rs-res").await.unwrap().errors.is_empty());
    assert_eq!(store.restore_item_operations("rs-move").await.unwrap().len(), 1);
    assert_eq!(store.restore_volume_info("rs-move").await.unwrap().len(), 1);
}

async fn rewrite<T: Serialize + ?Sized + Sync>(ours: &BackupStore, artifact: BackupArtifact, value: &T) {
    let theirs = stored(&**bucket().await.objects(), &artifact.key("fx-move")).await;
    let upload = ours.begin("fx-move").await.unwrap();
    upload.write(artifact, value).await.unwrap();
    let again = stored(&**ours.objects(), &artifact.key("fx-move")).await;
    assert_eq!(unzipped(&again), unzipped(&theirs), "{artifact:?}");
    assert_eq!(again[..10], theirs[..10], "gzip header of {artifact:?}");
}

#[tokio::test]
async fn what_was_read_is_written_as_the_same_text() {
    let theirs = bucket().await;
    let ours = BackupStore::new(std::sync::Arc::new(MemoryStore::new()));
    let name = "fx-move";
    let pod_volumes: Vec<_> = theirs.pod_volume_backups(name).await.unwrap().into_iter().map(Bare).collect();
    rewrite::<Option<&[Bare<PodVolumeBackup>]>>(
        &ours,
        BackupArtifact::PodVolumeBackups,
        &null_if_empty(&pod_volumes),
    )
    .await;
    let snapshots = theirs.native_snapshots(name).await.unwrap();
    rewrite::<Option<&[NativeSnapshot]>>(&ours, BackupArtifact::VolumeSnapshots, &null_if_empty(&snapshots))
        .await;
    let operations: Vec<BackupOperation> = theirs.item_operations(name).await.unwrap();
    rewrite(&ours, BackupArtifact::ItemOperations, &operations).await;
    let volumes: Vec<BackupVolumeInfo> = theirs.volume_info(name).await.unwrap();
    rewrite(&ours, BackupArtifact::VolumeInfo, &volumes).await;
    let names: ResourceList = theirs.resource_list(name).await.unwrap();
    rewrite(&ours, BackupArtifact::ResourceList, &names).await;
    let results: Results = theirs.results(name).await.unwrap();
    rewrite(&ours, BackupArtifact::Results, &results).await;
}

#[tokio::test]
async fn metadata_is_written_as_the_same_json() {
    let theirs = bucket().await;
    for name in BACKUPS {
        let ours = BackupStore::new(std::sync::Arc::new(MemoryStore::new()));
        let metadata: Backup = theirs.metadata(name).await.unwrap();
        ours.begin(name).await.unwrap().commit(&metadata).await.unwrap();
        let key = BackupArtifact::Metadata.key(name);
        let (theirs, ours) = (stored(&**theirs.objects(), &key).await, stored(&**ours.objects(), &key).await);
        let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&ours), json(&theirs), "{name}");
        assert!(ours.starts_with(b"{\n  \"kind\": \"Backup\"") && ours.ends_with(b"\n}"), "{name}");
    }
}
