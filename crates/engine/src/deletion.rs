//! The actions on the deletion of a backup: they see its objects before its files go, and may delete what these stand for, such as
//! snapshots (behaviour §4, deletion).

use std::sync::Arc;

use bowline_api::Backup;
use tokio_util::sync::CancellationToken;

use crate::action::chain::Resolved;
use crate::action::{ActionError, DeleteAction, DeleteContext};
use crate::archive::ArchiveError;
use crate::archive::spool::Spool;
use crate::finding::{Finding, Findings, Level, chain};
use crate::port::{ClusterError, Ports};
use crate::retry::Retry;

/// Why the actions could not be run on all objects.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// Discovery failed altogether.
    #[error("failed to read the kinds that the cluster serves")]
    Discover(#[source] ClusterError),
    /// An action could not say what it is for.
    #[error("failed to set up a delete item action")]
    Action(#[source] ActionError),
    /// An object can't be read from the archive.
    #[error("failed to read the backup's archive")]
    Archive(#[source] ArchiveError),
    /// The run was cancelled; it can be done again.
    #[error("the deletion was cancelled")]
    Cancelled,
}

/// Runs the actions on every object of the archive that they select, one after the other. What fails for an object is a finding, and
/// the others still have their turn. An action that ran before a cancellation runs again next time.
pub async fn run_actions(
    actions: &[Arc<dyn DeleteAction>],
    backup: &Backup,
    spool: &Spool,
    ports: &Ports,
    cancel: &CancellationToken,
) -> Result<Findings, DeletionError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(DeletionError::Cancelled),
        done = run(actions, backup, spool, ports) => done,
    }
}

async fn run(
    actions: &[Arc<dyn DeleteAction>],
    backup: &Backup,
    spool: &Spool,
    ports: &Ports,
) -> Result<Findings, DeletionError> {
    let findings = Findings::default();
    let discovered = Retry::API.run(&*ports.clock, || ports.cluster.discover()).await;
    let catalog = discovered.map_err(DeletionError::Discover)?;
    let actions = Resolved::all(actions, &catalog).await.map_err(DeletionError::Action)?;
    let context = DeleteContext { backup, ports };
    for resource in spool.resources() {
        for group in spool.groups(resource) {
            let namespace = spool.namespace(&group);
            let actions: Vec<_> =
                actions.iter().filter(|it| it.is_for(resource) && it.is_for_namespace(namespace)).collect();
            if actions.is_empty() {
                continue;
            }
            for entry in group.entries() {
                let item = spool.load(entry).map_err(DeletionError::Archive)?;
                let head = item.head();
                for action in actions.iter().filter(|it| it.selects(&head.labels)).map(|it| it.action()) {
                    if let Err(error) = action.execute(&item, &context).await {
                        let message =
                            format!("the delete item action {} failed: {}", action.name(), chain(&error));
                        findings.add(Finding::about(Level::Error, resource, namespace, &head.name, message));
                    }
                }
            }
        }
    }
    Ok(findings)
}
