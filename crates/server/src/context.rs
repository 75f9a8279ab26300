//! What all controllers share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bowline_api::{
    Backup, BackupStorageLocation, DeleteBackupRequest, DownloadRequest, Kind, Restore, Schedule,
    ServerStatusRequest,
};
use bowline_engine::port::Ports;
use bowline_engine::progress::Progress;
use bowline_reconcile::telemetry::RunLogs;
use bowline_reconcile::{Cache, Fence, Guard, Reporter, patch};
use bowline_store::BackupStore;
use jiff::Timestamp;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::download::Signer;
use crate::failure::ApiError;
use crate::location::{LocationError, Stores};
use crate::metrics::Metrics;
use crate::operation::Tools;

/// The clients, caches and settings of the server. Cloning shares them; each term of a leader has a stop token of its own.
#[derive(Clone)]
pub(crate) struct Context {
    /// Changes nothing while the fence is closed, as do the ports and the stores.
    pub(crate) client: kube::Client,
    pub(crate) fence: Fence,
    pub(crate) config: Config,
    pub(crate) ports: Ports,
    pub(crate) caches: Caches,
    pub(crate) stores: Arc<Stores>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) reporter: Reporter,
    pub(crate) logs: RunLogs,
    pub(crate) signer: Arc<Signer>,
    /// Cancelled when the server is to end, or to stop leading.
    pub(crate) stop: CancellationToken,
}

/// The objects of the server's namespace.
#[derive(Clone)]
pub(crate) struct Caches {
    pub(crate) backups: Cache<Backup>,
    pub(crate) restores: Cache<Restore>,
    pub(crate) schedules: Cache<Schedule>,
    pub(crate) locations: Cache<BackupStorageLocation>,
    pub(crate) delete_requests: Cache<DeleteBackupRequest>,
    pub(crate) download_requests: Cache<DownloadRequest>,
    pub(crate) status_requests: Cache<ServerStatusRequest>,
}

/// Longest time that the end of a run is tried to be written down.
const PERSISTENCE: Duration = Duration::from_mins(30);

impl Context {
    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    pub(crate) fn api<K: Kind>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.config.namespace)
    }

    /// Writes what changed.
    pub(crate) async fn patch<K: Kind>(&self, before: &K, after: &K, guard: Guard) -> Result<K, ApiError> {
        patch(&self.api(), before, after, guard)
            .await
            .map_err(|error| ApiError::new(format!("update {} {}", K::PLURAL, before.name_any()), error))
    }

    /// Repeats a request until the API server grants it or refuses it for good.
    pub(crate) async fn persistently<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let start = self.now();
        let mut pause = Duration::from_millis(500);
        loop {
            match request().await {
                Err(error) if !error.is_permanent() && elapsed(start, self.now()) < PERSISTENCE => {
                    tracing::warn!(error = %error, "will be tried again");
                    self.ports.clock.sleep(error.retry_after().unwrap_or(pause)).await;
                    pause = (pause * 2).min(Duration::from_secs(15));
                }
                result => return result,
            }
        }
    }

    /// Reads an object from the API server: the cache may lag behind our own last change.
    pub(crate) async fn live<K: Kind>(&self, name: &str) -> Result<Option<K>, ApiError> {
        self.api()
            .get_opt(name)
            .await
            .map_err(|error| ApiError::new(format!("read {} {name}", K::PLURAL), error))
    }

    /// Creates an object in the server's namespace.
    pub(crate) async fn create<K: Kind>(&self, object: &K) -> Result<K, ApiError> {
        let attempt = || format!("create {} {}", K::PLURAL, object.name_any());
        self.api()
            .create(&PostParams::default(), object)
            .await
            .map_err(|error| ApiError::new(attempt(), error))
    }

    /// Deletes an object, if it is still the one that was seen. One that is gone is fine.
    pub(crate) async fn delete<K: Kind>(&self, object: &K) -> Result<(), ApiError> {
        let preconditions = Preconditions { uid: object.uid(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.api::<K>().delete(&object.name_any(), &parameters).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = ApiError::new(format!("delete {} {}", K::PLURAL, object.name_any()), error);
                if error.is_not_found() { Ok(()) } else { Err(error) }
            }
        }
    }

    /// The base of the URLs that this server answers itself.
    pub(crate) fn public_url(&self) -> String {
        if let Some(url) = &self.config.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let (host, port) = self.config.metrics_address.rsplit_once(':').unwrap_or(("", "8085"));
        let any = matches!(host, "" | "0.0.0.0" | "[::]");
        format!("http://{}:{port}", if any { "127.0.0.1" } else { host })
    }

    /// The location of this name.
    pub(crate) fn location(&self, name: &str) -> Result<Arc<BackupStorageLocation>, LocationError> {
        self.caches.locations.get(name).ok_or_else(|| LocationError::Missing(name.to_owned()))
    }

    /// The store that holds the files of a restore: that of its backup.
    pub(crate) async fn store_of_restore(&self, restore: &Restore) -> Result<BackupStore, LocationError> {
        let backup = self.caches.backups.get(&restore.spec.backup_name);
        let location = backup.map(|backup| backup.spec.storage_location.clone());
        let location =
            location.ok_or_else(|| LocationError::Missing(format!("of {}", restore.spec.backup_name)))?;
        self.store(&*self.location(&location)?).await
    }

    /// What operations work with that need neither a location nor a log.
    pub(crate) fn tools<'a>(&'a self, scratch: &'a Path, progress: &'a Progress) -> Tools<'a> {
        Tools {
            ports: &self.ports,
            settings: &self.config.engine,
            namespace: Some(&self.config.namespace),
            scratch,
            progress,
            cancel: &self.stop,
        }
    }

    /// The store of a location.
    pub(crate) async fn store(&self, location: &BackupStorageLocation) -> Result<BackupStore, LocationError> {
        self.stores.open(&self.client, location).await
    }
}

/// How long it is from one time to a later one; nothing when it is earlier.
pub(crate) fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
