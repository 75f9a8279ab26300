//! DeleteBackupRequest: deletes a backup entirely: what its delete item actions know of, its files (metadata first), the restores made
//! from it, and the object.
//!
//! What can't be deleted leaves the backup in place, and the request says why.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::request::DeleteBackupRequestPhase as Phase;
use bowline_api::{Backup, BackupPhase, DeleteBackupRequest, Restore, label};
use bowline_engine::finding::chain;
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use bowline_store::BackupStore;
use jiff::Timestamp;
use kube::ResourceExt;
use tracing::Instrument;

use super::remaining;
use crate::context::{Context, elapsed};
use crate::failure::failure;
use crate::location::{LocationError, check_writable};
use crate::operation::run_delete_actions;
use crate::traced;

/// How long a request that failed can be read.
const KEPT: Duration = Duration::from_hours(24);

pub(super) struct Deletions {
    context: Arc<Context>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Delete the backup.
    Process,
    /// Delete the request: its answer was there to be read for long enough, or an older one asks for the same.
    Forget,
    /// The answer can still be read.
    Wait(Duration),
}

fn decide(request: &DeleteBackupRequest, now: Timestamp) -> Step {
    if request.status.phase != Some(Phase::Processed) {
        return Step::Process;
    }
    let created = request.metadata.creation_timestamp.as_ref();
    let age = created.map_or(KEPT, |created| elapsed(created.0, now));
    remaining(KEPT, age).map_or(Step::Forget, Step::Wait)
}

/// Whether an older request asks for the same and is not answered yet. As in Velero there is one at a time.
fn is_repeated(request: &DeleteBackupRequest, all: &[Arc<DeleteBackupRequest>]) -> bool {
    let place = |it: &DeleteBackupRequest| (it.metadata.creation_timestamp.clone(), it.name_any());
    all.iter().any(|other| {
        other.spec.backup_name == request.spec.backup_name
            && other.status.phase != Some(Phase::Processed)
            && place(other) < place(request)
    })
}

/// Why a backup is not deleted.
enum Stop {
    /// The request says these.
    Errors(Vec<String>),
    /// This server stops, and the next one goes on.
    Handover,
}

impl<E: std::error::Error + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Errors(vec![chain(&error)])
    }
}

/// Why a backup must not be deleted now.
fn guard(backup: &Backup) -> Option<&'static str> {
    match backup.phase() {
        BackupPhase::InProgress => Some("backup is still in progress"),
        BackupPhase::WaitingForPluginOperations | BackupPhase::WaitingForPluginOperationsPartiallyFailed => {
            Some("backup still waits for operations of its volumes")
        }
        BackupPhase::Finalizing | BackupPhase::FinalizingPartiallyFailed => {
            Some("backup is still being finalized")
        }
        _ => None,
    }
}

impl Deletions {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn process(&self, request: &DeleteBackupRequest) -> Result<(), Failure> {
        let name = &request.spec.backup_name;
        let Some(backup) = self.context.caches.backups.get(name) else {
            return match request.status.phase {
                // The object goes last: a server before this one did it all but this.
                Some(Phase::InProgress) => self.succeed(name, "").await,
                _ if name.is_empty() => {
                    self.answer(request, vec!["spec.backupName is required".into()]).await
                }
                _ => self.answer(request, vec!["backup not found".into()]).await,
            };
        };
        if let Err(reason) = self.check(&backup) {
            return self.answer(request, vec![reason]).await;
        }
        let schedule = super::schedule_of(&backup);
        if request.status.phase != Some(Phase::InProgress) {
            self.context.metrics.deletion.attempt.with_label_values(&[schedule]).inc();
        }
        let trace = traced::of_backup("delete backup", &backup);
        match self.delete(request, &backup).instrument(trace.clone()).await {
            Ok(()) => self.succeed(name, schedule).await,
            Err(Stop::Handover) => Ok(()),
            Err(Stop::Errors(errors)) => {
                trace.record("otel.status_code", "ERROR");
                self.context.metrics.deletion.failure.with_label_values(&[schedule]).inc();
                tracing::error!(backup = name, error = errors.join("; "), "backup can't be deleted");
                self.answer(request, errors).await
            }
        }
    }

