//! backup-sync: backups that are in a location and not in the cluster become objects, and objects whose files are gone are removed
//! (backup-format §1.4).

mod unready;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bowline_api::location::BackupStorageLocationPhase;
use bowline_api::{
    Backup, BackupPhase, BackupStorageLocation, Kind, OwnerReference, PodVolumeBackup, Schedule, Time, label,
};
use bowline_reconcile::{Failure, Guard, Next, Reconcile};
use bowline_store::BackupStore;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::ResourceExt;

use self::unready::Unready;
use super::remaining;
use crate::context::{Context, elapsed};
use crate::counted::Counted;
use crate::failure::{ApiError, failure};

/// Backups that are taken over at a time.
const PARALLEL: usize = 8;

pub(super) struct Sync {
    context: Arc<Context>,
    unready: Unready,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Sync,
    Wait(Duration),
    Never,
}

fn decide(location: &BackupStorageLocation, server_period: Duration, now: Timestamp) -> Step {
    let period = match location.spec.backup_sync_period {
        Some(period) if period.is_zero() => return Step::Never,
        Some(period) => period.to_std().unwrap_or(server_period),
        None => server_period,
    };
    let last = location.status.last_synced_time.as_ref();
    let left = last.and_then(|Time(last)| remaining(period, elapsed(*last, now)));
    match left {
        Some(left) => Step::Wait(left),
        // A change of the phase comes as an event.
        None if location.status.phase != Some(BackupStorageLocationPhase::Available) => Step::Wait(period),
        None => Step::Sync,
    }
}

/// The object for a stored backup; `None` when it is not for us yet.
fn adopt(
    stored: Backup,
    location: &str,
    namespace: &str,
    schedules: &[Arc<Schedule>],
    now: Timestamp,
) -> Option<Backup> {
    let mut backup = stored;
    if !is_finished(&backup) {
        let expired = backup.status.expiration.as_ref().is_some_and(|Time(at)| *at <= now);
        if !expired {
            return None;
        }
        backup.status.phase = Some(BackupPhase::PartiallyFailed);
    }
    let name = backup.name_any();
    backup.metadata = bowline_api::ObjectMeta {
        name: Some(name),
        namespace: Some(namespace.to_owned()),
        labels: backup.metadata.labels,
        annotations: backup.metadata.annotations,
        owner_references: known_owners(backup.metadata.owner_references, schedules),
        ..Default::default()
    };
    location.clone_into(&mut backup.spec.storage_location);
    let labels = backup.metadata.labels.get_or_insert_default();
    labels.insert(label::STORAGE_LOCATION.into(), label::valid_value(location));
    Some(backup)
}

fn is_finished(backup: &Backup) -> bool {
    use BackupPhase::{
        Finalizing, FinalizingPartiallyFailed, InProgress, WaitingForPluginOperations,
        WaitingForPluginOperationsPartiallyFailed,
    };
    !matches!(
        backup.phase(),
        InProgress
            | Finalizing
            | FinalizingPartiallyFailed
            | WaitingForPluginOperations
            | WaitingForPluginOperationsPartiallyFailed
    )
}

/// An owner that does not exist here would have the object collected as garbage.
fn known_owners(
    owners: Option<Vec<OwnerReference>>,
    schedules: &[Arc<Schedule>],
) -> Option<Vec<OwnerReference>> {
    let known = |owner: &OwnerReference| {
        schedules.iter().any(|schedule| {
            owner.kind == Schedule::KIND
                && owner.name == schedule.name_any()
                && schedule.uid().as_deref() == Some(owner.uid.as_str())
        })
    };
    let owners: Vec<_> = owners?.into_iter().filter(known).collect();
    (!owners.is_empty()).then_some(owners)
}

/// Objects that say their files are in this location.
fn claimed(backups: &[Arc<Backup>], location: &str) -> Vec<Arc<Backup>> {
    let is_claimed = |backup: &&Arc<Backup>| {
        backup.spec.storage_location == location
            && matches!(backup.phase(), BackupPhase::Completed | BackupPhase::PartiallyFailed)
    };
    backups.iter().filter(is_claimed).cloned().collect()
}

