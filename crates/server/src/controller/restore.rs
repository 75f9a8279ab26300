//! Restore: checks and runs restores, runs again those that a server before this one left in progress, and removes the files of those
//! that are deleted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::restore::RestoreProgress;
use bowline_api::{Backup, BackupPhase, Restore, RestorePhase, Time, label};
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use jiff::Timestamp;
use kube::ResourceExt;

use super::attempts;
use super::run::{self, Finished, Runner, Subject, Trouble, Verdict};
use super::targets;
use crate::context::Context;
use crate::failure::failure;
use crate::location::check_available;
use crate::operation::{prepare_restore, run_restore, validate_restore};

/// How soon a restore that waits for another one looks again; the other's end is no change of it.
const TURN: Duration = Duration::from_secs(1);

pub(super) struct Restores {
    context: Arc<Context>,
}

/// What to do about a restore.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Check it, and run it when nothing is wrong.
    Begin,
    /// Run it again: the server that ran it is gone. What it created is found and kept.
    Resume,
    /// Too many servers were gone before it was done.
    GiveUp,
    /// Remove its files, and let it go.
    CleanUp,
    /// It is done.
    Nothing,
}

fn decide(restore: &Restore) -> Step {
    if restore.metadata.deletion_timestamp.is_some() {
        let held = restore.finalizers().iter().any(|finalizer| finalizer == label::RESTORE_FINALIZER);
        return if held { Step::CleanUp } else { Step::Nothing };
    }
    match restore.phase() {
        RestorePhase::New => Step::Begin,
        RestorePhase::Other(phase) if phase.is_empty() => Step::Begin,
        RestorePhase::InProgress if attempts::used_up(&restore.metadata) => Step::GiveUp,
        RestorePhase::InProgress => Step::Resume,
        _ => Step::Nothing,
    }
}

/// The backup that a restore means: the one it names, else the newest complete one of its schedule.
fn source(restore: &Restore, backups: &[Arc<Backup>]) -> Result<Arc<Backup>, String> {
    let spec = &restore.spec;
    if !spec.backup_name.is_empty() {
        let found = backups.iter().find(|backup| backup.name_any() == spec.backup_name);
        return found.cloned().ok_or_else(|| format!("backups.velero.io {:?} not found", spec.backup_name));
    }
    let of_schedule = backups.iter().filter(|backup| {
        super::schedule_of(backup) == spec.schedule_name && backup.phase() == BackupPhase::Completed
    });
    let started = |backup: &Backup| backup.status.start_timestamp.as_ref().map(|Time(at)| *at);
    let newest = of_schedule.max_by_key(|backup| started(backup));
    newest
        .cloned()
        .ok_or_else(|| format!("no completed backups of the schedule {:?} were found", spec.schedule_name))
}

/// A backup that did not come to a good end may lack anything.
fn check_source(backup: &Backup) -> Option<String> {
    let phase = backup.phase();
    let usable = matches!(phase, BackupPhase::Completed | BackupPhase::PartiallyFailed);
    (!usable).then(|| {
        format!("the backup {:?} can't be restored, because its phase is {phase}", backup.name_any())
    })
}

impl Restores {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn begin(&self, restore: &Restore) -> Result<(), Failure> {
        let backup = match self.check(restore) {
            Ok(backup) => backup,
            Err(errors) => return self.refuse(restore, errors).await,
        };
        let mut after = restore.clone();
        after.spec.backup_name = backup.name_any();
        // As Velero does, for whoever reads the object.
        super::schedule_of(&backup).clone_into(&mut after.spec.schedule_name);
        prepare_restore(&mut after, &self.context.config.defaults, self.context.now());
        let finalizers = after.metadata.finalizers.get_or_insert_default();
        if !finalizers.iter().any(|finalizer| finalizer == label::RESTORE_FINALIZER) {
            finalizers.push(label::RESTORE_FINALIZER.into());
        }
        Box::pin(run::run(self, restore, after)).await
    }

