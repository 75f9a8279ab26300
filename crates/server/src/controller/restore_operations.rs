//! Restore operations: asks about what actions have started for a restore and what still goes on, until all of it has ended.

use std::sync::Arc;

use async_trait::async_trait;
use bowline_api::{Restore, RestorePhase};
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Next, Reconcile};

use super::run;
use crate::context::Context;
use crate::failure::failure;
use crate::operation::poll_restore;

pub(super) struct RestoreOperations {
    context: Arc<Context>,
}

fn is_waiting(restore: &Restore) -> bool {
    use RestorePhase::{WaitingForPluginOperations, WaitingForPluginOperationsPartiallyFailed};
    matches!(restore.phase(), WaitingForPluginOperations | WaitingForPluginOperationsPartiallyFailed)
}

impl RestoreOperations {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    /// Does a round. Returns whether the restore waits on.
    async fn round(&self, restore: &Restore) -> Result<bool, Failure> {
        let store = self.context.store_of_restore(restore).await?;
        let (scratch, progress) = (self.context.config.scratch(), Progress::default());
        let polled = poll_restore(&self.context.tools(&scratch, &progress), &store, restore.clone()).await;
        Ok(run::record_round(&self.context, restore, polled).await?.is_none_or(|after| is_waiting(&after)))
    }
}

#[async_trait]
impl Reconcile for RestoreOperations {
    fn name(&self) -> &'static str {
        "restore-operations"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        if !caches.restores.get(name).is_some_and(|cached| is_waiting(&cached)) {
            return Ok(Next::OnChange);
        }
        caches.backups.ready().await;
        caches.locations.ready().await;
        let live = self.context.live::<Restore>(name).await.map_err(failure)?;
        let Some(restore) = live.filter(is_waiting) else { return Ok(Next::OnChange) };
        let waits = self.round(&restore).await?;
        Ok(if waits { Next::After(self.context.config.periods.item_operations) } else { Next::OnChange })
    }
}
