//! What a server sets for all its backups and restores, besides their pace.

use std::fmt;
use std::sync::Arc;

use bowline_engine::action::{
    ActionError, BackupAction, DeleteAction, ItemBlockAction, RestoreAction, backup, item_block, restore,
};

use super::Tools;

/// The action that stores old CRDs in their old form; pointless where every version is stored.
const CRD_REMAP: &str = "velero.io/crd-remap-version";

/// The settings of the server that change what a backup or restore does.
#[derive(Clone, Debug, Default)]
pub struct RunRules {
    /// `--features=EnableAPIGroupVersions`: backups store every served version of an object, and restores choose among them.
    pub all_versions: bool,
    /// `--global-backup-volume-policies-configmap`: volume policies behind those of each backup.
    pub global_policies: Option<String>,
    /// `--default-resource-modifier-configmap`: the changes for restores that name none and don't opt out.
    pub default_modifiers: Option<String>,
    /// Actions besides the built-in ones.
    pub plugins: PluginActions,
}

/// Actions besides the built-in ones, after which they run.
#[derive(Clone, Default)]
pub struct PluginActions {
    /// Of backups.
    pub backup: Vec<Arc<dyn BackupAction>>,
    /// Of backups, for item blocks.
    pub item_block: Vec<Arc<dyn ItemBlockAction>>,
    /// Of restores.
    pub restore: Vec<Arc<dyn RestoreAction>>,
    /// Of the deletion of backups.
    pub delete: Vec<Arc<dyn DeleteAction>>,
}

impl fmt::Debug for PluginActions {
    /// The names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (backup, restore) =
            (self.backup.iter().map(|it| it.name()), self.restore.iter().map(|it| it.name()));
        let item_block = self.item_block.iter().map(|it| it.name());
        let delete = self.delete.iter().map(|it| it.name());
        f.debug_list().entries(backup).entries(item_block).entries(restore).entries(delete).finish()
    }
}

/// The actions of a backup, in order.
pub(super) struct BackupActions {
    pub(super) item: Vec<Arc<dyn BackupAction>>,
    pub(super) item_block: Vec<Arc<dyn ItemBlockAction>>,
}

impl BackupActions {
    /// Those without plugins, which may take snapshots.
    pub(super) fn builtin() -> Self {
        Self { item: backup::builtin(), item_block: item_block::builtin() }
    }
}

impl Tools<'_> {
    /// All actions of backups, in order.
    pub(super) fn backup_actions(&self) -> BackupActions {
        let rules = &self.settings.rules;
        let mut actions = BackupActions::builtin();
        actions.item.retain(|action| !(rules.all_versions && action.name() == CRD_REMAP));
        actions.item.extend(rules.plugins.backup.iter().cloned());
        actions.item_block.extend(rules.plugins.item_block.iter().cloned());
        actions
    }

    /// All actions of restores, in order.
    pub(super) async fn restore_actions(&self) -> Result<Vec<Arc<dyn RestoreAction>>, ActionError> {
        let mut actions = restore::builtin(self.ports, self.namespace).await?;
        actions.extend(self.settings.rules.plugins.restore.iter().cloned());
        Ok(actions)
    }

    /// All actions of deletions, in order.
    pub(super) fn delete_actions(&self) -> &[Arc<dyn DeleteAction>] {
        &self.settings.rules.plugins.delete
    }
}
