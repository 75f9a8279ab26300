//! Backup: runs backups that are ready to start, and those that a server before this one left in progress.
//!
//! A backup in progress that comes here has no run: its key is worked on by one task at a time. So it is run again under the same
//! object, unless it is in the store already and only its status was lost.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::backup::BackupProgress;
use bowline_api::{Backup, BackupPhase, BackupStorageLocation, Time, label};
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use bowline_store::BackupStore;
use kube::ResourceExt;

use super::attempts;
use crate::adapter::chain;
use crate::context::Context;
use crate::failure::failure;
use crate::location::{LocationError, check_writable, choose};
use crate::operation::{FinishedBackup, Operation, prepare_backup, run_backup, validate_backup};

/// How often progress is written down while it changes.
const PROGRESS: Duration = Duration::from_secs(1);

pub(super) struct Backups {
    context: Arc<Context>,
}

/// What to do about a backup.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Check it, and run it when nothing is wrong.
    Begin,
    /// Run it again: the server that ran it is gone.
    Resume,
    /// Too many servers were gone before it was done.
    GiveUp,
    /// It is not its turn, or it is done.
    Nothing,
}

fn decide(backup: &Backup) -> Step {
    match backup.phase() {
        BackupPhase::ReadyToStart => Step::Begin,
        BackupPhase::InProgress if attempts::used_up(&backup.metadata) => Step::GiveUp,
        BackupPhase::InProgress => Step::Resume,
        _ => Step::Nothing,
    }
}

impl Backups {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn begin(&self, backup: &Backup) -> Result<(), Failure> {
        let errors = self.problems(backup);
        if !errors.is_empty() {
            return self.refuse(backup, errors).await;
        }
        let location = self.choose(backup)?;
        let version = self.context.ports.cluster.version().await?;
        let mut after = backup.clone();
        let defaults = &self.context.config.defaults;
        prepare_backup(&mut after, &location.name_any(), defaults, &version, self.context.now());
        attempts::count(&mut after.metadata);
        // Who loses this race sees a backup that is not ReadyToStart any more.
        let started = self.context.patch(backup, &after, Guard::Unchanged).await.map_err(failure)?;
        self.context.metrics.backup.attempt.with_label_values(&[schedule(backup)]).inc();
        self.context.reporter.normal(&started, "Started", "the backup has started").await;
        Box::pin(self.run(started, &location)).await
    }

    /// Everything that is wrong, not only the first.
    fn problems(&self, backup: &Backup) -> Vec<String> {
        let mut errors = validate_backup(&backup.spec);
        match self.choose(backup) {
            Ok(location) => errors.extend(check_writable(&location).err().map(|error| error.to_string())),
            Err(error) => errors.push(error.to_string()),
        }
        errors
    }

    fn choose(&self, backup: &Backup) -> Result<Arc<BackupStorageLocation>, LocationError> {
        let locations = self.context.caches.locations.list();
        choose(&backup.spec, &locations, &self.context.config.defaults.storage_location)
    }

    async fn refuse(&self, backup: &Backup, errors: Vec<String>) -> Result<(), Failure> {
        let mut after = backup.clone();
        after.status.phase = Some(BackupPhase::FailedValidation);
        after.status.validation_errors = errors;
        self.finish(backup, FinishedBackup::unstored(after)).await
    }

    async fn resume(&self, backup: &Backup) -> Result<(), Failure> {
        let location = self.choose(backup)?;
        let store = self.context.store(&location).await?;
        if let Some(stored) = stored(&store, backup).await? {
            tracing::info!(backup = backup.name_any(), "backup was stored before the server ended");
            let mut after = backup.clone();
            after.status = stored.status;
            return self.finish(backup, FinishedBackup::unstored(after)).await;
        }
        let mut after = backup.clone();
        attempts::count(&mut after.metadata);
        after.status.progress = None;
        let resumed = self.context.patch(backup, &after, Guard::Unchanged).await.map_err(failure)?;
        tracing::info!(
            backup = backup.name_any(),
            "backup is run again, because the server that ran it has ended"
        );
        Box::pin(self.run(resumed, &location)).await
    }

    async fn give_up(&self, backup: &Backup) -> Result<(), Failure> {
        let mut after = backup.clone();
        after.status.phase = Some(BackupPhase::Failed);
        after.status.failure_reason = attempts::exhausted("backup");
        after.status.completion_timestamp = Some(Time(self.context.now()));
        self.finish(backup, FinishedBackup::unstored(after)).await
    }

    /// Runs the backup to its end. When the server is told to stop meanwhile, the backup stays InProgress for the next one.
    async fn run(&self, backup: Backup, location: &BackupStorageLocation) -> Result<(), Failure> {
        let store = match self.context.store(location).await {
            Ok(store) => store,
            Err(error) => return self.fail(&backup, &chain(&error)).await,
        };
        let progress = Progress::default();
        let operation = Operation {
            ports: &self.context.ports,
            store: &store,
            settings: &self.context.config.engine,
            namespace: Some(&self.context.config.namespace),
            scratch: &self.context.config.scratch(),
            logs: &self.context.logs,
            progress: &progress,
            cancel: &self.context.stop,
        };
        let result = tokio::select! {
            result = run_backup(&operation, backup.clone()) => result,
            never = self.watch(&backup, &progress) => match never {},
        };
        match result {
            Ok(finished) => self.finish(&backup, finished).await,
            Err(stopped) => {
                tracing::info!(backup = backup.name_any(), "{stopped}, the next server will do it");
                Ok(())
            }
        }
    }

