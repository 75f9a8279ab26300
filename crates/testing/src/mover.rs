//! An action whose work goes on after the run, as that of data movers does.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use async_trait::async_trait;
use bowline_api::{Backup, Restore};
use bowline_engine::action::{
    Action, ActionError, ActionSelector, BackupAction, BackupContext, BackupEffects, Item, ItemId,
    RestoreAction, RestoreContext, RestoreEffects,
};
use bowline_engine::catalog::GroupResource;
use bowline_engine::operation::OperationProgress;
use bowline_engine::port::Ports;

/// Moves one ConfigMap of the namespace `shop`, both ways; it takes as long as the test says.
pub struct Mover {
    config_map: &'static str,
    /// Whether the work has ended.
    pub done: AtomicBool,
    /// Whether it ends, or has ended, because the disk is full.
    pub fails: AtomicBool,
    /// Whether somebody has cancelled it.
    pub cancelled: AtomicBool,
}

impl Mover {
    /// Its name as an action.
    pub const NAME: &'static str = "example.io/mover";

    /// A mover of the ConfigMap of this name, which takes its time.
    pub fn of(config_map: &'static str) -> Self {
        Self { config_map, done: false.into(), fails: false.into(), cancelled: false.into() }
    }

    fn selects() -> ActionSelector {
        ActionSelector::resources(&["configmaps"])
    }

    fn state(&self) -> OperationProgress {
        let error = self.fails.load(Relaxed).then(|| "the disk is full".to_owned());
        OperationProgress { completed: self.done.load(Relaxed), error, ..OperationProgress::default() }
    }
}

#[async_trait]
impl Action for Mover {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn selector(&self) -> Result<ActionSelector, ActionError> {
        Ok(Self::selects())
    }
}

#[async_trait]
impl BackupAction for Mover {
    /// Starts the work, which changes the ConfigMap, unless it is over already.
    async fn execute(&self, item: &mut Item, _: &BackupContext<'_>) -> Result<BackupEffects, ActionError> {
        let ended = self.done.load(Relaxed) || self.cancelled.load(Relaxed);
        if item.head().name != self.config_map || ended {
            return Ok(BackupEffects::default());
        }
        let moved = ItemId {
            resource: GroupResource::new("", "configmaps"),
            namespace: Some("shop".into()),
            name: self.config_map.into(),
        };
        let operation_id = Some("op".to_owned());
        Ok(BackupEffects { operation_id, post_operation_items: vec![moved], ..BackupEffects::default() })
    }

    async fn progress(&self, _: &str, _: &Backup, _: &Ports) -> Result<OperationProgress, ActionError> {
        Ok(self.state())
    }

    async fn cancel(&self, _: &str, _: &Backup, _: &Ports) -> Result<(), ActionError> {
        self.cancelled.store(true, Relaxed);
        Ok(())
    }
}

#[async_trait]
impl RestoreAction for Mover {
    async fn execute(&self, item: &mut Item, _: &RestoreContext<'_>) -> Result<RestoreEffects, ActionError> {
        let operation_id = (item.head().name == self.config_map).then(|| "op".to_owned());
        Ok(RestoreEffects { operation_id, ..RestoreEffects::default() })
    }

    async fn progress(&self, _: &str, _: &Restore, _: &Ports) -> Result<OperationProgress, ActionError> {
        Ok(self.state())
    }
}
