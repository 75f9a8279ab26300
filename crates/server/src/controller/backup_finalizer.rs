//! Backup finalizer: brings backups to their end whose operations have ended.

use std::sync::Arc;

use async_trait::async_trait;
use bowline_api::{Backup, BackupPhase};
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Next, Reconcile};
use tracing::Instrument;

use super::backup::Backups;
use super::run::{self, Finished};
use crate::context::Context;
use crate::failure::failure;
use crate::operation::finalize_backup;
use crate::traced;

pub(super) struct BackupFinalizer {
    context: Arc<Context>,
}

fn is_finalizing(backup: &Backup) -> bool {
    matches!(backup.phase(), BackupPhase::Finalizing | BackupPhase::FinalizingPartiallyFailed)
}

impl BackupFinalizer {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn finalize(&self, backup: &Backup) -> Result<(), Failure> {
        let location = self.context.location(&backup.spec.storage_location)?;
        let store = self.context.store(&location).await?;
        let (scratch, progress) = (self.context.config.scratch(), Progress::default());
        let trace = traced::of_backup("finalize backup", backup);
        let tools = self.context.tools(&scratch, &progress);
        let done = finalize_backup(&tools, &store, backup.clone()).instrument(trace.clone()).await?;
        traced::backup_ended(&trace, &done.backup);
        let finished = Finished { archive_bytes: done.archive_bytes, ..Finished::bare(done.backup) };
        run::finish(&Backups::new(&self.context), backup, finished).await
    }
}

#[async_trait]
impl Reconcile for BackupFinalizer {
    fn name(&self) -> &'static str {
        "backup-finalizer"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        if !caches.backups.get(name).is_some_and(|cached| is_finalizing(&cached)) {
            return Ok(Next::OnChange);
        }
        caches.locations.ready().await;
        let live = self.context.live::<Backup>(name).await.map_err(failure)?;
        if let Some(backup) = live.filter(is_finalizing) {
            self.finalize(&backup).await?;
        }
        Ok(Next::OnChange)
    }
}