    /// Writes progress down, at most once a second, for as long as it is polled.
    async fn watch(&self, backup: &Backup, progress: &Progress) -> std::convert::Infallible {
        let mut written = backup.clone();
        loop {
            self.context.ports.clock.sleep(PROGRESS).await;
            let (total, done) = progress.snapshot();
            let mut after = written.clone();
            after.status.progress =
                Some(BackupProgress { total_items: total as i32, items_backed_up: done as i32 });
            match self.context.patch(&written, &after, Guard::None).await {
                Ok(_) => written = after,
                Err(error) => tracing::debug!(error = %error, "progress could not be written"),
            }
        }
    }

    async fn fail(&self, backup: &Backup, reason: &str) -> Result<(), Failure> {
        let mut after = backup.clone();
        after.status.phase = Some(BackupPhase::Failed);
        reason.clone_into(&mut after.status.failure_reason);
        after.status.completion_timestamp = Some(Time(self.context.now()));
        self.finish(backup, FinishedBackup::unstored(after)).await
    }

    async fn finish(&self, before: &Backup, finished: FinishedBackup) -> Result<(), Failure> {
        let FinishedBackup { backup: mut after, archive_bytes, hint } = finished;
        if let Some(hint) = hint {
            after.status.failure_reason = format!("{}; {hint}", after.status.failure_reason);
        }
        let metrics = &self.context.metrics.backup;
        metrics.finished(schedule(before), &after, archive_bytes, self.context.now());
        self.context.patch_persistently(before, &after).await.map_err(failure)?;
        let phase = after.phase();
        let reporter = &self.context.reporter;
        match phase {
            BackupPhase::Completed => reporter.normal(&after, "Completed", "the backup is complete").await,
            BackupPhase::FailedValidation => {
                reporter
                    .warning(&after, "FailedValidation", &after.status.validation_errors.join("; "))
                    .await;
            }
            BackupPhase::Failed => reporter.warning(&after, "Failed", &after.status.failure_reason).await,
            _ => {
                let note = format!("{} errors, see the backup's log and results", after.status.errors);
                reporter.warning(&after, phase.as_str(), &note).await;
            }
        }
        Ok(())
    }
}

/// The stored form of this very backup, if its run came to its end.
async fn stored(store: &BackupStore, backup: &Backup) -> Result<Option<Backup>, bowline_store::Error> {
    match store.metadata(&backup.name_any()).await {
        Ok(stored) if stored.uid().is_some() && stored.uid() == backup.uid() => Ok(Some(stored)),
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The schedule that made the backup, as the metrics' label.
pub(super) fn schedule(backup: &Backup) -> &str {
    backup.labels().get(label::SCHEDULE_NAME).map_or("", String::as_str)
}

#[async_trait]
impl Reconcile for Backups {
    fn name(&self) -> &'static str {
        "backup"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        let Some(cached) = caches.backups.get(name) else { return Ok(Next::OnChange) };
        if decide(&cached) == Step::Nothing {
            return Ok(Next::OnChange);
        }
        // After a start its location may not be cached yet.
        caches.locations.ready().await;
        let Some(backup) = self.context.live::<Backup>(name).await.map_err(failure)? else {
            return Ok(Next::OnChange);
        };
        match decide(&backup) {
            Step::Begin => self.begin(&backup).await?,
            Step::Resume => self.resume(&backup).await?,
            Step::GiveUp => self.give_up(&backup).await?,
            Step::Nothing => {}
        }
        Ok(Next::OnChange)
    }
}

#[cfg(test)]
mod tests {
    use bowline_api::BackupStatus;

    use super::*;

    #[test]
    fn a_backup_runs_when_it_is_its_turn_and_again_when_its_server_is_gone() {
        let mut backup = Backup::default();
        let mut step = |phase| {
            backup.status.phase = Some(phase);
            decide(&backup)
        };
        assert_eq!(step(BackupPhase::Queued), Step::Nothing);
        assert_eq!(step(BackupPhase::ReadyToStart), Step::Begin);
        assert_eq!(step(BackupPhase::InProgress), Step::Resume);
        assert_eq!(step(BackupPhase::Completed), Step::Nothing);
        for _ in 0..attempts::LIMIT {
            attempts::count(&mut backup.metadata);
        }
        assert_eq!(decide(&Backup { status: BackupStatus::default(), ..backup.clone() }), Step::Nothing);
        backup.status.phase = Some(BackupPhase::InProgress);
        assert_eq!(decide(&backup), Step::GiveUp);
    }
}
