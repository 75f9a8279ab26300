//! Backups in a folder or bucket, read and written from here, without a server and without custom resources.

mod place;
mod plan;
mod run;

use std::io::{Cursor, Read};
use std::sync::Arc;

use bowline_api::Backup;
use bowline_store::layout::BackupArtifact;
use bowline_store::{BackupStore, ObjectStoreExt};
use flate2::read::MultiGzDecoder;

use place::Access;
pub(crate) use place::Place;
pub(crate) use plan::plan;
pub(crate) use run::{backup, restore};

use crate::cluster::Fetched;
use crate::download::Artifact;
use crate::failure::{Failure, causes};
use crate::nearest::did_you_mean;
use crate::output::describe::backup::Companions;
use crate::output::encode::sorted;

/// Most bytes of a compressed log.
const MAX_LOG: u64 = 256 << 20;

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
    let hint = error.hint().map(str::to_owned);
    Failure::new(format!("{place}: {}", causes(error))).maybe_hint(hint).into()
}

impl LocalStore {
    /// The named backups, or all.
    pub(crate) async fn backups(&self, names: &[String]) -> anyhow::Result<Vec<Fetched<Backup>>> {
        let all = self.names().await?;
        let wanted = if names.is_empty() { &all } else { names };
        let mut found = Vec::with_capacity(wanted.len());
        for name in wanted {
            match self.store.metadata(name).await {
                Ok(object) => found.push(Fetched { raw: sorted(&object)?, object }),
                // What an interrupted run left behind is no backup.
                Err(error) if error.is_not_found() && names.is_empty() => {}
                Err(error) if error.is_not_found() => return Err(self.missing(name, &all)),
                Err(error) => return Err(failed(&self.place, &error)),
            }
        }
        Ok(found)
    }

    /// The files that a description needs.
    pub(crate) async fn companions(&self, name: &str) -> anyhow::Result<Companions> {
        Ok(Companions {
            results: artifact(self.store.results(name).await),
            resource_list: artifact(self.store.resource_list(name).await),
            volumes: artifact(self.store.volume_info(name).await),
            operations: artifact(self.store.item_operations(name).await),
            deletions: Vec::new(),
        })
    }

    /// The log of a backup.
    pub(crate) async fn log(&self, name: &str) -> anyhow::Result<impl Read> {
        let objects = Arc::clone(self.store.objects());
        match objects.get_bytes(&BackupArtifact::Log.key(name), MAX_LOG).await {
            Ok(stored) => Ok(MultiGzDecoder::new(Cursor::new(stored))),
            Err(error) if error.is_not_found() => Err(self.missing(name, &self.names().await?)),
            Err(error) => Err(failed(&self.place, &error)),
        }
    }

    async fn names(&self) -> anyhow::Result<Vec<String>> {
        self.store.list_backups().await.map_err(|error| failed(&self.place, &error))
    }

    fn missing(&self, name: &str, others: &[String]) -> anyhow::Error {
        Failure::new(format!("there is no backup {name:?} in {}", self.place))
            .maybe_hint(did_you_mean(name, others.iter().map(String::as_str)))
            .into()
    }
}

fn artifact<T>(result: bowline_store::Result<T>) -> Artifact<T> {
    match result {
        Ok(content) => Artifact::Here(content),
        Err(error) if error.is_not_found() => Artifact::Absent,
        Err(error) => Artifact::Unreadable(causes(&error)),
    }
}
