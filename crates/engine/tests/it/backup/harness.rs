//! Runs a backup and reads its archive back.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bowline_api::Backup;
use bowline_api::artifact::Results;
use bowline_engine::action::backup::builtin;
use bowline_engine::action::item_block;
use bowline_engine::archive::pipe;
use bowline_engine::backup::{BackupError, BackupOutcome, BackupRequest, run, spell};
use bowline_engine::port::Ports;
use bowline_engine::progress::Progress;
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A finished backup.
pub(super) struct Made {
    pub(super) outcome: BackupOutcome,
    /// Bodies by path.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) progress: (u64, u64),
}

impl Made {
    /// Plain paths without `resources/` and `.json`.
    pub(super) fn paths(&self) -> Vec<String> {
        let plain = self.files.keys().filter(|path| !path.contains("version"));
        plain.map(|path| path.trim_start_matches("resources/").trim_end_matches(".json").to_owned()).collect()
    }

    pub(super) fn object(&self, path: &str) -> Value {
        let body = self.files.get(&format!("resources/{path}.json")).unwrap_or_else(|| panic!("no {path}"));
        serde_json::from_slice(body).unwrap()
    }

    pub(super) fn results(&self) -> Results {
        self.outcome.findings.results(spell)
    }
}

/// A request with this spec and the built-in actions.
pub(super) fn request(spec: impl Into<Value>) -> BackupRequest {
    let backup = serde_json::json!({"apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": "b", "namespace": "velero", "uid": "u"}, "spec": spec.into()});
    with_backup(serde_json::from_value(backup).unwrap())
}

pub(super) fn with_backup(backup: Backup) -> BackupRequest {
    BackupRequest {
        backup: Arc::new(backup),
        actions: builtin(),
        block_actions: item_block::builtin(),
        memory_budget: 16 << 20,
        page_size: 500,
        workers: 1,
        ..BackupRequest::default()
    }
}

pub(super) async fn back_up(request: BackupRequest, ports: &Ports) -> Result<Made, BackupError> {
    let (sink, source) = pipe::pipe();
    let ports = ports.clone();
    let progress = Arc::new(Progress::default());
    let seen = Arc::clone(&progress);
    // A task of its own, as in the server: this also holds the future to be Send.
    let task =
        tokio::spawn(async move { run(&request, &ports, sink, &seen, &CancellationToken::new()).await });
    let blocks: Result<Vec<_>, _> = source.try_collect().await;
    let outcome = task.await.unwrap()?;
    let files = read(&blocks.unwrap().concat());
    Ok(Made { outcome, files, progress: progress.snapshot() })
}

/// Files of an archive; a path that is there twice fails the test.
pub(super) fn read(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(MultiGzDecoder::new(archive));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut body = Vec::new();
        entry.read_to_end(&mut body).unwrap();
        assert!(files.insert(path.clone(), body).is_none(), "{path} is there twice");
    }
    files
}
