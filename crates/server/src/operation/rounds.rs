//! Backups and restores that wait for operations: one round of questions, and what it means for their phase.
//!
//! A round is written to the store first and to the object last, and every figure is derived from the list of operations, so a round
//! that was cut short is simply done again.

use bowline_api::artifact::Results;
use bowline_api::{Backup, BackupPhase, Duration, Restore, RestorePhase};
use bowline_engine::action::ActionError;
use bowline_engine::operation::{self, BackupOperators, RestoreOperators, Round};
use bowline_store::BackupStore;
use bowline_store::layout::{BackupArtifact, RestoreArtifact};
use kube::ResourceExt;
use thiserror::Error;

use super::{Tools, number};

/// Why a round could not be done. The next one may succeed.
#[derive(Debug, Error)]
pub enum RoundError {
    /// The store does not give the list of operations, or does not take it.
    #[error(transparent)]
    Store(#[from] bowline_store::Error),
    /// The actions can't be set up.
    #[error("failed to prepare the actions")]
    Actions(#[from] ActionError),
}

/// Asks about the operations of a waiting backup, and returns it as it is then: waiting on, or `Finalizing`.
pub async fn poll_backup(
    tools: &Tools<'_>,
    store: &BackupStore,
    mut backup: Backup,
) -> Result<Backup, RoundError> {
    let name = backup.name_any();
    let mut operations = store.item_operations(&name).await?;
    let actions = tools.backup_actions().item;
    let operators = BackupOperators { actions: &actions, backup: &backup, ports: tools.ports };
    let timeout = timeout(backup.spec.item_operation_timeout);
    let round = operation::round(&mut operations, &operators, tools.ports, timeout).await;
    let status = &mut backup.status;
    status.errors += newly_failed(&round, status.backup_item_operations_failed);
    status.backup_item_operations_completed = number(round.completed as u64);
    status.backup_item_operations_failed = number(round.failed as u64);
    let clean = status.errors == 0;
    status.phase = Some(match (round.is_running, clean) {
        (true, true) => BackupPhase::WaitingForPluginOperations,
        (true, false) => BackupPhase::WaitingForPluginOperationsPartiallyFailed,
        (false, true) => BackupPhase::Finalizing,
        (false, false) => BackupPhase::FinalizingPartiallyFailed,
    });
    if round.has_changed {
        let upload = store.amend(&name).await?;
        if !round.errors.is_empty() {
            let mut results = store.results(&name).await?;
            add_errors(&mut results, &round.errors);
            upload.write(BackupArtifact::Results, &results).await?;
        }
        upload.write(BackupArtifact::ItemOperations, &operations).await?;
        upload.commit(&backup).await?;
    }
    Ok(backup)
}

/// Asks about the operations of a waiting restore, and returns it as it is then: waiting on, or `Finalizing`.
pub async fn poll_restore(
    tools: &Tools<'_>,
    store: &BackupStore,
    mut restore: Restore,
) -> Result<Restore, RoundError> {
    let name = restore.name_any();
    let mut operations = store.restore_item_operations(&name).await?;
    let actions = tools.restore_actions().await?;
    let operators = RestoreOperators { actions: &actions, restore: &restore, ports: tools.ports };
    let timeout = timeout(restore.spec.item_operation_timeout);
    let round = operation::round(&mut operations, &operators, tools.ports, timeout).await;
    let status = &mut restore.status;
    status.errors += newly_failed(&round, status.restore_item_operations_failed);
    status.restore_item_operations_completed = number(round.completed as u64);
    status.restore_item_operations_failed = number(round.failed as u64);
    let clean = status.errors == 0;
    status.phase = Some(match (round.is_running, clean) {
        (true, true) => RestorePhase::WaitingForPluginOperations,
        (true, false) => RestorePhase::WaitingForPluginOperationsPartiallyFailed,
        (false, true) => RestorePhase::Finalizing,
        (false, false) => RestorePhase::FinalizingPartiallyFailed,
    });
    if round.has_changed {
        if !round.errors.is_empty() {
            let mut results = store.restore_results(&name).await?;
            add_errors(&mut results, &round.errors);
            store.write_restore(&name, RestoreArtifact::Results, &results).await?;
        }
        store.write_restore(&name, RestoreArtifact::ItemOperations, &operations).await?;
    }
    Ok(restore)
}

/// Operations that have failed since the object was written last.
fn newly_failed(round: &Round, before: i32) -> i32 {
    (number(round.failed as u64) - before).max(0)
}

/// Adds general errors that are not there yet: a round may be done twice.
pub(super) fn add_errors(results: &mut Results, lines: &[String]) {
    for line in lines {
        if !results.errors.velero.contains(line) {
            results.errors.velero.push(line.clone());
        }
    }
}

/// Backups made elsewhere may say nothing; Velero's default then.
fn timeout(spec: Duration) -> std::time::Duration {
    const DEFAULT: std::time::Duration = std::time::Duration::from_hours(4);
    spec.to_std().filter(|timeout| !timeout.is_zero()).unwrap_or(DEFAULT)
}
