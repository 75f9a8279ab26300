//! What differs between a stored backup and another one, or what the cluster has now.

use bowline_engine::backup::BackupError;
use bowline_engine::diff::{self, Diff, DiffError, DiffOptions};
use bowline_engine::finding::Finding;
use thiserror::Error;

use super::backup::request;
use super::config_map::ConfigMapError;
use super::rules::BackupActions;
use super::source::limits;
use super::{Source, Tools};

/// What a backup is compared with.
pub enum Against {
    /// What the same backup would hold now.
    Live,
    /// Another backup, mostly a later one.
    Backup(Box<Source>),
}

/// A comparison, and what could not be looked at.
#[derive(Debug)]
pub struct DiffReport {
    /// What differs.
    pub diff: Diff,
    /// Warnings and errors from reading the cluster: what they name may be missing in the comparison.
    pub findings: Vec<Finding>,
}

/// Why there is no comparison.
#[derive(Debug, Error)]
pub enum DiffFailure {
    /// The engine could not compare.
    #[error(transparent)]
    Engine(#[from] DiffError),
    /// The backup names resource policies that can't be read any more, so its selection is not known.
    #[error("failed to read the backup's resource policies")]
    Policies(#[from] ConfigMapError),
}

/// Compares a stored backup. Nothing in the cluster is changed, and no hook runs.
pub async fn diff_backup(
    tools: &Tools<'_>,
    source: &Source,
    against: Against,
    options: &DiffOptions,
) -> Result<DiffReport, DiffFailure> {
    let (other, findings) = match against {
        Against::Backup(other) => (other.spool, Vec::new()),
        Against::Live => {
            let request = request(tools, &source.backup, BackupActions::builtin()).await?;
            let place = (limits(tools), tools.scratch);
            let read = diff::spool_cluster(&request, tools.ports, place, tools.progress, tools.cancel);
            let (spool, findings) = read.await?;
            (spool, findings.list())
        }
    };
    let (spool, options) = (source.spool.clone(), options.clone());
    // Two archives of any size are read and decoded.
    let compared = tokio::task::spawn_blocking(move || diff::compare(&spool, &other, &options)).await;
    let diff = compared.unwrap_or_else(|_| Err(BackupError::Cancelled.into()))?;
    Ok(DiffReport { diff, findings })
}
