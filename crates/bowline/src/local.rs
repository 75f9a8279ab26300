//! Backups in a folder or bucket, read and written from here, without a server and without custom resources.

mod link;
mod place;
mod plan;
mod run;

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use bowline_api::Backup;
use bowline_api::artifact::BackupVolumeInfo;
use bowline_store::layout::{BackupArtifact, RESTORES, RestoreArtifact};
use bowline_store::{BackupStore, ErrorKind, ObjectStoreExt};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::TryStreamExt;

pub(crate) use place::{Access, Place};
pub(crate) use plan::{diff, plan};
pub(crate) use run::{backup, restore};

use crate::cluster::Fetched;
use crate::download::{Artifact, Pieces};
use crate::failure::{Failure, causes};
use crate::nearest::did_you_mean;
use crate::output::describe::{backup, restore};
use crate::output::screen::Screen;

/// Most bytes of a compressed log.
const MAX_LOG: u64 = 256 << 20;

/// How the settings of a place are given.
const SETTINGS: &str = "what is called config.NAME here is given as NAME=VALUE behind --to-config or --from-config, for `repo` behind --config";

/// The backups of one place.
pub(crate) struct LocalStore {
    place: Place,
    store: BackupStore,
}

/// Opens a place for reading.
pub(crate) async fn open(place: Place) -> anyhow::Result<LocalStore> {
    let config = place.location(Access::Read)?;
    let store = bowline_store::open(&config).await.map_err(|error| failed(&place, &error))?;
    Ok(LocalStore { place, store: BackupStore::new(store) })
}

/// An error of the store, with the place and a hint.
pub(crate) fn failed(place: &Place, error: &bowline_store::Error) -> anyhow::Error {
    told(place, &causes(error), error.hint())
}

/// What is wrong with a place. Hints of the store speak of a location's settings, which are flags here.
fn told(place: &Place, why: &str, hint: Option<&str>) -> anyhow::Error {
    let flags = hint.filter(|hint| hint.contains("config.")).map(|_| SETTINGS.to_owned());
    Failure::new(format!("{place}: {why}")).maybe_hint(hint.map(str::to_owned)).maybe_hint(flags).into()
}