    async fn succeed(&self, backup: &str, schedule: &str) -> Result<(), Failure> {
        self.context.metrics.deletion.success.with_label_values(&[schedule]).inc();
        tracing::info!(backup, "backup is deleted");
        self.forget_requests(backup).await
    }

    /// Why a backup must not be deleted now, in Velero's words.
    fn check(&self, backup: &Backup) -> Result<(), String> {
        if let Some(reason) = guard(backup) {
            return Err(reason.to_owned());
        }
        let name = &backup.spec.storage_location;
        let refused = "cannot delete backup because backup storage location";
        let location =
            self.context.location(name).map_err(|_| format!("backup storage location {name} not found"))?;
        match check_writable(&location) {
            Ok(()) => Ok(()),
            Err(LocationError::ReadOnly(_)) => {
                Err(format!("{refused} {name} is currently in read-only mode"))
            }
            Err(error) => {
                Err(format!("{refused} {name} is currently in Unavailable state: {}", chain(&error)))
            }
        }
    }

    async fn answer(&self, request: &DeleteBackupRequest, errors: Vec<String>) -> Result<(), Failure> {
        let mut after = request.clone();
        after.status.phase = Some(Phase::Processed);
        after.status.errors = errors;
        self.context.patch(request, &after, Guard::None).await.map(drop).map_err(failure)
    }

    async fn delete(&self, request: &DeleteBackupRequest, backup: &Backup) -> Result<(), Stop> {
        let location = self.context.location(&backup.spec.storage_location)?;
        let store = self.context.store(&location).await?;
        let name = backup.name_any();
        check_volumes(&store, &name).await.map_err(Stop::Errors)?;
        self.mark(request, backup).await?;
        let mut errors = self.run_actions(&store, backup).await?;
        if let Err(failed) = self.delete_files(&store, &name).await {
            errors.extend(failed);
            return Err(Stop::Errors(errors));
        }
        Ok(self.context.delete(backup).await?)
    }

    /// Runs the delete item actions. What they fail at is said, and goes with the backup, as in Velero.
    async fn run_actions(&self, store: &BackupStore, backup: &Backup) -> Result<Vec<String>, Stop> {
        let (scratch, progress) = (self.context.config.scratch(), Progress::default());
        let tools = self.context.tools(&scratch, &progress);
        let errors = match run_delete_actions(&tools, store, backup).await {
            Err(error) if error.is_cancelled() => return Err(Stop::Handover),
            errors => errors?,
        };
        for error in &errors {
            tracing::error!(backup = backup.name_any(), error, "a delete item action failed");
        }
        if !errors.is_empty() {
            let note = format!("what these stand for may be left behind: {}", errors.join("; "));
            self.context.reporter.warning(backup, "DeleteItemActionFailed", &note).await;
        }
        Ok(errors)
    }

    async fn delete_files(&self, store: &BackupStore, backup: &str) -> Result<(), Vec<String>> {
        self.delete_restores(store, backup).await?;
        let report = store.delete_backup(backup).await.map_err(|error| vec![chain(&error)])?;
        let failed: Vec<_> =
            report.failed.iter().map(|(key, error)| format!("{key}: {}", chain(error))).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }

    /// Says that the work has begun: from here on the backup is no good any more.
    async fn mark(
        &self,
        request: &DeleteBackupRequest,
        backup: &Backup,
    ) -> Result<(), crate::failure::ApiError> {
        let mut after = request.clone();
        after.status.phase = Some(Phase::InProgress);
        let labels = after.metadata.labels.get_or_insert_default();
        labels.insert(label::BACKUP_NAME.into(), label::valid_value(&backup.name_any()));
        labels.insert(label::BACKUP_UID.into(), backup.uid().unwrap_or_default());
        self.context.patch(request, &after, Guard::None).await?;
        let mut after = backup.clone();
        after.status.phase = Some(BackupPhase::Deleting);
        self.context.patch(backup, &after, Guard::None).await.map(drop)
    }

