//! Backup operations: asks about what actions have started for a backup and what still goes on, until all of it has ended.

use std::sync::Arc;

use async_trait::async_trait;
use bowline_api::{Backup, BackupPhase, Time};
use bowline_reconcile::{Failure, Next, Reconcile};

use super::backup::Backups;
use super::run::{self, Finished};
use crate::context::Context;
use crate::failure::failure;
use crate::location::is_read_only;
use crate::operation::poll_backup;

pub(super) struct BackupOperations {
    context: Arc<Context>,
}

fn is_waiting(backup: &Backup) -> bool {
    use BackupPhase::{WaitingForPluginOperations, WaitingForPluginOperationsPartiallyFailed};
    matches!(backup.phase(), WaitingForPluginOperations | WaitingForPluginOperationsPartiallyFailed)
}

impl BackupOperations {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    /// Does a round. Returns whether the backup waits on.
    async fn round(&self, backup: &Backup) -> Result<bool, Failure> {
        let location = match self.context.location(&backup.spec.storage_location) {
            Ok(location) if is_read_only(&location) => {
                return self.give_up(backup, "its location is read-only").await;
            }
            Ok(location) => location,
            Err(error) => return self.give_up(backup, &error.to_string()).await,
        };
        let store = self.context.store(&location).await?;
        let scratch = self.context.config.scratch();
        let progress = bowline_engine::progress::Progress::default();
        let polled = poll_backup(&self.context.tools(&scratch, &progress), &store, backup.clone()).await;
        Ok(run::record_round(&self.context, backup, polled).await?.is_none_or(|after| is_waiting(&after)))
    }

    /// Without its location nobody will know how the operations went.
    async fn give_up(&self, backup: &Backup, reason: &str) -> Result<bool, Failure> {
        let mut after = backup.clone();
        after.status.phase = Some(BackupPhase::PartiallyFailed);
        after.status.errors += 1;
        after.status.failure_reason =
            format!("nobody knows how the operations of this backup ended: {reason}");
        after.status.completion_timestamp = Some(Time(self.context.now()));
        run::finish(&Backups::new(&self.context), backup, Finished::bare(after)).await?;
        Ok(false)
    }
}

#[async_trait]
impl Reconcile for BackupOperations {
    fn name(&self) -> &'static str {
        "backup-operations"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        if !caches.backups.get(name).is_some_and(|cached| is_waiting(&cached)) {
            return Ok(Next::OnChange);
        }
        caches.locations.ready().await;
        let live = self.context.live::<Backup>(name).await.map_err(failure)?;
        let Some(backup) = live.filter(is_waiting) else { return Ok(Next::OnChange) };
        let waits = self.round(&backup).await?;
        Ok(if waits { Next::After(self.context.config.periods.item_operations) } else { Next::OnChange })
    }
}
