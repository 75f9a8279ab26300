//! What happens to a stored backup before its files go: delete item actions see its objects.

use bowline_api::Backup;
use bowline_engine::deletion::{DeletionError, run_actions};
use bowline_engine::finding::chain;
use bowline_engine::finding::{Finding, Level};
use bowline_store::BackupStore;
use kube::ResourceExt;
use thiserror::Error;

use super::source::{Source, SourceError};
use super::{Tools, restore_line};

/// Why the actions could not be run, so that deleting the files would lose track of what they delete.
#[derive(Debug, Error)]
pub enum DeleteActionsError {
    /// The store does not give the archive for now.
    #[error("failed to read the backup for its delete item actions")]
    Source(#[source] SourceError),
    /// The actions could not be set up.
    #[error("failed to run the delete item actions")]
    Engine(#[source] DeletionError),
}

impl DeleteActionsError {
    /// Whether the server is to stop: the next one does it.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Source(SourceError::Cancelled) | Self::Engine(DeletionError::Cancelled))
    }
}

/// Runs the delete item actions of a backup. What fails for single objects is returned, a line each, and does not stop the deletion, as
/// in Velero; nor does an archive that is missing or damaged, which nobody will ever be able to read.
pub async fn run_delete_actions(
    tools: &Tools<'_>,
    store: &BackupStore,
    backup: &Backup,
) -> Result<Vec<String>, DeleteActionsError> {
    if tools.delete_actions().is_empty() {
        return Ok(Vec::new());
    }
    let source = match Source::read(tools, store, backup.clone()).await {
        Ok(source) => source,
        Err(error @ SourceError::Cancelled) => return Err(DeleteActionsError::Source(error)),
        Err(error) if error.is_retryable() => return Err(DeleteActionsError::Source(error)),
        Err(error) => {
            let left_out = left_out(backup, &error);
            // There is nothing to say of a backup that failed and has no archive.
            let is_missing = matches!(&error, SourceError::Store(error) if error.is_not_found());
            return Ok(if is_missing { Vec::new() } else { vec![left_out] });
        }
    };
    match run_actions(tools.delete_actions(), backup, &source.spool, tools.ports, tools.cancel).await {
        Ok(findings) => Ok(findings.list().iter().map(line).collect()),
        Err(error @ DeletionError::Archive(_)) => Ok(vec![left_out(backup, &error)]),
        Err(error) => Err(DeleteActionsError::Engine(error)),
    }
}

fn line(finding: &Finding) -> String {
    debug_assert_eq!(finding.level, Level::Error);
    restore_line(finding)
}

/// Logs and says that the archive can't be read.
fn left_out(backup: &Backup, error: &(dyn std::error::Error + 'static)) -> String {
    tracing::warn!(backup = backup.name_any(), error = chain(error), "delete item actions are left out");
    format!("delete item actions were left out: {}", chain(error))
}
