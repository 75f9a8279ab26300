//! The last pass over backups and restores: what operations have changed is read again, new volumes get back what the old ones had,
//! and the phase becomes the final one.
//!
//! Data first, metadata last: until the last write the store holds the backup as it was, still unfinished, and this can be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bowline_api::artifact::ResourceIdentifier;
use bowline_api::{Backup, BackupPhase, Restore, RestorePhase, Time};
use bowline_engine::action::ItemId;
use bowline_engine::archive::pipe;
use bowline_engine::backup::{self, BackupError};
use bowline_engine::finding::chain;
use bowline_engine::finding::{Finding, Level};
use bowline_engine::restore::{DynamicVolume, dynamic_volumes, patch_dynamic_volumes};
use bowline_store::layout::{BackupArtifact, RestoreArtifact};
use bowline_store::{BackupStore, BackupUpload, Body};
use futures::TryStreamExt;
use kube::ResourceExt;
use thiserror::Error;

use super::backup::request_without_policies;
use super::rounds::{add_errors, poll_restore};
use super::source::{Source, SourceError};
use super::{FinishedBackup, Operation, Stopped, Tools, backup_line, number, restore_line};

/// The pause between two rounds of questions about operations.
const ROUND: Duration = Duration::from_secs(10);

/// Why a backup or restore could not be brought to its end. It stays as it was and can be tried again.
#[derive(Debug, Error)]
pub enum FinalizeError {
    /// The engine could not read or write the archive.
    #[error(transparent)]
    Engine(#[from] BackupError),
    /// The store does not give a file, or does not take one.
    #[error(transparent)]
    Store(#[from] bowline_store::Error),
    /// The stored backup can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Brings a backup in phase `Finalizing` or `FinalizingPartiallyFailed` to its end, in the store and in the object that is returned.
pub async fn finalize_backup(
    tools: &Tools<'_>,
    store: &BackupStore,
    mut backup: Backup,
) -> Result<FinishedBackup, FinalizeError> {
    let name = backup.name_any();
    let stored = store.metadata(&name).await?;
    if is_final(&stored) && stored.uid() == backup.uid() {
        // Only the last word was not written down.
        return Ok(FinishedBackup::unstored(Backup { status: stored.status, ..backup }));
    }
    let operations = store.item_operations(&name).await?;
    let items = operations.iter().flat_map(|operation| &operation.spec.post_operation_items);
    let items: Vec<ItemId> = items.map(item).collect();
    let upload = store.amend(&name).await?;
    let mut archive_bytes = 0;
    if !items.is_empty() {
        let source = Source::read(tools, store, stored).await?;
        let (findings, bytes) = rewrite(tools, &backup, (&source, &items), &upload).await?;
        archive_bytes = bytes;
        if !findings.is_empty() {
            let mut results = store.results(&name).await?;
            let lines =
                |level| findings.iter().filter(move |it: &&Finding| it.level == level).map(backup_line);
            let (errors, warnings): (Vec<_>, Vec<_>) =
                (lines(Level::Error).collect(), lines(Level::Warning).collect());
            backup.status.errors += number(errors.len() as u64);
            backup.status.warnings += number(warnings.len() as u64);
            add_errors(&mut results, &errors);
            results.warnings.velero.extend(warnings);
            upload.write(BackupArtifact::Results, &results).await?;
        }
    }
    let status = &mut backup.status;
    let clean = status.errors == 0 && status.phase != Some(BackupPhase::FinalizingPartiallyFailed);
    status.phase = Some(if clean { BackupPhase::Completed } else { BackupPhase::PartiallyFailed });
    status.completion_timestamp = Some(Time(tools.ports.clock.now()));
    upload.commit(&backup).await?;
    Ok(FinishedBackup { archive_bytes, ..FinishedBackup::unstored(backup) })
}

fn is_final(backup: &Backup) -> bool {
    matches!(backup.phase(), BackupPhase::Completed | BackupPhase::PartiallyFailed)
}

fn item(id: &ResourceIdentifier) -> ItemId {
    let key = id.key();
    ItemId { resource: id.group_resource(), namespace: key.namespace, name: key.name }
}

/// Writes the archive anew. Returns what was found and the size of the archive in bytes.
async fn rewrite(
    tools: &Tools<'_>,
    backup: &Backup,
    (source, items): (&Source, &[ItemId]),
    upload: &BackupUpload,
) -> Result<(Vec<Finding>, u64), FinalizeError> {
    // What is read again was chosen when the backup was made.
    let request = request_without_policies(tools, backup, tools.backup_actions());
    let (sink, blocks) = pipe::pipe();
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&bytes);
    let blocks = blocks.inspect_ok(move |block| {
        counter.fetch_add(block.len() as u64, Relaxed);
    });
    let (made, stored) = tokio::join!(
        backup::finalize(&request, (&source.spool, items), tools.ports, sink, tools.cancel),
        upload.put(BackupArtifact::Contents, Body::from_stream(blocks)),
    );
    match (made, stored) {
        (Ok(outcome), Ok(())) => {
            tracing::info!(items = outcome.updated, "read again what operations have changed");
            Ok((outcome.findings.list(), bytes.load(Relaxed)))
        }
        // The engine sees only that nobody takes its archive any more; the store knows why.
        (Ok(_) | Err(BackupError::Archive(_)), Err(error)) => Err(error.into()),
        (Err(error), _) => Err(error.into()),
    }
}

/// The new volumes of a restore that need something of the old ones.
pub(super) async fn volumes_to_patch(
    store: &BackupStore,
    restore: &Restore,
) -> Result<Vec<DynamicVolume>, bowline_store::Error> {
    let infos = match store.volume_info(&restore.spec.backup_name).await {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        infos => infos?,
    };
    let restored = store.read_restore(&restore.name_any(), RestoreArtifact::ResourceList).await?;
    Ok(dynamic_volumes(&infos, &restored, restore))
}

/// Brings a restore in phase `Finalizing` or `FinalizingPartiallyFailed` to its end.
pub async fn finalize_restore(
    tools: &Tools<'_>,
    store: &BackupStore,
    mut restore: Restore,
) -> Result<Restore, FinalizeError> {
    let volumes = volumes_to_patch(store, &restore).await?;
    // Data that did not arrive is an error already; its volume is not waited for.
    let failed = store.restore_item_operations(&restore.name_any()).await?;
    let has_data = |volume: &DynamicVolume| {
        !failed.iter().any(|operation| {
            let item = &operation.spec.resource_identifier;
            let completed = operation.status.phase == Some(bowline_api::artifact::OperationPhase::Completed);
            !completed
                && item.resource == "persistentvolumeclaims"
                && (&item.namespace, &item.name) == (&volume.namespace, &volume.claim)
        })
    };
    let volumes: Vec<_> = volumes.into_iter().filter(has_data).collect();
    let findings = patch_dynamic_volumes(&volumes, tools.ports, tools.settings.resource_timeout).await;
    if !findings.is_empty() {
        let mut results = store.restore_results(&restore.name_any()).await?;
        for finding in &findings {
            let line = restore_line(finding);
            let namespace = match &finding.place {
                bowline_engine::finding::Place::Namespace(namespace) => namespace.clone(),
                _ => String::new(),
            };
            let lines = results.errors.namespaces.entry(namespace).or_default();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        store.write_restore(&restore.name_any(), RestoreArtifact::Results, &results).await?;
        restore.status.errors += number(findings.len() as u64);
    }
    let status = &mut restore.status;
    let clean = status.errors == 0 && status.phase != Some(RestorePhase::FinalizingPartiallyFailed);
    status.phase = Some(if clean { RestorePhase::Completed } else { RestorePhase::PartiallyFailed });
    status.completion_timestamp = Some(Time(tools.ports.clock.now()));
    Ok(restore)
}

/// Sees a restore through to its final phase here and now, for programs without controllers. What can't be done is in the status.
pub async fn complete_restore(operation: &Operation<'_>, mut restore: Restore) -> Result<Restore, Stopped> {
    use RestorePhase::{
        Finalizing, FinalizingPartiallyFailed, WaitingForPluginOperations,
        WaitingForPluginOperationsPartiallyFailed,
    };
    let (tools, store) = (operation.tools(), operation.store);
    loop {
        let next = match restore.phase() {
            WaitingForPluginOperations | WaitingForPluginOperationsPartiallyFailed => {
                tokio::select! {
                    () = tools.cancel.cancelled() => return Err(Stopped),
                    () = tools.ports.clock.sleep(ROUND) => {}
                }
                poll_restore(&tools, store, restore.clone()).await.map_err(|error| chain(&error))
            }
            Finalizing | FinalizingPartiallyFailed => {
                finalize_restore(&tools, store, restore.clone()).await.map_err(|error| chain(&error))
            }
            _ => return Ok(restore),
        };
        restore = next.unwrap_or_else(|reason| {
            restore.status.phase = Some(RestorePhase::PartiallyFailed);
            restore.status.errors += 1;
            restore.status.failure_reason =
                format!("the objects are restored, but not all that comes after: {reason}");
            restore.status.completion_timestamp = Some(Time(tools.ports.clock.now()));
            restore
        });
    }
}