    /// The files of the restores go with the backup, because later nobody knows where they are.
    async fn delete_restores(&self, store: &BackupStore, backup: &str) -> Result<(), Vec<String>> {
        let restores = self.context.caches.restores.list();
        let of_backup = |restore: &&Arc<Restore>| restore.spec.backup_name == backup;
        let mut errors = Vec::new();
        for restore in restores.iter().filter(of_backup) {
            match store.delete_restore(&restore.name_any()).await {
                Ok(report) => {
                    errors
                        .extend(report.failed.iter().map(|(key, error)| format!("{key}: {}", chain(error))));
                }
                Err(error) => errors.push(chain(&error)),
            }
            errors.extend(self.context.delete(&**restore).await.err().map(|error| error.to_string()));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// A backup that is gone needs no requests.
    async fn forget_requests(&self, backup: &str) -> Result<(), Failure> {
        for request in self.context.caches.delete_requests.list() {
            if request.spec.backup_name == backup {
                self.context.delete(&*request).await.map_err(failure)?;
            }
        }
        Ok(())
    }
}

/// Data of volumes lies elsewhere, and would be lost track of without the backup.
async fn check_volumes(store: &BackupStore, backup: &str) -> Result<(), Vec<String>> {
    let text = |error: bowline_store::Error| vec![chain(&error)];
    let native = store.native_snapshots(backup).await.map_err(text)?.len();
    let pod_volumes = store.pod_volume_backups(backup).await.map_err(text)?;
    let files = pod_volumes.iter().filter(|volume| !volume.status.snapshot_id.is_empty()).count();
    let operations = store.item_operations(backup).await.map_err(text)?.len();
    if native + files + operations == 0 {
        return Ok(());
    }
    Err(vec![format!(
        "the backup has data of volumes ({native} native snapshots, {files} file-system backups, {operations} operations), which this \
         version can't delete; delete it with Velero, or delete the backup's files and those snapshots by hand"
    )])
}

#[async_trait]
impl Reconcile for Deletions {
    fn name(&self) -> &'static str {
        "backup-deletion"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        let Some(request) = caches.delete_requests.get(name) else { return Ok(Next::OnChange) };
        tokio::join!(caches.backups.ready(), caches.locations.ready(), caches.restores.ready());
        match decide(&request, self.context.now()) {
            Step::Process => {
                let live = self.context.live::<DeleteBackupRequest>(name).await.map_err(failure)?;
                if let Some(request) = live.filter(|live| decide(live, self.context.now()) == Step::Process) {
                    if is_repeated(&request, &caches.delete_requests.list()) {
                        self.context.delete(&request).await.map_err(failure)?;
                    } else {
                        self.process(&request).await?;
                    }
                }
            }
            Step::Forget => self.context.delete(&*request).await.map_err(failure)?,
            Step::Wait(left) => return Ok(Next::After(left)),
        }
        Ok(Next::OnChange)
    }
}

#[cfg(test)]
mod tests {
    use bowline_api::Time;

    use super::*;

    #[test]
    fn requests_are_processed_once_and_kept_for_a_day() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut request = DeleteBackupRequest::default();
        request.metadata.creation_timestamp = Some(Time(at(0)));
        assert_eq!(decide(&request, at(0)), Step::Process);
        request.status.phase = Some(Phase::InProgress);
        assert_eq!(decide(&request, at(0)), Step::Process);
        request.status.phase = Some(Phase::Processed);
        assert_eq!(decide(&request, at(3600)), Step::Wait(Duration::from_hours(23)));
        assert_eq!(decide(&request, at(24 * 3600)), Step::Forget);
    }

    #[test]
    fn a_backup_that_runs_is_not_deleted() {
        let mut backup = Backup::default();
        for (phase, free) in [
            (BackupPhase::InProgress, false),
            (BackupPhase::Finalizing, false),
            (BackupPhase::Completed, true),
            (BackupPhase::Failed, true),
            (BackupPhase::Deleting, true),
        ] {
            backup.status.phase = Some(phase);
            assert_eq!(guard(&backup).is_none(), free);
        }
    }
}