    /// Everything that is wrong, or the backup to restore.
    fn check(&self, restore: &Restore) -> Result<Arc<Backup>, Vec<String>> {
        let mut errors = validate_restore(&restore.spec);
        if !errors.is_empty() {
            return Err(errors);
        }
        let backup = source(restore, &self.context.caches.backups.list()).map_err(|error| vec![error])?;
        errors.extend(check_source(&backup));
        match self.context.location(&backup.spec.storage_location) {
            Ok(location) => errors.extend(check_available(&location).err().map(|error| error.to_string())),
            Err(error) => errors.push(error.to_string()),
        }
        if errors.is_empty() { Ok(backup) } else { Err(errors) }
    }

    /// The schedule that made the backup, as the metrics' label.
    fn schedule(&self, restore: &Restore) -> String {
        let backup = self.context.caches.backups.get(&restore.spec.backup_name);
        backup.as_deref().map_or("", super::schedule_of).to_owned()
    }

    async fn refuse(&self, restore: &Restore, errors: Vec<String>) -> Result<(), Failure> {
        let mut after = restore.clone();
        after.status.phase = Some(RestorePhase::FailedValidation);
        after.status.validation_errors = errors;
        run::finish(self, restore, Finished::bare(after)).await
    }

    /// Removes the files of a deleted restore. Where backup or location are gone there is no way to them, so it is let go.
    async fn clean_up(&self, restore: &Restore) -> Result<(), Failure> {
        let backup = self.context.caches.backups.get(&restore.spec.backup_name);
        let location = backup.map(|backup| self.context.location(&backup.spec.storage_location));
        if let Some(Ok(location)) = location {
            let report = self.context.store(&location).await?.delete_restore(&restore.name_any()).await?;
            if let Some((key, error)) = report.failed.into_iter().next() {
                tracing::warn!(
                    restore = restore.name_any(),
                    key,
                    "a file of the deleted restore is still there"
                );
                return Err(error.into());
            }
        }
        let mut after = restore.clone();
        after
            .metadata
            .finalizers
            .get_or_insert_default()
            .retain(|finalizer| finalizer != label::RESTORE_FINALIZER);
        match self.context.patch(restore, &after, Guard::Unchanged).await {
            Err(error) if !error.is_not_found() => Err(failure(error)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Runner for Restores {
    type Object = Restore;

    fn context(&self) -> &Context {
        &self.context
    }

    /// What is restored is what was stored, whatever the Backup object says now.
    async fn attempt(&self, restore: &Restore, progress: &Progress) -> Result<Finished<Restore>, Trouble> {
        let backup = source(restore, &self.context.caches.backups.list()).map_err(Trouble::Permanent)?;
        let location = self.context.location(&backup.spec.storage_location)?;
        let store = self.context.store(&location).await?;
        let stored = store.metadata(&backup.name_any()).await?;
        let scratch = self.context.config.scratch();
        let operation = self.context.tools(&scratch, progress).on(&store, &self.context.logs);
        let finished =
            run_restore(&operation, restore.clone(), stored).await.map_err(|_| Trouble::Stopped)?;
        Ok(Finished { is_temporary: finished.is_temporary, ..Finished::bare(finished.restore) })
    }

    fn count_start(&self, restore: &Restore) {
        self.context.metrics.restore.attempt.with_label_values(&[&self.schedule(restore)]).inc();
    }

    fn count(&self, finished: &Finished<Restore>) {
        let metrics = &self.context.metrics.restore;
        let counter = match finished.object.phase() {
            RestorePhase::Completed => &metrics.success,
            RestorePhase::PartiallyFailed => &metrics.partial_failure,
            RestorePhase::FailedValidation => &metrics.validation_failed,
            RestorePhase::Failed => &metrics.failed,
            // It is not at its end yet.
            _ => return,
        };
        counter.with_label_values(&[&self.schedule(&finished.object)]).inc();
    }
}

impl Subject for Restore {
    const NOUN: &'static str = "restore";

    fn set_progress(&mut self, progress: Option<(i32, i32)>) {
        self.status.progress =
            progress.map(|(total_items, items_restored)| RestoreProgress { total_items, items_restored });
    }

    fn fail(&mut self, reason: String, now: Timestamp) {
        self.status.phase = Some(RestorePhase::Failed);
        self.status.failure_reason = reason;
        self.status.completion_timestamp = Some(Time(now));
    }

    fn failure_reason(&mut self) -> &mut String {
        &mut self.status.failure_reason
    }

    fn verdict(&self) -> Option<Verdict> {
        let status = &self.status;
        let note = match self.phase() {
            RestorePhase::Completed => return Some(Verdict::Good),
            RestorePhase::FailedValidation => status.validation_errors.join("; "),
            RestorePhase::Failed => status.failure_reason.clone(),
            RestorePhase::PartiallyFailed => {
                format!("{} errors, see the restore's log and results", status.errors)
            }
            _ => return None,
        };
        Some(Verdict::Bad(self.phase().to_string(), note))
    }
}

#[async_trait]
impl Reconcile for Restores {
    fn name(&self) -> &'static str {
        "restore"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        self.context.metrics.restore.total.set(caches.restores.list().len() as f64);
        let Some(cached) = caches.restores.get(name) else { return Ok(Next::OnChange) };
        if decide(&cached) == Step::Nothing {
            return Ok(Next::OnChange);
        }
        // A restore may come right after its backup, or after a start: what it names may not be cached yet.
        caches.backups.ready().await;
        caches.locations.ready().await;
        let Some(restore) = self.context.live::<Restore>(name).await.map_err(failure)? else {
            return Ok(Next::OnChange);
        };
        match decide(&restore) {
            Step::Begin if !targets::is_its_turn(name, &caches.restores.list()) => {
                return Ok(Next::After(TURN));
            }
            Step::Begin => self.begin(&restore).await?,
            Step::Resume => Box::pin(run::run(self, &restore, restore.clone())).await?,
            Step::GiveUp => run::give_up(self, &restore).await?,
            Step::CleanUp => self.clean_up(&restore).await?,
            Step::Nothing => {}
        }
        Ok(Next::OnChange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_its_step() {
        let mut restore = Restore::default();
        assert_eq!(decide(&restore), Step::Begin);
        restore.status.phase = Some(RestorePhase::InProgress);
        assert_eq!(decide(&restore), Step::Resume);
        for _ in 0..attempts::LIMIT {
            attempts::begin(&mut restore.metadata, "a", Timestamp::UNIX_EPOCH);
        }
        assert_eq!(decide(&restore), Step::GiveUp);
        restore.status.phase = Some(RestorePhase::Completed);
        assert_eq!(decide(&restore), Step::Nothing);
        restore.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        assert_eq!(decide(&restore), Step::Nothing);
        restore.metadata.finalizers = Some(vec![label::RESTORE_FINALIZER.into()]);
        assert_eq!(decide(&restore), Step::CleanUp);
    }

    fn backup(name: &str, schedule: &str, phase: BackupPhase, start: i64) -> Arc<Backup> {
        let mut backup = Backup::new(name, bowline_api::BackupSpec::default());
        backup.metadata.labels = Some([(label::SCHEDULE_NAME.to_owned(), schedule.to_owned())].into());
        backup.status.phase = Some(phase);
        backup.status.start_timestamp = Some(Time(jiff::Timestamp::from_second(start).unwrap()));
        Arc::new(backup)
    }

    #[test]
    fn a_schedule_stands_for_its_newest_complete_backup() {
        let all = [
            backup("old", "s", BackupPhase::Completed, 1),
            backup("new", "s", BackupPhase::Completed, 2),
            backup("bad", "s", BackupPhase::PartiallyFailed, 3),
            backup("other", "t", BackupPhase::Completed, 4),
        ];
        let mut restore = Restore::default();
        restore.spec.schedule_name = "s".into();
        assert_eq!(source(&restore, &all).unwrap().name_any(), "new");
        restore.spec.schedule_name = "none".into();
        assert!(source(&restore, &all).unwrap_err().contains("none"));
        restore.spec.backup_name = "bad".into();
        assert_eq!(source(&restore, &all).unwrap().name_any(), "bad");
    }

    #[test]
    fn only_backups_with_a_good_end_are_restored() {
        assert!(check_source(&backup("b", "", BackupPhase::PartiallyFailed, 0)).is_none());
        assert!(check_source(&backup("b", "", BackupPhase::InProgress, 0)).unwrap().contains("InProgress"));
    }
}
