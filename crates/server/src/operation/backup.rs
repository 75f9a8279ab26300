//! One backup from end to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bowline_api::artifact::{Bare, NativeSnapshot, null_if_empty};
use bowline_api::backup::{BackupProgress, HookStatus};
use bowline_api::{Backup, BackupPhase, PodVolumeBackup, Time, label};
use bowline_engine::archive::{FORMAT_VERSION, pipe};
use bowline_engine::backup::{self, BackupError, BackupOutcome, BackupRequest};
use bowline_engine::finding::Level;
use bowline_engine::finding::chain;
use bowline_engine::trace::phase;
use bowline_reconcile::telemetry::RunLog;
use bowline_store::layout::BackupArtifact;
use bowline_store::{BackupUpload, Body};
use futures::TryStreamExt;
use kube::ResourceExt;
use thiserror::Error;
use tracing::Instrument;

use super::config_map::{self, ConfigMapError};
use super::rules::BackupActions;
use super::{Operation, Stopped, Tools, backup_line, count, log_body, number};
use crate::traced;

/// Runs a prepared backup (see [`super::prepare_backup`]) and returns it with its final phase, which says how it went.
///
/// `Completed` and `PartiallyFailed`: it is in the store. `WaitingForPluginOperations[PartiallyFailed]`: it is in the store and goes on
/// with [`super::poll_backup`] and [`super::finalize_backup`]. `Failed` and `FailedValidation`: nothing but its log is. When the run was
/// stopped nothing is left either.
pub async fn run_backup(operation: &Operation<'_>, mut backup: Backup) -> Result<FinishedBackup, Stopped> {
    let name = format!("{}/{}", backup.namespace().unwrap_or_default(), backup.name_any());
    let log = operation.logs.start("backup", &name);
    let span = tracing::info_span!("run", backup = name);
    let trace = traced::of_backup("backup", &backup);
    let mut finished = FinishedBackup::unstored(Backup::default());
    let work = attempt(operation, &mut backup, log).instrument(span.clone());
    let result = work.instrument(trace.clone()).await;
    let _entered = span.enter();
    match result {
        Ok(bytes) => {
            finished.archive_bytes = bytes;
            tracing::info!(phase = %backup.phase(), "backup completed");
        }
        Err(Attempt::Engine(BackupError::Cancelled)) => return Err(Stopped),
        Err(Attempt::Engine(BackupError::Invalid(errors))) => {
            tracing::error!(error = errors.join("; "), "backup failed validation");
            backup.status.phase = Some(BackupPhase::FailedValidation);
            backup.status.validation_errors = errors;
        }
        Err(error) => {
            finished.hint = error.hint();
            finished.is_temporary = error.is_temporary();
            tracing::error!(error = chain(&error), hint = finished.hint, "backup failed");
            backup.status.phase = Some(BackupPhase::Failed);
            backup.status.failure_reason = chain(&error);
            backup.status.completion_timestamp = Some(Time(operation.ports.clock.now()));
        }
    }
    traced::backup_ended(&trace, &backup);
    Ok(FinishedBackup { backup, ..finished })
}

/// A backup that has come to an end, good or bad.
#[derive(Debug)]
pub struct FinishedBackup {
    /// The backup with its final status.
    pub backup: Backup,
    /// Size of the stored archive in bytes; 0 when there is none.
    pub archive_bytes: u64,
    /// What the user can do when it failed, if anything is known.
    pub hint: Option<String>,
    /// It failed by a cause that may pass by itself, so another attempt may succeed.
    pub is_temporary: bool,
}

impl FinishedBackup {
    /// One of which nothing is stored and that says itself why.
    pub fn unstored(backup: Backup) -> Self {
        Self { backup, archive_bytes: 0, hint: None, is_temporary: false }
    }
}

