//! Restore finalizer: gives new volumes what the old ones had, and brings restores to their end.

use std::sync::Arc;

use async_trait::async_trait;
use bowline_api::{Restore, RestorePhase};
use bowline_engine::progress::Progress;
use bowline_reconcile::{Failure, Next, Reconcile};
use tracing::Instrument;

use super::restore::Restores;
use super::run::{self, Finished};
use crate::context::Context;
use crate::failure::failure;
use crate::operation::finalize_restore;
use crate::traced;

pub(super) struct RestoreFinalizer {
    context: Arc<Context>,
}

fn is_finalizing(restore: &Restore) -> bool {
    matches!(restore.phase(), RestorePhase::Finalizing | RestorePhase::FinalizingPartiallyFailed)
}

impl RestoreFinalizer {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context) }
    }

    async fn finalize(&self, restore: &Restore) -> Result<(), Failure> {
        let store = self.context.store_of_restore(restore).await?;
        let (scratch, progress) = (self.context.config.scratch(), Progress::default());
        let trace = traced::of_restore("finalize restore", restore);
        let tools = self.context.tools(&scratch, &progress);
        let after = finalize_restore(&tools, &store, restore.clone()).instrument(trace.clone()).await?;
        traced::restore_ended(&trace, &after);
        run::finish(&Restores::new(&self.context), restore, Finished::bare(after)).await
    }
}

#[async_trait]
impl Reconcile for RestoreFinalizer {
    fn name(&self) -> &'static str {
        "restore-finalizer"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        if !caches.restores.get(name).is_some_and(|cached| is_finalizing(&cached)) {
            return Ok(Next::OnChange);
        }
        caches.backups.ready().await;
        caches.locations.ready().await;
        let live = self.context.live::<Restore>(name).await.map_err(failure)?;
        if let Some(restore) = live.filter(is_finalizing) {
            self.finalize(&restore).await?;
        }
        Ok(Next::OnChange)
    }
}
