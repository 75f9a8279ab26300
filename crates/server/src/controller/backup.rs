//! Backup: runs backups that are ready to start, and those that a server before this one left in progress.
//!
//! A backup in progress that comes here has no run: its key is worked on by one task at a time. So it is run again under the same
//! object, unless it is in the store already and only its status was lost.

use std::sync::Arc;

use async_trait::async_trait;
use bowline_api::backup::BackupProgress;
use bowline_api::{Backup, BackupPhase, BackupStorageLocation, Time};
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Next, Reconcile};
use bowline_store::BackupStore;
use jiff::Timestamp;
use kube::ResourceExt;

use super::attempts;
use super::remains;
use super::run::{self, Finished, Runner, Subject, Trouble, Verdict};
use super::schedule_of;
use crate::context::Context;
use crate::failure::failure;
use crate::location::{LocationError, check_writable, choose};
use crate::operation::{prepare_backup, run_backup, validate_backup};

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
        Box::pin(run::run(self, backup, after)).await
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
        run::finish(self, backup, Finished::bare(after)).await
    }

    /// Ends a backup that was begun too often, unless the last attempt got as far as to store it.
    async fn give_up(&self, backup: &Backup) -> Result<(), Failure> {
        match self.remains(backup).await {
            Ok(Some(stored)) => run::finish(self, backup, Finished::bare(finished_as(backup, stored))).await,
            Ok(None) => run::give_up(self, backup).await,
            Err(error) => {
                tracing::warn!(backup = backup.name_any(), error = %error, "what its attempts have left can't be removed");
                run::give_up(self, backup).await
            }
        }
    }

    /// The stored backup, if it is whole; else removes what the attempts have left in the store.
    async fn remains(&self, backup: &Backup) -> Result<Option<Backup>, LocationError> {
        let name = backup.name_any();
        let store = self.context.store(&*self.choose(backup)?).await?;
        let stored = stored(&store, backup).await?;
        // A whole backup of that name that is not this one belongs to somebody else.
        if stored.is_none() && !store.exists(&name).await? {
            store.delete_backup(&name).await?;
        }
        Ok(stored)
    }
}

#[async_trait]
impl Runner for Backups {
    type Object = Backup;

    fn context(&self) -> &Context {
        &self.context
    }

    async fn attempt(&self, backup: &Backup, progress: &Progress) -> Result<Finished<Backup>, Trouble> {
        let location = self.choose(backup)?;
        let store = self.context.store(&location).await?;
        if let Some(stored) = stored(&store, backup).await? {
            tracing::info!(backup = backup.name_any(), "backup was stored before its server ended");
            return Ok(Finished::bare(finished_as(backup, stored)));
        }
        let scratch = self.context.config.scratch();
        let operation = self.context.tools(&scratch, progress).on(&store, &self.context.logs);
        let finished = run_backup(&operation, backup.clone()).await.map_err(|_| Trouble::Stopped)?;
        let (mut object, archive_bytes, is_temporary) =
            (finished.backup, finished.archive_bytes, finished.is_temporary);
        if let Some(hint) = finished.hint.filter(|_| !is_temporary) {
            object.status.failure_reason = format!("{}; {hint}", object.status.failure_reason);
        }
        Ok(Finished { object, archive_bytes, is_temporary })
    }

    async fn conclude(&self, backup: &mut Backup) {
        if backup.phase() == BackupPhase::Failed {
            remains::note(&self.context, backup).await;
        }
    }

    fn count_start(&self, backup: &Backup) {
        self.context.metrics.backup.attempt.with_label_values(&[schedule_of(backup)]).inc();
    }

    fn count(&self, finished: &Finished<Backup>) {
        let Finished { object, archive_bytes, .. } = finished;
        self.context.metrics.backup.finished(schedule_of(object), object, *archive_bytes, self.context.now());
    }
}

impl Subject for Backup {
    const NOUN: &'static str = "backup";

    fn set_progress(&mut self, progress: Option<(i32, i32)>) {
        self.status.progress =
            progress.map(|(total_items, items_backed_up)| BackupProgress { total_items, items_backed_up });
    }

    fn fail(&mut self, reason: String, now: Timestamp) {
        self.status.phase = Some(BackupPhase::Failed);
        self.status.failure_reason = reason;
        self.status.completion_timestamp = Some(Time(now));
    }

    fn failure_reason(&mut self) -> &mut String {
        &mut self.status.failure_reason
    }

    fn verdict(&self) -> Option<Verdict> {
        let status = &self.status;
        let note = match self.phase() {
            BackupPhase::Completed => return Some(Verdict::Good),
            BackupPhase::FailedValidation => status.validation_errors.join("; "),
            BackupPhase::Failed => status.failure_reason.clone(),
            BackupPhase::PartiallyFailed => {
                format!("{} errors, see the backup's log and results", status.errors)
            }
            _ => return None,
        };
        Some(Verdict::Bad(self.phase().to_string(), note))
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

/// The backup with the end that its stored form tells.
fn finished_as(backup: &Backup, stored: Backup) -> Backup {
    Backup { status: stored.status, ..backup.clone() }
}

#[async_trait]
impl Reconcile for Backups {
    fn name(&self) -> &'static str {
        "backup"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        let Some(cached) = caches.backups.get(name) else {
            self.context.metrics.backup.drop_backup(name);
            return Ok(Next::OnChange);
        };
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
            Step::Resume => Box::pin(run::run(self, &backup, backup.clone())).await?,
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
            attempts::begin(&mut backup.metadata, "a", Timestamp::UNIX_EPOCH);
        }
        assert_eq!(decide(&Backup { status: BackupStatus::default(), ..backup.clone() }), Step::Nothing);
        backup.status.phase = Some(BackupPhase::InProgress);
        assert_eq!(decide(&backup), Step::GiveUp);
    }
}
