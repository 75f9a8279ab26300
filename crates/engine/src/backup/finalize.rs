//! The last pass over a backup with operations: what these have changed is read again, and the archive is written anew around it
//! (behaviour §4, backup-finalizer).
//!
//! The stored archive is not touched, so this can be repeated until the new one is stored in its place.

use tokio_util::sync::CancellationToken;

use super::run::{Base, Run};
use super::store::Mode;
use super::{BackupError, BackupRequest, FinalizeOutcome, Purpose};
use crate::action::ItemId;
use crate::archive::pipe;
use crate::archive::spool::{EntryId, Spool};
use crate::archive::writer::Entry;
use crate::catalog::GroupResource;
use crate::port::{ObjectRef, Ports};
use crate::progress::Progress;

/// Writes the archive `stored` anew: `items` and what the actions add to them as they are now, everything else as it was. An item that
/// is gone by now stays as it was.
pub async fn finalize(
    request: &BackupRequest,
    (stored, items): (&Spool, &[ItemId]),
    ports: &Ports,
    archive: pipe::Sink,
    cancel: &CancellationToken,
) -> Result<FinalizeOutcome, BackupError> {
    let request = BackupRequest { purpose: Purpose::Finalize, ..request.clone() };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(BackupError::Cancelled),
        outcome = make(&request, (stored, items), ports, archive) => outcome,
    }
}

async fn make(
    request: &BackupRequest,
    (stored, items): (&Spool, &[ItemId]),
    ports: &Ports,
    archive: pipe::Sink,
) -> Result<FinalizeOutcome, BackupError> {
    let progress = Progress::default();
    let base = Base::new(request, ports, &progress).await?;
    let run = base.run(archive);
    for item in items {
        run.store_one(item.clone(), Mode::Related { must: true, now: true, block: false }).await?;
        run.store_other_versions(item).await?;
    }
    run.copy(stored).await?;
    let Run { writer, ledger, .. } = run;
    writer.finish().await.map_err(BackupError::Archive)?;
    let ((_, updated), _) = ledger.into_parts();
    Ok(FinalizeOutcome { updated, findings: base.findings })
}

impl Run<'_> {
    /// Reads an item again at the other versions that are stored with it.
    async fn store_other_versions(&self, item: &ItemId) -> Result<(), BackupError> {
        for plan in self.other_versions(&item.resource) {
            let (namespace, name) = (item.namespace.clone(), item.name.clone());
            let object = ObjectRef { kind: plan.kind.clone(), namespace, name };
            match self.fetch(&object).await {
                Ok(object) => {
                    let mode = Mode::Related { must: true, now: true, block: false };
                    self.consider(&plan, object, mode).await?;
                }
                // The preferred version has told it.
                Err(error) if error.is_not_found() => {}
                Err(error) => self.fetch_failed(&object, error).await?,
            }
        }
        Ok(())
    }

    /// Takes over every object that was not written.
    async fn copy(&self, stored: &Spool) -> Result<(), BackupError> {
        for resource in stored.resources() {
            let versions = stored.versions(resource);
            for entry in stored.groups(resource).flat_map(|group| group.entries().collect::<Vec<_>>()) {
                self.copy_object(stored, (resource, &versions), entry).await?;
            }
        }
        Ok(())
    }

    async fn copy_object(
        &self,
        stored: &Spool,
        (resource, versions): (&GroupResource, &[&str]),
        entry: EntryId,
    ) -> Result<(), BackupError> {
        let id = stored.id(entry);
        let resource = resource.to_string();
        let key = self.written.key(&resource, "", id.namespace.as_deref(), &id.name);
        let mut copies = Vec::new();
        if self.written.claim(key) {
            copies.push((entry, true));
        }
        for version in versions.iter().skip(1) {
            let key = self.written.key(&resource, version, id.namespace.as_deref(), &id.name);
            if let Some(entry) = stored.find_version(&id, version)
                && self.written.claim(key)
            {
                copies.push((entry, false));
            }
        }
        for (entry, preferred) in copies {
            let object = stored.load(entry).map_err(BackupError::Stored)?;
            let version = object.head().api_version.rsplit('/').next().unwrap_or_default().to_owned();
            let entry = Entry {
                resource: &resource,
                version: &version,
                preferred,
                namespace: id.namespace.as_deref(),
                name: &id.name,
                body: object.raw(),
            };
            self.writer.add(&entry).await.map_err(BackupError::Archive)?;
        }
        Ok(())
    }
}