impl Sync {
    pub(super) fn new(context: &Arc<Context>) -> Self {
        Self { context: Arc::clone(context), unready: Unready::default() }
    }

    async fn sync(&self, location: &BackupStorageLocation) -> Result<(), Failure> {
        let name = location.name_any();
        let store = self.counted_store(location).await?;
        // Looked at before the store is: a backup that becomes complete meanwhile is in neither list.
        let claimed = claimed(&self.context.caches.backups.list(), &name);
        let stored: BTreeSet<String> = store.list_backups().await?.into_iter().collect();
        let unknown: BTreeSet<&String> =
            stored.iter().filter(|backup| self.context.caches.backups.get(backup).is_none()).collect();
        self.unready.keep_only(&name, &unknown);
        let now = self.context.now();
        let due = unknown.into_iter().filter(|backup| self.unready.is_due(&name, backup, now));
        stream::iter(due)
            .for_each_concurrent(PARALLEL, async |backup| {
                let imported = self.import(&store, &name, backup).await;
                // One damaged backup must not hide the others.
                if let Err(error) = &imported {
                    tracing::error!(backup, location = name, error = %error, "stored backup can't be taken over");
                }
                if !imported.unwrap_or(false) {
                    self.unready.note(&name, backup, now);
                }
            })
            .await;
        for backup in claimed.iter().filter(|backup| !stored.contains(&backup.name_any())) {
            self.remove_orphan(&store, backup).await?;
        }
        let mut after = location.clone();
        after.status.last_synced_time = Some(Time(self.context.now()));
        self.context.patch(location, &after, Guard::None).await.map(drop).map_err(failure)
    }

    /// The location's store, which counts what this asks of it.
    async fn counted_store(&self, location: &BackupStorageLocation) -> Result<BackupStore, Failure> {
        let store = self.context.store(location).await?;
        let requests = self.context.metrics.own.sync_requests.with_label_values(&[&location.name_any()]);
        Ok(BackupStore::new(Arc::new(Counted::new(Arc::clone(store.objects()), requests))))
    }