#[derive(Debug, Error)]
enum Attempt {
    #[error(transparent)]
    Engine(BackupError),
    #[error(transparent)]
    Store(#[from] bowline_store::Error),
    #[error("failed to read the backup's resource policies")]
    Policies(#[source] ConfigMapError),
    #[error("failed to begin the log")]
    Log(#[source] io::Error),
}

impl Attempt {
    fn is_temporary(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_retryable(),
            Self::Store(error) => error.is_retryable(),
            Self::Policies(error) => error.is_retryable(),
            Self::Log(_) => false,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Engine(BackupError::List { .. } | BackupError::Discover(_)) | Self::Policies(_)
                if self.is_temporary() =>
            {
                Some("run it again when the API server answers; nothing of this one was kept".to_owned())
            }
            Self::Engine(BackupError::List { .. } | BackupError::Discover(_)) => {
                Some("whoever makes the backup must be allowed to read what it holds; nothing of this one was kept".to_owned())
            }
            Self::Log(_) => Some("make room in the directory for temporary files".to_owned()),
            Self::Engine(_) | Self::Policies(_) => None,
        }
    }
}

async fn attempt(
    operation: &Operation<'_>,
    backup: &mut Backup,
    log: io::Result<RunLog>,
) -> Result<u64, Attempt> {
    let log = log.map_err(Attempt::Log)?;
    announce(backup);
    if let Some(global) = &operation.settings.rules.global_policies {
        let annotations = backup.metadata.annotations.get_or_insert_default();
        annotations.insert(label::GLOBAL_VOLUME_POLICIES.to_owned(), global.clone());
    }
    let upload = operation.store.begin(&backup.name_any()).await?;
    let archive_bytes = match store(operation, backup, &upload).await {
        Ok(bytes) => bytes,
        Err(error) => {
            give_up(upload, log, &error).await;
            return Err(error);
        }
    };
    if let Err(error) = upload.put(BackupArtifact::Log, log_body(log)).await {
        tracing::warn!(error = chain(&error), "the log can't be stored");
    }
    upload.commit(backup).await?;
    Ok(archive_bytes)
}

/// What the backup is asked to hold, in the words of Velero's log.
fn announce(backup: &Backup) {
    let spec = &backup.spec;
    let list =
        |names: &[String], empty: &str| if names.is_empty() { empty.to_owned() } else { names.join(", ") };
    tracing::info!("Starting backup, stored in location {}", spec.storage_location);
    tracing::info!("Including namespaces: {}", list(&spec.included_namespaces, "*"));
    tracing::info!("Excluding namespaces: {}", list(&spec.excluded_namespaces, "<none>"));
    if spec.has_old_filters() {
        tracing::info!("Including resources: {}", list(&spec.included_resources, "*"));
        tracing::info!("Excluding resources: {}", list(&spec.excluded_resources, "<none>"));
    } else {
        let included = &spec.included_namespace_scoped_resources;
        tracing::info!("Including namespace-scoped resources: {}", list(included, "*"));
        let excluded = &spec.excluded_namespace_scoped_resources;
        tracing::info!("Excluding namespace-scoped resources: {}", list(excluded, "<none>"));
        let included = &spec.included_cluster_scoped_resources;
        tracing::info!("Including cluster-scoped resources: {}", list(included, "<auto>"));
        let excluded = &spec.excluded_cluster_scoped_resources;
        tracing::info!("Excluding cluster-scoped resources: {}", list(excluded, "<none>"));
    }
    let files = spec.default_volumes_to_fs_backup == Some(true);
    tracing::info!("Backing up all volumes using pod volume backup: {files}");
}

/// Removes what was stored, but for the log, which tells why.
async fn give_up(upload: BackupUpload, log: RunLog, error: &Attempt) {
    let stopped = matches!(error, Attempt::Engine(BackupError::Cancelled));
    if !stopped {
        tracing::error!(error = chain(error), "backup can't be stored");
        // That the log can't be stored either adds nothing.
        let _ = upload.put(BackupArtifact::Log, log_body(log)).await;
    }
    // Not inside the log line: what that says is not even looked at where nobody wants such lines.
    let report = upload.discard().await;
    tracing::info!("{report}");
}

/// Everything but log and metadata. Returns the size of the archive.
async fn store(
    operation: &Operation<'_>,
    backup: &mut Backup,
    upload: &BackupUpload,
) -> Result<u64, Attempt> {
    let (outcome, archive_bytes) = archive(operation, backup, upload).instrument(phase("archive")).await?;
    artifacts(operation, backup, upload, &outcome).instrument(phase("artifacts")).await?;
    Ok(archive_bytes)
}

/// Runs the engine and, at the same time, the upload of what it archives.
async fn archive(
    operation: &Operation<'_>,
    backup: &Backup,
    upload: &BackupUpload,
) -> Result<(BackupOutcome, u64), Attempt> {
    let tools = operation.tools();
    // A backup that ignored its policies would save what the user wants left out.
    let request = request(&tools, backup, tools.backup_actions()).await;
    let request = request.map_err(|error| match error {
        error if error.is_retryable() => Attempt::Policies(error),
        error => Attempt::Engine(BackupError::Invalid(vec![format!("resourcePolicy: {}", chain(&error))])),
    })?;
    let (sink, source) = pipe::pipe();
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&bytes);
    let source = source.inspect_ok(move |block| {
        counter.fetch_add(block.len() as u64, Relaxed);
    });
    let (made, stored) = tokio::join!(
        backup::run(&request, operation.ports, sink, operation.progress, operation.cancel),
        upload.put(BackupArtifact::Contents, Body::from_stream(source)),
    );
    match (made, stored) {
        (Ok(outcome), Ok(())) => Ok((outcome, bytes.load(Relaxed))),
        // The engine sees only that nobody takes its archive any more; the store knows why.
        (Ok(_) | Err(BackupError::Archive(_)), Err(error)) => Err(Attempt::Store(error)),
        (Err(error), _) => Err(Attempt::Engine(error)),
    }
}

/// What the engine is asked to do for a backup.
pub(super) async fn request(
    tools: &Tools<'_>,
    backup: &Backup,
    actions: BackupActions,
) -> Result<BackupRequest, ConfigMapError> {
    let policies = config_map::policies(tools, backup).await?;
    Ok(BackupRequest { policies, ..request_without_policies(tools, backup, actions) })
}

/// What the engine is asked to do where resource policies have no say.
pub(super) fn request_without_policies(
    tools: &Tools<'_>,
    backup: &Backup,
    actions: BackupActions,
) -> BackupRequest {
    let settings = tools.settings;
    BackupRequest {
        backup: Arc::new(backup.clone()),
        actions: actions.item,
        block_actions: actions.item_block,
        memory_budget: settings.memory_budget,
        page_size: settings.page_size,
        workers: settings.workers,
        all_versions: settings.rules.all_versions,
        ..BackupRequest::default()
    }
}

/// Stores everything but log and metadata, and fills in the status.
async fn artifacts(
    operation: &Operation<'_>,
    backup: &mut Backup,
    upload: &BackupUpload,
    outcome: &BackupOutcome,
) -> Result<(), Attempt> {
    let results = outcome.findings.results(backup_line);
    let (volumes, snapshots): (&[Bare<PodVolumeBackup>], &[NativeSnapshot]) = (&[], &[]);
    let (pod_volumes, native) = (null_if_empty(volumes), null_if_empty(snapshots));
    tokio::try_join!(
        upload.write(BackupArtifact::Results, &results),
        upload.write(BackupArtifact::ResourceList, &outcome.resource_list),
        upload.write(BackupArtifact::VolumeInfo, &outcome.volume_infos),
        upload.write(BackupArtifact::ItemOperations, &outcome.operations),
        upload.write(BackupArtifact::PodVolumeBackups, &pod_volumes),
        upload.write(BackupArtifact::VolumeSnapshots, &native),
    )?;
    finish(backup, outcome, Time(operation.ports.clock.now()));
    let status = &backup.status;
    for volume in outcome.volume_infos.iter().filter(|volume| volume.skipped) {
        tracing::info!(persistentVolume = volume.pv_name, "Volume is skipped: {}", volume.skipped_reason);
    }
    tracing::info!(
        progress = "",
        "Backed up a total of {} items, {} errors, {} warnings",
        outcome.stored_items,
        status.errors,
        status.warnings
    );
    Ok(())
}

fn finish(backup: &mut Backup, outcome: &BackupOutcome, now: Time) {
    let status = &mut backup.status;
    status.version = 1;
    status.format_version = FORMAT_VERSION.into();
    status.warnings = count(&outcome.findings, Level::Warning);
    status.errors = count(&outcome.findings, Level::Error);
    status.progress = Some(BackupProgress {
        total_items: number(outcome.total_items),
        items_backed_up: number(outcome.stored_items),
    });
    status.hook_status = Some(HookStatus {
        hooks_attempted: number(outcome.hooks.attempted),
        hooks_failed: number(outcome.hooks.failed),
    });
    status.backup_item_operations_attempted = number(outcome.operations.len() as u64);
    let clean = status.errors == 0;
    status.phase = Some(match (outcome.operations.is_empty(), clean) {
        (true, true) => BackupPhase::Completed,
        (true, false) => BackupPhase::PartiallyFailed,
        (false, true) => BackupPhase::WaitingForPluginOperations,
        (false, false) => BackupPhase::WaitingForPluginOperationsPartiallyFailed,
    });
    status.completion_timestamp = outcome.operations.is_empty().then_some(now);
}
