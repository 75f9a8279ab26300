//! The backup store over a store that can be made to fail at any key.
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::artifact::{BackupVolumeInfo, Results};
use bowline_api::request::{DownloadTarget, DownloadTargetKind};
use bowline_api::{Backup, BackupSpec};
use bowline_store::layout::{BackupArtifact, RestoreArtifact};
use bowline_store::{
    ArtifactState, BackupStore, Body, Capabilities, Error, ErrorKind, ListPage, ListRequest, MemoryStore,
    Object, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions, Result, SignedUrl,
};
use futures::TryStreamExt;

/// Records what was put and deleted, and refuses some of it.
#[derive(Debug, Default)]
struct Faulty {
    inner: MemoryStore,
    full: Mutex<HashSet<String>>,
    undeletable: Mutex<HashSet<String>>,
    changes: Mutex<Vec<String>>,
}

impl Faulty {
    fn change(&self, verb: &str, key: &str, refused: &Mutex<HashSet<String>>, kind: ErrorKind) -> Result<()> {
        if refused.lock().unwrap().iter().any(|ending| key.ends_with(ending)) {
            return Err(Error::new(kind, format!("{verb} {key}")));
        }
        self.changes.lock().unwrap().push(format!("{verb} {key}"));
        Ok(())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    async fn put(&self, key: &str, body: Body, options: PutOptions) -> Result<()> {
        self.change("put", key, &self.full, ErrorKind::Full)?;
        self.inner.put(key, body, options).await
    }
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Object> {
        self.inner.get(key, range).await
    }
    async fn head(&self, key: &str) -> Result<ObjectMeta> {
        self.inner.head(key).await
    }
    async fn list_page(&self, request: &ListRequest) -> Result<ListPage> {
        self.inner.list_page(request).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.change("delete", key, &self.undeletable, ErrorKind::PermissionDenied)?;
        self.inner.delete(key).await
    }
    async fn signed_url(&self, key: &str, ttl: Duration) -> Result<SignedUrl> {
        self.inner.signed_url(key, ttl).await
    }
}

fn stores() -> (Arc<Faulty>, BackupStore) {
    let faulty = Arc::new(Faulty::default());
    (faulty.clone(), BackupStore::new(faulty))
}

fn backup(name: &str) -> Backup {
    Backup::new(name, BackupSpec::default())
}

async fn write(store: &BackupStore, name: &str) -> Result<()> {
    let upload = store.begin(name).await?;
    upload.put(BackupArtifact::Contents, "an archive").await?;
    upload.put(BackupArtifact::Log, "a log").await?;
    upload.write(BackupArtifact::Results, &Results::default()).await?;
    upload.write::<[BackupVolumeInfo]>(BackupArtifact::VolumeInfo, &[]).await?;
    upload.commit(&backup(name)).await
}

async fn keys(store: &BackupStore) -> Vec<String> {
    store.objects().list("").map_ok(|meta| meta.key).try_collect().await.unwrap()
}

async fn damage(store: &BackupStore, key: &str, content: &'static str) {
    store.objects().put(key, content.into(), PutOptions::default()).await.unwrap();
}

#[tokio::test]
async fn data_is_stored_first_and_metadata_last() {
    let (faulty, store) = stores();
    write(&store, "b").await.unwrap();
    let changes = faulty.changes.lock().unwrap().clone();
    let last = ["put backups/b/b-checksums.json", "put backups/b/velero-backup.json"];
    assert_eq!(changes[changes.len() - 2..], last);
    assert!(store.exists("b").await.unwrap());
    assert_eq!(store.list_backups().await.unwrap(), ["b"]);
    assert_eq!(store.metadata("b").await.unwrap(), backup("b"));
    assert_eq!(store.results("b").await.unwrap(), Results::default());
}

#[tokio::test]
async fn a_second_backup_of_the_name_is_refused_and_harms_nothing() {
    let (_, store) = stores();
    let late = store.begin("b").await.unwrap();
    write(&store, "b").await.unwrap();
    assert!(store.begin("b").await.unwrap_err().is_already_exists());
    let mut other = backup("b");
    other.spec.included_namespaces = vec!["other".into()];
    assert!(late.commit(&other).await.unwrap_err().is_already_exists());
    assert_eq!(store.metadata("b").await.unwrap(), backup("b"));
    assert!(store.objects().exists("backups/b/b.tar.gz").await.unwrap());
}

#[tokio::test]
async fn a_commit_that_fails_removes_all_but_the_log_and_says_so() {
    for full in ["b-checksums.json", "velero-backup.json"] {
        let (faulty, store) = stores();
        faulty.full.lock().unwrap().insert(full.into());
        let error = write(&store, "b").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
        assert!(error.to_string().ends_with("(what had been stored of it was removed)"), "{error}");
        assert_eq!(keys(&store).await, ["backups/b/b-logs.gz"]);
    }
}

#[tokio::test]
async fn a_backup_that_came_first_outlives_the_failure_of_another_of_its_name() {
    let (_, store) = stores();
    let late = store.begin("b").await.unwrap();
    late.put(BackupArtifact::Contents, "late").await.unwrap();
    write(&store, "b").await.unwrap();
    let report = late.discard().await;
    assert!(report.removed.is_empty() && report.to_string().contains("another backup"), "{report}");
    assert!(store.verify("b").await.unwrap().is_intact());
}

#[tokio::test]
async fn what_can_not_be_removed_after_a_failure_is_named() {
    let (faulty, store) = stores();
    faulty.full.lock().unwrap().insert("velero-backup.json".into());
    faulty.undeletable.lock().unwrap().insert("b.tar.gz".into());
    let error = write(&store, "b").await.unwrap_err();
    assert!(error.to_string().ends_with("(could not remove backups/b/b.tar.gz)"), "{error}");
    assert!(!store.exists("b").await.unwrap());
}

#[tokio::test]
async fn an_amended_backup_keeps_its_other_files_and_verifies() {
    let (_, store) = stores();
    write(&store, "b").await.unwrap();
    let upload = store.amend("b").await.unwrap();
    upload.put(BackupArtifact::Contents, "a new archive").await.unwrap();
    let mut metadata = backup("b");
    metadata.status.warnings = 3;
    upload.commit(&metadata).await.unwrap();
    assert_eq!(store.metadata("b").await.unwrap().status.warnings, 3);
    let verification = store.verify("b").await.unwrap();
    assert!(verification.is_intact() && verification.artifacts.len() == 6, "{verification:?}");
    assert!(store.amend("missing").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn verification_names_what_is_damaged_or_missing() {
    let (_, store) = stores();
    write(&store, "b").await.unwrap();
    damage(&store, "backups/b/b.tar.gz", "an Archive").await;
    damage(&store, "backups/b/velero-backup.json", "{}").await;
    store.objects().delete("backups/b/b-results.gz").await.unwrap();
    let verification = store.verify("b").await.unwrap();
    let found: Vec<_> = verification.damaged().map(|check| (check.artifact, &check.state)).collect();
    let damaged = |text: &str| ArtifactState::Damaged(text.to_owned());
    assert_eq!(found.len(), 3);
    assert!(matches!(found[0], (BackupArtifact::Metadata, ArtifactState::Damaged(_))));
    assert_eq!(found[1], (BackupArtifact::Contents, &damaged("its content is not what was stored")));
    assert_eq!(found[2], (BackupArtifact::Results, &ArtifactState::Missing));
}

#[tokio::test]
async fn without_sums_verification_decodes_every_file() {
    let (_, store) = stores();
    write(&store, "b").await.unwrap();
    store.objects().delete("backups/b/b-checksums.json").await.unwrap();
    let verification = store.verify("b").await.unwrap();
    let bad: Vec<_> = verification.damaged().map(|check| check.artifact).collect();
    assert_eq!(bad, [BackupArtifact::Contents, BackupArtifact::Log], "these two are not gzip");
    let results = verification.artifacts.iter().find(|check| check.artifact == BackupArtifact::Results);
    assert_eq!(results.unwrap().state, ArtifactState::Readable);
}

#[tokio::test]
async fn deletion_begins_with_the_metadata_and_reports_each_file() {
    let (faulty, store) = stores();
    write(&store, "b").await.unwrap();
    write(&store, "bb").await.unwrap();
    faulty.changes.lock().unwrap().clear();
    faulty.undeletable.lock().unwrap().insert("b/b-results.gz".into());
    let report = store.delete_backup("b").await.unwrap();
    assert_eq!(faulty.changes.lock().unwrap()[0], "delete backups/b/velero-backup.json");
    assert_eq!(report.deleted.len(), 5, "{report:?}");
    assert_eq!(report.failed[0].0, "backups/b/b-results.gz");
    assert!(!store.exists("b").await.unwrap() && store.exists("bb").await.unwrap());
    faulty.undeletable.lock().unwrap().clear();
    assert!(store.delete_backup("b").await.unwrap().is_complete());
    assert!(keys(&store).await.iter().all(|key| key.starts_with("backups/bb/")));
}

#[tokio::test]
async fn a_backup_whose_metadata_can_not_be_deleted_stays_whole() {
    let (faulty, store) = stores();
    write(&store, "b").await.unwrap();
    faulty.undeletable.lock().unwrap().insert("velero-backup.json".into());
    assert_eq!(store.delete_backup("b").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(store.verify("b").await.unwrap().is_intact());
}

#[tokio::test]
async fn names_that_are_not_one_segment_reach_nothing() {
    let (_, store) = stores();
    write(&store, "b").await.unwrap();
    for name in ["", ".", "..", "../backups/b", "b/..", "x/b"] {
        assert!(
            store.delete_backup(name).await.is_err() && store.delete_restore(name).await.is_err(),
            "{name}"
        );
        assert!(store.metadata(name).await.is_err() && store.begin(name).await.is_err(), "{name}");
    }
    assert!(store.verify("b").await.unwrap().is_intact());
}

#[tokio::test]
async fn foreign_top_level_directories_are_told_in_veleros_words() {
    let (_, store) = stores();
    for key in
        ["backups/b/x", "restores/r/x", "kopia/ns/x", "restic/x", "metadata/revision", "plugins/x", "a-file"]
    {
        damage(&store, key, "x").await;
    }
    store.validate().await.unwrap();
    for (key, message) in [
        ("two/x", "Backup store contains invalid top-level directories: [two]"),
        ("one/x", "Backup store contains invalid top-level directories: [one two]"),
        ("three/x", "Backup store contains invalid top-level directories: [one three two]"),
        ("four/x", "Backup store contains 4 invalid top-level directories: [four one three ...]"),
    ] {
        damage(&store, key, "x").await;
        assert_eq!(store.validate().await.unwrap_err().to_string(), message);
    }
}

#[tokio::test]
async fn restore_files_are_written_read_and_deleted() {
    let (_, store) = stores();
    let mut results = Results::default();
    results.errors.add(Some("ns"), "it broke");
    store.put_restore("r", RestoreArtifact::Log, "a log").await.unwrap();
    store.write_restore("r", RestoreArtifact::Results, &results).await.unwrap();
    assert_eq!(store.restore_results("r").await.unwrap(), results);
    assert!(store.restore_volume_info("r").await.unwrap().is_empty());
    let target = DownloadTarget { kind: DownloadTargetKind::RestoreLog, name: "r".into() };
    assert_eq!(store.download(&target).await.unwrap().meta.size, 5);
    let missing = DownloadTarget { kind: DownloadTargetKind::BackupLog, name: "r".into() };
    assert!(store.download_url(&missing, Duration::from_mins(1)).await.unwrap_err().is_not_found());
    assert_eq!(store.delete_restore("r").await.unwrap().deleted.len(), 2);
}

#[tokio::test]
async fn metadata_that_is_too_large_is_not_read() {
    let (_, store) = stores();
    let huge = vec![b' '; bowline_store::MAX_METADATA as usize + 1];
    store.objects().put("backups/b/velero-backup.json", huge.into(), PutOptions::default()).await.unwrap();
    assert_eq!(store.metadata("b").await.unwrap_err().kind(), ErrorKind::TooLarge);
}