impl LocalStore {
    /// The named backups, or all that can be read: one that is damaged must not hide the others, and is told.
    pub(crate) async fn backups(
        &self,
        screen: &Screen,
        names: &[String],
    ) -> anyhow::Result<Vec<Fetched<Backup>>> {
        let all = self.names().await?;
        if all.is_empty() && names.is_empty() {
            return match self.place.hint() {
                Some(hint) => {
                    Err(Failure::new(format!("there are no backups in {}", self.place)).hint(hint).into())
                }
                None => Ok(Vec::new()),
            };
        }
        let wanted = if names.is_empty() { &all } else { names };
        let mut found = Vec::with_capacity(wanted.len());
        for name in wanted {
            match self.store.metadata(name).await {
                Ok(object) => found.push(Fetched::of(object)?),
                // What an interrupted run left behind is no backup.
                Err(error) if error.is_not_found() && names.is_empty() => {}
                Err(error) if error.is_not_found() => return Err(self.missing("backup", name, &all)),
                Err(error) if names.is_empty() && error.kind() == ErrorKind::Corrupt => {
                    screen.note(format!("warning: the backup {name:?} is not shown: {}", causes(&error)));
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(found)
    }

    /// One backup.
    pub(crate) async fn backup(&self, name: &str) -> anyhow::Result<Backup> {
        match self.store.metadata(name).await {
            Ok(backup) => Ok(backup),
            Err(error) if error.is_not_found() => Err(self.missing("backup", name, &self.names().await?)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// What was done for each volume of a backup; nothing for backups of old versions.
    pub(crate) async fn volume_infos(&self, name: &str) -> anyhow::Result<Vec<BackupVolumeInfo>> {
        match self.store.volume_info(name).await {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            result => result.map_err(|error| self.failed(&error)),
        }
    }

    /// The archive of a backup.
    pub(crate) async fn contents(&self, name: &str) -> anyhow::Result<Pieces> {
        let archive = self.store.contents(name).await.map_err(|error| self.failed(&error))?;
        Ok(Box::pin(archive.body.map_err(io::Error::other)))
    }

    /// The files that a description of a backup needs.
    pub(crate) async fn companions(&self, name: &str) -> backup::Companions {
        backup::Companions {
            results: artifact(self.store.results(name).await),
            resource_list: artifact(self.store.resource_list(name).await),
            volumes: artifact(self.store.volume_info(name).await),
            operations: artifact(self.store.item_operations(name).await),
            deletions: Vec::new(),
        }
    }

    /// The files that a description of a restore needs. The place holds no object of the restore, only these.
    pub(crate) async fn restore_companions(&self, name: &str) -> anyhow::Result<restore::Companions> {
        let results = artifact(self.store.restore_results(name).await);
        if results == Artifact::Absent {
            return Err(self.missing("restore", name, &self.restores().await?));
        }
        Ok(restore::Companions {
            results,
            resource_list: artifact(self.store.read_restore(name, RestoreArtifact::ResourceList).await),
            volumes: artifact(self.store.restore_volume_info(name).await),
            operations: artifact(self.store.restore_item_operations(name).await),
        })
    }

    /// The log of a backup.
    pub(crate) async fn log(&self, name: &str) -> anyhow::Result<impl Read + use<>> {
        match self.text(&BackupArtifact::Log.key(name)).await? {
            Some(log) => Ok(log),
            None => Err(self.missing("log of the backup", name, &self.names().await?)),
        }
    }

    /// The log of a restore.
    pub(crate) async fn restore_log(&self, name: &str) -> anyhow::Result<impl Read + use<>> {
        match self.text(&RestoreArtifact::Log.key(name)).await? {
            Some(log) => Ok(log),
            None => Err(self.missing("log of the restore", name, &self.restores().await?)),
        }
    }

    async fn text(&self, key: &str) -> anyhow::Result<Option<MultiGzDecoder<Cursor<Bytes>>>> {
        let objects = Arc::clone(self.store.objects());
        match objects.get_bytes(key, MAX_LOG).await {
            Ok(stored) => Ok(Some(MultiGzDecoder::new(Cursor::new(stored)))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn names(&self) -> anyhow::Result<Vec<String>> {
        self.store.list_backups().await.map_err(|error| self.failed(&error))
    }

    /// Names of the restores that left files.
    async fn restores(&self) -> anyhow::Result<Vec<String>> {
        self.store.objects().common_prefixes(RESTORES).await.map_err(|error| self.failed(&error))
    }

    fn missing(&self, noun: &str, name: &str, others: &[String]) -> anyhow::Error {
        Failure::new(format!("there is no {noun} {name:?} in {}", self.place))
            .maybe_hint(did_you_mean(name, others.iter().map(String::as_str)))
            .maybe_hint(if others.is_empty() { self.place.hint() } else { None })
            .into()
    }

    fn failed(&self, error: &bowline_store::Error) -> anyhow::Error {
        failed(&self.place, error)
    }
}

fn artifact<T>(result: bowline_store::Result<T>) -> Artifact<T> {
    match result {
        Ok(content) => Artifact::Here(content),
        Err(error) if error.is_not_found() => Artifact::Absent,
        Err(error) => Artifact::Unreadable(causes(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, told};
    use crate::failure::explain;

    #[test]
    fn a_hint_on_a_setting_of_a_location_says_how_it_is_given_here() {
        let place: Place = "s3://b/p".parse().unwrap();
        let hints = explain(&told(&place, "the region is wrong", Some("set config.region"))).hints;
        assert!(hints.len() == 2 && hints[1].contains("--to-config"), "{hints:?}");
        assert_eq!(explain(&told(&place, "it is full", Some("free space"))).hints, ["free space"]);
    }
}