    /// Makes an object of a stored backup. Returns whether there is one to be made an object of.
    async fn import(&self, store: &BackupStore, location: &str, name: &str) -> Result<bool, Failure> {
        let stored = match store.metadata(name).await {
            Ok(stored) => stored,
            // A run that is not finished, or what one left behind.
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if stored.name_any() != name {
            return Err(format!("its metadata is that of the backup {:?}", stored.name_any()).into());
        }
        let schedules = self.context.caches.schedules.list();
        let namespace = &self.context.config.namespace;
        let Some(backup) = adopt(stored, location, namespace, &schedules, self.context.now()) else {
            return Ok(false);
        };
        let created = match self.context.create(&backup).await {
            Ok(created) => created,
            Err(error) if error.is_conflict() => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        tracing::info!(backup = name, location, "stored backup is now known to the cluster");
        self.context.metrics.own.sync_imported.with_label_values(&[location]).inc();
        self.import_volumes(store, location, &created).await?;
        Ok(true)
    }

    async fn import_volumes(
        &self,
        store: &BackupStore,
        location: &str,
        backup: &Backup,
    ) -> Result<(), Failure> {
        for mut volume in store.pod_volume_backups(&backup.name_any()).await? {
            let uid = backup.uid().unwrap_or_default();
            let mut labels = volume.metadata.labels.take().unwrap_or_default();
            labels.insert(label::BACKUP_UID.into(), uid.clone());
            let owners = volume.metadata.owner_references.take().unwrap_or_default();
            volume.metadata = bowline_api::ObjectMeta {
                name: volume.metadata.name.take(),
                namespace: Some(self.context.config.namespace.clone()),
                labels: Some(labels),
                annotations: volume.metadata.annotations.take(),
                owner_references: Some(
                    owners.into_iter().map(|owner| OwnerReference { uid: uid.clone(), ..owner }).collect(),
                ),
                ..Default::default()
            };
            location.clone_into(&mut volume.spec.backup_storage_location);
            match self.context.create::<PodVolumeBackup>(&volume).await {
                Err(error) if !error.is_conflict() => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn remove_orphan(&self, store: &BackupStore, backup: &Backup) -> Result<(), Failure> {
        let name = backup.name_any();
        if store.exists(&name).await? {
            return Ok(());
        }
        tracing::info!(backup = name, "the backup's files are gone from its location, its object is removed");
        self.context.delete(backup).await.map_err(|error: ApiError| failure(error))
    }
}

#[async_trait]
impl Reconcile for Sync {
    fn name(&self) -> &'static str {
        "backup-sync"
    }

    async fn reconcile(&self, name: &str) -> Result<Next, Failure> {
        let caches = &self.context.caches;
        let Some(location) = caches.locations.get(name) else { return Ok(Next::OnChange) };
        tokio::join!(caches.backups.ready(), caches.schedules.ready());
        let period = self.context.config.periods.backup_sync;
        match decide(&location, period, self.context.now()) {
            Step::Sync => {
                self.sync(&location).await?;
                Ok(Next::After(period))
            }
            Step::Wait(left) => Ok(Next::After(left)),
            Step::Never => Ok(Next::OnChange),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn available_locations_are_searched_once_a_period() {
        let minute = Duration::from_mins(1);
        let mut location =
            BackupStorageLocation::new("a", bowline_api::location::BackupStorageLocationSpec::default());
        assert_eq!(decide(&location, minute, at(0)), Step::Wait(minute));
        location.status.phase = Some(BackupStorageLocationPhase::Available);
        assert_eq!(decide(&location, minute, at(0)), Step::Sync);
        location.status.last_synced_time = Some(Time(at(0)));
        assert_eq!(decide(&location, minute, at(20)), Step::Wait(Duration::from_secs(40)));
        assert_eq!(decide(&location, minute, at(60)), Step::Sync);
        location.spec.backup_sync_period = Some("0s".parse().unwrap());
        assert_eq!(decide(&location, minute, at(60)), Step::Never);
    }

    #[test]
    fn a_stored_backup_becomes_an_object_of_this_cluster_and_location() {
        let mut stored = Backup::new("b", bowline_api::BackupSpec::default());
        stored.metadata.namespace = Some("elsewhere".into());
        stored.metadata.resource_version = Some("7".into());
        stored.metadata.owner_references = Some(vec![OwnerReference {
            kind: "Schedule".into(),
            name: "s".into(),
            uid: "1".into(),
            ..Default::default()
        }]);
        stored.spec.storage_location = "theirs".into();
        stored.status.phase = Some(BackupPhase::Completed);
        let backup = adopt(stored.clone(), "ours", "velero", &[], at(0)).unwrap();
        assert_eq!((backup.namespace().as_deref(), backup.resource_version()), (Some("velero"), None));
        assert_eq!(
            (backup.spec.storage_location.as_str(), backup.labels()[label::STORAGE_LOCATION].as_str()),
            ("ours", "ours")
        );
        assert!(backup.metadata.owner_references.is_none());

        let mut schedule = Schedule::new("s", bowline_api::schedule::ScheduleSpec::default());
        schedule.metadata.uid = Some("1".into());
        let backup = adopt(stored, "ours", "velero", &[Arc::new(schedule)], at(0)).unwrap();
        assert_eq!(backup.metadata.owner_references.unwrap().len(), 1);
    }

    #[test]
    fn an_unfinished_backup_is_left_alone_until_it_expires() {
        let mut stored = Backup::new("b", bowline_api::BackupSpec::default());
        stored.status.phase = Some(BackupPhase::Finalizing);
        stored.status.expiration = Some(Time(at(100)));
        assert!(adopt(stored.clone(), "ours", "velero", &[], at(99)).is_none());
        assert_eq!(
            adopt(stored, "ours", "velero", &[], at(100)).unwrap().phase(),
            BackupPhase::PartiallyFailed
        );
    }
}
